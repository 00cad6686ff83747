//! A vault whose objects the file system keeps: what deletes files fails, what the rules delete
//! goes.

mod common;

use common::{NOON, Place, STRICT, flip, noise, objects, plant, site::proved};
use std::fs;

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn nothing_but_the_rules_removes_an_object_of_an_immutable_vault() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    place.backup_files(&source, 1);
    let vault = place.unlocked();
    if let Err(why) = vault.vault().make_immutable().unwrap() {
        eprintln!("SKIPPED immutable objects: {why}");
        assert!(!vault.vault().is_immutable());
        return;
    }
    fs::write(source.join("more"), noise(5, 900_000)).unwrap();
    assert_eq!(place.backup_files(&source, 2).not_immutable, None);
    let all: Vec<_> =
        ["data", "index", "snapshots", "keys"].iter().flat_map(|k| objects(&place, k)).collect();
    for path in &all {
        assert!(fs::remove_file(path).is_err(), "{}", path.display());
        assert!(fs::rename(path, path.with_extension("locky")).is_err());
        assert!(fs::File::options().write(true).open(path).is_err());
    }
    // The rules delete the older snapshot, and it is taken back.
    let plan = vault.forget(NOON.plus_secs(3)).unwrap();
    let gone = plan.remove[0].snapshot();
    assert_eq!(place.unlocked().list().unwrap().len(), 1);
    vault.undelete(gone, "anna", NOON.plus_secs(4)).unwrap();
    assert_eq!(place.unlocked().list().unwrap().len(), 2);
    assert_eq!(proved(&place.vault()).problems, []);
    // Taken off, files are files again.
    vault.vault().make_mutable().unwrap();
    flip(&objects(&place, "snapshots")[0], 3);
    assert_eq!(proved(&place.vault()).problems.len(), 1);
}
