//! How fast a device is asked: one question at a time, never faster than it answers, and slower
//! when it slows down.
//!
//! A controller answers between its cycles; when its answers take twice the usual time it has
//! something better to do. Invariant: the wait before a question is at least the configured one
//! and the time of the last answer, so a backup never takes more than half of a device's time.

use crate::limits::{PAUSE_MAX, PAUSES_MAX, SLOW_MIN};
use std::{
    collections::BTreeMap,
    io, thread,
    time::{Duration, Instant},
};

/// Answers of one sort that make its usual time: at least, and at most.
const SAMPLES_MIN: usize = 5;
const SAMPLES_MAX: usize = 15;

/// Answers that must be slow in their middle: one alone may be the network's fault.
const SLOW_ANSWERS: usize = 3;

pub struct Pace {
    least: Duration,
    wait: Duration,
    /// Where the next wait stands between its least and its most, in parts of 2^32.
    beat: u32,
    /// Time spent waiting because of slowness, altogether.
    paused: Duration,
    /// Questions of one sort take a like time; those of another do not.
    usual: BTreeMap<&'static str, Usual>,
}

impl Pace {
    /// Waits for `least` between two questions of a device that is at ease.
    pub fn new(least: Duration) -> Self {
        let (paused, usual) = (Duration::ZERO, BTreeMap::new());
        Self { least, wait: least, beat: 0, paused, usual }
    }

    /// Asks one question when its time has come.
    pub fn ask<T, E: From<io::Error>>(
        &mut self,
        sort: &'static str,
        question: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.paused > PAUSES_MAX {
            let text = "the device stays slow; gave up, as it may be needed elsewhere";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text).into());
        }
        let wait = self.next_wait();
        thread::sleep(wait);
        let asked = Instant::now();
        let answer = question();
        self.answered(sort, asked.elapsed());
        answer
    }

    /// Between one and three times the wait, never in step with another client, which would then
    /// wait for us each time. Steps of the golden ratio lie evenly whatever rhythm the other has. A
    /// wait that varies less than that rhythm would be drawn into step by the device itself, which
    /// serves the two one after the other.
    fn next_wait(&mut self) -> Duration {
        self.beat = self.beat.wrapping_add(0x9e37_79b9);
        let more = self.wait.mul_f64(2.0 * f64::from(self.beat) / f64::from(u32::MAX));
        (self.wait + more).min(self.least.max(PAUSE_MAX))
    }

    /// Takes into account how long an answer took.
    fn answered(&mut self, sort: &'static str, took: Duration) {
        let slow = self.usual.entry(sort).or_default().is_slow_with(took);
        let least = self.least.max(took.min(PAUSE_MAX));
        self.wait = if slow {
            (self.wait * 2).max(took * 4).min(PAUSE_MAX).max(least)
        } else {
            (self.wait / 2).max(least)
        };
        if slow {
            self.paused += self.wait;
        }
    }
}

/// The usual time of an answer. It only falls, so that a device that slowly gets worse is seen.
#[derive(Default)]
struct Usual {
    last: Vec<Duration>,
    time: Option<Duration>,
}

impl Usual {
    /// Takes in one more answer; whether the last ones took more than twice the usual time.
    fn is_slow_with(&mut self, took: Duration) -> bool {
        if self.last.len() == SAMPLES_MAX {
            self.last.remove(0);
        }
        self.last.push(took);
        let latest = middle(&self.last[self.last.len().saturating_sub(SLOW_ANSWERS)..]);
        let slow = self.time.is_some_and(|usual| latest > 2 * usual) && latest > SLOW_MIN;
        if self.last.len() >= SAMPLES_MIN {
            let now = middle(&self.last);
            self.time = Some(self.time.map_or(now, |time| time.min(now)));
        }
        slow
    }
}

fn middle(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn after(times: &[u64]) -> Pace {
        let mut pace = Pace::new(ms(20));
        times.iter().for_each(|time| pace.answered("read", ms(*time)));
        pace
    }

    #[test]
    fn a_device_at_ease_is_asked_as_configured_and_a_slow_one_less_and_less() {
        assert_eq!(after(&[10; 8]).wait, ms(20));
        // A configured pause holds, however long.
        let mut pace = Pace::new(ms(8_000));
        pace.answered("read", ms(10));
        assert_eq!(pace.wait, ms(8_000));
        // Never more than half of the time of a device that is always slow.
        assert_eq!(after(&[300; 8]).wait, ms(300));
        // Twice the usual is allowed, more is not; once alone it only gets its own time.
        assert_eq!(after(&[10, 10, 10, 10, 10, 20, 20, 20]).wait, ms(20));
        assert_eq!(after(&[10, 10, 10, 10, 10, 21]).wait, ms(21));
        assert_eq!(after(&[10, 10, 10, 10, 10, 21, 21]).wait, ms(84));
        assert_eq!(after(&[10, 10, 10, 10, 10, 40, 40, 40]).wait, ms(320));
        let slow = after(&[&[10; 5][..], &[100; 40]].concat());
        assert_eq!(slow.wait, PAUSE_MAX);
        // The usual time does not rise with the slowness, and it comes back.
        let mut pace = slow;
        (0..20).for_each(|_| pace.answered("read", ms(10)));
        assert_eq!(pace.wait, ms(20));
    }

    /// Of a panel's answers, how many waited for a question of ours: both ask a device that takes
    /// ten milliseconds a question and serves one after the other.
    fn share_behind_us(rhythm: u64) -> f64 {
        let (mut pace, service) = (Pace::new(ms(20)), ms(10));
        let (mut free, mut panel, mut ours) = (ms(0), ms(0), ms(3));
        let (mut answers, mut behind) = (0, 0);
        while answers < 2_000 {
            let asked = panel.min(ours);
            free = free.max(asked) + service;
            if panel <= ours {
                answers += 1;
                behind += u32::from(free - asked > service);
                panel = free.max(asked + ms(rhythm));
            } else {
                pace.answered("read", free - asked);
                ours = free + pace.next_wait();
            }
        }
        f64::from(behind) / f64::from(answers)
    }

    #[test]
    fn whatever_its_rhythm_a_panel_seldom_waits_for_us() {
        for rhythm in (20..=400).step_by(5).chain([1_000]) {
            let share = share_behind_us(rhythm);
            assert!(share < 0.3, "every {rhythm} ms: {share}");
        }
    }

    #[test]
    fn a_long_question_of_another_sort_is_no_slowness() {
        let mut pace = after(&[10; 8]);
        pace.answered("upload", ms(90));
        assert_eq!((pace.wait, pace.paused), (ms(90), ms(0)));
    }

    #[test]
    fn a_device_that_stays_slow_is_left_in_peace() {
        let mut pace = Pace::new(ms(0));
        (0..5).for_each(|_| pace.answered("read", ms(1)));
        (0..2_000).for_each(|_| pace.answered("read", ms(900)));
        let error = pace.ask("read", || Ok::<(), io::Error>(())).unwrap_err();
        assert!(error.to_string().contains("stays slow"), "{error}");
    }
}
