//! Counting within a span of time: events ([`Rate`]), and different ones ([`Lately`]).
//!
//! Invariant: captures may be out of order; a time a little before the newest one counts as the
//! newest. One long before it is of a clock that was set back: counting begins anew.

use crate::limits::TARGETS_MAX;
use model::Time;

/// Events of the last `span`, counted in eight slots: exact enough for a threshold, and small.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    slots: [u32; SLOTS],
    newest: i64,
    pub(crate) first: Time,
    /// The newest time counted.
    pub(crate) last: Time,
    begun: bool,
}

const SLOTS: usize = 8;

/// Packets that come out of order, from several files or queues, are closer together.
const OUT_OF_ORDER_SECS: i64 = 60;

/// Is `at` so long before `newest` that the clock was set back between the two?
pub(crate) fn is_set_back(newest: Time, at: Time) -> bool {
    newest.since(at) > OUT_OF_ORDER_SECS * 1_000_000_000
}

impl Rate {
    /// Counts one event; gives how many came within the last `span_secs`.
    pub(crate) fn count(&mut self, at: Time, span_secs: i64) -> u32 {
        self.count_times(1, at, span_secs)
    }

    /// As [`Self::count`], for so many events of which the last came then.
    pub(crate) fn count_times(&mut self, times: u64, at: Time, span_secs: i64) -> u32 {
        let width = (span_secs * 1_000_000_000 / SLOTS as i64).max(1);
        let slot = at.nanos().div_euclid(width);
        let before_all = self.newest.saturating_sub(slot) >= SLOTS as i64;
        if before_all && is_set_back(self.last, at) {
            *self = Rate::default();
        }
        if !self.begun {
            (self.begun, self.newest, self.first, self.last) = (true, slot, at, at);
        }
        self.last = self.last.max(at);
        let behind = slot.saturating_sub(self.newest);
        if behind > 0 {
            for step in 1..=behind.min(SLOTS as i64) {
                let place = (self.newest.wrapping_add(step)).rem_euclid(SLOTS as i64);
                self.slots[place as usize] = 0;
            }
            if behind >= SLOTS as i64 {
                self.first = at;
            }
            self.newest = slot;
        }
        let place = self.newest.rem_euclid(SLOTS as i64) as usize;
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        self.slots[place] = self.slots[place].saturating_add(times);
        self.slots.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// Which different ones came within the last `span`, each with its newest time; at most
/// [`TARGETS_MAX`].
#[derive(Clone, Debug)]
pub(crate) struct Lately<T>(Vec<(T, Time)>);

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Lately(Vec::new())
    }
}

impl<T: PartialEq> Lately<T> {
    /// Adds one; gives how many different ones came within the last `span_secs`. Those of a clock
    /// that was set back are forgotten as well.
    pub(crate) fn see(&mut self, one: T, at: Time, span_secs: i64) -> usize {
        self.0.retain(|(known, last)| *known != one && apart_secs(at, *last) <= span_secs);
        if self.0.len() < TARGETS_MAX {
            self.0.push((one, at));
        }
        self.0.len()
    }

    pub(crate) fn forget(&mut self, one: &T) {
        self.0.retain(|(known, _)| known != one);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those within the span when one was added last, the newest at the end.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(one, _)| one)
    }

    /// When the one was seen that is longest ago, if before `at`.
    pub(crate) fn first(&self, at: Time) -> Time {
        self.0.iter().fold(at, |first, (_, seen)| first.min(*seen))
    }
}

/// Seconds between two times, whichever came first.
pub(crate) fn apart_secs(a: Time, b: Time) -> i64 {
    a.since(b).saturating_abs() / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_span_is_forgotten() {
        let mut rate = Rate::default();
        for i in 0..10 {
            rate.count(Time::from_secs(i), 80);
        }
        assert_eq!(rate.count(Time::from_secs(10), 80), 11);
        assert_eq!(rate.count(Time::from_secs(500), 80), 1);
        assert_eq!(rate.count(Time::from_secs(499), 80), 2, "out of order counts as now");
    }

    #[test]
    fn different_ones_count_once_and_those_of_long_ago_not_at_all() {
        let mut lately = Lately::default();
        let mut see = |one, secs| lately.see(one, Time::from_secs(secs), 10);
        assert_eq!([see('a', 100), see('b', 104), see('a', 108)], [1, 2, 2]);
        assert_eq!(see('c', 115), 2, "b is over, a was seen again");
        assert_eq!(lately.first(Time::from_secs(115)), Time::from_secs(108));
        assert_eq!(lately.iter().collect::<String>(), "ac");
        assert_eq!(lately.see('d', Time::from_secs(50), 10), 1, "the clock was set back");
    }

    #[test]
    fn no_more_are_remembered_than_the_limit() {
        let mut lately = Lately::default();
        for i in 0..2 * TARGETS_MAX {
            let count = lately.see(i, Time::from_secs(100), 10);
            assert_eq!(count, (i + 1).min(TARGETS_MAX));
        }
        assert_eq!(lately.see(0, Time::from_secs(200), 10), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        for span in [10, 300] {
            let mut rate = Rate::default();
            for i in 0..6 {
                rate.count(Time::from_secs(100_000 + i), span);
            }
            // One a span from here on: a flood only for who adds it to the time before.
            for i in 0..6 {
                let at = Time::from_secs(50_000 + i * span);
                assert_eq!((rate.count(at, span), rate.first), (1, at), "span {span}, event {i}");
            }
        }
    }
}
