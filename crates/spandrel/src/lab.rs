//! `spandrel lab`: the simulated plant, as a capture file or as a live stream on a pipe.
//!
//! Not here: the plant. Invariant: frames go to a file or to standard output, never to an
//! interface.

mod door;
#[cfg(feature = "vault")]
mod historian;
mod program;
mod registers;

use crate::complain;
use anyhow::{Context as _, Result, bail};
use lab::{Labels, Pace, Scenario, world::World};
use model::Time;
use std::{
    fs::File,
    io::{BufWriter, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

#[derive(clap::Args)]
pub struct Options {
    /// Where the frames go, as pcapng; `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where to write what really happened: assets and scenarios, as JSON
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Length of the run; a live run without it goes on until the pipe closes
    #[arg(long, value_name = "N")]
    minutes: Option<u32>,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Scenarios to play one after the other, with commas between, or `all`; see docs/lab.md
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    scenario: Vec<String>,
    /// First moment of the capture, RFC 3339 [default: a Tuesday morning; live: now]
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Seconds of ordinary operation before the first scenario [default: 180; live: 90]
    #[arg(long, value_name = "SECONDS")]
    quiet: Option<u32>,
    /// Follow the clock, and without scenarios named play all of them again and again
    #[arg(long)]
    live: bool,
    /// Simulated seconds in a second of a live run
    #[arg(long, default_value_t = 1.0, requires = "live", value_name = "K")]
    speed: f64,
    /// Also serve the controllers' registers over Modbus, on a loopback address
    #[arg(long, requires = "live", value_name = "ADDRESS:PORT")]
    modbus: Option<SocketAddr>,
    /// Also serve the mixing controller's program over S7, on a loopback address
    #[arg(long, requires = "live", value_name = "ADDRESS:PORT")]
    s7: Option<SocketAddr>,
    /// Also keep the process values in a SQLite file
    #[cfg(feature = "vault")]
    #[arg(long, requires = "live", value_name = "FILE")]
    historian: Option<PathBuf>,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let plant = plan(options)?;
    let to_pipe = options.out.as_os_str() == "-";
    let asked: Vec<&str> = plant.scenarios.iter().map(|s| s.story.name).collect();
    let mut onlookers = onlookers(options)?;
    let look = |_, world: &World| onlookers.iter_mut().for_each(|onlooker| onlooker(world));
    let labels = if to_pipe {
        let out = BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
        lab::run(&plant, out, look)?
    } else {
        let shown = options.out.display();
        let file = File::create(&options.out).with_context(|| format!("cannot create {shown}"))?;
        lab::run(&plant, BufWriter::with_capacity(256 * 1024, file), look)
            .with_context(|| format!("cannot write the plant's traffic to {shown}"))?
    };
    if let Some(path) = &options.labels {
        write_labels(path, &labels)?;
    }
    if !to_pipe {
        let played: Vec<&str> = labels.scenarios.iter().map(|s| s.name.as_ref()).collect();
        let missed: Vec<&str> = asked.into_iter().filter(|name| !played.contains(name)).collect();
        if !missed.is_empty() {
            let missed = missed.join(", ");
            complain(&format!(
                "it ended before {missed} began: take more --minutes or a shorter --quiet"
            ));
        }
        complain(&format!(
            "{} packets, {} scenarios in {}",
            labels.packets,
            labels.scenarios.len(),
            options.out.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

type Onlooker = Box<dyn FnMut(&World)>;

/// Who sees the plant besides its network. One that cannot work is told and left out: the plant
/// runs all the same.
fn onlookers(options: &Options) -> Result<Vec<Onlooker>> {
    let mut found: Vec<Onlooker> = Vec::new();
    if let Some(address) = options.modbus {
        match registers::Registers::serve(address) {
            Ok(registers) => found.push(Box::new(move |world| registers.look(world))),
            Err(error) => complain(&format!("no registers are served: {error:#}")),
        }
    }
    if let Some(address) = options.s7 {
        match program::Program::serve(address) {
            Ok((program, bound)) => {
                let mut told = address.port() != 0;
                found.push(Box::new(move |world| {
                    program.look(world);
                    // Told when there is a program to ask for.
                    if !std::mem::replace(&mut told, true) {
                        complain(&format!("S7 on {bound}"));
                    }
                }));
            }
            Err(error) => complain(&format!("no program is served: {error:#}")),
        }
    }
    #[cfg(feature = "vault")]
    if let Some(path) = &options.historian {
        let mut historian = historian::Historian::open(path)?;
        let mut works = true;
        found.push(Box::new(move |world| {
            let looked = historian.look(world);
            // Told when it changes: a disk stays full for a while, and has room again.
            if std::mem::replace(&mut works, looked.is_ok()) != works {
                complain(&match looked {
                    Ok(()) => "the plant's historian writes again".to_owned(),
                    Err(error) => format!("the plant's historian has a gap: {error:#}"),
                });
            }
        }));
    }
    Ok(found)
}

/// How much faster than the clock a live plant may go.
const SPEED_MIN: f64 = 0.001;
const SPEED_MAX: f64 = 1_000.0;
/// 2200-01-01; nanoseconds of 64 bits end in 2262, and a run goes on from there.
const START_MAX: Time = Time::from_secs(7_258_118_400);

/// What the command line means.
fn plan(options: &Options) -> Result<lab::Options> {
    if options.minutes.is_none() && !options.live {
        bail!("say how long with --minutes N; only a live run goes on without end");
    }
    if options.minutes == Some(0) {
        bail!("--minutes 0 leaves nothing to see; it has to be 1 or more");
    }
    if !(SPEED_MIN..=SPEED_MAX).contains(&options.speed) {
        bail!("--speed {} has to be {SPEED_MIN} to {SPEED_MAX}", options.speed);
    }
    let start = match &options.start {
        Some(text) => Time::parse(text)
            .with_context(|| format!("{text:?} is no RFC 3339 time, e.g. 2026-03-10T09:30:00Z"))?
            .nanos(),
        None if options.live => now(),
        None => lab::DEFAULT_START,
    };
    if !(0..=START_MAX.nanos()).contains(&start) {
        bail!("--start has to be {} to {START_MAX}: captures count from 1970", Time::default());
    }
    let demonstration = options.live && options.scenario.is_empty();
    let scenarios = if demonstration || options.scenario.iter().any(|s| s == "all") {
        lab::scenarios::ALL.to_vec()
    } else {
        options.scenario.iter().map(|name| scenario(name)).collect::<Result<_>>()?
    };
    let quiet = options.quiet.unwrap_or(if options.live { 90 } else { 180 });
    Ok(lab::Options {
        seed: options.seed,
        start,
        minutes: options.minutes,
        scenarios,
        quiet: i64::from(quiet) * 1_000_000_000,
        repeat: options.live,
        pace: options.live.then_some(Pace { speed: options.speed }),
    })
}

fn scenario(name: &str) -> Result<&'static Scenario> {
    Scenario::find(name).with_context(|| {
        let known: Vec<&str> = lab::scenarios::ALL.iter().map(|s| s.story.name).collect();
        format!("there is no scenario {name:?}; there are: all, {}", known.join(", "))
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn write_labels(path: &Path, labels: &Labels) -> Result<()> {
    let shown = path.display();
    let mut file = File::create(path).with_context(|| format!("cannot create {shown}"))?;
    serde_json::to_writer_pretty(&mut file, labels)
        .with_context(|| format!("cannot write {shown}"))?;
    file.write_all(b"\n").with_context(|| format!("cannot write {shown}"))?;
    Ok(())
}
