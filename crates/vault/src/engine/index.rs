//! Which blob lies where: the index files of a repository, read whole and written.
//!
//! The form is restic's (design document, "Indexing"); packs that a clean-up has marked for
//! deletion are left out, as what is marked must be stored anew. Invariant: an index file names
//! only packs that are on the disk already.

use super::{
    objects::Objects,
    seal::{Cipher, NONCE, OVERHEAD},
};
use crate::{
    digest::Sha256,
    error::{Error, Result},
    limits::BLOB_BYTES_MAX,
};
use rustic_core::FileType;
use serde::{Deserialize, Serialize};
use std::mem;

/// Blobs from which on what is pending becomes an index file.
const BLOBS_PER_FILE: usize = 50_000;

/// First byte of an index, snapshot or lock that is compressed (restic's repository version 2).
const COMPRESSED: u8 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BlobKind {
    Data,
    Tree,
}

/// A blob in its pack.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Blob {
    pub id: Sha256,
    #[serde(rename = "type")]
    pub kind: BlobKind,
    pub offset: u32,
    pub length: u32,
    /// Length of the text when it is compressed; never 0.
    #[serde(rename = "uncompressed_length", default, skip_serializing_if = "Option::is_none")]
    pub text_length: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Listed {
    pub id: Sha256,
    pub blobs: Vec<Blob>,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    packs: Vec<Listed>,
}

/// Where a blob is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    id: Sha256,
    pub pack: u32,
    pub offset: u32,
    pub length: u32,
    text_length: u32,
}

impl Place {
    /// Length of the text when it is compressed.
    pub fn compressed(&self) -> Option<u32> {
        (self.text_length > 0).then_some(self.text_length)
    }

    /// Length of the text.
    pub fn text_length(&self) -> u32 {
        self.compressed().unwrap_or(self.length.saturating_sub(OVERHEAD as u32))
    }
}

#[derive(Default)]
pub(super) struct Index {
    packs: Vec<Sha256>,
    data: Vec<Place>,
    trees: Vec<Place>,
}

impl Index {
    pub fn read(objects: &Objects, cipher: &Cipher) -> Result<Self> {
        let mut index = Self::default();
        for (name, _) in objects.names(FileType::Index)? {
            let mut sealed = objects.read(FileType::Index, &name)?;
            let damaged = |why: &str| Error::Damaged(format!("index file {name} {why}"));
            let text = cipher.open(&mut sealed).ok_or_else(|| damaged("cannot be decrypted"))?;
            let text = unpacked(text).ok_or_else(|| damaged("cannot be unpacked"))?;
            let file: File =
                serde_json::from_slice(&text).map_err(|_| damaged("cannot be read"))?;
            index.add(file)?;
        }
        for places in [&mut index.data, &mut index.trees] {
            places.sort_unstable_by_key(|place| place.id);
            places.dedup_by_key(|place| place.id);
            places.shrink_to_fit();
        }
        Ok(index)
    }

    fn add(&mut self, file: File) -> Result<()> {
        for Listed { id, blobs } in file.packs {
            let pack = u32::try_from(self.packs.len())
                .map_err(|_| Error::Engine("the repository has too many packs".into()))?;
            self.packs.push(id);
            for Blob { id, kind, offset, length, text_length } in blobs {
                let text_length = text_length.unwrap_or(0);
                if length.max(text_length) > BLOB_BYTES_MAX {
                    return Err(Error::Damaged(format!("the index has a blob {id} of {length}")));
                }
                self.of_mut(kind).push(Place { id, pack, offset, length, text_length });
            }
        }
        Ok(())
    }

    pub fn find(&self, kind: BlobKind, id: &Sha256) -> Option<&Place> {
        let places = self.of(kind);
        places.binary_search_by_key(id, |place| place.id).ok().map(|at| &places[at])
    }

    pub fn pack(&self, place: &Place) -> &Sha256 {
        &self.packs[place.pack as usize]
    }

    /// Bytes that blobs of a kind take.
    pub fn size(&self, kind: BlobKind) -> u64 {
        self.of(kind).iter().map(|place| u64::from(place.length)).sum()
    }

    fn of(&self, kind: BlobKind) -> &[Place] {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.trees,
        }
    }

    fn of_mut(&mut self, kind: BlobKind) -> &mut Vec<Place> {
        match kind {
            BlobKind::Data => &mut self.data,
            BlobKind::Tree => &mut self.trees,
        }
    }
}

/// Packs that are on the disk and in no index file as yet.
#[derive(Default)]
pub(super) struct Pending {
    file: File,
    blobs: usize,
}

impl Pending {
    /// Takes a pack in; what to write now, when there is enough for a file.
    #[must_use]
    pub fn add(&mut self, pack: Listed) -> Option<Unwritten> {
        self.blobs += pack.blobs.len();
        self.file.packs.push(pack);
        (self.blobs >= BLOBS_PER_FILE).then(|| self.take()).flatten()
    }

    pub fn take(&mut self) -> Option<Unwritten> {
        self.blobs = 0;
        let file = mem::take(&mut self.file);
        (!file.packs.is_empty()).then_some(Unwritten(file))
    }
}

/// Content of an index file.
pub(super) struct Unwritten(File);

impl Unwritten {
    pub fn write(&self, objects: &Objects, cipher: &Cipher) -> Result<()> {
        let json = serde_json::to_vec(&self.0).expect("it is plain data");
        let packed = zstd::bulk::compress(&json, 0)
            .map_err(|error| Error::Engine(format!("cannot compress an index: {error}")))?;
        let mut sealed = vec![0; NONCE];
        sealed.push(COMPRESSED);
        sealed.extend_from_slice(&packed);
        sealed.resize(sealed.len() + OVERHEAD - NONCE, 0);
        cipher.seal(&mut sealed)?;
        objects.put(FileType::Index, &sealed)
    }
}

/// JSON as it is or, behind a byte that no JSON begins with, compressed.
fn unpacked(text: &[u8]) -> Option<Vec<u8>> {
    match text.split_first()? {
        (&COMPRESSED, packed) => zstd::stream::decode_all(packed).ok(),
        (b'{' | b'[', _) => Some(text.to_vec()),
        _ => None,
    }
}
