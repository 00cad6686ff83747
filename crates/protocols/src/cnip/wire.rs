//! CN/IP headers (ISO/IEC 14908-4, 7.4) and LonTalk packets (ISO/IEC 14908-1, 6 to 8).
//!
//! Invariant: of a packet only what its address format and domain length leave is content.

use ::wire::{Reader, Short};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    pub length: u16,
    pub version: u8,
    pub kind: u8,
    /// Words of extended header.
    pub extended: u8,
    pub flags: u8,
    pub vendor: u16,
    pub session: u32,
    pub sequence: u32,
    pub timestamp: u32,
    pub data: &'a [u8],
}

pub const HEADER_OCTETS: u16 = 20;

impl<'a> Header<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Header<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (length, version, kind) = (r.be16()?, r.u8()?, r.u8()?);
        let (extended, flags, vendor) = (r.u8()?, r.u8()?, r.be16()?);
        let (session, sequence, timestamp) = (r.be32()?, r.be32()?, r.be32()?);
        r.skip(usize::from(extended).saturating_mul(4))?;
        let data = r.rest();
        Ok(Header {
            length,
            version,
            kind,
            extended,
            flags,
            vendor,
            session,
            sequence,
            timestamp,
            data,
        })
    }

    /// Version 1, a known type, and the length of the datagram.
    pub fn is_plausible(&self, octets: usize) -> bool {
        let known = super::names::message(self.kind).is_some();
        let length = usize::from(self.length) == octets && self.length >= HEADER_OCTETS;
        self.version == 1 && known && length && self.extended <= 16
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = self.length.to_be_bytes().to_vec();
        out.extend([self.version, self.kind, self.extended, self.flags]);
        out.extend(self.vendor.to_be_bytes());
        for number in [self.session, self.sequence, self.timestamp] {
            out.extend(number.to_be_bytes());
        }
        out.extend(vec![0; usize::from(self.extended).saturating_mul(4)]);
        out.extend(self.data);
        out
    }
}

/// What a packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<'a> {
    Application { bytes: &'a [u8], answer: bool },
    Acknowledgement,
    Reminder,
    Authentication,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Subnet and node of the sender, as one number.
    pub source: u32,
    /// Subnet and node asked, where a single one is.
    pub destination: Option<u32>,
    pub content: Content<'a>,
}

impl<'a> Packet<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, Short> {
        let mut r = Reader::new(bytes);
        let [_, header] = r.array()?;
        let number = |[subnet, node]: [u8; 2]| u32::from(subnet) << 8 | u32::from(node & 0x7f);
        let from: [u8; 2] = r.array()?;
        let [_, sender] = from;
        let single = sender & 0x80 != 0;
        let destination = match header >> 2 & 3 {
            // Broadcast to a subnet, multicast to a group.
            0 | 1 => {
                r.skip(1)?;
                None
            }
            2 => {
                let to = number(r.array()?);
                if !single {
                    r.skip(2)?;
                }
                Some(to)
            }
            // By neuron id, with a subnet for routers.
            _ => {
                r.skip(7)?;
                None
            }
        };
        let domain = match header & 3 {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => 6,
        };
        r.skip(domain)?;
        let content = content(header >> 4 & 3, &mut r)?;
        Ok(Packet { source: number(from), destination, content })
    }
}

/// Transport, session, authentication or application, by the two bits of the header.
fn content<'a>(format: u8, r: &mut Reader<'a>) -> Result<Content<'a>, Short> {
    let plain = |r: &Reader<'a>, answer| Content::Application { bytes: r.rest(), answer };
    Ok(match format {
        0 | 1 => {
            let kind = r.u8()? >> 4 & 7;
            match (format, kind) {
                (0, 2) => Content::Acknowledgement,
                // Reminder with a message behind its list of members.
                (_, 4) => Content::Reminder,
                (_, 5) => {
                    let members = usize::from(r.u8()?);
                    r.skip(members)?;
                    plain(r, false)
                }
                (1, 2) => plain(r, true),
                _ => plain(r, false),
            }
        }
        2 => Content::Authentication,
        _ => plain(r, false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            numbers: [u32; 3],
            kind: u8,
            extended in 0u8..4,
            data: [u8; 6],
        ) {
            let header = Header {
                length: 26,
                version: 1,
                kind,
                extended,
                flags: 0,
                vendor: 0,
                session: numbers[0],
                sequence: numbers[1],
                timestamp: numbers[2],
                data: &data,
            };
            let bytes = header.emit();
            prop_assert_eq!(Header::parse(&bytes), Ok(header));
        }
    }
}
