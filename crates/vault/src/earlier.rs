//! What the newest whole snapshot of the same asset holds, for sources that read only what changed
//! since: the rest of a file comes from here.
//!
//! The repository is read by one thread beside the backup; sources ask it over a channel. Not here:
//! what changed. Invariant: content comes whole and checked or ends with an error, and asking for
//! what is not there is no error.

use crate::{
    engine::{ChunkId, Found, Kind, RusticEngine, Scratch, VaultEngine},
    error::Result,
    event::SnapshotId,
};
use bytes::Bytes;
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
};

/// Pieces that wait for a source; each has some MiB.
const PIECES_AHEAD: usize = 4;

struct Request {
    path: PathBuf,
    /// Whether it is there, then its pieces.
    answer: SyncSender<io::Result<Option<Bytes>>>,
}

/// Asks; a clone asks the same.
#[derive(Clone)]
pub struct Earlier {
    requests: Option<Sender<Request>>,
}

impl Earlier {
    /// Where there is no snapshot before.
    pub(crate) fn nothing() -> Self {
        Self { requests: None }
    }

    /// The content of a file; `None` when it is not there.
    pub fn open(&self, path: &Path) -> io::Result<Option<Content>> {
        let Some(requests) = &self.requests else { return Ok(None) };
        let (answer, pieces) = sync_channel(PIECES_AHEAD);
        let request = Request { path: path.to_owned(), answer };
        requests.send(request).map_err(|_| gone())?;
        let there = pieces.recv().map_err(|_| gone())??.is_some();
        Ok(there.then(|| Content { pieces, piece: Bytes::new() }))
    }
}

fn gone() -> io::Error {
    io::Error::other("the snapshot before cannot be read any more")
}

/// A file of the snapshot before, from its beginning.
pub struct Content {
    pieces: Receiver<io::Result<Option<Bytes>>>,
    piece: Bytes,
}

impl Content {
    fn fill(&mut self) -> io::Result<bool> {
        while self.piece.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.piece = piece?.unwrap_or_default(),
                // All was given.
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Passes over octets; an error when there are fewer.
    pub fn skip(&mut self, mut length: u64) -> io::Result<()> {
        while length > 0 {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let most = usize::try_from(length).unwrap_or(usize::MAX).min(self.piece.len());
            drop(self.piece.split_to(most));
            length -= most as u64;
        }
        Ok(())
    }
}

impl Read for Content {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.fill()? {
            return Ok(0);
        }
        let length = self.piece.len().min(out.len());
        out[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Answers until nobody asks any more.
pub(crate) struct Answering {
    requests: Receiver<Request>,
    snapshot: SnapshotId,
}

/// Both ends, for a snapshot.
pub(crate) fn of(snapshot: SnapshotId) -> (Earlier, Answering) {
    let (sender, requests) = channel();
    (Earlier { requests: Some(sender) }, Answering { requests, snapshot })
}

impl Answering {
    pub fn run(self, engine: &RusticEngine) {
        for Request { path, answer } in &self.requests {
            if let Err(error) = give(engine, &self.snapshot, &path, &answer) {
                // Whoever asked may have gone on without it.
                drop(answer.send(Err(io::Error::other(error.to_string()))));
            }
        }
    }
}

fn give(
    engine: &RusticEngine,
    snapshot: &SnapshotId,
    path: &Path,
    answer: &SyncSender<io::Result<Option<Bytes>>>,
) -> Result<()> {
    let reading = engine.read(snapshot)?;
    let mut chunks: Option<Vec<ChunkId>> = None;
    reading.walk(&mut |found| {
        if let Found::Entry { path: at, kind: Kind::File(ids), .. } = found
            && at == path
        {
            chunks = Some(ids);
        }
        Ok(())
    })?;
    let there = chunks.is_some().then(Bytes::new);
    if answer.send(Ok(there)).is_err() {
        return Ok(());
    }
    let mut scratch = Scratch::default();
    for id in chunks.unwrap_or_default() {
        let piece = Bytes::copy_from_slice(reading.chunk(&id, &mut scratch)?);
        if answer.send(Ok(Some(piece))).is_err() {
            break;
        }
    }
    Ok(())
}
