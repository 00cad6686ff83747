//! `/copies`: copies of the vault in stores and at other sites.
//!
//! Not here: copying; that is a run (`/runs`). Invariant: the secret of a store is taken and
//! never given back, nor is it in the audit log.

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
    app::{Shared, now},
    protect::copying,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde_json::json;
use store::{NewRun, VaultCopy};
use tokio::sync::Notify;

/// How a stored copy stands; `None` when its settings cannot be read.
fn row(app: &Shared, copy: &VaultCopy) -> Option<CopyRow> {
    let spec: CopySpec = serde_json::from_value(copy.spec.clone()).ok()?;
    let (state, reason) = copying::standing(&spec, copy, now());
    Some(CopyRow {
        id: copy.id.clone(),
        generation: copy.generation,
        updated_at: copy.updated_at,
        state: state.to_owned(),
        reason,
        has_secret: copying::secret_file(&app.settings.data, &copy.id).exists(),
        last_run: copy.last_run.clone(),
        last_state: copy.last_state.map(|state| state.word().to_owned()),
        last_at: copy.last_at,
        last_detail: copy.last_detail.clone(),
        failures: copy.failures,
        copied_at: copy.copied_at,
        waiting_since: copy.waiting_since,
        next_at: copying::due(&spec, copy).map(|(at, _)| at.max(now())),
        spec,
    })
}

pub(crate) async fn rows(app: &Shared) -> Answer<Vec<CopyRow>> {
    let copies = app.store.copies().await?;
    Ok(copies.iter().filter_map(|copy| row(app, copy)).collect())
}

impl Planned for CopyRow {
    type Asked = CopyRequest;

    fn noted(asked: &CopyRequest) -> serde_json::Value {
        json!(asked.spec)
    }

    fn bell(app: &Shared) -> &Notify {
        &app.protect.wake_copies
    }

    fn generation(&self) -> i64 {
        self.generation
    }

    async fn one(app: &Shared, id: &str) -> Answer<Self> {
        row(app, &app.store.copy(id).await?).ok_or_else(|| Fault::internal("a stored copy is none"))
    }

    async fn before(app: &Shared, id: &str) -> Answer<serde_json::Value> {
        Ok(app.store.copy(id).await?.spec)
    }

    async fn make(app: &Shared, asked: CopyRequest) -> Answer<String> {
        let spec = checked(&asked)?;
        let id = app.store.create_copy(&asked.spec.name, spec).await?;
        keep(app, &id, &asked)?;
        Ok(id)
    }

    async fn change(app: &Shared, id: &str, generation: i64, asked: CopyRequest) -> Answer<()> {
        let spec = checked(&asked)?;
        app.store.replace_copy(id, generation, &asked.spec.name, spec).await?;
        keep(app, id, &asked)
    }

    async fn delete(app: &Shared, id: &str, generation: i64) -> Answer<()> {
        app.store.delete_copy(id, generation).await?;
        copying::forget(&app.settings.data, id).map_err(Fault::internal)
    }
}

fn checked(asked: &CopyRequest) -> Answer<serde_json::Value> {
    let wrong = |(member, why): (&'static str, String)| Fault::member(member, "invalid", why);
    copying::check(&asked.spec).map_err(wrong)?;
    if let Some(secret) = &asked.secret {
        let (name, rest) = secret.trim().split_once(':').unwrap_or_default();
        if name.is_empty() || rest.is_empty() || secret.trim().lines().count() != 1 {
            return Err(Fault::member("secret", "invalid", "it is one line, NAME:SECRET"));
        }
    }
    if asked.authority.as_ref().is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
        return Err(Fault::member("authority", "invalid", "it is a certificate in PEM"));
    }
    Ok(json!(asked.spec))
}

/// Writes what belongs to a copy and is no setting.
fn keep(app: &Shared, id: &str, asked: &CopyRequest) -> Answer<()> {
    let data = &app.settings.data;
    if let Some(secret) = &asked.secret {
        let path = copying::secret_file(data, id);
        copying::keep(&path, &format!("{}\n", secret.trim())).map_err(Fault::internal)?;
    }
    if let Some(authority) = &asked.authority {
        copying::keep(&copying::authority_file(data, id), authority).map_err(Fault::internal)?;
    }
    Ok(())
}

/// Copies and how each stands.
#[utoipa::path(
    get, path = "/api/v1/copies", tag = "protection", operation_id = "copies_list",
    responses((status = 200, description = "Done", body = CopyList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Answer<Json<CopyList>> {
    Ok(Json(CopyList { items: rows(&app).await? }))
}

/// One copy.
#[utoipa::path(
    get, path = "/api/v1/copies/{id}", tag = "protection", operation_id = "copies_show",
    params(("id" = String, Path, description = "Copy")),
    responses((status = 200, description = "Done", body = CopyRow), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    planned::shown::<CopyRow>(&app, &id).await
}

/// Have the vault copied to a store or another site from now on.
#[utoipa::path(
    post, path = "/api/v1/copies", tag = "protection", operation_id = "copies_create",
    params(Csrf, Idempotency),
    request_body = CopyRequest,
    responses((status = 201, description = "Made", body = CopyRow), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    notes: Notes,
    Sent(asked): Sent<CopyRequest>,
) -> Answer<impl IntoResponse> {
    planned::made::<CopyRow>(&app, &notes, asked).await
}

/// Change a copy; what is absent of secret and authority stays.
#[utoipa::path(
    put, path = "/api/v1/copies/{id}", tag = "protection", operation_id = "copies_replace",
    params(("id" = String, Path, description = "Copy"), Precondition, Csrf),
    request_body = CopyRequest,
    responses((status = 200, description = "Done", body = CopyRow), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn replace(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
    Sent(asked): Sent<CopyRequest>,
) -> Answer<impl IntoResponse> {
    planned::replaced::<CopyRow>(&app, &notes, (&id, generation), asked).await
}

/// Copy no more; what was copied stays where it is.
#[utoipa::path(
    delete, path = "/api/v1/copies/{id}", tag = "protection", operation_id = "copies_delete",
    params(("id" = String, Path, description = "Copy"), Precondition, Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    planned::deleted::<CopyRow>(&app, &notes, &id, generation).await
}

/// Copy at once.
#[utoipa::path(
    post, path = "/api/v1/copies/{id}:run", tag = "protection", operation_id = "copies_run",
    params(("id" = String, Path, description = "Copy"), Csrf),
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn run(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<Run>)> {
    super::vault::settings(&app).await?;
    let copy = app.store.copy(&id).await?;
    let open = app.store.open_runs().await?;
    if let Some(run) = open.into_iter().find(|run| run.target.as_ref() == Some(&id)) {
        return Ok((StatusCode::ACCEPTED, Json(run.into())));
    }
    let run = copying::run_of(&app.protect, &copy, "person");
    let run = run.ok_or_else(|| Fault::internal("a stored copy is none"))?;
    let id = app.store.create_run(NewRun { actor: Some(caller.user), ..run }).await?;
    app.protect.wake_copies.notify_one();
    Ok((StatusCode::ACCEPTED, Json(app.store.run(&id).await?.into())))
}
