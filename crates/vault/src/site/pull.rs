//! Pull: a second site copies a vault, needing no key and trusting nothing it is given.
//!
//! First the checkpoint and the entries, which must continue all that was seen before; then what
//! is small, then bulk, each object checked by its name; then the copy's log is moved on, so the
//! copy is whole at every moment. Invariant: nothing that was copied is removed or replaced,
//! whatever the other side says, and a rewritten history stops the copying.

use super::{
    Inbox, Journal, LogCopy, Name, Noted, REPLICA, SITE, Seal,
    house::{description_key, make_folders},
    pace::Pace,
    patience::Patience,
    wanted::{Wanted, wanted},
};
use crate::{
    digest::Sha256,
    durable,
    error::{Error, IoContext, Result},
    held::Held,
    ledger::Ledger,
    limits::{CHECKPOINT_BYTES_MAX, EXTENSION_BYTES_MAX, SMALL_BYTES_MAX},
    log::{VerifyingKey, merkle, tile},
    vault::{DESCRIPTION, LOG},
};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// A vault elsewhere. What is not there has the error kind `NotFound`, a refusal that no second
/// try changes `PermissionDenied`.
pub trait Origin {
    /// Opens a file from `offset` on.
    fn open(&self, name: &Name, offset: u64) -> io::Result<Fetched>;

    /// Tells the other side how far the copy has come, where it wants to know.
    fn acknowledge(&self, note: &str) -> io::Result<()>;
}

pub struct Fetched {
    pub reader: Box<dyn Read>,
    /// Where in the file the reader begins; 0 from a side that cannot begin elsewhere.
    pub offset: u64,
}

/// How to copy.
pub struct Mirror<'a> {
    pub directory: &'a Path,
    pub origin: &'a dyn Origin,
    pub pace: &'a Pace<'a>,
    /// The site's name; used when its journal begins.
    pub site: &'a str,
    pub seal: Seal,
    /// The log's key, from a safe place.
    pub log_key: Option<VerifyingKey>,
    /// Tries without progress before it gives up.
    pub tries_max: u32,
    /// A vault on this machine that has some of the objects: they need not come over the link.
    pub seeds: Option<&'a Path>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// All that the log names is here and right.
    Complete,
    /// Bulk waits for its window.
    Waiting,
    /// Objects are lost or damaged at the other side.
    Partial,
}

/// How a copy ended.
#[derive(Debug, Serialize)]
pub struct Mirrored {
    pub state: Progress,
    pub log: String,
    /// Entries seen at the other side.
    pub seen: u64,
    /// Entries of the copy: their objects are all here, but for those that are lost there.
    pub entries: u64,
    pub root: Sha256,
    pub objects: u64,
    pub bytes: u64,
    pub objects_copied: u64,
    pub bytes_copied: u64,
    /// Taken from a vault on this machine instead.
    pub objects_seeded: u64,
    pub bytes_seeded: u64,
    pub objects_left: u64,
    pub bytes_left: u64,
    /// Not at the other side, though its log names them.
    pub missing: Vec<String>,
    /// Not what their name says, at the other side.
    pub damaged: Vec<String>,
    /// Entries that break a rule of the vault.
    pub broken: Vec<String>,
}

/// What became of one object.
enum Got {
    Copied,
    Absent,
    Damaged,
}

impl Mirror<'_> {
    /// Copies what is new.
    pub fn run(&self) -> Result<Mirrored> {
        let site = self.directory.join(SITE);
        let journal = Journal::open(&site, self.site, self.pace.clock.now())?;
        let _turn = turn(&site)?;
        let (description, key) = self.description()?;
        let mut seen = LogCopy::open(&site.join("seen"), &key)?;
        let before = seen.size();
        self.follow(&mut seen, &journal)?;
        seen.cosign(|note| journal.cosign(note, self.pace.clock.now()))?;
        let ledger = seen.ledger();
        let mut done = self.begin(&key, &seen, &ledger);
        self.tell_broken(&journal, &key, &ledger, before)?;
        for (_, change) in &ledger.changes {
            let name = Name::List(change.list);
            if !self.directory.join(name.path()).exists() {
                self.copy(&name, EXTENSION_BYTES_MAX, false, &mut done, &journal)?;
            }
        }
        if done.missing.is_empty() && done.damaged.is_empty() {
            let all = wanted(&ledger, |list| self.list(list))?;
            self.copy_all(&all, &mut done, &journal)?;
            if done.objects_left == 0 {
                self.publish(&description, &seen, &mut done, &journal)?;
            }
        }
        done.state = match (done.missing.len() + done.damaged.len(), done.objects_left) {
            (0, 0) => Progress::Complete,
            (0, _) => Progress::Waiting,
            _ => Progress::Partial,
        };
        Ok(done)
    }

    fn begin(&self, key: &VerifyingKey, seen: &LogCopy, ledger: &Ledger) -> Mirrored {
        Mirrored {
            state: Progress::Partial,
            log: key.name.clone(),
            seen: seen.size(),
            entries: 0,
            root: seen.root(seen.size()).expect("every log has the root of its own size"),
            objects: 0,
            bytes: 0,
            objects_copied: 0,
            bytes_copied: 0,
            objects_seeded: 0,
            bytes_seeded: 0,
            objects_left: 0,
            bytes_left: 0,
            missing: Vec::new(),
            damaged: Vec::new(),
            broken: ledger
                .violations
                .iter()
                .map(|violation| format!("entry {}: {}", violation.entry, violation.what))
                .collect(),
        }
    }

    /// The other side's description, which is the one of the copy or begins it.
    fn description(&self) -> Result<(Vec<u8>, VerifyingKey)> {
        let name = Name::Description;
        let theirs = self.small(&name, SMALL_BYTES_MAX as u64).doing("copy", name.path())?;
        let text = "the other side's vault.json cannot be read";
        let key = description_key(&theirs).ok_or_else(|| Error::Damaged(text.to_owned()))?;
        if self.log_key.as_ref().is_some_and(|wanted| *wanted != key) {
            let text = format!("the vault there has the log key {key}, not the one given");
            return Err(Error::Refused(text));
        }
        let path = self.directory.join(DESCRIPTION);
        if path.exists() {
            if !self.directory.join(REPLICA).exists() {
                let text = "this vault is written here; copy into an empty directory";
                return Err(Error::Refused(text.to_owned()));
            }
            if fs::read(&path).doing("read", &path)? != theirs {
                let text = "STOPPED: another vault is there than the one this is a copy of; \
                            nothing here was changed";
                return Err(Error::Refused(text.to_owned()));
            }
        }
        make_folders(self.directory).doing("create folders in", self.directory)?;
        let marker = self.directory.join(REPLICA);
        if !marker.exists() {
            durable::write(&marker, &[b"mirror\n"], 0o644).doing("write", marker)?;
        }
        Ok((theirs, key))
    }

    /// Takes in the entries that the other side has added.
    fn follow(&self, seen: &mut LogCopy, journal: &Journal) -> Result<()> {
        let mut tries = 3;
        loop {
            let name = Name::Checkpoint;
            let note = self.small(&name, CHECKPOINT_BYTES_MAX).doing("copy", name.path())?;
            let note = String::from_utf8(note).unwrap_or_default();
            let theirs = match seen.compare(&note) {
                Ok(theirs) => theirs,
                Err(why) => return Err(self.diverged(seen, journal, &note, &why.to_string())),
            };
            if theirs.size == seen.size() {
                return Ok(());
            }
            tries -= 1;
            match self.entries(seen, theirs.size) {
                // The log grew meanwhile, and its last bundle has another name now.
                Err(Error::Io { source, .. })
                    if tries > 0 && source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(Err(number)) => {
                    let why = format!("its entry {number} is not the one that was seen before");
                    return Err(self.diverged(seen, journal, &note, &why));
                }
                Ok(Ok(added)) => match seen.extend(&note, added) {
                    Ok(()) => return Ok(()),
                    Err(Error::Damaged(why)) => {
                        return Err(self.diverged(seen, journal, &note, &why));
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// The entries after those seen, or the number of a seen one that is another there.
    fn entries(&self, seen: &LogCopy, size: u64) -> Result<std::result::Result<Vec<Vec<u8>>, u64>> {
        let mut added = Vec::new();
        for (index, width) in tile::tiles(size, seen.size() / tile::WIDTH) {
            let name = Name::Tile(tile::path(None, index, width));
            let bytes = self.small(&name, EXTENSION_BYTES_MAX).doing("copy", name.path())?;
            let damaged = || Error::Damaged(format!("{name} of the other side cannot be read"));
            let entries = tile::entries(&bytes, width).ok_or_else(damaged)?;
            for (number, entry) in (index * tile::WIDTH..).zip(entries) {
                match usize::try_from(number).ok().and_then(|n| seen.entries().get(n)) {
                    Some(held) if *held != entry => return Ok(Err(number)),
                    Some(_) => {}
                    None => added.push(entry),
                }
            }
        }
        Ok(Ok(added))
    }

    /// Keeps the evidence; the error that stops the copying.
    fn diverged(&self, seen: &LogCopy, journal: &Journal, theirs: &str, why: &str) -> Error {
        let entry = self.first_difference(seen);
        let known = journal.entries().is_ok_and(|entries| {
            entries.iter().any(|held| {
                matches!(&held.noted, Noted::Diverged { theirs: held, .. } if held == theirs)
            })
        });
        if !known {
            let noted = Noted::Diverged {
                log: seen.key().name.clone(),
                why: why.to_owned(),
                entry,
                ours: seen.note().ok().flatten().unwrap_or_default(),
                theirs: theirs.to_owned(),
            };
            if let Err(error) = journal.note(noted, self.pace.clock.now()) {
                tracing::error!(%error, "the journal cannot be written");
            }
        }
        let at = entry.map_or(String::new(), |n| format!("; the first that differs is entry {n}"));
        Error::Refused(format!(
            "STOPPED: the history at the other side was rewritten: {why}{at}. Nothing here was \
             changed; both checkpoints are in the journal (`spandrel vault journal`)"
        ))
    }

    /// The first entry of those seen that is another at the other side now.
    fn first_difference(&self, seen: &LogCopy) -> Option<u64> {
        for (index, width) in tile::tiles(seen.size(), 0) {
            let start = usize::try_from(index * tile::WIDTH).ok()?;
            let held = &seen.entries()[start..start + usize::try_from(width).ok()?];
            // Its last bundle may be wider by now, or be full.
            let widths = [width, tile::WIDTH].into_iter().chain(width..tile::WIDTH);
            let theirs = widths.take(8).find_map(|width| {
                let name = Name::Tile(tile::path(None, index, width));
                let bytes = self.small(&name, EXTENSION_BYTES_MAX).ok()?;
                tile::entries(&bytes, width)
            })?;
            let same =
                held.iter().zip(&theirs).take_while(|(a, b)| merkle::leaf(a) == merkle::leaf(b));
            let same = same.count() as u64;
            if same < width {
                return Some(index * tile::WIDTH + same);
            }
        }
        None
    }

    fn tell_broken(
        &self,
        journal: &Journal,
        key: &VerifyingKey,
        ledger: &Ledger,
        before: u64,
    ) -> Result<()> {
        for violation in ledger.violations.iter().filter(|v| v.entry >= before) {
            let (log, entry, why) = (key.name.clone(), violation.entry, violation.what.clone());
            journal.note(Noted::Broken { log, entry, why }, self.pace.clock.now())?;
        }
        Ok(())
    }

    fn list(&self, list: &Sha256) -> Result<String> {
        let path = self.directory.join(Name::List(*list).path());
        fs::read_to_string(&path).doing("read", path)
    }

    fn copy_all(&self, all: &[Wanted], done: &mut Mirrored, journal: &Journal) -> Result<()> {
        for Wanted { name, object, bulk } in all {
            done.objects += 1;
            done.bytes += object.size;
            if *name == Name::Config {
                self.config(&object.hash, done)?;
                continue;
            }
            let path = self.directory.join(name.path());
            if fs::metadata(path).is_ok_and(|meta| meta.len() == object.size) {
                continue;
            }
            if self.seeded(name, object.size, done)? {
                continue;
            }
            if *bulk && !self.pace.is_open() {
                done.objects_left += 1;
                done.bytes_left += object.size;
                continue;
            }
            self.copy(name, object.size, true, done, journal)?;
        }
        Ok(())
    }

    /// Takes an object from a vault on this machine, if it is there and right.
    fn seeded(&self, name: &Name, size: u64, done: &mut Mirrored) -> Result<bool> {
        let Some((seeds, hash)) = self.seeds.zip(name.hash()) else { return Ok(false) };
        let Ok(file) = File::open(seeds.join(name.path())) else { return Ok(false) };
        let site = self.directory.join(SITE);
        let inbox = Inbox::of(&site, "seeds").doing("create", &site)?;
        let mut part = inbox.open(hash).doing("write", &site)?;
        part.clear().doing("write", &site)?;
        let (mut file, mut buffer) = (file.take(size.saturating_add(1)), vec![0; 256 * 1_024]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => part.write(&buffer[..n]).doing("write", &site)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The other side has it as well.
                Err(_) => return Ok(false),
            }
        }
        let right = part.length() == size;
        let checked = part.check().doing("write", &site)?;
        let (Ok(checked), true) = (checked, right) else { return Ok(false) };
        let to = self.directory.join(name.path());
        checked.publish(&to, self.seal).doing("write", to)?;
        done.objects_seeded += 1;
        done.bytes_seeded += size;
        Ok(true)
    }

    /// The one object without a hash for a name.
    fn config(&self, hash: &Sha256, done: &mut Mirrored) -> Result<()> {
        let name = Name::Config;
        let path = self.directory.join(name.path());
        if path.exists() {
            return Ok(());
        }
        match self.small(&name, SMALL_BYTES_MAX as u64) {
            Ok(bytes) if Sha256::of(&bytes) == *hash => {
                durable::write(&path, &[&bytes], 0o400).doing("write", &path)?;
                self.seal.close(&path).doing("seal", &path)?;
                done.objects_copied += 1;
                done.bytes_copied += bytes.len() as u64;
            }
            Ok(_) => done.damaged.push(name.path()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => done.missing.push(name.path()),
            Err(error) => return Err(error).doing("copy", name.path()),
        }
        Ok(())
    }

    /// Copies a file that is named by its hash.
    fn copy(
        &self,
        name: &Name,
        size: u64,
        exact: bool,
        done: &mut Mirrored,
        journal: &Journal,
    ) -> Result<()> {
        // A second try tells a flipped bit of the way from one of the other side.
        let mut got = self.object(name, size, exact)?;
        if matches!(got, Got::Damaged) {
            got = self.object(name, size, exact)?;
        }
        match got {
            Got::Copied => {
                let path = self.directory.join(name.path());
                done.objects_copied += 1;
                done.bytes_copied += fs::metadata(&path).doing("read", &path)?.len();
            }
            Got::Absent => done.missing.push(name.path()),
            Got::Damaged => {
                let (path, from) = (name.path(), done.log.clone());
                done.damaged.push(path.clone());
                let noted = Noted::Damaged { path, from };
                if journal.entries()?.iter().all(|entry| entry.noted != noted) {
                    journal.note(noted, self.pace.clock.now())?;
                }
            }
        }
        Ok(())
    }

    /// Copies until it is whole, going on where a broken link stopped. Without `exact`, `size` is
    /// the most it may have.
    fn object(&self, name: &Name, size: u64, exact: bool) -> Result<Got> {
        let hash = name.hash().expect("only what has a hash for a name comes here");
        let site = self.directory.join(SITE);
        let inbox = Inbox::of(&site, "mirror").doing("create", &site)?;
        let mut patience = Patience::new(self.pace.clock, self.tries_max);
        loop {
            let mut part = inbox.open(hash).doing("write", &site)?;
            if part.length() > size {
                part.clear().doing("write", &site)?;
            }
            let before = part.length();
            let whole = exact && before == size;
            let ended = if whole { Ok(true) } else { self.fill(name, size, &mut part)? };
            match ended {
                Ok(ended) if part.length() == size || (ended && !exact) => {
                    let checked = part.check().doing("write", &site)?;
                    let Ok(checked) = checked else { return Ok(Got::Damaged) };
                    let to = self.directory.join(name.path());
                    checked.publish(&to, self.seal).doing("write", to)?;
                    return Ok(Got::Copied);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Got::Absent),
                // It ends before its size there as well.
                Ok(true) if part.length() == before => {
                    part.clear().doing("write", &site)?;
                    return Ok(Got::Damaged);
                }
                ended => {
                    if part.length() > before {
                        patience.progress();
                    }
                    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
                    let error = ended.err().unwrap_or_else(short);
                    patience.wait(error).doing("copy", name.path())?;
                }
            }
        }
    }

    /// Writes what comes to the end of a part: whether the file ended, or how the link failed.
    /// What fails here is an error of its own.
    fn fill(&self, name: &Name, size: u64, part: &mut super::Part) -> Result<io::Result<bool>> {
        let fetched = match self.origin.open(name, part.length()) {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        let here = || self.directory.join(SITE);
        if fetched.offset != part.length() {
            part.clear().doing("write", here())?;
        }
        let mut reader = fetched.reader;
        let mut slow = self.pace.slow(&mut *reader);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let left = size - part.length();
            if left == 0 {
                // Read to its end, a connection can be used again.
                drop(slow.read(&mut buffer[..1]));
                return Ok(Ok(true));
            }
            let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            match slow.read(&mut buffer[..room]) {
                Ok(0) => return Ok(Ok(true)),
                Ok(n) => part.write(&buffer[..n]).doing("write", here())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// The bytes of a small file.
    fn small(&self, name: &Name, max: u64) -> io::Result<Vec<u8>> {
        let mut patience = Patience::new(self.pace.clock, self.tries_max);
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            let before = bytes.len();
            let read = self.origin.open(name, before as u64).and_then(|fetched| {
                if fetched.offset != bytes.len() as u64 {
                    bytes.clear();
                }
                let room = max.saturating_add(1).saturating_sub(bytes.len() as u64);
                let mut reader = fetched.reader.take(room);
                self.pace.slow(&mut reader).read_to_end(&mut bytes)
            });
            match read {
                Ok(_) if bytes.len() as u64 > max => {
                    let text = format!("it has more than {max} bytes");
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                Ok(_) => return Ok(bytes),
                Err(error) => {
                    if bytes.len() > before {
                        patience.progress();
                    }
                    patience.wait(error)?;
                }
            }
        }
    }

    /// Moves the copy's own log on: everything it names is here.
    fn publish(
        &self,
        description: &[u8],
        seen: &LogCopy,
        done: &mut Mirrored,
        journal: &Journal,
    ) -> Result<()> {
        let mut log = LogCopy::open(&self.directory.join(LOG), seen.key())?;
        let note = seen.note()?.unwrap_or_default();
        let held = usize::try_from(log.size()).unwrap_or(usize::MAX);
        let moved = log.size() != seen.size();
        if let Err(why) = log.compare(&note) {
            return Err(self.diverged(&log, journal, &note, &why.to_string()));
        }
        if moved {
            log.extend(&note, seen.entries()[held..].to_vec())?;
        } else {
            log.cosign(|_| Some(note.clone()))?;
        }
        let path = self.directory.join(DESCRIPTION);
        if !path.exists() {
            durable::write(&path, &[description], 0o644).doing("write", path)?;
        }
        done.entries = log.size();
        if moved {
            let noted = Noted::Mirrored {
                log: done.log.clone(),
                size: done.seen,
                root: done.root,
                objects: done.objects,
                bytes: done.bytes,
                missing: (done.missing.len() + done.damaged.len()) as u64,
            };
            journal.note(noted, self.pace.clock.now())?;
        }
        if let Err(error) = self.origin.acknowledge(&note) {
            tracing::warn!(%error, "the other side was not told how far this copy is");
        }
        Ok(())
    }
}

/// One copying at a time.
fn turn(site: &Path) -> Result<Held> {
    Held::take(&site.join(".mirror-lock"))
}
