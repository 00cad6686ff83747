//! An EtherNet/IP client that can only read (CIP Networks Library, volume 1, 2-4, C-1.4 and
//! 3-5.5.4; volume 2, 2-3 and 2-4; symbols, templates and tags: Rockwell publication 1756-PM020).
//!
//! Invariant: [`Question`] is all that can leave: attributes, lists of symbols, templates, tags.
//! Nothing writes a tag, resets, or opens a connection.

use super::super::{
    link::{Fields, Line, connect, malformed},
    pace::{Pace, Pause},
};
use crate::limits::ENCAPSULATION_BYTES_MAX;
use std::io::{self, Read, Write};

/// Encapsulation commands.
const LIST_IDENTITY: u16 = 0x63;
const REGISTER_SESSION: u16 = 0x65;
const SEND_RR_DATA: u16 = 0x6f;

const UNCONNECTED_DATA: u16 = 0xb2;
const IDENTITY_ITEM: u16 = 0x0c;

/// Classes.
const IDENTITY: u8 = 0x01;
const SYMBOL: u8 = 0x6b;
const TEMPLATE: u8 = 0x6c;

/// General status: more data than fits (volume 1, B-1).
const PARTIAL: u8 = 6;

pub enum Question<'a> {
    Identity,
    /// Names, types and dimensions of symbols from an instance on; of the controller, or of a
    /// program.
    Symbols {
        program: Option<&'a str>,
        from: u32,
    },
    TemplateSizes {
        template: u16,
    },
    Template {
        template: u16,
        offset: u32,
        length: u16,
    },
    Tag {
        name: &'a str,
        elements: u16,
        offset: u32,
    },
}

impl Question<'_> {
    fn sort(&self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Symbols { .. } => "symbols",
            Self::TemplateSizes { .. } | Self::Template { .. } => "template",
            Self::Tag { .. } => "tag",
        }
    }

    /// Service, path in words, data.
    fn message(&self) -> Vec<u8> {
        let (service, path, data) = match self {
            // Get_Attributes_All.
            Self::Identity => (0x01, vec![0x20, IDENTITY, 0x24, 1], Vec::new()),
            Self::Symbols { program, from } => {
                let mut path = program.map(symbolic).unwrap_or_default();
                path.extend([0x20, SYMBOL]);
                match u16::try_from(*from) {
                    Ok(from) => path.extend([&[0x25, 0][..], &from.to_le_bytes()].concat()),
                    Err(_) => path.extend([&[0x26, 0][..], &from.to_le_bytes()].concat()),
                }
                // Three attributes: name, type, dimensions.
                (0x55, path, vec![3, 0, 1, 0, 2, 0, 8, 0])
            }
            Self::TemplateSizes { template } => {
                // Four attributes: size of the definition, size in memory, members, handle.
                (0x03, instance(TEMPLATE, *template), vec![4, 0, 4, 0, 5, 0, 2, 0, 1, 0])
            }
            Self::Template { template, offset, length } => {
                let data = [&offset.to_le_bytes()[..], &length.to_le_bytes()].concat();
                (0x4c, instance(TEMPLATE, *template), data)
            }
            Self::Tag { name, elements, offset } => {
                let data = [&elements.to_le_bytes()[..], &offset.to_le_bytes()].concat();
                // Read Tag Fragmented.
                (0x52, symbolic(name), data)
            }
        };
        let words = u8::try_from(path.len() / 2).unwrap_or(u8::MAX);
        [&[service, words][..], &path, &data].concat()
    }
}

fn instance(class: u8, number: u16) -> Vec<u8> {
    [&[0x20, class, 0x25, 0][..], &number.to_le_bytes()].concat()
}

/// Extended symbol segments, one for each part of the name (volume 1, C-1.4.5).
fn symbolic(name: &str) -> Vec<u8> {
    let mut path = Vec::new();
    for part in name.split('.') {
        let part = &part.as_bytes()[..part.len().min(255)];
        path.extend([0x91, u8::try_from(part.len()).expect("it was cut")]);
        path.extend(part);
        if part.len() % 2 == 1 {
            path.push(0);
        }
    }
    path
}

#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("the device refuses: status {0:#04x}")]
    Refused(u8),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Data of an answer, and whether there is more.
pub struct Answer {
    pub data: Vec<u8>,
    pub is_partial: bool,
}

pub struct Client {
    stream: Line,
    session: u32,
    /// Slot of the controller behind the module that has the address.
    slot: Option<u8>,
    pace: Pace,
}

impl Client {
    /// Connects; also gives the identity that the device lists before any session.
    pub fn open(address: &str, slot: Option<u8>, pause: Pause) -> io::Result<(Self, Vec<u8>)> {
        let mut stream = connect(address)?;
        let (_, listed) = ask(&mut stream, LIST_IDENTITY, 0, &[])?;
        let item = items(&listed).and_then(|items| find(items, IDENTITY_ITEM));
        // Protocol version, then a socket address of 16 bytes; the identity object follows.
        let identity = item.and_then(|item| item.get(18..)).ok_or_else(malformed)?.to_vec();
        // Protocol version 1, no options.
        let (session, _) = ask(&mut stream, REGISTER_SESSION, 0, &[1, 0, 0, 0])?;
        Ok((Self { stream, session, slot, pace: Pace::new(pause) }, identity))
    }

    pub fn ask(&mut self, question: &Question<'_>) -> Result<Answer, NoAnswer> {
        let own = question.message();
        let service = own[0];
        // A device's own identity is that of the module; all else is the controller's.
        let message = match (self.slot, question) {
            (Some(slot), question) if !matches!(question, Question::Identity) => {
                through(slot, &own)
            }
            _ => own,
        };
        // CIP interface, ten seconds, a null address and the request as unconnected data.
        let mut data = vec![0, 0, 0, 0, 10, 0, 2, 0, 0, 0, 0, 0];
        data.extend(UNCONNECTED_DATA.to_le_bytes());
        data.extend(u16::try_from(message.len()).expect("questions are short").to_le_bytes());
        data.extend(&message);
        let Self { stream, session, pace, .. } = self;
        let (_, answer) =
            pace.ask(question.sort(), || ask(stream, SEND_RR_DATA, *session, &data))?;
        let reply = answer
            .get(6..)
            .and_then(items)
            .and_then(|items| find(items, UNCONNECTED_DATA))
            .ok_or_else(malformed)?;
        let mut fields = Fields(reply);
        let (of, _, status) = (fields.u8()?, fields.u8()?, fields.u8()?);
        let additional = fields.u8()?;
        fields.take(2 * usize::from(additional))?;
        match status {
            0 | PARTIAL if of == service | 0x80 => {
                Ok(Answer { data: fields.0.to_vec(), is_partial: status == PARTIAL })
            }
            0 => Err(malformed().into()),
            status => Err(NoAnswer::Refused(status)),
        }
    }
}

/// A message for the controller in a slot: Unconnected_Send of the connection manager (volume 1,
/// 3-5.5.4), over port 1, the backplane.
fn through(slot: u8, message: &[u8]) -> Vec<u8> {
    let mut out = vec![0x52, 2, 0x20, 6, 0x24, 1];
    // Ticks of 8 ms, 250 of them.
    out.extend([3, 250]);
    out.extend(u16::try_from(message.len()).expect("questions are short").to_le_bytes());
    out.extend(message);
    if message.len() % 2 == 1 {
        out.push(0);
    }
    out.extend([1, 0, 1, slot]);
    out
}

/// One request and its answer: session handle and data.
fn ask(stream: &mut Line, command: u16, session: u32, data: &[u8]) -> io::Result<(u32, Vec<u8>)> {
    let mut request = Vec::from(command.to_le_bytes());
    request.extend(u16::try_from(data.len()).expect("requests are short").to_le_bytes());
    request.extend(session.to_le_bytes());
    // Status, sender context, options.
    request.extend([0; 16]);
    request.extend(data);
    stream.write_all(&request)?;
    let mut head = [0; 24];
    stream.read_exact(&mut head)?;
    let [c0, c1, l0, l1, h0, h1, h2, h3, s0, s1, s2, s3, ..] = head;
    let length = u16::from_le_bytes([l0, l1]);
    let status = u32::from_le_bytes([s0, s1, s2, s3]);
    if u16::from_le_bytes([c0, c1]) != command || length > ENCAPSULATION_BYTES_MAX {
        return Err(malformed());
    }
    if status != 0 {
        return Err(io::Error::other(format!("the device refuses: status {status:#x}")));
    }
    let mut data = vec![0; usize::from(length)];
    stream.read_exact(&mut data)?;
    Ok((u32::from_le_bytes([h0, h1, h2, h3]), data))
}

/// The items of the common packet format: type and content.
fn items(bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let (count, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut found = Vec::new();
    for _ in 0..u16::from_le_bytes(*count) {
        let ([t0, t1, l0, l1], after) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        let (content, after) = after.split_at_checked(length)?;
        found.push((u16::from_le_bytes([*t0, *t1]), content));
        rest = after;
    }
    Some(found)
}

fn find(items: Vec<(u16, &[u8])>, wanted: u16) -> Option<&[u8]> {
    items.into_iter().find(|(kind, _)| *kind == wanted).map(|(_, content)| content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_manual() {
        let tag = Question::Tag { name: "Program:Main.Cnt", elements: 1, offset: 0 }.message();
        let expected =
            [&[0x52, 10, 0x91, 12][..], b"Program:Main", &[0x91, 3], b"Cnt\0", &[1, 0, 0, 0, 0, 0]];
        assert_eq!(tag, expected.concat());
        let symbols = Question::Symbols { program: None, from: 70_000 }.message();
        assert_eq!(symbols[..10], [0x55, 4, 0x20, 0x6b, 0x26, 0, 0x70, 0x11, 1, 0]);
        assert_eq!(
            through(2, &[1, 0, 7]),
            [0x52, 2, 0x20, 6, 0x24, 1, 3, 250, 3, 0, 1, 0, 7, 0, 1, 0, 1, 2]
        );
    }
}
