//! The same capture gives the same report, byte for byte, with any number of threads.
//!
//! Traffic of the simulated plant is bent by seed: packets are fragmented, put into tunnels and
//! VLANs, lost, doubled, swapped and damaged. Invariant: a seed that once failed stays in the list.

use proptest::{prelude::*, test_runner::Config};
use std::{collections::BTreeMap, path::Path, process::Command};
use wire::{
    LinkType,
    file::{CaptureReader, PcapngWriter},
};

fn spandrel(arguments: &[&str]) -> Vec<u8> {
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test");
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn plant(folder: &Path, seed: &str) -> Vec<(i64, Vec<u8>)> {
    let file = folder.join("plant.pcapng").display().to_string();
    spandrel(&["lab", "--out", &file, "--minutes", "2", "--seed", seed]);
    let bytes = std::fs::read(&file).expect("the lab wrote it");
    let mut reader = CaptureReader::open(&bytes[..]).expect("a capture");
    let mut packets = Vec::new();
    while let Some(packet) = reader.next().expect("a whole capture") {
        packets.push((packet.at_nanos, packet.data.to_vec()));
    }
    packets
}

/// A small generator of our own, so that a seed means the same on every machine.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }
}

fn is_ipv4(frame: &[u8]) -> bool {
    frame.len() > 38 && frame[12..14] == [8, 0] && frame[14] == 0x45
}

/// The frame's IP packet in pieces of 24 octets and the rest, last first.
fn fragments(frame: &[u8], id: u16) -> Vec<Vec<u8>> {
    let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]])).min(frame.len() - 14);
    let payload = &frame[34..end.max(34)];
    let split = payload.len().min(24);
    let piece = |offset: usize, more: bool, part: &[u8]| {
        let mut piece = frame[..34].to_vec();
        let total = u16::try_from(part.len() + 20).expect("short");
        piece[16..18].copy_from_slice(&total.to_be_bytes());
        piece[18..20].copy_from_slice(&id.to_be_bytes());
        let field = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        piece[20..22].copy_from_slice(&field.to_be_bytes());
        piece.extend_from_slice(part);
        piece
    };
    vec![piece(split, false, &payload[split..]), piece(0, true, &payload[..split])]
}

/// The frame in VXLAN, or its IP packet in GRE or in IP, between two hosts.
fn tunnel(frame: &[u8], kind: usize) -> Vec<u8> {
    let (protocol, inner): (u8, Vec<u8>) = match kind {
        0 => {
            let mut vxlan = vec![0x30, 0x39, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0];
            vxlan.extend_from_slice(frame);
            let length = u16::try_from(vxlan.len()).expect("short").to_be_bytes();
            vxlan[4..6].copy_from_slice(&length);
            (17, vxlan)
        }
        1 => (47, [&[0, 0, 8, 0], &frame[14..]].concat()),
        _ => (4, frame[14..].to_vec()),
    };
    let mut outer = vec![2, 0, 0, 0, 0, 0x71, 2, 0, 0, 0, 0, 0x72, 8, 0, 0x45, 0];
    outer.extend(u16::try_from(inner.len() + 20).expect("short").to_be_bytes());
    outer.extend([0, 1, 0, 0, 64, protocol, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2]);
    outer.extend(inner);
    outer
}

fn bend(packets: &[(i64, Vec<u8>)], seed: u64) -> Vec<u8> {
    let mut random = Seeded(seed | 1);
    let mut frames: Vec<(i64, Vec<u8>)> = Vec::new();
    for (at, frame) in packets {
        let ipv4 = is_ipv4(frame);
        match random.below(24) {
            0 => {}
            1 => frames.extend([(*at, frame.clone()), (*at, frame.clone())]),
            2 | 3 if ipv4 => {
                let pieces = fragments(frame, random.below(65_536) as u16);
                frames.extend(pieces.into_iter().map(|piece| (*at, piece)));
            }
            4 | 5 if ipv4 => frames.push((*at, tunnel(frame, random.below(3)))),
            6 => {
                let tag = [0x81, 0, 0, random.below(5) as u8];
                frames.push((*at, [&frame[..12], &tag, &frame[12..]].concat()));
            }
            7 => {
                let mut bad = frame.clone();
                let place = random.below(bad.len());
                bad[place] ^= 1 << random.below(8);
                bad.truncate(bad.len() - random.below(bad.len() / 2));
                frames.push((*at, bad));
            }
            8 if !frames.is_empty() => frames.insert(frames.len() - 1, (*at, frame.clone())),
            _ => frames.push((*at, frame.clone())),
        }
    }
    let mut writer = PcapngWriter::new(Vec::new(), LinkType::Ethernet).expect("memory");
    for (at, frame) in &frames {
        writer.packet(*at, frame).expect("memory");
    }
    writer.into_inner()
}

fn check(folder: &Path, packets: &[(i64, Vec<u8>)], seed: u64, room: &str) {
    let file = folder.join("bent.pcapng");
    std::fs::write(&file, bend(packets, seed)).expect("a temporary file");
    let file = file.display().to_string();
    let report = |threads: &str| {
        let what = ["--values", "--room", room, "--threads", threads];
        let text = spandrel(&[&["pcap", "--format", "json", &file][..], &what].concat());
        String::from_utf8(text).expect("JSON is UTF-8")
    };
    let alone = report("1");
    assert!(alone.contains("\"values\":[{"), "the plant's values are seen");
    for threads in ["2", "3", "8", "13"] {
        let together = report(threads);
        let at = alone.bytes().zip(together.bytes()).position(|(a, b)| a != b);
        let near =
            at.map(|at| (&alone[at.saturating_sub(80)..], &together[at.saturating_sub(80)..]));
        let near = near.map(|(a, b)| (&a[..a.len().min(200)], &b[..b.len().min(200)]));
        assert!(
            alone == together,
            "seed {seed}, room {room} %: {threads} threads differ from one: {near:#?}"
        );
    }
}

proptest! {
    #![proptest_config(Config { cases: 3, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_number_of_threads_gives_the_same_report(seed in any::<u64>()) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let packets = plant(folder.path(), &(seed % 1_000).to_string());
        check(folder.path(), &packets, seed, "100");
        // So little room that every table overflows: limits must hit the same packets.
        check(folder.path(), &packets, seed, "1");
    }
}

/// Rows of assets, links and findings by their id, and how many packets each has.
type Rows = BTreeMap<String, (serde_json::Value, u64)>;

/// What repeats is counted second by second while one listens and at once in a report, which says a
/// little more or less of when it began, of its period, and of what was usual before.
fn add(rows: &mut Rows, row: &serde_json::Value) {
    let mut row = row.clone();
    let packets = row["packets"].as_u64().unwrap_or_default();
    if let Some(members) = row.as_object_mut() {
        let vague = ["first_seen", "facts", "poll_interval_ms", "evidence", "packets", "bytes"];
        vague.into_iter().chain(["kind"]).for_each(|member| drop(members.remove(member)));
    }
    rows.insert(row["id"].as_str().unwrap_or_default().to_owned(), (row, packets));
}

/// The rows a live sensor told last, merged ones left out.
fn live_rows(capture: &Path, threads: &str) -> Rows {
    let input = std::fs::File::open(capture).expect("the lab wrote it");
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["sensor", "--stdin", "--replay", "--threads", threads])
        .stdin(input)
        .output()
        .expect("the binary was built for this test");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut rows = Rows::new();
    for line in String::from_utf8(out.stdout).expect("JSON is UTF-8").lines() {
        let insight: serde_json::Value = serde_json::from_str(line).expect("an insight a line");
        match insight["kind"].as_str() {
            Some("asset" | "link" | "finding") => add(&mut rows, &insight),
            Some("asset-merged" | "link-merged") => {
                rows.remove(insight["id"].as_str().unwrap_or_default());
            }
            Some("beat") => {
                let limits = insight["health"]["limits"].as_object().expect("limits");
                assert!(!limits.contains_key("sensor-queue-packets"), "{limits:?}");
            }
            _ => {}
        }
    }
    rows
}

fn report_rows(capture: &Path) -> Rows {
    let report = spandrel(&["pcap", "--format", "json", &capture.display().to_string()]);
    let report: serde_json::Value = serde_json::from_slice(&report).expect("one object");
    let mut rows = Rows::new();
    for kind in ["assets", "links", "findings"] {
        report[kind].as_array().expect("rows").iter().for_each(|row| add(&mut rows, row));
    }
    rows
}

#[test]
fn a_live_sensor_tells_what_the_capture_holds_with_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    plant(folder.path(), "5");
    let file = folder.path().join("plant.pcapng");
    let report = report_rows(&file);
    let of = |kind: &str| report.keys().filter(|id| id.starts_with(kind)).count();
    assert!(of("ast_") > 20 && of("lnk_") > 20 && of("fnd_") > 3, "{:?}", report.keys());
    for threads in ["1", "3"] {
        let live = live_rows(&file, threads);
        let ids = live.keys().chain(report.keys());
        // An attempt that is answered a second later was nobody's until then.
        let same = |id: &String| match (live.get(id), report.get(id)) {
            (Some((a, heard)), Some((b, seen))) => a == b && seen.abs_diff(*heard) <= 2,
            _ => false,
        };
        let differ: Vec<_> = ids.filter(|id| !same(id)).collect();
        let first = differ.first().map(|id| (live.get(*id), report.get(*id)));
        assert!(differ.is_empty(), "{threads} threads, {} rows differ: {first:#?}", differ.len());
    }
}
