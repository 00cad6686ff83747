//! The UDP service of TwinCAT: who are you, and add a route with user name and password.
//!
//! Layout as spoken by TwinCAT 2 and 3: magic number, invoke id, service, AMS address, tags of
//! number, length and data. Invariant: a password is compared and dropped.

use super::wire::Address;
use crate::{Output, output::Op, text};
use model::{Authentication, OperationClass as Class, Subject};
use wire::Reader;

const MAGIC: u32 = 0x7114_6603;
const IDENTIFY: u32 = 1;
const ADD_ROUTE: u32 = 6;
const ANSWER: u32 = 0x8000_0000;
const TAGS_MAX: u32 = 32;

mod tag {
    pub const STATUS: u16 = 1;
    pub const PASSWORD: u16 = 2;
    pub const TWINCAT: u16 = 3;
    pub const SYSTEM: u16 = 4;
    pub const COMPUTER: u16 = 5;
    pub const NET_ID: u16 = 7;
    pub const ROUTE: u16 = 12;
    pub const USER: u16 = 13;
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    service: u32,
    sender: Address,
    tags: u32,
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Message<'a>> {
        let mut r = Reader::new(bytes);
        if r.le32().ok()? != MAGIC {
            return None;
        }
        r.skip(4).ok()?;
        let service = r.le32().ok()?;
        let sender = Address { net: r.array().ok()?, port: r.le16().ok()? };
        Some(Message { service, sender, tags: r.le32().ok()?, rest: r.rest() })
    }

    pub(super) const fn is_answer(&self) -> bool {
        self.service & ANSWER != 0
    }

    fn each(&self, mut each: impl FnMut(u16, &'a [u8])) {
        let mut r = Reader::new(self.rest);
        for _ in 0..self.tags.min(TAGS_MAX) {
            let (Ok(number), Ok(length)) = (r.le16(), r.le16()) else { break };
            let Ok(data) = r.bytes(usize::from(length)) else { break };
            each(number, data);
        }
    }
}

pub(super) fn read(bytes: &[u8], out: &mut Output) {
    let Some(message) = Message::parse(bytes) else {
        let says = "not a discovery message of TwinCAT";
        return out.violation("ads-discovery-invalid", says, "Beckhoff ADS, route service");
    };
    let service = message.service & !ANSWER;
    let (class, name) = match service {
        IDENTIFY => (Class::Browse, "identify"),
        ADD_ROUTE => (Class::Configure, "add route"),
        _ => (Class::Other, "discovery service"),
    };
    if message.is_answer() {
        answer(&message, Op::response(class, service, name), out);
    } else {
        request(&message, Op::request(class, service, name), out);
    }
}

fn request(message: &Message<'_>, op: Op, out: &mut Output) {
    let (mut route, mut user, mut password) = (None, None, None);
    message.each(|number, data| match number {
        tag::ROUTE => route = Some(data),
        tag::USER => user = Some(data),
        tag::PASSWORD => password = Some(data),
        _ => {}
    });
    out.operation(match route {
        Some(route) => op.named("route", &text::lossy(route)),
        None => op,
    });
    if let Some(user) = user {
        let name = text::lossy(user);
        // What controllers leave the factory with; an empty password counts as shipped too.
        let default = password.is_some_and(|p| matches!(p, b"1\0" | b"1" | b"\0" | b""));
        out.authentication(Authentication {
            user: Some(name.trim_end_matches('\0').into()),
            accepted: None,
            clear_text: password.is_some(),
            default_password: default,
            method: "ads route",
        });
    }
    out.identity(Subject::Sender, "route service", [("ams_net_id", message.sender.to_string())]);
}

fn answer(message: &Message<'_>, op: Op, out: &mut Output) {
    let mut facts = vec![("ams_net_id", message.sender.to_string())];
    let mut status = None;
    message.each(|number, data| match (number, data) {
        (tag::COMPUTER, data) => facts.push(("hostname", text::lossy(data))),
        (tag::TWINCAT, [major, minor, low, high, ..]) => {
            let build = u16::from_le_bytes([*low, *high]);
            facts.push(("firmware", format!("TwinCAT {major}.{minor}.{build}")));
        }
        (tag::SYSTEM, data) => facts.extend(system(data).map(|os| ("os", os))),
        (tag::NET_ID, _) => {}
        (tag::STATUS, [a, b, c, d, ..]) => status = Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => {}
    });
    if let (ADD_ROUTE, Some(code)) = (op.function, status) {
        out.authentication(Authentication {
            user: None,
            accepted: Some(code == 0),
            clear_text: false,
            default_password: false,
            method: "ads route",
        });
    }
    out.operation(match status {
        None | Some(0) => op.done(),
        Some(code) => op.refused(code, super::names::error(code)),
    });
    out.identity(Subject::Sender, "route service", facts);
}

/// Size, major, minor, build and platform of the operating system, as in Windows'
/// OSVERSIONINFO; TwinCAT for other systems sends the same form.
fn system(data: &[u8]) -> Option<String> {
    let mut r = Reader::new(data);
    r.skip(4).ok()?;
    let (major, minor, build, platform) =
        (r.le32().ok()?, r.le32().ok()?, r.le32().ok()?, r.le32().ok()?);
    let name = match platform {
        1 => "Windows",
        2 => "Windows NT",
        3 => "Windows CE",
        _ => return None,
    };
    Some(match build {
        0 => format!("{name} {major}.{minor}"),
        build => format!("{name} {major}.{minor}.{build}"),
    })
}
