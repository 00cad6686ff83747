//! Our entries as the nodes of restic's trees, and the account of each.
//!
//! Not here: where their content goes. Invariant: every entry that is offered ends in exactly one
//! of two places: the list of what was handed over, or the faults.

use super::Kind;
use crate::{
    onlooker::Onlooker,
    source::{After, Entry, Fault, Meta, Opened, Special, What},
};
use model::Time;
use rustic_core::{
    jiff,
    repofile::{Metadata, Node, NodeType},
};
use std::{
    io::{self, Read},
    mem,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What happened to the entries.
pub(super) struct Tally {
    /// Files, links and special files taken up, whether or not they could be opened.
    pub offered: u64,
    /// Paths of those that were handed over.
    pub handed: Vec<PathBuf>,
    pub faults: Vec<Fault>,
    pub bytes_read: u64,
    onlooker: Arc<dyn Onlooker>,
}

impl Tally {
    pub fn new(onlooker: Arc<dyn Onlooker>) -> Self {
        Self { offered: 0, handed: Vec::new(), faults: Vec::new(), bytes_read: 0, onlooker }
    }
}

/// In the order of a depth-first walk: parents before children, siblings by the bytes of their
/// names, which is the order restic wants in a tree. No path comes twice, and none below a file:
/// what is left out is a fault, unless it is the same thing as what is kept.
pub(super) fn in_order(mut entries: Vec<Entry>, tally: &mut Tally) -> Vec<Entry> {
    // Path compares by component.
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.dedup_by(|next, last| {
        let same = next.path == last.path;
        let (next_is, last_is) = (is_directory(next), is_directory(last));
        if !same && (last_is || !next.path.starts_with(&last.path)) {
            return false;
        }
        if same && next_is == last_is && (next_is || are_one(next, last)) {
            return true;
        }
        if !last_is && (!same || next_is) {
            // Of a file and a folder of one name the folder stays, as there is more in it.
            mem::swap(next, last);
        }
        let (left_out, kept) = (next, last);
        let what = if same { "has this path too" } else { "has a folder of this name" };
        let why = format!("{} {what}: make them backups of two assets", kept.source);
        tally.offered += 1;
        tally.faults.push(Fault::new(&left_out.source, &left_out.path, why));
        true
    });
    entries
}

fn is_directory(entry: &Entry) -> bool {
    matches!(entry.what, What::Directory(_))
}

/// Whether two entries of a path are one thing: a source gave it twice, or the tree of one source
/// lies in that of the other. That a name tells if it is a path: a device's name leaves out which
/// registers are read.
fn are_one(a: &Entry, b: &Entry) -> bool {
    let within = |inner: &str, outer: &str| {
        let is_path = outer.split_once(':').is_some_and(|(_, place)| place.starts_with('/'));
        let rest = inner.strip_prefix(outer.trim_end_matches('/'));
        is_path && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (a, b) = (&a.source, &b.source);
    Arc::ptr_eq(a, b) || within(a, b) || within(b, a)
}

/// An entry as it goes into the repository, and the content of a file.
pub(super) struct Handed {
    pub path: PathBuf,
    pub node: Node,
    pub content: Option<Content>,
}

/// Opens an entry; a failure is a fault and `None`.
pub(super) fn hand_over(entry: Entry, tally: &mut Tally) -> Option<Handed> {
    let Entry { path, source, what } = entry;
    let Some(name) = path.file_name() else {
        // The root directory itself: every snapshot has it.
        return None;
    };
    if !matches!(what, What::Directory(_)) {
        tally.offered += 1;
    }
    let (kind, meta, content) = match what {
        What::Directory(meta) => (NodeType::Dir, meta, None),
        What::Symlink(meta, target) => (NodeType::from_link(&target), meta, None),
        What::Special(meta, special) => (special_node(special), meta, None),
        What::File(open) => match open.open() {
            Ok(Opened { meta, reader, after }) => {
                let content = Content { reader, after, left: meta.size, source };
                (NodeType::File, meta, Some(content))
            }
            Err(error) => {
                tally.faults.push(Fault::new(&source, &path, error.to_string()));
                return None;
            }
        },
    };
    if !matches!(kind, NodeType::Dir) {
        tally.handed.push(path.clone());
    }
    let node = Node::new_node(name, kind, metadata(&meta));
    Some(Handed { path, node, content })
}

/// What is in a file: exactly the bytes that were promised.
pub(super) struct Content {
    reader: Box<dyn Read + Send>,
    after: Option<After>,
    left: u64,
    source: Arc<str>,
}

impl Content {
    /// Reads some bytes; 0 in the end. Every failure is a fault; `None` then.
    pub fn read(&mut self, path: &Path, room: &mut [u8], tally: &mut Tally) -> Option<usize> {
        let mut fault = |why: String| tally.faults.push(Fault::new(&self.source, path, why));
        if self.left == 0 {
            if let Some(why) = self.after.take().and_then(|after| after()) {
                fault(why);
            }
            return Some(0);
        }
        let length = usize::try_from(self.left).map_or(room.len(), |left| left.min(room.len()));
        let n = loop {
            match self.reader.read(&mut room[..length]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    fault(error.to_string());
                    return None;
                }
                Ok(0) => {
                    let left = self.left;
                    fault(format!("ended {left} bytes early: cut short while being read"));
                    return None;
                }
                Ok(n) => break n,
            }
        };
        self.left -= n as u64;
        tally.bytes_read += n as u64;
        tally.onlooker.passed(path, n as u64);
        Some(n)
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

pub(super) fn meta_of(node: &Node) -> Meta {
    let mode = node.meta.mode.unwrap_or(0o600);
    Meta {
        mode: mode & 0o777
            | (mode >> 23 & 1) << 11
            | (mode >> 22 & 1) << 10
            | (mode >> 20 & 1) << 9,
        modified: node.meta.mtime.map(time),
        changed: node.meta.ctime.map(time),
        user: node.meta.uid,
        group: node.meta.gid,
        inode: node.meta.inode,
        device: node.meta.device_id,
        links: node.meta.links,
        size: node.meta.size,
    }
}

pub(super) fn kind_of(node: &Node) -> Kind {
    match &node.node_type {
        NodeType::File => {
            let chunks = node.content.iter().flatten();
            Kind::File(chunks.map(|id| super::from_id(id)).collect())
        }
        NodeType::Dir => Kind::Directory,
        NodeType::Symlink { .. } => Kind::Symlink(node.node_type.to_link().into()),
        NodeType::Dev { device } => Kind::Special(Special::BlockDevice(*device)),
        NodeType::Chardev { device } => Kind::Special(Special::CharacterDevice(*device)),
        NodeType::Fifo => Kind::Special(Special::Pipe),
        NodeType::Socket => Kind::Special(Special::Socket),
    }
}

pub(super) fn timestamp(time: Time) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).ok()
}

pub(super) fn time(timestamp: jiff::Timestamp) -> Time {
    Time::from_nanos(i64::try_from(timestamp.as_nanosecond()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_ends_early_is_a_fault_and_one_that_has_more_is_cut() {
        let read = |text: &'static [u8], size| {
            let mut tally = Tally::new(Arc::new(()));
            let reader = Box::new(text);
            let mut content = Content { reader, after: None, left: size, source: "s".into() };
            let (mut got, mut room) = (Vec::new(), [0; 4]);
            let whole = loop {
                match content.read(Path::new("/p"), &mut room, &mut tally) {
                    Some(0) => break true,
                    Some(n) => got.extend_from_slice(&room[..n]),
                    None => break false,
                }
            };
            (whole, got, tally.faults.len())
        };
        assert_eq!(read(b"growing log", 7), (true, b"growing".to_vec(), 0));
        assert_eq!(read(b"cut", 7), (false, b"cut".to_vec(), 1));
    }

    #[test]
    fn what_two_sources_have_is_a_fault_unless_it_is_one_thing() {
        // A path that ends with a slash is a directory.
        let check = |given: &[(&str, &str)], kept: &[&str], left_out: &[&str]| {
            let entry = |(source, path): &(&str, &str)| {
                let what = match path.ends_with('/') {
                    true => What::Directory(Meta::default()),
                    false => What::Special(Meta::default(), Special::Pipe),
                };
                Entry { path: path.into(), source: Arc::from(*source), what }
            };
            let mut tally = Tally::new(Arc::new(()));
            let entries = in_order(given.iter().map(entry).collect(), &mut tally);
            let shown = |entry: &Entry| format!("{} {}", entry.source, entry.path.display());
            assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), kept);
            let shown = |fault: &Fault| format!("{} {}", fault.source, fault.path);
            assert_eq!(tally.faults.iter().map(shown).collect::<Vec<_>>(), left_out);
            assert_eq!(tally.offered, left_out.len() as u64);
        };
        // Two readings of one device, of which the name tells nothing.
        let csv = "/@opcua/h/values.csv";
        let kept = ["opcua:h /@opcua/h/values.csv"];
        check(&[("opcua:h", csv), ("opcua:h", csv)], &kept, &kept);
        check(&[("files:/a", "/a/"), ("files:/a/b", "/a/")], &["files:/a /a/"], &[]);
        check(&[("files:/a", "/a/b"), ("files:/a/b", "/a/b")], &["files:/a /a/b"], &[]);
        check(&[("files:/a/b", "/a/b"), ("files:/", "/a/b")], &["files:/a/b /a/b"], &[]);
        check(&[("files:/a", "/a"), ("files:/a", "/a")], &["files:/a /a"], &[]);
        check(&[("ftp://h/a", "/x"), ("ftp://h/ab", "/x")], &["ftp://h/a /x"], &["ftp://h/ab /x"]);
        // A document and others below it: only the folder can be laid out.
        check(
            &[("http://h/a", "/h/a"), ("http://h/a/b", "/h/a/b"), ("http://h/a/c", "/h/a/c")],
            &["http://h/a/b /h/a/b", "http://h/a/c /h/a/c"],
            &["http://h/a /h/a"],
        );
        check(&[("http://h/a", "/a"), ("x:", "/a/")], &["x: /a/"], &["http://h/a /a"]);
        check(&[("x:", "/a/"), ("http://h/a", "/a")], &["x: /a/"], &["http://h/a /a"]);
    }
}
