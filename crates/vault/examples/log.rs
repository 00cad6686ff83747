//! How fast the log appends and verifies; `cargo xtask bench log` runs it.
//!
//! Not a test: it prints figures and judges none. Invariant: what is timed as verified has been
//! read from disk, entry by entry and tile by tile, by the code behind `vault verify`.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use serde_json::json;
use std::{
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};
use vault::{
    Sha256,
    log::{Log, Signer},
    verify::{Demands, Directory, verify},
};

const NAME: &str = "spandrel.vault/bench";

fn main() -> Result<(), Box<dyn Error>> {
    let leaves: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let signer = Signer::from_seed(NAME, &[7; 32]);
    for batch in [1, 10, 100, 1_000] {
        let mut log = Log::create(&folder.path().join(format!("by-{batch}")), &signer)?;
        let (start, mut number) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(2) {
            log.append_all(&signer, (number..number + batch).map(entry).collect())?;
            number += batch;
        }
        let rate = number as f64 / start.elapsed().as_secs_f64();
        println!("append, {batch:5} at once: {rate:9.0} leaves/s on disk");
    }
    let vault = folder.path().join("vault");
    let size = long(&vault, &signer, leaves)?;
    let start = Instant::now();
    Log::open(&vault.join("log"), &signer.verifying_key(), |_, _| ())?;
    println!("open {size} leaves: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let verdict = verify(&Directory(vault), &Demands::default());
    println!("verify {size} leaves: {:.2} s", start.elapsed().as_secs_f64());
    if !verdict.ok || verdict.entries != size {
        return Err(format!("it does not hold: {:?}", verdict.problems.first()).into());
    }
    Ok(())
}

/// A vault without objects whose log has so many entries and its first.
fn long(vault: &Path, signer: &Signer, leaves: u64) -> Result<u64, Box<dyn Error>> {
    let mut log = Log::create(&vault.join("log"), signer)?;
    let created = "2026-01-01T00:00:00Z";
    let key = signer.verifying_key().to_string();
    let description =
        json!({"format": 1, "log_key": key, "created": created, "key_file": "/k"}).to_string();
    fs::write(vault.join("vault.json"), &description)?;
    let empty = Sha256::of(b"");
    fs::create_dir(vault.join("log/objects"))?;
    fs::write(vault.join("log/objects").join(empty.to_string()), b"")?;
    let init = json!({
        "time": created, "kind": "init", "description": Sha256::of(description.as_bytes()),
        "objects": {"list": empty, "added": 0, "removed": 0, "added_bytes": 0},
        "policy": vault::Policy::default(),
    });
    log.append(signer, init.to_string().into_bytes())?;
    let (start, mut number) = (Instant::now(), 0);
    while number < leaves {
        let end = (number + 10_000).min(leaves);
        log.append_all(signer, (number..end).map(entry).collect())?;
        number = end;
    }
    let secs = start.elapsed().as_secs_f64();
    println!("append, 10000 at once: {:9.0} leaves/s on disk", leaves as f64 / secs);
    Ok(leaves + 1)
}

/// What a restore writes: some 230 bytes.
fn entry(number: u64) -> Vec<u8> {
    json!({
        "time": "2026-01-01T00:00:00.000000Z", "kind": "restored",
        "snapshot": Sha256::of(&number.to_le_bytes()), "files": number, "bytes": number * 4_096,
        "faults": 0, "whole": false,
    })
    .to_string()
    .into_bytes()
}
