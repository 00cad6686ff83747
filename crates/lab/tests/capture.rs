//! The capture as a whole: reproducible, and correct in the eyes of a third-party dissector.

use lab::{Labels, Options};
use std::{path::Path, process::Command};

fn generate(options: &Options) -> (Vec<u8>, Labels) {
    let mut out = Vec::new();
    let labels = lab::run(options, &mut out, |_| {}).expect("memory takes every write");
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

#[test]
fn a_third_party_dissector_finds_nothing_wrong() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("SKIPPED: tshark is not installed");
        return;
    }
    let (bytes, labels) = generate(&Options::new(1, 3));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("plant.pcapng");
    std::fs::write(&file, bytes).expect("the folder is writable");
    for filter in [
        "_ws.malformed || _ws.short",
        "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0",
        "tcp.analysis.flags && !tcp.analysis.retransmission && !tcp.analysis.keep_alive \
         && !tcp.analysis.keep_alive_ack && !tcp.analysis.duplicate_ack",
        "_ws.expert.severity == 0x800000",
    ] {
        let wrong = tshark(&file, filter);
        assert!(
            wrong.is_empty(),
            "{filter}: {} frames: {:#?}",
            wrong.len(),
            &wrong[..wrong.len().min(9)]
        );
    }
    let again = tshark(&file, "tcp.analysis.retransmission");
    assert_eq!(again.len() as u64, labels.retransmissions, "{again:#?}");
    assert_eq!(tshark(&file, "frame").len() as u64, labels.packets);
}
