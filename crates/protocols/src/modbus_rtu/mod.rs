//! Modbus RTU over TCP: frames of serial lines that gateways carry as they are.
//!
//! What the messages mean is read in [`crate::modbus`]. Not here: silence between frames, which a
//! stream does not have. Invariant: a frame ends where its checksum says so, never by a guess.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    modbus::{MODBUS_GROUP, dissect::Conversation},
};

pub struct ModbusRtu;
pub static MODBUS_RTU: ModbusRtu = ModbusRtu;

static ABOUT: About = About {
    name: "modbus_rtu",
    title: "Modbus RTU over TCP",
    specs: &[
        "Modbus over Serial Line V1.02, 2.5.1 (RTU transmission mode)",
        "Modbus Application Protocol V1.1b3",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[4_001, 8_899, 26],
    groups: &[&MODBUS_GROUP],
    depth: "as Modbus/TCP: functions, registers with values, exceptions, device identification",
};

/// Address, function and checksum (2.3).
const FRAME_OCTETS_MIN: usize = 4;
const FRAME_OCTETS_MAX: usize = 256;

impl Protocol for ModbusRtu {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let [unit, function, ..] = head else { return Probe::NoMatch };
        let known = matches!(function & 0x7f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43);
        if !known || *unit > 247 {
            return Probe::NoMatch;
        }
        match frame_octets(head) {
            // Elsewhere than on usual ports, the checksum must end exactly what was sent.
            Some(octets) if octets == head.len() || hint.port => {
                match is_plausible(head.get(..octets).unwrap_or_default()) {
                    true => Probe::Match,
                    false => Probe::NoMatch,
                }
            }
            None if hint.port && head.len() < FRAME_OCTETS_MAX => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Line>::default()
    }
}

/// Has the frame the length that its function gives it, as a request or as an answer?
fn is_plausible(frame: &[u8]) -> bool {
    let at = |index: usize| frame.get(index).copied().unwrap_or_default();
    let counted = |index: usize, more: usize| usize::from(at(index)).saturating_add(more);
    let quantity = u16::from_be_bytes([at(4), at(5)]);
    let length = frame.len();
    match at(1) {
        1 | 2 => (length == 8 && (1..=2_000).contains(&quantity)) || length == counted(2, 5),
        3 | 4 => (length == 8 && (1..=125).contains(&quantity)) || length == counted(2, 5),
        5 => length == 8 && matches!(quantity, 0 | 0xff00),
        6 | 8 => length == 8,
        7 => matches!(length, 4 | 5),
        11 => matches!(length, 4 | 8),
        15 | 16 => length == 8 || length == counted(6, 9),
        12 | 17 | 20 | 21 => length == 4 || length == counted(2, 5),
        22 => length == 10,
        23 => length == counted(10, 13) || length == counted(2, 5),
        24 => length == 6 || length == counted(3, 6),
        43 => length >= 7,
        exception => exception & 0x80 != 0 && length == 5,
    }
}

/// The shortest frame at the beginning of `bytes`: the checksum over a frame with its own
/// checksum is zero.
fn frame_octets(bytes: &[u8]) -> Option<usize> {
    let mut crc = 0xffff_u16;
    for (index, octet) in bytes.iter().take(FRAME_OCTETS_MAX).enumerate() {
        crc = step(crc, *octet);
        let octets = index.saturating_add(1);
        if crc == 0 && octets >= FRAME_OCTETS_MIN {
            return Some(octets);
        }
    }
    None
}

/// CRC-16 with the polynomial 0x8005, reflected (2.5.1.2).
fn step(crc: u16, octet: u8) -> u16 {
    (0..8).fold(crc ^ u16::from(octet), |crc, _| match crc & 1 {
        1 => crc >> 1 ^ 0xa001,
        _ => crc >> 1,
    })
}

#[derive(Default)]
struct Line {
    conversation: Conversation,
}

impl Dissector for Line {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let Some(octets) = frame_octets(bytes) else {
            return match bytes.len() >= FRAME_OCTETS_MAX {
                true => Progress::GiveUp(Malformed::new("modbus-rtu-checksum")),
                false => Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) },
            };
        };
        out.begin("modbus_rtu", 0..octets);
        let frame = bytes.get(..octets.saturating_sub(2)).unwrap_or_default();
        if let Some((unit, pdu)) = frame.split_first() {
            self.conversation.serial(*unit, pdu, segment.from, out);
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, gap: Gap) {
        self.conversation.gap(gap);
    }
}
