//! A pack as it grows: sealed blobs one after the other, at the end a sealed list of them.
//!
//! Form: restic's design document, "Pack Format". What is in a pack goes to the disk at once, so
//! its size costs no memory. Invariant: a pack gets its name, and others can see it, when its last
//! byte is on the disk.

use super::{
    index::{Blob, BlobKind, Listed},
    objects::{Growing, Objects},
    seal::{Cipher, NONCE, OVERHEAD},
    store::{Added, Tool},
};
use crate::error::Result;

/// Blobs of a pack: rustic reads up to so many, and a list of them has 410 kB.
const BLOBS_MAX: usize = 10_000;

/// The pack of one kind that is being filled.
pub(super) struct Filling<'a> {
    objects: &'a Objects,
    kind: BlobKind,
    size_max: u64,
    pack: Option<Pack>,
    pub added: Added,
}

/// A pack that is full and not finished.
pub(super) struct Pack {
    object: Growing,
    blobs: Vec<Blob>,
}

impl<'a> Filling<'a> {
    pub fn new(objects: &'a Objects, kind: BlobKind, size_max: u64) -> Self {
        Self { objects, kind, size_max, pack: None, added: Added::default() }
    }

    /// Appends what was sealed. A pack that is full by that has to be finished by the caller, who
    /// need not keep others from filling the next.
    pub fn add(&mut self, tool: &Tool) -> Result<Option<Pack>> {
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => Pack { object: self.objects.begin()?, blobs: Vec::new() },
        };
        let mut offset = u32::try_from(pack.object.size()).expect("packs are below 4 GiB");
        pack.object.add(tool.sealed())?;
        for &(id, length, text_length) in &tool.blobs {
            pack.blobs.push(Blob { id, kind: self.kind, offset, length, text_length });
            offset += length;
        }
        self.added.blobs += tool.blobs.len() as u64;
        self.added.bytes += tool.bytes;
        self.added.bytes_packed += tool.sealed().len() as u64;
        if pack.object.size() >= self.size_max || pack.blobs.len() >= BLOBS_MAX {
            return Ok(Some(pack));
        }
        self.pack = Some(pack);
        Ok(None)
    }

    /// What is left in the end.
    pub fn take(&mut self) -> Option<Pack> {
        self.pack.take()
    }
}

impl Pack {
    /// Writes the list of blobs, brings all to the disk and gives the pack its name.
    pub fn finish(mut self, objects: &Objects, cipher: &Cipher) -> Result<Listed> {
        let mut list = vec![0; NONCE];
        for Blob { id, kind, length, text_length, .. } in &self.blobs {
            let compressed = if text_length.is_some() { 2 } else { 0 };
            list.push(compressed + u8::from(*kind == BlobKind::Tree));
            list.extend_from_slice(&length.to_le_bytes());
            if let Some(length) = text_length {
                list.extend_from_slice(&length.to_le_bytes());
            }
            list.extend_from_slice(&id.0);
        }
        list.resize(list.len() + OVERHEAD - NONCE, 0);
        cipher.seal(&mut list)?;
        let length = u32::try_from(list.len()).expect("a list of some 10,000 blobs is below a MiB");
        list.extend_from_slice(&length.to_le_bytes());
        self.object.add(&list)?;
        let id = objects.finish(self.object)?;
        Ok(Listed { id, blobs: self.blobs })
    }
}
