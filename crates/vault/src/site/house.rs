//! The rules of a vault server: what it takes in from whom, and what it never does.
//!
//! Blocking and without HTTP. Not here: who may ([`super::asked`]). Invariant: an object is
//! published only when it is whole and hashes to its name, a log grows only by entries that
//! continue it and break no rule, and nothing is ever removed or replaced for a client.

use super::{
    Client, Clients, Inbox, Journal, Kind, LogCopy, Name, Noted, Part, REPLICA, Refusal, SITE,
    Seal,
    asked::{Asked, Verb},
    copy,
    denial::{Denials, Sort},
    lock::Locks,
    pace::Clock,
    push::{Extension, Grown},
    refusal::Answer,
    role::{SELF, folder_of},
};
use crate::{
    digest::Sha256,
    durable,
    error::IoContext,
    ledger::Ledger,
    limits::{
        ALARM_PERCENT, CALM_PERCENT, CHECKPOINT_BYTES_MAX, EXTENSION_BYTES_MAX, FULL_PERCENT,
        LOCK_BYTES_MAX, OBJECT_BYTES_MAX, PART_AGE_MAX, PARTS_MAX,
    },
    log::VerifyingKey,
    manifest::{Manifest, Object},
    vault::{DESCRIPTION, Description, LOG, REPOSITORY},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// How a site is run.
pub struct Options {
    /// Name of the site; used when its journal begins.
    pub name: String,
    /// File with the clients; read again whenever it changes.
    pub clients: PathBuf,
    pub seal: Seal,
    /// Bytes that one vault's objects may take.
    pub quota_bytes: Option<u64>,
}

/// When a file was written and how long it is; `None` is never and nothing.
type Stamp = Option<(SystemTime, u64)>;

pub struct House {
    pub(super) root: PathBuf,
    pub(super) site: PathBuf,
    pub(super) journal: Journal,
    pub(super) options: Options,
    pub(super) clock: Box<dyn Clock>,
    denials: Mutex<Denials>,
    clients: Mutex<(Stamp, Arc<Clients>)>,
    /// Bytes of the objects of each vault.
    used: Mutex<BTreeMap<String, u64>>,
    alarms: Mutex<BTreeSet<String>>,
    extending: Mutex<()>,
}

impl House {
    /// Opens the directory of a site: a vault, or a directory of vaults, or one still empty.
    pub fn open(root: &Path, options: Options, clock: Box<dyn Clock>) -> crate::Result<Self> {
        let site = root.join(SITE);
        let journal = Journal::open(&site, &options.name, clock.now())?;
        let house = Self {
            root: root.into(),
            site,
            journal,
            options,
            clock,
            denials: Mutex::default(),
            clients: Mutex::default(),
            used: Mutex::default(),
            alarms: Mutex::default(),
            extending: Mutex::default(),
        };
        house.clients()?;
        house.tick();
        Ok(house)
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The client with this name and token, and with the certificate it is bound to.
    pub fn client(&self, name: &str, token: &str, presented: Option<Sha256>) -> Answer<Client> {
        let clients = self.clients()?;
        let known = clients.known(name, token).filter(|client| client.is_shown_by(presented));
        known.cloned().ok_or(Refusal::Unknown)
    }

    /// The clients as the file has them at the moment.
    fn clients(&self) -> crate::Result<Arc<Clients>> {
        let path = &self.options.clients;
        let meta = fs::metadata(path).doing("read clients", path)?;
        let stamp = meta.modified().ok().map(|modified| (modified, meta.len()));
        let mut held = lock(&self.clients);
        if held.0.is_none() || held.0 != stamp {
            *held = (stamp, Arc::new(Clients::read(path)?));
        }
        Ok(held.1.clone())
    }

    /// What is due now and then: counted refusals, old unfinished objects, alarms.
    pub fn tick(&self) {
        let due = lock(&self.denials).due(self.clock.now());
        self.note_all(due);
        let incoming = fs::read_dir(self.site.join("incoming"));
        for sender in incoming.into_iter().flatten().flatten() {
            let name = sender.file_name().to_string_lossy().into_owned();
            let expired = Inbox::of(&self.site, &name)
                .and_then(|inbox| inbox.expire(PART_AGE_MAX, SystemTime::now()));
            if let Err(error) = expired {
                tracing::warn!(%error, sender = name, "old unfinished objects stay");
            }
        }
        self.watch_disk();
    }

    /// Writes what has been counted and not written.
    pub fn close(&self) {
        let rest = lock(&self.denials).flush(self.clock.now());
        self.note_all(rest);
    }

    /// Puts a refused attempt into the journal.
    pub fn deny(
        &self,
        client: Option<&Client>,
        verb: Verb,
        asked: Option<&Asked>,
        why: &'static str,
        example: &str,
    ) {
        let sort = Sort {
            client: client.map_or("unknown".to_owned(), |client| client.name.clone()),
            method: verb.word(),
            what: asked.map_or("no such path", Asked::sort),
            why,
        };
        tracing::warn!(client = sort.client, method = sort.method, path = example, why, "denied");
        let entries = lock(&self.denials).count(sort, example, self.clock.now());
        self.note_all(entries);
    }

    fn note_all(&self, entries: Vec<Noted>) {
        for entry in entries {
            self.note(entry);
        }
    }

    pub(super) fn note(&self, entry: Noted) {
        if let Err(error) = self.journal.note(entry, self.clock.now()) {
            tracing::error!(%error, "the journal cannot be written");
        }
    }

    pub fn vault(&self, vault: &str) -> PathBuf {
        if vault == SELF { self.root.clone() } else { self.root.join(vault) }
    }

    /// Opens a file of a vault, with its size.
    pub fn read(&self, vault: &str, name: &Name) -> Answer<(File, u64)> {
        let file = File::open(self.vault(vault).join(name.path()))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Opens a file of the site's journal.
    pub fn read_journal(&self, path: &str) -> Answer<(File, u64)> {
        let file = File::open(self.site.join(path))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Bytes of an object that is not whole, from this client.
    pub fn begun(&self, client: &Client, hash: &Sha256) -> Answer<u64> {
        Ok(Inbox::of(&self.site, &client.name)?.length(hash)?)
    }

    /// Name and size of every object of a kind.
    pub fn list(&self, vault: &str, kind: Kind) -> Answer<Vec<(Sha256, u64)>> {
        let folder = self.vault(vault).join(REPOSITORY).join(kind.folder());
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if kind == Kind::Data && entry.file_type()?.is_dir() {
                for entry in fs::read_dir(entry.path())? {
                    found.extend(named(&entry?));
                }
            } else {
                found.extend(named(&entry));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub fn locks(&self, vault: &str) -> Locks {
        Locks::of(&self.site, folder_of(vault))
    }

    pub fn take_lock(
        &self,
        vault: &str,
        client: &Client,
        hash: &Sha256,
        bytes: &[u8],
    ) -> Answer<()> {
        if bytes.len() > LOCK_BYTES_MAX {
            return Err(Refusal::TooLarge("too long to be a lock"));
        }
        if Sha256::of(bytes) != *hash {
            return Err(Refusal::Wrong("its bytes do not hash to its name"));
        }
        let locks = self.locks(vault);
        if locks.read(hash)?.is_some() {
            return Err(Refusal::Exists);
        }
        let taken = locks.take(&client.name, hash, bytes, SystemTime::now())?;
        if taken { Ok(()) } else { Err(Refusal::Full("the client has too many locks")) }
    }

    pub fn release_lock(&self, vault: &str, client: &Client, hash: &Sha256) -> Answer<()> {
        if self.locks(vault).release(&client.name, hash)? {
            return Ok(());
        }
        Err(Refusal::Forbidden("not a lock of this client"))
    }

    /// Begins a vault with its description, or finds that it has begun with the same one.
    pub fn begin(&self, vault: &str, client: &Client, bytes: &[u8]) -> Answer<()> {
        let directory = self.vault(vault);
        let path = directory.join(DESCRIPTION);
        match fs::read(&path) {
            Ok(held) if held == bytes => return Ok(()),
            Ok(_) => return Err(Refusal::Exists),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let key = description_key(bytes).ok_or(Refusal::Wrong("it is no vault's description"))?;
        make_folders(&directory)?;
        durable::write(&directory.join(REPLICA), &[client.name.as_bytes(), b"\n"], 0o644)?;
        durable::write(&path, &[bytes], 0o644)?;
        let (vault, client) = (vault.to_owned(), client.name.clone());
        self.note(Noted::Begun { vault, client, log: key.to_string() });
        Ok(())
    }

    /// Takes the repository's config, the one object without a hash for a name. The list that
    /// the log begins with says what it must be.
    pub fn configure(&self, vault: &str, bytes: &[u8]) -> Answer<()> {
        self.is_copy(vault)?;
        let path = self.vault(vault).join(Name::Config.path());
        match fs::read(&path) {
            Ok(held) if held == bytes => return Ok(()),
            Ok(_) => return Err(Refusal::Exists),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        durable::write(&path, &[bytes], 0o400)?;
        Ok(self.options.seal.close(&path)?)
    }

    /// Begins or goes on with an object or extension of `size` bytes at `offset`; `None` begins
    /// anew, as restic does.
    pub fn upload(
        self: &Arc<Self>,
        client: &Client,
        asked: &Asked,
        offset: Option<u64>,
        size: u64,
    ) -> Answer<Upload> {
        self.is_copy(&asked.vault)?;
        let (hash, to) = match &asked.what {
            super::asked::What::File(name @ (Name::Object(..) | Name::List(_))) => {
                let path = self.vault(&asked.vault).join(name.path());
                (name.hash().expect("these have one"), Some(path))
            }
            super::asked::What::Extension(hash) => (*hash, None),
            _ => return Err(Refusal::Forbidden("not in this way")),
        };
        if to.as_ref().is_some_and(|path| path.exists()) {
            return Err(Refusal::Exists);
        }
        let is_object = matches!(&asked.what, super::asked::What::File(Name::Object(..)));
        if size > if is_object { OBJECT_BYTES_MAX } else { EXTENSION_BYTES_MAX } {
            return Err(Refusal::TooLarge("too long to be an object"));
        }
        self.has_room(&asked.vault, size)?;
        let inbox = Inbox::of(&self.site, &client.name)?;
        let held = inbox.length(&hash)?;
        if held == 0 && inbox.held()?.0 >= PARTS_MAX {
            return Err(Refusal::Full("the client has too many unfinished objects"));
        }
        if offset.is_some_and(|offset| offset != held) && held <= size {
            return Err(Refusal::Offset(held));
        }
        let mut part = inbox.open(hash)?;
        if offset.is_none() || held > size {
            part.clear()?;
        }
        let (vault, client) = (asked.vault.clone(), client.clone());
        Ok(Upload { house: self.clone(), part, size, to, vault, client })
    }

    /// A vault that this site holds for somebody else; one that is written here takes no pushes.
    fn is_copy(&self, vault: &str) -> Answer<()> {
        let directory = self.vault(vault);
        if !directory.join(DESCRIPTION).exists() {
            return Err(Refusal::Wrong("the vault has not begun; push its description first"));
        }
        if !directory.join(REPLICA).exists() {
            return Err(Refusal::Forbidden("this vault is written where it is"));
        }
        Ok(())
    }

    fn has_room(&self, vault: &str, size: u64) -> Answer<()> {
        let (used, all) = disk(&self.root)?;
        if used.saturating_add(size).saturating_mul(100) > all.saturating_mul(FULL_PERCENT) {
            return Err(Refusal::Full("the disk is nearly full"));
        }
        match self.options.quota_bytes {
            Some(quota) if self.used(vault)?.saturating_add(size) > quota => {
                Err(Refusal::Full("the vault's quota is used up"))
            }
            _ => Ok(()),
        }
    }

    /// Bytes of a vault's objects.
    pub fn used(&self, vault: &str) -> Answer<u64> {
        if let Some(used) = lock(&self.used).get(vault) {
            return Ok(*used);
        }
        let mut used = 0;
        for kind in Kind::ALL {
            used += self.list(vault, kind)?.iter().map(|(_, size)| size).sum::<u64>();
        }
        lock(&self.used).insert(vault.to_owned(), used);
        Ok(used)
    }

    fn grew(&self, vault: &str, bytes: u64) {
        if let Some(used) = lock(&self.used).get_mut(vault) {
            *used += bytes;
        }
        if let (Some(quota), Ok(used)) = (self.options.quota_bytes, self.used(vault)) {
            self.watch(&format!("quota of {vault}"), used, quota);
        }
        self.watch_disk();
    }

    fn watch_disk(&self) {
        match disk(&self.root) {
            Ok((used, all)) => self.watch("disk", used, all),
            Err(error) => tracing::warn!(%error, "the disk's space cannot be read"),
        }
    }

    /// Raises an alarm once, and again only after it was calm.
    fn watch(&self, what: &str, used: u64, all: u64) {
        let percent = used.saturating_mul(100) / all.max(1);
        let mut alarms = lock(&self.alarms);
        if percent < CALM_PERCENT {
            alarms.remove(what);
        } else if percent >= ALARM_PERCENT && alarms.insert(what.to_owned()) {
            drop(alarms);
            tracing::error!(what, percent, "space is running out: add some");
            let what = what.to_owned();
            self.note(Noted::Alarm { what, used_bytes: used, bytes_max: all });
        }
    }

    /// Alarms that are raised at the moment.
    pub fn alarms(&self) -> Vec<String> {
        lock(&self.alarms).iter().cloned().collect()
    }

    /// Takes in log entries that continue what is here.
    fn extend(&self, vault: &str, client: &Client, bytes: &[u8]) -> Answer<Grown> {
        let _turn = lock(&self.extending);
        let malformed = Refusal::Wrong("it is no continuation of a log");
        let extension = Extension::decode(bytes).ok_or(malformed)?;
        let directory = self.vault(vault);
        let key = description_key(&fs::read(directory.join(DESCRIPTION))?)
            .ok_or_else(|| Refusal::Fault("the vault's description cannot be read".into()))?;
        let mut log = LogCopy::open(&directory.join(LOG), &key)?;
        let from = log.size();
        let theirs = log.compare(&extension.note).map_err(|why| {
            self.diverged(&key, &why.to_string(), &log, &extension.note);
            Refusal::Forbidden("the log is no continuation of the one here")
        })?;
        if theirs.size == from {
            // Sent again because the answer was lost.
            return Ok(Grown { size: from, missing: extension.missing });
        }
        if theirs.size - from != extension.entries.len() as u64 {
            return Err(Refusal::Behind(from));
        }
        let ledger = self.lawful(&key, &log, &extension)?;
        let missing = self.missing(&directory, &ledger, from)?;
        if missing > extension.missing {
            return Err(Refusal::Lacking(missing));
        }
        if let Err(error) = log.extend(&extension.note, extension.entries) {
            self.diverged(&key, &error.to_string(), &log, &extension.note);
            return Err(Refusal::Forbidden("the log is no continuation of the one here"));
        }
        let (size, root) = (theirs.size, theirs.root);
        let (vault, client) = (vault.to_owned(), client.name.clone());
        self.note(Noted::Extended { vault, client, size, root, missing });
        Ok(Grown { size, missing })
    }

    /// The state after the new entries; refused when one of them breaks a rule.
    fn lawful(&self, key: &VerifyingKey, log: &LogCopy, new: &Extension) -> Answer<Ledger> {
        let mut entries = log.entries().to_vec();
        entries.extend(new.entries.iter().cloned());
        let ledger = copy::ledger(key, &entries);
        let broken = ledger.violations.iter().find(|violation| violation.entry >= log.size());
        if let Some(broken) = broken {
            let (entry, why) = (broken.entry, broken.what.clone());
            self.note(Noted::Broken { log: key.name.clone(), entry, why });
            return Err(Refusal::Forbidden("an entry breaks a rule of the vault"));
        }
        Ok(ledger)
    }

    fn diverged(&self, key: &VerifyingKey, why: &str, log: &LogCopy, theirs: &str) {
        let ours = log.note().ok().flatten().unwrap_or_default();
        self.note(Noted::Diverged {
            log: key.name.clone(),
            why: why.to_owned(),
            entry: None,
            ours,
            theirs: theirs.chars().take(CHECKPOINT_BYTES_MAX as usize / 2).collect(),
        });
    }

    /// How many objects that entries from `from` on brought are not here.
    fn missing(&self, directory: &Path, ledger: &Ledger, from: u64) -> Answer<u64> {
        let mut objects: BTreeMap<String, Object> = BTreeMap::new();
        for (entry, change) in &ledger.changes {
            if *entry < from {
                continue;
            }
            let list = Name::List(change.list);
            let text = fs::read_to_string(directory.join(list.path()))
                .map_err(|_| Refusal::Wrong("a list that an entry names is not here"))?;
            let manifest = Manifest::parse(&text);
            manifest.ok_or(Refusal::Wrong("a list of objects is none"))?.apply(&mut objects);
        }
        let mut missing = 0;
        for (path, object) in &objects {
            let name = Name::parse_object(path);
            let name = name.ok_or(Refusal::Wrong("a list names what is no object"))?;
            let path = directory.join(name.path());
            let fits = match name.hash() {
                Some(hash) => {
                    let there = fs::metadata(&path).is_ok_and(|meta| meta.len() == object.size);
                    hash == object.hash && there
                }
                None => fs::read(&path).is_ok_and(|bytes| Sha256::of(&bytes) == object.hash),
            };
            missing += u64::from(!fits);
        }
        Ok(missing)
    }
}

/// An object or extension that is coming in.
pub struct Upload {
    house: Arc<House>,
    part: Part,
    size: u64,
    to: Option<PathBuf>,
    vault: String,
    client: Client,
}

/// What became of an upload.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// The link broke; so many bytes are kept.
    Part(u64),
    Published,
    Extended(Grown),
}

impl Upload {
    pub fn write(&mut self, bytes: &[u8]) -> Answer<()> {
        if self.part.length() + bytes.len() as u64 > self.size {
            return Err(Refusal::Wrong("it is longer than was said"));
        }
        Ok(self.part.write(bytes)?)
    }

    /// Ends it: publishes what is whole, keeps what is not.
    pub fn finish(self) -> Answer<Taken> {
        let length = self.part.length();
        if length < self.size {
            return Ok(Taken::Part(length));
        }
        let Ok(whole) = self.part.check()? else {
            return Err(Refusal::Wrong("its bytes do not hash to its name"));
        };
        let Some(to) = &self.to else {
            let grown = self.house.extend(&self.vault, &self.client, &whole.bytes()?);
            whole.discard()?;
            return grown.map(Taken::Extended);
        };
        whole.publish(to, self.house.options.seal)?;
        self.house.grew(&self.vault, self.size);
        Ok(Taken::Published)
    }
}

/// The log's key in a vault's description.
pub(super) fn description_key(bytes: &[u8]) -> Option<VerifyingKey> {
    let description: Description = serde_json::from_slice(bytes).ok()?;
    (description.format == 1).then(|| VerifyingKey::parse(&description.log_key)).flatten()
}

/// The folders that an empty vault has.
pub(super) fn make_folders(directory: &Path) -> io::Result<()> {
    let repository = directory.join(REPOSITORY);
    let kinds = Kind::ALL.map(Kind::folder);
    for folder in kinds.into_iter().chain(["locks"]) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(repository.join(folder))?;
    }
    fs::create_dir_all(directory.join(LOG).join(crate::vault::LISTS))
}

fn named(entry: &fs::DirEntry) -> Option<(Sha256, u64)> {
    let hash = Sha256::parse(entry.file_name().to_str()?)?;
    Some((hash, entry.metadata().ok()?.len()))
}

/// Bytes used and bytes there are on the disk of a directory.
pub(super) fn disk(path: &Path) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::statvfs(path)?;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize);
    // What only root may use is not there for us.
    let all = used.saturating_add(stat.f_bavail.saturating_mul(stat.f_frsize));
    Ok((used, all))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
