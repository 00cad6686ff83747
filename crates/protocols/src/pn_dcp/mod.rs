//! PROFINET on Ethernet: discovery and configuration (DCP), real-time frames, time (PTCP).
//!
//! Not here: PROFINET IO over UDP. Invariant: a block is read within its own length, whatever
//! the frame says.

mod ptcp;
mod rt;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op,
};
use model::{OperationClass, Scalar, Subject};
use wire::{Block, Frame, blocks};

pub static DCP_GROUP: Group =
    Group { name: "pn_dcp", ends: Ends::MacPair, keys: &["service_id", "service_type"] };
pub static RT_GROUP: Group = Group { name: "pn_rt", ends: Ends::MacPair, keys: &["frame_id"] };

const ETHERTYPE: u16 = 0x8892;

pub struct PnDcp;
pub static PN_DCP: PnDcp = PnDcp;

static ABOUT: About = About {
    name: "pn_dcp",
    title: "PROFINET DCP and RT",
    specs: &["IEC 61158-6-10:2019, 4.3 (DCP), 4.5 (RTC) and 4.6 (PTCP)"],
    carriers: &[Carrier::Ethertype(ETHERTYPE)],
    ports: &[],
    groups: &[&DCP_GROUP, &RT_GROUP],
    depth: "identify, get, set, hello with all blocks; cyclic frames with provider state, alarms \
            with slot; clock masters and subdomains (PTCP)",
};

impl Protocol for PnDcp {
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
        Box::<Stations>::default()
    }
}

#[derive(Default)]
struct Stations {
    providers: rt::Providers,
    clock: ptcp::Clock,
}

impl Dissector for Stations {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        let Some(id) = bytes.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) else {
            out.begin("pn_rt", 0..bytes.len());
            out.violation("pn-frame-too-short", "no frame id", "IEC 61158-6-10, 4.2");
            return all;
        };
        if !(0xfefc..=0xfeff).contains(&id) {
            out.refine("pn_rt");
            out.begin("pn_rt", 0..bytes.len());
            out.count(&RT_GROUP, [Scalar::Number(u64::from(id))]);
            match ptcp::meaning(id) {
                Some(name) => self.clock.frame((id, name), &segment, out),
                None => self.providers.frame(id, bytes, out),
            }
            return all;
        }
        out.begin("pn_dcp", 0..bytes.len());
        let frame = Frame::parse(bytes);
        let whole = frame.is_ok_and(|frame| frame.data.len() == frame.length);
        if !whole && segment.missing == 0 {
            let says = "a DCP frame shorter than its header or its blocks";
            out.violation("dcp-too-short", says, "IEC 61158-6-10, 4.3.1");
        }
        if let Ok(frame) = frame {
            dcp(&frame, out);
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

fn dcp(frame: &Frame<'_>, out: &mut Output) {
    let (service, kind) = (u64::from(frame.service), u64::from(frame.kind));
    out.count(&DCP_GROUP, [Scalar::Number(service), Scalar::Number(kind)]);
    let found: Vec<Block<'_>> = blocks(frame).collect();
    let reset = found.iter().any(|b| b.option == 5 && matches!(b.suboption, 5 | 6));
    // A station that blinks is looked for; the transaction around it changes nothing either.
    let signal = found.iter().any(|b| (b.option, b.suboption) == (5, 3))
        && found.iter().all(|b| b.option == 5 && matches!(b.suboption, 1..=3));
    let (class, name) = match frame.service {
        3 => (OperationClass::Diagnose, "DCP get"),
        4 if reset => (OperationClass::Reset, "DCP factory reset"),
        4 if signal => (OperationClass::Diagnose, "DCP signal"),
        4 => (OperationClass::Configure, setting(frame, &found)),
        5 => (OperationClass::Browse, "DCP identify"),
        6 => (OperationClass::Report, "DCP hello"),
        _ => (OperationClass::Other, "DCP service"),
    };
    let number = u32::from(frame.service);
    let op = match frame.kind {
        0 if frame.service == 6 => Op::notice(class, number, name),
        0 => {
            let op = Op::request(class, number, name);
            match found.iter().find_map(|b| b.station_name()) {
                Some(station) => {
                    // A controller looking for a device, or a device checking that its own name
                    // is free: which of both cannot be told from here.
                    if frame.service == 5 {
                        let asks = ("asks_for_station", station.as_str());
                        out.attribute(Subject::Sender, "DCP request", asks, 90);
                    }
                    op.named("station", &station)
                }
                None if frame.service == 4 => match found.iter().find_map(Block::address) {
                    Some(address) => op.named("ipv4", &address),
                    None => op,
                },
                None => op,
            }
        }
        1 => match found.iter().find_map(Block::refusal) {
            Some(code) => {
                let op = Op::response(class, number, name);
                op.refused(u32::from(code), wire::block_error(code))
            }
            None => Op::response(class, number, name).done(),
        },
        _ => Op::response(class, number, name).refused(u32::from(frame.kind), "not supported"),
    };
    out.operation(op);
    // A request of get and identify asks; answers, hellos and sets tell.
    let said_in = match (frame.service, frame.kind) {
        (5, 1) => "DCP identify response",
        (3, 1) => "DCP get response",
        (6, 0) => "DCP hello",
        _ => return,
    };
    for block in &found {
        tell(block, said_in, out);
    }
}

/// What a request sets, and whether a restart undoes it. An answer does not say.
fn setting(frame: &Frame<'_>, found: &[Block<'_>]) -> &'static str {
    if frame.kind != 0 {
        return "DCP set";
    }
    let of = |is: fn(&Block<'_>) -> bool| found.iter().find(|b| is(b)).map(|b| b.permanent);
    let address = of(|b| b.option == 1 && matches!(b.suboption, 2 | 3));
    let name = of(|b| (b.option, b.suboption) == (2, 2));
    match (name, address) {
        (Some(_), Some(_)) => "DCP set station name and IP address",
        (Some(true), None) => "DCP set station name",
        (Some(false), None) => "DCP set station name until restart",
        (None, Some(true)) => "DCP set IP address",
        (None, Some(false)) => "DCP set IP address until restart",
        (None, None) if found.iter().any(|b| b.option == 3) => "DCP set DHCP",
        (None, None) => "DCP set",
    }
}

fn tell(block: &Block<'_>, said_in: &'static str, out: &mut Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let sender = Subject::Sender;
    match (block.option, block.suboption, block.value) {
        // The type of station is a family; the device itself may name its model more closely.
        (2, 1, kind) => out.attribute(sender, said_in, ("model", &text(kind)), 80),
        (2, 2, name) => out.identity(sender, said_in, [("station_name", text(name))]),
        (2, 3, [a, b, c, d, ..]) => {
            let (vendor, device) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
            out.identity(
                sender,
                said_in,
                [
                    ("vendor", wire::vendor(vendor).unwrap_or_default().to_owned()),
                    ("vendor_id", format!("0x{vendor:04x}")),
                    ("device_id", format!("0x{device:04x}")),
                ],
            );
        }
        (2, 4, [role, ..]) => {
            let name = match role & 3 {
                1 => "device",
                2 | 3 => "controller",
                _ => return,
            };
            out.identity(sender, said_in, [("pn_role", name.to_owned())]);
        }
        (1, 2, [a, b, c, d, _, _, _, _, e, f, g, h, ..]) if [*a, *b, *c, *d] != [0; 4] => {
            out.identity(
                sender,
                said_in,
                [("ip", format!("{a}.{b}.{c}.{d}")), ("gateway", format!("{e}.{f}.{g}.{h}"))],
            );
        }
        _ => {}
    }
}
