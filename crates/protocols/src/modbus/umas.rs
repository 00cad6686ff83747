//! UMAS functions inside Modbus function 90, as far as they are publicly known.
//!
//! Names and meanings follow published research (L. Lhoste; Kaspersky ICS CERT, "The secrets of
//! Schneider Electric's UMAS protocol"). Invariant: what is not known is called unknown.

use crate::{Output, output::Op};
use model::{OperationClass as Class, Subject};

pub(super) const ANSWER_OK: u8 = 0xfe;
pub(super) const ANSWER_ERROR: u8 = 0xfd;

pub(super) fn function(code: u8) -> (Class, &'static str) {
    match code {
        0x01 => (Class::Session, "init communication"),
        0x02 => (Class::Diagnose, "read plc id"),
        0x03 => (Class::Diagnose, "read project info"),
        0x04 => (Class::Diagnose, "read plc info"),
        0x06 => (Class::Diagnose, "read memory card info"),
        0x0a => (Class::Diagnose, "repeat"),
        0x10 => (Class::Configure, "take plc reservation"),
        0x11 => (Class::Configure, "release plc reservation"),
        0x12 => (Class::Session, "keep alive"),
        0x20 => (Class::Read, "read memory block"),
        0x21 => (Class::Write, "write memory block"),
        0x22 => (Class::Read, "read variables"),
        0x23 => (Class::Write, "write variables"),
        0x24 => (Class::Read, "read coils and registers"),
        0x25 => (Class::Write, "write coils and registers"),
        0x26 => (Class::Browse, "data dictionary"),
        0x30 => (Class::ProgramDownload, "initialize upload"),
        0x31 => (Class::ProgramDownload, "upload block"),
        0x32 => (Class::ProgramDownload, "end upload"),
        0x33 => (Class::ProgramUpload, "initialize download"),
        0x34 => (Class::ProgramUpload, "download block"),
        0x35 => (Class::ProgramUpload, "end download"),
        0x39 => (Class::Read, "read ethernet master data"),
        0x40 => (Class::Start, "start plc"),
        0x41 => (Class::Stop, "stop plc"),
        0x42 => (Class::Reset, "init plc"),
        0x50 => (Class::Read, "monitor plc"),
        0x58 => (Class::Diagnose, "check plc"),
        0x70 => (Class::Read, "read io object"),
        0x71 => (Class::Write, "write io object"),
        0x73 => (Class::Diagnose, "get status module"),
        _ => (Class::Other, "unknown umas function"),
    }
}

/// The answer to "read plc id": the model's name is the text behind its length.
pub(super) fn plc_id(data: &[u8], out: &mut Output) {
    let longest = data
        .split(|b| !(0x20..0x7f).contains(b))
        .filter(|t| t.len() >= 5 && t.iter().any(u8::is_ascii_alphabetic))
        .max_by_key(|t| t.len());
    if let Some(text) = longest {
        let text = crate::text::lossy(text);
        let facts =
            [("model", text.trim().to_owned()), ("vendor", "Schneider Electric".to_owned())];
        out.identity(Subject::Sender, "UMAS read plc id", facts);
    }
}

/// A request; a reservation names the station that takes it: a number, a length, the name.
pub(super) fn request(code: u8, data: &[u8]) -> Op {
    const TAKE_RESERVATION: u8 = 0x10;
    const NUMBER_OCTETS: usize = 4;
    let (class, name) = function(code);
    let op = Op::request(class, u32::from(code), name);
    let Some([length, station @ ..]) = data.get(NUMBER_OCTETS..) else { return op };
    match station.get(..usize::from(*length)) {
        Some(station) if code == TAKE_RESERVATION && station.iter().all(u8::is_ascii_graphic) => {
            op.named("station", &crate::text::lossy(station))
        }
        _ => op,
    }
}

pub(super) fn answer(code: u8, ok: bool) -> Op {
    let (class, name) = function(code);
    let op = Op::response(class, u32::from(code), name);
    if ok { op.done() } else { op.refused(u32::from(ANSWER_ERROR), "umas error") }
}
