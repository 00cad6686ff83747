//! `spandrel backup`: sources into one snapshot of a vault.
//!
//! Invariant: exit 0 says that every entry offered is in the snapshot; anything less is exit 1 and
//! a line for each fault.

use crate::{
    complain,
    page::size,
    vault::{
        Key,
        custody::KeepOptions,
        site::{self, LinkOptions},
    },
};
use anyhow::{Context as _, Result, bail};
use connectors::sources;
use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};
use vault::{Report, Source, State, Vault, site::Pushed};

#[derive(clap::Args)]
pub struct Options {
    /// Directory of the vault, or https address of a vault server; then --spool is needed
    #[arg(long, value_name = "DIR_OR_URL")]
    vault: PathBuf,
    /// Directory of the vault on this machine that is sent to the server; made when not there
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    #[command(flatten)]
    link: LinkOptions,
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
    #[command(flatten)]
    keep: KeepOptions,
    /// Back up again and again, so many seconds from one beginning to the next
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// `json`: one object on standard output, for each backup
    #[arg(long, value_parser = ["json"])]
    format: Option<String>,
}

/// What cannot become better by itself, such as a source that is none.
const WRONG_USE: u8 = 2;

pub fn run(options: &Options) -> Result<ExitCode> {
    give_memory_back();
    let Some(secs) = options.every else { return once(options) };
    loop {
        let start = Instant::now();
        match once(options) {
            Ok(code) if code == ExitCode::from(WRONG_USE) => return Ok(code),
            Ok(_) => {}
            // A vault that is busy for a moment must not end the ones to come.
            Err(error) => complain(&format!("no backup this time: {error:#}")),
        }
        std::thread::sleep(Duration::from_secs(secs).saturating_sub(start.elapsed()));
    }
}

/// The allocator keeps what is free for a while and reads how long when a program starts, so this
/// one starts once more: a first backup of 1 GB then takes a tenth less memory.
fn give_memory_back() {
    use std::os::unix::process::CommandExt;
    const SETTINGS: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MALLOC_ARENA_MAX", "1")];
    if SETTINGS.iter().all(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let set = SETTINGS.iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let arguments = std::env::args_os().skip(1);
    // It comes back only when it cannot; then this process does the work.
    let error = Command::new(program).args(arguments).envs(set.copied()).exec();
    complain(&format!("it goes on with more memory than it needs: {error}"));
}

fn once(options: &Options) -> Result<ExitCode> {
    let address = options.vault.to_string_lossy();
    let is_remote = address.contains("://");
    let vault = if is_remote { spool(options)? } else { Vault::open(&options.vault)? };
    let vault = vault.unlock(options.key.file())?;
    let (staging, secrets) = (vault.vault().staging(), options.secrets.clone());
    let context = sources::Context { staging, secrets };
    let opened: Result<Vec<_>, _> =
        options.sources.iter().map(|text| sources::open(text, &context)).collect();
    let mut opened: Vec<Box<dyn Source>> = match opened {
        Ok(opened) => opened,
        Err(error) => {
            complain(&error.to_string());
            return Ok(ExitCode::from(WRONG_USE));
        }
    };
    let asset = match &options.asset {
        Some(asset) => asset.clone(),
        None => this_machine()?,
    };
    let (keep, now) = (options.keep.own(), crate::vault::now()?);
    let report = vault.backup_watched(&asset, &mut opened, keep, now, Arc::new(()))?;
    let pushed = is_remote.then(|| site::push(vault.vault(), &address, &options.link));
    if options.format.is_some() {
        crate::vault::print_json(&Answer { report: &report, pushed: pushed.as_ref() })?;
    }
    tell(&report, options.format.is_some());
    let complete = report.snapshot.is_some() && report.state == State::Complete;
    let arrived = match pushed {
        None => true,
        Some(Ok(pushed)) => site::tell_pushed(&pushed),
        Some(Err(error)) => {
            complain(&format!(
                "the server does not have it yet: {error:#}; it is safe in the spool, and \
                 `spandrel vault push` or the next backup goes on"
            ));
            false
        }
    };
    Ok(if complete && arrived { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What scripts get: the report, and for a server what was sent there.
struct Answer<'a> {
    report: &'a Report,
    pushed: Option<&'a Result<Pushed>>,
}

impl serde::Serialize for Answer<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(self.report).map_err(serde::ser::Error::custom)?;
        if let Some(pushed) = self.pushed {
            value["pushed"] = match pushed {
                Ok(pushed) => serde_json::json!(pushed),
                Err(_) => serde_json::Value::Null,
            };
        }
        value.serialize(serializer)
    }
}

/// The vault on this machine that backups for a server go through.
fn spool(options: &Options) -> Result<Vault> {
    let spool = options.spool.as_ref().context("a backup to a server needs --spool DIR")?;
    if !spool.join("vault.json").exists() {
        let key = options.key.file().context("a new spool needs --key-file FILE")?;
        // Small packs: what a link that breaks often must carry at once.
        let now = crate::vault::now()?;
        Vault::init_packed(spool, key, vault::Policy::default(), Some(SPOOL_PACK_MIB), now)?;
        complain(&format!("made the spool {}; keep a copy of {}", spool.display(), key.display()));
    }
    Ok(Vault::open(spool)?)
}

/// Size of packs in a spool that a backup makes.
const SPOOL_PACK_MIB: u32 = 4;

fn tell(report: &Report, quiet: bool) {
    for fault in &report.errors {
        let place = if fault.path.is_empty() { &fault.source } else { &fault.path };
        complain(&format!("not backed up: {place}: {}", fault.error));
    }
    for warning in &report.warnings {
        complain(&format!("warning: {}: {}", warning.source, warning.error));
    }
    if report.objects_missing > 0 {
        let n = report.objects_missing;
        complain(&format!("{n} older repository files are missing; run `spandrel vault verify`"));
    }
    if let Some(why) = &report.not_immutable {
        complain(&format!("new objects are NOT immutable: {why}"));
    }
    match &report.snapshot {
        None => complain("nothing was backed up; no snapshot was made"),
        Some(_) if quiet => {}
        Some(snapshot) => complain(&format!(
            "snapshot {snapshot}: {} of {} entries, {} read, {} stored",
            report.entries_stored,
            report.entries_offered,
            size(report.bytes_read),
            size(report.bytes_stored)
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
