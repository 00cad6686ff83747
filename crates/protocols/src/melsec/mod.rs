//! Mitsubishi MELSEC: SLMP (MC protocol, frames 3E and 4E), frame 1E, binary and ASCII; MELSOFT.
//!
//! Read `wire` for frames, `names` for commands and devices, `one_e` for the oldest frame. Not
//! here: CC-Link IE's cyclic part. Invariant: values get their device from the request before them.

mod names;
mod one_e;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, text,
};
use ::wire::Reader;
use model::{Authentication, OperationClass as Class, PointValue, Quality, Subject, Time};
use std::collections::VecDeque;
use wire::{Frame, Framing, Target, ascii_bits, ascii_double_words, ascii_words, frame, framing};

pub struct Melsec;
pub static MELSEC: Melsec = Melsec;

static ABOUT: About = About {
    name: "melsec",
    title: "Mitsubishi MELSEC (SLMP, MELSOFT)",
    specs: &[
        "Mitsubishi SH-080956ENG (SLMP Reference Manual)",
        "Mitsubishi SH-080008 (MELSEC Communication Protocol Reference Manual), frames 1E, 3E \
         and 4E",
        "MELSOFT: layout as captured between GX Works and iQ-F, Q and R controllers",
    ],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[5_000, 5_001, 5_002, 5_006, 5_007, 5_008, 5_010, 5_560, 5_562, 61_450],
    groups: &[],
    depth: "commands with devices, addresses and values; remote run, stop, pause, reset; CPU \
            model; files and programs; passwords",
};

impl Protocol for Melsec {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let stream = hint.carrier == Carrier::Tcp;
        let Some(framing) = framing(head) else {
            let old = one_e::probe(head, stream, hint.port);
            if old != Probe::NoMatch {
                return old;
            }
            let short = head.len() < 4 && matches!(head.first(), Some(b'5' | b'D' | 0x50 | 0x57));
            return if stream && hint.port && short { Probe::NeedMore } else { Probe::NoMatch };
        };
        if framing == Framing::Search && (stream || !hint.port) {
            return Probe::NoMatch;
        }
        match frame(head, framing) {
            Ok(Some(frame)) => {
                let whole = frame.octets == head.len();
                let fits = whole || (stream && frame.octets < head.len());
                match (fits && (names::known(&frame) || hint.port), frame.answer) {
                    (false, _) => Probe::NoMatch,
                    (true, true) => Probe::MatchServer,
                    (true, false) => Probe::MatchClient,
                }
            }
            Err(_) if stream && hint.port => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// Requests of one conversation whose answers are awaited.
const PENDING_MAX: usize = 32;
/// A request of a stream that was not answered for so long is not, once another comes that an
/// answer could belong to as well. Of datagrams one is asked after the other.
const UNANSWERED_NANOS: i64 = 1_000_000_000;
/// Values of one message that are reported.
const VALUES_MAX: u32 = 256;
/// Longest frame that is waited for.
const FRAME_OCTETS_MAX: usize = 16 * 1024;

#[derive(Default)]
struct Conversation {
    /// Frames 1E are spoken, which have nothing in common with the others.
    old: Option<one_e::Line>,
    asked: VecDeque<Asked>,
}

struct Asked {
    at: Time,
    command: u16,
    serial: Option<u16>,
    /// Of batch commands.
    place: Option<Place>,
    /// Of random and block commands.
    places: Vec<Place>,
}

/// How the values of devices stand in a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Half an octet each, the first in the high half.
    Bits,
    /// One in an octet, or in two.
    Bit,
    Words,
    DoubleWord,
}

/// Devices read or written.
#[derive(Clone, Copy)]
struct Place {
    device: &'static str,
    form: Form,
    /// Numbers of this device are written in hexadecimal.
    hexadecimal: bool,
    first: u32,
    count: u32,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let stream = segment.carrier == Carrier::Tcp;
        let framed = framing(bytes);
        if self.old.is_none() && framed.is_none() && begins_old(&segment) {
            self.old = Some(one_e::Line::default());
        }
        if let Some(line) = &mut self.old {
            return line.feed(&segment, out);
        }
        let Some(framing) = framed else {
            return match stream && bytes.len() < 4 {
                true => Progress::NeedMore { consumed: 0, needed: 4 },
                false => Progress::GiveUp(Malformed::new("melsec-subheader-unknown")),
            };
        };
        let frame = match frame(bytes, framing) {
            Ok(Some(frame)) if frame.octets <= FRAME_OCTETS_MAX => frame,
            Ok(_) => return Progress::GiveUp(Malformed::new("melsec-frame-invalid")),
            Err(_) if stream => {
                return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
            }
            Err(_) => return Progress::GiveUp(Malformed::new("melsec-frame-cut-short")),
        };
        if frame.octets > bytes.len() && stream {
            return Progress::NeedMore { consumed: 0, needed: frame.octets };
        }
        let taken = if stream { frame.octets } else { bytes.len() };
        out.begin("melsec", 0..taken);
        if frame.octets != bytes.len() && !stream && segment.missing == 0 {
            let says = "a frame whose length is not that of its datagram";
            out.violation("melsec-length", says, "SH-080956ENG, 4.3");
        }
        match (framing, frame.answer) {
            (Framing::Search, false) => {
                out.operation(Op::request(Class::Browse, 0, "search"));
            }
            (Framing::Search, true) => {
                out.operation(Op::response(Class::Browse, 0, "search").done());
            }
            (_, true) => self.answer(&frame, out),
            (_, false) => {
                let (at, serial) = (segment.at, frame.serial);
                // Frames 3E have no number: any answer could belong to any request.
                let awaited = |a: &Asked| stream && at.since(a.at) < UNANSWERED_NANOS;
                self.asked.retain(|a| a.serial != serial || awaited(a));
                self.request(&frame, at, out);
            }
        }
        Progress::Consumed(taken)
    }

    fn gap(&mut self, gap: Gap) {
        self.asked.clear();
        if let Some(line) = &mut self.old {
            line.gap(gap);
        }
    }
}

/// A request in frame 1E, or the answer to one that was not seen.
fn begins_old(segment: &Segment<'_>) -> bool {
    match segment.from {
        Side::Client => matches!(one_e::request(segment.bytes), Ok(Some(_))),
        Side::Server => matches!(segment.bytes, [0x80..=0x96, 0 | 0x50..=0x60, ..]),
    }
}

impl Conversation {
    fn request(&mut self, frame: &Frame<'_>, at: Time, out: &mut Output) {
        let (class, name) = names::command(frame.command);
        let op = Op::request(class, u32::from(frame.command), name);
        let op = unit(op, frame.target);
        let place = match frame.command {
            0x0401 | 0x1401 => place(frame.subcommand, &frame.data),
            _ => None,
        };
        let several = several(frame);
        for (at, written) in &several {
            out.operation(op.clone().range(at.device, 0, at.first, at.count));
            if out.values_wanted {
                values(*at, written, out);
            }
        }
        if several.is_empty() {
            out.operation(match (place, frame.command) {
                (Some(at), _) => op.range(at.device, 0, at.first, at.count),
                (None, 0x1810..=0x1836) => op.named("file", &file(&frame.data)),
                _ => op,
            });
        }
        if frame.command == UNLOCK {
            out.authentication(unlocked(None));
        }
        if let Some(place) = place
            && frame.command == 0x1401
            && out.values_wanted
        {
            let data = frame.data.get(head(frame.subcommand)..).unwrap_or_default();
            values(place, data, out);
        }
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("melsec-pending-requests");
        }
        let (command, serial) = (frame.command, frame.serial);
        let places = several.into_iter().map(|(place, _)| place).collect();
        self.asked.push_back(Asked { at, command, serial, place, places });
    }

    fn answer(&mut self, frame: &Frame<'_>, out: &mut Output) {
        // A MELSOFT answer names its command; SLMP answers come in the order of requests.
        let of = |a: &Asked| match frame.melsoft {
            true => a.command == frame.command && a.serial == frame.serial,
            false => a.serial == frame.serial,
        };
        let at = self.asked.iter().position(of);
        let asked = at.and_then(|at| self.asked.remove(at));
        let command = asked.as_ref().map_or(frame.command, |a| a.command);
        let (class, name) = match (&asked, frame.melsoft) {
            (None, false) => (Class::Other, "request not seen"),
            _ => names::command(command),
        };
        let op = unit(Op::response(class, u32::from(command), name), frame.target);
        let op = match frame.end {
            0 => op.done(),
            code => op.refused(u32::from(code), names::end_code(code)),
        };
        let (place, places) = asked.map_or((None, Vec::new()), |a| (a.place, a.places));
        for at in place.iter().chain(&places) {
            out.operation(op.clone().range(at.device, 0, at.first, at.count));
        }
        if place.is_none() && places.is_empty() {
            out.operation(op);
        }
        if command == UNLOCK {
            out.authentication(unlocked(Some(frame.end == 0)));
        }
        if frame.end != 0 {
            return;
        }
        match (command, place) {
            (0x0101 | 0x0121, _) => {
                let model = text::lossy(frame.data.get(..16).unwrap_or(&frame.data));
                let model = model.trim_matches(|c: char| c == '\0' || c.is_whitespace());
                if model.chars().next().is_some_and(|c| c.is_ascii_alphanumeric()) {
                    let vendor = "Mitsubishi Electric".to_owned();
                    let facts = [("vendor", vendor), ("model", model.to_owned())];
                    out.identity(Subject::Sender, "read type name", facts);
                }
            }
            (0x0401, Some(at)) => {
                let binary = frame.ascii.then(|| match at.form {
                    Form::Bits => ascii_bits(&frame.data),
                    _ => ascii_words(&frame.data),
                });
                let data = binary.as_deref().unwrap_or(&frame.data);
                mode(at, data, out);
                if out.values_wanted {
                    values(at, data, out);
                }
            }
            (0x0403 | 0x0406, _) if out.values_wanted => {
                let mut data = Reader::new(&frame.data);
                for at in places {
                    let letters = if frame.ascii { 2 } else { 1 };
                    let Ok(told) = data.bytes(at.octets().saturating_mul(letters)) else { break };
                    match (frame.ascii, at.form) {
                        (false, _) => values(at, told, out),
                        (true, Form::DoubleWord) => values(at, &ascii_double_words(told), out),
                        (true, _) => values(at, &ascii_words(told), out),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Remote password, unlock (SH-080956ENG, 5.9); its counterpart locks again.
const UNLOCK: u16 = 0x1630;

fn unlocked(accepted: Option<bool>) -> Authentication {
    Authentication {
        user: None,
        accepted,
        clear_text: true,
        default_password: false,
        method: "melsec remote password",
    }
}

fn unit(op: Op, target: Target) -> Op {
    op.unit(u32::from(target.network) << 8 | u32::from(target.station))
}

/// Octets before the data of a write: device number, code and points.
const fn head(subcommand: u16) -> usize {
    if subcommand & 2 == 2 { 8 } else { 6 }
}

/// Device number, its code, number of points (SH-080956ENG, 5.2): three and one octets, or four
/// and two with the subcommands of iQ-R.
fn place(subcommand: u16, data: &[u8]) -> Option<Place> {
    let mut r = Reader::new(data);
    let (device, hexadecimal, first) = device(subcommand, &mut r)?;
    let count = u32::from(r.le16().ok()?);
    let form = if subcommand & 1 == 1 { Form::Bits } else { Form::Words };
    Some(Place { device, form, hexadecimal, first, count })
}

fn device(subcommand: u16, r: &mut Reader<'_>) -> Option<(&'static str, bool, u32)> {
    let (first, code) = match subcommand & 2 {
        2 => (r.le32().ok()?, r.le16().ok()?),
        _ => (r.le24().ok()?, u16::from(r.u8().ok()?)),
    };
    let (device, hexadecimal) = names::device(code);
    Some((device, hexadecimal, first))
}

/// Places of the random and block commands, and what is written to each.
fn several<'a>(frame: &'a Frame<'_>) -> Vec<(Place, &'a [u8])> {
    // Other bits say that a device is modified by a module's or an index register's number.
    let plain = !frame.melsoft && frame.subcommand & !3 == 0;
    match frame.command {
        0x0403 | 0x0406 | 0x1402 | 0x1406 if plain => {
            read_several(frame.command, frame.subcommand, &frame.data).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Numbers of words and double words, or of blocks of words and of bits; then each with its
/// device, blocks with their points, and behind each what is written (SH-080956ENG, 5.2). Single
/// bits are only written: they have one number, of bits.
fn read_several(command: u16, subcommand: u16, data: &[u8]) -> Option<Vec<(Place, &[u8])>> {
    let (wide, bits) = (subcommand & 2 == 2, subcommand & 1 == 1);
    let blocks = matches!(command, 0x0406 | 0x1406);
    let mut r = Reader::new(data);
    let singles = usize::from(r.u8().ok()?);
    let doubles = if bits { 0 } else { usize::from(r.u8().ok()?) };
    let mut places = Vec::new();
    for index in 0..singles.saturating_add(doubles) {
        let (device, hexadecimal, first) = device(subcommand, &mut r)?;
        let count = if blocks { u32::from(r.le16().ok()?) } else { 1 };
        let form = match bits {
            true => Form::Bit,
            false if !blocks && index >= singles => Form::DoubleWord,
            false => Form::Words,
        };
        let at = Place { device, form, hexadecimal, first, count };
        let octets = match (command, form) {
            (0x0403 | 0x0406, _) => 0,
            (_, Form::Bit) if wide => 2,
            _ => at.octets(),
        };
        places.push((at, r.bytes(octets).ok()?));
    }
    Some(places)
}

impl Place {
    /// Octets its values take.
    fn octets(&self) -> usize {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        match self.form {
            Form::Bits => count.div_ceil(2),
            Form::Bit => count,
            Form::Words => count.saturating_mul(2),
            Form::DoubleWord => count.saturating_mul(4),
        }
    }
}

/// Words of two octets, or bits: of four bits each, the first in the high half, or sixteen in a
/// word, the first in its lowest place.
fn values(at: Place, data: &[u8], out: &mut Output) {
    let name = |number: u32| match at.hexadecimal {
        true => format!("{}{number:X}", at.device),
        false => format!("{}{number}", at.device),
    };
    let count = at.count.min(VALUES_MAX);
    let numbers = at.first..at.first.saturating_add(count);
    if let (Form::Bit, [bit, ..]) = (at.form, data) {
        return out.value(name(at.first), PointValue::Bool(bit & 1 != 0), (None, Quality::Good));
    }
    if at.form == Form::Bits {
        let halves = data.iter().flat_map(|b| [b >> 4, b & 0x0f]);
        for (number, bit) in numbers.zip(halves) {
            out.value(name(number), PointValue::Bool(bit & 1 != 0), (None, Quality::Good));
        }
        return;
    }
    let size = if at.form == Form::DoubleWord { 4 } else { 2 };
    let words = data.chunks_exact(size).take(usize::try_from(count).unwrap_or_default());
    if names::is_of_bits(at.device) {
        let bits = words.flatten().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 != 0));
        let last = at.first.saturating_add(VALUES_MAX);
        for (number, bit) in (at.first..last).zip(bits) {
            out.value(name(number), PointValue::Bool(bit), (None, Quality::Good));
        }
        return;
    }
    for (number, word) in numbers.zip(words) {
        let value = word.iter().rev().fold(0, |value, octet| value << 8 | u64::from(*octet));
        out.value(name(number), PointValue::Unsigned(value), (None, Quality::Good));
    }
}

/// Special register SD203 holds the operating state (SH-080808, appendix).
fn mode(at: Place, data: &[u8], out: &mut Output) {
    const OPERATING_STATE: u32 = 203;
    if at.device != "SD" || at.form != Form::Words {
        return;
    }
    let Some(index) = OPERATING_STATE.checked_sub(at.first).filter(|i| *i < at.count) else {
        return;
    };
    let word = usize::try_from(index).ok().and_then(|i| data.chunks_exact(2).nth(i));
    let state = match word.and_then(<[u8]>::first).map(|low| low & 0x0f) {
        Some(0) => "run",
        Some(2) => "stop",
        Some(3) => "pause",
        _ => return,
    };
    out.state(Subject::Sender, "mode", state);
}

/// The longest run of letters in a file command is its name, in one octet a letter or two.
fn file(data: &[u8]) -> String {
    let narrow: Vec<u8> = data.iter().copied().filter(|b| *b != 0).collect();
    let runs = narrow.split(|b| !(0x20..0x7f).contains(b));
    let longest = runs.filter(|run| run.len() >= 4).max_by_key(|run| run.len());
    longest.map(text::lossy).unwrap_or_default()
}
