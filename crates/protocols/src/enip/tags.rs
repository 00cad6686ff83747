//! Values of tags that are read and written by name, element by element.
//!
//! Not here: structures other than strings, whose layout only the controller's templates tell.
//! Invariant: an element that was not whole in its message has no value.

use crate::{Output, output::clean_text, text};
use model::{PointValue, Quality};
use wire::{Reader, Short};

const READ: u8 = 0x4c;
const WRITE: u8 = 0x4d;
const READ_FRAGMENT: u8 = 0x52;
const WRITE_FRAGMENT: u8 = 0x53;
/// A structure; the handle of its template follows (Rockwell 1756-PM020).
const STRUCTURE: u16 = 0x02a0;
/// The handle of the built-in STRING: length, 82 letters, two octets between elements.
const STRING_HANDLE: u16 = 0x0fce;
const STRING_LETTERS: usize = 82;
const STRING_OCTETS: usize = 88;
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
    let Some((kind, values)) = data.split_first_chunk::<2>() else { return };
    match (u16::from_le_bytes(*kind), values.split_first_chunk::<2>()) {
        (STRUCTURE, Some((handle, values))) => {
            strings(tag, u16::from_le_bytes(*handle), part, values, out);
        }
        (kind, _) => elements(tag, kind, part, values, out),
    }
}

/// A request to write: type, elements, of fragments the place, then elements.
pub(super) fn written(tag: &str, service: u8, data: &[u8], out: &mut Output) {
    if matches!(service, WRITE | WRITE_FRAGMENT)
        && let Ok(write) = Write::parse(service, data)
    {
        match write.handle {
            Some(handle) => strings(tag, handle, write.part, write.values, out),
            None => elements(tag, write.kind, write.part, write.values, out),
        }
    }
}

struct Write<'a> {
    kind: u16,
    /// Of structures alone.
    handle: Option<u16>,
    part: Part,
    values: &'a [u8],
}

impl<'a> Write<'a> {
    fn parse(service: u8, data: &'a [u8]) -> Result<Self, Short> {
        let mut r = Reader::new(data);
        let kind = r.le16()?;
        let handle = if kind == STRUCTURE { Some(r.le16()?) } else { None };
        let elements = r.le16()?;
        let octets_before = if service == WRITE_FRAGMENT { r.le32()? } else { 0 };
        Ok(Write { kind, handle, part: Part { elements, octets_before }, values: r.rest() })
    }
}

fn strings(tag: &str, handle: u16, part: Part, octets: &[u8], out: &mut Output) {
    const OCTETS: u32 = STRING_OCTETS as u32;
    if handle != STRING_HANDLE || !part.octets_before.is_multiple_of(OCTETS) {
        return;
    }
    let first = part.octets_before.checked_div(OCTETS).unwrap_or_default();
    for (index, chunk) in (first..).zip(octets.chunks(STRING_OCTETS)) {
        let mut r = Reader::new(chunk);
        let letters = r.le32().ok().and_then(|n| usize::try_from(n).ok());
        let Some(letters) = letters.filter(|n| *n <= STRING_LETTERS) else { return };
        let Ok(letters) = r.bytes(letters) else { return };
        let point = if part.elements > 1 { element(tag, index) } else { tag.to_owned() };
        let value = PointValue::Text(clean_text(&text::lossy(letters)));
        out.value(point, value, (None, Quality::Good));
    }
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
    use model::Detail;

    #[test]
    fn elements_count_on_from_where_the_tag_points() {
        assert_eq!(element("Speed", 2), "Speed[2]");
        assert_eq!(element("Speed[3]", 2), "Speed[5]");
        assert_eq!(element("Grid[1,3]", 2), "Grid[1,5]");
        assert_eq!(element("Pump[4].Speed", 1), "Pump[4].Speed[1]");
    }

    /// Points of type STRING with what they hold.
    fn texts(out: &Output) -> Vec<(&str, &str)> {
        let said = out.observed.iter().filter_map(|o| match &o.detail {
            Detail::Value { point, value: PointValue::Text(text), .. } => {
                Some((&*point.0, &**text))
            }
            _ => None,
        });
        said.collect()
    }

    #[test]
    fn strings_are_values_read_and_written() {
        let string = |letters: &str| {
            let mut octets = (letters.len() as u32).to_le_bytes().to_vec();
            octets.extend_from_slice(letters.as_bytes());
            octets.resize(STRING_OCTETS, 0);
            octets
        };
        let mut out = Output::new(true);
        let head = [0xa0, 2, 0xce, 0x0f];
        let two = [&head[..], &string("Milk"), &string("Whey 2")].concat();
        read("Batch", Part { elements: 2, octets_before: 0 }, &two, &mut out);
        written("Name", WRITE, &[&head[..], &[1, 0], &string("Tank 4")].concat(), &mut out);
        // Another structure, and a string that says it is longer than there is room for.
        written("Recipe", WRITE, &[&[0xa0, 2, 1, 2, 1, 0][..], &string("No")].concat(), &mut out);
        read(
            "Name",
            Part::default(),
            &[&head[..], &[200, 0, 0, 0], &[b'a'; 200]].concat(),
            &mut out,
        );
        let expected = [("Batch[0]", "Milk"), ("Batch[1]", "Whey 2"), ("Name", "Tank 4")];
        assert_eq!(texts(&out), expected);
    }
}
