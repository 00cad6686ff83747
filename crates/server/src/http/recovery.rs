//! `/recovery-plans`, and what people say to a drill.
//!
//! Not here: drilling; that is a run (`/runs`). Invariant: a word of a person reaches a drill for
//! the step that waits for it, and with that person's name.

use super::{
    caller::Caller,
    dto::*,
    extract::{IfMatch, Sent},
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures, Idempotency, Precondition},
    planned::{self, Planned},
};
use crate::{
    agents::{keeping, restoring::HostRestore},
    app::{Shared, now},
    clock,
    limits::RECOVERY_PLAN_BYTES_MAX,
    protect::{
        VaultSettings, reconcile,
        work::{Drill, DrillStep, Job, Said},
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use store::{NewRecoveryPlan, NewRun, RunState, RunsWanted};

const DAY_S: i64 = 86_400;
/// A hundred years.
const DAYS_MAX: u32 = 36_500;

/// What a worker said of a plan.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Outline {
    /// Why it is no plan at all.
    wrong: Option<String>,
    name: String,
    about: String,
    problems: Vec<String>,
    steps: Vec<DrillStep>,
    rto_target_ms: Option<u64>,
    rpo_target_ms: Option<u64>,
    canaries: bool,
}

async fn outline(app: &Shared, text: &str) -> Answer<serde_json::Value> {
    let settings = super::vault::settings(app).await?;
    let job = Job::Outline { text: text.to_owned() };
    let answer = app.protect.ask(&settings, job).await;
    let answer = answer.map_err(|failure| Fault::conflict("vault", failure.why))?;
    let read: Outline = serde_json::from_value(answer.clone()).map_err(Fault::internal)?;
    match read.wrong {
        Some(why) => Err(Fault::member("text", "invalid", why)),
        None => Ok(answer),
    }
}

async fn checked(app: &Shared, spec: RecoveryPlanSpec) -> Answer<NewRecoveryPlan> {
    if spec.text.len() > RECOVERY_PLAN_BYTES_MAX {
        let why = format!("it has at most {RECOVERY_PLAN_BYTES_MAX} bytes");
        return Err(Fault::member("text", "invalid", why));
    }
    if spec.every_days > DAYS_MAX {
        return Err(Fault::member("every_days", "invalid", format!("it is at most {DAYS_MAX}")));
    }
    let outline = outline(app, &spec.text).await?;
    let name = outline["name"].as_str().unwrap_or_default().to_owned();
    Ok(NewRecoveryPlan { name, text: spec.text, outline, every_days: spec.every_days })
}

async fn row(app: &Shared, plan: store::RecoveryPlan) -> Answer<RecoveryPlan> {
    let wanted = RunsWanted {
        target: Some(plan.id.clone()),
        kind: Some("drill".to_owned()),
        limit: 50,
        ..RunsWanted::default()
    };
    let runs = app.store.runs(&wanted).await?;
    let passed = runs.iter().find(|run| run.state == RunState::Complete);
    let passed_at = passed.and_then(|run| run.finished_at);
    let last = runs.first();
    let has_been = |run: &&store::Run| clock::has_been(run.queued_at, now());
    let next_at = (plan.every_days > 0).then(|| match runs.iter().find(has_been) {
        None => now(),
        Some(run) if run.state == RunState::Complete => {
            run.queued_at.plus_secs(i64::from(plan.every_days) * DAY_S)
        }
        Some(run) => run.queued_at.plus_secs(DAY_S),
    });
    let said: Outline = serde_json::from_value(plan.outline).map_err(Fault::internal)?;
    Ok(RecoveryPlan {
        id: plan.id,
        generation: plan.generation,
        updated_at: plan.updated_at,
        name: plan.name,
        about: said.about,
        text: plan.text,
        every_days: plan.every_days,
        steps: said.steps,
        problems: said.problems,
        rto_target_ms: said.rto_target_ms,
        rpo_target_ms: said.rpo_target_ms,
        canaries: said.canaries,
        last: last.cloned().map(Into::into),
        passed_at,
        next_at,
    })
}

impl Planned for RecoveryPlan {
    type Asked = RecoveryPlanSpec;

    fn noted(asked: &RecoveryPlanSpec) -> serde_json::Value {
        json!(asked)
    }

    fn generation(&self) -> i64 {
        self.generation
    }

    async fn one(app: &Shared, id: &str) -> Answer<Self> {
        row(app, app.store.recovery_plan(id).await?).await
    }

    async fn before(app: &Shared, id: &str) -> Answer<serde_json::Value> {
        let plan = app.store.recovery_plan(id).await?;
        Ok(json!({"text": plan.text, "every_days": plan.every_days}))
    }

    async fn make(app: &Shared, spec: RecoveryPlanSpec) -> Answer<String> {
        let new = checked(app, spec).await?;
        Ok(app.store.create_recovery_plan(new).await?)
    }

    async fn change(app: &Shared, id: &str, generation: i64, spec: RecoveryPlanSpec) -> Answer<()> {
        let new = checked(app, spec).await?;
        Ok(app.store.replace_recovery_plan(id, generation, new).await?)
    }

    async fn delete(app: &Shared, id: &str, generation: i64) -> Answer<()> {
        Ok(app.store.delete_recovery_plan(id, generation).await?)
    }
}

/// Recovery plans.
#[utoipa::path(
    get, path = "/api/v1/recovery-plans", tag = "recovery", operation_id = "recovery_plans_list",
    responses((status = 200, description = "Done", body = RecoveryPlanList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn plans(State(app): State<Shared>) -> Answer<Json<RecoveryPlanList>> {
    let mut items = Vec::new();
    for plan in app.store.recovery_plans().await? {
        items.push(row(&app, plan).await?);
    }
    let suggestions = app.settings.suggested_recovery.iter();
    let suggestions = suggestions.filter(|(name, _)| items.iter().all(|plan| plan.name != *name));
    let spec =
        |(_, text): &(String, String)| RecoveryPlanSpec { text: text.clone(), every_days: 0 };
    let suggestions = suggestions.map(spec).collect();
    Ok(Json(RecoveryPlanList { items, suggestions }))
}

/// One recovery plan.
#[utoipa::path(
    get, path = "/api/v1/recovery-plans/{id}", tag = "recovery",
    operation_id = "recovery_plans_show",
    params(("id" = String, Path, description = "Recovery plan")),
    responses((status = 200, description = "Done", body = RecoveryPlan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn plan(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    planned::shown::<RecoveryPlan>(&app, &id).await
}

/// Make a recovery plan.
#[utoipa::path(
    post, path = "/api/v1/recovery-plans", tag = "recovery",
    operation_id = "recovery_plans_create",
    params(Csrf, Idempotency),
    request_body = RecoveryPlanSpec,
    responses((status = 201, description = "Made", body = RecoveryPlan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    notes: Notes,
    Sent(spec): Sent<RecoveryPlanSpec>,
) -> Answer<impl IntoResponse> {
    planned::made::<RecoveryPlan>(&app, &notes, spec).await
}

/// Replace a recovery plan.
#[utoipa::path(
    put, path = "/api/v1/recovery-plans/{id}", tag = "recovery",
    operation_id = "recovery_plans_replace",
    params(("id" = String, Path, description = "Recovery plan"), Precondition, Csrf),
    request_body = RecoveryPlanSpec,
    responses((status = 200, description = "Done", body = RecoveryPlan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn replace(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
    Sent(spec): Sent<RecoveryPlanSpec>,
) -> Answer<impl IntoResponse> {
    planned::replaced::<RecoveryPlan>(&app, &notes, (&id, generation), spec).await
}

/// Delete a recovery plan; its drills stay.
#[utoipa::path(
    delete, path = "/api/v1/recovery-plans/{id}", tag = "recovery",
    operation_id = "recovery_plans_delete",
    params(("id" = String, Path, description = "Recovery plan"), Precondition, Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    planned::deleted::<RecoveryPlan>(&app, &notes, &id, generation).await
}

/// Look again whether a recovery plan can be followed.
#[utoipa::path(
    post, path = "/api/v1/recovery-plans/{id}:check", tag = "recovery",
    operation_id = "recovery_plans_check",
    params(("id" = String, Path, description = "Recovery plan"), Csrf),
    responses((status = 200, description = "Done", body = RecoveryPlan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn check(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json<RecoveryPlan>> {
    let plan = app.store.recovery_plan(&id).await?;
    let outline = outline(&app, &plan.text).await?;
    app.store.set_outline(&id, outline).await?;
    Ok(Json(RecoveryPlan::one(&app, &id).await?))
}

/// Drill a recovery plan: follow it in isolation and measure it.
#[utoipa::path(
    post, path = "/api/v1/recovery-plans/{id}:drill", tag = "recovery",
    operation_id = "recovery_plans_drill",
    params(("id" = String, Path, description = "Recovery plan"), Csrf),
    request_body = DrillRequest,
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn drill(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<DrillRequest>,
) -> Answer<(StatusCode, Json<Run>)> {
    super::vault::settings(&app).await?;
    let plan = app.store.recovery_plan(&id).await?;
    let open = app.store.open_runs().await?;
    if open.iter().any(|run| run.kind == "drill" && run.target.as_ref() == Some(&id)) {
        return Err(Fault::conflict("drilling", "a drill of this plan waits or runs already"));
    }
    notes.after(json!({"plan": plan.name, "attended": asked.attended}));
    let run = reconcile::drill(&app.protect, &plan, asked.attended);
    let run = NewRun { cause: "person", actor: Some(caller.user), ..run };
    let id = app.store.create_run(run).await?;
    app.protect.wake.notify_one();
    Ok((StatusCode::ACCEPTED, Json(app.store.run(&id).await?.into())))
}

/// A step that one person does is done.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}:confirm", tag = "recovery", operation_id = "runs_confirm",
    params(("id" = String, Path, description = "Run"), Csrf),
    request_body = ConfirmRequest,
    responses((status = 202, description = "Told", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn confirm(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<ConfirmRequest>,
) -> Answer<(StatusCode, Json<Run>)> {
    say(&app, caller, &notes, (&id, asked), false).await
}

/// Approve a step of a drill, as one of the people it needs; or a restore on a host, whose step is
/// `restore`, as the second person.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}:approve", tag = "recovery", operation_id = "runs_approve",
    params(("id" = String, Path, description = "Run"), Csrf),
    request_body = ConfirmRequest,
    responses((status = 202, description = "Told", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn approve(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<ConfirmRequest>,
) -> Answer<(StatusCode, Json<Run>)> {
    let run = app.store.run(&id).await?;
    if let (Some(restore), "restore") = (HostRestore::of(&run), asked.step.as_str()) {
        super::agents::approve(&app, &caller, &notes, &run, restore).await?;
        return Ok((StatusCode::ACCEPTED, Json(app.store.run(&id).await?.into())));
    }
    say(&app, caller, &notes, (&id, asked), true).await
}

async fn say(
    app: &Shared,
    caller: Caller,
    notes: &Notes,
    (id, asked): (&str, ConfirmRequest),
    approves: bool,
) -> Answer<(StatusCode, Json<Run>)> {
    let run = app.store.run(id).await?;
    let told = run.report.as_ref().map(|report| report["drill"].clone()).unwrap_or_default();
    let drill: Option<Drill> = serde_json::from_value(told).ok();
    let waiting = drill.and_then(|drill| drill.waiting).filter(|wait| wait.step == asked.step);
    let Some(wait) = waiting else {
        return Err(Fault::conflict("not-waiting", "this step does not wait for anybody"));
    };
    if wait.people.is_some() != approves {
        let why = if approves { "it is to be confirmed" } else { "it needs approvals" };
        return Err(Fault::conflict("another-word", why));
    }
    if wait.given.contains(&caller.user) {
        let why = format!("{} has approved it; another person must", caller.user);
        return Err(Fault::conflict("approved", why));
    }
    notes.after(json!({"drill": run.name, "step": asked.step}));
    let said = Said { step: asked.step, by: caller.user, approves };
    if !app.protect.say(id, serde_json::to_string(&said).map_err(Fault::internal)?) {
        return Err(Fault::conflict("not-running", "it has ended already"));
    }
    Ok((StatusCode::ACCEPTED, Json(app.store.run(id).await?.into())))
}

/// The report of a drill: one page of HTML to read, to print, to file.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/report", tag = "recovery", operation_id = "runs_report",
    params(("id" = String, Path, description = "Run")),
    responses(
        (status = 200, description = "Done", body = String, content_type = "text/html"), Failures
    ),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn report(State(app): State<Shared>, Path(id): Path<String>) -> Answer<Response> {
    let run = app.store.run(&id).await?;
    let Some(page) = page(&app, run).await? else {
        return Err(Fault::not_found("this run has no report"));
    };
    // Its words come from plans and machines: it may show itself and do nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action \
                  'none'; frame-ancestors 'none'; sandbox";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, page).into_response())
}

/// As its worker made it; of an agent's drill a worker makes it now, of figures and words alone.
async fn page(app: &Shared, run: store::Run) -> Answer<Option<String>> {
    let Some(report) = run.report else { return Ok(None) };
    if let Some(page) = report["page"].as_str() {
        return Ok(Some(page.to_owned()));
    }
    let (Some(agent), true) = (&run.agent, report["told"].is_object()) else { return Ok(None) };
    let vault = keeping::vaults(&app.settings.data).join(agent);
    let job = Job::Page { report: report["told"].clone() };
    let answer = app.protect.ask(&VaultSettings::keyless(vault), job).await;
    let answer = answer.map_err(|failure| Fault::conflict("report", failure.why))?;
    Ok(answer["page"].as_str().map(str::to_owned))
}
