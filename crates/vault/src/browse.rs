//! Looking into a snapshot: what is in a directory, and one file's content.
//!
//! Invariant: nothing is written, and a list or a content that was cut says so.

use crate::{
    engine::{Found, Kind, Scratch, VaultEngine},
    error::{Error, Result},
    event::SnapshotId,
    limits::TREE_ROWS_MAX,
    vault::Unlocked,
};
use model::Time;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// One entry of a directory of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TreeRow {
    pub name: String,
    pub path: String,
    /// `file`, `directory`, `link`, `special` or `damaged`.
    pub kind: &'static str,
    pub size: u64,
    /// Files at or below it.
    pub files: u64,
    pub modified: Option<Time>,
}

/// What is in a file, up to a limit.
#[derive(Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub size: u64,
}

impl Unlocked {
    /// What stands in the directory `at`, by name; true when there is more than is told.
    pub fn tree(&self, snapshot: &SnapshotId, at: &Path) -> Result<(Vec<TreeRow>, bool)> {
        let at = Path::new("/").join(at);
        let (mut rows, mut more): (Vec<TreeRow>, _) = (Vec::new(), false);
        self.engine.read(snapshot)?.walk(&mut |found| {
            let (path, kind, size, modified) = match found {
                Found::Entry { path, meta, kind } => {
                    let size = if matches!(kind, Kind::File(_)) { meta.size } else { 0 };
                    (path, word(&kind), size, meta.modified)
                }
                Found::Damaged { path, .. } => (path, "damaged", 0, None),
            };
            let Ok(below) = path.strip_prefix(&at) else { return Ok(()) };
            let Some(first) = below.components().next() else { return Ok(()) };
            let name = first.as_os_str().to_string_lossy().into_owned();
            let own = below.components().count() == 1;
            if own && rows.len() >= TREE_ROWS_MAX {
                more = true;
            } else if own {
                let (path, files) =
                    (path.to_string_lossy().into_owned(), u64::from(kind == "file"));
                rows.push(TreeRow { name, path, kind, size, files, modified });
            } else if let Some(row) = rows.last_mut().filter(|row| row.name == name) {
                // The walk is depth first: what is below a row comes right after it.
                row.size += size;
                row.files += u64::from(kind == "file");
            }
            Ok(())
        })?;
        Ok((rows, more))
    }

    /// The content of one file, its first `bytes_max` bytes.
    pub fn content(&self, snapshot: &SnapshotId, path: &Path, bytes_max: usize) -> Result<Content> {
        let wanted = Path::new("/").join(path);
        let reading = self.engine.read(snapshot)?;
        let mut file: Option<(u64, Vec<crate::engine::ChunkId>)> = None;
        reading.walk(&mut |found| {
            if let Found::Entry { path, meta, kind: Kind::File(chunks) } = found
                && path == wanted
            {
                file = Some((meta.size, chunks));
            }
            Ok(())
        })?;
        let none = || Error::Refused(format!("no file of the snapshot is at {}", wanted.display()));
        let (size, chunks) = file.ok_or_else(none)?;
        let (mut bytes, mut scratch) = (Vec::new(), Scratch::default());
        for chunk in &chunks {
            bytes.extend_from_slice(reading.chunk(chunk, &mut scratch)?);
            if bytes.len() >= bytes_max {
                bytes.truncate(bytes_max);
                break;
            }
        }
        Ok(Content { bytes, size })
    }

    /// Path and size of every file at or below `only`.
    pub fn files(&self, snapshot: &SnapshotId, only: &Path) -> Result<Vec<(PathBuf, u64)>> {
        let only = Path::new("/").join(only);
        let mut files = Vec::new();
        self.engine.read(snapshot)?.walk(&mut |found| {
            if let Found::Entry { path, meta, kind: Kind::File(_) } = found
                && path.starts_with(&only)
            {
                files.push((path, meta.size));
            }
            Ok(())
        })?;
        Ok(files)
    }
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::File(_) => "file",
        Kind::Directory => "directory",
        Kind::Symlink(_) => "link",
        Kind::Special(_) => "special",
    }
}
