//! Values of rows as octets: what rows are full of takes few.
//!
//! Times are told as the difference to the time told before, identifiers, addresses and excerpts
//! as the octets they spell, short texts once and then by number. Not here: what changed.
//! Invariant: the table of texts and the last time are the same at both ends after each value.

use crate::{
    limits::{DEPTH_MAX, STRING_OCTETS_MAX, STRINGS_MAX},
    octets::{Cursor, Malformed, put_number, put_signed, put_text},
};
use model::Time;
use serde_json::{Map, Value};
use std::{collections::HashMap, fmt::Write, net::Ipv4Addr};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const COUNT: u8 = 3;
const NEGATIVE: u8 = 4;
const FLOAT: u8 = 5;
const LIST: u8 = 6;
const OBJECT: u8 = 7;
const KNOWN: u8 = 8;
const TEXT: u8 = 9;
const SECONDS: u8 = 10;
const MICROS: u8 = 11;
const ID: u8 = 12;
const MAC: u8 = 13;
const IPV4: u8 = 14;
const HEX: u8 = 15;

const MICROS_A_SECOND: i64 = 1_000_000;
/// Before the underscore of an identifier.
const ID_KINDS: [&str; 3] = ["ast", "lnk", "fnd"];
/// Digits of an excerpt from which two a octet are worth it.
const HEX_DIGITS_MIN: usize = 8;

/// The end that tells.
#[derive(Default)]
pub(crate) struct Teller {
    known: HashMap<Box<str>, u32>,
    /// Microseconds of the time told last.
    clock: i64,
}

/// The end that hears.
#[derive(Default)]
pub(crate) struct Hearer {
    known: Vec<Box<str>>,
    clock: i64,
}

/// Microseconds, where the text is a time as [`Time`] writes it.
pub(crate) fn micros(text: &str) -> Option<i64> {
    if text.len() != 27 || !text.ends_with('Z') {
        return None;
    }
    let time = Time::parse(text)?;
    (time.to_string() == text).then(|| time.nanos().div_euclid(1_000))
}

pub(crate) fn time_text(micros: i64) -> Result<String, Malformed> {
    let nanos = micros.checked_mul(1_000);
    Ok(Time(nanos.ok_or_else(|| Malformed::new("a time is out of range"))?).to_string())
}

impl Teller {
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Null => out.push(NULL),
            Value::Bool(false) => out.push(FALSE),
            Value::Bool(true) => out.push(TRUE),
            Value::Number(number) => put_json_number(out, number),
            Value::String(text) => self.put_string(out, text),
            Value::Array(values) => {
                out.push(LIST);
                put_number(out, values.len() as u64);
                values.iter().for_each(|value| self.put(out, value));
            }
            Value::Object(fields) => {
                out.push(OBJECT);
                put_number(out, fields.len() as u64);
                for (key, value) in fields {
                    self.put_string(out, key);
                    self.put(out, value);
                }
            }
        }
    }

    pub(crate) fn put_time(&mut self, out: &mut Vec<u8>, micros: i64) {
        let later = micros.wrapping_sub(self.clock);
        self.clock = micros;
        if later % MICROS_A_SECOND == 0 {
            out.push(SECONDS);
            put_signed(out, later / MICROS_A_SECOND);
        } else {
            out.push(MICROS);
            put_signed(out, later);
        }
    }

    pub(crate) fn put_string(&mut self, out: &mut Vec<u8>, text: &str) {
        if let Some(micros) = micros(text) {
            return self.put_time(out, micros);
        }
        if let Some(number) = self.known.get(text) {
            out.push(KNOWN);
            return put_number(out, u64::from(*number));
        }
        if text.len() <= STRING_OCTETS_MAX && self.known.len() < STRINGS_MAX {
            let number = self.known.len() as u32;
            self.known.insert(text.into(), number);
        }
        if let Some((kind, digits)) = id_of(text) {
            out.push(ID);
            out.push(kind);
            out.extend_from_slice(&digits);
        } else if let Some(octets) = mac_of(text) {
            out.push(MAC);
            out.extend_from_slice(&octets);
        } else if let Some(ip) = ipv4_of(text) {
            out.push(IPV4);
            out.extend_from_slice(&ip.octets());
        } else if let Some(octets) = hex_of(text) {
            out.push(HEX);
            put_text(out, &octets);
        } else {
            out.push(TEXT);
            put_text(out, text.as_bytes());
        }
    }
}

fn put_json_number(out: &mut Vec<u8>, number: &serde_json::Number) {
    if let Some(count) = number.as_u64() {
        out.push(COUNT);
        put_number(out, count);
    } else if let Some(negative) = number.as_i64() {
        out.push(NEGATIVE);
        put_signed(out, negative);
    } else {
        out.push(FLOAT);
        out.extend_from_slice(&number.as_f64().unwrap_or_default().to_le_bytes());
    }
}

fn id_of(text: &str) -> Option<(u8, [u8; 8])> {
    let (kind, digits) = text.split_once('_')?;
    let kind = ID_KINDS.iter().position(|known| *known == kind)?;
    let octets = hex_of(digits)?.try_into().ok()?;
    Some((kind as u8, octets))
}

fn mac_of(text: &str) -> Option<[u8; 6]> {
    if text.len() != 17 {
        return None;
    }
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        *octet = *hex_pairs(parts.next()?)?.first()?;
    }
    (parts.next().is_none() && mac_text(octets) == text).then_some(octets)
}

fn mac_text(octets: [u8; 6]) -> String {
    let parts: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    parts.join(":")
}

fn ipv4_of(text: &str) -> Option<Ipv4Addr> {
    let ip: Ipv4Addr = text.parse().ok()?;
    (ip.to_string() == text).then_some(ip)
}

fn hex_of(text: &str) -> Option<Vec<u8>> {
    if text.len() < HEX_DIGITS_MIN { None } else { hex_pairs(text) }
}

fn hex_pairs(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

fn hex_text(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        write!(text, "{octet:02x}").expect("to a string");
        text
    })
}

impl Hearer {
    pub(crate) fn take(&mut self, from: &mut Cursor<'_>, depth: u32) -> Result<Value, Malformed> {
        let tag = from.octet()?;
        Ok(match tag {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            COUNT => Value::from(from.number()?),
            NEGATIVE => Value::from(from.signed()?),
            FLOAT => Value::from(f64::from_le_bytes(from.array()?)),
            LIST | OBJECT if depth >= DEPTH_MAX => {
                return Err(Malformed::new("values lie too deep in values"));
            }
            LIST => {
                let count = from.count()?;
                let values = (0..count).map(|_| self.take(from, depth + 1));
                Value::Array(values.collect::<Result<_, _>>()?)
            }
            OBJECT => {
                let count = from.count()?;
                let mut fields = Map::new();
                for _ in 0..count {
                    let key = self.take_string(from)?;
                    fields.insert(key, self.take(from, depth + 1)?);
                }
                Value::Object(fields)
            }
            _ => Value::String(self.string(from, tag)?),
        })
    }

    pub(crate) fn take_string(&mut self, from: &mut Cursor<'_>) -> Result<String, Malformed> {
        let tag = from.octet()?;
        self.string(from, tag)
    }

    fn string(&mut self, from: &mut Cursor<'_>, tag: u8) -> Result<String, Malformed> {
        let text = match tag {
            KNOWN => {
                let number = usize::try_from(from.number()?).unwrap_or(usize::MAX);
                let known = self.known.get(number);
                let known = known.ok_or_else(|| Malformed::new("a text was never told"))?;
                return Ok(known.to_string());
            }
            SECONDS | MICROS => {
                let unit = if tag == SECONDS { MICROS_A_SECOND } else { 1 };
                let later = from.signed()?.wrapping_mul(unit);
                self.clock = self.clock.wrapping_add(later);
                return time_text(self.clock);
            }
            ID => {
                let kind = ID_KINDS.get(usize::from(from.octet()?));
                let kind = kind.ok_or_else(|| Malformed::new("an unknown kind of identifier"))?;
                format!("{kind}_{}", hex_text(from.octets(8)?))
            }
            MAC => mac_text(from.array()?),
            IPV4 => Ipv4Addr::from(from.array::<4>()?).to_string(),
            HEX => {
                let length = from.count()?;
                hex_text(from.octets(length)?)
            }
            TEXT => from.text()?.to_owned(),
            _ => return Err(Malformed::new("an unknown kind of value")),
        };
        if text.len() <= STRING_OCTETS_MAX && self.known.len() < STRINGS_MAX {
            self.known.push(text.as_str().into());
        }
        Ok(text)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Values as rows have them, and worse.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[a-z]{0,6}",
            "(ast|lnk|fnd|odd)_[0-9a-f]{16}",
            "[0-9a-f]{2}(:[0-9a-f]{2}){5}",
            "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
            "[0-9a-fA-F]{7,12}",
            "\\PC{0,60}",
            any::<i64>().prop_map(|nanos| Time(nanos / 4_000 * 1_000).to_string()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1.0e9..1.0e9).prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-d]{1,2}", inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_told_is_heard(values in prop::collection::vec(any_value(), 1..8)) {
            let (mut teller, mut out) = (Teller::default(), Vec::new());
            values.iter().for_each(|value| teller.put(&mut out, value));
            let (mut hearer, mut cursor) = (Hearer::default(), Cursor::new(&out));
            for value in &values {
                prop_assert_eq!(&hearer.take(&mut cursor, 0).expect("whole"), value);
            }
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn noise_is_refused_or_read_and_never_panics(noise: Vec<u8>) {
            let mut cursor = Cursor::new(&noise);
            let mut hearer = Hearer::default();
            while !cursor.is_empty() && hearer.take(&mut cursor, 0).is_ok() {}
        }
    }

    #[test]
    fn what_rows_are_full_of_takes_few_octets() {
        let mut teller = Teller::default();
        let mut octets = |value: &str| {
            let mut out = Vec::new();
            teller.put(&mut out, &Value::from(value));
            out.len()
        };
        assert_eq!(octets("lnk_0123456789abcdef"), 10);
        assert_eq!(octets("lnk_0123456789abcdef"), 2);
        assert_eq!(octets("00:80:f4:01:02:03"), 7);
        assert_eq!(octets("192.168.1.10"), 5);
        assert!(octets("2026-01-01T00:00:00.000000Z") <= 7);
        assert_eq!(octets("2026-01-01T00:01:00.000000Z"), 2);
    }
}
