//! Data of MMS (ISO 9506-2, 14.4.2) as points and values: in reads, writes, reports and GOOSE.
//!
//! Not a type system: names of the parts come from whoever asks. Invariant: at most
//! [`LEAVES_MAX`] values and [`NESTED_MAX`] levels of one message are looked at.

use crate::ber::{self, Ber, Element};
use model::{PointValue, Time};
use std::fmt::Write;

/// Values of one message at most.
pub const LEAVES_MAX: usize = 512;
/// Structures inside each other at most.
pub const NESTED_MAX: u8 = 8;

const ARRAY: u8 = 0xa1;
const STRUCTURE: u8 = 0xa2;

/// Hands every value below `element` to `take`, with its point: `name`, or `name.1.3` for a part.
pub fn leaves(name: &str, element: Element<'_>, take: &mut dyn FnMut(String, PointValue)) {
    let mut left = LEAVES_MAX;
    below(name, element, NESTED_MAX, &mut left, take);
}

/// As [`leaves`] for a list of elements, whose points are `name[0]`, `name[1]` and so on.
pub fn entries(name: &str, contents: &[u8], take: &mut dyn FnMut(String, PointValue)) {
    let mut left = LEAVES_MAX;
    let mut at = Ber::of_any_length(contents);
    let mut index = 0usize;
    while let (Ok(element), 1..) = (at.element(), left) {
        let mut point = String::with_capacity(name.len().saturating_add(8));
        write!(point, "{name}[{index}]").expect("a String takes any text");
        below(&point, element, NESTED_MAX, &mut left, take);
        index = index.saturating_add(1);
    }
}

fn below(
    name: &str,
    element: Element<'_>,
    levels: u8,
    left: &mut usize,
    take: &mut dyn FnMut(String, PointValue),
) {
    if *left == 0 {
        return;
    }
    if !matches!(element.tag, ARRAY | STRUCTURE) {
        *left = left.saturating_sub(1);
        if let Some(value) = value(element) {
            take(name.to_owned(), value);
        }
        return;
    }
    let Some(levels) = levels.checked_sub(1) else { return };
    let mut at = Ber::of_any_length(element.contents);
    let mut index = 1usize;
    while let Ok(part) = at.element() {
        below(&format!("{name}.{index}"), part, levels, left, take);
        index = index.saturating_add(1);
    }
}

/// A value that stands alone: its tag is the alternative of `Data` that was chosen.
pub fn value(element: Element<'_>) -> Option<PointValue> {
    let contents = element.contents;
    Some(match element.tag {
        0x83 => PointValue::Bool(*contents.first()? != 0),
        0x84 => bits(contents)?,
        0x85 => PointValue::Int(ber::integer(contents).ok()?),
        0x86 => PointValue::Unsigned(unsigned(contents)?),
        0x87 => PointValue::Float(float(contents)?),
        0x89 => PointValue::Text(hex(contents).into()),
        0x8a | 0x90 => PointValue::Text(crate::text::lossy(contents).into()),
        0x8c => PointValue::Text(binary_time(contents)?.into()),
        0x8d => PointValue::Int(ber::integer(contents).ok()?),
        0x8e => bits(contents)?,
        0x91 => PointValue::Text(utc_time(contents)?.to_string().into()),
        _ => return None,
    })
}

/// An unsigned INTEGER: up to eight octets, or nine of which the first is zero.
pub fn unsigned(contents: &[u8]) -> Option<u64> {
    let digits = match contents {
        [0, rest @ ..] => rest,
        all => all,
    };
    if contents.is_empty() || digits.len() > 8 {
        return None;
    }
    Some(digits.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)))
}

/// A BIT STRING as a number whose lowest bit is the last: a double point "on" is 2.
fn bits(contents: &[u8]) -> Option<PointValue> {
    let (&unused, octets) = contents.split_first()?;
    if unused > 7 || octets.len() > 8 || (octets.is_empty() && unused > 0) {
        return None;
    }
    let number = octets.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    Some(PointValue::Unsigned(number.checked_shr(u32::from(unused)).unwrap_or_default()))
}

/// Exponent width and an IEEE 754 number of 32 or 64 bits.
fn float(contents: &[u8]) -> Option<f64> {
    match contents {
        [8, a, b, c, d] => Some(f64::from(f32::from_be_bytes([*a, *b, *c, *d]))),
        [11, rest @ ..] => rest.first_chunk::<8>().map(|o| f64::from_be_bytes(*o)),
        _ => None,
    }
}

/// Seconds since 1970, a fraction of 24 bits, and quality of the time.
pub fn utc_time(contents: &[u8]) -> Option<Time> {
    let &[a, b, c, d, e, f, g, _] = contents.first_chunk::<8>()?;
    let seconds = u32::from_be_bytes([a, b, c, d]);
    let fraction = i64::from(u32::from_be_bytes([0, e, f, g]));
    let nanos = fraction.saturating_mul(1_000_000_000) >> 24;
    Some(Time::from_secs(i64::from(seconds)).plus_nanos(nanos))
}

/// Milliseconds since midnight and, in the longer form, days since 1984 (TimeOfDay, 14.4.2.5).
fn binary_time(contents: &[u8]) -> Option<String> {
    /// From 1970 to 1984.
    const DAYS_BEFORE: i64 = 5_113;
    const DAY_SECS: i64 = 86_400;
    let (millis, days) = contents.split_first_chunk::<4>()?;
    let millis = u32::from_be_bytes(*millis);
    if days.is_empty() {
        let secs = millis / 1_000;
        let (hours, minutes) = (secs / 3_600, secs / 60 % 60);
        return Some(format!("{hours:02}:{minutes:02}:{:02}.{:03}", secs % 60, millis % 1_000));
    }
    let days = i64::from(u16::from_be_bytes(*days.first_chunk::<2>()?));
    let midnight = days.saturating_add(DAYS_BEFORE).saturating_mul(DAY_SECS);
    let nanos = i64::from(millis).saturating_mul(1_000_000);
    Some(Time::from_secs(midnight).plus_nanos(nanos).to_string())
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::new();
    for octet in octets.iter().take(64) {
        write!(text, "{octet:02x}").expect("a String takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(contents: &[u8]) -> Vec<(String, PointValue)> {
        let mut found = Vec::new();
        entries("p", contents, &mut |point, value| found.push((point, value)));
        found
    }

    #[test]
    fn values_of_every_kind() {
        let bytes = [
            0x83, 1, 1, // true
            0x84, 2, 6, 0x80, // a double point: on
            0x85, 2, 0xff, 0xfe, // -2
            0x86, 3, 0, 0xff, 0xff, // 65535
            0x87, 5, 8, 0x41, 0xac, 0, 0, // 21.5
        ];
        let expected = [
            PointValue::Bool(true),
            PointValue::Unsigned(2),
            PointValue::Int(-2),
            PointValue::Unsigned(65_535),
            PointValue::Float(21.5),
        ];
        let found = all(&bytes);
        assert_eq!(found.iter().map(|(_, v)| v.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(found[4].0, "p[4]");
    }

    #[test]
    fn times_of_the_day_and_numbers_of_digits() {
        // Half a second past noon, alone and on the second day of 1984; 12 in digits.
        let noon = [0x02, 0x93, 0x2f, 0xf4];
        let bytes = [&[0x8c, 4][..], &noon, &[0x8c, 6], &noon, &[0, 1, 0x8d, 1, 12]].concat();
        let values: Vec<_> = all(&bytes).into_iter().map(|(_, value)| value).collect();
        let expected = [
            PointValue::Text("12:00:00.500".into()),
            PointValue::Text("1984-01-02T12:00:00.500000Z".into()),
            PointValue::Int(12),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn parts_of_a_structure_have_their_number() {
        let found = all(&[0xa2, 8, 0x83, 1, 0, 0xa2, 3, 0x83, 1, 1]);
        let points: Vec<_> = found.iter().map(|(point, _)| point.as_str()).collect();
        assert_eq!(points, ["p[0].1", "p[0].2.1"]);
    }

    #[test]
    fn structures_nested_too_deep_end() {
        let mut bytes = vec![0x83, 1, 1];
        for _ in 0..20 {
            let length = bytes.len() as u8;
            bytes.splice(0..0, [0xa2, length]);
        }
        assert_eq!(all(&bytes), []);
    }
}
