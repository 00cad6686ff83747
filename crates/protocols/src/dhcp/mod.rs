//! DHCP (RFC 2131): who asks for an address, under which name, and what is given.
//!
//! Not here: DHCPv6. A client has no address yet, so what it says is about its hardware address.

pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{Address, Mac, OperationClass, Scalar, Subject};
use std::net::IpAddr;

pub static DHCP_GROUP: Group = Group { name: "dhcp", ends: Ends::Pair, keys: &["msg_type"] };

pub struct Dhcp;
pub static DHCP: Dhcp = Dhcp;

static ABOUT: About = About {
    name: "dhcp",
    title: "DHCP",
    specs: &["RFC 2131", "RFC 2132", "RFC 4702 (FQDN)"],
    carriers: &[Carrier::Udp],
    ports: &[67, 68],
    groups: &[&DHCP_GROUP],
    depth: "message types, leases, host names, vendor class, parameter fingerprint",
};

impl Protocol for Dhcp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        let cookie = head.get(236..240) == Some(&wire::MAGIC_COOKIE);
        match head.first() {
            Some(1) if cookie => Probe::MatchClient,
            Some(2) if cookie => Probe::MatchServer,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reader)
    }
}

struct Reader;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let taken = Progress::Consumed(segment.bytes.len());
        out.begin("dhcp", 0..segment.bytes.len());
        let message = match wire::parse(segment.bytes) {
            Ok(message) => message,
            Err(_) if segment.missing > 0 => return taken,
            Err(malformed) => {
                let says = "a DHCP message that cannot be read";
                out.violation(malformed.reason, says, "RFC 2131, 2");
                return taken;
            }
        };
        match message.message_type() {
            Some(kind) => {
                out.count(&DHCP_GROUP, [Scalar::Number(u64::from(kind))]);
                operation(kind, &message, out);
            }
            // BOOTP (RFC 951), by which many controllers still get their address.
            None if message.op == 2 => {
                out.operation(Op::response(OperationClass::Session, 0, "BOOTP").done());
            }
            None => out.operation(Op::request(OperationClass::Session, 0, "BOOTP")),
        }
        if let Some(mac) = message.client_mac {
            client(&message, Mac(mac), out);
        }
        taken
    }

    fn gap(&mut self, _: Gap) {}
}

/// RFC 2132, 9.6.
fn message_name(kind: u8) -> &'static str {
    match kind {
        1 => "discover",
        2 => "offer",
        3 => "request",
        4 => "decline",
        5 => "ack",
        6 => "nak",
        7 => "release",
        8 => "inform",
        _ => "other",
    }
}

fn operation(kind: u8, message: &wire::Message, out: &mut Output) {
    let (function, name) = (u32::from(kind), message_name(kind));
    let class = OperationClass::Session;
    out.operation(match kind {
        2 | 5 => Op::response(class, function, name).done(),
        6 => Op::response(class, function, name).refused(0, "address refused"),
        _ if message.op == 2 => Op::response(class, function, name),
        _ => Op::request(class, function, name),
    });
}

fn client(message: &wire::Message, mac: Mac, out: &mut Output) {
    const ACK: u8 = 5;
    let subject = Subject::Address(Address::Mac(mac));
    let text_of = |code| message.option(code).map(text::lossy).unwrap_or_default();
    if message.op == 1 {
        let facts = [
            ("hostname", text_of(wire::OPTION_HOST_NAME)),
            ("hostname", fqdn(message.option(wire::OPTION_FQDN).unwrap_or_default())),
            ("dhcp_vendor_class", text_of(wire::OPTION_VENDOR_CLASS)),
            ("dhcp_fingerprint", fingerprint(message)),
        ];
        out.identity(subject, "DHCP request", facts);
    }
    let lease = match (message.message_type(), message.op) {
        (Some(ACK) | None, 2) => message.your_address,
        (_, 1) => message.client_address,
        _ => return,
    };
    if Address::Ip(IpAddr::V4(lease)).is_host() {
        out.identity(subject, "DHCP lease", [("ip", lease.to_string())]);
    }
}

/// RFC 4702, 2: flags, two reserved octets, then the name as text or as labels.
fn fqdn(option: &[u8]) -> String {
    let Some((&flags, rest)) = option.split_first() else { return String::new() };
    let name = rest.get(2..).unwrap_or_default();
    if flags & 0x04 == 0 {
        return text::lossy(name);
    }
    let mut labels = Vec::new();
    let mut rest = name;
    while let Some((&length, after)) = rest.split_first().filter(|(l, _)| **l > 0) {
        let Some((label, after)) = after.split_at_checked(usize::from(length)) else { break };
        labels.push(text::lossy(label));
        rest = after;
    }
    labels.join(".")
}

/// The list of options a client asks for is typical of its operating system.
fn fingerprint(message: &wire::Message) -> String {
    let codes = message.option(wire::OPTION_PARAMETERS).unwrap_or_default();
    codes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}
