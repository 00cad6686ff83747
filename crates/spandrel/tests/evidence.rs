//! Evidence for an auditor, checked by this program, by a script that shares no code with it, and
//! by the commands that the bundle's own text gives.

#![cfg(feature = "vault")]

mod place;

use place::Place;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The script that is in every bundle: hashlib and openssl alone.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../vault/src/evidence/verify.py");

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("version").output().is_ok();
    if !there {
        eprintln!("skipped in part: {program} is not installed (scripts/setup)");
    }
    there
}

fn shell(folder: &Path, script: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-euc", script]).current_dir(folder).output().unwrap();
    (output.status.success(), format!("{output:?}"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A vault with holds, a release, a witness; the evidence of it, unpacked, and the log's key.
fn bundle(place: &Place) -> String {
    let good = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let key = good(&["vault", "init", "@vault", "--key-file", "@key"]);
    for name in ["anna", "bert", "site-b"] {
        let file = format!("@{name}.key");
        let enrol = ["vault", "person", "@vault", name, "--person-key", &file];
        let by: &[&str] = if name == "site-b" { &["--as", "@anna.key"] } else { &[] };
        good(&[&enrol, by].concat());
    }
    good(&["backup", "--vault", "@vault", "--asset", "press", "--source", "files:@plant"]);
    fs::copy(place.at("vault/log/checkpoint"), place.at("then")).unwrap();
    good(&["vault", "hold", "@vault", "latest", "--reason", "dispute"]);
    let release = ["vault", "release", "@vault", "latest", "--reason", "over", "--as", "@anna.key"];
    let number = good(&release);
    let number = number.split_whitespace().last().unwrap();
    good(&["vault", "approve", "@vault", number, "--as", "@bert.key"]);
    good(&["vault", "restore", "@vault", "latest", "--to", "@out"]);
    good(&["vault", "witness", "@vault", "--as", "@site-b.key", "--seen", "@seen"]);
    let witness = place.json(&["vault", "evidence", "--vault", "@vault", "--out", "@first"], 0);
    assert_eq!(witness["signed"], true);
    let read = |name: &str| fs::read_to_string(place.at(name)).unwrap();
    fs::create_dir(place.at("first.d")).unwrap();
    let (fine, said) = shell(&place.at("first.d"), "tar xf ../first");
    assert!(fine, "{said}");
    // The witness's public key, as its enrolment in the log has it.
    let public = read("first.d/keys/person-site-b.vkey");
    let made = place.json(
        &[
            "vault",
            "evidence",
            "--vault",
            "@vault",
            "--out",
            "@bundle",
            "--files",
            "--checkpoint",
            "@then",
            "--witness",
            public.trim(),
        ],
        0,
    );
    assert_eq!((&made["withheld"], &made["signed"]), (&0.into(), &true.into()));
    fs::create_dir(place.at("open")).unwrap();
    let (fine, said) = shell(&place.at("open"), "tar xf ../bundle");
    assert!(fine, "{said}");
    key
}

#[test]
fn a_bundle_is_checked_without_a_key_and_a_changed_byte_is_found() {
    let place = Place::with_plant();
    let key = bundle(&place);
    let verify = ["vault", "verify", "--evidence", "@bundle", "--log-key", &key];
    let found = place.json(&[&verify[..], &["--checkpoint", "@then"]].concat(), 0);
    assert_eq!((&found["ok"], &found["snapshots"]), (&true.into(), &1.into()));
    assert_eq!(found["signatures"], 3, "an enrolment, a request, an approval");
    assert_eq!(found["notes"].as_array().unwrap().len(), 0, "{found}");
    let out = ["vault", "evidence", "--vault", "@vault", "--out", "@bundle"];
    assert_eq!(place.run(&out).status.code(), Some(1), "nothing is written over");
    let whole = fs::read(place.at("bundle")).unwrap();
    let mut changed = whole.clone();
    let middle = whole.len() / 2;
    changed[middle] ^= 0x10;
    fs::write(place.at("bundle"), changed).unwrap();
    assert_eq!(place.run(&verify).status.code(), Some(1));
    let other = ["vault", "verify", "--evidence", "@first", "--log-key", &key[..key.len() - 4]];
    assert_eq!(place.run(&other).status.code(), Some(1));
}

#[test]
fn an_independent_script_agrees_and_finds_a_changed_byte_in_every_file() {
    if !has("openssl") || !has("python3") {
        return;
    }
    let place = Place::with_plant();
    let key = bundle(&place);
    let open = place.at("open");
    let check = || {
        let output = Command::new("python3").arg(SCRIPT).arg(&open).arg(&key).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check(), (true, "all holds\n".to_owned()));
    let mut folders = Vec::new();
    for path in files(&open) {
        // One of each folder and kind: each check starts openssl several times.
        let sort = (path.parent().unwrap().to_owned(), path.extension().map(ToOwned::to_owned));
        if folders.contains(&sort) && path.parent() != Some(&open) {
            continue;
        }
        folders.push(sort);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        let middle = bytes.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, changed).unwrap();
        let (fine, said) = check();
        assert!(!fine && !said.is_empty(), "{} changed: {said}", path.display());
        fs::write(&path, bytes).unwrap();
    }
    assert!(folders.len() >= 14, "{folders:?}");
    fs::remove_file(open.join("entries/00000001.json")).unwrap();
    assert!(!check().0, "a file that is lost");
}

#[test]
fn the_commands_in_the_bundle_work_as_they_stand() {
    if !has("openssl") || !has("python3") {
        return;
    }
    let place = Place::with_plant();
    bundle(&place);
    let open = place.at("open");
    let text = fs::read_to_string(open.join("README.txt")).unwrap();
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("     ")).collect();
    let text = commands.iter().map(|line| line.get(5..).unwrap()).collect::<Vec<_>>().join("\n");
    let (shells, python) = text.split_once("import base64").unwrap();
    let (python, _) = python.split_once("spandrel vault").unwrap();
    let approval = files(&open.join("approvals"))
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with("@person-bert.text"))
        .unwrap();
    let approval = approval.file_name().unwrap().to_string_lossy().into_owned();
    let n_k = approval.split_once('@').unwrap().0;
    let shells = shells
        .replace("witness-NAME", "witness-site-b")
        .replace("person-NAME", "person-bert")
        .replace("N.K@", &format!("{n_k}@"));
    let (fine, said) = shell(&open, &shells);
    assert!(fine && said.matches("Signature Verified Successfully").count() == 4, "{said}");
    let python = format!("import base64{}", python.replace("N = 17", "N = 5"));
    fs::write(place.root().join("by-hand.py"), python).unwrap();
    let (fine, said) = shell(&open, "python3 ../by-hand.py");
    assert!(fine && said.contains("True\\n"), "{said}");
    let restored = place.at("out");
    let sums = files(&open.join("files")).remove(0);
    let (fine, said) = shell(&restored, &format!("sha256sum --check {}", sums.display()));
    assert!(fine, "{said}");
}
