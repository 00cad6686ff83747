//! PTP: the time of protection, merging units and drives, on Ethernet and UDP.
//!
//! Not here: version 1 of the standard, whether the time is right. Invariant: who is grandmaster,
//! and how good its clock is, is observed when it changes and not otherwise.

#[cfg(test)]
mod tests;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op, text::lossy,
};
use model::{OperationClass, Scalar, Subject};
use wire::{ANNOUNCE, Announce, HEADER_OCTETS, Header, MANAGEMENT, VERSION};

pub static PTP_GROUP: Group = Group { name: "ptp", ends: Ends::Pair, keys: &["message_type"] };

const ETHERTYPE: u16 = 0x88f7;

pub struct Ptp;
pub static PTP: Ptp = Ptp;

static ABOUT: About = About {
    name: "ptp",
    title: "PTP (IEEE 1588)",
    specs: &["IEEE 1588-2019", "IEC/IEEE 61850-9-3:2016", "IEEE 802.1AS-2020"],
    carriers: &[Carrier::Ethertype(ETHERTYPE), Carrier::Udp],
    ports: &[319, 320],
    groups: &[&PTP_GROUP],
    depth: "message kinds, clock identities, grandmaster with class and source, management \
            requests, clock descriptions",
};

impl Protocol for Ptp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Ok(header) = Header::parse(head) else { return Probe::NoMatch };
        let octets = head.len().saturating_add(hint.missing);
        let sure = header.is_plausible(octets);
        let ethernet = hint.carrier == Carrier::Ethertype(ETHERTYPE);
        let strict = sure && wire::is_strict(head, octets, &header);
        let known = hint.port && (sure || header.is_reserved_in(octets));
        if (ethernet && header.version == VERSION) || known || (!ethernet && strict) {
            return match header.kind {
                wire::DELAY_RESP => Probe::MatchServer,
                _ => Probe::Match,
            };
        }
        Probe::NoMatch
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Clock>::default()
    }
}

/// What the sender announced last.
#[derive(Default)]
struct Clock {
    announced: Option<Announce>,
    domain: u8,
}

impl Dissector for Clock {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        out.begin("ptp", 0..bytes.len());
        let Ok(header) = Header::parse(bytes) else {
            if segment.missing == 0 {
                let says = "a message shorter than its header";
                out.violation("ptp-too-short", says, "IEEE 1588-2019, 13.3");
            }
            return all;
        };
        // Version 1 has another layout and the same ports; clocks that serve both send both.
        if header.version != VERSION {
            return all;
        }
        out.count(&PTP_GROUP, [Scalar::Number(u64::from(header.kind))]);
        let length = usize::from(header.length);
        if !header.is_plausible(bytes.len().saturating_add(segment.missing)) {
            let says = "a length that does not fit the kind of message";
            out.violation("ptp-length-invalid", says, "IEEE 1588-2019, 13.3.2.4");
        }
        let (class, name) = meaning(header.kind);
        let op = Op::notice(class, u32::from(header.kind), name).unit(u32::from(header.domain));
        let body = bytes.get(HEADER_OCTETS..length).unwrap_or_default();
        match header.kind {
            ANNOUNCE => {
                out.operation(op);
                self.announce(&header, body, out);
            }
            MANAGEMENT => management(op, body, out),
            _ => out.operation(op),
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

const fn meaning(kind: u8) -> (OperationClass, &'static str) {
    let name = match kind {
        0 => "sync",
        1 => "delay request",
        2 => "peer delay request",
        3 => "peer delay response",
        8 => "follow up",
        9 => "delay response",
        0xa => "peer delay response follow up",
        ANNOUNCE => "announce",
        0xc => return (OperationClass::Session, "signaling"),
        MANAGEMENT => return (OperationClass::Diagnose, "management"),
        _ => return (OperationClass::Other, "reserved"),
    };
    // Time is given all the time here; a change of it is an announce that differs.
    (OperationClass::Report, name)
}

impl Clock {
    fn announce(&mut self, header: &Header, body: &[u8], out: &mut Output) {
        let Ok(now) = Announce::parse(body) else { return };
        let before = self.announced.replace(now);
        if before == Some(now) && self.domain == header.domain {
            return;
        }
        self.domain = header.domain;
        let own = now.grandmaster == header.clock;
        let mut facts = vec![
            ("ptp_clock", identity(&header.clock)),
            ("ptp_role", if own { "grandmaster" } else { "boundary clock" }.to_owned()),
        ];
        if own {
            facts.push(("ptp_source", source(now.source).to_owned()));
        }
        out.identity(Subject::Sender, "PTP announce", facts);
        let domain = header.domain;
        if before.is_none_or(|b| b.grandmaster != now.grandmaster) {
            let value = format!("{} in domain {domain}", identity(&now.grandmaster));
            out.state(Subject::Sender, "ptp-grandmaster", &value);
        }
        let quality = |a: &Announce| (a.priority1, a.class, a.accuracy, a.priority2);
        if before.is_none_or(|b| quality(&b) != quality(&now)) {
            let value = format!(
                "{} (class {}), accuracy 0x{:02x}, priorities {} and {}",
                clock_class(now.class),
                now.class,
                now.accuracy,
                now.priority1,
                now.priority2
            );
            out.state(Subject::Sender, "ptp-clock-quality", &value);
        }
    }
}

/// Get, set and command of what a clock is configured with (15.4).
fn management(op: Op, body: &[u8], out: &mut Output) {
    let action = body.get(12).map_or(0, |b| b & 0xf);
    let Ok((id, data)) = wire::management(body) else { return out.operation(op) };
    let (number, name) = (u32::from(id), management_name(id));
    let op = match action {
        0 => Op::request(OperationClass::Diagnose, number, name),
        1 => Op::request(OperationClass::Configure, number, name),
        3 => Op::request(OperationClass::Configure, number, name),
        2 | 4 => Op::response(OperationClass::Diagnose, number, name).done(),
        _ => op,
    };
    out.operation(op);
    if let (2, 1, Ok(found)) = (action, id, wire::description(data)) {
        let text = |bytes: &[u8], part: usize| {
            lossy(bytes).split(';').nth(part).unwrap_or_default().to_owned()
        };
        out.identity(
            Subject::Sender,
            "PTP clock description",
            [
                ("vendor", text(found.product, 0)),
                ("model", text(found.product, 1)),
                ("serial", text(found.product, 2)),
                ("hardware", text(found.revision, 0)),
                ("firmware", text(found.revision, 1)),
                ("name", text(found.user, 0)),
            ],
        );
    }
}

/// Table 59 of the standard, those that matter to who looks on.
const fn management_name(id: u16) -> &'static str {
    match id {
        0x0001 => "clock description",
        0x0002 => "user description",
        0x0003 => "save in memory",
        0x0004 => "reset memory",
        0x0005 => "initialize",
        0x2000 => "default data set",
        0x2001 => "current data set",
        0x2002 => "parent data set",
        0x2003 => "time properties",
        0x2004 => "port data set",
        0x2005 => "priority 1",
        0x2006 => "priority 2",
        0x2007 => "domain",
        0x200d => "enable port",
        0x200e => "disable port",
        0x200f => "time",
        _ => "management",
    }
}

const fn clock_class(class: u8) -> &'static str {
    match class {
        6 => "locked",
        7 => "holdover",
        13 => "locked to an application's time",
        14 => "holdover of an application's time",
        52 | 58 | 187 | 193 => "degraded",
        255 => "slave only",
        _ => "free running",
    }
}

const fn source(source: u8) -> &'static str {
    match source {
        0x10 => "atomic clock",
        0x20 => "GPS",
        0x30 => "terrestrial radio",
        0x39 => "serial time code",
        0x40 => "PTP",
        0x50 => "NTP",
        0x60 => "hand set",
        0xa0 => "internal oscillator",
        _ => "other",
    }
}

/// As the standard writes clock identities: an EUI-64.
fn identity(octets: &[u8; 8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}
