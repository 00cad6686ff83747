//! Refused attempts, gathered so that they are all counted and cannot fill the journal.
//!
//! The first of a sort is an entry at once; those that follow are counted and become one entry a
//! minute. Invariant: the counts of all entries together are the attempts there were, and no more
//! than [`crate::limits::SORTS_MAX`] entries come out of a minute.

use super::journal::Noted;
use crate::limits::{EXAMPLE_CHARS_MAX, GATHER_SECS, SORTS_MAX};
use model::Time;
use std::collections::BTreeMap;

/// What makes refusals one sort. All from fixed sets and the names of known clients.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sort {
    pub client: String,
    pub method: &'static str,
    pub what: &'static str,
    pub why: &'static str,
}

#[derive(Default)]
pub struct Denials {
    since: Option<Time>,
    sorts: BTreeMap<Sort, Counted>,
    others: u64,
}

struct Counted {
    /// Not in the journal yet.
    waiting: u64,
    since: Time,
    example: String,
}

impl Denials {
    /// Counts a refusal; the entries to write now.
    pub fn count(&mut self, sort: Sort, example: &str, now: Time) -> Vec<Noted> {
        let mut entries = self.due(now);
        self.since.get_or_insert(now);
        let example: String = example.chars().take(EXAMPLE_CHARS_MAX).collect();
        let room = self.sorts.len() < SORTS_MAX;
        match self.sorts.get_mut(&sort) {
            Some(counted) => {
                if counted.waiting == 0 {
                    (counted.since, counted.example) = (now, example);
                }
                counted.waiting += 1;
            }
            None if room => {
                entries.push(denied(&sort, 1, now, example));
                let counted = Counted { waiting: 0, since: now, example: String::new() };
                self.sorts.insert(sort, counted);
            }
            None => self.others += 1,
        }
        entries
    }

    /// The entries to write when a minute is over.
    pub fn due(&mut self, now: Time) -> Vec<Noted> {
        let over = |since: Time| now < since || now >= since.plus_secs(GATHER_SECS);
        if self.since.is_some_and(over) { self.flush(now) } else { Vec::new() }
    }

    /// All that waits.
    pub fn flush(&mut self, now: Time) -> Vec<Noted> {
        let sorts = std::mem::take(&mut self.sorts);
        let waiting = sorts.into_iter().filter(|(_, counted)| counted.waiting > 0);
        let mut entries: Vec<Noted> = waiting
            .map(|(sort, counted)| denied(&sort, counted.waiting, counted.since, counted.example))
            .collect();
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            let sort = Sort { client: "several".into(), method: "", what: "", why: "several" };
            entries.push(denied(&sort, others, self.since.unwrap_or(now), String::new()));
        }
        self.since = None;
        entries
    }
}

fn denied(sort: &Sort, count: u64, since: Time, example: String) -> Noted {
    let Sort { client, method, what, why } = sort;
    let (method, what, why) = ((*method).to_owned(), (*what).to_owned(), (*why).to_owned());
    Noted::Denied { client: client.clone(), method, what, why, count, since, example }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(entries: &[Noted]) -> u64 {
        let count = |entry: &Noted| match entry {
            Noted::Denied { count, .. } => *count,
            _ => 0,
        };
        entries.iter().map(count).sum()
    }

    #[test]
    fn every_attempt_is_counted_and_a_flood_is_few_entries() {
        let mut denials = Denials::default();
        let mut entries = Vec::new();
        for i in 0..100_000_i64 {
            let sort = Sort {
                client: format!("edge-{}", i % 200),
                method: "DELETE",
                what: "data",
                why: "nothing is deleted",
            };
            // A hundred seconds in all.
            entries.extend(denials.count(sort, "/x", Time::from_secs(i / 1_000)));
        }
        entries.extend(denials.flush(Time::from_secs(100)));
        assert_eq!(total(&entries), 100_000);
        assert!(entries.len() <= 4 * (SORTS_MAX + 1), "{}", entries.len());
    }

    #[test]
    fn the_first_attempt_is_an_entry_at_once() {
        let mut denials = Denials::default();
        let sort = Sort { client: "a".into(), method: "POST", what: "config", why: "it is there" };
        let at = Time::from_secs(9);
        assert_eq!(total(&denials.count(sort.clone(), "/a", at)), 1);
        assert_eq!(denials.count(sort.clone(), "/b", at), []);
        assert_eq!(denials.due(Time::from_secs(68)), []);
        let due = denials.due(Time::from_secs(69));
        assert!(matches!(&due[..], [Noted::Denied { count: 1, example, .. }] if example == "/b"));
    }
}
