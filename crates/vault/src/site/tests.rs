//! A house without HTTP: what a log may and may not become there.

use super::{
    Asked, Calendar, Client, Clients, Clock, Failback, Grown, Held, House, LogCopy, Mirror, Name,
    Noted, Options, Pace, Push, Pushed, Refusal, Role, Seal, Sent, Taken, Target, What, journal,
};
use crate::{
    Policy, Sha256, SnapshotId, Vault,
    engine::VaultEngine,
    event::{Event, ObjectChange, State, Stored},
    manifest::Manifest,
    vault::Unlocked,
    verify::{Demands, Directory, verify},
};
use model::Time;
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

struct Still(Time);

impl Clock for Still {
    fn now(&self) -> Time {
        self.0
    }
    fn sleep(&self, _time: Duration) {}
}

const NOON: Time = Time::from_secs(1_773_144_000);

/// A client that calls the house itself.
struct Direct {
    house: Arc<House>,
    client: Client,
}

impl Direct {
    fn asked(sent: &Sent) -> Asked {
        let what = match sent {
            Sent::File(name) => What::File(name.clone()),
            Sent::Extension(hash) => What::Extension(*hash),
        };
        Asked { vault: "press".into(), what }
    }
}

fn failed(refusal: Refusal) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, refusal.to_string())
}

impl Target for Direct {
    fn fetch(&self, name: &Name) -> io::Result<Option<Vec<u8>>> {
        match self.house.read("press", name) {
            Ok((mut file, _)) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(Refusal::Absent) => Ok(None),
            Err(refusal) => Err(failed(refusal)),
        }
    }

    fn post(&self, name: &Name, bytes: &[u8]) -> io::Result<()> {
        let posted = match name {
            Name::Description => self.house.begin("press", &self.client, bytes),
            _ => self.house.configure("press", bytes),
        };
        posted.map_err(failed)
    }

    fn held(&self, sent: &Sent) -> io::Result<Held> {
        let Sent::File(name) = sent else { return Ok(Held::Part(0)) };
        let there = self.house.read("press", name).is_ok();
        Ok(if there { Held::Whole } else { Held::Part(0) })
    }

    fn put(&self, sent: &Sent, offset: u64, size: u64, body: &mut dyn Read) -> io::Result<Held> {
        let asked = Self::asked(sent);
        let mut upload =
            self.house.upload(&self.client, &asked, Some(offset), size).map_err(failed)?;
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes)?;
        upload.write(&bytes).map_err(failed)?;
        match upload.finish().map_err(failed)? {
            Taken::Published => Ok(Held::Whole),
            Taken::Part(held) => Ok(Held::Part(held)),
            Taken::Extended(grown) => Ok(Held::Grown(grown)),
        }
    }
}

struct Setting {
    root: tempfile::TempDir,
    vault: Unlocked,
    direct: Direct,
}

impl Setting {
    /// A vault at an edge, and a house that has all of it.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let vault = Vault::init(&at("edge"), &at("key"), Policy::default(), NOON).unwrap();
        Clients::enrol(&at("clients"), "edge", Role::Edge, "press").unwrap();
        let options = Options {
            name: "site-a".into(),
            clients: at("clients"),
            seal: Seal::OFF,
            quota_bytes: None,
        };
        let house = House::open(&at("a"), options, Box::new(Still(NOON))).unwrap();
        let clients = Clients::read(&at("clients")).unwrap();
        let client = clients.iter().next().unwrap().clone();
        let direct = Direct { house: Arc::new(house), client };
        let setting = Self { root, vault, direct };
        assert_eq!(setting.push().unwrap().entries, 1);
        setting
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn push(&self) -> crate::Result<Pushed> {
        let clock = Still(NOON);
        let pace = Pace { clock: &clock, bytes_per_second: None, calendar: Calendar::default() };
        Push { target: &self.direct, pace: &pace, tries_max: 0 }.run(self.vault.vault())
    }

    fn mirror(&self) -> crate::Result<super::Mirrored> {
        let clock = Still(NOON);
        let pace = Pace { clock: &clock, bytes_per_second: None, calendar: Calendar::default() };
        fs::create_dir_all(self.at("b")).unwrap();
        let mirror = Mirror {
            directory: &self.at("b"),
            origin: &Directory(self.at("edge")),
            pace: &pace,
            site: "site-b",
            seal: Seal::OFF,
            log_key: None,
            tries_max: 0,
            seeds: None,
        };
        mirror.run()
    }

    /// Appends without asking the rules, as a program of somebody else would who has the key.
    fn forge(&self, event: Event) {
        self.vault.append(NOON.plus_secs(1), |_| Ok(event)).unwrap();
    }

    fn nothing(&self) -> ObjectChange {
        self.vault.record(&Manifest::default()).unwrap()
    }

    fn notes(&self, site: &str) -> Vec<Noted> {
        let entries = journal::entries(&self.at(site).join(super::SITE)).unwrap();
        entries.into_iter().map(|entry| entry.noted).collect()
    }
}

fn is_broken(noted: &Noted) -> bool {
    matches!(noted, Noted::Broken { entry: 1, .. })
}

fn stored(snapshot: SnapshotId, objects: ObjectChange, locked: bool) -> Event {
    Event::Snapshot(Stored {
        snapshot,
        asset: "press-4".into(),
        sources: Vec::new(),
        state: State::Complete,
        taken_at: NOON,
        retain_until: locked.then(|| NOON.plus_secs(15 * 86_400)),
        files: 1,
        bytes: 1,
        entries_offered: 1,
        entries_stored: 1,
        faults: Vec::new(),
        faults_total: 0,
        warnings: Vec::new(),
        keep: None,
        objects,
    })
}

#[test]
fn an_entry_that_breaks_a_rule_is_refused_by_the_house_and_told_by_a_copy() {
    let setting = Setting::new();
    // A lock that is shorter than the policy says.
    let snapshot = SnapshotId(Sha256::of(b"snapshot"));
    setting.forge(stored(snapshot, setting.nothing(), false));
    let refused = format!("{:?}", setting.push().unwrap_err());
    assert!(refused.contains("breaks a rule"), "{refused}");
    assert!(setting.notes("a").iter().any(is_broken));
    let copy = LogCopy::open(&setting.at("a/press/log"), setting.vault.vault().log_key()).unwrap();
    assert_eq!(copy.size(), 1, "the house stays where it was");
    let done = setting.mirror().unwrap();
    assert_eq!(done.broken.len(), 1);
    assert!(setting.notes("b").iter().any(is_broken));
}

#[test]
fn an_entry_whose_objects_are_not_there_is_not_taken_unsaid() {
    let setting = Setting::new();
    let mut manifest = Manifest::default();
    let hash = Sha256::of(b"snapshot");
    let object = crate::manifest::Object { hash, size: 8 };
    manifest.added.insert(format!("snapshots/{hash}"), object);
    let change = setting.vault.record(&manifest).unwrap();
    setting.forge(stored(SnapshotId(hash), change, true));
    // The edge has lost it and says so; the house says so too.
    let pushed = setting.push().unwrap();
    assert_eq!((pushed.entries, pushed.missing), (2, 1));
    let extended = |noted: &Noted| matches!(noted, Noted::Extended { size: 2, missing: 1, .. });
    assert!(setting.notes("a").iter().any(extended));
}

#[test]
fn a_log_that_names_files_outside_the_vault_gets_nothing_written() {
    let setting = Setting::new();
    let mut manifest = Manifest::default();
    let object = crate::manifest::Object { hash: Sha256::of(b"evil"), size: 4 };
    manifest.added.insert("../../escaped".into(), object);
    let change = setting.vault.record(&manifest).unwrap();
    setting.forge(stored(SnapshotId(Sha256::of(b"x")), change, true));
    let outside: [&Path; 2] = [&setting.at("escaped"), &setting.at("edge/escaped")];
    assert!(setting.mirror().is_err());
    assert!(setting.push().is_err());
    assert!(outside.iter().all(|path| !path.exists()));
}

#[test]
fn a_house_that_burned_and_came_back_from_an_older_copy_is_told_apart() {
    let setting = Setting::new();
    let fresh = setting.at("a-old");
    let copied =
        std::process::Command::new("cp").arg("-a").arg(setting.at("a")).arg(&fresh).status();
    assert!(copied.unwrap().success());
    setting.vault.set_policy(Policy::default(), "anna", NOON).unwrap();
    assert_eq!(setting.push().unwrap().entries, 2);
    // Older: it is behind, and is brought up.
    fs::remove_dir_all(setting.at("a")).unwrap();
    fs::rename(&fresh, setting.at("a")).unwrap();
    assert_eq!(setting.push().unwrap().entries, 2);
    // An edge that was restored from before has lost what the house has seen.
    let copy = LogCopy::open(&setting.at("a/press/log"), setting.vault.vault().log_key()).unwrap();
    assert_eq!(copy.size(), 2);
    let verdict = verify(&Directory(setting.at("a/press")), &Demands::default());
    assert_eq!(verdict.problems, []);
    assert_eq!(setting.vault.engine.objects().unwrap().len() as u64, verdict.objects);
    let grown = Grown { size: 2, missing: 0 };
    assert_eq!(serde_json::to_string(&grown).unwrap(), r#"{"size":2,"missing":0}"#);
}

#[test]
fn a_site_that_returns_loses_nothing_that_its_log_does_not_tell_of() {
    let own = format!("repository/snapshots/{}", Sha256::of(b"not logged yet"));
    for (own, kept) in [
        (None, false),
        (Some(&own[..]), true),
        (Some(".withdrawn/snapshot"), true),
        (Some(".kept/opcua/key"), true),
    ] {
        let setting = Setting::new();
        setting.mirror().unwrap();
        if let Some(own) = own {
            let own = setting.at("b").join(own);
            fs::create_dir_all(own.parent().unwrap()).unwrap();
            fs::write(own, b"own").unwrap();
        }
        setting.vault.set_policy(Policy::default(), "anna", NOON).unwrap();
        let clock = Still(NOON);
        let pace = Pace { clock: &clock, bytes_per_second: None, calendar: Calendar::default() };
        let failback = Failback {
            directory: &setting.at("b"),
            origin: &Directory(setting.at("edge")),
            pace: &pace,
            site: "site-b",
            seal: Seal::OFF,
            tries_max: 0,
        };
        let done = failback.run("anna").unwrap();
        assert_eq!((done.only_here.entries, done.kept.is_some()), (0, kept), "{own:?}");
        let there = done.kept.zip(own).map(|(kept, own)| fs::read(kept.join(own)).unwrap());
        assert_eq!(there.as_deref(), own.map(|_| &b"own"[..]), "{own:?}");
        assert_eq!(verify(&Directory(setting.at("b")), &Demands::default()).entries, 2);
    }
}
