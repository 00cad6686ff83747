//! The simulated plant is backed up as a real one: its controller answers block upload.
//!
//! Invariant: the plant listens on loopback alone.
#![cfg(feature = "vault")]

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

fn spandrel(folder: &Path, arguments: &[&str]) -> (bool, Vec<u8>) {
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the binary was built for this test");
    (out.status.success(), out.stdout)
}

/// A plant that runs, and where its controller answers.
fn plant() -> (std::process::Child, String) {
    let mut plant = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["lab", "--live", "--seed", "2", "--s7", "127.0.0.1:0", "--out", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let says = BufReader::new(plant.stderr.take().expect("piped"));
    let address = says.lines().map_while(Result::ok).find_map(|line| {
        let address = line.strip_prefix("spandrel: S7 on ")?;
        Some(address.to_owned())
    });
    (plant, address.expect("it says where"))
}

#[test]
fn the_program_of_the_mixing_controller_is_backed_up_over_s7() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let (mut plant, address) = plant();
    assert!(spandrel(at, &["vault", "init", "vault", "--key-file", "key"]).0);
    let source = format!("s7:{address}?rack=0&slot=2&pause_ms=1");
    let backup = ["backup", "--vault", "vault", "--key-file", "key", "--source", &source];
    let (done, report) = spandrel(at, &[&backup[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_slice(&report).expect("one JSON object");
    let stored = report["entries_stored"].as_u64();
    assert!(done && stored >= Some(11), "identity, two lists and eight blocks: {report}");
    plant.kill().expect("it is ours");
    plant.wait().expect("it ends");
    let restore = ["vault", "restore", "vault", "latest", "--to", "out", "--key-file", "key"];
    assert!(spandrel(at, &restore).0);
    let device = at.join("out/@s7").join(&address).join("rack-0-slot-2");
    let identity = std::fs::read_to_string(device.join("identity.csv")).expect("restored");
    assert!(identity.contains("6ES7 31"), "{identity}");
    for (name, kind) in [("OB1", 0x08), ("DB2", 0x0a), ("FC12", 0x0c)] {
        let block = device.join("blocks").join(name).with_extension("mc7");
        let block = std::fs::read(block).expect("restored");
        assert_eq!((&block[..2], block[5]), (&b"pp"[..], kind), "{name}");
        let code = usize::from(u16::from_be_bytes([block[34], block[35]]));
        assert_eq!(block.len(), 36 + code + 36, "{name}");
    }
}
