//! The names that were offered for bitmaps, round by round: below `.kept`, one file an export.
//!
//! A snapshot says which bitmap began with it. That another one of the same name began later shows
//! nowhere when the rounds between left no whole snapshot. Not here: rounds that never began to
//! read. Invariant: a round is on disk before anything is read; one that is not there, such as
//! after the vault moved without `.kept`, is trusted with nothing.

use ring::rand::{SecureRandom, SystemRandom};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use vault::{Sha256, durable};

/// Rounds that are remembered; the snapshot before is seldom as old.
const ROUNDS_MAX: usize = 1_000;

pub struct Rounds {
    path: PathBuf,
    /// A round's own number, and the name of the bitmap that began with it; oldest first.
    noted: Vec<(String, String)>,
}

impl Rounds {
    /// Those of the source with this name.
    pub fn of(kept: &Path, source: &str) -> io::Result<Self> {
        // An export may be called anything, also what no file can be.
        let name = Sha256::of(source.as_bytes());
        let path = kept.join("nbd").join(format!("{name}.json"));
        let noted = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, noted })
    }

    /// Notes that a bitmap begins with this round, and gives the round's number.
    pub fn note(&mut self, next: &str) -> io::Result<String> {
        let mut number = [0; 8];
        let filled = SystemRandom::new().fill(&mut number);
        filled.map_err(|_| io::Error::other("this machine's randomness failed"))?;
        let number = format!("{:016x}", u64::from_be_bytes(number));
        self.noted.push((number.clone(), next.to_owned()));
        let long_ago = self.noted.len().saturating_sub(ROUNDS_MAX);
        self.noted.drain(..long_ago);
        let text = serde_json::to_vec(&self.noted).expect("it is plain data");
        let folder = self.path.parent().expect("it lies in a folder");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        durable::write(&self.path, &[&text], 0o600)?;
        Ok(number)
    }

    /// Whether the bitmap that began with a round is the last one of its name.
    pub fn is_newest(&self, number: &str, name: &str) -> bool {
        let of_name = self.noted.iter().rfind(|(_, next)| next == name);
        of_name.is_some_and(|(newest, _)| newest == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_round_that_offered_it_last() {
        let kept = tempfile::tempdir().unwrap();
        let rounds = || Rounds::of(kept.path(), "nbd://host:10809/a/b").unwrap();
        let note = |name: &str| rounds().note(name).unwrap();
        let (first, second) = (note("b0"), note("b1"));
        assert!(rounds().is_newest(&first, "b0") && rounds().is_newest(&second, "b1"));
        assert!(!rounds().is_newest(&first, "b1") && !rounds().is_newest("", "b0"));
        let third = note("b0");
        assert!(!rounds().is_newest(&first, "b0") && rounds().is_newest(&third, "b0"));
        let other = Rounds::of(kept.path(), "nbd://host:10809/a/c").unwrap();
        assert!(!other.is_newest(&second, "b1"));
        let mut rounds = rounds();
        for n in 0..ROUNDS_MAX {
            rounds.noted.push((n.to_string(), "more".to_owned()));
        }
        rounds.note("b2").unwrap();
        assert!(rounds.noted.len() == ROUNDS_MAX && !rounds.is_newest(&second, "b1"));
    }
}
