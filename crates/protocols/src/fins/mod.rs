//! OMRON FINS over UDP and TCP: memory by area and address, programs, modes, clock, files.
//!
//! Read `wire` for headers, `names` for commands and areas. Not here: Host Link, CompoWay/F.
//! Invariant: values in an answer get their address from the request of the same service id.

mod names;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op, text,
};
use ::wire::Reader;
use model::{OperationClass as Class, PointValue, Quality, Scalar, Subject, Time};
use std::collections::VecDeque;
use wire::{Frame, TCP_HEADER_OCTETS, tcp_header};

pub static FINS_GROUP: Group = Group { name: "fins", ends: Ends::Pair, keys: &["command", "kind"] };

pub struct OmronFins;
pub static FINS: OmronFins = OmronFins;

static ABOUT: About = About {
    name: "fins",
    title: "OMRON FINS",
    specs: &["OMRON W227 (FINS Commands Reference Manual)", "OMRON W421 (FINS/TCP, section 7-4)"],
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[9_600],
    groups: &[&FINS_GROUP],
    depth: "all commands; areas with addresses and values; model, version, unit name; run mode; \
            program and parameter areas, files, forced bits, access rights",
};

impl Protocol for OmronFins {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.carrier == Carrier::Udp {
            return match Frame::parse(head) {
                Ok(frame) if frame.is_plausible(hint.port) => match frame.is_answer() {
                    true => Probe::MatchServer,
                    false => Probe::MatchClient,
                },
                _ => Probe::NoMatch,
            };
        }
        match tcp_header(head) {
            Ok(_) if head.starts_with(b"FINS") => Probe::Match,
            Err(_) if hint.port && b"FINS".starts_with(head.get(..4).unwrap_or(head)) => {
                Probe::NeedMore
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// Requests of one conversation whose answers are awaited.
const PENDING_MAX: usize = 64;
/// A request that was not answered for so long is not, once another comes with its service id:
/// some clients use one for all.
const UNANSWERED_NANOS: i64 = 1_000_000_000;
/// Values of one message that are reported.
const VALUES_MAX: u16 = 256;
/// Elements of a multiple read: as many as the manual allows (W227, 5-2-5).
const ELEMENTS_MAX: usize = 167;

#[derive(Default)]
struct Conversation {
    asked: VecDeque<Asked>,
}

#[derive(Clone, Copy)]
struct Asked {
    at: Time,
    service: u8,
    command: u16,
    place: Option<Place>,
}

/// Where in memory: area, word or channel, bit, number of elements.
#[derive(Clone, Copy)]
struct Place {
    area: u8,
    first: u16,
    bit: u8,
    count: u16,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if segment.carrier != Carrier::Tcp {
            out.begin("fins", 0..bytes.len());
            self.frame(bytes, &segment, out);
            return Progress::Consumed(bytes.len());
        }
        let Ok(header) = tcp_header(bytes) else {
            return Progress::NeedMore { consumed: 0, needed: TCP_HEADER_OCTETS };
        };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        if !bytes.starts_with(b"FINS") || !(8..=4_096).contains(&length) {
            return Progress::GiveUp(Malformed::new("fins-tcp-header-invalid"));
        }
        // The length counts from the command on, eight octets into the header.
        let octets = length.saturating_add(8);
        let Some(frame) = bytes.get(TCP_HEADER_OCTETS..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("fins", 0..octets);
        match header.command {
            2 => self.frame(frame, &segment, out),
            command => node_address(command, header.error, out),
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {
        self.asked.clear();
    }
}

/// Messages of FINS/TCP that hand out node addresses (W421, 7-4-2).
fn node_address(command: u32, error: u32, out: &mut Output) {
    let name = match command {
        0 | 1 => "node address",
        3 => "frame send error",
        6 => "confirm connection",
        _ => {
            let says = "a FINS/TCP command that is not defined";
            return out.violation("fins-tcp-command", says, "OMRON W421, 7-4-2");
        }
    };
    let op = |op: Op| if error == 0 { op.done() } else { op.refused(error, "FINS/TCP error") };
    out.operation(match command {
        0 | 6 => Op::request(Class::Session, command, name),
        _ => op(Op::response(Class::Session, command, name)),
    });
}

impl Conversation {
    fn frame(&mut self, bytes: &[u8], segment: &Segment<'_>, out: &mut Output) {
        let stream = segment.carrier == Carrier::Tcp;
        let Ok(frame) = Frame::parse(bytes) else {
            if stream || segment.missing == 0 {
                let says = "a frame shorter than its header and command";
                out.violation("fins-too-short", says, "OMRON W227, 3-3");
            }
            return;
        };
        let kind = if frame.is_answer() { "response" } else { "command" };
        let number = Scalar::Number(u64::from(frame.command));
        out.count(&FINS_GROUP, [number, Scalar::Word(kind)]);
        if names::command(frame.command).is_none() {
            let says = "a command code that the manual does not define";
            out.violation("fins-command-undefined", says, "OMRON W227, 5-1");
        }
        if frame.is_answer() {
            self.answer(&frame, out);
        } else {
            let (service, command, at) = (frame.service, frame.command, segment.at);
            // Of datagrams one is asked after the other; a stream may carry several at once.
            let awaited = |a: &Asked| stream && at.since(a.at) < UNANSWERED_NANOS;
            self.asked.retain(|a| (a.service, a.command) != (service, command) || awaited(a));
            self.request(&frame, at, out);
        }
    }

    fn request(&mut self, frame: &Frame<'_>, at: Time, out: &mut Output) {
        let (class, name) = names::command(frame.command).unwrap_or(names::UNDEFINED);
        let (class, name) = match (frame.command, frame.data) {
            // Program number, then the mode to go to.
            (0x0401, [_, _, 2, ..]) => (Class::Start, "run: monitor mode"),
            (0x0401, [_, _, 4, ..]) => (Class::Start, "run: run mode"),
            _ => (class, name),
        };
        // A multiple read has an address for each element, and no number of them.
        const MULTIPLE_READ: u16 = 0x0104;
        let mut elements = frame.data.chunks_exact(4).take(ELEMENTS_MAX).filter_map(place);
        let place = match frame.command {
            0x0101..=0x0103 => place(frame.data),
            MULTIPLE_READ => elements.next(),
            _ => None,
        };
        let op = Op::request(class, u32::from(frame.command), name).unit(frame.unit());
        out.operation(match (place, frame.command) {
            (Some(at), _) => at.on(op.clone()),
            (None, 0x2201..=0x220c) => {
                op.clone().named("file", &file_name(frame.command, frame.data))
            }
            _ => op.clone(),
        });
        if frame.command == MULTIPLE_READ {
            elements.for_each(|at| out.operation(at.on(op.clone())));
        }
        if frame.command == 0x0102
            && out.values_wanted
            && let (Some(at), Some(data)) = (place, frame.data.get(6..))
        {
            values(at, data, out);
        }
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("fins-pending-requests");
        }
        let (service, command) = (frame.service, frame.command);
        self.asked.push_back(Asked { at, service, command, place });
    }

    fn answer(&mut self, frame: &Frame<'_>, out: &mut Output) {
        let key = (frame.service, frame.command);
        let at = self.asked.iter().position(|a| (a.service, a.command) == key);
        let place = at.and_then(|at| self.asked.remove(at)).and_then(|a| a.place);
        let (class, name) = names::command(frame.command).unwrap_or(names::UNDEFINED);
        let op = Op::response(class, u32::from(frame.command), name).unit(frame.source_unit());
        let op = place.map_or(op.clone(), |at| at.on(op));
        let Some((end, data)) = frame.data.split_first_chunk::<2>() else {
            return out.operation(op);
        };
        // The top bit of each octet says where an error was, bit 6 of the second that the CPU
        // has an error: neither refuses the command.
        let [main, sub] = *end;
        let code = u16::from_be_bytes([main & 0x7f, sub & 0x3f]);
        out.operation(match code {
            0 => op.done(),
            code => op.refused(u32::from(code), names::end_code(code)),
        });
        if code != 0 {
            return;
        }
        match frame.command {
            0x0101 if out.values_wanted => {
                if let Some(at) = place {
                    values(at, data, out);
                }
            }
            0x0501 => controller(data, out),
            0x0601 => status(data, out),
            0x2603 => {
                let name = text::lossy(data.get(..8).unwrap_or(data));
                out.identity(Subject::Sender, "name read", [("name", name)]);
            }
            _ => {}
        }
    }
}

impl Place {
    fn on(self, op: Op) -> Op {
        let (area, _) = names::area(self.area);
        op.range(area, 0, u32::from(self.first), u32::from(self.count))
    }
}

/// Area code, word, bit, number of elements (W227, 5-2-2).
fn place(data: &[u8]) -> Option<Place> {
    let mut r = Reader::new(data);
    Some(Place {
        area: r.u8().ok()?,
        first: r.be16().ok()?,
        bit: r.u8().ok()?,
        count: r.be16().unwrap_or(1),
    })
}

/// Words, or bits of one octet each.
fn values(at: Place, data: &[u8], out: &mut Output) {
    let (area, bits) = names::area(at.area);
    let count = at.count.min(VALUES_MAX);
    if bits {
        let first = u32::from(at.first) << 4 | u32::from(at.bit & 0x0f);
        for (number, octet) in (first..).zip(data.iter().take(usize::from(count))) {
            let point = format!("{area}/{}.{:02}", number >> 4, number & 0x0f);
            out.value(point, PointValue::Bool(octet & 1 != 0), (None, Quality::Good));
        }
        return;
    }
    for (number, word) in (u32::from(at.first)..).zip(data.chunks_exact(2).take(count.into())) {
        let [high, low] = *word else { continue };
        let value = u64::from(u16::from_be_bytes([high, low]));
        let point = format!("{area}/{number}");
        out.value(point, PointValue::Unsigned(value), (None, Quality::Good));
    }
}

/// The name in file commands stands behind disk number and, in some, more numbers.
fn file_name(command: u16, data: &[u8]) -> String {
    let skip = match command {
        0x2201 => return String::new(),
        0x2203 => 4,
        _ => 2,
    };
    let name = data.get(skip..).unwrap_or_default();
    let letters = name.iter().take(12).take_while(|b| (0x20..0x7f).contains(*b));
    letters.map(|b| char::from(*b)).collect()
}

/// Controller data read (W227, 5-2-12): model, version, each 20 characters.
fn controller(data: &[u8], out: &mut Output) {
    let of = |range: std::ops::Range<usize>| {
        let field = text::lossy(data.get(range).unwrap_or_default());
        field.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
    };
    let (model, version) = (of(0..20), of(20..40));
    if !model.chars().any(char::is_alphanumeric) {
        return;
    }
    let facts = [("vendor", "Omron".to_owned()), ("model", model), ("firmware", version)];
    out.identity(Subject::Sender, "controller data read", facts);
}

/// Controller status read (W227, 5-2-14).
fn status(data: &[u8], out: &mut Output) {
    let [running, mode, fatal_high, fatal_low, ..] = data else { return };
    let word = match (running, mode) {
        (0x80, _) => "standby",
        (0, 0) | (_, 0) => "program",
        (_, 1) => "debug",
        (_, 2) => "monitor",
        (_, 4) => "run",
        _ => return,
    };
    out.state(Subject::Sender, "mode", word);
    let fatal = u16::from_be_bytes([*fatal_high, *fatal_low]);
    out.state(Subject::Sender, "alarm", if fatal == 0 { "no" } else { "fatal error" });
}
