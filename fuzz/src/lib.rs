//! What a fuzz target does with octets it was given, and what must hold whatever they are.
//!
//! A target is a protocol of the registry, `frame` (one frame), `capture` (a capture file) or
//! `pipeline` (frames through the whole sensor). Protocols and the pipeline read a row of chunks,
//! see [`chunks`]. Not here: where octets come from. Invariant: a target panics only where the
//! code under test is wrong.

use model::{Detail, Endpoint, Mac, Scalar, Time};
use protocols::{
    Carrier, Dissector, Gap, Hint, Output, Progress, Protocol, REGISTRY, Segment, Side,
};
use sensor::{Fold, Limits, Packet, Worker, WorkerSettings, shard_of};
use std::hash::{DefaultHasher, Hash, Hasher};
use wire::{LinkType, file::CaptureReader};

/// Targets beside the protocols.
pub const OTHERS: [&str; 3] = ["capture", "frame", "pipeline"];

/// What one feed may give for each octet it got, and beside that: more is an attack's lever.
const ROWS_PER_OCTET_MAX: usize = 16;
const ROWS_MAX: usize = 4_096;
/// Octets that wait for the rest of their message in this harness.
const PENDING_OCTETS_MAX: usize = 64 * 1024;

/// Names of all targets.
pub fn names() -> Vec<&'static str> {
    REGISTRY.iter().map(|protocol| protocol.about().name).chain(OTHERS).collect()
}

/// Runs a target; gives hashes of the behaviours it showed, for drivers without coverage.
pub fn run(target: &str, octets: &[u8]) -> Vec<u64> {
    match target {
        "capture" => capture(octets),
        "frame" => frame(octets),
        "pipeline" => pipeline(octets),
        name => match REGISTRY.iter().find(|protocol| protocol.about().name == name) {
            Some(protocol) => conversation(*protocol, octets),
            None => panic!("there is no target {name}"),
        },
    }
}

/// A row of chunks: flags, length (little endian, 16 bits), octets; the last may be shorter.
pub fn chunks(mut octets: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[flags, low, high], rest) = octets.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (chunk, after) = rest.split_at(length);
        octets = after;
        Some((flags, chunk))
    })
}

/// What [`chunks`] reads.
pub fn chunk(flags: u8, octets: &[u8], into: &mut Vec<u8>) {
    let length = octets.len().min(usize::from(u16::MAX));
    into.push(flags);
    into.extend((length as u16).to_le_bytes());
    into.extend(&octets[..length]);
}

/// Flag of a chunk: sent by the server.
pub const FROM_SERVER: u8 = 1;
/// Flag of a chunk: octets were lost before it.
pub const AFTER_GAP: u8 = 2;

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A conversation in one protocol: the first octet chooses the carrier, chunks follow.
fn conversation(protocol: &'static dyn Protocol, octets: &[u8]) -> Vec<u64> {
    let Some((choice, rest)) = octets.split_first() else { return Vec::new() };
    let about = protocol.about();
    let carrier = about.carriers[usize::from(*choice) % about.carriers.len()];
    let port = about.ports.first().copied().unwrap_or_default();
    let mut peer = Peer {
        dissector: protocol.open(),
        carrier,
        port,
        pending: [Vec::new(), Vec::new()],
        out: Output::new(true),
        shown: Vec::new(),
        at: 0,
    };
    for (flags, bytes) in chunks(rest) {
        let from = if flags & FROM_SERVER == 0 { Side::Client } else { Side::Server };
        let missing = usize::from(flags >> 3);
        let hint = Hint { carrier, port: flags & 4 == 0, from, missing };
        peer.shown.push(hash(("probe", format!("{:?}", protocol.probe(bytes, hint)))));
        peer.push(from, bytes, flags & AFTER_GAP != 0);
    }
    peer.shown
}

struct Peer {
    dissector: Box<dyn Dissector>,
    carrier: Carrier,
    port: u16,
    pending: [Vec<u8>; 2],
    out: Output,
    shown: Vec<u64>,
    at: i64,
}

impl Peer {
    fn push(&mut self, from: Side, bytes: &[u8], after_gap: bool) {
        self.at += 1;
        if after_gap {
            self.pending[from as usize].clear();
            self.dissector.gap(Gap { from, bytes: None });
        }
        if self.carrier != Carrier::Tcp {
            self.feed(from, bytes, after_gap);
            return;
        }
        let mut buffer = std::mem::take(&mut self.pending[from as usize]);
        buffer.extend_from_slice(bytes);
        if buffer.is_empty() {
            // The sensor has nothing to say then either.
            return;
        }
        let (mut taken, mut after_gap) = (0, after_gap);
        while let step @ 1.. = self.feed(from, &buffer[taken..], after_gap) {
            taken += step;
            after_gap = false;
            if taken >= buffer.len() {
                break;
            }
        }
        buffer.drain(..taken);
        buffer.truncate(PENDING_OCTETS_MAX);
        self.pending[from as usize] = buffer;
    }

    /// Octets taken by one call of the dissector.
    fn feed(&mut self, from: Side, bytes: &[u8], after_gap: bool) -> usize {
        let end = |last, port| Endpoint {
            mac: Some(Mac([2, 0, 0, 0, 0, last])),
            ip: Some([192, 0, 2, last].into()),
            port: Some(port),
            vlan: None,
        };
        let ends = [end(1, 49_152), end(2, self.port)];
        let segment = Segment {
            at: Time::from_secs(self.at),
            sender: ends[from as usize],
            receiver: ends[from.other() as usize],
            after_gap,
            ..Segment::of(bytes, from, self.carrier)
        };
        self.out.clear();
        let progress = self.dissector.feed(segment, &mut self.out);
        self.check(bytes.len());
        match progress {
            Progress::Consumed(count) => {
                assert!(count <= bytes.len(), "took {count} of {} octets", bytes.len());
                count
            }
            Progress::NeedMore { consumed, needed } => {
                assert!(consumed <= bytes.len(), "took {consumed} of {} octets", bytes.len());
                assert!(needed > 0, "waits for nothing");
                0
            }
            Progress::GiveUp(why) => {
                self.shown.push(hash(why.reason));
                self.dissector.gap(Gap { from, bytes: None });
                bytes.len()
            }
        }
    }

    fn check(&mut self, length: usize) {
        let rows = self.out.messages.len() + self.out.observed.len();
        let most = ROWS_MAX.max(length * ROWS_PER_OCTET_MAX);
        assert!(rows <= most, "{rows} rows out of {length} octets");
        for message in self.out.messages.iter() {
            let keys = message.keys.iter().take(message.group.keys.len());
            let keys = keys.map(plain).collect::<Vec<_>>();
            self.shown.push(hash((message.group.name, keys)));
        }
        for seen in &self.out.observed {
            let span = &seen.span;
            assert!(span.start <= span.end && span.end <= length, "{span:?} in {length} octets");
            self.shown.push(feature(&seen.detail));
        }
    }
}

/// A key without its text and without large numbers, of which there is no end.
fn plain(key: &Scalar) -> u64 {
    match key {
        Scalar::Null => 1 << 32,
        Scalar::Bool(b) => 2 << 32 | u64::from(*b),
        Scalar::Number(n) => 3 << 32 | (*n).min(256),
        Scalar::Word(word) => hash(word),
        _ => 4 << 32,
    }
}

/// What kind of thing was observed, without its numbers.
fn feature(detail: &Detail) -> u64 {
    match detail {
        Detail::Operation(o) => hash(("operation", o.function_name, o.direction, o.outcome)),
        Detail::Violation(v) => hash(("violation", v.rule)),
        Detail::Identity(i) => {
            let paths: Vec<_> = i.attributes.iter().map(|a| a.path).collect();
            hash(("identity", i.message, paths))
        }
        Detail::State(s) => hash(("state", s.what)),
        Detail::Authentication(a) => hash(("authentication", a.method, a.accepted, a.clear_text)),
        Detail::Value { value, .. } => hash(("value", std::mem::discriminant(value))),
        Detail::Presence | Detail::Session(_) | Detail::Exchange(_) => 0,
    }
}

/// Link types by the first octet; then the frame.
fn frame(octets: &[u8]) -> Vec<u64> {
    const LINKS: [u16; 8] = [1, 1, 0, 9, 101, 108, 113, 276];
    let Some((choice, data)) = octets.split_first() else { return Vec::new() };
    let link = LinkType::from_number(LINKS[usize::from(*choice) % LINKS.len()]);
    let frame = wire::decode(link, data);
    let shard = shard_of(link, data);
    assert!(shard < sensor::limits::SHARDS);
    let carried = match &frame.layer {
        wire::Layer::Ip(ip) => {
            assert!(ip.payload.len() <= data.len());
            let transport = wire::transport(ip.protocol, ip.payload);
            hash((ip.protocol, std::mem::discriminant(&transport)))
        }
        layer => hash(std::mem::discriminant(layer)),
    };
    vec![
        carried,
        hash(frame.malformed),
        hash((frame.outer.is_some(), frame.vlans.as_slice().len())),
    ]
}

/// A capture file to its end or its first damage.
fn capture(octets: &[u8]) -> Vec<u64> {
    let mut reader = match CaptureReader::open(octets) {
        Ok(reader) => reader,
        Err(error) => return vec![hash(std::mem::discriminant(&error))],
    };
    let (mut shown, mut packets) = (Vec::new(), 0u64);
    loop {
        match reader.next() {
            Ok(Some(packet)) => {
                packets += 1;
                assert!(packet.wire_len as usize >= packet.data.len());
                shown.push(hash(packet.link));
            }
            Ok(None) => break,
            Err(error) => {
                shown.push(hash(error.to_string().split("byte").next()));
                assert!(matches!(reader.next(), Ok(None) | Err(_)), "packets behind damage");
                break;
            }
        }
    }
    shown.push(hash(packets.min(64)));
    shown
}

/// Frames through worker, fold, inventory and detectors, with so little room that tables overflow.
fn pipeline(octets: &[u8]) -> Vec<u64> {
    let settings =
        WorkerSettings { values: true, limits: Limits::scaled(1), ..WorkerSettings::default() };
    let frames = chunks(octets).zip(1..).map(|((flags, data), frame)| Packet {
        at: Time::from_nanos(frame as i64 * 1_000_000 * i64::from(flags | 1)),
        frame,
        wire_len: data.len() as u32 + u32::from(flags >> 7) * 100,
        link: LinkType::Ethernet,
        data,
    });
    analyse(settings, frames)
}

/// The whole way of a capture to rows; behaviours are what health says and what assets are.
pub fn analyse<'a>(
    settings: WorkerSettings,
    packets: impl Iterator<Item = Packet<'a>>,
) -> Vec<u64> {
    let (mut worker, mut fold) = (Worker::new(settings), Fold::new());
    let (mut last, mut frame) = (Time::default(), 0);
    for packet in packets {
        worker.push(&packet);
        (last, frame) = (last.max(packet.at), packet.frame);
        if frame.is_multiple_of(512) {
            fold.apply(worker.take_events());
        }
    }
    worker.finish(frame, last);
    fold.apply(worker.take_events());
    fold.finish();
    let health = worker.health();
    let mut shown: Vec<u64> =
        health.unparsed.keys().chain(health.limits.keys()).map(hash).collect();
    let assets = fold.inventory.assets();
    for asset in &assets {
        shown.push(hash((asset.class, asset.role)));
        shown.extend(asset.protocols.iter().map(hash));
    }
    let known = |id: &model::AssetId| assets.iter().any(|asset| asset.id == *id);
    for link in fold.inventory.links().iter().take(64) {
        assert!(known(&link.client) || known(&link.server), "a link between nobody");
    }
    shown.extend(fold.findings().iter().map(|finding| hash(&finding.detector)));
    shown.extend(worker.take_tally().into_rows().keys().map(hash));
    shown
}
