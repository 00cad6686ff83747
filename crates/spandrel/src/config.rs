//! `spandrel config default|check`: the settings file, shown and checked.
//!
//! Invariant: what `default` prints passes `check`.

use crate::{complain, settings, site_files::SiteFiles};
use anyhow::{Context as _, Result};
use std::{io::Write, path::PathBuf, process::ExitCode};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Print the settings file with every default and what it means
    Default,
    /// Check a settings file and the files it names; the first mistake is named with its line
    Check {
        /// The file to check
        file: PathBuf,
    },
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Default => std::io::stdout().write_all(settings::DEFAULT.as_bytes())?,
        Options::Check { file } => {
            let read = settings::read(Some(file))?;
            for sensor in &read.sensor {
                SiteFiles { protocols: sensor.protocols.clone(), rules: sensor.rules.clone() }
                    .check()
                    .with_context(|| format!("sensor {:?} cannot start", sensor.name))?;
            }
            let lab = if read.lab.enabled { " and the lab" } else { "" };
            let (count, shown) = (read.sensor.len(), file.display());
            let sensors = if count == 1 { "sensor" } else { "sensors" };
            complain(&format!("{shown} is good: {count} {sensors}{lab}, {}", read.server.listen));
        }
    }
    Ok(ExitCode::SUCCESS)
}
