//! `spandrel backup`: sources into one snapshot of a vault.
//!
//! Invariant: exit 0 says that every entry offered is in the snapshot; anything less is exit 1 and
//! a line for each fault.

use crate::{complain, vault::Key};
use anyhow::{Context as _, Result, bail};
use connectors::sources;
use std::{path::PathBuf, process::ExitCode};
use vault::{Report, Source, State, Vault};

#[derive(clap::Args)]
pub struct Options {
    /// Directory of the vault
    #[arg(long, value_name = "DIR")]
    vault: PathBuf,
    #[command(flatten)]
    key: Key,
    /// What to back up; give it again for more in the same snapshot
    #[arg(long = "source", value_name = "KIND:WHERE", required = true)]
    sources: Vec<String>,
    /// The asset this is a backup of; default the name of this machine
    #[arg(long, value_name = "NAME")]
    asset: Option<String>,
    /// Logins of sources, one line `HOST USER PASSWORD` each; mode 0600
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// `json`: one object on standard output
    #[arg(long, value_parser = ["json"])]
    format: Option<String>,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let vault = Vault::open(&options.vault)?.unlock(options.key.file())?;
    let (staging, secrets) = (vault.vault().staging(), options.secrets.clone());
    let context = sources::Context { staging, secrets };
    let opened: Result<Vec<_>, _> =
        options.sources.iter().map(|text| sources::open(text, &context)).collect();
    let mut opened: Vec<Box<dyn Source>> = match opened {
        Ok(opened) => opened,
        Err(error) => {
            complain(&error.to_string());
            return Ok(ExitCode::from(2));
        }
    };
    let asset = match &options.asset {
        Some(asset) => asset.clone(),
        None => this_machine()?,
    };
    let report = vault.backup(&asset, &mut opened, crate::vault::now()?)?;
    if options.format.is_some() {
        crate::vault::print_json(&report)?;
    }
    tell(&report, options.format.is_some());
    let complete = report.snapshot.is_some() && report.state == State::Complete;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(report: &Report, quiet: bool) {
    for fault in &report.errors {
        let place = if fault.path.is_empty() { &fault.source } else { &fault.path };
        complain(&format!("not backed up: {place}: {}", fault.error));
    }
    if report.objects_missing > 0 {
        let n = report.objects_missing;
        complain(&format!("{n} older repository files are missing; run `spandrel vault verify`"));
    }
    match &report.snapshot {
        None => complain("nothing was backed up; no snapshot was made"),
        Some(_) if quiet => {}
        Some(snapshot) => complain(&format!(
            "snapshot {snapshot}: {} of {} entries, {} bytes read, {} bytes stored",
            report.entries_stored, report.entries_offered, report.bytes_read, report.bytes_stored
        )),
    }
}

fn this_machine() -> Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .context("cannot read the name of this machine; give --asset")?;
    match name.trim() {
        "" => bail!("this machine has no name; give --asset"),
        name => Ok(name.to_owned()),
    }
}
