//! Slows guessing of passwords down: after five misses each one more doubles the wait.
//!
//! Not here: checking passwords. Invariant: the table is bounded; when it is full the entry that
//! has waited longest gives way.

use crate::{
    http::fault::{Answer, Fault},
    limits::THROTTLED_MAX,
};
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

const FREE_MISSES: u32 = 5;
const WAIT_MAX: Duration = Duration::from_secs(900);
/// Misses are forgotten after so long without one.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<String, Misses>>);

#[derive(Clone, Copy)]
struct Misses {
    count: u32,
    last: Instant,
}

impl Misses {
    fn wait(&self, now: Instant) -> Option<Duration> {
        let beyond = self.count.checked_sub(FREE_MISSES)?;
        let wait = Duration::from_secs(1u64 << beyond.min(20)).min(WAIT_MAX);
        (self.last + wait).checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

impl Throttle {
    /// An answer that says how long to wait, unless the caller may try now.
    pub(crate) fn allows(&self, keys: &[String]) -> Answer<()> {
        let Some(wait) = self.wait(keys, Instant::now()) else { return Ok(()) };
        let seconds = wait.as_secs() + 1;
        Err(Fault::wait(seconds, format!("too many failed tries; wait {seconds} s")))
    }

    /// How long the caller has to wait before the next try, for any of the keys.
    pub(crate) fn wait(&self, keys: &[String], now: Instant) -> Option<Duration> {
        let misses = self.0.lock().expect("no panic holds it");
        keys.iter().filter_map(|key| misses.get(key)?.wait(now)).max()
    }

    pub(crate) fn miss(&self, keys: &[String], now: Instant) {
        let mut misses = self.0.lock().expect("no panic holds it");
        misses.retain(|_, entry| now.duration_since(entry.last) < FORGET_AFTER);
        for key in keys {
            if misses.len() >= THROTTLED_MAX && !misses.contains_key(key) {
                let oldest = misses.iter().min_by_key(|(_, entry)| entry.last);
                if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                    misses.remove(&oldest);
                }
            }
            let entry = misses.entry(key.clone()).or_insert(Misses { count: 0, last: now });
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
        }
    }

    pub(crate) fn hit(&self, keys: &[String]) {
        let mut misses = self.0.lock().expect("no panic holds it");
        for key in keys {
            misses.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_miss_after_the_fifth_doubles_the_wait() {
        let throttle = Throttle::default();
        let keys = ["user/ada".to_owned()];
        let start = Instant::now();
        for _ in 0..4 {
            throttle.miss(&keys, start);
        }
        assert_eq!(throttle.wait(&keys, start), None);
        for seconds in [1, 2, 4, 8] {
            throttle.miss(&keys, start);
            assert_eq!(throttle.wait(&keys, start), Some(Duration::from_secs(seconds)));
        }
        assert_eq!(throttle.wait(&keys, start + Duration::from_secs(8)), None);
        for _ in 0..40 {
            throttle.miss(&keys, start);
        }
        assert_eq!(throttle.wait(&keys, start), Some(WAIT_MAX));
        throttle.hit(&keys);
        assert_eq!(throttle.wait(&keys, start), None);
    }

    #[test]
    fn table_is_bounded_and_the_oldest_gives_way() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for n in 0..THROTTLED_MAX + 2 {
            throttle.miss(&[format!("ip/{n}")], start + Duration::from_millis(n as u64 / 16));
        }
        assert_eq!(throttle.0.lock().expect("free").len(), THROTTLED_MAX);
    }
}
