//! How fast a device is asked, when, and for how much: one question at a time, never faster than
//! it answers, not when somebody else asks it, and slower when it slows down.
//!
//! A controller answers between its cycles, one question after the other: whoever asks while it
//! answers us waits until it is done. So our questions cost no more than the smallest would
//! ([`size`]), are put where nobody else asks, as far as others have a rhythm ([`rhythm`]), and
//! become fewer when answers take longer than usual. Here is the clock. Invariant: the wait before
//! a question is at least the configured one and the time of the last answer, so that a backup
//! never takes more than half of a device's time; but for the moments in which it listens for
//! others, when that is up to two thirds unless a pause is configured.

mod beat;
mod floors;
mod following;
mod listening;
mod rhythm;
mod size;

use crate::limits::{DEVICE_TIME_MAX, PAUSE_MAX, PAUSES_MAX, SLOW_MIN};
use rhythm::{Put, Rhythm, When};
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

/// Time between two questions where nobody says how much.
const PAUSE: Duration = Duration::from_millis(20);

/// Time between two questions: at least, and at least while listening for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pause {
    least: Duration,
    listening: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { least: PAUSE, listening: Duration::ZERO }
    }
}

impl Pause {
    /// As somebody wants it.
    pub fn of(pause: Duration) -> Self {
        Self { least: pause, listening: pause }
    }
}

/// A question: its sort, and for how much it asks.
pub type Sort = (&'static str, u32);

pub struct Pace {
    began: Instant,
    /// How long there are questions.
    most: Duration,
    least: Duration,
    /// The same while listening for others.
    listening: Duration,
    wait: Duration,
    state: State,
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
    pub fn new(Pause { least, listening }: Pause) -> Self {
        Self {
            began: Instant::now(),
            most: DEVICE_TIME_MAX,
            least,
            listening,
            wait: least,
            state: State::AtEase,
            took: Duration::ZERO,
            beat: 0,
            paused: Duration::ZERO,
            usual: BTreeMap::new(),
            sizes: BTreeMap::new(),
            rhythm: Rhythm::default(),
        }
    }

    /// The same, of a device whose questions differ too much in what they take to tell from it who
    /// else asks.
    pub fn deaf(pause: Pause) -> Self {
        Self { rhythm: Rhythm::deaf(), ..Self::new(pause) }
    }

    /// Of `most` values that a question of this sort may ask for, how many it should.
    pub fn size(&mut self, sort: &'static str, most: u16) -> u16 {
        let size = self.sizes.entry(sort).or_default();
        let now = size.of(u32::from(most));
        let size = if self.rhythm.is_settled() { now } else { now.min(size.first()) };
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
        if self.began.elapsed() > self.most {
            let text = "reading the device takes more than a day; gave up, as other backups wait";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text).into());
        }
        let (moment, put) = self.next_moment(self.began.elapsed(), sort);
        thread::sleep(moment.saturating_sub(self.began.elapsed()));
        let asked = self.began.elapsed();
        let answer = question();
        self.answered(sort, asked, self.began.elapsed().saturating_sub(asked), put);
        answer
    }

    /// When the next question may be asked, and how that puts it.
    fn next_moment(&mut self, now: Duration, sort: Sort) -> (Duration, Put) {
        let usual = self.wait.max(self.took);
        let wait = match (self.rhythm.when(), self.state) {
            // An answer that waited for somebody else takes twice its time; this one took longer.
            (When::Close(gap), State::AtEase) if micros(self.took) <= gap.saturating_mul(3) => {
                self.listening.max(Duration::from_micros(gap.unsigned_abs()))
            }
            (When::Rhythm, State::AtEase) => usual,
            (When::Seldom(times), _) => self.more_or_less(usual.max(self.took * times)),
            _ => self.more_or_less(usual),
        };
        let due = now + wait;
        let (moment, put) = self.rhythm.moment(micros(due), sort);
        (Duration::from_micros(moment.unsigned_abs()).max(due), put)
    }

    /// Between one and three times the wait, never in step with another client, which would then
    /// wait for us each time. Steps of the golden ratio lie evenly whatever rhythm the other has. A
    /// wait that varies less than that rhythm would be drawn into step by the device itself, which
    /// serves the two one after the other.
    fn more_or_less(&mut self, wait: Duration) -> Duration {
        self.beat = self.beat.wrapping_add(0x9e37_79b9);
        let more = wait.mul_f64(2.0 * f64::from(self.beat) / f64::from(u32::MAX));
        (wait + more).min(self.least.max(PAUSE_MAX))
    }

    /// Takes into account how long an answer took.
    fn answered(&mut self, sort: Sort, asked: Duration, took: Duration, put: Put) {
        self.took = took;
        let alone = self.rhythm.answered(sort, micros(asked), micros(took), put);
        let Some(alone) = alone else { return };
        let alone = Duration::from_micros(alone.unsigned_abs());
        let least = self.least.max(took.min(PAUSE_MAX));
        let state = self.usual.entry(sort.0).or_default().state_with(alone);
        self.state = state;
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
