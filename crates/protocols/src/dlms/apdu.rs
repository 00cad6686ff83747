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
    /// A further block of what a request before it began.
    pub continued: bool,
    /// The first block, of which more follow.
    pub begun: bool,
}

/// Reads what follows the tag of a get, set or action request.
pub fn request(tag: u8, body: &[u8]) -> Result<Request<'_>, Short> {
    let mut at = Reader::new(body);
    let (kind, invocation) = (at.u8()?, at.u8()?);
    let (mut objects, mut data) = (Vec::new(), &[][..]);
    let continued = matches!((tag, kind), (SET_REQUEST, 3) | (ACTION_REQUEST, 2 | 6));
    let begun = matches!((tag, kind), (SET_REQUEST, 2) | (ACTION_REQUEST, 4));
    match (tag, kind) {
        (_, NORMAL) => {
            objects.push(Object::parse(&mut at)?);
            data = at.rest();
        }
        (GET_REQUEST, 2) => {}
        _ if continued => {}
        _ if begun => objects.push(Object::parse(&mut at)?),
        _ => {
            let count = usize::from(at.u8()?).min(OBJECTS_MAX);
            for _ in 0..count {
                objects.push(Object::parse(&mut at)?);
                // Selective access would need its parameters read to find the next object.
                if tag != ACTION_REQUEST && at.u8()? != 0 {
                    break;
                }
            }
        }
    }
    Ok(Request { invocation, objects, data, continued, begun })
}

const NORMAL: u8 = 1;

/// What an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response<'a> {
    pub invocation: u8,
    /// Of each object the code of a data access or action result, 0 is success, and its value.
    /// None for a block that arrived, behind which more is awaited.
    pub results: Vec<(u8, &'a [u8])>,
}

/// Reads what follows the tag of a get, set or action response.
pub fn response(tag: u8, body: &[u8]) -> Result<Response<'_>, Short> {
    const WITH_LIST: u8 = 3;
    let mut at = Reader::new(body);
    let (kind, invocation) = (at.u8()?, at.u8()?);
    let mut results = Vec::new();
    match (tag, kind) {
        (GET_RESPONSE, NORMAL) => results.push(match at.u8()? {
            0 => (0, at.rest()),
            _ => (at.u8()?, &[][..]),
        }),
        (GET_RESPONSE, WITH_LIST) => {
            let count = usize::from(at.u8()?).min(OBJECTS_MAX);
            for _ in 0..count {
                results.push(match at.u8()? {
                    0 => match whole(&mut at) {
                        Some(value) => (0, value),
                        None => break,
                    },
                    _ => (at.u8()?, &[][..]),
                });
            }
        }
        // Whether it is the last block, its number, then octets or a result.
        (GET_RESPONSE, _) => {
            at.skip(5)?;
            results.push((if at.u8()? == 0 { 0 } else { at.u8()? }, &[][..]));
        }
        (SET_RESPONSE, NORMAL | 3) | (ACTION_RESPONSE, NORMAL) => {
            results.push((at.u8()?, at.rest()));
        }
        (SET_RESPONSE, 4 | 5) | (ACTION_RESPONSE, WITH_LIST) => {
            let count = usize::from(at.u8()?).min(OBJECTS_MAX);
            for _ in 0..count {
                results.push((at.u8()?, &[][..]));
                // Whether a method returned something, and what.
                if tag == ACTION_RESPONSE && at.u8()? != 0 {
                    match at.u8()? {
                        0 if whole(&mut at).is_none() => break,
                        0 => {}
                        _ => at.skip(1)?,
                    }
                }
            }
        }
        (SET_RESPONSE, 2) | (ACTION_RESPONSE, 4) => {}
        _ => results.push((0, &[][..])),
    }
    Ok(Response { invocation, results })
}

/// The octets of one value of whatever type, where its end can be told.
fn whole<'a>(at: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut from = *at;
    skip(at, 0).ok()?;
    from.bytes(at.position().saturating_sub(from.position())).ok()
}

/// Structures and arrays in one another at most.
const DEPTH_MAX: u8 = 8;

fn skip(at: &mut Reader<'_>, depth: u8) -> Result<(), Short> {
    let octets = match at.u8()? {
        0 | 255 => 0,
        1 | 2 if depth < DEPTH_MAX => {
            let count = length(at)?;
            for _ in 0..count {
                skip(at, depth.saturating_add(1))?;
            }
            0
        }
        3 | 13 | 15 | 17 | 22 => 1,
        4 => length(at)?.div_ceil(8),
        16 | 18 => 2,
        5 | 6 | 23 | 27 => 4,
        9 | 10 | 12 => length(at)?,
        20 | 21 | 24 => 8,
        25 => 12,
        26 => 5,
        // Compact arrays have a description of their own; what follows is not found.
        _ => return at.skip(usize::MAX),
    };
    at.skip(octets)
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
    let length = length(at).ok()?;
    at.bytes(length).ok()
}

fn length(at: &mut Reader<'_>) -> Result<usize, Short> {
    Ok(match at.u8()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(at.u8()?),
        0x82 => usize::from(at.be16()?),
        _ => usize::MAX,
    })
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
        let request =
            request(GET_REQUEST, &[1, 0xc1, 0, 3, 1, 0, 1, 8, 0, 0xff, 2, 0]).expect("a get");
        let object = request.objects[0];
        assert_eq!((object.class, object.name()), (3, "1.0.1.8.0.255:2".to_owned()));
    }

    #[test]
    fn a_value_ends_where_it_ends_whatever_it_holds() {
        // A list of a structure with an array in it, a refusal, and a number behind both.
        let structure = [2, 2, 1, 2, 18, 0, 9, 0, 9, 1, 7];
        let list = [&[3, 0xc1, 3, 0][..], &structure, &[1, 3, 0, 17, 5]].concat();
        let read = response(GET_RESPONSE, &list).expect("a list");
        assert_eq!(read.results, [(0, &structure[..]), (3, &[][..]), (0, &[17, 5][..])]);
        // Of a compact array nobody knows the end; structures in one another have one.
        let nested = [&[2, 1].repeat(40)[..], &[0]].concat();
        for value in [&[19, 1, 0, 0, 17, 5], &nested[..]] {
            let list = [&[3, 0xc1, 2, 0, 17, 5, 0][..], value].concat();
            let read = response(GET_RESPONSE, &list).expect("a list");
            assert_eq!(read.results, [(0, &[17, 5][..])]);
        }
    }

    #[test]
    fn blocks_of_a_value_that_is_set_are_no_list() {
        // IEC 62056-5-3, 7.3.4: an object with the first block, then last block, number, octets.
        let first = [2, 0xc1, 0, 7, 1, 0, 99, 1, 0, 255, 4, 0, 0, 0, 0, 0, 1, 2, 0xaa, 0xbb];
        let first = request(SET_REQUEST, &first).expect("a first block");
        let names: Vec<_> = first.objects.iter().map(Object::name).collect();
        assert_eq!((names, first.data), (vec!["1.0.99.1.0.255:4".to_owned()], &[][..]));
        let next = request(SET_REQUEST, &[3, 0xc1, 1, 0, 0, 0, 2, 1, 0xcc]).expect("a block");
        assert!(next.continued && next.objects.is_empty());
        let next = request(ACTION_REQUEST, &[6, 0xc1, 1, 0, 0, 0, 2, 1, 0xcc]).expect("a block");
        assert!(next.continued && next.objects.is_empty());
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
