//! What objects say: values with quality, controls with status, attributes, files, users.
//!
//! IEEE 1815-2012, Annex A. Invariant: an object too short for its kind says nothing.

use super::{
    names,
    objects::{Header, Item, Number, Shape},
};
use crate::{Output, text};
use model::{Authentication, PointValue, Quality, Subject};
use wire::reader::Reader;

/// A value and where it belongs: events carry the point of the input they are of, controls
/// (groups 12 and 41) a point of their own, for what is asked is not yet what is.
pub(super) fn value(header: &Header, item: &Item<'_>, out: &mut Output) {
    let group = static_group(header.group);
    if let Some((value, quality)) = read(header, item) {
        out.value(format!("{group}/{}", item.index), value, (None, quality));
    }
}

const fn static_group(group: u8) -> u8 {
    match group {
        2 => 1,
        4 => 3,
        11 | 13 => 10,
        22 => 20,
        23 => 21,
        32 => 30,
        33 => 31,
        42 | 43 => 40,
        111 => 110,
        _ => group,
    }
}

fn read(header: &Header, item: &Item<'_>) -> Option<(PointValue, Quality)> {
    let packed = item.octets.first().copied().unwrap_or_default() >> item.shift;
    match (header.group, header.variation) {
        (1 | 10, 1) => Some((PointValue::Bool(packed & 1 == 1), Quality::Good)),
        (3, 1) => Some(double(packed & 3, Quality::Good)),
        (12, 1 | 2) => {
            let code = item.octets.first()?;
            Some((PointValue::Text(names::control(*code).into()), Quality::Good))
        }
        (41, variation) => {
            let number = match variation {
                1 => Number::I32,
                2 => Number::I16,
                3 => Number::F32,
                4 => Number::F64,
                _ => return None,
            };
            Some((plain(number, &mut Reader::new(item.octets))?, Quality::Good))
        }
        (110 | 111, _) => Some((PointValue::Text(text::lossy(item.octets).into()), Quality::Good)),
        (34, _) => None,
        (group, variation) => {
            let shape = Shape::of(group, variation)?;
            let mut at = Reader::new(item.octets);
            let flags = if shape.flags { at.u8().ok()? } else { ONLINE };
            // Command events begin with a status, not with flags.
            let status = matches!(group, 13 | 43);
            let good = if status && flags & 0x7f == 0 { ONLINE } else { flags };
            let quality = quality(good, shape.number);
            match shape.number {
                Number::Bit => Some((PointValue::Bool(flags & 0x80 != 0), quality)),
                Number::DoubleBit => Some(double(flags >> 6, quality)),
                number => Some((plain(number, &mut at)?, quality)),
            }
        }
    }
}

const ONLINE: u8 = 1;

/// Flags of measured values (11.6): online, restart, communication lost, remote and local
/// forced; bits 5 and 6 are over-range and reference error of analog values.
fn quality(flags: u8, number: Number) -> Quality {
    let analog = !matches!(number, Number::Bit | Number::DoubleBit);
    if flags & ONLINE == 0 || flags & 0x06 != 0 {
        Quality::Bad
    } else if flags & 0x38 != 0 || (analog && flags & 0x40 != 0) {
        Quality::Uncertain
    } else {
        Quality::Good
    }
}

/// Intermediate, off, on, indeterminate; the two ends of no certain state are uncertain.
fn double(bits: u8, quality: Quality) -> (PointValue, Quality) {
    match (bits & 3, quality) {
        (1, quality) => (PointValue::Bool(false), quality),
        (2, quality) => (PointValue::Bool(true), quality),
        (bits, Quality::Good) => (PointValue::Unsigned(u64::from(bits)), Quality::Uncertain),
        (bits, quality) => (PointValue::Unsigned(u64::from(bits)), quality),
    }
}

fn plain(number: Number, at: &mut Reader<'_>) -> Option<PointValue> {
    Some(match number {
        Number::Bit | Number::DoubleBit => return None,
        Number::U16 => PointValue::Unsigned(u64::from(at.le16().ok()?)),
        Number::U32 => PointValue::Unsigned(u64::from(at.le32().ok()?)),
        Number::I16 => PointValue::Int(i64::from(at.le16().ok()?.cast_signed())),
        Number::I32 => PointValue::Int(i64::from(at.le32().ok()?.cast_signed())),
        Number::F32 => PointValue::Float(f64::from(f32::from_bits(at.le32().ok()?))),
        Number::F64 => PointValue::Float(f64::from_bits(at.le64().ok()?)),
    })
}

/// Status of a control in an answer: the last octet of the object.
pub(super) fn control_status(item: &Item<'_>) -> u8 {
    item.octets.last().copied().unwrap_or_default() & 0x7f
}

/// A device attribute (Annex A, group 0): type, length, value; type 1 is visible text.
pub(super) fn attribute(header: &Header, item: &Item<'_>, out: &mut Output) {
    let Some(path) = names::attribute(header.variation) else { return };
    // Set 0 is the standard's; others are the maker's own.
    if let (0, [1, _, value @ ..]) = (item.index, item.octets) {
        out.attribute(Subject::Sender, "DNP3 device attributes", (path, &text::lossy(value)), 95);
    }
}

/// Name in a file command or file description (Annex A, 70.3, 70.7): offset and size lead.
pub(super) fn file_name(header: &Header, item: &Item<'_>) -> Option<String> {
    if !matches!(header.variation, 3 | 7) {
        return None;
    }
    text_at(item.octets, 0)
}

fn text_at(object: &[u8], at: usize) -> Option<String> {
    let mut place = Reader::new(object.get(at..)?);
    let (offset, size) = (usize::from(place.le16().ok()?), usize::from(place.le16().ok()?));
    let name = object.get(offset..)?.get(..size)?;
    (!name.is_empty()).then(|| text::lossy(name))
}

/// User and password of file authentication, readable on the wire (Annex A, 70.2).
pub(super) fn file_user(item: &Item<'_>, out: &mut Output) {
    let user = text_at(item.octets, 0).map(String::into_boxed_str);
    let password = text_at(item.octets, 4);
    // The answer has the same object with the key the outstation gave, without the password.
    if user.is_none() && password.is_none() {
        return;
    }
    out.authentication(Authentication {
        user,
        accepted: None,
        clear_text: password.is_some(),
        default_password: false,
        method: "dnp3 file authentication",
    });
}

/// The answer to file authentication: a key, or zero for who is not let in (5.5.3).
pub(super) fn file_key(item: &Item<'_>, out: &mut Output) {
    const KEY_AT: usize = 8;
    let Some(key) = item.octets.get(KEY_AT..).and_then(<[u8]>::first_chunk::<4>) else { return };
    out.authentication(Authentication {
        user: None,
        accepted: Some(*key != [0; 4]),
        clear_text: false,
        default_password: false,
        method: "dnp3 file authentication",
    });
}

/// Secure authentication (Annex A, group 120): who answers a challenge, whose keys hold, and how
/// it failed.
pub(super) fn secure_authentication(header: &Header, item: &Item<'_>, out: &mut Output) {
    let mut at = Reader::new(item.octets);
    let (Ok(_), Ok(user)) = (at.le32(), at.le16()) else { return };
    let accepted = match header.variation {
        2 | 3 => None,
        // Key status: OK, authentication failed; the others say that no keys are agreed on.
        5 => match item.octets.get(7) {
            Some(1) => Some(true),
            Some(4) => Some(false),
            _ => return,
        },
        7 => Some(false),
        _ => return,
    };
    out.authentication(Authentication {
        user: Some(format!("user {user}").into_boxed_str()),
        accepted,
        clear_text: false,
        default_password: false,
        method: "dnp3 secure authentication",
    });
    let code = item.octets.get(8);
    if let (7, Some(code)) = (header.variation, code) {
        out.state(Subject::Sender, "authentication", names::authentication_error(*code));
    }
}
