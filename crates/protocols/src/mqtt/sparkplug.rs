//! Sparkplug B (version 3.0): metrics of edge nodes and devices in MQTT payloads.
//!
//! Payloads are Protocol Buffers (tag, wire type, value); only the fields that carry names and
//! values are read. Invariant: a field is read within its message, and metrics are bounded.

use ::wire::reader::Reader;
use model::PointValue;

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

#[derive(Clone, Default, PartialEq, Debug)]
pub struct Metric {
    pub name: String,
    pub alias: Option<u64>,
    pub value: Option<PointValue>,
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

/// Section 6.4.6; data types of 6.4.16.
fn metric(bytes: &[u8]) -> Metric {
    let mut r = Reader::new(bytes);
    let mut metric = Metric::default();
    let mut kind = 0;
    while let Some((number, value)) = field(&mut r) {
        match (number, value) {
            (1, Field::Bytes(name)) => metric.name = crate::text::lossy(name),
            (2, Field::Number(alias)) => metric.alias = Some(alias),
            (4, Field::Number(number)) => kind = number,
            (10, Field::Number(number)) => {
                metric.value = Some(match kind {
                    1 => PointValue::Int(i64::from(number as i8)),
                    2 => PointValue::Int(i64::from(number as i16)),
                    3 => PointValue::Int(i64::from(number as i32)),
                    _ => PointValue::Unsigned(number),
                });
            }
            (11, Field::Number(number)) => {
                metric.value = Some(match kind {
                    4 => PointValue::Int(number as i64),
                    _ => PointValue::Unsigned(number),
                });
            }
            (12, Field::Fixed32(bits)) => {
                metric.value = Some(PointValue::Float(f64::from(f32::from_bits(bits))));
            }
            (13, Field::Fixed64(bits)) => {
                metric.value = Some(PointValue::Float(f64::from_bits(bits)));
            }
            (14, Field::Number(flag)) => metric.value = Some(PointValue::Bool(flag != 0)),
            (15, Field::Bytes(text)) => {
                metric.value = Some(PointValue::Text(crate::text::lossy(text).into()));
            }
            _ => {}
        }
    }
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_its_name_alias_and_typed_value() {
        // name "T", alias 3, type Int16 (2), value -2
        let metric = [0x0a, 1, b'T', 0x10, 3, 0x20, 2, 0x50, 0xfe, 0xff, 0x03];
        let payload = [&[0x08, 5, 0x12, metric.len() as u8][..], &metric].concat();
        let expected =
            Metric { name: "T".to_owned(), alias: Some(3), value: Some(PointValue::Int(-2)) };
        assert_eq!(metrics(&payload), [expected]);
    }

    #[test]
    fn a_length_beyond_the_payload_gives_nothing() {
        assert!(metrics(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_empty());
        assert!(Topic::parse("spAv1.0/a/NDATA/b").is_none());
    }
}
