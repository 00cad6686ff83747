//! Holds of snapshots, and `/releases`: what two people agree on before anything is kept less.
//!
//! Not here: the vault's own check of who agreed, which binds. Invariant: every reason is noted in
//! the audit.

use super::{change, other_admins, queued, refused, settings, snapshots::snapshot_id, told};
use crate::{
    app::Shared,
    http::{
        caller::Caller,
        dto::*,
        extract::Sent,
        fault::{Answer, Fault},
        guard::Notes,
        openapi::{Csrf, Failures},
    },
    protect::work::Job,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::json;
use store::NewRun;

fn said(reason: String) -> Answer<String> {
    let reason = reason.trim().to_owned();
    if !(1..=1_000).contains(&reason.chars().count()) {
        return Err(Fault::member("reason", "invalid", "it has 1 to 1000 characters"));
    }
    Ok(reason)
}

/// Hold a snapshot: nothing deletes it until two people release it.
#[utoipa::path(
    post, path = "/api/v1/snapshots/{id}:hold", tag = "vault", operation_id = "snapshots_hold",
    params(("id" = String, Path, description = "Snapshot"), Csrf),
    request_body = ReasonRequest,
    responses((status = 200, description = "Done", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn hold(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<ReasonRequest>,
) -> Answer<Json<Vault>> {
    let (snapshot, reason) = (snapshot_id(id)?, said(asked.reason)?);
    notes.reason(&reason);
    change(&app, Job::Hold { snapshot, reason, by: caller.user }).await?;
    Ok(Json(told(&app).await?))
}

/// Ask for the release of a snapshot's holds.
#[utoipa::path(
    post, path = "/api/v1/snapshots/{id}:release", tag = "vault",
    operation_id = "snapshots_release",
    params(("id" = String, Path, description = "Snapshot"), Csrf),
    request_body = ReasonRequest,
    responses((status = 200, description = "Asked for", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn release(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<ReasonRequest>,
) -> Answer<Json<Vault>> {
    let (snapshot, reason) = (snapshot_id(id)?, said(asked.reason)?);
    notes.reason(&reason);
    let people = app.settings.data.join("people");
    let others = other_admins(&app, &caller.user).await?;
    change(&app, Job::AskRelease { snapshot, reason, by: caller.user, others, people }).await?;
    Ok(Json(told(&app).await?))
}

fn release_number(id: &str) -> Answer<u64> {
    id.parse().map_err(|_| Fault::not_found(format!("there is no release {id}")))
}

/// Approve a release, or rules that keep less, as the second person.
#[utoipa::path(
    post, path = "/api/v1/releases/{id}:approve", tag = "vault",
    operation_id = "releases_approve",
    params(("id" = String, Path, description = "Number of the release or the rules"), Csrf),
    responses((status = 200, description = "Agreed; it waits", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn approve(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Vault>> {
    let (request, people) = (release_number(&id)?, app.settings.data.join("people"));
    change(&app, Job::Approve { request, by: caller.user, people }).await?;
    Ok(Json(told(&app).await?))
}

/// Withdraw a release, or rules that keep less, before it comes into force.
#[utoipa::path(
    post, path = "/api/v1/releases/{id}:withdraw", tag = "vault",
    operation_id = "releases_withdraw",
    params(("id" = String, Path, description = "Number of the release or the rules"), Csrf),
    responses((status = 200, description = "Withdrawn", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn withdraw(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Vault>> {
    let (request, people) = (release_number(&id)?, app.settings.data.join("people"));
    change(&app, Job::Withdraw { request, by: caller.user, people }).await?;
    Ok(Json(told(&app).await?))
}

/// Take a deleted snapshot back.
#[utoipa::path(
    post, path = "/api/v1/snapshots/{id}:undelete", tag = "vault",
    operation_id = "snapshots_undelete",
    params(("id" = String, Path, description = "Snapshot"), Csrf),
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn undelete(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<Run>)> {
    let snapshot = snapshot_id(id)?;
    let view = app.protect.view(&settings(&app).await?).await.map_err(refused)?;
    let found = view.withdrawn.iter().find(|row| row.id == snapshot && row.here);
    let none = || Fault::not_found(format!("{snapshot} cannot be taken back"));
    let name = found.ok_or_else(none)?.asset.clone();
    let job = Job::Undelete { snapshot: snapshot.clone(), by: caller.user.clone() };
    let run = NewRun {
        kind: "undelete",
        target: Some(name.clone()),
        name,
        cause: "person",
        actor: Some(caller.user),
        job: json!(job),
        snapshot: Some(snapshot),
        ..NewRun::default()
    };
    queued(&app, run).await
}
