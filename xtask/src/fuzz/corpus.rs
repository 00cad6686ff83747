//! Where inputs begin: the protocols' fixtures, as each target wants them.
//!
//! Invariant: the same fixtures give the same inputs in the same order.

use super::targets::{FROM_SERVER, chunk};
use crate::fixtures::{self, Fixture, Talk};
use anyhow::{Context, Result};
use protocols::REGISTRY;
use std::{fs::File, io::BufReader, path::Path};
use wire::{
    LinkType,
    file::{CaptureReader, PcapWriter, PcapngWriter},
};

/// Frames taken of the begin of a capture.
const FRAMES_PER_CAPTURE: usize = 60;

#[derive(Default)]
pub struct Corpora {
    /// Protocol, and a conversation as its target reads it.
    conversations: Vec<(String, Vec<u8>)>,
    /// Conversations as frames on Ethernet.
    frames: Vec<Vec<Vec<u8>>>,
}

pub fn corpora(root: &Path, captures: Option<&Path>) -> Result<Corpora> {
    let mut corpora = Corpora::default();
    for fixture in fixtures::all(root)? {
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

/// The conversation between two hosts.
fn frames(fixture: &Fixture) -> Vec<Vec<u8>> {
    let mut talk = Talk::between((1, 49_152), (2, fixture.port));
    let segments = fixture.segments.iter();
    segments.map(|(server, octets)| talk.frame(fixture.carrier, *server, octets)).collect()
}
