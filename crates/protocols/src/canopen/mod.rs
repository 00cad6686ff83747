//! CANopen: network management, emergencies, object dictionaries, cyclic data.
//!
//! On captures of CAN interfaces. Read `block` for transfers in blocks. Not here: CANopen FD, SDO
//! tunnelled over gateways. Invariant: a text read in segments is kept for few nodes and to a
//! bounded length.

mod block;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use block::{Blocks, Within};
use model::{OperationClass as Class, Place, PointValue, Quality, Scalar, Subject};
use wire::{Reader, Short};

/// A bus has no addresses: whose a frame is, its identifier says.
pub static CANOPEN_GROUP: Group =
    Group { name: "canopen", ends: Ends::None, keys: &["function", "node"] };

pub struct CanOpen;
pub static CANOPEN: CanOpen = CanOpen;

/// Linux' number for CAN frames (`ETH_P_CAN`); the link layer gives them under it.
const CAN_FRAMES: u16 = 0x000c;

static ABOUT: About = About {
    name: "canopen",
    title: "CANopen",
    specs: &[
        "CiA 301 v4.2.0 (application layer)",
        "SocketCAN frame format (tcpdump link type 227)",
    ],
    carriers: &[Carrier::Ethertype(CAN_FRAMES)],
    ports: &[],
    groups: &[&CANOPEN_GROUP],
    depth: "NMT commands and states, emergencies, SDO by index and subindex with values and \
            aborts, identity object and names, PDOs by node, synchronisation",
};

const NODES_MAX: usize = 128;
const TEXT_OCTETS_MAX: usize = 256;

impl Protocol for CanOpen {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        if Frame::parse(head).is_ok() { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Bus>::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// 11 or 29 bits, without flags.
    pub id: u32,
    pub extended: bool,
    pub remote: bool,
    pub error: bool,
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Identifier with flags in its upper bits, length, three octets reserved, data.
    pub fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (word, length) = (r.be32()?, usize::from(r.u8()?));
        r.skip(3)?;
        if length > 64 {
            return Err(Short { needed: length });
        }
        Ok(Frame {
            id: word & 0x1fff_ffff,
            extended: word & 0x8000_0000 != 0,
            remote: word & 0x4000_0000 != 0,
            error: word & 0x2000_0000 != 0,
            data: r.bytes(length)?,
        })
    }

    pub fn emit(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        let word = self.id
            | flag(self.extended, 0x8000_0000)
            | flag(self.remote, 0x4000_0000)
            | flag(self.error, 0x2000_0000);
        let mut out = word.to_be_bytes().to_vec();
        out.extend([self.data.len() as u8, 0, 0, 0]);
        out.extend(self.data);
        out
    }
}

#[derive(Default)]
struct Bus {
    /// State of a node told last, by node.
    states: Vec<(u8, u8)>,
    /// Text being read in segments: node, object, letters so far.
    texts: Vec<(u8, u16, Vec<u8>)>,
    /// What a node was asked last for.
    asked: Vec<(u8, Class)>,
    blocks: Blocks,
}

impl Dissector for Bus {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("canopen", 0..bytes.len());
        let frame = Frame::parse(bytes);
        if let Ok(frame) = &frame {
            let (function, node) = function_of(frame);
            out.count(&CANOPEN_GROUP, [Scalar::Word(function), node]);
        }
        match frame {
            Ok(frame) if frame.error => {
                out.operation(Op::notice(Class::Diagnose, 0, "CAN error frame"));
            }
            // 29 bits are of other protocols, such as J1939.
            Ok(frame) if frame.extended => {
                out.operation(Op::notice(Class::Other, 0, "extended frame"));
            }
            Ok(frame) => self.frame(&frame, out),
            Err(_) => {
                let says = "a CAN frame shorter than its length says";
                out.violation("can-too-short", says, "SocketCAN frame format");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

/// What a frame is for by its identifier (CiA 301, 7.3.5), and the node it is of or for.
fn function_of(frame: &Frame<'_>) -> (&'static str, Scalar) {
    if frame.error {
        return ("error frame", Scalar::Null);
    }
    if frame.extended {
        return ("extended frame", Scalar::Null);
    }
    let node = frame.id & 0x7f;
    let function = match (frame.id >> 7, node) {
        (0, 0) => "network management",
        (1, 0) => "synchronisation",
        (2, 0) => "time stamp",
        (15, 0x64 | 0x65) => "layer setting service",
        (1, _) => "emergency",
        (3 | 5 | 7 | 9, 1..) => "process data of a node",
        (4 | 6 | 8 | 10, 1..) => "process data to a node",
        (11, 1..) => "SDO answer",
        (12, 1..) => "SDO request",
        (14, 1..) => "heartbeat",
        _ => "other frame",
    };
    let is_of_node = node > 0 && frame.id >> 7 != 15;
    (function, if is_of_node { Scalar::Number(node.into()) } else { Scalar::Null })
}

impl Bus {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Output) {
        if frame.remote {
            // Whose frame it is sends it: process data, or its state (7.2.2.5, 7.2.8.3.2).
            let (node, function) = (frame.id & 0x7f, frame.id & 0x780);
            let op = Op::request(Class::Read, function, "remote frame");
            return out.operation(if node == 0 { op } else { op.unit(node) });
        }
        let node = (frame.id & 0x7f) as u8;
        let unit = u32::from(node);
        let function = frame.id >> 7;
        match (function, node, frame.data) {
            (0, 0, data) => management(data, out),
            (1, 0, _) => out.operation(Op::notice(Class::TimeSync, 0x80, "synchronisation")),
            (1, _, data) => emergency(node, data, out),
            (2, 0, _) => out.operation(Op::notice(Class::TimeSync, 0x100, "time stamp")),
            (3..=10, 1.., _) => {
                // Odd functions are sent by nodes, even ones to them.
                let op = match function & 1 {
                    1 => Op::notice(Class::Report, frame.id & 0x780, "process data of a node"),
                    _ => Op::notice(Class::Write, frame.id & 0x780, "process data to a node"),
                };
                out.operation(op.unit(unit));
            }
            (11, 1.., data) => self.answered(node, data, out),
            (12, 1.., data) => self.asked(node, data, out),
            (14, 1.., [state, ..]) => self.heartbeat(node, state & 0x7f, out),
            (15, 0x64 | 0x65, _) => {
                out.operation(Op::request(Class::Configure, frame.id, "layer setting service"));
            }
            _ => out.operation(Op::notice(Class::Other, frame.id & 0x780, "frame").unit(unit)),
        }
    }

    fn heartbeat(&mut self, node: u8, state: u8, out: &mut Output) {
        let name = if state == 0 { "boot-up" } else { "heartbeat" };
        out.operation(Op::notice(Class::Report, 0x700, name).unit(u32::from(node)));
        let room = self.states.len() < NODES_MAX;
        let known = self.states.iter_mut().find(|(n, _)| *n == node);
        match known {
            Some((_, before)) if *before == state => return,
            Some((_, before)) => *before = state,
            None if room => self.states.push((node, state)),
            None => return out.limit("canopen-nodes"),
        }
        let word = match state {
            0 => "boot-up",
            4 => "stop",
            5 => "run",
            127 => "pre-operational",
            _ => return,
        };
        out.state(subject(node), "mode", word);
    }

    /// A node answers one SDO at a time.
    fn remember(&mut self, node: u8, class: Class, out: &mut Output) {
        let room = self.asked.len() < NODES_MAX;
        let known = self.asked.iter_mut().find(|(n, _)| *n == node);
        match known {
            Some(known) => known.1 = class,
            None if room => self.asked.push((node, class)),
            None => out.limit("canopen-nodes"),
        }
    }

    fn asked_for(&self, node: u8) -> Option<Class> {
        self.asked.iter().find(|(n, _)| *n == node).map(|(_, class)| *class)
    }

    /// SDO from a client (CiA 301, 7.2.4.3): command in the upper three bits.
    fn asked(&mut self, node: u8, data: &[u8], out: &mut Output) {
        if self.blocks.within(node, true, data).is_some() {
            return;
        }
        let [command, low, high, sub, rest @ ..] = data else { return };
        let index = u16::from_le_bytes([*low, *high]);
        let class = match index {
            // Program download and control objects (CiA 302-3).
            0x1f50 => Class::ProgramDownload,
            0x1f51 => Class::Start,
            0x1000..=0x1fff => Class::Configure,
            _ => Class::Write,
        };
        let (class, name) = match command >> 5 {
            1 => (class, "SDO download"),
            2 => (Class::Read, "SDO upload"),
            4 => {
                let class = self.asked_for(node).unwrap_or(Class::Other);
                let op = Op::request(class, 4, "SDO abort");
                return abort(on(op, node, index, *sub), rest, out);
            }
            5 if command & 3 == 0 => (Class::Read, "SDO block upload"),
            6 if command & 1 == 0 => (class, "SDO block download"),
            // Segments go on with what was begun.
            _ => return,
        };
        self.remember(node, class, out);
        let op = on(Op::request(class, u32::from(command >> 5), name), node, index, *sub);
        if command >> 5 >= 5 {
            self.blocks.begin(node, command >> 5 == 6, &op, out);
        }
        out.operation(op);
        if command >> 5 == 1 && command & 2 != 0 && out.values_wanted {
            value(node, index, *sub, expedited(*command, rest), out);
        }
    }

    fn answered(&mut self, node: u8, data: &[u8], out: &mut Output) {
        match self.blocks.within(node, false, data) {
            None => {}
            Some(Within::Transfer) => return,
            Some(Within::Ended(op)) => return out.operation(op),
        }
        let [command, rest @ ..] = data else { return };
        if command >> 5 == 0 {
            return self.segment(node, *command, rest, out);
        }
        let [low, high, sub, rest @ ..] = rest else { return };
        let index = u16::from_le_bytes([*low, *high]);
        let (class, name) = match command >> 5 {
            2 => (Class::Read, "SDO upload"),
            3 => (self.asked_for(node).unwrap_or(Class::Write), "SDO download"),
            4 => {
                let class = self.asked_for(node).unwrap_or(Class::Other);
                let op = Op::response(class, 4, "SDO abort");
                return abort(on(op, node, index, *sub), rest, out);
            }
            _ => return,
        };
        let op = Op::response(class, u32::from(command >> 5), name).done();
        out.operation(on(op, node, index, *sub));
        if command >> 5 != 2 {
            return;
        }
        if command & 2 == 0 {
            self.texts.retain(|(n, ..)| *n != node);
            match self.texts.len() < NODES_MAX {
                true => self.texts.push((node, index, Vec::new())),
                false => out.limit("canopen-texts"),
            }
            return;
        }
        let data = expedited(*command, rest);
        identity(node, index, *sub, data, out);
        if out.values_wanted {
            value(node, index, *sub, data, out);
        }
    }

    /// A segment of a text: unused octets in bits 1 to 3, the last one in bit 0.
    fn segment(&mut self, node: u8, command: u8, data: &[u8], out: &mut Output) {
        let Some(at) = self.texts.iter().position(|(n, ..)| *n == node) else { return };
        let unused = usize::from(command >> 1 & 7);
        let used = data.get(..data.len().saturating_sub(unused)).unwrap_or_default();
        if let Some((_, _, text)) = self.texts.get_mut(at) {
            text.extend_from_slice(used);
            text.truncate(TEXT_OCTETS_MAX);
        }
        if command & 1 == 1 {
            let (_, index, text) = self.texts.swap_remove(at);
            identity(node, index, 0, &text, out);
        }
    }
}

/// A node, of whatever leads to its bus.
fn subject(node: u8) -> Subject {
    Subject::BehindSender(Place::Station { bus: model::Bus::Canopen, number: node.into() })
}

fn on(op: Op, node: u8, index: u16, sub: u8) -> Op {
    op.range("object", u32::from(index), u32::from(sub), 1).unit(u32::from(node))
}

/// Data within the command: its length in bits 2 and 3 where bit 0 says so.
fn expedited(command: u8, data: &[u8]) -> &[u8] {
    let unused = if command & 1 == 1 { usize::from(command >> 2 & 3) } else { 0 };
    data.get(..data.len().saturating_sub(unused)).unwrap_or_default()
}

fn management(data: &[u8], out: &mut Output) {
    let [command, node, ..] = data else {
        let says = "a network management command without its node";
        return out.violation("canopen-nmt-too-short", says, "CiA 301, 7.3.2");
    };
    let (class, name) = match command {
        1 => (Class::Start, "start remote node"),
        2 => (Class::Stop, "stop remote node"),
        128 => (Class::Stop, "enter pre-operational"),
        129 => (Class::Reset, "reset node"),
        130 => (Class::Reset, "reset communication"),
        _ => {
            let says = "a network management command that is not defined";
            return out.violation("canopen-nmt-command", says, "CiA 301, 7.3.2");
        }
    };
    out.operation(Op::request(class, u32::from(*command), name).unit(u32::from(*node)));
}

/// Emergency: error code, error register, maker's five octets (7.2.7).
fn emergency(node: u8, data: &[u8], out: &mut Output) {
    let code = data.first_chunk::<2>().map_or(0, |c| u16::from_le_bytes(*c));
    let op = Op::notice(Class::Report, u32::from(code), "emergency");
    out.operation(op.unit(u32::from(node)));
    let value = match code {
        0 => "no".to_owned(),
        code => format!("emergency 0x{code:04x}"),
    };
    out.state(subject(node), "alarm", &value);
}

fn abort(op: Op, data: &[u8], out: &mut Output) {
    let code = data.first_chunk::<4>().map_or(0, |c| u32::from_le_bytes(*c));
    let name = match code {
        0x0503_0000 => "toggle bit not alternated",
        0x0504_0000 => "timed out",
        0x0601_0000 => "access not supported",
        0x0601_0001 => "object is write only",
        0x0601_0002 => "object is read only",
        0x0602_0000 => "object does not exist",
        0x0607_0010 => "length does not match",
        0x0609_0011 => "subindex does not exist",
        0x0609_0030 => "value out of range",
        0x0800_0000 => "general error",
        0x0800_0022 => "not possible in this state",
        _ => "aborted",
    };
    out.operation(op.refused(code, name));
}

/// Objects that say what a node is (7.5.2).
fn identity(node: u8, index: u16, sub: u8, data: &[u8], out: &mut Output) {
    let number = data.first_chunk::<4>().map_or(0, |c| u32::from_le_bytes(*c));
    let fact = match (index, sub) {
        (0x1000, 0) => ("device_type", format!("0x{number:08x}")),
        (0x1008, 0) => ("model", text::lossy(data)),
        (0x1009, 0) => ("hardware", text::lossy(data)),
        (0x100a, 0) => ("firmware", text::lossy(data)),
        (0x1018, 1) => ("vendor_id", format!("0x{number:08x}")),
        (0x1018, 2) => ("product_code", format!("0x{number:08x}")),
        (0x1018, 3) => ("revision", format!("{}.{}", number >> 16, number & 0xffff)),
        (0x1018, 4) => ("serial", number.to_string()),
        _ => return,
    };
    out.identity(subject(node), "SDO upload", [fact]);
}

fn value(node: u8, index: u16, sub: u8, data: &[u8], out: &mut Output) {
    if index < 0x2000 || data.is_empty() || data.len() > 4 {
        return;
    }
    let number = data.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let point = format!("{node}/{index:04x}.{sub}");
    out.value(point, PointValue::Unsigned(number), (None, Quality::Good));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            id in 0u32..0x800,
            remote: bool,
            data in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let frame = Frame { id, extended: false, remote, error: false, data: &data };
            let bytes = frame.emit();
            prop_assert_eq!(Frame::parse(&bytes), Ok(frame));
        }
    }
}
