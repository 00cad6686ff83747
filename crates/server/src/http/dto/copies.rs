//! Copies of the vault that the control plane makes.
//!
//! Not here: what a store or site holds ([`super::VaultTarget`]). Invariant: a secret comes in and
//! never goes out.

use super::protection::yes;
use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A copy of the vault that the control plane makes, or what one shall become.
#[derive(Serialize, Deserialize, ToSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CopySpec {
    pub name: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// `s3:` or `azure:` and the address in a store, or the https address at a vault server.
    pub address: String,
    /// Of a store: `compliance`, `governance` or `none`.
    #[serde(default)]
    pub lock: Option<String>,
    /// Days for which every object there is locked at least.
    #[serde(default = "a_month")]
    pub lock_days: u32,
    /// No lock reaches further.
    #[serde(default = "a_year_and_more")]
    pub lock_days_max: u32,
    /// Of an S3 store, when its address does not say.
    #[serde(default)]
    pub region: Option<String>,
    /// 0 is only after backups.
    #[serde(default = "an_hour")]
    pub every_minutes: u32,
    /// Also after each backup.
    #[serde(default = "yes")]
    pub after_backup: bool,
    /// A backup that is not there after so long is a finding.
    #[serde(default = "four_hours")]
    pub late_minutes: u32,
    /// Limit of sending.
    #[serde(default)]
    pub kbit_per_s: Option<u64>,
}

impl CopySpec {
    /// In a store that locks objects, and not at a vault server.
    pub(crate) fn is_store(&self) -> bool {
        self.address.starts_with("s3:") || self.address.starts_with("azure:")
    }
}

fn a_month() -> u32 {
    30
}

fn a_year_and_more() -> u32 {
    400
}

fn an_hour() -> u32 {
    60
}

fn four_hours() -> u32 {
    240
}

/// A copy with what is kept beside its settings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyRequest {
    pub spec: CopySpec,
    /// `NAME:SECRET` of the store or server; it is never given back. Absent: as it was.
    pub secret: Option<String>,
    /// The authority that signed the server's certificate, PEM; absent: as it was.
    pub authority: Option<String>,
}

/// A copy and how it stands.
#[derive(Serialize, ToSchema, Debug)]
pub struct CopyRow {
    pub id: String,
    pub generation: i64,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    pub spec: CopySpec,
    /// `whole`, `attention`, `late`, `failing`, `waiting` or `off`.
    pub state: String,
    pub reason: String,
    pub has_secret: bool,
    pub last_run: Option<String>,
    pub last_state: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Time>,
    pub last_detail: Option<String>,
    /// Since the last whole one.
    pub failures: u32,
    /// When all was there last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub copied_at: Option<Time>,
    /// When the first backup ended that is not there.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub waiting_since: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Time>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct CopyList {
    pub items: Vec<CopyRow>,
}
