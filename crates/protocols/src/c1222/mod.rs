//! ANSI C12.22: meters and their head end, tables read and written.
//!
//! Not here: C12.18 on optical ports, decryption. Invariant: an answer is understood through the
//! request with its place in line, or only as an answer.

mod procedure;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side, output::Op, text::lossy,
};
use ::wire::Reader;
use model::{Authentication, OperationClass, Scalar, Subject};
use std::collections::VecDeque;
use wire::{ACSE, Message, services};

pub static C1222_GROUP: Group = Group { name: "c1222", ends: Ends::Pair, keys: &["command"] };

/// Requests of one conversation whose answers are awaited.
const PENDING_MAX: usize = 64;

pub struct AnsiC1222;
pub static C1222: AnsiC1222 = AnsiC1222;

static ABOUT: About = About {
    name: "c1222",
    title: "ANSI C12.22",
    specs: &["ANSI C12.22-2012", "ANSI C12.19-2012", "RFC 6142"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[1_153],
    groups: &[&C1222_GROUP],
    depth: "titles, services, log-on with user and outcome, tables with offset, procedures, \
            identification, manufacturer, model, firmware and serial out of table 1",
};

impl Protocol for AnsiC1222 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let length = match wire::length(head) {
            None if head.first().is_none_or(|b| *b == ACSE) => return Probe::NeedMore,
            Some(Ok(length)) => length,
            _ => return Probe::NoMatch,
        };
        let Some(whole) = head.get(..length) else {
            let possible = hint.carrier == Carrier::Tcp && length <= 4_096;
            return if possible { Probe::NeedMore } else { Probe::NoMatch };
        };
        match wire::parse(whole) {
            Some(message) if message.called.is_some() || hint.port => {
                match services(&message).next() {
                    Some((0x20.., _)) if message.security() < 2 => Probe::MatchClient,
                    Some((..0x20, _)) if message.security() < 2 => Probe::MatchServer,
                    _ => Probe::Match,
                }
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    /// Requests not answered yet.
    pending: VecDeque<Asked>,
    told: Vec<String>,
    /// Who logged on last, with a password still to come.
    user: Option<Box<str>>,
}

struct Asked {
    invocation: Option<i64>,
    service: u8,
    class: OperationClass,
    name: &'static str,
    table: Option<u16>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let length = match wire::length(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: 4 },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("c1222-acse-missing")),
            Some(Ok(length)) => length,
        };
        let Some(whole) = bytes.get(..length) else {
            return Progress::NeedMore { consumed: 0, needed: length };
        };
        out.begin("c1222", 0..length);
        match wire::parse(whole) {
            Some(message) => self.message(&message, segment.from, out),
            None => {
                let says = "an application message without EPSEM";
                out.violation("c1222-epsem-missing", says, "ANSI C12.22, 5.3");
            }
        }
        Progress::Consumed(length)
    }

    fn gap(&mut self, _: Gap) {
        self.pending.clear();
    }
}

impl Conversation {
    fn message(&mut self, message: &Message<'_>, from: Side, out: &mut Output) {
        self.title(message, out);
        if message.security() >= 2 {
            let op = match from {
                Side::Client => Op::request(OperationClass::Other, 0, "encrypted"),
                Side::Server => Op::response(OperationClass::Other, 0, "encrypted"),
            };
            return out.operation(op);
        }
        for (code, data) in services(message) {
            if code >= 0x20 {
                self.request(message.invocation, (code, data), out);
            } else {
                self.answer(message.answers, (code, data), out);
            }
        }
    }

    /// The application title of the sender, once.
    fn title(&mut self, message: &Message<'_>, out: &mut Output) {
        const TITLES_MAX: usize = 16;
        let Some(calling) = &message.calling else { return };
        if self.told.len() < TITLES_MAX && !self.told.contains(calling) {
            self.told.push(calling.clone());
            let facts = [("c1222_title", calling.clone())];
            out.identity(Subject::Sender, "C12.22 message", facts);
        }
    }

    fn request(&mut self, invocation: Option<i64>, (code, data): (u8, &[u8]), out: &mut Output) {
        out.count(&C1222_GROUP, [Scalar::Number(u64::from(code))]);
        let (class, name) = procedure::initiated(code, data).unwrap_or(service(code));
        let table = table(code, data);
        let op = Op::request(class, u32::from(code), name);
        out.operation(match table {
            Some(table) => op.range("table", u32::from(table), offset(code, data), 1),
            None => op,
        });
        match (code, data) {
            // User number, user in ten octets.
            (LOGON, [_, _, user @ ..]) => {
                let user = lossy(user.get(..10).unwrap_or(user));
                let user = user.trim_matches(|c: char| c == '\0' || c == ' ');
                self.user = (!user.is_empty()).then(|| user.into());
                out.authentication(self.applicant(LOGON, None));
            }
            // A password in 20 octets, in clear; it is looked at no further.
            (SECURITY, [_, ..]) => out.authentication(self.applicant(SECURITY, None)),
            _ => {}
        }
        if self.pending.len() >= PENDING_MAX {
            out.limit("c1222-pending");
            self.pending.pop_front();
        }
        self.pending.push_back(Asked { invocation, service: code, class, name, table });
    }

    fn applicant(&self, service: u8, accepted: Option<bool>) -> Authentication {
        let password = service == SECURITY;
        Authentication {
            user: self.user.clone(),
            accepted,
            clear_text: password,
            default_password: false,
            method: if password { "c12.22 security" } else { "c12.22 logon" },
        }
    }

    /// The request an answer names; where it names none that is known, answers come in order.
    fn asked(&mut self, invocation: Option<i64>) -> Option<Asked> {
        let named = |a: &Asked| invocation.is_some() && a.invocation == invocation;
        let at = self.pending.iter().position(named).unwrap_or_default();
        self.pending.remove(at)
    }

    fn answer(&mut self, invocation: Option<i64>, (code, data): (u8, &[u8]), out: &mut Output) {
        let Some(asked) = self.asked(invocation) else {
            let op = Op::response(OperationClass::Other, u32::from(code), "answer");
            return out.operation(match code {
                0 => op.done(),
                _ => op.refused(u32::from(code), refusal(code)),
            });
        };
        let op = Op::response(asked.class, u32::from(asked.service), asked.name);
        let op = match asked.table {
            Some(table) => op.range("table", u32::from(table), 0, 1),
            None => op,
        };
        // A logon is accepted with the password that follows it, or refused by itself.
        if asked.service == SECURITY || asked.service == LOGON && code != 0 {
            out.authentication(self.applicant(asked.service, Some(code == 0)));
        }
        if code != 0 {
            return out.operation(op.refused(u32::from(code), refusal(code)));
        }
        out.operation(op.done());
        match (asked.service, asked.table) {
            (0x20, _) => identified(data, out),
            (0x30, Some(1)) => manufacturer(data, out),
            _ => {}
        }
    }
}

const LOGON: u8 = 0x50;
const SECURITY: u8 = 0x51;

/// Standard, its version and revision (5.3.2.4.1).
fn identified(data: &[u8], out: &mut Output) {
    let &[standard, version, revision, ..] = data else { return };
    let standard = match standard {
        0 => "C12.18",
        2 => "C12.21",
        3 => "C12.22",
        _ => "other",
    };
    let facts = [("meter_protocol", format!("{standard} {version}.{revision}"))];
    out.identity(Subject::Sender, "C12.22 identification", facts);
}

/// General manufacturer identification (C12.19, table 1), behind the length of a full read.
fn manufacturer(data: &[u8], out: &mut Output) {
    let mut at = Reader::new(data);
    let Ok(length) = at.be16() else { return };
    let Ok(mut at) = at.sub(usize::from(length)) else { return };
    let (Ok(vendor), Ok(model)) = (at.bytes(4), at.bytes(8)) else { return };
    let Ok([hardware, revision, firmware, build]) = at.array::<4>() else { return };
    let serial = at.bytes(16).map(lossy).unwrap_or_default();
    out.identity(
        Subject::Sender,
        "C12.19 table 1",
        [
            ("vendor", lossy(vendor)),
            ("model", lossy(model)),
            ("hardware", format!("{hardware}.{revision}")),
            ("firmware", format!("{firmware}.{build}")),
            ("serial", serial),
        ],
    );
}

fn table(code: u8, data: &[u8]) -> Option<u16> {
    match (code, data) {
        (0x30..=0x3d | 0x3f | 0x40..=0x4d | 0x4f, [a, b, ..]) => Some(u16::from_be_bytes([*a, *b])),
        _ => None,
    }
}

/// Of a read or write with offset: three octets behind the table.
fn offset(code: u8, data: &[u8]) -> u32 {
    match (code, data) {
        (0x3f | 0x4f, [_, _, a, b, c, ..]) => u32::from_be_bytes([0, *a, *b, *c]),
        _ => 0,
    }
}

const fn service(code: u8) -> (OperationClass, &'static str) {
    use OperationClass::*;
    match code {
        0x20 => (Diagnose, "identify"),
        0x21 => (Session, "terminate"),
        0x22 => (Session, "disconnect"),
        0x24 => (Configure, "deregister"),
        0x25 => (Browse, "resolve"),
        0x26 => (Diagnose, "trace"),
        0x27 => (Configure, "register"),
        0x30 => (Read, "full read"),
        0x31..=0x39 => (Read, "partial read by index"),
        0x3e => (Read, "default read"),
        0x3f => (Read, "partial read by offset"),
        0x40 => (Write, "full write"),
        0x41..=0x49 => (Write, "partial write by index"),
        0x4f => (Write, "partial write by offset"),
        0x50 => (Authenticate, "logon"),
        0x51 => (Authenticate, "security"),
        0x52 => (Session, "logoff"),
        0x53 => (Authenticate, "authenticate"),
        0x60..=0x6b => (Session, "negotiate"),
        0x70 => (Session, "wait"),
        0x71 => (Session, "timing setup"),
        _ => (Other, "service"),
    }
}

/// Response codes (5.3.2.2).
const fn refusal(code: u8) -> &'static str {
    match code {
        1 => "error",
        2 => "service not supported",
        3 => "insufficient security clearance",
        4 => "operation not possible",
        5 => "inappropriate action requested",
        6 => "device busy",
        7 => "data not ready",
        8 => "data locked",
        9 => "renegotiate request",
        10 => "invalid service sequence state",
        11 => "security mechanism error",
        12 => "unknown application title",
        13 => "network time-out",
        14 => "network not reachable",
        15 => "request too large",
        16 => "response too large",
        17 => "segmentation not possible",
        18 => "segmentation error",
        _ => "refused",
    }
}
