//! A witness: someone else who has seen the log and vouches that it only ever grew.
//!
//! Keeps the last checkpoint it cosigned. Invariant: it cosigns nothing that does not contain
//! what it cosigned before, so a vault whose history was rewritten finds no witness.

use crate::{
    durable,
    error::{Error, IoContext, Result},
    key::PersonKey,
    log::{Checkpoint, Log, Writing, tile},
    vault::{LOG, Vault},
};
use model::Time;
use std::{fs, path::Path};

/// Cosigns the vault's checkpoint as `witness`, whose memory is the file `seen`; the size of the
/// log that was cosigned.
pub fn cosign(vault: &Vault, witness: &PersonKey, seen: &Path, now: Time) -> Result<u64> {
    let directory = vault.directory().join(LOG);
    let _turn = Writing::begin(&directory)?;
    let log = Log::open(&directory, vault.log_key(), |_, _| ())?;
    let path = directory.join(tile::CHECKPOINT);
    let note = fs::read_to_string(&path).doing("read", &path)?;
    if seen.exists() {
        let earlier = fs::read_to_string(seen).doing("read", seen)?;
        let earlier = Checkpoint::open(&earlier, vault.log_key())
            .map_err(|why| Error::Damaged(format!("the checkpoint seen before: {why}")))?;
        if log.root(earlier.size) != Some(earlier.root) {
            let size = earlier.size;
            let text = format!("the log's first {size} entries are not those cosigned before");
            return Err(Error::Damaged(text));
        }
    }
    let unix_secs = u64::try_from(now.nanos() / 1_000_000_000).unwrap_or_default();
    let already = Checkpoint::cosigned_by(&note, &witness.public()).is_some();
    let cosigned = if already {
        note
    } else {
        let invalid = || Error::Damaged("the checkpoint is no signed note".to_owned());
        Checkpoint::cosign(&note, witness.signer(), unix_secs).ok_or_else(invalid)?
    };
    // Remembered before it is given away: a crash in between costs a cosignature, no promise.
    durable::write(seen, &[cosigned.as_bytes()], 0o644).doing("write", seen)?;
    durable::write(&path, &[cosigned.as_bytes()], 0o644).doing("write", &path)?;
    Ok(log.size())
}
