//! Values of BACnet as text (ANSI/ASHRAE 135-2020, clause 20.2).
//!
//! Invariant: nothing is read past the octets given, and what is not understood is kept as hex.

use super::super::link::malformed;
use crate::limits::BACNET_NESTING_MAX;
use std::{fmt, io};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ObjectId {
    pub kind: u16,
    pub instance: u32,
}

impl ObjectId {
    pub fn encode(self) -> [u8; 4] {
        (u32::from(self.kind) << 22 | self.instance & 0x3f_ffff).to_be_bytes()
    }

    fn decode(bytes: [u8; 4]) -> Self {
        let number = u32::from_be_bytes(bytes);
        let kind = u16::try_from(number >> 22).expect("ten bits");
        Self { kind, instance: number & 0x3f_ffff }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            0 => "analog-input",
            1 => "analog-output",
            2 => "analog-value",
            3 => "binary-input",
            4 => "binary-output",
            5 => "binary-value",
            6 => "calendar",
            8 => "device",
            9 => "event-enrollment",
            10 => "file",
            11 => "group",
            12 => "loop",
            13 => "multi-state-input",
            14 => "multi-state-output",
            15 => "notification-class",
            16 => "program",
            17 => "schedule",
            19 => "multi-state-value",
            20 => "trend-log",
            23 => "accumulator",
            29 => "structured-view",
            40 => "characterstring-value",
            45 => "integer-value",
            48 => "positive-integer-value",
            56 => "network-port",
            other => return write!(f, "object-{other} {}", self.instance),
        };
        write!(f, "{name} {}", self.instance)
    }
}

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Real(f32),
    Double(f64),
    Octets(Vec<u8>),
    Text(String),
    Bits(String),
    Enumerated(u32),
    /// A date or time, as text with `*` for what is left open.
    Moment(String),
    Object(ObjectId),
    /// A member of a structure: its number and content.
    Member(u8, Vec<Value>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Real(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Octets(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Text(text) | Self::Bits(text) | Self::Moment(text) => f.write_str(text),
            Self::Enumerated(value) => write!(f, "{value}"),
            Self::Object(object) => write!(f, "{object}"),
            Self::Member(number, values) => {
                write!(f, "{number}:{{{}}}", list(values))
            }
        }
    }
}

/// Values as one text.
pub fn list(values: &[Value]) -> String {
    let shown: Vec<_> = values.iter().map(Value::to_string).collect();
    shown.join("; ")
}

pub enum Tag<'a> {
    Primitive(Value),
    Context(u8, &'a [u8]),
    Opening(u8),
    Closing(u8),
}

/// A cursor over tags.
pub struct Tags<'a>(pub &'a [u8]);

impl<'a> Tags<'a> {
    fn octet(&mut self) -> io::Result<u8> {
        let (first, rest) = self.0.split_first().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn next(&mut self) -> io::Result<Tag<'a>> {
        let head = self.octet()?;
        let number = if head >> 4 == 15 { self.octet()? } else { head >> 4 };
        let is_context = head & 8 != 0;
        let mut length = usize::from(head & 7);
        match (is_context, length) {
            (true, 6) => return Ok(Tag::Opening(number)),
            (true, 7) => return Ok(Tag::Closing(number)),
            // The value stands where the length would.
            (false, 0 | 1) if number == 1 => {
                return Ok(Tag::Primitive(Value::Boolean(length == 1)));
            }
            (_, 5) => {
                length = match self.octet()? {
                    254 => usize::from(u16::from_be_bytes([self.octet()?, self.octet()?])),
                    255 => return Err(malformed()),
                    short => usize::from(short),
                };
            }
            _ => {}
        }
        let (content, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        if is_context { Ok(Tag::Context(number, content)) } else { primitive(number, content) }
    }

    /// All values up to the closing tag with this number.
    pub fn values(&mut self, closing: u8) -> io::Result<Vec<Value>> {
        self.nested(closing, 0)
    }

    fn nested(&mut self, closing: u8, depth: usize) -> io::Result<Vec<Value>> {
        if depth > BACNET_NESTING_MAX {
            return Err(malformed());
        }
        let mut found = Vec::new();
        loop {
            found.push(match self.next()? {
                Tag::Primitive(value) => value,
                Tag::Context(number, content) => {
                    Value::Member(number, vec![Value::Octets(content.to_vec())])
                }
                Tag::Opening(number) => Value::Member(number, self.nested(number, depth + 1)?),
                Tag::Closing(number) if number == closing => return Ok(found),
                Tag::Closing(_) => return Err(malformed()),
            });
        }
    }
}

/// A value by its application tag (clause 20.2.1.4).
fn primitive<'a>(number: u8, content: &[u8]) -> io::Result<Tag<'a>> {
    let unsigned = || content.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let four = || <[u8; 4]>::try_from(content).map_err(|_| malformed());
    let is_number = (1..=8).contains(&content.len());
    Ok(Tag::Primitive(match number {
        0 => Value::Null,
        2 if is_number => Value::Unsigned(unsigned()),
        3 if is_number => {
            let unused = 64 - 8 * u32::try_from(content.len()).expect("eight at most");
            Value::Signed((unsigned() << unused).cast_signed() >> unused)
        }
        4 => Value::Real(f32::from_be_bytes(four()?)),
        5 => Value::Double(f64::from_be_bytes(content.try_into().map_err(|_| malformed())?)),
        6 => Value::Octets(content.to_vec()),
        7 => text(content)?,
        8 => bits(content)?,
        9 if is_number => Value::Enumerated(u32::try_from(unsigned()).map_err(|_| malformed())?),
        10 => Value::Moment(date(four()?)),
        11 => {
            let parts = four()?.map(open);
            let [hour, minute, second, hundredths] = &parts;
            Value::Moment(format!("{hour}:{minute}:{second}.{hundredths}"))
        }
        12 => Value::Object(ObjectId::decode(four()?)),
        _ => return Err(malformed()),
    }))
}

/// Character set first: 0 UTF-8, 4 UCS-2, 5 ISO 8859-1.
fn text(content: &[u8]) -> io::Result<Value> {
    let (set, content) = content.split_first().ok_or_else(malformed)?;
    Ok(Value::Text(match set {
        4 => {
            let units = content.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
            char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
        }
        5 => content.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(content).into_owned(),
    }))
}

/// Number of unused bits first.
fn bits(content: &[u8]) -> io::Result<Value> {
    let (unused, content) = content.split_first().ok_or_else(malformed)?;
    let all = content.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let kept = (content.len() * 8).saturating_sub(usize::from(*unused));
    Ok(Value::Bits(all.take(kept).map(|bit| if bit == 1 { '1' } else { '0' }).collect()))
}

fn open(part: u8) -> String {
    if part == 255 { "*".to_owned() } else { format!("{part:02}") }
}

/// Year since 1900, month, day; the day of the week is left out.
fn date([year, month, day, _]: [u8; 4]) -> String {
    let year = if year == 255 { "*".to_owned() } else { (1_900 + u16::from(year)).to_string() };
    format!("{year}-{}-{}", open(month), open(day))
}

/// A property by its name, of those that a person meets (clause 21).
pub fn property_name(number: u32) -> String {
    let name = match number {
        4 => "active-text",
        8 => "all",
        11 => "apdu-timeout",
        12 => "application-software-version",
        17 => "notification-class",
        22 => "cov-increment",
        25 => "deadband",
        28 => "description",
        31 => "device-type",
        35 => "event-enable",
        36 => "event-state",
        44 => "firmware-revision",
        45 => "high-limit",
        46 => "inactive-text",
        52 => "limit-enable",
        58 => "location",
        59 => "low-limit",
        62 => "max-apdu-length-accepted",
        65 => "max-pres-value",
        69 => "min-pres-value",
        70 => "model-name",
        72 => "notify-type",
        74 => "number-of-states",
        75 => "object-identifier",
        76 => "object-list",
        77 => "object-name",
        79 => "object-type",
        81 => "out-of-service",
        84 => "polarity",
        85 => "present-value",
        87 => "priority-array",
        96 => "protocol-object-types-supported",
        97 => "protocol-services-supported",
        98 => "protocol-version",
        103 => "reliability",
        104 => "relinquish-default",
        106 => "resolution",
        107 => "segmentation-supported",
        110 => "state-text",
        111 => "status-flags",
        112 => "system-status",
        113 => "time-delay",
        117 => "units",
        118 => "update-interval",
        120 => "vendor-identifier",
        121 => "vendor-name",
        123 => "weekly-schedule",
        139 => "protocol-revision",
        155 => "database-revision",
        168 => "profile-name",
        371 => "property-list",
        other => return format!("property-{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let mut tags = Tags(bytes);
        let values = tags.values(3).unwrap();
        assert!(tags.0.is_empty());
        assert_eq!(list(&values), expected);
    }

    #[test]
    fn values_are_text_for_people() {
        check(&[0x44, 0x41, 0xac, 0, 0, 0x3f], "21.5");
        check(&[0x11, 0x10, 0x21, 7, 0x31, 0xff, 0x91, 2, 0x3f], "true; false; 7; -1; 2");
        check(&[0x75, 4, 0, b'a', b'b', b'c', 0x82, 4, 0xf0, 0x3f], "abc; 1111");
        check(&[0xa4, 126, 3, 14, 255, 0xb4, 12, 255, 0, 0, 0x3f], "2026-03-14; 12:*:00.00");
        check(&[0xc4, 0, 0, 0, 9, 0x1e, 0x09, 5, 0x1f, 0x3f], "analog-input 9; 1:{0:{05}}");
    }

    #[test]
    fn broken_tags_are_errors() {
        for bytes in [&[0x44, 1][..], &[0x2f], &[0x1e; 40], &[0x75, 255, 0], &[0x1e, 0x2f]] {
            assert!(Tags(bytes).values(3).is_err(), "{bytes:?}");
        }
    }
}
