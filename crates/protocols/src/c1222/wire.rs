//! ANSI C12.22 application messages: ACSE with EPSEM inside, read; services written.
//!
//! Invariant: a service never reaches beyond its EPSEM.

use crate::ber::{Ber, Element, object_identifier};

/// `[APPLICATION 0]`, constructed: an ACSE message.
pub const ACSE: u8 = 0x60;
const USER_INFORMATION: u8 = 0xbe;

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Application titles: OIDs, or relative ones that begin with a dot.
    pub called: Option<String>,
    pub calling: Option<String>,
    /// Numbers of the message of the receiver that this answers, and of this one.
    pub answers: Option<i64>,
    pub invocation: Option<i64>,
    /// EPSEM control octet (5.3.2.4.12): security mode in bits 2 and 3.
    pub control: Option<u8>,
    pub device_class: Option<[u8; 4]>,
    /// Services one after the other, each behind its length.
    pub services: &'a [u8],
}

impl Message<'_> {
    /// 0 clear text, 1 authenticated, 2 encrypted.
    pub fn security(&self) -> u8 {
        self.control.map_or(0, |c| c >> 2 & 3)
    }
}

/// Octets of the message at the start of `bytes`; `None` while its length is not there.
pub fn length(bytes: &[u8]) -> Option<Result<usize, ()>> {
    let [tag, first, rest @ ..] = bytes else { return None };
    let length = match (*tag == ACSE, *first, rest) {
        (true, 0..=0x7f, _) => usize::from(*first).saturating_add(2),
        (true, 0x81, [n, ..]) => usize::from(*n).saturating_add(3),
        (true, 0x82, [a, b, ..]) => usize::from(u16::from_be_bytes([*a, *b])).saturating_add(4),
        (true, 0x81 | 0x82, _) => return None,
        _ => return Some(Err(())),
    };
    Some(Ok(length))
}

/// Reads a whole message; `None` where there is no EPSEM in it.
pub fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut fields = Ber::new(Ber::new(bytes).expect(ACSE).ok()?);
    let mut message = Message::default();
    let mut epsem = None;
    while let Ok(field) = fields.element() {
        match field.tag {
            0xa2 => message.called = title(field),
            0xa4 => message.answers = Ber::new(field.contents).integer().ok(),
            0xa6 => message.calling = title(field),
            0xa8 => message.invocation = Ber::new(field.contents).integer().ok(),
            USER_INFORMATION => epsem = user_information(field.contents),
            _ => {}
        }
    }
    let (&control, rest) = epsem?.split_first()?;
    message.control = Some(control);
    message.services = rest;
    // Bit 4: the class of the end device stands before the services.
    if control & 0x10 != 0 {
        let (class, rest) = rest.split_first_chunk::<4>()?;
        (message.device_class, message.services) = (Some(*class), rest);
    }
    Some(message)
}

fn title(field: Element<'_>) -> Option<String> {
    let inner = Ber::new(field.contents).element().ok()?;
    match inner.tag {
        0x06 => Some(object_identifier(inner.contents)),
        // A relative identifier below the network's own.
        0x0d | 0x80 => Some(relative(inner.contents)),
        _ => None,
    }
}

fn relative(contents: &[u8]) -> String {
    let mut text = String::new();
    let mut arc = 0u64;
    for byte in contents {
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            text.push('.');
            text.push_str(&arc.to_string());
            arc = 0;
        }
    }
    text
}

/// EXTERNAL with `[1]`, or the EPSEM alone, as different editions send it.
fn user_information(contents: &[u8]) -> Option<&[u8]> {
    let external = Ber::new(contents).element().ok()?;
    if external.tag != 0x28 {
        return (external.tag == 0x81).then_some(external.contents);
    }
    let mut at = Ber::new(external.contents);
    loop {
        let element = at.element().ok()?;
        if matches!(element.tag, 0x81 | 0x82) {
            return Some(element.contents);
        }
    }
}

/// The services of a message: each with its code and what follows.
pub fn services<'a>(message: &Message<'a>) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
    let mut rest = message.services;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let (length, after) = match (first, after) {
            (0..=0x7f, _) => (usize::from(first), after),
            (0x81, [n, after @ ..]) => (usize::from(*n), after),
            (0x82, [a, b, after @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), after),
            _ => return None,
        };
        let (service, after) = after.split_at_checked(length)?;
        rest = after;
        service.split_first().map(|(code, data)| (*code, data))
    })
}

/// A message with these titles (encoded) and one service in clear text.
pub fn emit(called: &[u8], calling: &[u8], service: &[u8]) -> Vec<u8> {
    fn counted(contents: &[u8]) -> Vec<u8> {
        let mut bytes = match contents.len() {
            n @ 0..=0x7f => vec![n as u8],
            n => [&[0x82][..], &(n as u16).to_be_bytes()].concat(),
        };
        bytes.extend_from_slice(contents);
        bytes
    }
    let element = |tag: u8, contents: &[u8]| [&[tag][..], &counted(contents)].concat();
    let epsem = [&[0x80][..], &counted(service)].concat();
    let external = element(0x28, &element(0x81, &epsem));
    let fields = [
        element(0xa2, &element(0x06, called)),
        element(0xa6, &element(0x06, calling)),
        element(USER_INFORMATION, &external),
    ];
    element(ACSE, &fields.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(service in prop::collection::vec(any::<u8>(), 1..300)) {
            let bytes = emit(&[0x2b, 6, 1, 4, 1], &[0x2b, 6, 1, 4, 2], &service);
            prop_assert_eq!(length(&bytes), Some(Ok(bytes.len())));
            let message = parse(&bytes).expect("own message");
            prop_assert_eq!(message.called.as_deref(), Some("1.3.6.1.4.1"));
            prop_assert_eq!(message.calling.as_deref(), Some("1.3.6.1.4.2"));
            let read: Vec<_> = services(&message).collect();
            prop_assert_eq!(read, vec![(service[0], &service[1..])]);
        }
    }

    #[test]
    fn a_relative_title_begins_with_a_dot() {
        assert_eq!(relative(&[0x8e, 0x7f, 5]), ".1919.5");
    }
}
