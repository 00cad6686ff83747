//! A vault: a directory with a repository, its log, and a description.
//!
//! `vault.json` names the log's key, `repository/` is what restic opens, `log/` is the proof.
//! Invariant: what needs no secret ([`Vault`]) cannot reach what does ([`Unlocked`]).

use crate::{
    digest::Sha256,
    durable,
    engine::{Packs, RusticEngine, VaultEngine},
    error::{Error, IoContext, Result},
    event::{Event, LogEntry, ObjectChange, Policy},
    held::Held,
    key::{VaultKey, random, read_or_create_signer, read_signer, signing_file},
    ledger::Ledger,
    log::{Log, Signer, VerifyingKey, Writing},
    manifest::{Manifest, Object, named_hash},
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) const DESCRIPTION: &str = "vault.json";
pub(crate) const REPOSITORY: &str = "repository";
pub(crate) const LOG: &str = "log";
pub(crate) const LISTS: &str = "objects";

/// Marks a vault that was kept when its site came back after another had taken over.
pub(crate) const SET_ASIDE: &str = ".set-aside";

/// A vault as anyone sees it who can read its directory.
pub struct Vault {
    directory: PathBuf,
    pub(crate) description: Description,
    pub(crate) log_key: VerifyingKey,
}

/// A vault with its key: can read and write what is in it.
pub struct Unlocked {
    pub(crate) vault: Vault,
    pub(crate) engine: RusticEngine,
    /// `None`: the key that signs the log is not here, so nothing can be added to it.
    signer: Option<Signer>,
}

/// What `vault.json` says.
#[derive(Serialize, Deserialize)]
pub struct Description {
    pub format: u32,
    /// C2SP verifier key of the log; its name is the vault's.
    pub log_key: String,
    pub created: Time,
    /// Where the key file was when the vault was made; commands look there when not told.
    pub key_file: PathBuf,
    /// Which key opens the repository; `None` in vaults whose key also signs the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

impl Vault {
    /// Makes an empty vault in `directory` with the key in `key_file`, made when absent.
    pub fn init(directory: &Path, key_file: &Path, policy: Policy, now: Time) -> Result<Unlocked> {
        Self::init_packed(directory, key_file, policy, None, now)
    }

    /// Makes an empty vault whose packs have `pack_mib` MiB, for slow links.
    pub fn init_packed(
        directory: &Path,
        key_file: &Path,
        policy: Policy,
        pack_mib: Option<u32>,
        now: Time,
    ) -> Result<Unlocked> {
        let used = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        if used {
            return Err(Error::Exists(directory.into()));
        }
        // Before the directory: what fails here can be tried again as it is.
        let key = VaultKey::read_or_create(key_file)?;
        let repository = directory.join(REPOSITORY);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&repository);
        made.doing("create", &repository)?;
        let id: String = random()?[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("spandrel.vault/{id}");
        let signer = read_or_create_signer(&signing_file(key_file), &name)?;
        let description = Description {
            format: 1,
            log_key: signer.verifying_key().to_string(),
            created: now,
            key_file: std::path::absolute(key_file).doing("find", key_file)?,
            key_id: Some(key.id()),
        };
        let engine = RusticEngine::new(&repository, &key);
        engine.init(&key, pack_mib)?;
        let text = serde_json::to_vec_pretty(&description).expect("it is plain data");
        let log_key = signer.verifying_key();
        let vault = Vault { directory: directory.into(), description, log_key };
        let mut log = Log::create(&directory.join(LOG), &signer)?;
        let unlocked = Unlocked { vault, engine, signer: Some(signer) };
        let objects = unlocked.record(&unlocked.difference(&BTreeMap::new())?)?;
        let event = Event::Init { description: Sha256::of(&text), objects, policy };
        log.append(unlocked.signer()?, encode(now, event))?;
        // Last, so that an interrupted `init` leaves no vault but a directory to remove.
        let path = directory.join(DESCRIPTION);
        durable::write(&path, &[&text], 0o644).doing("write", path)?;
        Ok(unlocked)
    }

    pub fn open(directory: &Path) -> Result<Self> {
        let not = |why| Error::NotAVault { path: directory.into(), why };
        let path = directory.join(DESCRIPTION);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(not("there is no vault.json in it; `vault init` makes a vault"));
            }
            read => read.doing("read", path)?,
        };
        let description: Description =
            serde_json::from_slice(&text).map_err(|_| not("its vault.json cannot be read"))?;
        if description.format != 1 {
            return Err(not("it has a newer format; use a newer spandrel"));
        }
        let log_key =
            VerifyingKey::parse(&description.log_key).ok_or(not("its log key cannot be read"))?;
        Ok(Self { directory: directory.into(), description, log_key })
    }

    /// Opens the vault with its key: the file given, or the one it was made with.
    pub fn unlock(self, key_file: Option<&Path>) -> Result<Unlocked> {
        self.unlock_over(key_file, RusticEngine::new)
    }

    /// Opens a vault whose packs lie elsewhere, to restore from.
    pub fn unlock_reading(
        self,
        key_file: Option<&Path>,
        packs: Arc<dyn Packs>,
    ) -> Result<Unlocked> {
        self.unlock_over(key_file, |root, key| RusticEngine::with_packs(root, key, packs))
    }

    fn unlock_over(
        self,
        key_file: Option<&Path>,
        engine: impl FnOnce(&Path, &VaultKey) -> RusticEngine,
    ) -> Result<Unlocked> {
        let path = key_file.unwrap_or(&self.description.key_file);
        let key = VaultKey::read(path)?;
        let derived = key.derived_signer(&self.log_key.name);
        let signs = derived.verifying_key() == self.log_key;
        if !self.description.key_id.as_ref().map_or(signs, |id| *id == key.id()) {
            return Err(Error::Key { path: path.into(), why: "it is the key of another vault" });
        }
        let beside = signing_file(path);
        let signer = if signs {
            Some(derived)
        } else if beside.exists() {
            let signer = read_signer(&beside, &self.log_key.name)?;
            (signer.verifying_key() == self.log_key).then_some(signer)
        } else {
            None
        };
        let engine = engine(&self.directory.join(REPOSITORY), &key);
        Ok(Unlocked { vault: self, engine, signer })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where sources may put what they must copy before it can be stored; emptied by every backup.
    pub fn staging(&self) -> PathBuf {
        self.directory.join(".staging")
    }

    /// C2SP verifier key of the log, to keep in a safe place and give to `verify`.
    pub fn log_key(&self) -> &VerifyingKey {
        &self.log_key
    }

    /// Whether this is a copy of a vault elsewhere: readable with the key, written by copying
    /// alone, since an entry of its own would make its log another one.
    pub fn is_replica(&self) -> bool {
        self.directory.join(crate::site::REPLICA).exists()
    }

    /// Whether a failback kept this beside the vault that went on elsewhere.
    pub fn is_set_aside(&self) -> bool {
        self.directory.join(SET_ASIDE).exists()
    }

    fn must_be_written_here(&self) -> Result<()> {
        if self.is_set_aside() {
            let text = "this vault was set aside when another site had taken over: restore from \
                        it, back up into the one that goes on";
            return Err(Error::Refused(text.to_owned()));
        }
        if !self.is_replica() {
            return Ok(());
        }
        let text = "this vault is a copy of one elsewhere: change that one, or make the copy a \
                    vault of its own with `vault promote`";
        Err(Error::Refused(text.to_owned()))
    }

    /// The state the log tells.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(self.read_log()?.0)
    }

    /// Name, size and root of the log.
    pub fn log_state(&self) -> Result<(String, u64, Sha256)> {
        let log = self.read_log()?.1;
        let root = log.root(log.size()).expect("a log has a root at its size");
        Ok((self.log_key.name.clone(), log.size(), root))
    }

    pub(crate) fn read_log(&self) -> Result<(Ledger, Log)> {
        let mut ledger = Ledger::new(&self.log_key.name);
        let log = Log::open(&self.directory.join(LOG), &self.log_key, |number, entry| {
            ledger.fold(number, entry);
        })?;
        Ok((ledger, log))
    }

    /// The files the repository must have, by the log.
    pub(crate) fn known_objects(&self, ledger: &Ledger) -> Result<BTreeMap<String, Object>> {
        let mut objects = BTreeMap::new();
        for (_, change) in &ledger.changes {
            let path = self.list_path(&change.list);
            let text = fs::read_to_string(&path).doing("read", &path)?;
            let damaged = || Error::Damaged(format!("object list {} is damaged", change.list));
            if Sha256::of(text.as_bytes()) != change.list {
                return Err(damaged());
            }
            Manifest::parse(&text).ok_or_else(damaged)?.apply(&mut objects);
        }
        Ok(objects)
    }

    fn list_path(&self, list: &Sha256) -> PathBuf {
        self.directory.join(LOG).join(LISTS).join(list.to_string())
    }
}

impl Unlocked {
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Whether the log can be extended: who has only the reading key restores and no more.
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    pub(crate) fn signer(&self) -> Result<&Signer> {
        self.signer.as_ref().ok_or(Error::NoSigningKey)
    }

    /// Checks with `check` against the state of this moment, then appends; the number of the new
    /// entry. Nothing comes between the check and the entry.
    pub(crate) fn append(
        &self,
        now: Time,
        event: impl FnOnce(&Ledger) -> Result<Event>,
    ) -> Result<u64> {
        self.vault.must_be_written_here()?;
        let _turn = Writing::begin(&self.vault.directory.join(LOG))?;
        let (mut ledger, mut log) = self.vault.read_log()?;
        ledger.come_into_force(ledger.clock_at(now));
        let event = event(&ledger)?;
        if let Some(to) = &ledger.handed_over
            && !matches!(event, Event::Promoted { .. })
        {
            let text = format!("this vault was handed over to {to}; back up there");
            return Err(Error::Refused(text));
        }
        log.append(self.signer()?, encode(now, event))
    }

    /// Repository files that are there and not in `known`.
    pub(crate) fn difference(&self, known: &BTreeMap<String, Object>) -> Result<Manifest> {
        let mut manifest = Manifest::default();
        for (path, size) in self.engine.objects()? {
            if known.contains_key(&path) {
                continue;
            }
            let hash = match named_hash(&path) {
                Some(hash) => hash,
                None => self.hash_of(&path)?,
            };
            manifest.added.insert(path, Object { hash, size });
        }
        Ok(manifest)
    }

    fn hash_of(&self, object: &str) -> Result<Sha256> {
        let path = self.vault.directory.join(REPOSITORY).join(object);
        let file = File::open(&path).doing("read", &path)?;
        Ok(Sha256::of_reader(file).doing("read", &path)?.0)
    }

    /// Puts a list of objects beside the log; the entry that names it comes after.
    pub(crate) fn record(&self, manifest: &Manifest) -> Result<ObjectChange> {
        let change = manifest.change();
        let path = self.vault.list_path(&change.list);
        if !path.exists() {
            let parent = path.parent().expect("lists have a directory");
            fs::create_dir_all(parent).doing("create", parent)?;
            durable::write(&path, &[manifest.to_text().as_bytes()], 0o444).doing("write", &path)?;
        }
        Ok(change)
    }
}

pub(crate) fn encode(time: Time, event: Event) -> Vec<u8> {
    serde_json::to_vec(&LogEntry { time, event }).expect("an entry is plain data")
}

/// Held while a process changes the repository: one backup or clean-up at a time.
pub(crate) struct Working {
    _held: Held,
}

impl Working {
    pub fn begin(vault: &Vault) -> Result<Self> {
        vault.must_be_written_here()?;
        if let Some(fence) = crate::site::Fence::of(&vault.directory) {
            return Err(fence.refusal());
        }
        Ok(Self { _held: Held::take(&vault.directory.join(".lock"))? })
    }
}
