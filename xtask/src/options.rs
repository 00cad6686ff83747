//! `--name value` options of a command, by hand: four commands need no parser of their own.
//!
//! Invariant: an option nobody asked for is an error, not silence.

use anyhow::{Context, Result, bail};
use std::{collections::BTreeMap, str::FromStr};

pub struct Options {
    given: BTreeMap<String, String>,
}

impl Options {
    /// Reads `--name value` pairs; `known` are the names without dashes.
    pub fn read(arguments: &[String], known: &[&str]) -> Result<Options> {
        let mut given = BTreeMap::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let name = argument.strip_prefix("--").filter(|name| known.contains(name));
            let Some(name) = name else {
                let all: Vec<String> = known.iter().map(|k| format!("--{k} VALUE")).collect();
                bail!("unknown argument {argument:?}; there are {}", all.join(", "));
            };
            let value = rest.next().with_context(|| format!("--{name} needs a value"))?;
            given.insert(name.to_owned(), value.clone());
        }
        Ok(Options { given })
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    pub fn number<T: FromStr>(&self, name: &str, usual: T) -> Result<T> {
        match self.given.get(name) {
            None => Ok(usual),
            Some(text) => {
                text.parse().ok().with_context(|| format!("--{name} is no number: {text:?}"))
            }
        }
    }
}
