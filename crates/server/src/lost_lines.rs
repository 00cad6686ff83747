//! Lines of the log that could not be written.
//!
//! Not here: the log. Invariant: it is counted without waiting and without a word, for a word
//! would be another line.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many, and when the last one.
#[derive(Debug, Default)]
pub struct LostLines(Mutex<(u64, Option<Instant>)>);

impl LostLines {
    pub fn count(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (known.0 + 1, Some(Instant::now()));
    }

    pub fn lost(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Whether the last one was lost within so long.
    pub(crate) fn is_recent(&self, within: Duration) -> bool {
        let (_, last) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < within)
    }
}
