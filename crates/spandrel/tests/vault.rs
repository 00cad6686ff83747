//! The vault's commands as scripts use them, killed at every phase and on a full disk.

#![cfg(feature = "vault")]

mod place;

use place::{Place, SPANDREL};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

impl Place {
    /// With a vault.
    fn new() -> Self {
        let place = Self::with_plant();
        let made = place.run(&["vault", "init", "@vault", "--key-file", "@key"]);
        assert!(made.status.success(), "{made:?}");
        place
    }

    fn backup(&self, code: i32) -> Value {
        self.json(&BACKUP, code)
    }

    fn verdict(&self) -> Value {
        self.json(&["vault", "verify", "@vault"], 0)
    }
}

const BACKUP: [&str; 7] =
    ["backup", "--vault", "@vault", "--key-file", "@key", "--source", "files:@plant"];

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(step).flatten().take(length).collect()
}

fn files_in(path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let count = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_in(&entry.path()),
        // An unfinished file is not there yet.
        _ => usize::from(!entry.file_name().to_string_lossy().starts_with(".tmp-")),
    };
    entries.flatten().map(count).sum()
}

#[test]
fn the_answers_have_the_keys_that_scripts_rely_on() {
    let place = Place::new();
    let report = place.backup(0);
    for key in [
        "snapshot",
        "state",
        "entries_offered",
        "entries_stored",
        "bytes_read",
        "bytes_stored",
        "errors",
    ] {
        assert!(report.get(key).is_some(), "{key} in {report}");
    }
    assert_eq!((&report["state"], &report["entries_stored"]), (&"complete".into(), &1.into()));
    let listed = place.json(&["vault", "list", "@vault", "--key-file", "@key"], 0);
    for key in [
        "id",
        "time",
        "asset",
        "sources",
        "state",
        "files",
        "bytes",
        "retain_until",
        "holds",
        "verified_at",
    ] {
        assert!(listed[0].get(key).is_some(), "{key} in {listed}");
    }
    fs::write(place.at("plant/line.cfg"), "speed=40000\n").unwrap();
    let second = place.backup(0);
    let (a, b) = (report["snapshot"].as_str().unwrap(), second["snapshot"].as_str().unwrap());
    let rows = place.json(&["vault", "diff", "@vault", a, b], 0);
    let path = place.at("plant/line.cfg");
    let expected = serde_json::json!([{
        "path": path, "change": "changed", "kind": "text", "unit": null,
        "before": "speed=36000", "after": "speed=40000", "risk": null,
    }]);
    assert_eq!(rows, expected);
    let held = place.run(&["vault", "hold", "@vault", a, "--reason", "dispute"]);
    assert!(held.status.success(), "{held:?}");
    let plan = place.json(&["vault", "forget", "@vault", "--dry-run"], 0);
    assert_eq!(plan["remove"], serde_json::json!([]));
    let restored = place.json(&["vault", "restore", "@vault", "latest", "--to", "@out"], 0);
    assert_eq!(restored["errors"], serde_json::json!([]));
    let out = place.at("out").join(path.strip_prefix("/").unwrap());
    assert_eq!(fs::read(&out).unwrap(), b"speed=40000\n");
    // What is there already is written over, and that is said.
    fs::write(&out, b"of somebody").unwrap();
    let again = place.run(&["vault", "restore", "@vault", "latest", "--to", "@out"]);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("is not empty: files of the same path are written over"), "{said}");
    assert_eq!(fs::read(&out).unwrap(), b"speed=40000\n");
    assert_eq!(place.verdict()["ok"], true);
}

#[test]
fn wrong_usage_is_two_and_a_partial_backup_is_one() {
    let place = Place::new();
    let wrong = ["backup", "--vault", "@vault", "--key-file", "@key", "--source", "tape:/dev/st0"];
    assert_eq!(place.run(&wrong).status.code(), Some(2));
    let both = [&BACKUP[..], &["--source", "files:@nowhere"]].concat();
    let report = place.json(&both, 1);
    assert_eq!(
        (&report["state"], report["errors"].as_array().unwrap().len()),
        (&"partial".into(), 1)
    );
    assert_eq!(
        place.run(&["vault", "restore", "@vault", "ffff", "--to", "@out"]).status.code(),
        Some(1)
    );
    assert_eq!(place.run(&["vault", "verify", "@plant"]).status.code(), Some(1));
}

/// What shows that a backup has come to a phase: the files of a directory of the vault, or bytes
/// of a file, are not what they were.
const PHASES: [&str; 8] = [
    "started",
    ".staging",
    "repository/data",
    "repository/index",
    "repository/snapshots",
    "log/objects",
    "log/tile",
    "log/checkpoint",
];

#[test]
fn killed_in_any_phase_the_vault_is_sound_and_the_next_backup_completes() {
    let place = Place::new();
    place.backup(0);
    for (number, phase) in (1..).zip(PHASES) {
        fs::write(place.at("plant/historian.bin"), noise(number, 6_000_000)).unwrap();
        let watched = place.at("vault").join(phase);
        let state = || (watched.exists(), files_in(&watched), fs::read(&watched).ok());
        fs::remove_dir(place.at("vault/.staging")).unwrap();
        let before = state();
        let mut child = place.command(&BACKUP).stderr(Stdio::null()).spawn().unwrap();
        while phase != "started" && state() == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // It may have ended already; then the phase was its last.
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(place.verdict()["problems"], serde_json::json!([]), "killed at {phase}");
        let restored = place.run(&["vault", "restore", "@vault", "latest", "--to", "@out"]);
        assert!(restored.status.success(), "killed at {phase}: {restored:?}");
        let report = place.backup(0);
        assert_eq!(report["entries_stored"], 2, "killed at {phase}");
        let verdict = place.verdict();
        assert_eq!(verdict["notes"], serde_json::json!([]), "killed at {phase}");
        let restored = place.run(&["vault", "restore", "@vault", "latest", "--to", "@out"]);
        assert!(restored.status.success(), "killed at {phase}: {restored:?}");
    }
}

#[test]
fn killed_while_deleting_the_vault_is_sound_and_the_next_run_ends_the_work() {
    let place = Place::new();
    let rules = ["--lock-days", "0", "--keep-last", "1", "--keep-daily", "0", "--keep-weekly", "0"];
    let more = ["--keep-monthly", "0", "--keep-yearly", "0"];
    let policy = place.run(&[&["vault", "policy", "@vault"][..], &rules, &more].concat());
    assert!(policy.status.success(), "{policy:?}");
    let backups = || {
        for number in 1..=3 {
            fs::write(place.at("plant/historian.bin"), noise(number, 400_000)).unwrap();
            place.backup(0);
        }
    };
    for phase in ["started", "log/objects", "log/checkpoint", "repository/snapshots"] {
        backups();
        let watched = place.at("vault").join(phase);
        let state = || (watched.exists(), files_in(&watched), fs::read(&watched).ok());
        let before = state();
        let mut forget = place.command(&["vault", "forget", "@vault"]);
        let mut child = forget.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while phase != "started" && state() == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(place.verdict()["problems"], serde_json::json!([]), "killed at {phase}");
        let again = place.run(&["vault", "forget", "@vault"]);
        assert!(again.status.success(), "killed at {phase}: {again:?}");
        let listed = place.json(&["vault", "list", "@vault"], 0);
        assert_eq!(listed.as_array().unwrap().len(), 1, "killed at {phase}");
        let restored = place.run(&["vault", "restore", "@vault", "latest", "--to", "@out"]);
        assert!(restored.status.success(), "killed at {phase}: {restored:?}");
        assert_eq!(place.verdict()["problems"], serde_json::json!([]), "killed at {phase}");
    }
}

#[test]
fn a_killed_restore_leaves_no_torn_file_and_a_second_one_completes() {
    let place = Place::new();
    for number in 0..40 {
        let path = place.at(&format!("plant/block-{number}.bin"));
        fs::write(path, noise(number, 300_000)).unwrap();
    }
    place.backup(0);
    let restore = ["vault", "restore", "@vault", "latest", "--to", "@out"];
    let out = place.at("out").join(place.at("plant").strip_prefix("/").unwrap());
    for files in [1, 10, 25] {
        let mut child = place.command(&restore).stderr(Stdio::null()).spawn().unwrap();
        while files_in(&out) < files && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for entry in fs::read_dir(&out).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let whole = || fs::read(place.at("plant").join(&name)).unwrap();
            assert!(name.starts_with(".tmp-") || fs::read(&path).unwrap() == whole(), "{name}");
        }
        fs::remove_dir_all(place.at("out")).unwrap();
    }
    assert!(place.run(&restore).status.success());
    assert_eq!(files_in(&out), 41);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn on_a_full_disk_the_backup_fails_and_what_was_stored_stays_sound() {
    let place = Place::new();
    fs::create_dir(place.at("small")).unwrap();
    fs::write(place.at("big"), noise(1, 12_000_000)).unwrap();
    // A file system of eight MiB in a name space of its own.
    let script = r#"
        set -e
        mount -t tmpfs -o size=8m tmpfs small || exit 77
        "$S" vault init small/vault --key-file small/key
        "$S" backup --vault small/vault --key-file small/key --source files:plant
        if "$S" backup --vault small/vault --key-file small/key --source files:big; then exit 10; fi
        "$S" vault verify small/vault || exit 11
        "$S" vault restore small/vault latest --to out --key-file small/key || exit 12
        "$S" vault list small/vault --key-file small/key > list
        [ "$(grep -c ' complete ' list)" = 1 ] || exit 13
        mount -o remount,size=40m small
        "$S" backup --vault small/vault --key-file small/key --source files:big || exit 14
        "$S" vault verify small/vault || exit 15
    "#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .env("S", SPANDREL)
        .current_dir(place.root())
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) if (10..16).contains(&output.status.code().unwrap_or_default()) => {
            panic!("{output:?}")
        }
        other => eprintln!("SKIPPED a full disk: no small file system can be mounted: {other:?}"),
    }
}
