//! Emerson ROC and ROC Plus: flow computers and remote controllers of oil and gas fields.
//!
//! Not here: the ROC protocol's own point layouts beyond parameters. Invariant: a message counts
//! only with its checksum, so the probe needs no port.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, text,
};
use model::{Authentication, OperationClass as Class, PointValue, Quality, Subject};
use wire::{Reader, Short};

pub struct RocPlus;
pub static ROC_PLUS: RocPlus = RocPlus;

static ABOUT: About = About {
    name: "roc_plus",
    title: "Emerson ROC and ROC Plus",
    specs: &["Emerson D301180X012, ROC Plus Protocol Specifications Manual (October 2022)"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[4_000],
    groups: &[],
    depth: "all opcodes; log-on, parameters written and read with values, clock, files, logs; \
            kind of controller, refusals",
};

const HEADER_OCTETS: usize = 6;
const CHECKSUM_OCTETS: usize = 2;

impl Protocol for RocPlus {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match Message::parse(head) {
            Ok(message) if !message.sum_right || opcode(message.opcode).is_none() => Probe::NoMatch,
            // Without data it may as well be a request of Modbus RTU.
            Ok(message) if message.data.is_empty() && !hint.port => Probe::NoMatch,
            Ok(message) if message.opcode == 255 => Probe::MatchServer,
            Ok(_) => Probe::Match,
            Err(_) if hint.port && hint.carrier == Carrier::Tcp => {
                match head.get(4).is_none_or(|code| opcode(*code).is_some()) {
                    true => Probe::NeedMore,
                    false => Probe::NoMatch,
                }
            }
            Err(_) => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Conversation { told: false })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Unit and group of the receiver and of the sender.
    pub destination: [u8; 2],
    pub source: [u8; 2],
    pub opcode: u8,
    pub data: &'a [u8],
    pub sum_right: bool,
    octets: usize,
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (destination, source) = (r.array()?, r.array()?);
        let (opcode, length) = (r.u8()?, usize::from(r.u8()?));
        let data = r.bytes(length)?;
        let octets = r.position().saturating_add(CHECKSUM_OCTETS);
        let summed = bytes.get(..r.position()).unwrap_or_default();
        let sum_right = checksum(summed) == r.le16()?;
        Ok(Message { destination, source, opcode, data, sum_right, octets })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = [self.destination, self.source].concat();
        out.extend([self.opcode, self.data.len() as u8]);
        out.extend(self.data);
        out.extend(checksum(&out).to_le_bytes());
        out
    }
}

/// CRC-16 with the polynomial 0x8005, reflected, from all ones (the manual, 1.3).
///
/// It is that of Modbus RTU, so messages without data can be either.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, octet| {
        (0..8).fold(crc ^ u16::from(*octet), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xa001,
            _ => crc >> 1,
        })
    })
}

/// Opcodes of ROC Plus and those the ROC protocol adds.
const fn opcode(number: u8) -> Option<(Class, &'static str)> {
    Some(match number {
        0 => (Class::Read, "send configuration and I/O data"),
        2 => (Class::Read, "read inputs and outputs"),
        6 => (Class::Diagnose, "system configuration"),
        7 => (Class::Diagnose, "read real-time clock"),
        8 => (Class::TimeSync, "set real-time clock"),
        10 => (Class::Read, "read configurable opcode point data"),
        11 => (Class::Write, "write configurable opcode point data"),
        17 => (Class::Authenticate, "log-on"),
        18 | 19 => (Class::Configure, "reset or set counters"),
        24 => (Class::Other, "store and forward"),
        50 => (Class::Diagnose, "I/O point position"),
        100 => (Class::Diagnose, "access user-defined information"),
        103 => (Class::Diagnose, "send system information"),
        105 => (Class::Read, "history minimum and maximum values"),
        107 | 108 => (Class::Browse, "history tag and periodic index"),
        118 => (Class::Diagnose, "alarm data"),
        119 => (Class::Diagnose, "event data"),
        120..=122 => (Class::Diagnose, "alarm, event and audit pointers"),
        126 | 128 | 130 | 165 => (Class::Read, "history data"),
        135 => (Class::Read, "single history point data"),
        136 => (Class::Read, "multiple history point data"),
        137 => (Class::Read, "history index"),
        138 => (Class::Read, "daily and periodic history"),
        139 => (Class::Read, "history information"),
        166 => (Class::Write, "set single point parameters"),
        167 => (Class::Read, "single point parameters"),
        180 => (Class::Read, "request parameters"),
        181 => (Class::Write, "write parameters"),
        203 => (Class::File, "general file transfer"),
        205 => (Class::Other, "peer-to-peer network message"),
        206 => (Class::Read, "transaction history"),
        224 => (Class::Report, "report by exception"),
        225 => (Class::Session, "acknowledge report by exception"),
        255 => (Class::Other, "error"),
        _ => return None,
    })
}

struct Conversation {
    told: bool,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let stream = segment.carrier == Carrier::Tcp;
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(_) if stream => {
                let length = bytes.get(5).map_or(0, |l| usize::from(*l));
                let whole = HEADER_OCTETS.saturating_add(length).saturating_add(CHECKSUM_OCTETS);
                let needed = whole.max(bytes.len().saturating_add(1));
                return Progress::NeedMore { consumed: 0, needed };
            }
            Err(_) => return Progress::GiveUp(Malformed::new("roc-message-cut-short")),
        };
        if !message.sum_right && segment.after_gap {
            return Progress::GiveUp(Malformed::new("roc-checksum"));
        }
        out.begin("roc_plus", 0..message.octets);
        if !message.sum_right {
            let says = "a message whose checksum is wrong";
            out.violation("roc-checksum", says, "ROC Plus manual, 1.3");
        }
        self.message(&message, segment.from, out);
        Progress::Consumed(message.octets)
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    fn message(&mut self, message: &Message<'_>, from: Side, out: &mut Output) {
        let Some((class, name)) = opcode(message.opcode) else {
            let says = "an opcode that the manual does not define";
            return out.violation("roc-opcode-undefined", says, "ROC Plus manual, 2");
        };
        let function = u32::from(message.opcode);
        let group = |[unit, group]: [u8; 2]| u32::from(group) << 8 | u32::from(unit);
        if from == Side::Server {
            let op = Op::response(class, function, name).unit(group(message.source));
            out.operation(match (message.opcode, message.data) {
                (255, [code, opcode, ..]) => {
                    let (class, name) = self::opcode(*opcode).unwrap_or((class, name));
                    Op { class, name, ..op }.refused(u32::from(*code), refusal(*code))
                }
                (224, _) => Op { direction: model::Direction::Notice, ..op },
                _ => op.done(),
            });
            self.answer(message, out);
            return;
        }
        let op = Op::request(class, function, name).unit(group(message.destination));
        let op = match (message.opcode, message.data) {
            // Point type, number of the point, count of parameters, first parameter.
            (166 | 167, [kind, logical, count, first, ..]) => {
                let block = u32::from(*kind) << 8 | u32::from(*logical);
                op.range("parameter", block, u32::from(*first), u32::from(*count))
            }
            // Count, then type, logical number, parameter of each.
            (180 | 181, [count, kind, logical, first, ..]) => {
                let block = u32::from(*kind) << 8 | u32::from(*logical);
                op.range("parameter", block, u32::from(*first), u32::from(*count))
            }
            (203, [command, ..]) => file(op, *command, message.data),
            _ => op,
        };
        out.operation(op);
        if message.opcode == 17 {
            log_on(message.data, out);
        }
    }

    fn answer(&mut self, message: &Message<'_>, out: &mut Output) {
        match (message.opcode, message.data) {
            // Mode, port, security mode, compatibility, revision, subtype, reserved, type.
            (6, [mode, _, _, security, _, _, _, _, _, _, _, _, _, _, _, _, _, _, kind, ..]) => {
                let mode = match mode {
                    0 => "firmware update",
                    _ => "run",
                };
                out.state(Subject::Sender, "mode", mode);
                if !std::mem::replace(&mut self.told, true) {
                    let model = match kind {
                        1 => "ROCPAC ROC300",
                        2 => "FloBoss 407",
                        3 => "FlashPAC ROC300",
                        4 => "FloBoss 503",
                        5 => "FloBoss 504",
                        6 => "ROC800",
                        11 => "DL8000",
                        _ => "",
                    };
                    let facts = [
                        ("vendor", "Emerson Remote Automation Solutions".to_owned()),
                        ("model", model.to_owned()),
                        ("roc_security_mode", security.to_string()),
                    ];
                    out.identity(Subject::Sender, "system configuration", facts);
                }
            }
            (167, [kind, logical, count, first, data @ ..]) if out.values_wanted => {
                // One parameter of four octets is a number of single precision in all point
                // types that measure; of others the type is in the configuration.
                if let (1, Some(octets)) = (count, data.first_chunk::<4>())
                    && data.len() == 4
                {
                    let value = f32::from_le_bytes(*octets);
                    if value.is_finite() {
                        let point = format!("{kind}.{logical}.{first}");
                        let value = PointValue::Float(f64::from(value));
                        out.value(point, value, (None, Quality::Uncertain));
                    }
                }
            }
            _ => {}
        }
    }
}

/// General file transfer (the manual, table 2-27).
fn file(op: Op, command: u8, data: &[u8]) -> Op {
    let (class, name) = match command {
        1 => (Class::File, "file open"),
        2 => (Class::File, "file read"),
        3 => (Class::File, "file write"),
        4 => (Class::File, "file close"),
        5 | 6 => (Class::File, "file delete or directory"),
        _ => (Class::Browse, "read directory"),
    };
    let runs = data.split(|b| !(0x20..0x7f).contains(b));
    let path = runs.filter(|run| run.len() >= 3).map(text::lossy).take(2);
    let path: Vec<String> = path.collect();
    let op = Op { class, name, ..op };
    if path.is_empty() { op } else { op.named("file", &path.join("/")) }
}

/// Three letters of operator and a number, or in the enhanced form two texts of 30 characters.
fn log_on(data: &[u8], out: &mut Output) {
    let user = match data {
        [_, rest @ ..] if data.len() > 24 => rest.get(..30).unwrap_or(rest),
        data => data.get(..3).unwrap_or(data),
    };
    let user: Vec<u8> = user.iter().copied().take_while(|b| (0x21..0x7f).contains(b)).collect();
    out.authentication(Authentication {
        user: (!user.is_empty()).then(|| text::lossy(&user).into()),
        accepted: None,
        clear_text: true,
        // What units are shipped with: operator LOI, password 1000.
        default_password: data.starts_with(b"LOI\xe8\x03"),
        method: "roc log-on",
    });
}

/// Error codes of opcode 255 (the manual, table 2-33).
const fn refusal(code: u8) -> &'static str {
    match code {
        1 => "invalid opcode request",
        2 => "invalid parameter number",
        3 => "invalid logical number or point number",
        4 => "invalid point type",
        5 => "too many data bytes",
        6 => "too few data bytes",
        12 => "obsolete",
        13 => "outside valid address range",
        14 => "invalid history request",
        20 => "invalid security level",
        21 => "invalid number",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            destination: [u8; 2],
            source: [u8; 2],
            opcode: u8,
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let octets = data.len() + 8;
            let message =
                Message { destination, source, opcode, data: &data, sum_right: true, octets };
            let bytes = message.emit();
            prop_assert_eq!(Message::parse(&bytes), Ok(message));
        }
    }
}
