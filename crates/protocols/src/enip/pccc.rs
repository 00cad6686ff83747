//! PCCC within CIP: what SLC 500, MicroLogix and PLC-5 controllers are asked, and what they say.
//!
//! Layout of Rockwell 1770-6.5.16 (DF1 Protocol and Command Set) behind the requestor id that CIP
//! puts before it. Not here: DF1 and DH+ framing. Invariant: an answer is understood through the
//! request of its transaction number.

use crate::{Output, output::Op, text};
use model::{OperationClass as Class, PointValue, Quality, Route, Subject};
use wire::Reader;

/// What must be known of a command to understand its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    transaction: u16,
    class: Class,
    name: &'static str,
    function: u32,
    place: Option<Place>,
}

/// A place in a data file: `N7:0`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    kind: u8,
    file: u16,
    element: u16,
    sub: u16,
    octets: u8,
}

/// Commands and their functions (chapter 7).
const fn meaning(command: u8, function: u8) -> (Class, &'static str) {
    match (command, function) {
        (0x00, _) => (Class::Write, "protected write"),
        (0x01, _) => (Class::Read, "unprotected read"),
        (0x02, _) => (Class::Write, "protected bit write"),
        (0x05, _) => (Class::Write, "unprotected bit write"),
        (0x08, _) => (Class::Write, "unprotected write"),
        (0x06, 0x00) => (Class::Diagnose, "echo"),
        (0x06, 0x01) => (Class::Diagnose, "read diagnostic counters"),
        (0x06, 0x03) => (Class::Diagnose, "diagnostic status"),
        (0x06, 0x07) => (Class::Configure, "reset diagnostic counters"),
        (0x06, 0x08) => (Class::Configure, "set data table size"),
        (0x06, 0x09) => (Class::Diagnose, "read link parameters"),
        (0x06, _) => (Class::Configure, "set link parameters"),
        (0x07, 0x00) => (Class::Stop, "disable outputs"),
        (0x07, 0x01) => (Class::Start, "enable outputs"),
        (0x07, 0x03) => (Class::Start, "enable PLC scanning"),
        (0x07, 0x04) => (Class::ProgramDownload, "enter download mode"),
        (0x07, 0x05) => (Class::ProgramDownload, "exit download or upload mode"),
        (0x07, 0x06) => (Class::ProgramUpload, "enter upload mode"),
        (0x0f, function) => extended(function),
        _ => (Class::Other, "undefined command"),
    }
}

const fn extended(function: u8) -> (Class, &'static str) {
    match function {
        0x00 => (Class::Write, "word range write"),
        0x01 => (Class::Read, "word range read"),
        0x02 => (Class::Write, "bit write"),
        0x03 => (Class::Write, "file write"),
        0x04 => (Class::Read, "file read"),
        0x05 => (Class::ProgramDownload, "download request"),
        0x06 => (Class::ProgramUpload, "upload"),
        0x07 => (Class::Stop, "shutdown"),
        0x08 => (Class::ProgramDownload, "physical write"),
        0x09 => (Class::ProgramUpload, "physical read"),
        0x0a => (Class::Reset, "restart request"),
        0x11 => (Class::Configure, "get edit resource"),
        0x12 => (Class::Configure, "return edit resource"),
        0x17 => (Class::ProgramUpload, "read bytes physical"),
        0x18 => (Class::ProgramDownload, "write bytes physical"),
        0x26 => (Class::Write, "read-modify-write"),
        0x29 => (Class::Diagnose, "read section size"),
        0x3a => (Class::Configure, "set CPU mode"),
        0x41 => (Class::Configure, "disable forces"),
        0x50 => (Class::ProgramDownload, "download all request"),
        0x52 => (Class::ProgramDownload, "download completed"),
        0x53 => (Class::ProgramUpload, "upload all request"),
        0x55 => (Class::ProgramUpload, "upload completed"),
        0x57 => (Class::Reset, "initialize memory"),
        0x5e => (Class::Configure, "modify PLC-2 compatibility file"),
        0x67 => (Class::Write, "typed write"),
        0x68 => (Class::Read, "typed read"),
        0x79 => (Class::Write, "read-modify-write N"),
        0x80 => (Class::Configure, "change mode"),
        0x81 => (Class::File, "open file"),
        0x82 => (Class::File, "close file"),
        0x88 => (Class::Other, "execute multiple commands"),
        0x8f => (Class::Configure, "apply port configuration"),
        0xa1 => (Class::Read, "protected typed logical read, two addresses"),
        0xa2 => (Class::Read, "protected typed logical read, three addresses"),
        0xa7 => (Class::File, "protected typed file read"),
        0xa9 => (Class::Write, "protected typed logical write, two addresses"),
        0xaa => (Class::Write, "protected typed logical write, three addresses"),
        0xab => (Class::Write, "protected typed logical write with mask"),
        0xaf => (Class::File, "protected typed file write"),
        _ => (Class::Other, "undefined function"),
    }
}

/// Modes that "change mode" (0x80) and "set CPU mode" (0x3a) ask for.
const fn mode(function: u8, value: u8) -> (Class, &'static str) {
    match (function, value) {
        (0x80, 6) | (0x3a, 2) => (Class::Start, "change mode: run"),
        (0x80, 7 | 8) => (Class::Start, "change mode: test"),
        (0x80, 1) | (0x3a, 0 | 1) => (Class::Stop, "change mode: program"),
        _ => (Class::Configure, "change mode"),
    }
}

/// Skips the requestor id: its length, vendor, serial number.
fn command(data: &[u8]) -> Option<Reader<'_>> {
    let mut r = Reader::new(data);
    let length = usize::from(r.u8().ok()?);
    r.skip(length.checked_sub(1)?).ok()?;
    Some(r)
}

/// Reads a command, reports it, and gives what its reply needs.
pub(super) fn request(data: &[u8], unit: Option<u32>, out: &mut Output) -> Option<Asked> {
    let mut r = command(data)?;
    let (number, _, transaction) = (r.u8().ok()?, r.u8().ok()?, r.le16().ok()?);
    let function = match number {
        0x06 | 0x07 | 0x0f => r.u8().ok()?,
        _ => 0,
    };
    let (mut class, mut name) = meaning(number, function);
    let mut place = None;
    match (number, function) {
        (0x0f, 0x80 | 0x3a) => (class, name) = mode(function, r.peek_u8().unwrap_or(0xff)),
        (0x0f, 0xa1 | 0xa2 | 0xa9 | 0xaa | 0xab) => {
            place = Place::parse(&mut r, matches!(function, 0xa2 | 0xaa | 0xab));
        }
        _ => {}
    }
    let function = u32::from(number) << 8 | u32::from(function);
    let mut op = Op::request(class, function, name);
    op.unit = unit;
    out.operation(place.map_or(op.clone(), |at| at.on(op)));
    if let Some(at) = place
        && class == Class::Write
        && function != 0x0fab
        && out.values_wanted
    {
        values(at, r.rest(), out);
    }
    Some(Asked { transaction, class, name, function, place })
}

/// Reads the reply to a command, of whom a route leads to; nobody knows who it is without one.
pub(super) fn reply(data: &[u8], asked: Option<Asked>, whose: Option<Route>, out: &mut Output) {
    let place = whose.and_then(Route::place);
    let Some(mut r) = command(data) else { return };
    let (Ok(number), Ok(status), Ok(transaction)) = (r.u8(), r.u8(), r.le16()) else { return };
    let asked = asked.filter(|a| a.transaction == transaction);
    let (class, name, function) = match asked {
        Some(a) => (a.class, a.name, a.function),
        None => (Class::Other, "request not seen", u32::from(number & 0x3f) << 8),
    };
    let mut op = Op::response(class, function, name);
    op.unit = place.and_then(|place| place.slot()).map(u32::from);
    let op = match asked.and_then(|a| a.place) {
        Some(at) => at.on(op),
        None => op,
    };
    // 0xf0: the reason is in the extended status behind the transaction.
    let code = match status {
        0xf0 => u32::from(r.u8().unwrap_or(0)) | 0xf000,
        status => u32::from(status),
    };
    out.operation(match code {
        0 => op.done(),
        code => op.refused(code, refusal(code)),
    });
    if code != 0 {
        return;
    }
    match (function, asked.and_then(|a| a.place)) {
        (0x0603, _) if whose.is_some() => diagnostic(r.rest(), Subject::sender_at(place), out),
        (0x0fa1 | 0x0fa2, Some(at)) if out.values_wanted => values(at, r.rest(), out),
        _ => {}
    }
}

const fn refusal(code: u32) -> &'static str {
    match code {
        0x10 => "illegal command or format",
        0x20 => "host has a problem",
        0x30 => "remote node is missing or shut down",
        0x40 => "host could not complete the function",
        0x50 => "addressing problem or memory protect",
        0x60 => "not allowed: command protection",
        0x70 => "processor is in program mode",
        0x80 => "compatibility mode file missing",
        0xf006 => "address does not point to something usable",
        0xf007 => "file is wrong size",
        0xf00a => "data or file is too large",
        0xf00b => "transaction size plus address is too large",
        0xf00c => "access denied, improper privilege",
        0xf00f => "command cannot be executed",
        0xf012 => "access denied",
        0xf013 => "function not available",
        0xf01a => "file is opened by another node",
        0xf01b => "program is owned by another node",
        _ => "error",
    }
}

impl Place {
    /// Octets, file, type, element and, in the longer form, sub-element; 255 announces two octets.
    fn parse(r: &mut Reader<'_>, three: bool) -> Option<Place> {
        let number = |r: &mut Reader<'_>| match r.u8().ok()? {
            0xff => r.le16().ok(),
            number => Some(u16::from(number)),
        };
        let octets = r.u8().ok()?;
        let file = number(r)?;
        let kind = r.u8().ok()?;
        let element = number(r)?;
        let sub = if three { number(r)? } else { 0 };
        Some(Place { kind, file, element, sub, octets })
    }

    /// Letter of the file type, and octets of an element.
    const fn letter(self) -> (&'static str, u8) {
        match self.kind {
            0x82 => ("O", 2),
            0x83 => ("I", 2),
            0x84 => ("S", 2),
            0x85 => ("B", 2),
            0x86 => ("T", 6),
            0x87 => ("C", 6),
            0x88 => ("R", 6),
            0x89 => ("N", 2),
            0x8a => ("F", 4),
            0x8b => ("O", 2),
            0x8c => ("I", 2),
            0x8d => ("ST", 84),
            0x8e => ("A", 2),
            0x8f => ("D", 2),
            0x91 => ("L", 4),
            _ => ("file", 2),
        }
    }

    fn on(self, op: Op) -> Op {
        let (letter, octets) = self.letter();
        let count = self.octets.checked_div(octets).unwrap_or(1).max(1);
        op.range(letter, u32::from(self.file), u32::from(self.element), u32::from(count))
    }
}

/// Integers, reals and bits by element.
fn values(at: Place, data: &[u8], out: &mut Output) {
    const VALUES_MAX: usize = 128;
    let (letter, octets) = at.letter();
    let octets = usize::from(octets);
    if !matches!(octets, 2 | 4) || at.sub != 0 {
        return;
    }
    let elements = (u32::from(at.element)..).zip(data.chunks_exact(octets).take(VALUES_MAX));
    for (element, bytes) in elements {
        let value = match (letter, bytes) {
            ("F", [a, b, c, d]) => {
                PointValue::Float(f64::from(f32::from_le_bytes([*a, *b, *c, *d])))
            }
            (_, [a, b, c, d]) => PointValue::Int(i64::from(i32::from_le_bytes([*a, *b, *c, *d]))),
            ("N", [a, b]) => PointValue::Int(i64::from(i16::from_le_bytes([*a, *b]))),
            (_, [a, b]) => PointValue::Unsigned(u64::from(u16::from_le_bytes([*a, *b]))),
            _ => return,
        };
        let point = format!("{letter}{}:{element}", at.file);
        out.value(point, value, (None, Quality::Good));
    }
}

/// Reply to diagnostic status (10-27 for SLC 500 and MicroLogix): type, series and revision,
/// bulletin of eleven letters, error, mode.
fn diagnostic(data: &[u8], subject: Subject, out: &mut Output) {
    let [_, _, _, _, series, rest @ ..] = data else { return };
    let Some(bulletin) = rest.get(..11) else { return };
    if !bulletin.iter().all(|b| (0x20..0x7f).contains(b) || *b == 0) {
        return;
    }
    let letter = char::from(b'A'.wrapping_add(series >> 5));
    let facts = [
        ("vendor", "Rockwell Automation/Allen-Bradley".to_owned()),
        ("model", text::lossy(bulletin)),
        ("firmware", format!("{letter}/{}", series & 0x1f)),
    ];
    out.identity(subject, "PCCC diagnostic status", facts);
    let mode = match rest.get(13).map(|status| status & 0x1f) {
        Some(0x01 | 0x11) => "program",
        Some(0x03) => "suspend",
        Some(0x06 | 0x1e) => "run",
        Some(0x07 | 0x08) => "test",
        _ => return,
    };
    out.state(subject, "mode", mode);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_parameters_are_read_and_a_processor_is_shut_down() {
        assert_eq!(meaning(0x06, 0x09), (Class::Diagnose, "read link parameters"));
        assert_eq!(meaning(0x06, 0x0a), (Class::Configure, "set link parameters"));
        assert_eq!(meaning(0x0f, 0x07), (Class::Stop, "shutdown"));
        assert_eq!(meaning(0x0f, 0x0a), (Class::Reset, "restart request"));
        assert_eq!(meaning(0x0f, 0x04), (Class::Read, "file read"));
    }
}
