//! Ethernet POWERLINK: a managing node polls controlled nodes in a fixed cycle.
//!
//! Not here: openSAFETY, values of mapped objects (the mapping is not on the wire). Invariant:
//! cyclic frames leave one operation that is equal each time and is counted; a state is observed
//! when it changes.

#[cfg(test)]
mod tests;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op,
};
use model::{OperationClass, Scalar, Subject};
use wire::{ASND, Frame, Ident, PREQ, PRES, SOA, SOC};

pub static POWERLINK_GROUP: Group =
    Group { name: "powerlink", ends: Ends::MacPair, keys: &["message_type"] };

const ETHERTYPE: u16 = 0x88ab;
const SECTION: &str = "EPSG DS 301, 4.6";

pub struct Powerlink;
pub static POWERLINK: Powerlink = Powerlink;

static ABOUT: About = About {
    name: "powerlink",
    title: "Ethernet POWERLINK",
    specs: &["EPSG DS 301 V1.5.1"],
    carriers: &[Carrier::Ethertype(ETHERTYPE), Carrier::Udp],
    ports: &[3_819],
    groups: &[&POWERLINK_GROUP],
    depth: "cycle, node states, identification, management commands, object reads and writes",
};

impl Protocol for Powerlink {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match (hint.carrier, Frame::parse(head)) {
            (Carrier::Ethertype(ETHERTYPE), Ok(_)) => Probe::Match,
            // Three octets tell little: by UDP only asynchronous sends go (6.3.2), to one port.
            (Carrier::Udp, Ok(frame)) if hint.port && frame.kind == ASND => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Node>::default()
    }
}

/// One MAC address and where it sends to.
#[derive(Default)]
struct Node {
    state: Option<u8>,
}

impl Dissector for Node {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        let frame = Frame::parse(bytes);
        if segment.carrier == Carrier::Udp && frame.is_ok_and(|frame| frame.kind != ASND) {
            return all;
        }
        out.begin("powerlink", 0..bytes.len());
        let Ok(frame) = frame else {
            out.violation("powerlink-too-short", "a frame without node numbers", SECTION);
            return all;
        };
        // Other types are reserved (4.6.1.1.2): such a frame is no message of the protocol.
        if matches!(frame.kind, 1 | 3..=7 | 13) {
            out.count(&POWERLINK_GROUP, [Scalar::Number(u64::from(frame.kind))]);
        }
        let state = frame.state();
        if let Some(now) = state
            && self.state != state
        {
            self.state = state;
            let value = format!("node {}: {}", frame.source, state_name(now));
            out.state(Subject::Sender, "nmt-state", &value);
        }
        match frame.kind {
            SOC => cyclic(&frame, "start of cycle", out),
            PREQ => cyclic(&frame, "poll request", out),
            PRES => cyclic(&frame, "poll response", out),
            SOA => asked(&frame, out),
            ASND => sent(&frame, out),
            7 => cyclic(&frame, "active managing node", out),
            13 => cyclic(&frame, "asynchronous invite", out),
            _ => out.violation("powerlink-kind-reserved", "a frame of no known kind", SECTION),
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

fn cyclic(frame: &Frame<'_>, name: &'static str, out: &mut Output) {
    let op = Op::notice(OperationClass::Report, u32::from(frame.kind), name);
    out.operation(op.unit(u32::from(frame.source)));
}

/// Start of the asynchronous phase: which node may send what.
fn asked(frame: &Frame<'_>, out: &mut Output) {
    let &[_, _, _, service, target, ..] = frame.body else {
        return cyclic(frame, "start of asynchronous phase", out);
    };
    let (class, name) = match service {
        wire::IDENT_RESPONSE => (OperationClass::Browse, "ask for identification"),
        wire::STATUS_RESPONSE => (OperationClass::Diagnose, "ask for status"),
        wire::NMT_REQUEST => (OperationClass::Session, "invite management request"),
        _ => (OperationClass::Report, "start of asynchronous phase"),
    };
    out.operation(Op::notice(class, u32::from(service), name).unit(u32::from(target)));
}

fn sent(frame: &Frame<'_>, out: &mut Output) {
    let Some((&service, data)) = frame.body.split_first() else {
        return out.violation("powerlink-too-short", "a send without a service", SECTION);
    };
    let (number, unit) = (u32::from(service), u32::from(frame.source));
    let answer = |class, name| Op::response(class, number, name).done().unit(unit);
    match service {
        wire::IDENT_RESPONSE => {
            out.operation(answer(OperationClass::Browse, "identification"));
            match Ident::parse(data) {
                Ok(ident) => identified(frame.source, &ident, out),
                Err(_) => out.violation(
                    "powerlink-ident-cut-short",
                    "an identification without all its fields",
                    "EPSG DS 301, 7.3.3.3.1",
                ),
            }
        }
        wire::STATUS_RESPONSE => out.operation(answer(OperationClass::Diagnose, "status")),
        wire::NMT_REQUEST => {
            let op = Op::request(OperationClass::Session, number, "management request");
            out.operation(op.unit(unit));
        }
        wire::NMT_COMMAND => commanded(data.first().copied(), frame.destination, out),
        wire::SDO => object(data, frame, out),
        _ => out.operation(Op::notice(OperationClass::Other, number, "asynchronous send")),
    }
}

fn identified(node: u8, ident: &Ident, out: &mut Output) {
    let dotted = |[a, b, c, d]: [u8; 4]| match [a, b, c, d] {
        [0, 0, 0, 0] => String::new(),
        _ => format!("{a}.{b}.{c}.{d}"),
    };
    let serial = match ident.serial {
        0 | u32::MAX => String::new(),
        serial => serial.to_string(),
    };
    let vendor = match ident.vendor {
        0x0100_006c => "B&R Industrial Automation",
        _ => "",
    };
    out.identity(
        Subject::Sender,
        "POWERLINK identification",
        [
            ("vendor", vendor.to_owned()),
            ("vendor_id", format!("0x{:08x}", ident.vendor)),
            ("product_code", ident.product.to_string()),
            ("device_type", format!("0x{:08x}", ident.device_type)),
            ("revision", ident.revision.to_string()),
            ("serial", serial),
            ("hostname", ident.host.clone()),
            ("ip", dotted(ident.ip)),
            ("gateway", dotted(ident.gateway)),
            ("powerlink_node", node.to_string()),
            ("powerlink_version", format!("{}.{}", ident.version >> 4, ident.version & 0xf)),
        ],
    );
}

/// Network management commands (7.3.1.2).
fn commanded(command: Option<u8>, node: u8, out: &mut Output) {
    use OperationClass::{Configure, Other, Reset, Start, Stop};
    let number = command.unwrap_or_default();
    let (class, name) = match number {
        0x21 | 0x41 => (Start, "start node"),
        0x22 | 0x42 => (Stop, "stop node"),
        0x23 | 0x43 => (Stop, "enter pre-operational 2"),
        0x24 | 0x44 => (Configure, "enable ready to operate"),
        0x28 | 0x48 => (Reset, "reset node"),
        0x29 | 0x49 => (Reset, "reset communication"),
        0x2a | 0x4a => (Reset, "reset configuration"),
        0x2b | 0x4b => (Reset, "software reset"),
        0x62 => (Configure, "set host name"),
        0x63 => (Configure, "flush ARP entries"),
        0x90 | 0x96 => (Other, "publish nodes"),
        0xb0 => (OperationClass::TimeSync, "publish time"),
        _ => (Other, "management command"),
    };
    out.operation(Op::request(class, u32::from(number), name).unit(u32::from(node)));
}

fn object(data: &[u8], frame: &Frame<'_>, out: &mut Output) {
    let Some(command) = wire::command(data) else {
        let op = Op::notice(OperationClass::Session, u32::from(wire::SDO), "SDO sequence");
        return out.operation(op);
    };
    let (class, name) = match command.command {
        1 | 3 | 0x31 => (OperationClass::Configure, "SDO write"),
        2 | 4 | 0x32 => (OperationClass::Read, "SDO read"),
        0x20 => (OperationClass::File, "SDO file write"),
        0x21 => (OperationClass::File, "SDO file read"),
        _ => (OperationClass::Other, "SDO"),
    };
    let number = u32::from(command.command);
    let op = match (command.response, command.abort) {
        (_, true) => Op::response(class, number, name).refused(1, "SDO abort"),
        (true, _) => Op::response(class, number, name).done(),
        (false, _) => Op::request(class, number, name),
    };
    let node = if command.response { frame.source } else { frame.destination };
    let op = op.unit(u32::from(node));
    out.operation(match command.object {
        Some((index, sub)) => op.range("object", u32::from(index), u32::from(sub), 1),
        None => op,
    });
}

/// States of network management (7.1.4), the same for managing and controlled nodes but for the
/// names of some.
const fn state_name(state: u8) -> &'static str {
    match state {
        0x00 => "off",
        0x19 => "initialising",
        0x1c => "not active",
        0x1d => "pre-operational 1",
        0x1e => "basic Ethernet",
        0x29 => "reset application",
        0x39 => "reset communication",
        0x4d => "stopped",
        0x5d => "pre-operational 2",
        0x6d => "ready to operate",
        0x79 => "reset configuration",
        0xfd => "operational",
        _ => "unknown state",
    }
}
