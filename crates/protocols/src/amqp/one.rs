//! AMQP 1.0: who logs on, which addresses links read and write.
//!
//! OASIS AMQP 1.0, parts 1 (types), 2 (transport) and 5 (SASL). Not here: contents of messages.
//! Invariant: a value of a type that is not known ends the reading of its list.

use super::{AMQP_GROUP, FRAME_OCTETS_MAX, applicant};
use crate::{Malformed, Output, Progress, Side, output::Op, text};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass, Scalar, Subject};

/// Links of one connection whose addresses are kept.
const LINKS_MAX: usize = 64;
/// Fields of a performative that are looked at, at most.
const FIELDS_MAX: usize = 8;

#[derive(Default)]
pub(super) struct Connection {
    applicant: Option<Authentication>,
    /// Who named it, its number, and where it leads to.
    links: Vec<(Side, u64, String)>,
}

/// A value, as far as it matters here (part 1, 1.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value<'a> {
    Null,
    Number(u64),
    Octets(&'a [u8]),
    /// The elements of a list, not yet read.
    List(&'a [u8]),
    Other,
}

impl<'a> Value<'a> {
    /// A constructor and its value; the name of a described type is stepped over.
    fn read(r: &mut Reader<'a>) -> Result<Value<'a>, Short> {
        let mut code = r.u8()?;
        if code == 0 {
            plain(r)?;
            code = r.u8()?;
        }
        of_code(code, r)
    }

    fn text(self) -> String {
        match self {
            Value::Octets(octets) => text::lossy(octets),
            _ => String::new(),
        }
    }
}

fn plain<'a>(r: &mut Reader<'a>) -> Result<Value<'a>, Short> {
    let code = r.u8()?;
    of_code(code, r)
}

/// The upper half of a constructor tells the width (part 1, figure 1.9).
fn of_code<'a>(code: u8, r: &mut Reader<'a>) -> Result<Value<'a>, Short> {
    Ok(match code {
        0x40 => Value::Null,
        0x41 => Value::Number(1),
        0x42..=0x44 => Value::Number(0),
        0x45 => Value::List(&[]),
        0x50..=0x5f => Value::Number(u64::from(r.u8()?)),
        0x60..=0x6f => Value::Number(u64::from(r.be16()?)),
        0x70..=0x7f => Value::Number(u64::from(r.be32()?)),
        0x80..=0x8f => Value::Number(r.be64()?),
        0x90..=0x9f => r.skip(16).map(|()| Value::Other)?,
        0xa0..=0xaf => Value::Octets(short(r)?),
        0xb0..=0xbf => Value::Octets(long(r)?),
        // A count stands before the elements, of the width of the size.
        0xc0 => Value::List(short(r)?.get(1..).unwrap_or_default()),
        0xd0 => Value::List(long(r)?.get(4..).unwrap_or_default()),
        0xc1..=0xcf | 0xe0..=0xef => short(r).map(|_| Value::Other)?,
        0xd1..=0xdf | 0xf0..=0xff => long(r).map(|_| Value::Other)?,
        _ => return Err(Short { needed: 1 }),
    })
}

fn short<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let octets = usize::from(r.u8()?);
    r.bytes(octets)
}

fn long<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let octets = r.be32()? as usize;
    r.bytes(octets)
}

/// The first fields of a list; absent ones at its end are as good as null.
fn fields(list: &[u8]) -> [Value<'_>; FIELDS_MAX] {
    let mut fields = [Value::Null; FIELDS_MAX];
    let mut r = Reader::new(list);
    for field in &mut fields {
        match Value::read(&mut r) {
            Ok(value) => *field = value,
            Err(_) => break,
        }
    }
    fields
}

/// Address of a source or target (part 3, 3.5.3), which is its first field.
fn address(end: Value<'_>) -> String {
    match end {
        Value::List(list) => fields(list)[0].text(),
        _ => String::new(),
    }
}

/// Do these octets begin a frame (part 2, 2.3.1): an empty one, or one with a performative of
/// the transport or of SASL?
pub(super) fn begins(bytes: &[u8]) -> bool {
    let Some(&[a, b, c, d, offset, kind, _, _]) = bytes.first_chunk::<8>() else { return false };
    let octets = u32::from_be_bytes([a, b, c, d]) as usize;
    if !(8..=FRAME_OCTETS_MAX).contains(&octets) || offset < 2 || kind > 1 {
        return false;
    }
    let body = bytes.get(usize::from(offset).saturating_mul(4)..).unwrap_or_default();
    octets == 8 || matches!(body, [0, 0x53, 0x10..=0x18 | 0x40..=0x44, ..])
}

impl Connection {
    /// Part 2, 2.3.1: size, offset of data, type.
    pub(super) fn frame(&mut self, bytes: &[u8], from: Side, out: &mut Output) -> Progress {
        let Some(&[a, b, c, d, offset, kind, _, _]) = bytes.first_chunk::<8>() else {
            return Progress::NeedMore { consumed: 0, needed: 8 };
        };
        let octets = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(8..=FRAME_OCTETS_MAX).contains(&octets) || kind > 1 {
            return Progress::GiveUp(Malformed::new("amqp-frame-invalid"));
        }
        let Some(frame) = bytes.get(..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("amqp", 0..octets);
        out.count(&AMQP_GROUP, [Scalar::Number(u64::from(kind))]);
        let body = frame.get(usize::from(offset).saturating_mul(4)..).unwrap_or_default();
        let mut r = Reader::new(body);
        if let Ok([0, 0x53, code]) = r.array()
            && let Ok(Value::List(list)) = plain(&mut r)
        {
            self.performative(code, fields(list), from, out);
        }
        Progress::Consumed(octets)
    }

    fn performative(
        &mut self,
        code: u8,
        fields: [Value<'_>; FIELDS_MAX],
        from: Side,
        out: &mut Output,
    ) {
        use OperationClass::Session;
        let number = u32::from(code);
        // Both sides open and close; who begins asks, and the other answers.
        let (name, both) = match code {
            0x10 => {
                let facts = [("amqp_container", fields[0].text())];
                out.identity(Subject::Sender, "AMQP open", facts);
                ("open", true)
            }
            0x11 => ("begin", true),
            0x12 => return self.attach(fields, from, out),
            0x13 => ("flow", false),
            0x14 => {
                let op = Op::notice(OperationClass::Report, number, "transfer");
                return out.operation(op.named("queue", self.link(fields[0], from)));
            }
            0x15 => ("disposition", false),
            0x16 => ("detach", true),
            0x17 => ("end", true),
            0x18 => ("close", true),
            0x40..=0x44 => return self.sasl(code, fields, out),
            _ => return,
        };
        out.operation(match (both, from) {
            (false, _) => Op::notice(Session, number, name),
            (true, Side::Client) => Op::request(Session, number, name),
            (true, Side::Server) => Op::response(Session, number, name).done(),
        });
    }

    fn link(&self, handle: Value<'_>, from: Side) -> &str {
        let Value::Number(handle) = handle else { return "" };
        let link = self.links.iter().find(|(side, number, _)| (*side, *number) == (from, handle));
        link.map_or("", |(_, _, address)| address)
    }

    /// Part 2, 2.7.3: name, handle, role, two modes, source, target. The client's role tells
    /// whether it reads or writes; the broker's attach answers.
    fn attach(&mut self, fields: [Value<'_>; FIELDS_MAX], from: Side, out: &mut Output) {
        const ATTACH: u32 = 0x12;
        let [_, handle, role, _, _, source, target, _] = fields;
        let receives = role == Value::Number(1);
        let (own, other) = if receives { (source, target) } else { (target, source) };
        let leads_to = address(own);
        let leads_to = if leads_to.is_empty() { address(other) } else { leads_to };
        if from == Side::Client {
            let (class, name) = match receives {
                true => (OperationClass::Read, "attach to read"),
                false => (OperationClass::Write, "attach to write"),
            };
            out.operation(Op::request(class, ATTACH, name).named("queue", &leads_to));
        } else {
            let op = Op::response(OperationClass::Session, ATTACH, "attach");
            out.operation(op.named("queue", &leads_to).done());
        }
        let Value::Number(handle) = handle else { return };
        self.links.retain(|(side, number, _)| (*side, *number) != (from, handle));
        if self.links.len() >= LINKS_MAX {
            return out.limit("amqp-links");
        }
        self.links.push((from, handle, leads_to));
    }

    /// Part 5, 5.3.3.
    fn sasl(&mut self, code: u8, fields: [Value<'_>; FIELDS_MAX], out: &mut Output) {
        use OperationClass::Authenticate;
        let number = u32::from(code);
        match (code, fields[0], fields[1]) {
            (0x41, mechanism, response) => {
                let response = if let Value::Octets(octets) = response { octets } else { &[] };
                let mechanism = mechanism.text();
                self.applicant = Some(applicant(&mechanism, response));
                let op = Op::request(Authenticate, number, "sasl log-on");
                out.operation(op.named("mechanism", &mechanism));
            }
            (0x44, Value::Number(outcome), _) => {
                let op = Op::response(Authenticate, number, "sasl log-on");
                let code = u32::try_from(outcome).unwrap_or(u32::MAX);
                out.operation(if code == 0 { op.done() } else { op.refused(code, "refused") });
                if let Some(applicant) = self.applicant.take() {
                    let accepted = Some(outcome == 0);
                    out.authentication(Authentication { accepted, ..applicant });
                }
            }
            // Mechanisms, a challenge and its answer prove nothing by themselves.
            _ => out.operation(Op::notice(OperationClass::Session, number, "sasl")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_width_are_stepped_through() {
        let list = [
            &[0x40, 0x41, 0x50, 7, 0x60, 1, 0, 0x70, 0, 0, 1, 0][..],
            &[0xa1, 2, b'o', b'k', 0xc1, 1, 0, 0x00, 0x53, 0x28, 0xc0, 4, 1, 0xa1, 1, b'q'],
        ]
        .concat();
        let read = fields(&list);
        let numbers = [Value::Number(1), Value::Number(7), Value::Number(256), Value::Number(256)];
        assert_eq!((read[0], &read[1..5]), (Value::Null, &numbers[..]));
        assert_eq!((read[5], read[6]), (Value::Octets(b"ok"), Value::Other));
        assert_eq!(address(read[7]), "q");
    }

    #[test]
    fn a_type_that_is_not_known_ends_the_list() {
        assert_eq!(fields(&[0x43, 0x30, 0x43])[..2], [Value::Number(0), Value::Null]);
    }
}
