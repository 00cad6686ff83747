//! S7comm-plus frames, headers, numbers of variable length and values, read and written.
//!
//! Invariant: a value nests at most [`DEPTH_MAX`] deep and holds no more elements than octets.

use model::PointValue;
use wire::reader::{Reader, Short};

pub const REQUEST: u8 = 0x31;
pub const RESPONSE: u8 = 0x32;
pub const NOTIFICATION: u8 = 0x33;
/// An answer as some CPUs give it to "set variable".
pub const RESPONSE_SHORT: u8 = 0x02;

const HEADER_OCTETS: usize = 4;
/// Levels of structures in structures that are read.
const DEPTH_MAX: u8 = 8;
const STRUCT: u8 = 0x17;

/// One fragment: version, contents, and whether the trailer behind it ends the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment<'a> {
    pub version: u8,
    pub data: &'a [u8],
    pub last: bool,
}

pub fn fragment(payload: &[u8]) -> Result<Fragment<'_>, Short> {
    let mut at = Reader::new(payload);
    at.skip(1)?;
    let (version, length) = (at.u8()?, usize::from(at.be16()?));
    let data = at.bytes(length)?;
    Ok(Fragment { version, data, last: at.remaining() >= HEADER_OCTETS })
}

/// A whole message in one fragment; used by tests.
pub fn emit(version: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x72, version];
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes.extend([0x72, version, 0, 0]);
    bytes
}

/// What stands before the fields of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    pub opcode: u8,
    pub function: u16,
    pub sequence: u16,
    /// Of requests only.
    pub session: u32,
    pub body: &'a [u8],
}

/// Header of a request or an answer. Version 3 has its digest before it.
pub fn header(version: u8, data: &[u8]) -> Result<Header<'_>, Short> {
    let mut at = Reader::new(data);
    if version == 3
        && let Some(0x20) = at.rest().first()
    {
        at.skip(33)?;
    }
    let opcode = at.u8()?;
    at.skip(2)?;
    let function = at.be16()?;
    at.skip(2)?;
    let sequence = at.be16()?;
    let session = if opcode == REQUEST { at.be32()? } else { 0 };
    // Flags of the transport.
    at.skip(1)?;
    Ok(Header { opcode, function, sequence, session, body: at.rest() })
}

/// An unsigned number: seven bits an octet, the highest first; a ninth octet has eight.
pub fn vlq(at: &mut Reader<'_>) -> Result<u64, Short> {
    let mut value: u64 = 0;
    for index in 0..9 {
        let octet = at.u8()?;
        if index == 8 {
            return Ok(value << 8 | u64::from(octet));
        }
        value = value << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            break;
        }
    }
    Ok(value)
}

/// An id: an unsigned number of 32 bits.
pub fn id(at: &mut Reader<'_>) -> Result<u32, Short> {
    Ok(vlq(at)? as u32)
}

/// A signed number: as unsigned, the second bit of the first octet is the sign.
fn vlq_signed(at: &mut Reader<'_>) -> Result<i64, Short> {
    let negative = at.rest().first().is_some_and(|b| b & 0x40 != 0);
    let before = at.position();
    let value = vlq(at)? as i64;
    let bits = at.position().saturating_sub(before).saturating_mul(7) as u32;
    if !negative || bits >= 63 {
        return Ok(value);
    }
    Ok(value | i64::MAX.wrapping_shl(bits) | i64::MIN)
}

/// A value with its type.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Null,
    One(PointValue),
    Array(Vec<PointValue>),
    /// Members by id.
    Struct(u32, Vec<(u32, Value)>),
    /// Octets without a meaning of their own.
    Blob(usize),
}

impl Value {
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::One(PointValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<i64> {
        match self {
            Value::One(PointValue::Int(number)) => Some(*number),
            Value::One(PointValue::Unsigned(number)) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The member `id` of a structure, in whatever depth.
    pub fn member(&self, id: u32) -> Option<&Value> {
        let Value::Struct(_, members) = self else { return None };
        let own = members.iter().find(|(key, _)| *key == id).map(|(_, value)| value);
        own.or_else(|| members.iter().find_map(|(_, value)| value.member(id)))
    }
}

pub fn value(at: &mut Reader<'_>) -> Result<Value, Short> {
    nested(at, DEPTH_MAX)
}

fn nested(at: &mut Reader<'_>, depth: u8) -> Result<Value, Short> {
    const ARRAY: u8 = 0x10;
    const ADDRESSES: u8 = 0x20;
    const SPARSE: u8 = 0x40;
    let (flags, kind) = (at.u8()?, at.u8()?);
    if kind == STRUCT && flags & (ARRAY | ADDRESSES | SPARSE) == 0 {
        return structure(at, depth);
    }
    if flags & SPARSE != 0 {
        let mut elements = Vec::new();
        while vlq(at)? != 0 {
            elements.extend(element(at, kind)?);
        }
        return Ok(Value::Array(elements));
    }
    if flags & (ARRAY | ADDRESSES) != 0 {
        let count = usize::try_from(vlq(at)?).unwrap_or(usize::MAX);
        let mut elements = Vec::with_capacity(count.min(at.remaining()));
        for _ in 0..count {
            // Every element takes an octet at least, so that octets end the loop.
            elements.push(element(at, kind)?.ok_or(Short { needed: 1 })?);
        }
        return Ok(Value::Array(elements));
    }
    Ok(match kind {
        0x00 => Value::Null,
        0x14 => {
            let root = vlq(at)?;
            if root != 0 {
                return Err(Short { needed: 1 });
            }
            let octets = usize::try_from(vlq(at)?).unwrap_or(usize::MAX);
            at.bytes(octets)?;
            Value::Blob(octets)
        }
        kind => match element(at, kind)? {
            Some(value) => Value::One(value),
            None => return Err(Short { needed: 1 }),
        },
    })
}

fn structure(at: &mut Reader<'_>, depth: u8) -> Result<Value, Short> {
    let kind = at.be32()?;
    if depth == 0 {
        return Err(Short { needed: 1 });
    }
    // System types are given as they lie in memory: time of the interface, flags, octets.
    if matches!(kind, 0x9000_0001..0x9fff_ffff | 0x0200_0001..0x02ff_ffff) {
        at.skip(8)?;
        let flags = vlq(at)?;
        if flags & 0x400 != 0 {
            vlq(at)?;
        }
        let octets = usize::try_from(vlq(at)?).unwrap_or(usize::MAX);
        at.bytes(octets)?;
        return Ok(Value::Struct(kind, Vec::new()));
    }
    let mut members = Vec::new();
    loop {
        let key = id(at)?;
        if key == 0 {
            return Ok(Value::Struct(kind, members));
        }
        members.push((key, nested(at, depth.saturating_sub(1))?));
    }
}

/// One element of a type that has no parts; `None` of others.
fn element(at: &mut Reader<'_>, kind: u8) -> Result<Option<PointValue>, Short> {
    Ok(Some(match kind {
        0x01 => PointValue::Bool(at.u8()? != 0),
        0x02 | 0x0a => PointValue::Unsigned(at.u8()?.into()),
        0x03 | 0x0b => PointValue::Unsigned(at.be16()?.into()),
        0x0c | 0x12 => PointValue::Unsigned(at.be32()?.into()),
        0x0d | 0x10 => PointValue::Unsigned(u64::from_be_bytes(at.array()?)),
        0x04 | 0x05 | 0x13 => PointValue::Unsigned(vlq(at)?),
        0x06 => PointValue::Int(i64::from(at.u8()? as i8)),
        0x07 => PointValue::Int(i64::from(at.be16()? as i16)),
        0x08 | 0x09 | 0x11 => PointValue::Int(vlq_signed(at)?),
        0x0e => PointValue::Float(f32::from_bits(at.be32()?).into()),
        0x0f => PointValue::Float(f64::from_bits(u64::from_be_bytes(at.array()?))),
        0x15 => {
            let octets = usize::try_from(vlq(at)?).unwrap_or(usize::MAX);
            PointValue::Text(crate::text::lossy(at.bytes(octets)?).into())
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8], wanted: Value) {
        let mut at = Reader::new(bytes);
        assert_eq!(value(&mut at), Ok(wanted));
        assert!(at.is_empty());
    }

    #[test]
    fn numbers_of_variable_length_are_signed_where_their_type_is() {
        check(&[0, 8, 0x7f], Value::One(PointValue::Int(-1)));
        check(&[0, 8, 0x3f], Value::One(PointValue::Int(63)));
        check(&[0, 8, 0x80, 0x40], Value::One(PointValue::Int(64)));
        check(&[0, 8, 0xff, 0x00], Value::One(PointValue::Int(-128)));
        check(&[0, 4, 0x87, 0x3e], Value::One(PointValue::Unsigned(0x3be)));
    }

    #[test]
    fn a_structure_ends_with_a_member_of_number_nothing() {
        let bytes = [0, 0x17, 0, 0, 1, 0x3a, 0x82, 0x3f, 0, 0x15, 2, b'o', b'k', 0];
        let member = Value::One(PointValue::Text("ok".into()));
        check(&bytes, Value::Struct(0x13a, vec![(0x13f, member)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            version in 1u8..3,
            sequence: u16,
            session: u32,
            body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut data = vec![REQUEST, 0, 0, 0x05, 0x4c, 0, 0];
            data.extend(sequence.to_be_bytes());
            data.extend(session.to_be_bytes());
            data.push(0x34);
            data.extend_from_slice(&body);
            let bytes = emit(version, &data);
            let read = fragment(&bytes).expect("own fragment");
            prop_assert_eq!(read, Fragment { version, data: &data, last: true });
            let wanted =
                Header { opcode: REQUEST, function: 0x054c, sequence, session, body: &body };
            prop_assert_eq!(header(version, read.data), Ok(wanted));
        }
    }
}
