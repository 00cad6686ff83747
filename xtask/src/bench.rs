//! `cargo xtask bench pcap`: how many packets a second of processor time `spandrel pcap` reads.
//!
//! Makes a long mix out of a folder of captures, runs the binary on it with one and two workers
//! and twice at once, and where they are installed tshark and ndpiReader on the same file.
//! Processor time (user and system of the whole process) is the figure: other work on the machine
//! hardly moves it.
//! Invariant: nothing is measured that was not read to its end.

mod controllers;
mod distance;
mod measure;
mod mix;
mod upstream;
mod vault;

pub use mix::captures;

use crate::options::Options;
use anyhow::{Context, Result, bail};
use measure::{Run, measure, said};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A mix, and which captures make it.
struct Mix {
    name: &'static str,
    about: &'static str,
    takes: fn(&str) -> bool,
}

const MIXES: &[Mix] = &[
    Mix { name: "all", about: "every capture on Ethernet", takes: |_| true },
    Mix {
        name: "substation",
        about: "DNP3, GOOSE and PTP of substations",
        takes: |name| name.starts_with("dnp3/qut-") || name.starts_with("goose/"),
    },
];

pub fn run(arguments: &[String]) -> Result<()> {
    let (what, rest) = arguments
        .split_first()
        .context("say what: bench pcap, upstream, vault, log or controllers")?;
    match what.as_str() {
        "pcap" => {}
        "vault" => return vault::run(rest),
        "log" => return log(rest),
        "upstream" => return upstream::run(rest),
        "controllers" => return controllers::run(rest),
        _ => bail!("unknown bench {what:?}; there are: pcap, upstream, vault, log, controllers"),
    }
    let known = ["captures", "packets", "binary", "peers", "mix", "keep", "runs"];
    let options = Options::read(rest, &known)?;
    let captures = options.text("captures").unwrap_or("../shared/captures");
    let captures = Path::new(captures);
    if !captures.is_dir() {
        println!("bench SKIPPED: no folder {}; name one with --captures DIR", captures.display());
        return Ok(());
    }
    let packets = options.number("packets", 2_000_000)?;
    let peers = options.number("peers", 1)? > 0;
    let runs: usize = options.number("runs", RUNS)?.max(1);
    let binary = match options.text("binary") {
        Some(path) => PathBuf::from(path),
        None => build()?,
    };
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let keep = options.text("keep").map(Path::new);
    let folder = keep.unwrap_or(temporary.path());
    for mix in MIXES.iter().filter(|m| options.text("mix").is_none_or(|name| name == m.name)) {
        let file = folder.join(format!("{}.pcap", mix.name));
        let made = mix::make(captures, mix.takes, packets, &file)?;
        println!(
            "mix {} ({}): {} packets, {} MB, {} captures {} times over",
            mix.name,
            mix.about,
            made.packets,
            made.octets / 1_000_000,
            made.captures,
            made.rounds
        );
        race(&binary, &file, made.packets, (runs, peers))?;
        if keep.is_none() {
            std::fs::remove_file(&file).context("cannot remove the mix")?;
        }
    }
    Ok(())
}

/// How fast the vault's log appends and verifies; the program that measures is an example of the
/// `vault` crate, so that this one needs none of what the vault needs.
fn log(arguments: &[String]) -> Result<()> {
    let options = Options::read(arguments, &["leaves"])?;
    let leaves: u64 = options.number("leaves", 1_000_000)?;
    let run = ["run", "--profile", "quick", "-p", "vault", "--example", "log", "--"];
    let done = Command::new("cargo").args(run).arg(leaves.to_string()).status();
    if !done.context("cannot run cargo")?.success() {
        bail!("it did not end well");
    }
    Ok(())
}

/// The release profile without link-time optimisation: nearly as fast, built in half the time.
fn build() -> Result<PathBuf> {
    let arguments = ["build", "--profile", "quick", "-p", "spandrel", "--no-default-features"];
    let done = Command::new("cargo").args(arguments).status().context("cannot run cargo")?;
    if !done.success() {
        bail!("the binary does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(Path::new(&target).join("quick/spandrel"))
}

fn race(binary: &Path, file: &Path, packets: u64, (runs, peers): (usize, bool)) -> Result<()> {
    let pcap = |threads: &str| {
        let mut command = Command::new(binary);
        command.args(["pcap", "--format", "json", "--threads", threads]).arg(file);
        command
    };
    let live = || {
        let mut command = pcap("1");
        command.arg("--no-messages");
        command
    };
    let ndpi = || {
        let mut command = Command::new("ndpiReader");
        command.args(["-q", "-i"]).arg(file);
        command
    };
    // Brings the file into memory.
    println!("  it says {} kB", said(pcap("1"))? / 1_000);
    let (mut ones, mut twos, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lives, mut ndpis) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ones.push(measure(pcap("1"))?);
        lives.push(measure(live())?);
        if peers {
            ndpis.push(measure(ndpi()));
        }
        twos.push(measure(pcap("2"))?);
        pairs.push(beside(|| pcap("1"))?);
    }
    let one = tell("spandrel, 1 worker", &ones, packets);
    tell("spandrel, 1 worker, messages not counted, as a live sensor", &lives, packets);
    let two = tell("spandrel, 2 workers", &twos, packets);
    println!(
        "  2 workers, best runs: {:.2} times as fast by the clock, {:.2} times the processor \
         time; medians: {:.2} and {:.2}",
        best(&ones, clock) / best(&twos, clock),
        two.cpu_secs / one.cpu_secs,
        median(&ones, clock) / median(&twos, clock),
        median(&twos, processor) / median(&ones, processor)
    );
    println!("  {}", machine(&ones, &pairs));
    if let Some(nanos) = distance::between_processors() {
        println!("  what one processor writes another sees after {nanos} ns");
    }
    if !peers {
        return Ok(());
    }
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-q", "-z", "io,phs", "-r"]).arg(file);
    match measure(tshark) {
        Ok(run) => beaten("tshark", &[run], packets, (&ones, &lives)),
        Err(error) => println!("  tshark: not measured, {error:#}"),
    }
    match ndpis.into_iter().collect::<Result<Vec<_>>>() {
        Ok(runs) => beaten("ndpiReader", &runs, packets, (&ones, &lives)),
        Err(error) => println!("  ndpiReader: not measured, {error:#}"),
    }
    Ok(())
}

/// Shows a peer, and how many times as fast spandrel was: best run against best, median against
/// median.
fn beaten(name: &str, runs: &[Run], packets: u64, (ones, lives): (&[Run], &[Run])) {
    tell(name, runs, packets);
    let least = |ours| best(runs, processor) / best(ours, processor);
    let middle = |ours| median(runs, processor) / median(ours, processor);
    println!(
        "    spandrel is {:.2} times as fast, by medians {:.2}; messages not counted {:.2}, {:.2}",
        least(ones),
        middle(ones),
        least(lives),
        middle(lives)
    );
}

/// Two runs at the same time that know nothing of each other, as one: the time of the later, and
/// what one took on average.
fn beside(command: impl Fn() -> Command) -> Result<Run> {
    let (first, second) = (command(), command());
    let (other, own) = std::thread::scope(|scope| {
        let other = scope.spawn(|| measure(first));
        let own = measure(second);
        (other.join(), own)
    });
    let other = other.ok().context("the measuring thread failed")??;
    let own = own?;
    Ok(Run {
        wall_secs: own.wall_secs.max(other.wall_secs),
        cpu_secs: (own.cpu_secs + other.cpu_secs) / 2.0,
        ..own
    })
}

/// What the machine allows: two workers of one run cannot be expected to do better than two runs.
fn machine(ones: &[Run], pairs: &[Run]) -> String {
    format!(
        "two runs beside each other: {:.2} times as fast as one after the other, {:.2} times the \
         processor time of one alone; medians: {:.2} and {:.2}",
        2.0 * best(ones, clock) / best(pairs, clock),
        best(pairs, processor) / best(ones, processor),
        2.0 * median(ones, clock) / median(pairs, clock),
        median(pairs, processor) / median(ones, processor)
    )
}

/// Runs of each kind where no number is asked for: in turns, so that what else the machine does
/// meets all of them. On a machine shared with others more of them show better what it can.
const RUNS: usize = 5;

fn clock(run: &Run) -> f64 {
    run.wall_secs
}

fn processor(run: &Run) -> f64 {
    run.cpu_secs
}

fn best(runs: &[Run], figure: fn(&Run) -> f64) -> f64 {
    runs.iter().map(figure).fold(f64::INFINITY, f64::min)
}

fn median(runs: &[Run], figure: fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Shows the run that took the least processor time, and what others took; gives that run.
fn tell(name: &str, runs: &[Run], packets: u64) -> Run {
    let least = runs.iter().copied().reduce(Run::min).expect("there are runs");
    show(name, &least, packets);
    println!(
        "    best of {} runs; medians: {:.0} packets per CPU second, {:.2} CPU s, {:.2} s by \
         the clock, best {:.2} s; {} MiB at most of all",
        runs.len(),
        packets as f64 / median(runs, processor).max(0.01),
        median(runs, processor),
        median(runs, clock),
        best(runs, clock),
        runs.iter().map(|run| run.peak_kib).max().unwrap_or_default() / 1_024
    );
    least
}

fn show(name: &str, run: &Run, packets: u64) {
    println!(
        "  {name}: {:.0} packets per CPU second, {:.2} CPU s, {:.2} s by the clock, \
         {} MiB at most",
        packets as f64 / run.cpu_secs.max(0.01),
        run.cpu_secs,
        run.wall_secs,
        run.peak_kib / 1_024,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wall_secs: f64, cpu_secs: f64) -> Run {
        Run { wall_secs, cpu_secs, system_secs: 0.0, peak_kib: 0 }
    }

    #[test]
    fn what_the_machine_allows_is_two_runs_against_two_in_a_row() {
        let ones = [run(1.2, 1.1), run(1.0, 0.9), run(1.5, 1.4)];
        let pairs = [run(1.25, 1.0), run(1.6, 1.21), run(2.0, 1.5)];
        assert_eq!(
            machine(&ones, &pairs),
            "two runs beside each other: 1.60 times as fast as one after the other, 1.11 times \
             the processor time of one alone; medians: 1.50 and 1.10"
        );
    }

    #[test]
    fn runs_beside_each_other_overlap_and_end_with_the_later() {
        let folder = tempfile::tempdir().unwrap();
        // Each waits for the other's file: one after the other would never end.
        let turn = std::cell::Cell::new(0);
        let meets = || {
            turn.set(turn.get() + 1);
            let (own, other) = (turn.get(), 3 - turn.get());
            let mut command = Command::new("timeout");
            let wait = format!("touch {own}; until [ -e {other} ]; do :; done");
            command.current_dir(folder.path()).args(["60", "sh", "-c", &wait]);
            command
        };
        assert!(beside(meets).is_ok());
        let folder = folder.path();
        let fails = || {
            let mut command = Command::new("mkdir");
            command.current_dir(folder).arg("once");
            command
        };
        assert!(beside(fails).is_err(), "one of them failed");
    }
}
