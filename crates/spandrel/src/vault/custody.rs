//! `spandrel vault hold|release|approve|withdraw|retain|undelete|policy|person|witness`: what
//! protects snapshots.

use super::{Key, complain, now, print_line};
use anyhow::{Context as _, Result, bail};
use model::Time;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use vault::{Approved, Keep, LockMode, PersonKey, Policy, Unlocked, Vault, witness};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Put a snapshot under legal hold
    Hold {
        dir: PathBuf,
        /// Snapshot id, its beginning, or `latest`
        id: String,
        #[arg(long, value_name = "R")]
        reason: String,
        #[command(flatten)]
        key: Key,
        /// Who holds it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// Ask for the release of a snapshot's holds; a second person approves
    Release {
        dir: PathBuf,
        /// Snapshot id, its beginning, or `latest`
        id: String,
        #[arg(long, value_name = "R")]
        reason: String,
        /// Key file of the person who asks
        #[arg(long = "as", value_name = "PERSON", env = "SPANDREL_PERSON_KEY_FILE")]
        person: Option<PathBuf>,
        #[command(flatten)]
        key: Key,
    },
    /// Approve a release, or rules that keep less, as the second person
    Approve {
        dir: PathBuf,
        /// Number that `release` or `policy` gave
        request: u64,
        /// Key file of the person who approves
        #[arg(long = "as", value_name = "PERSON", env = "SPANDREL_PERSON_KEY_FILE")]
        person: Option<PathBuf>,
        #[command(flatten)]
        key: Key,
    },
    /// Withdraw a release, or rules that keep less, before it comes into force; any enrolled
    /// person may
    Withdraw {
        dir: PathBuf,
        /// Number that `release` or `policy` gave
        request: u64,
        /// Key file of the person who withdraws
        #[arg(long = "as", value_name = "PERSON", env = "SPANDREL_PERSON_KEY_FILE")]
        person: Option<PathBuf>,
        #[command(flatten)]
        key: Key,
    },
    /// Make the lock of a snapshot longer
    Retain {
        dir: PathBuf,
        /// Snapshot id, its beginning, or `latest`
        id: String,
        /// RFC 3339, such as 2030-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        until: String,
        #[command(flatten)]
        key: Key,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// List deleted snapshots that can be taken back; needs no key
    Withdrawn {
        dir: PathBuf,
        /// `json`: an array
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Take a deleted snapshot back
    Undelete {
        dir: PathBuf,
        /// Snapshot id or its beginning, as `withdrawn` shows it
        id: String,
        #[command(flatten)]
        key: Key,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// Set the immutable flag of the file system on every object, and on those to come
    Immutable {
        dir: PathBuf,
        /// Take it off again
        #[arg(long)]
        off: bool,
    },
    /// Change the rules of retention; what is not given stays
    Policy {
        dir: PathBuf,
        #[command(flatten)]
        policy: PolicyOptions,
        /// Key file of the person who asks, when the rules keep less and two people are enrolled
        #[arg(long = "as", value_name = "PERSON", env = "SPANDREL_PERSON_KEY_FILE")]
        person: Option<PathBuf>,
        #[command(flatten)]
        key: Key,
        /// Who does it
        #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
        by: String,
    },
    /// Make a person's key file when it is not there, and enrol the person
    Person {
        dir: PathBuf,
        name: String,
        #[arg(long, value_name = "FILE")]
        person_key: PathBuf,
        /// Key file of an enrolled person: needed from the third person on
        #[arg(long = "as", value_name = "PERSON")]
        by: Option<PathBuf>,
        #[command(flatten)]
        key: Key,
    },
    /// Cosign the log as a witness, if it contains all it contained before
    Witness {
        dir: PathBuf,
        /// Key file of the witness, as `vault person` makes it
        #[arg(long = "as", value_name = "WITNESS")]
        witness: PathBuf,
        /// The witness's own memory of this log
        #[arg(long, value_name = "FILE")]
        seen: PathBuf,
    },
}

/// Rules of retention; what is not given stays as it is.
#[derive(clap::Args)]
pub struct PolicyOptions {
    /// Days a new snapshot is locked for
    #[arg(long, value_name = "DAYS")]
    lock_days: Option<u32>,
    /// Lock the rules: from then on lock-days only grows
    #[arg(long)]
    locked: bool,
    /// Days from now that no lock reaches beyond; 0 is no bound
    #[arg(long, value_name = "DAYS")]
    lock_days_max: Option<u32>,
    /// Days for which a deleted snapshot can be taken back
    #[arg(long, value_name = "DAYS")]
    undelete_days: Option<u32>,
    /// Hours a release waits after the second person agreed
    #[arg(long, value_name = "HOURS")]
    release_delay_hours: Option<u32>,
    #[command(flatten)]
    keep: KeepOptions,
}

/// How many snapshots stay; what is not given stays as it is.
#[derive(clap::Args)]
pub struct KeepOptions {
    /// Newest snapshots to keep
    #[arg(long, value_name = "N")]
    keep_last: Option<u32>,
    /// Hours to keep the newest snapshot of
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// Days to keep the newest snapshot of
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,
    /// Weeks to keep the newest snapshot of
    #[arg(long, value_name = "N")]
    keep_weekly: Option<u32>,
    /// Months to keep the newest snapshot of
    #[arg(long, value_name = "N")]
    keep_monthly: Option<u32>,
    /// Years to keep the newest snapshot of
    #[arg(long, value_name = "N")]
    keep_yearly: Option<u32>,
}

impl PolicyOptions {
    pub fn over(&self, old: &Policy) -> Policy {
        Policy {
            keep: self.keep.over(&old.keep),
            lock_days: self.lock_days.unwrap_or(old.lock_days),
            mode: if self.locked { LockMode::Locked } else { old.mode },
            undelete_days: self.undelete_days.unwrap_or(old.undelete_days),
            release_delay_hours: self.release_delay_hours.unwrap_or(old.release_delay_hours),
            lock_days_max: self.lock_days_max.unwrap_or(old.lock_days_max),
        }
    }
}

impl KeepOptions {
    fn over(&self, old: &Keep) -> Keep {
        Keep {
            last: self.keep_last.unwrap_or(old.last),
            hourly: self.keep_hourly.unwrap_or(old.hourly),
            daily: self.keep_daily.unwrap_or(old.daily),
            weekly: self.keep_weekly.unwrap_or(old.weekly),
            monthly: self.keep_monthly.unwrap_or(old.monthly),
            yearly: self.keep_yearly.unwrap_or(old.yearly),
        }
    }

    /// Rules that a snapshot has besides the vault's; none when nothing was said.
    pub fn own(&self) -> Option<Keep> {
        let none = Keep { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 };
        let said = self.over(&none);
        (said != none).then_some(said)
    }
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Hold { dir, id, reason, key, by } => {
            let vault = open(dir, key)?;
            let snapshot = vault.find(id)?;
            vault.hold(snapshot, reason, by, now()?)?;
            complain(&format!("snapshot {snapshot} is held"));
        }
        Options::Release { dir, id, reason, person, key } => {
            let vault = open(dir, key)?;
            let person = person_key(person.as_ref())?;
            let request = vault.ask_release(vault.find(id)?, reason, &person, now()?)?;
            complain(
                "still held; a second person runs: spandrel vault approve DIR NUMBER --as FILE",
            );
            print_line(&request.to_string())?;
        }
        Options::Approve { dir, request, person, key } => {
            approve(&open(dir, key)?, *request, &person_key(person.as_ref())?)?;
        }
        Options::Withdraw { dir, request, person, key } => {
            withdraw(&open(dir, key)?, *request, &person_key(person.as_ref())?)?;
        }
        Options::Withdrawn { dir, format } => {
            let rows = Vault::open(dir)?.withdrawn(now()?)?;
            super::answer(&rows, format, |rows| super::show::withdrawn(rows))?;
        }
        Options::Undelete { dir, id, key, by } => undelete(&open(dir, key)?, id, by)?,
        Options::Retain { dir, id, until, key, by } => {
            let until = Time::parse(until).context("--until is no RFC 3339 time")?;
            let vault = open(dir, key)?;
            let snapshot = vault.find(id)?;
            vault.retain(snapshot, until, by, now()?)?;
            complain(&format!("snapshot {snapshot} is locked until {until}"));
        }
        Options::Immutable { dir, off } => immutable(dir, *off)?,
        Options::Policy { dir, policy, person, key, by } => {
            set_policy(&open(dir, key)?, policy, person.as_deref(), by)?;
        }
        Options::Person { dir, name, person_key, by, key } => {
            enrol(&open(dir, key)?, name, person_key, by.as_deref())?;
        }
        Options::Witness { dir, witness, seen } => {
            let witness = PersonKey::read(witness)?;
            let size = witness::cosign(&Vault::open(dir)?, &witness, seen, now()?)?;
            complain(&format!("{} cosigned {size} entries", witness.name));
            print_line(&witness.public().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn approve(vault: &Unlocked, request: u64, person: &PersonKey) -> Result<()> {
    if vault.vault().ledger()?.weaker.contains_key(&request) {
        let from = vault.agree_policy(request, person, now()?)?;
        complain(&format!("the rules come into force at {from}, unless withdrawn"));
    } else {
        let Approved { snapshot, from } = vault.approve(request, person, now()?)?;
        complain(&format!("snapshot {snapshot} is released at {from}, unless withdrawn"));
    }
    Ok(())
}

fn withdraw(vault: &Unlocked, request: u64, person: &PersonKey) -> Result<()> {
    if vault.vault().ledger()?.requests.contains_key(&request) {
        vault.withdraw_release(request, person, now()?)?;
        complain("withdrawn; the snapshot stays held");
    } else {
        vault.withdraw_policy(request, person, now()?)?;
        complain("withdrawn; the rules stay as they are");
    }
    Ok(())
}

fn undelete(vault: &Unlocked, id: &str, by: &str) -> Result<()> {
    let snapshot = vault.find_withdrawn(id, now()?)?;
    match vault.undelete(snapshot, by, now()?)? {
        Some(until) => complain(&format!("{snapshot} is back, locked until {until}")),
        None => complain(&format!(
            "{snapshot} is back; no lock: the next clean-up deletes it again, unless it is \
             retained or held"
        )),
    }
    Ok(())
}

fn immutable(dir: &Path, off: bool) -> Result<()> {
    let vault = Vault::open(dir)?;
    if off {
        vault.make_mutable()?;
        complain("objects are not immutable any more");
        return Ok(());
    }
    match vault.make_immutable()? {
        Ok(objects) => complain(&format!("{objects} objects are immutable; new ones will be")),
        Err(why) => bail!(
            "objects are NOT immutable: {why}; this needs CAP_LINUX_IMMUTABLE and a file system \
             with flags (ext4, XFS, btrfs)"
        ),
    }
    Ok(())
}

/// Makes a person's key when it is not there, and enrols the person.
fn enrol(vault: &Unlocked, name: &str, file: &Path, by: Option<&Path>) -> Result<()> {
    let person =
        if file.exists() { PersonKey::read(file)? } else { PersonKey::create(file, name)? };
    if person.name != *name {
        bail!("{} is the key of {}", file.display(), person.name);
    }
    let by = by.map(PersonKey::read).transpose()?;
    vault.enrol(&person, by.as_ref(), now()?)?;
    print_line(&person.public().to_string())
}

/// Sets rules that keep more; asks for those that keep less, when somebody says who asks.
fn set_policy(
    vault: &Unlocked,
    policy: &PolicyOptions,
    person: Option<&std::path::Path>,
    by: &str,
) -> Result<()> {
    let ledger = vault.vault().ledger()?;
    let policy = policy.over(&ledger.policy);
    if let (Some(person), true) = (person, vault::is_weaker(&ledger.policy, &policy)) {
        let request = vault.ask_policy(policy, &PersonKey::read(person)?, now()?)?;
        complain("unchanged; a second person runs: spandrel vault approve DIR NUMBER --as FILE");
        return print_line(&request.to_string());
    }
    vault.set_policy(policy.clone(), by, now()?)?;
    super::print_json(&policy)
}

fn open(dir: &std::path::Path, key: &Key) -> Result<Unlocked> {
    Ok(Vault::open(dir)?.unlock(key.file())?)
}

fn person_key(path: Option<&PathBuf>) -> Result<PersonKey> {
    let path = path.context("a release needs two people: say who you are with --as FILE")?;
    Ok(PersonKey::read(path)?)
}
