//! CoAP (RFC 7252): resources read and written on small devices.
//!
//! Not here: DTLS, OSCORE. Invariant: options are stepped through to their end before anything is
//! believed.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    mqtt::values, output::Op,
};
use ::wire::reader::Reader;
use model::{OperationClass, Quality, Scalar};

pub static COAP_GROUP: Group = Group { name: "coap", ends: Ends::Pair, keys: &["type", "code"] };

pub struct Coap;
pub static COAP: Coap = Coap;

static ABOUT: About = About {
    name: "coap",
    title: "CoAP",
    specs: &["RFC 7252"],
    carriers: &[Carrier::Udp],
    ports: &[5_683],
    groups: &[&COAP_GROUP],
    depth: "methods, answers, paths, values in text and JSON",
};

/// Options of one message that are read.
const OPTIONS_MAX: usize = 64;

/// What matters of a message.
struct Message<'a> {
    kind: u8,
    code: u8,
    path: String,
    options: usize,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// RFC 7252, 3.
    fn parse(bytes: &'a [u8]) -> Option<Message<'a>> {
        const URI_PATH: u32 = 11;
        const PAYLOAD: u8 = 0xff;
        let mut r = Reader::new(bytes);
        let first = r.u8().ok()?;
        let code = r.u8().ok()?;
        r.be16().ok()?;
        let token = usize::from(first & 0x0f);
        if first >> 6 != 1 || token > 8 || !is_code(code) {
            return None;
        }
        if code == 0 && (token > 0 || !r.is_empty()) {
            return None;
        }
        r.skip(token).ok()?;
        let (mut path, mut number, mut options) = (String::new(), 0u32, 0usize);
        while let Some(head) = r.peek_u8() {
            r.skip(1).ok()?;
            if head == PAYLOAD {
                if r.is_empty() {
                    return None;
                }
                break;
            }
            number = number.checked_add(extended(&mut r, head >> 4)?)?;
            let length = extended(&mut r, head & 0x0f)?;
            let value = r.bytes(length as usize).ok()?;
            options = options.checked_add(1).filter(|n| *n <= OPTIONS_MAX)?;
            if number > 65_535 {
                return None;
            }
            if number == URI_PATH {
                path.push('/');
                path.push_str(std::str::from_utf8(value).ok()?);
            }
        }
        Some(Message { kind: first >> 4 & 3, code, path, options, payload: r.rest() })
    }
}

fn extended(r: &mut Reader<'_>, nibble: u8) -> Option<u32> {
    match nibble {
        0..=12 => Some(u32::from(nibble)),
        13 => u32::from(r.u8().ok()?).checked_add(13),
        14 => u32::from(r.be16().ok()?).checked_add(269),
        _ => None,
    }
}

/// Codes registered (12.1): class and detail.
fn is_code(code: u8) -> bool {
    matches!(code, 0..=7 | 0x41..=0x45 | 0x5f | 0x80..=0x8f | 0x96 | 0x9d | 0xa0..=0xa8)
}

impl Protocol for Coap {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Some(message) = Message::parse(head) else { return Probe::NoMatch };
        let sure = message.options > 0 && message.path.len() > 1 && message.code <= 7;
        match message.code {
            1..=7 if hint.port || sure => Probe::MatchClient,
            0x41.. if hint.port => Probe::MatchServer,
            0 if hint.port => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    /// The resource asked for last.
    path: String,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("coap", 0..bytes.len());
        match Message::parse(bytes) {
            Some(message) => self.message(&message, out),
            None if segment.missing == 0 => {
                let says = "a CoAP message that cannot be read";
                out.violation("coap-message-invalid", says, "RFC 7252, 3");
            }
            None => {}
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    fn message(&mut self, message: &Message<'_>, out: &mut Output) {
        let (kind, code) = (u64::from(message.kind), u64::from(message.code));
        out.count(&COAP_GROUP, [Scalar::Number(kind), Scalar::Number(code)]);
        let number = u32::from(message.code);
        let (class, name) = match message.code {
            1 => (OperationClass::Read, "GET"),
            2 => (OperationClass::Write, "POST"),
            3 => (OperationClass::Write, "PUT"),
            4 => (OperationClass::Configure, "DELETE"),
            5 => (OperationClass::Read, "FETCH"),
            6 | 7 => (OperationClass::Write, "PATCH"),
            0 => return,
            _ => (OperationClass::Other, "answer"),
        };
        if message.code <= 7 {
            self.path.clone_from(&message.path);
            out.operation(Op::request(class, number, name).named("path", &message.path));
        } else {
            let op = Op::response(class, number, name);
            out.operation(if message.code < 0x80 {
                op.done()
            } else {
                op.refused(number, failure(message.code))
            });
        }
        let carries = message.code <= 7 || (0x41..0x60).contains(&message.code);
        if out.values_wanted && carries && !self.path.is_empty() {
            for (name, value) in values::values(message.payload) {
                let point = if name.is_empty() {
                    self.path.clone()
                } else {
                    format!("{}#{name}", self.path)
                };
                out.value(point, value, (None, Quality::Good));
            }
        }
    }
}

/// 5.9.2 and 5.9.3.
fn failure(code: u8) -> &'static str {
    match code {
        0x80 => "bad request",
        0x81 => "unauthorized",
        0x83 => "forbidden",
        0x84 => "not found",
        0x85 => "method not allowed",
        0xa0 => "internal server error",
        0xa1 => "not implemented",
        0xa3 => "service unavailable",
        _ => "error",
    }
}
