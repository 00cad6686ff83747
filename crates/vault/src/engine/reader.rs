//! Blobs read back: found by the index, decrypted, unpacked, hashed.
//!
//! Many threads may read, each with a [`Scratch`] of its own. Invariant: nothing is given out
//! whose hash is not its name.

use super::{
    Found, Reading, Scratch,
    archive::{kind_of, meta_of},
    index::{BlobKind, Index},
    objects::Objects,
    packs,
    seal::Cipher,
};
use crate::{
    digest::Sha256,
    error::{Error, Result},
    limits::DEPTH_MAX,
};
use rustic_core::repofile::Tree;
use std::{path::Path, sync::Arc};

/// A repository opened for reading.
pub(super) struct Reader {
    objects: Arc<Objects>,
    cipher: Arc<Cipher>,
    pub index: Index,
}

impl Reader {
    pub fn open(objects: &Arc<Objects>, cipher: &Arc<Cipher>) -> Result<Self> {
        let index = Index::read(objects, cipher)?;
        Ok(Self { objects: objects.clone(), cipher: cipher.clone(), index })
    }

    pub fn blob<'a>(
        &self,
        kind: BlobKind,
        id: &Sha256,
        scratch: &'a mut Scratch,
    ) -> Result<&'a [u8]> {
        let damaged = |why: &str| Error::Damaged(format!("chunk {id} {why}"));
        let place = self.index.find(kind, id).ok_or_else(|| damaged("is not in the index"))?;
        let pack = self.index.pack(place);
        let sealed = grown(&mut scratch.sealed, place.length as usize);
        let at = (pack, u64::from(place.offset));
        packs::read(&self.objects, &mut scratch.pack, at, sealed)?;
        let text = self.cipher.open(sealed).ok_or_else(|| damaged("cannot be decrypted"))?;
        let text = match place.compressed() {
            None => text,
            Some(length) => {
                let room = grown(&mut scratch.text, length as usize);
                let unpacked = scratch.unpacking.decompress_to_buffer(text, room);
                let right = unpacked.is_ok_and(|got| got == room.len());
                if !right {
                    return Err(damaged("cannot be unpacked"));
                }
                room
            }
        };
        if Sha256::of(text) != *id {
            return Err(damaged("does not hash to its name"));
        }
        Ok(text)
    }

    pub fn tree(&self, id: &Sha256, scratch: &mut Scratch) -> Result<Tree> {
        let bytes = self.blob(BlobKind::Tree, id, scratch)?;
        let damaged = |error| Error::Damaged(format!("directory {id} cannot be read: {error}"));
        serde_json::from_slice(bytes).map_err(damaged)
    }
}

/// The first `length` bytes of a buffer that only ever grows: clearing it anew for every blob
/// would cost as much as reading.
pub(super) fn grown(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        // No more than is needed: doubling what a large chunk has made large is dear.
        buffer.reserve_exact(length - buffer.len());
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

/// A snapshot opened for reading.
pub(super) struct Snapshot {
    pub reader: Reader,
    pub tree: Sha256,
}

impl Snapshot {
    fn walk_tree(
        &self,
        tree: &Sha256,
        at: &Path,
        depth: usize,
        scratch: &mut Scratch,
        visit: &mut dyn FnMut(Found) -> Result<()>,
    ) -> Result<()> {
        if depth > DEPTH_MAX {
            let why = format!("more than {DEPTH_MAX} directories deep");
            return visit(Found::Damaged { path: at.into(), why });
        }
        let nodes = match self.reader.tree(tree, scratch) {
            Ok(tree) => tree.nodes,
            Err(error) => {
                return visit(Found::Damaged { path: at.into(), why: error.to_string() });
            }
        };
        for node in nodes {
            let name = node.name();
            let plain = !["", ".", ".."].iter().any(|bad| *name == **bad)
                && !name.as_encoded_bytes().contains(&b'/');
            if !plain {
                let why = format!("it has an entry named {name:?}");
                visit(Found::Damaged { path: at.into(), why })?;
                continue;
            }
            let path = at.join(&name);
            let (kind, subtree) = (kind_of(&node), node.subtree.map(|id| super::from_id(&id)));
            visit(Found::Entry { path: path.clone(), meta: meta_of(&node), kind })?;
            if let Some(subtree) = subtree {
                self.walk_tree(&subtree, &path, depth + 1, scratch, visit)?;
            }
        }
        Ok(())
    }
}

impl Reading for Snapshot {
    fn walk(&self, visit: &mut dyn FnMut(Found) -> Result<()>) -> Result<()> {
        self.walk_tree(&self.tree, Path::new("/"), 0, &mut Scratch::default(), visit)
    }

    fn chunk<'a>(&self, id: &Sha256, scratch: &'a mut Scratch) -> Result<&'a [u8]> {
        self.reader.blob(BlobKind::Data, id, scratch)
    }

    fn chunk_length(&self, id: &Sha256) -> Option<u32> {
        self.reader.index.find(BlobKind::Data, id).map(|place| place.text_length())
    }
}
