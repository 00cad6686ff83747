//! Chunks of OPC UA over TCP (OPC 10000-6, 6.7.2 and 7.1.2).
//!
//! Invariant: a chunk is announced only when its type, kind and size all can be.

use super::limits::CHUNK_OCTETS_MAX;

pub const HEADER_OCTETS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Hello,
    Acknowledge,
    Error,
    ReverseHello,
    Open,
    Close,
    Message,
}

impl Kind {
    fn of(octets: &[u8]) -> Option<Kind> {
        Some(match octets {
            b"HEL" => Kind::Hello,
            b"ACK" => Kind::Acknowledge,
            b"ERR" => Kind::Error,
            b"RHE" => Kind::ReverseHello,
            b"OPN" => Kind::Open,
            b"CLO" => Kind::Close,
            b"MSG" => Kind::Message,
            _ => return None,
        })
    }

    /// As on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Hello => "HEL",
            Kind::Acknowledge => "ACK",
            Kind::Error => "ERR",
            Kind::ReverseHello => "RHE",
            Kind::Open => "OPN",
            Kind::Close => "CLO",
            Kind::Message => "MSG",
        }
    }
}

/// Type, F (final), C (more follow) or A (abandoned), and the size with this header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub kind: Kind,
    pub place: u8,
    pub size: usize,
}

impl Header {
    /// `None` while octets are missing; an error when these begin no chunk.
    pub fn parse(bytes: &[u8]) -> Option<Result<Header, ()>> {
        let known = bytes.get(..3);
        if let Some(octets) = known
            && Kind::of(octets).is_none()
        {
            return Some(Err(()));
        }
        let &[a, b, c, place, s0, s1, s2, s3] = bytes.first_chunk::<HEADER_OCTETS>()?;
        let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        let kind = Kind::of(&[a, b, c])?;
        let fits = (HEADER_OCTETS..=CHUNK_OCTETS_MAX).contains(&size);
        if !matches!(place, b'F' | b'C' | b'A') || !fits {
            return Some(Err(()));
        }
        Some(Ok(Header { kind, place, size }))
    }

    /// Used by tests and the lab.
    pub fn emit(&self) -> [u8; HEADER_OCTETS] {
        let [a, b, c] = match self.kind {
            Kind::Hello => *b"HEL",
            Kind::Acknowledge => *b"ACK",
            Kind::Error => *b"ERR",
            Kind::ReverseHello => *b"RHE",
            Kind::Open => *b"OPN",
            Kind::Close => *b"CLO",
            Kind::Message => *b"MSG",
        };
        let [d, e, f, g] = (self.size as u32).to_le_bytes();
        [a, b, c, self.place, d, e, f, g]
    }
}
