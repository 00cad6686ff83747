//! DNS over UDP and TCP (RFC 1035), and what DNS, mDNS and LLMNR have in common.
//!
//! Not here: who is right about a name. Answers become name facts of the addresses in them, with
//! the confidence of the protocol that gave them.

mod dissect;
mod limits;
pub mod wire;

#[cfg(test)]
mod tests;

pub(crate) use dissect::{Flavour, NameMessages};

use crate::{About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol};

pub static DNS_GROUP: Group = Group { name: "dns", ends: Ends::Pair, keys: &["kind"] };
pub static DNS_NAME: Group = Group { name: "dns_name", ends: Ends::None, keys: &["name"] };
pub static DNS_RCODE: Group = Group { name: "dns_rcode", ends: Ends::None, keys: &["rcode"] };
pub static GROUPS: &[&Group] = &[&DNS_GROUP, &DNS_NAME, &DNS_RCODE];

pub struct Dns;
pub static DNS: Dns = Dns;

static ABOUT: About = About {
    name: "dns",
    title: "DNS",
    specs: &["RFC 1035", "RFC 2782 (SRV)", "RFC 7766 (TCP)"],
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[53],
    groups: GROUPS,
    depth: "questions, answers, names of addresses, response codes",
};

impl Protocol for Dns {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let message = if hint.carrier == Carrier::Tcp {
            match head.split_at_checked(limits::TCP_LENGTH_OCTETS) {
                Some(([high, low], rest)) => {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    if length < 17 {
                        return Probe::NoMatch;
                    }
                    match rest.get(..length) {
                        Some(message) => message,
                        None if rest.len() < 12 => return Probe::NeedMore,
                        None if hint.port && plausible(rest) => return Probe::NeedMore,
                        None => return Probe::NoMatch,
                    }
                }
                _ => return Probe::NeedMore,
            }
        } else {
            head
        };
        if is_dns(message, hint.port) { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(NameMessages::new(Flavour::Dns))
    }
}

/// Without a port only a recursive question for one name is taken: mDNS, LLMNR and NBNS share
/// the header and none of them sets these bits this way.
fn is_dns(message: &[u8], port: bool) -> bool {
    if !plausible(message) {
        return false;
    }
    let Ok(parsed) = wire::parse(message) else { return port };
    let netbios = parsed
        .questions
        .iter()
        .any(|q| q.name.len() == 32 && q.name.bytes().all(|b| (b'A'..=b'P').contains(&b)));
    if port {
        return !netbios;
    }
    let recursive = parsed.flags & 0x0100 != 0;
    let known = parsed.questions.iter().all(|q| q.class == 1 && (1..=65).contains(&q.kind));
    let one = parsed.questions.len() == 1 && parsed.questions.iter().all(|q| q.name.len() > 2);
    parsed.id != 0 && recursive && one && known && !netbios
}

/// RFC 1035, 4.1.1: known opcode, reserved bits zero, a sane number of questions.
pub(crate) fn plausible(message: &[u8]) -> bool {
    let Some(&[_, _, flags_high, flags_low, q_high, q_low, a_high, a_low, ..]) =
        message.first_chunk::<12>()
    else {
        return false;
    };
    let opcode = (flags_high >> 3) & 0xf;
    let questions = u16::from_be_bytes([q_high, q_low]);
    let is_response = flags_high & 0x80 != 0;
    // An inverse query asks with an answer (RFC 1035, 6.4.1).
    let inverse = opcode == 1 && a_low > 0;
    opcode <= 6
        && flags_low & 0x40 == 0
        && questions <= 32
        && (questions > 0 || is_response || inverse)
        && a_high <= 4
}
