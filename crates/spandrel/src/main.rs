//! The `spandrel` program: one binary, one command a role.
//!
//! Not here: what the commands do. Invariant: standard output carries the answer alone, messages
//! for people go to standard error; exit 0 done, 1 failed, 2 wrong usage.

mod analysis;
mod lab;
mod pcap;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "spandrel", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explain capture files: assets, links, findings
    Pcap(pcap::Options),
    /// Run the simulated plant: its traffic as a capture file or a live stream
    Lab(lab::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Pcap(options) => pcap::run(&options),
        Command::Lab(options) => lab::run(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// One line for a person, on standard error.
#[expect(clippy::print_stderr, reason = "the one place that speaks to the terminal's error side")]
fn complain(line: &str) {
    eprintln!("spandrel: {line}");
}
