//! What a site adds to the sensor in files of its own: protocols and rules, both in TOML.
//!
//! Invariant: they are read before the first packet, and what is wrong in them ends the program
//! with a line that says where.

use crate::written;
use anyhow::{Context, Result, anyhow, ensure};
use detectors::rules::Rule;
use protocols::declared::Description;
use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

/// Thousands of rules, or of messages of a protocol.
const FILE_MIB_MAX: u64 = 16;

#[derive(clap::Args, Clone, Debug, Default)]
pub struct SiteFiles {
    /// Protocols described in TOML, besides those that come with the sensor
    #[arg(long, value_name = "FILE")]
    pub protocols: Option<PathBuf>,
    /// Rules of the site in TOML: what is to be a finding here
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

impl SiteFiles {
    /// Takes them for the rest of the process.
    pub fn apply(&self) -> Result<()> {
        let Read { protocols, rules } = self.read()?;
        if let Some(protocols) = protocols {
            ensure!(protocols::declared::add(protocols), "protocols were described already");
        }
        if let Some(rules) = rules {
            ensure!(detectors::rules::set(rules), "rules were set already");
        }
        Ok(())
    }

    /// Says what is wrong with them.
    #[cfg(feature = "control-plane")]
    pub fn check(&self) -> Result<()> {
        self.read().map(drop)
    }

    fn read(&self) -> Result<Read> {
        let protocols = self
            .protocols
            .as_deref()
            .map(|file| protocols::declared::parse(&text(file)?).map_err(|why| wrong(file, &why)));
        let rules = self
            .rules
            .as_deref()
            .map(|file| detectors::rules::parse(&text(file)?).map_err(|why| wrong(file, &why)));
        Ok(Read { protocols: protocols.transpose()?, rules: rules.transpose()? })
    }
}

/// What stands in them; without a file there is nothing.
struct Read {
    protocols: Option<Vec<Description>>,
    rules: Option<Vec<Rule>>,
}

fn text(file: &Path) -> Result<String> {
    let octets = written::read(file, FILE_MIB_MAX)
        .with_context(|| format!("cannot read {}", file.display()))?;
    String::from_utf8(octets).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
        anyhow!(
            "{} is no text in UTF-8, from line {line} on: save it as UTF-8, or name the TOML file \
             that was meant",
            file.display()
        )
    })
}

/// One line: of a mistake in TOML where it is and what it is, without the picture between.
fn wrong(file: &Path, why: &dyn Display) -> anyhow::Error {
    let why = why.to_string();
    let mut lines = why.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let last = lines.next_back().map(|last| format!(": {last}")).unwrap_or_default();
    anyhow!("{} is wrong: {first}{last}", file.display())
}
