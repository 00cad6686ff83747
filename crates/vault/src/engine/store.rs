//! Chunks become blobs in packs: named, left out when known, compressed, encrypted, appended.
//!
//! Several threads bring batches of chunks; each has its own [`Tool`], and only the appending is
//! done one after the other. Not here: where files are cut, what a directory is. Invariant: when
//! [`Store::finish`] has returned, every blob that was put is on the disk, in a pack and in an
//! index file.

use super::{
    index::{BlobKind, Index, Pending},
    objects::Objects,
    pack::{Filling, Pack},
    reader::grown,
    seal::{Cipher, NONCE, OVERHEAD},
};
use crate::{
    digest::Sha256,
    error::{Error, Result},
    limits::PACK_BYTES_MAX,
};
use rustic_core::repofile::{BlobType, ConfigFile};
use std::{
    collections::HashSet,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};
use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::compress_bound,
};

/// Level of zstd where the repository's config names none. The usual 3 is slower and gains nothing
/// to speak of on what a plant has: 6 % on JSON and SQLite, nothing on captures, and on logs of
/// measurements its results are half as large again.
const LEVEL: i32 = 2;

pub(super) struct Store<'a> {
    objects: &'a Objects,
    cipher: &'a Cipher,
    known: &'a Index,
    /// Level of zstd; `None`: the repository's data is not compressed.
    level: Option<i32>,
    /// Whether each blob is read back before it is written.
    checks: bool,
    /// Blobs that somebody has taken up since; they may not be in a pack yet.
    fresh: Mutex<HashSet<(BlobKind, Sha256)>>,
    data: Mutex<Filling<'a>>,
    trees: Mutex<Filling<'a>>,
    pending: Mutex<Pending>,
    /// For chunks that need much room.
    pub large: Mutex<Tool>,
}

/// What came into the repository, of one kind.
#[derive(Clone, Copy, Default)]
pub(super) struct Added {
    pub blobs: u64,
    pub bytes: u64,
    pub bytes_packed: u64,
}

impl<'a> Store<'a> {
    pub fn new(
        objects: &'a Objects,
        cipher: &'a Cipher,
        known: &'a Index,
        config: &ConfigFile,
    ) -> Result<Self> {
        let filling = |kind, configured| {
            let (size, growth, limit) = config.packsize(configured);
            let grown = known.size(kind).isqrt() * u64::from(growth) + u64::from(size);
            Mutex::new(Filling::new(objects, kind, grown.min(u64::from(limit)).min(PACK_BYTES_MAX)))
        };
        Ok(Self {
            objects,
            cipher,
            known,
            level: config.zstd()?.map(|level| if level == 0 { LEVEL } else { level }),
            checks: config.extra_verify(),
            fresh: Mutex::default(),
            data: filling(BlobKind::Data, BlobType::Data),
            trees: filling(BlobKind::Tree, BlobType::Tree),
            pending: Mutex::default(),
            large: Mutex::default(),
        })
    }

    /// Whether the repository had this chunk before.
    pub fn knows(&self, id: &Sha256) -> bool {
        self.known.find(BlobKind::Data, id).is_some()
    }

    /// Puts texts of a kind; their names, in order.
    pub fn put<'t>(
        &self,
        kind: BlobKind,
        texts: impl Iterator<Item = &'t [u8]>,
        tool: &mut Tool,
    ) -> Result<Vec<Sha256>> {
        tool.clear();
        let mut ids = Vec::new();
        for text in texts {
            let id = Sha256::of(text);
            ids.push(id);
            if self.known.find(kind, &id).is_none() && lock(&self.fresh).insert((kind, id)) {
                let sealed = tool.seal(self.cipher, self.level, id, text)?;
                if self.checks {
                    tool.check(self.cipher, sealed, text)?;
                }
            }
        }
        if !tool.blobs.is_empty() {
            let full = lock(self.filling(kind)).add(tool)?;
            full.map_or(Ok(()), |pack| self.finish_pack(pack))?;
        }
        Ok(ids)
    }

    /// Brings all that is left to the disk; what was added of data and of trees.
    pub fn finish(self) -> Result<(Added, Added)> {
        let mut added = [Added::default(); 2];
        for (kind, added) in [BlobKind::Data, BlobKind::Tree].into_iter().zip(&mut added) {
            let left = {
                let mut filling = lock(self.filling(kind));
                *added = filling.added;
                filling.take()
            };
            left.map_or(Ok(()), |pack| self.finish_pack(pack))?;
        }
        let rest = lock(&self.pending).take();
        rest.map_or(Ok(()), |index| index.write(self.objects, self.cipher))?;
        Ok((added[0], added[1]))
    }

    fn finish_pack(&self, pack: Pack) -> Result<()> {
        let listed = pack.finish(self.objects, self.cipher)?;
        let enough = lock(&self.pending).add(listed);
        enough.map_or(Ok(()), |index| index.write(self.objects, self.cipher))
    }

    fn filling(&self, kind: BlobKind) -> &Mutex<Filling<'a>> {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.trees,
        }
    }
}

/// What one thread seals with: a compressor and room, both used again and again.
#[derive(Default)]
pub(super) struct Tool {
    compressor: Option<Compressor<'static>>,
    checking: Checking,
    sealed: Vec<u8>,
    used: usize,
    pub blobs: Vec<(Sha256, u32, Option<u32>)>,
    /// Bytes of the texts of these blobs.
    pub bytes: u64,
}

/// What a blob is read back with.
#[derive(Default)]
struct Checking {
    decompressor: Decompressor<'static>,
    sealed: Vec<u8>,
    text: Vec<u8>,
}

/// A blob that was just sealed: where it lies, and whether it is compressed.
struct Sealed {
    at: Range<usize>,
    compressed: bool,
}

impl Tool {
    fn clear(&mut self) {
        (self.used, self.bytes) = (0, 0);
        self.blobs.clear();
    }

    /// The blobs, one after the other.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed[..self.used]
    }

    fn seal(
        &mut self,
        cipher: &Cipher,
        level: Option<i32>,
        id: Sha256,
        text: &[u8],
    ) -> Result<Sealed> {
        let from = self.used + NONCE;
        let room = grown(&mut self.sealed, from + compress_bound(text.len()) + OVERHEAD);
        let packed = match level {
            Some(level) => compress(&mut self.compressor, level, text, &mut room[from..])?,
            None => None,
        };
        let length = packed.unwrap_or(text.len());
        if packed.is_none() {
            room[from..from + length].copy_from_slice(text);
        }
        let all = length + OVERHEAD;
        let at = self.used..self.used + all;
        cipher.seal(&mut room[at.clone()])?;
        self.used += all;
        self.bytes += text.len() as u64;
        let too_long = |_| Error::Engine("a directory's list has 4 GiB".into());
        let text_length = packed.map(|_| text.len().try_into()).transpose().map_err(too_long)?;
        self.blobs.push((id, all.try_into().map_err(too_long)?, text_length));
        Ok(Sealed { at, compressed: packed.is_some() })
    }

    /// Reads a blob back: bad memory and a defect of a compressor are found while the source is
    /// still there.
    fn check(&mut self, cipher: &Cipher, sealed: Sealed, text: &[u8]) -> Result<()> {
        let Checking { decompressor, sealed: copy, text: unpacked } = &mut self.checking;
        let copy = grown(copy, sealed.at.len());
        copy.copy_from_slice(&self.sealed[sealed.at]);
        let same = match cipher.open(copy) {
            None => false,
            Some(opened) if !sealed.compressed => *opened == *text,
            Some(opened) => {
                let room = grown(unpacked, text.len());
                let length = decompressor.decompress_to_buffer(opened, room);
                length.is_ok_and(|length| room[..length] == *text)
            }
        };
        let differs = "what was encrypted does not read back: test this machine's memory";
        same.then_some(()).ok_or_else(|| Error::Engine(differs.into()))
    }
}

/// Length of the compressed text; `None` when compressing gains nothing. A blob may lie there as
/// it is, and is read faster then.
fn compress(
    compressor: &mut Option<Compressor<'static>>,
    level: i32,
    text: &[u8],
    room: &mut [u8],
) -> Result<Option<usize>> {
    let failed = |error| Error::Engine(format!("cannot compress: {error}"));
    let compressor = match compressor {
        Some(compressor) => compressor,
        none => none.insert(Compressor::new(level).map_err(failed)?),
    };
    let length = compressor.compress_to_buffer(text, room).map_err(failed)?;
    Ok((length < text.len() - text.len() / 64).then_some(length))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_that_does_not_read_back_is_an_error() {
        let cipher = Cipher::new(&([1; 32], [2; 16], [0; 16]));
        for text in [&b"speed = 36000\n".repeat(400)[..], b"x", &[]] {
            let mut tool = Tool::default();
            let Sealed { at, compressed } =
                tool.seal(&cipher, Some(LEVEL), Sha256::of(text), text).unwrap();
            assert_eq!(compressed, text.len() > 100);
            let check = |tool: &mut Tool, text| {
                tool.check(&cipher, Sealed { at: at.clone(), compressed }, text)
            };
            check(&mut tool, text).unwrap();
            assert!(check(&mut tool, b"another text").is_err());
            tool.sealed[NONCE] ^= 1;
            assert!(check(&mut tool, text).is_err());
        }
    }
}
