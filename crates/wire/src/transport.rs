//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443), IGMP headers.
//!
//! Invariant: a UDP payload ends where its length says, a TCP payload where IP said.

use crate::reader::Reader;

#[derive(Clone, Copy, Debug)]
pub enum Transport<'a> {
    Tcp(Tcp<'a>),
    Udp(Udp<'a>),
    Icmp(Icmp<'a>),
    Icmpv6(Icmp<'a>),
    Igmp {
        kind: u8,
        payload: &'a [u8],
    },
    /// Another protocol over IP.
    Other,
    Malformed(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    pub source: u16,
    pub destination: u16,
    pub sequence: u32,
    pub acknowledgement: u32,
    pub flags: u8,
    pub window: u16,
    pub options: &'a [u8],
    pub payload: &'a [u8],
}

impl Tcp<'_> {
    pub const fn fin(&self) -> bool {
        self.flags & 0x01 != 0
    }

    pub const fn syn(&self) -> bool {
        self.flags & 0x02 != 0
    }

    pub const fn rst(&self) -> bool {
        self.flags & 0x04 != 0
    }

    pub const fn psh(&self) -> bool {
        self.flags & 0x08 != 0
    }

    pub const fn ack(&self) -> bool {
        self.flags & 0x10 != 0
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    pub source: u16,
    pub destination: u16,
    pub payload: &'a [u8],
    /// Octets the header declares beyond what is there.
    pub missing: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Icmp<'a> {
    pub kind: u8,
    pub code: u8,
    /// Behind the checksum.
    pub payload: &'a [u8],
}

/// Reads the transport header of an unfragmented or reassembled IP payload.
#[inline]
pub fn transport(protocol: u8, payload: &[u8]) -> Transport<'_> {
    match protocol {
        6 => tcp(payload),
        17 => udp(payload),
        1 => icmp(payload).map_or(Transport::Malformed("icmp-cut-short"), Transport::Icmp),
        58 => icmp(payload).map_or(Transport::Malformed("icmpv6-cut-short"), Transport::Icmpv6),
        2 => match payload.split_first() {
            Some((kind, payload)) => Transport::Igmp { kind: *kind, payload },
            None => Transport::Malformed("igmp-cut-short"),
        },
        _ => Transport::Other,
    }
}

fn tcp(bytes: &[u8]) -> Transport<'_> {
    let Some(header) = bytes.first_chunk::<20>() else {
        return Transport::Malformed("tcp-header-cut-short");
    };
    let [s1, s2, d1, d2, q1, q2, q3, q4, a1, a2, a3, a4, offset, flags, w1, w2, ..] = *header;
    let octets = usize::from(offset >> 4).saturating_mul(4);
    let (Some(options), Some(payload)) = (bytes.get(20..octets), bytes.get(octets..)) else {
        return Transport::Malformed("tcp-data-offset-invalid");
    };
    Transport::Tcp(Tcp {
        source: u16::from_be_bytes([s1, s2]),
        destination: u16::from_be_bytes([d1, d2]),
        sequence: u32::from_be_bytes([q1, q2, q3, q4]),
        acknowledgement: u32::from_be_bytes([a1, a2, a3, a4]),
        flags,
        window: u16::from_be_bytes([w1, w2]),
        options,
        payload,
    })
}

fn udp(bytes: &[u8]) -> Transport<'_> {
    let mut at = Reader::new(bytes);
    let (Ok(source), Ok(destination), Ok(length), Ok(())) =
        (at.be16(), at.be16(), at.be16(), at.skip(2))
    else {
        return Transport::Malformed("udp-header-cut-short");
    };
    let rest = at.rest();
    // Length 0 is a jumbogram (RFC 2675, 4); anything else below 8 is wrong.
    let declared = match usize::from(length) {
        0 => rest.len(),
        length => match length.checked_sub(8) {
            Some(declared) => declared,
            None => return Transport::Malformed("udp-length-invalid"),
        },
    };
    let payload = rest.get(..declared).unwrap_or(rest);
    let missing = declared.saturating_sub(rest.len());
    Transport::Udp(Udp { source, destination, payload, missing })
}

fn icmp(bytes: &[u8]) -> Option<Icmp<'_>> {
    let (&[kind, code, _, _], payload) = bytes.split_first_chunk::<4>()?;
    Some(Icmp { kind, code, payload })
}
