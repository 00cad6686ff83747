//! What a device takes for a question when nobody else is being served, and so how long one
//! waited.
//!
//! Times in microseconds. Invariant: what a device takes is the shortest answer of that sort, and
//! far longer than that is a slow device, not somebody else's question.

use super::Sort;
use std::collections::BTreeMap;

/// A wait shorter than this may be the network's.
pub const WAIT_MIN: i64 = 600;
/// Answers that waited for nobody and make the time of a sort known.
const TRIED: u32 = 3;

#[derive(Default)]
pub struct Floors(BTreeMap<Sort, Floor>);

struct Floor {
    least: i64,
    count: u32,
}

impl Floors {
    /// Takes in an answer; how long it waited for somebody else, if it did. One that was to wait
    /// is no measure.
    pub fn take(&mut self, sort: Sort, took: i64, was_to_wait: bool) -> Option<i64> {
        let guess = self.of(sort);
        if was_to_wait && guess > 0 && !self.0.contains_key(&sort) {
            return waited(took, guess.min(took));
        }
        let floor = self.0.entry(sort).or_insert(Floor { least: took, count: 0 });
        floor.least = floor.least.min(took);
        let waited = waited(took, floor.least);
        floor.count = floor.count.saturating_add(u32::from(waited.is_none()));
        waited
    }

    /// What a question takes for itself, as far as known: as others of its name, or any.
    pub fn of(&self, sort: Sort) -> i64 {
        let of_name = self.0.iter().filter(|(other, _)| other.0 == sort.0);
        let known = self.0.get(&sort).map(|floor| floor.least);
        known.or_else(|| of_name.map(|(_, floor)| floor.least).max()).unwrap_or(self.most())
    }

    /// Whether it is known what a question takes.
    pub fn are_tried(&self, sort: Sort) -> bool {
        self.0.get(&sort).is_some_and(|floor| floor.count >= TRIED)
    }

    pub fn least(&self) -> i64 {
        self.0.values().map(|floor| floor.least).min().unwrap_or(0)
    }

    pub fn most(&self) -> i64 {
        self.0.values().map(|floor| floor.least).max().unwrap_or(0)
    }
}

/// A longer wait was one behind somebody else.
pub fn threshold(floor: i64) -> i64 {
    (floor / 8).max(WAIT_MIN)
}

/// How long a question waited for somebody else to be served, if it did.
pub fn waited(took: i64, floor: i64) -> Option<i64> {
    let waited = took - floor;
    (threshold(floor) + 1..=floor.saturating_mul(4)).contains(&waited).then_some(waited)
}
