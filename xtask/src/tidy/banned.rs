//! Absences: calls and words that must not stand in some or all crates.

use super::shown;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Crates without IO, clock, randomness, threads, async.
const PURE: &[&str] = &[
    "model",
    "wire",
    "protocols",
    "inventory",
    "detectors",
    "advisories",
    "policies",
    "analytics",
    "sensor",
];

/// What a pure crate must not name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "std::env",
    "SystemTime",
    "Instant::now",
    "std::io::stdin",
    "std::io::stdout",
    "tokio::",
    "async fn",
    "rand::",
    "println!",
    "eprintln!",
    "HashMap::new()",
    "HashSet::new()",
];

/// Packets cannot be sent: `capture` must not name a call that sends.
const SENDING: &[&str] = &["libc::send", "libc::sendto", "libc::sendmsg", "libc::sendmmsg"];

/// Before the first serialisable type, nothing can leave.
const UNSERIALISABLE: &[&str] = &["wire", "protocols", "sensor"];

/// The project speaks of itself alone.
const FOREIGN: &[&str] = &["/work/", "/farm/", "/tmp/bash_jobs"];

pub fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for path in files {
        let name = shown(root, path);
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
        let this_file = name.ends_with("tidy/banned.rs");
        let crate_name = name.split('/').nth(1).unwrap_or_default();
        let in_src = name.contains("/src/") && name.starts_with("crates/");
        let mut in_tests = name.ends_with("tests.rs") || name.contains("/tests/");
        for (i, line) in text.lines().enumerate() {
            in_tests |= line.trim() == "#[cfg(test)]";
            let code = line.split("//").next().unwrap_or_default();
            let mut complain = |what: &str, why: &str| {
                complaints.push(format!("{name}:{}: `{what}`: {why}", i + 1));
            };
            if !this_file {
                for word in FOREIGN.iter().filter(|w| line.contains(**w)) {
                    complain(word, "no path of one machine");
                }
            }
            if in_src && !in_tests && PURE.contains(&crate_name) {
                for word in IMPURE.iter().filter(|w| code.contains(**w)) {
                    complain(word, "this crate is pure: no IO, clock, randomness, thread, async");
                }
            }
            if in_src && UNSERIALISABLE.contains(&crate_name) && code.contains("Serialize") {
                complain("Serialize", "nothing before model::Observation may be serialised");
            }
            if in_src && crate_name == "capture" && !in_tests {
                for word in SENDING.iter().filter(|w| code.contains(**w)) {
                    complain(word, "the sensor cannot send");
                }
            }
            if in_src && crate_name != "capture" && !in_tests && code.contains("unsafe {") {
                complain("unsafe", "only `capture` may");
            }
        }
    }
    Ok(complaints)
}
