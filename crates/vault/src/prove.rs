//! Proof by reading: every file of a snapshot decrypted and hashed, and by its own format.
//!
//! Writes nothing but the log entry. Not here: what a format is; each is a [`Check`]. Invariant: a
//! snapshot counts as proven only when every chunk of every file was read and had the right hash.

use crate::{
    engine::{ChunkId, Found, Kind, Scratch, VaultEngine},
    error::Result,
    event::{Event, SnapshotId},
    limits::CHECKED_FILE_BYTES_MAX,
    onlooker::Onlooker,
    source::{Fault, Meta},
    vault::Unlocked,
};
use model::Time;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A format that can say whether a file would still be of use.
pub trait Check: Sync {
    /// What is counted under.
    fn name(&self) -> &'static str;

    /// Whether a file of this name is of this format.
    fn fits(&self, path: &Path) -> bool;

    /// What is wrong with the content; `None` when the content says that it is not this format.
    fn check(&self, content: &[u8]) -> Option<std::result::Result<(), String>>;

    /// The same of a restored file where it lies, however large; `None` when it has to be read.
    fn open(&self, _place: &Path) -> Option<std::result::Result<(), String>> {
        None
    }
}

/// How a proof ended.
#[derive(Debug, Default, Serialize)]
pub struct Proof {
    pub files: u64,
    pub bytes: u64,
    /// Files that were also read by their own format, by its name.
    pub checked: BTreeMap<&'static str, u64>,
    /// Files of a known format that are too large to be checked by it.
    pub too_large: u64,
    /// Devices, pipes and sockets, which have no content and are not restored.
    pub left_out: u64,
    pub errors: Vec<Fault>,
}

impl Unlocked {
    /// Reads all of a snapshot. With `checks` it is a proof of level 2, without of level 1.
    pub fn prove(
        &self,
        snapshot: &SnapshotId,
        checks: &[&dyn Check],
        now: Time,
        onlooker: &dyn Onlooker,
    ) -> Result<Proof> {
        let reading = self.engine.read(snapshot)?;
        let (mut proof, mut scratch) = (Proof::default(), Scratch::default());
        reading.walk(&mut |found| {
            let (path, meta, chunks) = match found {
                Found::Entry { path, meta, kind: Kind::File(chunks) } => (path, meta, chunks),
                Found::Entry { kind: Kind::Special(_), .. } => {
                    proof.left_out += 1;
                    return Ok(());
                }
                Found::Entry { .. } => return Ok(()),
                Found::Damaged { path, why } => {
                    proof.errors.push(Fault::new("", path, why));
                    return Ok(());
                }
            };
            let mut read = |id: &ChunkId, take: &mut dyn FnMut(&[u8])| {
                let bytes = reading.chunk(id, &mut scratch).map_err(|error| error.to_string())?;
                onlooker.passed(&path, bytes.len() as u64);
                take(bytes);
                Ok(())
            };
            if let Err(why) = proof.file(&path, &meta, &chunks, checks, &mut read) {
                proof.errors.push(Fault::new("", &path, why));
            }
            Ok(())
        })?;
        let (level, faults) = (if checks.is_empty() { 1 } else { 2 }, proof.errors.len() as u64);
        self.append(now, |ledger| {
            crate::custody::known(ledger, snapshot)?;
            let (files, bytes, whole) = (proof.files, proof.bytes, faults == 0);
            Ok(Event::Verified { snapshot: *snapshot, level, files, bytes, faults, whole })
        })?;
        Ok(proof)
    }
}

impl Unlocked {
    /// Notes that all of a snapshot was restored in isolation and what it holds worked: a proof of
    /// level 3.
    pub fn prove_recovered(&self, snapshot: &SnapshotId, now: Time) -> Result<u64> {
        let snapshot = *snapshot;
        self.append(now, |ledger| {
            crate::custody::known(ledger, &snapshot)?;
            let record = ledger.snapshots.get(&snapshot);
            let (files, bytes) = record.map_or((0, 0), |record| (record.files, record.bytes));
            Ok(Event::Verified { snapshot, level: 3, files, bytes, faults: 0, whole: true })
        })
    }
}

/// Reads a chunk and hands it to the taker.
type ReadChunk<'a> =
    &'a mut dyn FnMut(&ChunkId, &mut dyn FnMut(&[u8])) -> std::result::Result<(), String>;

impl Proof {
    fn file(
        &mut self,
        path: &Path,
        meta: &Meta,
        chunks: &[ChunkId],
        checks: &[&dyn Check],
        read: ReadChunk<'_>,
    ) -> std::result::Result<(), String> {
        let mut fitting: Vec<_> = checks.iter().filter(|check| check.fits(path)).collect();
        if !fitting.is_empty() && meta.size > CHECKED_FILE_BYTES_MAX {
            self.too_large += 1;
            fitting.clear();
        }
        let (mut length, mut content) = (0, Vec::new());
        for chunk in chunks {
            read(chunk, &mut |bytes| {
                length += bytes.len() as u64;
                if !fitting.is_empty() {
                    content.extend_from_slice(bytes);
                }
            })?;
        }
        if length != meta.size {
            return Err(format!("it has {length} bytes, {} were stored", meta.size));
        }
        self.files += 1;
        self.bytes += length;
        for check in fitting {
            if let Some(verdict) = check.check(&content) {
                verdict.map_err(|why| format!("{}: {why}", check.name()))?;
                *self.checked.entry(check.name()).or_default() += 1;
                break;
            }
        }
        Ok(())
    }
}

/// Formats that `diff` knows, as checks: what cannot be read by its own format is no use. A file
/// of another format under the same ending is not judged.
pub const CHECKS: &[&dyn Check] = &[
    &Readable { name: "s7-block", ending: ".mc7", format: &crate::diff::S7Block },
    &Readable { name: "json", ending: ".json", format: &crate::diff::Json },
    &Readable { name: "register map", ending: "/registers.csv", format: &crate::diff::Table },
];

struct Readable {
    name: &'static str,
    ending: &'static str,
    format: &'static dyn crate::diff::Format,
}

impl Check for Readable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fits(&self, path: &Path) -> bool {
        path.to_string_lossy().ends_with(self.ending)
    }

    fn check(&self, content: &[u8]) -> Option<std::result::Result<(), String>> {
        let path = PathBuf::from(format!("/x{}", self.ending));
        let readable = self.format.compare(&path, content, content).is_some();
        Some(if readable { Ok(()) } else { Err("it cannot be read by its format".to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_by_its_own_format_and_its_length() {
        let mut proof = Proof::default();
        let content = |text: &'static str| {
            move |_: &ChunkId, take: &mut dyn FnMut(&[u8])| {
                take(text.as_bytes());
                Ok::<_, String>(())
            }
        };
        let one = [crate::Sha256::of(b"")];
        let meta = |size| Meta { size, ..Meta::default() };
        let mut prove = |path: &str, size, text: &'static str| {
            proof.file(Path::new(path), &meta(size), &one, CHECKS, &mut content(text))
        };
        assert_eq!(prove("/a.json", 2, "{}"), Ok(()));
        assert!(prove("/a.json", 1, "{").unwrap_err().contains("json"));
        assert_eq!(prove("/a.txt", 1, "{"), Ok(()));
        assert!(prove("/b.txt", 3, "{}").unwrap_err().contains("3 were stored"));
        assert!(prove("/OB1.mc7", 2, "pp").unwrap_err().contains("s7-block"));
        assert_eq!(proof.checked, BTreeMap::from([("json", 1)]));
        assert_eq!(proof.files, 4);
    }
}
