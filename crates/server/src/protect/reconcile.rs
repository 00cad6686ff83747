//! Who carries plans out: looks what is due and queues it, and has a run done by a worker.
//!
//! Takes no input; the next activation is the retry. Not here: what is due ([`super::due`]), what
//! goes beside what ([`super::lanes`]), copies ([`super::copying`]). Invariant: one worker changes
//! the repository at a time, and what was queued is on disk.

use super::{
    Protect, Running, VaultSettings, copying,
    coverage::Planned,
    due::{self, Due},
    quiet::is_quiet,
    reach::{self, Reach},
    spec::{self, Target},
    work::{Drilled, Job, Word},
    worker::{self, Failure},
};
use crate::{
    app::{Shared, now},
    clock,
    http::dto::PlanSpec,
    limits::{RUNS_QUEUED_MAX, SITE_ASSETS_MAX},
};
use jiff::tz::TimeZone;
use model::Time;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{
    AssetRecord, ChangedRow, ListRequest, NewRun, Plan, Protection, RecoveryPlan, Run, RunEnd,
    RunState, RunsWanted, Store,
};
use tokio::sync::{
    Notify,
    broadcast::error::RecvError,
    mpsc::{UnboundedReceiver, unbounded_channel},
    watch,
};

/// How often plans are looked at when nothing else asks for it.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it is tried to note an end that the disk did not take.
const NOTE_EVERY: Duration = if cfg!(test) { Duration::from_millis(5) } else { LOOK_EVERY };
/// How often it is told how far a run is.
const TELL_EVERY: Duration = Duration::from_millis(500);
const DAY_S: i64 = 86_400;

/// Findings that say that what an asset runs was changed.
const CHANGES: [&str; 3] = ["program-transfer", "firmware-update", "configuration-change"];

/// All assets of the site, as far as protection looks at them.
pub(crate) async fn assets(store: &Store) -> store::Result<Vec<AssetRecord>> {
    let mut found = Vec::new();
    let mut request = ListRequest::first(1_000);
    loop {
        let page = store.assets(&request).await?;
        found.extend(page.items);
        match page.next_cursor {
            Some(cursor) if found.len() < SITE_ASSETS_MAX => request.cursor = Some(cursor),
            _ => return Ok(found),
        }
    }
}

/// Whether what plans come to depends on what the site has: by a filter, or by whose an address is.
fn needs_assets(plans: &[Plan]) -> bool {
    let numeric = |spec: &serde_json::Value| {
        let sources = spec["sources"].as_array().into_iter().flatten();
        sources.filter_map(|source| source.as_str()).any(reach::is_numeric)
    };
    plans.iter().any(|plan| !plan.spec["filter"].is_null() || numeric(&plan.spec))
}

/// Every plan with its targets.
pub(crate) async fn planned(
    store: &Store,
    plans: Vec<Plan>,
    assets: &[AssetRecord],
) -> store::Result<Vec<Planned>> {
    let by_agents = plans.iter().any(|plan| plan.spec["agent"].is_string());
    let agents = if by_agents { store.agents().await? } else { Vec::new() };
    let reach = Reach::new(assets);
    let plans = plans.into_iter().filter_map(|plan| {
        let spec: PlanSpec = serde_json::from_value(plan.spec).ok()?;
        let mut targets = spec::targets(&spec, &reach);
        spec::by_agent(&spec, &mut targets, &agents, now());
        Some(Planned { id: plan.id, spec, targets })
    });
    Ok(plans.collect())
}

/// The job of a backup by a plan.
fn backup_job(protect: &Protect, spec: &PlanSpec, name: &str, sources: &[String]) -> Job {
    let secrets = protect.data.join("vault-logins");
    Job::Backup {
        asset: name.to_owned(),
        sources: sources.to_vec(),
        secrets: secrets.exists().then_some(secrets),
        kib_per_s: spec.kib_per_s,
        lock_days: spec.lock_days,
        keep: spec.keep.clone(),
    }
}

/// A backup of one target of a plan, by this server or by the plan's agent.
pub(crate) fn backup(
    app: &Shared,
    plan: &str,
    spec: &PlanSpec,
    (target, sources): (&Target, &[String]),
) -> NewRun {
    NewRun {
        kind: "backup",
        plan: Some(plan.to_owned()),
        target: Some(target.id.clone()),
        name: target.name.clone(),
        job: json!(backup_job(&app.protect, spec, &target.name, sources)),
        agent: spec.agent.clone(),
        ..NewRun::default()
    }
}

/// Puts everything that is due into the queue.
pub(crate) async fn queue(app: &Shared) -> store::Result<()> {
    let store = &app.store;
    let open = store.open_runs().await?;
    if open.len() >= RUNS_QUEUED_MAX {
        return Ok(());
    }
    // A backup waits for one of its own, not for a proof, which may take hours; nor is a second
    // proof queued behind one that waits.
    let busy: BTreeSet<_> = open
        .iter()
        .map(|run| (run.kind.as_str(), run.plan.as_deref(), run.target.as_deref()))
        .collect();
    let is_busy = |kind: &str, plan: &Planned, target: &Target| {
        busy.contains(&(kind, Some(plan.id.as_str()), Some(target.id.as_str())))
    };
    let proofs = open.iter().filter(|run| run.kind == "verify");
    let proving: BTreeSet<&str> = proofs.filter_map(|run| run.snapshot.as_deref()).collect();
    let plans = store.plans().await?;
    let assets = if needs_assets(&plans) { assets(store).await? } else { Vec::new() };
    let plans = planned(store, plans, &assets).await?;
    let known = store.protections().await?;
    let known: BTreeMap<_, _> =
        known.iter().map(|p| ((p.plan.as_str(), p.target.as_str()), p)).collect();
    let changes = store.pending_changes().await?;
    let (now, zone) = (now(), TimeZone::system());
    let mut room = RUNS_QUEUED_MAX - open.len();
    for plan in &plans {
        let quiet = is_quiet(&plan.spec.quiet, now, &zone);
        for target in plan.targets.iter() {
            let Ok(sources) = &target.sources else { continue };
            if room == 0 || is_busy("backup", plan, target) {
                continue;
            }
            let state = known.get(&(plan.id.as_str(), target.id.as_str())).copied();
            let change = changes.iter().find(|change| change.target == target.id);
            let due = due::backup(&plan.spec, state, change, now, quiet);
            // An agent goes by its own clock, also while it cannot be reached.
            if plan.spec.agent.is_some() && due != (Due::Now { cause: "change" }) {
                continue;
            }
            if let Due::Now { cause } = due {
                let finding = change.map(|change| change.finding.clone());
                let run = backup(app, &plan.id, &plan.spec, (target, sources));
                store.create_run(NewRun { cause, finding, ..run }).await?;
                if change.is_some() {
                    store.settle_change(&target.id).await?;
                }
                room -= 1;
            } else if let Some(known) = state
                && !is_busy("verify", plan, target)
                && let Some(run) = proof(app, (plan, target), known, &proving, now).await?
            {
                store.create_run(run).await?;
                room -= 1;
            }
        }
    }
    drills(app, &open, now).await?;
    // What no plan answers to within a day nobody will answer to.
    for change in changes.iter().filter(|change| change.last_at.plus_secs(DAY_S) < now) {
        store.settle_change(&change.target).await?;
    }
    sample(app, &open, now).await?;
    whole_vault(app, &open, now).await
}

/// The proof that is due for a target: by reading, or by recovering.
async fn proof(
    app: &Shared,
    (plan, target): (&Planned, &Target),
    known: &Protection,
    proving: &BTreeSet<&str>,
    now: Time,
) -> store::Result<Option<NewRun>> {
    let by_reading = due::verification(&plan.spec, known, now);
    let by_recovering = due::recovery(&plan.spec, known, now);
    let Some(snapshot) = by_reading.or(by_recovering) else { return Ok(None) };
    if proving.contains(snapshot) {
        return Ok(None);
    }
    let run = |level| {
        let run = verification(level, Some(snapshot), Some(&target.id), &target.name);
        NewRun { plan: Some(plan.id.clone()), ..run }
    };
    let run = if by_reading.is_some() {
        run(plan.spec.verify_level)
    } else {
        let Some(job) = proof_job(&app.protect, &plan.spec, snapshot) else { return Ok(None) };
        NewRun { job: json!(job), ..run(3) }
    };
    Ok(if was_tried(&app.store, &run, now).await? { None } else { Some(run) })
}

/// The job of a proof of level 3: restore in isolation, start, check.
pub(crate) fn proof_job(protect: &Protect, spec: &PlanSpec, snapshot: &str) -> Option<Job> {
    let what = Drilled::Proof {
        snapshot: snapshot.to_owned(),
        start: spec.recover_start.clone(),
        check: spec.recover_check.clone()?,
    };
    Some(drill_job(protect, what, false))
}

pub(crate) fn drill_job(protect: &Protect, what: Drilled, attended: bool) -> Job {
    let (work, people) = (protect.drill_folder(), protect.data.join("people"));
    Job::Drill { what, attended, work, people }
}

pub(crate) fn drill(protect: &Protect, plan: &RecoveryPlan, attended: bool) -> NewRun {
    let what = Drilled::Plan { text: plan.text.clone() };
    NewRun {
        kind: "drill",
        target: Some(plan.id.clone()),
        name: plan.name.clone(),
        cause: "schedule",
        job: json!(drill_job(protect, what, attended)),
        ..NewRun::default()
    }
}

/// Recovery plans are drilled as often as they say; one that failed is tried again after a day.
async fn drills(app: &Shared, open: &[Run], now: Time) -> store::Result<()> {
    for plan in app.store.recovery_plans().await?.iter().filter(|plan| plan.every_days > 0) {
        let wanted = RunsWanted {
            target: Some(plan.id.clone()),
            kind: Some("drill".to_owned()),
            until: Some(clock::latest(now)),
            limit: 1,
            ..RunsWanted::default()
        };
        let last = app.store.runs(&wanted).await?.into_iter().next();
        let days = |run: &Run| match run.state {
            RunState::Complete => i64::from(plan.every_days),
            _ => 1,
        };
        let due = last.is_none_or(|run| run.queued_at.plus_secs(days(&run) * DAY_S) <= now);
        let waiting = open.iter().any(|run| run.target.as_ref() == Some(&plan.id));
        if due && !waiting {
            app.store.create_run(drill(&app.protect, plan, false)).await?;
        }
    }
    Ok(())
}

/// Once a day the snapshot that was read longest ago, whoever took it: over time all are read.
async fn sample(app: &Shared, open: &[Run], now: Time) -> store::Result<()> {
    let Some(vault) = app.protect.vault(&app.store).await? else { return Ok(()) };
    let wanted = verified(now);
    let last = app.store.runs(&wanted).await?.into_iter().find(|run| run.cause == "sample");
    let last = last.map_or(vault.made_at, |run| run.queued_at);
    if clock::is_within(last, DAY_S, now) || open.iter().any(|run| run.cause == "sample") {
        return Ok(());
    }
    let view = match app.protect.view(&vault).await {
        Ok(view) => view,
        Err(failure) => {
            tracing::warn!(why = failure.why, "the vault could not be asked for its snapshots");
            return Ok(());
        }
    };
    let oldest = view.snapshots.iter().min_by_key(|snapshot| (snapshot.verified_at, snapshot.time));
    if let Some(snapshot) = oldest {
        let run = verification(1, Some(&snapshot.id), Some(&snapshot.asset), &snapshot.asset);
        app.store.create_run(NewRun { cause: "sample", ..run }).await?;
    }
    Ok(())
}

/// Verifications up to now: one of the future was queued before the clock was set back.
fn verified(now: Time) -> RunsWanted {
    let (kind, until) = (Some("verify".to_owned()), Some(clock::latest(now)));
    RunsWanted { kind, until, limit: 200, ..RunsWanted::default() }
}

/// A verification that failed is not tried again before a day has gone, nor is the same one that
/// passed, whatever became of what it proved.
async fn was_tried(store: &Store, proof: &NewRun, now: Time) -> store::Result<bool> {
    let wanted = RunsWanted {
        target: proof.target.clone(),
        kind: Some("verify".to_owned()),
        until: Some(clock::latest(now)),
        limit: 5,
        ..RunsWanted::default()
    };
    let runs = store.runs(&wanted).await?;
    let recent = |run: &Run| {
        run.snapshot == proof.snapshot
            && run.queued_at.plus_secs(DAY_S) > now
            && (run.state != RunState::Complete || run.job == proof.job)
    };
    Ok(runs.iter().any(recent))
}

pub(crate) fn verification(
    level: u8,
    snapshot: Option<&str>,
    target: Option<&str>,
    name: &str,
) -> NewRun {
    NewRun {
        kind: "verify",
        target: target.map(str::to_owned),
        name: name.to_owned(),
        cause: "schedule",
        job: json!(Job::Verify { level, snapshot: snapshot.map(str::to_owned) }),
        snapshot: snapshot.map(str::to_owned),
        ..NewRun::default()
    }
}

/// Once a day the vault as a whole: its proof without a key, and its rules where they are to be
/// carried out by themselves.
async fn whole_vault(app: &Shared, open: &[Run], now: Time) -> store::Result<()> {
    let Some(vault) = app.protect.vault(&app.store).await? else { return Ok(()) };
    let mut daily = vec![("verify", verification(0, None, None, "Whole vault"))];
    if vault.auto_forget {
        let name = "Whole vault".to_owned();
        let job = json!(Job::Forget);
        daily.push((
            "forget",
            NewRun { kind: "forget", name, cause: "schedule", job, ..NewRun::default() },
        ));
    }
    for (kind, run) in daily {
        let wanted = RunsWanted { kind: Some(kind.to_owned()), ..verified(now) };
        let last = app.store.runs(&wanted).await?.into_iter().find(|run| run.target.is_none());
        // The first one not before there is something to look at.
        let last = last.map_or(vault.made_at.plus_secs(300 - DAY_S), |run| run.queued_at);
        let waiting = open.iter().any(|run| run.kind == kind && run.target.is_none());
        if !waiting && !clock::is_within(last, DAY_S, now) {
            app.store.create_run(run).await?;
        }
    }
    Ok(())
}

pub(super) async fn carry_out(
    app: &Shared,
    vault: &VaultSettings,
    run: Run,
    stops: &mut watch::Receiver<bool>,
) -> store::Result<()> {
    let end = Arc::new(Notify::new());
    let (says, told) = unbounded_channel();
    let running = Running { id: run.id.clone(), end: end.clone(), says };
    app.store.start_run(&run.id).await?;
    app.protect.running.lock().expect("no panic holds it").push(running);
    let outcome = match serde_json::from_value::<Job>(run.job.clone()) {
        Ok(job) => work(app, vault, (&run.id, job), told, &end, stops).await,
        Err(error) => Err(Failure::of(format!("its order cannot be read: {error}"))),
    };
    if let ("copy", Ok(answer)) = (run.kind.as_str(), &outcome) {
        copying::say_meddled(app, &run, answer, now()).await;
    }
    let end = ended(&run, outcome);
    app.protect.running.lock().expect("no panic holds it").retain(|other| other.id != run.id);
    app.protect.changed().await;
    if end.state == Some(RunState::Failed) {
        tracing::warn!(
            run = run.id,
            kind = run.kind,
            name = run.name,
            why = end.detail,
            "a run failed"
        );
    }
    note_end(app, &run.id, end, stops).await?;
    app.protect.wake_copies.notify_one();
    Ok(())
}

/// Notes how a run ended. While the disk takes nothing its lane waits here with what is known:
/// nothing that was done is done a second time.
pub(crate) async fn note_end(
    app: &Shared,
    run: &str,
    end: RunEnd,
    stops: &mut watch::Receiver<bool>,
) -> store::Result<()> {
    let mut told = false;
    loop {
        match app.store.finish_run(run, end.clone()).await {
            Err(error) if error.is_of_disk() => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(run, %error, "the end of a run waits to be noted");
                }
            }
            done => return done,
        }
        // The next start finds it under way, and says that it was.
        if *stops.borrow() {
            return Ok(());
        }
        tokio::select! {
            _ = stops.changed() => {}
            () = tokio::time::sleep(NOTE_EVERY) => {}
        }
    }
}

/// What a worker said that is not told yet.
#[derive(Default)]
struct Latest {
    read: Option<(u64, String)>,
    drill: Option<Value>,
}

async fn work(
    app: &Shared,
    vault: &VaultSettings,
    (run, job): (&str, Job),
    told: UnboundedReceiver<String>,
    end: &Notify,
    stops: &mut watch::Receiver<bool>,
) -> Result<Value, Failure> {
    let order = vault.order(job);
    let latest = Mutex::new(Latest::default());
    let stopped = async {
        tokio::select! {
            () = end.notified() => {}
            _ = stops.changed() => {}
        }
    };
    let hear = |word: Word| {
        let mut latest = latest.lock().expect("no panic holds it");
        match word {
            Word::Progress { bytes, at } => latest.read = Some((bytes, at)),
            Word::Drill { drill } => latest.drill = Some(json!({"drill": drill})),
            Word::Done { .. } | Word::Failed { .. } => {}
        }
    };
    let tell = async {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let said = std::mem::take(&mut *latest.lock().expect("no panic holds it"));
            let Latest { read, drill } = said;
            let mut noted = Ok(());
            if let Some((bytes, at)) = read {
                noted = app.store.progress_run(run, bytes, &at).await;
            }
            if let Some(report) = drill {
                noted = noted.and(app.store.note_run(run, report).await);
            }
            if let Err(error) = noted {
                tracing::debug!(%error, "progress could not be noted");
            }
        }
    };
    tokio::select! {
        outcome = worker::perform(&app.settings.program, &order, hear, told, stopped) => outcome,
        _ = tell => unreachable!("it goes on for ever"),
    }
}

/// What a worker's answer means for its run.
fn ended(run: &Run, outcome: Result<Value, Failure>) -> RunEnd {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => {
            let state = if failure.ended { RunState::Cancelled } else { RunState::Failed };
            return RunEnd { state: Some(state), detail: Some(failure.why), ..RunEnd::default() };
        }
    };
    let number = |name: &str| answer[name].as_u64().unwrap_or(0);
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let faults = errors.len() as u64;
    let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
    let first = errors.first().or(warnings.first()).map(|fault| {
        let text = |name: &str| fault[name].as_str().unwrap_or_default();
        let place = [text("path"), text("source"), text("what")];
        let place = place.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let more = if faults > 1 { format!(" (and {} more)", faults - 1) } else { String::new() };
        format!("{place}: {}{more}", text("error"))
    });
    let snapshot = answer["snapshot"].as_str().map(str::to_owned);
    let state = match run.kind.as_str() {
        "backup" if snapshot.is_none() => RunState::Failed,
        "backup" if answer["state"] == "partial" => RunState::Partial,
        _ if faults == 0 => RunState::Complete,
        "verify" | "drill" => RunState::Failed,
        _ => RunState::Partial,
    };
    let shown: Vec<Value> = errors.into_iter().take(crate::limits::FAULTS_SHOWN_MAX).collect();
    let mut report = answer.clone();
    if let Value::Object(members) = &mut report {
        members.insert("errors".to_owned(), Value::Array(shown));
    }
    let entries = if run.kind == "backup" { number("entries_stored") } else { number("files") };
    let read = if run.kind == "backup" { number("bytes_read") } else { number("bytes") };
    let used = answer["drill"]["snapshots"].as_array().cloned().unwrap_or_default();
    let worked = answer["drill"]["ok"] == true;
    let recovered = used.iter().filter(|_| worked).filter_map(|used| used["id"].as_str());
    RunEnd {
        state: Some(state),
        snapshot,
        recovered: recovered.map(str::to_owned).collect(),
        entries,
        bytes_read: read,
        bytes_stored: number("bytes_stored"),
        faults,
        detail: first,
        level: answer["level"].as_u64().and_then(|level| u8::try_from(level).ok()),
        report: Some(report),
    }
}

/// Hears of findings that say that an asset was changed.
pub(crate) async fn listen(app: Shared, mut stops: watch::Receiver<bool>) {
    let mut changes = app.store.watch();
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            _ = stops.changed() => return,
        };
        let finding = match change {
            Ok(change) => match &change.row {
                ChangedRow::Finding(finding) => finding.clone(),
                _ => continue,
            },
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if !CHANGES.contains(&finding.detector.as_str()) || finding.muted {
            continue;
        }
        for asset in &finding.assets {
            let noted = app.store.note_change(&asset.id.0, &finding.id.0, finding.last_seen).await;
            if let Err(error) = noted {
                tracing::warn!(%error, "a change could not be noted; the plan's clock still runs");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: &str) -> Run {
        Run {
            id: "run".into(),
            kind: kind.into(),
            state: RunState::Running,
            plan: None,
            target: None,
            name: "x".into(),
            cause: "person".into(),
            finding: None,
            actor: None,
            job: Value::Null,
            queued_at: Time::default(),
            started_at: None,
            finished_at: None,
            snapshot: None,
            previous: None,
            entries: 0,
            bytes_read: 0,
            bytes_stored: 0,
            faults: 0,
            detail: None,
            report: None,
            agent: None,
            agent_run: None,
            revision: 0,
        }
    }

    #[tokio::test]
    async fn a_proof_is_not_repeated_within_a_day_unless_it_is_another_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), store::Settings::default()).await.expect("opens");
        let proof = |level| verification(level, Some("s1"), Some("press"), "press");
        let ends = async |run: NewRun, state| {
            let id = store.create_run(run).await.expect("queued");
            let end = RunEnd { state: Some(state), ..RunEnd::default() };
            store.finish_run(&id, end).await.expect("ended");
        };
        let tried = async |run: NewRun, at| was_tried(&store, &run, at).await.expect("reads");
        assert!(!tried(proof(1), now()).await);
        // What it proved is not known of the target: it is not repeated without end all the same.
        ends(proof(1), RunState::Complete).await;
        assert!(tried(proof(1), now()).await && !tried(proof(2), now()).await);
        assert!(!tried(proof(1), now().plus_secs(DAY_S + 60)).await);
        ends(proof(3), RunState::Failed).await;
        assert!(tried(proof(2), now()).await);
        store.close().await;
    }

    #[test]
    fn an_answer_becomes_the_state_it_means() {
        let fault = json!([{"source": "files:/x", "path": "/x/a", "error": "permission denied"}]);
        let cases = [
            ("backup", json!({"snapshot": "ab", "state": "complete", "errors": []}), "complete"),
            ("backup", json!({"snapshot": "ab", "state": "partial", "errors": fault}), "partial"),
            ("backup", json!({"snapshot": null, "state": "partial", "errors": fault}), "failed"),
            ("verify", json!({"level": 1, "errors": fault}), "failed"),
            ("restore", json!({"files": 3, "errors": fault}), "partial"),
            ("restore", json!({"files": 3, "errors": []}), "complete"),
        ];
        for (kind, answer, expect) in cases {
            let end = ended(&run(kind), Ok(answer));
            assert_eq!(end.state.map(RunState::word), Some(expect), "{kind}");
            if end.faults > 0 {
                assert_eq!(end.detail.as_deref(), Some("/x/a: permission denied"));
            }
        }
        let warning = json!([{"source": "opcua:x", "path": "/x", "error": "read in clear"}]);
        let answer = json!({"snapshot": "ab", "state": "complete", "warnings": warning});
        let end = ended(&run("backup"), Ok(answer));
        let told = (end.state.map(RunState::word), end.faults, end.detail.as_deref());
        assert_eq!(told, (Some("complete"), 0, Some("/x: read in clear")));
        let stopped = Failure { why: "it was stopped".into(), ended: true };
        assert_eq!(ended(&run("backup"), Err(stopped)).state, Some(RunState::Cancelled));
    }
}
