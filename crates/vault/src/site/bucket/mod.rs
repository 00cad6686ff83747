//! Copies of a vault in a store of objects: S3 with Object Lock, Azure Blob.
//!
//! Not here: HTTP and signatures (in `connectors`). Read [`deposit`] for the way there,
//! [`withdraw`] for the way back. Such a store keeps every version of an object and, until a time
//! that only grows, lets nobody end one. Invariant: what is put there is locked in the same
//! request, and needs no key of the vault.

pub mod deposit;
mod record;
mod thin;
mod withdraw;

use super::{Fetched, pace::Pace};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
};

pub use crate::manifest::Object;
pub use deposit::{Deposit, Deposited, Rules};
pub use record::{Standing, TARGETS, targets};
pub use withdraw::Withdrawal;

/// A store of objects. A refusal that no second try changes has the kind `PermissionDenied`, what
/// is not there `NotFound`. Paths are those of a vault's files.
pub trait Bucket: Send + Sync {
    /// Where it is, without any secret.
    fn address(&self) -> String;

    /// Why what is put there cannot be locked, when it cannot.
    fn cannot_lock(&self) -> io::Result<Option<String>>;

    /// Every version of every object, newest first.
    fn list(&self) -> io::Result<BTreeMap<String, Vec<Version>>>;

    /// Opens one version of an object, or the newest, from `offset` on.
    fn open(&self, path: &str, version: Option<&str>, offset: u64) -> io::Result<Fetched>;

    /// Puts an object with its lock; the version it became. Goes on where a broken link stopped,
    /// as far as the store can.
    fn put(
        &self,
        path: &str,
        object: &Object,
        body: &mut Body,
        lock: &Lock,
    ) -> io::Result<Option<String>>;

    /// How a version is locked.
    fn lock(&self, path: &str, version: Option<&str>) -> io::Result<Lock>;

    /// Locks a version for longer.
    fn extend(&self, path: &str, version: Option<&str>, until: Until) -> io::Result<()>;

    /// Puts a version under legal hold, or ends that.
    fn hold(&self, path: &str, version: Option<&str>, on: bool) -> io::Result<()>;
}

/// One version of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// `None` in a store that keeps none.
    pub id: Option<String>,
    pub size: u64,
    /// What who asks for the object is given.
    pub newest: bool,
    /// No object: from here on it counts as deleted.
    pub deleted: bool,
}

/// Who may end a lock early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Who has the store's own right to bypass it (S3 governance, Azure unlocked).
    Governance,
    /// Nobody (S3 compliance, Azure locked).
    Compliance,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Until {
    pub time: Time,
    pub mode: Mode,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Lock {
    pub until: Option<Until>,
    pub held: bool,
}

/// A file, or bytes in memory.
trait Bytes: Read + Seek {}

impl<T: Read + Seek> Bytes for T {}

/// The bytes of an object, as fast as the pace allows.
pub struct Body<'a> {
    bytes: Box<dyn Bytes>,
    pace: &'a Pace<'a>,
    furthest: u64,
}

impl<'a> Body<'a> {
    fn new(bytes: Box<dyn Bytes>, pace: &'a Pace<'a>) -> Self {
        Self { bytes, pace, furthest: 0 }
    }

    /// Lets `work` read so many bytes from `offset` on.
    pub fn part<T>(
        &mut self,
        offset: u64,
        size: u64,
        work: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<T> {
        self.bytes.seek(SeekFrom::Start(offset))?;
        let mut part = Read::take(&mut *self.bytes, size);
        work(&mut self.pace.slow(&mut part))
    }

    /// The store keeps all before `offset`, also when the link breaks.
    pub fn reached(&mut self, offset: u64) {
        self.furthest = self.furthest.max(offset);
    }

    pub(super) fn furthest(&self) -> u64 {
        self.furthest
    }

    /// So many bytes from `offset` on, at once: of this machine alone, so without a pace.
    pub fn bytes(&mut self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        self.bytes.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        Read::take(&mut *self.bytes, size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Lets `work` send bytes that were read before, as fast as the pace allows.
    pub fn slowly<T>(
        &self,
        bytes: &[u8],
        work: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut rest = bytes;
        work(&mut self.pace.slow(&mut rest))
    }
}
