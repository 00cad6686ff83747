//! `spandrel version` and `spandrel completion`: what this program is, and help for the shell.
//!
//! Invariant: both work with nothing set up: no data directory, no settings file.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

#[derive(clap::Args)]
pub struct VersionOptions {
    /// `json`: one object
    #[arg(long, value_enum)]
    format: Option<Form>,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

#[derive(clap::Args)]
pub struct CompletionOptions {
    /// The shell to complete for
    shell: Shell,
}

/// Version, the formats this build speaks, and how it was built.
pub fn version(options: &VersionOptions) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let version = env!("CARGO_PKG_VERSION");
    let profile = if cfg!(debug_assertions) { "debug" } else { "optimised" };
    let control_plane = cfg!(feature = "control-plane");
    if options.format == Some(Form::Json) {
        let row = serde_json::json!({
            "version": version,
            "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            "build": profile,
            "control_plane": control_plane,
            "insight_version": model::INSIGHT_VERSION,
        });
        writeln!(out, "{row}")?;
    } else {
        let target = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
        writeln!(out, "spandrel {version} ({target}, {profile} build)")?;
        if !control_plane {
            writeln!(out, "without the control plane: it reads captures and runs sensors")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the completion script to standard output.
pub fn completion(options: &CompletionOptions) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut crate::Arguments::command(),
        "spandrel",
        &mut script,
    );
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        let (shell, file) = (options.shell, "/etc/bash_completion.d/spandrel");
        crate::complain(&format!("redirect this, e.g. spandrel completion {shell} > {file}"));
    }
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
