//! Canaries: signed counters written beside the data, to be found again inside what is restored.
//!
//! A replication's own word on how far it came is not data that came back. A canary is: the
//! newest one in the restored copy tells what was lost. Invariant: a line counts only with the
//! signature of the key that is asked for.

use crate::{
    key::{PersonKey, is_signed},
    log::VerifyingKey,
};
use model::Time;
use serde::{Deserialize, Serialize};

const WORD: &str = "spandrel-canary";

/// One line: `spandrel-canary CLASS NUMBER TIME SIGNATURE`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Canary {
    /// What sort of place it was written to.
    pub class: String,
    pub number: u64,
    pub time: Time,
}

impl Canary {
    pub fn line(&self, key: &PersonKey) -> String {
        let Self { class, number, time } = self;
        format!("{WORD} {class} {number} {time} {}", key.sign(&self.message()))
    }

    /// Reads a line and checks its signature.
    pub fn read(line: &str, key: &VerifyingKey) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [word, class, number, time, signature] = words[..] else { return None };
        let (number, time) = (number.parse().ok()?, Time::parse(time)?);
        let canary = Self { class: class.to_owned(), number, time };
        (word == WORD && is_signed(key, &canary.message(), signature)).then_some(canary)
    }

    fn message(&self) -> String {
        format!("spandrel canary\n{}\n{}\n{}\n", self.class, self.number, self.time)
    }
}

/// What the canaries of one place say.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Flock {
    pub newest: Option<Time>,
    pub number: u64,
    pub count: u64,
    /// Numbers between the first and the last that are not there; only places that keep all
    /// their canaries can have these.
    pub missing: u64,
    /// Lines that look like canaries and are not of this key.
    pub foreign: u64,
}

impl Flock {
    /// Counts the canaries among `lines`.
    pub fn among<'a>(lines: impl Iterator<Item = &'a str>, key: &VerifyingKey) -> Self {
        let mut flock = Self::default();
        let mut first: Option<u64> = None;
        for line in lines.filter(|line| line.trim_start().starts_with(WORD)) {
            let Some(canary) = Canary::read(line, key) else {
                flock.foreign += 1;
                continue;
            };
            first = Some(first.map_or(canary.number, |first| first.min(canary.number)));
            flock.count += 1;
            flock.number = flock.number.max(canary.number);
            flock.newest = flock.newest.max(Some(canary.time));
        }
        let span = first.map_or(0, |first| flock.number - first + 1);
        flock.missing = span.saturating_sub(flock.count);
        flock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signed_canaries_count_and_gaps_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let person = |name: &str| PersonKey::create(&folder.path().join(name), name).unwrap();
        let (key, stranger) = (person("canary"), person("stranger"));
        let line = |number: u64, key: &PersonKey| {
            let time = Time::from_secs(1_000 + number as i64 * 10);
            Canary { class: "log".into(), number, time }.line(key)
        };
        let mut lines = vec!["2026-03-01 pump on".to_owned()];
        lines.extend([3, 4, 7].map(|n| line(n, &key)));
        lines.push(line(9, &stranger));
        lines.push(line(8, &key).replace(" 8 ", " 99 "));
        let flock = Flock::among(lines.iter().map(String::as_str), &key.public());
        let newest = Some(Time::from_secs(1_070));
        assert_eq!(flock, Flock { newest, number: 7, count: 3, missing: 2, foreign: 2 });
        assert_eq!(Flock::among([].into_iter(), &key.public()), Flock::default());
    }
}
