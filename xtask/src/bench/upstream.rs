//! `cargo xtask bench upstream`: what a sensor tells upwards, as a share of what it listens to.
//!
//! Long captures are read by `spandrel sensor --stdin --replay --sparing`, which beats by the time
//! of their packets: what it writes is what it would have told live. Invariant: the share is of
//! octets captured, without headers of the file.

use super::captures;
use crate::options::Options;
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use wire::file::CaptureReader;

/// Captures shorter than this say little: most of what is told is told once.
const SECONDS_MIN: i64 = 600;
const NANOS: i64 = 1_000_000_000;

struct Length {
    packets: u64,
    octets: u64,
    seconds: i64,
}

pub fn run(arguments: &[String]) -> Result<()> {
    let known = ["captures", "capture", "binary", "seconds", "sparing"];
    let options = Options::read(arguments, &known)?;
    let sparing = options.number("sparing", 1)? > 0;
    let folder = Path::new(options.text("captures").unwrap_or("../shared/captures"));
    let files = match options.text("capture") {
        Some(file) => vec![(file.to_owned(), PathBuf::from(file))],
        None if folder.is_dir() => captures(folder)?,
        None => {
            println!("bench SKIPPED: no folder {}; see --captures DIR", folder.display());
            return Ok(());
        }
    };
    let seconds_min = options.number("seconds", SECONDS_MIN)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let usual = Path::new(&target).join("debug/spandrel");
    let binary = options.text("binary").map_or(usual, PathBuf::from);
    let (mut heard, mut told) = (0, 0);
    for (name, path) in files {
        let length = length(&path).with_context(|| format!("cannot read {name}"))?;
        if length.seconds < seconds_min {
            continue;
        }
        let kinds =
            replay(&binary, &path, sparing).with_context(|| format!("{name} was not played"))?;
        let said: u64 = kinds.values().sum();
        heard += length.octets;
        told += said;
        let share = |octets: u64| 100.0 * octets as f64 / length.octets.max(1) as f64;
        let parts: Vec<String> =
            kinds.iter().map(|(kind, octets)| format!("{kind} {:.3} %", share(*octets))).collect();
        println!(
            "{name}: {} packets in {} s, {} kB captured ({:.0} bit/s), {} kB told: {:.3} % ({})",
            length.packets,
            length.seconds,
            length.octets / 1_000,
            8.0 * length.octets as f64 / length.seconds.max(1) as f64,
            said / 1_000,
            share(said),
            parts.join(", ")
        );
    }
    let share = 100.0 * told as f64 / heard.max(1) as f64;
    println!("upstream: {} kB told of {} kB captured: {share:.3} %", told / 1_000, heard / 1_000);
    Ok(())
}

fn length(capture: &Path) -> Result<Length> {
    let file = File::open(capture).context("cannot open it")?;
    let mut reader = CaptureReader::open(BufReader::with_capacity(1 << 20, file))?;
    let (mut packets, mut octets) = (0, 0);
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    // A damaged end is left out, as the sensor does.
    while let Ok(Some(packet)) = reader.next() {
        packets += 1;
        octets += packet.data.len() as u64;
        first = first.min(packet.at_nanos);
        last = last.max(packet.at_nanos);
    }
    Ok(Length { packets, octets, seconds: last.saturating_sub(first).max(0) / NANOS })
}

/// Octets told by kind of insight.
fn replay(binary: &Path, capture: &Path, sparing: bool) -> Result<BTreeMap<String, u64>> {
    let file = File::open(capture).context("cannot open it")?;
    let mut command = Command::new(binary);
    command.args(["sensor", "--stdin", "--replay"]).stdin(file).stdout(Stdio::piped());
    if sparing {
        command.arg("--sparing");
    }
    let done = command.output().with_context(|| format!("cannot run {}", binary.display()))?;
    if !done.status.success() {
        bail!("the sensor ended with {}", done.status);
    }
    let mut kinds = BTreeMap::new();
    for line in done.stdout.split_inclusive(|b| *b == b'\n') {
        let insight: serde_json::Value =
            serde_json::from_slice(line).context("an insight is no JSON")?;
        let kind = insight["kind"].as_str().unwrap_or("?").to_owned();
        *kinds.entry(kind).or_default() += line.len() as u64;
    }
    Ok(kinds)
}
