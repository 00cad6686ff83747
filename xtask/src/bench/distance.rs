//! How far the processors are from each other, which decides what threads lose that share work.
//!
//! Virtual machines are moved: the same two processors may share a cache at one time and be on
//! different chips at another. Not here: how far memory is. Invariant: what was not exchanged as
//! often as it should be is no figure.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Words that go there and back.
const ROUNDS: u32 = 50_000;
/// Two threads on one processor would take turns for minutes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nanoseconds until a word that one thread wrote is seen by another; nothing where the threads
/// were not at work at the same time.
pub fn between_processors() -> Option<u32> {
    let word = AtomicU32::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let answers = scope.spawn(|| turns(&word, 1, start));
        let asks = turns(&word, 0, start);
        answers.join().unwrap_or(false) && asks
    })
    .then(|| (start.elapsed().as_nanos() / u128::from(2 * ROUNDS)) as u32)
}

/// Adds one whenever the word is even, or odd; false where the other does not go on.
fn turns(word: &AtomicU32, begin: u32, start: Instant) -> bool {
    (0..ROUNDS).all(|round| {
        let mine = 2 * round + begin;
        let mut tries = 0u32;
        while word.load(Ordering::Acquire) != mine {
            // No hint that this spins: a host may take the processor away from who gives it.
            tries = tries.wrapping_add(1);
            if tries.is_multiple_of(1 << 14) && start.elapsed() > PATIENCE {
                return false;
            }
        }
        word.store(mine + 1, Ordering::Release);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_alone_gives_up() {
        let long_ago = Instant::now().checked_sub(PATIENCE * 2).unwrap_or_else(Instant::now);
        let word = AtomicU32::new(0);
        assert!(!turns(&word, 0, long_ago), "nobody answers");
        assert_eq!(word.load(Ordering::Relaxed), 1);
    }
}
