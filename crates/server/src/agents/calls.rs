//! What agents say and hear.
//!
//! Not here: TLS. Invariant: what an agent says is checked before it is kept, cut to what a person
//! can read, and never names a plan that is not its own; an answer is given when it is on disk.

use super::{
    door::Shown,
    is_name,
    keeping::{self, Arrived},
    restoring::{self, HostRestore},
};
use crate::{
    app::{Shared, now},
    connections::one_of,
    http::{
        dto::PlanSpec,
        fault::{Answer, Fault},
    },
    limits::{AGENT_ALLOWS_MAX, AGENT_DRILL_BYTES_MAX, AGENT_FAULTS_MAX, AGENT_RUNS_MAX},
    protect::{coverage::Planned, reconcile, work::Drill},
    secret::sha256,
};
use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::StatusCode,
};
use model::Time;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use store::{Agent, AgentCall, AgentRun, AuditBegin, AuditEnd, Run, RunEnd, RunState};
use uplink::host;

/// Clocks that differ by less are right.
const SKEW_NANOS_MIN: i64 = 5_000_000_000;

/// What signs this server's certificates; whoever has a token knows its hash.
pub(super) async fn authority(State(app): State<Shared>) -> Answer<String> {
    read_pem(&app.settings.data.join("tls").join("ca.pem")).await
}

async fn read_pem(path: &std::path::Path) -> Answer<String> {
    tokio::fs::read_to_string(path).await.map_err(Fault::internal)
}

/// Uses an invitation.
pub(super) async fn enrol(
    State(app): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Shown(shown): Shown,
    Json(asked): Json<host::Enrol>,
) -> Answer<Json<host::Enrolled>> {
    let Some(certificate) = shown else {
        return Err(Fault::bad_request("an agent comes with a certificate of its own"));
    };
    let hash = &asked.vault_token_sha256;
    if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::bad_request("vault_token_sha256 is no SHA-256"));
    }
    // Each try is written down for good: who only guesses would fill the disk.
    let ip = peer.ip().to_canonical().to_string();
    let holder = one_of(peer.ip());
    let counted = app.throttle.begin(vec![format!("enrol/{holder}")]).await?;
    let begin = AuditBegin {
        actor: "agent".to_owned(),
        method: "invitation".to_owned(),
        session: Some(certificate.chars().take(12).collect()),
        ip: Some(ip),
        trace_id: String::new(),
        action: "POST /agent/v1/enrol".to_owned(),
        resource: "/agents".to_owned(),
    };
    let tried = async {
        let record = app.store.audit_begin(begin).await?;
        let secret = sha256(asked.secret.as_bytes());
        let token = hash.to_ascii_lowercase();
        let name = app.store.enrol_agent(secret, certificate.clone(), token).await;
        let result = if matches!(name, Ok(Some(_))) { "done" } else { "denied" };
        let after = name.as_ref().ok().and_then(Option::as_ref).map(
            |name| json!({"name": name, "certificate": certificate, "host": cut(&asked.host, 64)}),
        );
        let end = AuditEnd { result: result.to_owned(), after, ..AuditEnd::default() };
        app.store.audit_end(record, "agent", end).await?;
        Ok(name?)
    };
    let (counted, name) = counted.with(tried.await)?;
    let Some(name) = name else {
        drop(counted);
        let why = "the token is unknown, was used by another host or has run out; make a new one \
                   in the console";
        return Err(Fault::new(StatusCode::FORBIDDEN, "no-invitation", why));
    };
    counted.hit();
    keeping::write_clients(&app).await.map_err(Fault::internal)?;
    tracing::info!(agent = name, host = asked.host, "an agent was enrolled");
    Ok(Json(host::Enrolled { name }))
}

/// Takes what an agent tells, and tells it what there is to do.
pub(super) async fn call(
    State(app): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Shown(shown): Shown,
    Json(call): Json<host::Call>,
) -> Answer<Json<host::Reply>> {
    let agent = known(&app, shown).await?;
    if !app.agents.may_call(&agent.name) {
        return Err(Fault::wait(1, "this agent calls too often"));
    }
    let planned = planned(&app).await?;
    let own: Vec<&Planned> =
        planned.iter().filter(|plan| plan.spec.agent.as_ref() == Some(&agent.name)).collect();
    let (data, name) = (app.settings.data.clone(), agent.name.clone());
    let arrived = tokio::task::spawn_blocking(move || keeping::arrived(&data, &name));
    let arrived = arrived.await.map_err(Fault::internal)?;
    let skew = now().since(call.now);
    // What a call takes on its way is no fault of a clock.
    let skew = if skew.abs() < SKEW_NANOS_MIN { 0 } else { skew };
    let read_at = match call.runs.iter().any(|told| told.kind == host::RunKind::Drill) {
        true => keeping::last_whole(&app, &agent.name).await?,
        false => None,
    };
    let heard = Heard { call: &call, arrived: &arrived, skew, read_at };
    let (runs, mut accepted) = heard.runs(&app, &agent, &own).await?;
    let noted = AgentCall {
        told: noted(&call),
        address: Some(peer.ip().to_canonical().to_string()),
        skew_ms: skew / 1_000_000,
        lost: call
            .lost
            .map(|lost| (lost.count, lost.from.plus_nanos(skew), lost.until.plus_nanos(skew))),
    };
    let ending = restoring::ending(&app, &call).await?;
    accepted.extend(app.store.take_agent_call(&agent.name, noted, runs).await?);
    restoring::note_ends(&app, &agent, &ending).await?;
    if !accepted.is_empty() {
        app.protect.wake_copies.notify_one();
    }
    let plans = handed(&own);
    let plans = (call.plans.as_ref() != Some(&plans.hash)).then_some(plans);
    let open = app.store.open_runs().await?;
    let open: Vec<_> = open.iter().filter(|run| run.agent.as_ref() == Some(&agent.name)).collect();
    let (asks, drills) = asked_for(&open);
    let waiting = open.iter().filter(|run| run.state == RunState::Queued);
    let restores = waiting.filter_map(|run| HostRestore::ask(run)).collect();
    let cancel = app.agents.to_end(&agent.name, &open);
    let vault = place(&app, &agent).await?;
    let lost_noted = call.lost.is_some();
    Ok(Json(host::Reply { accepted, plans, asks, drills, restores, cancel, vault, lost_noted }))
}

/// What an agent has not begun yet: backups, and drills.
fn asked_for(open: &[&Run]) -> (Vec<host::Ask>, Vec<host::DrillAsk>) {
    let (mut asks, mut drills) = (Vec::new(), Vec::new());
    for waiting in open.iter().filter(|run| run.state == RunState::Queued) {
        let (Some(plan), Some(target)) = (waiting.plan.clone(), waiting.target.clone()) else {
            continue;
        };
        let run = waiting.id.clone();
        match waiting.kind.as_str() {
            "backup" => asks.push(host::Ask { run, plan, target }),
            "verify" => {
                let waited = now().since(waiting.queued_at) / 1_000_000;
                let waited_ms = u64::try_from(waited).unwrap_or(0);
                drills.push(host::DrillAsk { run, plan, target, waited_ms });
            }
            _ => {}
        }
    }
    (asks, drills)
}

/// Who calls.
async fn known(app: &Shared, shown: Option<String>) -> Answer<Agent> {
    let stranger = || {
        let why = "this key is of no agent; enrol it with a token of the console";
        Fault::new(StatusCode::UNAUTHORIZED, "unknown-agent", why)
    };
    let certificate = shown.ok_or_else(stranger)?;
    if let Some(agent) = app.store.agent_by_certificate(&certificate).await? {
        return Ok(agent);
    }
    if app.store.is_revoked(&certificate).await? {
        let why = "this agent was revoked at the console";
        return Err(Fault::new(StatusCode::FORBIDDEN, "revoked", why));
    }
    Err(stranger())
}

/// Every plan with what it comes to, as of a moment ago.
async fn planned(app: &Shared) -> Answer<Arc<Vec<Planned>>> {
    let mut known = app.agents.planned.lock().await;
    if let Some((at, planned)) = known.as_ref()
        && at.elapsed() < super::PLANNED_FOR
    {
        return Ok(planned.clone());
    }
    let plans = app.store.plans().await?;
    let by_filter =
        plans.iter().any(|plan| plan.spec["agent"].is_string() && plan.spec["filter"].is_string());
    let assets = if by_filter { reconcile::assets(&app.store).await? } else { Vec::new() };
    let planned = Arc::new(reconcile::planned(&app.store, plans, &assets).await?);
    *known = Some((Instant::now(), planned.clone()));
    Ok(planned)
}

/// What an agent has to know of its plans.
fn handed(own: &[&Planned]) -> host::Plans {
    let mut items = Vec::new();
    for plan in own.iter().filter(|plan| plan.spec.enabled) {
        for target in &plan.targets {
            let Ok(sources) = &target.sources else { continue };
            items.push(of_target(&plan.id, &plan.spec, (&target.id, &target.name), sources));
        }
    }
    let hash = sha256(&serde_json::to_vec(&items).expect("plain data"));
    host::Plans { hash, items }
}

fn of_target(
    id: &str,
    spec: &PlanSpec,
    (target, name): (&str, &str),
    sources: &[String],
) -> host::Plan {
    let quiet = spec.quiet.iter().map(|span| host::Quiet {
        days: span.days.clone(),
        from: span.from.clone(),
        until: span.until.clone(),
    });
    let keep = spec.keep.as_ref().map(|keep| host::Keep {
        last: keep.last,
        hourly: keep.hourly,
        daily: keep.daily,
        weekly: keep.weekly,
        monthly: keep.monthly,
        yearly: keep.yearly,
    });
    host::Plan {
        plan: id.to_owned(),
        target: target.to_owned(),
        name: name.to_owned(),
        sources: sources.to_vec(),
        every_minutes: spec.every_minutes,
        retries: spec.retries,
        quiet: quiet.collect(),
        kib_per_s: spec.kib_per_s,
        lock_days: spec.lock_days,
        keep,
        verify_days: spec.verify_days,
        verify_level: spec.verify_level,
        drill_days: spec.recover_days,
    }
}

/// What a call's words are held against.
struct Heard<'a> {
    call: &'a host::Call,
    arrived: &'a Arrived,
    /// Nanoseconds by which its clock is behind.
    skew: i64,
    /// When all objects of its vault here were read last, and had their hashes.
    read_at: Option<Time>,
}

impl Heard<'_> {
    /// What is taken of the runs, and the numbers of those that nobody waits for.
    async fn runs(
        &self,
        app: &Shared,
        agent: &Agent,
        own: &[&Planned],
    ) -> Answer<(Vec<AgentRun>, Vec<u64>)> {
        let (mut runs, mut accepted) = (Vec::new(), Vec::new());
        let mut open: Option<Vec<Run>> = None;
        for told in self.call.runs.iter().take(AGENT_RUNS_MAX) {
            if let Some(plan) = own.iter().find(|plan| plan.id == told.plan) {
                let target = plan.targets.iter().find(|target| target.id == told.target);
                runs.push(self.checked(&plan.id, target.map(|target| &*target.name), told));
                continue;
            }
            // The plan is gone, or was given to another. What was asked for before still ends.
            let open = match &mut open {
                Some(open) => open,
                none => none.insert(app.store.open_runs().await?),
            };
            let mut of_agent = open.iter().filter(|run| run.agent.as_ref() == Some(&agent.name));
            match of_agent.find(|run| is_of(run, told)) {
                Some(_) if told.state == host::RunState::Running => {}
                Some(run) => runs.push(self.orphaned(run, told)),
                None => accepted.push(told.number),
            }
        }
        Ok((runs, accepted))
    }

    /// The end of a run whose plan is not the agent's any more: a restore came to what it came to,
    /// anything else counts for nothing.
    fn orphaned(&self, run: &Run, told: &host::RunTold) -> AgentRun {
        let mut ended = self.checked(&told.plan, Some(&run.name), told);
        if told.kind != host::RunKind::Restore {
            let detail = "its plan was deleted or given to another meanwhile".to_owned();
            let state = Some(RunState::Cancelled);
            ended.end = RunEnd { state, detail: Some(detail), ..RunEnd::default() };
        }
        ended
    }

    /// A run of one of the agent's plans, as far as it can be believed. A backup counts when it is
    /// in the vault here, whatever the host says.
    fn checked(&self, plan: &str, name: Option<&str>, told: &host::RunTold) -> AgentRun {
        let here = |time: Time| time.plus_nanos(self.skew).min(now());
        let target: String = cut(&told.target, 128);
        let name = name.map_or_else(|| target.clone(), str::to_owned);
        let state = self.state_of(told);
        let on_the_way = told.state != host::RunState::Running && state == RunState::Running;
        let detail = if on_the_way {
            let fault = self.call.spool.fault.as_ref();
            let why = fault.map_or(String::new(), |why| format!(": {why}"));
            Some(cut(&format!("in the spool of the host, not in the vault yet{why}"), 400))
        } else {
            told.detail.as_ref().map(|detail| cut(detail, 400))
        };
        let errors: Vec<_> = told
            .errors
            .iter()
            .take(AGENT_FAULTS_MAX)
            .map(|fault| {
                let [source, path, error] =
                    [&fault.source, &fault.path, &fault.error].map(|t| cut(t, 300));
                json!({"source": source, "path": path, "error": error})
            })
            .collect();
        let (level, drill) = match told.kind {
            host::RunKind::Drill => (told.level.filter(|level| *level == 3), self.drill(told)),
            _ => (told.level.filter(|level| (1..=2).contains(level)), None),
        };
        let snapshot = told.snapshot.as_ref().filter(|id| is_snapshot(id)).cloned();
        let worked = drill.is_some() && level.is_some() && state == RunState::Complete;
        let mut report = json!({"errors": errors, "level": level, "entry": told.entry});
        if let (Value::Object(members), Some(drill)) = (&mut report, drill) {
            members.insert("drill".to_owned(), json!(drill));
            members.extend(told.report.as_ref().filter(|report| is_short(report)).map(|report| {
                // As a page it is shown once somebody wants it, by what escapes every word.
                ("told".to_owned(), report.clone())
            }));
        }
        AgentRun {
            number: told.number,
            asked: told.asked.as_ref().map(|asked| cut(asked, 64)),
            kind: kind_of(told),
            plan: plan.to_owned(),
            target,
            name,
            cause: match told.cause.as_str() {
                "retry" => "retry",
                "person" => "person",
                _ => "schedule",
            },
            started_at: here(told.started_at),
            finished_at: told.finished_at.map(here),
            end: RunEnd {
                state: Some(state),
                recovered: snapshot.iter().filter(|_| worked).cloned().collect(),
                snapshot,
                entries: told.entries,
                bytes_read: told.bytes_read,
                bytes_stored: told.bytes_stored,
                faults: told.faults,
                detail,
                report: Some(report),
                level,
            },
        }
    }

    /// How far a drill is, in words that a page can show, and which copy it proves.
    fn drill(&self, told: &host::RunTold) -> Option<Drill> {
        let said = told.drill.as_ref().filter(|said| is_short(said))?;
        let mut drill: Drill = serde_json::from_value(said.clone()).ok()?;
        // Nobody takes a step of it here.
        (drill.attended, drill.waiting) = (false, None);
        let texts = drill.notes.iter_mut().chain([&mut drill.id, &mut drill.plan]);
        let planned = drill.planned.iter_mut().flat_map(|step| [&mut step.group, &mut step.title]);
        let steps = drill
            .steps
            .iter_mut()
            .flat_map(|step| [&mut step.group, &mut step.title, &mut step.detail]);
        texts.chain(planned).chain(steps).for_each(|text| *text = cut(text, 400));
        if told.state != host::RunState::Running {
            drill.notes.push(self.copy_proven(told, &drill));
        }
        Some(drill)
    }

    /// Whether an entry of its log is here, with every object that it names.
    fn is_here(&self, entry: Option<u64>) -> bool {
        let log = self.call.spool.log_key.split('+').next();
        entry.is_some_and(|entry| entry < self.arrived.entries && log == Some(&self.arrived.log))
    }

    /// The agent can add to its vault here and read nothing of it back, so what it restored came
    /// from its spool: what that says of the copy here.
    fn copy_proven(&self, told: &host::RunTold, drill: &Drill) -> String {
        let taken = drill.snapshots.first().map(|used| used.time.plus_nanos(self.skew));
        match self.read_at.filter(|at| taken.is_some_and(|taken| *at > taken)) {
            _ if !self.is_here(told.entry) => {
                "restored from the spool on the host; it is not in the vault here yet".to_owned()
            }
            Some(at) => format!(
                "restored from the spool on the host; the vault here has the same objects, and \
                 read at {at} each had the hash it is named by"
            ),
            None => "restored from the spool on the host; the vault here has every object of it \
                     under the same hashes, and has not read them yet"
                .to_owned(),
        }
    }

    /// How far a run is. The end of a backup is one when all of it is in the vault here.
    fn state_of(&self, told: &host::RunTold) -> RunState {
        let backup = told.kind == host::RunKind::Backup;
        match told.state {
            host::RunState::Running => RunState::Running,
            _ if backup && told.snapshot.is_some() && !self.is_here(told.entry) => {
                RunState::Running
            }
            host::RunState::Complete if backup && told.snapshot.is_none() => RunState::Failed,
            host::RunState::Complete => RunState::Complete,
            host::RunState::Partial => RunState::Partial,
            host::RunState::Failed => RunState::Failed,
            host::RunState::Cancelled => RunState::Cancelled,
        }
    }
}

/// Whether a run that is open here is the one that is told of.
fn is_of(run: &Run, told: &host::RunTold) -> bool {
    match run.agent_run {
        Some(number) => number == told.number,
        None => told.asked.as_ref() == Some(&run.id) && run.kind == kind_of(told),
    }
}

fn kind_of(told: &host::RunTold) -> &'static str {
    match told.kind {
        host::RunKind::Backup => "backup",
        host::RunKind::Verify | host::RunKind::Drill => "verify",
        host::RunKind::Restore => "restore",
    }
}

/// What a host says of a drill is a few steps.
fn is_short(said: &Value) -> bool {
    serde_json::to_vec(said).is_ok_and(|text| text.len() <= AGENT_DRILL_BYTES_MAX)
}

fn is_snapshot(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is kept of a call for people to see.
fn noted(call: &host::Call) -> serde_json::Value {
    let paths = |paths: &[String]| -> Vec<String> {
        paths.iter().take(AGENT_ALLOWS_MAX).map(|path| cut(path, 300)).collect()
    };
    json!({
        "version": cut(&call.version, 64),
        "host": cut(&call.host, 64),
        "allow": paths(&call.allow),
        "restore_into": paths(&call.restore_into),
        "can": call.can,
        "entries": call.spool.entries,
        "bytes": call.spool.bytes,
        "log_key": cut(&call.spool.log_key, 200),
        "fault": call.spool.fault.as_ref().map(|why| cut(why, 400)),
    })
}

/// The vault server's place, where there is one.
async fn place(app: &Shared, agent: &Agent) -> Answer<Option<host::VaultPlace>> {
    let Some(door) = &app.settings.agents else { return Ok(None) };
    let port = door.vault_port.load(Ordering::Relaxed);
    if port == 0 || !is_name(&agent.name) {
        return Ok(None);
    }
    let tls = keeping::vaults(&app.settings.data).join(".site").join("tls").join("ca.pem");
    let authority = read_pem(&tls).await?;
    let (vault, client) = (agent.name.clone(), keeping::client_of(&agent.name));
    Ok(Some(host::VaultPlace { port, vault, client, authority }))
}

/// Text of a host: one line, so long at most.
fn cut(text: &str, chars: usize) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(chars).map(plain).collect()
}
