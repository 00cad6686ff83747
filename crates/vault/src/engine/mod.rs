//! The seam to the repository engine: deduplicated, encrypted snapshots in restic's format.
//!
//! Not here: what a snapshot means to people (locks, holds, proof). Invariant: nothing of the
//! engine's own types shows above this module, and no engine decides that a backup was complete:
//! [`Archived`] lists what was offered and what can be read back.

mod archive;
mod chunker;
mod index;
mod objects;
mod pack;
mod packs;
mod reader;
mod rustic;
mod seal;
mod store;
mod tree;
mod writer;

#[cfg(test)]
mod tests;

pub use objects::Objects;
pub use packs::Packs;
pub use rustic::RusticEngine;

use crate::{
    digest::Sha256,
    error::Result,
    event::SnapshotId,
    onlooker::Onlooker,
    retention::Removable,
    source::{Entry, Fault, Meta, Special},
};
use model::Time;
use rustic_core::Id;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use zstd::bulk::Decompressor;

pub trait VaultEngine {
    /// Brings the index in step with the packs that exist: after a crash, or after a loss.
    fn heal(&self) -> Result<()>;

    /// Writes the content of a backup and reads back what became of it. The snapshot itself does
    /// not exist before [`VaultEngine::publish`].
    fn archive(&self, job: Job) -> Result<Archived>;

    /// Makes the snapshot visible.
    fn publish(&self, archived: &Archived) -> Result<SnapshotId>;

    /// Every snapshot in the repository, whoever wrote it; oldest first.
    fn snapshots(&self) -> Result<Vec<Described>>;

    /// Opens a snapshot for reading.
    fn read(&self, snapshot: &SnapshotId) -> Result<Box<dyn Reading>>;

    /// Deletes snapshots that a plan found removable. Their content stays until `prune`.
    fn forget(&self, snapshots: &[Removable]) -> Result<()>;

    /// Reclaims the space of content no snapshot refers to and none has for so many hours; what one
    /// refers to again is not to be reclaimed any more.
    fn prune(&self, keep_hours: i64) -> Result<()>;

    /// Path and size of every file of the repository.
    fn objects(&self) -> Result<BTreeMap<String, u64>>;
}

/// What to back up. Entries may come in any order.
pub struct Job {
    pub asset: String,
    pub sources: Vec<String>,
    pub time: Time,
    pub entries: Vec<Entry>,
    pub onlooker: Arc<dyn Onlooker>,
}

/// Content that is stored and checked, waiting for its snapshot to be published.
pub struct Archived {
    /// Files, links and special files that were offered to the engine.
    pub offered: u64,
    /// Of these, how many can be read back with all their content in the index.
    pub stored: u64,
    pub bytes: u64,
    pub bytes_read: u64,
    pub bytes_stored: u64,
    pub faults: Vec<Fault>,
    pub(crate) snapshot: rustic_core::repofile::SnapshotFile,
}

/// A snapshot as the repository describes it.
#[derive(Clone, Debug)]
pub struct Described {
    pub id: SnapshotId,
    pub time: Time,
    pub host: String,
    pub paths: Vec<String>,
    pub tags: Vec<String>,
    pub files: Option<u64>,
    pub bytes: Option<u64>,
}

/// A snapshot opened for reading, by many threads when there is use for them.
pub trait Reading: Sync {
    /// Visits every entry: a directory before what is in it, names in order.
    fn walk(&self, visit: &mut dyn FnMut(Found) -> Result<()>) -> Result<()>;

    /// Content of a chunk, checked against its name; it lies in `scratch` until the next.
    fn chunk<'a>(&self, id: &ChunkId, scratch: &'a mut Scratch) -> Result<&'a [u8]>;

    /// How long the chunk is; `None` when the index does not know where it is.
    fn chunk_length(&self, id: &ChunkId) -> Option<u32>;
}

/// What one thread reads with: the pack it is in, and room that is used again and again.
#[derive(Default)]
pub struct Scratch {
    pack: Option<(Sha256, packs::Pack)>,
    sealed: Vec<u8>,
    text: Vec<u8>,
    unpacking: Decompressor<'static>,
}

/// SHA-256 of a piece of a file.
pub type ChunkId = Sha256;

pub enum Found {
    Entry {
        path: PathBuf,
        meta: Meta,
        kind: Kind,
    },
    /// A directory whose list cannot be read: what is in it is lost.
    Damaged {
        path: PathBuf,
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File(Vec<ChunkId>),
    Directory,
    Symlink(PathBuf),
    Special(Special),
}

fn from_id(id: &Id) -> Sha256 {
    Sha256::parse(id.to_hex().as_str()).expect("an id prints as 64 hex digits")
}

fn to_id(hash: &Sha256) -> Id {
    Id::new(hash.0)
}
