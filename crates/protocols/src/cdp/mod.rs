//! CDP: what Cisco's devices and those of its partners say of themselves.
//!
//! Not here: who is connected where. Invariant: a part is read within its own length.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{OperationClass, Subject};
use wire::{Reader, Short};

const SNAP: Carrier = Carrier::Snap([0, 0, 0x0c], 0x2000);
/// Parts read of one announcement.
const PARTS_MAX: usize = 64;

pub struct Cdp;
pub static CDP: Cdp = Cdp;

static ABOUT: About = About {
    name: "cdp",
    title: "Cisco Discovery Protocol",
    specs: &["Cisco, Configuring Cisco Discovery Protocol: frame formats of versions 1 and 2"],
    carriers: &[SNAP],
    ports: &[],
    groups: &[],
    depth: "device, port, platform, software, capabilities, address, native VLAN",
};

impl Protocol for Cdp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match (hint.carrier == SNAP, head) {
            (true, [1 | 2, ..]) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Neighbour)
    }
}

struct Neighbour;

impl Dissector for Neighbour {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("cdp", 0..bytes.len());
        out.operation(Op::notice(OperationClass::Report, 0, "CDP announcement"));
        let mut said = Vec::new();
        if parts(bytes, &mut said).is_err() {
            let says = "a part is shorter than its head or longer than the frame";
            out.violation("cdp-part-beyond-frame", says, "CDP frame format, TLV length");
        }
        out.identity(Subject::Sender, "CDP announcement", said);
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

/// Version, hold time and checksum, then parts of type and length with the head counted in.
fn parts(bytes: &[u8], said: &mut Vec<(&'static str, String)>) -> Result<(), Short> {
    const HEAD: u16 = 4;
    let mut r = Reader::new(bytes);
    r.skip(4)?;
    for _ in 0..PARTS_MAX {
        if r.is_empty() {
            break;
        }
        let (kind, length) = (r.be16()?, r.be16()?);
        let value = usize::from(length.checked_sub(HEAD).ok_or(Short { needed: 1 })?);
        let value = r.bytes(value)?;
        said.extend(part(kind, value));
        if let (1, Some((_, serial))) = (kind, named_with_serial(value)) {
            said.push(("serial", serial));
        }
    }
    Ok(())
}

fn part(kind: u16, value: &[u8]) -> Option<(&'static str, String)> {
    let text = String::from_utf8_lossy(value).into_owned();
    Some(match (kind, value) {
        (1, _) => ("name", named_with_serial(value).map_or(text, |(name, _)| name)),
        // One address: protocol type 1 of length 1, IPv4.
        (2, [0, 0, 0, _, 1, 1, 0xcc, 0, 4, a, b, c, d, ..]) => {
            ("management_ip", format!("{a}.{b}.{c}.{d}"))
        }
        (3, _) => ("port", text),
        (4, [_, _, _, bits, ..]) => ("capabilities", capabilities(*bits)),
        (5, _) => ("description", text),
        (6, _) => ("platform", text),
        (0x0a, [a, b, ..]) => ("native_vlan", u16::from_be_bytes([*a, *b]).to_string()),
        _ => return None,
    })
}

/// NX-OS and CatOS put the serial number of the chassis behind the name: `core(FOC12345ABC)`.
fn named_with_serial(device: &[u8]) -> Option<(String, String)> {
    const SERIAL_OCTETS: std::ops::RangeInclusive<usize> = 8..=14;
    let device = std::str::from_utf8(device).ok()?.strip_suffix(')')?;
    let (name, serial) = device.rsplit_once('(')?;
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let fits = SERIAL_OCTETS.contains(&serial.len()) && serial.chars().all(is_part);
    (fits && !name.is_empty()).then(|| (name.to_owned(), serial.to_owned()))
}

fn capabilities(bits: u8) -> String {
    const NAMES: [(u8, &str); 7] = [
        (0x01, "router"),
        (0x02, "transparent bridge"),
        (0x04, "source route bridge"),
        (0x08, "switch"),
        (0x10, "host"),
        (0x20, "IGMP"),
        (0x40, "repeater"),
    ];
    let on = NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name);
    on.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_behind_the_name_is_no_part_of_it() {
        let mut said = Vec::new();
        let head = [2, 180, 0, 0, 0, 1, 0, 21];
        parts(&[&head[..], b"core(FOC12345ABC)"].concat(), &mut said).expect("a whole part");
        assert_eq!(said, [("name", "core".to_owned()), ("serial", "FOC12345ABC".to_owned())]);
        assert_eq!(named_with_serial(b"line 3 (left)"), None);
        assert_eq!(named_with_serial(b"(FOC12345ABC)"), None);
    }
}
