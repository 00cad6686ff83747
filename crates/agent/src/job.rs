//! Work that a process of its own does, with less right than the agent's.
//!
//! The program that has the agent in it starts that process. Not here: how. Invariant: a job names
//! what may be read besides what is to be read, and the process is held to it.

use serde_json::Value;
use std::{io, path::PathBuf, sync::Arc};
use uplink::host::Keep;

#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    Backup {
        asset: String,
        sources: Vec<String>,
        /// Nothing else of the host may be read.
        reads: Vec<PathBuf>,
        kib_per_s: Option<u32>,
        lock_days: Option<u32>,
        keep: Option<Keep>,
    },
    Verify {
        snapshot: String,
        level: u8,
    },
    /// Restores a snapshot below `work`, compares all of it and removes it again.
    Drill {
        snapshot: String,
        work: PathBuf,
        /// How long ago it was ordered.
        ordered_ms: u64,
    },
    /// Restores a snapshot, or what is at `only` in it, into a folder it makes.
    Restore {
        snapshot: String,
        to: PathBuf,
        only: Option<String>,
        /// Nowhere else may it be made, and not in or below any of these.
        into: Vec<PathBuf>,
        outside: Vec<PathBuf>,
    },
    /// Deletes from the vault on the host what its rules let go.
    Forget,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    Progress {
        bytes: u64,
        at: String,
    },
    /// How far a drill is.
    Drill(Value),
    Done(Value),
    Failed(String),
}

/// Where a worker's words go; the last is `Done` or `Failed`.
pub type Says = Arc<dyn Fn(Word) + Send + Sync>;

pub trait Worker {
    fn begin(&self, job: &Job, says: Says) -> io::Result<Box<dyn Running>>;
}

/// A job under way.
pub trait Running {
    /// Ends it, and returns when it has ended. The vault stays whole.
    fn end(&mut self);
}
