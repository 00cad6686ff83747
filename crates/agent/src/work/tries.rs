//! Something that is tried again, later each time: calls, sending.
//!
//! Not here: what. Invariant: one try at a time, and no pause is longer than the longest.

use crate::{
    limits::{CALL_PAUSE_MIN, CUT_PAUSE_MAX},
    ship::HostClock,
};
use std::{
    thread,
    time::{Duration, Instant},
};
use vault::site::Clock;

/// Something that is tried again, later each time.
#[derive(Default)]
pub(super) struct Tries {
    pub(super) under_way: bool,
    pub(super) next: Option<Instant>,
    pub(super) failures: u32,
}

impl Tries {
    /// None when it may begin; else for how long it may not, which a thread under way leaves open.
    pub(super) fn waits(&self) -> Option<Option<Duration>> {
        if self.under_way {
            return Some(None);
        }
        let left = self.next?.checked_duration_since(Instant::now())?;
        (!left.is_zero()).then_some(Some(left))
    }

    pub(super) fn begin(&mut self, name: &str, work: impl FnOnce() + Send + 'static) {
        match thread::Builder::new().name(name.to_owned()).spawn(work) {
            Ok(_) => self.under_way = true,
            Err(error) => {
                tracing::error!(%error, "a thread cannot be started");
                self.failed(CUT_PAUSE_MAX);
            }
        }
    }

    pub(super) fn done(&mut self, pause: Duration) {
        *self = Tries { under_way: false, next: Some(Instant::now() + pause), failures: 0 };
    }

    /// Tried again after twice as long each time; hosts that were cut off together come back one
    /// by one.
    pub(super) fn failed(&mut self, first: Duration) {
        let pause = (CALL_PAUSE_MIN.min(first) * (1 << self.failures.min(10))).min(CUT_PAUSE_MAX);
        let part = HostClock.now().nanos().rem_euclid(1_000);
        let pause = pause / 2 + pause / 2 * u32::try_from(part).unwrap_or(0) / 1_000;
        self.next = Some(Instant::now() + pause);
        (self.under_way, self.failures) = (false, self.failures.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut tries = Tries::default();
        assert!(tries.waits().is_none());
        for _ in 0..40 {
            tries.failed(Duration::from_secs(30));
        }
        let left = tries.waits().flatten().expect("it waits");
        assert!(left <= CUT_PAUSE_MAX && left >= CUT_PAUSE_MAX / 3, "{left:?}");
        tries.done(Duration::ZERO);
        assert!(tries.waits().is_none());
    }
}
