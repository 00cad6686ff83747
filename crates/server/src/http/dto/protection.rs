//! Protection: coverage, plans, runs, the vault and its snapshots.
//!
//! Not here: carrying out. Invariant: a path of the server's own is told to admins' rows only:
//! where the vault and its key lie, never a content.

use super::AssetClass;
use crate::protect::work::{Drill, DrillStep, OwnRules};
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
    /// Restore the newest backup in isolation and try it at least so often; 0 is never.
    #[serde(default)]
    pub recover_days: u32,
    /// Command of the shell that starts what was recovered, in its folder.
    #[serde(default)]
    pub recover_start: Option<String>,
    /// Command of the shell that must end with 0, in its folder; tried for ten minutes.
    #[serde(default)]
    pub recover_check: Option<String>,
}

fn yes() -> bool {
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
    /// Level of a verification.
    pub level: Option<u8>,
    /// Files read by their own format, by its name; of a verification of level 2.
    pub checked: Vec<super::Count>,
    /// Where a restore went.
    pub to: Option<String>,
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

#[derive(Serialize, ToSchema, Debug)]
pub struct SnapshotHold {
    pub reason: String,
    pub by: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct Snapshot {
    pub id: String,
    #[schema(value_type = String, format = DateTime)]
    pub time: Time,
    /// What it is of, as the vault has it.
    pub asset: String,
    /// The asset's id or the plan's subject; null where another program took it.
    pub target: Option<String>,
    pub sources: Vec<String>,
    /// `complete` or `partial`.
    pub state: String,
    pub files: u64,
    pub bytes: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retain_until: Option<Time>,
    pub holds: Vec<SnapshotHold>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Time>,
    pub logged: bool,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct SnapshotList {
    /// Newest first.
    pub items: Vec<Snapshot>,
}

#[derive(Serialize, Deserialize, ToSchema, Debug)]
pub struct TreeEntry {
    pub name: String,
    pub path: String,
    /// `file`, `directory`, `link`, `special` or `damaged`.
    pub kind: String,
    pub size: u64,
    pub files: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub modified: Option<Time>,
}

#[derive(Serialize, Deserialize, ToSchema, Debug)]
pub struct Tree {
    pub at: String,
    pub items: Vec<TreeEntry>,
    /// There is more than is told.
    pub truncated: bool,
}

#[derive(Serialize, Deserialize, ToSchema, Debug)]
pub struct FileContent {
    pub path: String,
    pub size: u64,
    /// Null where it is not text.
    pub text: Option<String>,
    /// Its first bytes, hexadecimal, where it is not text.
    pub head: Option<String>,
    pub truncated: bool,
}

#[derive(Serialize, Deserialize, ToSchema, Debug)]
pub struct DifferenceRow {
    pub path: String,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// The format it was compared by, or `bytes`.
    pub kind: String,
    pub unit: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Why someone should look at it.
    pub risk: Option<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct Differences {
    pub before: String,
    pub after: String,
    pub items: Vec<DifferenceRow>,
}

/// Where a restore goes, and what of the snapshot.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// A directory of the server; absent is a new one below its data directory.
    pub to: Option<String>,
    /// Only what is at or below it.
    pub path: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// 0 is the whole vault without its key, 1 and 2 are a snapshot.
    pub level: u8,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonRequest {
    pub reason: String,
}

/// One target of a plan, or all where it is absent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    pub target: Option<String>,
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

/// A recovery plan to make, or what one shall become.
#[derive(Serialize, Deserialize, ToSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlanSpec {
    /// TOML, as docs/recovery.md has it.
    pub text: String,
    /// Drill it at least so often, without people; 0 is only when asked for.
    #[serde(default)]
    pub every_days: u32,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct RecoveryPlan {
    pub id: String,
    pub generation: i64,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    pub name: String,
    pub about: String,
    pub text: String,
    pub every_days: u32,
    /// What it does, in order.
    pub steps: Vec<DrillStep>,
    /// Why it cannot be followed as it is.
    pub problems: Vec<String>,
    pub rto_target_ms: Option<u64>,
    pub rpo_target_ms: Option<u64>,
    /// Canaries tell what was lost.
    pub canaries: bool,
    /// Its newest drill.
    pub last: Option<Run>,
    /// When it last passed one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub passed_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Time>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct RecoveryPlanList {
    pub items: Vec<RecoveryPlan>,
    /// Plans that suit this server, to begin with.
    pub suggestions: Vec<RecoveryPlanSpec>,
}

/// How to drill.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillRequest {
    /// People do their steps at the console; else those are left out.
    #[serde(default)]
    pub attended: bool,
}

/// A step that somebody has done or approves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// As the drill's `waiting` names it.
    pub step: String,
}
