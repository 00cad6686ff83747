//! The vault: backups that people can restore, keep and prove.
//!
//! A vault is a directory. Its repository is in restic's format, so the data outlives this
//! program; its log (C2SP tlog-tiles) says what was stored, held, approved and deleted, and shows
//! with no key whether anything was changed since. Not here: what is backed up; sources implement
//! [`Source`] in `connectors`. Invariant: a backup is complete only when every entry that was
//! offered has been found again in the repository.

pub mod limits;

mod backup;
mod browse;
mod clean;
mod compare;
mod custody;
pub mod diff;
mod digest;
pub mod durable;
mod earlier;
pub mod engine;
pub mod engineering;
mod error;
pub mod escrow;
mod event;
pub mod evidence;
mod extract;
mod held;
mod immutable;
mod key;
mod ledger;
mod listing;
pub mod log;
mod manifest;
mod onlooker;
mod prove;
pub mod recovery;
mod release;
mod restore;
pub mod retention;
pub mod site;
mod source;
mod undelete;
mod vault;
pub mod verify;
mod weaken;
pub mod witness;

pub use backup::Report;
pub use browse::{Content, TreeRow};
pub use digest::Sha256;
pub use earlier::{Content as EarlierContent, Earlier};
pub use error::{Error, Result};
pub use event::{Keep, LockMode, Policy, SnapshotId, State};
pub use key::{PersonKey, signing_file};
pub use ledger::{Hold, Ledger, Record, Request, Violation};
pub use listing::Row;
pub use onlooker::Onlooker;
pub use prove::{CHECKS, Check, Proof};
pub use release::Approved;
pub use restore::{Restored, remove_restored};
pub use source::{Entry, Fault, Meta, Offer, Open, Opened, Source, Special, What};
pub use undelete::{Withdrawn, WithdrawnRow};
pub use vault::{Unlocked, Vault};
pub use weaken::{Weaker, is_weaker};
