//! The repository is restic's: stock restic reads what we wrote, and we read what it wrote.

mod common;

use common::{NOON, Place, STRICT, below, has, plant, restic, tree};
use std::fs;
use vault::{Policy, State};

#[test]
fn restic_checks_lists_and_restores_what_we_wrote() {
    if !has("restic", "reading our repository with restic") {
        return;
    }
    let place = Place::with_vault(Policy::default());
    let source = place.at("plant");
    plant(&source);
    let report = place.backup_files(&source, 1);
    assert_eq!(
        (report.state, report.entries_offered, report.entries_stored),
        (State::Complete, 6, 6)
    );
    restic(&place, &["check", "--read-data"]);
    let listed = restic(&place, &["snapshots", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["id"], report.snapshot.unwrap().to_string());
    assert_eq!(listed[0]["hostname"], "press-4");
    assert_eq!(listed[0]["tags"], serde_json::json!(["complete"]));
    let target = place.at("by-restic");
    restic(&place, &["restore", "latest", "--target", target.to_str().unwrap()]);
    assert_eq!(tree(&below(&target, &source)), tree(&source));
}

#[test]
fn restic_cuts_files_where_we_cut_them() {
    if !has("restic", "backing up beside us with restic") {
        return;
    }
    let place = Place::with_vault(Policy::default());
    let source = place.at("plant");
    plant(&source);
    fs::write(source.join("image"), common::noise(4, 20_000_000)).unwrap();
    let log = (0..150_000).map(|n| format!("2026-03-10,line4/oven/temperature,{n}\n"));
    fs::write(source.join("log.csv"), log.collect::<String>()).unwrap();
    place.backup_files(&source, 1);
    let said = restic(&place, &["backup", "--json", source.to_str().unwrap()]);
    let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(summary["data_blobs"], 0, "{summary}");
    restic(&place, &["check", "--read-data"]);
}

#[test]
fn we_restore_what_we_wrote_and_a_second_backup_stores_next_to_nothing() {
    let place = Place::with_vault(Policy::default());
    let source = place.at("plant");
    plant(&source);
    place.backup_files(&source, 1);
    fs::write(source.join("project/line.cfg"), b"speed=40000\nrecipe=3\n").unwrap();
    let second = place.backup_files(&source, 2);
    assert!(second.bytes_stored < 10_000, "{}", second.bytes_stored);
    let vault = place.unlocked();
    let rows = vault.list().unwrap();
    assert_eq!(rows.len(), 2);
    let target = place.at("restored");
    let done = vault.restore(&rows[1].id, &target, None, NOON.plus_secs(3)).unwrap();
    assert_eq!((done.files, done.errors.len()), (6, 0));
    assert_eq!(tree(&below(&target, &source)), tree(&source));
    assert_eq!(vault.list().unwrap()[1].verified_at, Some(NOON.plus_secs(3)));
    // One part alone, and a path that is not there.
    let part = place.at("part");
    let only = source.join("project");
    let done = vault.restore(&rows[0].id, &part, Some(&only), NOON.plus_secs(4)).unwrap();
    assert_eq!(done.files, 2);
    assert_eq!(fs::read(below(&part, &only).join("line.cfg")).unwrap(), b"speed=36000\nrecipe=3\n");
    assert!(vault.restore(&rows[0].id, &part, Some(&source.join("no")), NOON).is_err());
}

#[test]
fn a_snapshot_written_by_restic_is_listed_restored_and_taken_into_the_log() {
    if !has("restic", "reading restic's snapshots") {
        return;
    }
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    restic(&place, &["backup", "--host", "ipc-7", source.to_str().unwrap()]);
    let vault = place.unlocked();
    let rows = vault.list().unwrap();
    assert_eq!((rows[0].asset.as_str(), rows[0].logged), ("ipc-7", false));
    let target = place.at("restored");
    let done = vault.restore(&vault.find("latest").unwrap(), &target, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    assert_eq!(tree(&below(&target, &source)), tree(&source));
    let report = place.backup_files(&source, 5);
    assert!(report.bytes_stored < 10_000, "restic's content is used: {}", report.bytes_stored);
    let rows = place.unlocked().list().unwrap();
    assert!(rows.iter().all(|row| row.logged));
    assert_eq!(rows.len(), 2);
    // Deleting and pruning leaves a repository that restic finds sound.
    let plan = place.unlocked().forget(NOON.plus_secs(6)).unwrap();
    assert_eq!(plan.remove.len(), 0, "another asset's only snapshot stays");
    fs::write(source.join("more"), common::noise(9, 700_000)).unwrap();
    place.backup_files(&source, 7);
    let plan = place.unlocked().forget(NOON.plus_secs(8)).unwrap();
    assert_eq!(plan.remove.len(), 1);
    restic(&place, &["check", "--read-data"]);
}
