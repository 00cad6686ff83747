//! Logs that somebody else wrote, and logs that somebody changed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use vault::{
    Sha256,
    log::{Checkpoint, Log, Signer, VerifyingKey},
    verify::{Demands, Directory, Verdict, verify},
};

/// Every file below a folder.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(root).unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// A log of 300 entries with a cosignature, written by aics-tlog 0.2.1 (an implementation of the
/// C2SP specifications in Python): we accept it, and write the same bytes ourselves.
#[test]
fn the_log_of_another_implementation_is_accepted_and_ours_is_byte_for_byte_the_same() {
    let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/log/fixtures/independent");
    let keys = fs::read_to_string(theirs.join("keys")).unwrap();
    let keys: Vec<_> = keys.lines().map(|line| VerifyingKey::parse(line).unwrap()).collect();
    let entry = |i: usize| format!("entry {i}{}", "x".repeat(i % 7)).into_bytes();
    let mut seen = 0;
    let log = Log::open(&theirs, &keys[0], |number, bytes| {
        assert_eq!(bytes, entry(seen), "{number}");
        seen += 1;
    });
    assert_eq!((log.unwrap().size(), seen), (300, 300));
    let note = fs::read_to_string(theirs.join("checkpoint")).unwrap();
    assert_eq!(Checkpoint::cosigned_by(&note, &keys[1]), Some(1_767_000_000));
    let ours = tempfile::tempdir().unwrap();
    let signer = Signer::from_seed(&keys[0].name, &[42; 32]);
    let mut log = Log::create(ours.path(), &signer).unwrap();
    log.append_all(&signer, (0..200).map(entry).collect()).unwrap();
    log.append_all(&signer, (200..300).map(entry).collect()).unwrap();
    let witness = Signer::from_seed(&keys[1].name, &[43; 32]);
    let path = ours.path().join("checkpoint");
    let note = fs::read_to_string(&path).unwrap();
    fs::write(&path, Checkpoint::cosign(&note, &witness, 1_767_000_000).unwrap()).unwrap();
    let mut expected = files(&theirs);
    expected.remove(Path::new("keys"));
    assert_eq!(files(ours.path()), expected);
}

const NAME: &str = "spandrel.vault/test";
const SIZE: u64 = 700;

/// A vault without objects and with a long log.
fn long(vault: &Path) {
    let signer = Signer::from_seed(NAME, &[7; 32]);
    let mut log = Log::create(&vault.join("log"), &signer).unwrap();
    let key = signer.verifying_key().to_string();
    let created = "2026-01-01T00:00:00Z";
    let description =
        serde_json::json!({"format": 1, "log_key": key, "created": created, "key_file": "/k"});
    let description = description.to_string();
    fs::write(vault.join("vault.json"), &description).unwrap();
    let empty = Sha256::of(b"").to_string();
    fs::create_dir(vault.join("log/objects")).unwrap();
    fs::write(vault.join("log/objects").join(&empty), b"").unwrap();
    let init = serde_json::json!({
        "time": created, "kind": "init",
        "description": Sha256::of(description.as_bytes()).to_string(),
        "objects": {"list": empty, "added": 0, "removed": 0, "added_bytes": 0},
        "policy": vault::Policy::default(),
    });
    let entry = |n: u64| {
        let entry = serde_json::json!({
            "time": created, "kind": "restored", "snapshot": Sha256::of(&n.to_le_bytes()),
            "files": n, "bytes": n * n, "faults": 0, "whole": false,
        });
        entry.to_string().into_bytes()
    };
    let mut entries = vec![init.to_string().into_bytes()];
    entries.extend((1..SIZE).map(entry));
    log.append_all(&signer, entries).unwrap();
}

/// Which entry of bundle `index` the byte at `at` belongs to, its length included.
fn entry_at(bundle: &[u8], index: u64, at: usize) -> u64 {
    let (mut start, mut number) = (0, index * 256);
    loop {
        let length = usize::from(u16::from_be_bytes([bundle[start], bundle[start + 1]]));
        start += 2 + length;
        if at < start {
            return number;
        }
        number += 1;
    }
}

struct Tamper {
    state: u64,
}

impl Tamper {
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % limit as u64) as usize
    }

    /// Changes one thing; which file, its new bytes, and the first entry that is no longer right.
    fn change(&mut self, case: usize, log: &BTreeMap<PathBuf, Vec<u8>>) -> (PathBuf, Vec<u8>, u64) {
        let index = self.below(3) as u64;
        let width = (SIZE - index * 256).min(256);
        let part = if width < 256 { format!(".p/{width}") } else { String::new() };
        let bundle = PathBuf::from(format!("tile/entries/{index:03}{part}"));
        let tile = PathBuf::from(format!("tile/0/{index:03}{part}"));
        match case % 5 {
            0..3 => {
                let mut bytes = log[&bundle].clone();
                let at = self.below(bytes.len());
                let entry = entry_at(&bytes, index, at);
                bytes[at] ^= 1 << self.below(8);
                (bundle, bytes, entry)
            }
            3 => {
                let mut bytes = log[&tile].clone();
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
                (tile, bytes, index * 256 + at as u64 / 32)
            }
            _ => {
                // An entry is cut off, the rest stays.
                let mut bytes = log[&bundle].clone();
                let at = self.below(bytes.len() - 1);
                let entry = entry_at(&bytes, index, at);
                bytes.truncate(at);
                (bundle, bytes, entry)
            }
        }
    }
}

fn check(vault: &Path) -> Verdict {
    verify(&Directory(vault.to_owned()), &Demands::default())
}

#[test]
fn of_a_hundred_tampered_logs_all_are_refused_and_the_first_bad_entry_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path();
    long(vault);
    let sound = check(vault);
    assert_eq!((sound.ok, sound.entries), (true, SIZE), "{:?}", sound.problems);
    let log = files(&vault.join("log"));
    let mut tamper = Tamper { state: 0x5eed };
    for case in 0..100 {
        let (path, bytes, entry) = tamper.change(case, &log);
        let place = vault.join("log").join(&path);
        fs::write(&place, bytes).unwrap();
        let verdict = check(vault);
        let first = verdict.problems.first().map(|problem| problem.entry);
        assert_eq!((verdict.ok, first), (false, Some(Some(entry))), "case {case}: {path:?}");
        fs::write(&place, &log[&path]).unwrap();
    }
    // Whoever rewrites entries and tiles alike still lacks the signature; and the checkpoint
    // itself takes no change of a byte.
    let place = vault.join("log/checkpoint");
    let note = log[Path::new("checkpoint")].clone();
    for at in (0..note.len()).step_by(7) {
        let mut changed = note.clone();
        changed[at] ^= 1;
        fs::write(&place, changed).unwrap();
        let verdict = check(vault);
        assert!(!verdict.ok && verdict.problems[0].path == "log/checkpoint", "byte {at}");
    }
    fs::write(&place, note).unwrap();
    assert!(check(vault).ok);
}
