//! LDAP messages (RFC 4511) and the wrapping of signed ones (RFC 4121, [MS-ADTS], 5.1.1.1.2).
//!
//! Invariant: what is sealed is known to be there and not read.

use crate::{Malformed, ber::Ber};
use ::wire::reader::Reader;
use std::borrow::Cow;

pub const BIND_REQUEST: u8 = 0;
pub const BIND_RESPONSE: u8 = 1;
pub const UNBIND: u8 = 2;
pub const SEARCH: u8 = 3;
pub const ENTRY: u8 = 4;
pub const SEARCH_DONE: u8 = 5;
pub const MODIFY: u8 = 6;
pub const ADD: u8 = 8;
pub const DELETE: u8 = 10;
pub const RENAME: u8 = 12;
pub const COMPARE: u8 = 14;
pub const REFERENCE: u8 = 19;
pub const EXTENDED: u8 = 23;
pub const EXTENDED_RESPONSE: u8 = 24;

/// One message: its number, operation and the operation's contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    pub id: i64,
    pub operation: u8,
    pub contents: &'a [u8],
}

impl<'a> Message<'a> {
    pub fn parse(sequence: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let mut message = Ber::new(sequence);
        let id = message.integer()?;
        let element = message.element()?;
        let operation = element.tag & 0x1f;
        // Application class; unbind, delete and abandon are primitive.
        if element.tag >> 6 != 1 || !is_operation(operation) {
            return Err(Malformed::new("ldap-operation-unknown"));
        }
        Ok(Message { id, operation, contents: element.contents })
    }
}

pub fn is_operation(number: u8) -> bool {
    matches!(number, 0..=16 | 19 | 23..=25)
}

/// Octets of the SEQUENCE that begins `bytes`, with its header.
pub fn sequence_octets(bytes: &[u8]) -> Option<Result<usize, ()>> {
    let (&tag, rest) = bytes.split_first()?;
    if tag != 0x30 {
        return Some(Err(()));
    }
    let (&first, rest) = rest.split_first()?;
    if first < 0x80 {
        return Some(Ok(usize::from(first).saturating_add(2)));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Some(Err(()));
    }
    let octets = rest.get(..count)?;
    let length = octets.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    Some(Ok(length.saturating_add(2).saturating_add(count)))
}

/// The messages inside a security layer, if they are signed and not sealed.
pub fn unwrapped(token: &[u8]) -> Option<Cow<'_, [u8]>> {
    let plain = match token {
        [5, 4, flags, 0xff, ..] => {
            const SEALED: u8 = 2;
            let mut r = Reader::new(token);
            r.skip(4).ok()?;
            let (extra, rotation) = (usize::from(r.be16().ok()?), usize::from(r.be16().ok()?));
            r.skip(8).ok()?;
            let rest = r.rest();
            if flags & SEALED != 0 {
                return None;
            }
            // Message and checksum, rotated to the right by some octets (4.2.5).
            let (front, back) = rest.split_at_checked(rotation)?;
            if rotation <= extra {
                back.get(..rest.len().checked_sub(extra)?)
            } else {
                let end = front.get(..rotation.checked_sub(extra)?)?;
                return Some(Cow::Owned([back, end].concat()));
            }
        }
        [0x60, ..] => {
            // RFC 1964, 1.2.2: mechanism, token 02 01, algorithms, then 24 octets of checksums.
            const ALGORITHMS_OCTETS: usize = 8;
            const CHECKSUM_OCTETS: usize = 24;
            let contents = Ber::new(token).expect(0x60).ok()?;
            let mut inner = Ber::new(contents);
            inner.expect(0x06).ok()?;
            match inner.rest() {
                [2, 1, _, _, 0xff, 0xff, ..] => {
                    inner.rest().get(ALGORITHMS_OCTETS.saturating_add(CHECKSUM_OCTETS)..)
                }
                _ => None,
            }
        }
        // [MS-NLMP], 2.2.2.9.1: version 1, twelve octets of checksum and sequence number.
        [1, 0, 0, 0, ..] => token.get(16..).filter(|rest| rest.first() == Some(&0x30)),
        _ => None,
    };
    plain.map(Cow::Borrowed)
}

/// Writes a message with an operation of few octets. Used by tests and the lab.
pub fn emit(id: u8, operation: u8, contents: &[u8]) -> Vec<u8> {
    let mut element = vec![0x60 | operation, contents.len() as u8];
    element.extend(contents);
    let mut bytes = vec![0x30, 0x81, (element.len() as u8).wrapping_add(3), 2, 1, id];
    bytes.extend(element);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            id in 0u8..0x80,
            operation in (0u8..26).prop_filter("one of RFC 4511", |n| is_operation(*n)),
            contents in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let bytes = emit(id, operation, &contents);
            prop_assert_eq!(sequence_octets(&bytes), Some(Ok(bytes.len())));
            let message = Message { id: i64::from(id), operation, contents: &contents };
            prop_assert_eq!(Message::parse(&bytes[3..]), Ok(message));
        }
    }

    #[test]
    fn a_sealed_token_is_not_opened() {
        let mut token = vec![5, 4, 6, 0xff, 0, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0, 1];
        token.extend([0x30; 40]);
        assert_eq!(unwrapped(&token), None);
        token[2] = 4;
        token[5] = 12;
        assert_eq!(unwrapped(&token).as_deref(), Some(&[0x30; 28][..]));
    }
}
