//! Commits that fail: since when, how often, and what the log says of it.
//!
//! A full disk fails several commits a second, and a log that says each fills what is left. Not
//! here: what was not saved of a sensor (`unsaved`). Invariant: what failed is told from memory,
//! and is told after it has ended as well.

use crate::{Error, Store, TROUBLES_MAX};
use model::Time;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A time at which nothing could be saved.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub since: Time,
    /// None while it lasts.
    pub until: Option<Time>,
    /// Why the last commit failed.
    pub error: Error,
    /// Calls that were refused, each of which was told so and may have come again.
    pub refused: u64,
}

/// Between two times that the log says that commits fail.
const SAID_EVERY: Duration = Duration::from_secs(60);
/// One that begins so soon after another is the same: a disk with room for some things only.
const SAME_S: i64 = 60;

#[derive(Default)]
pub(crate) struct Troubles(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Oldest first; at most the last one lasts.
    all: VecDeque<Trouble>,
    began: Option<Instant>,
    said: Option<Instant>,
}

impl Troubles {
    pub(crate) fn is_ill(&self, now: Time, error: &Error, calls: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.all.back().is_some_and(|last| {
            last.until.is_none_or(|until| (0..SAME_S).contains(&(now.since(until) / 1_000_000_000)))
        });
        if !same {
            if known.all.len() == TROUBLES_MAX {
                known.all.pop_front();
            }
            let trouble = Trouble { since: now, until: None, error: error.clone(), refused: 0 };
            known.all.push_back(trouble);
            (known.began, known.said) = (Some(Instant::now()), None);
        }
        let say = known.said.is_none_or(|said| said.elapsed() >= SAID_EVERY);
        let seconds = known.began.map_or(0, |began| began.elapsed().as_secs());
        let Some(last) = known.all.back_mut() else { return };
        (last.until, last.error) = (None, error.clone());
        last.refused += calls as u64;
        if say {
            let refused = last.refused;
            tracing::error!(%error, seconds, refused, "commits fail, their calls are refused");
            known.said = Some(Instant::now());
        }
    }

    pub(crate) fn is_well(&self, now: Time) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = known.began.map_or(0, |began| began.elapsed().as_secs());
        let Some(last) = known.all.back_mut().filter(|last| last.until.is_none()) else { return };
        last.until = Some(now);
        let refused = last.refused;
        tracing::warn!(seconds, refused, "commits go on; what was refused meanwhile is not saved");
    }

    fn all(&self) -> Vec<Trouble> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.all.iter().cloned().collect()
    }
}

impl Store {
    /// The times at which commits failed, since this program started.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.inner.writer.as_ref().map_or(Vec::new(), |writer| writer.trouble.all())
    }

    /// Why what was to be saved last was not.
    pub fn trouble(&self) -> Option<Trouble> {
        self.troubles().pop().filter(|last| last.until.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_comes_back_at_once_is_the_same_and_old_ones_are_forgotten() {
        let troubles = Troubles::default();
        let at = Time::from_secs;
        troubles.is_ill(at(100), &Error::Full, 2);
        troubles.is_well(at(110));
        troubles.is_ill(at(130), &Error::Disk("torn".to_owned()), 1);
        let [one] = &troubles.all()[..] else { panic!("one trouble") };
        assert_eq!((one.since, one.until, one.refused), (at(100), None, 3));
        troubles.is_well(at(140));
        troubles.is_well(at(150));
        assert_eq!(troubles.all()[0].until, Some(at(140)));
        // A clock that was set back makes it another one, not one that ends before it began.
        troubles.is_ill(at(20), &Error::Full, 1);
        assert_eq!(troubles.all().len(), 2);
        for hour in 1..100 {
            troubles.is_well(at(hour * 3_600));
            troubles.is_ill(at(hour * 3_600 + 100), &Error::Full, 1);
        }
        assert_eq!(troubles.all().len(), TROUBLES_MAX);
    }
}
