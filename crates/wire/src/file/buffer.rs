//! A growing window over a source: records are parsed where they were read to.
//!
//! Invariant: what was consumed is forgotten; the window grows only to the record asked for.

use flate2::read::MultiGzDecoder;
use std::io::{self, Read};

const CHUNK_OCTETS: usize = 256 * 1024;

enum Source<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<io::Chain<io::Cursor<Vec<u8>>, R>>>),
}

pub(super) struct Buffer<R> {
    source: Source<R>,
    bytes: Vec<u8>,
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
            bytes: vec![0; CHUNK_OCTETS],
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
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until `wanted` octets are available or the source ends; gives what is available.
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.end.saturating_sub(self.start) < wanted && !self.finished {
            self.make_room(wanted);
            let space = self.bytes.get_mut(self.end..).unwrap_or_default();
            let read = match &mut self.source {
                Source::Plain(source) => source.read(space),
                Source::Gzip(source) => source.read(space),
            };
            match read {
                Ok(0) => self.finished = true,
                Ok(count) => self.end = self.end.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.finished = true;
                    return Err(error);
                }
            }
        }
        Ok(self.available())
    }

    fn make_room(&mut self, wanted: usize) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted.saturating_add(CHUNK_OCTETS), 0);
        }
    }

    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(count);
        self.consumed = self.consumed.saturating_add(count as u64);
    }

    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }
}
