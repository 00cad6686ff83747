//! The capture as a whole: reproducible, and correct in the eyes of a third-party dissector.

use lab::{Labels, Options};
use std::{collections::BTreeSet, path::Path, process::Command};

fn generate(options: &Options) -> (Vec<u8>, Labels) {
    let mut out = Vec::new();
    let labels = lab::run(options, &mut out, |_, _| {}).expect("memory takes every write");
    (out, labels)
}

/// Lines of `tshark -T fields` for the frames a display filter selects.
fn tshark(file: &Path, filter: &str) -> Vec<String> {
    let out = Command::new("tshark")
        .args(["-n", "-r"])
        .arg(file)
        .args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"])
        .args(["-o", "udp.check_checksum:TRUE"])
        .args(["-Y", filter, "-T", "fields"])
        .args(["-e", "frame.number", "-e", "frame.protocols", "-e", "_ws.col.Info"])
        .output()
        .expect("tshark was found a moment ago");
    String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    let (first, _) = generate(&Options::new(7, 1));
    let (second, _) = generate(&Options::new(7, 1));
    let (other, _) = generate(&Options::new(8, 1));
    assert!(first == second, "equal seeds must give equal bytes");
    assert!(first != other);
}

#[expect(clippy::print_stdout, reason = "a skipped check must be seen")]
#[test]
fn a_third_party_dissector_finds_nothing_wrong() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("SKIPPED: tshark is not installed");
        return;
    }
    let scenarios = lab::scenarios::ALL.to_vec();
    let options = Options { scenarios, quiet: 5 * 1_000_000_000, ..Options::new(1, 9) };
    let (bytes, labels) = generate(&options);
    assert_eq!(labels.scenarios.len(), lab::scenarios::ALL.len(), "all fit in the time given");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("plant.pcapng");
    std::fs::write(&file, bytes).expect("the folder is writable");
    let wrong = "_ws.malformed || _ws.short || _ws.expert.severity == 0x800000 \
                 || ip.checksum.status == 0 || tcp.checksum.status == 0 \
                 || udp.checksum.status == 0 || tcp.analysis.flags";
    let (mut again, mut forbidden, mut other) = (0, 0, Vec::new());
    let malformed = labels.scenarios.iter().find(|s| s.name == "malformed").expect("played");
    for line in tshark(&file, wrong) {
        let frame: u64 = line.split('\t').next().and_then(|n| n.parse().ok()).expect("a number");
        let within = (malformed.first_frame..=malformed.last_frame).contains(&frame);
        if line.contains("TCP Retransmission") {
            again += 1;
        } else if within && line.contains("Malformed Packet") {
            forbidden += 1;
        } else {
            other.push(line);
        }
    }
    assert!(other.is_empty(), "{} frames: {:#?}", other.len(), &other[..other.len().min(9)]);
    assert_eq!(again, labels.retransmissions, "segments sent twice");
    assert_eq!(forbidden, 2, "writes whose byte count is a lie");
}

#[test]
fn labels_stand_for_frames_of_their_actor() {
    let scenarios: Vec<_> = lab::scenarios::ALL.to_vec();
    let options = Options { scenarios, quiet: 60 * 1_000_000_000, ..Options::new(3, 14) };
    let (bytes, labels) = generate(&options);
    assert_eq!(labels.scenarios.len(), lab::scenarios::ALL.len(), "all fit in the time given");
    let frames = frames(&bytes);
    assert_eq!(frames.len() as u64, labels.packets);
    for label in &labels.scenarios {
        assert!(label.frames > 0 && label.start < label.end, "{}", label.name);
        let (at, first) = &frames[label.first_frame as usize - 1];
        assert_eq!(*at, label.start.nanos(), "{}", label.name);
        assert_eq!(frames[label.last_frame as usize - 1].0, label.end.nanos());
        let actor = label.actor.mac.0;
        assert!(first[6..12] == actor || first[..6] == actor, "{}", label.name);
    }
    assert!(frames.windows(2).all(|w| w[0].0 <= w[1].0), "frames are in time order");
}

/// Time and bytes of each packet block.
fn frames(capture: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().expect("four"));
    let (mut at, mut out) = (0, Vec::new());
    while at < capture.len() {
        if word(at) == 6 {
            let time = (u64::from(word(at + 12)) << 32 | u64::from(word(at + 16))) as i64;
            let length = word(at + 20) as usize;
            out.push((time, capture[at + 28..at + 28 + length].to_vec()));
        }
        at += word(at + 4) as usize;
    }
    out
}

/// Client, server, protocol and server port of an IPv4 frame by unicast.
fn pair(frame: &[u8]) -> Option<(Vec<u8>, Vec<u8>, u8, u16)> {
    let ip = frame.get(18..)?;
    let unicast = frame[0] & 1 == 0;
    if frame[16..18] != [8, 0] || !unicast || !matches!(ip[9], 6 | 17) {
        return None;
    }
    let port = |at: usize| u16::from_be_bytes([ip[at], ip[at + 1]]);
    let (source, destination) = (port(20), port(22));
    let ends = (ip[12..16].to_vec(), ip[16..20].to_vec());
    if destination <= source {
        Some((ends.0, ends.1, ip[9], destination))
    } else {
        Some((ends.1, ends.0, ip[9], source))
    }
}

#[test]
fn whoever_talks_on_an_ordinary_day_has_begun_within_the_first_75_seconds() {
    let (bytes, labels) = generate(&Options::new(4, 20));
    let learnt = labels.start.nanos() + 75_000_000_000;
    let (mut known, mut late) = (BTreeSet::new(), BTreeSet::new());
    for (at, frame) in frames(&bytes) {
        let Some(pair) = pair(&frame) else { continue };
        if at < learnt {
            known.insert(pair);
        } else if !known.contains(&pair) {
            late.insert(pair);
        }
    }
    assert!(late.is_empty(), "{late:?}");
    assert!(known.len() > 100, "{}", known.len());
}
