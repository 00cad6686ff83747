//! Layers of BACnet below its services: BVLC, network header, MS/TP frame, APDU header.
//!
//! Not the tagged data, see [`super::tag`]. Invariant: a length that a header declares is never
//! trusted beyond the octets that are there.

use std::net::{IpAddr, Ipv4Addr};
use wire::{Reader, Short};

/// BACnet Virtual Link Control (Annex J.2) or its IPv6 form (Annex U.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bvlc<'a> {
    pub ipv6: bool,
    pub function: u8,
    /// Octets of the whole message as its header says.
    pub length: u16,
    pub body: &'a [u8],
}

pub const BVLC_IPV4: u8 = 0x81;
pub const BVLC_IPV6: u8 = 0x82;

impl<'a> Bvlc<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Bvlc<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (kind, function, length) = (r.u8()?, r.u8()?, r.be16()?);
        Ok(Bvlc { ipv6: kind == BVLC_IPV6, function, length, body: r.rest() })
    }

    pub fn emit(&self) -> Vec<u8> {
        let kind = if self.ipv6 { BVLC_IPV6 } else { BVLC_IPV4 };
        let [high, low] = self.length.to_be_bytes();
        [&[kind, self.function, high, low], self.body].concat()
    }

    /// The network message within, and whose it is where a broadcast was forwarded.
    pub fn carried(&self) -> Option<(&'a [u8], Option<IpAddr>)> {
        const ADDRESS: usize = 6;
        const VIRTUAL: usize = 3;
        if self.ipv6 {
            let skip = match self.function {
                1 => VIRTUAL.saturating_mul(2),
                2 | 12 => VIRTUAL,
                8 => VIRTUAL.saturating_add(18),
                _ => return None,
            };
            return Some((self.body.get(skip..)?, None));
        }
        match self.function {
            4 => {
                let [a, b, c, d, _, _] = *self.body.first_chunk::<ADDRESS>()?;
                let origin = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
                Some((self.body.get(ADDRESS..)?, Some(origin)))
            }
            9..=11 => Some((self.body, None)),
            _ => None,
        }
    }
}

/// A network address behind a router: network number and MAC address there (6.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remote<'a> {
    pub network: u16,
    pub address: &'a [u8],
}

/// Network protocol data unit (6.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Npdu<'a> {
    pub version: u8,
    pub control: u8,
    pub destination: Option<Remote<'a>>,
    pub source: Option<Remote<'a>>,
    /// Type of a network layer message and its vendor where it is a proprietary one.
    pub message: Option<(u8, Option<u16>)>,
    pub body: &'a [u8],
}

impl<'a> Npdu<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Npdu<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (version, control) = (r.u8()?, r.u8()?);
        let mut remote = |present: bool| -> Result<Option<Remote<'a>>, Short> {
            if !present {
                return Ok(None);
            }
            let (network, length) = (r.be16()?, usize::from(r.u8()?));
            Ok(Some(Remote { network, address: r.bytes(length)? }))
        };
        let destination = remote(control & 0x20 != 0)?;
        let source = remote(control & 0x08 != 0)?;
        if destination.is_some() {
            r.skip(1)?;
        }
        let mut message = None;
        if control & 0x80 != 0 {
            let kind = r.u8()?;
            let vendor = if kind >= 0x80 { Some(r.be16()?) } else { None };
            message = Some((kind, vendor));
        }
        Ok(Npdu { version, control, destination, source, message, body: r.rest() })
    }
}

/// An MS/TP frame (9.3), with or without its preamble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MstpFrame<'a> {
    pub kind: u8,
    pub destination: u8,
    pub source: u8,
    pub data: &'a [u8],
    pub header_crc_right: bool,
}

impl<'a> MstpFrame<'a> {
    /// In SNAP (Cimetrics) three octets stand before the frame: the time since the last one and
    /// a constant. On the link type of its own it is the preamble 55 ff.
    pub fn parse(bytes: &'a [u8]) -> Result<MstpFrame<'a>, Short> {
        let mut r = Reader::new(bytes);
        let before = if bytes.starts_with(&[0x55, 0xff]) { 2 } else { 3 };
        r.skip(before)?;
        let header: [u8; 5] = r.array()?;
        let crc = r.u8()?;
        let [kind, destination, source, high, low] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data = if length == 0 { &[] } else { r.bytes(length)? };
        let header_crc_right = mstp_header_crc(&header) == crc;
        Ok(MstpFrame { kind, destination, source, data, header_crc_right })
    }

    /// Does the frame carry a network message? Data expecting and not expecting reply, and the
    /// same with COBS encoding, which is not read.
    pub fn carries_npdu(&self) -> bool {
        matches!(self.kind, 5 | 6)
    }
}

/// Annex G.1: x^8 + x^7 + 1, complemented.
fn mstp_header_crc(header: &[u8]) -> u8 {
    let all = header.iter().fold(0xff_u8, |crc, octet| {
        let c = u16::from(crc ^ octet);
        let c = (1..8).fold(c, |sum, by| sum ^ c << by);
        ((c & 0xfe) ^ (c >> 8 & 1)) as u8
    });
    !all
}

/// Kinds of application PDU (20.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    ConfirmedRequest,
    UnconfirmedRequest,
    SimpleAck,
    ComplexAck,
    SegmentAck,
    Error,
    Reject,
    Abort,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::ConfirmedRequest,
        Kind::UnconfirmedRequest,
        Kind::SimpleAck,
        Kind::ComplexAck,
        Kind::SegmentAck,
        Kind::Error,
        Kind::Reject,
        Kind::Abort,
    ];

    pub const fn number(self) -> u8 {
        self as u8
    }

    pub fn from_number(number: u8) -> Option<Kind> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Header of an application PDU and what follows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Apdu<'a> {
    pub kind: Kind,
    /// Of confirmed services and everything that answers them.
    pub invoke: u8,
    /// Service choice; the reason of a reject or abort.
    pub choice: u8,
    /// Number of the segment where the message is a segmented one, and whether more follow.
    pub segment: Option<(u8, bool)>,
    /// An abort sent by the server.
    pub server: bool,
    pub body: &'a [u8],
}

impl<'a> Apdu<'a> {
    /// `None` when the type is one of those reserved (20.1.1).
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Apdu<'a>>, Short> {
        let mut r = Reader::new(bytes);
        let first = r.u8()?;
        let Some(kind) = Kind::from_number(first >> 4) else { return Ok(None) };
        let (segmented, more, server) = (first & 0x08 != 0, first & 0x04 != 0, first & 0x01 != 0);
        let mut apdu = Apdu { kind, invoke: 0, choice: 0, segment: None, server, body: &[] };
        match kind {
            Kind::UnconfirmedRequest => apdu.choice = r.u8()?,
            Kind::ConfirmedRequest | Kind::ComplexAck => {
                if kind == Kind::ConfirmedRequest {
                    r.skip(1)?;
                }
                apdu.invoke = r.u8()?;
                if segmented {
                    apdu.segment = Some((r.u8()?, more));
                    r.skip(1)?;
                }
                apdu.choice = r.u8()?;
            }
            Kind::SegmentAck => {
                apdu.invoke = r.u8()?;
                r.skip(2)?;
            }
            _ => {
                apdu.invoke = r.u8()?;
                apdu.choice = r.u8()?;
            }
        }
        apdu.body = r.rest();
        Ok(Some(apdu))
    }

    /// Writes what [`Self::parse`] reads, unsegmented; used by tests and the lab.
    pub fn emit(&self) -> Vec<u8> {
        let first = self.kind.number() << 4;
        let head: &[u8] = match self.kind {
            Kind::UnconfirmedRequest => &[first, self.choice],
            // Segments accepted none, APDU of up to 1,476 octets.
            Kind::ConfirmedRequest => &[first, 0x05, self.invoke, self.choice],
            Kind::SegmentAck => &[first, self.invoke, 0, 1],
            Kind::Abort => &[first | u8::from(self.server), self.invoke, self.choice],
            _ => &[first, self.invoke, self.choice],
        };
        [head, self.body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_written_is_read(
            number in 0u8..8,
            invoke: u8,
            choice: u8,
            body in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let kind = Kind::from_number(number).expect("one of eight");
            let (mut invoke, mut choice) = (invoke, choice);
            if kind == Kind::UnconfirmedRequest { invoke = 0 }
            if kind == Kind::SegmentAck { choice = 0 }
            let apdu = Apdu { kind, invoke, choice, segment: None, server: false, body: &body };
            let bytes = apdu.emit();
            prop_assert_eq!(Apdu::parse(&bytes), Ok(Some(apdu)));
        }

        #[test]
        fn link_control_round_trips(ipv6: bool, function: u8, length: u16, body: [u8; 9]) {
            let bvlc = Bvlc { ipv6, function, length, body: &body };
            let bytes = bvlc.emit();
            prop_assert_eq!(Bvlc::parse(&bytes), Ok(bvlc));
        }
    }

    #[test]
    fn token_frame_has_the_checksum_of_the_standard() {
        // A token from 114 to 1 as a serial adapter saw it.
        let frame = MstpFrame::parse(&[0, 0, 0x80, 0, 1, 0x72, 0, 0, 0x84]).expect("a frame");
        assert!(frame.header_crc_right && !frame.carries_npdu());
    }
}
