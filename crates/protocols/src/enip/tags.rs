//! Values of tags that are read and written by name, element by element.
//!
//! Not here: structures, whose layout only the controller's templates tell. Invariant: an element
//! that was not whole in its message has no value.

use crate::Output;
use model::{PointValue, Quality};
use wire::{Reader, Short};

const READ: u8 = 0x4c;
const WRITE: u8 = 0x4d;
const READ_FRAGMENT: u8 = 0x52;
const WRITE_FRAGMENT: u8 = 0x53;
/// Elements of one message whose values are told.
const ELEMENTS_MAX: usize = 512;

/// What part of a tag a request is about.
#[derive(Clone, Copy, Default)]
pub(super) struct Part {
    elements: u16,
    octets_before: u32,
}

impl Part {
    /// Rockwell 1756-PM020: elements; of fragments, the place of the first octet too.
    pub(super) fn asked(service: u8, data: &[u8]) -> Part {
        let mut r = Reader::new(data);
        let elements = if is_read(service) { r.le16().unwrap_or_default() } else { 0 };
        let fragment = service == READ_FRAGMENT;
        Part { elements, octets_before: if fragment { r.le32().unwrap_or_default() } else { 0 } }
    }
}

pub(super) const fn is_read(service: u8) -> bool {
    matches!(service, READ | READ_FRAGMENT)
}

/// The answer to a read: type, then elements.
pub(super) fn read(tag: &str, part: Part, data: &[u8], out: &mut Output) {
    if let Some((kind, values)) = data.split_first_chunk::<2>() {
        elements(tag, u16::from_le_bytes(*kind), part, values, out);
    }
}

/// A request to write: type, elements, of fragments the place, then elements.
pub(super) fn written(tag: &str, service: u8, data: &[u8], out: &mut Output) {
    if matches!(service, WRITE | WRITE_FRAGMENT)
        && let Ok((kind, part, values)) = to_write(service, data)
    {
        elements(tag, kind, part, values, out);
    }
}

fn to_write(service: u8, data: &[u8]) -> Result<(u16, Part, &[u8]), Short> {
    let mut r = Reader::new(data);
    let (kind, elements) = (r.le16()?, r.le16()?);
    let octets_before = if service == WRITE_FRAGMENT { r.le32()? } else { 0 };
    Ok((kind, Part { elements, octets_before }, r.rest()))
}

fn elements(tag: &str, kind: u16, part: Part, octets: &[u8], out: &mut Output) {
    let Some(width) = width(kind) else { return };
    let before = part.octets_before.checked_div(width as u32).unwrap_or_default();
    for (index, chunk) in (before..).zip(octets.chunks_exact(width)).take(ELEMENTS_MAX) {
        let Some(value) = value(kind, chunk) else { return };
        let point = if part.elements > 1 { element(tag, index) } else { tag.to_owned() };
        out.value(point, value, (None, Quality::Good));
    }
}

/// `Tag` is `Tag[2]` two elements on, `Tag[3]` is `Tag[5]`, `Tag[1,3]` is `Tag[1,5]`.
fn element(tag: &str, index: u32) -> String {
    let indexed = tag.strip_suffix(']').and_then(|t| t.rsplit_once(['[', ',']));
    let first = indexed.and_then(|(_, first)| first.parse::<u32>().ok());
    match (indexed, first) {
        (Some((name, _)), Some(first)) => {
            let opened = tag.get(..name.len().saturating_add(1)).unwrap_or(name);
            format!("{opened}{}]", first.saturating_add(index))
        }
        _ => format!("{tag}[{index}]"),
    }
}

/// Octets of elementary types (CIP Volume 1, C-6.1).
const fn width(kind: u16) -> Option<usize> {
    Some(match kind {
        0xc1 | 0xc2 | 0xc6 | 0xd1 => 1,
        0xc3 | 0xc7 | 0xd2 => 2,
        0xc4 | 0xc8 | 0xca | 0xd3 => 4,
        0xc5 | 0xc9 | 0xcb | 0xd4 => 8,
        _ => return None,
    })
}

fn value(kind: u16, octets: &[u8]) -> Option<PointValue> {
    let mut wide = [0; 8];
    wide.get_mut(..octets.len())?.copy_from_slice(octets);
    let unsigned = u64::from_le_bytes(wide);
    Some(match kind {
        0xc1 => PointValue::Bool(unsigned != 0),
        0xc2 => PointValue::Int((unsigned as i8).into()),
        0xc3 => PointValue::Int((unsigned as i16).into()),
        0xc4 => PointValue::Int((unsigned as i32).into()),
        0xc5 => PointValue::Int(unsigned as i64),
        0xca => PointValue::Float(f32::from_bits(unsigned as u32).into()),
        0xcb => PointValue::Float(f64::from_bits(unsigned)),
        _ => PointValue::Unsigned(unsigned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_count_on_from_where_the_tag_points() {
        assert_eq!(element("Speed", 2), "Speed[2]");
        assert_eq!(element("Speed[3]", 2), "Speed[5]");
        assert_eq!(element("Grid[1,3]", 2), "Grid[1,5]");
        assert_eq!(element("Pump[4].Speed", 1), "Pump[4].Speed[1]");
    }
}
