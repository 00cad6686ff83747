//! What a detector remembers of senders, pairs or hosts, of which anybody can make up any number.
//!
//! [`Watched`] has two halves: what is asked for stands in the young one; when that is full it
//! becomes the old one, and what was in there is dropped. Invariant: whoever is new finds room,
//! and of the newest [`HALF`] none is dropped; what is dropped within the detector's span is
//! counted. [`FirstKnown`] is for what is worth more the older it is: who is new finds no room in
//! a full one.

use crate::{
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
    window::apart_secs,
};
use model::Time;
use std::hash::Hash;

const HALF: usize = WATCHED_MAX / 2;

pub(crate) struct Watched<K, V> {
    young: Memory<K, (Time, V)>,
    old: Memory<K, (Time, V)>,
    span_secs: i64,
    dropped: u64,
}

impl<K: Eq + Hash, V> Watched<K, V> {
    /// What was not asked for in `span_secs` is of no more use.
    pub(crate) fn new(span_secs: i64) -> Self {
        Watched { young: memory(), old: memory(), span_secs, dropped: 0 }
    }

    /// What is remembered of `key`, made if there is nothing.
    pub(crate) fn of(&mut self, key: K, at: Time, new: impl FnOnce() -> V) -> &mut V {
        let mut kept = None;
        if !self.young.contains_key(&key) {
            kept = self.old.remove(&key);
            if self.young.len() >= HALF {
                self.make_room(at);
            }
        }
        let made = || kept.unwrap_or_else(|| (at, new()));
        let (last, value) = self.young.entry(key).or_insert_with(made);
        *last = at;
        value
    }

    /// What is remembered of `key`, if anything.
    pub(crate) fn known(&mut self, key: &K) -> Option<&mut V> {
        let known = self.young.get_mut(key).or_else(|| self.old.get_mut(key));
        known.map(|(_, value)| value)
    }

    /// How many were dropped that might have been of use.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn make_room(&mut self, now: Time) {
        std::mem::swap(&mut self.young, &mut self.old);
        let of_use = |(last, _): &&(Time, V)| apart_secs(now, *last) <= self.span_secs;
        self.dropped += self.young.values().filter(of_use).count() as u64;
        self.young.clear();
    }
}

pub(crate) struct FirstKnown<K, V> {
    known: Memory<K, V>,
    refused: u64,
}

impl<K: Eq + Hash, V> FirstKnown<K, V> {
    pub(crate) fn new() -> Self {
        FirstKnown { known: memory(), refused: 0 }
    }

    /// What is remembered of `key`, made if there is nothing: `None`, and counted, without room.
    pub(crate) fn of(&mut self, key: K, new: impl FnOnce() -> V) -> Option<&mut V> {
        if self.known.len() >= WATCHED_MAX && !self.known.contains_key(&key) {
            self.refused += 1;
            return None;
        }
        Some(self.known.entry(key).or_insert_with(new))
    }

    /// How often there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_new_finds_room_and_whoever_is_asked_for_stays() {
        let mut table = Watched::new(10);
        let count = 3 * WATCHED_MAX as i64;
        for i in 0..count {
            // A thousand a second.
            let at = Time::from_nanos(i * 1_000_000);
            assert_eq!(*table.of(i, at, || i), i);
            if i % 100 == 0 {
                assert_eq!(*table.of(0, at, || -1), 0, "still known after {i}");
            }
            assert!(table.young.len() + table.old.len() <= WATCHED_MAX);
        }
        assert_eq!(table.known(&(count - HALF as i64)), Some(&mut (count - HALF as i64)));
        assert_eq!(table.known(&1), None);
        let kept = (table.young.len() + table.old.len()) as u64;
        // Each half is dropped ten seconds after its first, and at most twenty after it.
        assert!(table.dropped() > 0 && table.dropped() <= count as u64 - kept);
        let before = table.dropped();
        for i in 0..2 * WATCHED_MAX as i64 {
            table.of(-i, Time::from_secs(1_000 + i), || 0);
        }
        assert!(table.dropped() <= before + 20, "one a second: those are over");
    }

    #[test]
    fn who_is_first_known_stays_and_who_finds_no_room_is_counted() {
        let mut table = FirstKnown::new();
        for i in 0..WATCHED_MAX + 7 {
            assert_eq!(table.of(i, || i).is_some(), i < WATCHED_MAX);
        }
        assert_eq!(table.of(0, || 1), Some(&mut 0));
        assert_eq!(table.refused(), 7);
    }
}
