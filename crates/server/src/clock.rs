//! The wall clock, which people and time servers set while everything runs.
//!
//! Not here: clocks of the plant. Invariant: what was noted by a clock that has been set back since
//! is never taken for recent; how long ago it was nobody knows, so what depends on it is due.

use model::Time;
use std::time::{Duration, Instant};

/// So much clocks are corrected by all the time, and agents' clocks differ from ours.
const AHEAD_S: i64 = 600;
/// A clock that moved so much beyond the time that went by was set.
const SET_S: i64 = 60;

pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}

/// The newest moment that can have been by now.
pub(crate) fn latest(now: Time) -> Time {
    now.plus_secs(AHEAD_S)
}

pub(crate) fn has_been(at: Time, now: Time) -> bool {
    at <= latest(now)
}

/// Whether less than so many seconds have gone since.
pub(crate) fn is_within(at: Time, secs: i64, now: Time) -> bool {
    has_been(at, now) && at.plus_secs(secs) > now
}

/// Notices that the wall clock was set, by one that only goes on.
pub(crate) struct Watch {
    wall: Time,
    steady: Instant,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch { wall: now(), steady: Instant::now() }
    }

    /// Seconds by which it was set since it was asked last: ahead, or back where negative.
    pub(crate) fn set_by(&mut self) -> Option<i64> {
        self.look(now(), self.steady.elapsed())
    }

    fn look(&mut self, wall: Time, gone: Duration) -> Option<i64> {
        let gone_ns = i64::try_from(gone.as_nanos()).unwrap_or(i64::MAX);
        let by = wall.since(self.wall).saturating_sub(gone_ns) / 1_000_000_000;
        (self.wall, self.steady) = (wall, self.steady + gone);
        (by.abs() >= SET_S).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_future_is_not_recent() {
        let at = Time::from_secs;
        assert!(is_within(at(1_000), 60, at(1_059)));
        assert!(!is_within(at(1_000), 60, at(1_060)));
        assert!(is_within(at(1_000), 60, at(1_000 - AHEAD_S)), "a corrected clock");
        assert!(!is_within(at(1_000), 60, at(999 - AHEAD_S)), "one that was set back");
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_by_how_much() {
        let mut watch = Watch { wall: Time::from_secs(1_000), steady: Instant::now() };
        let second = Duration::from_secs(1);
        assert_eq!(watch.look(Time::from_secs(1_001), second), None);
        assert_eq!(watch.look(Time::from_secs(8_202), second), Some(7_200));
        assert_eq!(watch.look(Time::from_secs(8_203), second), None);
        assert_eq!(watch.look(Time::from_secs(8_204 - 86_400), second), Some(-86_400));
        assert_eq!(watch.look(Time::from_secs(8_205 - 86_400 + 59), second), None, "a correction");
    }
}
