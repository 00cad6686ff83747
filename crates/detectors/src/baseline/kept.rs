//! A baseline as data that outlives the process, and back.
//!
//! Not here: where it lies. Invariant: what is read back knows exactly what was written, full sets
//! included; rows are sorted, so an equal baseline gives equal bytes.

use super::{Baseline, Bounded, Classes, OperationKey, Pair, RangeKey};
use crate::limits::{LEARNED_MAX, LEARNED_WORDS_MAX};
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use inventory::Industry;
use model::{Address, OperationClass, Time};
use serde::{Deserialize, Serialize};
use std::hash::Hash;

/// Rows of the sets, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    first: Option<Time>,
    last: Time,
    hosts: Rows<(Address, Time)>,
    /// Client, server, protocol, port, first time.
    links: Rows<(Address, Address, String, u16, Time)>,
    pairs: Rows<KeptPair>,
    /// Client, server, protocol, class, function.
    operations: Rows<(Address, Address, String, OperationClass, u32)>,
    ranges: Rows<KeptRange>,
    /// Client and bits of its classes.
    classes: Rows<(Address, u32)>,
    outward: Rows<Address>,
}

/// The members of a set, and how many found it full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rows<R> {
    refused: u64,
    rows: Vec<R>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Rows { refused: 0, rows: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct KeptPair {
    client: Address,
    server: Address,
    first: Time,
    last: Time,
    requests: u64,
    classes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct KeptRange {
    client: Address,
    server: Address,
    area: String,
    block: u32,
    write: bool,
    lowest: u32,
    highest: u32,
}

impl<K: Eq + Hash, V> Bounded<K, V> {
    fn keep<R: Ord>(&self, row: impl Fn(&K, &V) -> R) -> Rows<R> {
        let mut rows: Vec<R> = self.known.iter().map(|(key, value)| row(key, value)).collect();
        rows.sort_unstable();
        Rows { refused: self.refused, rows }
    }

    fn recall<R>(rows: Rows<R>, mut entry: impl FnMut(R) -> Option<(K, V)>) -> Self {
        let mut set = Self { refused: rows.refused, ..Self::default() };
        for row in rows.rows {
            match entry(row) {
                Some((key, value)) if set.known.len() < LEARNED_MAX => {
                    set.known.insert(key, value);
                }
                _ => set.refused += 1,
            }
        }
        set
    }
}

impl Baseline {
    pub fn keep(&self) -> Kept {
        Kept {
            first: self.first,
            last: self.last,
            hosts: self.hosts.keep(|address, at| (*address, *at)),
            links: self.links.keep(|(client, server, protocol, port), at| {
                (*client, *server, (*protocol).to_owned(), *port, *at)
            }),
            pairs: self.pairs.keep(|(client, server), pair| KeptPair {
                client: *client,
                server: *server,
                first: pair.first,
                last: pair.last,
                requests: pair.requests,
                classes: pair.classes.0,
            }),
            operations: self.operations.keep(
                |(client, server, protocol, class, function): &OperationKey, ()| {
                    (*client, *server, (*protocol).to_owned(), *class, *function)
                },
            ),
            ranges: self.ranges.keep(|(client, server, area, block, write), bounds| KeptRange {
                client: *client,
                server: *server,
                area: (*area).to_owned(),
                block: *block,
                write: *write,
                lowest: bounds.0,
                highest: bounds.1,
            }),
            classes: self.classes.keep(|address, classes| (*address, classes.0)),
            outward: self.outward.keep(|address, ()| *address),
        }
    }

    /// The baseline that was kept. A row that finds no room counts as refused, as when learning.
    pub fn recall(kept: Kept) -> Baseline {
        let mut words = Words::default();
        Baseline {
            first: kept.first,
            last: kept.last,
            newest: None,
            industry: Industry::default(),
            hosts: Bounded::recall(kept.hosts, Some),
            links: Bounded::recall(kept.links, |(client, server, protocol, port, at)| {
                Some(((client, server, words.lasting(protocol)?, port), at))
            }),
            pairs: Bounded::recall(kept.pairs, |row| {
                let (first, last, requests) = (row.first, row.last, row.requests);
                let pair = Pair { first, last, requests, classes: Classes(row.classes) };
                Some(((row.client, row.server), pair))
            }),
            operations: Bounded::recall(
                kept.operations,
                |(client, server, protocol, class, function)| {
                    Some(((client, server, words.lasting(protocol)?, class, function), ()))
                },
            ),
            ranges: Bounded::recall(kept.ranges, |row| {
                let area = words.lasting(row.area)?;
                let key: RangeKey = (row.client, row.server, area, row.block, row.write);
                Some((key, (row.lowest, row.highest)))
            }),
            classes: Bounded::recall(kept.classes, |(address, bits)| {
                Some((address, Classes(bits)))
            }),
            outward: Bounded::recall(kept.outward, |address| Some((address, ()))),
        }
    }
}

/// Names of protocols and areas, which live as long as the process as those in the code do. They
/// are few, and read once at the start.
#[derive(Default)]
struct Words(HashSet<&'static str, FixedState>);

impl Words {
    fn lasting(&mut self, word: String) -> Option<&'static str> {
        if let Some(known) = self.0.get(word.as_str()) {
            return Some(known);
        }
        if self.0.len() >= LEARNED_WORDS_MAX {
            return None;
        }
        let word: &'static str = Box::leak(word.into_boxed_str());
        self.0.insert(word);
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::asks;

    #[test]
    fn what_was_kept_knows_what_was_learned() {
        let mut learned = Baseline::default();
        for i in 0..5 {
            learned.learn(&asks(i * 1_000, OperationClass::Read));
            learned.learn(&asks(i * 1_000, OperationClass::Write));
        }
        learned.outward.get(Address::Ip([10, 0, 0, 9].into()), || ());
        learned.hosts.refused = 3;
        let text = serde_json::to_string(&learned.keep()).expect("data");
        let back = Baseline::recall(serde_json::from_str(&text).expect("the same data"));
        assert_eq!(back.keep(), learned.keep());
        let o = asks(0, OperationClass::Read);
        let (client, server) = (o.from.address().expect("it"), o.to.address().expect("it"));
        assert!(back.does(&client, OperationClass::Read));
        assert!(!back.does(&client, OperationClass::Stop));
        assert_eq!(back.pair(client, server).map(|p| p.requests), Some(10));
        assert_eq!(back.watched_nanos(), learned.watched_nanos());
        // A set that was full goes on taking everything for known.
        assert!(back.knows_host(&Address::Ip([192, 0, 2, 77].into())));
    }

    #[test]
    fn names_beyond_the_bound_are_refused_and_counted() {
        let a = Address::Ip([10, 0, 0, 1].into());
        let mut kept = Kept::default();
        let row = |i| (a, a, format!("p{i}"), 0, Time::default());
        kept.links.rows = (0..LEARNED_WORDS_MAX + 5).map(row).collect();
        let back = Baseline::recall(kept);
        assert_eq!((back.links.known.len(), back.links.refused), (LEARNED_WORDS_MAX, 5));
    }
}
