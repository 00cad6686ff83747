//! Sparkplug B (version 3.0): metrics of edge nodes and devices in MQTT payloads.
//!
//! Payloads are Protocol Buffers (tag, wire type, value); only the fields that carry names and
//! values are read. Invariant: a field is read within its message, and metrics are bounded.

use ::wire::reader::Reader;
use model::{PointValue, Quality};

/// Metrics of one payload that are read.
const METRICS_MAX: usize = 4_096;

/// `spBv1.0/group/TYPE/node[/device]` (section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Topic<'a> {
    pub group: &'a str,
    pub kind: &'a str,
    pub node: &'a str,
    pub device: Option<&'a str>,
}

impl<'a> Topic<'a> {
    pub fn parse(topic: &'a str) -> Option<Topic<'a>> {
        let mut parts = topic.split('/');
        if parts.next() != Some("spBv1.0") {
            return None;
        }
        let (group, kind, node) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Topic { group, kind, node, device: parts.next() })
    }

    pub fn is_command(&self) -> bool {
        matches!(self.kind, "NCMD" | "DCMD")
    }

    /// Node and device, where metrics have their names.
    pub fn place(&self) -> String {
        match self.device {
            Some(device) => format!("{}/{}/{device}", self.group, self.node),
            None => format!("{}/{}", self.group, self.node),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Metric {
    pub name: String,
    pub alias: Option<u64>,
    /// Data type (6.4.16); 0 where it is left out, which only births may not do.
    pub kind: u64,
    pub raw: Option<Raw>,
    /// Of an earlier time, kept while there was no connection.
    pub historical: bool,
    pub quality: Quality,
}

/// A value as it stands in its field; integers are signed or not by their type.
#[derive(Clone, PartialEq, Debug)]
pub enum Raw {
    Bits32(u32),
    Bits64(u64),
    Other(PointValue),
}

impl Raw {
    /// `None` for an integer that could be a negative or a large one, where nobody said which.
    pub fn value(self, kind: u64) -> Option<PointValue> {
        let number = match self {
            Raw::Other(value) => return Some(value),
            Raw::Bits32(bits) => u64::from(bits),
            Raw::Bits64(bits) => bits,
        };
        let negative = match self {
            Raw::Bits32(bits) => bits >> 31 == 1,
            _ => number >> 63 == 1,
        };
        Some(match kind {
            1 => PointValue::Int(i64::from(number as i8)),
            2 => PointValue::Int(i64::from(number as i16)),
            3 => PointValue::Int(i64::from(number as i32)),
            4 => PointValue::Int(number as i64),
            0 if negative => return None,
            _ => PointValue::Unsigned(number),
        })
    }
}

/// One field of a message: its number and value.
enum Field<'a> {
    Number(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

fn field<'a>(r: &mut Reader<'a>) -> Option<(u64, Field<'a>)> {
    let tag = varint(r)?;
    let value = match tag & 7 {
        0 => Field::Number(varint(r)?),
        1 => Field::Fixed64(r.le64().ok()?),
        2 => {
            let length = usize::try_from(varint(r)?).ok()?;
            Field::Bytes(r.bytes(length).ok()?)
        }
        5 => Field::Fixed32(r.le32().ok()?),
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn varint(r: &mut Reader<'_>) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let octet = r.u8().ok()?;
        value |= u64::from(octet & 0x7f).checked_shl(shift)?;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Metrics of a payload (section 6.4.2).
pub fn metrics(payload: &[u8]) -> Vec<Metric> {
    const METRIC: u64 = 2;
    let mut found = Vec::new();
    let mut r = Reader::new(payload);
    while let Some((number, value)) = field(&mut r) {
        if let (METRIC, Field::Bytes(bytes)) = (number, value) {
            found.push(metric(bytes));
            if found.len() >= METRICS_MAX {
                break;
            }
        }
    }
    found
}

/// Section 6.4.6.
fn metric(bytes: &[u8]) -> Metric {
    let mut r = Reader::new(bytes);
    let mut metric = Metric {
        name: String::new(),
        alias: None,
        kind: 0,
        raw: None,
        historical: false,
        quality: Quality::Good,
    };
    while let Some((number, value)) = field(&mut r) {
        match (number, value) {
            (1, Field::Bytes(name)) => metric.name = crate::text::lossy(name),
            (2, Field::Number(alias)) => metric.alias = Some(alias),
            (4, Field::Number(kind)) => metric.kind = kind,
            (5, Field::Number(flag)) => metric.historical = flag != 0,
            (9, Field::Bytes(properties)) => {
                metric.quality = quality(properties).unwrap_or(Quality::Good);
            }
            (10, Field::Number(number)) => metric.raw = Some(Raw::Bits32(number as u32)),
            (11, Field::Number(number)) => metric.raw = Some(Raw::Bits64(number)),
            (12, Field::Fixed32(bits)) => {
                let value = PointValue::Float(f64::from(f32::from_bits(bits)));
                metric.raw = Some(Raw::Other(value));
            }
            (13, Field::Fixed64(bits)) => {
                metric.raw = Some(Raw::Other(PointValue::Float(f64::from_bits(bits))));
            }
            (14, Field::Number(flag)) => {
                metric.raw = Some(Raw::Other(PointValue::Bool(flag != 0)));
            }
            (15, Field::Bytes(text)) => {
                let text = PointValue::Text(crate::text::lossy(text).into());
                metric.raw = Some(Raw::Other(text));
            }
            _ => {}
        }
    }
    metric
}

/// The property named Quality, an integer: 192 good, 500 stale, 0 bad (section 6.4.11). Keys come
/// in the order of their values.
fn quality(properties: &[u8]) -> Option<Quality> {
    let mut r = Reader::new(properties);
    let (mut keys, mut at, mut values) = (0_usize, None, Vec::new());
    while let Some((number, value)) = field(&mut r) {
        match (number, value) {
            (1, Field::Bytes(key)) => {
                if key == b"Quality" {
                    at = Some(keys);
                }
                keys = keys.saturating_add(1);
            }
            (2, Field::Bytes(value)) => values.push(value),
            _ => {}
        }
    }
    let mut r = Reader::new(values.get(at?)?);
    while let Some((number, value)) = field(&mut r) {
        if let (3 | 4, Field::Number(code)) = (number, value) {
            return Some(match code {
                192..=255 => Quality::Good,
                64..=191 | 500 => Quality::Uncertain,
                _ => Quality::Bad,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_its_name_alias_and_typed_value() {
        // name "T", alias 3, type Int16 (2), value -2
        let metric = [0x0a, 1, b'T', 0x10, 3, 0x20, 2, 0x50, 0xfe, 0xff, 0x03];
        let payload = [&[0x08, 5, 0x12, metric.len() as u8][..], &metric].concat();
        let [read] = &metrics(&payload)[..] else { panic!("one metric") };
        assert_eq!((read.name.as_str(), read.alias, read.kind), ("T", Some(3), 2));
        assert_eq!(read.raw.clone().and_then(|r| r.value(2)), Some(PointValue::Int(-2)));
    }

    #[test]
    fn an_integer_of_a_type_that_nobody_said_is_told_where_its_sign_is_plain() {
        assert_eq!(Raw::Bits32(0xffff_fffe).value(3), Some(PointValue::Int(-2)));
        assert_eq!(Raw::Bits32(0xffff_fffe).value(7), Some(PointValue::Unsigned(0xffff_fffe)));
        assert_eq!(Raw::Bits32(0xffff_fffe).value(0), None);
        assert_eq!(Raw::Bits32(7).value(0), Some(PointValue::Unsigned(7)));
    }

    #[test]
    fn the_property_quality_is_the_value_at_its_key() {
        let of = |code: &[u8]| {
            let value = [&[0x08, 3, 0x18][..], code].concat();
            let keys = [&[0x0a, 1, b'x', 0x0a, 7][..], b"Quality"].concat();
            let values = [&[0x12, 2, 0x18, 9, 0x12, value.len() as u8][..], &value].concat();
            quality(&[keys, values].concat())
        };
        assert_eq!(of(&[0xc0, 1]), Some(Quality::Good));
        assert_eq!((of(&[0]), of(&[0xf4, 3])), (Some(Quality::Bad), Some(Quality::Uncertain)));
        assert_eq!(quality(&[]), None);
    }

    #[test]
    fn a_length_beyond_the_payload_gives_nothing() {
        assert!(metrics(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_empty());
        assert!(Topic::parse("spAv1.0/a/NDATA/b").is_none());
    }
}
