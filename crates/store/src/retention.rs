//! The sweep: what is old goes, in the background, and says how much it was.
//!
//! Not here: when it runs. Invariant: it only takes away what a limit in `limits.rs` names; assets,
//! findings and the audit chain are never swept.

use crate::{
    BEATS_KEPT_S, EVENTS_MAX, MINUTES_KEPT_S, REPLIES_KEPT_S, RUNS_KEPT_MAX, Result, Store, gap,
    mute,
    writer::{EVENT, now},
};

/// Rows a sweep took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub beats: u64,
    pub events: u64,
    pub sessions: u64,
    pub replies: u64,
    pub runs: u64,
    pub mutes: u64,
}

impl Store {
    /// `session_s`: sessions older than that are over.
    pub async fn sweep(&self, session_s: i64) -> Result<Swept> {
        self.write(move |turn| {
            Box::pin(async move {
                let ago = |secs: i64| now().plus_secs(-secs).nanos();
                // The counter's present value: `next` would spend a number.
                let newest = turn.peek(EVENT);
                let mut gone = [0u64; 6];
                for (index, (sql, limit)) in [
                    ("DELETE FROM beats WHERE step_s = 1 AND at < $1", ago(BEATS_KEPT_S)),
                    ("DELETE FROM beats WHERE step_s = 60 AND at < $1", ago(MINUTES_KEPT_S)),
                    ("DELETE FROM events WHERE seq <= $1", newest - EVENTS_MAX),
                    ("DELETE FROM sessions WHERE created_at < $1", ago(session_s)),
                    ("DELETE FROM replies WHERE created_at < $1", ago(REPLIES_KEPT_S)),
                    (
                        // A proof of a snapshot finds its plan and target by the backup's run.
                        "DELETE FROM runs WHERE finished_at IS NOT NULL AND queued_at < (SELECT \
                         MIN(q) FROM (SELECT queued_at AS q FROM runs ORDER BY queued_at DESC \
                         LIMIT $1) AS newest) AND NOT (kind = 'backup' AND EXISTS (SELECT 1 FROM \
                         protections p WHERE p.plan = runs.plan AND p.target = runs.target AND \
                         runs.snapshot IN (p.complete_snapshot, p.partial_snapshot, \
                         p.proven_snapshot, p.recovered_snapshot)))",
                        RUNS_KEPT_MAX,
                    ),
                ]
                .into_iter()
                .enumerate()
                {
                    let done = sqlx::query(sql).bind(limit).execute(&mut turn.db).await?;
                    gone[index] = done.rows_affected();
                }
                sqlx::query("DELETE FROM links_once WHERE expires_at < $1")
                    .bind(now().nanos())
                    .execute(&mut turn.db)
                    .await?;
                gap::forget_old(turn).await?;
                let mutes = mute::expire(turn).await?;
                let [seconds, minutes, events, sessions, replies, runs] = gone;
                Ok(Swept { beats: seconds + minutes, events, sessions, replies, runs, mutes })
            })
        })
        .await
    }
}
