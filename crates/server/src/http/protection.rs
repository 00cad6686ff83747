//! `/protection`, `/coverage`, `/plans` and `/runs`.
//!
//! Not here: snapshots and rules (`vault`). Invariant: what is asked for is queued and answered
//! with its run; nothing waits for a backup.

use super::{
    caller::Caller,
    dto::*,
    extract::{Asked, IfMatch, Sent},
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures, Idempotency, Precondition},
    planned::{self, Planned},
};
use crate::{
    app::{Shared, now},
    clock,
    limits::RUNS_SHOWN_MAX,
    protect::{
        VaultSettings, VaultView, coverage,
        due::{self, Due},
        quiet::is_quiet,
        reach::Reach,
        reconcile, spec,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use store::{NewRun, RunState, RunsWanted};

/// How well the site is protected.
#[utoipa::path(
    get, path = "/api/v1/protection", tag = "protection", operation_id = "protection_overview",
    responses((status = 200, description = "Done", body = ProtectionOverview), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn overview(State(app): State<Shared>) -> Answer<Json<ProtectionOverview>> {
    let (rows, plans) = covered(&app).await?;
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        *states.entry(&row.state).or_default() += 1;
    }
    let states = states.into_iter();
    let states =
        states.map(|(word, count)| Count { value: Some(word.to_owned()), count }).collect();
    let planned = rows.iter().filter(|row| row.plan.is_some());
    let changed = app.store.pending_changes().await?;
    let listening = listening(&plans);
    let pending =
        changed.iter().filter(|change| listening.contains(change.target.as_str())).count();
    let (vault, vault_problem) = match app.protect.vault(&app.store).await? {
        None => (None, None),
        Some(settings) => match app.protect.view(&settings).await {
            Ok(view) => (Some(vault_row(&app, &settings, &view).await?), None),
            Err(failure) => (None, Some(failure.why)),
        },
    };
    Ok(Json(ProtectionOverview {
        vault,
        vault_problem,
        states,
        oldest_proof: planned.clone().filter_map(|row| row.proven_at).min(),
        targets: planned.clone().count() as u64,
        proven: planned.filter(|row| row.proven_at.is_some()).count() as u64,
        plans: plans.len() as u64,
        open_runs: app.store.open_runs().await?.into_iter().map(Into::into).collect(),
        copies: super::copies::rows(&app).await?,
        pending_changes: pending as u64,
    }))
}

/// Targets that a change brings a backup of.
fn listening(plans: &[coverage::Planned]) -> BTreeSet<&str> {
    let plans = plans.iter().filter(|plan| plan.spec.on_change && plan.spec.enabled);
    plans.flat_map(|plan| &plan.targets).map(|target| target.id.as_str()).collect()
}

pub(crate) async fn vault_row(
    app: &Shared,
    settings: &VaultSettings,
    view: &VaultView,
) -> Answer<Vault> {
    let wanted =
        RunsWanted { kind: Some("verify".to_owned()), limit: 200, ..RunsWanted::default() };
    let runs = app.store.runs(&wanted).await?;
    let finished = [RunState::Complete, RunState::Failed];
    let last = runs.iter().find(|run| run.target.is_none() && finished.contains(&run.state));
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for snapshot in &view.snapshots {
        // Oldest first, so the newest of each asset stays.
        newest.insert(&snapshot.asset, snapshot.bytes);
    }
    Ok(Vault {
        directory: settings.directory.display().to_string(),
        key_file: settings.key_file.display().to_string(),
        log_key: view.log_key.clone(),
        made_at: settings.made_at,
        entries: view.entries,
        root: view.root.clone(),
        checkpoint_at: view.checkpoint_at,
        witnesses: view.witnesses.clone(),
        violations: view.violations,
        snapshots: view.snapshots.len() as u64,
        held: view.snapshots.iter().filter(|s| !s.holds.is_empty()).count() as u64,
        objects: view.objects,
        bytes: view.bytes,
        protected_bytes: newest.values().sum(),
        verified_at: last.and_then(|run| run.finished_at),
        verified: last.map(|run| run.state == RunState::Complete),
        rules: super::vault::rules(&view.rules, settings),
        people: view.people.clone(),
        releases: view.requests.iter().map(super::vault::release_row).collect(),
        weaker: view.weaker.iter().map(|w| super::vault::weaker_row(w, settings)).collect(),
        withdrawn: view.withdrawn.iter().map(super::vault::withdrawn_row).collect(),
        targets: view.targets.iter().map(super::vault::target_row).collect(),
        fenced: view.fenced.as_ref().map(super::vault::fence_row),
        read_at: view.read_at,
    })
}

/// Coverage, and the plans it comes from.
async fn covered(app: &Shared) -> Answer<(Vec<CoverageRow>, Vec<coverage::Planned>)> {
    let assets = reconcile::assets(&app.store).await?;
    let plans = reconcile::planned(&app.store, app.store.plans().await?, &assets).await?;
    let known = app.store.protections().await?;
    Ok((coverage::rows(&assets, &plans, &known, now()), plans))
}

/// Each asset and whether it is protected, the worst first.
#[utoipa::path(
    get, path = "/api/v1/coverage", tag = "protection", operation_id = "coverage_list",
    responses((status = 200, description = "Done", body = CoverageList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn coverage_list(State(app): State<Shared>) -> Answer<Json<CoverageList>> {
    Ok(Json(CoverageList { items: covered(&app).await?.0 }))
}

/// Plans.
#[utoipa::path(
    get, path = "/api/v1/plans", tag = "protection", operation_id = "plans_list",
    responses((status = 200, description = "Done", body = PlanList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn plans(State(app): State<Shared>) -> Answer<Json<PlanList>> {
    let assets = reconcile::assets(&app.store).await?;
    let known = app.store.protections().await?;
    let reach = Reach::new(&assets);
    let mut items = Vec::new();
    for plan in app.store.plans().await? {
        items.extend(plan_row(&plan, &reach, &known));
    }
    let taken = |suggestion: &PlanSpec| items.iter().all(|p| p.spec.name != suggestion.name);
    let suggestions =
        app.settings.suggested_plans.iter().filter_map(|value| {
            serde_json::from_value::<PlanSpec>(value.clone()).ok().filter(&taken)
        });
    let suggestions = suggestions.collect();
    Ok(Json(PlanList { items, suggestions }))
}

fn plan_row(plan: &store::Plan, reach: &Reach<'_>, known: &[store::Protection]) -> Option<Plan> {
    let spec: PlanSpec = serde_json::from_value(plan.spec.clone()).ok()?;
    let (now, quiet) = (now(), is_quiet(&spec.quiet, now(), &TimeZone::system()));
    let targets = spec::targets(&spec, reach);
    let of = |id: &str| known.iter().find(|p| p.plan == plan.id && p.target == id);
    let fresh = |known: &&store::Protection| {
        let rpo = i64::from(spec.rpo_minutes) * 60;
        known.complete_at.is_some_and(|at| clock::is_within(at, rpo, now))
    };
    let states: Vec<_> = targets.iter().map(|target| of(&target.id)).collect();
    let readable = targets.iter().zip(&states).filter(|(target, _)| target.sources.is_ok());
    let next =
        readable.filter_map(|(_, known)| match due::backup(&spec, *known, None, now, quiet) {
            Due::At(at) => Some(at),
            Due::Now { .. } => Some(now),
            Due::Quiet | Due::Off => None,
        });
    Some(Plan {
        id: plan.id.clone(),
        generation: plan.generation,
        updated_at: plan.updated_at,
        targets: targets.len() as u64,
        protected: states.iter().flatten().filter(|known| fresh(known)).count() as u64,
        quiet_now: quiet,
        last_at: states.iter().flatten().filter_map(|known| known.last_at).max(),
        next_at: next.min(),
        spec,
    })
}

impl Planned for Plan {
    type Asked = PlanSpec;

    fn noted(asked: &PlanSpec) -> serde_json::Value {
        json!(asked)
    }

    fn generation(&self) -> i64 {
        self.generation
    }

    async fn one(app: &Shared, id: &str) -> Answer<Self> {
        let plan = app.store.plan(id).await?;
        let assets = reconcile::assets(&app.store).await?;
        let known = app.store.protections().await?;
        plan_row(&plan, &Reach::new(&assets), &known)
            .ok_or_else(|| Fault::internal("a stored plan is none"))
    }

    async fn before(app: &Shared, id: &str) -> Answer<serde_json::Value> {
        Ok(app.store.plan(id).await?.spec)
    }

    async fn make(app: &Shared, spec: PlanSpec) -> Answer<String> {
        super::agents::may_ask(app, &spec).await?;
        let (name, spec) = askable(app, spec).await?;
        Ok(app.store.create_plan(&name, spec).await?)
    }

    async fn change(app: &Shared, id: &str, generation: i64, spec: PlanSpec) -> Answer<()> {
        super::agents::may_ask(app, &spec).await?;
        let (name, spec) = askable(app, spec).await?;
        Ok(app.store.replace_plan(id, generation, &name, spec).await?)
    }

    async fn delete(app: &Shared, id: &str, generation: i64) -> Answer<()> {
        Ok(app.store.delete_plan(id, generation).await?)
    }
}

/// One plan.
#[utoipa::path(
    get, path = "/api/v1/plans/{id}", tag = "protection", operation_id = "plans_show",
    params(("id" = String, Path, description = "Plan")),
    responses((status = 200, description = "Done", body = Plan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn plan(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    planned::shown::<Plan>(&app, &id).await
}

pub(crate) fn checked(spec: PlanSpec) -> Answer<(String, serde_json::Value)> {
    spec::check(&spec).map_err(|(member, why)| Fault::member(member, "invalid", why))?;
    Ok((spec.name.clone(), json!(spec)))
}

/// The same, of a plan whose sources may be asked as the site is today.
async fn askable(app: &Shared, spec: PlanSpec) -> Answer<(String, serde_json::Value)> {
    let plan = checked(spec.clone())?;
    let assets = reconcile::assets(&app.store).await?;
    match spec::refused(&spec, &Reach::new(&assets)) {
        Some(why) => Err(Fault::member("sources", "refused", why)),
        None => Ok(plan),
    }
}

/// Make a plan.
#[utoipa::path(
    post, path = "/api/v1/plans", tag = "protection", operation_id = "plans_create",
    params(Csrf, Idempotency),
    request_body = PlanSpec,
    responses((status = 201, description = "Made", body = Plan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn create_plan(
    State(app): State<Shared>,
    notes: Notes,
    Sent(spec): Sent<PlanSpec>,
) -> Answer<impl IntoResponse> {
    planned::made::<Plan>(&app, &notes, spec).await
}

/// Replace a plan.
#[utoipa::path(
    put, path = "/api/v1/plans/{id}", tag = "protection", operation_id = "plans_replace",
    params(("id" = String, Path, description = "Plan"), Precondition, Csrf),
    request_body = PlanSpec,
    responses((status = 200, description = "Done", body = Plan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn replace_plan(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
    Sent(spec): Sent<PlanSpec>,
) -> Answer<impl IntoResponse> {
    planned::replaced::<Plan>(&app, &notes, (&id, generation), spec).await
}

/// Delete a plan; its backups stay.
#[utoipa::path(
    delete, path = "/api/v1/plans/{id}", tag = "protection", operation_id = "plans_delete",
    params(("id" = String, Path, description = "Plan"), Precondition, Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn delete_plan(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    planned::deleted::<Plan>(&app, &notes, &id, generation).await
}

/// Back up by a plan, at once.
#[utoipa::path(
    post, path = "/api/v1/plans/{id}:run", tag = "protection", operation_id = "plans_run",
    params(("id" = String, Path, description = "Plan"), Csrf),
    request_body = RunRequest,
    responses((status = 202, description = "Queued", body = RunList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn run_plan(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Sent(asked): Sent<RunRequest>,
) -> Answer<(StatusCode, Json<RunList>)> {
    let plan = app.store.plan(&id).await?;
    let spec: PlanSpec = serde_json::from_value(plan.spec).map_err(Fault::internal)?;
    match &spec.agent {
        Some(agent) => super::agents::knows(agent, &spec)?,
        None => drop(super::vault::settings(&app).await?),
    }
    let assets = reconcile::assets(&app.store).await?;
    let open = app.store.open_runs().await?;
    let mut items = Vec::new();
    let wanted = asked.target.as_deref();
    let mut refused = None;
    let agents = app.store.agents().await?;
    let mut targets = spec::targets(&spec, &Reach::new(&assets));
    spec::by_agent(&spec, &mut targets, &agents, now());
    for target in targets {
        if wanted.is_some_and(|wanted| wanted != target.id) {
            continue;
        }
        // One under way may have read already what was changed since.
        let same = |run: &&store::Run| {
            (run.kind.as_str(), run.state) == ("backup", RunState::Queued)
                && run.plan.as_deref() == Some(&id)
                && run.target.as_deref() == Some(&target.id)
        };
        if let Some(run) = open.iter().find(same) {
            items.push(run.clone().into());
            continue;
        }
        let sources = match &target.sources {
            Ok(sources) => sources,
            Err(why) => {
                refused.get_or_insert_with(|| why.to_string());
                continue;
            }
        };
        let new = NewRun {
            cause: "person",
            actor: Some(caller.user.clone()),
            ..reconcile::backup(&app, &id, &spec, (&target, sources))
        };
        let run = app.store.create_run(new).await?;
        items.push(app.store.run(&run).await?.into());
    }
    if items.is_empty() {
        let none = "no asset fits the plan at present; look at its filter";
        let why = refused.unwrap_or_else(|| none.to_owned());
        return Err(Fault::conflict("no-targets", why));
    }
    app.protect.wake.notify_one();
    Ok((StatusCode::ACCEPTED, Json(RunList { items })))
}

/// Try the way back of what a plan protects, at once: the newest complete backup of each target is
/// restored in isolation and tried by the plan's command. An agent restores it on its host, where
/// the key is, and compares every file.
#[utoipa::path(
    post, path = "/api/v1/plans/{id}:drill", tag = "protection", operation_id = "plans_drill",
    params(("id" = String, Path, description = "Plan"), Csrf),
    request_body = RunRequest,
    responses((status = 202, description = "Queued", body = RunList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn drill_plan(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<RunRequest>,
) -> Answer<(StatusCode, Json<RunList>)> {
    let plan = app.store.plan(&id).await?;
    let spec: PlanSpec = serde_json::from_value(plan.spec).map_err(Fault::internal)?;
    match &spec.agent {
        Some(agent) => {
            super::agents::can(&app, agent, "drill").await?;
            super::agents::knows(agent, &spec)?;
        }
        None => drop(super::vault::settings(&app).await?),
    }
    let wanted = asked.target.as_deref();
    let known = app.store.protections().await?;
    let of_plan = known.iter().filter(|known| known.plan == id);
    let of_plan = of_plan.filter(|known| wanted.is_none_or(|wanted| wanted == known.target));
    let open = app.store.open_runs().await?;
    let mut items = Vec::new();
    for known in of_plan {
        let Some(snapshot) = known.complete_snapshot.clone() else { continue };
        let same = |run: &&store::Run| {
            run.kind == "verify"
                && run.cause == "person"
                && run.plan.as_deref() == Some(&id)
                && run.target.as_deref() == Some(&known.target)
        };
        if let Some(run) = open.iter().find(same) {
            items.push(run.clone().into());
            continue;
        }
        let job = match &spec.agent {
            Some(_) => serde_json::Value::Null,
            None => {
                json!(reconcile::proof_job(&app.protect, &spec, &snapshot).ok_or_else(|| {
                    let why = "the plan has no command that tries what was restored; edit it";
                    Fault::conflict("no-check", why)
                })?)
            }
        };
        let run = NewRun {
            plan: Some(id.clone()),
            cause: "person",
            actor: Some(caller.user.clone()),
            agent: spec.agent.clone(),
            job,
            ..reconcile::verification(3, Some(&snapshot), Some(&known.target), &known.name)
        };
        let run = app.store.create_run(run).await?;
        items.push(app.store.run(&run).await?.into());
    }
    if items.is_empty() {
        let why = "nothing of it was backed up completely yet; run the plan first";
        return Err(Fault::conflict("no-backup", why));
    }
    notes.after(json!({"plan": spec.name, "agent": spec.agent, "target": asked.target}));
    app.protect.wake.notify_one();
    Ok((StatusCode::ACCEPTED, Json(RunList { items })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunsQuery {
    target: Option<String>,
    plan: Option<String>,
    kind: Option<String>,
    finding: Option<String>,
    limit: Option<u32>,
}

/// Backups, verifications, restores and clean-ups, newest first.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "protection", operation_id = "runs_list",
    params(
        ("target" = Option<String>, Query, description = "Of this asset or subject"),
        ("plan" = Option<String>, Query, description = "Of this plan"),
        ("kind" = Option<String>, Query, description = "Of this kind"),
        ("finding" = Option<String>, Query, description = "That this finding caused"),
        ("limit" = Option<u32>, Query, description = "1 to 500, 100 when absent"),
    ),
    responses((status = 200, description = "Done", body = RunList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn runs(
    State(app): State<Shared>,
    Asked(query): Asked<RunsQuery>,
) -> Answer<Json<RunList>> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=RUNS_SHOWN_MAX).contains(&limit) {
        return Err(Fault::member("limit", "invalid", format!("it is 1 to {RUNS_SHOWN_MAX}")));
    }
    let RunsQuery { target, plan, kind, finding, .. } = query;
    let wanted = RunsWanted { target, plan, kind, finding, until: None, limit };
    let items = app.store.runs(&wanted).await?.into_iter().map(Into::into).collect();
    Ok(Json(RunList { items }))
}

/// One run.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "protection", operation_id = "runs_show",
    params(("id" = String, Path, description = "Run")),
    responses((status = 200, description = "Done", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn run(State(app): State<Shared>, Path(id): Path<String>) -> Answer<Json<Run>> {
    Ok(Json(app.store.run(&id).await?.into()))
}

/// Stop a run; the vault stays whole.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}:cancel", tag = "protection", operation_id = "runs_cancel",
    params(("id" = String, Path, description = "Run"), Csrf),
    responses((status = 202, description = "Accepted", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<Run>)> {
    let run = app.store.run(&id).await?;
    if run.state == RunState::Queued {
        let detail = format!("stopped by {} before it began", caller.user);
        let end = store::RunEnd {
            state: Some(RunState::Cancelled),
            detail: Some(detail),
            ..store::RunEnd::default()
        };
        app.store.finish_run(&id, end).await?;
    } else if let (Some(agent), RunState::Running) = (&run.agent, run.state) {
        app.agents.cancel(agent, &id);
    } else if !app.protect.end(&id) {
        return Err(Fault::conflict("not-running", "it has ended already"));
    }
    Ok((StatusCode::ACCEPTED, Json(app.store.run(&id).await?.into())))
}
