//! LonTalk tunnelled over IP (ISO/IEC 14908-4), and the LonTalk packets within.
//!
//! Read `wire` for the packet, `names` for network management. Not here: LonTalk straight on its
//! channels. Invariant: what follows an address that cannot be read says nothing.

mod names;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op,
};
use model::{OperationClass as Class, PointValue, Quality, Scalar, Subject};
use wire::{Content, Header, Packet};

pub static CNIP_GROUP: Group = Group { name: "cnip", ends: Ends::Pair, keys: &["type"] };

pub struct Cnip;
pub static CNIP: Cnip = Cnip;

static ABOUT: About = About {
    name: "cnip",
    title: "LonTalk over IP (CNIP)",
    specs: &["ISO/IEC 14908-4:2012 (CN/IP)", "ISO/IEC 14908-1:2012 (LonTalk)"],
    carriers: &[Carrier::Udp],
    ports: &[1_628, 1_629],
    groups: &[&CNIP_GROUP],
    depth: "configuration server messages; network variables by selector with values, network \
            management and diagnostics by command, neuron id and program id, node modes",
};

impl Protocol for Cnip {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match Header::parse(head) {
            Ok(header) if header.is_plausible(head.len().saturating_add(hint.missing)) => {
                Probe::Match
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reader)
    }
}

struct Reader;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("cnip", 0..bytes.len());
        match Header::parse(bytes) {
            Ok(header) => {
                let there = bytes.len().saturating_add(segment.missing);
                if usize::from(header.length) != there {
                    let says = "the packet length is not that of the datagram";
                    out.violation("cnip-length", says, "ISO/IEC 14908-4, 7.4");
                }
                out.count(&CNIP_GROUP, [Scalar::Number(u64::from(header.kind))]);
                message(&header, segment.missing > 0, out);
            }
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "a packet shorter than its header";
                out.violation("cnip-too-short", says, "ISO/IEC 14908-4, 7.4");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn message(header: &Header<'_>, cut: bool, out: &mut Output) {
    let Some((class, name, answers)) = names::message(header.kind) else {
        let says = "a packet type that the standard does not define";
        return out.violation("cnip-type-undefined", says, "ISO/IEC 14908-4, 7.4");
    };
    let function = u32::from(header.kind);
    if header.kind != 1 {
        return out.operation(match answers {
            true => Op::response(class, function, name),
            false => Op::request(class, function, name),
        });
    }
    match Packet::parse(header.data) {
        Ok(packet) => lontalk(&packet, out),
        Err(_) if cut => {}
        Err(_) => {
            let says = "a LonTalk packet shorter than its addresses";
            out.violation("lontalk-too-short", says, "ISO/IEC 14908-1, 6");
        }
    }
}

fn lontalk(packet: &Packet<'_>, out: &mut Output) {
    let unit = packet.destination.unwrap_or(packet.source);
    match packet.content {
        Content::Acknowledgement | Content::Reminder | Content::Authentication => {}
        Content::Application { bytes, answer } => application(packet, bytes, answer, unit, out),
    }
}

fn application(packet: &Packet<'_>, bytes: &[u8], answer: bool, unit: u32, out: &mut Output) {
    match bytes {
        // A network variable: direction in bit 6, selector of 14 bits.
        [high, low, data @ ..] if high & 0x80 != 0 => {
            let selector = u32::from(u16::from_be_bytes([high & 0x3f, *low]));
            let poll = high & 0x40 != 0;
            let op = match (poll, answer) {
                (true, false) => Op::request(Class::Read, 0x80, "poll network variable"),
                (_, true) => Op::response(Class::Read, 0x80, "network variable").done(),
                (false, false) => Op::request(Class::Write, 0x80, "update network variable"),
            };
            out.operation(op.range("network-variable", 0, selector, 1).unit(unit));
            let size = data.len();
            if (1..=4).contains(&size) && out.values_wanted && (!poll || answer) {
                let value = data.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
                let source = packet.source;
                let point = format!("{}.{}/{selector}", source >> 8, source & 0xff);
                out.value(point, PointValue::Unsigned(value), (None, Quality::Good));
            }
        }
        [code, data @ ..] => management(*code, data, answer, unit, out),
        [] => {
            let says = "an application message without its code";
            out.violation("lontalk-no-code", says, "ISO/IEC 14908-1, 9");
        }
    }
}

fn management(code: u8, data: &[u8], answer: bool, unit: u32, out: &mut Output) {
    let function = u32::from(code);
    if answer {
        // Success sets bit 5, failure clears it; the low bits repeat the request.
        let (class, name) = names::management(names::answered(code), data);
        let management = (0x01..=0x3f).contains(&code);
        let op = Op::response(class, function, if management { name } else { "response" });
        out.operation(match code & 0x20 {
            0 if management => op.refused(function, "failed").unit(unit),
            _ => op.done().unit(unit),
        });
        // Answer to query id.
        if code == 0x21 {
            neuron(data, "query id response", out);
        }
        return;
    }
    let (class, name) = match code {
        0x50..=0x7f => names::management(code, data),
        0x00..=0x3e => (Class::Other, "application message"),
        _ => (Class::Other, "foreign frame"),
    };
    let op = match code {
        0x7f => Op::notice(class, function, name),
        _ => Op::request(class, function, name),
    };
    out.operation(op.unit(unit));
    if code == 0x7f {
        neuron(data, "service pin message", out);
    }
}

/// Neuron id of six octets and program id of eight (ISO/IEC 14908-1, 9.5).
fn neuron(data: &[u8], said_in: &'static str, out: &mut Output) {
    let hex = |octets: &[u8]| octets.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (Some(id), Some(program)) = (data.get(..6), data.get(6..14)) else { return };
    let facts = [("neuron_id", hex(id)), ("lon_program_id", hex(program))];
    out.identity(Subject::Sender, said_in, facts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Carrier, Side};

    #[test]
    fn a_datagram_that_the_capture_cut_is_known_by_the_length_it_had() {
        let header = Header {
            length: 60,
            version: 1,
            kind: 1,
            extended: 0,
            flags: 0,
            vendor: 0,
            session: 0,
            sequence: 0,
            timestamp: 0,
            data: &[],
        };
        let head = header.emit();
        let missing = 60 - head.len();
        let probe = |missing| {
            let hint = Hint { carrier: Carrier::Udp, port: true, from: Side::Client, missing };
            CNIP.probe(&head, hint)
        };
        assert_eq!((probe(missing), probe(0)), (Probe::Match, Probe::NoMatch));
        let mut out = Output::new(false);
        let segment = Segment::of(&head, Side::Client, Carrier::Udp);
        CNIP.open().feed(Segment { missing, ..segment }, &mut out);
        assert_eq!((out.messages.len(), out.observed.len()), (1, 0));
    }
}
