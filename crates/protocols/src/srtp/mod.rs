//! GE SRTP: memory, programs, run state and faults of GE Fanuc and PACSystems controllers.
//!
//! Nothing of it is published; the layout is that of Denton et al. Not here: Ethernet Global
//! Data. Invariant: an answer names no address, so its values need the request before it.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{OperationClass as Class, PointValue, Quality, Subject};
use std::collections::VecDeque;
use wire::{Reader, Short};

pub struct GeSrtp;
pub static SRTP: GeSrtp = GeSrtp;

static ABOUT: About = About {
    name: "srtp",
    title: "GE SRTP",
    specs: &[
        "Denton, Karpisek, Breitinger, Baggili: Leveraging the SRTP protocol for over-the-network \
         memory acquisition of a GE Fanuc Series 90-30, DFRWS 2017",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[18_245],
    groups: &[],
    depth: "all service requests; memory by area and address with values; programs stored and \
            loaded; run state; controller type",
};

const HEADER_OCTETS: usize = 56;
const PENDING_MAX: usize = 16;
const VALUES_MAX: u16 = 256;
const TEXT_OCTETS_MAX: usize = 16 * 1024;

impl Protocol for GeSrtp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let whole = head.len() == HEADER_OCTETS;
        match Header::parse(head) {
            // A session begins with a header of zeros, answered with a one; each stands alone, as
            // streams of zeros do not.
            Ok(header) if header.is_opening() && hint.port && whole => match header.kind {
                0 => Probe::MatchClient,
                _ => Probe::MatchServer,
            },
            Ok(header) if header.is_plausible() => match header.kind {
                2 => Probe::MatchClient,
                _ => Probe::MatchServer,
            },
            Err(_) if hint.port && head.first().is_none_or(|b| *b <= 8) => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// 0 open, 1 opened, 2 request, 3 answer.
    pub kind: u8,
    pub sequence: u8,
    /// Octets of text behind the header.
    pub text: u16,
    /// 0xc0 short request, 0x80 with text; 0xd4 done, 0x94 done with text, 0xd1 refused.
    pub message: u8,
    /// Service, segment selector and so on of a short request, or status and data of an answer.
    pub body: [u8; 14],
    rest_zero: bool,
    unused_zero: bool,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Result<Header, Short> {
        let whole: [u8; HEADER_OCTETS] = Reader::new(bytes).array()?;
        let mut r = Reader::new(&whole);
        let (kind, _) = (r.u8()?, r.u8()?);
        let sequence = r.le16()? as u8;
        let text = r.le16()?;
        r.skip(25)?;
        let message = r.u8()?;
        r.skip(10)?;
        let body = r.array()?;
        let rest_zero = whole.iter().skip(1).all(|b| *b == 0);
        // Numbers are of two octets and small, what stands behind the text's length is not used.
        let unused_zero = [1usize, 3, 6, 7, 8].iter().all(|at| whole.get(*at) == Some(&0));
        Ok(Header { kind, sequence, text, message, body, rest_zero, unused_zero })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.kind, 0, self.sequence, 0];
        out.extend(self.text.to_le_bytes());
        out.resize(31, 0);
        out.push(self.message);
        out.resize(42, 0);
        out.extend(self.body);
        out
    }

    const fn is_opening(&self) -> bool {
        self.kind <= 1 && self.message == 0 && self.unused_zero
    }

    fn is_plausible(&self) -> bool {
        let message = match self.kind {
            2 => matches!(self.message, 0xc0 | 0x80),
            3 => matches!(self.message, 0xd4 | 0x94 | 0xd1),
            _ => false,
        };
        message && self.unused_zero && !self.rest_zero && usize::from(self.text) <= TEXT_OCTETS_MAX
    }
}

/// Service requests.
const fn service(code: u8) -> Option<(Class, &'static str)> {
    Some(match code {
        0x00 => (Class::Diagnose, "PLC short status"),
        0x03 => (Class::Browse, "return control program names"),
        0x04 => (Class::Read, "read system memory"),
        0x05 => (Class::Read, "read task memory"),
        0x06 => (Class::ProgramUpload, "read program memory"),
        0x07 => (Class::Write, "write system memory"),
        0x08 => (Class::Write, "write task memory"),
        0x09 => (Class::ProgramDownload, "write program block memory"),
        0x20 => (Class::Authenticate, "programmer logon"),
        0x21 => (Class::Authenticate, "change CPU privilege level"),
        0x22 => (Class::Configure, "set control id"),
        0x23 => (Class::Configure, "set PLC run or stop"),
        0x24 => (Class::TimeSync, "set PLC time and date"),
        0x25 => (Class::Diagnose, "return PLC time and date"),
        0x38 => (Class::Diagnose, "return fault table"),
        0x39 => (Class::Configure, "clear fault table"),
        0x3f => (Class::ProgramUpload, "program store"),
        0x40 => (Class::ProgramDownload, "program load"),
        0x43 => (Class::Diagnose, "return controller type and id"),
        0x44 => (Class::Write, "toggle force system memory"),
        0x4f => (Class::Session, "session control"),
        _ => return None,
    })
}

/// Memory by segment selector: name, and bits of an element.
const fn area(selector: u8) -> (&'static str, u8) {
    match selector {
        0x08 => ("%R", 16),
        0x0a => ("%AI", 16),
        0x0c => ("%AQ", 16),
        0x10 => ("%I", 8),
        0x12 => ("%Q", 8),
        0x14 => ("%T", 8),
        0x16 => ("%M", 8),
        0x18 => ("%SA", 8),
        0x1a => ("%SB", 8),
        0x1c => ("%SC", 8),
        0x1e => ("%S", 8),
        0x38 => ("%G", 8),
        0x46 => ("%I", 1),
        0x48 => ("%Q", 1),
        0x4a => ("%T", 1),
        0x4c => ("%M", 1),
        0x4e => ("%SA", 1),
        0x50 => ("%SB", 1),
        0x52 => ("%SC", 1),
        0x54 => ("%S", 1),
        0x56 => ("%G", 1),
        _ => ("memory", 0),
    }
}

#[derive(Default)]
struct Conversation {
    asked: VecDeque<Asked>,
    state: Option<u16>,
}

#[derive(Clone, Copy)]
struct Asked {
    sequence: u8,
    code: u8,
    class: Class,
    name: &'static str,
    place: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    selector: u8,
    offset: u16,
    count: u16,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let Ok(header) = Header::parse(bytes) else {
            return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS };
        };
        if !header.is_opening() && !header.is_plausible() {
            return Progress::GiveUp(Malformed::new("srtp-header-invalid"));
        }
        let octets = HEADER_OCTETS.saturating_add(usize::from(header.text));
        let Some(text) = bytes.get(HEADER_OCTETS..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("srtp", 0..octets);
        match header.kind {
            0 => out.operation(Op::request(Class::Session, 0, "open session")),
            1 => out.operation(Op::response(Class::Session, 0, "open session").done()),
            2 => self.request(&header, text, out),
            _ => self.answer(&header, text, out),
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {
        self.asked.clear();
    }
}

impl Conversation {
    fn request(&mut self, header: &Header, text: &[u8], out: &mut Output) {
        // With text the service stands eight octets further back (mailbox of two packets).
        let body = match header.message {
            0x80 => header.body.get(8..).unwrap_or_default(),
            _ => &header.body,
        };
        let mut r = Reader::new(body);
        let code = r.u8().unwrap_or_default();
        let Some((class, name)) = service(code) else {
            let says = "a service request that is not known";
            return out.violation("srtp-service", says, "GE SRTP, service request codes");
        };
        let (class, name) = match (code, body) {
            (0x23, [_, 0, ..]) => (Class::Start, "set PLC: run"),
            (0x23, [_, 1, ..]) => (Class::Stop, "set PLC: stop"),
            _ => (class, name),
        };
        let place = match (code, r.u8(), r.le16(), r.le16()) {
            (0x04 | 0x07 | 0x44, Ok(selector), Ok(offset), Ok(count)) => {
                Some(Place { selector, offset, count })
            }
            _ => None,
        };
        let op = Op::request(class, u32::from(code), name);
        out.operation(place.map_or(op.clone(), |at| at.on(op)));
        if let Some(at) = place
            && code == 0x07
            && out.values_wanted
        {
            let short = r.rest();
            values(at, if text.is_empty() { short } else { text }, out);
        }
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("srtp-pending-requests");
        }
        let sequence = header.sequence;
        self.asked.push_back(Asked { sequence, code, class, name, place });
    }

    fn answer(&mut self, header: &Header, text: &[u8], out: &mut Output) {
        let at = self.asked.iter().position(|a| a.sequence == header.sequence);
        let asked = at.and_then(|at| self.asked.remove(at));
        let [status, minor, data @ ..] = header.body;
        let (class, name, code) = match asked {
            Some(a) => (a.class, a.name, a.code),
            None => (Class::Other, "request not seen", 0),
        };
        let op = Op::response(class, u32::from(code), name);
        let op = match asked.and_then(|a| a.place) {
            Some(at) => at.on(op),
            None => op,
        };
        if header.message == 0xd1 {
            let code = u32::from(u16::from_be_bytes([status, minor]));
            return out.operation(op.refused(code, "not acknowledged"));
        }
        out.operation(op.done());
        let long = header.message == 0x94;
        // Behind six octets of data: program, privilege level, sweep time, status word.
        let [first @ .., _, _, _, _, word_low, word_high] = data;
        if !long || code == 0x00 {
            self.piggyback(u16::from_le_bytes([word_low, word_high]), out);
        }
        let told: &[u8] = if long { text } else { &first };
        match (code, asked.and_then(|a| a.place)) {
            (0x04, Some(at)) if out.values_wanted => values(at, told, out),
            (0x43, _) => controller(told, out),
            _ => {}
        }
    }

    /// Status word behind every short answer: the run state is in its upper four bits.
    fn piggyback(&mut self, word: u16, out: &mut Output) {
        let state = word >> 12;
        if self.state.replace(state) == Some(state) {
            return;
        }
        let mode = match state {
            0 => "run",
            1 => "run with outputs disabled",
            2 => "stop",
            3 => "stop with a fault",
            4 => "halt",
            5 => "suspended",
            6 => "stop with I/O scan",
            _ => return,
        };
        out.state(Subject::Sender, "mode", mode);
    }
}

impl Place {
    /// Addresses count from one, on the wire from zero.
    fn on(self, op: Op) -> Op {
        let (area, _) = area(self.selector);
        let first = u32::from(self.offset).saturating_add(1);
        op.range(area, 0, first, u32::from(self.count))
    }
}

fn values(at: Place, data: &[u8], out: &mut Output) {
    let (name, bits) = area(at.selector);
    if bits != 16 {
        return;
    }
    let count = usize::from(at.count.min(VALUES_MAX));
    for (number, word) in (u32::from(at.offset)..).zip(data.chunks_exact(2).take(count)) {
        let [low, high] = *word else { continue };
        let value = PointValue::Unsigned(u64::from(u16::from_le_bytes([low, high])));
        let number = number.saturating_add(1);
        out.value(format!("{name}{number}"), value, (None, Quality::Good));
    }
}

/// Control id of eight characters.
fn controller(data: &[u8], out: &mut Output) {
    let name = data.iter().take(8).copied().take_while(|b| (0x21..0x7f).contains(b));
    let name: Vec<u8> = name.collect();
    let vendor = "GE (Emerson)".to_owned();
    let facts = [("vendor", vendor), ("name", text::lossy(&name))];
    out.identity(Subject::Sender, "controller type and id", facts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(sequence: u8, body: [u8; 14], text: u16) {
            let (kind, message, rest_zero, unused_zero) = (2, 0xc0, false, true);
            let header = Header { kind, sequence, text, message, body, rest_zero, unused_zero };
            prop_assert_eq!(Header::parse(&header.emit()), Ok(header));
        }
    }
}
