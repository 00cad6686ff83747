//! The vault: its state, rules, releases, and stores that hold a copy.
//!
//! Not here: its snapshots. Invariant: a path of the server's own is told to admins' rows only:
//! where the vault and its key lie, never a content.

use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rules of retention.
#[derive(Serialize, Deserialize, ToSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RetentionRules {
    pub keep_last: u32,
    pub keep_hourly: u32,
    pub keep_daily: u32,
    pub keep_weekly: u32,
    pub keep_monthly: u32,
    pub keep_yearly: u32,
    /// Days every new snapshot is locked for.
    pub lock_days: u32,
    /// From then on `lock_days` only grows.
    pub locked: bool,
    /// Days for which a deleted snapshot can be taken back; absent leaves it as it is.
    #[serde(default)]
    pub undelete_days: Option<u32>,
    /// Hours a release waits after the second person agreed; absent leaves it as it is.
    #[serde(default)]
    pub release_delay_hours: Option<u32>,
    /// Days from now that no lock reaches beyond, 0 for no bound; absent leaves it as it is.
    #[serde(default)]
    pub lock_days_max: Option<u32>,
    /// Delete by the rules once a day.
    pub auto_forget: bool,
}

/// A release that waits for a second person or for its delay.
#[derive(Serialize, ToSchema, Debug)]
pub struct Release {
    pub number: u64,
    pub snapshot: String,
    pub reason: String,
    pub by: String,
    /// When the holds end; null as long as nobody has agreed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Time>,
}

/// Rules that keep less, waiting for a second person or for their delay.
#[derive(Serialize, ToSchema, Debug)]
pub struct WeakerRules {
    pub number: u64,
    pub rules: RetentionRules,
    pub by: String,
    /// When they come into force; null as long as nobody has agreed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Time>,
}

/// A deleted snapshot that can be taken back.
#[derive(Serialize, ToSchema, Debug)]
pub struct WithdrawnSnapshot {
    pub id: String,
    #[schema(value_type = String, format = DateTime)]
    pub time: Time,
    pub asset: String,
    pub files: u64,
    pub bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    pub deleted_at: Time,
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    /// False when its file is not here, so that it cannot be taken back after all.
    pub here: bool,
}

/// A copy of the vault in a store that locks objects.
#[derive(Serialize, ToSchema, Debug)]
pub struct VaultTarget {
    pub address: String,
    /// `compliance`, `governance`, or null: nothing is locked.
    pub mode: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub tried_at: Time,
    /// When all that the log names was there last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub copied_at: Option<Time>,
    /// Log entries of the copy.
    pub entries: u64,
    pub snapshots: u64,
    pub objects: u64,
    pub bytes: u64,
    /// When the first of its objects may be ended; null when one may now.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub locked_until: Option<Time>,
    pub held: bool,
    /// Objects over which somebody put something, that are lost here, that are gone there.
    pub covered: u64,
    pub missing: u64,
    pub gone: u64,
    pub notes: Vec<String>,
    /// Why the last try ended early.
    pub error: Option<String>,
}

/// The vault and the state of its log.
#[derive(Serialize, ToSchema, Debug)]
pub struct Vault {
    pub directory: String,
    pub key_file: String,
    pub log_key: String,
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Time,
    /// Entries of the log.
    pub entries: u64,
    pub root: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checkpoint_at: Option<Time>,
    /// Who has cosigned the log as it is.
    pub witnesses: Vec<String>,
    /// Entries of the log that break a rule.
    pub violations: u64,
    pub snapshots: u64,
    pub held: u64,
    pub objects: u64,
    /// Of the repository, on disk.
    pub bytes: u64,
    /// Of the files in the newest snapshot of each asset.
    pub protected_bytes: u64,
    /// When the whole vault was last proven without its key, and how it went.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Time>,
    pub verified: Option<bool>,
    pub rules: RetentionRules,
    pub people: Vec<String>,
    pub releases: Vec<Release>,
    pub weaker: Vec<WeakerRules>,
    pub withdrawn: Vec<WithdrawnSnapshot>,
    /// Copies in stores that lock objects.
    pub targets: Vec<VaultTarget>,
    /// Another site has taken over: no backup goes into this vault.
    pub fenced: Option<VaultFence>,
    #[schema(value_type = String, format = DateTime)]
    pub read_at: Time,
}

/// What another site said of itself; it runs the plant since.
#[derive(Serialize, ToSchema, Debug)]
pub struct VaultFence {
    pub site: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    pub by: String,
    /// The recovery plan that was run there in earnest; null when its copy became the vault.
    pub plan: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub heard_at: Time,
}

/// Where to make the vault; absent is below the data directory.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVault {
    pub directory: Option<String>,
    pub key_file: Option<String>,
    /// Also make the plans that suit this server.
    #[serde(default)]
    pub with_plans: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonRequest {
    pub reason: String,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct ForgetRow {
    pub snapshot: String,
    pub asset: String,
    #[schema(value_type = String, format = DateTime)]
    pub time: Time,
    /// Why it stays; empty for what would be deleted.
    pub reasons: Vec<String>,
}

/// What the rules of retention would do now.
#[derive(Serialize, ToSchema, Debug)]
pub struct ForgetPlan {
    pub remove: Vec<ForgetRow>,
    pub keep: Vec<ForgetRow>,
}
