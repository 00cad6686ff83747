//! The way there: what a store lacks of a vault, each object with its lock, the checkpoint last.
//!
//! Needs no key, so it cannot know which packs a snapshot needs: it locks all that the log has not
//! let go until the last snapshot may go, and longer with each newer one. Invariant: no lock is
//! made shorter, none reaches further than [`Rules::days_max`], and the store's checkpoint never
//! names what it lacks unsaid.

use super::{
    Body, Bucket, Bytes, Lock, Mode, Standing, Until, Version, Withdrawal,
    record::{Kept, Record},
};
use crate::{
    digest::Sha256,
    error::{Error, IoContext, Result},
    ledger::Ledger,
    limits::{CHECKPOINT_BYTES_MAX, SMALL_BYTES_MAX},
    log::{
        Checkpoint, Writing, merkle,
        tile::{self, Levels},
    },
    manifest::Object,
    site::{LogCopy, Name, house::description_key, pace::Pace, patience::Patience, wanted::wanted},
    vault::{LOG, Vault},
};
use model::Time;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Cursor},
    path::Path,
};

/// Objects after which what is known of the store is written down.
const SAVED_EVERY: u64 = 64;

const DAY_SECS: i64 = 86_400;

/// How objects are locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// `None`: nothing is locked.
    pub mode: Option<Mode>,
    /// Days from the copying on, when no snapshot is locked for longer.
    pub days: u32,
    /// No lock reaches further, whatever a snapshot says: else who has the vault's key could fill
    /// the store for ever.
    pub days_max: u32,
}

/// How to copy.
pub struct Deposit<'a> {
    pub bucket: &'a dyn Bucket,
    pub pace: &'a Pace<'a>,
    pub rules: Rules,
    /// Tries without progress before it gives up.
    pub tries_max: u32,
}

/// How a copying ended.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Deposited {
    pub objects_sent: u64,
    pub bytes_sent: u64,
    /// Objects whose lock was made longer.
    pub extended: u64,
    pub standing: Standing,
}

/// What every object is to have.
struct Need {
    /// A lock that ends before is made longer.
    at_least: Option<Time>,
    /// Until then.
    until: Option<Until>,
    held: bool,
}

/// Where the bytes of a file are.
enum Content {
    /// In the vault's directory.
    Stored(Object),
    Made(Vec<u8>),
    Lost,
}

struct Work<'a> {
    deposit: &'a Deposit<'a>,
    directory: &'a Path,
    record: Record,
    listed: BTreeMap<String, Vec<Version>>,
    need: Need,
    done: Deposited,
    unsaved: u64,
}

impl Deposit<'_> {
    /// Sends what the store lacks and locks what is there for as long as it is needed.
    pub fn run(&self, vault: &Vault) -> Result<Deposited> {
        let address = self.bucket.address();
        let record = Record::open(vault.directory(), &address)?;
        let before = record.standing().unwrap_or_default();
        // As fine as it is written down.
        let now = self.pace.clock.now().nanos();
        let now = Time::from_nanos(now - now.rem_euclid(1_000));
        let standing = Standing {
            address,
            mode: self.rules.mode,
            tried_at: now,
            copied_at: before.copied_at,
            ..Standing::default()
        };
        let mut work = Work {
            deposit: self,
            directory: vault.directory(),
            record,
            listed: BTreeMap::new(),
            need: Need { at_least: None, until: None, held: false },
            done: Deposited { standing, ..Deposited::default() },
            unsaved: 0,
        };
        let result = work.copy(vault, now);
        work.record.save()?;
        if let Err(error) = &result {
            let standing = Standing {
                tried_at: now,
                error: Some(told(error)),
                mode: self.rules.mode,
                address: work.done.standing.address.clone(),
                ..before
            };
            work.record.set_standing(&standing)?;
        } else {
            work.record.set_standing(&work.done.standing)?;
        }
        result.map(|()| work.done)
    }
}

/// The files of a log of these entries (C2SP tlog-tiles). Made here and not read: the last ones of
/// the directory have other names as soon as an entry is added.
fn tiles(entries: &[Vec<u8>]) -> Vec<(Name, Content)> {
    let mut levels = Levels::default();
    entries.iter().for_each(|entry| levels.push(merkle::leaf(entry)));
    let mut found = Vec::new();
    let mut add = |level, index, width, bytes| {
        found.push((Name::Tile(tile::path(level, index, width)), Content::Made(bytes)));
    };
    let range = |index: u64, width: u64| {
        let first = usize::try_from(index * tile::WIDTH).unwrap_or(usize::MAX);
        first..first + usize::try_from(width).unwrap_or_default()
    };
    for (index, width) in tile::tiles(entries.len() as u64, 0) {
        add(None, index, width, tile::bundle(&entries[range(index, width)]));
    }
    for (level, hashes) in levels.0.iter().enumerate() {
        for (index, width) in tile::tiles(hashes.len() as u64, 0) {
            let bytes = hashes[range(index, width)].iter().flat_map(|hash| hash.0).collect();
            add(Some(level), index, width, bytes);
        }
    }
    found
}

/// An error with what it comes from.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut at = std::error::Error::source(error);
    while let Some(source) = at {
        text += &format!(": {source}");
        at = source.source();
    }
    text
}

impl Work<'_> {
    fn copy(&mut self, vault: &Vault, now: Time) -> Result<()> {
        let bucket = self.deposit.bucket;
        if self.deposit.rules.mode.is_some() {
            let cannot = self.again("ask", "its locks", || bucket.cannot_lock())?;
            if let Some(why) = cannot {
                return Err(Error::Refused(why));
            }
        }
        let (log, note) = self.log(vault)?;
        let ledger = log.ledger();
        self.need = self.need(&ledger, now);
        let there = self.again("list", &bucket.address(), || Withdrawal::begin(bucket))?;
        self.is_of_this_vault(&there, &log)?;
        self.listed = there.listed;
        self.forget_what_is_gone();
        let mut live = BTreeSet::new();
        let mut files = self.files(&log, &ledger)?;
        // Last: from then on the copy says that it has all of this.
        files.push((Name::Checkpoint, Content::Made(note.into_bytes())));
        for (name, content) in files {
            live.insert(name.path());
            self.keep(&name, content)?;
        }
        self.end_holds(&live)?;
        self.sum_up(&ledger, &live, now);
        Ok(())
    }

    /// Until when objects must be locked: as long as any snapshot is, and the days that were
    /// asked for. A lock is made longer in steps of an eighth, so that a vault that grows every
    /// hour does not ask the store to move every lock every hour.
    fn need(&mut self, ledger: &Ledger, now: Time) -> Need {
        let held = ledger.snapshots.values().any(|record| !record.holds.is_empty());
        let Rules { mode: Some(mode), days, days_max } = self.deposit.rules else {
            return Need { at_least: None, until: None, held: false };
        };
        let snapshots = ledger.snapshots.values().filter_map(|record| record.retain_until);
        let asked = now.plus_secs(i64::from(days) * DAY_SECS);
        let wanted = snapshots.fold(asked, Time::max);
        let most = now.plus_secs(i64::from(days_max) * DAY_SECS);
        if wanted > most {
            self.done.standing.notes.push(format!(
                "a snapshot is locked until {wanted}, further than the {days_max} days that this \
                 store may be made to keep; it is locked for those and made longer later"
            ));
        }
        let at_least = wanted.min(most);
        if at_least <= now {
            return Need { at_least: None, until: None, held };
        }
        let step = (at_least.nanos() - now.nanos()) / 1_000_000_000 / 8;
        let time = at_least.plus_secs(step.clamp(DAY_SECS, 30 * DAY_SECS)).min(most);
        // Whole seconds: stores keep no finer time.
        let time = Time::from_secs(time.nanos().div_euclid(1_000_000_000));
        let at_least = time.min(at_least);
        Need { at_least: Some(at_least), until: Some(Until { time, mode }), held }
    }

    /// Refuses where the way back would give another vault, or entries that are not in this log:
    /// what is put there then could not be restored from. What the log's key has not signed is
    /// garbage that somebody put on top, and is put right.
    fn is_of_this_vault(&self, there: &Withdrawal<&dyn Bucket>, log: &LogCopy) -> Result<()> {
        let path = self.directory.join(Name::Description.path());
        let ours = fs::read(&path).doing("read", &path)?;
        let theirs = self.stored(there, &Name::Description, SMALL_BYTES_MAX as u64)?;
        if let Some(theirs) = theirs.filter(|theirs| *theirs != ours) {
            // Where there are no versions garbage is replaced; else the first one stays the first.
            let path = Name::Description.path();
            let versions = there.listed.get(&path).map_or(&[][..], Vec::as_slice);
            let stays = versions.iter().any(|version| version.id.is_some());
            if stays || description_key(&theirs).is_some() {
                let text = "the store has another vault at this address; push to another one";
                return Err(Error::Refused(text.to_owned()));
            }
        }
        let theirs = self.stored(there, &Name::Checkpoint, CHECKPOINT_BYTES_MAX)?;
        let theirs = theirs.and_then(|theirs| String::from_utf8(theirs).ok());
        let Some(Ok(theirs)) = theirs.map(|theirs| Checkpoint::open(&theirs, log.key())) else {
            return Ok(());
        };
        if log.root(theirs.size) == Some(theirs.root) {
            return Ok(());
        }
        let size = theirs.size;
        Err(Error::Refused(format!(
            "the store has {size} entries of this vault that are not in its log here: one of the \
             two was changed or restored from a copy; nothing was sent"
        )))
    }

    /// A small file as the way back gives it; `None` where there is none.
    fn stored(
        &self,
        there: &Withdrawal<&dyn Bucket>,
        name: &Name,
        max: u64,
    ) -> Result<Option<Vec<u8>>> {
        self.again("read", &name.path(), || match there.bytes(name, max) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// Compares what is remembered with what is there.
    fn forget_what_is_gone(&mut self) {
        let (listed, standing) = (&self.listed, &mut self.done.standing);
        self.record.kept.retain(|path, kept| {
            let versions = listed.get(path).map_or(&[][..], Vec::as_slice);
            let there =
                versions.iter().any(|version| !version.deleted && version.id == kept.version);
            if !there {
                standing.gone.push(path.clone());
            }
            there
        });
    }

    /// The log and its checkpoint, with nobody appending meanwhile.
    fn log(&self, vault: &Vault) -> Result<(LogCopy, String)> {
        let folder = self.directory.join(LOG);
        let _turn = Writing::begin(&folder)?;
        let log = LogCopy::open(&folder, vault.log_key())?;
        let note = log.note()?.unwrap_or_default();
        Ok((log, note))
    }

    /// Every file of the vault in the order in which it goes, without the checkpoint.
    fn files(&self, log: &LogCopy, ledger: &Ledger) -> Result<Vec<(Name, Content)>> {
        let mut found = vec![self.whole(Name::Description)?];
        for (_, change) in &ledger.changes {
            found.push(self.whole(Name::List(change.list))?);
        }
        let read = |list: &Sha256| {
            let path = self.directory.join(Name::List(*list).path());
            fs::read_to_string(&path).doing("read", path)
        };
        for wanted in wanted(ledger, read)? {
            let path = self.directory.join(wanted.name.path());
            let whole = fs::metadata(&path).is_ok_and(|meta| meta.len() == wanted.object.size);
            let content = if whole { Content::Stored(wanted.object) } else { Content::Lost };
            found.push((wanted.name, content));
        }
        found.extend(tiles(log.entries()));
        Ok(found)
    }

    /// A small file and what it is.
    fn whole(&self, name: Name) -> Result<(Name, Content)> {
        let path = self.directory.join(name.path());
        Ok((name, Content::Made(fs::read(&path).doing("read", path)?)))
    }

    /// Sees to it that the store has the object and that it is locked for long enough.
    fn keep(&mut self, name: &Name, content: Content) -> Result<()> {
        let path = name.path();
        let object = match &content {
            Content::Stored(object) => *object,
            Content::Made(bytes) => Object { hash: Sha256::of(bytes), size: bytes.len() as u64 },
            // What was copied before it was lost here stays as it is.
            Content::Lost if self.known(&path, None)? => return self.lock(&path),
            Content::Lost => {
                self.done.standing.missing.push(path);
                return Ok(());
            }
        };
        // The hash is in the name, but for these: they are what the record says they are.
        let kept = self.record.kept.get(&path).and_then(|kept| kept.hash);
        let same = name.hash().is_some() || kept == Some(object.hash);
        if same && self.known(&path, Some(object.size))? {
            return self.lock(&path);
        }
        self.put(name, &path, &object, content)
    }

    /// Whether the object is there and is what who asks for it is given.
    fn known(&mut self, path: &str, size: Option<u64>) -> Result<bool> {
        let newest = self.listed.get(path).and_then(|all| all.iter().find(|v| v.newest));
        let fits = newest
            .is_some_and(|newest| !newest.deleted && size.is_none_or(|size| size == newest.size));
        let version = newest.and_then(|newest| newest.id.clone());
        if let Some(kept) = self.record.kept.get(path) {
            if fits && kept.version == version {
                return Ok(true);
            }
            // Something lies on top of what we put there.
            self.done.standing.covered.push(path.to_owned());
            return Ok(false);
        }
        if !fits {
            return Ok(false);
        }
        let bucket = self.deposit.bucket;
        let lock = match self.deposit.rules.mode {
            Some(_) => {
                self.again("read the lock of", path, || bucket.lock(path, version.as_deref()))?
            }
            None => Lock::default(),
        };
        self.record.kept.insert(path.to_owned(), Kept { version, lock, hash: None });
        Ok(true)
    }

    fn put(&mut self, name: &Name, path: &str, object: &Object, content: Content) -> Result<()> {
        let bytes: Box<dyn Bytes> = match content {
            Content::Made(bytes) => Box::new(Cursor::new(bytes)),
            _ => {
                let local = self.directory.join(path);
                let file = File::open(&local).doing("read", &local)?;
                // A damaged object must not take the place of nothing.
                if Sha256::of_reader(&file).doing("read", &local)?.0 != object.hash {
                    self.done.standing.missing.push(path.to_owned());
                    return Ok(());
                }
                Box::new(file)
            }
        };
        let lock = Lock { until: self.need.until, held: self.need.held };
        let Deposit { bucket, pace, tries_max, .. } = *self.deposit;
        let mut patience = Patience::new(pace.clock, tries_max);
        let mut body = Body::new(bytes, pace);
        let version = loop {
            let before = body.furthest();
            match bucket.put(path, object, &mut body, &lock) {
                Ok(version) => break version,
                Err(error) => {
                    if body.furthest() > before {
                        patience.progress();
                    }
                    patience.wait(error).doing("send", path)?;
                }
            }
        };
        self.done.objects_sent += 1;
        self.done.bytes_sent += object.size;
        let put = Version { id: version.clone(), size: object.size, newest: true, deleted: false };
        self.listed.insert(path.to_owned(), vec![put]);
        let hash = name.hash().is_none().then_some(object.hash);
        self.record.kept.insert(path.to_owned(), Kept { version, lock, hash });
        self.saved()
    }

    /// Makes the lock of what is there as long as it must be.
    fn lock(&mut self, path: &str) -> Result<()> {
        let bucket = self.deposit.bucket;
        let Some(Kept { version, lock, .. }) = self.record.kept.get(path).cloned() else {
            return Ok(());
        };
        let (short, until) = match (self.need.at_least, self.need.until) {
            (Some(at_least), Some(until)) => {
                (lock.until.is_none_or(|held| held.time < at_least), until)
            }
            _ => return self.set_hold(path, &version, lock),
        };
        let mut lock = lock;
        if short {
            // A store keeps the stronger of two modes; asking for the weaker one is refused.
            let mode = match lock.until {
                Some(Until { mode: Mode::Compliance, .. }) => Mode::Compliance,
                _ => until.mode,
            };
            let until = Until { mode, ..until };
            self.again("lock", path, || bucket.extend(path, version.as_deref(), until))?;
            lock.until = Some(until);
            self.done.extended += 1;
            if let Some(kept) = self.record.kept.get_mut(path) {
                kept.lock = lock;
            }
            self.saved()?;
        }
        self.set_hold(path, &version, lock)
    }

    fn set_hold(&mut self, path: &str, version: &Option<String>, lock: Lock) -> Result<()> {
        let (bucket, held) = (self.deposit.bucket, self.need.held);
        if lock.held == held || self.deposit.rules.mode.is_none() {
            return Ok(());
        }
        self.again("hold", path, || bucket.hold(path, version.as_deref(), held))?;
        if let Some(kept) = self.record.kept.get_mut(path) {
            kept.lock.held = held;
        }
        self.saved()
    }

    /// Of what the log has let go as well, when no snapshot is held any more.
    fn end_holds(&mut self, live: &BTreeSet<String>) -> Result<()> {
        if self.need.held || self.deposit.rules.mode.is_none() {
            return Ok(());
        }
        let held: Vec<(String, Kept)> = self
            .record
            .kept
            .iter()
            .filter(|(path, kept)| kept.lock.held && !live.contains(*path))
            .map(|(path, kept)| (path.clone(), kept.clone()))
            .collect();
        for (path, kept) in held {
            self.set_hold(&path, &kept.version, kept.lock)?;
        }
        Ok(())
    }

    fn sum_up(&mut self, ledger: &Ledger, live: &BTreeSet<String>, now: Time) {
        let standing = &mut self.done.standing;
        // The store may have ended what the log has let go, once its lock was over.
        standing.gone.retain(|path| live.contains(path));
        let mut earliest: Option<Option<Time>> = None;
        for path in live {
            let Some(kept) = self.record.kept.get(path) else { continue };
            let until = kept.lock.until.map(|until| until.time).filter(|until| *until > now);
            earliest = Some(earliest.map_or(until, |held| held.min(until)));
            standing.objects += 1;
            let versions = self.listed.get(path).into_iter().flatten();
            let ours = versions.filter(|version| version.id == kept.version);
            standing.bytes += ours.map(|version| version.size).next().unwrap_or_default();
        }
        standing.locked_until = earliest.flatten();
        standing.held = self.need.held;
        standing.entries = ledger.size;
        standing.snapshots = ledger.snapshots.len() as u64;
        if standing.missing.is_empty() {
            standing.copied_at = Some(now);
        }
    }

    fn saved(&mut self) -> Result<()> {
        self.unsaved += 1;
        if self.unsaved.is_multiple_of(SAVED_EVERY) {
            self.record.save()?;
        }
        Ok(())
    }

    fn again<T>(
        &self,
        doing: &'static str,
        what: &str,
        mut work: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        let mut patience = Patience::new(self.deposit.pace.clock, self.deposit.tries_max);
        loop {
            match work() {
                Ok(found) => return Ok(found),
                Err(error) => patience.wait(error).doing(doing, what)?,
            }
        }
    }
}
