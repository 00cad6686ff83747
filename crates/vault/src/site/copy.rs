//! A copy of a log: grows only by entries that continue it and that its own key has signed.
//!
//! All entries are here, so the consistency of a new checkpoint is computed, not asked for: the
//! entries held, followed by the new ones, must give the root that was signed. Invariant: the
//! entries and checkpoint held are never replaced by others.

use crate::{
    digest::Sha256,
    error::{Error, IoContext, Result},
    ledger::Ledger,
    log::{Checkpoint, Log, VerifyingKey, Writing, tile},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub struct LogCopy {
    directory: PathBuf,
    key: VerifyingKey,
    log: Log,
    entries: Vec<Vec<u8>>,
}

/// The other side's log is not a continuation of what is held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rewritten {
    #[error("its checkpoint is not valid: {0}")]
    Unsigned(&'static str),
    #[error("it has {theirs} entries, {ours} were seen before")]
    Shorter { ours: u64, theirs: u64 },
    #[error("its first {size} entries are not those that were seen before")]
    Other { size: u64 },
}

impl LogCopy {
    /// Opens the copy in `directory`; an absent one is empty.
    pub fn open(directory: &Path, key: &VerifyingKey) -> Result<Self> {
        fs::create_dir_all(directory).doing("create", directory)?;
        let mut entries = Vec::new();
        let log = if directory.join(tile::CHECKPOINT).exists() {
            Log::open(directory, key, |_, entry| entries.push(entry.to_vec()))?
        } else {
            Log::empty(directory, key)
        };
        Ok(Self { directory: directory.into(), key: key.clone(), log, entries })
    }

    pub fn size(&self) -> u64 {
        self.log.size()
    }

    pub fn root(&self, size: u64) -> Option<Sha256> {
        self.log.root(size)
    }

    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    /// The state the entries tell.
    pub fn ledger(&self) -> Ledger {
        ledger(&self.key, &self.entries)
    }

    /// The checkpoint held, with its cosignatures.
    pub fn note(&self) -> Result<Option<String>> {
        let path = self.directory.join(tile::CHECKPOINT);
        if !path.exists() {
            return Ok(None);
        }
        fs::read_to_string(&path).doing("read", path).map(Some)
    }

    /// Whether a checkpoint of the other side can continue this copy, before any entry is read.
    pub fn compare(&self, note: &str) -> std::result::Result<Checkpoint, Rewritten> {
        let theirs = Checkpoint::open(note, &self.key).map_err(Rewritten::Unsigned)?;
        let ours = self.size();
        if theirs.size < ours {
            return Err(Rewritten::Shorter { ours, theirs: theirs.size });
        }
        if theirs.size == ours && self.root(ours) != Some(theirs.root) {
            return Err(Rewritten::Other { size: ours });
        }
        Ok(theirs)
    }

    /// Takes in the entries that follow, if with them the copy has the root that `note` signs.
    pub fn extend(&mut self, note: &str, added: Vec<Vec<u8>>) -> Result<()> {
        let _turn = Writing::begin(&self.directory)?;
        self.log.extend(note, &added)?;
        self.entries.extend(added);
        Ok(())
    }

    /// Puts a cosignature on the checkpoint held.
    pub fn cosign(&self, sign: impl FnOnce(&str) -> Option<String>) -> Result<String> {
        let note = self.note()?.unwrap_or_default();
        let damaged = || Error::Damaged("the checkpoint is no signed note".to_owned());
        let cosigned = sign(&note).ok_or_else(damaged)?;
        if cosigned != note {
            self.log.write_note(&cosigned)?;
        }
        Ok(cosigned)
    }
}

/// What entries tell, from the first on.
pub fn ledger(key: &VerifyingKey, entries: &[Vec<u8>]) -> Ledger {
    let mut ledger = Ledger::new(&key.name);
    for (number, entry) in (0..).zip(entries) {
        ledger.fold(number, entry);
    }
    ledger
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Signer;

    fn grown(directory: &Path, from: u64, to: u64, word: &str) -> (Signer, String) {
        let signer = Signer::from_seed("log.example/1", &[1; 32]);
        let mut log = if from == 0 {
            Log::create(directory, &signer).unwrap()
        } else {
            Log::open(directory, &signer.verifying_key(), |_, _| ()).unwrap()
        };
        for i in from..to {
            log.append(&signer, format!("{word} {i}").into_bytes()).unwrap();
        }
        let note = fs::read_to_string(directory.join(tile::CHECKPOINT)).unwrap();
        (signer, note)
    }

    fn entries(from: u64, to: u64, word: &str) -> Vec<Vec<u8>> {
        (from..to).map(|i| format!("{word} {i}").into_bytes()).collect()
    }

    #[test]
    fn a_copy_has_the_bytes_of_the_original_at_every_size_it_took() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut from = 0;
        for to in [1, 5, 256, 257, 700] {
            let (signer, note) = grown(a.path(), from, to, "entry");
            let mut copy = LogCopy::open(b.path(), &signer.verifying_key()).unwrap();
            assert_eq!(copy.compare(&note).unwrap().size, to);
            copy.extend(&note, entries(from, to, "entry")).unwrap();
            from = to;
        }
        let tree = |root: &Path| {
            let mut found = std::collections::BTreeMap::new();
            let mut waiting = vec![root.to_owned()];
            while let Some(at) = waiting.pop() {
                for entry in fs::read_dir(at).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        waiting.push(path);
                    } else if !path.ends_with(".lock") {
                        let name = path.strip_prefix(root).unwrap().to_owned();
                        found.insert(name, fs::read(path).unwrap());
                    }
                }
            }
            found
        };
        assert_eq!(tree(b.path()), tree(a.path()));
    }

    #[test]
    fn a_rewritten_shorter_or_unsigned_log_is_not_taken() {
        let places: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        let (signer, note) = grown(places[0].path(), 0, 9, "entry");
        let key = signer.verifying_key();
        let mut copy = LogCopy::open(places[1].path(), &key).unwrap();
        copy.extend(&note, entries(0, 9, "entry")).unwrap();
        let (_, short) = grown(places[2].path(), 0, 7, "entry");
        assert_eq!(copy.compare(&short), Err(Rewritten::Shorter { ours: 9, theirs: 7 }));
        let (_, other) = grown(places[3].path(), 0, 9, "other");
        assert_eq!(copy.compare(&other), Err(Rewritten::Other { size: 9 }));
        let (_, longer) = grown(places[3].path(), 9, 12, "other");
        assert!(copy.compare(&longer).is_ok(), "only its entries can tell");
        assert!(copy.extend(&longer, entries(9, 12, "other")).is_err());
        assert!(matches!(copy.compare(&note[1..]), Err(Rewritten::Unsigned(_))));
        let copy = LogCopy::open(places[1].path(), &key).unwrap();
        assert_eq!((copy.size(), copy.entries().len()), (9, 9));
    }
}
