//! DNP3 over TCP and UDP: link frames, fragments, objects; controls, restarts, values, states.
//!
//! Not here: DNP3 over serial lines or inside TLS. Invariant: who is master and who outstation
//! is told by the function, never by the port.

mod dissect;
mod limits;
mod names;
mod objects;
mod points;
pub mod wire;

#[cfg(test)]
mod tests;

use crate::{About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol};
use wire::{HEADER_OCTETS, Link, NotLink, START, is_answer};

pub static DNP3_GROUP: Group =
    Group { name: "dnp3", ends: Ends::Pair, keys: &["dnp3_src", "dnp3_dst", "func"] };
pub static LINK_GROUP: Group =
    Group { name: "dnp3_link", ends: Ends::Pair, keys: &["prm", "func"] };
pub static OBJECT_GROUP: Group = Group { name: "dnp3_objects", ends: Ends::Pair, keys: &["obj"] };

pub struct Dnp3;
pub static DNP3: Dnp3 = Dnp3;

static ABOUT: About = About {
    name: "dnp3",
    title: "DNP3",
    specs: &["IEEE 1815-2012"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[20_000],
    groups: &[&DNP3_GROUP, &LINK_GROUP, &OBJECT_GROUP],
    depth: "check sequences, reassembly, all functions and qualifiers, objects by size, controls \
            with status, values with quality, indications, device attributes, files, users",
};

impl Protocol for Dnp3 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        let link = match Link::parse(head) {
            Ok(link) => link,
            Err(NotLink::Short) if head.starts_with(&START) || head.len() < START.len() => {
                return Probe::NeedMore;
            }
            Err(_) => return Probe::NoMatch,
        };
        // Function of the application layer: after transport and application control octet.
        let function = head.get(HEADER_OCTETS.saturating_add(2));
        let first = head.get(HEADER_OCTETS).is_some_and(|t| wire::Transport(*t).is_first());
        match function {
            Some(f) if link.control.has_user_data() && first && is_answer(*f) => Probe::MatchServer,
            Some(1..=33) if link.control.has_user_data() && first => Probe::MatchClient,
            _ => Probe::Match,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<dissect::Conversation>::default()
    }
}
