//! What a backup reads from: sources offer entries, the engine takes them.
//!
//! Not here: any real source; those are in `connectors`. Invariant: whatever a source cannot give
//! is a [`Fault`], and one fault makes the snapshot partial.

use crate::{earlier::Earlier, engineering::Look};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Something to back up. Read-only by contract: a source must not change what it reads.
pub trait Source: Send {
    /// `KIND:WHERE`, without secrets; it is stored with the snapshot.
    fn name(&self) -> String;

    /// Paths this source gives a better copy of than their plain bytes: other sources leave them
    /// out. An open database claims its file and the journals beside it.
    fn claims(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The device that is asked while it lists: sources of one device, and all that name none, go
    /// one after the other, those of others at the same time.
    fn device(&self) -> Option<String> {
        None
    }

    /// Lists what there is. Content is opened later, one entry after the other.
    fn offer(&mut self, offer: &mut Offer);
}

/// Where a source puts its entries and faults.
pub struct Offer {
    pub(crate) entries: Vec<Entry>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Fault>,
    source: Arc<str>,
    left_out: Vec<PathBuf>,
    entries_max: usize,
    now: Time,
    earlier: Earlier,
}

impl Offer {
    pub(crate) fn new(left_out: Vec<PathBuf>, entries_max: usize, now: Time) -> Self {
        Self {
            entries: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
            source: "".into(),
            left_out,
            entries_max,
            now,
            earlier: Earlier::nothing(),
        }
    }

    pub(crate) fn after(mut self, earlier: Earlier) -> Self {
        self.earlier = earlier;
        self
    }

    /// The newest whole snapshot of the same asset.
    pub fn earlier(&self) -> &Earlier {
        &self.earlier
    }

    /// An empty one for a source that lists by itself.
    pub(crate) fn apart(&self, source: &str) -> Self {
        let left_out = self.left_out.clone();
        let mut apart = Self::new(left_out, self.entries_max, self.now).after(self.earlier.clone());
        apart.begin(source);
        apart
    }

    /// Takes in what such a one holds.
    pub(crate) fn join(&mut self, apart: Self) {
        self.begin(&apart.source);
        for Entry { path, what, .. } in apart.entries {
            self.entry(path, what);
        }
        self.faults.extend(apart.faults);
        self.warnings.extend(apart.warnings);
    }

    /// What follows is of the source with this name.
    pub(crate) fn begin(&mut self, source: &str) {
        self.source = source.into();
    }

    /// The moment of the snapshot: modification time of what has none of its own.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Whether another source claims `path`, or it belongs to the vault itself.
    pub fn is_left_out(&self, path: &Path) -> bool {
        self.left_out.iter().any(|claimed| path.starts_with(claimed))
    }

    pub fn entry(&mut self, path: PathBuf, what: What) {
        if self.entries.len() < self.entries_max {
            self.entries.push(Entry { path, source: self.source.clone(), what });
        } else if self.entries.len() == self.entries_max {
            let why = format!("more than {} entries; split the backup", self.entries_max);
            self.fault(&path, why);
            self.entries_max = 0;
        }
    }

    /// A small file made from bytes in memory.
    pub fn bytes(&mut self, path: PathBuf, content: Vec<u8>) {
        let meta = Meta {
            mode: 0o600,
            modified: Some(self.now),
            size: content.len() as u64,
            ..Meta::default()
        };
        self.entry(path, What::File(Box::new(Ready { meta, content })));
    }

    pub fn fault(&mut self, path: &Path, why: impl Into<String>) {
        self.faults.push(Fault::new(&self.source, path, why));
    }

    /// What a person should know of how it was read, though nothing is missing.
    pub fn warn(&mut self, path: &Path, what: impl Into<String>) {
        self.warnings.push(Fault::new(&self.source, path, what));
    }
}

/// One thing a source offers, at its path in the snapshot.
pub struct Entry {
    pub path: PathBuf,
    /// Its name; the entries of one source share it, those of another of this name do not.
    pub(crate) source: Arc<str>,
    pub what: What,
}

pub enum What {
    Directory(Meta),
    Symlink(Meta, PathBuf),
    File(Box<dyn Open>),
    /// A device, pipe or socket: its being there is kept, not its content.
    Special(Meta, Special),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Pipe,
    Socket,
    CharacterDevice(u64),
    BlockDevice(u64),
}

/// What is known of an entry besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits.
    pub mode: u32,
    pub modified: Option<Time>,
    pub changed: Option<Time>,
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub inode: u64,
    pub device: u64,
    pub links: u64,
    pub size: u64,
}

/// A file that can be opened once.
pub trait Open: Send {
    fn open(self: Box<Self>) -> io::Result<Opened>;

    /// A look at the content before it is opened; `None` where that would fetch it twice.
    fn look(&self) -> Option<Box<dyn Look>> {
        None
    }
}

/// An opened file: exactly `meta.size` bytes will be read, no more. Fewer is a fault.
pub struct Opened {
    pub meta: Meta,
    pub reader: Box<dyn Read + Send>,
    /// Asked when all was read; what it says is a fault, though the bytes are stored.
    pub after: Option<After>,
}

pub type After = Box<dyn FnOnce() -> Option<String> + Send>;

impl Opened {
    pub fn new(meta: Meta, reader: impl Read + Send + 'static) -> Self {
        Self { meta, reader: Box::new(reader), after: None }
    }
}

struct Ready {
    meta: Meta,
    content: Vec<u8>,
}

impl Open for Ready {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        Ok(Opened::new(self.meta, Cursor::new(self.content)))
    }
}

/// Something that could not be backed up, for a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    pub source: String,
    pub path: String,
    pub error: String,
}

impl Fault {
    pub fn new(source: &str, path: impl AsRef<Path>, error: impl Into<String>) -> Self {
        let path = path.as_ref().to_string_lossy().into_owned();
        Self { source: source.into(), path, error: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_past_the_limit_are_one_fault_and_not_taken() {
        let mut offer = Offer::new(vec!["/vault".into()], 2, Time::default());
        offer.begin("test:many");
        for n in 0..5 {
            offer.bytes(format!("/{n}").into(), Vec::new());
        }
        assert_eq!((offer.entries.len(), offer.faults.len()), (2, 1));
        assert!(offer.faults[0].error.contains("more than 2 entries"));
        assert!(
            offer.is_left_out(Path::new("/vault/x")) && !offer.is_left_out(Path::new("/vaults"))
        );
    }
}
