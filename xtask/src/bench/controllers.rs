//! `cargo xtask bench controllers`: how long a panel waits for its answers while a backup reads
//! the same controller.
//!
//! The controller is a third-party server (pymodbus) that serves one request after the other. The
//! panel polls it at a fixed rhythm, first alone, then while `spandrel backup` runs, and like is
//! compared with like: 99 % with 99 %, longest with longest, of both the number of answers is
//! told. Invariant: the figures of a backup that was not complete are not shown, and more than
//! twice the time alone is a failure.

mod panel;

use crate::{checkout, options::Options};
use anyhow::{Context, Result, bail};
use panel::{Panel, Polled};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, UNIX_EPOCH},
};

/// Answers of the panel alone before the backup begins.
const ALONE: u32 = 400;

/// What an answer may take beside a backup, of what it takes alone.
const TIMES_MAX: f64 = 2.0;

/// A controller, and how much of it is backed up.
struct Controlled {
    /// What a request takes, and each value that it asks for.
    service_ms: u64,
    value_us: u64,
    registers: u32,
}

/// One that answers once a cycle, however much it is asked for: the hardest to share. And one to
/// which every value is work.
const CONTROLLERS: [Controlled; 2] = [
    Controlled { service_ms: 10, value_us: 0, registers: 40_000 },
    Controlled { service_ms: 2, value_us: 80, registers: 4_000 },
];

pub fn run(arguments: &[String]) -> Result<()> {
    let known = ["service-ms", "value-us", "registers", "rhythm-ms", "runs", "binary", "python"];
    let options = Options::read(arguments, &known)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let python = match options.text("python") {
        Some(path) => PathBuf::from(path),
        None => Path::new(&target).join("peers/bin/python"),
    };
    if !python.exists() {
        println!("bench SKIPPED: no {}; scripts/setup test makes it", python.display());
        return Ok(());
    }
    let binary = match options.text("binary") {
        Some(path) => PathBuf::from(path).canonicalize().context("no such binary")?,
        None => super::vault::build()?,
    };
    let rhythm = Duration::from_millis(options.number("rhythm-ms", 50)?);
    let runs: u32 = options.number("runs", 3)?;
    let mut worst = 0.0_f64;
    for default in CONTROLLERS {
        let controlled = Controlled {
            service_ms: options.number("service-ms", default.service_ms)?,
            value_us: options.number("value-us", default.value_us)?,
            registers: options.number("registers", default.registers)?,
        };
        for _ in 0..runs {
            worst = worst.max(measure(&python, &binary, &controlled, rhythm)?);
        }
        // What is told by options is one controller.
        if options.text("service-ms").is_some() {
            break;
        }
    }
    println!("worst of all: {worst:.2} times as long as alone; {TIMES_MAX} is allowed");
    if worst > TIMES_MAX {
        bail!("the panel waited for too long");
    }
    Ok(())
}

/// The larger of the two ratios: of 99 % and of the longest answers.
fn measure(python: &Path, binary: &Path, controlled: &Controlled, rhythm: Duration) -> Result<f64> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let log = folder.path().join("services");
    let controller = Controller::start(python, controlled, &log)?;
    make_vault(binary, folder.path())?;
    let panel = Panel::start(controller.port, rhythm);
    // The panel alone, then with the backup.
    std::thread::sleep(rhythm * ALONE);
    panel.is_busy(true);
    let took = back_up(binary, folder.path(), controller.port, controlled.registers);
    panel.is_busy(false);
    let polled = panel.end()?;
    let Controlled { service_ms, value_us, registers } = controlled;
    println!(
        "{service_ms} ms a request and {value_us} us a value, panel every {} ms; {registers} \
         registers in {:.1} s",
        rhythm.as_millis(),
        took?.as_secs_f64()
    );
    let services = fs::read_to_string(&log).context("cannot read what the controller served")?;
    let alone = show("alone", &polled, false, &services)?;
    let beside = show("beside a backup", &polled, true, &services)?;
    let (most, longest) = (beside.most / alone.most, beside.longest / alone.longest);
    println!(
        "  beside / alone: 99 % {most:.2}, longest {longest:.2}; longest / median alone {:.2}",
        beside.longest / alone.median
    );
    Ok(most.max(longest))
}

/// What the time of an answer went into, by the controller's own account. What is left was spent
/// outside of it: two programs waited for a processor.
fn explain(answer: &Polled, services: &str) -> String {
    let since = |time: std::time::SystemTime| {
        time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
    };
    let (from, to) = (since(answer.asked), since(answer.asked + answer.took));
    let mut ms = [0.0; 2];
    for line in services.lines() {
        let words: Vec<u128> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [unit, start, end] = words[..] else { continue };
        let overlap = end.min(to).saturating_sub(start.max(from));
        ms[usize::from(unit == u128::from(panel::UNIT))] += overlap as f64 / 1e6;
    }
    let [behind, own] = ms;
    let rest = answer.took.as_secs_f64() * 1_000.0 - behind - own;
    format!("{own:.2} for itself, {behind:.2} behind the backup, {rest:.2} for a processor")
}

struct Figures {
    median: f64,
    most: f64,
    longest: f64,
}

fn show(what: &str, polled: &[Polled], busy: bool, services: &str) -> Result<Figures> {
    let mut times: Vec<&Polled> = polled.iter().filter(|answer| answer.busy == busy).collect();
    times.sort_by_key(|answer| answer.took);
    let at = |share: usize| times.get(times.len() * share / 1_000).map(|answer| answer.ms());
    let (Some(median), Some(most), Some(longest)) = (at(500), at(990), times.last()) else {
        bail!("no answers {what}");
    };
    println!(
        "  {what:16} {} answers, median {median:.2} ms, 99 % {most:.2}, longest {:.2} ({})",
        times.len(),
        longest.ms(),
        explain(longest, services)
    );
    Ok(Figures { median, most, longest: longest.ms() })
}

struct Controller {
    child: Child,
    port: u16,
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Controller {
    fn start(python: &Path, controlled: &Controlled, log: &Path) -> Result<Self> {
        let root = checkout::root();
        let mut child = Command::new(python)
            .arg(root.join("crates/connectors/tests/peers/plc.py"))
            .arg(controlled.service_ms.to_string())
            .arg(log)
            // None of its requests is slower than others.
            .args(["0", "-1", "1", &controlled.value_us.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the controller")?;
        let mut line = String::new();
        let output = child.stdout.take().context("it is piped")?;
        BufReader::new(output).read_line(&mut line).context("cannot read its port")?;
        let port = line.trim().parse().context("the controller names no port")?;
        Ok(Self { child, port })
    }
}

/// Makes the vault; deriving its keys takes a moment of the processor and belongs to no backup.
fn make_vault(binary: &Path, folder: &Path) -> Result<()> {
    let mut init = Command::new(binary);
    init.args(["vault", "init"]).arg(folder.join("vault"));
    run_quietly(init.arg("--key-file").arg(folder.join("key")))
}

fn back_up(binary: &Path, folder: &Path, port: u16, registers: u32) -> Result<Duration> {
    let begun = Instant::now();
    let last = registers.saturating_sub(1);
    let source = format!("modbus:127.0.0.1:{port}?unit=1&holding=0-{last}");
    let mut backup = Command::new(binary);
    backup.arg("backup").arg("--vault").arg(folder.join("vault"));
    backup.arg("--key-file").arg(folder.join("key"));
    run_quietly(backup.args(["--source", &source]))?;
    Ok(begun.elapsed())
}

fn run_quietly(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot run spandrel")?;
    if !output.status.success() {
        bail!("spandrel: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
