//! From a transport unit to MMS: session (ISO 8327-1), presentation (ISO 8823-1) and association
//! control (ISO 8650-1), as far as MMS needs them.
//!
//! Some stacks leave session and presentation out and put MMS on transport: that is read too.
//! Invariant: what is unwrapped lies within the transport unit.

use crate::ber::{Ber, Element, object_identifier};

/// Presentation values in one unit at most.
const VALUES_MAX: usize = 16;

const CONNECT: u8 = 13;
const ACCEPT: u8 = 14;
/// Give tokens, then data transfer, both without parameters.
const DATA: [u8; 4] = [1, 0, 1, 0];

/// A transport unit without its wrapping.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Unit<'a> {
    pub association: Option<Association>,
    pub pdus: Vec<&'a [u8]>,
    /// The session ends without being asked.
    pub aborted: bool,
}

/// What an association says of itself.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Association {
    /// AARQ, else AARE.
    pub request: bool,
    pub called: Option<String>,
    pub calling: Option<String>,
    /// A password stands in it.
    pub password: bool,
    /// The answer says no.
    pub refused: bool,
}

/// Unwraps a transport unit; `None` when it is not MMS.
pub fn open(tsdu: &[u8]) -> Option<Unit<'_>> {
    let mut unit = Unit::default();
    if let Some(rest) = tsdu.strip_prefix(&DATA) {
        presentation(rest, &mut unit)?;
        return Some(unit);
    }
    match *tsdu.first()? {
        // Refuse, finish, disconnect, abort and its acceptance have little to say.
        CONNECT | ACCEPT | 9 | 10 | 12 | 25 | 26 => session(tsdu, unit),
        // Two octets of a primitive PDU are too little to tell MMS by.
        0xa0..=0xad => {
            let mut at = Ber::of_any_length(tsdu);
            at.element().ok()?;
            unit.pdus.push(tsdu);
            at.is_empty().then_some(unit)
        }
        _ => None,
    }
}

fn session<'a>(tsdu: &'a [u8], mut unit: Unit<'a>) -> Option<Unit<'a>> {
    let (&kind, rest) = tsdu.split_first()?;
    let (length, rest) = parameter_length(rest)?;
    let mut parameters = rest.get(..length)?;
    unit.aborted = kind == 25;
    let mut found = false;
    while let Some((&code, rest)) = parameters.split_first() {
        let (length, rest) = parameter_length(rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        // User data, and extended user data.
        if matches!(code, 193 | 194) {
            found = presentation(value, &mut unit).is_some();
        }
        parameters = rest;
    }
    (found || !matches!(kind, CONNECT | ACCEPT)).then_some(unit)
}

/// One octet, or 255 and two octets.
fn parameter_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [0xff, a, b, rest @ ..] => Some((usize::from(u16::from_be_bytes([*a, *b])), rest)),
        [n, rest @ ..] => Some((usize::from(*n), rest)),
        [] => None,
    }
}

fn presentation<'a>(bytes: &'a [u8], unit: &mut Unit<'a>) -> Option<()> {
    const CONNECTING: u8 = 0x31;
    const NORMAL_MODE: u8 = 0xa2;
    const FULLY_ENCODED: u8 = 0x61;
    let outer = Ber::of_any_length(bytes).element().ok()?;
    let data = match outer.tag {
        FULLY_ENCODED => outer.contents,
        CONNECTING => {
            let parameters = inside(outer.contents, NORMAL_MODE)?;
            inside(parameters, FULLY_ENCODED)?
        }
        _ => return None,
    };
    let mut lists = Ber::of_any_length(data);
    for _ in 0..VALUES_MAX {
        let Ok(list) = lists.expect(0x30) else { break };
        let value = value(list)?;
        match value.first()? {
            0x60..=0x64 => association(value, unit),
            _ => unit.pdus.push(value),
        }
    }
    Some(())
}

/// A single value, or octets, behind references.
fn value(contents: &[u8]) -> Option<&[u8]> {
    let mut at = Ber::of_any_length(contents);
    loop {
        let element = at.element().ok()?;
        if matches!(element.tag, 0xa0 | 0x81) {
            return Some(element.contents);
        }
    }
}

fn inside(contents: &[u8], tag: u8) -> Option<&[u8]> {
    let mut at = Ber::of_any_length(contents);
    loop {
        let element = at.element().ok()?;
        if element.tag == tag {
            return Some(element.contents);
        }
    }
}

fn association<'a>(value: &'a [u8], unit: &mut Unit<'a>) {
    const REQUEST: u8 = 0x60;
    const RESPONSE: u8 = 0x61;
    let Ok(Element { tag, contents }) = Ber::of_any_length(value).element() else { return };
    if !matches!(tag, REQUEST | RESPONSE) {
        unit.aborted |= tag == 0x64;
        return;
    }
    let mut read = Association { request: tag == REQUEST, ..Association::default() };
    let mut at = Ber::of_any_length(contents);
    while let Ok(field) = at.element() {
        match (field.tag, read.request) {
            (0xa2, true) => read.called = title(field.contents),
            (0xa6, true) => read.calling = title(field.contents),
            (0xac, true) => read.password = !field.contents.is_empty(),
            // Result of the association: 0 is accepted.
            (0xa2, false) => {
                let result = Ber::of_any_length(field.contents).integer();
                read.refused = result.is_ok_and(|r| r != 0);
            }
            (0xbe, _) => {
                // EXTERNAL, in which MMS begins its own association.
                let external = inside(field.contents, 0x28);
                unit.pdus.extend(external.and_then(self::value));
            }
            _ => {}
        }
    }
    unit.association = Some(read);
}

fn title(contents: &[u8]) -> Option<String> {
    inside(contents, 0x06).map(object_identifier)
}

/// A transport unit with one MMS PDU in data transfer, in presentation context 3.
pub fn emit(pdu: &[u8]) -> Vec<u8> {
    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let [high, low] = (contents.len() as u16).to_be_bytes();
        let mut bytes = match contents.len() {
            0..=0x7f => vec![tag, low],
            _ => vec![tag, 0x82, high, low],
        };
        bytes.extend_from_slice(contents);
        bytes
    }
    let list = [&[2, 1, 3][..], &element(0xa0, pdu)].concat();
    [&DATA[..], &element(0x61, &element(0x30, &list))].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_wrapped_is_unwrapped(contents in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut pdu = vec![0xa0, 0x82];
            pdu.extend((contents.len() as u16).to_be_bytes());
            pdu.extend(&contents);
            let bytes = emit(&pdu);
            prop_assert_eq!(open(&bytes).map(|u| u.pdus), Some(vec![&pdu[..]]));
            prop_assert_eq!(open(&pdu).map(|u| u.pdus), Some(vec![&pdu[..]]));
        }
    }

    #[test]
    fn a_length_beyond_the_unit_is_not_mms() {
        assert_eq!(open(&[0xa0, 5, 2, 1]), None);
        assert_eq!(open(&[13, 200, 193, 3]), None);
        assert_eq!(open(&[]), None);
    }
}
