//! `spandrel pcap`: explains capture files, for a person or as JSON.

use crate::analysis::analyse;
use anyhow::Result;
use std::{io::Write, path::PathBuf, process::ExitCode};

#[derive(clap::Args)]
pub struct Options {
    /// Capture files: pcap, pcapng, gzip of either; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// `json`: one object for each file, a line each
    #[arg(long)]
    format: Option<String>,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    for file in &options.files {
        let report = analyse(file)?;
        serde_json::to_writer(&mut stdout, &report)?;
        writeln!(stdout)?;
    }
    Ok(ExitCode::SUCCESS)
}
