//! Tagged data of BACnet services (ASHRAE 135-2020, 20.2.1): a checked walk over tags.
//!
//! Not a schema: services know which tags they expect. Invariant: every step takes at least one
//! octet, and constructed data is left at its own closing tag.

use model::PointValue;
use wire::{Reader, Short};

/// One step over tagged data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// Primitive data; a `number` of its own when `context` is set, else an application type.
    Value {
        number: u8,
        context: bool,
        bytes: &'a [u8],
        low: u8,
    },
    Open(u8),
    Close(u8),
}

/// Reads tags one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Tags<'a> {
    at: Reader<'a>,
}

/// Application tag numbers (20.2.1.4).
pub mod application {
    pub const BOOLEAN: u8 = 1;
    pub const UNSIGNED: u8 = 2;
    pub const SIGNED: u8 = 3;
    pub const REAL: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const CHARACTER_STRING: u8 = 7;
    pub const ENUMERATED: u8 = 9;
    pub const OBJECT_IDENTIFIER: u8 = 12;
}

impl<'a> Tags<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Tags { at: Reader::new(bytes) }
    }

    pub const fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The next tag with its data.
    pub fn item(&mut self) -> Result<Item<'a>, Short> {
        let octet = self.at.u8()?;
        let (context, low) = (octet & 0x08 != 0, octet & 0x07);
        let number = match octet >> 4 {
            15 => self.at.u8()?,
            number => number,
        };
        let length = match (context, low) {
            (true, 6) => return Ok(Item::Open(number)),
            (true, 7) => return Ok(Item::Close(number)),
            (false, _) if number == application::BOOLEAN => 0,
            (_, 5) => match self.at.u8()? {
                254 => usize::from(self.at.be16()?),
                255 => usize::try_from(self.at.be32()?).unwrap_or(usize::MAX),
                length => usize::from(length),
            },
            (_, low) => usize::from(low),
        };
        let bytes = self.at.bytes(length)?;
        Ok(Item::Value { number, context, bytes, low })
    }

    /// The data of context tag `wanted` if it comes next; otherwise nothing is taken.
    pub fn context(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        match ahead.item() {
            Ok(Item::Value { number, context: true, bytes, .. }) if number == wanted => {
                *self = ahead;
                Some(bytes)
            }
            _ => None,
        }
    }

    /// The data of application type `wanted` if it comes next; otherwise nothing is taken.
    pub fn application(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        match ahead.item() {
            Ok(Item::Value { number, context: false, bytes, .. }) if number == wanted => {
                *self = ahead;
                Some(bytes)
            }
            _ => None,
        }
    }

    /// What stands between opening and closing tag `wanted` if that comes next.
    ///
    /// Data cut short by segmentation gives what there is of it.
    pub fn inside(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        if ahead.item() != Ok(Item::Open(wanted)) {
            return None;
        }
        let inner = ahead.at.rest();
        let mut depth = 0_usize;
        loop {
            let before = ahead.at.remaining();
            match ahead.item() {
                Ok(Item::Open(_)) => depth = depth.saturating_add(1),
                Ok(Item::Close(_)) if depth == 0 => {
                    *self = ahead;
                    return inner.get(..inner.len().saturating_sub(before));
                }
                Ok(Item::Close(_)) => depth = depth.saturating_sub(1),
                Ok(Item::Value { .. }) => {}
                Err(_) => {
                    self.at = Reader::new(&[]);
                    return Some(inner);
                }
            }
        }
    }
}

/// An object: its type and instance (20.2.14).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectId {
    pub kind: u16,
    pub instance: u32,
}

impl ObjectId {
    pub const fn from_number(number: u32) -> Self {
        ObjectId { kind: (number >> 22) as u16, instance: number & 0x003f_ffff }
    }

    pub const fn number(self) -> u32 {
        (self.kind as u32) << 22 | self.instance & 0x003f_ffff
    }
}

pub fn object(bytes: &[u8]) -> Option<ObjectId> {
    let octets: [u8; 4] = bytes.try_into().ok()?;
    Some(ObjectId::from_number(u32::from_be_bytes(octets)))
}

/// One to four octets, big endian (20.2.4).
pub fn unsigned(bytes: &[u8]) -> Option<u32> {
    let fits = (1..=4).contains(&bytes.len());
    fits.then(|| bytes.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)))
}

/// A character string (20.2.9): its character set and its octets. UTF-8 and ISO 8859-1 are read
/// as they are, UCS-2 is put together.
pub fn text(bytes: &[u8]) -> Option<String> {
    let (set, octets) = bytes.split_first()?;
    Some(match set {
        4 => {
            let units = octets.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
        }
        _ => crate::text::lossy(octets),
    })
}

/// A primitive application value that can be a process value.
pub fn value(item: Item<'_>) -> Option<PointValue> {
    let Item::Value { number, context: false, bytes, low } = item else { return None };
    Some(match number {
        application::BOOLEAN => PointValue::Bool(low == 1),
        application::UNSIGNED | application::ENUMERATED => {
            PointValue::Unsigned(u64::from(unsigned(bytes)?))
        }
        application::SIGNED => {
            let start = if bytes.first()? & 0x80 != 0 { -1_i64 } else { 0 };
            let fits = bytes.len() <= 8;
            PointValue::Int(fits.then(|| bytes.iter().fold(start, |n, b| n << 8 | i64::from(*b)))?)
        }
        application::REAL => {
            PointValue::Float(f64::from(f32::from_be_bytes(bytes.try_into().ok()?)))
        }
        application::DOUBLE => PointValue::Float(f64::from_be_bytes(bytes.try_into().ok()?)),
        application::CHARACTER_STRING => PointValue::Text(text(bytes)?.into()),
        _ => return None,
    })
}

/// Writes one primitive tag; used by tests and fixtures of others. Data of up to 253 octets.
pub fn emit(number: u8, context: bool, bytes: &[u8], into: &mut Vec<u8>) {
    let class = if context { 0x08 } else { 0 };
    let head = if number < 15 { number << 4 } else { 0xf0 };
    let low = if bytes.len() < 5 { bytes.len() as u8 } else { 5 };
    into.push(head | class | low);
    if number >= 15 {
        into.push(number);
    }
    if low == 5 {
        into.push(bytes.len().min(253) as u8);
    }
    into.extend(bytes.iter().take(253));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_written_is_read(
            number in 2u8..250,
            context: bool,
            bytes in prop::collection::vec(any::<u8>(), 0..253),
        ) {
            let mut written = Vec::new();
            emit(number, context, &bytes, &mut written);
            let mut tags = Tags::new(&written);
            match tags.item().expect("own tag") {
                Item::Value { number: n, context: c, bytes: b, .. } => {
                    prop_assert_eq!((n, c, b), (number, context, &bytes[..]));
                }
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert!(tags.is_empty());
        }

        #[test]
        fn object_identifiers_round_trip(kind in 0u16..1024, instance in 0u32..0x40_0000) {
            let id = ObjectId { kind, instance };
            prop_assert_eq!(ObjectId::from_number(id.number()), id);
        }
    }

    #[test]
    fn nested_data_ends_at_its_own_closing_tag() {
        // [3] { [3] { unsigned 7 } } then [4] 1
        let bytes = [0x3e, 0x3e, 0x21, 0x07, 0x3f, 0x3f, 0x49, 0x01];
        let mut tags = Tags::new(&bytes);
        assert_eq!(tags.inside(3), Some(&bytes[1..5]));
        assert_eq!(tags.context(4), Some(&bytes[7..]));
    }

    #[test]
    fn a_boolean_has_its_value_in_the_tag() {
        let mut tags = Tags::new(&[0x11, 0x21, 0x05]);
        assert_eq!(tags.item().ok().and_then(value), Some(PointValue::Bool(true)));
        assert_eq!(tags.item().ok().and_then(value), Some(PointValue::Unsigned(5)));
    }
}
