//! One run of a program: time by the clock, processor time, memory.
//!
//! What it says goes to `/dev/null`: who reads it would need a processor, and take it from a
//! program that works on all of them.
//! Processor time and peak memory are what the kernel counted when the program ended (wait4(2)),
//! children it waited for included. Reads `/proc` besides, so Linux only. Invariant: a run that
//! failed is an error, never a figure.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use wait4::Wait4;

#[derive(Clone, Copy)]
pub struct Run {
    pub wall_secs: f64,
    /// User and system time of the process.
    pub cpu_secs: f64,
    /// The part of it that the kernel took.
    pub system_secs: f64,
    pub peak_kib: u64,
}

impl Run {
    /// The faster of two.
    pub fn min(self, other: Run) -> Run {
        if other.cpu_secs < self.cpu_secs { other } else { self }
    }
}

pub fn measure(mut command: Command) -> Result<Run> {
    let own_peak_kib = peak("self").context("/proc/self/status has no peak")?;
    let start = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let ended = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (ended, process) = (Arc::clone(&ended), child.id().to_string());
        std::thread::spawn(move || {
            let mut seen_kib = 0;
            while !ended.load(Ordering::SeqCst) {
                seen_kib = seen_kib.max(peak(&process).unwrap_or(0));
                std::thread::sleep(Duration::from_millis(10));
            }
            seen_kib
        })
    };
    let waited = child.wait4();
    let wall_secs = start.elapsed().as_secs_f64();
    ended.store(true, Ordering::SeqCst);
    let seen_kib = watcher.join().ok().context("the watching thread failed")?;
    let ended = waited.context("cannot wait for the program")?;
    if !ended.status.success() {
        bail!("it ended with {}", ended.status);
    }
    let cpu_secs = (ended.rusage.utime + ended.rusage.stime).as_secs_f64();
    // A program inherits the peak of the one that started it (exec of a vfork shares its memory
    // until then), so a figure that is not above ours says nothing; then what was seen counts.
    let counted_kib = ended.rusage.maxrss / 1_024;
    let peak_kib = if counted_kib > own_peak_kib { counted_kib } else { seen_kib };
    let system_secs = ended.rusage.stime.as_secs_f64();
    Ok(Run { wall_secs, cpu_secs, system_secs, peak_kib })
}

/// How many octets a program says, which are not read while it is measured.
pub fn said(mut command: Command) -> Result<u64> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot start {program:?}"))?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    Ok(output.stdout.len() as u64)
}

fn peak(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_its_processor_time_and_a_failed_one_is_an_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done"]);
        let run = measure(command).unwrap();
        assert!(run.cpu_secs > 0.0 && run.cpu_secs < 60.0 && run.peak_kib > 0, "{}", run.cpu_secs);
        assert!(measure(Command::new("false")).is_err());
    }

    #[test]
    fn what_a_program_says_is_counted_and_a_failed_one_is_an_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo done; echo more >&2"]);
        assert_eq!(said(command).unwrap(), 5);
        assert!(said(Command::new("false")).is_err());
    }
}
