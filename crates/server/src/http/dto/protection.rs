//! Protection: plans, coverage, runs and their sum.
//!
//! Not here: the vault and its snapshots. Invariant: a row that is not protected says why.

use super::{AssetClass, CopyRow, Vault};
use crate::protect::work::{Drill, OwnRules};
use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Hours in which a plan leaves its targets alone, by the server's clock.
#[derive(Serialize, Deserialize, ToSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// 1 is Monday, 7 Sunday; empty is every day.
    #[serde(default)]
    pub days: Vec<u8>,
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`; before `from` it is on the next day.
    pub until: String,
}

/// A plan to make, or what one shall become.
#[derive(Serialize, Deserialize, ToSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PlanSpec {
    pub name: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Assets by the grammar of `/assets`; absent for a subject that is no asset.
    #[serde(default)]
    pub filter: Option<String>,
    /// Name of what is backed up where it is no asset.
    #[serde(default)]
    pub subject: Option<String>,
    /// The agent on whose host the sources are; absent: they are read from this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `KIND:WHERE`; `{ip}` and `{name}` stand for the asset's.
    pub sources: Vec<String>,
    pub every_minutes: u32,
    /// An asset whose newest complete backup is older is late.
    pub rpo_minutes: u32,
    #[serde(default)]
    pub lock_days: Option<u32>,
    /// Rules besides the vault's: a snapshot stays as long as either wants it.
    #[serde(default)]
    pub keep: Option<OwnRules>,
    #[serde(default)]
    pub quiet: Vec<QuietHours>,
    /// Limit of reading.
    #[serde(default)]
    pub kib_per_s: Option<u32>,
    /// Back up when a program, firmware or configuration change was seen.
    #[serde(default)]
    pub on_change: bool,
    /// So long no further change must come before the backup begins.
    #[serde(default = "two_minutes")]
    pub debounce_s: u32,
    #[serde(default = "three")]
    pub retries: u32,
    /// Prove the newest backup at least so often; 0 is never.
    #[serde(default)]
    pub verify_days: u32,
    /// 1 decrypts and hashes every file, 2 also reads it by its format.
    #[serde(default = "two")]
    pub verify_level: u8,
    /// Restore the newest backup in isolation and try it at least so often; 0 is never. An agent
    /// restores it on its host, and compares every file.
    #[serde(default)]
    pub recover_days: u32,
    /// Command of the shell that starts what was recovered, in its folder; not for an agent.
    #[serde(default)]
    pub recover_start: Option<String>,
    /// Command of the shell that must end with 0, in its folder; tried for ten minutes.
    #[serde(default)]
    pub recover_check: Option<String>,
}

pub(super) fn yes() -> bool {
    true
}

fn two_minutes() -> u32 {
    120
}

fn three() -> u32 {
    3
}

fn two() -> u8 {
    2
}

#[derive(Serialize, ToSchema, Debug)]
pub struct Plan {
    pub id: String,
    pub generation: i64,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    pub spec: PlanSpec,
    /// Assets or subjects it comes to.
    pub targets: u64,
    /// Of these, with a fresh complete backup.
    pub protected: u64,
    /// Quiet hours hold at the moment.
    pub quiet_now: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Time>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct PlanList {
    pub items: Vec<Plan>,
    /// Plans that suit this server, to begin with.
    pub suggestions: Vec<PlanSpec>,
}

#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct CoverageRow {
    /// The asset's id, or the subject of a plan.
    pub target: String,
    pub asset: Option<String>,
    pub name: String,
    #[schema(value_type = Option<AssetClass>)]
    pub class: Option<model::AssetClass>,
    pub criticality: Option<u8>,
    /// `protected`, `partial`, `late`, `failing`, `waiting` or `unprotected`.
    pub state: String,
    /// Why it is not protected, and what to do; empty when it is.
    pub reason: String,
    pub plan: Option<String>,
    pub plan_name: Option<String>,
    pub rpo_minutes: Option<u32>,
    pub last_run: Option<String>,
    #[schema(value_type = Option<RunStateWord>)]
    pub last_state: Option<store::RunState>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub complete_at: Option<Time>,
    pub snapshot: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub proven_at: Option<Time>,
    pub proven_level: Option<u8>,
    /// When a backup was last restored in isolation and worked, and which: a proof of level 3.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recovered_at: Option<Time>,
    pub recovered_snapshot: Option<String>,
    /// The agent that backs it up; its snapshots are in a vault of its own.
    pub agent: Option<String>,
    /// Sources that suit it, for a plan.
    pub suggested: Vec<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct CoverageList {
    pub items: Vec<CoverageRow>,
}

/// How far a run is.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum RunStateWord {
    Queued,
    Running,
    Complete,
    Partial,
    Failed,
    Cancelled,
}

/// Something a run could not do.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct RunFault {
    pub source: String,
    pub path: String,
    pub error: String,
}

/// A backup, verification, restore, kit, clean-up or drill.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Run {
    pub id: String,
    /// `backup`, `verify`, `restore`, `kit`, `forget` or `drill`.
    pub kind: String,
    #[schema(value_type = RunStateWord)]
    pub state: store::RunState,
    pub plan: Option<String>,
    pub target: Option<String>,
    pub name: String,
    /// `schedule`, `change`, `retry`, `sample` or `person`.
    pub cause: String,
    pub finding: Option<String>,
    pub actor: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub queued_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Time>,
    pub snapshot: Option<String>,
    /// The newest snapshot of the target before this run.
    pub previous: Option<String>,
    pub entries: u64,
    pub bytes_read: u64,
    pub bytes_stored: u64,
    pub faults: u64,
    pub detail: Option<String>,
    /// The agent that makes it on its host; null for this server.
    pub agent: Option<String>,
    /// Level of a verification.
    pub level: Option<u8>,
    /// Files read by their own format, by its name; of a verification of level 2.
    pub checked: Vec<super::Count>,
    /// Where a restore went.
    pub to: Option<String>,
    /// Of a restore on a host: a second person must agree before it begins, and who has.
    pub needs_approval: bool,
    pub approved_by: Option<String>,
    /// How far a drill is, and what it came to.
    #[schema(value_type = Option<Drill>)]
    pub drill: Option<Box<Drill>>,
    /// The first faults.
    pub errors: Vec<RunFault>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct RunList {
    pub items: Vec<Run>,
}

/// Protection in numbers.
#[derive(Serialize, ToSchema, Debug)]
pub struct ProtectionOverview {
    /// Null before a vault was made.
    pub vault: Option<Vault>,
    /// Why the vault could not be read.
    pub vault_problem: Option<String>,
    pub states: Vec<super::Count>,
    /// The oldest proof among the targets that have one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_proof: Option<Time>,
    /// Targets of plans, and of these with a proof.
    pub targets: u64,
    pub proven: u64,
    pub plans: u64,
    pub open_runs: Vec<Run>,
    /// Copies that the control plane makes.
    pub copies: Vec<CopyRow>,
    pub pending_changes: u64,
}

/// One target of a plan, or all where it is absent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    pub target: Option<String>,
}
