//! Agents on hosts, and the runs they tell of.
//!
//! Not here: who may call, and what an agent is told. Invariant: a run told twice is one row, one
//! that has ended never begins again, and a certificate is of one agent for ever.

use crate::{
    AGENT_RUNS_A_DAY_MAX, AGENTS_MAX, Error, Result, Run, RunEnd, RunState, Store,
    asset::{COUNT_MAX, signed, unsigned},
    run,
    text::{clean, new_id},
    writer::{Turn, now},
};
use model::Time;
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub name: String,
    pub state: AgentState,
    pub invited_at: Time,
    pub invited_until: Option<Time>,
    /// SHA-256 of the certificate it is known by, and of its token for the vault server.
    pub certificate: Option<String>,
    pub vault_token: Option<String>,
    pub enrolled_at: Option<Time>,
    pub last_call: Option<Time>,
    pub revoked_at: Option<Time>,
    /// Its last call, without runs.
    pub told: Option<serde_json::Value>,
    pub address: Option<String>,
    /// How far its clock is behind this one.
    pub skew_ms: i64,
    /// Runs whose account it gave up.
    pub lost_runs: u64,
    pub lost_from: Option<Time>,
    pub lost_until: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    Invited,
    Active,
    Revoked,
}

impl AgentState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }
}

/// What there is to note of a call.
#[derive(Clone, Debug)]
pub struct AgentCall {
    pub told: serde_json::Value,
    pub address: Option<String>,
    pub skew_ms: i64,
    /// Runs whose account it gave up since its last call: how many, from when, until when.
    pub lost: Option<(u64, Time, Time)>,
}

/// A run as an agent tells it, checked; times are this server's.
#[derive(Clone, Debug)]
pub struct AgentRun {
    pub number: u64,
    /// The run that was asked for.
    pub asked: Option<String>,
    pub kind: &'static str,
    pub plan: String,
    pub target: String,
    pub name: String,
    pub cause: &'static str,
    pub started_at: Time,
    pub finished_at: Option<Time>,
    /// With the state `Running` in it the run goes on, and its detail says how far it is.
    pub end: RunEnd,
}

/// Stands in the report of a run that was taken for failed because its agent was not heard.
const UNHEARD: &str = "unheard";

const SELECT: &str = "SELECT name, state, invited_at, secret_until, certificate, vault_token, \
    enrolled_at, last_call, revoked_at, told, address, skew_ms, \
    CAST(lost_runs AS INTEGER) AS lost_runs, lost_from, lost_until \
    FROM agents";

fn record(row: &SqliteRow) -> Result<Agent> {
    let time =
        |name: &str| -> Result<Option<Time>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(Time)) };
    let told: Option<String> = row.try_get("told")?;
    let state = match row.try_get("state")? {
        "active" => AgentState::Active,
        "invited" => AgentState::Invited,
        _ => AgentState::Revoked,
    };
    Ok(Agent {
        name: row.try_get("name")?,
        state,
        invited_at: Time(row.try_get("invited_at")?),
        invited_until: time("secret_until")?,
        certificate: row.try_get("certificate")?,
        vault_token: row.try_get("vault_token")?,
        enrolled_at: time("enrolled_at")?,
        last_call: time("last_call")?,
        revoked_at: time("revoked_at")?,
        told: told.map(|json| serde_json::from_str(&json)).transpose()?,
        address: row.try_get("address")?,
        skew_ms: row.try_get("skew_ms")?,
        lost_runs: unsigned(row.try_get("lost_runs")?),
        lost_from: time("lost_from")?,
        lost_until: time("lost_until")?,
    })
}

async fn found(
    store: &Store,
    column: &'static str,
    value: &str,
    wanted: AgentState,
) -> Result<Option<Agent>> {
    let sql = format!("{SELECT} WHERE {column} = $1 AND state = $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(value).bind(wanted.word());
    query.fetch_optional(store.readers()).await?.as_ref().map(record).transpose()
}

impl Store {
    /// By name.
    pub async fn agents(&self) -> Result<Vec<Agent>> {
        let sql = format!("{SELECT} ORDER BY name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(record).collect()
    }

    pub async fn agent(&self, name: &str) -> Result<Agent> {
        let sql = format!("{SELECT} WHERE name = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name).fetch_optional(self.readers()).await?;
        record(&row.ok_or_else(|| Error::missing("agent", name))?)
    }

    /// The agent that came with a certificate and was not revoked.
    pub async fn agent_by_certificate(&self, sha256: &str) -> Result<Option<Agent>> {
        found(self, "certificate", sha256, AgentState::Active).await
    }

    /// Whether a certificate is of an agent that was revoked.
    pub async fn is_revoked(&self, sha256: &str) -> Result<bool> {
        Ok(found(self, "certificate", sha256, AgentState::Revoked).await?.is_some())
    }

    /// Invites an agent, or invites one again that has not come yet. `secret` is the hash of what
    /// it must show.
    pub async fn invite_agent(&self, name: &str, secret: String, until: Time) -> Result<()> {
        let name = name.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let count = sqlx::query("SELECT COUNT(*) FROM agents").fetch_one(&mut turn.db);
                if count.await?.try_get::<i64, _>(0)? >= AGENTS_MAX {
                    return Err(Error::refused("name", format!("agents are at most {AGENTS_MAX}")));
                }
                let done = sqlx::query(
                    "INSERT INTO agents (name, state, invited_at, secret, secret_until, skew_ms, \
                     lost_runs) VALUES ($1, 'invited', $2, $3, $4, 0, 0) ON CONFLICT (name) DO \
                     UPDATE SET invited_at = $2, secret = $3, secret_until = $4 WHERE state = \
                     'invited'",
                )
                .bind(&name)
                .bind(now().nanos())
                .bind(secret)
                .bind(until.nanos())
                .execute(&mut turn.db)
                .await?;
                match done.rows_affected() {
                    0 => Err(Error::Exists { kind: "agent", id: name }),
                    _ => Ok(()),
                }
            })
        })
        .await
    }

    /// Uses an invitation: its name, or none when there is no such, or it is over, or was used.
    /// The same agent may use it again, in case it did not hear the answer.
    pub async fn enrol_agent(
        &self,
        secret: String,
        certificate: String,
        vault_token: String,
    ) -> Result<Option<String>> {
        self.write(move |turn| {
            Box::pin(async move {
                let row = sqlx::query(
                    "SELECT name FROM agents WHERE secret = $1 AND secret_until > $2 AND (state = \
                     'invited' OR state = 'active' AND certificate = $3)",
                )
                .bind(&secret)
                .bind(now().nanos())
                .bind(&certificate)
                .fetch_optional(&mut turn.db)
                .await?;
                let Some(row) = row else { return Ok(None) };
                let name: String = row.try_get("name")?;
                let others =
                    sqlx::query("SELECT 1 FROM agents WHERE certificate = $1 AND name <> $2")
                        .bind(&certificate)
                        .bind(&name)
                        .fetch_optional(&mut turn.db)
                        .await?;
                if others.is_some() {
                    let why = "this key is of another agent; make a new one";
                    return Err(Error::refused("certificate", why));
                }
                sqlx::query(
                    "UPDATE agents SET state = 'active', certificate = $2, vault_token = $3, \
                     enrolled_at = $4 WHERE name = $1",
                )
                .bind(&name)
                .bind(certificate)
                .bind(vault_token)
                .bind(now().nanos())
                .execute(&mut turn.db)
                .await?;
                Ok(Some(name))
            })
        })
        .await
    }

    /// From now on nobody with its key is let in. What it was asked for and has not done fails.
    pub async fn revoke_agent(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let done = sqlx::query(
                    "UPDATE agents SET state = 'revoked', revoked_at = $2, secret = NULL, \
                     secret_until = NULL WHERE name = $1 AND state <> 'revoked'",
                )
                .bind(&name)
                .bind(now().nanos())
                .execute(&mut turn.db)
                .await?;
                if done.rows_affected() == 0 {
                    return Err(Error::missing("agent", &name));
                }
                let rows = sqlx::query(
                    "SELECT id FROM runs WHERE agent = $1 AND state IN ('queued', 'running')",
                )
                .bind(&name)
                .fetch_all(&mut turn.db)
                .await?;
                for row in rows {
                    let detail = Some("its agent was revoked".to_owned());
                    let end = RunEnd { state: Some(RunState::Failed), detail, ..RunEnd::default() };
                    run::finish(turn, row.try_get("id")?, &end, now()).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Ends what is under way at agents that were not heard since then: nobody knows how far it
    /// is. One that comes back and tells of it is believed.
    pub async fn fail_unheard_runs(&self, since: Time) -> Result<()> {
        self.write(move |turn| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT runs.id, runs.report, agents.name, agents.last_call FROM runs JOIN \
                     agents ON agents.name = runs.agent WHERE runs.state = 'running' AND \
                     agents.last_call < $1",
                )
                .bind(since.nanos())
                .fetch_all(&mut turn.db)
                .await?;
                for row in rows {
                    let (name, at): (String, i64) =
                        (row.try_get("name")?, row.try_get("last_call")?);
                    let at = Time(at);
                    let detail = format!(
                        "agent {name} was last heard at {at}, while it ran; when it is heard again \
                         it tells what came of it"
                    );
                    let report: Option<String> = row.try_get("report")?;
                    let mut report: serde_json::Value = report
                        .map(|json| serde_json::from_str(&json))
                        .transpose()?
                        .unwrap_or_default();
                    report[UNHEARD] = true.into();
                    let (state, report) = (Some(RunState::Failed), Some(report));
                    let end = RunEnd { state, detail: Some(detail), report, ..RunEnd::default() };
                    run::finish(turn, row.try_get("id")?, &end, now()).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Notes a call and takes the runs that it told of; gives the numbers of those whose end is
    /// kept.
    pub async fn take_agent_call(
        &self,
        name: &str,
        call: AgentCall,
        runs: Vec<AgentRun>,
    ) -> Result<Vec<u64>> {
        let name = name.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                note(turn, &name, &call).await?;
                let since = now().plus_secs(-86_400).nanos();
                let row = sqlx::query(
                    "SELECT COUNT(*) FROM runs WHERE agent = $1 AND agent_run IS NOT NULL AND \
                     queued_at > $2",
                )
                .bind(&name)
                .bind(since)
                .fetch_one(&mut turn.db)
                .await?;
                let mut room = AGENT_RUNS_A_DAY_MAX - row.try_get::<i64, _>(0)?;
                let mut ended = Vec::new();
                for told in &runs {
                    if take(turn, &name, told, &mut room).await? {
                        ended.push(told.number);
                    }
                }
                Ok(ended)
            })
        })
        .await
    }
}

async fn note(turn: &mut Turn, name: &str, call: &AgentCall) -> Result<()> {
    let (count, from, until) = call.lost.map_or((0, None, None), |(count, from, until)| {
        (signed(count), Some(from.nanos()), Some(until.nanos()))
    });
    sqlx::query(
        "UPDATE agents SET last_call = $2, told = $3, address = $4, skew_ms = $5, lost_runs = \
         MIN(lost_runs, $9) + $6, \
         lost_from = MIN(COALESCE(lost_from, $7), COALESCE($7, lost_from)), \
         lost_until = COALESCE($8, lost_until) WHERE name = $1",
    )
    .bind(name)
    .bind(now().nanos())
    .bind(call.told.to_string())
    .bind(&call.address)
    .bind(call.skew_ms)
    .bind(count)
    .bind(from)
    .bind(until)
    .bind(COUNT_MAX)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}

/// Whether the run has an end that is kept.
async fn take(turn: &mut Turn, agent: &str, told: &AgentRun, room: &mut i64) -> Result<bool> {
    let ends = told.end.state.is_some_and(|state| state != RunState::Running);
    let number = i64::try_from(told.number).unwrap_or(i64::MAX);
    let known = sqlx::query(
        "SELECT id, state, report ->> $3 AS unheard FROM runs WHERE agent = $1 AND agent_run = $2",
    )
    .bind(agent)
    .bind(number)
    .bind(UNHEARD)
    .fetch_optional(&mut turn.db)
    .await?;
    let id: String = match known {
        Some(row) => {
            let (state, unheard): (String, Option<i64>) =
                (row.try_get("state")?, row.try_get("unheard")?);
            if state != "running" && unheard.is_none() {
                return Ok(true);
            }
            let id: String = row.try_get("id")?;
            if state != "running" && !ends {
                resume(turn, &id).await?;
            }
            id
        }
        None if *room <= 0 => {
            tracing::warn!(agent, limit = AGENT_RUNS_A_DAY_MAX, "an agent tells too many runs");
            return Ok(ends);
        }
        None => {
            *room -= 1;
            begin(turn, agent, number, told).await?
        }
    };
    if ends {
        run::finish(turn, &id, &told.end, told.finished_at.unwrap_or_else(now)).await?;
        return Ok(true);
    }
    let read = i64::try_from(told.end.bytes_read).unwrap_or(i64::MAX);
    let detail = told.end.detail.as_deref().map(clean);
    // How far a drill is; else nothing is known before the end.
    let report = told.end.report.as_ref().filter(|report| report["drill"].is_object());
    let changed = sqlx::query(
        "UPDATE runs SET bytes_read = $2, detail = $3, report = COALESCE($4, report) WHERE id = $1 \
         AND (bytes_read <> $2 OR detail IS NOT $3 OR report IS NOT COALESCE($4, report))",
    )
    .bind(&id)
    .bind(read)
    .bind(detail)
    .bind(report.map(serde_json::Value::to_string))
    .execute(&mut turn.db)
    .await?;
    if changed.rows_affected() > 0 {
        run::tell(turn, &id).await?;
    }
    Ok(false)
}

/// A run that was taken for failed goes on.
async fn resume(turn: &mut Turn, id: &str) -> Result<()> {
    sqlx::query(
        "UPDATE runs SET state = 'running', finished_at = NULL, report = NULL WHERE id = $1",
    )
    .bind(id)
    .execute(&mut turn.db)
    .await?;
    run::tell(turn, id).await
}

/// The row of a run: the one that asked for it, or a new one.
async fn begin(turn: &mut Turn, agent: &str, number: i64, told: &AgentRun) -> Result<String> {
    let asked = sqlx::query(
        "UPDATE runs SET agent_run = $3, state = 'running', started_at = $4 WHERE id = $1 AND \
         agent = $2 AND agent_run IS NULL AND state = 'queued' AND kind = $5",
    )
    .bind(&told.asked)
    .bind(agent)
    .bind(number)
    .bind(told.started_at.nanos())
    .bind(told.kind);
    let id = match (asked.execute(&mut turn.db).await?.rows_affected(), &told.asked) {
        (1.., Some(asked)) => asked.clone(),
        _ => {
            let id = new_id("run", now());
            sqlx::query(
                "INSERT INTO runs (id, kind, state, plan, target, name, cause, job, queued_at, \
                 started_at, snapshot, entries, bytes_read, bytes_stored, faults, revision, agent, \
                 agent_run) VALUES ($1, $2, 'running', $3, $4, $5, $6, 'null', $7, $7, $8, 0, 0, \
                 0, 0, 0, $9, $10)",
            )
            .bind(&id)
            .bind(told.kind)
            .bind(&told.plan)
            .bind(&told.target)
            .bind(clean(&told.name))
            .bind(told.cause)
            .bind(told.started_at.nanos())
            .bind(told.end.snapshot.as_ref().filter(|_| told.kind == "verify"))
            .bind(agent)
            .bind(number)
            .execute(&mut turn.db)
            .await?;
            id
        }
    };
    run::note_previous(turn, &id).await?;
    Ok(id)
}

impl Run {
    /// Whether an agent makes it, and not a worker of this server.
    pub fn is_elsewhere(&self) -> bool {
        self.agent.is_some()
    }
}
