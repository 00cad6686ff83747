//! A long capture out of short ones: all after each other, again and again, each time with other
//! times and other addresses.
//!
//! Addresses are moved so that checksums stay right where nothing wraps: a round is added to the
//! second octet of an IPv4 address and taken from the fourth, both the low octets of their words.
//! Invariant: equal captures give an equal mix.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    io::{BufReader, BufWriter},
    path::{Path, PathBuf},
};
use wire::{
    LinkType,
    file::{CaptureReader, PcapWriter},
};

pub struct Made {
    pub packets: u64,
    pub octets: u64,
    pub captures: usize,
    pub rounds: u32,
}

/// Captures under a folder, by name, sorted.
pub fn captures(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next).with_context(|| format!("cannot list {next:?}"))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "pcap" || e == "pcapng") {
                found.push((name, path));
            }
        }
    }
    found.sort();
    Ok(found)
}

pub fn make(folder: &Path, takes: fn(&str) -> bool, packets: u64, into: &Path) -> Result<Made> {
    let mut captures = captures(folder)?;
    captures.retain(|(name, _)| takes(name));
    let file = File::create(into).with_context(|| format!("cannot create {}", into.display()))?;
    let out = BufWriter::with_capacity(1 << 20, file);
    let mut writer = PcapWriter::new(out, LinkType::Ethernet).context("cannot write the mix")?;
    let mut made = Made { packets: 0, octets: 0, captures: captures.len(), rounds: 0 };
    // 2020-01-01, and on from there.
    let mut base = 1_577_836_800_000_000_000;
    while made.packets < packets {
        let before = made.packets;
        for (name, path) in &captures {
            base = add(path, (made.rounds, base), &mut writer, &mut made)
                .with_context(|| format!("cannot mix in {name}"))?;
        }
        made.rounds += 1;
        if made.packets == before {
            bail!("no capture with frames of Ethernet in {}", folder.display());
        }
    }
    writer.flush().context("cannot write the mix")?;
    Ok(made)
}

/// Adds a capture that begins at `base`; gives the time behind its end.
fn add(
    path: &Path,
    (round, base): (u32, i64),
    writer: &mut PcapWriter<BufWriter<File>>,
    made: &mut Made,
) -> Result<i64> {
    let file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let Ok(mut reader) = CaptureReader::open(file) else { return Ok(base) };
    let (mut first, mut end) = (None, base);
    let mut frame = Vec::new();
    while let Ok(Some(raw)) = reader.next() {
        if raw.link != LinkType::Ethernet {
            continue;
        }
        let first = *first.get_or_insert(raw.at_nanos);
        let at = base.saturating_add(raw.at_nanos.saturating_sub(first).max(0));
        end = end.max(at);
        frame.clear();
        frame.extend_from_slice(raw.data);
        shift(&mut frame, round);
        writer.packet(at, raw.wire_len, &frame)?;
        made.packets += 1;
        made.octets += frame.len() as u64;
    }
    Ok(end.saturating_add(1_000_000_000))
}

/// Gives the hosts of a frame other addresses.
fn shift(frame: &mut [u8], round: u32) {
    let round = (round & 0xff) as u8;
    if round == 0 || frame.len() < 14 {
        return;
    }
    move_mac(&mut frame[0..6], round);
    move_mac(&mut frame[6..12], round);
    let mut at = 12;
    while frame.get(at..at + 2) == Some(&[0x81, 0x00]) {
        at += 4;
    }
    match frame.get(at..at + 2) {
        Some([0x08, 0x00]) => {
            for address in [at + 14, at + 18] {
                move_ip(frame.get_mut(address..address + 4), round);
            }
        }
        Some([0x08, 0x06]) => {
            for address in [at + 10, at + 20] {
                if let Some(mac) = frame.get_mut(address..address + 6) {
                    move_mac(mac, round);
                }
                move_ip(frame.get_mut(address + 6..address + 10), round);
            }
        }
        _ => {}
    }
}

fn move_mac(mac: &mut [u8], round: u8) {
    let nobody = mac.iter().all(|octet| *octet == 0);
    if mac[0] & 1 == 0 && !nobody {
        mac[3] = mac[3].wrapping_add(round);
    }
}

fn move_ip(address: Option<&mut [u8]>, round: u8) {
    // Groups and broadcasts stay what they are.
    if let Some([a @ 1..224, b, _, d]) = address
        && (*a, *d) != (127, 1)
    {
        *b = b.wrapping_add(round);
        *d = d.wrapping_sub(round);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_move_and_groups_stay() {
        let mut frame = vec![1, 0, 0x5e, 0, 0, 1, 0, 0x1b, 0x1b, 9, 0, 2, 8, 0];
        frame.extend([0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 2, 9, 224, 0, 0, 1]);
        shift(&mut frame, 3);
        assert_eq!(frame[..12], [1, 0, 0x5e, 0, 0, 1, 0, 0x1b, 0x1b, 12, 0, 2]);
        assert_eq!(frame[26..], [10, 4, 2, 6, 224, 0, 0, 1]);
    }
}
