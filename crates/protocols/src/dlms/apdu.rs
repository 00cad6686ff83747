//! APDUs of DLMS (IEC 62056-5-3, 7): which object is read, set or acted on, and what comes back.
//!
//! Not here: short names beyond their service, decryption. Invariant: an object is named by its
//! OBIS code as it stands.

use crate::{ber::Ber, text::lossy};
use model::PointValue;
use wire::{Reader, Short};

/// Objects of one request at most.
const OBJECTS_MAX: usize = 32;

/// Attribute or method of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    pub class: u16,
    pub obis: [u8; 6],
    pub member: u8,
}

impl Object {
    /// `1.0.1.8.0.255:2`
    pub fn name(&self) -> String {
        let [a, b, c, d, e, f] = self.obis;
        format!("{a}.{b}.{c}.{d}.{e}.{f}:{}", self.member)
    }

    fn parse(at: &mut Reader<'_>) -> Result<Object, Short> {
        Ok(Object { class: at.be16()?, obis: at.array()?, member: at.u8()? })
    }
}

pub const GET_REQUEST: u8 = 0xc0;
pub const SET_REQUEST: u8 = 0xc1;
pub const EVENT_NOTIFICATION: u8 = 0xc2;
pub const ACTION_REQUEST: u8 = 0xc3;
pub const GET_RESPONSE: u8 = 0xc4;
pub const SET_RESPONSE: u8 = 0xc5;
pub const ACTION_RESPONSE: u8 = 0xc7;

/// A request of services with logical names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    pub invocation: u8,
    pub objects: Vec<Object>,
    /// What follows the only object: a value to set, or parameters.
    pub data: &'a [u8],
}

/// Reads what follows the tag of a get, set or action request.
pub fn request(body: &[u8]) -> Result<Request<'_>, Short> {
    const NORMAL: u8 = 1;
    const NEXT: u8 = 2;
    let mut at = Reader::new(body);
    let (kind, invocation) = (at.u8()?, at.u8()?);
    let mut objects = Vec::new();
    match kind {
        NORMAL => objects.push(Object::parse(&mut at)?),
        NEXT => {}
        _ => {
            let count = usize::from(at.u8()?).min(OBJECTS_MAX);
            for _ in 0..count {
                objects.push(Object::parse(&mut at)?);
                // Selective access would need its parameters read to find the next object.
                if at.u8()? != 0 {
                    break;
                }
            }
        }
    }
    Ok(Request { invocation, objects, data: at.rest() })
}

/// What an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response<'a> {
    pub invocation: u8,
    /// Code of a data access or action result; 0 is success.
    pub result: u8,
    pub data: &'a [u8],
}

/// Reads what follows the tag of a get, set or action response.
pub fn response(tag: u8, body: &[u8]) -> Result<Response<'_>, Short> {
    const NORMAL: u8 = 1;
    let mut at = Reader::new(body);
    let (kind, invocation) = (at.u8()?, at.u8()?);
    if kind != NORMAL {
        return Ok(Response { invocation, result: 0, data: &[] });
    }
    let first = at.u8()?;
    let (result, data) = match (tag, first) {
        (GET_RESPONSE, 0) => (0, at.rest()),
        (GET_RESPONSE, _) => (at.u8()?, &[][..]),
        _ => (first, at.rest()),
    };
    Ok(Response { invocation, result, data })
}

/// A value that stands alone (IEC 62056-5-3, table 22).
pub fn value(data: &[u8]) -> Option<PointValue> {
    let mut at = Reader::new(data);
    Some(match at.u8().ok()? {
        3 => PointValue::Bool(at.u8().ok()? != 0),
        5 => PointValue::Int(i64::from(i32::from_be_bytes(at.array().ok()?))),
        6 => PointValue::Unsigned(u64::from(at.be32().ok()?)),
        9 => octets(&mut at)?,
        10 | 12 => PointValue::Text(lossy(text(&mut at)?).into()),
        15 => PointValue::Int(i64::from(i8::from_be_bytes(at.array().ok()?))),
        16 => PointValue::Int(i64::from(i16::from_be_bytes(at.array().ok()?))),
        17 | 22 => PointValue::Unsigned(u64::from(at.u8().ok()?)),
        18 => PointValue::Unsigned(u64::from(at.be16().ok()?)),
        20 => PointValue::Int(i64::from_be_bytes(at.array().ok()?)),
        21 => PointValue::Unsigned(at.be64().ok()?),
        23 => PointValue::Float(f64::from(f32::from_be_bytes(at.array().ok()?))),
        24 => PointValue::Float(f64::from_be_bytes(at.array().ok()?)),
        _ => return None,
    })
}

fn text<'a>(at: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = match at.u8().ok()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(at.u8().ok()?),
        0x82 => usize::from(at.be16().ok()?),
        _ => return None,
    };
    at.bytes(length).ok()
}

/// Octets are text where all of them are, else digits.
fn octets(at: &mut Reader<'_>) -> Option<PointValue> {
    let octets = text(at)?;
    let printable = !octets.is_empty() && octets.iter().all(|b| (0x20..0x7f).contains(b));
    Some(PointValue::Text(if printable {
        lossy(octets).into()
    } else {
        octets.iter().take(64).map(|b| format!("{b:02x}")).collect::<String>().into()
    }))
}

/// What an association request says of its security (IEC 62056-5-3, 7.2).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Association {
    /// Last arc of the mechanism: 0 none, 1 password, 2 and above challenge.
    pub mechanism: u8,
    pub secret: bool,
    /// Result of an answer: 0 is accepted.
    pub result: Option<u8>,
    /// Why, of an answer: 14 asks for the reply to a challenge.
    pub diagnostic: u8,
    /// Name the client has for the meter's keys, of a request.
    pub title: Vec<u8>,
}

/// Reads a whole AARQ or AARE.
pub fn association(apdu: &[u8]) -> Option<Association> {
    let mut read = Association::default();
    let outer = Ber::new(apdu).element().ok()?;
    let mut at = Ber::new(outer.contents);
    while let Ok(field) = at.element() {
        match (field.tag, outer.tag) {
            (0x8b, _) => read.mechanism = *field.contents.last()?,
            (0xac, 0x60) => read.secret = !field.contents.is_empty(),
            (0xa2, 0x61) => read.result = field.contents.last().copied(),
            (0xa3, 0x61) => read.diagnostic = field.contents.last().copied().unwrap_or_default(),
            // An octet string within its tag.
            (0xa6, 0x60) => read.title = field.contents.get(2..).unwrap_or_default().to_vec(),
            _ => {}
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_active_energy() {
        let request = request(&[1, 0xc1, 0, 3, 1, 0, 1, 8, 0, 0xff, 2, 0]).expect("a get");
        let object = request.objects[0];
        assert_eq!((object.class, object.name()), (3, "1.0.1.8.0.255:2".to_owned()));
    }

    #[test]
    fn values_alone() {
        assert_eq!(value(&[6, 0, 0, 0, 9]), Some(PointValue::Unsigned(9)));
        assert_eq!(value(&[9, 2, b'A', b'B']), Some(PointValue::Text("AB".into())));
        assert_eq!(value(&[9, 2, 0, 1]), Some(PointValue::Text("0001".into())));
        let long = [&[10, 0x81, 130][..], &[b'A'; 130]].concat();
        assert_eq!(value(&long), Some(PointValue::Text("A".repeat(130).into())));
        assert_eq!(value(&[2, 1, 6]), None);
    }
}
