//! APDUs of IEC 60870-5-104 (5) and ASDUs of IEC 60870-5-101 (7), read and written.
//!
//! Invariant: objects never reach beyond their APDU.

use wire::{Reader, Short};

pub const START: u8 = 0x68;
/// Start, length, four control octets.
pub const APCI_OCTETS: usize = 6;

/// What the control octets say (5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Numbered information: send and receive sequence numbers.
    Information { sent: u16, received: u16 },
    /// Acknowledgement.
    Supervisory { received: u16 },
    /// Six bits of which one is set.
    Unnumbered(u8),
}

pub const STARTDT_ACT: u8 = 0x01;
pub const STARTDT_CON: u8 = 0x02;
pub const STOPDT_ACT: u8 = 0x04;
pub const STOPDT_CON: u8 = 0x08;
pub const TESTFR_ACT: u8 = 0x10;
pub const TESTFR_CON: u8 = 0x20;

impl Control {
    pub fn parse([a, b, c, d]: [u8; 4]) -> Control {
        let received = u16::from_le_bytes([c, d]) >> 1;
        match a & 3 {
            3 => Control::Unnumbered(a >> 2),
            1 => Control::Supervisory { received },
            _ => Control::Information { sent: u16::from_le_bytes([a, b]) >> 1, received },
        }
    }

    pub fn emit(&self) -> [u8; 4] {
        let number = |n: u16| (n << 1).to_le_bytes();
        match *self {
            Control::Information { sent, received } => {
                let ([a, b], [c, d]) = (number(sent), number(received));
                [a, b, c, d]
            }
            Control::Supervisory { received } => {
                let [c, d] = number(received);
                [1, 0, c, d]
            }
            Control::Unnumbered(bits) => [bits << 2 | 3, 0, 0, 0],
        }
    }
}

/// Data unit identifier and objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asdu<'a> {
    pub kind: u8,
    /// One address for all objects, which follow each other.
    pub sequence: bool,
    pub count: u8,
    pub cause: u8,
    pub negative: bool,
    pub test: bool,
    pub originator: u8,
    pub common_address: u16,
    pub objects: &'a [u8],
}

impl<'a> Asdu<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Asdu<'a>, Short> {
        let mut at = Reader::new(bytes);
        let (kind, qualifier, cause, originator) = (at.u8()?, at.u8()?, at.u8()?, at.u8()?);
        let common_address = at.le16()?;
        Ok(Asdu {
            kind,
            sequence: qualifier & 0x80 != 0,
            count: qualifier & 0x7f,
            cause: cause & 0x3f,
            negative: cause & 0x40 != 0,
            test: cause & 0x80 != 0,
            originator,
            common_address,
            objects: at.rest(),
        })
    }

    pub fn emit(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let mut bytes = vec![
            self.kind,
            flag(self.sequence, 0x80) | self.count & 0x7f,
            self.cause & 0x3f | flag(self.negative, 0x40) | flag(self.test, 0x80),
            self.originator,
        ];
        bytes.extend(self.common_address.to_le_bytes());
        bytes.extend_from_slice(self.objects);
        bytes
    }
}

/// One APDU.
pub fn emit(control: Control, asdu: Option<&Asdu<'_>>) -> Vec<u8> {
    let body = asdu.map(Asdu::emit).unwrap_or_default();
    let mut bytes = vec![START, body.len().saturating_add(4) as u8];
    bytes.extend(control.emit());
    bytes.extend(body);
    bytes
}

/// An information object: its address and its element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object<'a> {
    pub address: u32,
    pub element: &'a [u8],
}

/// The objects of an ASDU whose elements have `octets`, until one is cut short; and the octets
/// that are left over.
pub fn objects<'a>(asdu: &Asdu<'a>, octets: usize) -> (Vec<Object<'a>>, usize) {
    let mut at = Reader::new(asdu.objects);
    let mut found = Vec::with_capacity(usize::from(asdu.count));
    let mut next = 0u32;
    for index in 0..asdu.count {
        if index == 0 || !asdu.sequence {
            let Ok(address) = at.le24() else { break };
            next = address;
        }
        let Ok(element) = at.bytes(octets) else { break };
        found.push(Object { address: next, element });
        next = next.saturating_add(1);
    }
    (found, at.remaining())
}

/// Milliseconds within a minute, then minute, hour, day, month, year of the century
/// (IEC 60870-5-4, 6.8), as RFC 3339 without a zone: the time is the station's.
pub fn time(octets: &[u8]) -> Option<String> {
    let &[a, b, minute, hour, day, month, year] = octets.first_chunk::<7>()?;
    let millis = u16::from_le_bytes([a, b]);
    let (second, fraction) = (millis / 1_000, millis % 1_000);
    let (minute, hour, day) = (minute & 0x3f, hour & 0x1f, day & 0x1f);
    let (month, year) = (month & 0xf, year & 0x7f);
    Some(format!("20{year:02}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            (sent, received) in (0u16..0x8000, 0u16..0x8000),
            bits in 0u8..0x40,
            (kind, count, cause, originator) in (any::<u8>(), 0u8..0x80, 0u8..0x40, any::<u8>()),
            (sequence, negative, test) in any::<(bool, bool, bool)>(),
            common_address: u16,
            objects in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let controls = [
                Control::Information { sent, received },
                Control::Supervisory { received },
                Control::Unnumbered(bits),
            ];
            let objects = &objects[..];
            let asdu = Asdu {
                kind, sequence, count, cause, negative, test, originator, common_address, objects,
            };
            for control in controls {
                let bytes = emit(control, Some(&asdu));
                prop_assert_eq!(usize::from(bytes[1]) + 2, bytes.len());
                let octets: [u8; 4] = bytes[2..6].try_into().expect("four octets");
                prop_assert_eq!(Control::parse(octets), control);
                prop_assert_eq!(Asdu::parse(&bytes[6..]), Ok(asdu));
            }
        }
    }

    #[test]
    fn objects_in_sequence_share_one_address() {
        let objects_octets = [0x10, 0x27, 0, 0, 1];
        let asdu = Asdu {
            kind: 1,
            sequence: true,
            count: 2,
            cause: 20,
            negative: false,
            test: false,
            originator: 0,
            common_address: 1,
            objects: &objects_octets,
        };
        let (found, left) = objects(&asdu, 1);
        let addresses: Vec<_> = found.iter().map(|o| o.address).collect();
        assert_eq!((addresses, left), (vec![10_000, 10_001], 0));
    }
}
