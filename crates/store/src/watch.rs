//! Changes as they are committed, and catching up with them from disk.
//!
//! Not here: server-sent events. Invariant: revisions only grow; a watcher that was told of
//! revision N and catches up from N misses no row's newest state.

use crate::{
    AssetRecord, BACKLOG_ROWS_MAX, Capture, FindingRecord, LinkRecord, Result, Run, SensorRecord,
    Store, WATCH_CHANGES_MAX, asset, capture, finding, link, run, sensor,
};
use model::{AssetId, LinkId, Time};
use sqlx::{Row, sqlite::SqliteRow};
use std::sync::Arc;
use tokio::sync::broadcast;

/// A row as it is since `revision`; 0 where that is no place to go on from: it is not committed, or
/// what was committed before is not told yet.
#[derive(Clone, Debug)]
pub struct Change {
    pub revision: i64,
    pub row: ChangedRow,
}

#[derive(Clone, Debug)]
pub enum ChangedRow {
    Asset(AssetRecord),
    AssetMerged {
        id: AssetId,
        into: AssetId,
    },
    Link(LinkRecord),
    LinkMerged {
        id: LinkId,
        into: LinkId,
    },
    Finding(FindingRecord),
    Sensor(SensorRecord),
    Capture(Capture),
    Run(Box<Run>),
    /// Not kept: a watcher that was away does not hear of it.
    Beat {
        sensor: String,
        at: Time,
        packets: u64,
        bytes: u64,
        drops: u64,
        learning: bool,
    },
}

/// What a watcher missed.
#[derive(Debug)]
pub enum Backlog {
    /// In the order of their revisions; those without one come last, and again to who watches.
    Changes(Vec<Change>),
    /// Too much, or from another database: read the lists again.
    TooOld,
}

#[derive(Clone)]
pub(crate) struct Watchers(broadcast::Sender<Arc<Change>>);

impl Watchers {
    pub(crate) fn new() -> Self {
        Watchers(broadcast::Sender::new(WATCH_CHANGES_MAX))
    }

    pub(crate) fn tell(&self, changes: Vec<Change>) {
        for change in changes {
            // Nobody listens: fine, the rows are on disk.
            drop(self.0.send(Arc::new(change)));
        }
    }
}

/// The rows that `sql` finds, given a revision (`$1`) and how many at the most (`$2`), as changes.
pub(crate) async fn changes(
    store: &Store,
    sql: String,
    since: i64,
    limit: i64,
    change: impl Fn(&SqliteRow) -> Result<Change>,
) -> Result<Vec<Change>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(since)
        .bind(limit)
        .fetch_all(store.readers())
        .await?;
    rows.iter().map(change).collect()
}

impl Store {
    /// Hears every change committed from here on. A receiver that lags goes on with
    /// [`Store::backlog`].
    pub fn watch(&self) -> broadcast::Receiver<Arc<Change>> {
        self.inner.watchers.0.subscribe()
    }

    /// Revision of the newest commit.
    pub async fn revision(&self) -> Result<i64> {
        let row = sqlx::query("SELECT value FROM counters WHERE name = 'revision'")
            .fetch_one(self.readers())
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Rows changed after `since`, for who watches since before.
    pub async fn backlog(&self, since: i64) -> Result<Backlog> {
        let newest = self.revision().await?;
        if since > newest || since < 0 {
            return Ok(Backlog::TooOld);
        }
        self.backlog_to(since, newest).await
    }

    /// Tables are read one after the other and commits go on: what is newer than `newest` may be
    /// there of one and not of another. A row that is newer may still be the first word of what
    /// was committed before, so it is told, but as no place to go on from.
    async fn backlog_to(&self, since: i64, newest: i64) -> Result<Backlog> {
        let limit = i64::try_from(BACKLOG_ROWS_MAX).expect("a small constant");
        let mut changes = asset::changed_since(self, since, limit).await?;
        changes.extend(link::changed_since(self, since, limit).await?);
        changes.extend(finding::changed_since(self, since, limit).await?);
        changes.extend(sensor::changed_since(self, since).await?);
        changes.extend(capture::changed_since(self, since, limit).await?);
        changes.extend(run::changed_since(self, since, limit).await?);
        if changes.len() >= BACKLOG_ROWS_MAX {
            return Ok(Backlog::TooOld);
        }
        changes.sort_by_key(|change| change.revision);
        for change in changes.iter_mut().filter(|change| change.revision > newest) {
            change.revision = 0;
        }
        Ok(Backlog::Changes(changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Origin, SensorState, SensorStatus, Settings};

    #[tokio::test]
    async fn what_is_committed_while_tables_are_read_is_no_place_to_go_on_from() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        let say = async |id: &str, state| {
            let status = SensorStatus {
                id: id.to_owned(),
                interface: "eth0".to_owned(),
                origin: Origin::Network,
                state,
                detail: None,
                restarts: 0,
                learning_until: None,
            };
            store.set_sensor(status).await.expect("saved");
        };
        say("a", SensorState::Running).await;
        say("b", SensorState::Running).await;
        let newest = store.revision().await.expect("reads");
        say("a", SensorState::Failed).await;
        let Backlog::Changes(changes) = store.backlog_to(0, newest).await.expect("reads") else {
            panic!("not too old")
        };
        let told = changes.iter().map(|change| match &change.row {
            ChangedRow::Sensor(sensor) => (sensor.id.as_str(), sensor.state, change.revision),
            other => panic!("{other:?}"),
        });
        let expected = [("b", SensorState::Running, newest), ("a", SensorState::Failed, 0)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert!(store.revision().await.expect("reads") > newest);
        store.close().await;
    }
}
