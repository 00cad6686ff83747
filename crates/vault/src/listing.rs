//! What is in a vault: one row a snapshot.
//!
//! Invariant: a row says only what the log proves; a snapshot the log does not know is shown and
//! marked.

use crate::{
    backup::{logged_sources, state_by_tag},
    engine::VaultEngine,
    error::Result,
    event::{SnapshotId, State},
    ledger::{Hold, Record},
    source::Fault,
    vault::Unlocked,
};
use model::Time;
use serde::Serialize;

/// A promise to scripts: `vault list --format json`.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub id: SnapshotId,
    pub time: Time,
    pub asset: String,
    pub sources: Vec<String>,
    pub state: State,
    pub files: u64,
    pub bytes: u64,
    /// What a person should know of how it was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Fault>,
    pub retain_until: Option<Time>,
    pub holds: Vec<Hold>,
    pub verified_at: Option<Time>,
    /// False for a snapshot written by another program and not yet taken into the log.
    pub logged: bool,
}

impl Unlocked {
    /// All snapshots, oldest first: as the log brought them, then those it does not know.
    pub fn list(&self) -> Result<Vec<Row>> {
        let ledger = self.vault.ledger()?;
        let rows = self.engine.snapshots()?.into_iter().map(|described| {
            let known = ledger.snapshots.get(&described.id);
            match known {
                Some(record) => row(record, described.paths),
                None => Row {
                    id: described.id,
                    time: described.time,
                    asset: described.host,
                    sources: described.paths,
                    state: state_by_tag(&described.tags),
                    files: described.files.unwrap_or_default(),
                    bytes: described.bytes.unwrap_or_default(),
                    warnings: Vec::new(),
                    retain_until: None,
                    holds: Vec::new(),
                    verified_at: None,
                    logged: false,
                },
            }
        });
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by_key(|row| (ledger.place_of(&row.id), row.time, row.id));
        Ok(rows)
    }
}

/// The log vouches for `paths` by their names or, when they are many, by a hash of them.
fn row(record: &Record, paths: Vec<String>) -> Row {
    let vouched = logged_sources(&paths) == record.sources;
    Row {
        id: record.snapshot,
        time: record.time,
        asset: record.asset.clone(),
        sources: if vouched { paths } else { record.sources.clone() },
        state: record.state,
        files: record.files,
        bytes: record.bytes,
        warnings: record.warnings.clone(),
        retain_until: record.retain_until,
        holds: record.holds.values().cloned().collect(),
        verified_at: record.verified_at,
        logged: true,
    }
}
