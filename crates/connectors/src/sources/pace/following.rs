//! Following a rhythm: our questions go right behind the other's, and end before its next.
//!
//! Right behind is the best moment: the other comes again after a whole period. And a question put
//! there waits as foretold, which shows each time that the rhythm holds. Invariant: before a rhythm
//! has held some times, and after it did not, nothing is asked at another moment. Times in
//! microseconds.

use super::{
    Sort,
    beat::{Beat, Window},
    floors::{Floors, WAIT_MIN, threshold},
    listening::Heard,
    rhythm::Put,
};

/// Times that a rhythm must have held before questions go between its moments.
const SURE: u32 = 3;
/// Questions right behind the other's in a row that should have waited and did not.
const MISSES_MAX: u32 = 2;
/// Those that came when the other may have been served, as far as known.
const EARLY_MAX: u32 = 9;
/// Moments of the other's after which the rhythm is looked at again.
const UNSEEN_MAX: i64 = 4;
/// Waits that the rhythm did not foretell, less one for every so many that it did, after which
/// there is somebody else besides.
const ODD_MAX: u32 = 8;
const HELD: u32 = 4;

pub struct Following {
    pub beat: Beat,
    held: u32,
    misses: u32,
    /// Questions since one right behind the other's.
    unchecked: u32,
    odd: u32,
    /// The last question should have waited and did not: the other had been served until then, or
    /// asked during it.
    missed: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    Yes,
    /// For a long time.
    WellSo,
    No,
    /// Somebody else asks besides.
    NotAlone,
}

impl Following {
    pub fn new(beat: Beat) -> Self {
        Self { beat, held: 0, misses: 0, unchecked: 0, odd: 0, missed: None }
    }

    pub fn is_sure(&self) -> bool {
        self.held >= SURE
    }

    /// Whether the next question must follow closely, to hear whether the other was late.
    pub fn is_close(&self) -> bool {
        self.missed.is_some()
    }

    /// Where nothing of ours fits in between, the other waits each time.
    pub fn has_room(&self, length: i64, own: i64) -> bool {
        !self.is_sure() || self.beat.period.from - length.max(own) - own >= -own / 4
    }

    /// The moment to ask, at `due` or later, and how that puts the question; `length` is what
    /// serving the other takes at least.
    pub fn moment(&self, due: i64, sort: Sort, length: i64, floors: &Floors) -> (i64, Put) {
        if self.is_close() {
            return (due, Put::Listening);
        }
        let own = floors.of(sort);
        let (mut due, mut times) = (due, self.beat.first_after(due));
        let must = !self.is_sure() || self.misses > 0 || times > UNSEEN_MAX;
        // What it takes can be told only where it waits for nobody.
        let is_new =
            self.is_sure() && self.misses == 0 && self.unchecked == 0 && !floors.are_tried(sort);
        let margin = (length / 4).max(own / 4).max(WAIT_MIN);
        for _ in 0..4 {
            let window = self.beat.next(times);
            // It ends before the other asks at the earliest.
            if !must && due + own + margin <= window.from - length.max(own) {
                return (due, Put::Anywhere);
            }
            let aim = window.to - self.before(window, own, length);
            if must && !is_new && due <= aim {
                return (aim, Put::Behind(times));
            }
            due = due.max(window.to + WAIT_MIN / 2);
            if !must || is_new {
                return (due, Put::After);
            }
            times += 1;
        }
        (due, Put::Anywhere)
    }

    /// So long before the other will have been served at the latest: surely before it has been,
    /// and surely after it asked.
    fn before(&self, window: Window, own: i64, length: i64) -> i64 {
        let least = (threshold(own) * 3 / 2).max(length / 3);
        let most = if self.is_sure() { length } else { length.max(own) };
        (window.span() + least).min(most * 9 / 10)
    }

    /// Takes in an answer: with it the other had been served at `moment`, if it waited.
    pub fn check(
        &mut self,
        heard: Heard,
        moment: Option<i64>,
        put: Put,
        (length, floor): (i64, i64),
    ) -> Holds {
        let length = length.max(WAIT_MIN);
        let missed = self.missed.take();
        let holds = match (put, moment) {
            (Put::Behind(times), Some(moment)) => self.behind(times, moment, length),
            (Put::Behind(times), None) => self.not_behind(times, heard.asked + threshold(floor)),
            (_, Some(moment)) => {
                let times = self.beat.first_after(moment - length);
                let window = self.beat.next(times).wider(length.max(floor));
                if self.is_sure() && window.contains(moment) {
                    let from = if missed.is_some() { moment - floor } else { moment };
                    self.beat.served(times, Window { from, to: moment });
                    Holds::Yes
                } else {
                    // A short wait may be the machine's that waits for its processor.
                    self.odd += u32::from(moment - heard.asked > length / 2);
                    if self.is_sure() { Holds::Yes } else { Holds::No }
                }
            }
            (_, None) => {
                self.unchecked += 1;
                if let Some(until) = missed {
                    // It was not late, so it was early.
                    let served = Window { from: until - length / 2, to: until };
                    self.beat = Beat::again(self.beat.period, served);
                }
                Holds::Yes
            }
        };
        match holds {
            _ if self.odd >= ODD_MAX => Holds::NotAlone,
            Holds::Yes if self.misses > EARLY_MAX => Holds::No,
            holds => holds,
        }
    }

    fn behind(&mut self, times: i64, moment: i64, length: i64) -> Holds {
        let off = if self.is_sure() { length } else { length / 4 };
        if !self.beat.next(times).wider(off).contains(moment) {
            return Holds::No;
        }
        self.beat.served(times, Window::at(moment));
        (self.held, self.misses, self.unchecked) = (self.held.saturating_add(1), 0, 0);
        if !self.held.is_multiple_of(HELD) {
            return Holds::Yes;
        }
        self.odd = self.odd.saturating_sub(1);
        Holds::WellSo
    }

    /// It had been served until then, or did not ask yet.
    fn not_behind(&mut self, times: i64, until: i64) -> Holds {
        let window = self.beat.next(times);
        self.misses += 1;
        if window.from <= until {
            // It had been served already, as it may.
            self.beat.served(times, Window { from: window.from, to: window.to.min(until) });
            return Holds::Yes;
        }
        if self.is_sure() {
            self.missed = Some(until);
        }
        if self.is_sure() && self.misses < MISSES_MAX { Holds::Yes } else { Holds::No }
    }
}
