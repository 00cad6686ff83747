//! Slows guessing of passwords down: after five misses each one more doubles the wait.
//!
//! A try counts from its beginning, so that many at once are no more than as many in a row: those
//! that could be one miss too many wait for how the others end. Not here: checking passwords.
//! Invariant: the table is bounded; when it is full the entry that has waited longest gives way.

use crate::{
    http::fault::{Answer, Fault},
    limits::THROTTLED_MAX,
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

const FREE_MISSES: u32 = 5;
const WAIT_MAX: Duration = Duration::from_secs(900);
/// Misses are forgotten after so long without one.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub(crate) struct Throttle {
    table: Mutex<Table>,
    ended: Notify,
}

#[derive(Default)]
struct Table {
    misses: HashMap<String, Misses>,
    /// Tries under way, by key.
    open: HashMap<String, u32>,
    /// Who was right from where, and when last.
    known: HashMap<String, Instant>,
}

/// A user at an address. No name of a user gives this text as another key.
fn known_key(user: &str, holder: IpAddr) -> String {
    format!("known/{holder}/{user}")
}

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

impl Table {
    /// How long the caller has to wait before the next try, for any of the keys.
    fn wait(&self, keys: &[String], now: Instant) -> Option<Duration> {
        keys.iter().filter_map(|key| self.misses.get(key)?.wait(now)).max()
    }

    /// Whether one more may be under way: were all of them misses, none of them came too early.
    fn has_room(&self, key: &str) -> bool {
        let open = self.open.get(key).copied().unwrap_or(0);
        let missed = self.misses.get(key).map_or(0, |misses| misses.count);
        open == 0 || open.saturating_add(missed) < FREE_MISSES
    }

    fn miss(&mut self, keys: &[String], now: Instant) {
        let misses = &mut self.misses;
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
}

impl Throttle {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no panic holds it")
    }

    /// What a user's try from an address counts for. Where the user was right before, it counts
    /// apart: a stranger who guesses at the name from elsewhere keeps nobody from their own desk.
    pub(crate) fn keys_of(&self, user: &str, holder: IpAddr) -> Vec<String> {
        let known = known_key(user, holder);
        let is_known = self.table().known.contains_key(&known);
        let of_user = if is_known { known } else { format!("user/{user}") };
        vec![of_user, format!("ip/{holder}")]
    }

    /// The user was right, from there.
    pub(crate) fn know(&self, user: &str, holder: IpAddr) {
        let mut table = self.table();
        let (known, now) = (&mut table.known, Instant::now());
        known.insert(known_key(user, holder), now);
        if known.len() > THROTTLED_MAX {
            let oldest = known.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            oldest.and_then(|key| known.remove(&key));
        }
    }

    /// Begins a try, or says how long to wait.
    pub(crate) async fn begin(&self, keys: Vec<String>) -> Answer<Try<'_>> {
        loop {
            // Made before the look at the table: an end in between is not missed.
            let ended = self.ended.notified();
            if let Some(begun) = self.try_begin(&keys, Instant::now())? {
                return Ok(begun);
            }
            ended.await;
        }
    }

    fn try_begin(&self, keys: &[String], now: Instant) -> Answer<Option<Try<'_>>> {
        let mut table = self.table();
        if let Some(wait) = table.wait(keys, now) {
            let seconds = wait.as_secs() + 1;
            let detail = format!("too many failed tries; wait {seconds} s");
            return Err(Fault::wait(seconds, detail));
        }
        if !keys.iter().all(|key| table.has_room(key)) {
            return Ok(None);
        }
        for key in keys {
            *table.open.entry(key.clone()).or_default() += 1;
        }
        drop(table);
        Ok(Some(Try { throttle: self, keys: keys.to_vec(), came_to: CameTo::Miss }))
    }
}

/// A try under way. Dropped without a word it is a miss: whoever hangs up has guessed as well.
pub(crate) struct Try<'a> {
    throttle: &'a Throttle,
    keys: Vec<String>,
    came_to: CameTo,
}

enum CameTo {
    Miss,
    Hit,
    Nothing,
}

impl Try<'_> {
    /// It was right: misses before it are forgotten.
    pub(crate) fn hit(mut self) {
        self.came_to = CameTo::Hit;
    }

    /// Goes on with what was done. A failure of this server, as a full disk, says nothing of who
    /// tried.
    pub(crate) fn with<T>(mut self, done: Answer<T>) -> Answer<(Self, T)> {
        match done {
            Ok(done) => Ok((self, done)),
            Err(fault) => {
                self.came_to = CameTo::Nothing;
                Err(fault)
            }
        }
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let mut table = self.throttle.table();
        for key in &self.keys {
            if let Some(open) = table.open.get_mut(key) {
                *open -= 1;
            }
        }
        table.open.retain(|_, open| *open > 0);
        match self.came_to {
            CameTo::Hit => table.misses.retain(|key, _| !self.keys.contains(key)),
            CameTo::Miss => table.miss(&self.keys, Instant::now()),
            CameTo::Nothing => {}
        }
        drop(table);
        self.throttle.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_miss_after_the_fifth_doubles_the_wait() {
        let mut table = Table::default();
        let keys = ["user/ada".to_owned()];
        let start = Instant::now();
        for _ in 0..4 {
            table.miss(&keys, start);
        }
        assert_eq!(table.wait(&keys, start), None);
        for seconds in [1, 2, 4, 8] {
            table.miss(&keys, start);
            assert_eq!(table.wait(&keys, start), Some(Duration::from_secs(seconds)));
        }
        assert_eq!(table.wait(&keys, start + Duration::from_secs(8)), None);
        for _ in 0..40 {
            table.miss(&keys, start);
        }
        assert_eq!(table.wait(&keys, start), Some(WAIT_MAX));
    }

    #[test]
    fn tries_at_once_are_no_more_than_tries_in_a_row() {
        let throttle = Throttle::default();
        let keys = ["user/ada".to_owned(), "ip/10.0.0.1".to_owned()];
        let begin = || throttle.try_begin(&keys, Instant::now());
        let mut open: Vec<_> = (0..5).map(|_| begin().expect("free").expect("room")).collect();
        assert!(begin().expect("no wait yet").is_none(), "the sixth waits for the others");
        open.pop().expect("five").hit();
        open.push(begin().expect("free").expect("one was right"));
        let failed = open.pop().expect("five").with::<()>(Err(Fault::bad_request("of ours")));
        assert!(failed.is_err());
        open.push(begin().expect("free").expect("a failure of ours is no miss"));
        drop(open);
        assert!(begin().is_err(), "five misses, the last of them now");
        assert!(throttle.table().open.is_empty());
        // Once the wait is over there is one at a time.
        let later = Instant::now() + Duration::from_secs(2);
        let one = throttle.try_begin(&keys, later).expect("over").expect("room");
        assert!(throttle.try_begin(&keys, later).expect("over").is_none());
        one.hit();
        assert!(throttle.table().misses.is_empty());
    }

    #[test]
    fn who_is_known_is_bounded_and_no_name_is_another_key() {
        let throttle = Throttle::default();
        let at = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..=u32::try_from(THROTTLED_MAX).expect("few") {
            throttle.know("ada", at(n));
        }
        assert_eq!(throttle.table().known.len(), THROTTLED_MAX);
        let known = throttle.keys_of("ada", at(9));
        assert_eq!(known, ["known/0.0.0.9/ada", "ip/0.0.0.9"]);
        for name in ["known/0.0.0.9/ada", "ada@0.0.0.9", "../known/0.0.0.9/ada"] {
            assert!(!throttle.keys_of(name, at(7)).contains(&known[0]), "{name}");
        }
    }

    #[test]
    fn table_is_bounded_and_the_oldest_gives_way() {
        let mut table = Table::default();
        let start = Instant::now();
        for n in 0..THROTTLED_MAX + 2 {
            table.miss(&[format!("ip/{n}")], start + Duration::from_millis(n as u64 / 16));
        }
        assert_eq!(table.misses.len(), THROTTLED_MAX);
    }
}
