//! A checked cursor over bytes. Every read says whether the bytes were there.
//!
//! Not a parser. Invariant: the position never passes the end.

use std::fmt;

/// Bytes were missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short {
    /// How many more bytes the read needed.
    pub needed: usize,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are missing", self.needed)
    }
}

impl std::error::Error for Short {}

#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

macro_rules! number {
    ($name:ident, $type:ty, $octets:literal, $from:ident) => {
        #[inline]
        pub fn $name(&mut self) -> Result<$type, Short> {
            let octets: [u8; $octets] = self.array()?;
            Ok(<$type>::$from(octets))
        }
    };
}

impl<'a> Reader<'a> {
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, position: 0 }
    }

    #[inline]
    pub const fn position(&self) -> usize {
        self.position
    }

    #[inline]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// What is left, without taking it.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let rest = self.rest();
        match rest.get(..count) {
            Some(taken) => {
                self.position = self.position.saturating_add(count);
                Ok(taken)
            }
            None => Err(Short { needed: count.saturating_sub(rest.len()) }),
        }
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        match self.rest().first_chunk::<N>() {
            Some(taken) => {
                self.position = self.position.saturating_add(N);
                Ok(*taken)
            }
            None => Err(Short { needed: N.saturating_sub(self.remaining()) }),
        }
    }

    #[inline]
    pub fn skip(&mut self, count: usize) -> Result<(), Short> {
        self.bytes(count).map(|_| ())
    }

    /// A reader of the next `count` bytes, which are taken from this one.
    #[inline]
    pub fn sub(&mut self, count: usize) -> Result<Reader<'a>, Short> {
        self.bytes(count).map(Reader::new)
    }

    #[inline]
    pub fn peek_u8(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[octet]| octet)
    }

    number!(be16, u16, 2, from_be_bytes);
    number!(le16, u16, 2, from_le_bytes);
    number!(be32, u32, 4, from_be_bytes);
    number!(le32, u32, 4, from_le_bytes);
    number!(be64, u64, 8, from_be_bytes);
    number!(le64, u64, 8, from_le_bytes);

    #[inline]
    pub fn be24(&mut self) -> Result<u32, Short> {
        self.array::<3>().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    #[inline]
    pub fn le24(&mut self) -> Result<u32, Short> {
        self.array::<3>().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_both_orders_and_says_what_is_missing() {
        let mut at = Reader::new(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(at.be16(), Ok(0x0102));
        assert_eq!(at.le16(), Ok(0x0403));
        assert_eq!(at.be24(), Ok(0x050607));
        assert_eq!(at.be32(), Err(Short { needed: 4 }));
        assert!(at.is_empty());
    }
}
