//! DCE/RPC headers (C706, chapter 12; [MS-RPCE], 2.2.2): connection-oriented and datagram.
//!
//! Invariant: numbers are read in the byte order the header itself declares.

use ::wire::reader::{Reader, Short};
use std::fmt;

pub const REQUEST: u8 = 0;
pub const RESPONSE: u8 = 2;
pub const FAULT: u8 = 3;
pub const BIND: u8 = 11;
pub const BIND_ACK: u8 = 12;
pub const BIND_NAK: u8 = 13;
pub const ALTER: u8 = 14;
pub const ALTER_ACK: u8 = 15;
pub const AUTH3: u8 = 16;

pub const HEADER_OCTETS: usize = 16;
pub const DATAGRAM_HEADER_OCTETS: usize = 80;
/// Contexts of one bind that are read.
const CONTEXTS_MAX: usize = 16;

/// A UUID in its textual order of octets.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Uuid(pub u128);

impl Uuid {
    /// The three leading fields are in the byte order of the sender (C706, appendix A).
    pub fn read(r: &mut Reader<'_>, order: Order) -> Result<Uuid, Short> {
        let (a, b, c) = (order.u32(r)?, order.u16(r)?, order.u16(r)?);
        let rest = r.be64()?;
        let head = u128::from(a) << 96 | u128::from(b) << 80 | u128::from(c) << 64;
        Ok(Uuid(head | u128::from(rest)))
    }

    pub fn emit(self, order: Order, bytes: &mut Vec<u8>) {
        let all = self.0.to_be_bytes();
        let [a, b, c, d, e, f, g, h, rest @ ..] = all;
        match order {
            Order::Little => bytes.extend([d, c, b, a, f, e, h, g]),
            Order::Big => bytes.extend([a, b, c, d, e, f, g, h]),
        }
        bytes.extend(rest);
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let (a, b, c) = ((n >> 96) as u32, (n >> 80) as u16, (n >> 64) as u16);
        let (d, e) = ((n >> 48) as u16, n & 0xffff_ffff_ffff);
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    /// Of the first octet of a data representation label (C706, 14.1).
    pub const fn of(label: u8) -> Order {
        if label >> 4 == 1 { Order::Little } else { Order::Big }
    }

    pub fn u16(self, r: &mut Reader<'_>) -> Result<u16, Short> {
        match self {
            Order::Little => r.le16(),
            Order::Big => r.be16(),
        }
    }

    pub fn u32(self, r: &mut Reader<'_>) -> Result<u32, Short> {
        match self {
            Order::Little => r.le32(),
            Order::Big => r.be32(),
        }
    }
}

/// Common header of connection-oriented PDUs (C706, 12.6.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub kind: u8,
    pub flags: u8,
    pub order: Order,
    pub length: u16,
    pub auth_length: u16,
    pub call: u32,
}

impl Header {
    /// `None` while octets are missing; an error when these are no DCE/RPC header.
    pub fn parse(bytes: &[u8]) -> Option<Result<Header, ()>> {
        let version = [5, 0];
        let known = bytes.get(..2).unwrap_or(bytes);
        let minor_one = [5, 1];
        if !version.starts_with(known) && !minor_one.starts_with(known) {
            return Some(Err(()));
        }
        if bytes.get(2).is_some_and(|kind| !is_kind(*kind)) {
            return Some(Err(()));
        }
        let mut r = Reader::new(bytes);
        r.skip(2).ok()?;
        let (kind, flags) = (r.u8().ok()?, r.u8().ok()?);
        let label: [u8; 4] = r.array().ok()?;
        let [integers, floats, 0, 0] = label else { return Some(Err(())) };
        if !matches!(integers, 0x00 | 0x10) || floats > 3 {
            return Some(Err(()));
        }
        let order = Order::of(integers);
        let length = order.u16(&mut r).ok()?;
        let auth_length = order.u16(&mut r).ok()?;
        let call = order.u32(&mut r).ok()?;
        if usize::from(length) < HEADER_OCTETS || auth_length >= length {
            return Some(Err(()));
        }
        Some(Ok(Header { kind, flags, order, length, auth_length, call }))
    }

    pub const fn is_first(&self) -> bool {
        self.flags & 1 != 0
    }

    pub const fn is_last(&self) -> bool {
        self.flags & 2 != 0
    }
}

fn is_kind(kind: u8) -> bool {
    matches!(kind, 0 | 2 | 3 | 11..=19)
}

/// A context offered in a bind: its number and interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context {
    pub id: u16,
    pub interface: Uuid,
    pub version: u32,
}

/// The contexts of a bind or alter-context PDU (C706, 12.6.4.3).
pub fn contexts(pdu: &[u8], order: Order) -> Vec<Context> {
    let mut found = Vec::new();
    let mut r = Reader::new(pdu);
    let count = r.skip(HEADER_OCTETS + 8).and_then(|()| r.u8()).unwrap_or_default();
    if r.skip(3).is_err() {
        return found;
    }
    for _ in 0..usize::from(count).min(CONTEXTS_MAX) {
        match context(&mut r, order) {
            Ok(context) => found.push(context),
            Err(_) => break,
        }
    }
    found
}

fn context(r: &mut Reader<'_>, order: Order) -> Result<Context, Short> {
    const SYNTAX_OCTETS: usize = 20;
    let id = order.u16(r)?;
    let transfers = r.u8()?;
    r.skip(1)?;
    let interface = Uuid::read(r, order)?;
    let version = order.u32(r)?;
    r.skip(usize::from(transfers).saturating_mul(SYNTAX_OCTETS))?;
    Ok(Context { id, interface, version })
}

/// Contexts of a bind-ack that were refused, by their place in the bind (C706, 12.6.4.4).
pub fn refused(pdu: &[u8], order: Order) -> Vec<(usize, u16)> {
    let mut found = Vec::new();
    let mut r = Reader::new(pdu);
    if r.skip(HEADER_OCTETS + 8).is_err() {
        return found;
    }
    let Ok(address) = order.u16(&mut r) else { return found };
    if r.skip(usize::from(address)).is_err() {
        return found;
    }
    let odd = r.position() % 4;
    if odd != 0 && r.skip(4usize.saturating_sub(odd)).is_err() {
        return found;
    }
    let count = r.u8().unwrap_or_default();
    if r.skip(3).is_err() {
        return found;
    }
    for place in 0..usize::from(count).min(CONTEXTS_MAX) {
        let (Ok(result), Ok(reason)) = (order.u16(&mut r), order.u16(&mut r)) else { break };
        if result != 0 {
            found.push((place, reason));
        }
        if r.skip(20).is_err() {
            break;
        }
    }
    found
}

/// A request or response: context, operation, and the arguments without authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call<'a> {
    pub context: u16,
    /// Of requests.
    pub operation: u16,
    /// Of faults.
    pub status: u32,
    pub stub: &'a [u8],
    /// The arguments are encrypted ([MS-RPCE], 2.2.1.1.8).
    pub sealed: bool,
}

pub fn call<'a>(header: &Header, pdu: &'a [u8]) -> Result<Call<'a>, Short> {
    const HAS_OBJECT: u8 = 0x80;
    let mut r = Reader::new(pdu);
    r.skip(HEADER_OCTETS + 4)?;
    let context = header.order.u16(&mut r)?;
    let mut operation = header.order.u16(&mut r)?;
    let mut status = 0;
    match header.kind {
        REQUEST if header.flags & HAS_OBJECT != 0 => r.skip(16)?,
        REQUEST => {}
        FAULT => {
            operation = 0;
            status = header.order.u32(&mut r)?;
        }
        _ => operation = 0,
    }
    let rest = r.rest();
    let trailer = trailer(header, pdu);
    let (padding, sealed, behind) = match trailer {
        Some(t) => (usize::from(t.padding), t.level == 6, usize::from(header.auth_length) + 8),
        None => (0, false, 0),
    };
    let length = rest.len().saturating_sub(behind).saturating_sub(padding);
    let stub = rest.get(..length).unwrap_or_default();
    Ok(Call { context, operation, status, stub, sealed })
}

/// Authentication at the end of a PDU ([MS-RPCE], 2.2.2.11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trailer<'a> {
    pub kind: u8,
    pub level: u8,
    pub padding: u8,
    pub token: &'a [u8],
}

pub fn trailer<'a>(header: &Header, pdu: &'a [u8]) -> Option<Trailer<'a>> {
    if header.auth_length == 0 {
        return None;
    }
    let token_at = pdu.len().checked_sub(usize::from(header.auth_length))?;
    let at = token_at.checked_sub(8)?;
    let mut r = Reader::new(pdu.get(at..)?);
    let [kind, level, padding, _] = r.array().ok()?;
    Some(Trailer { kind, level, padding, token: pdu.get(token_at..)? })
}

/// Header of a datagram (C706, 12.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    pub kind: u8,
    pub order: Order,
    pub object: Uuid,
    pub interface: Uuid,
    pub activity: Uuid,
    pub sequence: u32,
    pub operation: u16,
    pub fragment: u16,
    pub is_fragment: bool,
    pub is_last: bool,
}

impl Datagram {
    /// Reads the header of a datagram off whose end the capture cut `missing` octets.
    pub fn parse(bytes: &[u8], missing: usize) -> Option<Datagram> {
        let mut r = Reader::new(bytes);
        let [4, kind @ 0..=10, flags, _] = r.array().ok()? else { return None };
        let [integers, floats, _] = r.array().ok()?;
        if !matches!(integers, 0x00 | 0x10) || floats > 3 {
            return None;
        }
        r.skip(1).ok()?;
        let order = Order::of(integers);
        let object = Uuid::read(&mut r, order).ok()?;
        let interface = Uuid::read(&mut r, order).ok()?;
        let activity = Uuid::read(&mut r, order).ok()?;
        r.skip(8).ok()?;
        let sequence = order.u32(&mut r).ok()?;
        let operation = order.u16(&mut r).ok()?;
        r.skip(4).ok()?;
        let length = usize::from(order.u16(&mut r).ok()?);
        let fragment = order.u16(&mut r).ok()?;
        r.skip(2).ok()?;
        let (is_last, is_fragment) = (flags & 2 != 0, flags & 4 != 0);
        let there = r.remaining().saturating_add(missing);
        (length <= there.saturating_add(4)).then_some(Datagram {
            kind,
            order,
            object,
            interface,
            activity,
            sequence,
            operation,
            fragment,
            is_fragment,
            is_last,
        })
    }
}

/// Writes a bind with one context and the NDR transfer syntax. Used by tests and the lab.
pub fn emit_bind(call: u32, offered: Context, order: Order) -> Vec<u8> {
    const NDR: Uuid = Uuid(0x8a88_5d04_1ceb_11c9_9fe8_0800_2b10_4860);
    let mut bytes = vec![5, 0, BIND, 3, if order == Order::Little { 0x10 } else { 0 }, 0, 0, 0];
    let two = |n: u16| if order == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() };
    let four = |n: u32| if order == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() };
    bytes.extend(two(72));
    bytes.extend(two(0));
    bytes.extend(four(call));
    bytes.extend(two(4_280));
    bytes.extend(two(4_280));
    bytes.extend(four(0));
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(two(offered.id));
    bytes.extend([1, 0]);
    offered.interface.emit(order, &mut bytes);
    bytes.extend(four(offered.version));
    NDR.emit(order, &mut bytes);
    bytes.extend(four(2));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(call: u32, id: u16, interface: u128, version: u32, big: bool) {
            let order = if big { Order::Big } else { Order::Little };
            let offered = Context { id, interface: Uuid(interface), version };
            let pdu = emit_bind(call, offered, order);
            let header = Header::parse(&pdu).expect("whole").expect("a header");
            prop_assert_eq!((header.kind, header.call, header.order), (BIND, call, order));
            prop_assert_eq!(usize::from(header.length), pdu.len());
            prop_assert_eq!(contexts(&pdu, order), vec![offered]);
        }
    }

    #[test]
    fn a_uuid_prints_as_registries_write_it() {
        let epm = Uuid(0xe1af_8308_5d1f_11c9_91a4_0800_2b14_a0fa);
        assert_eq!(epm.to_string(), "e1af8308-5d1f-11c9-91a4-08002b14a0fa");
    }
}
