//! Who talks to whom: one row for client, server and port, with operations and counters.
//!
//! Invariant: bounded; an attempt nobody answered is no link.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{OperationClass, Time};
use std::collections::BTreeMap;

/// Records of client and server, and the server's port.
pub(crate) type LinkKey = (u32, u32, u16);

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
}

pub(crate) struct Links {
    pub(crate) rows: HashMap<LinkKey, LinkRecord, FixedState>,
    max: usize,
    pub(crate) refused: u64,
}

impl Links {
    pub(crate) fn new(max: usize) -> Self {
        let hasher = FixedState::with_seed(0x6c69_6e6b_7300_0000);
        Links { rows: HashMap::with_hasher(hasher), max, refused: 0 }
    }

    /// The row, made if it is not there and there is room; and whether it was made.
    pub(crate) fn row(
        &mut self,
        key: LinkKey,
        protocol: &'static str,
        at: Time,
    ) -> Option<(&mut LinkRecord, bool)> {
        let new = !self.rows.contains_key(&key);
        if new && self.rows.len() >= self.max {
            self.refused += 1;
            return None;
        }
        let row = self.rows.entry(key).or_insert_with(|| LinkRecord {
            protocol,
            transport: "",
            first: at,
            last: at,
            packets: 0,
            bytes: 0,
            operations: BTreeMap::new(),
            poll: None,
        });
        row.first = row.first.min(at);
        row.last = row.last.max(at);
        Some((row, new))
    }
}
