//! `cargo xtask bench controllers`: how long a panel waits for its answers while a backup reads
//! the same controller.
//!
//! The controller is a third-party server (pymodbus) that serves one request after the other with
//! a fixed time for each. The panel polls it at a fixed rhythm, first alone, then while
//! `spandrel backup` runs. Invariant: the figures of a backup that was not complete are not shown.

use crate::options::Options;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Answers of the panel alone before the backup begins.
const ALONE: usize = 200;

/// The unit number by which the controller's log knows the panel.
const PANEL: u8 = 2;

pub fn run(arguments: &[String]) -> Result<()> {
    let known = ["service-ms", "registers", "binary", "python"];
    let options = Options::read(arguments, &known)?;
    let service_ms: u64 = options.number("service-ms", 10)?;
    let registers: u32 = options.number("registers", 15_000)?;
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
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let log = folder.path().join("services");
    let controller = Controller::start(&python, service_ms, &log)?;
    make_vault(&binary, folder.path())?;
    let busy = Arc::new(AtomicBool::new(false));
    let stop = Arc::new(AtomicBool::new(false));
    let panel = {
        let (busy, stop, port) = (busy.clone(), stop.clone(), controller.port);
        let rhythm = Duration::from_millis(service_ms * 5);
        thread::spawn(move || poll(port, rhythm, &busy, &stop))
    };
    // The panel alone, then with the backup.
    thread::sleep(Duration::from_millis(service_ms * 5 * ALONE as u64));
    busy.store(true, Ordering::SeqCst);
    let took = back_up(&binary, folder.path(), controller.port, registers);
    busy.store(false, Ordering::SeqCst);
    stop.store(true, Ordering::SeqCst);
    let polled = panel.join().expect("the panel does not panic");
    let (took, polled) = (took?, polled?);
    println!(
        "{service_ms} ms a request, {registers} registers, backup {:.1} s",
        took.as_secs_f64()
    );
    let alone = show("alone", &polled, false)?;
    let beside = show("beside a backup", &polled, true)?;
    println!("  longest beside / median alone: {:.2}", beside.longest / alone.median);
    let services = fs::read_to_string(&log).context("cannot read what the controller served")?;
    if let Some(longest) = polled.iter().filter(|p| p.busy).max_by_key(|p| p.took) {
        explain(longest, &services);
    }
    Ok(())
}

/// An answer to the panel.
struct Polled {
    /// Whether a backup ran.
    busy: bool,
    asked: SystemTime,
    took: Duration,
}

/// What the time of an answer went into, by the controller's own account. What is left was spent
/// outside of it: two programs waited for a processor.
fn explain(answer: &Polled, services: &str) {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let (from, to) = (since(answer.asked), since(answer.asked + answer.took));
    let mut ms = [0.0; 2];
    for line in services.lines() {
        let words: Vec<u128> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [unit, start, end] = words[..] else { continue };
        let overlap = end.min(to).saturating_sub(start.max(from));
        ms[usize::from(unit == u128::from(PANEL))] += overlap as f64 / 1e6;
    }
    let [behind, own] = ms;
    let rest = answer.took.as_secs_f64() * 1_000.0 - behind - own;
    println!(
        "  of the longest: {behind:.2} ms behind a question of the backup, {own:.2} ms for itself, \
         {rest:.2} ms outside of the controller"
    );
}

struct Figures {
    median: f64,
    longest: f64,
}

fn show(what: &str, polled: &[Polled], busy: bool) -> Result<Figures> {
    let times = polled.iter().filter(|answer| answer.busy == busy);
    let mut times: Vec<f64> = times.map(|answer| answer.took.as_secs_f64() * 1_000.0).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 1_000).copied();
    let (Some(median), Some(most), Some(longest)) = (at(500), at(990), times.last().copied())
    else {
        bail!("no answers {what}");
    };
    println!(
        "  {what:16} {} answers, median {median:.2} ms, 99 % {most:.2} ms, longest {longest:.2} ms",
        times.len()
    );
    Ok(Figures { median, longest })
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
    fn start(python: &Path, service_ms: u64, log: &Path) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
        let mut child = Command::new(python)
            .arg(root.join("crates/connectors/tests/peers/plc.py"))
            .arg(service_ms.to_string())
            .arg(log)
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

/// Reads ten registers at a fixed rhythm.
fn poll(port: u16, rhythm: Duration, busy: &AtomicBool, stop: &AtomicBool) -> Result<Vec<Polled>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set the connection")?;
    let mut times = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let before = busy.load(Ordering::SeqCst);
        let (asked, begun) = (SystemTime::now(), Instant::now());
        stream.write_all(&[0, 1, 0, 0, 0, 6, PANEL, 3, 0, 0, 0, 10]).context("cannot ask")?;
        stream.read_exact(&mut [0; 29]).context("no answer")?;
        let took = begun.elapsed();
        if before == busy.load(Ordering::SeqCst) {
            times.push(Polled { busy: before, asked, took });
        }
        thread::sleep(rhythm.saturating_sub(took));
    }
    Ok(times)
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
