//! ICMPv6 neighbour discovery and multicast listeners (RFC 4861, RFC 8106, RFC 3810): which
//! link-layer address has which IPv6 address, and who says it is a router.
//!
//! Not here: echo and errors. Invariant: options are read within the message, and one of length
//! zero ends them.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use ::wire::reader::{Reader, Short};
use model::{Address, Mac, OperationClass, Subject};
use std::net::{IpAddr, Ipv6Addr};

pub struct Icmpv6;
pub static ICMPV6: Icmpv6 = Icmpv6;

static ABOUT: About = About {
    name: "icmpv6",
    title: "ICMPv6 neighbour discovery",
    specs: &["RFC 4861", "RFC 8106 (DNS options)", "RFC 4443", "RFC 3810"],
    carriers: &[Carrier::Ip(58)],
    ports: &[],
    groups: &[],
    depth: "routers, prefixes, name servers, addresses of neighbours, malformed options",
};

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

impl Protocol for Icmpv6 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let ours = matches!(hint.carrier, Carrier::Ip(58)) && head.len() >= 4;
        if ours { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Neighbours)
    }
}

struct Neighbours;

impl Dissector for Neighbours {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("icmpv6", 0..bytes.len());
        if message(bytes, &segment, out).is_err() && segment.missing == 0 {
            let says = "a neighbour discovery message shorter than its fields";
            out.violation("icmpv6-message-cut-short", says, "RFC 4861, 4");
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn message(bytes: &[u8], segment: &Segment<'_>, out: &mut Output) -> Result<(), Short> {
    let mut r = Reader::new(bytes);
    let kind = r.u8()?;
    r.skip(3)?;
    let number = u32::from(kind);
    let browse = OperationClass::Browse;
    match kind {
        1..=4 => {
            let name = match kind {
                1 => "destination unreachable",
                2 => "packet too big",
                3 => "time exceeded",
                _ => "parameter problem",
            };
            out.operation(Op::notice(OperationClass::Diagnose, number, name));
        }
        128 => out.operation(Op::request(OperationClass::Diagnose, number, "echo")),
        129 => out.operation(Op::response(OperationClass::Diagnose, number, "echo").done()),
        ROUTER_SOLICITATION => {
            r.skip(4)?;
            out.operation(Op::request(browse, number, "router solicitation"));
            options(&mut r, kind, segment, out)?;
        }
        ROUTER_ADVERTISEMENT => {
            r.skip(2)?;
            let lifetime = r.be16()?;
            r.skip(8)?;
            out.operation(Op::notice(browse, number, "router advertisement"));
            let role = if lifetime > 0 { "default router" } else { "router" };
            let says = [("ipv6_role", role.to_owned())];
            out.identity(Subject::Sender, "router advertisement", says);
            options(&mut r, kind, segment, out)?;
        }
        NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT => {
            r.skip(4)?;
            let target = Ipv6Addr::from(r.array::<16>()?);
            neighbour(kind, target, &mut r, segment, out)?;
        }
        REDIRECT => {
            r.skip(4)?;
            let target = Ipv6Addr::from(r.array::<16>()?);
            let op = Op::notice(OperationClass::Configure, number, "redirect");
            out.operation(op.named("next hop", &target.to_string()));
        }
        130..=132 | 143 => {
            out.operation(Op::notice(OperationClass::Session, number, "multicast listener"));
        }
        _ => out.operation(Op::notice(OperationClass::Other, number, "ICMPv6")),
    }
    Ok(())
}

fn neighbour(
    kind: u8,
    target: Ipv6Addr,
    r: &mut Reader<'_>,
    segment: &Segment<'_>,
    out: &mut Output,
) -> Result<(), Short> {
    let number = u32::from(kind);
    let solicits = kind == NEIGHBOUR_SOLICITATION;
    let op = match solicits {
        true => Op::request(OperationClass::Browse, number, "neighbour solicitation"),
        false => Op::response(OperationClass::Browse, number, "neighbour advertisement").done(),
    };
    out.operation(op.named("ipv6", &target.to_string()));
    let mac = options(r, kind, segment, out)?;
    // A solicitation gives its sender's address, an advertisement its target's.
    let address = match (solicits, segment.sender.ip) {
        (true, Some(IpAddr::V6(own))) => own,
        (true, _) => return Ok(()),
        (false, _) => target,
    };
    if let Some(mac) = mac.filter(|m| m.is_host())
        && !address.is_multicast()
        && !address.is_unspecified()
    {
        let subject = Subject::Address(Address::Mac(mac));
        out.identity(subject, "neighbour discovery", [("ip", address.to_string())]);
    }
    Ok(())
}

/// RFC 4861, 4.6: type and length in units of eight octets. Returns a link-layer address.
fn options(
    r: &mut Reader<'_>,
    kind: u8,
    segment: &Segment<'_>,
    out: &mut Output,
) -> Result<Option<Mac>, Short> {
    const OPTIONS_MAX: usize = 32;
    let mut mac = None;
    for _ in 0..OPTIONS_MAX {
        if r.is_empty() {
            break;
        }
        let (option, units) = (r.u8()?, r.u8()?);
        let Some(length) = usize::from(units).saturating_mul(8).checked_sub(2) else {
            let says = "an option of length zero";
            out.violation("icmpv6-option-length-zero", says, "RFC 4861, 4.6");
            break;
        };
        let body = r.bytes(length)?;
        match option {
            1 | 2 => mac = body.first_chunk::<6>().map(|octets| Mac(*octets)),
            3 if kind == ROUTER_ADVERTISEMENT => prefix(body, out),
            // RFC 8106, 5.1: two units and two for each address are an odd number. An even one
            // made Windows write behind a buffer (CVE-2020-16898).
            25 if units < 3 || units % 2 == 0 => {
                let says = "a list of name servers with an even length";
                out.violation("rdnss-length-even", says, "RFC 8106, 5.1");
            }
            25 => {
                let servers = body.get(6..).unwrap_or_default().chunks_exact(16).take(4);
                for server in servers {
                    let octets: [u8; 16] = server.try_into().unwrap_or_default();
                    let address = Ipv6Addr::from(octets).to_string();
                    let says = ("advertised_name_server", address.as_str());
                    out.attribute(Subject::Sender, "router advertisement", says, 80);
                }
            }
            _ => {}
        }
    }
    if r.remaining() > 0 && segment.missing == 0 {
        out.limit("icmpv6-options");
    }
    Ok(mac)
}

/// 4.6.2
fn prefix(body: &[u8], out: &mut Output) {
    let Some(length) = body.first() else { return };
    let address = body.get(14..30).and_then(|b| <[u8; 16]>::try_from(b).ok());
    if let Some(address) = address {
        let text = format!("{}/{length}", Ipv6Addr::from(address));
        let says = ("advertised_prefix", text.as_str());
        out.attribute(Subject::Sender, "router advertisement", says, 80);
    }
}
