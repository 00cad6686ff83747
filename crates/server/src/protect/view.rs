//! Where the vault is, and what it said of itself.
//!
//! Not here: asking it. Invariant: these are the worker's words; nothing is made up where it did
//! not say something.

use super::{
    fence::Fence,
    work::{Job, Order, Rules},
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Kept with the control plane's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VaultSettings {
    pub(crate) directory: PathBuf,
    pub(crate) key_file: PathBuf,
    /// Public key of the log, as it was when the vault was made.
    pub(crate) log_key: String,
    pub(crate) made_at: Time,
    /// Delete by the rules once a day.
    #[serde(default)]
    pub(crate) auto_forget: bool,
}

impl VaultSettings {
    /// Of a vault that is only verified here, without its key.
    pub(crate) fn keyless(directory: PathBuf) -> Self {
        let key_file = directory.join("no-key");
        let (log_key, made_at) = (String::new(), Time::default());
        VaultSettings { directory, key_file, log_key, made_at, auto_forget: false }
    }

    pub(crate) fn order(&self, job: Job) -> Order {
        Order { vault: self.directory.clone(), key_file: self.key_file.clone(), job, reads: None }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct VaultView {
    #[serde(default)]
    pub(crate) read_at: Time,
    pub(crate) log_key: String,
    pub(crate) entries: u64,
    pub(crate) root: Option<String>,
    pub(crate) checkpoint_at: Option<Time>,
    pub(crate) witnesses: Vec<String>,
    pub(crate) violations: u64,
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
    pub(crate) rules: Rules,
    pub(crate) people: Vec<String>,
    pub(crate) requests: Vec<Request>,
    #[serde(default)]
    pub(crate) weaker: Vec<WeakerRules>,
    #[serde(default)]
    pub(crate) withdrawn: Vec<Withdrawn>,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
    /// Another site said that it has taken over.
    #[serde(default)]
    pub(crate) fenced: Option<Fence>,
    pub(crate) snapshots: Vec<Snapshot>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) snapshot: String,
    pub(crate) reason: String,
    pub(crate) by: String,
    /// When the holds end; none as long as nobody has agreed.
    #[serde(default)]
    pub(crate) from: Option<Time>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct WeakerRules {
    pub(crate) number: u64,
    pub(crate) rules: Rules,
    pub(crate) by: String,
    pub(crate) from: Option<Time>,
}

/// A deleted snapshot that can be taken back.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Withdrawn {
    pub(crate) id: String,
    pub(crate) time: Time,
    pub(crate) asset: String,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) deleted_at: Time,
    pub(crate) until: Time,
    pub(crate) here: bool,
}

/// A copy in a store that locks objects.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) mode: Option<String>,
    pub(crate) tried_at: Time,
    pub(crate) copied_at: Option<Time>,
    pub(crate) entries: u64,
    pub(crate) snapshots: u64,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) locked_until: Option<Time>,
    pub(crate) held: bool,
    pub(crate) covered: Vec<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) gone: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) time: Time,
    pub(crate) asset: String,
    pub(crate) sources: Vec<String>,
    pub(crate) state: String,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) retain_until: Option<Time>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) verified_at: Option<Time>,
    pub(crate) logged: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hold {
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) since: Time,
}
