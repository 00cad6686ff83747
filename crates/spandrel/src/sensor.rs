//! `spandrel sensor`: one sensor as a process: packets in, insights out, a JSON line each.
//!
//! The server runs it as a child with less rights. A thread reads packets, so that beats go on
//! while the wire is silent. Not here: what packets mean. Invariant: standard output carries
//! insights alone; the process ends when its input or its reader does.

use ::sensor::{Fold, Packet, Worker, WorkerSettings};
use anyhow::{Context as _, Result, bail};
use model::{INSIGHT_VERSION, Insight, Time};
use std::{
    io::{BufWriter, ErrorKind, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant, SystemTime},
};
use wire::{LinkType, file::CaptureReader};

#[derive(clap::Args)]
pub struct Options {
    /// Read a capture stream from standard input
    #[arg(long)]
    stdin: bool,
    /// Name of the sensor
    #[arg(long, default_value = "sensor")]
    name: String,
}

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// Packets that may wait for the sensor; more are counted as dropped.
const QUEUE_PACKETS_MAX: usize = 65_536;
/// Packets between two looks at the clock.
const CLOCK_PACKETS: u64 = 256;

/// A packet on its way from the reading thread.
struct Owned {
    at: Time,
    wire_len: u32,
    link: LinkType,
    data: Box<[u8]>,
}

enum Said {
    Packet(Owned),
    /// Why there will be no more packets; `None` at the input's end.
    End(Option<String>),
}

pub fn run(options: &Options) -> Result<ExitCode> {
    if !options.stdin {
        bail!("no input; this build reads captures from --stdin only");
    }
    #[cfg(unix)]
    rustix::thread::set_no_new_privs(true).context("cannot give up gaining rights")?;
    let (sender, receiver) = sync_channel(QUEUE_PACKETS_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dropped);
    std::thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || read(&sender, &counter))
        .context("cannot start the reading thread")?;
    let mut live = Live::new(&options.name, dropped);
    match live.run(&receiver) {
        Ok(None) => Ok(ExitCode::SUCCESS),
        Ok(Some(reason)) => bail!("cannot read the packets: {reason}"),
        // Who listened has gone: that is how the server ends a sensor it no longer wants.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("cannot write insights"),
    }
}

/// The reading thread. A full queue drops the packet and counts it: a pipe must not back up into
/// whoever fills it.
fn read(sender: &SyncSender<Said>, dropped: &AtomicU64) {
    let mut reader = match CaptureReader::open(std::io::stdin().lock()) {
        Ok(reader) => reader,
        Err(error) => return end(sender, Some(error.to_string())),
    };
    loop {
        let packet = match reader.next() {
            Ok(Some(raw)) => Owned {
                at: Time::from_nanos(raw.at_nanos),
                wire_len: raw.wire_len,
                link: raw.link,
                data: raw.data.into(),
            },
            Ok(None) => return end(sender, None),
            Err(error) => return end(sender, Some(error.to_string())),
        };
        match sender.try_send(Said::Packet(packet)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}

fn end(sender: &SyncSender<Said>, reason: Option<String>) {
    // The other side has gone: then nobody asks why.
    drop(sender.send(Said::End(reason)));
}

/// The sensor at work.
struct Live {
    name: String,
    worker: Worker,
    fold: Fold,
    frame: u64,
    /// Since the last beat.
    packets: u64,
    bytes: u64,
    newest: Option<Time>,
    dropped: Arc<AtomicU64>,
}

impl Live {
    fn new(name: &str, dropped: Arc<AtomicU64>) -> Self {
        let settings = WorkerSettings { tally: false, ..WorkerSettings::default() };
        Live {
            name: name.to_owned(),
            worker: Worker::new(settings),
            fold: Fold::new(),
            frame: 0,
            packets: 0,
            bytes: 0,
            newest: None,
            dropped,
        }
    }

    /// Until the input ends; gives the reason where it ended badly.
    fn run(&mut self, packets: &Receiver<Said>) -> std::io::Result<Option<String>> {
        let mut out = BufWriter::with_capacity(256 << 10, std::io::stdout().lock());
        let hello = Insight::Hello {
            version: INSIGHT_VERSION,
            sensor: self.name.clone(),
            interface: "standard input".to_owned(),
            started_at: now(),
        };
        write(&mut out, &hello)?;
        let mut next_beat = Instant::now() + BEAT;
        loop {
            let wait = next_beat.saturating_duration_since(Instant::now());
            let ended = match packets.recv_timeout(wait) {
                Ok(Said::Packet(packet)) => {
                    self.take(&packet);
                    None
                }
                Ok(Said::End(reason)) => Some(reason),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    Some(Some("the reading thread ended".to_owned()))
                }
            };
            if let Some(reason) = ended {
                self.worker.finish(self.frame, self.newest.unwrap_or_default());
                self.tell(&mut out)?;
                return Ok(reason);
            }
            let look = self.frame % CLOCK_PACKETS == 0 || wait.is_zero();
            if (look || self.packets == 0) && Instant::now() >= next_beat {
                self.worker.tick(self.frame);
                self.tell(&mut out)?;
                next_beat = Instant::now() + BEAT;
            }
        }
    }

    fn take(&mut self, packet: &Owned) {
        self.frame += 1;
        self.packets += 1;
        self.bytes += u64::from(packet.wire_len);
        self.newest = self.newest.max(Some(packet.at));
        let (at, wire_len, link) = (packet.at, packet.wire_len, packet.link);
        let data = &packet.data;
        self.worker.push(&Packet { at, frame: self.frame, wire_len, link, data });
        if self.frame % CLOCK_PACKETS == 0 {
            self.fold.apply(self.worker.take_events());
        }
    }

    /// Everything that changed, then the beat.
    fn tell(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        self.fold.apply(self.worker.take_events());
        let changes = self.fold.inventory.drain_changes();
        for asset in changes.assets {
            write(out, &Insight::Asset(asset))?;
        }
        for (id, into) in changes.merged {
            write(out, &Insight::AssetMerged { id, into })?;
        }
        for link in changes.links {
            write(out, &Insight::Link(link))?;
        }
        let mut health = self.worker.health();
        health.at = self.newest;
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            health.limits.insert("sensor-queue-packets".to_owned(), dropped);
        }
        let beat = Insight::Beat {
            at: now(),
            packets: std::mem::take(&mut self.packets),
            bytes: std::mem::take(&mut self.bytes),
            learning: false,
            health,
        };
        write(out, &beat)?;
        out.flush()
    }
}

fn write(out: &mut impl Write, insight: &Insight) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, insight)?;
    out.write_all(b"\n")
}

/// The wall clock: when the sensor said something, never when the wire did.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Time::from_nanos(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}
