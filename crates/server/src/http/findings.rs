//! `/findings` and `/mutes`: triage.
//!
//! Not here: detection. Invariant: a mute has a reason and an author.

use super::{
    caller::Caller,
    dto::*,
    extract::{Asked, IfMatch, Sent, etag},
    fault::Answer,
    guard::Notes,
    list::{self, Listed},
    openapi::{Csrf, Failures, Precondition},
    query::ListQuery,
};
use crate::app::Shared;
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use store::{Count, FINDINGS, Field, FindingPatch, FindingRecord, ListRequest, Page, Store};

/// Findings, filtered, sorted, paged.
#[utoipa::path(
    get, path = "/api/v1/findings", tag = "findings", operation_id = "findings_list",
    params(ListQuery),
    responses((status = 200, description = "Done", body = FindingPage), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    headers: HeaderMap,
    Asked(query): Asked<ListQuery>,
) -> Answer<Response> {
    list::listed::<FindingRow>(&app, &headers, &query).await
}

impl Listed for FindingRow {
    type Stored = FindingRecord;
    const FIELDS: &'static [Field] = FINDINGS;

    async fn page(store: &Store, request: &ListRequest) -> store::Result<Page<FindingRecord>> {
        store.findings(request).await
    }

    async fn facet(store: &Store, field: &str, request: &ListRequest) -> store::Result<Vec<Count>> {
        store.finding_facet(field, request).await
    }
}

async fn detail(app: &Shared, id: &str) -> Answer<FindingDetail> {
    Ok(app.store.finding(id).await?.into())
}

/// What triage changes, for the audit.
fn triage(finding: &FindingDetail) -> Value {
    let row = &finding.row;
    json!({
        // For whoever reads the log: the finding may be gone by then.
        "title": row.title,
        "status": row.status,
        "owner": row.owner,
        "note": finding.note,
        "muted": row.muted,
    })
}

/// One finding with evidence, runbook and history.
#[utoipa::path(
    get, path = "/api/v1/findings/{id}", tag = "findings", operation_id = "findings_show",
    params(("id" = String, Path, description = "Finding")),
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    let finding = detail(&app, &id).await?;
    Ok((etag(finding.row.generation), Json(finding)))
}

/// Triage: status, owner, note.
#[utoipa::path(
    patch, path = "/api/v1/findings/{id}", tag = "findings", operation_id = "findings_change",
    params(("id" = String, Path, description = "Finding"), Precondition, Csrf),
    request_body = FindingChange,
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn change(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
    Sent(change): Sent<FindingChange>,
) -> Answer<impl IntoResponse> {
    notes.before(triage(&detail(&app, &id).await?));
    let patch = FindingPatch { status: change.status, owner: change.owner, note: change.note };
    app.store.patch_finding(&id, generation, patch, &caller.user).await?;
    let finding = detail(&app, &id).await?;
    notes.after(triage(&finding));
    Ok((etag(finding.row.generation), Json(finding)))
}

/// Mute findings of this detector on these assets.
#[utoipa::path(
    post, path = "/api/v1/findings/{id}:mute", tag = "findings", operation_id = "findings_mute",
    params(("id" = String, Path, description = "Finding"), Csrf),
    request_body = MuteRequest,
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn mute(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(request): Sent<MuteRequest>,
) -> Answer<impl IntoResponse> {
    notes.reason(&request.reason);
    notes.before(triage(&detail(&app, &id).await?));
    app.store.mute_finding(&id, &request.reason, request.until, &caller.user).await?;
    let finding = detail(&app, &id).await?;
    notes.after(triage(&finding));
    Ok((etag(finding.row.generation), Json(finding)))
}

/// Take the mute rule of this finding away.
#[utoipa::path(
    post, path = "/api/v1/findings/{id}:unmute", tag = "findings", operation_id = "findings_unmute",
    params(("id" = String, Path, description = "Finding"), Csrf),
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn unmute(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    notes.before(triage(&detail(&app, &id).await?));
    app.store.unmute_finding(&id, &caller.user).await?;
    let finding = detail(&app, &id).await?;
    notes.after(triage(&finding));
    Ok((etag(finding.row.generation), Json(finding)))
}

/// Mute rules.
#[utoipa::path(
    get, path = "/api/v1/mutes", tag = "findings", operation_id = "findings_mutes",
    responses((status = 200, description = "Done", body = MuteList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn mutes(State(app): State<Shared>) -> Answer<Json<MuteList>> {
    let items = app.store.mutes().await?.into_iter().map(Into::into).collect();
    Ok(Json(MuteList { items }))
}

/// Take a mute rule away.
#[utoipa::path(
    delete, path = "/api/v1/mutes/{id}", tag = "findings", operation_id = "findings_delete_mute",
    params(("id" = String, Path, description = "Mute rule"), Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn delete_mute(
    State(app): State<Shared>,
    notes: Notes,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let mutes = app.store.mutes().await?;
    if let Some(mute) = mutes.into_iter().find(|mute| mute.id == id) {
        notes.before(json!(Mute::from(mute)));
    }
    app.store.delete_mute(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
