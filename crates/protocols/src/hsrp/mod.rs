//! HSRP: which of several routers forwards what is sent to the address they share.
//!
//! Both versions, the active and the standby router. Not here: digests (MD5), and GLBP. Invariant:
//! a password is never kept, and the octets that are shown as evidence end before it.

mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op,
    standby::{Member, Members},
    text,
};
use model::{Authentication, OperationClass, Scalar, Subject, Time};
use wire::{ADVERTISE, COUP, GROUP_STATE, HELLO, INTERFACE_STATE, Message, RESIGN};

/// One row for each pair, version and operation code, as tshark names them.
pub static HSRP_GROUP: Group =
    Group { name: "hsrp", ends: Ends::Pair, keys: &["version", "opcode"] };

pub struct Hsrp;
pub static HSRP: Hsrp = Hsrp;

static ABOUT: About = About {
    name: "hsrp",
    title: "HSRP",
    specs: &["RFC 2281", "Cisco, First Hop Redundancy Protocols: HSRP Version 2"],
    carriers: &[Carrier::Udp],
    ports: &[1985, 2029],
    groups: &[&HSRP_GROUP],
    depth: "groups, their active and standby routers, priorities, addresses, coups",
};

/// RFC 2281, 5.1; with digests there is more behind it.
const OCTETS_1: usize = 20;
/// Of a message of version 1 before its password.
const BEFORE_TEXT: usize = 8;
/// RFC 2281, 5.1: the password that says that there is none.
const NO_PASSWORD: &[u8] = b"cisco";

impl Protocol for Hsrp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let octets = head.len().saturating_add(hint.missing);
        let ours = match head {
            [0, HELLO..=RESIGN, state, _, _, _, _, 0, text @ ..] => {
                let default = text.starts_with(NO_PASSWORD) && octets == OCTETS_1;
                // Who is in the initial state only resigns: zeros are of other protocols.
                let speaks = *state != 0 || head.get(1) == Some(&RESIGN);
                let known = speaks && wire::role(0, *state).is_some() && octets >= OCTETS_1;
                known && (hint.port || default)
            }
            [0, ADVERTISE, 0, 1, 0, ..] => hint.port,
            [1, 40, 2, HELLO..=RESIGN, 0..=6, 4 | 6, ..] => octets >= 42,
            [a, b, ..] if [*a, *b] == INTERFACE_STATE => hint.port,
            _ => false,
        };
        if ours { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Router>::default()
    }
}

/// What a router said last.
#[derive(Default)]
struct Router {
    members: Members,
    authenticated: bool,
}

impl Dissector for Router {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let (bytes, all) = (segment.bytes, Progress::Consumed(segment.bytes.len()));
        let before_text = match bytes {
            [0, ..] => BEFORE_TEXT,
            _ => usize::from(GROUP_STATE[1]).saturating_add(2),
        };
        out.begin("hsrp", 0..bytes.len().min(before_text));
        let message = match bytes {
            [0, ADVERTISE, ..] => {
                count(0, Some(ADVERTISE), out);
                let notice = Op::notice(OperationClass::Report, u32::from(ADVERTISE), "advertise");
                out.operation(notice);
                return all;
            }
            [0, ..] => wire::parse_1(bytes).map(Some),
            _ => wire::parse_2(bytes),
        };
        match message {
            Ok(Some(message)) => {
                count(message.version, Some(message.code), out);
                self.see(&message, segment.at, out);
            }
            Ok(None) => count(2, None, out),
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "a message shorter than its fields";
                out.violation("hsrp-too-short", says, "RFC 2281, 5.1");
            }
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

fn count(version: u8, code: Option<u8>, out: &mut Output) {
    let code = code.map_or(Scalar::Null, |code| Scalar::Number(u64::from(code)));
    out.count(&HSRP_GROUP, [Scalar::Number(u64::from(version)), code]);
}

impl Router {
    fn see(&mut self, message: &Message<'_>, at: Time, out: &mut Output) {
        let (name, role) = match message.code {
            HELLO => ("hello", message.role),
            COUP => ("coup", "coup"),
            RESIGN => ("resign", "resigned"),
            _ => ("unknown message", message.role),
        };
        let op = Op::notice(OperationClass::Report, u32::from(message.code), name);
        out.operation(op.range("standby group", 0, u32::from(message.group), 1));
        let member = Member {
            group: message.group,
            role,
            priority: message.priority,
            shared: Some(message.shared).filter(|address| !address.is_unspecified()),
            owner: false,
            every_ms: message.hello_ms,
        };
        if self.members.tell("HSRP", member, at, out) {
            identity(message, out);
        }
        self.password(message, out);
    }

    fn password(&mut self, message: &Message<'_>, out: &mut Output) {
        let text = message.text.map(|text| text::until_nul(text)).unwrap_or_default();
        let none = text.is_empty() || text == NO_PASSWORD;
        if none || std::mem::replace(&mut self.authenticated, true) {
            return;
        }
        out.authentication(Authentication {
            user: None,
            accepted: None,
            clear_text: true,
            default_password: false,
            method: "hsrp text",
        });
    }
}

fn identity(message: &Message<'_>, out: &mut Output) {
    let group = match message.shared.is_unspecified() {
        true => message.group.to_string(),
        false => format!("{} for {}", message.group, message.shared),
    };
    let version = if message.version == 0 { "1" } else { "2" };
    let facts = [("hsrp_group", group), ("hsrp_version", version.to_owned())];
    out.identity(Subject::Sender, "HSRP hello", facts);
}
