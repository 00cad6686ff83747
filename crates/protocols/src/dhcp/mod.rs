//! DHCP (RFC 2131): who asks for an address, under which name, and what is given.
//!
//! Not here: DHCPv6. A client has no address yet, so what it says is about its hardware address
//! where that is one of Ethernet, else about the sender.

pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{Address, Mac, OperationClass, Scalar, Subject};
use std::net::{IpAddr, Ipv4Addr};

pub static DHCP_GROUP: Group = Group { name: "dhcp", ends: Ends::Pair, keys: &["msg_type"] };

/// Where the address of a relay agent stands (RFC 2131, 2); zeros where there is none.
const RELAY: std::ops::Range<usize> = 24..28;

pub struct Dhcp;
pub static DHCP: Dhcp = Dhcp;

static ABOUT: About = About {
    name: "dhcp",
    title: "DHCP",
    specs: &["RFC 2131", "RFC 2132", "RFC 4702 (FQDN)"],
    carriers: &[Carrier::Udp],
    ports: &[67, 68],
    groups: &[&DHCP_GROUP],
    depth: "message types, leases with gateway and name servers, host names, \
            vendor class, parameter fingerprint",
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
        let relayed = segment.bytes.get(RELAY).is_some_and(|relay| relay != [0; 4]);
        client(&message, relayed, out);
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

/// Name servers of a lease that are kept; the first serve.
const NAME_SERVERS_MAX: usize = 3;

fn client(message: &wire::Message, relayed: bool, out: &mut Output) {
    const OFFER: u8 = 2;
    const ACK: u8 = 5;
    let mac = message.client_mac.map(Mac).filter(|mac| mac.is_host());
    let text_of = |code| message.option(code).map(text::lossy).unwrap_or_default();
    let (kind, op) = (message.message_type(), message.op);
    let given = op == 2 && matches!(kind, Some(OFFER | ACK) | None);
    if given || (op == 1 && relayed) {
        // Who hands a name on is not called by it.
        let name = text_of(wire::OPTION_HOST_NAME);
        let about = if given { "DHCP lease" } else { "DHCP request" };
        out.attribute(Subject::Sender, about, ("dhcp_names", &name), 75);
        if let Some(mac) = mac.filter(|_| given) {
            let client = Subject::Address(Address::Mac(mac));
            out.attribute(client, about, ("hostname", &name), 75);
        }
    }
    let subject = match mac {
        Some(mac) => Subject::Address(Address::Mac(mac)),
        None if op == 1 && !relayed => Subject::Sender,
        None => return,
    };
    if op == 1 {
        let facts = [
            ("hostname", text_of(wire::OPTION_HOST_NAME)),
            ("hostname", fqdn(message.option(wire::OPTION_FQDN).unwrap_or_default())),
            ("dhcp_vendor_class", text_of(wire::OPTION_VENDOR_CLASS)),
            ("dhcp_fingerprint", fingerprint(message)),
        ];
        out.identity(subject, "DHCP request", facts);
    }
    let lease = match (kind, op) {
        (Some(ACK) | None, 2) => message.your_address,
        (_, 1) => message.client_address,
        _ => return,
    };
    let lease = Some(lease).filter(|ip| Address::Ip(IpAddr::V4(*ip)).is_host());
    let list = |code, most| match op {
        2 => addresses(message.option(code), most),
        // What a client asks for.
        _ => String::new(),
    };
    let facts = [
        ("ip", lease.map(|ip| ip.to_string()).unwrap_or_default()),
        ("gateway", list(wire::OPTION_ROUTER, 1)),
        ("name_server", list(wire::OPTION_NAME_SERVER, NAME_SERVERS_MAX)),
        ("domain", if op == 2 { text_of(wire::OPTION_DOMAIN) } else { String::new() }),
    ];
    out.identity(subject, "DHCP lease", facts);
}

/// The first addresses of an option, in the server's order of preference (RFC 2132, 3.5 and 3.8).
fn addresses(option: Option<&[u8]>, most: usize) -> String {
    let (all, _) = option.unwrap_or_default().as_chunks::<4>();
    let hosts = all.iter().map(|octets| Ipv4Addr::from(*octets)).filter(|ip| !ip.is_unspecified());
    hosts.take(most).map(|ip| ip.to_string()).collect::<Vec<_>>().join(", ")
}

/// RFC 4702, 2: flags, two reserved octets, then the name as text or as labels. A dot at its end
/// is that of the root.
fn fqdn(option: &[u8]) -> String {
    let Some((&flags, rest)) = option.split_first() else { return String::new() };
    let name = rest.get(2..).unwrap_or_default();
    if flags & 0x04 == 0 {
        return text::lossy(name).trim_end_matches('.').to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;
    use model::Detail;

    /// What is said: whose it is, the path, the value, how sure that is.
    fn said(op: u8, kind: u8, mac: Option<[u8; 6]>, relayed: bool) -> Vec<String> {
        let options = vec![(53, vec![kind]), (wire::OPTION_HOST_NAME, b"pump".to_vec())];
        let (client_address, your_address) = ([0; 4].into(), [0; 4].into());
        let (transaction, client_mac) = (1, mac);
        let message =
            wire::Message { op, transaction, client_address, your_address, client_mac, options };
        let mut bytes = wire::emit(&message);
        if mac.is_none() {
            bytes[2] = 16;
        }
        if relayed {
            bytes[24..28].copy_from_slice(&[10, 1, 1, 1]);
        }
        let mut out = Output::new(false);
        Reader.feed(Segment::of(&bytes, Side::Client, Carrier::Udp), &mut out);
        let identities = out.observed.iter().filter_map(|seen| match &seen.detail {
            Detail::Identity(identity) => Some(identity),
            _ => None,
        });
        let each = identities.flat_map(|i| i.attributes.iter().map(move |a| (i.subject, a)));
        let whose = |subject| if subject == Subject::Sender { "sender" } else { "client" };
        each.map(|(s, a)| format!("{} {} {} {}", whose(s), a.path, a.value, a.confidence)).collect()
    }

    #[test]
    fn a_name_has_no_dot_at_its_end() {
        assert_eq!(fqdn(b"\0\0\0pump."), "pump");
        assert_eq!(fqdn(b"\x04\0\0\x04pump\x05plant\0"), "pump.plant");
    }

    #[test]
    fn a_lease_brings_its_gateway_and_name_servers_and_an_offer_does_not() {
        let mac = Some([0, 0x1b, 0x1b, 1, 2, 3]);
        let lease = |op, kind| {
            let servers = vec![10, 1, 1, 2, 10, 1, 1, 3, 0, 0, 0, 0, 7];
            let options = vec![
                (53, vec![kind]),
                (wire::OPTION_ROUTER, vec![10, 1, 1, 1]),
                (wire::OPTION_NAME_SERVER, servers),
                (wire::OPTION_DOMAIN, b"plant.example".to_vec()),
            ];
            let (client_address, your_address) = ([0; 4].into(), [10, 1, 1, 9].into());
            let (transaction, client_mac) = (1, mac);
            wire::emit(&wire::Message {
                op,
                transaction,
                client_address,
                your_address,
                client_mac,
                options,
            })
        };
        let said = |op, kind| {
            let mut out = Output::new(false);
            Reader.feed(Segment::of(&lease(op, kind), Side::Server, Carrier::Udp), &mut out);
            let identities = out.observed.into_iter().filter_map(|seen| match seen.detail {
                Detail::Identity(identity) => Some(identity.attributes),
                _ => None,
            });
            identities.flatten().map(|a| format!("{} {}", a.path, a.value)).collect::<Vec<_>>()
        };
        let facts = [
            "ip 10.1.1.9",
            "gateway 10.1.1.1",
            "name_server 10.1.1.2, 10.1.1.3",
            "domain plant.example",
        ];
        assert_eq!(said(2, 5), facts);
        assert!(said(2, 2).is_empty() && said(1, 3).is_empty());
    }

    #[test]
    fn whose_name_it_is_follows_from_who_says_it_and_by_whom_it_was_handed_on() {
        const MAC: Option<[u8; 6]> = Some([0, 0x1b, 0x1b, 1, 2, 3]);
        let names = "sender dhcp_names pump 75";
        assert_eq!(said(1, 1, MAC, false), ["client hostname pump 90"]);
        assert_eq!(said(1, 1, MAC, true), [names, "client hostname pump 90"]);
        // Of no Ethernet, or made of zeros.
        for none in [None, Some([0; 6])] {
            assert_eq!(said(1, 1, none, false), ["sender hostname pump 90"]);
            assert_eq!(said(1, 1, none, true), [names]);
            assert_eq!(said(2, 5, none, false), [names]);
        }
        assert_eq!(said(2, 2, MAC, false), [names, "client hostname pump 75"]);
        assert_eq!(said(2, 6, MAC, false), Vec::<String>::new());
    }
}
