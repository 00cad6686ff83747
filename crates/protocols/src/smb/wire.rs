//! Frames and headers of SMB (RFC 1002, 4.3; [MS-CIFS], 2.2.3.1; [MS-SMB2], 2.2.1).
//!
//! Invariant: offsets in a message count from its header, as the specifications have it.

use crate::text;
use ::wire::reader::{Reader, Short};

pub const FRAME_OCTETS: usize = 4;
pub const HEADER1_OCTETS: usize = 32;
pub const HEADER2_OCTETS: usize = 64;
/// The shortest message: the header of a compressed one.
pub const COMPRESSED_OCTETS: usize = 16;

/// A packet of the session service or of direct TCP ([MS-SMB2], 2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    Message { octets: usize },
    SessionRequest { octets: usize },
    Other { kind: u8, octets: usize },
    Invalid,
}

impl Frame {
    pub fn parse(bytes: &[u8]) -> Option<Frame> {
        let &[kind, a, b, c] = bytes.first_chunk::<FRAME_OCTETS>()?;
        let octets = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(match kind {
            0 if octets >= COMPRESSED_OCTETS => Frame::Message { octets },
            0x81 if octets < 256 => Frame::SessionRequest { octets },
            0x82..=0x85 if octets < 256 => Frame::Other { kind, octets },
            _ => Frame::Invalid,
        })
    }
}

/// Header of SMB 1.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Header1 {
    pub command: u8,
    pub status: u32,
    pub response: bool,
    pub unicode: bool,
    pub tree: u16,
    pub process: u16,
    pub user: u16,
    pub multiplex: u16,
}

impl Header1 {
    pub fn parse(bytes: &[u8]) -> Result<Header1, Short> {
        let mut r = Reader::new(bytes);
        r.skip(4)?;
        let command = r.u8()?;
        let status = r.le32()?;
        let flags = r.u8()?;
        let flags2 = r.le16()?;
        r.skip(12)?;
        Ok(Header1 {
            command,
            status,
            response: flags & 0x80 != 0,
            unicode: flags2 & 0x8000 != 0,
            tree: r.le16()?,
            process: r.le16()?,
            user: r.le16()?,
            multiplex: r.le16()?,
        })
    }

    /// Used by tests and the lab.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = b"\xffSMB".to_vec();
        bytes.push(self.command);
        bytes.extend(self.status.to_le_bytes());
        bytes.push(if self.response { 0x98 } else { 0x18 });
        bytes.extend((if self.unicode { 0xc001u16 } else { 0x4001 }).to_le_bytes());
        bytes.extend([0; 12]);
        for number in [self.tree, self.process, self.user, self.multiplex] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }
}

/// Header of SMB 2 and 3.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Header2 {
    pub status: u32,
    pub command: u16,
    pub response: bool,
    pub asynchronous: bool,
    /// Distance to the next message compounded behind this one, or 0.
    pub next: u32,
    pub message: u64,
    /// 0 of an asynchronous message.
    pub tree: u32,
    pub session: u64,
}

impl Header2 {
    pub fn parse(bytes: &[u8]) -> Result<Header2, Short> {
        const ASYNCHRONOUS: u32 = 2;
        let mut r = Reader::new(bytes);
        r.skip(8)?;
        let status = r.le32()?;
        let command = r.le16()?;
        r.skip(2)?;
        let flags = r.le32()?;
        let (next, message) = (r.le32()?, r.le64()?);
        let asynchronous = flags & ASYNCHRONOUS != 0;
        r.skip(4)?;
        let tree = if asynchronous { r.le32().map(|_| 0)? } else { r.le32()? };
        let session = r.le64()?;
        r.skip(16)?;
        let response = flags & 1 != 0;
        Ok(Header2 { status, command, response, asynchronous, next, message, tree, session })
    }

    /// Used by tests and the lab.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = b"\xfeSMB\x40\0\x01\0".to_vec();
        bytes.extend(self.status.to_le_bytes());
        bytes.extend(self.command.to_le_bytes());
        bytes.extend([1, 0]);
        let flags = u32::from(self.response) | u32::from(self.asynchronous) << 1;
        bytes.extend(flags.to_le_bytes());
        bytes.extend(self.next.to_le_bytes());
        bytes.extend(self.message.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.tree.to_le_bytes());
        bytes.extend(self.session.to_le_bytes());
        bytes.extend([0; 16]);
        bytes
    }
}

/// `count` octets from `offset` of a message.
pub fn slice(message: &[u8], offset: usize, count: usize) -> &[u8] {
    let end = offset.saturating_add(count).min(message.len());
    message.get(offset..end).unwrap_or_default()
}

pub fn le16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let octets = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(octets.try_into().ok()?))
}

pub fn le32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(octets.try_into().ok()?))
}

pub fn le64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let octets = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(octets.try_into().ok()?))
}

pub fn le128_at(bytes: &[u8], at: usize) -> Option<u128> {
    let octets = bytes.get(at..at.checked_add(16)?)?;
    Some(u128::from_le_bytes(octets.try_into().ok()?))
}

/// Texts one after the other in the bytes of an SMB 1 message ([MS-CIFS], 2.2.1.1): UTF-16 ones
/// stand on even offsets of the message.
pub struct Texts<'a> {
    message: &'a [u8],
    at: usize,
    unicode: bool,
}

impl<'a> Texts<'a> {
    pub fn new(message: &'a [u8], at: usize, unicode: bool) -> Self {
        Texts { message, at, unicode }
    }

    /// Steps over octets between two texts.
    pub fn skip(&mut self, octets: usize) {
        self.at = self.at.saturating_add(octets);
    }

    pub fn next_text(&mut self) -> String {
        if !self.unicode {
            return self.next_ascii();
        }
        self.at = self.at.next_multiple_of(2);
        self.next_unaligned()
    }

    /// As [`Self::next_text`] where the specification forgot to align: a negotiate response.
    pub fn next_unaligned(&mut self) -> String {
        let rest = self.message.get(self.at..).unwrap_or_default();
        let units = rest.chunks_exact(2);
        let length = units.take_while(|u| *u != [0, 0]).count().saturating_mul(2);
        self.at = self.at.saturating_add(length).saturating_add(2);
        text::utf16le(rest.get(..length).unwrap_or_default())
    }

    pub fn next_ascii(&mut self) -> String {
        let rest = self.message.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length).saturating_add(1);
        text::lossy(rest.get(..length).unwrap_or_default())
    }
}
