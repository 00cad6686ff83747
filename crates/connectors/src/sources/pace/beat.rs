//! A client that asks every so often: when it has been served, and when it will be.
//!
//! What is known are windows, not moments: a question of ours that was being served may have kept
//! the client waiting, so that it asked earlier than it seems. Not here: what a wait is. Invariant:
//! a moment is foretold only as surely as those seen allow. Times in microseconds.

use std::collections::VecDeque;

/// Moments that are looked back at: a timer of a program drifts.
const KEPT: usize = 8;
/// How much a moment may be off, and how much more for each period that went by.
const OFF: i64 = 200;
const DRIFT: i64 = 100;
/// Periods after which it does not drift away any further.
const DRIFTS: i64 = 20;

/// From when to when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub from: i64,
    pub to: i64,
}

impl Window {
    pub fn at(moment: i64) -> Self {
        Self { from: moment, to: moment }
    }

    pub fn contains(self, moment: i64) -> bool {
        (self.from..=self.to).contains(&moment)
    }

    pub fn span(self) -> i64 {
        self.to - self.from
    }

    pub fn wider(self, by: i64) -> Self {
        Self { from: self.from - by, to: self.to + by }
    }

    fn and(self, other: Self) -> Option<Self> {
        let both = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (both.from <= both.to).then_some(both)
    }

    fn plus(self, period: Self, times: i64) -> Self {
        Self { from: self.from + period.from * times, to: self.to + period.to * times }
    }

    /// From a moment in `first` to one in this.
    fn since(self, first: Self) -> Self {
        Self { from: self.from - first.to, to: self.to - first.from }
    }
}

/// The moments at which the client had been served, by their number, and how far they lie apart.
pub struct Beat {
    seen: VecDeque<(i64, Window)>,
    pub period: Window,
}

impl Beat {
    /// By two moments that follow on each other.
    pub fn of(first: Window, second: Window) -> Self {
        let period = second.since(first).wider(OFF / 2);
        Self { seen: VecDeque::from([(0, first), (1, second)]), period }
    }

    /// By one moment, of a client whose period is known.
    pub fn again(period: Window, moment: Window) -> Self {
        Self { seen: VecDeque::from([(0, moment)]), period }
    }

    fn last(&self) -> (i64, Window) {
        *self.seen.back().expect("there is one from the beginning on")
    }

    /// When it will have been served `times` periods after the last moment.
    pub fn next(&self, times: i64) -> Window {
        let (number, last) = self.last();
        let foretold = last.plus(self.period, times);
        let together = self.seen.iter().try_fold(foretold, |found, (since, seen)| {
            let times = number + times - since;
            found.and(seen.plus(self.period, times).wider(DRIFT * times))
        });
        together.unwrap_or(foretold).wider(OFF + DRIFT * times.min(DRIFTS))
    }

    /// How many periods after the last moment the first one lies that is not over at `now`.
    pub fn first_after(&self, now: i64) -> i64 {
        let (_, last) = self.last();
        let about = ((now - last.to) / self.period.to.max(1) - 1).max(1);
        // A window becomes wider with each period, so the first found may be some further on.
        (about..about + 64).find(|times| self.next(*times).to > now).unwrap_or(about + 64)
    }

    /// It had been served, so many periods after the last moment.
    pub fn served(&mut self, times: i64, moment: Window) {
        if !self.next(times).wider(OFF).contains((moment.from + moment.to) / 2) {
            // Its timer made a leap.
            *self = Self::again(self.period, moment);
            return;
        }
        let number = self.last().0 + times;
        let (since, first) = *self.seen.front().expect("there is one from the beginning on");
        if number > since {
            let apart = number - since;
            let all = moment.since(first).wider(OFF);
            let each = Window { from: all.from / apart, to: all.to / apart };
            let both = self.period.and(each).filter(|both| both.span() * apart > OFF);
            self.period = both.unwrap_or(each);
        }
        if self.seen.len() == KEPT {
            self.seen.pop_front();
        }
        self.seen.push_back((number, moment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_moments_foretell_the_next_and_each_makes_it_surer() {
        // The second client was kept waiting for up to ten milliseconds.
        let kept = Window { from: 50_000, to: 60_000 };
        let mut beat = Beat::of(Window::at(0), kept);
        assert!(beat.next(1).contains(100_000) && beat.next(1).contains(120_000));
        assert_eq!(beat.first_after(130_000), 2);
        beat.served(1, Window::at(101_000));
        assert!(beat.period.contains(50_500) && beat.period.span() < 500, "{:?}", beat.period);
        assert!(beat.next(2).contains(202_000) && beat.next(2).span() < 2_000);
    }

    #[test]
    fn a_leap_keeps_the_period_and_begins_anew() {
        let mut beat = Beat::of(Window::at(0), Window::at(50_000));
        beat.served(1, Window::at(104_000));
        assert!(beat.next(1).contains(154_000) && !beat.next(1).contains(150_000));
    }
}
