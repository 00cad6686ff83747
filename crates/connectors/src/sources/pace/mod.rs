//! How fast a device is asked, when, and for how much: one question at a time, never faster than
//! it answers, not when somebody else asks it, and slower when it slows down.
//!
//! A controller answers between its cycles, one question after the other: whoever asks while it
//! answers us waits until it is done. So our questions cost no more than the smallest would
//! ([`size`]), are put where nobody else asks, as far as others have a rhythm ([`rhythm`]), and
//! become fewer when answers take longer than usual. Here is the clock. Invariant: the wait before
//! a question is at least the configured one and the time of the last answer, so a backup never
//! takes more than half of a device's time.

mod rhythm;
mod size;

use crate::limits::{PAUSE_MAX, PAUSES_MAX, SLOW_MIN};
use rhythm::Rhythm;
use size::Size;
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

/// Tenths of the usual time from which on a device is strained, and slow.
const STRAINED_TENTHS: u32 = 13;
const SLOW_TENTHS: u32 = 16;

/// As long as it is not known when others ask, so many times an answer's time lie between two
/// questions.
const UNCERTAIN_TIMES: u32 = 3;

/// A question: its sort, and for how much it asks.
pub type Sort = (&'static str, u32);

pub struct Pace {
    began: Instant,
    least: Duration,
    wait: Duration,
    /// How long the last answer took.
    took: Duration,
    /// Where the next wait stands between its least and its most, in parts of 2^32.
    beat: u32,
    /// Time spent waiting because of slowness, altogether.
    paused: Duration,
    /// Questions of one sort take a like time; those of another do not.
    usual: BTreeMap<&'static str, Usual>,
    sizes: BTreeMap<&'static str, Size>,
    rhythm: Rhythm,
}

impl Pace {
    /// Waits for `least` between two questions of a device that is at ease.
    pub fn new(least: Duration) -> Self {
        Self {
            began: Instant::now(),
            least,
            wait: least,
            took: Duration::ZERO,
            beat: 0,
            paused: Duration::ZERO,
            usual: BTreeMap::new(),
            sizes: BTreeMap::new(),
            rhythm: Rhythm::default(),
        }
    }

    /// Of `most` values that a question of this sort may ask for, how many it should.
    pub fn size(&mut self, sort: &'static str, most: u16) -> u16 {
        let size = self.sizes.entry(sort).or_default().of(u32::from(most));
        u16::try_from(size).unwrap_or(most)
    }

    /// Asks one question when its time has come.
    pub fn ask<T, E: From<io::Error>>(
        &mut self,
        sort: &'static str,
        question: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.ask_for((sort, 1), question)
    }

    /// The same, of a question for several values, by [`Pace::size`].
    pub fn ask_for<T, E: From<io::Error>>(
        &mut self,
        sort: Sort,
        question: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.paused > PAUSES_MAX {
            let text = "the device stays slow; gave up, as it may be needed elsewhere";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text).into());
        }
        let (moment, aimed) = self.next_moment(self.began.elapsed(), sort);
        thread::sleep(moment.saturating_sub(self.began.elapsed()));
        let asked = self.began.elapsed();
        let answer = question();
        self.answered(sort, asked, self.began.elapsed().saturating_sub(asked), aimed);
        answer
    }

    /// When the next question may be asked, and whether it is put right behind somebody else's.
    fn next_moment(&mut self, now: Duration, sort: Sort) -> (Duration, bool) {
        let due = now + self.next_wait();
        let (moment, aimed) = self.rhythm.moment(micros(due), sort.0);
        (Duration::from_micros(moment.unsigned_abs()).max(due), aimed)
    }

    /// Between one and three times the wait, never in step with another client, which would then
    /// wait for us each time. Steps of the golden ratio lie evenly whatever rhythm the other has. A
    /// wait that varies less than that rhythm would be drawn into step by the device itself, which
    /// serves the two one after the other.
    fn next_wait(&mut self) -> Duration {
        let listening =
            if self.rhythm.is_uncertain() { UNCERTAIN_TIMES * self.took } else { self.took };
        let wait = self.wait.max(listening);
        self.beat = self.beat.wrapping_add(0x9e37_79b9);
        let more = wait.mul_f64(2.0 * f64::from(self.beat) / f64::from(u32::MAX));
        (wait + more).min(self.least.max(PAUSE_MAX))
    }

    /// Takes into account how long an answer took.
    fn answered(&mut self, sort: Sort, asked: Duration, took: Duration, aimed: bool) {
        self.took = took;
        let alone = self.rhythm.answered(sort.0, micros(asked), micros(took), aimed);
        let alone = Duration::from_micros(alone.unsigned_abs());
        let least = self.least.max(took.min(PAUSE_MAX));
        let state = self.usual.entry(sort.0).or_default().state_with(alone);
        if let Some(size) = self.sizes.get_mut(sort.0) {
            match state {
                State::AtEase => size.answered(sort.1, micros(alone)),
                State::Strained | State::Slow => size.halve(),
            }
        }
        self.wait = match state {
            State::AtEase => (self.wait / 2).max(least),
            State::Strained => (self.wait * 2).max(took * 2).min(PAUSE_MAX).max(least),
            State::Slow => (self.wait * 2).max(took * 4).min(PAUSE_MAX).max(least),
        };
        if state == State::Slow {
            self.paused += self.wait;
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    AtEase,
    Strained,
    Slow,
}

/// The usual time of an answer. It only falls, so that a device that slowly gets worse is seen.
#[derive(Default)]
struct Usual {
    last: Vec<Duration>,
    time: Option<Duration>,
}

impl Usual {
    /// Takes in one more answer; how the last ones were beside the usual time.
    fn state_with(&mut self, took: Duration) -> State {
        if self.last.len() == SAMPLES_MAX {
            self.last.remove(0);
        }
        self.last.push(took);
        let latest = middle(&self.last[self.last.len().saturating_sub(SLOW_ANSWERS)..]);
        let above = |tenths| self.time.is_some_and(|usual| latest * 10 > usual * tenths);
        let state = match latest > SLOW_MIN {
            true if above(SLOW_TENTHS) => State::Slow,
            true if above(STRAINED_TENTHS) => State::Strained,
            _ => State::AtEase,
        };
        if self.last.len() >= SAMPLES_MIN {
            let now = middle(&self.last);
            self.time = Some(self.time.map_or(now, |time| time.min(now)));
        }
        state
    }
}

fn middle(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests;
