//! What the log says: one JSON object an entry, tagged by `kind`.
//!
//! These are formats at rest: a field is added, never changed. Invariant: an entry carries all
//! that the rules need (times, locks, signatures), so the log alone, without any key, tells what
//! may be deleted and who approved what.

use crate::{
    digest::Sha256,
    escrow::Which,
    recovery::{Approval, Mode},
    source::Fault,
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Name of a snapshot: the SHA-256 of its file, as restic shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(pub Sha256);

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SnapshotId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Sha256::parse(text).map(Self).ok_or(())
    }
}

/// Whether a snapshot holds everything that was offered to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Complete,
    Partial,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogEntry {
    /// Clock of the vault when the entry was written.
    pub time: Time,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// First entry: the vault's description and the files of the empty repository.
    Init {
        description: Sha256,
        objects: ObjectChange,
        policy: Policy,
    },
    /// A backup ended.
    Snapshot(Stored),
    /// A snapshot that another program wrote, or whose entry was lost in a crash.
    Adopted(Stored),
    /// Objects a crashed run left, or an index rebuilt around lost ones.
    Repaired {
        objects: ObjectChange,
    },
    /// New rules of retention.
    Policy {
        policy: Policy,
        by: String,
    },
    /// Rules that keep less, which a person asks for; a second one must agree.
    PolicyAsked {
        policy: Policy,
        by: String,
        signature: String,
    },
    /// The second person agreed; the rules come into force when the delay is over.
    PolicyAgreed {
        request: u64,
        by: String,
        signature: String,
    },
    /// Somebody withdrew them before.
    PolicyWithdrawn {
        request: u64,
        by: String,
        signature: String,
    },
    /// A snapshot's lock is made longer.
    Retained {
        snapshot: SnapshotId,
        until: Time,
        by: String,
    },
    Hold {
        snapshot: SnapshotId,
        reason: String,
        by: String,
    },
    /// A person who may ask for and approve releases; from the third on, one of them signs.
    Person {
        key: String,
        by: Option<String>,
        signature: Option<String>,
    },
    ReleaseAsked {
        snapshot: SnapshotId,
        holds: Vec<u64>,
        reason: String,
        by: String,
        signature: String,
    },
    /// The second person agreed, where releases do not wait; `request` is the number of the entry
    /// that asked.
    Released {
        request: u64,
        by: String,
        signature: String,
    },
    /// The second person agreed; the holds end when the delay is over.
    ReleaseAgreed {
        request: u64,
        by: String,
        signature: String,
    },
    /// Somebody withdrew a release before.
    ReleaseWithdrawn {
        request: u64,
        by: String,
        signature: String,
    },
    /// A deleted snapshot was taken back, and is locked anew.
    Undeleted {
        snapshot: SnapshotId,
        until: Option<Time>,
        by: String,
        objects: ObjectChange,
    },
    /// Snapshots deleted by plan.
    Forgot {
        snapshots: Vec<SnapshotId>,
        objects: ObjectChange,
    },
    /// Space of deleted snapshots reclaimed.
    Pruned {
        objects: ObjectChange,
    },
    /// A key was split into `of` shares of which any `needed` give it back; `set` is on each.
    Escrowed {
        which: Which,
        set: String,
        needed: u8,
        of: u8,
        by: String,
    },
    /// A recovery plan was followed, as a drill or in earnest; `report` is the hash of the report.
    Recovery {
        id: String,
        mode: Mode,
        plan: String,
        plan_sha256: Sha256,
        report: Sha256,
        ok: bool,
        rto_ms: Option<u64>,
        rpo_ms: Option<u64>,
        approvals: Vec<Approval>,
    },
    /// A copy became the vault, after so many entries of the site that had it before.
    Promoted {
        from: u64,
        by: String,
    },
    /// The site that writes gives the vault to another; nothing of its own follows.
    HandedOver {
        to: String,
        by: String,
    },
    /// A restore read and checked files of a snapshot; `whole` when all of them were right.
    Restored {
        snapshot: SnapshotId,
        files: u64,
        bytes: u64,
        faults: u64,
        whole: bool,
    },
    /// Every file of a snapshot was read and checked without being restored; at level 2 also by
    /// its own format. `whole` when all of them were right.
    Verified {
        snapshot: SnapshotId,
        level: u8,
        files: u64,
        bytes: u64,
        faults: u64,
        whole: bool,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stored {
    pub snapshot: SnapshotId,
    pub asset: String,
    pub sources: Vec<String>,
    pub state: State,
    /// When the snapshot says it was taken; rules use the entry's time instead.
    pub taken_at: Time,
    /// Locked until then; `None` is not locked.
    pub retain_until: Option<Time>,
    pub files: u64,
    pub bytes: u64,
    pub entries_offered: u64,
    pub entries_stored: u64,
    /// The first faults; `faults_total` counts all.
    pub faults: Vec<Fault>,
    pub faults_total: u64,
    /// What a person should know of how it was read: the first of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Fault>,
    /// Rules of its own, besides the vault's: it stays as long as either wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    pub objects: ObjectChange,
}

/// Files that came and went in the repository: hash and size of the list of them, which lies
/// beside the log under its hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObjectChange {
    pub list: Sha256,
    pub added: u64,
    pub removed: u64,
    pub added_bytes: u64,
}

/// Rules of retention.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Policy {
    pub keep: Keep,
    /// Days every new snapshot is locked for.
    pub lock_days: u32,
    pub mode: LockMode,
    /// Days for which a deleted snapshot can be taken back.
    #[serde(default = "week", skip_serializing_if = "is_week")]
    pub undelete_days: u32,
    /// Hours a release waits after the second person agreed; 0 in vaults made before it did.
    #[serde(default, skip_serializing_if = "is_none")]
    pub release_delay_hours: u32,
    /// Days from now that no lock reaches beyond, so that nobody fills the vault for ever; 0 is no
    /// bound, as in vaults made before there was one.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lock_days_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            keep: Keep::default(),
            lock_days: 14,
            mode: LockMode::Governance,
            undelete_days: week(),
            release_delay_hours: 72,
            lock_days_max: 3_650,
        }
    }
}

fn week() -> u32 {
    7
}

fn is_week(days: &u32) -> bool {
    *days == week()
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

/// How many snapshots of each asset and set of sources stay: grandfather, father, son.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Keep {
    pub last: u32,
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self { last: 3, hourly: 0, daily: 14, weekly: 8, monthly: 12, yearly: 5 }
    }
}

/// What may become of `lock_days`. No mode shortens a lock that a snapshot already has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockMode {
    /// New snapshots may be locked for a shorter time.
    Governance,
    /// `lock_days` only grows and the mode stays.
    Locked,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format at rest. A change here breaks the logs that exist.
    #[test]
    fn entries_keep_their_form() {
        let snapshot = SnapshotId(Sha256::of(b"snapshot"));
        let objects = ObjectChange { list: Sha256::of(b""), added: 2, removed: 0, added_bytes: 9 };
        let event = Event::Snapshot(Stored {
            snapshot,
            asset: "press-4".into(),
            sources: vec!["files:/srv/plc".into()],
            state: State::Partial,
            taken_at: Time::from_secs(1),
            retain_until: None,
            files: 1,
            bytes: 9,
            entries_offered: 2,
            entries_stored: 1,
            faults: vec![Fault::new("files:/srv/plc", "/srv/plc/a", "permission denied")],
            faults_total: 1,
            warnings: Vec::new(),
            keep: None,
            objects,
        });
        let entry = LogEntry { time: Time::from_secs(2), event };
        let text = serde_json::to_string(&entry).unwrap();
        let expected = [
            r#"{"time":"1970-01-01T00:00:02.000000Z","kind":"snapshot","snapshot":""#,
            &snapshot.to_string(),
            r#"","asset":"press-4","sources":["files:/srv/plc"],"state":"partial","#,
            r#""taken_at":"1970-01-01T00:00:01.000000Z","retain_until":null,"files":1,"bytes":9,"#,
            r#""entries_offered":2,"entries_stored":1,"faults":[{"source":"files:/srv/plc","#,
            r#""path":"/srv/plc/a","error":"permission denied"}],"faults_total":1,"objects":{"#,
            r#""list":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
            r#""added":2,"removed":0,"added_bytes":9}}"#,
        ]
        .concat();
        assert_eq!(text, expected);
        assert!(serde_json::from_str::<LogEntry>(&text).is_ok());
    }

    /// Signatures are over this text: what was signed before a field was added stays signed.
    #[test]
    fn rules_of_an_old_vault_keep_their_form() {
        let text = [
            r#"{"keep":{"last":3,"hourly":0,"daily":14,"weekly":8,"monthly":12,"yearly":5},"#,
            r#""lock_days":14,"mode":"governance"}"#,
        ]
        .concat();
        let old: Policy = serde_json::from_str(&text).unwrap();
        assert_eq!((old.undelete_days, old.release_delay_hours, old.lock_days_max), (7, 0, 0));
        assert_eq!(serde_json::to_string(&old).unwrap(), text);
    }
}
