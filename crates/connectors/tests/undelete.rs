//! Deleted snapshots that are taken back, and those that are gone for good.

mod common;

use common::{NOON, Place, STRICT, below, noise, objects, plant, restic, site::proved, tree};
use std::{collections::BTreeMap, fs, path::PathBuf};
use vault::{Policy, SnapshotId};

const DAY: i64 = 86_400;

/// Two snapshots of which the rules keep the second; the first, and what it has.
fn deleted(policy: Policy) -> (Place, SnapshotId, BTreeMap<PathBuf, String>) {
    let place = Place::with_vault(policy);
    let source = place.at("plant");
    plant(&source);
    let first = place.backup_files(&source, 1).snapshot.unwrap();
    let before = tree(&source);
    fs::write(source.join("historian.bin"), noise(7, 3_600_000)).unwrap();
    place.backup_files(&source, 2);
    let plan = place.unlocked().forget(NOON.plus_secs(3)).unwrap();
    assert_eq!(plan.remove.iter().map(|r| r.snapshot()).collect::<Vec<_>>(), [first]);
    assert_eq!(place.unlocked().list().unwrap().len(), 1);
    (place, first, before)
}

fn restored(place: &Place, snapshot: &SnapshotId) -> BTreeMap<PathBuf, String> {
    let out = place.at("out");
    let done = place.unlocked().restore(snapshot, &out, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    tree(&below(&out, &place.at("plant")))
}

#[test]
fn a_deleted_snapshot_is_taken_back_whole_and_locked_anew() {
    let (place, first, before) = deleted(Policy { lock_days: 0, ..STRICT });
    let vault = place.unlocked();
    let rows = vault.vault().withdrawn(NOON.plus_secs(4)).unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.id, row.files, row.here), (first, 6, true));
    assert_eq!((row.deleted_at, row.until), (NOON.plus_secs(3), NOON.plus_secs(3 + 7 * DAY)));
    // Clean-ups in between mark what only it needed and do not end it.
    vault.forget(NOON.plus_secs(5)).unwrap();
    vault.set_policy(Policy { lock_days: 9, ..STRICT }, "anna", NOON.plus_secs(6)).unwrap();
    let beginning = &first.to_string()[..8];
    assert_eq!(vault.find_withdrawn(beginning, NOON.plus_secs(7)).unwrap(), first);
    let until = vault.undelete(first, "anna", NOON.plus_secs(7)).unwrap();
    assert_eq!(until, Some(NOON.plus_secs(7 + 9 * DAY)));
    assert_eq!(restored(&place, &first), before);
    assert_eq!(proved(&place.vault()).problems, []);
    assert_eq!(vault.vault().withdrawn(NOON.plus_secs(8)).unwrap(), []);
    assert!(vault.undelete(first, "anna", NOON.plus_secs(8)).is_err(), "it is there");
    // The next clean-up leaves it: it is locked.
    vault.forget(NOON.plus_secs(9)).unwrap();
    assert_eq!(place.unlocked().list().unwrap().len(), 2);
    if common::has("restic", "checking a snapshot that was taken back with restic") {
        restic(&place, &["check", "--read-data"]);
    }
}

#[test]
fn after_its_time_a_deleted_snapshot_and_its_file_are_gone() {
    let (place, first, _) = deleted(STRICT);
    let vault = place.unlocked();
    let late = NOON.plus_secs(4 + 7 * DAY);
    assert_eq!(vault.vault().withdrawn(late).unwrap(), []);
    let refused = vault.undelete(first, "anna", late).unwrap_err().to_string();
    assert!(refused.contains("any more"), "{refused}");
    assert_eq!(fs::read_dir(place.vault().join(".withdrawn")).unwrap().count(), 1);
    vault.forget(late).unwrap();
    assert_eq!(fs::read_dir(place.vault().join(".withdrawn")).unwrap().count(), 0);
    assert_eq!(proved(&place.vault()).problems, []);
}

#[test]
fn a_clock_that_was_ahead_once_makes_no_older_snapshot_the_latest() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    let stale = place.backup_files(&source, 3_650 * DAY).snapshot.unwrap();
    fs::write(source.join("more"), b"more").unwrap();
    let newest = place.backup_files(&source, 1).snapshot.unwrap();
    let vault = place.unlocked();
    assert_eq!(vault.find("latest").unwrap(), newest);
    let listed: Vec<_> = vault.list().unwrap().iter().map(|row| row.id).collect();
    assert_eq!(listed, [stale, newest]);
    let plan = vault.forget(NOON.plus_secs(2)).unwrap();
    assert_eq!(plan.remove.iter().map(|r| r.snapshot()).collect::<Vec<_>>(), [stale]);
}

#[test]
fn what_cannot_come_back_whole_does_not_come_back() {
    let (place, first, _) = deleted(STRICT);
    // The pack with what only the first snapshot had is lost.
    let packs = objects(&place, "data");
    let largest = packs.iter().max_by_key(|path| {
        let meta = fs::metadata(path).unwrap();
        (std::cmp::Reverse(meta.modified().unwrap()), meta.len())
    });
    fs::remove_file(largest.unwrap()).unwrap();
    let vault = place.unlocked();
    assert!(vault.undelete(first, "anna", NOON.plus_secs(4)).is_err());
    let rows = place.unlocked().list().unwrap();
    assert!(rows.iter().all(|row| row.id != first), "{rows:?}");
    let file = place.vault().join("repository/snapshots").join(first.to_string());
    assert!(!file.exists());
}
