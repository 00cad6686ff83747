//! PROFINET IO context management over DCE/RPC and UDP: who runs whom, records read and written,
//! identification and maintenance data.
//!
//! Not here: cyclic data and DCP on Ethernet, see [`crate::pn_dcp`]. Invariant: what fragments
//! hold behind the first is counted and not read.

pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    dcerpc::{
        self, datagram_side,
        wire::{DATAGRAM_HEADER_OCTETS, Datagram, Uuid},
    },
    output::Op,
    pn_dcp::wire::vendor,
    text,
};
use ::wire::reader::Reader;
use model::{OperationClass, Scalar, Subject};
use wire::{Block, Identification, Record, Relation};

pub static PN_IO_GROUP: Group =
    Group { name: "pn_io", ends: Ends::Pair, keys: &["dcerpc_type", "opnum"] };

pub struct PnIo;
pub static PN_IO: PnIo = PnIo;

static ABOUT: About = About {
    name: "pn_io",
    title: "PROFINET IO context management",
    specs: &["IEC 61158-6-10:2019, 4.10 and 5.2", "C706 (DCE 1.1: RPC), 12.5"],
    carriers: &[Carrier::Udp],
    ports: &[34_964],
    groups: &[&PN_IO_GROUP],
    depth: "connect with station and modules, records read and written, control, I&M0 to I&M3",
};

impl Protocol for PnIo {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match Datagram::parse(head, hint.missing) {
            Some(header) if is_interface(header.interface) => datagram_side(header.kind),
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reading)
    }
}

/// Device, controller, supervisor and parameter server (IEC 61158-6-10, 4.10.3.2).
pub(crate) fn is_interface(interface: Uuid) -> bool {
    const SUFFIX: u128 = 0x6c97_11d1_8271_00a0_2442_df7d;
    interface.0 >> 100 == 0xdea_0000 && interface.0 & (u128::MAX >> 32) == SUFFIX
}

struct Reading;

const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const FAULT: u8 = 3;
const REJECT: u8 = 6;

impl Dissector for Reading {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        out.begin("pn_io", 0..bytes.len());
        let Some(header) = Datagram::parse(bytes, segment.missing) else {
            if segment.missing == 0 {
                let says = "no DCE/RPC header on a PROFINET IO conversation";
                out.violation("pn-io-header-invalid", says, "C706, 12.5.1");
            }
            return all;
        };
        datagram(&header, bytes, out);
        all
    }

    fn gap(&mut self, _: Gap) {}
}

/// One datagram: of this protocol, or of the end point mapper, which shares its port.
pub(crate) fn datagram(header: &Datagram, bytes: &[u8], out: &mut Output) {
    if !is_interface(header.interface) {
        return dcerpc::datagram(header, out);
    }
    out.begin_protocol("pn_io");
    let number = Scalar::Number(u64::from(header.operation));
    out.count(&PN_IO_GROUP, [Scalar::Number(u64::from(header.kind)), number]);
    let body = bytes.get(DATAGRAM_HEADER_OCTETS..).unwrap_or_default();
    if header.fragment != 0 {
        return;
    }
    match header.kind {
        REQUEST => request(header, body, out),
        RESPONSE => response(header, body, out),
        FAULT | REJECT => {
            let (class, name) = operation(header.operation);
            let op = Op::response(class, u32::from(header.operation), name);
            out.operation(op.refused(0, "rejected"));
        }
        _ => {}
    }
}

/// IEC 61158-6-10, 4.10.3.2.
fn operation(number: u16) -> (OperationClass, &'static str) {
    match number {
        0 => (OperationClass::Session, "Connect"),
        1 => (OperationClass::Session, "Release"),
        2 | 5 => (OperationClass::Read, "Read"),
        3 => (OperationClass::Configure, "Write"),
        4 => (OperationClass::Session, "Control"),
        _ => (OperationClass::Other, "operation"),
    }
}

/// Lengths of an argument array stand before the blocks (4.10.3.2.3).
const ARRAY_OCTETS: usize = 20;

fn request(header: &Datagram, body: &[u8], out: &mut Output) {
    let (class, name) = operation(header.operation);
    let op = || Op::request(class, u32::from(header.operation), name);
    if let Some(ids) = wire::object_ids(header.object) {
        tell_ids(Subject::Receiver, ids, out);
    }
    let (blocks, behind) = wire::blocks(body.get(ARRAY_OCTETS..).unwrap_or_default());
    let mut told = false;
    for block in &blocks {
        match block.kind {
            wire::CONNECT_REQUEST => told |= connect(block, op(), out),
            wire::EXPECTED_SUBMODULES => modules(block, out),
            wire::READ_REQUEST | wire::WRITE_REQUEST => {
                let write = block.kind == wire::WRITE_REQUEST;
                let Ok(record) = Record::parse(block.body) else { continue };
                told = true;
                if write && record.index == wire::WRITE_MULTIPLE_INDEX {
                    several_writes(behind, out);
                } else {
                    record_operation(&record, write, op(), out);
                }
                if write {
                    maintenance(&record, behind, Subject::Receiver, "I&M write", out);
                }
            }
            0x0110..=0x0119 => {
                told = true;
                let op = if wire::of_device(block.kind) {
                    Op::notice(class, u32::from(header.operation), name)
                } else {
                    op()
                };
                out.operation(op.named("control", control(block)));
            }
            _ => {}
        }
    }
    if !told {
        out.operation(op());
    }
}

fn connect(block: &Block<'_>, op: Op, out: &mut Output) -> bool {
    let Ok(relation) = Relation::parse(block.body) else { return false };
    /// ARType (5.2.4.3): an engineering tool, not the controller of the device.
    const SUPERVISOR: u16 = 6;
    let role = if relation.kind == SUPERVISOR { "supervisor" } else { "controller" };
    out.operation(op.named("station", &relation.station));
    let facts = [("station_name", relation.station.clone()), ("pn_role", role.to_owned())];
    out.identity(Subject::Sender, "PROFINET connect", facts);
    if let Some(ids) = wire::object_ids(relation.object) {
        tell_ids(Subject::Sender, ids, out);
    }
    true
}

fn tell_ids(subject: Subject, (vendor_id, device_id): (u16, u16), out: &mut Output) {
    let facts = [
        ("vendor", vendor(vendor_id).unwrap_or_default().to_owned()),
        ("vendor_id", format!("0x{vendor_id:04x}")),
        ("device_id", format!("0x{device_id:04x}")),
    ];
    out.identity(subject, "PROFINET object", facts);
}

fn modules(block: &Block<'_>, out: &mut Output) {
    for (slot, ident) in wire::expected_modules(block.body) {
        let subject = Subject::ReceiverModule { slot };
        out.identity(subject, "PROFINET connect", [("module_id", format!("0x{ident:08x}"))]);
    }
}

/// IODWriteMultipleReq: each write has its own header, at an even distance of four octets.
fn several_writes(bytes: &[u8], out: &mut Output) {
    const WRITES_MAX: usize = 64;
    const BLOCK_HEADER_OCTETS: usize = 6;
    let mut rest = bytes;
    for _ in 0..WRITES_MAX {
        let (blocks, behind) = wire::blocks(rest);
        let [Block { kind: wire::WRITE_REQUEST, body }] = blocks.as_slice() else { break };
        let Ok(record) = Record::parse(body) else { break };
        let op = Op::request(OperationClass::Configure, 3, "Write");
        record_operation(&record, true, op, out);
        let length = record.length as usize;
        let whole = BLOCK_HEADER_OCTETS.saturating_add(body.len()).saturating_add(length);
        let padding = whole.next_multiple_of(4).saturating_sub(whole);
        match behind.get(length.saturating_add(padding)..) {
            Some(next) if !next.is_empty() => rest = next,
            _ => break,
        }
    }
}

fn record_operation(record: &Record, write: bool, mut op: Op, out: &mut Output) {
    /// I&M, diagnosis and identification records (5.2.1.2).
    const DIAGNOSTIC: [std::ops::RangeInclusive<u16>; 5] =
        [0x8000..=0x802f, 0xaff0..=0xafff, 0xc000..=0xc02f, 0xe000..=0xe02f, 0xf000..=0xf8ff];
    if !write && DIAGNOSTIC.iter().any(|r| r.contains(&record.index)) {
        op.class = OperationClass::Diagnose;
    }
    let place = u32::from(record.slot) << 16 | u32::from(record.subslot);
    out.operation(op.range("record", place, u32::from(record.index), 1));
}

/// ControlCommand (5.2.4.7) of a control or release block.
fn control(block: &Block<'_>) -> &'static str {
    let mut r = Reader::new(block.body);
    // reserved, relation, session key, reserved
    let command = r.skip(2 + 16 + 2 + 2).and_then(|()| r.be16()).unwrap_or_default();
    match command {
        c if c & 0x01 != 0 => "parameters end",
        c if c & 0x02 != 0 => "application ready",
        c if c & 0x04 != 0 => "release",
        c if c & 0x08 != 0 => "done",
        c if c & 0x10 != 0 => "ready for companion",
        c if c & 0x20 != 0 => "ready for RT class 3",
        c if c & 0x40 != 0 => "parameters begin",
        _ => "control",
    }
}

fn response(header: &Datagram, body: &[u8], out: &mut Output) {
    let (class, name) = operation(header.operation);
    let op = Op::response(class, u32::from(header.operation), name);
    let mut r = Reader::new(body);
    let status = header.order.u32(&mut r).unwrap_or_default();
    if status != 0 {
        return out.operation(op.refused(status, error(status)));
    }
    let (blocks, behind) = wire::blocks(body.get(ARRAY_OCTETS..).unwrap_or_default());
    // A controller that takes note of what its device tells serves nothing by that.
    if !blocks.iter().any(|b| wire::of_device(b.kind & !wire::RESPONSE)) {
        out.operation(op.done());
    }
    for block in blocks.iter().filter(|b| b.kind == wire::SERVER) {
        let station = wire::server_station(block.body).unwrap_or_default();
        out.identity(Subject::Sender, "PROFINET connect", [("station_name", station)]);
    }
    for block in blocks.iter().filter(|b| b.kind == wire::READ_RESPONSE) {
        if let Ok(record) = Record::parse(block.body) {
            maintenance(&record, behind, Subject::Sender, "I&M read", out);
        }
    }
}

/// ErrorDecode and ErrorCode1 (5.2.6).
fn error(status: u32) -> &'static str {
    match status.to_be_bytes() {
        [0xdb, 0x81, _, _] => "connect refused",
        [0xdc, 0x81, _, _] => "release refused",
        [0xdd, 0x81, _, _] => "control refused",
        [_, 0x80, 0xa0..=0xaf, _] => "application error",
        [_, 0x80, 0xb0, _] => "invalid index",
        [_, 0x80, 0xb2, _] => "invalid slot or subslot",
        [_, 0x80, 0xb6, _] => "access denied",
        [_, 0x80, _, _] => "access error",
        _ => "error",
    }
}

fn maintenance(record: &Record, bytes: &[u8], at: Subject, said: &'static str, out: &mut Output) {
    let module = |at| match at {
        Subject::Sender => Subject::SenderModule { slot: record.slot },
        _ => Subject::ReceiverModule { slot: record.slot },
    };
    let subject = if record.slot == 0 { at } else { module(at) };
    let octets = bytes.get(..record.length as usize).unwrap_or(bytes);
    let (blocks, _) = wire::blocks(octets);
    for block in blocks {
        let field =
            |from: usize, to: usize| block.body.get(from..to).map(text::lossy).unwrap_or_default();
        match block.kind {
            wire::IM0 => {
                let Ok(found) = Identification::parse(block.body) else { continue };
                let facts = [
                    ("vendor", vendor(found.vendor).unwrap_or_default().to_owned()),
                    ("vendor_id", format!("0x{:04x}", found.vendor)),
                    ("order_number", found.order),
                    ("serial", found.serial),
                    ("hardware", found.hardware.to_string()),
                    ("firmware", found.firmware),
                ];
                out.identity(subject, said, facts);
            }
            wire::IM1 => {
                let facts = [("function", field(0, 32)), ("location", field(32, 54))];
                out.identity(subject, said, facts);
            }
            wire::IM3 => out.identity(subject, said, [("description", field(0, 54))]),
            _ => {}
        }
    }
}
