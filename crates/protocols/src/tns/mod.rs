//! TNS, the transport of Oracle databases: who connects to which service with which program.
//!
//! Oracle publishes no specification; headers as in its free client's documentation and as open
//! drivers write them. Not here: what is in data packets. Invariant: only connect descriptors,
//! which are text, are read.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{OperationClass, Subject};

pub struct Tns;
pub static TNS: Tns = Tns;

static ABOUT: About = About {
    name: "tns",
    title: "Oracle TNS",
    specs: &["Oracle Net Services Reference (connect descriptors); headers as open drivers do"],
    carriers: &[Carrier::Tcp],
    ports: &[1_521],
    groups: &[],
    depth: "connect descriptors with service, program, host and user; refusals, redirects",
};

const HEADER_OCTETS: usize = 8;
const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;
const REDIRECT: u8 = 5;

/// Type and length. Newer clients write the length into four octets once connected.
fn header(bytes: &[u8]) -> Option<Result<(u8, usize), ()>> {
    let &[a, b, c, d, kind, _, _, _] = bytes.first_chunk::<HEADER_OCTETS>()?;
    let (short, check) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let length = match (short, check) {
        (0, long) => usize::from(long),
        (short, _) => usize::from(short),
    };
    let fits = length >= HEADER_OCTETS && matches!(kind, 1..=15);
    Some(if fits { Ok((kind, length)) } else { Err(()) })
}

impl Protocol for Tns {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match header(head) {
            None if head.len() < HEADER_OCTETS && hint.port => Probe::NeedMore,
            Some(Ok((CONNECT, length))) => {
                let window = head.get(..length).unwrap_or(head);
                let descriptor = window.windows(14).any(|w| w == b"(CONNECT_DATA=");
                let service = window.windows(13).any(|w| w == b"(DESCRIPTION=");
                match descriptor || service {
                    true => Probe::MatchClient,
                    false if hint.port => Probe::MatchClient,
                    false => Probe::NoMatch,
                }
            }
            Some(Ok((ACCEPT | REFUSE | REDIRECT, _))) if hint.port => Probe::MatchServer,
            Some(Ok((6, _))) if hint.port => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Packets)
    }
}

struct Packets;

impl Dissector for Packets {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let (kind, length) = match header(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("tns-header-invalid")),
            Some(Ok(found)) => found,
        };
        let Some(packet) = bytes.get(..length) else {
            return Progress::NeedMore { consumed: 0, needed: length };
        };
        out.begin("tns", 0..length);
        let class = OperationClass::Session;
        let number = u32::from(kind);
        match kind {
            CONNECT => connect(packet, out),
            ACCEPT => out.operation(Op::response(class, number, "connect").done()),
            REFUSE => {
                let says = text::lossy(packet);
                let code = value(&says, "(ERR=").and_then(|c| c.parse().ok());
                let op = Op::response(class, number, "connect");
                out.operation(op.refused(code.unwrap_or_default(), "refused"));
            }
            REDIRECT => out.operation(Op::response(class, number, "redirect").done()),
            _ => {}
        }
        Progress::Consumed(length)
    }

    fn gap(&mut self, _: Gap) {}
}

/// The text between `key` and the next parenthesis.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = text.find(key)?;
    let rest = text.get(at.checked_add(key.len())?..)?;
    rest.get(..rest.find([')', '('])?)
}

fn connect(packet: &[u8], out: &mut Output) {
    let descriptor = text::lossy(packet);
    let service = value(&descriptor, "(SERVICE_NAME=").or_else(|| value(&descriptor, "(SID="));
    let op = Op::request(OperationClass::Session, u32::from(CONNECT), "connect");
    out.operation(op.named("service", service.unwrap_or_default()));
    // The client describes itself in CID; ADDRESS names the server's host.
    let client = descriptor.find("(CID=").and_then(|at| descriptor.get(at..)).unwrap_or_default();
    let own = |key| value(client, key).unwrap_or_default().to_owned();
    let host = own("(HOST=");
    let host = host.trim_start_matches('_').to_owned();
    let facts = [("hostname", host), ("software", own("(PROGRAM=")), ("user", own("(USER="))];
    out.identity(Subject::Sender, "TNS connect", facts);
}
