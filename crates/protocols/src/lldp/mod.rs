//! LLDP: what a neighbour says of itself.
//!
//! Not here: who is connected where. Invariant: a part is read within its own length.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{Mac, OperationClass, Subject};
use std::net::Ipv6Addr;
use wire::Reader;

const ETHERTYPE: u16 = 0x88cc;
/// Parts read of one announcement.
const PARTS_MAX: usize = 128;

pub struct Lldp;
pub static LLDP: Lldp = Lldp;

static ABOUT: About = About {
    name: "lldp",
    title: "Link Layer Discovery Protocol",
    specs: &["IEEE 802.1AB-2016, 8 and 9", "ANSI/TIA-1057, 10.2 (inventory)"],
    carriers: &[Carrier::Ethertype(ETHERTYPE)],
    ports: &[],
    groups: &[],
    depth: "chassis, port, names, description, capabilities, management address, port VLAN, \
            inventory of media endpoints",
};

impl Protocol for Lldp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, _: &[u8], hint: Hint) -> Probe {
        match hint.carrier {
            Carrier::Ethertype(ETHERTYPE) => Probe::Match,
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
        out.begin("lldp", 0..bytes.len());
        out.operation(Op::notice(OperationClass::Report, 0, "LLDP announcement"));
        let mut r = Reader::new(bytes);
        let mut said = Vec::new();
        for _ in 0..PARTS_MAX {
            let Ok(head) = r.be16() else {
                // Every announcement ends with an empty part (8.5.1).
                let says = "the announcement does not end";
                out.violation("lldp-without-end", says, "IEEE 802.1AB-2016, 8.5.1");
                break;
            };
            let Ok(value) = r.bytes(usize::from(head & 0x1ff)) else {
                let says = "a part is longer than the frame";
                out.violation("lldp-part-beyond-frame", says, "IEEE 802.1AB-2016, 8.4");
                break;
            };
            match head >> 9 {
                0 => break,
                kind => said.extend(part(kind, value)),
            }
        }
        out.identity(Subject::Sender, "LLDP announcement", said);
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn part(kind: u16, value: &[u8]) -> Option<(&'static str, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match (kind, value) {
        // Subtype 5 (network) names a host the frame names already; 4 the MAC address of the whole
        // where the frame has that of the port, as the part of PROFINET of subtype 5 does
        // (IEC 61158-6-10, 4.11.2); 7 is a local name, in PROFINET the station's.
        (1, [4, mac @ ..]) | (127, [0x00, 0x0e, 0xcf, 5, mac @ ..]) => {
            ("port_of", Mac(*mac.first_chunk()?).to_string())
        }
        (1, [7, name @ ..]) => ("chassis", text(name)),
        (2, [5 | 7, name @ ..]) => ("port", text(name)),
        (4, name) => ("port_description", text(name)),
        (5, name) => ("system_name", text(name)),
        (6, description) => ("description", text(description)),
        (7, [_, _, a, b, ..]) => ("capabilities", capabilities(u16::from_be_bytes([*a, *b]))),
        (8, [5, 1, a, b, c, d, ..]) => ("management_ip", format!("{a}.{b}.{c}.{d}")),
        (8, [17, 2, address @ ..]) => {
            ("management_ip", Ipv6Addr::from(*address.first_chunk::<16>()?).to_string())
        }
        // IEEE 802.1Q, D.2.1: none is 0.
        (127, [0x00, 0x80, 0xc2, 1, a, b]) => {
            let vlan = u16::from_be_bytes([*a, *b]);
            ("native_vlan", Some(vlan.to_string()).filter(|_| vlan != 0)?)
        }
        (127, [0x00, 0x12, 0xbb, subtype, value @ ..]) => (inventory(*subtype)?, text(value)),
        _ => return None,
    })
}

/// ANSI/TIA-1057, 10.2.6: what phones, cameras and their like say of themselves.
fn inventory(subtype: u8) -> Option<&'static str> {
    Some(match subtype {
        5 => "hardware",
        // Of firmware and software the latter is what is updated.
        6 => "boot_firmware",
        7 => "firmware",
        8 => "serial",
        9 => "vendor",
        10 => "model",
        11 => "asset_tag",
        _ => return None,
    })
}

/// Enabled capabilities (8.5.8), in the standard's words.
fn capabilities(bits: u16) -> String {
    const NAMES: [&str; 8] = [
        "other",
        "repeater",
        "bridge",
        "WLAN access point",
        "router",
        "telephone",
        "DOCSIS cable device",
        "station only",
    ];
    let on = |i: usize| bits.checked_shr(u32::try_from(i).unwrap_or(16)).unwrap_or(0) & 1 == 1;
    let names: Vec<&str> =
        NAMES.iter().enumerate().filter(|(i, _)| on(*i)).map(|(_, n)| *n).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_names_the_mac_address_of_its_device() {
        let device = Some(("port_of", "08:00:06:93:cf:32".to_owned()));
        let mac = [8, 0, 6, 0x93, 0xcf, 0x32];
        assert_eq!(part(1, &[&[4][..], &mac].concat()), device);
        assert_eq!(part(127, &[&[0, 0x0e, 0xcf, 5][..], &mac].concat()), device);
        assert_eq!(part(127, &[&[0, 0x0e, 0xcf, 4][..], &mac].concat()), None);
        assert_eq!(part(1, &[4, 8, 0, 6]), None);
    }

    #[test]
    fn parts_of_organisations_and_ipv6_addresses_are_read() {
        let said = |kind, value: &[u8]| part(kind, value).map(|(path, v)| format!("{path} {v}"));
        let check = |value: &[u8], want: Option<&str>| {
            assert_eq!(said(127, value).as_deref(), want);
        };
        check(&[0, 0x80, 0xc2, 1, 0, 20], Some("native_vlan 20"));
        check(&[0, 0x80, 0xc2, 1, 0, 0], None);
        check(b"\x00\x12\xbb\x07SCCP45.9-4-2", Some("firmware SCCP45.9-4-2"));
        check(b"\x00\x12\xbb\x08FCH1234ABCD", Some("serial FCH1234ABCD"));
        check(b"\x00\x12\xbb\x09Cisco Systems, Inc.", Some("vendor Cisco Systems, Inc."));
        check(b"\x00\x12\xbb\x0aCP-7945G", Some("model CP-7945G"));
        check(b"\x00\x12\xbb\x01\x00\x21\x03", None);
        let address = [&[17, 2, 0xfe, 0x80][..], &[0; 13], &[1, 2, 0, 0, 0, 1, 0]].concat();
        assert_eq!(said(8, &address).as_deref(), Some("management_ip fe80::1"));
        assert_eq!(said(8, &[17, 2, 0xfe]), None);
    }
}
