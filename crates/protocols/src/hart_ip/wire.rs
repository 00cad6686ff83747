//! HART-IP headers (HCF_SPEC-085, 9.3) and token-passing PDUs (HCF_SPEC-081, 5.1).
//!
//! Invariant: a command's data is as long as its byte count, or the PDU is short.

use wire::{Reader, Short};

pub const HEADER_OCTETS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub version: u8,
    /// 0 request, 1 response, 2 publish, 15 not acknowledged.
    pub kind: u8,
    pub id: u8,
    pub status: u8,
    pub sequence: u16,
    /// Octets of the whole message.
    pub length: u16,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Result<Header, Short> {
        let mut r = Reader::new(bytes);
        let [version, kind, id, status] = r.array()?;
        Ok(Header { version, kind, id, status, sequence: r.be16()?, length: r.be16()? })
    }

    pub fn emit(&self, body: &[u8]) -> Vec<u8> {
        let mut out = vec![self.version, self.kind, self.id, self.status];
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.length.to_be_bytes());
        out.extend(body);
        out
    }

    /// A known version, kind and id, and a length that such a message can have.
    pub fn is_plausible(&self) -> bool {
        let known = matches!(self.kind, 0..=3 | 15) && matches!(self.id, 0..=5 | 128);
        let length = match self.id {
            0 if self.kind <= 1 => 8..=64,
            1 | 2 => 8..=64,
            _ => 8..=2_048,
        };
        matches!(self.version, 1 | 2) && known && length.contains(&self.length)
    }

    /// Does what follows agree with the id, as far as it is there? A command has its check octet:
    /// all octets of it together are zero (HCF_SPEC-081, 5.4). The capture may have cut it off.
    pub fn fits(&self, message: &[u8], missing: usize) -> bool {
        let length = usize::from(self.length);
        let whole = message.get(HEADER_OCTETS..length);
        let frame = |delimiter: u8| matches!(delimiter & 0x07, 1 | 2 | 6);
        match (self.id, message.get(HEADER_OCTETS), whole) {
            (0, Some(master), _) => *master <= 1 || self.kind > 1,
            (3, _, Some(body)) => {
                let checked = body.iter().fold(0, |sum, octet| sum ^ octet) == 0;
                checked && Pdu::parse(body).is_ok_and(|p| frame(p.delimiter))
            }
            (3, Some(first), None) => {
                length <= message.len().saturating_add(missing) && frame(*first)
            }
            (3, None, None) => false,
            _ => true,
        }
    }

    /// Is this, at the beginning of a stream on a port of others, more than small numbers? A
    /// session begins with a message of one length (9.3.3), a command has its check octet.
    pub fn is_certain(&self) -> bool {
        const INITIATE_OCTETS: u16 = 13;
        match self.id {
            0 => self.length == INITIATE_OCTETS && self.status == 0,
            id => id == 3,
        }
    }
}

/// One HART command from or to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pdu<'a> {
    pub delimiter: u8,
    /// Five octets, or one on the short form.
    pub address: u64,
    pub number: u8,
    pub data: &'a [u8],
}

impl<'a> Pdu<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Pdu<'a>, Short> {
        let mut r = Reader::new(bytes);
        let delimiter = r.u8()?;
        let long = delimiter & 0x80 != 0;
        let address = match long {
            true => r.bytes(5)?.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b)),
            false => u64::from(r.u8()?),
        };
        // The first two bits name the master and burst mode.
        let address = if long { address & 0x3f_ffff_ffff } else { address & 0x3f };
        r.skip(usize::from(delimiter >> 5 & 3))?;
        let (number, length) = (r.u8()?, usize::from(r.u8()?));
        Ok(Pdu { delimiter, address, number, data: r.bytes(length)? })
    }

    /// The command's number, which command 31 extends to 16 bits, and its data.
    pub fn command(&self, answer: bool) -> (u16, &'a [u8]) {
        match (self.number, answer, self.data) {
            (31, false, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]), rest),
            // Response code and status stand before the extended number.
            (31, true, [_, _, high, low, ..]) => (u16::from_be_bytes([*high, *low]), self.data),
            (number, ..) => (u16::from(number), self.data),
        }
    }
}

/// Four characters in three octets (HCF_SPEC-099, packed ASCII). Memory that was never written
/// is zeros, which read as `@`: at the ends they are no text.
pub fn packed_ascii(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks_exact(3) {
        let [a, b, c] = *group else { continue };
        let bits = u32::from_be_bytes([0, a, b, c]);
        for shift in [18, 12, 6, 0] {
            let six = (bits >> shift & 0x3f) as u8;
            let octet = if six & 0x20 != 0 { six } else { six | 0x40 };
            out.push(char::from(octet));
        }
    }
    out.trim_matches('@').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(kind: u8, id: u8, status: u8, sequence: u16, length: u16) {
            let header = Header { version: 1, kind, id, status, sequence, length };
            prop_assert_eq!(Header::parse(&header.emit(&[7])), Ok(header));
        }
    }

    #[test]
    fn packed_ascii_has_four_letters_in_three_octets() {
        // "AB12": 000001 000010 110001 110010
        assert_eq!(packed_ascii(&[0x04, 0x2c, 0x72]), "AB12");
    }
}
