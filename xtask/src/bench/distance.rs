//! How far the processors are from each other, which decides what threads lose that share work.
//!
//! Virtual machines are moved: the same two processors may share a cache at one time and be on
//! different chips at another. Not here: how far memory is. Invariant: what was not exchanged as
//! often as it should be is no figure.

use std::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Words that go there and back in a batch. The fastest batch counts: threads begin on one
/// processor, and it takes milliseconds until each has its own.
const BATCH: u32 = 20_000;
const BATCHES: u32 = 40;
/// Two threads on one processor would take turns for minutes.
const PATIENCE: Duration = Duration::from_secs(4);

/// Nanoseconds until a word that one thread wrote is seen by another; nothing where the threads
/// were not at work at the same time.
pub fn between_processors() -> Option<u32> {
    let word = AtomicU32::new(0);
    let give_up = Instant::now() + PATIENCE;
    std::thread::scope(|scope| {
        scope.spawn(|| turns(&word, 1, (0..BATCH * BATCHES, give_up)));
        let batch = |number| {
            let start = Instant::now();
            turns(&word, 0, (number * BATCH..(number + 1) * BATCH, give_up))
                .then(|| start.elapsed())
        };
        let batches: Option<Vec<Duration>> = (0..BATCHES).map(batch).collect();
        Some((batches?.into_iter().min()?.as_nanos() / u128::from(2 * BATCH)) as u32)
    })
}

/// Adds one whenever the word is even, or odd; false where the other does not go on.
fn turns(word: &AtomicU32, begin: u32, (rounds, give_up): (Range<u32>, Instant)) -> bool {
    for round in rounds {
        let mine = 2 * round + begin;
        let mut tries = 0u32;
        while word.load(Ordering::Acquire) != mine {
            // No hint that this spins: a host may take the processor away from who gives it.
            tries = tries.wrapping_add(1);
            if tries.is_multiple_of(1 << 14) && Instant::now() > give_up {
                return false;
            }
        }
        word.store(mine + 1, Ordering::Release);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_alone_gives_up() {
        let word = AtomicU32::new(0);
        assert!(!turns(&word, 0, (0..2, Instant::now())), "nobody answers");
        assert_eq!(word.load(Ordering::Relaxed), 1);
    }
}
