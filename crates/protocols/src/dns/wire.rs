//! DNS messages (RFC 1035, 4.1) as DNS, mDNS and LLMNR send them: read and written.
//!
//! Invariant: a name costs at most [`JUMPS_MAX`] pointers and 255 octets, so a loop of pointers
//! ends.

use super::limits::{JUMPS_MAX, NAME_OCTETS_MAX, RECORDS_MAX};
use crate::Malformed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const TYPE_A: u16 = 1;
pub const TYPE_PTR: u16 = 12;
pub const TYPE_TXT: u16 = 16;
pub const TYPE_AAAA: u16 = 28;
pub const TYPE_SRV: u16 = 33;
/// RFC 2535, 4.
pub const TYPE_SIG: u16 = 24;
/// RFC 1995: what changed of a zone.
pub const TYPE_IXFR: u16 = 251;
/// RFC 5936: a whole zone.
pub const TYPE_AXFR: u16 = 252;
pub const TYPE_ANY: u16 = 255;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub id: u16,
    pub flags: u16,
    pub questions: Vec<Question>,
    /// Answers, authorities and additional records in the order they stand.
    pub records: Vec<Record>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    pub name: String,
    pub kind: u16,
    pub class: u16,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub name: String,
    pub kind: u16,
    pub class: u16,
    pub ttl: u32,
    pub value: Value,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Address(IpAddr),
    Name(String),
    Service { port: u16, target: String },
    Text(Vec<String>),
    Other(Vec<u8>),
}

impl Message {
    pub fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub fn opcode(&self) -> u8 {
        ((self.flags >> 11) & 0xf) as u8
    }

    pub fn response_code(&self) -> u16 {
        self.flags & 0xf
    }
}

/// Reads a whole message; what stands behind its records is ignored.
///
/// A message cut short in its records gives what was there, as long as its questions were whole.
pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut at = Cursor { bytes, position: 0 };
    let (id, flags) = (at.be16()?, at.be16()?);
    let counts = [at.be16()?, at.be16()?, at.be16()?, at.be16()?];
    let [questions, answers, authorities, additional] = counts.map(usize::from);
    if questions > RECORDS_MAX {
        return Err(Malformed::new("dns-too-many-questions"));
    }
    let mut message = Message { id, flags, questions: Vec::new(), records: Vec::new() };
    for _ in 0..questions {
        let name = at.name()?;
        message.questions.push(Question { name, kind: at.be16()?, class: at.be16()? });
    }
    let records = answers.saturating_add(authorities).saturating_add(additional);
    for _ in 0..records.min(RECORDS_MAX) {
        match at.record() {
            Ok(record) => message.records.push(record),
            Err(_) => break,
        }
    }
    Ok(message)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

const SHORT: Malformed = Malformed::new("dns-message-cut-short");

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.position.checked_add(count).ok_or(SHORT)?;
        let bytes = self.bytes.get(self.position..end).ok_or(SHORT)?;
        self.position = end;
        Ok(bytes)
    }

    fn be16(&mut self) -> Result<u16, Malformed> {
        let bytes: [u8; 2] = self.take(2)?.try_into().map_err(|_| SHORT)?;
        Ok(u16::from_be_bytes(bytes))
    }

    fn be32(&mut self) -> Result<u32, Malformed> {
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| SHORT)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// RFC 1035, 4.1.4: labels and pointers. The root is the empty text.
    fn name(&mut self) -> Result<String, Malformed> {
        let mut text = String::new();
        // Counted as they are sent: letters outside of ASCII take more octets in `text`.
        let mut octets = 0usize;
        let (mut at, mut jumps) = (self.position, 0usize);
        loop {
            let length = *self.bytes.get(at).ok_or(SHORT)?;
            let next = at.saturating_add(1);
            match length {
                0 => {
                    if jumps == 0 {
                        self.position = next;
                    }
                    return Ok(text);
                }
                1..=63 => {
                    let end = next.saturating_add(usize::from(length));
                    let label = self.bytes.get(next..end).ok_or(SHORT)?;
                    octets = octets.saturating_add(label.len()).saturating_add(1);
                    // The root's length octet belongs to the name too.
                    if octets >= NAME_OCTETS_MAX {
                        return Err(Malformed::new("dns-name-too-long"));
                    }
                    if !text.is_empty() {
                        text.push('.');
                    }
                    push_label(&mut text, label);
                    at = end;
                }
                0xc0..=0xff => {
                    let low = *self.bytes.get(next).ok_or(SHORT)?;
                    if jumps == 0 {
                        self.position = next.saturating_add(1);
                    }
                    jumps = jumps.saturating_add(1);
                    if jumps > JUMPS_MAX {
                        return Err(Malformed::new("dns-name-pointer-loop"));
                    }
                    at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                }
                _ => return Err(Malformed::new("dns-label-type-reserved")),
            }
        }
    }

    fn record(&mut self) -> Result<Record, Malformed> {
        let name = self.name()?;
        let (kind, class, ttl) = (self.be16()?, self.be16()?, self.be32()?);
        let length = usize::from(self.be16()?);
        let start = self.position;
        let data = self.take(length)?;
        let value = self.value(kind, start, data)?;
        Ok(Record { name, kind, class, ttl, value })
    }

    fn value(&self, kind: u16, start: usize, data: &[u8]) -> Result<Value, Malformed> {
        let mut inside = Cursor { bytes: self.bytes, position: start };
        Ok(match kind {
            TYPE_A => match <[u8; 4]>::try_from(data) {
                Ok(octets) => Value::Address(IpAddr::V4(Ipv4Addr::from(octets))),
                Err(_) => Value::Other(data.to_vec()),
            },
            TYPE_AAAA => match <[u8; 16]>::try_from(data) {
                Ok(octets) => Value::Address(IpAddr::V6(Ipv6Addr::from(octets))),
                Err(_) => Value::Other(data.to_vec()),
            },
            TYPE_PTR => Value::Name(inside.name()?),
            TYPE_SRV => {
                inside.take(4)?;
                let port = inside.be16()?;
                Value::Service { port, target: inside.name()? }
            }
            TYPE_TXT => Value::Text(texts(data)),
            _ => Value::Other(data.to_vec()),
        })
    }
}

/// A control character is written as RFC 1035, 5.1 writes it: dropped, two names would look the
/// same. Blanks and dots within a label stay, as service names have them.
fn push_label(text: &mut String, label: &[u8]) {
    let label = crate::text::lossy(label);
    if !label.contains(char::is_control) {
        return text.push_str(&label);
    }
    for letter in label.chars() {
        match letter.is_control() {
            true => text.push_str(&format!("\\{:03}", u32::from(letter))),
            false => text.push(letter),
        }
    }
}

/// RFC 1035, 3.3.14: character strings, each with a length octet.
fn texts(mut data: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((&length, rest)) = data.split_first() {
        let Some((text, rest)) = rest.split_at_checked(usize::from(length)) else { break };
        found.push(crate::text::lossy(text));
        data = rest;
    }
    found
}

/// Writes a message without name compression. Labels over 63 octets are cut.
pub fn emit(message: &Message) -> Vec<u8> {
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = Vec::new();
    bytes.extend(message.id.to_be_bytes());
    bytes.extend(message.flags.to_be_bytes());
    bytes.extend(count(message.questions.len()));
    bytes.extend(count(message.records.len()));
    bytes.extend([0, 0, 0, 0]);
    for question in &message.questions {
        emit_name(&question.name, &mut bytes);
        bytes.extend(question.kind.to_be_bytes());
        bytes.extend(question.class.to_be_bytes());
    }
    for record in &message.records {
        emit_name(&record.name, &mut bytes);
        bytes.extend(record.kind.to_be_bytes());
        bytes.extend(record.class.to_be_bytes());
        bytes.extend(record.ttl.to_be_bytes());
        let data = emit_value(&record.value);
        bytes.extend(count(data.len()));
        bytes.extend(data);
    }
    bytes
}

fn emit_name(name: &str, bytes: &mut Vec<u8>) {
    for label in name.split('.').filter(|l| !l.is_empty()) {
        let label: Vec<u8> = label.bytes().take(63).collect();
        bytes.push(label.len() as u8);
        bytes.extend(label);
    }
    bytes.push(0);
}

fn emit_value(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    match value {
        Value::Address(IpAddr::V4(ip)) => bytes.extend(ip.octets()),
        Value::Address(IpAddr::V6(ip)) => bytes.extend(ip.octets()),
        Value::Name(name) => emit_name(name, &mut bytes),
        Value::Service { port, target } => {
            bytes.extend([0, 0, 0, 0]);
            bytes.extend(port.to_be_bytes());
            emit_name(target, &mut bytes);
        }
        Value::Text(texts) => {
            for text in texts {
                let text: Vec<u8> = text.bytes().take(255).collect();
                bytes.push(text.len() as u8);
                bytes.extend(text);
            }
        }
        Value::Other(data) => bytes.extend(data),
    }
    bytes
}
