//! A growing window over a source: records are parsed where they were read to.
//!
//! The window lies in a block that others may hold on to; then the source goes on in another.
//! Invariant: what was consumed is forgotten; the window grows only to the record asked for; what
//! lies in a block that others hold does not change.

use flate2::read::MultiGzDecoder;
use std::{
    collections::VecDeque,
    io::{self, Read},
    ops::{Deref, DerefMut},
    sync::Arc,
};

const CHUNK_OCTETS: usize = 256 * 1024;
/// Blocks kept to be used again once nobody else holds them.
const SPARE_BLOCKS_MAX: usize = 64;
/// Blocks made before one is used again, where others hold them: one that another processor has
/// just read is still near that one, and to write over it takes longer than over one that is near
/// nobody.
const BLOCKS_IN_TURN: usize = 48;

/// Octets of a capture. Who holds it keeps them from being overwritten.
pub type Block = Arc<Octets>;

/// Where the octets of a block lie, apart from the count of who holds it: that changes while
/// others read, whose processors would ask for both again.
#[derive(Default, Debug)]
#[repr(align(128))]
pub struct Octets(Vec<u8>);

impl Deref for Octets {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Octets {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

enum Source<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<io::Chain<io::Cursor<Vec<u8>>, R>>>),
}

pub(super) struct Buffer<R> {
    source: Source<R>,
    block: Block,
    /// Others may hold these still; the one used last comes last.
    spare: VecDeque<Block>,
    /// What ended the source, while there are octets from before that.
    failed: Option<io::Error>,
    /// Others hold blocks of this one: then it pays to fill each.
    shared: bool,
    start: usize,
    end: usize,
    consumed: u64,
    finished: bool,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(source: R) -> Self {
        Self::over(Source::Plain(source))
    }

    fn over(source: Source<R>) -> Self {
        Buffer {
            source,
            block: fresh(CHUNK_OCTETS),
            spare: VecDeque::new(),
            failed: None,
            shared: false,
            start: 0,
            end: 0,
            consumed: 0,
            finished: false,
        }
    }

    /// The same source, decompressed from what is buffered on.
    pub(super) fn gunzip(self) -> Self {
        let head = self.available().to_vec();
        match self.source {
            Source::Plain(source) => {
                let chain = io::Cursor::new(head).chain(source);
                Self::over(Source::Gzip(Box::new(MultiGzDecoder::new(chain))))
            }
            Source::Gzip(_) => self,
        }
    }

    pub(super) fn available(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// The block in which the available octets lie, and from where on.
    pub(super) fn block(&self) -> (&Block, usize) {
        (&self.block, self.start)
    }

    /// Reads until `wanted` octets are available or the source ends; gives what is available.
    #[inline]
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.end.saturating_sub(self.start) < wanted {
            self.read(wanted)?;
        }
        Ok(self.available())
    }

    #[cold]
    fn read(&mut self, wanted: usize) -> io::Result<()> {
        while self.end.saturating_sub(self.start) < wanted && !self.finished {
            if let Some(error) = self.failed.take() {
                self.finished = true;
                return Err(error);
            }
            self.make_room(wanted);
            // Nobody else holds a block with room.
            let Some(block) = Arc::get_mut(&mut self.block) else { return Ok(()) };
            // Pipes and decoders give small pieces, and each would need another block.
            while let Some(space) = block.get_mut(self.end..).filter(|space| !space.is_empty()) {
                let read = match &mut self.source {
                    Source::Plain(source) => source.read(space),
                    Source::Gzip(source) => source.read(space),
                };
                match read {
                    Ok(0) => self.finished = true,
                    Ok(count) => self.end = self.end.saturating_add(count),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => self.failed = Some(error),
                }
                if !self.shared || self.finished || self.failed.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes the block one that nobody else holds, with what is available at its begin.
    fn make_room(&mut self, wanted: usize) {
        let octets = if self.block.len() < wanted {
            wanted.saturating_add(CHUNK_OCTETS)
        } else {
            self.block.len()
        };
        match Arc::get_mut(&mut self.block) {
            Some(bytes) => {
                if self.start > 0 {
                    bytes.copy_within(self.start..self.end, 0);
                }
                bytes.resize(octets, 0);
            }
            None => {
                let mut next = self.next_block(octets);
                if let Some(bytes) = Arc::get_mut(&mut next) {
                    let rest = self.available();
                    bytes.resize(octets.max(rest.len()), 0);
                    if let Some(begin) = bytes.get_mut(..rest.len()) {
                        begin.copy_from_slice(rest);
                    }
                }
                self.shared = true;
                let held = std::mem::replace(&mut self.block, next);
                if self.spare.len() < SPARE_BLOCKS_MAX {
                    self.spare.push_back(held);
                }
            }
        }
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
    }

    /// A block nobody holds: the one that was not used for longest.
    fn next_block(&mut self, octets: usize) -> Block {
        if self.spare.len() < BLOCKS_IN_TURN {
            return fresh(octets);
        }
        // To ask whether it is ours alone writes to it, so only who seems to be is asked.
        let ours =
            |block: &mut Block| Arc::strong_count(block) == 1 && Arc::get_mut(block).is_some();
        let free = self.spare.iter_mut().position(ours);
        free.and_then(|at| self.spare.remove(at)).unwrap_or_else(|| fresh(octets))
    }

    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(count);
        self.consumed = self.consumed.saturating_add(count as u64);
    }

    /// All memory that nobody else holds, cleared.
    pub(super) fn into_memory(self) -> impl Iterator<Item = Vec<u8>> {
        self.spare.into_iter().chain([self.block]).filter_map(Arc::into_inner).map(
            |Octets(mut memory)| {
                memory.clear();
                memory
            },
        )
    }

    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }
}

fn fresh(octets: usize) -> Block {
    Arc::new(Octets(vec![0; octets]))
}
