//! Bristol BSAP over UDP: signals of ControlWave and 33xx controllers by name, address and list.
//!
//! Not here: BSAP on serial lines. Invariant: an answer is understood through the request of its
//! sequence number, or only told.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use model::{OperationClass as Class, PointValue, Quality, Subject};
use std::collections::VecDeque;
use wire::{Reader, Short};

pub struct Bsap;
pub static BSAP: Bsap = Bsap;

static ABOUT: About = About {
    name: "bsap",
    title: "Bristol BSAP over IP",
    specs: &[
        "Emerson D301401X012, BSAP Communications Application Programmer's Reference; its form \
         over UDP as cisagov/icsnpp-bsap describes it",
    ],
    carriers: &[Carrier::Udp],
    ports: &[1_234, 1_235],
    groups: &[],
    depth: "remote database reads and writes by signal name with values, lists, clock, resets",
};

/// Octets before the length of the first function.
const HEADER_OCTETS: u16 = 14;
const PENDING_MAX: usize = 16;
/// Signals of one message that are told.
const SIGNALS_MAX: usize = 64;

impl Protocol for Bsap {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Ok(message) = Message::parse(head) else { return Probe::NoMatch };
        match (message.is_plausible(head.len()), message.kind, message.count) {
            (false, ..) => Probe::NoMatch,
            // A bare acknowledgement is little to go by.
            (true, _, 0) if !hint.port => Probe::NoMatch,
            (true, 5, _) => Probe::MatchServer,
            (true, 0, 0) => Probe::Match,
            (true, ..) => Probe::MatchClient,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Functions within.
    pub count: u16,
    /// 5 answer, 6 request; 0 with no function is an acknowledgement.
    pub kind: u16,
    pub sequence: u32,
    pub acknowledged: u32,
    pub body: Option<Body<'a>>,
}

/// One function: its own sequence number and what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Body<'a> {
    pub length: u32,
    pub sequence: u32,
    /// Function of a request; status of an answer.
    pub code: u8,
    pub data: &'a [u8],
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, Short> {
        let mut r = Reader::new(bytes);
        if r.le16()? != HEADER_OCTETS {
            return Err(Short { needed: 1 });
        }
        let (count, kind) = (r.le16()?, r.le16()?);
        let (sequence, acknowledged) = (r.le32()?, r.le32()?);
        let mut body = None;
        if count > 0 {
            let length = r.le32()?;
            r.skip(1)?;
            let (sequence, code) = (r.le32()?, r.u8()?);
            body = Some(Body { length, sequence, code, data: r.rest() });
        }
        Ok(Message { count, kind, sequence, acknowledged, body })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = HEADER_OCTETS.to_le_bytes().to_vec();
        out.extend(self.count.to_le_bytes());
        out.extend(self.kind.to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.extend(self.acknowledged.to_le_bytes());
        if let Some(body) = self.body {
            out.extend(body.length.to_le_bytes());
            out.push(0x0c);
            out.extend(body.sequence.to_le_bytes());
            out.push(body.code);
            out.extend(body.data);
        }
        out
    }

    fn is_plausible(&self, octets: usize) -> bool {
        let header = usize::from(HEADER_OCTETS);
        match self.body {
            None => self.kind == 0 && octets == header,
            Some(body) => {
                let length = usize::try_from(body.length).unwrap_or(usize::MAX);
                let whole = header.saturating_add(length) == octets;
                self.count <= 16 && matches!(self.kind, 5 | 6 | 0x84 | 0x86) && whole
            }
        }
    }
}

#[derive(Default)]
struct Conversation {
    asked: VecDeque<Asked>,
    told: bool,
}

struct Asked {
    sequence: u32,
    class: Class,
    name: &'static str,
    function: u32,
    signals: Vec<String>,
    /// Octets behind each value, by the field selectors of the request.
    added: Option<usize>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("bsap", 0..bytes.len());
        match Message::parse(bytes) {
            Ok(Message { body: None, .. }) => {}
            Ok(Message { kind: 5, body: Some(body), .. }) => self.answer(&body, out),
            Ok(Message { body: Some(body), .. }) => self.request(&body, out),
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "a message shorter than its header";
                out.violation("bsap-too-short", says, "BSAP over IP, header");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {
        self.asked.clear();
    }
}

/// Functions of the remote database (0xa0) and of its extension (0xa1).
const fn function(application: u8, number: u32) -> (Class, &'static str) {
    match (application, number) {
        (0xa0, 0x00 | 0x02) => (Class::Read, "read signals by address"),
        (0xa0, 0x04 | 0x06) => (Class::Read, "read signals by name"),
        (0xa0, 0x0c..=0x0f) => (Class::Read, "read signals by list"),
        (0xa0, 0x10..=0x1f) => (Class::Read, "read data array"),
        (0xa0, 0x80) => (Class::Write, "write signals by address"),
        (0xa0, 0x84) => (Class::Write, "write signals by name"),
        (0xa0, 0x8c | 0x8d) => (Class::Write, "write signals by list"),
        (0xa1, 0x0101) => (Class::Reset, "reset system"),
        (0xa1, 0x0102) => (Class::Configure, "reset diagnostics"),
        (0xa1, 0x0200..=0x0203) => (Class::Diagnose, "read date and time"),
        (0xa1, 0x0281) => (Class::TimeSync, "write date and time"),
        (0xa1, 0x0400) => (Class::Configure, "change local node address"),
        (0x10..=0x1f, _) => (Class::Diagnose, "diagnostics"),
        _ => (Class::Other, "undocumented function"),
    }
}

impl Conversation {
    fn request(&mut self, body: &Body<'_>, out: &mut Output) {
        // The node's status stands before the function.
        let number = match (body.code, body.data) {
            (0xa1, [_, low, high, ..]) => u32::from(u16::from_le_bytes([*low, *high])),
            (_, [_, number, ..]) => u32::from(*number),
            _ => 0,
        };
        let (class, name) = function(body.code, number);
        let signals = match number {
            0x04 | 0x06 | 0x84 if body.code == 0xa0 => names(body.data),
            _ => Vec::new(),
        };
        let op = Op::request(class, number, name);
        out.operation(match signals.first() {
            Some(first) => op.named("signal", first),
            None => op,
        });
        for signal in signals.iter().skip(1).filter(|_| class == Class::Write) {
            out.operation(Op::request(class, number, name).named("signal", signal));
        }
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("bsap-pending-requests");
        }
        // Type, value and address: what OpenBSI asks for.
        let added = match body.data {
            [_, _, 0x03, 0xd0, 0x01, ..] => Some(4),
            _ => None,
        };
        let (sequence, function) = (body.sequence, number);
        self.asked.push_back(Asked { sequence, class, name, function, signals, added });
    }

    fn answer(&mut self, body: &Body<'_>, out: &mut Output) {
        let at = self.asked.iter().position(|a| a.sequence == body.sequence);
        let asked = at.and_then(|at| self.asked.remove(at));
        let (class, name, number) = asked
            .as_ref()
            .map_or((Class::Other, "request not seen", 0), |a| (a.class, a.name, a.function));
        let op = Op::response(class, number, name);
        let op = match asked.as_ref().and_then(|a| a.signals.first()) {
            Some(signal) => op.named("signal", signal),
            None => op,
        };
        // Bit 7: a part of what was asked for failed.
        out.operation(match body.code {
            code if code & 0x80 != 0 => op.refused(u32::from(code), "error in elements"),
            _ => op.done(),
        });
        if !std::mem::replace(&mut self.told, true) {
            let vendor = "Bristol Babcock (Emerson)".to_owned();
            out.identity(Subject::Sender, "answer", [("vendor", vendor)]);
        }
        if let Some(asked) = asked.filter(|a| a.class == Class::Read)
            && out.values_wanted
            && body.code == 0
        {
            values(&asked, body.data, out);
        }
    }
}

/// Names ended by NUL, behind field selectors, a security octet and their number.
fn names(data: &[u8]) -> Vec<String> {
    let parts = data.split(|b| *b == 0).filter_map(|part| {
        let start = part.iter().rposition(|b| !(0x20..0x7f).contains(b));
        let name = part.get(start.map_or(0, |s| s.saturating_add(1))..)?;
        (name.len() >= 3 && name.contains(&b'.')).then(|| text::lossy(name))
    });
    parts.take(SIGNALS_MAX).collect()
}

/// Number of elements, then of each its type, its value, and the other fields asked for. Logical
/// signals have one octet, analog ones four.
fn values(asked: &Asked, data: &[u8], out: &mut Output) {
    let mut r = Reader::new(data);
    let Ok(count) = r.u8() else { return };
    for signal in asked.signals.iter().take(usize::from(count)) {
        let Ok(kind) = r.u8() else { return };
        let value = match kind & 0x03 {
            0 => r.u8().map(|v| PointValue::Bool(v != 0)),
            2 => r.le32().map(|v| PointValue::Float(f64::from(f32::from_bits(v)))),
            _ => return,
        };
        let Ok(value) = value else { return };
        out.value(signal.clone(), value, (None, Quality::Good));
        // Where other fields were asked for, their sizes are not known here.
        let Some(added) = asked.added else { return };
        if r.skip(added).is_err() {
            return;
        }
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
            kind in prop::sample::select(vec![5u16, 6]),
            sequence: u32,
            acknowledged: u32,
            code: u8,
            data in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let length = data.len() as u32 + 10;
            let body = Some(Body { length, sequence, code, data: &data });
            let message = Message { count: 1, kind, sequence, acknowledged, body };
            let bytes = message.emit();
            prop_assert_eq!(Message::parse(&bytes), Ok(message));
            prop_assert!(message.is_plausible(bytes.len()));
        }
    }
}
