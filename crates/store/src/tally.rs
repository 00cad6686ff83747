//! Counts that several sensors tell of one thing.
//!
//! A sensor's row says how much its run has counted so far. The sum is of what each sensor counted
//! itself: what passes two of them counts at both, for they may hear different parts of what an
//! asset says and nobody knows how much is the same. A run that began anew is added to the one
//! before it. Not here: columns. Invariant: what a run counted is in the sum once, however its
//! words and those of other sensors alternate.

use crate::{Result, SENSORS_COUNTED_MAX};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub(crate) trait Count: Default + Serialize + DeserializeOwned {
    fn add(&mut self, more: &Self);
    /// What is left of it without what is known to be in it.
    fn without(&self, part: &Self) -> Self;
}

impl Count for u64 {
    fn add(&mut self, more: &u64) {
        *self = self.saturating_add(*more);
    }

    fn without(&self, part: &u64) -> u64 {
        self.saturating_sub(*part)
    }
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally<C> {
    /// Of runs that are over.
    earlier: C,
    /// The newest run of each sensor, heard last last.
    told: Vec<Told<C>>,
}

/// A sensor, when its run began, what it counted since.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Told<C>(String, i64, C);

impl<C: Count> Tally<C> {
    /// As a row holds it. Where `told` is none the row's run counted all that earlier ones did not.
    pub(crate) fn read(
        told: Option<&str>,
        (sensor, epoch): (&str, i64),
        earlier: C,
        all: &C,
    ) -> Result<Tally<C>> {
        let told = match told {
            Some(json) => serde_json::from_str(json)?,
            None => vec![Told(sensor.to_owned(), epoch, all.without(&earlier))],
        };
        Ok(Tally { earlier, told })
    }

    /// The sensor's run that began at `epoch` has counted so much.
    pub(crate) fn take(&mut self, sensor: &str, epoch: i64, count: C) {
        // A run is known by when it began, also of a sensor that has another name now.
        let known = |told: &mut Told<C>| told.0 == sensor || told.1 == epoch;
        for Told(_, began, counted) in self.told.extract_if(.., known) {
            if began != epoch {
                self.earlier.add(&counted);
            }
        }
        self.told.push(Told(sensor.to_owned(), epoch, count));
        // An imported capture tells once: it is soon the one that was heard longest ago.
        while self.told.len() > SENSORS_COUNTED_MAX {
            let Told(_, _, counted) = self.told.remove(0);
            self.earlier.add(&counted);
        }
    }

    /// Takes what another one has, but for what that run counted, which it tells anew.
    pub(crate) fn join(&mut self, other: Tally<C>, run: (&str, i64)) {
        self.earlier.add(&other.earlier);
        let kept = other.told.into_iter().filter(|told| (told.0.as_str(), told.1) != run);
        for Told(sensor, epoch, count) in kept {
            let is_room = self.told.len() < SENSORS_COUNTED_MAX;
            match self.told.iter_mut().find(|told| told.0 == sensor) {
                Some(told) if told.1 == epoch => told.2.add(&count),
                None if is_room => self.told.insert(0, Told(sensor, epoch, count)),
                _ => self.earlier.add(&count),
            }
        }
    }

    pub(crate) fn earlier(&self) -> &C {
        &self.earlier
    }

    pub(crate) fn all(&self) -> C {
        let mut all = C::default();
        all.add(&self.earlier);
        self.told.iter().for_each(|told| all.add(&told.2));
        all
    }

    /// How a row of that sensor keeps who told what: not at all where it alone did.
    pub(crate) fn told(&self, sensor: &str) -> Result<Option<String>> {
        match self.told.as_slice() {
            [one] if one.0 == sensor => Ok(None),
            told => Ok(Some(serde_json::to_string(told)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is on disk after these words, each read back before the next.
    fn after(words: &[(&str, i64, u64)]) -> (u64, Option<String>) {
        let mut tally = Tally::<u64>::default();
        for (sensor, epoch, count) in words {
            tally.take(sensor, *epoch, *count);
            let told = tally.told(sensor).expect("plain data");
            let (earlier, all) = (*tally.earlier(), tally.all());
            let read = Tally::read(told.as_deref(), (sensor, *epoch), earlier, &all);
            assert_eq!(read.expect("it was written"), tally);
        }
        let last = words.last().expect("some").0;
        (tally.all(), tally.told(last).expect("plain data"))
    }

    #[test]
    fn runs_add_up_and_words_of_one_run_do_not_whoever_speaks_between_them() {
        assert_eq!(after(&[("a", 1, 10), ("a", 1, 12), ("a", 2, 3), ("a", 2, 4)]), (16, None));
        let two = [("a", 1, 10), ("b", 7, 9), ("a", 1, 12), ("b", 7, 11), ("a", 2, 1)];
        let told = r#"[["b",7,11],["a",2,1]]"#;
        assert_eq!(after(&two), (12 + 11 + 1, Some(told.to_owned())));
    }

    #[test]
    fn a_row_of_before_goes_on() {
        let mut tally = Tally::read(None, ("a", 1), 5u64, &15).expect("nothing to read");
        tally.take("b", 7, 100);
        tally.take("a", 1, 11);
        assert_eq!(tally.all(), 5 + 11 + 100);
        // An asset's row names who found it, whoever spoke last.
        let mut tally = Tally::read(None, ("a", 7), 5u64, &15).expect("nothing to read");
        tally.take("b", 7, 11);
        assert_eq!(tally.all(), 5 + 11);
    }

    #[test]
    fn who_was_heard_longest_ago_makes_room_and_what_it_counted_stays() {
        let mut tally = Tally::<u64>::default();
        for number in 0..SENSORS_COUNTED_MAX as u64 + 5 {
            tally.take("live", 1, 1_000 + number);
            tally.take(&format!("cap_{number}"), 2 + number as i64, 1);
        }
        assert_eq!(tally.told.len(), SENSORS_COUNTED_MAX);
        assert_eq!(tally.all(), 1_000 + 2 * (SENSORS_COUNTED_MAX as u64 + 5) - 1);
    }

    #[test]
    fn what_joins_keeps_who_told_it_and_the_run_that_tells_anew_counts_once() {
        let (mut heir, mut gone) = (Tally::<u64>::default(), Tally::<u64>::default());
        gone.take("a", 1, 100);
        gone.take("a", 2, 5);
        gone.take("b", 7, 30);
        heir.take("b", 7, 4);
        heir.take("a", 2, 12);
        heir.join(gone, ("a", 2));
        assert_eq!(heir.all(), 100 + 12 + 34);
        // Where it is one link for the other sensor as well, its row tells of both.
        heir.take("b", 7, 35);
        assert_eq!(heir.all(), 100 + 12 + 35);
    }
}
