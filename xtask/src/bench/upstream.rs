//! `cargo xtask bench upstream`: what a sensor tells upwards, as a share of what it listens to.
//!
//! Long captures are read by `spandrel sensor --stdin --replay --sparing`, which beats by the time
//! of their packets: what it writes is what it would have told live. It is unpacked as the control
//! plane does, to count what of which kind comes, and to see that the last rows are those of a
//! sensor that tells all. With `--rounds` the same plant
//! goes on for longer: what is told once weighs less, as it does where a sensor stays. With
//! `--pause-ms` long pauses are shortened, so that captures of little traffic make a busy plant.
//! Invariant: the share is of octets captured, without headers of the file.

use super::captures;
use crate::options::Options;
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, BufWriter},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
};
use uplink::{Frame, PREAMBLE, Unpacker, take_frame};
use wire::{
    LinkType,
    file::{CaptureReader, PcapWriter},
};

/// Captures shorter than this say little: most of what is told is told once.
const SECONDS_MIN: i64 = 600;
const NANOS: i64 = 1_000_000_000;

struct Length {
    packets: u64,
    octets: u64,
    seconds: i64,
}

pub fn run(arguments: &[String]) -> Result<()> {
    let known =
        ["captures", "capture", "binary", "seconds", "sparing", "rounds", "pause-ms", "compare"];
    let options = Options::read(arguments, &known)?;
    let rounds: u64 = options.number("rounds", 1)?;
    let pause_ms: i64 = options.number("pause-ms", i64::MAX)?;
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
        let packets = read(&path, pause_ms.saturating_mul(NANOS / 1_000))
            .with_context(|| format!("cannot read {name}"))?;
        let length = Length::of(&packets, rounds);
        if length.seconds < seconds_min {
            continue;
        }
        let said = replay((&binary, sparing), &packets, rounds)
            .with_context(|| format!("{name} was not played"))?;
        if options.number("compare", 0)? > 0 {
            let all = replay((&binary, !sparing), &packets, rounds)?;
            compare(&name, &said, &all)?;
        }
        heard += length.octets;
        told += said.octets;
        show(&name, &length, &said);
    }
    let share = 100.0 * told as f64 / heard.max(1) as f64;
    println!("upstream: {} kB told of {} kB captured: {share:.3} %", told / 1_000, heard / 1_000);
    Ok(())
}

/// What a sensor told.
#[derive(Default)]
struct Told {
    octets: u64,
    /// How many insights of each kind.
    kinds: BTreeMap<String, u64>,
    /// The last rows, by id.
    rows: BTreeMap<String, serde_json::Value>,
}

impl Told {
    fn take(&mut self, insight: serde_json::Value) {
        let text = |key: &str| insight[key].as_str().unwrap_or("?").to_owned();
        let (kind, id) = (text("kind"), text("id"));
        *self.kinds.entry(kind.clone()).or_default() += 1;
        match &*kind {
            "asset-merged" | "link-merged" => drop(self.rows.remove(&id)),
            "asset" | "link" | "finding" => drop(self.rows.insert(id, insight)),
            _ => {}
        }
    }
}

fn compare(name: &str, said: &Told, all: &Told) -> Result<()> {
    let (said, all) = (&said.rows, &all.rows);
    let differ: Vec<_> =
        said.keys().chain(all.keys()).filter(|id| said.get(*id) != all.get(*id)).collect();
    if let Some(id) = differ.first() {
        bail!("{name}: {} rows differ, {id}: {:?} {:?}", differ.len(), said.get(*id), all.get(*id));
    }
    println!("{name}: {} rows, the same as are told to a console beside it", all.len());
    Ok(())
}

fn show(name: &str, length: &Length, said: &Told) {
    let kinds: Vec<String> =
        said.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let seconds = length.seconds.max(1) as f64;
    println!(
        "{name}: {} packets in {} s, {} kB captured ({:.0} bit/s), {} octets told: {:.4} %, \
         {:.0} an hour ({})",
        length.packets,
        length.seconds,
        length.octets / 1_000,
        8.0 * length.octets as f64 / seconds,
        said.octets,
        100.0 * said.octets as f64 / length.octets.max(1) as f64,
        3_600.0 * said.octets as f64 / seconds,
        kinds.join(", ")
    );
}

/// Time, length on the wire, octets.
type Kept = (i64, u32, Vec<u8>);

/// The packets; pauses between them are at most so long.
fn read(capture: &Path, pause_nanos: i64) -> Result<(LinkType, Vec<Kept>)> {
    let file = File::open(capture).context("cannot open it")?;
    let mut reader = CaptureReader::open(BufReader::with_capacity(1 << 20, file))?;
    let (mut link, mut packets) = (LinkType::Ethernet, Vec::new());
    let (mut before, mut at) = (None, 0_i64);
    // A damaged end is left out, as the sensor does.
    while let Ok(Some(packet)) = reader.next() {
        link = packet.link;
        let pause = packet.at_nanos.saturating_sub(before.unwrap_or(packet.at_nanos));
        at = match before {
            None => packet.at_nanos,
            Some(_) => at.saturating_add(pause.clamp(0, pause_nanos)),
        };
        before = Some(packet.at_nanos);
        packets.push((at, packet.wire_len, packet.data.to_vec()));
    }
    Ok((link, packets))
}

impl Length {
    fn of((_, packets): &(LinkType, Vec<Kept>), rounds: u64) -> Length {
        let octets: u64 = packets.iter().map(|(_, _, data)| data.len() as u64).sum();
        let seconds = span(packets) / NANOS;
        Length {
            packets: packets.len() as u64 * rounds,
            octets: octets * rounds,
            seconds: seconds * rounds as i64,
        }
    }
}

fn span(packets: &[Kept]) -> i64 {
    let times = || packets.iter().map(|(at, _, _)| *at);
    times().max().unwrap_or_default().saturating_sub(times().min().unwrap_or_default())
}

fn replay(
    (binary, sparing): (&Path, bool),
    (link, packets): &(LinkType, Vec<Kept>),
    rounds: u64,
) -> Result<Told> {
    let mut command = Command::new(binary);
    command.args(["sensor", "--stdin", "--replay"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    if sparing {
        command.arg("--sparing");
    }
    let mut child = command.spawn().with_context(|| format!("cannot run {}", binary.display()))?;
    let stdin = child.stdin.take().context("no standard input")?;
    let stdout = child.stdout.take().context("no standard output")?;
    let told = std::thread::scope(|scope| {
        let stdout = BufReader::with_capacity(1 << 20, stdout);
        let said = scope.spawn(|| if sparing { packed(stdout) } else { lines(stdout) });
        play(stdin, (*link, packets), rounds)?;
        said.join().expect("reading does not panic")
    })?;
    let status = child.wait().context("cannot wait for the sensor")?;
    if !status.success() {
        bail!("the sensor ended with {status}");
    }
    Ok(told)
}

/// Writes the packets as often as that, each round behind the one before.
fn play(into: ChildStdin, (link, packets): (LinkType, &[Kept]), rounds: u64) -> Result<()> {
    let mut writer = PcapWriter::new(BufWriter::with_capacity(1 << 20, into), link)?;
    let every = span(packets).saturating_add(NANOS);
    for round in 0..rounds as i64 {
        for (at, wire_len, data) in packets {
            writer.packet(at.saturating_add(round.saturating_mul(every)), *wire_len, data)?;
        }
    }
    writer.flush().context("the sensor does not listen any more")
}

fn lines(stdout: impl BufRead) -> Result<Told> {
    let mut told = Told::default();
    for line in stdout.split(b'\n') {
        let line = line.context("the sensor stopped speaking")?;
        told.octets += line.len() as u64 + 1;
        told.take(serde_json::from_slice(&line).context("an insight is no JSON")?);
    }
    Ok(told)
}

fn packed(mut stdout: impl BufRead) -> Result<Told> {
    let mut told = Told::default();
    let mut octets = Vec::new();
    stdout.read_to_end(&mut octets).context("the sensor stopped speaking")?;
    told.octets = octets.len() as u64;
    let mut rest = octets.strip_prefix(PREAMBLE).context("no packed stream")?;
    let mut unpacker = Unpacker::new()?;
    while let Some((frame, length)) = take_frame(rest)? {
        if let Frame::Batch(batch) = frame {
            for insight in unpacker.unpack(batch)? {
                told.take(serde_json::to_value(insight)?);
            }
        }
        rest = &rest[length..];
    }
    Ok(told)
}
