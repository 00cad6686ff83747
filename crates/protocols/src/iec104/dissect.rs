//! Reads an IEC 104 conversation: counts, operations, values, violations.

use super::{
    APCI_GROUP, IEC104, IEC104_GROUP,
    types::{self, Type},
    values,
    wire::{self, APCI_OCTETS, Asdu, Control, Object, START, objects},
};
use crate::{
    Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment, Side, output::Op,
};
use model::{OperationClass, Quality, Scalar, Subject};

/// Objects of one ASDU that are told as operations of their own; a command has one.
const COMMANDS_MAX: usize = 8;
/// Common addresses of one conversation that are remembered as told.
const STATIONS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Conversation {
    /// Send sequence number expected next, by side.
    expected: [Option<u16>; 2],
    stations: Vec<u16>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let Some(&first) = bytes.first() else { return Progress::Consumed(0) };
        if first != START {
            out.begin("iec104", 0..bytes.len());
            if !segment.after_gap {
                let says = "an APDU that does not begin with 0x68";
                out.violation("iec104-start-missing", says, "IEC 60870-5-104, 5");
            }
            // The receiver looks for the next start octet, and so may find an APDU behind what
            // was put before it.
            return match next_apdu(&segment) {
                Some(surplus) => Progress::Consumed(surplus),
                None => Progress::GiveUp(Malformed::new("iec104-start-missing")),
            };
        }
        let Some(&length) = bytes.get(1) else {
            return Progress::NeedMore { consumed: 0, needed: APCI_OCTETS };
        };
        let whole = usize::from(length).saturating_add(2);
        let Some(apdu) = bytes.get(..whole) else {
            return Progress::NeedMore { consumed: 0, needed: whole };
        };
        out.begin("iec104", 0..whole);
        let Some((&[_, _, a, b, c, d], body)) = apdu.split_first_chunk::<APCI_OCTETS>() else {
            let says = "an APDU without control octets";
            out.violation("iec104-length-invalid", says, "IEC 60870-5-104, 5");
            return Progress::Consumed(whole);
        };
        if length > 253 {
            let says = "an APDU longer than 253 octets";
            out.violation("iec104-length-invalid", says, "IEC 60870-5-104, 5");
        }
        self.apdu(Control::parse([a, b, c, d]), body, segment.from, out);
        Progress::Consumed(whole)
    }

    fn gap(&mut self, gap: Gap) {
        if let Some(expected) = self.expected.get_mut(gap.from as usize) {
            *expected = None;
        }
    }
}

impl Conversation {
    fn apdu(&mut self, control: Control, body: &[u8], from: Side, out: &mut Output) {
        match control {
            Control::Information { sent, .. } => {
                out.count(&APCI_GROUP, [Scalar::Word("I"), Scalar::Null]);
                self.sequence(sent, from, out);
                match Asdu::parse(body) {
                    Ok(asdu) => self.asdu(&asdu, out),
                    Err(_) => {
                        let says = "numbered information without a data unit identifier";
                        out.violation("iec104-asdu-cut-short", says, "IEC 60870-5-101, 7.1");
                    }
                }
            }
            Control::Supervisory { .. } => {
                out.count(&APCI_GROUP, [Scalar::Word("S"), Scalar::Null]);
                surplus(body, out);
            }
            Control::Unnumbered(bits) => {
                unnumbered(bits, from, out);
                surplus(body, out);
            }
        }
    }

    fn sequence(&mut self, sent: u16, from: Side, out: &mut Output) {
        let Some(expected) = self.expected.get_mut(from as usize) else { return };
        if expected.is_some_and(|e| e != sent) {
            let says = "a send sequence number that is not the next";
            out.violation("iec104-sequence-wrong", says, "IEC 60870-5-104, 5.1");
        }
        *expected = Some(sent.wrapping_add(1) & 0x7fff);
    }

    fn asdu(&mut self, asdu: &Asdu<'_>, out: &mut Output) {
        let keys = [
            Scalar::Number(u64::from(asdu.kind)),
            Scalar::Number(u64::from(asdu.cause)),
            Scalar::Number(u64::from(asdu.negative)),
            Scalar::Number(u64::from(asdu.common_address)),
        ];
        out.count(&IEC104_GROUP, keys);
        if types::cause(asdu.cause).is_none() {
            let says = "a cause of transmission that is reserved";
            out.violation("iec104-cause-reserved", says, "IEC 60870-5-101, 7.2.3");
        }
        let Some(kind) = types::of(asdu.kind) else {
            let says = "a type that is reserved";
            return out.violation("iec104-type-reserved", says, "IEC 60870-5-101, 7.2.1.1");
        };
        let Some(octets) = kind.octets else { return out.operation(bare(asdu, &kind)) };
        let (found, left) = objects(asdu, octets);
        if found.len() != usize::from(asdu.count) || left > 0 {
            let says = "not as many objects as the ASDU says";
            out.violation("iec104-objects-wrong", says, "IEC 60870-5-101, 7.2.2");
        }
        if kind.command {
            commands(asdu, &kind, &found, out);
        } else {
            self.station(asdu, out);
            monitored(asdu, &kind, &found, out);
        }
    }

    /// The station behind the sender, once for each common address.
    fn station(&mut self, asdu: &Asdu<'_>, out: &mut Output) {
        let address = asdu.common_address;
        if self.stations.len() < STATIONS_MAX && !self.stations.contains(&address) {
            self.stations.push(address);
            let facts = [("iec104_common_address", address.to_string())];
            out.identity(Subject::Sender, "IEC 104 ASDU", facts);
        }
    }
}

/// Where the next APDU may begin: a start octet is not enough, which is a letter as well.
fn next_apdu(segment: &Segment<'_>) -> Option<usize> {
    let hint = Hint { carrier: segment.carrier, port: true, from: segment.from, missing: 0 };
    let starts = segment.bytes.iter().enumerate().filter(|(_, octet)| **octet == START);
    let mut places = starts.map(|(at, _)| at);
    places.find(|at| {
        let head = segment.bytes.get(*at..).unwrap_or_default();
        IEC104.probe(head, hint) != Probe::NoMatch
    })
}

fn surplus(body: &[u8], out: &mut Output) {
    if !body.is_empty() {
        let says = "octets behind an APDU that has no data";
        out.violation("iec104-octets-surplus", says, "IEC 60870-5-104, 5.1");
    }
}

fn unnumbered(bits: u8, from: Side, out: &mut Output) {
    use OperationClass::Session;
    let number = u32::from(bits);
    let (word, op) = match bits {
        wire::STARTDT_ACT => ("STARTDT act", Op::request(Session, number, "start data transfer")),
        wire::STARTDT_CON => {
            ("STARTDT con", Op::response(Session, number, "start data transfer").done())
        }
        wire::STOPDT_ACT => ("STOPDT act", Op::request(Session, number, "stop data transfer")),
        wire::STOPDT_CON => {
            ("STOPDT con", Op::response(Session, number, "stop data transfer").done())
        }
        wire::TESTFR_ACT => ("TESTFR act", Op::request(Session, number, "test frame")),
        wire::TESTFR_CON => ("TESTFR con", Op::response(Session, number, "test frame").done()),
        _ => {
            let keys = [Scalar::Word("U"), Scalar::Number(u64::from(bits))];
            out.count(&APCI_GROUP, keys);
            let says = "none or several functions in an unnumbered APDU";
            return out.violation("iec104-u-format-invalid", says, "IEC 60870-5-104, 5.1");
        }
    };
    out.count(&APCI_GROUP, [Scalar::Word("U"), Scalar::Word(word)]);
    // Either end tests the connection (5.2); a client that confirms a test serves nothing by that.
    if (bits, from) != (wire::TESTFR_CON, Side::Client) {
        out.operation(op);
    }
}

/// An operation without its objects: direction and outcome by the cause.
fn bare(asdu: &Asdu<'_>, kind: &Type) -> Op {
    let (number, name) = (u32::from(asdu.kind), kind.name);
    let wants = kind.command || asks_for(asdu);
    let op = match asdu.cause {
        6 | 8 => Op::request(kind.class, number, name),
        5 if wants => Op::request(kind.class, number, name),
        7 | 9 | 10 if asdu.negative => {
            Op::response(kind.class, number, name).refused(1, "negative confirmation")
        }
        7 | 9 | 10 => Op::response(kind.class, number, name).done(),
        44..=47 => {
            let says = types::cause(asdu.cause).unwrap_or("refused");
            Op::response(kind.class, number, name).refused(u32::from(asdu.cause), says)
        }
        // Parameters that an interrogation brings are no change of them.
        5 | 20..=41 => Op::response(OperationClass::Read, number, name).done(),
        _ => Op::notice(kind.class, number, name),
    };
    op.unit(u32::from(asdu.common_address))
}

/// Types that only a station sends which wants a file, its directory or a log.
fn asks_for(asdu: &Asdu<'_>) -> bool {
    matches!(asdu.kind, 122 | 127)
}

fn commands(asdu: &Asdu<'_>, kind: &Type, found: &[Object<'_>], out: &mut Output) {
    let station = u32::from(asdu.common_address);
    if found.is_empty() {
        return out.operation(bare(asdu, kind));
    }
    for object in found.iter().take(COMMANDS_MAX) {
        let mut op = bare(asdu, kind).range("object", station, object.address, 1);
        if matches!(asdu.cause, 8 | 9) && op.class == OperationClass::Write {
            // What was selected or is under way is given up.
            (op.class, op.name) = (OperationClass::Session, "cancel");
        } else if values::selects(asdu.kind, object.element) {
            // A selection changes nothing yet; the execution that follows does.
            (op.class, op.name) = (OperationClass::Session, "select");
        }
        if values::resets_counters(asdu.kind, object.element) {
            (op.class, op.name) = (OperationClass::Write, "C_CI_NA_1 with reset");
        }
        let activates = asdu.cause == 6;
        let set = values::commanded(asdu.kind, object.element);
        let executes = op.class != OperationClass::Session;
        out.operation(op);
        if let (true, true, true, Some(value)) = (out.values_wanted, activates, executes, set)
            && asdu.kind != 103
        {
            let point = format!("{station}/{}", object.address);
            out.value(point, value, (None, Quality::Good));
        }
    }
}

fn monitored(asdu: &Asdu<'_>, kind: &Type, found: &[Object<'_>], out: &mut Output) {
    out.operation(bare(asdu, kind));
    if let (70, Some(object)) = (asdu.kind, found.first()) {
        let value = match object.element.first().map(|c| c & 0x7f) {
            Some(0) => "switched on locally",
            Some(1) => "reset locally",
            Some(2) => "reset remotely",
            _ => "initialised",
        };
        out.state(Subject::Sender, "restart", value);
    }
    if !out.values_wanted {
        return;
    }
    for object in found {
        if let Some((value, quality)) = values::monitored(asdu.kind, object.element) {
            let point = format!("{}/{}", asdu.common_address, object.address);
            let quality = if asdu.test { quality.max(Quality::Uncertain) } else { quality };
            out.value(point, value, (None, quality));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Carrier;

    #[test]
    fn an_apdu_behind_octets_that_are_none_is_found() {
        let bytes = [0xff, 0x68, 1, 0x68, 4, 0x43, 0, 0, 0];
        let segment = |at: usize| Segment::of(&bytes[at..], Side::Client, Carrier::Tcp);
        let (mut reader, mut out) = (Conversation::default(), Output::default());
        assert_eq!(reader.feed(segment(0), &mut out), Progress::Consumed(3));
        assert_eq!(reader.feed(segment(3), &mut out), Progress::Consumed(6));
        assert_eq!(out.messages.iter_mut().count(), 1);
    }
}
