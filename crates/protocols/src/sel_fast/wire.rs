//! Blocks of SEL's binary protocol: two octets of kind, a length, a check over all before it.
//!
//! Not here: what blocks say. Invariant: a block is read as it is where that checks, and with the
//! doubled octets of Telnet made single where only that checks.

use std::borrow::Cow;
use wire::{Reader, Short};

/// Every block begins with this octet.
pub const MARK: u8 = 0xa5;
/// Fast Message (SEL-AG95-10): the only kind with a header of its own and a longer check.
pub const MESSAGE: u8 = 0x46;
/// Mark, kind and length.
const HEAD_OCTETS: usize = 3;
/// Header of a Fast Message and its check.
const MESSAGE_OCTETS_MIN: usize = 14;
/// Telnet writes this octet twice.
const ESCAPE: u8 = 0xff;

/// A block without its head and its check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    pub kind: u8,
    pub body: Cow<'a, [u8]>,
    /// As it stands in the stream, with doubled octets.
    pub octets: usize,
    /// Its check is right.
    pub sound: bool,
}

/// How the octets of one side begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begins<'a> {
    Block(Block<'a>),
    /// A poll: mark and kind, nothing else.
    Poll(u8),
    /// So many octets are needed at least.
    Short(usize),
    Other,
}

/// Kinds that carry a length whoever sends them.
pub const fn always_block(kind: u8) -> bool {
    matches!(kind, MESSAGE | 0xe0 | 0xe3 | 0xe5..=0xe9 | 0xed)
}

/// Kinds that are polls, and blocks when they are answered.
pub const fn polled(kind: u8) -> bool {
    matches!(kind, 0xb9 | 0xc0..=0xc3 | 0xcd..=0xcf | 0xd1..=0xd3)
}

/// Reads what `bytes` begin with. A poll and a block begin alike: it is a block if one checks.
pub fn begins(bytes: &[u8], from_server: bool) -> Begins<'_> {
    let (kind, length) = match bytes {
        [] => return Begins::Short(1),
        [MARK] => return Begins::Short(2),
        [MARK, kind] if polled(*kind) && !from_server => return Begins::Poll(*kind),
        [MARK, kind] if polled(*kind) || always_block(*kind) => return Begins::Short(HEAD_OCTETS),
        [MARK, kind, length, ..] if polled(*kind) || always_block(*kind) => (*kind, *length),
        _ => return Begins::Other,
    };
    let length = usize::from(length);
    if polled(kind) && !from_server {
        return match block(bytes, kind, length) {
            Some(Ok(block)) if block.sound => Begins::Block(block),
            _ => Begins::Poll(kind),
        };
    }
    match block(bytes, kind, length) {
        Some(Ok(block)) => Begins::Block(block),
        Some(Err(short)) => Begins::Short(bytes.len().saturating_add(short.needed)),
        None => Begins::Other,
    }
}

fn block(bytes: &[u8], kind: u8, length: usize) -> Option<Result<Block<'_>, Short>> {
    let least = if kind == MESSAGE { MESSAGE_OCTETS_MIN } else { HEAD_OCTETS.saturating_add(1) };
    if length < least {
        return None;
    }
    let plain = bytes.get(..length).map(|octets| cut(kind, Cow::Borrowed(octets), length));
    match plain {
        Some(block) if block.sound => Some(Ok(block)),
        plain => {
            let (single, octets, doubled) = match singled(bytes, length) {
                Ok(read) => read,
                Err(short) => return Some(Err(short)),
            };
            let escaped = doubled.then(|| cut(kind, Cow::Owned(single), octets));
            match (plain, escaped) {
                (_, Some(escaped)) if escaped.sound => Some(Ok(escaped)),
                (Some(plain), _) => Some(Ok(plain)),
                (None, _) => Some(Err(Short { needed: length.saturating_sub(bytes.len()) })),
            }
        }
    }
}

/// `length` octets with doubled ones made single, how many they were, and whether any was.
fn singled(bytes: &[u8], length: usize) -> Result<(Vec<u8>, usize, bool), Short> {
    let doubled = bytes.windows(2).take(length).any(|pair| pair == [ESCAPE, ESCAPE]);
    if !doubled {
        let needed = length.saturating_sub(bytes.len());
        return if needed == 0 { Ok((Vec::new(), length, false)) } else { Err(Short { needed }) };
    }
    let mut single = Vec::with_capacity(length);
    let mut at = Reader::new(bytes);
    while single.len() < length {
        let octet = at.u8()?;
        if octet == ESCAPE && at.rest().first() == Some(&ESCAPE) {
            at.skip(1)?;
        }
        single.push(octet);
    }
    Ok((single, at.position(), true))
}

/// CRC-16 over all before it, reflected polynomial 0x8005; the high octet stands first.
fn crc(start: u16, octets: &[u8]) -> u16 {
    octets.iter().fold(start, |crc, octet| {
        (0..8).fold(crc ^ u16::from(*octet), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xa001,
            _ => crc >> 1,
        })
    })
}

fn cut(kind: u8, octets: Cow<'_, [u8]>, taken: usize) -> Block<'_> {
    let check = if kind == MESSAGE { 2 } else { 1 };
    let end = octets.len().saturating_sub(check);
    let sum = octets.iter().take(end).fold(0u8, |sum, octet| sum.wrapping_add(*octet));
    let sound = match (kind, octets.get(end..)) {
        (MESSAGE, Some(&[high, low])) => {
            // SEL's public papers say CRC-16 and not from what it starts; Wireshark takes ones.
            let summed = octets.get(..end).unwrap_or_default();
            [0xffff, 0].iter().any(|start| u16::from_be_bytes([high, low]) == crc(*start, summed))
        }
        _ => octets.last() == Some(&sum),
    };
    let body = match octets {
        Cow::Borrowed(octets) => Cow::Borrowed(octets.get(HEAD_OCTETS..end).unwrap_or_default()),
        Cow::Owned(octets) => Cow::Owned(octets.get(HEAD_OCTETS..end).unwrap_or_default().to_vec()),
    };
    Block { kind, body, octets: taken, sound }
}

/// Header of a Fast Message: routing, status, function, sequence, number of the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    pub status: u8,
    pub function: u8,
    pub data: &'a [u8],
}

pub fn message(body: &[u8]) -> Result<Message<'_>, Short> {
    let mut at = Reader::new(body);
    at.skip(5)?;
    let (status, function) = (at.u8()?, at.u8()?);
    at.skip(2)?;
    Ok(Message { status, function, data: at.rest() })
}

/// A block with its head and its sum, as a device writes it.
pub fn emit(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len().saturating_add(HEAD_OCTETS).saturating_add(1) as u8;
    let mut octets = vec![MARK, kind, length];
    octets.extend_from_slice(body);
    octets.push(octets.iter().fold(0u8, |sum, octet| sum.wrapping_add(*octet)));
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn doubled(octets: &[u8]) -> Vec<u8> {
        octets.iter().flat_map(|o| if *o == ESCAPE { vec![*o, *o] } else { vec![*o] }).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(body in prop::collection::vec(0u8..0xfe, 1..200)) {
            let octets = emit(0xd1, &body);
            let Begins::Block(read) = begins(&octets, true) else { panic!("no block") };
            prop_assert_eq!((&*read.body, read.octets, read.sound), (&*body, octets.len(), true));
        }
    }

    #[test]
    fn octets_that_telnet_doubled_are_one() {
        let octets = emit(0xd1, &[1, 0xff, 2, 0xff, 3]);
        let doubled = doubled(&octets);
        let Begins::Block(read) = begins(&doubled, true) else { panic!("no block") };
        assert_eq!((&*read.body, read.sound), (&[1, 0xff, 2, 0xff, 3][..], true));
    }

    #[test]
    fn a_message_is_checked_from_either_start() {
        let octets = [0xa5, 0x46, 0x0e, 0, 0, 0, 0, 0, 0, 0x30, 0xc0, 0];
        for (sum, right) in [([0x7c, 0x91], true), ([0x7e, 0xf5], true), ([0x7c, 0x92], false)] {
            let whole = [&octets[..], &sum].concat();
            let Begins::Block(read) = begins(&whole, true) else { panic!("no block") };
            assert_eq!((read.sound, read.octets), (right, 14), "{sum:?}");
        }
    }

    #[test]
    fn a_poll_is_two_octets_and_the_next_poll_is_another() {
        assert_eq!(begins(&[0xa5, 0xc0, 0xa5, 0xc1], false), Begins::Poll(0xc0));
        assert_eq!(begins(&[0xa5, 0xc0], true), Begins::Short(3));
        assert_eq!(begins(&[0xa5, 0x00], false), Begins::Other);
    }
}
