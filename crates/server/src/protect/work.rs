//! What a worker of the vault is told, and what it says: one JSON line each.
//!
//! The order goes to the standard input of `spandrel vault worker`, words come from its standard
//! output. Not here: doing it. Invariant: no order holds a secret; keys and logins are named by
//! their files.

use model::Time;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// One order; a worker takes one and ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub vault: PathBuf,
    pub key_file: PathBuf,
    pub job: Job,
    /// Nothing but this may be read, the vault and its key aside, and no connection made; absent:
    /// everything that the user may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Vec<PathBuf>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Job {
    /// Makes the vault and, where there is none, its key file.
    Make,
    /// Snapshots, rules, holds, the log's state.
    Overview,
    Backup {
        asset: String,
        sources: Vec<String>,
        secrets: Option<PathBuf>,
        kib_per_s: Option<u32>,
        /// Lock for longer than the vault's rules say.
        lock_days: Option<u32>,
        /// Keep for longer than the vault's rules say.
        #[serde(default)]
        keep: Option<OwnRules>,
    },
    /// Level 0 checks the whole vault without its key, 1 reads a snapshot, 2 also its formats.
    Verify {
        level: u8,
        snapshot: Option<String>,
    },
    Tree {
        snapshot: String,
        at: String,
    },
    /// The folders of a snapshot in which a control plane or an agent keeps what is its own.
    OwnFolders {
        snapshot: String,
    },
    File {
        snapshot: String,
        path: String,
    },
    Diff {
        before: String,
        after: String,
    },
    Restore {
        snapshot: String,
        to: PathBuf,
        only: Option<String>,
    },
    /// Files, instructions and fingerprints as one archive.
    Kit {
        snapshot: String,
        only: Option<String>,
        file: PathBuf,
    },
    Hold {
        snapshot: String,
        reason: String,
        by: String,
    },
    /// `people` is a directory of the keys of those who may release, `others` who may approve.
    AskRelease {
        snapshot: String,
        reason: String,
        by: String,
        others: Vec<String>,
        people: PathBuf,
    },
    Approve {
        request: u64,
        by: String,
        people: PathBuf,
    },
    /// Withdraws a release, or rules that keep less, before it comes into force.
    Withdraw {
        request: u64,
        by: String,
        people: PathBuf,
    },
    Rules {
        rules: Rules,
        by: String,
    },
    /// Rules that keep less: a second person must approve, and then they wait.
    AskRules {
        rules: Rules,
        by: String,
        others: Vec<String>,
        people: PathBuf,
    },
    /// Takes a deleted snapshot back.
    Undelete {
        snapshot: String,
        by: String,
    },
    /// What a recovery plan comes to, and what is wrong with it.
    Outline {
        text: String,
    },
    /// Follows a recovery plan in isolation. `people` is a directory of the keys of those who
    /// approve, `work` one for the recovered data while it runs.
    Drill {
        what: Drilled,
        attended: bool,
        work: PathBuf,
        people: PathBuf,
    },
    /// Restores a snapshot below `work`, compares all of it with its hashes and by its formats,
    /// and removes it again. Nothing is started.
    Rehearse {
        snapshot: String,
        work: PathBuf,
        ordered_ms: u64,
    },
    /// Restores into a folder that it makes itself: in or below one of `into`, outside of all of
    /// `outside`, and nowhere else may it write.
    RestoreWithin {
        snapshot: String,
        to: PathBuf,
        only: Option<String>,
        into: Vec<PathBuf>,
        outside: Vec<PathBuf>,
    },
    /// A drill's report as a page; opens no vault.
    Page {
        report: serde_json::Value,
    },
    /// Sends what a store or another site lacks of the vault.
    Copy {
        address: String,
        lock: Option<String>,
        lock_days: u32,
        lock_days_max: u32,
        region: Option<String>,
        kbit_per_s: Option<u64>,
        token_file: Option<PathBuf>,
        ca: Option<PathBuf>,
    },
    /// The plan of what would be deleted.
    ForgetPlan,
    Forget,
}

/// What a drill follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Drilled {
    /// A recovery plan, as TOML.
    Plan { text: String },
    /// One snapshot: restored whole, `start` begun in it, `check` must end with 0.
    Proof { snapshot: String, start: Option<String>, check: String },
}

/// How far a drill is, and what it came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Drill {
    pub id: String,
    pub plan: String,
    /// People do their steps at the console.
    pub attended: bool,
    /// The time to recover runs from here.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub declared_at: Option<Time>,
    /// Every step, in order.
    pub planned: Vec<DrillStep>,
    /// Those that have ended.
    pub steps: Vec<DrillRecord>,
    pub current: Option<DrillBegun>,
    pub waiting: Option<DrillWait>,
    /// Null while it runs.
    pub ok: Option<bool>,
    pub rto_ms: Option<u64>,
    pub rto_target_ms: Option<u64>,
    pub rpo_ms: Option<u64>,
    pub rpo_target_ms: Option<u64>,
    pub canaries: Vec<DrillCanary>,
    pub snapshots: Vec<DrillSnapshot>,
    /// What was seen from inside.
    pub isolation: Option<String>,
    pub notes: Vec<String>,
    /// Entry of the vault's log that has the hash of the report.
    pub log_entry: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillStep {
    pub group: String,
    pub title: String,
    /// `restore`, `restore_kit`, `start`, `wait_for`, `manual` or `approve`.
    pub kind: String,
}

/// Times are milliseconds after the declaration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillRecord {
    pub group: String,
    pub title: String,
    pub kind: String,
    pub started_ms: u64,
    pub ended_ms: u64,
    /// `ok`, `failed`, `skipped` or `not-exercised`.
    pub outcome: String,
    pub detail: String,
    pub by: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillBegun {
    pub group: String,
    pub title: String,
    pub kind: String,
    pub started_ms: u64,
}

/// A step that waits for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillWait {
    /// What to name it by when it is done.
    pub step: String,
    pub text: String,
    /// Who does it; null for an approval.
    pub role: Option<String>,
    /// How many must approve; null for a step that one person does.
    pub people: Option<u64>,
    /// Who has approved.
    pub given: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillCanary {
    pub place: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Time>,
    pub number: u64,
    pub missing: u64,
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillSnapshot {
    pub id: String,
    pub asset: String,
    #[schema(value_type = String, format = DateTime)]
    pub time: Time,
}

/// What a person says to a drill: one line to the worker's standard input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub step: String,
    pub by: String,
    /// They sign for it, as one of several.
    pub approves: bool,
}

/// Rules of retention: grandfather, father, son, and the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    pub keep_last: u32,
    pub keep_hourly: u32,
    pub keep_daily: u32,
    pub keep_weekly: u32,
    pub keep_monthly: u32,
    pub keep_yearly: u32,
    pub lock_days: u32,
    /// From then on `lock_days` only grows.
    pub locked: bool,
    /// What is not said stays as it is.
    #[serde(default)]
    pub undelete_days: Option<u32>,
    #[serde(default)]
    pub release_delay_hours: Option<u32>,
    #[serde(default)]
    pub lock_days_max: Option<u32>,
}

impl Rules {
    /// Whether the vault will ask for a second person: by the same rule as its own, so that the
    /// console asks for one in time. What is wrong here the vault refuses.
    pub(crate) fn keep_less_than(&self, old: &Self) -> bool {
        let counts = |rules: &Self| {
            [
                rules.keep_last,
                rules.keep_hourly,
                rules.keep_daily,
                rules.keep_weekly,
                rules.keep_monthly,
                rules.keep_yearly,
                rules.lock_days,
                rules.undelete_days.unwrap_or_default(),
                rules.release_delay_hours.unwrap_or_default(),
            ]
        };
        let bound = |rules: &Self| rules.lock_days_max.unwrap_or_default();
        counts(self).iter().zip(counts(old)).any(|(new, old)| *new < old)
            || bound(old) > 0 && bound(old) != bound(self)
    }
}

/// Rules of a plan besides the vault's: a snapshot stays as long as either wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnRules {
    #[serde(default)]
    pub last: u32,
    #[serde(default)]
    pub hourly: u32,
    #[serde(default)]
    pub daily: u32,
    #[serde(default)]
    pub weekly: u32,
    #[serde(default)]
    pub monthly: u32,
    #[serde(default)]
    pub yearly: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "kebab-case")]
pub enum Word {
    /// Bytes so far, and what is being read.
    Progress {
        bytes: u64,
        at: String,
    },
    /// How far a drill is.
    Drill {
        drill: Box<Drill>,
    },
    Done {
        answer: serde_json::Value,
    },
    Failed {
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_words_keep_their_form() {
        let job = Job::Verify { level: 1, snapshot: Some("ab".into()) };
        let order = Order { vault: "/v".into(), key_file: "/k".into(), job, reads: None };
        let text = serde_json::to_string(&order).expect("plain data");
        let expected =
            r#"{"vault":"/v","key_file":"/k","job":{"kind":"verify","level":1,"snapshot":"ab"}}"#;
        assert_eq!(text, expected);
        let word = Word::Progress { bytes: 7, at: "/a".into() };
        let text = serde_json::to_string(&word).expect("plain data");
        assert_eq!(text, r#"{"says":"progress","bytes":7,"at":"/a"}"#);
    }
}
