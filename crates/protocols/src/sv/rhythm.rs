//! The rhythm of a stream: samples are taken by a clock, so their times are even.
//!
//! A publisher that loses its rhythm without losing a sample sends again what it got from
//! elsewhere: somebody between it and us. A pause in the recording alone is caught up by what
//! waited meanwhile. Not here: numbers that do not follow each other. Invariant: a pause is told
//! only when the samples behind it stayed as late as it made them.

use model::Time;

/// Samples after which the interval is known.
const KNOWN_AFTER: u32 = 32;
/// Shorter pauses are how networks and recorders are.
const PAUSE_NANOS_MIN: i64 = 5_000_000;
/// Samples behind a pause that are waited for at least.
const WAIT_MIN: i64 = 16;

#[derive(Default)]
pub(super) struct Rhythm {
    last: Option<Time>,
    /// Nanoseconds between two samples, as far as known.
    interval: i64,
    known: u32,
    /// Samples that came at the same time as the last one.
    together: i64,
    pause: Option<Pause>,
}

#[derive(Clone, Copy)]
struct Pause {
    ended: Time,
    late: i64,
    samples: i64,
}

impl Rhythm {
    /// Takes the time of the sample after the last one; gives nanoseconds by which the stream is
    /// late for good, once that is certain.
    pub(super) fn beat(&mut self, at: Time) -> Option<i64> {
        let Some(last) = self.last else {
            self.last = Some(at);
            return None;
        };
        let took = at.since(last);
        self.together = self.together.saturating_add(1);
        let samples = self.together;
        if let Some(pause) = &mut self.pause {
            pause.samples = pause.samples.saturating_add(1);
        }
        if took == 0 {
            return None;
        }
        (self.last, self.together) = (Some(at), 0);
        // A division takes as long as all the rest, and mostly there is nothing to divide.
        let each = if samples == 1 { took } else { took.checked_div(samples).unwrap_or_default() };
        if self.known < KNOWN_AFTER {
            self.known = self.known.saturating_add(1);
            let step = each.saturating_sub(self.interval).checked_div(i64::from(self.known));
            self.interval = self.interval.saturating_add(step.unwrap_or_default());
            return None;
        }
        let late = took.saturating_sub(samples.saturating_mul(self.interval));
        if self.pause.is_none() && late > PAUSE_NANOS_MIN && late > self.four_fifths() {
            self.pause = Some(Pause { ended: at, late, samples: 0 });
            return None;
        }
        if late.saturating_mul(2).abs() < self.interval {
            let step = each.saturating_sub(self.interval) / 16;
            self.interval = self.interval.saturating_add(step);
        }
        self.stayed_late(at)
    }

    fn four_fifths(&self) -> i64 {
        self.interval.saturating_mul(4) / 5
    }

    fn stayed_late(&mut self, at: Time) -> Option<i64> {
        let pause = self.pause?;
        let twice = pause.late.saturating_mul(2).checked_div(self.interval.max(1));
        if pause.samples < twice.unwrap_or_default().max(WAIT_MIN) {
            return None;
        }
        self.pause = None;
        let even = pause.samples.saturating_mul(self.interval);
        let caught_up = even.saturating_sub(at.since(pause.ended));
        (caught_up < pause.late / 2).then_some(pause.late)
    }

    /// The numbers do not follow each other: what was known of a pause means nothing.
    pub(super) fn broken(&mut self) {
        (self.last, self.together, self.pause) = (None, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: i64 = 50_000_000;

    fn late(times: impl Iterator<Item = i64>) -> Vec<i64> {
        let mut rhythm = Rhythm::default();
        times.filter_map(|t| rhythm.beat(Time::from_nanos(t))).collect()
    }

    #[test]
    fn an_even_stream_and_one_with_jitter_are_in_time() {
        assert_eq!(late((0..400).map(|n| n * STEP)), [0; 0]);
        let jitter = |n: i64| n * STEP + (n * 7_919 % 13) * 300_000;
        assert_eq!(late((0..400).map(jitter)), [0; 0]);
        // Eight samples in each frame.
        assert_eq!(late((0..800).map(|n| n / 8 * STEP)), [0; 0]);
    }

    #[test]
    fn a_stream_that_starts_again_later_is_late_for_good() {
        let shifted = |n: i64| n * STEP + if n > 100 { 60_000_000 } else { 0 };
        assert_eq!(late((0..400).map(shifted)), [60_000_000]);
    }

    #[test]
    fn a_recorder_that_paused_catches_up() {
        let held = |n: i64| (n * STEP).max(if n > 100 { 100 * STEP + 180_000_000 } else { 0 });
        assert_eq!(late((0..400).map(held)), [0; 0]);
    }
}
