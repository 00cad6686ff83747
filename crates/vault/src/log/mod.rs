//! The transparency log of a vault: what was stored, held, approved and deleted, in an order
//! nobody can change afterwards without being seen.
//!
//! A directory of static files in the C2SP tlog-tiles format. Not here: what the entries say
//! ([`crate::event`]). Invariant: [`Log::append`] answers after checkpoint and tiles are on disk,
//! and refuses to extend a log whose tiles do not give the root that was signed.

pub mod merkle;
mod note;
pub mod tile;

pub use note::{Checkpoint, Signer, VerifyingKey};

use crate::{
    digest::Sha256,
    durable,
    error::{Error, IoContext, Result},
    held::Held,
    limits::LEAF_BYTES_MAX,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tile::Levels;

/// How often a reader begins anew because the log grew under it.
const READ_TRIES: u32 = 5;

pub struct Log {
    directory: PathBuf,
    key: VerifyingKey,
    levels: Levels,
    /// Entries of the last bundle, when it is not full.
    tail: Vec<Vec<u8>>,
}

impl Log {
    /// Makes an empty log.
    pub fn create(directory: &Path, signer: &Signer) -> Result<Self> {
        fs::create_dir_all(directory).doing("create", directory)?;
        let empty = Self::empty(directory, &signer.verifying_key());
        empty.write_checkpoint(signer)?;
        Ok(empty)
    }

    /// A log of which nothing is on disk yet.
    pub(crate) fn empty(directory: &Path, key: &VerifyingKey) -> Self {
        let (levels, tail) = (Levels::default(), Vec::new());
        Self { directory: directory.into(), key: key.clone(), levels, tail }
    }

    /// Reads the log and shows each entry with its number; checks that they give the signed root.
    /// Readers take no turn, so somebody may append meanwhile.
    pub fn open(
        directory: &Path,
        key: &VerifyingKey,
        mut each: impl FnMut(u64, &[u8]),
    ) -> Result<Self> {
        let mut log = Self::empty(directory, key);
        let mut tries = READ_TRIES;
        loop {
            let checkpoint = log.checkpoint()?;
            match log.read_up_to(checkpoint.size, &mut each) {
                // It grew: its last bundle, which was not full, has another name now, and the
                // checkpoint that leads there is on disk. The full ones before it stand.
                Err(Error::Io { source, .. })
                    if tries > 0 && source.kind() == io::ErrorKind::NotFound =>
                {
                    tries -= 1;
                    continue;
                }
                done => done?,
            }
            if log.size() != checkpoint.size || log.levels.root(log.size()) != checkpoint.root {
                let text = "the log's entries are not those that were signed";
                return Err(Error::Damaged(text.to_owned()));
            }
            return Ok(log);
        }
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let path = self.directory.join(tile::CHECKPOINT);
        let note = fs::read_to_string(&path).doing("read", &path)?;
        Checkpoint::open(&note, &self.key)
            .map_err(|why| Error::Damaged(format!("the log's checkpoint is not valid: {why}")))
    }

    /// Reads the bundles after those that were read, all of which were full.
    fn read_up_to(&mut self, size: u64, each: &mut impl FnMut(u64, &[u8])) -> Result<()> {
        for (index, width) in tile::tiles(size, self.size() / tile::WIDTH) {
            let path = self.directory.join(tile::path(None, index, width));
            let bytes = fs::read(&path).doing("read", &path)?;
            let damaged = || Error::Damaged(format!("log entries {index} cannot be read"));
            let entries = tile::entries(&bytes, width).ok_or_else(damaged)?;
            for (entry, number) in entries.iter().zip(index * tile::WIDTH..) {
                self.levels.push(merkle::leaf(entry));
                each(number, entry);
            }
            self.tail = if width < tile::WIDTH { entries } else { Vec::new() };
        }
        Ok(())
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.levels.size()
    }

    /// Root of the log when it had `size` entries; `None` when it never had so many.
    pub fn root(&self, size: u64) -> Option<Sha256> {
        (size <= self.size()).then(|| self.levels.root(size))
    }

    /// Adds an entry and returns its number.
    pub fn append(&mut self, signer: &Signer, entry: Vec<u8>) -> Result<u64> {
        self.append_all(signer, vec![entry])
    }

    /// Adds entries under one checkpoint and returns the number of the first. A reader sees all
    /// of them or none.
    pub fn append_all(&mut self, signer: &Signer, entries: Vec<Vec<u8>>) -> Result<u64> {
        let long = entries.iter().map(Vec::len).find(|length| *length > LEAF_BYTES_MAX);
        if let Some(length) = long {
            let what = format!("a log entry of {length} bytes; {LEAF_BYTES_MAX} at most");
            return Err(Error::Refused(what));
        }
        assert_eq!(signer.verifying_key(), self.key, "the log is signed with its own key");
        let number = self.size();
        for entry in entries {
            self.levels.push(merkle::leaf(&entry));
            self.tail.push(entry);
            if self.tail.len() as u64 == tile::WIDTH {
                self.write_bundle()?;
                self.tail.clear();
            }
        }
        if !self.tail.is_empty() {
            self.write_bundle()?;
        }
        self.write_tiles(number)?;
        self.write_checkpoint(signer)?;
        self.remove_partial(number);
        Ok(number)
    }

    /// Takes in entries that somebody else appended, if with them the log has the root that
    /// `note` signs; otherwise nothing changes.
    pub(crate) fn extend(&mut self, note: &str, added: &[Vec<u8>]) -> Result<()> {
        let invalid = |why| Error::Damaged(format!("the log's new checkpoint is not valid: {why}"));
        let checkpoint = Checkpoint::open(note, &self.key).map_err(invalid)?;
        let from = self.size();
        let mut levels = self.levels.clone();
        added.iter().for_each(|entry| levels.push(merkle::leaf(entry)));
        if checkpoint.size != levels.size() || levels.root(checkpoint.size) != checkpoint.root {
            let text = "the log's new entries do not give the root that was signed";
            return Err(Error::Damaged(text.to_owned()));
        }
        let mut open = self.tail.clone();
        open.extend_from_slice(added);
        let first = from / tile::WIDTH;
        for (index, width) in tile::tiles(checkpoint.size, first) {
            let start = ((index - first) * tile::WIDTH) as usize;
            let entries = &open[start..start + width as usize];
            self.write(&tile::path(None, index, width), &tile::bundle(entries))?;
        }
        self.levels = levels;
        self.write_tiles(from)?;
        self.write_note(note)?;
        self.remove_partial(from);
        let rest = (checkpoint.size % tile::WIDTH) as usize;
        self.tail = open.split_off(open.len() - rest);
        Ok(())
    }

    pub(crate) fn write_note(&self, note: &str) -> Result<()> {
        self.write(tile::CHECKPOINT, note.as_bytes())
    }

    /// The proof that entry `number` is in the log of this size.
    pub fn inclusion(&self, number: u64) -> Vec<Sha256> {
        let leaves = self.levels.0.first().map_or(&[][..], Vec::as_slice);
        usize::try_from(number).map_or(Vec::new(), |n| merkle::inclusion(leaves, n))
    }

    /// The proof that this log continues what it was when it had `earlier` entries.
    pub fn consistency(&self, earlier: u64) -> Vec<Sha256> {
        let leaves = self.levels.0.first().map_or(&[][..], Vec::as_slice);
        usize::try_from(earlier).map_or(Vec::new(), |n| merkle::consistency(leaves, n))
    }

    fn write_bundle(&self) -> Result<()> {
        let index = (self.size() - 1) / tile::WIDTH;
        self.write(&tile::path(None, index, self.tail.len() as u64), &tile::bundle(&self.tail))
    }

    /// Writes the tiles that changed since the log had `from` entries.
    fn write_tiles(&self, from: u64) -> Result<()> {
        let mut before = from;
        for (level, hashes) in self.levels.0.iter().enumerate() {
            let count = hashes.len() as u64;
            if count == before {
                break;
            }
            for (index, width) in tile::tiles(count, before / tile::WIDTH) {
                let start = (index * tile::WIDTH) as usize;
                let bytes: Vec<u8> =
                    hashes[start..start + width as usize].iter().flat_map(|h| h.0).collect();
                self.write(&tile::path(Some(level), index, width), &bytes)?;
            }
            before /= tile::WIDTH;
        }
        Ok(())
    }

    fn write_checkpoint(&self, signer: &Signer) -> Result<()> {
        let size = self.size();
        let origin = self.key.name.clone();
        let checkpoint = Checkpoint { origin, size, root: self.levels.root(size) };
        self.write(tile::CHECKPOINT, checkpoint.sign(signer).as_bytes())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.directory.join(path);
        let parent = path.parent().expect("paths of the log have directories");
        fs::create_dir_all(parent).doing("create", parent)?;
        durable::write(&path, &[bytes], 0o644).doing("write", &path)
    }

    /// Partial tiles of the size before the last append: of no use to a reader of the new
    /// checkpoint, and without this a log would keep 256 copies of every bundle.
    fn remove_partial(&self, old_size: u64) {
        let mut count = old_size;
        for level in std::iter::once(None).chain((0..self.levels.0.len()).map(Some)) {
            if level.is_some_and(|level| level > 0) {
                count /= tile::WIDTH;
            }
            let width = count % tile::WIDTH;
            let now = match level {
                Some(level) => self.levels.0[level].len() as u64,
                None => self.size(),
            };
            if width == 0 || now == count {
                continue;
            }
            let path = self.directory.join(tile::path(level, count / tile::WIDTH, width));
            // A file left behind is harmless: no checkpoint leads to it.
            drop(fs::remove_file(&path));
            drop(path.parent().map(fs::remove_dir));
        }
    }
}

/// Held while the log is read and extended, so that two processes append one after the other.
pub struct Writing {
    _held: Held,
}

impl Writing {
    /// Waits for its turn: appending takes milliseconds.
    pub fn begin(directory: &Path) -> Result<Self> {
        Ok(Self { _held: Held::wait(&directory.join(".lock"))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_longer_than_its_length_field_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let signer = Signer::from_seed("log.example/1", &[1; 32]);
        let mut log = Log::create(directory.path(), &signer).unwrap();
        assert!(log.append(&signer, vec![0; LEAF_BYTES_MAX + 1]).is_err());
        assert_eq!(log.append(&signer, vec![0; LEAF_BYTES_MAX]).unwrap(), 0);
        let mut lengths = Vec::new();
        Log::open(directory.path(), &signer.verifying_key(), |_, e| lengths.push(e.len())).unwrap();
        assert_eq!(lengths, [LEAF_BYTES_MAX]);
    }

    #[test]
    fn a_log_reads_back_what_was_appended_and_refuses_to_grow_on_changed_entries() {
        let directory = tempfile::tempdir().unwrap();
        let signer = Signer::from_seed("log.example/1", &[1; 32]);
        let mut log = Log::create(directory.path(), &signer).unwrap();
        let entry = |i: u64| format!("entry {i}").into_bytes();
        for i in 0..600 {
            assert_eq!(log.append(&signer, entry(i)).unwrap(), i);
        }
        let key = signer.verifying_key();
        let mut seen = Vec::new();
        let mut log = Log::open(directory.path(), &key, |_, e| seen.push(e.to_vec())).unwrap();
        assert_eq!(seen, (0..600).map(entry).collect::<Vec<_>>());
        log.append(&signer, entry(600)).unwrap();
        for (path, exists) in [
            ("tile/0/000", true),
            ("tile/0/002.p/89", true),
            ("tile/0/002.p/88", false),
            ("tile/1/000.p/2", true),
            ("tile/1/000.p/1", false),
            ("tile/entries/001", true),
            ("tile/entries/001.p", false),
            ("tile/entries/002.p/89", true),
        ] {
            assert_eq!(directory.path().join(path).exists(), exists, "{path}");
        }
        let bundle = directory.path().join("tile/entries/001");
        let mut bytes = fs::read(&bundle).unwrap();
        bytes[300] ^= 1;
        fs::write(&bundle, bytes).unwrap();
        let error = Log::open(directory.path(), &key, |_, _| ()).err().expect("refused");
        assert!(matches!(error, Error::Damaged(_)), "{error}");
    }

    #[test]
    fn who_reads_while_the_log_grows_sees_all_of_it_and_each_entry_once() {
        // The last bundle goes on, becomes full, or another follows it.
        for (before, after) in [(300, 301), (300, 512), (300, 700), (300, 1_100)] {
            let directory = tempfile::tempdir().unwrap();
            let signer = Signer::from_seed("log.example/1", &[1; 32]);
            let mut log = Log::create(directory.path(), &signer).unwrap();
            let entries = |from: u64, to| (from..to).map(|n: u64| n.to_be_bytes().to_vec());
            log.append_all(&signer, entries(0, before).collect()).unwrap();
            let mut seen = Vec::new();
            // The first entry is shown when the checkpoint has been read and the last bundle not.
            let each = |number, entry: &[u8]| {
                if number == 0 {
                    log.append_all(&signer, entries(before, after).collect()).unwrap();
                }
                seen.push(entry.to_vec());
            };
            let read = Log::open(directory.path(), &signer.verifying_key(), each).unwrap();
            assert_eq!(read.size(), after);
            assert!(seen.into_iter().eq(entries(0, after)), "{after}");
        }
    }

    #[test]
    fn a_bundle_that_is_missing_is_an_error_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let signer = Signer::from_seed("log.example/1", &[1; 32]);
        let mut log = Log::create(directory.path(), &signer).unwrap();
        log.append(&signer, vec![0]).unwrap();
        fs::remove_file(directory.path().join("tile/entries/000.p/1")).unwrap();
        let error = Log::open(directory.path(), &signer.verifying_key(), |_, _| ()).err();
        assert!(matches!(error, Some(Error::Io { .. })), "{error:?}");
    }
}
