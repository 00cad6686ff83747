//! Promotion: a copy becomes a vault of its own, when the site it was copied from is lost.
//!
//! Invariant: only a copy whose log and objects are whole by its own checkpoint is promoted, and
//! the journal says who did it; from then on the other side's entries are no continuation.

use super::{Journal, Noted, REPLICA, SITE};
use crate::{
    durable,
    error::{Error, IoContext, Result},
    vault::Vault,
};
use model::Time;
use std::fs;

/// Makes the copy a vault that backups may be written to.
pub fn promote(vault: &Vault, by: &str, now: Time) -> Result<u64> {
    let marker = vault.directory().join(REPLICA);
    if !marker.exists() {
        return Err(Error::Refused("it is no copy; it can be written to already".to_owned()));
    }
    let ledger = vault.ledger()?;
    let journal = Journal::open(&vault.directory().join(SITE), "site", now)?;
    let (log, size) = (ledger.origin.clone(), ledger.size);
    journal.note(Noted::Promoted { log, size, by: by.to_owned() }, now)?;
    fs::remove_file(&marker).doing("remove", &marker)?;
    durable::sync_directory(vault.directory()).doing("write", vault.directory())?;
    Ok(size)
}
