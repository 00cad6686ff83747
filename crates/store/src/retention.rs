//! The sweep: what is old goes, in the background, and says how much it was.
//!
//! A clock that is wrong for a minute must not cost a month of history: beats go by their age only
//! where those that stay reach an hour back, so where the clock has gone along with what came in.
//! Until then, and where nothing new comes, as many stay as ever do, counted from the newest of the
//! old ones. Not here: when it runs. Invariant: it only takes away what a limit in `limits.rs`
//! names; assets, findings and the audit chain are never swept.

use crate::{
    BEATS_KEPT_S, EVENTS_MAX, MINUTES_KEPT_S, REPLIES_KEPT_S, RUNS_KEPT_MAX, Result, Store, gap,
    mute,
    writer::{EVENT, Turn, now},
};
use model::Time;
use sqlx::Row;

/// Rows a sweep took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub beats: u64,
    pub events: u64,
    pub sessions: u64,
    pub replies: u64,
    pub runs: u64,
    pub mutes: u64,
    /// When the newest came of those that are old by a clock that nothing bears out yet.
    pub doubted: Option<Time>,
}

/// So far back what stays has to reach.
const BORNE_OUT_S: i64 = 3_600;

impl Store {
    /// `session_s`: sessions older than that are over.
    pub async fn sweep(&self, session_s: i64) -> Result<Swept> {
        self.write(move |turn| {
            Box::pin(async move {
                let ago = |secs: i64| now().plus_secs(-secs).nanos();
                // The counter's present value: `next` would spend a number.
                let newest = turn.peek(EVENT);
                let mut gone = [0u64; 6];
                let (seconds, _) = oldest(turn, 1, ago(BEATS_KEPT_S)).await?;
                let (minutes, doubted) = oldest(turn, 60, ago(MINUTES_KEPT_S)).await?;
                for (index, (sql, limit)) in [
                    ("DELETE FROM beats WHERE step_s = 1 AND at < $1", seconds),
                    ("DELETE FROM beats WHERE step_s = 60 AND at < $1", minutes),
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
                let beats = seconds + minutes;
                Ok(Swept { beats, events, sessions, replies, runs, mutes, doubted })
            })
        })
        .await
    }

    /// When what was noted last came: the last record of the audit, and the newest traffic.
    pub async fn noted_last(&self) -> Result<Vec<Time>> {
        let mut noted = Vec::new();
        for sql in [
            "SELECT at FROM audit ORDER BY seq DESC LIMIT 1",
            "SELECT at FROM beats ORDER BY rowid DESC LIMIT 1",
        ] {
            let row = sqlx::query(sql).fetch_optional(self.readers()).await?;
            noted.extend(row.map(|row| row.try_get("at").map(Time)).transpose()?);
        }
        Ok(noted)
    }
}

/// The oldest beat that stays, where those since `limit` are to; and the newest before it, where it
/// stays because new ones have come for less than an hour.
async fn oldest(turn: &mut Turn, step_s: i64, limit: i64) -> Result<(i64, Option<Time>)> {
    let row = sqlx::query(
        "SELECT (SELECT MIN(at) FROM beats WHERE step_s = $1 AND at >= $2) AS young, \
         (SELECT MAX(at) FROM beats WHERE step_s = $1 AND at < $2) AS old",
    )
    .bind(step_s)
    .bind(limit)
    .fetch_one(&mut turn.db)
    .await?;
    let (young, old) = (row.try_get::<Option<i64>, _>(0)?, row.try_get::<Option<i64>, _>(1)?);
    let Some(old) = old else { return Ok((limit, None)) };
    let is_long_ago = |young: i64| young <= now().plus_secs(-BORNE_OUT_S).nanos();
    if young.is_some_and(is_long_ago) {
        return Ok((limit, None));
    }
    let kept = now().nanos().saturating_sub(limit);
    Ok((old.saturating_sub(kept), young.map(|_| Time(old))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    async fn site() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        (dir, store)
    }

    /// Beats of both steps, so many seconds ago.
    async fn beats(store: &Store, ago: &'static [i64]) {
        let put = store.write(move |turn| {
            Box::pin(async move {
                for (secs, step_s) in ago.iter().flat_map(|ago| [(*ago, 1), (*ago, 60)]) {
                    let sql = "INSERT INTO beats (sensor, step_s, at, packets, bytes, drops) \
                        VALUES ('s', $1, $2, 1, 1, 0)";
                    let query = sqlx::query(sql).bind(step_s);
                    let query = query.bind(now().plus_secs(-secs).nanos());
                    query.execute(&mut turn.db).await?;
                }
                Ok(())
            })
        });
        put.await.expect("room");
    }

    const YEAR: i64 = 365 * 86_400;

    #[tokio::test]
    async fn a_clock_that_is_ahead_takes_no_history_until_it_is_borne_out_for_an_hour() {
        let (_dir, store) = site().await;
        beats(&store, &[YEAR + 60, YEAR]).await;
        let swept = store.sweep(60).await.expect("sweeps");
        assert_eq!((swept.beats, swept.doubted), (0, None), "nothing new came: nobody can tell");
        beats(&store, &[70, 5]).await;
        let swept = store.sweep(60).await.expect("sweeps");
        assert_eq!(swept.beats, 0);
        let old = swept.doubted.expect("told").since(now()) / 1_000_000_000;
        assert!((-YEAR - 60..=-YEAR + 60).contains(&old), "{old}");
        beats(&store, &[3_700]).await;
        let swept = store.sweep(60).await.expect("sweeps");
        assert_eq!((swept.beats, swept.doubted), (4, None), "the clock goes along with them");
    }

    #[tokio::test]
    async fn a_sensor_whose_clock_is_slow_keeps_no_more_than_another() {
        let (_dir, store) = site().await;
        beats(&store, &[YEAR, YEAR + BEATS_KEPT_S + 60, YEAR + MINUTES_KEPT_S + 60]).await;
        let swept = store.sweep(60).await.expect("sweeps");
        assert_eq!((swept.beats, swept.doubted), (3, None));
        assert_eq!(store.sweep(60).await.expect("sweeps").beats, 0);
    }
}
