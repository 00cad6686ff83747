//! DHCPv6 (RFC 8415): who asks for an address, by which name, and who gives it.
//!
//! Not here: prefix delegation, reconfiguration keys. Invariant: an option is read within its own
//! length, and a relayed message within the relay's, to a bounded depth.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use model::{OperationClass, Subject};
use std::net::Ipv6Addr;
use wire::{Reader, Short};

pub struct Dhcpv6;
pub static DHCPV6: Dhcpv6 = Dhcpv6;

static ABOUT: About = About {
    name: "dhcpv6",
    title: "DHCPv6",
    specs: &["RFC 8415", "RFC 4704 (client FQDN)"],
    carriers: &[Carrier::Udp],
    ports: &[546, 547],
    groups: &[],
    depth: "message types through relays, names and vendor classes of clients, addresses given",
};

/// Options of one message, and relays around it.
const OPTIONS_MAX: usize = 64;
const RELAYS_MAX: usize = 4;
const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;

impl Protocol for Dhcpv6 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// A known type and options that end where the datagram does.
    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Ok(message) = Message::parse(head) else { return Probe::NoMatch };
        let whole = options(message.options)
            .try_fold(0, |count: usize, option| option.map(|_| count.saturating_add(1)));
        match (hint.port, whole, message.kind) {
            (true, Ok(1..), 2 | 7 | 10 | RELAY_REPLY) => Probe::MatchServer,
            (true, Ok(1..), 1..=RELAY_REPLY) => Probe::MatchClient,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reading)
    }
}

/// Type, then a transaction or the relay's addresses; the rest is options.
struct Message<'a> {
    kind: u8,
    options: &'a [u8],
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Message<'a>, Short> {
        let mut r = Reader::new(bytes);
        let kind = r.u8()?;
        // A relay has hops, the link's and the peer's address (9).
        r.skip(if matches!(kind, RELAY_FORWARD | RELAY_REPLY) { 33 } else { 3 })?;
        Ok(Message { kind, options: r.rest() })
    }
}

fn options(bytes: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Short>> {
    let mut r = Reader::new(bytes);
    (0..OPTIONS_MAX).map_while(move |_| {
        if r.is_empty() {
            return None;
        }
        let mut one = || {
            let (code, length) = (r.be16()?, usize::from(r.be16()?));
            Ok((code, r.bytes(length)?))
        };
        let option = one();
        if option.is_err() {
            r = Reader::new(&[]);
        }
        Some(option)
    })
}

struct Reading;

impl Dissector for Reading {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("dhcpv6", 0..bytes.len());
        if read(bytes, 0, out).is_err() && segment.missing == 0 {
            let says = "a message or an option cut short";
            out.violation("dhcpv6-cut-short", says, "RFC 8415, 21.1");
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn read(bytes: &[u8], relays: usize, out: &mut Output) -> Result<(), Short> {
    const RELAYED: u16 = 9;
    let message = Message::parse(bytes)?;
    if matches!(message.kind, RELAY_FORWARD | RELAY_REPLY) {
        out.operation(operation(message.kind));
        for option in options(message.options) {
            let (code, inner) = option?;
            if code == RELAYED && relays < RELAYS_MAX {
                read(inner, relays.saturating_add(1), out)?;
            }
        }
        return Ok(());
    }
    // What a relay passes on says nothing of the relay.
    let told = message_options(&message, out)?;
    if relays == 0 && !told.is_empty() {
        out.identity(Subject::Sender, "DHCPv6", told);
    }
    Ok(())
}

fn message_options(
    message: &Message<'_>,
    out: &mut Output,
) -> Result<Vec<(&'static str, String)>, Short> {
    const ADDRESSES: u16 = 3;
    const STATUS: u16 = 13;
    const VENDOR_CLASS: u16 = 16;
    const FQDN: u16 = 39;
    let op = operation(message.kind);
    let (mut told, mut refused, mut address) = (Vec::new(), None, None);
    for option in options(message.options) {
        match option? {
            (ADDRESSES, body) => address = given(body).or(address),
            (STATUS, [high, low, ..]) => {
                refused = Some(u16::from_be_bytes([*high, *low])).filter(|code| *code > 0);
            }
            // An enterprise number, then texts with their lengths.
            (VENDOR_CLASS, [_, _, _, _, _, _, class @ ..]) => {
                told.push(("dhcp_vendor_class", text::lossy(class)));
            }
            // Flags, then labels.
            (FQDN, [_, labels @ ..]) => told.push(("hostname", name(labels))),
            _ => {}
        }
    }
    let op = match address {
        Some(address) => op.named("address", &address.to_string()),
        None => op,
    };
    out.operation(match refused {
        Some(code) => op.refused(u32::from(code), "not given"),
        None => op,
    });
    Ok(told)
}

/// The first address in an association (21.4 and 21.6).
fn given(association: &[u8]) -> Option<Ipv6Addr> {
    const ADDRESS: u16 = 5;
    let found = options(association.get(12..)?).find_map(|option| match option {
        Ok((ADDRESS, body)) => body.first_chunk::<16>(),
        _ => None,
    });
    found.map(|octets| Ipv6Addr::from(*octets))
}

fn name(mut labels: &[u8]) -> String {
    let mut parts = Vec::new();
    while let Some((&length, rest)) = labels.split_first().filter(|(l, _)| **l > 0) {
        let Some((label, rest)) = rest.split_at_checked(usize::from(length)) else { break };
        parts.push(text::lossy(label));
        labels = rest;
    }
    parts.join(".")
}

/// Message types (7.3).
fn operation(kind: u8) -> Op {
    let (function, class) = (u32::from(kind), OperationClass::Session);
    let (answer, name) = match kind {
        1 => (false, "solicit"),
        2 => (true, "advertise"),
        3 => (false, "request"),
        4 => (false, "confirm"),
        5 => (false, "renew"),
        6 => (false, "rebind"),
        7 => (true, "reply"),
        8 => (false, "release"),
        9 => (false, "decline"),
        10 => (true, "reconfigure"),
        11 => (false, "information request"),
        RELAY_FORWARD => (false, "relay forward"),
        RELAY_REPLY => (true, "relay reply"),
        _ => (false, "message"),
    };
    match answer {
        true => Op::response(class, function, name).done(),
        false => Op::request(class, function, name),
    }
}
