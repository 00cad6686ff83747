//! Absences: calls and words that must not stand in some or all crates.

use super::shown;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Component, Path, PathBuf},
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

/// Folder the checkout lies in, as no line may name it: the project speaks of itself alone. A
/// checkout directly below the root has a name too short to tell.
fn own_place(root: &Path) -> Option<String> {
    let folders = root.components().filter(|c| matches!(c, Component::Normal(_))).count();
    (root.is_absolute() && folders >= 2).then(|| root.display().to_string())
}

/// The program is also built without its vault: a test of that is built only with it.
fn wants_vault(name: &str, text: &str) -> Option<String> {
    let file = name.strip_prefix("crates/spandrel/tests/")?;
    let runs = ["\"vault\"", "\"backup\""].iter().any(|command| text.contains(command));
    let says = text.contains("#![cfg(") && text.contains("feature = \"vault\"");
    (!file.contains('/') && runs && !says)
        .then(|| format!("{name}: it runs the vault, so it needs #![cfg(feature = \"vault\")]"))
}

pub fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let own_place = own_place(root);
    for path in files {
        let name = shown(root, path);
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
        complaints.extend(wants_vault(&name, &text));
        let crate_name = name.split('/').nth(1).unwrap_or_default();
        let in_src = name.contains("/src/") && name.starts_with("crates/");
        let mut in_tests = name.ends_with("tests.rs") || name.contains("/tests/");
        for (i, line) in text.lines().enumerate() {
            in_tests |= line.trim() == "#[cfg(test)]";
            let code = line.split("//").next().unwrap_or_default();
            let mut complain = |what: &str, why: &str| {
                complaints.push(format!("{name}:{}: `{what}`: {why}", i + 1));
            };
            if let Some(place) = own_place.as_deref().filter(|place| line.contains(place)) {
                complain(place, "no path of one machine");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_names_the_checkout_is_a_complaint() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let file = root.path().join("names.rs");
        let text = format!("//! Elsewhere.\n// see {}/names.rs\n", root.path().display());
        fs::write(&file, text).expect("room");
        let complaints = check(root.path(), &[file]).expect("read");
        let [complaint] = &complaints[..] else { panic!("{complaints:?}") };
        assert!(complaint.starts_with("names.rs:2: "), "{complaint}");
        assert_eq!(own_place(Path::new("/srv")), None);
    }

    #[test]
    fn a_test_of_the_vault_says_that_it_needs_it() {
        let (place, runs) = ("crates/spandrel/tests/worker.rs", "run(&[\"vault\", \"list\"]);");
        assert!(wants_vault(place, runs).is_some_and(|why| why.contains("feature")));
        let says = format!("#![cfg(feature = \"vault\")]\n{runs}");
        assert_eq!(wants_vault(place, &says), None);
        assert_eq!(wants_vault("crates/spandrel/tests/served/mod.rs", runs), None);
        assert_eq!(wants_vault("crates/spandrel/src/backup.rs", runs), None);
    }
}
