//! System status lists: what the CPU says of itself.
//!
//! Siemens, "System Software for S7-300/400 System and Standard Functions", chapter 34 (list ids
//! and records). Invariant: a list of another layout than described gives nothing.

use crate::{Output, text};
use ::wire::reader::Reader;
use model::Subject;

/// A list: id, index, and records of one length.
struct List<'a> {
    id: u16,
    record_octets: usize,
    records: &'a [u8],
}

fn parse(data: &[u8]) -> Option<List<'_>> {
    let mut at = Reader::new(data);
    let id = at.be16().ok()?;
    at.skip(2).ok()?;
    let record_octets = usize::from(at.be16().ok()?);
    at.skip(2).ok()?;
    (record_octets > 0).then(|| List { id, record_octets, records: at.rest() })
}

/// Reads the contents of an answered list.
pub(super) fn read(data: &[u8], out: &mut Output) {
    let Some(list) = parse(data) else { return };
    for record in list.records.chunks_exact(list.record_octets) {
        match list.id & 0x00ff {
            0x11 => module_identification(record, out),
            0x1c => component_identification(record, out),
            0x24 => operating_mode(record, out),
            0x32 => protection(record, out),
            _ => {}
        }
    }
}

fn index(record: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = record.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*head), rest))
}

/// SZL xy11: order number, then hardware and firmware as letter and three numbers.
fn module_identification(record: &[u8], out: &mut Output) {
    let Some((index, rest)) = index(record) else { return };
    let order = rest.get(..20).map(text::lossy).unwrap_or_default();
    let version = rest.get(22..26);
    let numbers = match version {
        Some([letter, a, b, c]) if letter.is_ascii_alphabetic() => Some(format!("V{a}.{b}.{c}")),
        Some([_, a, b, c]) if *a != 0 || *b != 0 => Some(format!("{a}.{b}.{c}")),
        _ => None,
    };
    let message = "SZL 0x0011";
    match index {
        1 => out.identity(Subject::Sender, message, [("order_number", order)]),
        6 => {
            out.attribute(Subject::Sender, message, ("order_number", &order), 60);
            let facts =
                [("hardware", numbers.unwrap_or_default()), ("hardware_order_number", order)];
            out.identity(Subject::Sender, message, facts);
        }
        // 0x0081 is the boot loader, not the CPU.
        7 => {
            let facts =
                [("firmware", numbers.unwrap_or_default()), ("firmware_order_number", order)];
            out.identity(Subject::Sender, message, facts);
        }
        0x81 => out.identity(Subject::Sender, message, [("boot_loader", order)]),
        _ => {}
    }
}

/// SZL xy1c: one text an index.
fn component_identification(record: &[u8], out: &mut Output) {
    let Some((index, rest)) = index(record) else { return };
    let said = text::lossy(rest.split(|b| *b == 0).next().unwrap_or_default());
    let path = match index {
        1 => "plc_name",
        2 => "module_name",
        3 => "plant_id",
        4 => "copyright",
        5 => "serial",
        7 => "model",
        8 => "memory_card_serial",
        0x0b => "location",
        _ => return,
    };
    let message = "SZL 0x001c";
    out.identity(Subject::Sender, message, [(path, said)]);
    if path == "plc_name" {
        out.attribute(Subject::Sender, message, ("vendor", "Siemens"), 80);
    }
}

/// SZL xy24: the last mode transition; the lower half of the fourth octet is the mode.
fn operating_mode(record: &[u8], out: &mut Output) {
    let mode = match record.get(3).map(|b| b & 0x0f) {
        Some(1..=4) => "stop",
        Some(5..=7 | 0xb) => "startup",
        Some(8 | 9) => "run",
        Some(0xa) => "hold",
        Some(0xd) => "defective",
        _ => return,
    };
    out.state(Subject::Sender, "mode", mode);
}

/// SZL xy32, index 4: protection level and position of the mode selector.
fn protection(record: &[u8], out: &mut Output) {
    let Some((4, rest)) = index(record) else { return };
    let word = |at: usize| {
        let bytes = rest.get(at..at.checked_add(2)?)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    if let Some(level @ 1..=3) = word(4) {
        out.state(Subject::Sender, "protection", &format!("level {level}"));
    }
    let key = match word(6) {
        Some(1) => "RUN",
        Some(2) => "RUN-P",
        Some(3) => "STOP",
        Some(4) => "MRES",
        _ => return,
    };
    out.state(Subject::Sender, "key", key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    #[test]
    fn order_numbers_of_hardware_and_firmware_are_told_apart() {
        let record = |index: u8, order: &[u8; 20]| {
            [&[0, index][..], order, &[0, 0], b"V", &[2, 3, 4]].concat()
        };
        let mut list = vec![0, 0x11, 0, 0, 0, 28, 0, 2];
        list.extend(record(6, b"6ES7 315-2AG10-0AB0 "));
        list.extend(record(7, b"                    "));
        let mut out = Output::new(false);
        read(&list, &mut out);
        let told: Vec<_> = out
            .observed
            .iter()
            .filter_map(|seen| match &seen.detail {
                Detail::Identity(identity) => Some(&identity.attributes),
                _ => None,
            })
            .flatten()
            .map(|a| (a.path, &*a.value, a.confidence))
            .collect();
        let order = "6ES7 315-2AG10-0AB0";
        let expected = [
            ("order_number", order, 60),
            ("hardware", "V2.3.4", 90),
            ("hardware_order_number", order, 90),
            ("firmware", "V2.3.4", 90),
        ];
        assert_eq!(told, expected);
    }
}
