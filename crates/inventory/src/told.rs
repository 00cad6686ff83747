//! Which parts each row of a link was told of.
//!
//! A link is one row for two assets, a protocol and a port, however many of their addresses speak.
//! Not here: what a row holds. It grows only where somebody asks for changes. Invariant: a part
//! stands in one row at most, that of its ends as they were when rows were told last.

use crate::links::LinkKey;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

pub(crate) struct Told {
    /// Of each part its row; none while one of its ends is nobody's.
    places: HashMap<LinkKey, Option<u64>, FixedState>,
    rows: HashMap<u64, Vec<LinkKey>, FixedState>,
    /// Parts by the record of an end.
    ends: HashMap<u32, Vec<LinkKey>, FixedState>,
}

impl Default for Told {
    fn default() -> Self {
        let state = || FixedState::with_seed(0x746f_6c64_2072_6f77);
        Told {
            places: HashMap::with_hasher(state()),
            rows: HashMap::with_hasher(state()),
            ends: HashMap::with_hasher(state()),
        }
    }
}

impl Told {
    /// Parts with this end.
    pub(crate) fn of_end(&self, record: u32) -> &[LinkKey] {
        self.ends.get(&record).map_or(&[], Vec::as_slice)
    }

    /// Parts of a row; none where it is withdrawn.
    pub(crate) fn parts(&self, row: u64) -> &[LinkKey] {
        self.rows.get(&row).map_or(&[], Vec::as_slice)
    }

    /// A part is told in that row from here on. Gives the row it leaves.
    pub(crate) fn place(&mut self, part: LinkKey, row: Option<u64>) -> Option<u64> {
        let known = self.places.insert(part, row);
        if known.is_none() {
            for end in [part.client, part.server] {
                self.ends.entry(end).or_default().push(part);
            }
        }
        let before = known.flatten();
        if before == row {
            return None;
        }
        if let Some(row) = row {
            self.rows.entry(row).or_default().push(part);
        }
        if let Some(left) = before
            && let Some(parts) = self.rows.get_mut(&left)
        {
            parts.retain(|other| *other != part);
            if parts.is_empty() {
                self.rows.remove(&left);
            }
        }
        before
    }
}
