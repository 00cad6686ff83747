//! What a worker of the vault is told, and what it says: one JSON line each.
//!
//! The order goes to the standard input of `spandrel vault worker`, words come from its standard
//! output. Not here: doing it. Invariant: no order holds a secret; keys and logins are named by
//! their files.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One order; a worker takes one and ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub vault: PathBuf,
    pub key_file: PathBuf,
    pub job: Job,
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
    /// The plan of what would be deleted.
    ForgetPlan,
    Forget,
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
        let order = Order { vault: "/v".into(), key_file: "/k".into(), job };
        let text = serde_json::to_string(&order).expect("plain data");
        let expected =
            r#"{"vault":"/v","key_file":"/k","job":{"kind":"verify","level":1,"snapshot":"ab"}}"#;
        assert_eq!(text, expected);
        let word = Word::Progress { bytes: 7, at: "/a".into() };
        let text = serde_json::to_string(&word).expect("plain data");
        assert_eq!(text, r#"{"says":"progress","bytes":7,"at":"/a"}"#);
    }
}
