//! `spandrel confine -- COMMAND...`: lowers this process's limits, then becomes another command.
//!
//! The server parses uploaded captures this way: whatever the file does to the parser, it has so
//! much processor time and memory, writes no file and gains no rights. Not for people, so hidden.
//! Invariant: limits are set before the first byte of the file is read.

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{os::unix::process::CommandExt, process::ExitCode};

#[derive(clap::Args)]
pub struct Options {
    /// Processor time in seconds
    #[arg(long, default_value_t = 600)]
    cpu_s: u64,
    /// Address space in MiB
    #[arg(long, default_value_t = 4_096)]
    memory_mib: u64,
    /// The arguments of `spandrel` to go on with
    #[arg(required = true, last = true)]
    command: Vec<std::ffi::OsString>,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    for (resource, limit, what) in [
        (Resource::Cpu, options.cpu_s, "processor time"),
        (Resource::As, options.memory_mib << 20, "memory"),
        (Resource::Fsize, 0, "file size"),
        (Resource::Nofile, 64, "open files"),
        (Resource::Core, 0, "core dumps"),
    ] {
        let lowered = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, lowered).with_context(|| format!("cannot limit {what}"))?;
    }
    rustix::thread::set_no_new_privs(true).context("cannot give up gaining rights")?;
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let failed = std::process::Command::new(program).args(&options.command).exec();
    Err(failed).context("cannot go on as another command")
}
