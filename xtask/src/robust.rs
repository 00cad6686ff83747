//! `cargo xtask robust`: every capture of a folder cut and damaged in many places, by seed.
//!
//! The whole way of a capture is gone each time: file reader, sensor, inventory, detectors.
//! Invariant: a file is read to its end or to its first damage, never with a panic or a hang.

use crate::{
    bench,
    fuzz::{Watch, targets},
    options::Options,
};
use anyhow::{Context, Result, bail};
use model::Time;
use sensor::{Packet, WorkerSettings};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Instant,
};
use wire::file::{CaptureReader, RawPacket};

pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::read(arguments, &["captures", "cuts", "octets", "seed"])?;
    let folder = Path::new(options.text("captures").unwrap_or("../shared/captures"));
    if !folder.is_dir() {
        println!("robust SKIPPED: no folder {}; name one with --captures DIR", folder.display());
        return Ok(());
    }
    let cuts: u64 = options.number("cuts", 50)?;
    let seed: u64 = options.number("seed", 1)?;
    // Of each capture; all of them where nothing is said.
    let most: usize = options.number("octets", usize::MAX)?;
    let captures = bench::captures(folder)?;
    let watch = Watch::start(std::env::temp_dir());
    let start = Instant::now();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut runs, mut packets, mut failures) = (0u64, 0u64, Vec::new());
    for (name, path) in &captures {
        let octets = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let octets = &octets[..octets.len().min(most)];
        for cut in 0..cuts {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (cut << 32);
            random ^= name.bytes().fold(7, |sum, b| (sum << 5) ^ (sum >> 27) ^ u64::from(b));
            let bent = bend(octets, random | 1, cut);
            runs += 1;
            watch.begin("robust", &bent);
            match catch_unwind(AssertUnwindSafe(|| read(&bent))) {
                Ok(count) => packets += count,
                Err(_) => failures.push(format!("{name}, cut {cut}")),
            }
            watch.end();
        }
    }
    drop(std::panic::take_hook());
    println!(
        "robust: {} captures, {runs} runs, {packets} packets, {} panics, 0 hangs, {:.0} s",
        captures.len(),
        failures.len(),
        start.elapsed().as_secs_f64()
    );
    if !failures.is_empty() {
        bail!("panics with --seed {seed}:\n{}", failures.join("\n"));
    }
    Ok(())
}

/// A part of the file that ends anywhere, with bits flipped in two of three.
fn bend(octets: &[u8], mut random: u64, cut: u64) -> Vec<u8> {
    let mut below = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize % bound.max(1)
    };
    let mut bent = octets[..below(octets.len() + 1)].to_vec();
    let flips = match cut % 3 {
        0 => 0,
        1 => 1 + below(8),
        _ => 1 + bent.len() / 200,
    };
    for _ in 0..flips {
        // The file's header stays, so that the rest is read.
        if bent.len() > 64 {
            let at = 64 + below(bent.len() - 64);
            bent[at] ^= 1 << below(8);
        }
    }
    bent
}

/// Packets of the file, all the way.
fn read(octets: &[u8]) -> u64 {
    let Ok(mut reader) = CaptureReader::open(octets) else { return 0 };
    let mut packets = Vec::new();
    while let Ok(Some(RawPacket { at_nanos, wire_len, link, data, .. })) = reader.next() {
        packets.push((at_nanos, wire_len, link, data.to_vec()));
    }
    let settings = WorkerSettings { values: true, ..WorkerSettings::default() };
    let count = packets.len() as u64;
    let each = packets.iter().zip(1..).map(|((at, wire_len, link, data), frame)| Packet {
        at: Time::from_nanos(*at),
        frame,
        wire_len: *wire_len,
        link: *link,
        data,
    });
    targets::analyse(settings, each);
    count
}
