//! ISO transport over TCP (RFC 1006, ISO 8073): what carries S7comm, S7comm-plus, MMS and RDP.
//!
//! The protocol inside is told by its first octets. Invariant: a TSDU is put together from at
//! most [`limits::TSDU_OCTETS_MAX`] octets.

mod limits;
pub mod wire;

#[cfg(test)]
mod tests;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, mms, output::Op, rdp, s7comm, s7plus,
};
use limits::TSDU_OCTETS_MAX;
use model::{OperationClass, Scalar, Subject};
use wire::{CONNECT_CONFIRM, CONNECT_REQUEST, DATA};

pub static COTP_GROUP: Group = Group { name: "cotp", ends: Ends::Pair, keys: &["type"] };
pub struct Cotp;
pub static COTP: Cotp = Cotp;

static ABOUT: About = About {
    name: "cotp",
    title: "ISO transport over TCP, S7comm, MMS",
    specs: &[
        "RFC 1006",
        "ISO 8073",
        "S7comm as published by the Wireshark and Snap7 projects",
        "S7comm-plus as published by Thomas Wiens (dissector, S7CommPlusDriver)",
        "ISO 8327-1, ISO 8823-1, ISO 8650-1 and ISO 9506-2 (MMS)",
        "IEC 61850-8-1:2011+A1:2020",
        "IEC 60870-6-503 and -802 (TASE.2)",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[102],
    groups: &[
        &COTP_GROUP,
        &s7comm::S7_GROUP,
        &s7comm::S7_ERROR_GROUP,
        &s7plus::S7PLUS_GROUP,
        &mms::MMS_GROUP,
    ],
    depth: "TSAPs, rack and slot; S7 jobs, values, blocks, start and stop, SZL contents, clock; \
            S7comm-plus sessions with order number and firmware, variables and blocks by id; \
            MMS variables, lists, domains, programs and files by \
            name, controls, values, reports, identities, ICCP tables",
};

impl Protocol for Cotp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match wire::tpkt_length(head) {
            None if head.first().is_none_or(|b| *b == 3) => return Probe::NeedMore,
            None | Some(Err(())) => return Probe::NoMatch,
            Some(Ok(_)) => {}
        }
        let (Some(&indicator), Some(&code)) = (head.get(4), head.get(5)) else {
            return Probe::NeedMore;
        };
        let side = match code & 0xf0 {
            CONNECT_REQUEST if indicator >= 6 => Probe::MatchClient,
            CONNECT_CONFIRM if indicator >= 6 => Probe::MatchServer,
            DATA if indicator == 2 => Probe::Match,
            0x80 | 0x70 => Probe::Match,
            _ => return Probe::NoMatch,
        };
        // TPKT starts with 3, 0; that is all there is to go by without the port.
        if hint.port || head.get(1) == Some(&0) { side } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    /// TSDU under way, by side.
    parts: [Vec<u8>; 2],
    s7: s7comm::Conversation,
    plus: s7plus::Conversation,
    mms: mms::Conversation,
    rdp: rdp::Conversation,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if let Some(progress) = self.rdp.secured(segment, out) {
            return progress;
        }
        let length = match wire::tpkt_length(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: wire::TPKT_OCTETS },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("tpkt-header-invalid")),
            Some(Ok(length)) => length,
        };
        let Some(body) = bytes.get(wire::TPKT_OCTETS..length) else {
            return Progress::NeedMore { consumed: 0, needed: length };
        };
        out.begin("cotp", 0..length);
        let Ok(tpdu) = wire::parse(body) else {
            let says = "a transport PDU longer than its TPKT";
            out.violation("cotp-length-invalid", says, "ISO 8073, 13.2");
            return Progress::Consumed(length);
        };
        out.count(&COTP_GROUP, [Scalar::Number(u64::from(tpdu.code >> 4))]);
        match tpdu.code {
            CONNECT_REQUEST if self.rdp.request(tpdu.parameters, out) => {}
            CONNECT_REQUEST => connect(&tpdu, out),
            CONNECT_CONFIRM if self.rdp.confirm(tpdu.parameters, out) => {}
            CONNECT_CONFIRM => {
                let op = Op::response(OperationClass::Session, u32::from(tpdu.code), "connect");
                out.operation(op.done());
            }
            DATA => self.data(&segment, &tpdu, out),
            _ => {}
        }
        Progress::Consumed(length)
    }

    fn gap(&mut self, gap: Gap) {
        if let Some(part) = self.parts.get_mut(gap.from as usize) {
            part.clear();
        }
        self.s7.gap(gap.from);
        self.plus.gap();
        self.mms.gap();
    }
}

/// Who connects to which rack and slot, and as what.
fn connect(tpdu: &wire::Tpdu<'_>, out: &mut Output) {
    let op = Op::request(OperationClass::Session, u32::from(tpdu.code), "connect");
    let (_, called) = wire::selectors(tpdu.parameters);
    match called {
        Some(&[kind @ 1..=3, place]) => {
            let (rack, slot) = (place >> 5, place & 0x1f);
            let role = match kind {
                1 => "programming device",
                2 => "operator panel",
                _ => "basic",
            };
            out.operation(op.named("tsap", &format!("{role}, rack {rack} slot {slot}")));
            let facts = [("rack", rack.to_string()), ("slot", slot.to_string())];
            out.identity(Subject::Receiver, "COTP connect", facts);
            out.attribute(Subject::Sender, "COTP connect", ("s7_connects_as", role), 70);
        }
        Some(text) if text.iter().all(|b| (0x20..0x7f).contains(b)) && !text.is_empty() => {
            out.operation(op.named("tsap", &crate::text::lossy(text)));
        }
        _ => out.operation(op),
    }
}

impl Conversation {
    fn data(&mut self, segment: &Segment<'_>, tpdu: &wire::Tpdu<'_>, out: &mut Output) {
        let Some(part) = self.parts.get_mut(segment.from as usize) else { return };
        if part.is_empty() && tpdu.last {
            return self.inside(segment, tpdu.payload, out);
        }
        part.extend_from_slice(tpdu.payload);
        if part.len() > TSDU_OCTETS_MAX {
            part.clear();
            out.limit("cotp-tsdu-octets");
        } else if tpdu.last {
            let whole = std::mem::take(part);
            self.inside(segment, &whole, out);
        }
    }

    /// The protocol inside, by its first octets.
    fn inside(&mut self, segment: &Segment<'_>, payload: &[u8], out: &mut Output) {
        let side = segment.from;
        match payload {
            [0x32, 1 | 2 | 3 | 7, ..] => {
                out.refine("s7comm");
                out.begin_protocol("s7comm");
                self.s7.read(segment.at, payload, out);
            }
            [0x72, ..] => {
                out.refine("s7comm-plus");
                out.begin_protocol("s7comm-plus");
                self.plus.read(side, payload, out);
            }
            _ if self.plus.encrypted(payload, out) => {}
            _ if rdp::Conversation::client_data(payload, out) => {}
            _ => {
                if let Some(unit) = mms::stack::open(payload) {
                    out.begin_protocol("mms");
                    self.mms.read(side, &unit, out);
                }
            }
        }
    }
}
