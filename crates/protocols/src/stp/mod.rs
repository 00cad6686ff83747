//! Spanning tree: which bridge is root, and when the topology of a network changes.
//!
//! STP, RSTP and the common tree of MSTP; also one tree for each VLAN as Cisco sends it.
//! Invariant: a bridge that says the same again is only counted.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{OperationClass, Subject};
use wire::{Reader, Short};

pub struct Stp;
pub static STP: Stp = Stp;

/// IEEE 802.1D, 9.3.
const CONFIGURATION: u8 = 0x00;
const RAPID: u8 = 0x02;
const TOPOLOGY_CHANGE_NOTICE: u8 = 0x80;

static ABOUT: About = About {
    name: "stp",
    title: "Spanning tree (STP, RSTP, MSTP)",
    specs: &["IEEE 802.1D-2004, 9", "IEEE 802.1Q-2018, 14"],
    carriers: &[Carrier::Llc(0x42), Carrier::Snap([0, 0, 0x0c], 0x010b)],
    ports: &[],
    groups: &[],
    depth: "bridge and root identifiers, path cost, topology changes",
};

impl Protocol for Stp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match head {
            [0, 0, 0..=4, CONFIGURATION | RAPID | TOPOLOGY_CHANGE_NOTICE, ..] => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Bridge>::default()
    }
}

/// A bridge's port as it introduced itself last.
#[derive(Default)]
struct Bridge {
    root: Option<[u8; 8]>,
    changing: bool,
}

/// A configuration or rapid BPDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bpdu {
    flags: u8,
    root: [u8; 8],
    cost: u32,
    bridge: [u8; 8],
    port: u16,
}

fn parse(body: &[u8]) -> Result<Bpdu, Short> {
    let mut at = Reader::new(body);
    let (flags, root, cost) = (at.u8()?, at.array()?, at.be32()?);
    Ok(Bpdu { flags, root, cost, bridge: at.array()?, port: at.be16()? })
}

impl Dissector for Bridge {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        out.begin("stp", 0..bytes.len());
        let (Some(&version), Some(&kind)) = (bytes.get(2), bytes.get(3)) else {
            out.violation("stp-too-short", "a BPDU without its header", "IEEE 802.1D, 9.3");
            return all;
        };
        let (number, class) = (u32::from(kind), OperationClass::Report);
        if kind == TOPOLOGY_CHANGE_NOTICE {
            out.operation(Op::notice(class, number, "topology change notice"));
            out.state(Subject::Sender, "stp-topology", "a change is announced");
            return all;
        }
        out.operation(Op::notice(class, number, "bridge protocol data"));
        match parse(bytes.get(4..).unwrap_or_default()) {
            Ok(bpdu) => self.see(&bpdu, version, out),
            Err(_) if segment.missing == 0 => {
                let says = "a configuration without all its fields";
                out.violation("stp-too-short", says, "IEEE 802.1D, 9.3.1");
            }
            Err(_) => {}
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

impl Bridge {
    fn see(&mut self, bpdu: &Bpdu, version: u8, out: &mut Output) {
        if self.root != Some(bpdu.root) {
            let protocol = match version {
                0 => "STP",
                2 => "RSTP",
                3 => "MSTP",
                _ => "SPT",
            };
            let facts = [
                ("stp_bridge", identifier(&bpdu.bridge)),
                ("stp_port", format!("0x{:04x}", bpdu.port)),
                ("stp_protocol", protocol.to_owned()),
            ];
            out.identity(Subject::Sender, "spanning tree", facts);
            let own = if bpdu.root == bpdu.bridge { " (itself)" } else { "" };
            let value = format!("{}{own}, cost {}", identifier(&bpdu.root), bpdu.cost);
            out.state(Subject::Sender, "stp-root", &value);
        }
        self.root = Some(bpdu.root);
        let changing = bpdu.flags & 1 != 0;
        if std::mem::replace(&mut self.changing, changing) != changing {
            let value = if changing { "changing" } else { "stable" };
            out.state(Subject::Sender, "stp-topology", value);
        }
    }
}

/// Priority and MAC address.
fn identifier(&[a, b, ref mac @ ..]: &[u8; 8]) -> String {
    let mac: Vec<String> = mac.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}/{}", u16::from_be_bytes([a, b]), mac.join(":"))
}
