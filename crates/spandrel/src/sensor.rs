//! `spandrel sensor`: one sensor as a process: packets in, insights out, a JSON line each.
//!
//! The server runs it as a child. It opens its input, gives up every right it no longer needs, and
//! only then reads the first packet. A thread reads, so that beats go on while the wire is silent.
//! Not here: what packets mean. Invariant: standard output carries insights alone; the process ends
//! when its input or its reader does.

mod learning;
pub mod memory;
mod pace;
mod queue;
mod silence;
mod telling;

use crate::{analysis::threads, site_files::SiteFiles};
use ::sensor::{Packet, WorkerSettings};
use anyhow::{Context as _, Result, bail};
use capture::{Interface, Seen};
use crew::{Hands, SharedFold};
use landlock::{ABI, Access, AccessFs, AccessNet};
use learning::Learning;
use memory::Memory;
use model::{Health, INSIGHT_VERSION, Insight, Time};
use pace::{Due, Pace};
use queue::{Inlet, Outlet, Said, Waiting, queue};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::{
    cell::RefCell,
    io::{ErrorKind, Read},
    os::unix::fs::DirBuilderExt as _,
    process::ExitCode,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::RecvTimeoutError,
    },
    time::{Duration, Instant, SystemTime},
};
use telling::Telling;
use wire::file::CaptureReader;

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["interface", "stdin"]))]
pub struct Options {
    /// Listen to an interface
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Read a capture stream from standard input
    #[arg(long)]
    stdin: bool,
    /// Beat by the time of packets, for a capture that is read faster than it happened; nothing
    /// is dropped
    #[arg(long, requires = "stdin")]
    replay: bool,
    /// Tell upwards less than a thousandth of what is heard: packed changes, findings at once, the
    /// rest as seldom as that needs. `spandrel uplink read` makes it readable
    #[arg(long)]
    sparing: bool,
    /// Keep what is told sparingly in this folder, from where `spandrel uplink send` sends it as
    /// soon as there is a line
    #[arg(long, value_name = "DIR", conflicts_with = "sparing")]
    spool: Option<std::path::PathBuf>,
    /// Room of the spool; when it is full the oldest goes, and the gap is named
    #[arg(long, value_name = "MIB", default_value_t = SPOOL_MIB, requires = "spool",
        value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    spool_mib: u64,
    /// Name of the sensor [default: the interface]
    #[arg(long)]
    name: Option<String>,
    /// Worker threads, for more traffic than one can read
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = threads)]
    threads: usize,
    /// Seconds in which everything seen is taken for normal; SIGUSR1 ends them early
    /// [default: nothing is learned, and nothing is new]
    #[arg(long, value_name = "SECONDS")]
    learn: Option<u32>,
    /// Keep what was learned in this file, and begin with what it holds
    #[arg(long, value_name = "FILE", requires = "learn")]
    memory: Option<std::path::PathBuf>,
    #[command(flatten)]
    site: SiteFiles,
}

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// Packets between two looks whether learning has come to its end.
const LEARNING_PACKETS: u64 = 256;

/// Room of a spool.
const SPOOL_MIB: u64 = uplink::limits::SPOOL_OCTETS >> 20;

/// Where packets come from.
enum Input {
    Interface(Box<Interface>),
    Stdin,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    options.site.apply()?;
    let (input, shown) = match &options.interface {
        Some(name) => {
            let interface = Interface::open(name, capture::Settings::default())?;
            (Input::Interface(Box::new(interface)), name.as_str())
        }
        None => (Input::Stdin, "standard input"),
    };
    let end_learning = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&end_learning))
        .context("cannot listen to signals")?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .context("cannot listen to signals")?;
    }
    let memory = options.memory.clone().map(Memory::new);
    let learned = memory.as_ref().map(Memory::recall).transpose()?.flatten();
    if let Some(spool) = &options.spool {
        // What was heard of the plant is nobody else's on this machine.
        let mut made = std::fs::DirBuilder::new();
        made.recursive(true)
            .mode(0o700)
            .create(spool)
            .with_context(|| format!("cannot make the spool {}", spool.display()))?;
    }
    let folders = memory.as_ref().map(Memory::folder).into_iter().chain(options.spool.as_deref());
    confine(&folders.collect::<Vec<_>>())?;
    let (inlet, outlet) = queue(options.replay);
    let drops = Arc::new(Drops::default());
    let counter = Arc::clone(&drops);
    std::thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || match input {
            Input::Interface(interface) => listen(*interface, inlet, &counter),
            Input::Stdin => read(inlet),
        })
        .context("cannot start the reading thread")?;
    let name = options.name.as_deref().unwrap_or(shown);
    let mut live = Live::new((name, shown), options.threads, drops)?;
    live.stop = stop;
    live.replay = options.replay;
    live.pace = Pace::new(options.sparing || options.spool.is_some());
    live.learning.end = end_learning;
    live.learning.memory = memory;
    live.learning.is_steady = options.interface.is_some();
    live.learn(options.learn.unwrap_or(0), learned);
    let told = live.telling(options).and_then(|telling| live.run(&outlet, telling));
    match told {
        Ok(None) => Ok(ExitCode::SUCCESS),
        Ok(Some(reason)) => bail!("no more packets from {shown}: {reason}"),
        // Who listened has gone: that is how the server ends a sensor it no longer wants.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("cannot write insights"),
    }
}

/// Gives up what the sensor needs no more: gaining rights, all capabilities, where the kernel
/// knows Landlock every file and TCP port but these folders, and where it has seccomp all calls
/// that send.
pub fn confine(folders: &[&std::path::Path]) -> Result<()> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).context("cannot give up capabilities")?;
    let own = AccessFs::ReadDir
        | AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    let all = (AccessFs::from_all(ABI::V5), AccessNet::from_all(ABI::V5));
    let folders = folders.iter().map(|folder| (folder.to_path_buf(), own));
    crate::fence::around(all, folders).context("cannot give up access to files")?;
    silence::keep()
}

/// Packets the kernel dropped; only an interface has these.
#[derive(Default)]
struct Drops {
    kernel: AtomicU64,
    from_kernel: AtomicBool,
}

/// The reading thread of an interface.
fn listen(mut interface: Interface, mut inlet: Inlet, drops: &Drops) {
    drops.from_kernel.store(true, Ordering::Relaxed);
    let link = interface.link();
    let mut counted = Instant::now();
    let mut gone = false;
    while !gone {
        let mut take = |seen: Seen<'_>| {
            gone |= !inlet.put(Time::from_nanos(seen.at_nanos), seen.wire_len, (link, seen.data));
        };
        if let Err(error) = interface.read(200, &mut take) {
            return inlet.end(Some(error.to_string()));
        }
        gone |= !inlet.pass_on();
        if counted.elapsed() >= BEAT / 2 {
            counted = Instant::now();
            match interface.dropped() {
                Ok(count) => drops.kernel.store(count, Ordering::Relaxed),
                Err(error) => return inlet.end(Some(error.to_string())),
            }
        }
    }
}

/// A source that may keep its reader waiting: what was read so far goes on before that.
struct Passing<R> {
    source: R,
    inlet: Rc<RefCell<Inlet>>,
}

impl<R: Read> Read for Passing<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if !self.inlet.borrow_mut().pass_on() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.source.read(into)
    }
}

/// The reading thread of a stream.
fn read(inlet: Inlet) {
    let inlet = Rc::new(RefCell::new(inlet));
    let reason = read_to_end(&inlet);
    if let Some(inlet) = Rc::into_inner(inlet) {
        inlet.into_inner().end(reason);
    }
}

fn read_to_end(inlet: &Rc<RefCell<Inlet>>) -> Option<String> {
    let source = Passing { source: std::io::stdin().lock(), inlet: Rc::clone(inlet) };
    let mut reader = match CaptureReader::open(source) {
        Ok(reader) => reader,
        Err(error) => return Some(error.to_string()),
    };
    loop {
        let raw = match reader.next() {
            Ok(Some(raw)) => raw,
            Ok(None) => return None,
            Err(error) => return Some(error.to_string()),
        };
        let at = Time::from_nanos(raw.at_nanos);
        if !inlet.borrow_mut().put(at, raw.wire_len, (raw.link, raw.data)) {
            return None;
        }
    }
}

/// The sensor at work.
struct Live {
    name: String,
    interface: String,
    /// Until the input ends.
    hands: Option<Hands>,
    fold: SharedFold,
    /// Of the workers, at the last beat.
    health: Health,
    frame: u64,
    /// Since the last beat.
    packets: u64,
    bytes: u64,
    newest: Option<Time>,
    drops: Arc<Drops>,
    /// Packets there was no room for in the queue.
    dropped: u64,
    learning: Learning,
    /// Somebody asks the sensor to end.
    stop: Arc<AtomicBool>,
    pace: Pace,
    /// Since the last second.
    heard: u64,
    /// Beats go by the time of packets.
    replay: bool,
    /// Time of packets of the last such beat.
    beat_at: Option<Time>,
}

impl Live {
    fn new((name, interface): (&str, &str), threads: usize, drops: Arc<Drops>) -> Result<Self> {
        let settings = WorkerSettings { tally: false, ..WorkerSettings::default() };
        let fold = SharedFold::default();
        Ok(Live {
            name: name.to_owned(),
            interface: interface.to_owned(),
            hands: Some(Hands::new(threads, settings, fold.clone())),
            fold,
            health: Health::default(),
            frame: 0,
            packets: 0,
            bytes: 0,
            newest: None,
            drops,
            dropped: 0,
            learning: Learning::default(),
            stop: Arc::default(),
            pace: Pace::default(),
            heard: 0,
            replay: false,
            beat_at: None,
        })
    }

    /// Everything so far reaches the fold.
    fn tick(&mut self) -> std::io::Result<()> {
        if let Some(hands) = &mut self.hands {
            let health = hands.tick(self.frame);
            self.health = health.map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    /// The input has ended.
    fn finish(&mut self) -> std::io::Result<()> {
        if let Some(hands) = self.hands.take() {
            let last = self.newest.unwrap_or_default();
            let outcome = hands.finish(self.frame, last, &mut |_| false);
            self.health = outcome.map_err(std::io::Error::other)?.health;
            self.fold.lock().finish();
            self.keep_the_rest();
        }
        Ok(())
    }

    /// Says hello, in the way that was asked for.
    fn telling(&self, options: &Options) -> std::io::Result<Telling> {
        let now = now();
        let hello = Insight::Hello {
            version: INSIGHT_VERSION,
            sensor: self.name.clone(),
            interface: self.interface.clone(),
            started_at: now,
            replay: self.replay,
        };
        match &options.spool {
            Some(folder) => Telling::spooled(folder, options.spool_mib << 20, &hello, now),
            None if options.sparing => Telling::packed(&hello, now),
            None => Telling::lines(&hello),
        }
    }

    /// Until the input ends; gives the reason where it ended badly.
    fn run(&mut self, packets: &Outlet, mut out: Telling) -> std::io::Result<Option<String>> {
        let mut next_beat = Instant::now() + BEAT;
        loop {
            let wait = next_beat.saturating_duration_since(Instant::now());
            let ended = match packets.take(wait) {
                Ok(Said::Packets(batch)) => {
                    for packet in batch.packets() {
                        self.take(packet)?;
                        if self.replay && self.is_beat_due() {
                            self.second(&mut out)?;
                        }
                    }
                    packets.give_back(batch);
                    None
                }
                Ok(Said::End(reason)) => Some(reason),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    Some(Some("the reading thread ended".to_owned()))
                }
            };
            self.dropped = packets.dropped();
            if let Some(reason) = ended {
                self.finish()?;
                self.tell(&mut out, Due::ALL)?;
                return Ok(reason);
            }
            if self.stop.load(Ordering::Relaxed) {
                self.tick()?;
                self.keep_the_rest();
                self.tell(&mut out, Due::ALL)?;
                return Ok(None);
            }
            if !self.replay && Instant::now() >= next_beat {
                self.second(&mut out)?;
                next_beat = Instant::now() + BEAT;
            }
        }
    }

    /// What is done each second.
    fn second(&mut self, out: &mut Telling) -> std::io::Result<()> {
        self.tick()?;
        self.look_at_learning()?;
        let due = self.pace.second(std::mem::take(&mut self.heard));
        self.tell(out, due)
    }

    fn take(&mut self, packet: Waiting<'_>) -> std::io::Result<()> {
        self.frame += 1;
        self.packets += 1;
        self.bytes += u64::from(packet.wire_len);
        self.heard += u64::from(packet.wire_len);
        self.newest = self.newest.max(Some(packet.at));
        if let Some(hands) = &mut self.hands {
            let Waiting { at, wire_len, link, data, lies } = packet;
            let packet = Packet { at, frame: self.frame, wire_len, link, data };
            hands.push(&packet, lies).map_err(std::io::Error::other)?;
        }
        if self.frame.is_multiple_of(LEARNING_PACKETS) { self.look_at_learning() } else { Ok(()) }
    }

    /// By the time of packets, where they are read faster than they came.
    fn is_beat_due(&mut self) -> bool {
        let Some(newest) = self.newest else { return false };
        let last = *self.beat_at.get_or_insert(newest);
        let due = newest.since(last) >= BEAT.as_nanos() as i64;
        if due {
            self.beat_at = Some(newest);
        }
        due
    }

    /// What is due: rows before the findings that name them, then the beat.
    fn tell(&mut self, out: &mut Telling, due: Due) -> std::io::Result<()> {
        let findings = match due.repeats {
            true => self.fold.lock().changed_findings(),
            false => self.fold.lock().news_of_findings(),
        };
        let news = due.news || !findings.is_empty();
        let changes = match (due.counters, news) {
            (true, _) => Some(self.fold.lock().inventory.drain_changes()),
            (false, true) => Some(self.fold.lock().inventory.drain_news()),
            (false, false) => None,
        };
        if let Some(changes) = changes {
            for asset in changes.assets {
                out.add(&Insight::Asset(asset))?;
            }
            for (id, into) in changes.merged {
                out.add(&Insight::AssetMerged { id, into })?;
            }
            for link in changes.links {
                out.add(&Insight::Link(link))?;
            }
            for (id, into) in changes.merged_links {
                out.add(&Insight::LinkMerged { id, into })?;
            }
        }
        for finding in findings {
            out.add(&Insight::Finding(finding))?;
        }
        if due.beat {
            let beat = self.beat(out.refused());
            out.add(&beat)?;
        }
        let octets = out.flush(now())?;
        self.pace.told(Due { news, ..due }, octets);
        Ok(())
    }

    fn beat(&mut self, rows_refused: u64) -> Insight {
        let mut health = self.health.clone();
        health.at = self.newest;
        if self.drops.from_kernel.load(Ordering::Relaxed) {
            health.kernel_drops = Some(self.drops.kernel.load(Ordering::Relaxed));
        }
        health.limits.extend(self.fold.lock().limits_hit());
        if self.dropped > 0 {
            health.limits.insert("sensor-queue-packets".to_owned(), self.dropped);
        }
        if rows_refused > 0 {
            health.limits.insert("uplink-rows".to_owned(), rows_refused);
        }
        // Where octets are few a beat is no place for microseconds.
        let coarse = |time: Time| match self.pace.is_sparing() {
            true => Time::from_nanos(time.nanos() / 1_000_000 * 1_000_000),
            false => time,
        };
        health.at = health.at.map(coarse);
        let at = coarse(now());
        Insight::Beat {
            at,
            packets: std::mem::take(&mut self.packets),
            bytes: std::mem::take(&mut self.bytes),
            learning: self.learning.is_on,
            health,
        }
    }
}

/// The wall clock: when the sensor said something, never when the wire did.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Time::from_nanos(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}
