//! Who talks to whom: one row for client, server, port and what carries it, with operations and
//! counters.
//!
//! Invariant: bounded; an attempt nobody answered is no link.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, hash_map::Entry};
use model::{Carrier, OperationClass, Time};
use std::collections::BTreeMap;

/// What tells one link from another: all that is said between two ends over one carrier, as DNS
/// over UDP, which is not DNS over TCP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct LinkKey {
    /// Records of client and server.
    pub(crate) client: u32,
    pub(crate) server: u32,
    /// The server's; 0 where there are none.
    pub(crate) port: u16,
    pub(crate) carrier: Option<Carrier>,
}

#[derive(Clone, Debug)]
pub(crate) struct LinkRecord {
    pub(crate) protocol: &'static str,
    pub(crate) transport: &'static str,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) operations: BTreeMap<OperationClass, u64>,
    /// Of the operation repeated most: how often, and its period in milliseconds.
    pub(crate) poll: Option<(u64, u64)>,
    /// It stands in the list of changed ones.
    pub(crate) changed: bool,
    /// Something else than counters and times changed since it was told.
    pub(crate) news: bool,
}

pub(crate) struct Links {
    pub(crate) rows: HashMap<LinkKey, LinkRecord, FixedState>,
    /// Rows that changed; those that went since may stand here too.
    pub(crate) changed: Vec<LinkKey>,
    max: usize,
    pub(crate) refused: u64,
}

impl LinkRecord {
    fn new(protocol: &'static str, at: Time) -> Self {
        LinkRecord {
            protocol,
            transport: "",
            first: at,
            last: at,
            packets: 0,
            bytes: 0,
            operations: BTreeMap::new(),
            poll: None,
            changed: false,
            news: true,
        }
    }
}

impl Links {
    /// Rows that changed since the last call, sorted; or those of which more than counters and
    /// times did, and the others stay.
    pub(crate) fn take_changed(&mut self, counters: bool) -> Vec<LinkKey> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed.retain(|key| {
            let Some(row) = self.rows.get_mut(key) else { return false };
            if !counters && !row.news {
                self.changed.push(*key);
                return false;
            }
            row.news = false;
            std::mem::replace(&mut row.changed, false)
        });
        changed
    }

    /// The row, where there is one. It is taken for changed.
    pub(crate) fn known(&mut self, key: LinkKey) -> Option<&mut LinkRecord> {
        let row = self.rows.get_mut(&key)?;
        if !std::mem::replace(&mut row.changed, true) {
            self.changed.push(key);
        }
        Some(row)
    }

    pub(crate) fn new(max: usize) -> Self {
        let hasher = FixedState::with_seed(0x6c69_6e6b_7300_0000);
        Links { rows: HashMap::with_hasher(hasher), changed: Vec::new(), max, refused: 0 }
    }

    /// The row, made if it is not there and there is room; and whether it was made. It is taken
    /// for changed.
    pub(crate) fn row(
        &mut self,
        key: LinkKey,
        protocol: &'static str,
        at: Time,
    ) -> Option<(&mut LinkRecord, bool)> {
        let full = self.rows.len() >= self.max;
        let (row, new) = match self.rows.entry(key) {
            Entry::Occupied(known) => (known.into_mut(), false),
            Entry::Vacant(_) if full => {
                self.refused += 1;
                return None;
            }
            Entry::Vacant(place) => (place.insert(LinkRecord::new(protocol, at)), true),
        };
        if !std::mem::replace(&mut row.changed, true) {
            self.changed.push(key);
        }
        row.first = row.first.min(at);
        row.last = row.last.max(at);
        Some((row, new))
    }
}
