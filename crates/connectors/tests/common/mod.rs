//! What the vault's tests share: a vault in a temporary directory, trees to back up, comparison.

#![allow(dead_code, reason = "every test file uses its own part")]

pub mod forked;
pub mod identity;
pub mod peers;
pub mod postgres;
pub mod site;

use model::Time;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use vault::{Keep, Policy, Report, Source, Unlocked, Vault};

/// A day in March 2026, when nothing happened.
pub const NOON: Time = Time::from_secs(1_773_144_000);

/// Rules that keep only what they must, so that tests see deletion.
pub const STRICT: Policy = Policy {
    keep: Keep { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 },
    lock_days: 0,
    mode: vault::LockMode::Governance,
    undelete_days: 7,
    release_delay_hours: 0,
    lock_days_max: 0,
};

pub struct Place {
    pub root: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A place with an empty vault.
    pub fn with_vault(policy: Policy) -> Self {
        let place = Self::new();
        Vault::init(&place.vault(), &place.key(), policy, NOON).unwrap();
        place
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        self.at("vault")
    }

    pub fn key(&self) -> PathBuf {
        self.at("key")
    }

    pub fn unlocked(&self) -> Unlocked {
        Vault::open(&self.vault()).unwrap().unlock(Some(&self.key())).unwrap()
    }

    /// Backs up the sources named, `secs` seconds after noon.
    pub fn backup(&self, sources: &[&str], secs: i64) -> Report {
        let vault = self.unlocked();
        let context =
            connectors::sources::Context { staging: vault.vault().staging(), ..Default::default() };
        let mut opened: Vec<Box<dyn Source>> =
            sources.iter().map(|s| connectors::sources::open(s, &context).unwrap()).collect();
        vault.backup("press-4", &mut opened, NOON.plus_secs(secs)).unwrap()
    }

    pub fn backup_files(&self, directory: &Path, secs: i64) -> Report {
        self.backup(&[&format!("files:{}", directory.display())], secs)
    }
}

/// Files of every sort and size; the same bytes on every call.
pub fn plant(at: &Path) {
    fs::create_dir_all(at.join("project/blocks")).unwrap();
    fs::create_dir_all(at.join("empty")).unwrap();
    fs::write(at.join("nothing"), b"").unwrap();
    fs::write(at.join("project/line.cfg"), b"speed=36000\nrecipe=3\n").unwrap();
    fs::write(at.join("project/blocks/OB1"), noise(1, 3_000)).unwrap();
    fs::write(at.join("historian.bin"), noise(2, 3_500_000)).unwrap();
    fs::write(at.join("Füllstand \"2\"\n"), b"odd name").unwrap();
    symlink("project/line.cfg", at.join("current")).unwrap();
    fs::set_permissions(at.join("project/line.cfg"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(at.join("empty"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// Bytes that do not compress (xorshift).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What a tree holds: kind, mode, time and content of every entry.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let mode = meta.mode() & 0o7777;
        let seen = if meta.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            format!("directory {mode:o}")
        } else if meta.is_symlink() {
            format!("link to {}", fs::read_link(&path).unwrap().display())
        } else {
            let hash = vault::Sha256::of(&fs::read(&path).unwrap());
            format!("file {mode:o} {}.{:09} {hash}", meta.mtime(), meta.mtime_nsec())
        };
        found.insert(path.strip_prefix(root).unwrap().to_owned(), seen);
    }
    found
}

/// The restored text of one path of a snapshot.
pub fn restored_text(place: &Place, report: &Report, path: &str) -> String {
    let target = place.at("restored");
    let snapshot = report.snapshot.unwrap();
    place.unlocked().restore(&snapshot, &target, Some(Path::new(path)), NOON).unwrap();
    fs::read_to_string(target.join(path.trim_start_matches('/'))).unwrap()
}

/// Where a path of the source lies below a restore's target.
pub fn below(target: &Path, source: &Path) -> PathBuf {
    target.join(source.strip_prefix("/").unwrap())
}

/// Whether a program is there. When it is not, says loudly what is not tested.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn has(program: &str, what: &str) -> bool {
    let there = Command::new(program).arg("version").output().is_ok();
    if !there {
        eprintln!("SKIPPED {what}: {program} is not installed; scripts/setup test installs it");
    }
    there
}

/// Runs restic on the repository with the key file as its password file.
#[track_caller]
pub fn restic(place: &Place, arguments: &[&str]) -> String {
    let output = Command::new("restic")
        .args(["--no-cache", "-r"])
        .arg(place.vault().join("repository"))
        .arg("--password-file")
        .arg(place.key())
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "restic {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Files below a directory of the repository.
pub fn objects(place: &Place, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![place.vault().join("repository").join(kind)];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Changes one byte of a file that may be read-only.
pub fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    let mode = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
}
