//! What a bundle promises, and what somebody who changes it gets.

use super::*;
use crate::{Policy, event::ObjectChange, manifest::Manifest, verify::Demands, witness};

const NOON: Time = Time::from_secs(1_773_144_000);

struct Setting {
    root: tempfile::TempDir,
    vault: Unlocked,
    people: [PersonKey; 2],
}

fn at(hours: i64) -> Time {
    NOON.plus_secs(hours * 3_600)
}

/// Two people, two snapshots that exist in the log alone, a hold on each, one of them released.
fn setting() -> Setting {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let vault = Vault::init(&path("vault"), &path("key"), Policy::default(), NOON).unwrap();
    let people = ["anna", "bert"].map(|n| PersonKey::create(&path(n), n).unwrap());
    for person in &people {
        vault.enrol(person, None, NOON).unwrap();
    }
    let setting = Setting { root, vault, people };
    for (hour, asset) in [(1, "press"), (2, "mill")] {
        let snapshot = setting.store(asset, at(hour));
        setting.vault.hold(snapshot, "dispute, no. 7", "eva", at(hour)).unwrap();
    }
    let [anna, bert] = &setting.people;
    let request = setting.vault.ask_release(id("mill"), "settled", anna, at(3)).unwrap();
    setting.vault.approve(request, bert, at(4)).unwrap();
    setting
}

fn id(asset: &str) -> SnapshotId {
    SnapshotId(Sha256::of(asset.as_bytes()))
}

impl Setting {
    fn store(&self, asset: &str, now: Time) -> SnapshotId {
        let objects: ObjectChange = self.vault.record(&Manifest::default()).unwrap();
        let stored = crate::event::Stored {
            snapshot: id(asset),
            asset: asset.into(),
            sources: Vec::new(),
            state: crate::State::Complete,
            taken_at: now,
            retain_until: Some(now.plus_secs(99 * 86_400)),
            files: 1,
            bytes: 2,
            entries_offered: 1,
            entries_stored: 1,
            faults: Vec::new(),
            faults_total: 0,
            warnings: Vec::new(),
            keep: None,
            objects,
        };
        self.vault.append(now, |_| Ok(Event::Snapshot(stored))).unwrap();
        id(asset)
    }

    fn gather(&self, wanted: &Wanted) -> Evidence {
        let mut evidence = self.vault.vault().evidence(wanted, at(9)).unwrap();
        assert!(self.vault.sign(&mut evidence));
        evidence
    }
}

fn problems(bytes: &[u8]) -> Vec<String> {
    let found = examine(bytes, &Demands::default()).problems;
    found.into_iter().map(|problem| format!("{}: {}", problem.path, problem.what)).collect()
}

#[test]
fn a_bundle_holds_and_with_a_changed_byte_anywhere_it_does_not() {
    let setting = setting();
    let directory = setting.vault.vault().directory().join(LOG);
    let earlier = fs::read_to_string(directory.join(tile::CHECKPOINT)).unwrap();
    setting.store("mixer", at(5));
    let seen = setting.root.path().join("seen");
    witness::cosign(setting.vault.vault(), &setting.people[0], &seen, at(6)).unwrap();
    let wanted = Wanted {
        earlier: vec![earlier.clone()],
        witnesses: vec![setting.people[0].public()],
        ..Wanted::default()
    };
    let bytes = setting.gather(&wanted).to_bytes().unwrap();
    let demands = Demands {
        log_key: Some(setting.vault.vault().log_key().clone()),
        checkpoint: Some(earlier),
        witnesses: vec![setting.people[0].public()],
    };
    let examined = examine(&bytes, &demands);
    assert_eq!((examined.problems, examined.notes), (vec![], vec![]));
    assert_eq!((examined.entries, examined.snapshots, examined.signatures), (10, 3, 2));
    assert_eq!(examined.signer.as_deref(), Some("the log's key"));
    assert_eq!(examined.witnesses.len(), 1);
    for place in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(!examine(&changed, &demands).ok, "byte {place}");
    }
    assert!(!examine(&bytes[..bytes.len() - 512], &demands).ok);
}

#[test]
fn a_period_is_whole_and_names_what_it_leaves_out() {
    let setting = setting();
    let all = Wanted { from: Some(at(2)), until: Some(at(3)), ..Wanted::default() };
    let evidence = setting.gather(&all);
    // Of the period 5 to 7; 8 answers 7 and bounds it, 4 bounds it, 0 to 2 are its basis.
    let numbers: Vec<u64> = evidence.entries.keys().copied().collect();
    assert_eq!(numbers, [0, 1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(problems(&evidence.to_bytes().unwrap()), [""; 0]);
    let press = Wanted { assets: ["press".to_owned()].into(), ..Wanted::default() };
    let evidence = setting.gather(&press);
    // The approval is the vault's, so what it approves is here too.
    assert_eq!(evidence.about.withheld, [5, 6]);
    assert_eq!(problems(&evidence.to_bytes().unwrap()), [""; 0]);
    let none = Wanted { from: Some(at(30)), ..Wanted::default() };
    assert!(setting.vault.vault().evidence(&none, NOON).is_err());
    let stranger = Wanted { snapshots: [id("no such")].into(), ..Wanted::default() };
    assert!(setting.vault.vault().evidence(&stranger, NOON).is_err());
}

#[test]
fn nobody_leaves_an_entry_out_or_puts_one_in_even_if_all_the_rest_is_made_to_fit() {
    let setting = setting();
    let forged = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = setting.gather(&Wanted::default());
        change(&mut evidence);
        evidence.sign_as(&setting.people[1]);
        problems(&evidence.to_bytes().unwrap())
    };
    let said = forged(&|evidence| {
        evidence.entries.remove(&4);
        evidence.proofs.remove(&4);
    });
    assert_eq!(
        said,
        [
            "evidence.json: it does not name what is left out",
            "evidence.json: entries of the period are left out"
        ]
    );
    let said = forged(&|evidence| {
        let text = String::from_utf8(evidence.entries[&4].clone()).unwrap();
        evidence.entries.insert(4, text.replace("dispute", "holiday").into_bytes());
    });
    assert_eq!(said, ["entries/00000004.json: the log is not shown to contain it"]);
    let said = forged(&|evidence| {
        evidence.about.until = Some(at(1));
        evidence.about.last = Some(4);
    });
    assert_eq!(said, [""; 0], "a shorter period of the same log is no lie");
    let said = forged(&|evidence| evidence.about.last = Some(6));
    assert!(said.iter().any(|what| what.ends_with("it is on the wrong side")), "{said:?}");
}
