//! Copies of the vault elsewhere: the rows, and what the runs of each came to.
//!
//! Not here: what a copy's settings mean; how named rows are changed (`named`). Invariant: a change
//! does not make a copy forget how it stands.

use crate::{
    COPIES_MAX, Error, Result, Run, RunState, Store,
    named::{Table, spec_cells},
    writer::Turn,
};
use model::Time;
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug, PartialEq)]
pub struct VaultCopy {
    pub id: String,
    pub name: String,
    pub spec: serde_json::Value,
    pub generation: i64,
    pub updated_at: Time,
    pub last_run: Option<String>,
    pub last_state: Option<RunState>,
    pub last_at: Option<Time>,
    pub last_detail: Option<String>,
    /// Since the last whole one.
    pub failures: u32,
    /// When the last whole one began: what was backed up before is in it.
    pub copied_from: Option<Time>,
    pub copied_at: Option<Time>,
    /// When the first backup ended that no whole copy has.
    pub waiting_since: Option<Time>,
}

static COPIES: Table = Table {
    table: "copies",
    kind: "copy",
    prefix: "cpy",
    rows_max: COPIES_MAX,
    full: "copies of a vault are at most",
    counts: &["failures"],
};

const SELECT: &str = "SELECT c.*, (SELECT MIN(r.finished_at) FROM runs r WHERE r.kind = 'backup' \
    AND r.snapshot IS NOT NULL AND r.finished_at > COALESCE(c.copied_from, 0)) AS waiting_since \
    FROM copies c";

fn copy(row: &SqliteRow) -> Result<VaultCopy> {
    let time =
        |name: &str| -> Result<Option<Time>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(Time)) };
    let state: Option<String> = row.try_get("last_state")?;
    Ok(VaultCopy {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        spec: serde_json::from_str(row.try_get("spec")?)?,
        generation: row.try_get("generation")?,
        updated_at: Time(row.try_get("updated_at")?),
        last_run: row.try_get("last_run")?,
        last_state: state.and_then(|word| RunState::from_word(&word)),
        last_at: time("last_at")?,
        last_detail: row.try_get("last_detail")?,
        failures: u32::try_from(row.try_get::<i64, _>("failures")?).unwrap_or(0),
        copied_from: time("copied_from")?,
        copied_at: time("copied_at")?,
        waiting_since: time("waiting_since")?,
    })
}

impl Store {
    /// By name.
    pub async fn copies(&self) -> Result<Vec<VaultCopy>> {
        let sql = format!("{SELECT} ORDER BY c.name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(copy).collect()
    }

    pub async fn copy(&self, id: &str) -> Result<VaultCopy> {
        let sql = format!("{SELECT} WHERE c.id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(self.readers()).await?;
        copy(&row.ok_or_else(|| Error::missing("copy", id))?)
    }

    pub async fn create_copy(&self, name: &str, spec: serde_json::Value) -> Result<String> {
        COPIES.create(self, name, spec_cells(&spec)).await
    }

    pub async fn replace_copy(
        &self,
        id: &str,
        generation: i64,
        name: &str,
        spec: serde_json::Value,
    ) -> Result<()> {
        COPIES.replace(self, (id, generation), name, spec_cells(&spec)).await
    }

    /// Ends the copying; what was copied stays where it is.
    pub async fn delete_copy(&self, id: &str, generation: i64) -> Result<()> {
        COPIES.delete(self, (id, generation), &[]).await
    }
}

/// The end of a run of a copy; `whole` is whether all that the vault's log names is there.
pub(crate) async fn copied(turn: &mut Turn, run: &Run, whole: bool) -> Result<()> {
    if run.state == RunState::Cancelled {
        return Ok(());
    }
    sqlx::query(
        "UPDATE copies SET last_run = $2, last_state = $3, last_at = $4, last_detail = $5, \
         failures = CASE WHEN $3 = 'complete' THEN 0 ELSE failures + 1 END, copied_from = CASE \
         WHEN $6 = 1 THEN $7 ELSE copied_from END, copied_at = CASE WHEN $6 = 1 THEN $4 ELSE \
         copied_at END WHERE id = $1",
    )
    .bind(&run.target)
    .bind(&run.id)
    .bind(run.state.word())
    .bind(run.finished_at.map(Time::nanos))
    .bind(&run.detail)
    .bind(i64::from(whole))
    .bind(run.started_at.map(Time::nanos))
    .execute(&mut turn.db)
    .await?;
    Ok(())
}
