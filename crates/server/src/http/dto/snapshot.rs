//! Snapshots, what is in them, and what is asked of one.
//!
//! Not here: the vault they are in. Invariant: an id is whole, never a word that may mean several.

use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
