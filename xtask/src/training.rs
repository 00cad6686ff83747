//! `cargo xtask training`: captures to train the shipped binary on, see `scripts/release`.
//!
//! All of it is the project's own: what the protocols' fixtures say, again and again between ever
//! other hosts, a substation that speaks in cycles, and a crowd of strangers. The simulated plant
//! adds its own captures (`spandrel lab`). Not here: what a profile is made of it. Invariant: the
//! same fixtures give the same files, octet for octet.

mod crowd;
mod cycles;
mod talks;

use crate::{checkout, fixtures, options::Options};
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};
use wire::{LinkType, file::PcapWriter};

/// Octets of the shortest frame without its check sequence (IEEE 802.3, 3.2.8).
const FRAME_OCTETS_MIN: usize = 60;
/// From one frame to the next.
const STEP_NANOS: i64 = 1_000_000;
/// 2020-01-01.
const BEGIN_NANOS: i64 = 1_577_836_800_000_000_000;

/// How long the captures are; a test makes short ones.
struct Size {
    /// Times that all fixtures are said between other hosts.
    casts: u16,
    /// Times that each conversation is repeated between the same.
    rounds: u16,
    /// Steps of the substation's cycle.
    steps: u32,
    /// Strangers of each kind.
    strangers: u32,
}

const FULL: Size = Size { casts: 12, rounds: 20, steps: 24_000, strangers: 16_000 };

pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::read(arguments, &["into"])?;
    let folder = Path::new(options.text("into").context("say where: --into DIR")?);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let fixtures = fixtures::all(&checkout::root())?;
    for name in ["talks", "cycles", "crowd"] {
        let path = folder.join(format!("{name}.pcap"));
        let shown = path.display();
        let file = File::create(&path).with_context(|| format!("cannot create {shown}"))?;
        let mut film = Film::new(BufWriter::with_capacity(1 << 20, file))?;
        shoot(name, &fixtures, &FULL, &mut film)?;
        film.end().with_context(|| format!("cannot write {shown}"))?;
        println!("{} packets in {shown}", film.packets);
    }
    Ok(())
}

fn shoot<W: Write>(
    name: &str,
    fixtures: &[fixtures::Fixture],
    size: &Size,
    film: &mut Film<W>,
) -> Result<()> {
    match name {
        "talks" => talks::shoot(fixtures, size, film),
        "cycles" => cycles::shoot(fixtures, size, film),
        _ => crowd::shoot(size, film),
    }
}

/// A capture that is being made.
struct Film<W> {
    writer: PcapWriter<W>,
    at_nanos: i64,
    packets: u64,
}

impl<W: Write> Film<W> {
    fn new(sink: W) -> Result<Film<W>> {
        let writer = PcapWriter::new(sink, LinkType::Ethernet).context("cannot write a capture")?;
        Ok(Film { writer, at_nanos: BEGIN_NANOS, packets: 0 })
    }

    fn add(&mut self, mut frame: Vec<u8>) -> Result<()> {
        frame.resize(frame.len().max(FRAME_OCTETS_MIN), 0);
        self.at_nanos += STEP_NANOS;
        self.packets += 1;
        let written = self.writer.packet(self.at_nanos, frame.len() as u32, &frame);
        written.context("cannot write a packet")
    }

    fn end(&mut self) -> Result<()> {
        self.writer.flush().context("cannot write the rest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Time;
    use sensor::{Fold, Packet, Worker, WorkerSettings};
    use std::collections::BTreeSet;
    use wire::file::CaptureReader;

    const SHORT: Size = Size { casts: 1, rounds: 2, steps: 600, strangers: 60 };

    /// Protocols that the sensor names in a capture, and its packets.
    fn heard(name: &str) -> (BTreeSet<String>, u64) {
        let root = &checkout::root();
        let mut film = Film::new(Vec::new()).unwrap();
        shoot(name, &fixtures::all(root).unwrap(), &SHORT, &mut film).unwrap();
        let (made, octets) = (film.packets, film.writer.into_inner());
        let mut reader = CaptureReader::open(&octets[..]).unwrap();
        let (mut worker, mut fold) = (Worker::new(WorkerSettings::default()), Fold::new());
        let (mut frame, mut last) = (0, Time::default());
        while let Some(raw) = reader.next().unwrap() {
            frame += 1;
            last = Time::from_nanos(raw.at_nanos);
            let (wire_len, link, data) = (raw.wire_len, raw.link, raw.data);
            worker.push(&Packet { at: last, frame, wire_len, link, data });
            fold.apply(worker.take_events());
        }
        worker.finish(frame, last);
        fold.apply(worker.take_events());
        fold.finish();
        assert_eq!(frame, made, "{name}");
        let assets = fold.inventory.assets();
        (assets.iter().flat_map(|a| &a.protocols).map(ToString::to_string).collect(), made)
    }

    #[test]
    fn the_captures_hold_what_is_to_be_trained() {
        let (protocols, _) = heard("talks");
        for name in [
            "bacnet", "dnp3", "enip", "goose", "iec104", "mms", "modbus", "opcua", "pn_io",
            "s7comm", "sv", "tls",
        ] {
            assert!(protocols.contains(name), "{name} is not in {protocols:?}");
        }
        let (protocols, _) = heard("cycles");
        for name in ["dnp3", "goose", "modbus", "ptp", "sv"] {
            assert!(protocols.contains(name), "{name} is not in {protocols:?}");
        }
        assert!(heard("crowd").1 > 4 * u64::from(SHORT.strangers));
    }
}
