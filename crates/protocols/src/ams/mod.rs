//! Beckhoff ADS over AMS: TwinCAT services by index group and symbol, states, routes.
//!
//! Read [`wire`] for the layouts, `dissect` for meanings, `discovery` for the UDP service that
//! finds controllers and adds routes. Not here: ADS inside EtherCAT mailboxes. Invariant: an
//! answer is understood through the request of its invoke id, or only counted.

mod discovery;
mod dissect;
pub(crate) mod names;
pub mod wire;

use crate::{About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol};
use wire::{Ams, TCP_HEADER_OCTETS, tcp_length};

pub static AMS_GROUP: Group = Group { name: "ams", ends: Ends::Pair, keys: &["command", "kind"] };

pub struct AmsAds;
pub static AMS: AmsAds = AmsAds;

static ABOUT: About = About {
    name: "ams",
    title: "Beckhoff ADS/AMS",
    specs: &["Beckhoff Information System, TwinCAT ADS: AMS/ADS specification (AMS/TCP packet, \
         AMS header, ADS commands)"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[48_898, 48_899],
    groups: &[&AMS_GROUP],
    depth: "all ADS commands by index group and symbol, device info, ADS states, run, stop and \
            configuration mode, system service files and registry, discovery and added routes",
};

impl Protocol for AmsAds {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.carrier == Carrier::Udp {
            return match discovery::Message::parse(head) {
                Some(message) if message.is_answer() => Probe::MatchServer,
                Some(_) => Probe::MatchClient,
                None => Probe::NoMatch,
            };
        }
        let Some(length) = tcp_length(head) else {
            let possible = head.first().is_none_or(|b| *b == 0) && hint.port;
            return if possible { Probe::NeedMore } else { Probe::NoMatch };
        };
        match Ams::parse(head.get(TCP_HEADER_OCTETS..).unwrap_or_default()) {
            Ok(ams) if ams.is_plausible(length) => match ams.is_answer() {
                true => Probe::MatchServer,
                false => Probe::MatchClient,
            },
            Err(_) if hint.port && (32..0x10_0000).contains(&length) => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<dissect::Conversation>::default()
    }
}
