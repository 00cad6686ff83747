//! BACnet: over UDP (BVLC), Ethernet (LLC), and MS/TP seen on Ethernet; all its services.
//!
//! Read [`wire`] for headers, [`tag`] for data, `services` for what services say. Not here:
//! BACnet/SC, which is a WebSocket inside TLS. Invariant: a device behind a router is a module
//! of the router, never the router itself.

mod dissect;
mod limits;
mod names;
mod segments;
mod services;
pub mod tag;
pub mod wire;

#[cfg(test)]
mod tests;

use crate::{About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol};
use wire::{BVLC_IPV4, BVLC_IPV6, Bvlc, Npdu};

pub static BACNET_GROUP: Group =
    Group { name: "bacnet", ends: Ends::Pair, keys: &["pdu_type", "service"] };
pub static BVLC_GROUP: Group = Group { name: "bacnet_bvlc", ends: Ends::Pair, keys: &["function"] };
pub static NETWORK_GROUP: Group =
    Group { name: "bacnet_network_message", ends: Ends::Pair, keys: &["type"] };

/// LLC service access point of BACnet (clause 7).
const LLC_SAP: u8 = 0x82;
/// Cimetrics' adapters put MS/TP frames on Ethernet with this OUI.
const CIMETRICS: [u8; 3] = [0x00, 0x10, 0x90];
const CIMETRICS_MSTP: u16 = 1;

pub struct Bacnet;
pub static BACNET: Bacnet = Bacnet;

static ABOUT: About = About {
    name: "bacnet",
    title: "BACnet",
    specs: &["ANSI/ASHRAE 135-2020, clauses 6, 7, 9, 13 to 17, 20 and 21, annexes J and U"],
    carriers: &[Carrier::Udp, Carrier::Llc(LLC_SAP), Carrier::Snap(CIMETRICS, CIMETRICS_MSTP)],
    ports: &[47_808],
    groups: &[&BACNET_GROUP, &BVLC_GROUP, &NETWORK_GROUP],
    depth: "all services by object and property; device object, I-Am; values of reads, writes \
            and COV; backup and restore; segmented messages; BVLC tables, routers, MS/TP",
};

impl Protocol for Bacnet {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let known = match hint.carrier {
            Carrier::Udp => is_bvlc(head, hint.port),
            Carrier::Llc(_) => head.first() == Some(&1),
            _ => true,
        };
        if known { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<dissect::Conversation>::default()
    }
}

/// Type, a known function and the length of the datagram; within, a network message of version 1.
fn is_bvlc(head: &[u8], port: bool) -> bool {
    let Ok(bvlc) = Bvlc::parse(head) else { return false };
    let kind = matches!(head.first(), Some(&BVLC_IPV4 | &BVLC_IPV6)) && bvlc.function <= 12;
    let length = usize::from(bvlc.length);
    if !kind || length < 4 {
        return false;
    }
    if length != head.len() && !port {
        return false;
    }
    match bvlc.carried() {
        Some((network, _)) => Npdu::parse(network).is_ok_and(|n| n.version == 1) || port,
        None => length == head.len() || port,
    }
}
