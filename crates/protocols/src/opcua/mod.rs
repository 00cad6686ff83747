//! OPC UA over TCP in its binary encoding: channels, sessions, reads, writes, calls,
//! subscriptions, and what servers and clients say of themselves.
//!
//! Not here: PubSub, HTTPS. Invariant: encrypted messages are counted and not read; what is only
//! signed is read.

mod descriptions;
mod dissect;
mod limits;
mod nodes;
mod outcomes;
mod services;
#[cfg(test)]
mod tests;
pub mod types;
pub mod wire;

use crate::{About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol};
use wire::{Header, Kind};

pub static OPCUA_GROUP: Group =
    Group { name: "opcua", ends: Ends::Pair, keys: &["service_nodeid"] };
pub static OPCUA_TRANSPORT_GROUP: Group =
    Group { name: "opcua_transport", ends: Ends::Pair, keys: &["type"] };

pub struct OpcUa;
pub static OPCUA: OpcUa = OpcUa;

static ABOUT: About = About {
    name: "opcua",
    title: "OPC UA",
    specs: &["OPC 10000-4 1.05", "OPC 10000-5 1.05", "OPC 10000-6 1.05, 5.2, 6.7, 7.1, annex A"],
    carriers: &[Carrier::Tcp],
    ports: &[4_840],
    groups: &[&OPCUA_GROUP, &OPCUA_TRANSPORT_GROUP],
    depth: "services, security, users, applications, build info, nodes and values read, written, \
            called, subscribed",
};

impl Protocol for OpcUa {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match Header::parse(head) {
            None => Probe::NeedMore,
            Some(Err(())) => Probe::NoMatch,
            Some(Ok(header)) => match header.kind {
                Kind::Hello => Probe::MatchClient,
                Kind::Acknowledge | Kind::ReverseHello => Probe::MatchServer,
                _ => Probe::Match,
            },
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<dissect::Conversation>::default()
    }
}
