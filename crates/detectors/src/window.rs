//! Counting within a span of time.
//!
//! Invariant: captures may be out of order; a time before the newest one counts as the newest.

use model::Time;

/// Events of the last `span`, counted in eight slots: exact enough for a threshold, and small.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    slots: [u32; SLOTS],
    newest: i64,
    pub(crate) first: Time,
    begun: bool,
}

const SLOTS: usize = 8;

impl Rate {
    /// Counts one event; gives how many came within the last `span_secs`.
    pub(crate) fn count(&mut self, at: Time, span_secs: i64) -> u32 {
        let width = (span_secs * 1_000_000_000 / SLOTS as i64).max(1);
        let slot = at.nanos().div_euclid(width);
        if !self.begun {
            (self.begun, self.newest, self.first) = (true, slot, at);
        }
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
        self.slots[place] = self.slots[place].saturating_add(1);
        self.slots.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// Seconds between two times, whichever came first.
pub(crate) fn apart_secs(a: Time, b: Time) -> i64 {
    a.since(b).abs() / 1_000_000_000
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
}
