//! Figures of numbers that counted messages carry: lowest, highest, changes and the like.
//!
//! Invariant: of one row all messages come from one worker in the order of frames; merging two
//! rows that were counted apart adds their changes.

use crate::limits::TALLY_DISTINCT_MAX;
use protocols::output::{Drawn, Figure, NUMBERS_MAX};
use std::collections::BTreeSet;

pub(super) struct Numbers {
    figures: &'static [Figure],
    series: [Series; NUMBERS_MAX],
}

/// One number of many messages.
struct Series {
    least: u64,
    greatest: u64,
    last: u64,
    changes: u64,
    sum: u64,
    /// Different values are asked for.
    wanted: bool,
    distinct: BTreeSet<u64>,
}

impl Numbers {
    pub(super) fn new(figures: &'static [Figure], numbers: [u64; NUMBERS_MAX]) -> Self {
        let mut series = numbers.map(|n| Series {
            least: n,
            greatest: n,
            last: n,
            changes: 0,
            sum: n,
            wanted: false,
            distinct: BTreeSet::from([n]),
        });
        for figure in figures.iter().filter(|figure| figure.drawn == Drawn::Distinct) {
            if let Some(series) = series.get_mut(figure.number) {
                series.wanted = true;
            }
        }
        Numbers { figures, series }
    }

    #[inline]
    pub(super) fn see(&mut self, numbers: &[u64; NUMBERS_MAX]) {
        for (series, number) in self.series.iter_mut().zip(numbers) {
            series.see(*number);
        }
    }

    pub(super) fn merge(&mut self, other: &Numbers) {
        for (own, other) in self.series.iter_mut().zip(&other.series) {
            own.least = own.least.min(other.least);
            own.greatest = own.greatest.max(other.greatest);
            own.sum = own.sum.wrapping_add(other.sum);
            own.changes += other.changes;
            let room = TALLY_DISTINCT_MAX.saturating_sub(own.distinct.len());
            own.distinct.extend(other.distinct.iter().take(room));
        }
    }

    pub(super) fn figures(&self) -> Vec<(&'static str, u64)> {
        let value = |figure: &Figure| {
            let series = self.series.get(figure.number);
            let value = series.map(|s| match figure.drawn {
                Drawn::Least => s.least,
                Drawn::Greatest => s.greatest,
                Drawn::Distinct => s.distinct.len() as u64,
                Drawn::Changes => s.changes,
                Drawn::Sum => s.sum,
            });
            (figure.name, value.unwrap_or_default())
        };
        self.figures.iter().map(value).collect()
    }
}

impl Series {
    #[inline]
    fn see(&mut self, number: u64) {
        self.sum = self.sum.wrapping_add(number);
        if number == self.last {
            return;
        }
        self.last = number;
        self.changes += 1;
        self.least = self.least.min(number);
        self.greatest = self.greatest.max(number);
        if self.wanted && self.distinct.len() < TALLY_DISTINCT_MAX {
            self.distinct.insert(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: &[Figure] = &[
        Figure { name: "least", number: 0, drawn: Drawn::Least },
        Figure { name: "greatest", number: 0, drawn: Drawn::Greatest },
        Figure { name: "distinct", number: 0, drawn: Drawn::Distinct },
        Figure { name: "changes", number: 0, drawn: Drawn::Changes },
        Figure { name: "sum", number: 1, drawn: Drawn::Sum },
    ];

    fn values(numbers: &Numbers) -> Vec<u64> {
        numbers.figures().into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn a_value_that_comes_back_is_a_change_but_not_a_new_one() {
        let mut numbers = Numbers::new(FIGURES, [4, 1]);
        [4, 5, 5, 3, 5].into_iter().for_each(|n| numbers.see(&[n, 1]));
        assert_eq!(values(&numbers), [3, 5, 3, 3, 6]);
    }

    #[test]
    fn merging_keeps_the_extremes() {
        let mut numbers = Numbers::new(FIGURES, [4, 1]);
        numbers.merge(&Numbers::new(FIGURES, [9, 1]));
        assert_eq!(values(&numbers), [4, 9, 2, 0, 2]);
    }

    #[test]
    fn distinct_values_are_bounded() {
        let mut numbers = Numbers::new(FIGURES, [0, 0]);
        (1..TALLY_DISTINCT_MAX as u64 + 9).for_each(|n| numbers.see(&[n, 0]));
        assert_eq!(values(&numbers)[2], TALLY_DISTINCT_MAX as u64);
    }
}
