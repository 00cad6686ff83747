//! Where inputs begin: the protocols' fixtures, as each target wants them.
//!
//! Invariant: the same fixtures give the same inputs in the same order.

use super::targets::{FROM_SERVER, chunk};
use anyhow::{Context, Result};
use protocols::{Carrier, REGISTRY};
use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
};
use wire::{
    LinkType,
    file::{CaptureReader, PcapWriter, PcapngWriter},
};

/// Frames taken of the begin of a capture.
const FRAMES_PER_CAPTURE: usize = 60;

pub struct Corpora {
    /// Protocol, and a conversation as its target reads it.
    conversations: Vec<(String, Vec<u8>)>,
    /// Conversations as frames on Ethernet.
    frames: Vec<Vec<Vec<u8>>>,
}

struct Fixture {
    protocol: String,
    carrier: Carrier,
    port: u16,
    /// From the server, octets.
    segments: Vec<(bool, Vec<u8>)>,
}

pub fn corpora(root: &Path, captures: Option<&Path>) -> Result<Corpora> {
    let mut corpora = Corpora { conversations: Vec::new(), frames: Vec::new() };
    for fixture in fixtures(&root.join("crates/protocols/src"))? {
        let about = REGISTRY.iter().map(|p| p.about()).find(|a| a.name == fixture.protocol);
        let carriers = about.map(|a| a.carriers).unwrap_or_default();
        let choice = carriers.iter().position(|c| *c == fixture.carrier).unwrap_or(0);
        let mut octets = vec![choice as u8];
        for (server, bytes) in &fixture.segments {
            chunk(if *server { FROM_SERVER } else { 0 }, bytes, &mut octets);
        }
        corpora.conversations.push((fixture.protocol.clone(), octets));
        corpora.frames.push(frames(&fixture));
    }
    if let Some(folder) = captures {
        for (name, path) in crate::bench::captures(folder)? {
            let first = first_frames(&path).with_context(|| format!("cannot read {name}"))?;
            corpora.frames.push(first);
        }
    }
    Ok(corpora)
}

impl Corpora {
    pub fn of(&self, target: &str) -> Vec<Vec<u8>> {
        match target {
            "frame" => self.frames.iter().flatten().map(|f| [&[0], &f[..]].concat()).collect(),
            "capture" => self.frames.iter().enumerate().map(|(i, f)| capture(i, f)).collect(),
            "pipeline" => self.frames.iter().map(|frames| row(frames)).collect(),
            name => {
                let own = self.conversations.iter().filter(|(protocol, _)| protocol == name);
                own.map(|(_, octets)| octets.clone()).collect()
            }
        }
    }
}

fn row(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    frames.iter().for_each(|frame| chunk(0, frame, &mut octets));
    octets
}

/// A file of the frames, in one form or the other.
fn capture(index: usize, frames: &[Vec<u8>]) -> Vec<u8> {
    let written = if index.is_multiple_of(2) {
        PcapWriter::new(Vec::new(), LinkType::Ethernet).and_then(|mut writer| {
            for frame in frames {
                writer.packet(1_000_000_000, frame.len() as u32, frame)?;
            }
            Ok(writer.into_inner())
        })
    } else {
        PcapngWriter::new(Vec::new(), LinkType::Ethernet).and_then(|mut writer| {
            for frame in frames {
                writer.packet(1_000_000_000, frame)?;
            }
            Ok(writer.into_inner())
        })
    };
    written.expect("memory takes all")
}

fn first_frames(path: &Path) -> Result<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    let Ok(mut reader) = CaptureReader::open(BufReader::new(File::open(path)?)) else {
        return Ok(frames);
    };
    while let Ok(Some(raw)) = reader.next() {
        if raw.link == LinkType::Ethernet {
            frames.push(raw.data.to_vec());
        }
        if frames.len() >= FRAMES_PER_CAPTURE {
            break;
        }
    }
    Ok(frames)
}

/// The conversation between two hosts, without checksums: nobody here looks at them.
fn frames(fixture: &Fixture) -> Vec<Vec<u8>> {
    let mut next = [1_000u32, 9_000];
    let mut frames = Vec::new();
    for (server, bytes) in &fixture.segments {
        let (from, to) = if *server { (2, 1) } else { (1, 2) };
        let ports = if *server { [fixture.port, 49_152] } else { [49_152, fixture.port] };
        let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from];
        let mut transport = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
        let protocol = match fixture.carrier {
            Carrier::Ethertype(kind) => {
                frame.extend(kind.to_be_bytes());
                frame.extend(bytes);
                frames.push(frame);
                continue;
            }
            Carrier::Snap(oui, pid) => {
                frame.extend((bytes.len() as u16 + 8).to_be_bytes());
                frame.extend([0xaa, 0xaa, 3]);
                frame.extend(oui);
                frame.extend(pid.to_be_bytes());
                frame.extend(bytes);
                frames.push(frame);
                continue;
            }
            Carrier::Llc(sap) => {
                frame.extend((bytes.len() as u16 + 3).to_be_bytes());
                frame.extend([sap, sap, 3]);
                frame.extend(bytes);
                frames.push(frame);
                continue;
            }
            Carrier::Tcp => {
                let [own, other] = if *server { [next[1], next[0]] } else { next };
                transport.extend(own.to_be_bytes());
                transport.extend(other.to_be_bytes());
                transport.extend([0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
                let side = &mut next[usize::from(*server)];
                *side = side.wrapping_add(bytes.len() as u32);
                6
            }
            Carrier::Udp => {
                transport.extend((bytes.len() as u16 + 8).to_be_bytes());
                transport.extend([0, 0]);
                17
            }
            Carrier::Ip(protocol) => {
                transport.clear();
                protocol
            }
        };
        let total = (20 + transport.len() + bytes.len()) as u16;
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(total.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, from, 192, 0, 2, to]);
        frame.extend(transport);
        frame.extend(bytes);
        frames.push(frame);
    }
    frames
}

/// `src/<protocol>/fixtures/*.hex`; the form is described in the tests of `protocols`.
fn fixtures(source: &Path) -> Result<Vec<Fixture>> {
    let mut found = Vec::new();
    let mut paths = Vec::new();
    for folder in fs::read_dir(source).context("cannot list the protocols")?.flatten() {
        let Ok(files) = fs::read_dir(folder.path().join("fixtures")) else { continue };
        paths.extend(
            files.flatten().map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "hex")),
        );
    }
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
        let folder = path.parent().and_then(Path::parent).and_then(Path::file_name);
        let protocol = folder.context("src/<protocol>/fixtures")?.to_string_lossy().into_owned();
        found.push(fixture(protocol, &text).with_context(|| format!("{path:?} is no fixture"))?);
    }
    Ok(found)
}

fn fixture(protocol: String, text: &str) -> Option<Fixture> {
    let mut lines = text
        .lines()
        .map(|l| l.split('#').next().unwrap_or_default().trim())
        .filter(|l| !l.is_empty());
    let words: Vec<&str> = lines.next()?.split_whitespace().collect();
    let hex = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
    let (carrier, port) = match *words.first()? {
        "tcp" => (Carrier::Tcp, words.get(1)?.parse().ok()?),
        "udp" => (Carrier::Udp, words.get(1)?.parse().ok()?),
        "ethertype" => (Carrier::Ethertype(hex(1)? as u16), 0),
        "llc" => (Carrier::Llc(hex(1)? as u8), 0),
        "ip" => (Carrier::Ip(words.get(1)?.parse().ok()?), 0),
        "snap" => {
            let [_, a, b, c] = hex(1)?.to_be_bytes();
            (Carrier::Snap([a, b, c], hex(2)? as u16), 0)
        }
        _ => return None,
    };
    let mut segments: Vec<(bool, Vec<u8>)> = Vec::new();
    for line in lines {
        let (rest, server) = match (line.strip_prefix('>'), line.strip_prefix('<')) {
            (Some(rest), _) => (rest, Some(false)),
            (_, Some(rest)) => (rest, Some(true)),
            _ => (line, None),
        };
        if let Some(server) = server {
            segments.push((server, Vec::new()));
        }
        let digits: Vec<u8> = rest.bytes().filter(u8::is_ascii_hexdigit).collect();
        let octets = digits
            .chunks_exact(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        segments.last_mut()?.1.extend(octets);
    }
    Some(Fixture { protocol, carrier, port, segments })
}
