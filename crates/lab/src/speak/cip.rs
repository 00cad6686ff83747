//! EtherNet/IP encapsulation (CIP Networks Library Volume 2) and CIP (Volume 1).

use super::s7::Pair;
use std::net::Ipv4Addr;

pub const PORT: u16 = 44_818;
pub const IO_PORT: u16 = 2_222;

const LIST_IDENTITY: u16 = 0x63;
const REGISTER_SESSION: u16 = 0x65;
const SEND_RR_DATA: u16 = 0x6f;
const SEND_UNIT_DATA: u16 = 0x70;

pub const REAL: u16 = 0xca;
pub const DINT: u16 = 0xc4;

/// Attributes of the identity object (Volume 1, 5A-2).
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    pub vendor: u16,
    pub device_type: u16,
    pub product_code: u16,
    pub revision: (u8, u8),
    pub serial: u32,
    pub name: &'static str,
}

impl Identity {
    /// Attributes 1 to 7, as Get Attributes All gives them. `status` is attribute 5.
    pub fn attributes(&self, status: u16) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [self.vendor, self.device_type, self.product_code] {
            out.extend(word.to_le_bytes());
        }
        out.extend([self.revision.0, self.revision.1]);
        out.extend(status.to_le_bytes());
        out.extend(self.serial.to_le_bytes());
        out.push(self.name.len() as u8);
        out.extend(self.name.as_bytes());
        out
    }
}

fn encapsulate(command: u16, session: u32, context: u64, data: &[u8]) -> Vec<u8> {
    let mut out = command.to_le_bytes().to_vec();
    out.extend((data.len() as u16).to_le_bytes());
    out.extend(session.to_le_bytes());
    out.extend([0; 4]);
    out.extend(context.to_le_bytes());
    out.extend([0; 4]);
    out.extend(data);
    out
}

pub fn list_identity_request() -> Vec<u8> {
    encapsulate(LIST_IDENTITY, 0, 0, &[])
}

pub fn list_identity_answer(identity: &Identity, ip: Ipv4Addr, status: u16) -> Vec<u8> {
    let mut item = vec![1, 0, 0, 2];
    item.extend(PORT.to_be_bytes());
    item.extend(ip.octets());
    item.extend([0; 8]);
    item.extend(identity.attributes(status));
    item.push(3); // state: operational
    let mut data = vec![1, 0, 0x0c, 0];
    data.extend((item.len() as u16).to_le_bytes());
    data.extend(item);
    encapsulate(LIST_IDENTITY, 0, 0, &data)
}

pub fn register_session(session: u32) -> Pair {
    let data = [1, 0, 0, 0];
    (encapsulate(REGISTER_SESSION, 0, 0, &data), encapsulate(REGISTER_SESSION, session, 0, &data))
}

fn unconnected(session: u32, context: u64, message: &[u8]) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 0, 10, 0, 2, 0, 0, 0, 0, 0, 0xb2, 0];
    data.extend((message.len() as u16).to_le_bytes());
    data.extend(message);
    encapsulate(SEND_RR_DATA, session, context, &data)
}

/// An unconnected explicit message and its answer.
pub fn explicit(session: u32, context: u64, request: &[u8], answer: &[u8]) -> Pair {
    (unconnected(session, context, request), unconnected(session, context, answer))
}

/// A message over a class 3 connection: its id in each direction and the running number.
pub fn connected(session: u32, ids: (u32, u32), number: u16, pair: &Pair) -> Pair {
    let unit = |id: u32, message: &[u8]| {
        let mut data = vec![0, 0, 0, 0, 0, 0, 2, 0, 0xa1, 0, 4, 0];
        data.extend(id.to_le_bytes());
        data.extend([0xb1, 0]);
        data.extend((message.len() as u16 + 2).to_le_bytes());
        data.extend(number.to_le_bytes());
        data.extend(message);
        encapsulate(SEND_UNIT_DATA, session, 0, &data)
    };
    (unit(ids.0, &pair.0), unit(ids.1, &pair.1))
}

/// Wraps a request for the module in `slot` of the rack (Connection Manager, 3-5.5.4); the
/// answer comes back as the module gives it.
pub fn to_slot(slot: u8, request: &[u8]) -> Vec<u8> {
    let mut out = vec![0x52, 2, 0x20, 6, 0x24, 1, 0x0a, 0x05];
    out.extend((request.len() as u16).to_le_bytes());
    out.extend(request);
    out.resize(out.len().next_multiple_of(2), 0);
    out.extend([1, 0, 1, slot]);
    out
}

fn success(service: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![service | 0x80, 0, 0, 0];
    out.extend(data);
    out
}

/// Get Attributes All of the identity object.
pub fn identity(identity: &Identity, status: u16) -> Pair {
    (vec![1, 2, 0x20, 1, 0x24, 1], success(1, &identity.attributes(status)))
}

/// Reset of the identity object: 0 restarts the device.
pub fn reset() -> Pair {
    (vec![5, 2, 0x20, 1, 0x24, 1, 0], success(5, &[]))
}

fn symbol(service: u8, tag: &str) -> Vec<u8> {
    let mut path = vec![0x91, tag.len() as u8];
    path.extend(tag.as_bytes());
    path.resize(path.len().next_multiple_of(2), 0);
    let mut out = vec![service, path.len() as u8 / 2];
    out.extend(path);
    out
}

/// A value of a tag.
#[derive(Clone, Copy, Debug)]
pub enum Atom {
    Real(f32),
    Dint(i32),
}

impl Atom {
    fn encode(self) -> (u16, [u8; 4]) {
        match self {
            Atom::Real(v) => (REAL, v.to_le_bytes()),
            Atom::Dint(v) => (DINT, v.to_le_bytes()),
        }
    }
}

pub fn read_tag(tag: &str, value: Atom) -> Pair {
    let mut request = symbol(0x4c, tag);
    request.extend([1, 0]);
    let (kind, bytes) = value.encode();
    let mut data = kind.to_le_bytes().to_vec();
    data.extend(bytes);
    (request, success(0x4c, &data))
}

pub fn write_tag(tag: &str, value: Atom) -> Pair {
    let mut request = symbol(0x4d, tag);
    let (kind, bytes) = value.encode();
    request.extend(kind.to_le_bytes());
    request.extend([1, 0]);
    request.extend(bytes);
    (request, success(0x4d, &[]))
}

/// Several services in one message (Multiple Service Packet to the message router).
pub fn multiple(pairs: &[Pair]) -> Pair {
    let pack = |parts: Vec<&Vec<u8>>| {
        let mut out = (parts.len() as u16).to_le_bytes().to_vec();
        let mut offset = 2 + parts.len() * 2;
        for part in &parts {
            out.extend((offset as u16).to_le_bytes());
            offset += part.len();
        }
        out.extend(parts.into_iter().flatten());
        out
    };
    let mut request = vec![0x0a, 2, 0x20, 2, 0x24, 1];
    request.extend(pack(pairs.iter().map(|p| &p.0).collect()));
    (request, success(0x0a, &pack(pairs.iter().map(|p| &p.1).collect())))
}

/// What a Forward Open asks for.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    pub to_target: u32,
    pub to_originator: u32,
    pub connection_serial: u16,
    pub originator_serial: u32,
    /// Requested packet intervals, microseconds: to target, to originator.
    pub intervals_us: (u32, u32),
    /// Bytes in each direction, with sequence count and run/idle header.
    pub sizes: (u16, u16),
    /// 0xa3 explicit (class 3, server), 0x01 input and output (class 1, cyclic).
    pub transport: u8,
    pub path: &'a [u8],
}

/// Rockwell Automation's vendor id, of the originator.
const ROCKWELL: u16 = 1;

pub fn forward_open(open: &Open<'_>) -> Pair {
    let mut request = vec![0x54, 2, 0x20, 6, 0x24, 1, 0x0a, 0x0e];
    request.extend(open.to_target.to_le_bytes());
    request.extend(open.to_originator.to_le_bytes());
    let triad = |out: &mut Vec<u8>| {
        out.extend(open.connection_serial.to_le_bytes());
        out.extend(ROCKWELL.to_le_bytes());
        out.extend(open.originator_serial.to_le_bytes());
    };
    triad(&mut request);
    request.extend([2, 0, 0, 0]);
    for (interval, size) in
        [(open.intervals_us.0, open.sizes.0), (open.intervals_us.1, open.sizes.1)]
    {
        request.extend(interval.to_le_bytes());
        // Point to point, scheduled or low priority, fixed size for cyclic data.
        let priority = if open.transport == 0xa3 { 0x4200 } else { 0x4800 };
        request.extend((priority | size).to_le_bytes());
    }
    request.push(open.transport);
    request.push(open.path.len() as u8 / 2);
    request.extend(open.path);
    let mut data = Vec::new();
    data.extend(open.to_target.to_le_bytes());
    data.extend(open.to_originator.to_le_bytes());
    triad(&mut data);
    data.extend(open.intervals_us.0.to_le_bytes());
    data.extend(open.intervals_us.1.to_le_bytes());
    data.extend([0, 0]);
    (request, success(0x54, &data))
}

/// Cyclic data by UDP; `run` adds the 32-bit run/idle header of an owner.
pub fn io(connection: u32, sequence: u32, run: bool, data: &[u8]) -> Vec<u8> {
    let mut body = (sequence as u16).to_le_bytes().to_vec();
    if run {
        body.extend([1, 0, 0, 0]);
    }
    body.extend(data);
    let mut out = vec![2, 0, 2, 0x80, 8, 0];
    out.extend(connection.to_le_bytes());
    out.extend(sequence.to_le_bytes());
    out.extend([0xb1, 0]);
    out.extend((body.len() as u16).to_le_bytes());
    out.extend(body);
    out
}

/// Any service on an instance of a class, answered with success and no data.
pub fn service(number: u8, class: u8, instance: u8, data: &[u8]) -> Pair {
    let mut request = vec![number, 2, 0x20, class, 0x24, instance];
    request.extend(data);
    (request, success(number, &[]))
}
