//! Packs being read: files of this machine, or streams from where they lie.
//!
//! Blobs that are read one after the other mostly lie so in a pack, so a stream goes on instead
//! of being asked for anew. Not here: what is in a pack; who reads checks every blob by its name.
//! Invariant: no more of a pack is in memory than the blob asked for.

use super::Objects;
use crate::{
    digest::Sha256,
    error::{IoContext, Result},
};
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

/// Bytes that are passed over sooner than a new stream is asked for.
const PASSED_MAX: u64 = 256 << 10;

/// Times a stream that broke is asked for anew.
const TRIES: u32 = 5;

/// Where packs lie that are not on this machine.
pub trait Packs: Send + Sync {
    /// A pack from `offset` on.
    fn open(&self, pack: &Sha256, offset: u64) -> io::Result<Box<dyn Read>>;
}

/// A pack that is open.
pub(super) enum Pack {
    Here(File),
    There { at: u64, reader: Box<dyn Read> },
}

/// Reads what lies at `offset` of a pack; `open` is the one that was read last.
pub(super) fn read(
    objects: &Objects,
    open: &mut Option<(Sha256, Pack)>,
    (pack, offset): (&Sha256, u64),
    into: &mut [u8],
) -> Result<()> {
    if open.as_ref().is_some_and(|(name, _)| name != pack) {
        *open = None;
    }
    let Some(packs) = objects.elsewhere() else {
        let (_, opened) = match open {
            Some(opened) => opened,
            none => none.insert((*pack, Pack::Here(objects.open(pack)?))),
        };
        let Pack::Here(file) = opened else { unreachable!("packs are here or elsewhere") };
        return file.read_exact_at(into, offset).doing("read pack", pack.to_string());
    };
    let mut tries = 0;
    loop {
        let kept = open.take().map(|(_, opened)| opened);
        match from_stream(packs, kept, (pack, offset), into) {
            Ok(opened) => {
                *open = Some((*pack, opened));
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound || tries >= TRIES => {
                return Err(error).doing("read pack", pack.to_string());
            }
            Err(_) => tries += 1,
        }
    }
}

fn from_stream(
    packs: &dyn Packs,
    kept: Option<Pack>,
    (pack, offset): (&Sha256, u64),
    into: &mut [u8],
) -> io::Result<Pack> {
    let (mut at, mut reader) = match kept {
        Some(Pack::There { at, reader }) if at <= offset && offset - at <= PASSED_MAX => {
            (at, reader)
        }
        _ => (offset, packs.open(pack, offset)?),
    };
    if at < offset {
        let passed = io::copy(&mut (&mut *reader).take(offset - at), &mut io::sink())?;
        at += passed;
        if at < offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    reader.read_exact(into)?;
    Ok(Pack::There { at: at + into.len() as u64, reader })
}
