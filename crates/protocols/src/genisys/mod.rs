//! Genisys: interlockings and their office, with indications and controls byte by byte.
//!
//! A serial protocol of Union Switch & Signal, carried over TCP. Not here: its serial framing at
//! other speeds, ATCS. Invariant: an escaped octet counts as one in address, data and checksum.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op,
};
use model::{OperationClass as Class, PointValue, Quality};

pub struct Genisys;
pub static GENISYS: Genisys = Genisys;

static ABOUT: About = About {
    name: "genisys",
    title: "Genisys",
    specs: &[
        "Union Switch & Signal, Genisys protocol, as described for the dissector proposed in \
         Wireshark issue 3422",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[10_001],
    groups: &[],
    depth: "all headers, station, checksum; indication and control bytes by address",
};

const ESCAPE: u8 = 0xf0;
const END: u8 = 0xf6;
/// 32 bytes of data with their addresses, all escaped, and what stands around them.
const MESSAGE_OCTETS_MAX: usize = 1_100;

impl Protocol for Genisys {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Some(kind) = head.first().and_then(|b| Kind::from_octet(*b)) else {
            return Probe::NoMatch;
        };
        let Some(end) = head.iter().take(MESSAGE_OCTETS_MAX).position(|b| *b == END) else {
            let waiting = hint.port && head.len() < MESSAGE_OCTETS_MAX;
            return if waiting { Probe::NeedMore } else { Probe::NoMatch };
        };
        let Some(message) = Message::parse(head.get(..=end).unwrap_or_default()) else {
            return Probe::NoMatch;
        };
        // An acknowledgement has no checksum, so without one it says little.
        match (message.sum_right, kind.answers()) {
            (Some(false), _) => Probe::NoMatch,
            (Some(true), true) => Probe::MatchServer,
            (Some(true), false) => Probe::MatchClient,
            (None, true) if hint.port => Probe::MatchServer,
            (None, false) if hint.port => Probe::MatchClient,
            (None, _) => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Line)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Acknowledge,
    Indication,
    Checkback,
    CommonControl,
    AcknowledgeAndPoll,
    Poll,
    Control,
    Recall,
    Execute,
}

impl Kind {
    const fn from_octet(octet: u8) -> Option<Kind> {
        Some(match octet {
            0xf1 => Kind::Acknowledge,
            0xf2 => Kind::Indication,
            0xf3 => Kind::Checkback,
            0xf9 => Kind::CommonControl,
            0xfa => Kind::AcknowledgeAndPoll,
            0xfb => Kind::Poll,
            0xfc => Kind::Control,
            0xfd => Kind::Recall,
            0xfe => Kind::Execute,
            _ => return None,
        })
    }

    const fn answers(self) -> bool {
        matches!(self, Kind::Acknowledge | Kind::Indication | Kind::Checkback)
    }

    const fn meaning(self) -> (Class, &'static str) {
        match self {
            Kind::Acknowledge => (Class::Session, "acknowledge"),
            Kind::Indication => (Class::Report, "indication data"),
            Kind::Checkback => (Class::Write, "control data checkback"),
            Kind::CommonControl => (Class::Write, "common control data"),
            Kind::AcknowledgeAndPoll => (Class::Read, "acknowledge indication and poll"),
            Kind::Poll => (Class::Read, "poll"),
            Kind::Control => (Class::Write, "control data"),
            Kind::Recall => (Class::Read, "recall"),
            Kind::Execute => (Class::Write, "execute controls"),
        }
    }
}

/// A message without escapes: header, station, data, and whether its checksum is right.
struct Message {
    header: u8,
    station: u8,
    data: Vec<u8>,
    sum_right: Option<bool>,
}

impl Message {
    /// `bytes` up to and with the end octet.
    fn parse(bytes: &[u8]) -> Option<Message> {
        let [header, rest @ .., END] = bytes else { return None };
        let mut plain = Vec::with_capacity(rest.len());
        let mut escaped = false;
        for octet in rest {
            match (escaped, *octet) {
                (false, ESCAPE) => escaped = true,
                (true, octet) => {
                    plain.push(ESCAPE | octet);
                    escaped = false;
                }
                (false, octet) => plain.push(octet),
            }
        }
        let (station, rest) = plain.split_first()?;
        let bare = *header == 0xf1 || (*header == 0xfb && rest.len() < 2);
        if bare {
            let data = Vec::new();
            return Some(Message { header: *header, station: *station, data, sum_right: None });
        }
        let (data, sum) = rest.split_last_chunk::<2>()?;
        let all = std::iter::once(header).chain(std::iter::once(station)).chain(data);
        let sum_right = Some(checksum(all) == u16::from_le_bytes(*sum));
        Some(Message { header: *header, station: *station, data: data.to_vec(), sum_right })
    }
}

/// CRC-16 with the polynomial 0x8005, reflected, from all ones.
fn checksum<'a>(octets: impl Iterator<Item = &'a u8>) -> u16 {
    octets.fold(0xffff, |crc, octet| {
        (0..8).fold(crc ^ u16::from(*octet), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xa001,
            _ => crc >> 1,
        })
    })
}

struct Line;

impl Dissector for Line {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let Some(kind) = bytes.first().and_then(|b| Kind::from_octet(*b)) else {
            return match bytes.is_empty() {
                true => Progress::NeedMore { consumed: 0, needed: 1 },
                false => Progress::GiveUp(Malformed::new("genisys-header-unknown")),
            };
        };
        let Some(end) = bytes.iter().position(|b| *b == END) else {
            return match bytes.len() > MESSAGE_OCTETS_MAX {
                true => Progress::GiveUp(Malformed::new("genisys-message-without-end")),
                false => Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) },
            };
        };
        let octets = end.saturating_add(1);
        out.begin("genisys", 0..octets);
        match Message::parse(bytes.get(..octets).unwrap_or_default()) {
            Some(message) => read(kind, &message, out),
            None => {
                let says = "a message without station or checksum";
                out.violation("genisys-too-short", says, "Genisys, message format");
            }
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {}
}

fn read(kind: Kind, message: &Message, out: &mut Output) {
    if message.sum_right == Some(false) {
        let says = "a message whose checksum is wrong";
        out.violation("genisys-checksum", says, "Genisys, message format");
    }
    let (class, name) = kind.meaning();
    let function = u32::from(message.header);
    let op = match kind.answers() {
        true => Op::response(class, function, name).done(),
        false => Op::request(class, function, name),
    };
    let station = u32::from(message.station);
    // Polls and recalls carry a control octet instead of pairs.
    let pairs = match kind {
        Kind::Indication | Kind::Checkback | Kind::CommonControl | Kind::Control => {
            message.data.as_slice()
        }
        _ => &[],
    };
    let count = u32::try_from(pairs.len() >> 1).unwrap_or_default();
    out.operation(match pairs.first() {
        Some(first) => op.range("byte", 0, u32::from(*first), count).unit(station),
        None => op.unit(station),
    });
    if !out.values_wanted || matches!(kind, Kind::Checkback) {
        return;
    }
    let what = if kind == Kind::Indication { "indication" } else { "control" };
    for pair in pairs.chunks_exact(2) {
        // Addresses from 0xe0 on are modes of the station, not data.
        if let [address @ 0..=0xdf, value] = *pair {
            let point = format!("{station}/{what}/{address}");
            out.value(point, PointValue::Unsigned(u64::from(value)), (None, Quality::Good));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_has_the_checksum_that_field_units_expect() {
        let message = Message::parse(&[0xfb, 0x01, 0x83, 0x40, 0xf6]).expect("a poll");
        assert_eq!((message.sum_right, message.data.len()), (Some(true), 0));
    }

    #[test]
    fn an_escaped_octet_is_one() {
        let message = Message::parse(&[0xf1, 0xf0, 0x05, 0xf6]).expect("an acknowledgement");
        assert_eq!(message.station, 0xf5);
    }
}
