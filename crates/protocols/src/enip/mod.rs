//! EtherNet/IP and CIP: identities, services on objects and tags, cyclic data.
//!
//! Not here: DeviceNet, ControlNet, CIP Security. Invariant: an answer is understood through the
//! request it belongs to, or only counted.

mod dissect;
mod names;
mod objects;
mod pccc;
mod tags;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::{About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol};
use wire::{Header, is_cyclic};

pub static ENIP_GROUP: Group =
    Group { name: "enip", ends: Ends::Pair, keys: &["command", "status"] };
pub static CIP_GROUP: Group =
    Group { name: "cip", ends: Ends::Pair, keys: &["service", "kind", "cls"] };
pub static CIP_STATUS_GROUP: Group =
    Group { name: "cip_status", ends: Ends::Pair, keys: &["general_status"] };
pub static CIP_CLASS_GROUP: Group =
    Group { name: "cip_class_requested", ends: Ends::Pair, keys: &["cls"] };
pub static CIP_IO_GROUP: Group = Group { name: "cip_io", ends: Ends::Pair, keys: &[] };

pub struct Enip;
pub static ENIP: Enip = Enip;

static ABOUT: About = About {
    name: "enip",
    title: "EtherNet/IP with CIP",
    specs: &[
        "CIP Networks Library Volume 1, Common Industrial Protocol, edition 3.3",
        "CIP Networks Library Volume 2, EtherNet/IP Adaptation of CIP, edition 1.4",
        "Rockwell 1770-6.5.16, DF1 Protocol and Command Set (PCCC)",
    ],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[44_818, 2_222],
    groups: &[&ENIP_GROUP, &CIP_GROUP, &CIP_STATUS_GROUP, &CIP_CLASS_GROUP, &CIP_IO_GROUP],
    depth: "identities, states and addresses by slot or way, services on classes and tags, \
            packed services, tag values, I/O",
};

impl Protocol for Enip {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if matches!(hint.carrier, Carrier::Udp) && is_cyclic(head) {
            return Probe::Match;
        }
        let Ok(header) = Header::parse(head) else {
            let command = head.first_chunk::<2>().map(|c| u16::from_le_bytes(*c));
            let possible = command.is_none_or(|c| names::command(c).is_some());
            return if hint.port && possible && !matches!(hint.carrier, Carrier::Udp) {
                Probe::NeedMore
            } else {
                Probe::NoMatch
            };
        };
        // A datagram holds one message and nothing behind it.
        let whole = wire::HEADER_OCTETS.saturating_add(usize::from(header.length));
        let fits = matches!(hint.carrier, Carrier::Tcp) || head.len() <= whole;
        let sure = hint.port || header.is_certain(head);
        if header.is_plausible() && fits && sure { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<dissect::Conversation>::default()
    }
}
