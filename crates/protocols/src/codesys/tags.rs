//! Tagged data of services: numbers and lengths of seven bits an octet, tags inside tags.
//!
//! Not here: what most tags mean, which is not public. Invariant: a tag is read within its parent,
//! to a bounded depth and number.

use wire::{Reader, Short};

const DEPTH_MAX: usize = 4;
const TAGS_MAX: usize = 128;
/// Octets of a number; longer ones carry no more bits than fit.
const NUMBER_OCTETS_MAX: usize = 5;
/// A tag with this bit holds tags.
const PARENT: u32 = 0x80;

/// Calls `leaf` with each tag that holds no others, and the number of its parent.
pub(super) fn each<'a>(bytes: &'a [u8], leaf: &mut impl FnMut(Option<u32>, u32, &'a [u8])) {
    let mut left = TAGS_MAX;
    inside(bytes, (None, 0), &mut left, leaf);
}

fn inside<'a>(
    bytes: &'a [u8],
    (parent, depth): (Option<u32>, usize),
    left: &mut usize,
    leaf: &mut impl FnMut(Option<u32>, u32, &'a [u8]),
) {
    let mut at = Reader::new(bytes);
    while !at.is_empty() && *left > 0 {
        *left = left.saturating_sub(1);
        let Ok((id, octets)) = tag(&mut at) else { return };
        match id & PARENT != 0 && depth < DEPTH_MAX {
            true => inside(octets, (Some(id), depth.saturating_add(1)), left, leaf),
            false => leaf(parent, id, octets),
        }
    }
}

fn tag<'a>(at: &mut Reader<'a>) -> Result<(u32, &'a [u8]), Short> {
    let (id, length) = (number(at)?, number(at)?);
    Ok((id, at.bytes(usize::try_from(length).unwrap_or(usize::MAX))?))
}

/// Low bits first; the high bit says that more follow, also where only zeros do.
fn number(at: &mut Reader<'_>) -> Result<u32, Short> {
    let mut number = 0u32;
    for place in 0..NUMBER_OCTETS_MAX as u32 {
        let octet = at.u8()?;
        let bits = u32::from(octet & 0x7f).checked_shl(place.saturating_mul(7));
        number |= bits.unwrap_or_default();
        if octet & 0x80 == 0 {
            break;
        }
    }
    Ok(number)
}

/// Text with or without NULs behind it; `None` when it is anything else.
pub(super) fn text(octets: &[u8]) -> Option<&str> {
    const LETTERS_MIN: usize = 2;
    let end = octets.iter().rposition(|b| *b != 0)?.saturating_add(1);
    let text = std::str::from_utf8(octets.get(..end)?).ok()?;
    let plain = !text.contains(|c: char| c.is_control());
    (plain && text.len() >= LETTERS_MIN).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn emit(id: u32, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for mut number in [id, u32::try_from(octets.len()).unwrap_or(u32::MAX)] {
            while number > 0x7f {
                out.push(number as u8 | 0x80);
                number >>= 7;
            }
            out.push(number as u8);
        }
        out.extend_from_slice(octets);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            leaves in prop::collection::vec(
                (0u32..0x80, prop::collection::vec(any::<u8>(), 0..200)),
                0..20,
            ),
        ) {
            let inner: Vec<u8> = leaves.iter().flat_map(|(id, octets)| emit(*id, octets)).collect();
            let bytes = emit(0x81, &inner);
            let mut read = Vec::new();
            each(&bytes, &mut |parent, id, octets| read.push((parent, id, octets.to_vec())));
            let written = leaves.into_iter().map(|(id, octets)| (Some(0x81), id, octets));
            prop_assert_eq!(read, written.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_padded_length_is_read() {
        let mut read = Vec::new();
        each(&[0x22, 0x84, 0x80, 0, 1, 0, 0, 0], &mut |_, id, octets| read.push((id, octets)));
        assert_eq!(read, [(0x22, &[1, 0, 0, 0][..])]);
    }
}
