//! CoAP (RFC 7252, RFC 8323): resources read and written on small devices, in datagrams, over TCP
//! and in the frames of a WebSocket.
//!
//! Not here: DTLS, OSCORE. Invariant: options are stepped through to their end before anything is
//! believed.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, mqtt::values, output::Op,
};
use ::wire::reader::Reader;
use model::{OperationClass, Quality, Scalar};
use std::collections::VecDeque;

pub static COAP_GROUP: Group = Group { name: "coap", ends: Ends::Pair, keys: &["type", "code"] };

pub struct Coap;
pub static COAP: Coap = Coap;

static ABOUT: About = About {
    name: "coap",
    title: "CoAP",
    specs: &["RFC 7252", "RFC 8323 (TCP, WebSockets)"],
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[5_683],
    groups: &[&COAP_GROUP],
    depth: "methods, answers, paths, values in text and JSON",
};

/// Options of one message that are read.
const OPTIONS_MAX: usize = 64;
/// Requests of one conversation whose answers are awaited or observed.
const ASKED_MAX: usize = 32;
/// Octets of a message on a stream that are waited for.
const MESSAGE_OCTETS_MAX: usize = 64 * 1024;
/// Capabilities and settings, which every stream begins with (RFC 8323, 5.3).
const SETTINGS: u8 = 0xe1;

/// The first octets of a datagram (RFC 7252, 3).
struct Header {
    kind: u8,
    code: u8,
    token: u8,
}

impl Header {
    /// Of version 1, with a token as long as one may be, of a class for datagrams (12.1). Details
    /// that are not registered are read as well: later documents add to them.
    fn parse(bytes: &[u8]) -> Option<Header> {
        let &[first, code, _, _] = bytes.first_chunk()?;
        let token = first & 0x0f;
        let known = first >> 6 == 1 && token <= 8 && matches!(code >> 5, 0 | 2 | 4 | 5);
        known.then_some(Header { kind: first >> 4 & 3, code, token })
    }
}

/// What matters of a message.
struct Message<'a> {
    /// Only datagrams have one.
    kind: Option<u8>,
    code: u8,
    token: &'a [u8],
    path: String,
    options: usize,
    /// All options are those of settings (RFC 8323, 5.3): size and transfer in blocks.
    settings: bool,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// RFC 7252, 3.
    fn datagram(bytes: &'a [u8]) -> Option<Message<'a>> {
        let Header { kind, code, token } = Header::parse(bytes)?;
        let mut r = Reader::new(bytes);
        r.skip(4).ok()?;
        if code == 0 && (token > 0 || !r.is_empty()) {
            return None;
        }
        Self::body(r, Some(kind), code, token)
    }

    /// RFC 8323, 8.2: a frame has the length, so the message says none.
    fn of_frame(bytes: &'a [u8]) -> Option<Message<'a>> {
        let mut r = Reader::new(bytes);
        let (first, code) = (r.u8().ok()?, r.u8().ok()?);
        let known = is_code(code) || is_signal(code);
        if known && first >> 4 == 0 { Self::body(r, None, code, first & 0x0f) } else { None }
    }

    /// A message of a stream, of so many octets as [`octets`] says.
    fn of_stream(bytes: &'a [u8]) -> Option<Message<'a>> {
        let mut r = Reader::new(bytes);
        let first = r.u8().ok()?;
        length(&mut r, first >> 4)?;
        let code = r.u8().ok()?;
        let known = is_code(code) || is_signal(code);
        if known { Self::body(r, None, code, first & 0x0f) } else { None }
    }

    /// Token, options and payload.
    fn body(mut r: Reader<'a>, kind: Option<u8>, code: u8, token: u8) -> Option<Message<'a>> {
        const URI_PATH: u32 = 11;
        const PAYLOAD: u8 = 0xff;
        if token > 8 {
            return None;
        }
        let token = r.bytes(usize::from(token)).ok()?;
        let (mut path, mut number, mut options) = (String::new(), 0u32, 0usize);
        let mut settings = true;
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
            settings &= matches!((number, value.len()), (2, 0..=4) | (4, 0));
            if number > 65_535 {
                return None;
            }
            // Signals have options of their own under the same numbers.
            if number == URI_PATH && is_method(code) {
                path.push('/');
                path.push_str(std::str::from_utf8(value).ok()?);
            }
        }
        Some(Message { kind, code, token, path, options, settings, payload: r.rest() })
    }

    /// More than a code that is met by chance.
    fn says_something(&self) -> bool {
        !self.token.is_empty() || self.options > 0
    }
}

/// Octets of the message a stream begins with (RFC 8323, 3.2); `None` when they are too few to
/// tell.
fn octets(bytes: &[u8]) -> Option<usize> {
    let mut r = Reader::new(bytes);
    let first = r.u8().ok()?;
    let length = length(&mut r, first >> 4)?;
    let token = usize::from(first & 0x0f);
    r.position().checked_add(1)?.checked_add(token)?.checked_add(length)
}

/// Length of options and payload.
fn length(r: &mut Reader<'_>, nibble: u8) -> Option<usize> {
    match nibble {
        15 => usize::try_from(r.be32().ok()?).ok()?.checked_add(65_805),
        nibble => extended(r, nibble).map(|length| length as usize),
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

/// Class 0, but for the empty message.
fn is_method(code: u8) -> bool {
    (1..0x20).contains(&code)
}

/// Codes registered (12.1): class and detail.
fn is_code(code: u8) -> bool {
    matches!(code, 0..=7 | 0x41..=0x45 | 0x5f | 0x80..=0x8f | 0x96 | 0x9d | 0xa0..=0xa8)
}

/// Signals of streams (RFC 8323, 5.1).
fn is_signal(code: u8) -> bool {
    matches!(code, SETTINGS..=0xe5)
}

impl Protocol for Coap {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.carrier == Carrier::Tcp {
            return stream_probe(head, hint);
        }
        let sure = || {
            let named = |m: &Message<'_>| m.options > 0 && m.path.len() > 1 && is_code(m.code);
            Message::datagram(head).as_ref().is_some_and(named)
        };
        match Header::parse(head) {
            Some(header) if is_method(header.code) && (hint.port || sure()) => Probe::MatchClient,
            Some(header) if header.code >= 0x40 && hint.port => Probe::MatchServer,
            Some(Header { code: 0, token: 0, .. }) if hint.port => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// Settings come first from both sides; those that say something are a sign by themselves.
fn stream_probe(head: &[u8], hint: Hint) -> Probe {
    const SHORT_MAX: usize = 64;
    let whole = octets(head);
    let is_settings = |message: &Message<'_>| {
        message.code == SETTINGS && message.token.is_empty() && message.settings
    };
    match whole.map(|end| (end, head.get(..end))) {
        Some((_, Some(whole))) => match Message::of_stream(whole) {
            Some(message) if is_settings(&message) && (message.options > 0 || hint.port) => {
                Probe::Match
            }
            // In the middle of a conversation: one message, which says something.
            Some(m) if hint.port && whole.len() == head.len() && m.says_something() => {
                match m.code {
                    code if is_method(code) => Probe::MatchClient,
                    code if is_signal(code) => Probe::Match,
                    _ => Probe::MatchServer,
                }
            }
            _ => Probe::NoMatch,
        },
        Some((end, None)) if hint.port && end <= SHORT_MAX => Probe::NeedMore,
        None if hint.port && head.len() < 2 => Probe::NeedMore,
        _ => Probe::NoMatch,
    }
}

/// A conversation in the frames of a WebSocket.
pub(crate) fn in_frames() -> Box<dyn Dissector> {
    Box::new(Conversation { frames: true, ..Conversation::default() })
}

#[derive(Default)]
struct Conversation {
    /// One message a frame of a WebSocket, instead of a stream.
    frames: bool,
    asked: VecDeque<Asked>,
}

/// A request: what it is, and the resource.
struct Asked {
    token: Box<[u8]>,
    class: OperationClass,
    name: &'static str,
    path: String,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let stream = segment.carrier == Carrier::Tcp && !self.frames;
        let end = match (stream, octets(bytes)) {
            (false, _) => bytes.len(),
            (true, None) => {
                let needed = bytes.len().saturating_add(1);
                return Progress::NeedMore { consumed: 0, needed };
            }
            (true, Some(end)) if end > MESSAGE_OCTETS_MAX => {
                return Progress::GiveUp(Malformed::new("coap-message-too-long"));
            }
            (true, Some(end)) => end,
        };
        let Some(whole) = bytes.get(..end) else {
            return Progress::NeedMore { consumed: 0, needed: end };
        };
        out.begin("coap", 0..end);
        let message = match (stream, self.frames) {
            (true, _) => Message::of_stream(whole),
            (false, true) => Message::of_frame(whole),
            (false, false) => Message::datagram(whole),
        };
        match message {
            Some(message) => self.message(&message, out),
            None if stream => {
                return Progress::GiveUp(Malformed::new("coap-message-invalid"));
            }
            None => {
                if let Some(header) = Header::parse(whole).filter(|_| !self.frames) {
                    count(Some(header.kind), header.code, out);
                }
                if segment.missing == 0 {
                    let says = "a CoAP message that cannot be read";
                    out.violation("coap-message-invalid", says, "RFC 7252, 3");
                }
            }
        }
        Progress::Consumed(end)
    }

    fn gap(&mut self, _: Gap) {}
}

fn count(kind: Option<u8>, code: u8, out: &mut Output) {
    let kind = kind.map_or(Scalar::Null, |kind| Scalar::Number(u64::from(kind)));
    out.count(&COAP_GROUP, [kind, Scalar::Number(u64::from(code))]);
}

impl Conversation {
    fn message(&mut self, message: &Message<'_>, out: &mut Output) {
        count(message.kind, message.code, out);
        let number = u32::from(message.code);
        match message.code {
            0 => {}
            code if is_method(code) => self.request(message, out),
            SETTINGS.. => out.operation(signal(message.code)),
            _ => {
                let at = self.asked.iter().rposition(|asked| *asked.token == *message.token);
                let asked = at.and_then(|at| self.asked.get(at));
                let (class, name) =
                    asked.map_or((OperationClass::Other, "answer"), |a| (a.class, a.name));
                let op = Op::response(class, number, name);
                let op = asked.map_or(op.clone(), |asked| op.named("path", &asked.path));
                out.operation(if message.code < 0x80 {
                    op.done()
                } else {
                    op.refused(number, failure(message.code))
                });
                let content = (0x41..0x60).contains(&message.code);
                if let Some(asked) = asked.filter(|_| content) {
                    values_of(&asked.path, message.payload, out);
                }
            }
        }
    }

    fn request(&mut self, message: &Message<'_>, out: &mut Output) {
        let (class, name) = match message.code {
            1 => (OperationClass::Read, "GET"),
            2 => (OperationClass::Write, "POST"),
            3 => (OperationClass::Write, "PUT"),
            4 => (OperationClass::Configure, "DELETE"),
            5 => (OperationClass::Read, "FETCH"),
            6 | 7 => (OperationClass::Write, "PATCH"),
            _ => (OperationClass::Other, "method not registered"),
        };
        let op = Op::request(class, u32::from(message.code), name);
        out.operation(op.named("path", &message.path));
        values_of(&message.path, message.payload, out);
        if self.asked.len() >= ASKED_MAX {
            self.asked.pop_front();
            out.limit("coap-requests-awaited");
        }
        let (token, path) = (Box::<[u8]>::from(message.token), message.path.clone());
        self.asked.retain(|asked| asked.token != token);
        self.asked.push_back(Asked { token, class, name, path });
    }
}

/// RFC 8323, 5.
fn signal(code: u8) -> Op {
    let number = u32::from(code);
    let session = OperationClass::Session;
    match code {
        SETTINGS => Op::notice(session, number, "settings"),
        0xe2 => Op::request(session, number, "ping"),
        0xe3 => Op::response(session, number, "ping").done(),
        0xe4 => Op::notice(session, number, "release"),
        _ => Op::notice(session, number, "abort"),
    }
}

fn values_of(path: &str, payload: &[u8], out: &mut Output) {
    if !out.values_wanted || path.is_empty() {
        return;
    }
    for (name, value) in values::values(payload) {
        let point = if name.is_empty() { path.to_owned() } else { format!("{path}#{name}") };
        out.value(point, value, (None, Quality::Good));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;
    use model::Detail;

    fn probe(head: &[u8], carrier: Carrier, port: bool) -> Probe {
        COAP.probe(head, Hint { carrier, port, from: Side::Client, missing: 0 })
    }

    /// Types and codes counted of a datagram, and whether it is a violation.
    fn read(bytes: &[u8], missing: usize) -> (Vec<[Scalar; 2]>, bool) {
        let mut out = Output::new(false);
        let segment = Segment { missing, ..Segment::of(bytes, Side::Client, Carrier::Udp) };
        assert_eq!(COAP.open().feed(segment, &mut out), Progress::Consumed(bytes.len()));
        let keys = |message: &crate::Message| [message.keys[0].clone(), message.keys[1].clone()];
        let violates = |seen: &crate::Observed| matches!(seen.detail, Detail::Violation(_));
        (out.messages.iter().map(keys).collect(), out.observed.iter().any(violates))
    }

    #[test]
    fn a_datagram_on_the_port_is_counted_by_its_header() {
        let counted = |kind, code| vec![[Scalar::Number(kind), Scalar::Number(code)]];
        for (bytes, missing, expected) in [
            // 2.06 is not registered; an empty message with something in it; an option cut off.
            (&[0x61, 0x46, 0, 1, 7, 0xff, b'x'][..], 0, (counted(2, 0x46), false)),
            (&[0x40, 0, 0, 1, b'x'], 0, (counted(0, 0), true)),
            (&[0x40, 3, 0, 1, 0xb9, b'l', b'i'], 7, (counted(0, 3), false)),
            (&[0x40, 3, 0, 1, 0xb9, b'l', b'i'], 0, (counted(0, 3), true)),
        ] {
            assert!(!matches!(probe(bytes, Carrier::Udp, true), Probe::NoMatch), "{bytes:x?}");
            assert_eq!(probe(bytes, Carrier::Udp, false), Probe::NoMatch, "{bytes:x?}");
            assert_eq!(read(bytes, missing), expected, "{bytes:x?}");
        }
        // Version 2, a token of nine octets, a class of streams, an empty message with a token.
        for first in [[0x80, 1], [0x49, 1], [0x40, 0xe1], [0x41, 0]] {
            let bytes = [first[0], first[1], 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(probe(&bytes, Carrier::Udp, true), Probe::NoMatch, "{first:x?}");
        }
    }

    #[test]
    fn the_middle_of_a_stream_is_known_by_one_whole_message_on_the_port() {
        let get = [0x22, 1, 0xaa, 0xab, 0xb1, b'x'];
        assert_eq!(probe(&get, Carrier::Tcp, true), Probe::MatchClient);
        assert_eq!(probe(&get, Carrier::Tcp, false), Probe::NoMatch);
        assert_eq!(probe(&[0x22, 0x45, 1, 2, 0xff, 7], Carrier::Tcp, true), Probe::MatchServer);
        assert_eq!(probe(&[&get[..], &[0]].concat(), Carrier::Tcp, true), Probe::NoMatch);
        assert_eq!(probe(&[0x00, 0x45], Carrier::Tcp, true), Probe::NoMatch);
        assert_eq!(probe(&[0x02, 0x46, 1, 2], Carrier::Tcp, true), Probe::NoMatch);
    }
}
