//! Wonderware SuiteLink: applications, topics and tags that SCADA nodes share.
//!
//! Nothing of it is published; the layout is that of Finngineering's dissector. Not here: the
//! alarm manager's records. Invariant: a tag's name comes from the advise that numbered it.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, text,
};
use model::{OperationClass as Class, PointValue, Quality, Subject};
use wire::Reader;

pub struct SuiteLink;
pub static SUITELINK: SuiteLink = SuiteLink;

static ABOUT: About = About {
    name: "suitelink",
    title: "Wonderware SuiteLink",
    specs: &["Finngineering, \"A Wireshark dissector for Suitelink\" (2024): observed layout"],
    carriers: &[Carrier::Tcp],
    ports: &[5_413],
    groups: &[],
    depth: "handshakes, connections to applications and topics, tags advised, updated and poked",
};

/// Handshakes begin with one of these, the first without a length before it.
const LEGACY: [u8; 16] = *b"\x60\x5f\xc3\xb1\x2d\x05\xd1\x11\xbf\x08\x00\xa0\xc9\x72\x3e\x82";
const LEGACY_OCTETS: usize = 48;
const NORMAL: [[u8; 16]; 2] = [
    *b"\xca\xfe\x8b\xba\xfe\x8b\xd3\x11\xaa\x05\x00\xa0\xc9\xec\xfd\x9f",
    *b"\xd5\xcf\xc7\xf8\x0b\xcd\xd3\x11\xaa\x10\x00\xa0\xc9\xec\xfd\x9f",
];
const END: u8 = 0xa5;
const TAGS_MAX: usize = 2_048;

impl Protocol for SuiteLink {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if head.starts_with(&LEGACY) || handshake(head) {
            return Probe::MatchClient;
        }
        // In the middle of a conversation: a message of data, whole, with its end octet.
        if hint.port
            && let Some((kind, body)) = message(head)
            && body.last() == Some(&END)
        {
            return match kind & 0xc0f0 {
                0x0000 => Probe::MatchServer,
                _ => Probe::MatchClient,
            };
        }
        match hint.port && head.len() < 17 {
            true => Probe::NeedMore,
            false => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

fn handshake(head: &[u8]) -> bool {
    head.get(1..17).is_some_and(|magic| NORMAL.iter().any(|known| known == magic))
}

/// Kind and what follows it of a message of known kind: two octets of length before it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let mut r = Reader::new(bytes);
    let length = usize::from(r.le16().ok()?);
    let mut r = r.sub(length).ok()?;
    let kind = r.le16().ok()?;
    meaning(kind)?;
    Some((kind, r.rest()))
}

const fn meaning(kind: u16) -> Option<(Class, &'static str)> {
    Some(match kind {
        0x0001 => (Class::Session, "handshake acknowledged"),
        0x0003 => (Class::Browse, "advise acknowledged"),
        0x0004 => (Class::Session, "unadvise acknowledged"),
        0x0008 => (Class::Report, "time"),
        0x0009 => (Class::Report, "update"),
        0x000b => (Class::Write, "poke acknowledged"),
        0x080b => (Class::Write, "poke"),
        0x8001 => (Class::Session, "connect"),
        0x8004 => (Class::Session, "unadvise"),
        0x8010 => (Class::Read, "advise"),
        0x4023..=0x4026 => (Class::Session, "keep alive"),
        _ => return None,
    })
}

#[derive(Default)]
struct Conversation {
    /// Names by the number the client gave them.
    tags: Vec<(u32, Box<str>)>,
    /// Sides that have sent their handshake.
    opened: [bool; 2],
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let first = self.opened.get(segment.from as usize) == Some(&false);
        if first
            && segment.from == Side::Client
            && let Some(octets) = self.handshake(bytes, out)
        {
            if octets > bytes.len() {
                return Progress::NeedMore { consumed: 0, needed: octets };
            }
            self.opened = [true; 2];
            return Progress::Consumed(octets);
        }
        let Some(length) = bytes.first_chunk::<2>().map(|l| u16::from_le_bytes(*l)) else {
            return Progress::NeedMore { consumed: 0, needed: 2 };
        };
        let octets = usize::from(length).saturating_add(2);
        if bytes.len() < octets {
            return Progress::NeedMore { consumed: 0, needed: octets };
        }
        let whole = bytes.get(..octets).unwrap_or_default();
        let Some((kind, body)) = message(whole) else {
            return Progress::GiveUp(Malformed::new("suitelink-message-unknown"));
        };
        out.begin("suitelink", 0..octets);
        self.read(kind, body, out);
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    /// Octets of a handshake, once enough is there to know that it is one.
    fn handshake(&mut self, bytes: &[u8], out: &mut Output) -> Option<usize> {
        let octets = match bytes.starts_with(&LEGACY) {
            true => LEGACY_OCTETS,
            false if handshake(bytes) => usize::from(*bytes.first()?).saturating_add(1),
            false if bytes.len() < 17 && LEGACY.starts_with(bytes) => LEGACY_OCTETS,
            false if bytes.len() < 17 && begins_normal(bytes) => 17,
            false => return None,
        };
        if octets <= bytes.len() {
            out.begin("suitelink", 0..octets);
            out.operation(Op::request(Class::Session, 0, "handshake"));
        }
        Some(octets)
    }

    fn read(&mut self, kind: u16, body: &[u8], out: &mut Output) {
        let (class, name) = meaning(kind).unwrap_or((Class::Other, "message"));
        let function = u32::from(kind);
        match kind {
            0x8001 => connect(body, out),
            0x8010 => self.advise(body, out),
            0x0009 => self.update(body, out),
            0x080b => {
                let op = Op::request(class, function, name);
                let tag = body.first_chunk::<4>().map(|t| u32::from_le_bytes(*t));
                out.operation(match tag.and_then(|tag| self.name(tag)) {
                    Some(tag) => op.named("tag", tag),
                    None => op,
                });
            }
            0x0001..=0x000b => {
                let op = Op::response(class, function, name);
                out.operation(if kind == 0x0008 { op } else { op.done() });
            }
            _ => out.operation(Op::request(class, function, name)),
        }
    }

    fn name(&self, tag: u32) -> Option<&str> {
        self.tags.iter().find(|(number, _)| *number == tag).map(|(_, name)| &**name)
    }

    /// Items of number, length in letters, and name.
    fn advise(&mut self, body: &[u8], out: &mut Output) {
        let mut r = Reader::new(body);
        while let (Ok(tag), Some(name)) = (r.le32(), letters(&mut r)) {
            let op = Op::request(Class::Read, 0x8010, "advise").named("tag", &name);
            out.operation(op);
            // A number is free for another name once its tag is unadvised.
            let room = self.tags.len() < TAGS_MAX;
            match self.tags.iter_mut().find(|(number, _)| *number == tag) {
                Some((_, known)) => *known = name.into(),
                None if room => self.tags.push((tag, name.into())),
                None => return out.limit("suitelink-tags"),
            }
        }
    }

    /// Items of number, time, quality, type and value.
    fn update(&mut self, body: &[u8], out: &mut Output) {
        let mut r = Reader::new(body);
        let (mut count, mut first) = (0_u32, None);
        while let (Ok(tag), Ok(_), Ok(quality), Ok(kind)) = (r.le32(), r.le16(), r.le16(), r.u8()) {
            let value = match kind {
                1 => r.u8().map(|v| PointValue::Bool(v != 0)),
                2 => r.le32().map(|v| PointValue::Int(i64::from(v.cast_signed()))),
                3 => r.le32().map(|v| PointValue::Float(f64::from(f32::from_bits(v)))),
                _ => break,
            };
            let Ok(value) = value else { break };
            count = count.saturating_add(1);
            first.get_or_insert(tag);
            if out.values_wanted {
                // The first byte of OPC's quality: 0xc0 is good, 0x40 uncertain.
                let quality = match quality & 0xc0 {
                    0xc0 => Quality::Good,
                    0x40 => Quality::Uncertain,
                    _ => Quality::Bad,
                };
                if let Some(name) = self.name(tag).map(str::to_owned) {
                    out.value(name, value, (None, quality));
                }
            }
        }
        let op = Op::notice(Class::Report, 0x0009, "update");
        out.operation(op.range("tags", 0, first.unwrap_or_default(), count));
    }
}

fn begins_normal(bytes: &[u8]) -> bool {
    let rest = bytes.get(1..).unwrap_or_default();
    NORMAL.iter().any(|known| known.starts_with(rest))
}

/// A length in letters and so many letters of two octets.
fn letters(r: &mut Reader<'_>) -> Option<String> {
    let length = usize::from(r.u8().ok()?).saturating_mul(2);
    r.bytes(length).ok().map(text::utf16le)
}

/// Application and topic asked for.
fn connect(body: &[u8], out: &mut Output) {
    let mut r = Reader::new(body);
    let op = Op::request(Class::Session, 0x8001, "connect");
    let names = (letters(&mut r), letters(&mut r));
    let (Some(application), Some(topic)) = names else {
        return out.operation(op);
    };
    out.operation(op.named("topic", &format!("{application}|{topic}")));
    out.identity(Subject::Receiver, "connect", [("application", application)]);
}
