//! `spandrel vault push|mirror|verify|targets` with a store that locks objects.
//!
//! Not here: vault servers (`site`). Invariant: whether objects are locked is said by who copies,
//! never assumed.

use super::{
    Key, complain, print_line,
    site::{AccessOptions, LinkOptions},
};
use crate::page::{counted, second, size};
use anyhow::{Context as _, Result};
use connectors::buckets;
use std::{fmt::Write as _, sync::Arc};
use tempfile::TempDir;
use vault::{
    Unlocked, Vault,
    site::{
        Calendar,
        bucket::{Deposit, Deposited, Mode, Rules, Standing, Withdrawal},
    },
};

/// How objects in a store are locked.
#[derive(clap::Args)]
pub struct StoreOptions {
    /// In a store: who may end a lock early. `compliance`: nobody; `governance`: who may bypass
    /// it; `none`: nothing is locked
    #[arg(long, value_parser = ["compliance", "governance", "none"])]
    lock: Option<String>,
    /// In a store: days from now for which every object is locked at least
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    lock_days: u32,
    /// In a store: no lock reaches further, whatever the vault says
    #[arg(long, value_name = "DAYS", default_value_t = 400)]
    lock_days_max: u32,
}

impl StoreOptions {
    #[cfg(feature = "control-plane")]
    pub fn of(lock: &str, lock_days: u32, lock_days_max: u32) -> Self {
        Self { lock: Some(lock.to_owned()), lock_days, lock_days_max }
    }

    fn rules(&self) -> Result<Rules> {
        let lock = self.lock.as_deref();
        let lock = lock.context("say --lock compliance, governance or none for this store")?;
        let mode = match lock {
            "compliance" => Some(Mode::Compliance),
            "governance" => Some(Mode::Governance),
            _ => None,
        };
        let (days, days_max) = (self.lock_days, self.lock_days_max);
        anyhow::ensure!(days <= days_max, "--lock-days is more than --lock-days-max");
        Ok(Rules { mode, days, days_max })
    }
}

/// Sends a vault to a store; `None` when the address is of none.
pub fn push(
    vault: &Vault,
    address: &str,
    link: &LinkOptions,
    store: &StoreOptions,
) -> Result<Option<Deposited>> {
    let access = link.access.read()?;
    let Some(bucket) = buckets::at(address, link.access.region(), &access)? else {
        return Ok(None);
    };
    let rules = store.rules()?;
    let pace = link.pace(Calendar::default());
    let deposit = Deposit { bucket: &*bucket, pace: &pace, rules, tries_max: link.tries };
    Ok(Some(deposit.run(vault)?))
}

/// Whether all of it arrived and nobody meddled with it.
pub fn tell(done: &Deposited) -> bool {
    let Deposited { objects_sent, bytes_sent, extended, standing } = done;
    complain(&format!(
        "{objects_sent} objects, {bytes_sent} bytes sent; {extended} locks made longer"
    ));
    complain(&in_words(standing));
    for (paths, what) in [
        (&standing.missing, "not copied, lost or damaged here"),
        (&standing.gone, "was there and was ended; copied again"),
        (&standing.covered, "somebody put something on top; put on top again"),
    ] {
        paths.iter().for_each(|path| complain(&format!("{path}: {what}")));
    }
    standing.notes.iter().for_each(|note| complain(note));
    standing.missing.is_empty() && standing.gone.is_empty() && standing.covered.is_empty()
}

pub fn show(all: &[Standing]) -> Result<()> {
    if all.is_empty() {
        complain("no copy in a store; `vault push` makes one");
    }
    all.iter().try_for_each(|standing| print_line(&in_words(standing)))
}

fn in_words(standing: &Standing) -> String {
    let Standing { address, objects, bytes, entries, snapshots, .. } = standing;
    let mut text = format!("{address}: ");
    match standing.copied_at {
        Some(at) => write!(text, "whole at {} UTC", second(at)),
        None => write!(text, "never whole"),
    }
    .expect("writing to a string");
    write!(
        text,
        ", {}, {entries} log {}, {}, {}",
        counted(*snapshots, "snapshot"),
        if *entries == 1 { "entry" } else { "entries" },
        counted(*objects, "object"),
        size(*bytes)
    )
    .expect("writing to a string");
    match (standing.mode, standing.locked_until) {
        (Some(Mode::Compliance), Some(until)) => {
            write!(text, ", locked until {} UTC", second(until))
        }
        (Some(Mode::Governance), Some(until)) => {
            write!(text, ", locked until {} UTC unless bypassed", second(until))
        }
        _ => write!(text, ", NOT LOCKED"),
    }
    .expect("writing to a string");
    if standing.held {
        text += ", under legal hold";
    }
    if let Some(error) = &standing.error {
        write!(text, "; the last try failed: {error}").expect("writing to a string");
    }
    text
}

/// A vault in a store, to be read.
pub fn open(address: &str, access: &AccessOptions) -> Result<Option<Withdrawal>> {
    let bucket = buckets::at(address, access.region(), &access.read()?)?;
    let found = bucket.map(Withdrawal::begin).transpose();
    found.with_context(|| format!("cannot list {address}"))
}

/// Opens a vault in a store to restore from it; the folder has all but its packs and goes when it
/// is dropped.
pub fn thin(stored: Withdrawal, key: &Key) -> Result<(Unlocked, TempDir)> {
    let folder = tempfile::tempdir().context("cannot make a folder; set TMPDIR")?;
    let (vault, note) = stored.lay_out(folder.path())?;
    note.iter().for_each(|note| complain(note));
    tell_covered(&stored);
    Ok((vault.unlock_reading(key.file(), Arc::new(stored))?, folder))
}

pub fn tell_covered(stored: &Withdrawal) {
    for path in stored.covered() {
        complain(&format!("{path}: somebody put something on top; what lies below was taken"));
    }
}
