//! A BACnet/IP client that can only read (ANSI/ASHRAE 135-2020, clauses 15.5, 15.7, 20, annex J).
//!
//! Segments are not taken: a device that has more to say than fits is asked in parts. Invariant:
//! [`Question`] is all that can leave: ReadProperty, ReadPropertyMultiple, and Who-Is to one
//! address.

use super::{
    super::{
        link,
        link::malformed,
        pace::{Pace, Pause},
    },
    value::{ObjectId, Tag, Tags, Value},
};
use crate::limits::{DATAGRAM_TIMEOUT, DATAGRAM_TRIES};
use std::{io, net::UdpSocket, time::Instant};

/// Service choices (clause 21).
const READ_PROPERTY: u8 = 12;
const READ_PROPERTY_MULTIPLE: u8 = 14;
const WHO_IS: u8 = 8;

/// Questions for elements of an array.
const ELEMENTS: &str = "elements";

/// A property of an object, or one element of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property {
    pub object: ObjectId,
    pub property: u32,
    pub index: Option<u32>,
}

enum Question<'a> {
    One(Property),
    Several(&'a [Property]),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Error class and code (clause 18).
    #[error("{}", error_text(*.0, *.1))]
    Error(u32, u32),
    #[error("rejected, reason {0}")]
    Reject(u8),
    /// Buffer overflow (1) and segmentation not supported (4) mean that the answer is too long.
    #[error("aborted, reason {0}")]
    Abort(u8),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub fn error_text(class: u32, code: u32) -> String {
    let name = match code {
        27 => "read access denied",
        31 => "unknown object",
        32 => "unknown property",
        42 => "invalid array index",
        _ => "error",
    };
    format!("{name} (class {class}, code {code})")
}

/// A property and what is said of it: values, or error class and code.
pub type Reply = (u32, Option<u32>, Result<Vec<Value>, (u32, u32)>);

pub struct Client {
    socket: UdpSocket,
    number: u8,
    pace: Pace,
}

impl Client {
    pub fn open(address: &str, pause: Pause) -> io::Result<Self> {
        let peer = link::resolve(address)?;
        let own = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own)?;
        socket.connect(peer)?;
        Ok(Self { socket, number: 0, pace: Pace::new(pause) })
    }

    /// The device behind the address, by its answer to Who-Is (clause 16.10).
    pub fn who_is(&mut self) -> io::Result<ObjectId> {
        let frame = datagram(&[0x10, WHO_IS], false);
        let Self { socket, pace, .. } = self;
        pace.ask("who-is", || {
            exchange(socket, &frame, &mut |apdu| match apdu {
                [0x10, 0, rest @ ..] => match Tags(rest).next()? {
                    Tag::Primitive(Value::Object(device)) => Ok(Some(device)),
                    _ => Err(malformed()),
                },
                _ => Ok(None),
            })
        })
    }

    pub fn read(&mut self, property: Property) -> Result<Vec<Value>, NoAnswer> {
        let body = self.ask(&Question::One(property))?;
        let mut tags = Tags(&body);
        while !tags.0.is_empty() {
            if let Tag::Opening(3) = tags.next()? {
                return Ok(tags.values(3)?);
            }
        }
        Err(malformed().into())
    }

    /// How many elements of an array to ask for at once, of `most`: no more than the device
    /// answers as fast as a few.
    pub fn elements_at_once(&mut self, most: u16) -> u32 {
        u32::from(self.pace.size(ELEMENTS, most))
    }

    /// Properties of objects; 8 as the property is all of them.
    pub fn read_several(&mut self, wanted: &[Property]) -> Result<Vec<Reply>, NoAnswer> {
        let body = self.ask(&Question::Several(wanted))?;
        Ok(replies(&body)?)
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Vec<u8>, NoAnswer> {
        self.number = self.number.wrapping_add(1);
        let (service, body) = question.parts();
        // A confirmed request; no segments, 1,476 octets at most.
        let apdu = [&[0, 5, self.number, service][..], &body].concat();
        let frame = datagram(&apdu, true);
        let Self { socket, number, pace } = self;
        let number = *number;
        let sort = question.sort();
        let answer = pace.ask_for(sort, || {
            exchange(socket, &frame, &mut |apdu| {
                Ok(match apdu {
                    [0x30, n, s, body @ ..] if (*n, *s) == (number, service) => {
                        Some(Ok(body.to_vec()))
                    }
                    [0x50, n, _, body @ ..] if *n == number => Some(Err(error(body)?)),
                    [0x60, n, reason] if *n == number => Some(Err(NoAnswer::Reject(*reason))),
                    [0x70 | 0x71, n, reason] if *n == number => Some(Err(NoAnswer::Abort(*reason))),
                    // A segment, though we said that we take none.
                    [0x38..=0x3f, n, ..] if *n == number => Some(Err(NoAnswer::Abort(4))),
                    _ => None,
                })
            })
        });
        answer?
    }
}

impl Question<'_> {
    /// Questions that take a device a like time, and for how much they ask.
    fn sort(&self) -> (&'static str, u32) {
        match self {
            Self::One(_) => ("one", 1),
            Self::Several(wanted) if wanted.iter().all(|one| one.index.is_some()) => {
                (ELEMENTS, u32::try_from(wanted.len()).unwrap_or(u32::MAX))
            }
            Self::Several(_) => ("several", 1),
        }
    }

    fn parts(&self) -> (u8, Vec<u8>) {
        let mut out = Vec::new();
        match self {
            Self::One(Property { object, property, index }) => {
                context(&mut out, 0, &object.encode());
                context(&mut out, 1, unsigned(*property, &mut [0; 4]));
                if let Some(index) = index {
                    context(&mut out, 2, unsigned(*index, &mut [0; 4]));
                }
                (READ_PROPERTY, out)
            }
            Self::Several(wanted) => {
                for same in wanted.chunk_by(|a, b| a.object == b.object) {
                    let Some(first) = same.first() else { continue };
                    context(&mut out, 0, &first.object.encode());
                    out.push(0x1e);
                    for Property { property, index, .. } in same {
                        context(&mut out, 0, unsigned(*property, &mut [0; 4]));
                        if let Some(index) = index {
                            context(&mut out, 1, unsigned(*index, &mut [0; 4]));
                        }
                    }
                    out.push(0x1f);
                }
                (READ_PROPERTY_MULTIPLE, out)
            }
        }
    }
}

/// A context tag of at most four octets (clause 20.2.1).
fn context(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    out.push(number << 4 | 8 | u8::try_from(content.len()).expect("four octets at most"));
    out.extend(content);
}

/// An unsigned number in as few octets as hold it.
fn unsigned(value: u32, buffer: &mut [u8; 4]) -> &[u8] {
    *buffer = value.to_be_bytes();
    let zeros = buffer.iter().take(3).take_while(|byte| **byte == 0).count();
    &buffer[zeros..]
}

/// An APDU in a network layer (clause 6.2) and BVLC frame (J.2): unicast to the device itself.
fn datagram(apdu: &[u8], expects_reply: bool) -> Vec<u8> {
    let length = u16::try_from(apdu.len() + 6).expect("questions are short");
    let control = if expects_reply { 4 } else { 0 };
    [&[0x81, 0x0a][..], &length.to_be_bytes(), &[1, control], apdu].concat()
}

/// The APDU of a datagram; `None` when it carries none.
fn apdu(datagram: &[u8]) -> Option<&[u8]> {
    let [0x81, kind, l0, l1, rest @ ..] = datagram else { return None };
    if usize::from(u16::from_be_bytes([*l0, *l1])) != datagram.len() {
        return None;
    }
    let rest = match kind {
        0x0a | 0x0b => rest,
        // Forwarded: the address of the sender first.
        0x04 => rest.get(6..)?,
        _ => return None,
    };
    let [1, control, rest @ ..] = rest else { return None };
    // Not a message of the network layer itself.
    if control & 0x80 != 0 {
        return None;
    }
    let mut rest = rest;
    for (bit, is_destination) in [(0x20, true), (0x08, false)] {
        if control & bit != 0 {
            let [_, _, length, ..] = rest else { return None };
            rest = rest.get(3 + usize::from(*length)..)?;
            // The hop count comes behind the source, so it is taken off below.
            if is_destination && control & 0x08 == 0 {
                rest = rest.get(1..)?;
            }
        }
    }
    if control & 0x28 == 0x28 { rest.get(1..) } else { Some(rest) }
}

/// Sends until an answer is there that `pick` takes.
fn exchange<T>(
    socket: &UdpSocket,
    frame: &[u8],
    pick: &mut dyn FnMut(&[u8]) -> io::Result<Option<T>>,
) -> io::Result<T> {
    let mut buffer = [0; 2_048];
    for _ in 0..DATAGRAM_TRIES {
        socket.send(frame)?;
        let end = Instant::now() + DATAGRAM_TIMEOUT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    let answer = apdu(&buffer[..length]).map(&mut *pick).transpose()?;
                    if let Some(answer) = answer.flatten() {
                        return Ok(answer);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the device does not answer"))
}

fn error(body: &[u8]) -> io::Result<NoAnswer> {
    let mut tags = Tags(body);
    match (tags.next()?, tags.next()?) {
        (Tag::Primitive(Value::Enumerated(class)), Tag::Primitive(Value::Enumerated(code))) => {
            Ok(NoAnswer::Error(class, code))
        }
        _ => Err(malformed()),
    }
}

/// The list of ReadPropertyMultiple-ACK (clause 15.7.2), objects in the order asked.
fn replies(body: &[u8]) -> io::Result<Vec<Reply>> {
    let mut tags = Tags(body);
    let mut found = Vec::new();
    let mut current = None;
    let mut index = None;
    while !tags.0.is_empty() {
        match tags.next()? {
            Tag::Context(2, bytes) => (current, index) = (Some(number(bytes)?), None),
            Tag::Context(3, bytes) => index = Some(number(bytes)?),
            Tag::Opening(4) => {
                let property = current.ok_or_else(malformed)?;
                found.push((property, index, Ok(tags.values(4)?)));
            }
            Tag::Opening(5) => {
                let property = current.ok_or_else(malformed)?;
                let [Value::Enumerated(class), Value::Enumerated(code)] = tags.values(5)?[..]
                else {
                    return Err(malformed());
                };
                found.push((property, index, Err((class, code))));
            }
            Tag::Context(0, _) | Tag::Opening(1) | Tag::Closing(1) => {}
            _ => return Err(malformed()),
        }
    }
    Ok(found)
}

fn number(bytes: &[u8]) -> io::Result<u32> {
    if bytes.len() > 4 {
        return Err(malformed());
    }
    Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_with_and_without_routing_lead_to_the_same_apdu() {
        let apdu_of = |npdu: &[u8]| {
            let length = u8::try_from(npdu.len() + 4).unwrap();
            let frame = [&[0x81, 0x0a, 0, length][..], npdu].concat();
            apdu(&frame).map(<[u8]>::to_vec)
        };
        let expected = Some(vec![0x30, 1, 12]);
        assert_eq!(apdu_of(&[1, 0, 0x30, 1, 12]), expected);
        // Source network 7, one octet of address.
        assert_eq!(apdu_of(&[1, 8, 0, 7, 1, 3, 0x30, 1, 12]), expected);
        // Destination with hop count, and both.
        assert_eq!(apdu_of(&[1, 0x20, 0, 9, 1, 4, 255, 0x30, 1, 12]), expected);
        assert_eq!(apdu_of(&[1, 0x28, 0, 9, 1, 4, 0, 7, 1, 3, 255, 0x30, 1, 12]), expected);
        assert_eq!(apdu_of(&[1, 0x80, 0]), None);
        assert_eq!(apdu(&[0x81, 0x0a, 0, 9, 1, 0]), None);
    }

    #[test]
    fn a_question_names_object_property_and_index() {
        let object = ObjectId { kind: 8, instance: 4_711 };
        let property = Property { object, property: 76, index: Some(300) };
        let expected = [0x0c, 2, 0, 0x12, 0x67, 0x19, 76, 0x2a, 1, 44];
        assert_eq!(Question::One(property).parts(), (12, expected.to_vec()));
        let (service, body) = Question::Several(&[property]).parts();
        let expected = [0x0c, 2, 0, 0x12, 0x67, 0x1e, 0x09, 76, 0x1a, 1, 44, 0x1f];
        assert_eq!((service, body), (14, expected.to_vec()));
    }
}
