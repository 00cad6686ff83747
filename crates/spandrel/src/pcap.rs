//! `spandrel pcap`: explains capture files, for a person or as JSON.
//!
//! Not here: the analysis. Invariant: with `--format json` standard output has one line for each
//! file that could be read, and nothing else.

mod report;
mod unnamed;

use crate::{
    analysis::{Settings, analyse, json, learn, threads},
    complain,
    site_files::SiteFiles,
};
use anyhow::{Context as _, Result};
use sensor::Limits;
use std::{
    fs::File,
    io::{BufWriter, Write},
    os::fd::AsFd,
    path::PathBuf,
    process::ExitCode,
};

#[derive(clap::Args)]
pub struct Options {
    /// Capture files: pcap, pcapng, gzip of either; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Form of the output [default: a report for a person]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Captures that show what is normal: what is not in them is new
    #[arg(long, value_name = "FILE")]
    baseline: Vec<PathBuf>,
    /// Add the process values seen
    #[arg(long)]
    values: bool,
    /// Do not count messages, as a live sensor does not: less to say, and faster
    #[arg(long)]
    no_messages: bool,
    /// Write the first octets of conversations in no known protocol to this file, a line of JSON
    /// for each
    #[arg(long, value_name = "FILE")]
    unnamed: Option<PathBuf>,
    /// Worker threads; the answer is the same with any number
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = threads)]
    threads: usize,
    /// Room for tables and buffers, in percent of the usual
    #[arg(long, default_value_t = 100, value_name = "PERCENT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    room: u32,
    #[command(flatten)]
    site: SiteFiles,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One object for each file, a line each
    Json,
    /// For a person
    Text,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    options.site.apply()?;
    let as_json = options.format == Some(Form::Json);
    let mut settings = Settings {
        threads: options.threads,
        values: options.values,
        messages: !options.no_messages,
        json: as_json,
        unnamed: options.unnamed.is_some(),
        limits: Limits::scaled(options.room),
        baseline: None,
    };
    settings.baseline = learn(&options.baseline, &settings, true)?;
    // By itself standard output looks for the end of a line in all that passes.
    let out = std::io::stdout().as_fd().try_clone_to_owned().context("no standard output")?;
    let mut out = BufWriter::with_capacity(256 << 10, File::from(out));
    let mut failed = false;
    let mut unnamed_file = match &options.unnamed {
        Some(path) => Some((path, unnamed::create(path)?)),
        None => None,
    };
    for (number, file) in options.files.iter().enumerate() {
        let last = number + 1 == options.files.len();
        let analysed = match analyse(file, &settings, true) {
            Ok(analysed) => analysed,
            Err(error) => {
                // The other files are still worth reading.
                complain(&format!("{error:#}"));
                failed = true;
                continue;
            }
        };
        if let Some((name, packets, damage)) = analysed.damage() {
            complain(&format!("{name}: {damage}; the {packets} packets before it are explained"));
        }
        if let Some((path, written)) = &mut unnamed_file {
            let (name, unnamed) = analysed.unnamed();
            unnamed::write(written, name, unnamed)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let written = if as_json {
            json::write(&mut out, analysed, &settings)
        } else {
            let (report, leftovers) = analysed.into_report(&settings);
            report::write(&mut out, &report).map(|()| leftovers)
        };
        match written.and_then(|leftovers| out.flush().map(|()| leftovers)) {
            Ok(leftovers) => leftovers.leave(settings.threads, last),
            // Who read it has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(anyhow::Error::from(error).context("cannot write the report")),
        }
    }
    drop(out);
    end(failed)
}

/// Ends the program at once. On the usual way the allocator gives back what it holds, piece by
/// piece, by one thread, and it holds much: that takes longer than the kernel needs for all of it.
/// Nothing is lost, since whatever is written was flushed.
fn end(failed: bool) -> ! {
    let code = i32::from(failed);
    // The build of scripts/release that counts writes its counts on the usual way out.
    if option_env!("SPANDREL_COUNTS").is_some() {
        std::process::exit(code);
    }
    signal_hook::low_level::exit(code)
}
