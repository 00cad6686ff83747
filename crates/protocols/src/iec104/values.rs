//! Information elements (IEC 60870-5-101, 7.2.6) as values with quality.
//!
//! Invariant: an element shorter than its type is no value.

use super::wire::time;
use model::{PointValue, Quality};

/// Value and quality of an element in monitor direction.
pub fn monitored(kind: u8, e: &[u8]) -> Option<(PointValue, Quality)> {
    Some(match (kind, e) {
        (1 | 2 | 30, [siq, ..]) => (PointValue::Bool(siq & 1 == 1), quality(*siq & 0xf0)),
        // 1 is off, 2 is on, 0 and 3 are on the way or faulty.
        (3 | 4 | 31, [diq, ..]) => {
            let value = PointValue::Unsigned(u64::from(diq & 3));
            let sure = matches!(diq & 3, 1 | 2);
            let quality = quality(*diq & 0xf0);
            (value, if sure { quality } else { quality.max(Quality::Uncertain) })
        }
        (5 | 6 | 32, [vti, qds, ..]) => (step(*vti), quality(*qds)),
        (7 | 8 | 33, [a, b, c, d, qds, ..]) => (bits([*a, *b, *c, *d]), quality(*qds)),
        (9 | 10 | 34, [a, b, qds, ..]) => (normalised([*a, *b]), quality(*qds)),
        (21, [a, b]) => (normalised([*a, *b]), Quality::Good),
        (11 | 12 | 35, [a, b, qds, ..]) => (scaled([*a, *b]), quality(*qds)),
        (13 | 14 | 36, [a, b, c, d, qds, ..]) => (float([*a, *b, *c, *d]), quality(*qds)),
        (15 | 16 | 37, [a, b, c, d, sequence, ..]) => {
            let counter = i32::from_le_bytes([*a, *b, *c, *d]);
            let invalid = sequence & 0x80 != 0;
            let quality = if invalid { Quality::Bad } else { Quality::Good };
            (PointValue::Int(i64::from(counter)), quality)
        }
        (17 | 38, [event, ..]) => {
            (PointValue::Unsigned(u64::from(event & 3)), quality(*event & 0xf0))
        }
        (18 | 19 | 39 | 40, [events, qdp, ..]) => {
            (PointValue::Unsigned(u64::from(*events)), quality(*qdp & 0xf0))
        }
        (20, [a, b, _, _, qds]) => {
            let status = u16::from_le_bytes([*a, *b]);
            (PointValue::Unsigned(u64::from(status)), quality(*qds))
        }
        _ => return None,
    })
}

/// The value a command or a parameter sets.
pub fn commanded(kind: u8, e: &[u8]) -> Option<PointValue> {
    Some(match (kind, e) {
        (45 | 58, [sco, ..]) => PointValue::Bool(sco & 1 == 1),
        (46 | 47 | 59 | 60, [co, ..]) => PointValue::Unsigned(u64::from(co & 3)),
        (48 | 61 | 110, [a, b, ..]) => normalised([*a, *b]),
        (49 | 62 | 111, [a, b, ..]) => scaled([*a, *b]),
        (50 | 63 | 112, [a, b, c, d, ..]) => float([*a, *b, *c, *d]),
        (51 | 64, [a, b, c, d, ..]) => bits([*a, *b, *c, *d]),
        (103, clock) => PointValue::Text(time(clock)?.into()),
        _ => return None,
    })
}

/// Does a command only select, to be executed by the next (S/E bit)?
pub fn selects(kind: u8, e: &[u8]) -> bool {
    let qualifier = match kind {
        45..=47 | 58..=60 => e.first(),
        48 | 49 | 61 | 62 => e.get(2),
        50 | 63 => e.get(4),
        _ => None,
    };
    qualifier.is_some_and(|q| q & 0x80 != 0)
}

/// Does an interrogation of counters reset them as well (QCC, 7.2.6.23: freeze with reset, reset)?
pub fn resets_counters(kind: u8, e: &[u8]) -> bool {
    kind == 101 && e.first().is_some_and(|qualifier| qualifier >> 6 >= 2)
}

/// Invalid is bad; not topical, substituted, blocked and overflow are uncertain (7.2.6.3).
fn quality(descriptor: u8) -> Quality {
    match descriptor {
        d if d & 0x80 != 0 => Quality::Bad,
        d if d & 0x71 != 0 => Quality::Uncertain,
        _ => Quality::Good,
    }
}

/// Seven bits with sign, and a bit that says "on the way".
fn step(vti: u8) -> PointValue {
    PointValue::Int(i64::from(i8::from_le_bytes([vti << 1]) >> 1))
}

fn bits(octets: [u8; 4]) -> PointValue {
    PointValue::Unsigned(u64::from(u32::from_le_bytes(octets)))
}

fn normalised(octets: [u8; 2]) -> PointValue {
    PointValue::Float(f64::from(i16::from_le_bytes(octets)) / 32_768.0)
}

fn scaled(octets: [u8; 2]) -> PointValue {
    PointValue::Int(i64::from(i16::from_le_bytes(octets)))
}

fn float(octets: [u8; 4]) -> PointValue {
    PointValue::Float(f64::from(f32::from_le_bytes(octets)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_their_quality() {
        let off = monitored(3, &[0x41]);
        assert_eq!(off, Some((PointValue::Unsigned(1), Quality::Uncertain)));
        assert_eq!(monitored(5, &[0x7f, 0]), Some((PointValue::Int(-1), Quality::Good)));
        assert_eq!(monitored(9, &[0, 0xc0, 0x80]), Some((PointValue::Float(-0.5), Quality::Bad)));
        assert_eq!(monitored(13, &[0, 0]), None);
    }

    #[test]
    fn a_command_says_whether_it_selects() {
        assert!(selects(46, &[0x82]) && !selects(46, &[0x02]));
        assert_eq!(commanded(46, &[0x82]), Some(PointValue::Unsigned(2)));
        assert!(resets_counters(101, &[0x85]) && !resets_counters(101, &[0x45]));
        assert!(selects(50, &[0, 0, 0x80, 0x3f, 0x80]));
    }
}
