//! What a vault does when things go wrong: the table of docs/vault.md, row by row.

mod common;

use common::{NOON, Place, STRICT, below, flip, noise, objects, plant, tree};
use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
};
use vault::{
    Meta, Offer, Open, Opened, Policy, Source, State, What,
    verify::{Demands, Directory, Verdict, verify},
};

fn verdict(place: &Place) -> Verdict {
    verify(&Directory(place.vault()), &Demands::default())
}

/// A source of three files, of which one cannot be opened and one fails in the middle.
struct Failing;

struct Item {
    name: &'static str,
    size: u64,
}

impl Open for Item {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let meta = Meta { size: self.size, mode: 0o600, ..Meta::default() };
        match self.name {
            "locked" => Err(io::ErrorKind::PermissionDenied.into()),
            "torn" => Ok(Opened::new(meta, Torn(100_000))),
            _ => Ok(Opened::new(meta, &b"good"[..])),
        }
    }
}

struct Torn(usize);

impl Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("input/output error"));
        }
        let n = self.0.min(buffer.len());
        buffer[..n].fill(7);
        self.0 -= n;
        Ok(n)
    }
}

impl Source for Failing {
    fn name(&self) -> String {
        "test:failing".into()
    }

    fn offer(&mut self, offer: &mut Offer) {
        for (name, size) in [("good", 4), ("locked", 4), ("torn", 3_000_000)] {
            let open = Box::new(Item { name, size });
            offer.entry(PathBuf::from("/device").join(name), What::File(open));
        }
    }
}

#[test]
fn a_source_error_makes_the_snapshot_partial_and_names_the_entry() {
    let place = Place::with_vault(Policy::default());
    let vault = place.unlocked();
    let report = vault.backup("press-4", &mut [Box::new(Failing)], NOON.plus_secs(1)).unwrap();
    assert_eq!(report.state, State::Partial);
    assert_eq!((report.entries_offered, report.entries_stored), (3, 1));
    let mut paths: Vec<_> = report.errors.iter().map(|fault| fault.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/device/locked", "/device/torn"]);
    let rows = vault.list().unwrap();
    assert_eq!(rows[0].state, State::Partial);
    let target = place.at("restored");
    let done = vault.restore(&rows[0].id, &target, None, NOON.plus_secs(2)).unwrap();
    assert_eq!((done.files, done.errors.len()), (1, 0));
    assert_eq!(fs::read(target.join("device/good")).unwrap(), b"good");
}

#[test]
fn a_backup_of_what_is_not_there_makes_no_snapshot() {
    let place = Place::with_vault(Policy::default());
    let report = place.backup_files(&place.at("nowhere"), 1);
    assert_eq!((report.snapshot, report.state), (None, State::Partial));
    assert_eq!(report.errors.len(), 1);
    assert_eq!(objects(&place, "snapshots").len(), 0);
}

#[test]
fn seven_hundred_sources_fit_into_a_log_entry_and_are_listed_by_name() {
    let place = Place::with_vault(Policy::default());
    let folder = place.at("plant").join("a long name of a controller's folder ".repeat(4).trim());
    fs::create_dir_all(&folder).unwrap();
    let mut names = Vec::new();
    for number in 0..700 {
        let path = folder.join(format!("cpu-{number}.cfg"));
        fs::write(&path, format!("speed={number}")).unwrap();
        names.push(format!("files:{}", path.display()));
    }
    let sources: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(names.concat().len() > vault::limits::LEAF_BYTES_MAX);
    let first = place.backup(&sources, 1);
    assert_eq!((first.state, first.entries_stored), (State::Complete, 700));
    place.backup(&sources, 2);
    place.backup(&sources[1..], 3);
    let vault = place.unlocked();
    let listed = vault.list().unwrap();
    assert_eq!(listed.iter().map(|row| row.sources.len()).collect::<Vec<_>>(), [700, 700, 699]);
    let set = |names: &[String]| names.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(set(&listed[0].sources), set(&names));
    let ledger = vault.vault().ledger().unwrap();
    let logged: Vec<_> = listed.iter().map(|row| &ledger.snapshots[&row.id].sources).collect();
    assert!(logged[0].len() < 200 && logged[0].last().unwrap().contains("sha256 of all"));
    assert_eq!(logged[0], logged[1], "equal sets of sources are one line of retention");
    assert_ne!(logged[0], logged[2]);
    assert_eq!(verdict(&place).problems, []);
}

#[test]
fn a_flipped_byte_in_a_pack_costs_its_files_alone_and_is_found() {
    let place = Place::with_vault(Policy::default());
    let source = place.at("plant");
    plant(&source);
    let snapshot = place.backup_files(&source, 1).snapshot.unwrap();
    let packs = objects(&place, "data");
    let largest = packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    flip(largest, 1_000_000);
    let before = tree(&source);
    let target = place.at("restored");
    let done = place.unlocked().restore(&snapshot, &target, None, NOON.plus_secs(2)).unwrap();
    assert_eq!(done.errors.len(), 1, "{:?}", done.errors);
    assert!(done.errors[0].path.ends_with("historian.bin"));
    let mut after = tree(&below(&target, &source));
    assert_eq!(after.remove(&PathBuf::from("historian.bin")), None, "no damaged file appears");
    let mut expected = before.clone();
    expected.remove(&PathBuf::from("historian.bin"));
    assert_eq!(after, expected);
    let verdict = verdict(&place);
    assert!(!verdict.ok);
    assert_eq!(verdict.problems.len(), 1);
    assert_eq!(verdict.problems[0].entry, Some(1), "the entry of the backup");
    let name = largest.file_name().unwrap().to_str().unwrap();
    assert!(verdict.problems[0].path.ends_with(name));
}

#[test]
fn after_a_missing_pack_the_next_backup_stores_its_content_again() {
    let place = Place::with_vault(Policy::default());
    let source = place.at("plant");
    plant(&source);
    let first = place.backup_files(&source, 1).snapshot.unwrap();
    let packs = objects(&place, "data");
    let largest = packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::remove_file(largest).unwrap();
    let done = place.unlocked().restore(&first, &place.at("one"), None, NOON.plus_secs(2)).unwrap();
    assert!(!done.errors.is_empty());
    let report = place.backup_files(&source, 3);
    assert_eq!((report.state, report.objects_missing), (State::Complete, 1));
    let second = report.snapshot.unwrap();
    let target = place.at("two");
    let done = place.unlocked().restore(&second, &target, None, NOON.plus_secs(4)).unwrap();
    assert_eq!(done.errors, []);
    assert_eq!(tree(&below(&target, &source)), tree(&source));
}

#[test]
fn every_file_of_the_vault_is_covered_one_byte_changed_in_any_is_found() {
    let place = Place::with_vault(Policy::default());
    let source = place.at("plant");
    plant(&source);
    for secs in 1..4 {
        fs::write(source.join("log"), noise(secs, 2_000)).unwrap();
        place.backup_files(&source, i64::try_from(secs).unwrap());
    }
    assert_eq!(verdict(&place).problems, []);
    let mut tried = 0;
    for path in objects(&place, "..") {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        if name == ".lock" || length == 0 {
            continue;
        }
        for at in [0, length / 2, length - 1] {
            flip(&path, at);
            let verdict = verdict(&place);
            assert!(!verdict.ok, "byte {at} of {path:?}");
            flip(&path, at);
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
    assert!(verdict(&place).ok);
}

#[test]
fn a_changed_entry_is_named_by_its_number() {
    let place = Place::with_vault(Policy::default());
    let source = place.at("plant");
    plant(&source);
    place.backup_files(&source, 1);
    let snapshot = place.unlocked().find("latest").unwrap();
    place.unlocked().hold(snapshot, "dispute", "eva", NOON.plus_secs(2)).unwrap();
    let bundle = place.vault().join("log/tile/entries/000.p/3");
    let text = String::from_utf8_lossy(&fs::read(&bundle).unwrap()).into_owned();
    let bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(7).position(|w| w == b"dispute").unwrap();
    assert!(text.contains("dispute"));
    flip(&bundle, at);
    assert_eq!(verdict(&place).problems[0].entry, Some(2));
    flip(&bundle, at);
    // A length that lies, in the second entry.
    let first = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    flip(&bundle, 2 + first);
    assert_eq!(verdict(&place).problems[0].entry, Some(1));
}

#[test]
fn a_history_cut_back_or_rewritten_contradicts_an_earlier_checkpoint() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    let young = fs::read_to_string(place.vault().join("log/checkpoint")).unwrap();
    place.backup_files(&source, 1);
    let checkpoint = fs::read_to_string(place.vault().join("log/checkpoint")).unwrap();
    let demand = |note: &str| Demands { checkpoint: Some(note.into()), ..Demands::default() };
    let files = Directory(place.vault());
    assert!(verify(&files, &demand(&checkpoint)).ok);
    assert!(verify(&files, &demand(&young)).ok);
    // The same key signs another history: all is well by itself, not by the earlier checkpoint.
    fs::remove_dir_all(place.vault()).unwrap();
    vault::Vault::init(&place.vault(), &place.key(), STRICT, NOON).unwrap();
    let verdict = verify(&Directory(place.vault()), &demand(&checkpoint));
    assert!(!verdict.ok && verify(&Directory(place.vault()), &Demands::default()).ok);
}

#[test]
fn two_people_release_a_hold_and_one_cannot() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    let first = place.backup_files(&source, 1).snapshot.unwrap();
    let vault = place.unlocked();
    vault.hold(first, "dispute 7", "eva", NOON.plus_secs(2)).unwrap();
    let person = |name: &str| vault::PersonKey::create(&place.at(name), name).unwrap();
    let (anna, bert, carl) = (person("anna"), person("bert"), person("carl"));
    let t = NOON.plus_secs(3);
    vault.enrol(&anna, None, t).unwrap();
    assert!(vault.ask_release(first, "settled", &anna, t).is_err(), "nobody could approve");
    vault.enrol(&bert, None, t).unwrap();
    assert!(vault.enrol(&carl, None, t).is_err(), "a third needs a signature");
    fs::write(source.join("more"), b"more").unwrap();
    place.backup_files(&source, 4);
    assert_eq!(vault.vault().plan(t).unwrap().remove.len(), 0, "held");
    assert!(vault.ask_release(first, "settled", &carl, t).is_err(), "not enrolled");
    let request = vault.ask_release(first, "settled", &anna, t).unwrap();
    assert!(vault.approve(request, &anna, t).is_err(), "the same person");
    assert!(vault.approve(request, &carl, t).is_err(), "not enrolled");
    assert_eq!(vault.vault().plan(t).unwrap().remove.len(), 0, "still held");
    assert_eq!(vault.approve(request, &bert, t).unwrap().snapshot, first);
    let plan = vault.forget(NOON.plus_secs(5)).unwrap();
    assert_eq!(plan.remove.iter().map(|r| r.snapshot()).collect::<Vec<_>>(), [first]);
    assert_eq!(verdict(&place).problems, []);
}

#[test]
fn a_locked_policy_only_grows() {
    let place = Place::with_vault(STRICT);
    let vault = place.unlocked();
    let policy = |lock_days, mode| Policy { lock_days, mode, ..STRICT };
    use vault::LockMode::{Governance, Locked};
    vault.set_policy(policy(30, Locked), "eva", NOON).unwrap();
    assert!(vault.set_policy(policy(29, Locked), "eva", NOON).is_err());
    assert!(vault.set_policy(policy(90, Governance), "eva", NOON).is_err());
    vault.set_policy(policy(31, Locked), "eva", NOON).unwrap();
    let source = place.at("plant");
    plant(&source);
    let first = place.backup_files(&source, 1).snapshot.unwrap();
    let locked = NOON.plus_secs(1 + 31 * 86_400);
    assert_eq!(vault.list().unwrap()[0].retain_until, Some(locked));
    assert!(vault.retain(first, NOON.plus_secs(2), "eva", NOON).is_err());
    vault.retain(first, locked.plus_secs(1), "eva", NOON).unwrap();
    assert_eq!(verdict(&place).problems, []);
}

#[test]
fn a_witness_cosigns_growth_and_refuses_another_history() {
    let place = Place::with_vault(STRICT);
    let witness = vault::PersonKey::create(&place.at("witness"), "site-b").unwrap();
    let seen = place.at("seen");
    let open = || vault::Vault::open(&place.vault()).unwrap();
    assert_eq!(vault::witness::cosign(&open(), &witness, &seen, NOON).unwrap(), 1);
    let demands = || Demands { witnesses: vec![witness.public()], ..Demands::default() };
    assert!(verify(&Directory(place.vault()), &demands()).ok);
    let source = place.at("plant");
    plant(&source);
    place.backup_files(&source, 1);
    assert!(!verify(&Directory(place.vault()), &demands()).ok, "not cosigned as it is now");
    assert_eq!(vault::witness::cosign(&open(), &witness, &seen, NOON).unwrap(), 2);
    assert!(verify(&Directory(place.vault()), &demands()).ok);
    fs::remove_dir_all(place.vault()).unwrap();
    vault::Vault::init(&place.vault(), &place.key(), STRICT, NOON).unwrap();
    assert!(vault::witness::cosign(&open(), &witness, &seen, NOON).is_err());
}

#[test]
fn a_key_that_others_can_read_or_of_another_vault_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_vault(STRICT);
    let mode = fs::metadata(place.key()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let other = Place::with_vault(STRICT);
    let open = |key: PathBuf| vault::Vault::open(&place.vault()).unwrap().unlock(Some(&key));
    assert!(open(other.key()).is_err());
    assert!(open(place.key()).is_ok());
    fs::set_permissions(place.key(), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(open(place.key()).is_err());
}

#[test]
fn a_clock_that_jumps_stops_no_backup_and_frees_no_lock() {
    let policy = Policy { lock_days: 30, ..STRICT };
    let place = Place::with_vault(policy);
    let source = place.at("plant");
    plant(&source);
    let years = |n: i64| n * 365 * 86_400;
    for (number, secs) in [1, years(10), -years(1), 2].into_iter().enumerate() {
        fs::write(source.join("nothing"), number.to_string()).unwrap();
        let report = place.backup_files(&source, secs);
        assert_eq!((report.state, report.errors), (State::Complete, vec![]), "{secs}");
    }
    let vault = place.unlocked();
    // By its own clock eight days have passed, so not even the machine's word of ten years helps.
    let plan = vault.forget(NOON.plus_secs(years(10))).unwrap();
    assert_eq!((plan.remove.len(), plan.keep.len()), (0, 4));
    assert_eq!(verdict(&place).problems, []);
    let newest = vault.list().unwrap().last().unwrap().id;
    let done = vault.restore(&newest, &place.at("restored"), None, NOON).unwrap();
    assert_eq!(done.errors, []);
}

/// A source that, while it is asked, tries to back up into the same vault.
struct Intruder(PathBuf, PathBuf);

impl Source for Intruder {
    fn name(&self) -> String {
        "test:intruder".into()
    }

    fn offer(&mut self, offer: &mut Offer) {
        let vault = vault::Vault::open(&self.0).unwrap().unlock(Some(&self.1)).unwrap();
        let second = vault.backup("press-5", &mut [Box::new(Failing)], NOON);
        assert!(matches!(second, Err(vault::Error::Busy)), "{second:?}");
        assert!(matches!(vault.forget(NOON), Err(vault::Error::Busy)));
        offer.bytes("/one".into(), b"1".to_vec());
    }
}

#[test]
fn of_two_backups_at_once_the_second_is_told_so_and_the_first_is_whole() {
    let place = Place::with_vault(STRICT);
    let intruder = Box::new(Intruder(place.vault(), place.key()));
    let report = place.unlocked().backup("press-4", &mut [intruder], NOON).unwrap();
    assert_eq!((report.state, report.entries_stored), (State::Complete, 1));
    assert_eq!(verdict(&place).problems, []);
}

#[test]
fn a_lost_index_is_made_again_by_the_next_backup_and_stays_on_record() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    let snapshot = place.backup_files(&source, 1).snapshot.unwrap();
    let indexes = objects(&place, "index");
    assert!(!indexes.is_empty());
    indexes.iter().for_each(|path| fs::remove_file(path).unwrap());
    let report = place.backup_files(&source, 2);
    assert_eq!(report.state, State::Complete);
    assert_eq!(report.objects_missing, indexes.len() as u64);
    let target = place.at("restored");
    let done = place.unlocked().restore(&snapshot, &target, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    assert_eq!(tree(&below(&target, &source)), tree(&source));
    let verdict = verdict(&place);
    assert_eq!(verdict.problems.len(), indexes.len(), "{:?}", verdict.problems);
    assert!(verdict.problems.iter().all(|problem| problem.what == "it is missing"));
}

#[test]
fn a_lost_snapshot_file_costs_that_snapshot_alone_and_is_named() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    let first = place.backup_files(&source, 1).snapshot.unwrap();
    fs::write(source.join("nothing"), b"more").unwrap();
    let second = place.backup_files(&source, 2).snapshot.unwrap();
    fs::remove_file(place.vault().join(format!("repository/snapshots/{first}"))).unwrap();
    let vault = place.unlocked();
    assert!(vault.restore(&first, &place.at("gone"), None, NOON).is_err());
    let done = vault.restore(&second, &place.at("restored"), None, NOON).unwrap();
    assert_eq!(done.errors, []);
    let verdict = verdict(&place);
    assert_eq!(verdict.problems.len(), 1);
    assert!(verdict.problems[0].path.ends_with(&first.to_string()));
    assert_eq!(verdict.problems[0].entry, Some(1));
}

#[test]
fn a_damaged_log_takes_no_more_entries_and_the_data_still_comes_back() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    let snapshot = place.backup_files(&source, 1).snapshot.unwrap();
    flip(&place.vault().join("log/tile/entries/000.p/2"), 300);
    let vault = place.unlocked();
    let mut none: [Box<dyn Source>; 0] = [];
    assert!(matches!(vault.backup("press-4", &mut none, NOON), Err(vault::Error::Damaged(_))));
    let target = place.at("restored");
    let done = vault.restore(&snapshot, &target, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    assert_eq!(tree(&below(&target, &source)), tree(&source));
}
