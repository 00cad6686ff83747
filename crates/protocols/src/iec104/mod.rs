//! IEC 60870-5-104: telecontrol of substations over TCP.
//!
//! Not here: IEC 60870-5-101 on serial lines. Invariant: who commands and who reports is told by
//! the type and the cause, never by the port.

mod dissect;
mod types;
mod values;
pub mod wire;

use crate::{About, Carrier, Dissector, Ends, Group, Hint, Probe, Protocol};
use wire::{APCI_OCTETS, Asdu, Control, START};

pub static IEC104_GROUP: Group =
    Group { name: "iec104", ends: Ends::Pair, keys: &["typeid", "cot", "negative", "ca"] };
pub static APCI_GROUP: Group =
    Group { name: "iec104_apci", ends: Ends::Pair, keys: &["format", "u"] };

pub struct Iec104;
pub static IEC104: Iec104 = Iec104;

static ABOUT: About = About {
    name: "iec104",
    title: "IEC 60870-5-104",
    specs: &["IEC 60870-5-104:2006", "IEC 60870-5-101:2003", "IEC 62351-5:2013"],
    carriers: &[Carrier::Tcp],
    ports: &[2_404],
    groups: &[&IEC104_GROUP, &APCI_GROUP],
    depth: "all types with values, quality and cause; commands with select and execute; \
            sequence numbers, parameters, clock, reset, files",
};

impl Protocol for Iec104 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let (Some(&START), length) = (head.first(), head.get(1).copied()) else {
            return if head.is_empty() { Probe::NeedMore } else { Probe::NoMatch };
        };
        if length.is_some_and(|l| !(4..=253).contains(&l)) {
            return Probe::NoMatch;
        }
        let Some(&[_, length, a, b, c, d]) = head.first_chunk::<APCI_OCTETS>() else {
            return Probe::NeedMore;
        };
        let control = Control::parse([a, b, c, d]);
        let exact = control.emit() == [a, b, c, d];
        match control {
            Control::Unnumbered(bits) if length == 4 && exact => match bits {
                wire::STARTDT_ACT | wire::STOPDT_ACT => Probe::MatchClient,
                wire::STARTDT_CON | wire::STOPDT_CON => Probe::MatchServer,
                wire::TESTFR_ACT | wire::TESTFR_CON => Probe::Match,
                _ => Probe::NoMatch,
            },
            Control::Supervisory { .. } if length == 4 && exact => Probe::Match,
            Control::Information { .. } if length >= 10 => {
                asdu(head.get(APCI_OCTETS..).unwrap_or_default(), length, hint)
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<dissect::Conversation>::default()
    }
}

/// Is what follows an ASDU? Without the port its objects must have the size the type says.
fn asdu(body: &[u8], length: u8, hint: Hint) -> Probe {
    let Ok(asdu) = Asdu::parse(body) else { return Probe::NeedMore };
    let (Some(kind), Some(_)) = (types::of(asdu.kind), types::cause(asdu.cause)) else {
        return Probe::NoMatch;
    };
    let objects = usize::from(length).saturating_sub(10);
    let elements = usize::from(asdu.count);
    let addresses = if asdu.sequence { 1 } else { elements };
    // What makers mean by types and causes of their own nobody knows.
    if !hint.port && (types::is_private(asdu.kind) || asdu.cause >= types::CAUSES_PRIVATE) {
        return Probe::NoMatch;
    }
    let fits = kind.octets.is_none_or(|octets| {
        addresses.saturating_mul(3).saturating_add(elements.saturating_mul(octets)) == objects
    });
    match (fits || hint.port, kind.command, asdu.cause) {
        (false, ..) => Probe::NoMatch,
        (_, true, 6 | 8) => Probe::MatchClient,
        (_, true, 7 | 9 | 10) | (_, false, 1..=3 | 20..=41) => Probe::MatchServer,
        _ => Probe::Match,
    }
}
