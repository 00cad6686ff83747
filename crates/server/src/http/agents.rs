//! `/agents`: hosts that back themselves up.
//!
//! Not here: what agents themselves call (`crate::agents`). Invariant: the token of an invitation
//! is in its answer alone; a revoked agent is out before the answer is given.

use super::{
    caller::Caller,
    dto::*,
    extract::Sent,
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures},
};
use crate::{
    agents::{is_name, keeping, restoring::HostRestore},
    app::{Shared, now},
    clock,
    limits::INVITATION_HOURS_MAX,
    protect::spec,
    secret::{random, sha256},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use std::path::Path as FilePath;
use store::{AgentState, NewRun, RunState};
use uplink::host::Token;

/// An agent that did not call for so long is silent.
const SILENT_S: i64 = 300;
const HOUR_S: i64 = 3_600;

/// Agents on hosts.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents", operation_id = "agents_list",
    responses((status = 200, description = "Done", body = AgentList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Answer<Json<AgentList>> {
    let plans = app.store.plans().await?;
    let mut items = Vec::new();
    for agent in app.store.agents().await? {
        items.push(row(&app, agent, &plans).await?);
    }
    let port = app.agents.address.get().map(|address| address.port());
    Ok(Json(AgentList { items, port }))
}

/// Let an agent come: a token that works once. Also again for one that has not come yet.
#[utoipa::path(
    post, path = "/api/v1/agents", tag = "agents", operation_id = "agents_invite",
    params(Csrf),
    request_body = AgentInvitation,
    responses((status = 201, description = "Invited", body = AgentInvited), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn invite(
    State(app): State<Shared>,
    notes: Notes,
    Sent(asked): Sent<AgentInvitation>,
) -> Answer<(StatusCode, Json<AgentInvited>)> {
    if app.agents.address.get().is_none() {
        let why = "no port is open for agents; set [agents] in the settings and start again";
        return Err(Fault::conflict("no-port", why));
    }
    let name = asked.name.trim();
    if !is_name(name) {
        let why = "it has 1 to 48 letters, digits, `-`, `_` and inner `.`";
        return Err(Fault::member("name", "invalid", why));
    }
    let hours = asked.hours.unwrap_or(24);
    if !(1..=INVITATION_HOURS_MAX).contains(&hours) {
        let why = format!("it is 1 to {INVITATION_HOURS_MAX}");
        return Err(Fault::member("hours", "invalid", why));
    }
    let authority = authority(&app.settings.data.join("tls").join("ca.pem"))?;
    let token = Token { secret: random::<24>(), authority };
    let until = now().plus_secs(i64::from(hours) * HOUR_S);
    app.store.invite_agent(name, sha256(token.secret.as_bytes()), until).await?;
    notes.after(json!({"name": name, "until": until}));
    let agent = row(&app, app.store.agent(name).await?, &app.store.plans().await?).await?;
    Ok((StatusCode::CREATED, Json(AgentInvited { agent, token: token.text() })))
}

/// SHA-256 of the authority's certificate.
fn authority(path: &FilePath) -> Answer<String> {
    let der = CertificateDer::from_pem_file(path).map_err(Fault::internal)?;
    Ok(sha256(&der))
}

/// Let an agent in no more. Its backups stay.
#[utoipa::path(
    post, path = "/api/v1/agents/{name}:revoke", tag = "agents", operation_id = "agents_revoke",
    params(("name" = String, Path, description = "Agent"), Csrf),
    responses((status = 200, description = "Done", body = Agent), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn revoke(
    State(app): State<Shared>,
    notes: Notes,
    Path(name): Path<String>,
) -> Answer<Json<Agent>> {
    let before = app.store.agent(&name).await?;
    notes.before(json!({"state": before.state.word(), "certificate": before.certificate}));
    notes.after(json!({"state": AgentState::Revoked.word()}));
    // One that is revoked may still be in the file: the disk took the one and not the other.
    if before.state != AgentState::Revoked {
        app.store.revoke_agent(&name).await?;
    }
    keeping::write_clients(&app).await.map_err(Fault::internal)?;
    let agent = app.store.agent(&name).await?;
    Ok(Json(row(&app, agent, &app.store.plans().await?).await?))
}

async fn row(app: &Shared, agent: store::Agent, plans: &[store::Plan]) -> Answer<Agent> {
    let runs = keeping::verifications(app, &agent.name).await?;
    let verified = runs.iter().find(|run| run.finished_at.is_some());
    let here = keeping::arrived(&app.settings.data, &agent.name);
    let vault = keeping::vaults(&app.settings.data).join(&agent.name);
    let told = agent.told.clone().unwrap_or(Value::Null);
    let text = |name: &str| told[name].as_str().map(str::to_owned);
    let number = |name: &str| told[name].as_u64().unwrap_or(0);
    let paths = |name: &str| -> Vec<String> {
        let paths = told[name].as_array().into_iter().flatten();
        paths.filter_map(|path| path.as_str().map(str::to_owned)).collect()
    };
    let own = plans
        .iter()
        .filter(|plan| plan.spec["agent"] == agent.name.as_str() && plan.spec["enabled"] != false);
    let silent = agent.last_call.is_none_or(|at| !clock::is_within(at, SILENT_S, now()));
    let state = match agent.state {
        AgentState::Active if silent => "silent",
        state => state.word(),
    };
    Ok(Agent {
        state: state.to_owned(),
        detail: detail(&agent, state, text("fault")),
        invited_at: agent.invited_at,
        invited_until: agent.invited_until.filter(|_| agent.state == AgentState::Invited),
        enrolled_at: agent.enrolled_at,
        last_call: agent.last_call,
        revoked_at: agent.revoked_at,
        certificate: agent.certificate,
        host: text("host"),
        address: agent.address,
        version: text("version"),
        allow: paths("allow"),
        restore_into: paths("restore_into"),
        skew_ms: agent.skew_ms,
        entries: number("entries"),
        entries_here: here.entries,
        spool_bytes: number("bytes"),
        plans: own.count() as u64,
        lost_runs: agent.lost_runs,
        lost_from: agent.lost_from,
        lost_until: agent.lost_until,
        verified_at: verified.and_then(|run| run.finished_at),
        verified: verified.map(|run| run.state == RunState::Complete),
        vault: vault.exists().then(|| vault.display().to_string()),
        name: agent.name,
    })
}

/// What is wrong with it.
fn detail(agent: &store::Agent, state: &str, fault: Option<String>) -> Option<String> {
    let past = agent.invited_until.is_some_and(|until| until < now());
    match state {
        "invited" if past => Some("its token has run out; invite it again".to_owned()),
        "invited" => Some("enrol it on its host with its token".to_owned()),
        "silent" if agent.last_call.is_none() => {
            Some("enrolled, and never heard since: start `spandrel agent run` there".to_owned())
        }
        "silent" => Some("it does not call; it goes on by itself, if its host runs".to_owned()),
        "active" => fault.map(|why| format!("its backups do not arrive: {why}")),
        _ => None,
    }
}

/// Whether a plan names an agent that can do what it says, as far as is known here. The host's
/// owner has the last word there.
pub(super) async fn may_ask(app: &Shared, asked: &PlanSpec) -> Answer<()> {
    let Some(name) = &asked.agent else { return Ok(()) };
    let agents = app.store.agents().await?;
    let agent = agents.iter().find(|agent| agent.name == *name);
    let usable = agent.filter(|agent| agent.state != AgentState::Revoked);
    let Some(agent) = usable else {
        return Err(Fault::member("agent", "unknown", format!("there is no agent {name:?}")));
    };
    let told = agent.told.as_ref().and_then(|told| told["allow"].as_array());
    let Some(allowed) = told else { return Ok(()) };
    let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
    for source in &asked.sources {
        let Some((kind, place)) = source.split_once(':') else { continue };
        let below = |folder: &&str| FilePath::new(place).starts_with(folder);
        if spec::AGENT_KINDS.contains(&kind) && !allowed.iter().any(below) {
            let allowed = allowed.join(", ");
            let why = format!("{source}: the host lets be read: {allowed}");
            return Err(Fault::member("sources", "not-allowed", why));
        }
    }
    Ok(())
}

/// Whether an agent can be asked for something; one of an earlier version does not know of it.
pub(super) async fn can(app: &Shared, name: &str, what: &str) -> Answer<()> {
    let agent = app.store.agent(name).await?;
    if agent.state != AgentState::Active {
        return Err(Fault::conflict("no-agent", format!("agent {name} is not enrolled")));
    }
    let told = agent.told.unwrap_or(Value::Null);
    let known = told["can"].as_array().is_some_and(|known| known.iter().any(|word| word == what));
    if known {
        return Ok(());
    }
    let version = told["version"].as_str().unwrap_or("?");
    let why =
        format!("agent {name} (version {version}) does not say that it can do this; update it");
    Err(Fault::conflict("cannot", why))
}

/// Whether an agent knows a plan; of one that it was not told of it does nothing.
pub(super) fn knows(agent: &str, plan: &PlanSpec) -> Answer<()> {
    if plan.agent.as_deref() != Some(agent) {
        let why = format!("the plan {} is not one of agent {agent} any more", plan.name);
        return Err(Fault::conflict("other-agent", why));
    }
    if !plan.enabled {
        let why = format!(
            "the plan {} is switched off, so agent {agent} does not know it; switch it on first",
            plan.name
        );
        return Err(Fault::conflict("plan-off", why));
    }
    Ok(())
}

/// Restore what an agent backed up, or a part of it, into a new folder on its host. As soon as
/// there is a second administrator one of the others must approve (`/runs/{id}:approve`).
#[utoipa::path(
    post, path = "/api/v1/runs/{id}:restore", tag = "agents", operation_id = "runs_restore",
    params(("id" = String, Path, description = "The backup"), Csrf),
    request_body = HostRestoreRequest,
    responses((status = 202, description = "Asked for", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn restore(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<HostRestoreRequest>,
) -> Answer<(StatusCode, Json<Run>)> {
    let backup = app.store.run(&id).await?;
    let (Some(agent), Some(snapshot), true) =
        (&backup.agent, &backup.snapshot, backup.kind == "backup")
    else {
        let why = "it is no backup of an agent; restore those of this server from Snapshots";
        return Err(Fault::conflict("no-backup", why));
    };
    can(&app, agent, "restore").await?;
    let told = app.store.agent(agent).await?.told.unwrap_or(Value::Null);
    let into: Vec<&str> =
        told["restore_into"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let place = FilePath::new(&asked.to);
    let plain = place.components().all(|part| {
        matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_))
    });
    if !into
        .iter()
        .any(|folder| plain && place != FilePath::new(folder) && place.starts_with(folder))
    {
        let why = match into.is_empty() {
            true => "its host's owner lets nothing be restored: restore_into in its agent.toml"
                .to_owned(),
            false => {
                format!("a new folder in one that its host's owner names: {}", into.join(", "))
            }
        };
        return Err(Fault::member("to", "not-allowed", why));
    }
    if asked.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        return Err(Fault::member("path", "invalid", "it begins with /"));
    }
    if let Some(plan) = &backup.plan {
        let spec = app.store.plan(plan).await?.spec;
        knows(agent, &serde_json::from_value(spec).map_err(Fault::internal)?)?;
    }
    let others = app.store.users().await?.into_iter();
    let mut others = others.filter(|u| u.role == store::Role::Admin && !u.disabled);
    let needs_approval = others.any(|user| user.name != caller.user);
    let job = HostRestore { to: asked.to, path: asked.path, needs_approval, approved_by: None };
    notes.after(json!({"agent": agent, "snapshot": snapshot, "restore": job}));
    let run = NewRun {
        kind: "restore",
        plan: backup.plan.clone(),
        target: backup.target.clone(),
        name: backup.name.clone(),
        cause: "person",
        actor: Some(caller.user),
        job: json!(job),
        snapshot: Some(snapshot.clone()),
        agent: Some(agent.clone()),
        ..NewRun::default()
    };
    let run = app.store.create_run(run).await?;
    Ok((StatusCode::ACCEPTED, Json(app.store.run(&run).await?.into())))
}

/// Agrees to a restore as the second person.
pub(super) async fn approve(
    app: &Shared,
    caller: &Caller,
    notes: &Notes,
    run: &store::Run,
    asked: HostRestore,
) -> Answer<()> {
    let job = HostRestore { approved_by: Some(caller.user.clone()), ..asked };
    notes.after(json!({"run": run.id, "asked_by": run.actor, "restore": job}));
    if !app.store.approve_run(&run.id, &caller.user, json!(job)).await? {
        let why = "it waits for nobody, or you asked for it: another administrator must approve";
        return Err(Fault::conflict("not-waiting", why));
    }
    Ok(())
}
