//! Who changed what: an append-only chain of rows.
//!
//! A change is a row before it is made and a row after it. Each row's hash is SHA-256 over the
//! hash before it and its own text, so a row that is altered or taken out breaks the chain from
//! there on. Not here: what is audited. Invariant: rows are never updated.

use crate::{
    Result, Store,
    text::{clean, sha256_hex},
    writer::{AUDIT, Turn, now},
};
use model::Time;
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// What is about to be done, by whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditBegin {
    pub actor: String,
    pub method: String,
    pub session: Option<String>,
    pub ip: Option<String>,
    pub trace_id: String,
    pub action: String,
    pub resource: String,
}

/// How it went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditEnd {
    /// `done`, `denied`, `refused` or `failed`.
    pub result: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct AuditRecord {
    pub seq: i64,
    pub at: Time,
    pub begin: AuditBegin,
    /// `None`: the server stopped before it was known.
    pub end: Option<(Time, AuditEnd)>,
    pub hash: String,
}

/// Which records are meant; absent members leave out none.
#[derive(Clone, Debug, Default)]
pub struct AuditAsked {
    pub actor: Option<String>,
    /// From this time on, and before that one.
    pub since: Option<Time>,
    pub until: Option<Time>,
    /// How it went; a record without an end went no way.
    pub result: Option<String>,
}

/// Does the chain hold?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainState {
    Intact,
    /// Number of the first row that does not fit.
    BrokenAt(i64),
}

async fn append(
    turn: &mut Turn,
    record: Option<i64>,
    phase: &str,
    actor: &str,
    body: String,
) -> Result<i64> {
    let row = sqlx::query("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(&mut turn.db)
        .await?;
    let before: String = row.map(|row| row.try_get("hash")).transpose()?.unwrap_or_default();
    let seq = turn.next(AUDIT);
    let record = record.unwrap_or(seq);
    let at = now().nanos();
    let hash = link_hash(&before, seq, record, phase, at, actor, &body);
    sqlx::query(
        "INSERT INTO audit (seq, record, phase, at, actor, body, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(seq)
    .bind(record)
    .bind(phase)
    .bind(at)
    .bind(actor)
    .bind(body)
    .bind(hash)
    .execute(&mut turn.db)
    .await?;
    Ok(seq)
}

fn link_hash(
    before: &str,
    seq: i64,
    record: i64,
    phase: &str,
    at: i64,
    actor: &str,
    body: &str,
) -> String {
    // The lengths keep two different rows from giving the same text.
    let text = format!(
        "{before}\n{seq}\n{record}\n{phase}\n{at}\n{}\n{actor}\n{}\n{body}",
        actor.len(),
        body.len()
    );
    sha256_hex(text.as_bytes())
}

impl Store {
    /// On disk before the change is made; gives the record's number.
    ///
    /// Whoever tries to sign in writes here, with any name: it is kept as one line that reads the
    /// way it is written.
    pub async fn audit_begin(&self, begin: AuditBegin) -> Result<i64> {
        let begin = AuditBegin {
            actor: clean(&begin.actor),
            action: clean(&begin.action),
            resource: clean(&begin.resource),
            ..begin
        };
        let body = serde_json::to_string(&begin)?;
        self.write(move |turn| {
            Box::pin(async move { append(turn, None, "begin", &begin.actor, body).await })
        })
        .await
    }

    pub async fn audit_end(&self, record: i64, actor: &str, end: AuditEnd) -> Result<()> {
        let (actor, body) = (clean(actor), serde_json::to_string(&end)?);
        self.write(move |turn| {
            Box::pin(async move {
                append(turn, Some(record), "end", &actor, body).await?;
                Ok(())
            })
        })
        .await
    }

    /// Records newest first, those before `before` only.
    pub async fn audit(
        &self,
        asked: &AuditAsked,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<AuditRecord>, Option<i64>)> {
        let rows = sqlx::query(
            "SELECT b.seq, b.at, b.body, b.hash, e.at AS end_at, e.body AS end_body FROM audit b \
             LEFT JOIN audit e ON e.record = b.seq AND e.phase = 'end' WHERE b.phase = 'begin' \
             AND ($1 IS NULL OR b.actor = $1) AND ($2 IS NULL OR b.seq < $2) \
             AND ($3 IS NULL OR b.at >= $3) AND ($4 IS NULL OR b.at < $4) \
             AND ($5 IS NULL OR json_extract(e.body, '$.result') = $5) \
             ORDER BY b.seq DESC LIMIT $6",
        )
        .bind(asked.actor.as_deref())
        .bind(before)
        .bind(asked.since.map(Time::nanos))
        .bind(asked.until.map(Time::nanos))
        .bind(asked.result.as_deref())
        .bind(i64::from(limit) + 1)
        .fetch_all(self.readers())
        .await?;
        let records = rows.iter().take(limit as usize).map(|row| {
            let end: Option<String> = row.try_get("end_body")?;
            let end_at: Option<i64> = row.try_get("end_at")?;
            let end = end.map(|json| serde_json::from_str(&json)).transpose()?;
            Ok(AuditRecord {
                seq: row.try_get("seq")?,
                at: Time(row.try_get("at")?),
                begin: serde_json::from_str(row.try_get("body")?)?,
                end: end_at.map(Time).zip(end),
                hash: row.try_get("hash")?,
            })
        });
        let records = records.collect::<Result<Vec<_>>>()?;
        let more = rows.len() > limit as usize;
        let next = records.last().filter(|_| more).map(|record| record.seq);
        Ok((records, next))
    }

    /// Walks the chain. `after` is a row known to be good with its hash, so that a caller who
    /// checks often reads only what is new.
    pub async fn audit_chain(
        &self,
        after: Option<(i64, String)>,
    ) -> Result<(ChainState, Option<(i64, String)>)> {
        let mut good = after;
        loop {
            let seq = good.as_ref().map_or(0, |(seq, _)| *seq);
            let rows = sqlx::query(
                "SELECT seq, record, phase, at, actor, body, hash FROM audit WHERE seq > $1 \
                 ORDER BY seq LIMIT 1000",
            )
            .bind(seq)
            .fetch_all(self.readers())
            .await?;
            if rows.is_empty() {
                return Ok((ChainState::Intact, good));
            }
            for row in &rows {
                let before = good.as_ref().map_or("", |(_, hash)| hash.as_str());
                let expected_seq = good.as_ref().map_or(1, |(seq, _)| seq + 1);
                let seq: i64 = row.try_get("seq")?;
                let hash: String = row.try_get("hash")?;
                let expect = link_hash(
                    before,
                    seq,
                    row.try_get("record")?,
                    row.try_get("phase")?,
                    row.try_get("at")?,
                    row.try_get("actor")?,
                    row.try_get("body")?,
                );
                if seq != expected_seq || hash != expect {
                    return Ok((ChainState::BrokenAt(expected_seq), good));
                }
                good = Some((seq, hash));
            }
        }
    }
}
