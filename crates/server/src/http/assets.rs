//! `/assets`: lists, details, the operator's word.
//!
//! Not here: SQL. Invariant: a change needs the generation that was read.

use super::{
    caller::Caller,
    dto::*,
    extract::{Asked, IfMatch, Sent, etag},
    fault::{Answer, Fault},
    guard::Notes,
    list::{self, Listed},
    openapi::{Csrf, Failures, Precondition},
    query::ListQuery,
    rows,
};
use crate::app::Shared;
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use model::Purdue;
use serde_json::json;
use store::{ASSETS, AssetPatch, AssetRecord, Count, Field, ListRequest, Page, Store};

/// Assets, filtered, sorted, paged.
#[utoipa::path(
    get, path = "/api/v1/assets", tag = "assets", operation_id = "assets_list",
    params(ListQuery),
    responses((status = 200, description = "Done", body = AssetPage), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    headers: HeaderMap,
    Asked(query): Asked<ListQuery>,
) -> Answer<Response> {
    list::listed::<AssetRow>(&app, &headers, &query).await
}

impl Listed for AssetRow {
    type Stored = AssetRecord;
    const FIELDS: &'static [Field] = ASSETS;

    async fn page(store: &Store, request: &ListRequest) -> store::Result<Page<AssetRecord>> {
        store.assets(request).await
    }

    async fn facet(store: &Store, field: &str, request: &ListRequest) -> store::Result<Vec<Count>> {
        store.asset_facet(field, request).await
    }
}

/// One asset with facts, modules, links, open findings and timeline.
#[utoipa::path(
    get, path = "/api/v1/assets/{id}", tag = "assets", operation_id = "assets_show",
    params(("id" = String, Path, description = "Asset")),
    responses((status = 200, description = "Done", body = AssetDetail), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    let detail = detail(&app.store, &id).await?;
    Ok((etag(detail.row.generation), Json(detail)))
}

/// An asset with all that is known of it.
pub async fn detail(store: &Store, id: &str) -> store::Result<AssetDetail> {
    let asset = store.asset(id).await?;
    let id = asset.record.id.0.clone();
    let (links, links_truncated) = store.asset_links(&id).await?;
    let open_findings = store.asset_findings(&id).await?;
    let timeline = store.asset_events(&id).await?;
    let (observed, facts) = (rows::observed(&asset), rows::facts(&asset));
    Ok(AssetDetail {
        observed,
        facts,
        modules: asset.observed.modules.into_iter().map(Into::into).collect(),
        declared: asset.declared.into(),
        row: asset.record.into(),
        links: links.into_iter().map(Into::into).collect(),
        links_truncated,
        open_findings: open_findings.into_iter().map(Into::into).collect(),
        timeline: timeline.into_iter().map(Into::into).collect(),
    })
}

/// Say what the sensors cannot know, or know wrong.
#[utoipa::path(
    patch, path = "/api/v1/assets/{id}", tag = "assets", operation_id = "assets_change",
    params(("id" = String, Path, description = "Asset"), Precondition, Csrf),
    request_body = AssetChange,
    responses((status = 200, description = "Done", body = AssetDetail), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn change(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
    Sent(change): Sent<AssetChange>,
) -> Answer<impl IntoResponse> {
    let before = Declared::from(app.store.asset(&id).await?.declared);
    notes.before(json!(before));
    let patch = AssetPatch {
        name: change.name,
        class: change.class,
        purdue: change.purdue.map(|level| level.map(purdue).transpose()).transpose()?,
        zone: change.zone,
        criticality: change.criticality,
        labels: change.labels,
        lifecycle: change.lifecycle,
        note: change.note,
    };
    app.store.patch_asset(&id, generation, patch, &caller.user).await?;
    let detail = detail(&app.store, &id).await?;
    notes.after(json!(detail.declared));
    Ok((etag(detail.row.generation), Json(detail)))
}

/// A level of the Purdue model by its number.
pub(crate) fn purdue(level: f64) -> Answer<Purdue> {
    let found = Purdue::ALL.into_iter().find(|p| (p.level() - level).abs() < 0.01);
    found.ok_or_else(|| Fault::member("purdue", "invalid", "it is 0, 1, 2, 3, 3.5, 4 or 5"))
}
