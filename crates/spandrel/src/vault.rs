//! `spandrel vault`: make, list, restore, protect, clean up and prove backups.
//!
//! Works on a directory, with no server. Invariant: what needs no key asks for none.

mod bucket;
mod canary;
pub mod custody;
mod escrow;
mod evidence;
#[cfg(feature = "control-plane")]
mod kit;
pub mod postgres;
mod projects;
mod recover;
#[cfg(feature = "control-plane")]
mod serve;
mod show;
pub mod site;
#[cfg(feature = "control-plane")]
mod worker;

use crate::complain;
use anyhow::{Context as _, Result};
use connectors::{formats::SqliteSchema, vault_http::Remote};
use model::Time;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};
use vault::{
    Vault,
    log::VerifyingKey,
    verify::{Demands, Directory, verify},
};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Make an empty vault; the key file is made when it is not there
    Init {
        dir: PathBuf,
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        #[command(flatten)]
        policy: custody::PolicyOptions,
        /// Size of packs; 4 for a link slower than 2 Mbit/s [default: grows from 32]
        #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=512))]
        pack_mib: Option<u32>,
    },
    /// List snapshots, oldest first
    List {
        /// Directory of the vault, or `s3:` or `azure:` address of a copy
        #[arg(value_name = "DIR_OR_URL")]
        dir: PathBuf,
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        access: site::AccessOptions,
        /// `json`: an array
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Restore a snapshot, checking every file
    Restore {
        /// Directory of the vault, or `s3:` or `azure:` address of a copy, from which only what
        /// is restored is fetched
        #[arg(value_name = "DIR_OR_URL")]
        dir: PathBuf,
        /// Snapshot id, its beginning, or `latest`
        id: String,
        /// Directory to restore into; a file that is there already is written over
        #[arg(long, value_name = "TARGET")]
        to: PathBuf,
        #[command(flatten)]
        key: Key,
        /// Only what is at or below this path of the snapshot
        #[arg(long, value_name = "P")]
        path: Option<PathBuf>,
        #[command(flatten)]
        access: site::AccessOptions,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Show what changed between two snapshots, by the meaning of each file
    Diff {
        dir: PathBuf,
        /// The older snapshot: id, its beginning, or `latest`
        id_a: String,
        /// The newer one
        id_b: String,
        #[command(flatten)]
        key: Key,
        /// `json`: an array of rows
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Show what retention would delete, or delete it
    Forget {
        dir: PathBuf,
        /// Show the plan and change nothing; needs no key
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        key: Key,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Check that nothing was changed, lost or rewritten; needs no key
    Verify {
        /// Directory, or http(s), `s3:` or `azure:` address of a copy of one
        #[arg(value_name = "DIR_OR_URL", required_unless_present = "evidence")]
        dir: Option<PathBuf>,
        /// Check a bundle of evidence instead of a vault
        #[arg(long, value_name = "FILE", conflicts_with = "dir")]
        evidence: Option<PathBuf>,
        /// An earlier checkpoint the log must still contain
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Public key of a witness that must have cosigned
        #[arg(long = "witness", value_name = "KEY")]
        witnesses: Vec<String>,
        /// Public key of the log, from a safe place
        #[arg(long, value_name = "KEY")]
        log_key: Option<String>,
        #[command(flatten)]
        access: site::AccessOptions,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Guard vaults as a server: takes backups in, lets nobody remove or replace a byte
    #[cfg(feature = "control-plane")]
    Serve(serve::Options),
    #[command(flatten)]
    Site(site::Options),
    #[command(flatten)]
    Custody(custody::Options),
    /// One file for an auditor: log entries, proofs, signatures, and how to check them by hand
    Evidence(evidence::Options),
    /// Engineering projects in the newest snapshots: device, version, last change
    Projects(projects::Options),
    /// Make a data directory that PostgreSQL starts from, out of a restored `postgres-wal:` folder
    PostgresReady(postgres::Options),
    /// The vault's key in shares for people to keep
    #[command(subcommand)]
    Escrow(escrow::Options),
    /// Write a signed counter beside the data, so that what is lost can be measured
    Canary(canary::Options),
    /// Recovery plans: check, drill in isolation, follow in earnest
    #[command(subcommand)]
    Recover(recover::Options),
    /// Do one order of a server
    #[cfg(feature = "control-plane")]
    #[command(hide = true)]
    Worker,
}

/// Where the vault's key is.
#[derive(clap::Args)]
pub struct Key {
    /// Key file of the vault; default the file it was made with
    #[arg(long, value_name = "FILE", env = "SPANDREL_VAULT_KEY_FILE")]
    key_file: Option<PathBuf>,
}

impl Key {
    pub fn file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Init { dir, key_file, policy, pack_mib } => {
            let policy = policy.over(&vault::Policy::default());
            let made = Vault::init_packed(dir, key_file, policy, *pack_mib, now()?)?;
            let (vault, key) = (dir.display(), key_file.display());
            let sign = vault::signing_file(key_file);
            let sign = sign.display();
            complain(&format!(
                "made vault {vault}; {key} reads it: keep copies elsewhere, see `vault escrow`. \
                 {sign} signs its log: keep it here alone"
            ));
            print_line(&made.vault().log_key().to_string())?;
        }
        Options::List { dir, key, access, format } => {
            let rows = match bucket::open(&dir.to_string_lossy(), access)? {
                Some(stored) => bucket::thin(stored, key)?.0.list()?,
                None => Vault::open(dir)?.unlock(key.file())?.list()?,
            };
            answer(&rows, format, |rows| show::list(rows))?;
        }
        Options::Restore { .. } => return restore(options),
        Options::Diff { dir, id_a, id_b, key, format } => {
            let vault = Vault::open(dir)?.unlock(key.file())?;
            let rows = vault.diff(&vault.find(id_a)?, &vault.find(id_b)?, &[&SqliteSchema])?;
            answer(&rows, format, |rows| show::diff(rows))?;
        }
        Options::Forget { dir, dry_run: true, format, .. } => {
            answer(&Vault::open(dir)?.plan(now()?)?, format, |plan| show::plan(plan, "delete"))?;
        }
        Options::Forget { dir, key, format, .. } => {
            let plan = Vault::open(dir)?.unlock(key.file())?.forget(now()?)?;
            answer(&plan, format, |plan| show::plan(plan, "deleted"))?;
        }
        Options::Verify { .. } => return check(options),
        #[cfg(feature = "control-plane")]
        Options::Serve(options) => return serve::run(options),
        Options::Site(options) => return site::run(options),
        Options::Custody(options) => return custody::run(options),
        Options::Evidence(options) => return evidence::run(options),
        Options::Projects(options) => return projects::run(options),
        Options::PostgresReady(options) => return postgres::run(options),
        Options::Escrow(options) => return escrow::run(options),
        Options::Canary(options) => return canary::run(options),
        Options::Recover(options) => return recover::run(options),
        #[cfg(feature = "control-plane")]
        Options::Worker => return worker::run(),
    }
    Ok(ExitCode::SUCCESS)
}

/// `restore`, of a vault here or of a copy in a store.
fn restore(options: &Options) -> Result<ExitCode> {
    let Options::Restore { dir, id, to, key, path, access, format } = options else {
        anyhow::bail!("this is no restore");
    };
    // As restic does it: what was restored half may be restored again. But nobody shall be
    // surprised.
    if std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        let shown = to.display();
        complain(&format!("{shown} is not empty: files of the same path are written over"));
    }
    let done = match bucket::open(&dir.to_string_lossy(), access)? {
        Some(stored) => {
            let (vault, folder) = bucket::thin(stored, key)?;
            let done = vault.extract(&vault.find(id)?, to, path.as_deref(), false);
            drop(folder);
            done?
        }
        None => {
            let vault = Vault::open(dir)?.unlock(key.file())?;
            vault.restore(&vault.find(id)?, to, path.as_deref(), now()?)?
        }
    };
    answer(&done, format, |_| Ok(()))?;
    for fault in &done.errors {
        complain(&format!("not restored: {}: {}", fault.path, fault.error));
    }
    let noun = if done.files == 1 { "file" } else { "files" };
    let (size, besides) = (crate::page::size(done.bytes), left_out(done.left_out));
    complain(&format!("restored {} {noun}, {size}{besides}", done.files));
    Ok(exit(done.errors.is_empty()))
}

/// What was not restored, for there is nothing in it.
fn left_out(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "; 1 device, pipe or socket left out, what uses it makes it".to_owned(),
        n => format!("; {n} devices, pipes and sockets left out, what uses them makes them"),
    }
}

/// `verify`, of a vault or of evidence.
fn check(options: &Options) -> Result<ExitCode> {
    let Options::Verify { dir, evidence, checkpoint, witnesses, log_key, access, format } = options
    else {
        anyhow::bail!("this is no verification");
    };
    let demands = Demands {
        log_key: log_key.as_deref().map(public_key).transpose()?,
        checkpoint: checkpoint.as_deref().map(read_text).transpose()?,
        witnesses: witnesses.iter().map(|w| public_key(w)).collect::<Result<_>>()?,
    };
    if let Some(file) = evidence {
        return evidence::verify(file, &demands, format);
    }
    let dir = dir.as_deref().context("give a directory, an address or --evidence")?;
    let address = dir.to_string_lossy();
    let stored = bucket::open(&address, access)?;
    let verdict = match (&stored, Remote::at(&address, &access.read()?)?) {
        (Some(stored), _) => verify(stored, &demands),
        (None, Some(remote)) => verify(&remote, &demands),
        (None, None) => verify(&Directory(dir.into()), &demands),
    };
    stored.iter().for_each(bucket::tell_covered);
    answer(&verdict, format, show::verdict)?;
    for problem in &verdict.problems {
        complain(&show::problem(problem));
    }
    Ok(exit(verdict.ok))
}

/// Prints an answer as JSON when a format is asked for, otherwise for a person.
fn answer<T: serde::Serialize>(
    value: &T,
    format: &Option<String>,
    show: impl FnOnce(&T) -> Result<()>,
) -> Result<()> {
    if format.is_some() { print_json(value) } else { show(value) }
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A public key as text or in a file.
fn public_key(text: &str) -> Result<VerifyingKey> {
    let read = std::fs::read_to_string(text);
    let text = read.as_deref().unwrap_or(text);
    VerifyingKey::parse(text).with_context(|| format!("`{}` is no public key", text.trim()))
}

pub fn now() -> Result<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.context("the clock of this machine is before 1970; set it")?;
    let nanos = i64::try_from(since.as_nanos());
    Ok(Time::from_nanos(nanos.context("the clock of this machine is after 2262; set it")?))
}

pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string(value)?)
}

/// A line for a person; names of files and assets may be hostile.
fn print_line(text: &str) -> Result<()> {
    print(&crate::page::plain(text))
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("cannot write to standard output")
}

fn exit(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
