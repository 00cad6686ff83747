//! Modbus/TCP: what is read and written where, what devices say of themselves, UMAS functions.
//!
//! Not here: Modbus RTU. Invariant: an answer gets its addresses from the request it belongs to,
//! or none.

pub(crate) mod dissect;
mod limits;
mod names;
mod noise;
mod umas;
mod units;
pub mod wire;

#[cfg(test)]
mod tests;

use crate::{
    About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol, Side, modbus_rtu::MODBUS_RTU,
};
use wire::{MBAP_OCTETS, Mbap};

pub static MODBUS_GROUP: Group =
    Group { name: "modbus", ends: Ends::Pair, keys: &["unit", "func", "kind", "exception"] };
pub static UMAS_GROUP: Group =
    Group { name: "umas", ends: Ends::Pair, keys: &["kind", "umas_func"] };

pub struct Modbus;
pub static MODBUS: Modbus = Modbus;

static ABOUT: About = About {
    name: "modbus",
    title: "Modbus/TCP",
    specs: &[
        "Modbus Application Protocol Specification V1.1b3",
        "Modbus Messaging on TCP/IP Implementation Guide V1.0b",
    ],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[502],
    groups: &[&MODBUS_GROUP, &UMAS_GROUP],
    depth: "all public functions, exceptions, identification, values by address, UMAS functions",
};

impl Protocol for Modbus {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if head.len() <= MBAP_OCTETS {
            let zero = head.get(2..4).is_none_or(|p| p == [0, 0]);
            return if zero && hint.port { Probe::NeedMore } else { Probe::NoMatch };
        }
        let (Ok(mbap), Some(function)) = (Mbap::parse(head), head.get(MBAP_OCTETS)) else {
            return Probe::NoMatch;
        };
        if mbap.protocol != 0 || !dissect::is_length(mbap.length, Some(function)) {
            return Probe::NoMatch;
        }
        let octets = usize::from(mbap.length).saturating_add(6);
        if hint.port {
            // A gateway may carry frames of a serial line on this port too; one that reads from
            // address 0 has zeros where the protocol's number stands.
            let serial = Hint { port: false, ..hint };
            let framed = octets != head.len() && MODBUS_RTU.probe(head, serial) == Probe::Match;
            return if framed { Probe::NoMatch } else { Probe::Match };
        }
        // Elsewhere the whole message must stand: known function, exact length, right parameters.
        let known = matches!(function & 0x7f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 90);
        let pdu = head.get(MBAP_OCTETS..octets).unwrap_or_default();
        if !known || head.len() < octets || pdu.len() < 2 {
            return Probe::NoMatch;
        }
        let asks = match pdu {
            [1..=6 | 15 | 16 | 22 | 23, _, _, _, _, ..] => wire::parse_request(pdu).is_ok(),
            // Read device identification with one of its four codes; UMAS with a session.
            [43, 14, 1..=4, _] | [90, _, _, ..] => true,
            _ => false,
        };
        let exact = octets == head.len();
        match asks && exact && hint.from == Side::Client {
            true => Probe::Match,
            false => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<dissect::Conversation>::default()
    }
}
