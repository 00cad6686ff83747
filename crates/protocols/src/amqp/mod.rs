//! AMQP 0-8 to 0-9-1 and 1.0: who logs on to which broker, exchanges and queues written and read.
//!
//! Not here: contents of messages; of 0-10, which has frames of its own, anything but their
//! types. Invariant: a password is known to be there and never kept.

mod one;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side, output::Op, text,
};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass, Scalar, Subject};

pub static AMQP_GROUP: Group = Group { name: "amqp", ends: Ends::Pair, keys: &["type"] };

pub struct Amqp;
pub static AMQP: Amqp = Amqp;

static ABOUT: About = About {
    name: "amqp",
    title: "AMQP",
    specs: &["AMQP 0-9-1", "AMQP 0-10", "OASIS AMQP 1.0"],
    carriers: &[Carrier::Tcp],
    ports: &[5_672],
    groups: &[&AMQP_GROUP],
    depth: "methods of 0-8 to 0-9-1 with exchanges and queues, log-ons, products; of 1.0 \
            log-ons, links with their addresses, transfers; frames of 0-10",
};

const OPENING_OCTETS: usize = 8;
const FRAME_OCTETS: usize = 7;
const FRAME_END: u8 = 0xce;
/// Kind of a frame that carries a method.
const METHOD: u8 = 1;
/// Connection, channel, exchange, queue, basic, confirm, transaction (1.4).
const CLASSES: [u16; 7] = [10, 20, 40, 50, 60, 85, 90];
/// Octets of one frame: brokers negotiate 128 KiB unless told otherwise.
const FRAME_OCTETS_MAX: usize = 1 << 20;

impl Protocol for Amqp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if b"AMQP".starts_with(head.get(..4).unwrap_or(head)) {
            return if head.len() >= OPENING_OCTETS { Probe::MatchClient } else { Probe::NeedMore };
        }
        if hint.port && one::begins(head) {
            return Probe::Match;
        }
        // In the middle of a connection: a whole frame with its end octet, and away from the port
        // one whose method is of a class there is.
        let Some(Ok((kind, octets))) = frame(head) else { return Probe::NoMatch };
        let whole = head.get(octets.saturating_sub(1)).is_some();
        let class = head.get(FRAME_OCTETS..).and_then(|body| body.first_chunk());
        let known = class.is_some_and(|class| CLASSES.contains(&u16::from_be_bytes(*class)));
        if whole && (hint.port || (kind == METHOD && known)) {
            Probe::Match
        } else {
            Probe::NoMatch
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// Type and octets of a frame of 0-9-1 (2.3.5); an error when the end octet is not where it
/// must be.
fn frame(bytes: &[u8]) -> Option<Result<(u8, usize), ()>> {
    let &[kind, _, _, a, b, c, d] = bytes.first_chunk::<FRAME_OCTETS>()?;
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    let octets = size.saturating_add(FRAME_OCTETS).saturating_add(1);
    if !matches!(kind, 1..=4 | 8) || octets > FRAME_OCTETS_MAX {
        return Some(Err(()));
    }
    match bytes.get(octets.saturating_sub(1)) {
        Some(end) if *end != FRAME_END => Some(Err(())),
        _ => Some(Ok((kind, octets))),
    }
}

/// Type and octets of a frame of 0-10 (4.4.1), which has 12 octets of header: flags, type, and a
/// size that counts the header.
fn frame_of_ten(bytes: &[u8]) -> Option<Result<(u8, usize), ()>> {
    const HEADER_OCTETS: usize = 12;
    /// Control, command, header, body.
    const TYPE_MAX: u8 = 3;
    let &[_, kind, a, b] = bytes.first_chunk::<4>()?;
    let octets = usize::from(u16::from_be_bytes([a, b]));
    let fits = kind <= TYPE_MAX && octets >= HEADER_OCTETS;
    Some(if fits { Ok((kind, octets)) } else { Err(()) })
}

/// How frames are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    /// 0-8, 0-9 and 0-9-1.
    Nine,
    Ten,
    One,
}

/// What a protocol header says: 0-9-1 and 1.0 have a number of the layer (TCP, TLS, SASL) and
/// three of the version (0-9-1, 4.2.2; 1.0 part 2, 2.2), those before them class, instance and
/// two of the version.
fn version([layer, major, minor, revision]: [u8; 4]) -> (Layout, String) {
    match (layer, [major, minor, revision]) {
        (_, [1, 0, 0]) => (Layout::One, "1.0".into()),
        // What the text of 0-8 has instead of the version it names; py-amqplib sends it.
        (1, [1, 9, 1]) => (Layout::Nine, "0.8".into()),
        // 0-8 has its number where the others have a zero.
        (1, [1, number, 0] | [1, 0, number]) => {
            let layout = if number == 10 { Layout::Ten } else { Layout::Nine };
            (layout, format!("0.{number}"))
        }
        _ => (Layout::Nine, format!("{major}.{minor}.{revision}")),
    }
}

#[derive(Default)]
struct Conversation {
    /// By the header, or by the frame that was seen first.
    layout: Option<Layout>,
    connection: one::Connection,
    applicant: Option<Authentication>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if bytes.first() == Some(&b'A') {
            let Some(opening) = bytes.first_chunk::<OPENING_OCTETS>() else {
                return Progress::NeedMore { consumed: 0, needed: OPENING_OCTETS };
            };
            out.begin("amqp", 0..OPENING_OCTETS);
            let [_, _, _, _, numbers @ ..] = *opening;
            let (layout, version) = version(numbers);
            self.layout = Some(layout);
            let (class, name) = (OperationClass::Session, "protocol header");
            let op = match segment.from {
                Side::Client => Op::request(class, 0, name),
                Side::Server => Op::response(class, 0, name),
            };
            out.operation(op.named("version", &version));
            return Progress::Consumed(OPENING_OCTETS);
        }
        let layout = *self.layout.get_or_insert_with(|| match one::begins(bytes) {
            true => Layout::One,
            false => Layout::Nine,
        });
        let found = match layout {
            Layout::One => return self.connection.frame(bytes, segment.from, out),
            Layout::Ten => frame_of_ten(bytes),
            Layout::Nine => frame(bytes),
        };
        let (kind, octets) = match found {
            None => return Progress::NeedMore { consumed: 0, needed: FRAME_OCTETS },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("amqp-frame-invalid")),
            Some(Ok(found)) => found,
        };
        let Some(frame) = bytes.get(..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("amqp", 0..octets);
        out.count(&AMQP_GROUP, [Scalar::Number(u64::from(kind))]);
        if layout == Layout::Nine && kind == METHOD {
            let body = frame.get(FRAME_OCTETS..octets.saturating_sub(1)).unwrap_or_default();
            if self.method(body, out).is_err() {
                let says = "a method shorter than its arguments";
                out.violation("amqp-method-cut-short", says, "AMQP 0-9-1, 4.2.4");
            }
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {}
}

fn short_string(r: &mut Reader<'_>) -> Result<String, Short> {
    let length = usize::from(r.u8()?);
    r.bytes(length).map(text::lossy)
}

fn long_string<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let length = r.be32()? as usize;
    r.bytes(length)
}

impl Conversation {
    fn method(&mut self, body: &[u8], out: &mut Output) -> Result<(), Short> {
        use OperationClass::{Authenticate, Configure, Read, Report, Session};
        let mut r = Reader::new(body);
        let (class, method) = (r.be16()?, r.be16()?);
        let number = u32::from(class) << 16 | u32::from(method);
        let request = |class, name| Op::request(class, number, name);
        match (class, method) {
            (10, 10) => {
                r.skip(2)?;
                products(long_string(&mut r)?, out);
                out.operation(Op::notice(Session, number, "connection start"));
            }
            (10, 11) => {
                products(long_string(&mut r)?, out);
                let mechanism = short_string(&mut r)?;
                self.applicant = Some(applicant(&mechanism, long_string(&mut r)?));
                out.operation(request(Authenticate, "connection start-ok"));
            }
            (10, 30) => self.outcome(true, out),
            (10, 40) => {
                let host = short_string(&mut r)?;
                out.operation(request(Session, "connection open").named("virtual host", &host));
            }
            (10, 50) => {
                let code = u32::from(r.be16()?);
                let op = Op::notice(Session, number, "connection close");
                out.operation(if code == 200 { op } else { op.refused(code, "connection closed") });
                if code == 403 {
                    self.outcome(false, out);
                }
            }
            // What was asked for on a channel is refused by closing it.
            (20, 40) => {
                let code = u32::from(r.be16()?);
                let op = Op::notice(Session, number, "channel close");
                out.operation(if code == 200 { op } else { op.refused(code, "channel closed") });
            }
            (40, 10) | (50, 10) => {
                r.skip(2)?;
                let name = short_string(&mut r)?;
                let what = if class == 40 { "exchange declare" } else { "queue declare" };
                out.operation(request(Configure, what).named("queue", &name));
            }
            (40, 20) | (50, 40) | (50, 30) => {
                r.skip(2)?;
                let name = short_string(&mut r)?;
                out.operation(request(Configure, "delete or purge").named("queue", &name));
            }
            (50, 20) => {
                r.skip(2)?;
                let (queue, exchange) = (short_string(&mut r)?, short_string(&mut r)?);
                let name = format!("{queue} to {exchange}");
                out.operation(request(Configure, "queue bind").named("queue", &name));
            }
            (60, 20) | (60, 70) => {
                r.skip(2)?;
                let queue = short_string(&mut r)?;
                out.operation(request(Read, "consume").named("queue", &queue));
            }
            (60, 40) => {
                r.skip(2)?;
                let (exchange, key) = (short_string(&mut r)?, short_string(&mut r)?);
                let name = if exchange.is_empty() { key } else { format!("{exchange}/{key}") };
                out.operation(Op::notice(Report, number, "publish").named("queue", &name));
            }
            (60, 60) => out.operation(Op::notice(Report, number, "deliver")),
            _ => {}
        }
        Ok(())
    }

    fn outcome(&mut self, accepted: bool, out: &mut Output) {
        if let Some(mut applicant) = self.applicant.take() {
            applicant.accepted = Some(accepted);
            out.authentication(applicant);
        }
    }
}

/// RFC 4616: PLAIN is an identity, a user and a password between NULs.
fn applicant(mechanism: &str, response: &[u8]) -> Authentication {
    let plain = mechanism == "PLAIN";
    let mut parts = response.split(|b| *b == 0).skip(1);
    let user = parts.next().filter(|_| plain).map(|u| text::lossy(u).into_boxed_str());
    let password = parts.next().filter(|_| plain);
    Authentication {
        user,
        accepted: None,
        clear_text: plain,
        default_password: matches!(password, Some(b"guest" | b"admin")),
        method: match mechanism {
            "PLAIN" => "amqp plain",
            "ANONYMOUS" => "amqp anonymous",
            _ => "amqp sasl",
        },
    }
}

/// Long strings of a table of properties (4.2.5): product, version, platform, host.
fn products(table: &[u8], out: &mut Output) {
    const ENTRIES_MAX: usize = 32;
    let mut r = Reader::new(table);
    let mut facts = Vec::new();
    for _ in 0..ENTRIES_MAX {
        let Ok(name) = short_string(&mut r) else { break };
        let value = match r.u8() {
            Ok(b'S') => long_string(&mut r).map(text::lossy),
            Ok(b'F') => long_string(&mut r).map(|_| String::new()),
            Ok(b't') => r.skip(1).map(|()| String::new()),
            Ok(b'I' | b'i') => r.skip(4).map(|()| String::new()),
            Ok(b'l' | b'L' | b'T') => r.skip(8).map(|()| String::new()),
            _ => break,
        };
        let Ok(value) = value else { break };
        let path = match name.as_str() {
            "product" => "software",
            "version" => "software_version",
            "platform" => "platform",
            "cluster_name" => "cluster_name",
            _ => continue,
        };
        facts.push((path, value));
    }
    out.identity(Subject::Sender, "AMQP properties", facts);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions named and types counted, of whole messages one after the other.
    #[track_caller]
    fn read(stream: &[u8]) -> (Vec<String>, Vec<Scalar>) {
        let (mut conversation, mut rest) = (Conversation::default(), stream);
        let (mut versions, mut kinds) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            let mut out = Output::new(false);
            let segment = Segment::of(rest, Side::Server, Carrier::Tcp);
            let progress = conversation.feed(segment, &mut out);
            let Progress::Consumed(octets) = progress else { panic!("{progress:?}") };
            rest = &rest[octets..];
            kinds.extend(out.messages.iter().map(|message| message.keys[0].clone()));
            versions.extend(out.observed.iter().filter_map(|seen| match &seen.detail {
                model::Detail::Operation(operation) => Some(format!("{:?}", operation.object)),
                _ => None,
            }));
        }
        (versions, kinds)
    }

    #[test]
    fn the_older_headers_name_their_versions_and_keep_their_frames() {
        const TUNE_OK: &[u8] = &[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 31, FRAME_END];
        const TEN: &[u8] = &[0x0f, 1, 0, 14, 0, 1, 0, 1, 0, 0, 0, 0, 7, 7];
        const EMPTY: &[u8] = &[0, 0, 0, 8, 2, 0, 0, 0];
        for (header, version, frame, kind) in [
            ([0, 0, 9, 1], "0.9.1", TUNE_OK, 1),
            ([1, 1, 8, 0], "0.8", TUNE_OK, 1),
            ([1, 1, 9, 1], "0.8", TUNE_OK, 1),
            ([1, 1, 0, 9], "0.9", TUNE_OK, 1),
            ([1, 1, 0, 10], "0.10", TEN, 1),
            ([0, 1, 0, 0], "1.0", EMPTY, 0),
            ([3, 1, 0, 0], "1.0", EMPTY, 0),
        ] {
            let (versions, kinds) = read(&[b"AMQP", &header[..], frame, frame].concat());
            assert!(versions[0].contains(&format!("{version:?}")), "{header:?}: {versions:?}");
            assert_eq!(kinds, [Scalar::Number(kind), Scalar::Number(kind)], "{header:?}");
        }
    }

    #[test]
    fn the_middle_of_a_connection_of_version_1_is_known_on_its_port_alone() {
        let disposition = [0, 0, 0, 16, 2, 0, 0, 0, 0, 0x53, 0x15, 0xc0, 3, 1, 0x41, 0x43];
        let of = |head: &[u8], port| {
            let hint = Hint { carrier: Carrier::Tcp, port, from: Side::Client, missing: 0 };
            AMQP.probe(head, hint)
        };
        assert_eq!(of(&disposition, true), Probe::Match);
        assert_eq!(of(&[0, 0, 0, 8, 2, 0, 0, 0], true), Probe::Match);
        assert_eq!(of(&disposition, false), Probe::NoMatch);
        assert_eq!(of(&[0, 0, 0, 16, 1, 0, 0, 0, 0, 0x53, 0x15], true), Probe::NoMatch);
        assert_eq!(of(&[0, 0, 0, 16, 2, 0, 0, 0, 0, 0x53, 0x20], true), Probe::NoMatch);
        let (_, kinds) = read(&[&disposition[..], &[0, 0, 0, 8, 2, 0, 0, 0]].concat());
        assert_eq!(kinds, [Scalar::Number(0), Scalar::Number(0)]);
    }
}
