//! Object headers and the objects behind them, walked by the sizes of the object library.
//!
//! IEEE 1815-2012, 4.2.2.7 and Annex A. Not here: what the objects say, see `points`.
//! Invariant: a walk ends at the first object whose size is not known.

use super::names;
use wire::reader::{Reader, Short};

/// Group, variation, qualifier and range field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub group: u8,
    pub variation: u8,
    pub prefix: Prefix,
    /// First index where the range names one, else 0.
    pub first: u32,
    /// Objects that follow; 0 where all are meant.
    pub count: u32,
    /// The qualifier is one of those reserved: it is taken to have no range field.
    pub reserved: bool,
}

/// What stands before each object (Table 4-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Prefix {
    None,
    /// Index of this many octets.
    Index(u8),
    /// Size of the object, of this many octets.
    Size(u8),
}

impl Prefix {
    const fn octets(self) -> usize {
        match self {
            Prefix::None => 0,
            Prefix::Index(n) | Prefix::Size(n) => n as usize,
        }
    }
}

/// Why a walk over objects ends early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    Short,
    /// The range ends before it starts.
    Backwards,
    /// No object of this group and variation is defined.
    Unknown,
}

impl From<Short> for Stop {
    fn from(_: Short) -> Self {
        Stop::Short
    }
}

impl Header {
    /// Reads what follows group and variation.
    pub fn parse(group: u8, variation: u8, at: &mut Reader<'_>) -> Result<Header, Stop> {
        let qualifier = at.u8()?;
        let prefix = match qualifier >> 4 & 7 {
            0 => Prefix::None,
            code @ 1..=2 => Prefix::Index(code),
            3 => Prefix::Index(4),
            4 => Prefix::Size(1),
            5 => Prefix::Size(2),
            6 => Prefix::Size(4),
            _ => Prefix::None,
        };
        let (first, count) = match qualifier & 0x0f {
            0 => between(u32::from(at.u8()?), u32::from(at.u8()?))?,
            1 => between(u32::from(at.le16()?), u32::from(at.le16()?))?,
            2 => between(at.le32()?, at.le32()?)?,
            3 => (u32::from(at.u8()?), 1),
            4 => (u32::from(at.le16()?), 1),
            5 => (at.le32()?, 1),
            6 => (0, 0),
            7 | 0x0b => (0, u32::from(at.u8()?)),
            8 => (0, u32::from(at.le16()?)),
            9 => (0, at.le32()?),
            _ => (0, 0),
        };
        let reserved = qualifier >> 4 & 7 == 7 || matches!(qualifier & 0x0f, 0x0a | 0x0c..=0x0f);
        Ok(Header { group, variation, prefix, first, count, reserved })
    }

    /// Steps over the objects and shows each to `each`, when given.
    ///
    /// `with_data` is false in requests that only name objects; a size prefix overrules it.
    pub fn walk<'a>(
        &self,
        at: &mut Reader<'a>,
        with_data: bool,
        each: Option<&mut dyn FnMut(Item<'a>)>,
    ) -> Result<(), Stop> {
        let count = usize::try_from(self.count).map_err(|_| Stop::Short)?;
        let layout = match self.prefix {
            Prefix::Size(_) => Ok(Layout::Attribute),
            _ if with_data => layout(self.group, self.variation).ok_or(Stop::Unknown),
            _ => Ok(Layout::Octets(0)),
        };
        if count == 0 {
            return Ok(());
        }
        match (layout?, self.prefix) {
            (Layout::Bits(width), Prefix::None) => {
                let octets = count.saturating_mul(usize::from(width)).div_ceil(8);
                let packed = at.bytes(octets)?;
                each.into_iter().for_each(|each| self.unpack(packed, width, each));
            }
            (Layout::Octets(size), Prefix::None | Prefix::Index(_)) => {
                self.fixed(at, usize::from(size), each)?;
            }
            (Layout::Bits(_), Prefix::Index(_)) => self.fixed(at, 1, each)?,
            _ => self.sized(at, each)?,
        }
        Ok(())
    }

    fn unpack<'a>(&self, packed: &'a [u8], width: u8, each: &mut dyn FnMut(Item<'a>)) {
        for i in 0..self.count {
            let bit = u64::from(i).saturating_mul(u64::from(width));
            let at = usize::try_from(bit >> 3).unwrap_or(usize::MAX);
            let Some(octet) = packed.get(at..).and_then(|p| p.get(..1)) else { return };
            let shift = u8::try_from(bit & 7).unwrap_or_default();
            each(Item { index: self.first.wrapping_add(i), octets: octet, shift });
        }
    }

    fn fixed<'a>(
        &self,
        at: &mut Reader<'a>,
        size: usize,
        each: Option<&mut dyn FnMut(Item<'a>)>,
    ) -> Result<(), Stop> {
        let stride = size.saturating_add(self.prefix.octets());
        let count = usize::try_from(self.count).map_err(|_| Stop::Short)?;
        let mut all = at.sub(count.checked_mul(stride).ok_or(Stop::Short)?)?;
        if stride == 0 {
            return Ok(());
        }
        let Some(each) = each else { return Ok(()) };
        for i in 0..self.count {
            let index = match self.prefix {
                Prefix::None => self.first.wrapping_add(i),
                _ => number(&mut all, self.prefix)?,
            };
            each(Item { index, octets: all.bytes(size)?, shift: 0 });
        }
        Ok(())
    }

    /// Objects that say their own length: by prefix, or as device attributes do (A.2).
    fn sized<'a>(
        &self,
        at: &mut Reader<'a>,
        mut each: Option<&mut dyn FnMut(Item<'a>)>,
    ) -> Result<(), Stop> {
        for i in 0..self.count {
            let mut index = self.first.wrapping_add(i);
            let size = match self.prefix {
                Prefix::Size(_) => number(at, self.prefix)?,
                prefix => {
                    if prefix != Prefix::None {
                        index = number(at, prefix)?;
                    }
                    let length = at.rest().get(1).ok_or(Stop::Short)?;
                    u32::from(*length).saturating_add(2)
                }
            };
            let octets = at.bytes(usize::try_from(size).map_err(|_| Stop::Short)?)?;
            if let Some(each) = each.as_mut() {
                each(Item { index, octets, shift: 0 });
            }
            if size == 0 && self.prefix == Prefix::None {
                return Err(Stop::Short);
            }
        }
        Ok(())
    }

    pub fn area(&self) -> &'static str {
        names::group(self.group)
    }

    /// Group and variation as one number, the way objects are counted: the variation of octet
    /// strings is their length, no kind.
    pub fn code(group: u8, variation: u8) -> u64 {
        let variation = if matches!(group, 110 | 111) { 0 } else { variation };
        u64::from(u16::from_be_bytes([group, variation]))
    }
}

/// One object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub index: u32,
    pub octets: &'a [u8],
    /// Place of a packed value in its octet.
    pub shift: u8,
}

fn between(start: u32, stop: u32) -> Result<(u32, u32), Stop> {
    let count = u64::from(stop).saturating_add(1).checked_sub(u64::from(start));
    let count = count.ok_or(Stop::Backwards)?;
    Ok((start, u32::try_from(count).unwrap_or(u32::MAX)))
}

fn number(at: &mut Reader<'_>, prefix: Prefix) -> Result<u32, Stop> {
    Ok(match prefix.octets() {
        1 => u32::from(at.u8()?),
        2 => u32::from(at.le16()?),
        _ => at.le32()?,
    })
}

/// How objects of a group and variation lie behind their header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    /// Packed values of this many bits.
    Bits(u8),
    Octets(u8),
    /// Type, length, value.
    Attribute,
}

fn layout(group: u8, variation: u8) -> Option<Layout> {
    use Layout::{Attribute, Bits, Octets};
    Some(match (group, variation) {
        (0, _) => Attribute,
        (1 | 10 | 80, 1) | (12, 3) => Bits(1),
        (3, 1) => Bits(2),
        // Variation 0 stands for any and class objects have no data; both only name objects.
        (1..=4 | 10 | 11 | 20..=23 | 30..=34 | 40 | 42, 0) | (60, _) => Octets(0),
        // Octet strings, and what a virtual terminal is sent and says.
        (110..=113, length) => Octets(length),
        (12, 1 | 2) => Octets(11),
        (41, 1 | 3) => Octets(5),
        (41, 2) => Octets(3),
        (41, 4) => Octets(9),
        (50, 1 | 3) | (51, 1 | 2) => Octets(6),
        (50, 2) => Octets(10),
        (50, 4) => Octets(11),
        (52, 1 | 2) | (101, 1) => Octets(2),
        (81, 1) => Octets(3),
        (101, 2) => Octets(4),
        (101, 3) => Octets(8),
        (102, 1) => Octets(1),
        (120, 3) => Octets(6),
        (120, 4) => Octets(2),
        (121 | 122, 1) => Octets(7),
        (122, 2) => Octets(13),
        _ => Octets(Shape::of(group, variation)?.octets()),
    })
}

/// Parts of a measured value: flags first, then the value, then the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub flags: bool,
    pub number: Number,
    pub time_octets: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    /// In bit 7 of the flags.
    Bit,
    /// In bits 6 and 7 of the flags.
    DoubleBit,
    U16,
    U32,
    I16,
    I32,
    F32,
    F64,
}

impl Number {
    const fn octets(self) -> u8 {
        match self {
            Number::Bit | Number::DoubleBit => 0,
            Number::U16 | Number::I16 => 2,
            Number::U32 | Number::I32 | Number::F32 => 4,
            Number::F64 => 8,
        }
    }
}

impl Shape {
    pub fn of(group: u8, variation: u8) -> Option<Shape> {
        use Number::{Bit, DoubleBit, F32, F64, I16, I32, U16, U32};
        let shape = |flags, number, time_octets| Some(Shape { flags, number, time_octets });
        match (group, variation) {
            (1 | 10, 2) | (2 | 11 | 13, 1) => shape(true, Bit, 0),
            (2 | 11 | 13, 2) => shape(true, Bit, 6),
            (2, 3) => shape(true, Bit, 2),
            (3, 2) | (4, 1) => shape(true, DoubleBit, 0),
            (4, 2) => shape(true, DoubleBit, 6),
            (4, 3) => shape(true, DoubleBit, 2),
            (20, 1 | 3) | (21..=23, 1 | 3) => shape(true, U32, 0),
            (20, 2 | 4) | (21..=23, 2 | 4) => shape(true, U16, 0),
            (20, 5 | 7) | (21, 9 | 11) => shape(false, U32, 0),
            (20, 6 | 8) | (21, 10 | 12) => shape(false, U16, 0),
            (21..=23, 5 | 7) => shape(true, U32, 6),
            (21..=23, 6 | 8) => shape(true, U16, 6),
            (30 | 40, 1) | (31..=33 | 42 | 43, 1) => shape(true, I32, 0),
            (30 | 40, 2) | (31..=33 | 42 | 43, 2) => shape(true, I16, 0),
            (30, 3) | (31, 5) => shape(false, I32, 0),
            (30, 4) | (31, 6) => shape(false, I16, 0),
            (30, 5) | (31, 7) | (40, 3) | (32 | 33 | 42 | 43, 5) => shape(true, F32, 0),
            (30, 6) | (31, 8) | (40, 4) | (32 | 33 | 42 | 43, 6) => shape(true, F64, 0),
            (31..=33 | 42 | 43, 3) => shape(true, I32, 6),
            (31..=33 | 42 | 43, 4) => shape(true, I16, 6),
            (32 | 33 | 42 | 43, 7) => shape(true, F32, 6),
            (32 | 33 | 42 | 43, 8) => shape(true, F64, 6),
            (34, 1) => shape(false, U16, 0),
            (34, 2) => shape(false, U32, 0),
            (34, 3) => shape(false, F32, 0),
            _ => None,
        }
    }

    const fn octets(self) -> u8 {
        let flags = self.flags as u8;
        flags.saturating_add(self.number.octets()).saturating_add(self.time_octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: &[(u32, usize)]) {
        let mut at = Reader::new(bytes);
        let (group, variation) = (at.u8().expect("group"), at.u8().expect("variation"));
        let header = Header::parse(group, variation, &mut at).expect("a header");
        let mut seen = Vec::new();
        header
            .walk(&mut at, true, Some(&mut |i: Item<'_>| seen.push((i.index, i.octets.len()))))
            .expect("a whole walk");
        assert_eq!(seen, expect);
        assert!(at.is_empty(), "{} octets are left", at.remaining());
    }

    #[test]
    fn every_range_and_prefix_is_walked_to_its_end() {
        check(&[1, 2, 0x00, 3, 5, 1, 1, 1], &[(3, 1), (4, 1), (5, 1)]);
        check(&[30, 4, 0x01, 0, 1, 1, 1, 7, 0, 8, 0], &[(256, 2), (257, 2)]);
        check(&[32, 7, 0x28, 1, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[(9, 11)]);
        check(
            &[1, 1, 0x00, 0, 9, 0xff, 3],
            &[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1)],
        );
        check(&[3, 1, 0x00, 0, 4, 0xff, 3], &[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]);
        check(&[70, 5, 0x5b, 1, 2, 0, 0xaa, 0xbb], &[(0, 2)]);
        check(&[0, 252, 0x00, 0, 0, 1, 3, b'A', b'B', b'B'], &[(0, 5)]);
        check(&[110, 3, 0x17, 1, 8, 1, 2, 3], &[(8, 3)]);
        check(&[112, 3, 0x17, 1, 2, b'l', b's', 10], &[(2, 3)]);
        check(&[113, 2, 0x28, 1, 0, 2, 0, b'o', b'k'], &[(2, 2)]);
        check(&[60, 2, 0x06], &[]);
    }

    #[test]
    fn a_range_that_ends_before_it_starts_stops_the_walk_and_a_reserved_qualifier_is_told() {
        let parse = |bytes: &[u8]| Header::parse(1, 2, &mut Reader::new(bytes));
        assert_eq!(parse(&[0x00, 9, 3]), Err(Stop::Backwards));
        let reserved = parse(&[0x0f]).expect("a header without a range");
        assert!(reserved.reserved && reserved.count == 0);
        assert!(parse(&[0x76]).expect("a header").reserved);
        assert_eq!(parse(&[0x00, 9]), Err(Stop::Short));
    }

    #[test]
    fn four_thousand_million_objects_without_octets_end_at_once() {
        let mut at = Reader::new(&[0x09, 0xff, 0xff, 0xff, 0xff]);
        let header = Header::parse(60, 1, &mut at).expect("a header");
        assert_eq!(header.walk(&mut at, true, Some(&mut |_| panic!("no object"))), Ok(()));
    }
}
