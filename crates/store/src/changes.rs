//! Changes of programs, firmware and configuration that ask for a backup of their asset.
//!
//! Not here: which findings these are, and when the backup comes. Invariant: the same word of a
//! finding asks once, however often it is told, also over restarts.

use crate::{Result, Store, writer::now};
use model::Time;
use sqlx::Row;

#[derive(Clone, Debug, PartialEq)]
pub struct PendingChange {
    pub target: String,
    pub finding: String,
    pub first_at: Time,
    pub last_at: Time,
}

impl Store {
    /// A finding says that `target` was changed; `last_seen` is when it was seen to.
    pub async fn note_change(&self, target: &str, finding: &str, last_seen: Time) -> Result<()> {
        let (target, finding) = (target.to_owned(), finding.to_owned());
        self.write(move |turn| {
            Box::pin(async move {
                let done = sqlx::query(
                    "INSERT INTO seen_changes (target, finding, last_seen) VALUES ($1, $2, $3) ON \
                     CONFLICT (target, finding) DO UPDATE SET last_seen = $3 WHERE \
                     seen_changes.last_seen < $3",
                )
                .bind(&target)
                .bind(&finding)
                .bind(last_seen.nanos())
                .execute(&mut turn.db)
                .await?;
                if done.rows_affected() == 0 {
                    return Ok(());
                }
                sqlx::query(
                    "INSERT INTO pending_changes (target, finding, first_at, last_at) VALUES ($1, \
                     $2, $3, $3) ON CONFLICT (target) DO UPDATE SET finding = $2, last_at = $3",
                )
                .bind(&target)
                .bind(&finding)
                .bind(now().nanos())
                .execute(&mut turn.db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Oldest first.
    pub async fn pending_changes(&self) -> Result<Vec<PendingChange>> {
        let rows = sqlx::query(
            "SELECT target, finding, first_at, last_at FROM pending_changes ORDER BY first_at, \
             target",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(PendingChange {
                    target: row.try_get("target")?,
                    finding: row.try_get("finding")?,
                    first_at: Time(row.try_get("first_at")?),
                    last_at: Time(row.try_get("last_at")?),
                })
            })
            .collect()
    }

    /// Its backup is on the way, or nothing will come of it.
    pub async fn settle_change(&self, target: &str) -> Result<()> {
        let target = target.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("DELETE FROM pending_changes WHERE target = $1")
                    .bind(&target)
                    .execute(&mut turn.db)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}
