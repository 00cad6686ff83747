//! Where a log keeps its files (C2SP tlog-tiles): tiles of 256 hashes, bundles of 256 entries.
//!
//! Invariant: one state of a log has one set of paths and bytes, so copies compare byte by byte.

use crate::digest::Sha256;

/// Hashes in a full tile and entries in a full bundle.
pub const WIDTH: u64 = 256;

pub const CHECKPOINT: &str = "checkpoint";

/// Path of a hash tile, or of an entry bundle when `level` is `None`.
pub fn path(level: Option<usize>, index: u64, width: u64) -> String {
    let mut groups = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        groups = format!("x{:03}/{groups}", rest % 1_000);
        rest /= 1_000;
    }
    let level = level.map_or("entries".to_owned(), |level| level.to_string());
    let partial = if width < WIDTH { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{groups}{partial}")
}

/// (index, width) of every tile of a level that holds `count` hashes, from index `first`.
pub fn tiles(count: u64, first: u64) -> impl Iterator<Item = (u64, u64)> {
    (first..count.div_ceil(WIDTH)).map(move |index| (index, (count - index * WIDTH).min(WIDTH)))
}

/// The hashes of all levels: `levels[0]` are the leaves, `levels[n + 1]` the roots of the full
/// tiles of `levels[n]`.
#[derive(Clone, Default)]
pub struct Levels(pub Vec<Vec<Sha256>>);

impl Levels {
    pub fn size(&self) -> u64 {
        self.0.first().map_or(0, |leaves| leaves.len() as u64)
    }

    pub fn push(&mut self, leaf: Sha256) {
        let mut hash = leaf;
        for level in 0.. {
            if self.0.len() == level {
                self.0.push(Vec::new());
            }
            let hashes = &mut self.0[level];
            hashes.push(hash);
            if !(hashes.len() as u64).is_multiple_of(WIDTH) {
                return;
            }
            hash = super::merkle::root(&hashes[hashes.len() - WIDTH as usize..]);
        }
    }

    /// Root of the first `size` leaves (RFC 6962), from perfect subtrees: few hashes, any size.
    pub fn root(&self, size: u64) -> Sha256 {
        let mut subtrees = Vec::new();
        let mut offset = 0;
        for power in (0..u64::BITS).rev().filter(|power| size >> power & 1 == 1) {
            let level = (power / 8) as usize;
            let start = (offset >> (8 * level)) as usize;
            let hashes = &self.0[level][start..start + (1 << (power % 8))];
            subtrees.push(super::merkle::root(hashes));
            offset += 1 << power;
        }
        let mut subtrees = subtrees.into_iter().rev();
        let Some(last) = subtrees.next() else { return Sha256::of(b"") };
        subtrees.fold(last, |right, left| super::merkle::node(&left, &right))
    }
}

/// An entry bundle: each entry with its length in two bytes, big-endian.
pub fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).expect("append checked the length of entries");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// Takes a bundle of `width` entries apart; `None` when it has not exactly so many.
pub fn entries(bytes: &[u8], width: u64) -> Option<Vec<Vec<u8>>> {
    let mut rest = bytes;
    let mut found = Vec::new();
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        found.push(entry.to_vec());
        rest = after;
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::merkle;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(path(Some(0), 0, 256), "tile/0/000");
        assert_eq!(path(Some(1), 1_234_067, 256), "tile/1/x001/x234/067");
        assert_eq!(path(Some(0), 273, 112), "tile/0/273.p/112");
        assert_eq!(path(None, 999, 256), "tile/entries/999");
        assert_eq!(tiles(70_000, 272).collect::<Vec<_>>(), [(272, 256), (273, 112)]);
    }

    #[test]
    fn root_from_levels_is_root_from_leaves_at_every_size() {
        let mut levels = Levels::default();
        let mut leaves = Vec::new();
        for i in 0..70_000_u32 {
            let leaf = merkle::leaf(&i.to_be_bytes());
            levels.push(leaf);
            leaves.push(leaf);
        }
        assert_eq!(levels.0.len(), 3);
        for size in (0..600).chain([65_535, 65_536, 65_537, 70_000]) {
            assert_eq!(levels.root(size), merkle::root(&leaves[..size as usize]), "{size}");
        }
    }

    #[test]
    fn a_bundle_with_a_byte_too_few_or_many_is_none() {
        let all = vec![b"one".to_vec(), Vec::new(), b"three".to_vec()];
        let bytes = bundle(&all);
        assert_eq!(entries(&bytes, 3), Some(all));
        assert_eq!(entries(&bytes, 2), None);
        assert_eq!(entries(&bytes[..bytes.len() - 1], 3), None);
    }
}
