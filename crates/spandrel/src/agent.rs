//! `spandrel agent`: this host backs itself up, by plans of a control plane elsewhere.
//!
//! Not here: what it does (`agent`), the process that reads (`hands`). Invariant: before the first
//! call it has given up writing outside its data directory and where its owner lets restores be
//! made, and, where the kernel knows it, listening on any port.

mod hands;

use crate::{
    complain,
    stop::{self, StopSignals},
};
use agent::{Config, End, Enrolment, Rooms};
use anyhow::{Context as _, Result};
use hands::Hands;
use landlock::{ABI, Access, AccessFs, AccessNet, RulesetStatus};
use std::{io::Write, path::PathBuf, process::ExitCode};

/// Where the file is looked for when nobody names one.
const SYSTEM_FILE: &str = "/etc/spandrel/agent.toml";

#[derive(clap::Subcommand)]
pub enum Options {
    /// Make this host known to a control plane, with a token of its console
    Enrol {
        /// Address for agents, such as https://plant-server:8444
        address: String,
        /// The token; without it, it is read from standard input
        #[arg(long, env = "SPANDREL_AGENT_TOKEN", hide_env_values = true)]
        token: Option<String>,
        #[command(flatten)]
        file: File,
    },
    /// Back up by the plans of the control plane, also while it cannot be reached
    Run {
        #[command(flatten)]
        file: File,
    },
    /// Print the settings with their defaults and what they mean
    Default,
}

#[derive(clap::Args)]
pub struct File {
    /// What the owner of this host allows
    #[arg(long, value_name = "FILE", env = "SPANDREL_AGENT_CONFIG", default_value = SYSTEM_FILE)]
    config: PathBuf,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Enrol { address, token, file } => enrol(address, token.as_deref(), file),
        Options::Run { file } => work(&Config::read(&file.config)?),
        Options::Default => {
            std::io::stdout().lock().write_all(agent::config::DEFAULT.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn enrol(address: &str, token: Option<&str>, file: &File) -> Result<ExitCode> {
    let config = Config::read(&file.config)?;
    let token = match token {
        Some(token) => token.to_owned(),
        None => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).context("cannot read the token")?;
            line
        }
    };
    let host = host();
    let make = || match server::self_made_identity(&host) {
        Ok((text, _)) => Ok(text),
        Err(error) => Err(agent::Error::Refused(error.to_string())),
    };
    let who = (env!("CARGO_PKG_VERSION"), host.as_str());
    let now = crate::vault::now()?;
    let Enrolment { name, .. } = agent::enrol(&config, address, &token, who, now, make)?;
    complain(&format!("this host is agent {name}; `spandrel agent run` begins"));
    let key = config.key_file();
    complain(&format!(
        "{} alone reads its backups, and it is only here: keep a copy elsewhere, on paper with \
         `spandrel vault escrow split {} --to FOLDER`",
        key.display(),
        config.spool().display()
    ));
    if config.allow.is_empty() {
        let file = file.config.display();
        complain(&format!("nothing may be backed up yet: set `allow` in {file}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn work(config: &Config) -> Result<ExitCode> {
    crate::log::log_to_stderr();
    let ignored = stop::ignored();
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let hands = Hands::new(program, config)?;
    let rooms = confine(config)?;
    rooms.wanting().iter().for_each(|want| complain(want));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        // They are listened for before anything begins.
        let _inside = runtime.enter();
        StopSignals::listen(ignored)?
    };
    let who = (env!("CARGO_PKG_VERSION"), host());
    let end = agent::work((config, rooms), (who.0, &who.1), &hands, |stop| {
        std::thread::spawn(move || {
            runtime.block_on(signals.next());
            stop.now();
        });
    })?;
    match end {
        End::Stopped => Ok(ExitCode::SUCCESS),
        End::Refused(why) => anyhow::bail!("the control plane turned this agent away: {why}"),
    }
}

/// What this host calls itself.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "a host without a name".to_owned(),
        name => name.chars().take(64).collect(),
    }
}

/// Gives up writing elsewhere and listening; the process that reads gives up more.
fn confine(config: &Config) -> Result<Rooms> {
    let all = AccessFs::from_all(ABI::V3);
    let mut places = vec![
        (PathBuf::from("/"), AccessFs::from_read(ABI::V3)),
        (config.data.clone(), all),
        (PathBuf::from("/dev/null"), AccessFs::from_file(ABI::V3)),
    ];
    // What a process of it may write to it must be able to write to itself.
    places.extend(config.restore_into.iter().map(|into| (into.clone(), all)));
    let rooms = Rooms::look(&config.restore_into);
    let status = crate::fence::around((all, AccessNet::BindTcp.into()), places)
        .context("cannot give up writing elsewhere")?;
    if status != RulesetStatus::FullyEnforced {
        complain(
            "this kernel has no or an older Landlock: what may be read is held by looking at each \
             path alone",
        );
    }
    Ok(match status {
        RulesetStatus::NotEnforced => rooms.without_fence(),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => rooms,
    })
}
