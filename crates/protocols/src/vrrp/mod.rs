//! VRRP: which of several routers forwards what is sent to the address they share.
//!
//! Only the master speaks; the others wait until it falls silent. Not here: CARP, which took the
//! same number of IP and has its own header. Invariant: a password is never kept, and the octets
//! that are shown as evidence end before it.

mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op,
    standby::{Member, Members},
};
use model::{Authentication, OperationClass, Scalar, Subject};
use std::net::IpAddr;
pub use wire::{ADVERTISEMENT, AUTHENTICATION_TEXT, Advertisement};

/// One row for each pair, version and type, as tshark names them.
pub static VRRP_GROUP: Group = Group { name: "vrrp", ends: Ends::Pair, keys: &["version", "type"] };

pub struct Vrrp;
pub static VRRP: Vrrp = Vrrp;

const CARRIER: Carrier = Carrier::Ip(112);

static ABOUT: About = About {
    name: "vrrp",
    title: "VRRP",
    specs: &["RFC 2338", "RFC 3768", "RFC 9568"],
    carriers: &[CARRIER],
    ports: &[],
    groups: &[&VRRP_GROUP],
    depth: "virtual routers, their masters, priorities, addresses and checksums",
};

const HEAD_OCTETS: usize = 8;
/// RFC 9568, 5.2.4.
const GIVES_UP: u8 = 0;
/// Virtual addresses told of one router.
const ADDRESSES_MAX: usize = 16;

impl Protocol for Vrrp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let long = head.len().saturating_add(hint.missing) >= HEAD_OCTETS;
        match head {
            [0x21 | 0x31, ..]
                if hint.carrier == CARRIER && long && !is_carp(head, hint.missing) =>
            {
                Probe::Match
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Router>::default()
    }
}

/// OpenBSD's protocol: version 2 and type 1 as well, then seven words of counter and digest where
/// VRRP counts its addresses, which would be 44 octets.
fn is_carp(bytes: &[u8], missing: usize) -> bool {
    const WORDS: u8 = 7;
    const OCTETS: usize = 36;
    bytes.len().saturating_add(missing) == OCTETS && bytes.get(3) == Some(&WORDS)
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
        out.begin("vrrp", 0..bytes.len().min(HEAD_OCTETS));
        if is_carp(bytes, segment.missing) {
            return all;
        }
        if let Some(first) = bytes.first() {
            let [version, kind] = [first >> 4, first & 0x0f].map(u64::from).map(Scalar::Number);
            out.count(&VRRP_GROUP, [version, kind]);
        }
        let v6 = matches!(segment.sender.ip, Some(IpAddr::V6(_)));
        match Advertisement::parse(bytes, v6) {
            Ok(said) if said.kind == ADVERTISEMENT => self.advertisement(&said, segment, out),
            Ok(_) => out.violation(
                "vrrp-type-unknown",
                "a message that is no advertisement",
                "RFC 9568, 5.2.2",
            ),
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "fewer octets than the addresses it counts";
                out.violation("vrrp-too-short", says, "RFC 9568, 7.1");
            }
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

impl Router {
    fn advertisement(&mut self, said: &Advertisement<'_>, of: Segment<'_>, out: &mut Output) {
        let read = of.bytes.len().saturating_sub(said.rest.len());
        out.begin("vrrp", 0..read);
        let op = Op::notice(OperationClass::Report, u32::from(said.kind), "VRRP advertisement");
        out.operation(op.range("virtual router", 0, u32::from(said.router), 1));
        if said.addresses.is_empty() {
            let says = "a virtual router without an address";
            out.violation("vrrp-without-address", says, "RFC 9568, 5.2.5");
        }
        let ends = of.sender.ip.zip(of.receiver.ip);
        let checked = of.missing == 0 && said.authentication <= AUTHENTICATION_TEXT;
        if checked && !wire::checksum_holds(said.version, of.bytes, ends) {
            let says = "a checksum that does not fit";
            out.violation("vrrp-checksum-wrong", says, "RFC 9568, 7.1");
        }
        let owner = said.virtual_addresses().any(|address| Some(address) == of.sender.ip);
        let member = Member {
            group: u16::from(said.router),
            role: if said.priority == GIVES_UP { "resigned" } else { "master" },
            priority: u32::from(said.priority),
            shared: said.virtual_addresses().next(),
            owner,
            every_ms: said.every_ms,
        };
        if self.members.tell("VRRP", member, of.at, out) {
            identity(said, out);
        }
        self.password(said, out);
    }

    /// RFC 2338, 5.3.6.1: eight octets, filled up with zeros.
    fn password(&mut self, said: &Advertisement<'_>, out: &mut Output) {
        let text = said.version == 2 && said.authentication == AUTHENTICATION_TEXT;
        let empty = said.rest.iter().all(|octet| *octet == 0);
        if !text || empty || std::mem::replace(&mut self.authenticated, true) {
            return;
        }
        out.authentication(Authentication {
            user: None,
            accepted: None,
            clear_text: true,
            default_password: false,
            method: "vrrp text",
        });
    }
}

fn identity(said: &Advertisement<'_>, out: &mut Output) {
    let addresses = said.virtual_addresses().take(ADDRESSES_MAX);
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    let group = format!("{} for {}", said.router, addresses.join(", "));
    let version = said.version.to_string();
    let facts = [("vrrp_router", group), ("vrrp_version", version)];
    out.identity(Subject::Sender, "VRRP advertisement", facts);
}
