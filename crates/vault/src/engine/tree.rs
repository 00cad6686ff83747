//! Directories: what was there before, and the lists that restic keeps of them.
//!
//! Entries come in the order of a depth-first walk ([`super::archive::in_order`]); a directory is
//! put when the walk leaves it. Invariant: a file is taken as unchanged only when type, length,
//! both times and inode are those of the snapshot before, and all its chunks are in the index.

use super::{
    Scratch, from_id,
    index::BlobKind,
    reader::Reader,
    store::{Store, Tool},
    to_id,
};
use crate::{
    digest::Sha256,
    error::{Error, Result},
};
use rustic_core::repofile::{Node, SnapshotSummary, Tree};
use std::{ffi::OsStr, iter};

/// How an entry stands to the snapshot before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    New,
    Changed,
    Unchanged,
}

/// A snapshot walked along with the entries that come now.
pub(super) struct Before<'a> {
    reader: &'a Reader,
    scratch: Scratch,
    /// One list of nodes per directory that was entered, and how far in it the walk is.
    levels: Vec<(Vec<Node>, usize)>,
}

impl<'a> Before<'a> {
    pub fn new(reader: &'a Reader, root: Option<Sha256>) -> Self {
        let mut before = Self { reader, scratch: Scratch::default(), levels: Vec::new() };
        before.push(root);
        before
    }

    /// Enters a directory; the list it had.
    pub fn enter(&mut self, name: &OsStr) -> Option<Sha256> {
        let subtree = self.find(name).and_then(|node| node.subtree.map(|id| from_id(&id)));
        self.push(subtree);
        subtree
    }

    pub fn leave(&mut self) {
        self.levels.pop();
    }

    /// Compares an entry that is no directory; one that is unchanged gets the content it had.
    ///
    /// Only who has the time of the last change (ctime), which no program can set, can say so. A
    /// server gives whole seconds, or no time at all; what it sent is read, as it has come already.
    pub fn compare(&mut self, node: &mut Node, store: &Store) -> Standing {
        let name = node.name().into_owned();
        let Some(old) = self.find(&name) else { return Standing::New };
        let same = |a: u64, b: u64| a == 0 || b == 0 || a == b;
        let times = |a: Option<_>, b: Option<_>| a.zip(b).is_some_and(|(a, b)| a == b);
        let unchanged = old.node_type == node.node_type
            && old.meta.size == node.meta.size
            && times(old.meta.mtime, node.meta.mtime)
            && times(old.meta.ctime, node.meta.ctime)
            && same(old.meta.inode, node.meta.inode)
            && old.content.iter().flatten().all(|id| store.knows(&from_id(id)));
        if !unchanged {
            return Standing::Changed;
        }
        node.content.clone_from(&old.content);
        Standing::Unchanged
    }

    fn push(&mut self, tree: Option<Sha256>) {
        let read = tree.map(|id| self.reader.tree(&id, &mut self.scratch));
        let nodes = match read {
            Some(Ok(tree)) => tree.nodes,
            // It was lost; everything below counts as new and is stored again.
            Some(Err(_)) | None => Vec::new(),
        };
        self.levels.push((nodes, 0));
    }

    /// The entry of this name in the directory the walk is in. Names come in order.
    fn find(&mut self, name: &OsStr) -> Option<&Node> {
        let (nodes, at) = self.levels.last_mut()?;
        while nodes.get(*at).is_some_and(|node| *node.name() < *name) {
            *at += 1;
        }
        nodes.get(*at).filter(|node| *node.name() == *name)
    }
}

/// Puts directories as they are left.
pub(super) struct Builder {
    levels: Vec<Level>,
    tool: Tool,
    pub summary: SnapshotSummary,
}

struct Level {
    /// The directory's own node; none for the root.
    node: Option<Node>,
    nodes: Vec<Node>,
    before: Option<Sha256>,
}

impl Builder {
    pub fn new(root_before: Option<Sha256>) -> Self {
        let root = Level { node: None, nodes: Vec::new(), before: root_before };
        Self { levels: vec![root], tool: Tool::default(), summary: SnapshotSummary::default() }
    }

    pub fn enter(&mut self, node: Node, before: Option<Sha256>) {
        self.levels.push(Level { node: Some(node), nodes: Vec::new(), before });
    }

    pub fn leave(&mut self, store: &Store) -> Result<()> {
        let level = self.levels.pop().ok_or_else(unbalanced)?;
        let mut node = level.node.ok_or_else(unbalanced)?;
        let id = self.put(store, level.nodes, level.before)?;
        node.subtree = Some(to_id(&id).into());
        self.levels.last_mut().ok_or_else(unbalanced)?.nodes.push(node);
        Ok(())
    }

    pub fn add(&mut self, node: Node, standing: Standing) -> Result<()> {
        let summary = &mut self.summary;
        match standing {
            Standing::New => summary.files_new += 1,
            Standing::Changed => summary.files_changed += 1,
            Standing::Unchanged => summary.files_unmodified += 1,
        }
        summary.total_files_processed += 1;
        if node.is_file() {
            summary.total_bytes_processed += node.meta.size;
        }
        self.levels.last_mut().ok_or_else(unbalanced)?.nodes.push(node);
        Ok(())
    }

    /// Puts the root; its name.
    pub fn finish(&mut self, store: &Store) -> Result<Sha256> {
        let root = self.levels.pop().filter(|level| level.node.is_none());
        let root = root.ok_or_else(unbalanced)?;
        self.put(store, root.nodes, root.before)
    }

    fn put(&mut self, store: &Store, nodes: Vec<Node>, before: Option<Sha256>) -> Result<Sha256> {
        let written = Tree { nodes }.serialize();
        let (text, _) = written.map_err(|error| Error::Engine(error.to_string()))?;
        let ids = store.put(BlobKind::Tree, iter::once(&text[..]), &mut self.tool)?;
        let id = ids[0];
        let summary = &mut self.summary;
        match before {
            None => summary.dirs_new += 1,
            Some(before) if before == id => summary.dirs_unmodified += 1,
            Some(_) => summary.dirs_changed += 1,
        }
        summary.total_dirs_processed += 1;
        summary.total_dirsize_processed += text.len() as u64;
        Ok(id)
    }
}

fn unbalanced() -> Error {
    Error::Engine("more directories were left than entered".into())
}
