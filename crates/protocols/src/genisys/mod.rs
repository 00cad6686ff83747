//! Genisys: interlockings and their office, with indications and controls byte by byte.
//!
//! A serial protocol of Union Switch & Signal, carried over TCP. Not here: its serial framing at
//! other speeds, ATCS. Invariant: an escaped octet counts as one in address, data and checksum.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op,
};
use model::{OperationClass as Class, PointValue, Quality};
use std::borrow::Cow;

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
struct Message<'a> {
    header: u8,
    /// Station, data, checksum.
    plain: Cow<'a, [u8]>,
    /// Octets of checksum at the end of `plain`.
    sum_octets: usize,
    sum_right: Option<bool>,
}

impl<'a> Message<'a> {
    /// `bytes` up to and with the end octet.
    fn parse(bytes: &'a [u8]) -> Option<Message<'a>> {
        let [header, rest @ .., END] = bytes else { return None };
        let plain = match rest.contains(&ESCAPE) {
            true => Cow::Owned(unescaped(rest)),
            false => Cow::Borrowed(rest),
        };
        let header = *header;
        let summed = plain.split_last_chunk::<2>();
        let bare = header == 0xf1 || (header == 0xfb && plain.len() < 3);
        if bare {
            let whole = !plain.is_empty();
            return whole.then_some(Message { header, plain, sum_octets: 0, sum_right: None });
        }
        let (before, sum) = summed?;
        let station_there = !before.is_empty();
        let all = std::iter::once(&header).chain(before);
        let sum_right = Some(checksum(all) == u16::from_le_bytes(*sum));
        station_there.then_some(Message { header, plain, sum_octets: 2, sum_right })
    }

    fn station(&self) -> u8 {
        self.plain.first().copied().unwrap_or_default()
    }

    fn data(&self) -> &[u8] {
        let end = self.plain.len().saturating_sub(self.sum_octets);
        self.plain.get(1..end).unwrap_or_default()
    }
}

/// Octets above the escape come as the escape and their low half.
fn unescaped(octets: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(octets.len());
    let mut escaped = false;
    for octet in octets {
        match (escaped, *octet) {
            (false, ESCAPE) => {
                escaped = true;
                continue;
            }
            (true, octet @ 0..=0x0f) => plain.push(ESCAPE | octet),
            // Some senders leave 0xf0 itself as it is.
            (true, octet) => plain.extend([ESCAPE, octet]),
            (false, octet) => plain.push(octet),
        }
        escaped = false;
    }
    if escaped {
        plain.push(ESCAPE);
    }
    plain
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

fn read(kind: Kind, message: &Message<'_>, out: &mut Output) {
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
    let station = u32::from(message.station());
    // Polls and recalls carry a control octet instead of pairs.
    let pairs = match kind {
        Kind::Indication | Kind::Checkback | Kind::CommonControl | Kind::Control => message.data(),
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
        assert_eq!((message.sum_right, message.data().len()), (Some(true), 0));
    }

    #[test]
    fn an_escaped_octet_is_one() {
        let message = Message::parse(&[0xf1, 0xf0, 0x05, 0xf6]).expect("an acknowledgement");
        assert_eq!(message.station(), 0xf5);
    }
}
