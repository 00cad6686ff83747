//! Uploaded captures: the row of each; its report is a file beside the database.
//!
//! Not here: parsing. Invariant: a capture that was being parsed when the server stopped is failed
//! when it starts again, never parsing for ever.

use crate::{
    CaptureState, Change, ChangedRow, Error, Result, Store,
    asset::{signed, unsigned},
    text::{clean, new_id},
    watch::changes,
    writer::{Turn, now},
};
use model::{Severity, Time};
use serde::{Deserialize, Serialize};
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    pub id: String,
    pub file: String,
    pub size_bytes: u64,
    pub sha256: String,
    pub state: CaptureState,
    pub detail: Option<String>,
    pub uploaded_by: String,
    pub uploaded_at: Time,
    pub finished_at: Option<Time>,
    pub summary: Option<CaptureSummary>,
    pub imported_at: Option<Time>,
    /// The sensor with whose rules and protocols it is read.
    pub read_as: Option<String>,
    pub revision: i64,
}

/// A capture that was received.
#[derive(Clone, Debug)]
pub struct NewCapture {
    pub file: String,
    pub size_bytes: u64,
    pub sha256: String,
    pub uploaded_by: String,
    pub read_as: Option<String>,
}

/// A report in numbers; rests on disk as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptureSummary {
    pub packets: u64,
    pub bytes: u64,
    pub first_ts: Option<Time>,
    pub last_ts: Option<Time>,
    pub assets: u64,
    pub links: u64,
    pub findings: u64,
    pub severity: Option<Severity>,
}

const SELECT: &str = "SELECT id, file, size_bytes, sha256, state, detail, uploaded_by, \
    uploaded_at, finished_at, summary, imported_at, read_as, revision FROM captures";

fn record(row: &SqliteRow) -> Result<Capture> {
    let summary: Option<String> = row.try_get("summary")?;
    Ok(Capture {
        id: row.try_get("id")?,
        file: row.try_get("file")?,
        size_bytes: unsigned(row.try_get("size_bytes")?),
        sha256: row.try_get("sha256")?,
        state: CaptureState::from_word(row.try_get("state")?).unwrap_or(CaptureState::Failed),
        detail: row.try_get("detail")?,
        uploaded_by: row.try_get("uploaded_by")?,
        uploaded_at: Time(row.try_get("uploaded_at")?),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Time),
        summary: summary.map(|json| serde_json::from_str(&json)).transpose()?,
        imported_at: row.try_get::<Option<i64>, _>("imported_at")?.map(Time),
        read_as: row.try_get("read_as")?,
        revision: row.try_get("revision")?,
    })
}

async fn tell(turn: &mut Turn, id: &str) -> Result<()> {
    let revision = turn.revision();
    sqlx::query("UPDATE captures SET revision = $1 WHERE id = $2")
        .bind(revision)
        .bind(id)
        .execute(&mut turn.db)
        .await?;
    let sql = format!("{SELECT} WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&mut turn.db).await?;
    let row = row.ok_or_else(|| Error::missing("capture", id))?;
    turn.changed(revision, ChangedRow::Capture(record(&row)?));
    Ok(())
}

pub(crate) async fn changed_since(store: &Store, since: i64, limit: i64) -> Result<Vec<Change>> {
    let sql = format!("{SELECT} WHERE revision > $1 ORDER BY revision LIMIT $2");
    changes(store, sql, since, limit, |row| {
        let capture = record(row)?;
        Ok(Change { revision: capture.revision, row: ChangedRow::Capture(capture) })
    })
    .await
}

impl Store {
    /// Newest first.
    pub async fn captures(&self) -> Result<Vec<Capture>> {
        let sql = format!("{SELECT} ORDER BY uploaded_at DESC, id LIMIT 1000");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(record).collect()
    }

    pub async fn capture(&self, id: &str) -> Result<Capture> {
        let sql = format!("{SELECT} WHERE id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(self.readers()).await?;
        record(&row.ok_or_else(|| Error::missing("capture", id))?)
    }

    /// Notes a capture that is about to be parsed; gives its id.
    pub async fn create_capture(&self, new: NewCapture) -> Result<String> {
        self.write(move |turn| {
            Box::pin(async move {
                let id = new_id("cap", now());
                sqlx::query(
                    "INSERT INTO captures (id, file, size_bytes, sha256, state, uploaded_by, \
                     uploaded_at, read_as, revision) \
                     VALUES ($1, $2, $3, $4, 'parsing', $5, $6, $7, 0)",
                )
                .bind(&id)
                .bind(clean(&new.file))
                .bind(signed(new.size_bytes))
                .bind(new.sha256)
                .bind(new.uploaded_by)
                .bind(now().nanos())
                .bind(new.read_as)
                .execute(&mut turn.db)
                .await?;
                tell(turn, &id).await?;
                Ok(id)
            })
        })
        .await
    }

    /// How the parsing ended: a summary, or why not.
    pub async fn finish_capture(
        &self,
        id: &str,
        outcome: std::result::Result<CaptureSummary, String>,
    ) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let (state, detail, summary) = match &outcome {
                    Ok(summary) => (CaptureState::Done, None, Some(summary)),
                    Err(reason) => (CaptureState::Failed, Some(clean(reason)), None),
                };
                sqlx::query(
                    "UPDATE captures SET state = $1, detail = $2, summary = $3, \
                     finished_at = $4 WHERE id = $5",
                )
                .bind(state.word())
                .bind(detail)
                .bind(summary.map(serde_json::to_string).transpose()?)
                .bind(now().nanos())
                .bind(&id)
                .execute(&mut turn.db)
                .await?;
                tell(turn, &id).await
            })
        })
        .await
    }

    pub async fn delete_capture(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let done = sqlx::query("DELETE FROM captures WHERE id = $1")
                    .bind(&id)
                    .execute(&mut turn.db)
                    .await?;
                if done.rows_affected() == 0 {
                    return Err(Error::missing("capture", &id));
                }
                Ok(())
            })
        })
        .await
    }

    /// Captures that are being parsed; at the start, those that were and are not any more.
    pub async fn captures_in_parsing(&self) -> Result<Vec<String>> {
        let all = self.captures().await?.into_iter();
        let parsed = all.filter(|capture| capture.state == CaptureState::Parsing);
        Ok(parsed.map(|capture| capture.id).collect())
    }
}

pub(crate) async fn mark_imported(turn: &mut Turn, id: &str) -> Result<()> {
    sqlx::query("UPDATE captures SET imported_at = $1 WHERE id = $2")
        .bind(now().nanos())
        .bind(id)
        .execute(&mut turn.db)
        .await?;
    tell(turn, id).await
}
