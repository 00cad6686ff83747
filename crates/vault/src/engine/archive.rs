//! Hands our entries to the engine and keeps account of each.
//!
//! The engine drops an entry that fails and calls the backup good (rustic_core 0.13.0), so the
//! account is ours. Invariant: every entry that is offered ends in exactly one of two places: the
//! list of what was handed over, or the faults.

use crate::{
    onlooker::Onlooker,
    source::{After, Entry, Fault, Meta, Opened, Special, What},
};
use model::Time;
use rustic_core::{
    ReadSource, ReadSourceEntry, RusticResult, jiff,
    repofile::{Metadata, Node, NodeType},
};
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What happened to the entries, filled from the engine's threads.
pub(super) struct Tally {
    /// Files, links and special files taken up, whether or not they could be opened.
    pub offered: AtomicU64,
    /// Paths of those that were handed over.
    pub handed: Mutex<Vec<PathBuf>>,
    pub faults: Mutex<Vec<Fault>>,
    pub bytes_read: AtomicU64,
    onlooker: Arc<dyn Onlooker>,
}

impl Tally {
    pub fn new(onlooker: Arc<dyn Onlooker>) -> Self {
        let (offered, handed, faults, bytes_read) = Default::default();
        Self { offered, handed, faults, bytes_read, onlooker }
    }

    fn fault(&self, source: &str, path: &Path, error: &dyn std::fmt::Display) {
        let fault = Fault::new(source, path, error.to_string());
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    fn handed(&self, path: &Path) {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).push(path.into());
    }
}

/// Our entries as the engine wants them: in the order of a depth-first walk.
pub(super) struct Offering {
    entries: Mutex<Vec<Entry>>,
    tally: Arc<Tally>,
}

impl Offering {
    pub fn new(mut entries: Vec<Entry>, tally: Arc<Tally>) -> Self {
        // Path compares by component: parents before children, siblings by the bytes of their
        // names; this is the order restic wants in a tree. Taken from the end, so reversed.
        entries.sort_by(|a, b| b.path.cmp(&a.path));
        entries.dedup_by(|a, b| a.path == b.path);
        Self { entries: Mutex::new(entries), tally }
    }
}

impl ReadSource for Offering {
    type Open = Counted;
    type Iter = Entries;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Entries {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Entries { left: std::mem::take(&mut *entries), tally: self.tally.clone() }
    }
}

pub(super) struct Entries {
    left: Vec<Entry>,
    tally: Arc<Tally>,
}

impl Iterator for Entries {
    type Item = RusticResult<ReadSourceEntry<Counted>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.left.pop()?;
            if let Some(item) = self.hand_over(entry) {
                return Some(Ok(item));
            }
        }
    }
}

impl Entries {
    /// Opens the entry; a failure is a fault and `None`.
    fn hand_over(&self, entry: Entry) -> Option<ReadSourceEntry<Counted>> {
        let Entry { path, source, what } = entry;
        let Some(name) = path.file_name() else {
            // The root directory itself: every snapshot has it.
            return None;
        };
        if !matches!(what, What::Directory(_)) {
            self.tally.offered.fetch_add(1, Ordering::Relaxed);
        }
        let (kind, meta, open) = match what {
            What::Directory(meta) => (NodeType::Dir, meta, None),
            What::Symlink(meta, target) => (NodeType::from_link(&target), meta, None),
            What::Special(meta, special) => (special_node(special), meta, None),
            What::File(open) => match open.open() {
                Ok(Opened { meta, reader, after }) => {
                    let counted = Counted {
                        reader,
                        after,
                        left: meta.size,
                        source: source.clone(),
                        path: path.clone(),
                        tally: self.tally.clone(),
                    };
                    (NodeType::File, meta, Some(counted))
                }
                Err(error) => {
                    self.tally.fault(&source, &path, &error);
                    return None;
                }
            },
        };
        if !matches!(kind, NodeType::Dir) {
            self.tally.handed(&path);
        }
        let node = Node::new_node(name, kind, metadata(&meta));
        Some(ReadSourceEntry { node, open, path })
    }
}

/// Reads exactly the bytes that were promised and tells of every failure.
pub(super) struct Counted {
    reader: Box<dyn Read + Send>,
    after: Option<After>,
    left: u64,
    source: Arc<str>,
    path: PathBuf,
    tally: Arc<Tally>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            if let Some(why) = self.after.take().and_then(|after| after()) {
                self.tally.fault(&self.source, &self.path, &why);
            }
            return Ok(0);
        }
        let room = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = match self.reader.read(&mut buffer[..room]) {
            Ok(0) => {
                let text = format!("ended {} bytes early: cut short while being read", self.left);
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                self.tally.fault(&self.source, &self.path, &error);
                return Err(error);
            }
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                self.tally.fault(&self.source, &self.path, &error);
                return Err(error);
            }
        };
        self.left -= n as u64;
        self.tally.bytes_read.fetch_add(n as u64, Ordering::Relaxed);
        self.tally.onlooker.passed(&self.path, n as u64);
        Ok(n)
    }
}

fn special_node(special: Special) -> NodeType {
    match special {
        Special::Pipe => NodeType::Fifo,
        Special::Socket => NodeType::Socket,
        Special::CharacterDevice(device) => NodeType::Chardev { device },
        Special::BlockDevice(device) => NodeType::Dev { device },
    }
}

/// Restic keeps Go's mode bits: the type in the high bits, permissions in the low nine and
/// setuid, setgid and sticky at 23, 22 and 20 (Go's `fs.FileMode`).
fn metadata(meta: &Meta) -> Metadata {
    let mode = meta.mode & 0o777
        | (meta.mode >> 11 & 1) << 23
        | (meta.mode >> 10 & 1) << 22
        | (meta.mode >> 9 & 1) << 20;
    Metadata {
        mode: Some(mode),
        mtime: meta.modified.and_then(timestamp),
        atime: meta.modified.and_then(timestamp),
        ctime: meta.changed.and_then(timestamp),
        uid: meta.user,
        gid: meta.group,
        inode: meta.inode,
        device_id: meta.device,
        size: meta.size,
        links: meta.links,
        ..Metadata::default()
    }
}

pub(super) fn timestamp(time: Time) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_ends_early_is_a_fault_and_one_that_has_more_is_cut() {
        let read = |content: &'static [u8], size| {
            let tally = Arc::new(Tally::new(Arc::new(())));
            let mut counted = Counted {
                reader: Box::new(content),
                after: None,
                left: size,
                source: "s".into(),
                path: "/p".into(),
                tally: tally.clone(),
            };
            let mut got = Vec::new();
            let result = counted.read_to_end(&mut got).map_err(|e| e.kind());
            let faults = tally.faults.lock().unwrap().len();
            (result, got, faults)
        };
        assert_eq!(read(b"growing log", 7), (Ok(7), b"growing".to_vec(), 0));
        let (result, _, faults) = read(b"cut", 7);
        assert_eq!((result, faults), (Err(io::ErrorKind::UnexpectedEof), 1));
    }
}
