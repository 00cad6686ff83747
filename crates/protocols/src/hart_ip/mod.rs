//! HART-IP: sessions and the HART commands within, with what devices say they are and measure.
//!
//! Read `wire` for layouts, `names` for commands. Not here: HART over serial lines, wireless HART's
//! own network. Invariant: a device behind a gateway is a module of it.

mod names;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op, text,
};
use ::wire::Reader;
use model::{Bus, OperationClass as Class, Place, PointValue, Quality, Scalar, Subject};
use wire::{HEADER_OCTETS, Header, Pdu, packed_ascii};

pub static HART_IP_GROUP: Group =
    Group { name: "hart_ip", ends: Ends::Pair, keys: &["message_type", "message_id"] };

pub struct HartIp;
pub static HART_IP: HartIp = HartIp;

static ABOUT: About = About {
    name: "hart_ip",
    title: "HART-IP",
    specs: &[
        "HCF_SPEC-085 rev. 3 (network management: HART over TCP and UDP)",
        "HCF_SPEC-127 (universal commands), HCF_SPEC-151 (common practice commands)",
        "HCF_SPEC-081 (token-passing data link layer)",
    ],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[5_094],
    groups: &[&HART_IP_GROUP],
    depth: "sessions, all universal and common practice commands, identity, tags, variables with \
            units, writes by what they change",
};

impl Protocol for HartIp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Ok(header) = Header::parse(head) else {
            let possible = hint.port && head.first().is_none_or(|v| matches!(v, 1 | 2));
            return if possible && hint.carrier == Carrier::Tcp {
                Probe::NeedMore
            } else {
                Probe::NoMatch
            };
        };
        let datagram = hint.carrier != Carrier::Tcp;
        let whole = usize::from(header.length) == head.len().saturating_add(hint.missing);
        let fits = match datagram {
            true => whole && header.fits(head, hint.missing),
            false => header.fits(head, hint.missing) && (hint.port || header.is_certain()),
        };
        match (header.is_plausible() && fits, header.kind) {
            (false, _) => Probe::NoMatch,
            (true, 0) => Probe::MatchClient,
            (true, _) => Probe::MatchServer,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Session>::default()
    }
}

#[derive(Default)]
struct Session {
    /// The device that answered first is the host itself: an address it was polled by, and the
    /// long one that it then said.
    host: Option<(u64, Option<u64>)>,
}

impl Dissector for Session {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let datagram = segment.carrier != Carrier::Tcp;
        let Ok(header) = Header::parse(bytes) else {
            return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS };
        };
        if !header.is_plausible() {
            return Progress::GiveUp(Malformed::new("hart-ip-header-invalid"));
        }
        let octets = usize::from(header.length);
        let body = match bytes.get(HEADER_OCTETS..octets) {
            Some(body) => body,
            None if datagram => {
                out.begin("hart_ip", 0..bytes.len());
                if segment.missing == 0 {
                    let says = "a message longer than its datagram";
                    out.violation("hart-ip-length", says, "HCF_SPEC-085, 9.3");
                }
                bytes.get(HEADER_OCTETS..).unwrap_or_default()
            }
            None => return Progress::NeedMore { consumed: 0, needed: octets },
        };
        out.begin("hart_ip", 0..octets.min(bytes.len()));
        let (kind, id) = (u64::from(header.kind), u64::from(header.id));
        // The reference dissector (Wireshark 4.0) knows no later messages than pass-through, so
        // the others are read, not counted.
        if header.id <= 3 {
            out.count(&HART_IP_GROUP, [Scalar::Number(kind), Scalar::Number(id)]);
        }
        match header.id {
            3 => self.hart(&header, body, out),
            4 => self.direct(&header, body, out),
            id => session(&header, id, out),
        }
        Progress::Consumed(octets.min(bytes.len()))
    }

    fn gap(&mut self, _: Gap) {}

    // The header.
    fn counted_by(&self) -> usize {
        8
    }
}

fn session(header: &Header, id: u8, out: &mut Output) {
    let (class, name) = match id {
        0 => (Class::Session, "session initiate"),
        1 => (Class::Session, "session close"),
        2 => (Class::Session, "keep alive"),
        5 => (Class::Diagnose, "read audit log"),
        128 => (Class::Browse, "discovery"),
        _ => (Class::Other, "undefined message"),
    };
    let function = u32::from(id);
    out.operation(match header.kind {
        0 => Op::request(class, function, name),
        2 => Op::notice(class, function, name),
        _ if header.status & 0x80 == 0 && header.status != 0 => {
            Op::response(class, function, name).refused(header.status.into(), "session error")
        }
        _ => Op::response(class, function, name).done(),
    });
}

impl Session {
    fn hart(&mut self, header: &Header, body: &[u8], out: &mut Output) {
        let Ok(pdu) = Pdu::parse(body) else {
            let says = "a HART command shorter than its byte count";
            return out.violation("hart-too-short", says, "HCF_SPEC-081, 5.1");
        };
        let answer = header.kind != 0;
        let (command, data) = pdu.command(answer);
        let (class, name) = names::command(command);
        let function = u32::from(command);
        let device = u32::try_from(pdu.address & 0x00ff_ffff).unwrap_or_default();
        if !answer {
            return out.operation(Op::request(class, function, name).unit(device));
        }
        let op = match header.kind {
            2 => Op::notice(Class::Report, function, name),
            _ => Op::response(class, function, name),
        };
        let (status, op) = match data {
            // Bit 7: what failed was the communication (HCF_SPEC-307).
            [code, ..] if code & 0x80 != 0 => (1, op.refused(u32::from(*code), "line error")),
            [0, ..] => (0, op.done()),
            // Warnings: the command was carried out all the same.
            [code @ (8 | 14 | 24..=27 | 30 | 31 | 96..=111 | 112..=127), ..] => (
                0,
                Op { outcome: model::Outcome::Done, ..op.range("warning", 0, (*code).into(), 1) },
            ),
            [code, ..] => (1, op.refused(u32::from(*code), names::response(*code))),
            [] => (1, op),
        };
        out.operation(op.unit(device));
        let Some((_, data)) = data.split_first_chunk::<2>() else { return };
        if status == 0 {
            let subject = self.subject(pdu.address, long_address(command, data));
            answered(command, data, subject, out);
            if out.values_wanted {
                values(command, data, device, out);
            }
        }
    }

    /// A direct PDU: two octets of device status, then commands one behind the other, each with
    /// a number of two octets; an answer's data begins with its response code.
    fn direct(&mut self, header: &Header, body: &[u8], out: &mut Output) {
        const COMMANDS_MAX: usize = 32;
        let mut r = Reader::new(body.get(2..).unwrap_or_default());
        for _ in 0..COMMANDS_MAX {
            let (Ok(command), Ok(length)) = (r.be16(), r.u8()) else { break };
            let Ok(data) = r.bytes(usize::from(length)) else {
                let says = "a HART command shorter than its byte count";
                return out.violation("hart-too-short", says, "HCF_SPEC-085, direct PDU");
            };
            let (class, name) = names::command(command);
            let function = u32::from(command);
            match (header.kind, data) {
                (0, _) => out.operation(Op::request(class, function, name)),
                (_, [0, data @ ..]) => {
                    out.operation(Op::response(class, function, name).done());
                    answered(command, data, Subject::Sender, out);
                    if out.values_wanted {
                        values(command, data, 0, out);
                    }
                }
                (_, [code, ..]) => {
                    let op = Op::response(class, function, name);
                    out.operation(op.refused(u32::from(*code), names::response(*code)));
                }
                (_, []) => out.operation(Op::response(class, function, name)),
            }
        }
    }

    fn subject(&mut self, address: u64, said: Option<u64>) -> Subject {
        let host = self.host.get_or_insert((address, None));
        if host.0 == address {
            host.1 = said.or(host.1);
        }
        if host.0 == address || host.1 == Some(address) {
            return Subject::Sender;
        }
        Subject::BehindSender(Place::Station { bus: Bus::Hart, number: address })
    }
}

/// The long address that an answer to command 0 makes: type of the device and its number
/// (HCF_SPEC-081, 5.2).
fn long_address(command: u16, data: &[u8]) -> Option<u64> {
    match (command, data) {
        (0, [254, type_high, type_low, _, _, _, _, _, _, a, b, c, ..]) => {
            Some(u64::from_be_bytes([0, 0, 0, type_high & 0x3f, *type_low, *a, *b, *c]))
        }
        _ => None,
    }
}

/// What devices say of themselves; `data` behind response code and status.
fn answered(command: u16, data: &[u8], subject: Subject, out: &mut Output) {
    match (command, data) {
        (0 | 11 | 21 | 73 | 74 | 75, data) => device(data, subject, out),
        (13, data) => {
            let (Some(tag), Some(descriptor)) = (data.get(..6), data.get(6..18)) else { return };
            let facts = [("name", packed_ascii(tag)), ("description", packed_ascii(descriptor))];
            out.identity(subject, "command 13", facts);
        }
        (12, data) => {
            let message = packed_ascii(data.get(..24).unwrap_or(data));
            out.identity(subject, "command 12", [("hart_message", message)]);
        }
        (20, data) => {
            let tag = text::lossy(data.get(..32).unwrap_or(data));
            out.identity(subject, "command 20", [("name", tag)]);
        }
        (16, [a, b, c, ..]) => {
            let number = u32::from_be_bytes([0, *a, *b, *c]).to_string();
            out.identity(subject, "command 16", [("final_assembly", number)]);
        }
        (76, [lock, ..]) => {
            let value = if lock & 1 != 0 { "locked" } else { "unlocked" };
            out.state(subject, "protection", value);
        }
        _ => {}
    }
}

/// Identity command (HCF_SPEC-127, command 0): devices up to revision 5 have manufacturer and
/// type of one octet each, later ones a type of two and the manufacturer further back.
fn device(data: &[u8], subject: Subject, out: &mut Output) {
    let [254, type_high, type_low, _, universal, device, software, hardware, _, a, b, c, ..] = data
    else {
        return;
    };
    let manufacturer = match (*universal >= 7, data.get(17..19)) {
        (true, Some([high, low])) => u16::from_be_bytes([*high, *low]),
        _ => u16::from(*type_high),
    };
    let vendor = names::manufacturer(manufacturer).unwrap_or_default();
    let serial = u32::from_be_bytes([0, *a, *b, *c]);
    let kind = u16::from_be_bytes([*type_high, *type_low]);
    let facts = [
        ("vendor", vendor.to_owned()),
        ("vendor_id", format!("0x{manufacturer:04x}")),
        ("device_type", format!("0x{kind:04x}")),
        ("serial", serial.to_string()),
        ("firmware", software.to_string()),
        ("hardware", (hardware >> 3).to_string()),
        ("hart_revision", universal.to_string()),
        ("device_revision", device.to_string()),
    ];
    out.identity(subject, "command 0", facts);
}

/// Variables with the unit they come with (commands 1, 2, 3, 9, 33, 110).
fn values(command: u16, data: &[u8], device: u32, out: &mut Output) {
    let mut tell = |what: &str, unit: Option<u8>, octets: Option<&[u8; 4]>, quality| {
        let Some(octets) = octets else { return };
        let value = f32::from_be_bytes(*octets);
        if value.is_finite() {
            let unit = unit.and_then(names::unit);
            let value = PointValue::Float(f64::from(value));
            out.value(format!("{device}/{what}"), value, (unit, quality));
        }
    };
    const NAMES: [&str; 4] = ["primary", "secondary", "tertiary", "quaternary"];
    match (command, data) {
        (1, [unit, rest @ ..]) => {
            tell("primary", Some(*unit), rest.first_chunk(), Quality::Good);
        }
        (2, data) => {
            tell("current", Some(39), data.first_chunk(), Quality::Good);
            let percent = data.get(4..).and_then(<[u8]>::first_chunk);
            tell("percent", Some(57), percent, Quality::Good);
        }
        (3, data) => {
            tell("current", Some(39), data.first_chunk(), Quality::Good);
            let variables = data.get(4..).unwrap_or_default();
            for (name, variable) in NAMES.iter().zip(variables.chunks_exact(5)) {
                let unit = variable.first().copied();
                let value = variable.get(1..).and_then(<[u8]>::first_chunk);
                tell(name, unit, value, Quality::Good);
            }
        }
        (33, slots) => {
            for slot in slots.chunks_exact(6).take(4) {
                let [code, unit, a, b, c, d] = *slot else { continue };
                let octets = [a, b, c, d];
                tell(&format!("variable/{code}"), Some(unit), Some(&octets), Quality::Good);
            }
        }
        (110, variables) => {
            for (name, variable) in NAMES.iter().zip(variables.chunks_exact(5)) {
                let unit = variable.first().copied();
                let value = variable.get(1..).and_then(<[u8]>::first_chunk);
                tell(name, unit, value, Quality::Good);
            }
        }
        (9, [_, slots @ ..]) => {
            for slot in slots.chunks_exact(8).take(8) {
                let [code, _, unit, a, b, c, d, status] = *slot else { continue };
                let quality = match status >> 6 {
                    3 => Quality::Good,
                    0 => Quality::Bad,
                    _ => Quality::Uncertain,
                };
                tell(&format!("variable/{code}"), Some(unit), Some(&[a, b, c, d]), quality);
            }
        }
        _ => {}
    }
}
