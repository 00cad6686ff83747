//! Capture files: pcap and pcapng, plain or gzip, read as a stream and written.
//!
//! Not here: opening files. Invariant: memory does not grow with the file; a damaged file gives
//! the packets before the damage and then says where and what it is.

mod buffer;
mod pcap;
mod pcapng;
mod write;

pub use write::{PcapWriter, PcapngWriter};

pub use buffer::Block;

use crate::link::LinkType;
use buffer::Buffer;
use std::{fmt, io};

/// One packet as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'a> {
    /// Nanoseconds since 1970 UTC.
    pub at_nanos: i64,
    /// Octets on the wire, of which `data` were captured.
    pub wire_len: u32,
    pub link: LinkType,
    pub interface: u32,
    pub data: &'a [u8],
    /// What the data lie in, and from where on: who holds it needs no copy of them.
    pub block: &'a Block,
    pub start: usize,
}

/// Why a file is no capture.
#[derive(Debug)]
pub enum OpenError {
    Io(io::Error),
    Empty,
    /// Its first octets belong to no capture format.
    NotACapture([u8; 4]),
    /// It begins as a capture and is damaged before the first packet.
    Damaged(&'static str),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io(_) => f.write_str("cannot read"),
            OpenError::Empty => f.write_str("the file is empty"),
            OpenError::NotACapture([a, b, c, d]) => write!(
                f,
                "not a capture: it begins with {a:02x} {b:02x} {c:02x} {d:02x}; a pcap, pcapng \
                 or gzip file begins otherwise"
            ),
            OpenError::Damaged(what) => write!(f, "damaged before the first packet: {what}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Why reading ended before the end of the file.
#[derive(Debug)]
pub enum ReadError {
    Io {
        offset: u64,
        source: io::Error,
    },
    /// The file ends inside a packet or block.
    Truncated {
        offset: u64,
    },
    Damaged {
        offset: u64,
        what: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io { offset, .. } => write!(f, "cannot read on at byte {offset}"),
            ReadError::Truncated { offset } => {
                write!(f, "the file ends in the middle of the record at byte {offset}")
            }
            ReadError::Damaged { offset, what } => write!(f, "damaged at byte {offset}: {what}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Where a packet stands in the buffer, before it is borrowed from there.
struct Found {
    at_nanos: i64,
    wire_len: u32,
    link: LinkType,
    interface: u32,
    /// Octets from the start of the record to the data, the data's length, the record's length.
    data_at: usize,
    data_len: usize,
    record: usize,
}

enum Format {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
}

pub struct CaptureReader<R> {
    buffer: Buffer<R>,
    format: Format,
    /// The record given last; it is dropped at the next call.
    last: usize,
}

impl<R: io::Read> CaptureReader<R> {
    /// Recognises the format by its first octets.
    pub fn open(source: R) -> Result<Self, OpenError> {
        let mut buffer = Buffer::new(source);
        let head = buffer.fill(4).map_err(OpenError::Io)?;
        if head.starts_with(&[0x1f, 0x8b]) {
            buffer = buffer.gunzip();
        }
        let head = buffer.fill(4).map_err(OpenError::Io)?;
        let Some(magic) = head.first_chunk::<4>().copied() else {
            return Err(if head.is_empty() {
                OpenError::Empty
            } else {
                OpenError::NotACapture(padded(head))
            });
        };
        if magic == pcapng::SECTION {
            let format = Format::Pcapng(pcapng::Pcapng::default());
            return Ok(CaptureReader { buffer, format, last: 0 });
        }
        let Some(header) = pcap::Form::from_magic(magic) else {
            return Err(OpenError::NotACapture(magic));
        };
        let head = buffer.fill(pcap::HEADER_OCTETS).map_err(OpenError::Io)?;
        let Some(pcap) = pcap::Pcap::from_header(header, head) else {
            return Err(OpenError::Damaged("the pcap header is cut short"));
        };
        buffer.consume(pcap::HEADER_OCTETS);
        Ok(CaptureReader { buffer, format: Format::Pcap(pcap), last: 0 })
    }

    /// Memory that held packets, empty, for whatever else there is to hold: new memory has to be
    /// given by the operating system first.
    pub fn into_memory(self) -> Vec<Vec<u8>> {
        self.buffer.into_memory().collect()
    }

    /// The next packet, `None` at the end. After an error there are no more packets.
    #[expect(clippy::should_implement_trait, reason = "lends from the reader, an iterator cannot")]
    pub fn next(&mut self) -> Result<Option<RawPacket<'_>>, ReadError> {
        self.buffer.consume(std::mem::take(&mut self.last));
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.buffer)?,
            Format::Pcapng(pcapng) => pcapng.next(&mut self.buffer)?,
        };
        let Some(found) = found else { return Ok(None) };
        self.last = found.record;
        let end = found.data_at.saturating_add(found.data_len);
        let data = self.buffer.available().get(found.data_at..end).unwrap_or_default();
        let (block, start) = self.buffer.block();
        Ok(Some(RawPacket {
            at_nanos: found.at_nanos,
            wire_len: found.wire_len,
            link: found.link,
            interface: found.interface,
            data,
            block,
            start: start.saturating_add(found.data_at),
        }))
    }

    /// Octets read of the (decompressed) file so far, for progress.
    pub fn offset(&self) -> u64 {
        self.buffer.offset()
    }
}

fn padded(head: &[u8]) -> [u8; 4] {
    let mut magic = [0; 4];
    for (to, from) in magic.iter_mut().zip(head) {
        *to = *from;
    }
    magic
}

#[cfg(test)]
mod tests;
