//! Proof without a key: is everything the log vouches for there and unchanged?
//!
//! Reads a vault through [`Files`], so a copy on a disk and one behind a web server are checked
//! alike. Invariant: no problem means that checkpoint, entries, tiles, lists and every object are
//! byte for byte what was signed; the first problem names the entry it belongs to.

use crate::{
    digest::Sha256,
    ledger::Ledger,
    limits::CHECKPOINT_BYTES_MAX,
    log::{
        Checkpoint, VerifyingKey, merkle,
        tile::{self, Levels},
    },
    manifest::{Manifest, Object, named_hash},
    vault::{DESCRIPTION, Description, LISTS, LOG, REPOSITORY},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// A vault's files, by their path in it.
pub trait Files {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>>;

    /// Paths of all files, when they can be listed.
    fn list(&self) -> io::Result<Option<BTreeSet<String>>>;
}

/// A directory on this machine.
pub struct Directory(pub PathBuf);

impl Files for Directory {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(self.0.join(path))?))
    }

    fn list(&self) -> io::Result<Option<BTreeSet<String>>> {
        let mut found = BTreeSet::new();
        walk(&self.0, Path::new(""), &mut found)?;
        Ok(Some(found))
    }
}

fn walk(root: &Path, at: &Path, found: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(at))? {
        let entry = entry?;
        let path = at.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.insert(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// What must hold besides the vault agreeing with itself.
#[derive(Default)]
pub struct Demands {
    /// The log's key, from a safe place; without it the vault's own word is taken.
    pub log_key: Option<VerifyingKey>,
    /// An earlier checkpoint the log must still contain.
    pub checkpoint: Option<String>,
    /// Witnesses that must have cosigned the log as it is.
    pub witnesses: Vec<VerifyingKey>,
}

/// The verdict.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub ok: bool,
    pub log: String,
    pub entries: u64,
    pub root: Option<Sha256>,
    pub snapshots: u64,
    pub objects: u64,
    pub bytes: u64,
    /// In the order of the log; the first is where trust ends.
    pub problems: Vec<Problem>,
    /// What is odd and proves nothing.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Number of the log entry; `None` when it is of no entry, such as a signature.
    pub entry: Option<u64>,
    pub path: String,
    pub what: String,
}

/// Checks everything.
pub fn verify(files: &dyn Files, demands: &Demands) -> Verdict {
    let mut work = Work { files, verdict: Verdict::default() };
    if let Some((ledger, description)) = work.log(demands) {
        work.rules(&ledger, &description);
        let objects = work.lists(&ledger);
        work.objects(&objects);
        work.strays(&objects, &ledger);
    }
    let mut verdict = work.verdict;
    verdict.problems.sort();
    verdict.ok = verdict.problems.is_empty();
    verdict
}

struct Work<'a> {
    files: &'a dyn Files,
    verdict: Verdict,
}

impl Work<'_> {
    fn problem(&mut self, entry: Option<u64>, path: &str, what: impl Into<String>) {
        let (path, what) = (path.to_owned(), what.into());
        self.verdict.problems.push(Problem { entry, path, what });
    }

    /// The bytes of a small file; a problem when it cannot be read.
    fn read(&mut self, entry: Option<u64>, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.files.open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        match read {
            Ok(_) => Some(bytes),
            Err(error) => {
                self.problem(entry, path, missing_or(&error));
                None
            }
        }
    }

    /// Checkpoint, entries and tiles; the state they tell and the description's bytes.
    fn log(&mut self, demands: &Demands) -> Option<(Ledger, Vec<u8>)> {
        let description = self.read(None, DESCRIPTION)?;
        let claimed = serde_json::from_slice::<Description>(&description)
            .ok()
            .and_then(|description| VerifyingKey::parse(&description.log_key));
        let Some(claimed) = claimed else {
            self.problem(Some(0), DESCRIPTION, "it cannot be read");
            return None;
        };
        if demands.log_key.as_ref().is_some_and(|key| *key != claimed) {
            self.problem(None, DESCRIPTION, "its log key is not the one given");
            return None;
        }
        let (checkpoint, note) = self.checkpoint(&claimed)?;
        self.verdict.log = checkpoint.origin.clone();
        self.verdict.entries = checkpoint.size;
        self.verdict.root = Some(checkpoint.root);
        for witness in &demands.witnesses {
            if Checkpoint::cosigned_by(&note, witness).is_none() {
                let what = format!("witness {} has not cosigned it", witness.name);
                self.problem(None, &in_log(tile::CHECKPOINT), what);
            }
        }
        let (levels, ledger) = self.entries(&checkpoint)?;
        if let Some(earlier) = &demands.checkpoint {
            self.earlier(earlier, &claimed, &levels);
        }
        Some((ledger, description))
    }

    fn checkpoint(&mut self, key: &VerifyingKey) -> Option<(Checkpoint, String)> {
        let path = in_log(tile::CHECKPOINT);
        let bytes = self.read(None, &path)?;
        if bytes.len() as u64 > CHECKPOINT_BYTES_MAX {
            self.problem(None, &path, "it is too long to be a checkpoint");
            return None;
        }
        let note = String::from_utf8(bytes).unwrap_or_default();
        match Checkpoint::open(&note, key) {
            Ok(checkpoint) => Some((checkpoint, note)),
            Err(why) => {
                self.problem(None, &path, why);
                None
            }
        }
    }

    /// Entries against the signed root, and the tiles against the entries. When the root does
    /// not come out, the tiles tell which entry is not the one that was signed.
    fn entries(&mut self, checkpoint: &Checkpoint) -> Option<(Levels, Ledger)> {
        let size = checkpoint.size;
        let (mut levels, mut ledger) = (Levels::default(), Ledger::new(&checkpoint.origin));
        for (index, width) in tile::tiles(size, 0) {
            let path = in_log(&tile::path(None, index, width));
            let first = index * tile::WIDTH;
            let bytes = self.read(Some(first), &path)?;
            let Some(entries) = tile::entries(&bytes, width) else {
                let at = self.first_difference(index, width, &bytes);
                self.problem(Some(at), &path, "its entries cannot be told apart");
                return None;
            };
            for (entry, number) in entries.iter().zip(first..) {
                levels.push(merkle::leaf(entry));
                ledger.fold(number, entry);
            }
        }
        let entries_hold = levels.root(size) == checkpoint.root;
        let stored = self.tiles(&levels, size, entries_hold);
        if !entries_hold {
            let path = in_log(tile::CHECKPOINT);
            if stored.size() == size && stored.root(size) == checkpoint.root {
                let differs = |n: &u64| stored.0[0][*n as usize] != levels.0[0][*n as usize];
                for number in (0..size).filter(differs) {
                    let index = number / tile::WIDTH;
                    let width = (size - index * tile::WIDTH).min(tile::WIDTH);
                    let path = in_log(&tile::path(None, index, width));
                    self.problem(Some(number), &path, "the entry is not the one that was signed");
                }
            } else {
                self.problem(None, &path, "neither entries nor tiles give the root it signs");
            }
            return None;
        }
        Some((levels, ledger))
    }

    /// Compares the stored hash tiles with the entries' and returns them. When the entries are
    /// wrong themselves the difference is reported as theirs.
    fn tiles(&mut self, levels: &Levels, size: u64, entries_hold: bool) -> Levels {
        let mut stored = Levels::default();
        for (level, hashes) in levels.0.iter().enumerate() {
            for (index, width) in tile::tiles(hashes.len() as u64, 0) {
                let path = in_log(&tile::path(Some(level), index, width));
                let first = index * tile::WIDTH;
                let start = first as usize;
                let expected: Vec<u8> =
                    hashes[start..start + width as usize].iter().flat_map(|hash| hash.0).collect();
                // The first entry a hash of this level stands for.
                let entry = |n: u64| Some(((first + n) << (8 * level)).min(size));
                let Some(bytes) = self.read(entry(0), &path) else { continue };
                if bytes != expected && entries_hold {
                    let at = bytes.iter().zip(&expected).take_while(|(a, b)| a == b).count();
                    let what = "the hash tile is not that of the signed entries";
                    self.problem(entry(at as u64 / 32), &path, what);
                }
                if level == 0 {
                    let (hashes, _) = bytes.as_chunks::<32>();
                    hashes.iter().for_each(|hash| stored.push(Sha256(*hash)));
                }
            }
        }
        stored
    }

    /// The first entry of an unreadable bundle whose hash is not the tile's.
    fn first_difference(&mut self, index: u64, width: u64, bundle: &[u8]) -> u64 {
        let path = in_log(&tile::path(Some(0), index, width));
        let tile = self.read(None, &path).unwrap_or_default();
        let (hashes, _) = tile.as_chunks::<32>();
        let readable = (0..=width).rev().find_map(|n| {
            let mut rest = bundle;
            let mut found = Vec::new();
            for _ in 0..n {
                let (length, after) = rest.split_first_chunk::<2>()?;
                let length = usize::from(u16::from_be_bytes(*length));
                let (entry, after) = after.split_at_checked(length)?;
                found.push(merkle::leaf(entry));
                rest = after;
            }
            Some(found)
        });
        let readable: Vec<Sha256> = readable.unwrap_or_default();
        let same = readable.iter().zip(hashes);
        index * tile::WIDTH + same.take_while(|(leaf, hash)| leaf.0 == **hash).count() as u64
    }

    fn earlier(&mut self, note: &str, key: &VerifyingKey, levels: &Levels) {
        let path = "the checkpoint given";
        match Checkpoint::open(note, key) {
            Err(why) => self.problem(None, path, why),
            Ok(earlier) if earlier.size > levels.size() => {
                let what =
                    format!("the log had {} entries then, {} now", earlier.size, levels.size());
                self.problem(None, path, what);
            }
            Ok(earlier) if levels.root(earlier.size) != earlier.root => {
                let what = format!("the log's first {} entries were others then", earlier.size);
                self.problem(None, path, what);
            }
            Ok(_) => {}
        }
    }

    fn rules(&mut self, ledger: &Ledger, description: &[u8]) {
        for violation in &ledger.violations {
            self.problem(Some(violation.entry), LOG, violation.what.clone());
        }
        if ledger.description != Some(Sha256::of(description)) {
            self.problem(Some(0), DESCRIPTION, "it is not the one the log began with");
        }
        self.verdict.snapshots = ledger.snapshots.len() as u64;
    }

    /// The objects there must be, each with the entry that brought it.
    fn lists(&mut self, ledger: &Ledger) -> BTreeMap<String, (u64, Object)> {
        let mut objects: BTreeMap<String, Object> = BTreeMap::new();
        let mut brought = BTreeMap::new();
        for (entry, change) in &ledger.changes {
            let path = in_log(&format!("{LISTS}/{}", change.list));
            let Some(bytes) = self.read(Some(*entry), &path) else { continue };
            let manifest = String::from_utf8(bytes.clone()).ok();
            let manifest = manifest.and_then(|text| Manifest::parse(&text));
            match manifest {
                Some(manifest) if Sha256::of(&bytes) == change.list => {
                    for path in manifest.added.keys() {
                        brought.insert(path.clone(), *entry);
                    }
                    manifest.apply(&mut objects);
                }
                _ => self.problem(Some(*entry), &path, "the list does not hash to its name"),
            }
        }
        objects
            .into_iter()
            .map(|(path, object)| {
                let entry = brought.get(&path).copied().unwrap_or_default();
                (path, (entry, object))
            })
            .collect()
    }

    fn objects(&mut self, objects: &BTreeMap<String, (u64, Object)>) {
        for (name, (entry, object)) in objects {
            let path = format!("{REPOSITORY}/{name}");
            match self.files.open(&path).and_then(Sha256::of_reader) {
                Ok((hash, size)) if hash == object.hash && size == object.size => {
                    self.verdict.objects += 1;
                    self.verdict.bytes += size;
                }
                Ok((_, size)) if size != object.size => {
                    let what = format!("it has {size} bytes, {} were stored", object.size);
                    self.problem(Some(*entry), &path, what);
                }
                Ok(_) => self.problem(Some(*entry), &path, "its bytes do not hash to its name"),
                Err(error) => self.problem(Some(*entry), &path, missing_or(&error)),
            }
        }
    }

    /// Files the log does not know: left by a crash or by another program. Their names must
    /// still be true.
    fn strays(&mut self, objects: &BTreeMap<String, (u64, Object)>, ledger: &Ledger) {
        let listed = match self.files.list() {
            Ok(Some(listed)) => listed,
            Ok(None) => {
                let note = "the place cannot be listed, so files the log does not know are unseen";
                return self.verdict.notes.push(note.to_owned());
            }
            Err(error) => return self.problem(None, "", error.to_string()),
        };
        let mut unknown = 0;
        for path in &listed {
            let Some(name) = path.strip_prefix("repository/") else { continue };
            let temporary = name.rsplit('/').next().is_some_and(|n| n.starts_with(".tmp-"));
            if objects.contains_key(name) || name.starts_with("locks/") || temporary {
                continue;
            }
            unknown += 1;
            let hash = self.files.open(path).and_then(Sha256::of_reader).map(|(hash, _)| hash);
            if hash.ok() != named_hash(name) {
                self.problem(None, path, "the log does not know it and its name is not its hash");
            } else if let Some(id) = name.strip_prefix("snapshots/") {
                self.verdict.notes.push(format!("snapshot {id} is not in the log yet"));
            }
        }
        if unknown > 0 {
            let note = format!("{unknown} files of the repository are not in the log yet");
            self.verdict.notes.push(note);
        }
        if ledger.snapshots.is_empty() {
            self.verdict.notes.push("the vault holds no snapshot".to_owned());
        }
    }
}

fn in_log(path: &str) -> String {
    format!("{LOG}/{path}")
}

fn missing_or(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is missing".to_owned(),
        _ => error.to_string(),
    }
}
