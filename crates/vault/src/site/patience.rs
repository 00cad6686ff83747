//! How often and after what pause a broken link is tried again.
//!
//! Invariant: a link that makes any progress is tried again at once and for ever; one that makes
//! none is given up after a bounded number of tries, with its last error.

use super::pace::Clock;
use std::{io, time::Duration};

/// Longest pause between two tries, in seconds.
const PAUSE_SECS_MAX: u64 = 30;

pub struct Patience<'a> {
    clock: &'a dyn Clock,
    max: u32,
    tries: u32,
}

impl<'a> Patience<'a> {
    /// `max` tries without progress.
    pub fn new(clock: &'a dyn Clock, max: u32) -> Self {
        Self { clock, max, tries: 0 }
    }

    pub fn progress(&mut self) {
        self.tries = 0;
    }

    /// Pauses before the next try, or gives up with the error.
    pub fn wait(&mut self, error: io::Error) -> io::Result<()> {
        if self.tries >= self.max || is_final(&error) {
            return Err(error);
        }
        tracing::debug!(%error, tries = self.tries, "the link broke");
        let pause = match self.tries {
            0 => Duration::from_millis(25),
            tries => Duration::from_secs((1 << (tries - 1).min(6)).min(PAUSE_SECS_MAX)),
        };
        self.tries += 1;
        self.clock.sleep(pause);
        Ok(())
    }
}

/// Errors that no second try changes.
fn is_final(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotFound
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
    )
}
