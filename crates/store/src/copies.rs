//! Copies of the vault elsewhere: the rows, and what the runs of each came to.
//!
//! Not here: what a copy's settings mean. Invariant: a copy's generation counts its changes, a
//! change on an old one is refused, and a change does not make it forget how it stands.

use crate::{
    COPIES_MAX, Error, Result, Run, RunState, Store,
    plan::checked,
    text::new_id,
    writer::{Turn, now},
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
        let name = checked(name)?;
        self.write(move |turn| {
            Box::pin(async move {
                let sql = "SELECT COUNT(*) FROM copies";
                let row = sqlx::query(sql).fetch_one(&mut turn.db).await?;
                if row.try_get::<i64, _>(0)? >= COPIES_MAX {
                    let reason = format!("a vault has at most {COPIES_MAX} copies");
                    return Err(Error::refused("name", reason));
                }
                let id = new_id("cpy", now());
                put(turn, &id, &name, &spec, 1).await?;
                Ok(id)
            })
        })
        .await
    }

    pub async fn replace_copy(
        &self,
        id: &str,
        generation: i64,
        name: &str,
        spec: serde_json::Value,
    ) -> Result<()> {
        let (id, name) = (id.to_owned(), checked(name)?);
        self.write(move |turn| {
            Box::pin(async move {
                is_at(turn, &id, generation).await?;
                put(turn, &id, &name, &spec, generation + 1).await
            })
        })
        .await
    }

    /// Ends the copying; what was copied stays where it is.
    pub async fn delete_copy(&self, id: &str, generation: i64) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                is_at(turn, &id, generation).await?;
                let sql = "DELETE FROM copies WHERE id = $1";
                sqlx::query(sql).bind(&id).execute(&mut turn.db).await?;
                Ok(())
            })
        })
        .await
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

async fn is_at(turn: &mut Turn, id: &str, generation: i64) -> Result<()> {
    let row = sqlx::query("SELECT generation FROM copies WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?
        .ok_or_else(|| Error::missing("copy", id))?;
    let current = row.try_get("generation")?;
    if current == generation { Ok(()) } else { Err(Error::Mismatch { current }) }
}

async fn put(
    turn: &mut Turn,
    id: &str,
    name: &str,
    spec: &serde_json::Value,
    generation: i64,
) -> Result<()> {
    let taken = sqlx::query("SELECT id FROM copies WHERE name = $1 AND id <> $2")
        .bind(name)
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?;
    if taken.is_some() {
        return Err(Error::Exists { kind: "copy", id: name.to_owned() });
    }
    sqlx::query(
        "INSERT INTO copies (id, name, spec, generation, updated_at, failures) VALUES ($1, $2, \
         $3, $4, $5, 0) ON CONFLICT (id) DO UPDATE SET name = $2, spec = $3, generation = $4, \
         updated_at = $5",
    )
    .bind(id)
    .bind(name)
    .bind(spec.to_string())
    .bind(generation)
    .bind(now().nanos())
    .execute(&mut turn.db)
    .await?;
    Ok(())
}
