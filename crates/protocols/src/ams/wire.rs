//! AMS/TCP and AMS headers, as the AMS/ADS specification gives them: little endian throughout.
//!
//! Invariant: a header is plausible only when its lengths agree with each other.

use std::fmt;
use wire::{Reader, Short};

pub const TCP_HEADER_OCTETS: usize = 6;
pub const AMS_HEADER_OCTETS: usize = 32;

/// Octets of the AMS packet behind an AMS/TCP header; `None` when there is no such header.
pub fn tcp_length(bytes: &[u8]) -> Option<usize> {
    let [0, 0, a, b, c, d] = *bytes.first_chunk::<TCP_HEADER_OCTETS>()? else { return None };
    usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()
}

/// An AMS address: six octets and a port, the service on the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    pub net: [u8; 6],
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.net;
        write!(f, "{a}.{b}.{c}.{d}.{e}.{g}")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ams<'a> {
    pub target: Address,
    pub source: Address,
    pub command: u16,
    pub flags: u16,
    pub length: u32,
    pub error: u32,
    pub invoke: u32,
    pub data: &'a [u8],
}

impl<'a> Ams<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Ams<'a>, Short> {
        let mut r = Reader::new(bytes);
        let target = Address { net: r.array()?, port: r.le16()? };
        let source = Address { net: r.array()?, port: r.le16()? };
        let (command, flags, length) = (r.le16()?, r.le16()?, r.le32()?);
        let (error, invoke) = (r.le32()?, r.le32()?);
        Ok(Ams { target, source, command, flags, length, error, invoke, data: r.rest() })
    }

    pub const fn is_answer(&self) -> bool {
        self.flags & 1 != 0
    }

    /// An ADS command with a known number whose data is as long as the packet around it.
    pub fn is_plausible(&self, packet_octets: usize) -> bool {
        let data = packet_octets.checked_sub(AMS_HEADER_OCTETS);
        let ads = self.flags & 0xff04 == 4 && self.command <= 9;
        let addressed = self.target.net != [0; 6] || self.source.net != [0; 6];
        ads && addressed && usize::try_from(self.length).ok() == data
    }

    /// With its AMS/TCP header; used by tests.
    pub fn emit(&self) -> Vec<u8> {
        let octets = AMS_HEADER_OCTETS.saturating_add(self.data.len()) as u32;
        let mut out = vec![0, 0];
        out.extend(octets.to_le_bytes());
        for address in [self.target, self.source] {
            out.extend(address.net);
            out.extend(address.port.to_le_bytes());
        }
        out.extend(self.command.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        for number in [self.length, self.error, self.invoke] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.data);
        out
    }
}

/// A symbol as it stands in answers to "symbol information by name" (index group 0xf009).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symbol<'a> {
    pub group: u32,
    pub offset: u32,
    pub size: u32,
    pub kind: u32,
    pub name: &'a [u8],
}

impl<'a> Symbol<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Symbol<'a>, Short> {
        let mut r = Reader::new(bytes);
        r.skip(4)?;
        let (group, offset, size, kind) = (r.le32()?, r.le32()?, r.le32()?, r.le32()?);
        r.skip(4)?;
        let name = usize::from(r.le16()?);
        r.skip(4)?;
        Ok(Symbol { group, offset, size, kind, name: r.bytes(name)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            nets: [[u8; 6]; 2],
            ports: [u16; 2],
            command in 1u16..10,
            answer: bool,
            invoke: u32,
            data in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let ams = Ams {
                target: Address { net: nets[0], port: ports[0] },
                source: Address { net: nets[1], port: ports[1] },
                command,
                flags: 4 | u16::from(answer),
                length: data.len() as u32,
                error: 0,
                invoke,
                data: &data,
            };
            let bytes = ams.emit();
            let length = tcp_length(&bytes).expect("own header");
            prop_assert_eq!(Ams::parse(&bytes[TCP_HEADER_OCTETS..]), Ok(ams));
            prop_assert_eq!(ams.is_plausible(length), nets != [[0; 6]; 2]);
        }
    }
}
