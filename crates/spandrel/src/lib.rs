//! The `spandrel` program: one binary, one command a role.
//!
//! Not here: what the commands do. Invariant: standard output carries the answer alone, messages
//! for people go to standard error; exit 0 done, 1 failed, 2 wrong usage.

mod about;
#[cfg(all(feature = "control-plane", feature = "vault"))]
mod agent;
mod analysis;
#[cfg(feature = "control-plane")]
mod asset;
#[cfg(feature = "vault")]
mod backup;
#[cfg(feature = "control-plane")]
mod config;
#[cfg(unix)]
mod confine;
mod fence;
#[cfg(feature = "control-plane")]
mod finding;
mod lab;
#[cfg(feature = "control-plane")]
mod listing;
#[cfg(feature = "control-plane")]
mod log;
mod page;
mod pcap;
#[cfg(feature = "control-plane")]
mod run;
mod sensor;
#[cfg(feature = "control-plane")]
mod settings;
mod site_files;
#[cfg(any(feature = "control-plane", feature = "vault"))]
mod stop;
mod story;
mod uplink;
#[cfg(feature = "vault")]
mod vault;
mod written;

use clap::{Parser, Subcommand};
use std::{io::Write as _, process::ExitCode};

/// Events are made by one thread and dropped by another, and texts of all lengths come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "spandrel", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the control plane: console, API, sensors
    #[cfg(feature = "control-plane")]
    Run(run::Options),
    /// Explain capture files: assets, links, findings
    Pcap(pcap::Options),
    /// Run the simulated plant: its traffic as a capture file or a live stream
    Lab(lab::Options),
    /// Assets of a server on this machine
    #[cfg(feature = "control-plane")]
    #[command(subcommand)]
    Asset(asset::Options),
    /// Findings of a server on this machine
    #[cfg(feature = "control-plane")]
    #[command(subcommand)]
    Finding(finding::Options),
    /// The settings file: its defaults, and a check
    #[cfg(feature = "control-plane")]
    #[command(subcommand)]
    Config(config::Options),
    /// Back up files, databases and devices into a vault
    #[cfg(feature = "vault")]
    Backup(backup::Options),
    /// Vaults of backups: list, restore, protect, clean up, prove
    #[cfg(feature = "vault")]
    #[command(subcommand)]
    Vault(vault::Options),
    /// Back up this host, by plans of a control plane elsewhere and what its owner allows
    #[cfg(all(feature = "control-plane", feature = "vault"))]
    #[command(subcommand)]
    Agent(agent::Options),
    /// Run one sensor: packets in, insights out as JSON lines
    Sensor(sensor::Options),
    /// Bring what a sensor tells over a narrow line, or over one that is cut at times
    #[command(subcommand)]
    Uplink(uplink::Options),
    /// What this program is
    Version(about::VersionOptions),
    /// Print a completion script for a shell
    Completion(about::CompletionOptions),
    #[cfg(unix)]
    #[command(hide = true)]
    Confine(confine::Options),
}

/// What the program does, from its arguments to its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        #[cfg(feature = "control-plane")]
        Command::Run(options) => run::run(&options),
        #[cfg(feature = "control-plane")]
        Command::Asset(options) => asset::run(&options),
        #[cfg(feature = "control-plane")]
        Command::Finding(options) => finding::run(&options),
        #[cfg(feature = "control-plane")]
        Command::Config(options) => config::run(&options),
        #[cfg(feature = "vault")]
        Command::Backup(options) => backup::run(&options),
        #[cfg(feature = "vault")]
        Command::Vault(options) => vault::run(&options),
        #[cfg(all(feature = "control-plane", feature = "vault"))]
        Command::Agent(options) => agent::run(&options),
        Command::Sensor(options) => sensor::run(&options),
        Command::Uplink(options) => uplink::run(&options),
        #[cfg(unix)]
        Command::Confine(options) => confine::run(&options),
        Command::Pcap(options) => pcap::run(&options),
        Command::Lab(options) => lab::run(&options),
        Command::Version(options) => about::version(&options),
        Command::Completion(options) => about::completion(&options),
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
fn complain(line: &str) {
    // Where the terminal was closed nobody hears it, and what is under way goes on to its end.
    drop(writeln!(std::io::stderr(), "spandrel: {}", page::plain(line)));
}
