//! Where people are who do their steps: nowhere, at this terminal, or at the console of a server.
//!
//! Not here: what a step is. Invariant: a word is taken for the step that waits and for no other,
//! so a click on what has gone by does nothing.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::{
    io::BufRead,
    path::PathBuf,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};
use vault::PersonKey;

pub enum Desk {
    /// Steps of people are not exercised.
    Empty,
    /// Whoever sits here types a name.
    Terminal,
    /// Words come as JSON lines; the keys of those who approve lie in the folder.
    Console { words: Receiver<Word>, keys: PathBuf },
}

/// Somebody says that a step is done, or approves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// `GROUP / TITLE`.
    pub step: String,
    pub by: String,
}

/// What a step waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wait {
    pub step: String,
    pub text: String,
    /// Who does it; of a manual step.
    pub role: Option<String>,
    /// How many must sign; of an approval.
    pub people: Option<usize>,
    pub given: Vec<String>,
}

impl Desk {
    /// Reads words from standard input; this process ends when whoever speaks there is gone.
    pub fn console(keys: PathBuf) -> Self {
        let (sender, words) = channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let word = line.ok().and_then(|line| serde_json::from_str(&line).ok());
                if let Some(word) = word
                    && sender.send(word).is_err()
                {
                    break;
                }
            }
            std::process::exit(1);
        });
        Self::Console { words, keys }
    }

    /// Whether people here can sign.
    pub fn has_keys(&self) -> bool {
        matches!(self, Self::Console { .. })
    }

    /// The next word for this step.
    pub fn next(&self, step: &str, within: Duration) -> Result<Word> {
        let nobody = "nobody said that it is done";
        match self {
            Self::Empty => bail!(nobody),
            Self::Terminal => {
                crate::complain(&format!("{step}: when it is done, type your name, press Enter"));
                let (sender, receiver) = channel();
                std::thread::spawn(move || {
                    let mut line = String::new();
                    let read = std::io::stdin().lock().read_line(&mut line);
                    // Nobody may be listening any more; then nobody needs to know.
                    drop(sender.send(read.map(|_| line.trim().to_owned())));
                });
                let by = receiver.recv_timeout(within).context(nobody)??;
                if by.is_empty() {
                    bail!(nobody);
                }
                Ok(Word { step: step.to_owned(), by })
            }
            Self::Console { words, .. } => {
                let until = Instant::now() + within;
                loop {
                    let left = until.saturating_duration_since(Instant::now());
                    let word = words.recv_timeout(left).context(nobody)?;
                    if word.step == step && !word.by.is_empty() {
                        return Ok(word);
                    }
                }
            }
        }
    }

    /// The key of somebody at a console.
    pub fn key_of(&self, name: &str) -> Result<PersonKey> {
        let Self::Console { keys, .. } = self else { bail!("give the key files with --as") };
        if name.contains('/') {
            bail!("{name:?} is no name of a person");
        }
        Ok(PersonKey::read(&keys.join(format!("{name}.key")))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_another_step_is_not_taken_for_this_one() {
        let (sender, words) = channel();
        let desk = Desk::Console { words, keys: PathBuf::new() };
        let word = |step: &str, by: &str| Word { step: step.into(), by: by.into() };
        for said in [word("a / x", "anna"), word("a / y", ""), word("a / y", "bert")] {
            sender.send(said).expect("somebody listens");
        }
        let within = Duration::from_secs(5);
        assert_eq!(desk.next("a / y", within).expect("a word").by, "bert");
        assert!(desk.next("a / y", Duration::ZERO).is_err());
        assert!(desk.key_of("../anna").is_err());
    }
}
