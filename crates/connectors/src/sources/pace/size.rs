//! How much one question asks for: as little as costs as much as less.
//!
//! Whoever asks a device while it answers us waits until it is done, so an answer of ours must not
//! take longer than that of the smallest question. Invariant: a size is used only while its
//! shortest answer took hardly longer than that of the first size, and a device that becomes slow
//! is asked for half.

use std::collections::BTreeMap;

/// The first questions ask for this part of the most.
const FIRST_PART: u32 = 16;
/// Answers after which a size may be found fast enough, and after which it is found too slow:
/// many of them may have waited for somebody else.
const TRIED: u32 = 3;
const TRIED_MAX: u32 = 24;
/// What is no difference, in microseconds.
const NOISE: i64 = 200;

#[derive(Default)]
pub struct Size {
    first: u32,
    most: u32,
    now: u32,
    /// Answers of each size, and the shortest of them.
    tried: BTreeMap<u32, (u32, i64)>,
    /// Sizes from this one on took longer.
    too_much: Option<u32>,
}

impl Size {
    /// How much to ask for, of `most`.
    pub fn of(&mut self, most: u32) -> u32 {
        if self.first == 0 {
            self.first = most.div_ceil(FIRST_PART).max(1);
            self.now = self.first;
        }
        self.most = self.most.max(most);
        self.now.min(most)
    }

    /// The least that is asked for.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Takes in the time of an answer of a size.
    pub fn answered(&mut self, size: u32, took: i64) {
        let (count, shortest) = self.tried.entry(size).or_insert((0, took));
        (*count, *shortest) = (*count + 1, took.min(*shortest));
        let (count, shortest) = (*count, *shortest);
        if size != self.now || count < TRIED {
            return;
        }
        let least = self.tried.get(&self.first).map_or(shortest, |(_, least)| *least);
        if size > self.first && shortest > least + least / 8 + NOISE {
            if count >= TRIED_MAX {
                self.too_much = Some(size);
                self.now = (size / 2).max(self.first);
            }
        } else if size < self.most && self.too_much.is_none_or(|too_much| size * 2 < too_much) {
            self.now = size * 2;
        }
    }

    /// The device became slow.
    pub fn halve(&mut self) {
        self.now = (self.now.min(self.most) / 2).max(self.first);
        // It is tried again, from the beginning.
        let first = self.first;
        self.tried.retain(|size, _| *size == first);
        self.too_much = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size after a hundred answers that take `fixed` and `each` for every value.
    #[track_caller]
    fn check(fixed: i64, each: i64, expected: u32) {
        let mut size = Size::default();
        for _ in 0..100 {
            let asked = size.of(125);
            size.answered(asked, fixed + each * i64::from(asked));
        }
        assert_eq!(size.of(125), expected);
    }

    #[test]
    fn more_is_asked_for_only_where_it_costs_no_more() {
        check(10_000, 0, 125);
        // Ten milliseconds for a hundred values: those of the network alone are not worth it.
        check(20_000, 100, 32);
        check(2_000, 80, 8);
        check(100, 1, 125);
    }

    #[test]
    fn a_slow_device_is_asked_for_half_and_a_short_rest_for_what_is_left() {
        let mut size = Size::default();
        for _ in 0..100 {
            let asked = size.of(125);
            size.answered(asked, 5_000);
        }
        assert_eq!(size.of(40), 40);
        size.halve();
        assert!(size.of(125) <= 64, "{}", size.of(125));
    }
}
