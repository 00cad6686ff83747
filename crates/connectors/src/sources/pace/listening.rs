//! Listening for somebody else who asks: questions that follow each other so closely that nobody
//! is served between two of them unseen.
//!
//! Then two late answers of ours one after the other are two questions of the other's, and the time
//! between is its period, without guessing. Not here: what comes after. Invariant: where somebody
//! may have been served unseen, what was heard before does not count, but for a round period.
//! Times in microseconds.

use super::{
    Sort,
    beat::{Beat, Window},
    floors::{Floors, WAIT_MIN, threshold, waited},
};

/// How long we listen for somebody who asks.
const LISTENED: i64 = 2_500_000;
/// Answers by which it is judged whether a device varies by itself.
const JUDGED: usize = 16;
/// Who waits for a question this short hardly notices.
const SHORT: i64 = 2_500;
/// Periods of clients are mostly multiples of this, and off by so much.
const ROUND: i64 = 50_000;
const ROUND_OFF: i64 = 1_500;

/// One of our questions.
#[derive(Clone, Copy)]
pub struct Heard {
    pub sort: Sort,
    pub asked: i64,
    pub took: i64,
}

impl Heard {
    fn end(&self) -> i64 {
        self.asked + self.took
    }
}

#[derive(Default)]
pub struct Listening {
    heard: Vec<Heard>,
    /// That of a rhythm that was lost.
    period: Option<Window>,
}

pub enum Found {
    NotYet,
    Nobody,
    /// The device takes now this long, now that.
    Varies,
    Beat(Beat),
}

/// Between two questions, when nobody must be served between them unseen.
pub fn close(floors: &Floors) -> i64 {
    let least = floors.least();
    (least - threshold(least) * 4 / 3).max(least / 2)
}

impl Listening {
    /// For a client that had such a period and was lost, or was just heard.
    pub fn anew(period: Option<Window>, heard: Option<Heard>) -> Self {
        Self { heard: heard.into_iter().collect(), period }
    }

    /// The moment to ask, at `due` or later. Where somebody who was heard once may ask again
    /// after a round period, our question comes after it.
    pub fn moment(&self, due: i64, own: i64, length: i64, floors: &Floors) -> i64 {
        let told = self.told(length, floors);
        // Whoever was heard twice and has no rhythm yet does not, and whoever was kept waiting
        // asked at another moment.
        let (1, [Window { from, to: served }]) = (told.late, &told.moments[..]) else { return due };
        if from < served {
            return due;
        }
        let length = length.max(own);
        let asks = served - length;
        let next = asks + (due + own - asks).div_euclid(ROUND) * ROUND;
        let is_near = due < next + WAIT_MIN && next > *served;
        if is_near { next + (length / 4).max(WAIT_MIN) } else { due }
    }

    /// Takes in an answer; serving the other takes at least `length`.
    pub fn heard(&mut self, now: Heard, length: i64, floors: &Floors) -> Found {
        self.heard.push(now);
        let count = self.heard.len();
        if count >= 2 && floors.most() < SHORT {
            return Found::Nobody;
        }
        let Told { moments, late, latest } = self.told(length, floors);
        if count >= JUDGED && late * 2 > count + 2 {
            Found::Varies
        } else if let [.., first, second] = moments[..] {
            Found::Beat(Beat::of(first, second))
        } else if let (Some(period), [.., moment]) = (self.period, &moments[..]) {
            Found::Beat(Beat::again(period, *moment))
        } else if now.end() - latest > LISTENED {
            Found::Nobody
        } else {
            Found::NotYet
        }
    }

    fn told(&self, length: i64, floors: &Floors) -> Told {
        let begun = self.heard.first().map_or(0, |seen| seen.asked);
        let mut told = Told { moments: Vec::new(), late: 0, latest: begun };
        let (mut unseen, mut before): (bool, Option<&Heard>) = (true, None);
        for seen in &self.heard {
            let floor = floors.of(seen.sort);
            let gap = before.map_or(0, |before| seen.asked - before.end());
            unseen |= gap > close(floors) + WAIT_MIN;
            if let Some(wait) = waited(seen.took, floor) {
                told.late += 1;
                told.latest = seen.asked + wait;
                // It may have asked while we were being served, and waited itself.
                let asked = told.latest - length.max(floor);
                let was_kept = before.is_some_and(|before| asked <= before.end() + WAIT_MIN);
                let kept = if was_kept { floor } else { 0 };
                if unseen && (was_kept || !told.is_round()) {
                    told.moments.clear();
                }
                unseen = false;
                told.moments.push(Window { from: told.latest - kept, to: told.latest });
            }
            before = Some(seen);
        }
        told
    }
}

/// What the questions told.
struct Told {
    /// Moments at which somebody had been served, with none between.
    moments: Vec<Window>,
    late: usize,
    latest: i64,
}

impl Told {
    /// Whether the latest came a round period after the one before.
    fn is_round(&self) -> bool {
        self.moments.last().is_some_and(|last| {
            let off = (self.latest - last.to + ROUND / 2).rem_euclid(ROUND) - ROUND / 2;
            off.abs() < ROUND_OFF
        })
    }
}
