//! The signals that end what runs on until somebody ends it.
//!
//! A terminal that is closed, or a session that ends, hangs up: no less an end than SIGTERM.
//! Invariant: what this process was started to ignore, as by nohup, it goes on ignoring.

/// Kept from before anybody is told that it runs, so that one that comes at once still ends it
/// well.
#[cfg(feature = "control-plane")]
pub struct StopSignals(Vec<(tokio::signal::unix::Signal, &'static str)>);

#[cfg(feature = "control-plane")]
impl StopSignals {
    /// `ignored` was read before the process gave up looking at itself.
    pub fn listen(ignored: u64) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            (SignalKind::hangup(), "SIGHUP"),
            (SignalKind::interrupt(), "SIGINT"),
            (SignalKind::terminate(), "SIGTERM"),
        ];
        let ours = kinds.into_iter().filter(|(kind, _)| !is_in(ignored, kind.as_raw_value()));
        let listen = |(kind, name)| {
            let signal = signal(kind).with_context(|| format!("cannot listen for {name}"))?;
            Ok((signal, name))
        };
        ours.map(listen).collect::<anyhow::Result<_>>().map(StopSignals)
    }

    /// The name of the one that came.
    pub async fn next(&mut self) -> &'static str {
        std::future::poll_fn(|context| {
            let mut all = self.0.iter_mut();
            let came = all
                .find_map(|(signal, name)| signal.poll_recv(context).is_ready().then_some(*name));
            came.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }
}

/// Signals that this process was started to ignore, as a set of bits.
pub fn ignored() -> u64 {
    ignored_of(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn ignored_of(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

pub fn is_in(signals: u64, signal: i32) -> bool {
    (signals >> (signal - 1)) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_read_from_the_status_of_the_process() {
        let ignored = ignored_of("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t2\n");
        assert!(is_in(ignored, libc::SIGHUP) && !is_in(ignored, libc::SIGTERM));
        assert_eq!(ignored_of("Name:\tx\n"), 0);
    }

    #[cfg(feature = "control-plane")]
    #[test]
    fn who_hangs_up_ends_it() {
        use rustix::process::{Signal, getpid, kill_process};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("starts").block_on(async {
            let mut signals = StopSignals::listen(0).expect("listens");
            kill_process(getpid(), Signal::HUP).expect("sent");
            assert_eq!(signals.next().await, "SIGHUP");
        });
    }
}
