//! Runs: every backup, verification, restore and clean-up, and what they came to for each target.
//!
//! Not here: the processes. Invariant: the end of a run and what it means for its target are one
//! transaction; a run that was under way when the server stopped is failed when it starts again.

use crate::{
    Change, ChangedRow, Error, Result, RunState, Store,
    asset::{signed, unsigned},
    copies,
    text::{clean, new_id},
    watch::changes,
    writer::{Turn, now},
};
use model::Time;
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: String,
    /// `backup`, `verify`, `restore`, `kit`, `forget`, `copy` or `drill`.
    pub kind: String,
    pub state: RunState,
    pub plan: Option<String>,
    pub target: Option<String>,
    /// What a person calls the target.
    pub name: String,
    /// `schedule`, `change`, `retry`, `sample` or `person`.
    pub cause: String,
    pub finding: Option<String>,
    pub actor: Option<String>,
    /// What the worker is told.
    pub job: serde_json::Value,
    pub queued_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub snapshot: Option<String>,
    /// The target's newest snapshot before this run.
    pub previous: Option<String>,
    pub entries: u64,
    pub bytes_read: u64,
    pub bytes_stored: u64,
    pub faults: u64,
    pub detail: Option<String>,
    pub report: Option<serde_json::Value>,
    /// The agent that makes it; none where a worker of this server does.
    pub agent: Option<String>,
    /// Its number there, once it has begun.
    pub agent_run: Option<u64>,
    pub revision: i64,
}

/// A run to come.
#[derive(Clone, Debug, Default)]
pub struct NewRun {
    pub kind: &'static str,
    pub plan: Option<String>,
    pub target: Option<String>,
    pub name: String,
    pub cause: &'static str,
    pub finding: Option<String>,
    pub actor: Option<String>,
    pub job: serde_json::Value,
    pub snapshot: Option<String>,
    /// The agent that is to make it.
    pub agent: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct RunEnd {
    pub state: Option<RunState>,
    pub snapshot: Option<String>,
    pub entries: u64,
    pub bytes_read: u64,
    pub bytes_stored: u64,
    pub faults: u64,
    pub detail: Option<String>,
    pub report: Option<serde_json::Value>,
    /// For a verification: the level it proved.
    pub level: Option<u8>,
    /// Snapshots that were restored in isolation and worked.
    pub recovered: Vec<String>,
}

/// What the runs of one plan came to for one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Protection {
    pub plan: String,
    pub target: String,
    pub name: String,
    pub last_run: Option<String>,
    pub last_state: Option<RunState>,
    pub last_at: Option<Time>,
    pub last_detail: Option<String>,
    /// Since the last complete one.
    pub failures: u32,
    pub complete_at: Option<Time>,
    pub complete_snapshot: Option<String>,
    pub partial_at: Option<Time>,
    pub partial_snapshot: Option<String>,
    pub proven_at: Option<Time>,
    pub proven_level: Option<u8>,
    pub proven_snapshot: Option<String>,
    /// Restored in isolation, and what it holds worked.
    pub recovered_at: Option<Time>,
    pub recovered_snapshot: Option<String>,
}

/// Which runs are asked for; newest first.
#[derive(Clone, Debug, Default)]
pub struct RunsWanted {
    pub target: Option<String>,
    pub plan: Option<String>,
    pub kind: Option<String>,
    pub finding: Option<String>,
    /// Queued until then.
    pub until: Option<Time>,
    pub limit: u32,
}

const SELECT: &str = "SELECT id, kind, state, plan, target, name, cause, finding, actor, job, \
    queued_at, started_at, finished_at, snapshot, previous, entries, bytes_read, bytes_stored, \
    faults, detail, report, agent, agent_run, revision FROM runs";

fn record(row: &SqliteRow) -> Result<Run> {
    let time =
        |name: &str| -> Result<Option<Time>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(Time)) };
    let report: Option<String> = row.try_get("report")?;
    Ok(Run {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        state: RunState::from_word(row.try_get("state")?).unwrap_or(RunState::Failed),
        plan: row.try_get("plan")?,
        target: row.try_get("target")?,
        name: row.try_get("name")?,
        cause: row.try_get("cause")?,
        finding: row.try_get("finding")?,
        actor: row.try_get("actor")?,
        job: serde_json::from_str(row.try_get("job")?)?,
        queued_at: Time(row.try_get("queued_at")?),
        started_at: time("started_at")?,
        finished_at: time("finished_at")?,
        snapshot: row.try_get("snapshot")?,
        previous: row.try_get("previous")?,
        entries: unsigned(row.try_get("entries")?),
        bytes_read: unsigned(row.try_get("bytes_read")?),
        bytes_stored: unsigned(row.try_get("bytes_stored")?),
        faults: unsigned(row.try_get("faults")?),
        detail: row.try_get("detail")?,
        report: report.map(|json| serde_json::from_str(&json)).transpose()?,
        agent: row.try_get("agent")?,
        agent_run: row.try_get::<Option<i64>, _>("agent_run")?.map(unsigned),
        revision: row.try_get("revision")?,
    })
}

fn protection(row: &SqliteRow) -> Result<Protection> {
    let time =
        |name: &str| -> Result<Option<Time>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(Time)) };
    let state: Option<String> = row.try_get("last_state")?;
    let level: Option<i64> = row.try_get("proven_level")?;
    Ok(Protection {
        plan: row.try_get("plan")?,
        target: row.try_get("target")?,
        name: row.try_get("name")?,
        last_run: row.try_get("last_run")?,
        last_state: state.and_then(|word| RunState::from_word(&word)),
        last_at: time("last_at")?,
        last_detail: row.try_get("last_detail")?,
        failures: u32::try_from(row.try_get::<i64, _>("failures")?).unwrap_or(0),
        complete_at: time("complete_at")?,
        complete_snapshot: row.try_get("complete_snapshot")?,
        partial_at: time("partial_at")?,
        partial_snapshot: row.try_get("partial_snapshot")?,
        proven_at: time("proven_at")?,
        proven_level: level.and_then(|level| u8::try_from(level).ok()),
        proven_snapshot: row.try_get("proven_snapshot")?,
        recovered_at: time("recovered_at")?,
        recovered_snapshot: row.try_get("recovered_snapshot")?,
    })
}

async fn load(turn: &mut Turn, id: &str) -> Result<Run> {
    let sql = format!("{SELECT} WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&mut turn.db).await?;
    record(&row.ok_or_else(|| Error::missing("run", id))?)
}

pub(crate) async fn tell(turn: &mut Turn, id: &str) -> Result<()> {
    let revision = turn.revision();
    sqlx::query("UPDATE runs SET revision = $1 WHERE id = $2")
        .bind(revision)
        .bind(id)
        .execute(&mut turn.db)
        .await?;
    let run = load(turn, id).await?;
    turn.changed(revision, ChangedRow::Run(Box::new(run)));
    Ok(())
}

pub(crate) async fn changed_since(store: &Store, since: i64, limit: i64) -> Result<Vec<Change>> {
    let sql = format!("{SELECT} WHERE revision > $1 ORDER BY revision LIMIT $2");
    changes(store, sql, since, limit, |row| {
        let run = record(row)?;
        Ok(Change { revision: run.revision, row: ChangedRow::Run(Box::new(run)) })
    })
    .await
}

impl Store {
    pub async fn runs(&self, wanted: &RunsWanted) -> Result<Vec<Run>> {
        let mut query = sqlx::QueryBuilder::new(format!("{SELECT} WHERE 1 = 1"));
        let conditions = [
            ("target", &wanted.target),
            ("plan", &wanted.plan),
            ("kind", &wanted.kind),
            ("finding", &wanted.finding),
        ];
        for (column, value) in conditions {
            if let Some(value) = value {
                query.push(format_args!(" AND {column} = ")).push_bind(value.clone());
            }
        }
        if let Some(until) = wanted.until {
            query.push(" AND queued_at <= ").push_bind(until.nanos());
        }
        query.push(" ORDER BY queued_at DESC, id DESC LIMIT ").push_bind(i64::from(wanted.limit));
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(record).collect()
    }

    pub async fn run(&self, id: &str) -> Result<Run> {
        let sql = format!("{SELECT} WHERE id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(self.readers()).await?;
        record(&row.ok_or_else(|| Error::missing("run", id))?)
    }

    /// Runs that wait or are under way, oldest first.
    pub async fn open_runs(&self) -> Result<Vec<Run>> {
        let sql = format!("{SELECT} WHERE state IN ('queued', 'running') ORDER BY queued_at, id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(record).collect()
    }

    pub async fn protections(&self) -> Result<Vec<Protection>> {
        let rows = sqlx::query("SELECT * FROM protections ORDER BY plan, target")
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(protection).collect()
    }

    /// Target and name that each snapshot is of, as far as this control plane took it.
    pub async fn snapshot_targets(&self) -> Result<Vec<(String, Option<String>, String)>> {
        let rows = sqlx::query(
            "SELECT DISTINCT snapshot, target, name FROM runs WHERE kind = 'backup' AND snapshot \
             IS NOT NULL",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("snapshot")?, row.try_get("target")?, row.try_get("name")?)))
            .collect()
    }

    pub async fn create_run(&self, new: NewRun) -> Result<String> {
        self.write(move |turn| {
            Box::pin(async move {
                let id = new_id("run", now());
                sqlx::query(
                    "INSERT INTO runs (id, kind, state, plan, target, name, cause, finding, \
                     actor, job, queued_at, snapshot, agent, entries, bytes_read, bytes_stored, \
                     faults, revision) VALUES ($1, $2, 'queued', $3, $4, $5, $6, $7, $8, $9, $10, \
                     $11, $12, 0, 0, 0, 0, 0)",
                )
                .bind(&id)
                .bind(new.kind)
                .bind(&new.plan)
                .bind(&new.target)
                .bind(clean(&new.name))
                .bind(new.cause)
                .bind(&new.finding)
                .bind(&new.actor)
                .bind(new.job.to_string())
                .bind(now().nanos())
                .bind(&new.snapshot)
                .bind(&new.agent)
                .execute(&mut turn.db)
                .await?;
                tell(turn, &id).await?;
                Ok(id)
            })
        })
        .await
    }

    pub async fn start_run(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("UPDATE runs SET state = 'running', started_at = $1 WHERE id = $2")
                    .bind(now().nanos())
                    .bind(&id)
                    .execute(&mut turn.db)
                    .await?;
                note_previous(turn, &id).await?;
                tell(turn, &id).await
            })
        })
        .await
    }

    /// How far a run is.
    pub async fn progress_run(&self, id: &str, bytes: u64, at: &str) -> Result<()> {
        let (id, at) = (id.to_owned(), clean(at));
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE runs SET bytes_read = $1, detail = $2 WHERE id = $3 AND state = \
                     'running'",
                )
                .bind(signed(bytes))
                .bind(at)
                .bind(&id)
                .execute(&mut turn.db)
                .await?;
                tell(turn, &id).await
            })
        })
        .await
    }

    /// What is known of a run before it ends.
    pub async fn note_run(&self, id: &str, report: serde_json::Value) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("UPDATE runs SET report = $1 WHERE id = $2 AND state = 'running'")
                    .bind(report.to_string())
                    .bind(&id)
                    .execute(&mut turn.db)
                    .await?;
                tell(turn, &id).await
            })
        })
        .await
    }

    /// A second person agrees to a run that waits for one; false when it does not, or when they
    /// asked for it themselves. `job` becomes what it is from then on.
    pub async fn approve_run(&self, id: &str, by: &str, job: serde_json::Value) -> Result<bool> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.write(move |turn| {
            Box::pin(async move {
                let done = sqlx::query(
                    "UPDATE runs SET job = $3 WHERE id = $1 AND state = 'queued' AND actor <> $2 \
                     AND job ->> 'needs_approval' = 1 AND job ->> 'approved_by' IS NULL",
                )
                .bind(&id)
                .bind(&by)
                .bind(job.to_string())
                .execute(&mut turn.db)
                .await?;
                if done.rows_affected() == 0 {
                    return Ok(false);
                }
                tell(turn, &id).await?;
                Ok(true)
            })
        })
        .await
    }

    pub async fn finish_run(&self, id: &str, end: RunEnd) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| Box::pin(async move { finish(turn, &id, &end, now()).await })).await
    }

    /// At start: what was under way is not any more; what waited goes on waiting.
    pub async fn fail_interrupted_runs(&self) -> Result<()> {
        for run in self.open_runs().await? {
            if run.state == RunState::Running && !run.is_elsewhere() {
                let detail = "the server stopped while it ran; the vault is whole".to_owned();
                let state = Some(RunState::Failed);
                self.finish_run(
                    &run.id,
                    RunEnd { state, detail: Some(detail), ..RunEnd::default() },
                )
                .await?;
            }
        }
        Ok(())
    }
}

/// The target's newest snapshot before a run that begins.
pub(crate) async fn note_previous(turn: &mut Turn, id: &str) -> Result<()> {
    sqlx::query(
        "UPDATE runs SET previous = (SELECT o.snapshot FROM runs o WHERE o.target = runs.target \
         AND o.kind = 'backup' AND o.snapshot IS NOT NULL AND o.id <> runs.id ORDER BY o.queued_at \
         DESC, o.id DESC LIMIT 1) WHERE id = $1",
    )
    .bind(id)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}

pub(crate) async fn finish(turn: &mut Turn, id: &str, end: &RunEnd, at: Time) -> Result<()> {
    let state = end.state.unwrap_or(RunState::Failed);
    sqlx::query(
        "UPDATE runs SET state = $1, finished_at = $2, snapshot = COALESCE($3, snapshot), entries \
         = $4, bytes_read = $5, bytes_stored = $6, faults = $7, detail = $8, report = \
         COALESCE($9, report) WHERE id = $10",
    )
    .bind(state.word())
    .bind(at.nanos())
    .bind(&end.snapshot)
    .bind(signed(end.entries))
    .bind(signed(end.bytes_read))
    .bind(signed(end.bytes_stored))
    .bind(signed(end.faults))
    .bind(end.detail.as_deref().map(clean))
    .bind(end.report.as_ref().map(serde_json::Value::to_string))
    .bind(id)
    .execute(&mut turn.db)
    .await?;
    let run = load(turn, id).await?;
    match run.kind.as_str() {
        "backup" => backed_up(turn, &run).await?,
        "copy" => {
            let whole = run.report.as_ref().is_some_and(|report| report["whole"] == true);
            copies::copied(turn, &run, whole).await?;
        }
        "verify" if state == RunState::Complete => proven(turn, &run, end.level).await?,
        _ => {}
    }
    for snapshot in &end.recovered {
        recovered(turn, &run, snapshot).await?;
    }
    tell(turn, id).await
}

async fn recovered(turn: &mut Turn, run: &Run, snapshot: &str) -> Result<()> {
    sqlx::query(
        "UPDATE protections SET recovered_at = $1, recovered_snapshot = $2 WHERE EXISTS (SELECT 1 \
         FROM runs r WHERE r.kind = 'backup' AND r.snapshot = $2 AND r.plan = protections.plan AND \
         r.target = protections.target AND r.agent IS $3)",
    )
    .bind(run.finished_at.map(Time::nanos))
    .bind(snapshot)
    // What an agent says counts for its own backups.
    .bind(&run.agent)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}

async fn backed_up(turn: &mut Turn, run: &Run) -> Result<()> {
    let (Some(plan), Some(target)) = (&run.plan, &run.target) else { return Ok(()) };
    if run.state == RunState::Cancelled {
        return Ok(());
    }
    let planned = sqlx::query("SELECT 1 FROM plans WHERE id = $1")
        .bind(plan)
        .fetch_optional(&mut turn.db)
        .await?;
    if planned.is_none() {
        return Ok(());
    }
    let complete = run.state == RunState::Complete;
    sqlx::query(
        "INSERT INTO protections (plan, target, name, failures) VALUES ($1, $2, $3, 0) ON CONFLICT \
         (plan, target) DO NOTHING",
    )
    .bind(plan)
    .bind(target)
    .bind(&run.name)
    .execute(&mut turn.db)
    .await?;
    let sql = "UPDATE protections SET name = $3, last_run = $4, last_state = $5, last_at = $6, \
        last_detail = $7, failures = CASE WHEN $5 = 'complete' THEN 0 ELSE failures + 1 END WHERE \
        plan = $1 AND target = $2";
    sqlx::query(sql)
        .bind(plan)
        .bind(target)
        .bind(&run.name)
        .bind(&run.id)
        .bind(run.state.word())
        .bind(run.finished_at.map(Time::nanos))
        .bind(&run.detail)
        .execute(&mut turn.db)
        .await?;
    if run.snapshot.is_some() {
        let sql = if complete {
            "UPDATE protections SET complete_at = $3, complete_snapshot = $4 WHERE plan = $1 AND \
             target = $2"
        } else {
            "UPDATE protections SET partial_at = $3, partial_snapshot = $4 WHERE plan = $1 AND \
             target = $2"
        };
        sqlx::query(sql)
            .bind(plan)
            .bind(target)
            .bind(run.finished_at.map(Time::nanos))
            .bind(&run.snapshot)
            .execute(&mut turn.db)
            .await?;
    }
    Ok(())
}

async fn proven(turn: &mut Turn, run: &Run, level: Option<u8>) -> Result<()> {
    let (Some(snapshot), Some(level)) = (&run.snapshot, level) else { return Ok(()) };
    sqlx::query(
        "UPDATE protections SET proven_at = $1, proven_level = $2, proven_snapshot = $3 WHERE \
         EXISTS (SELECT 1 FROM runs r WHERE r.kind = 'backup' AND r.snapshot = $3 AND r.plan = \
         protections.plan AND r.target = protections.target AND r.agent IS $4)",
    )
    .bind(run.finished_at.map(Time::nanos))
    .bind(i64::from(level))
    .bind(snapshot)
    .bind(&run.agent)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}
