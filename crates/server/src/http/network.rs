//! `/links`, `/map` and `/zones`.
//!
//! Not here: assets. Invariant: the map is one graph of one moment; it says when it is cut.

use super::{
    assets::purdue,
    dto::*,
    extract::{Asked, IfMatch, Sent, etag},
    fault::Answer,
    guard::Notes,
    list,
    openapi::{Csrf, Failures, Idempotency, Precondition},
    query::ListQuery,
};
use crate::app::Shared;
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, json};
use store::{ASSETS, Graph, LINKS};

/// Links, filtered, sorted, paged.
#[utoipa::path(
    get, path = "/api/v1/links", tag = "links", operation_id = "links_list",
    params(ListQuery),
    responses((status = 200, description = "Done", body = LinkPage), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn links(
    State(app): State<Shared>,
    headers: HeaderMap,
    Asked(query): Asked<ListQuery>,
) -> Answer<Response> {
    let page = app.store.links(&list::request(&query, LINKS)?).await?;
    let items: Vec<Link> = page.items.into_iter().map(Into::into).collect();
    list::answer(&headers, &query, &items, page.next_cursor.as_deref(), Map::new())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MapQuery {
    filter: Option<String>,
}

/// Assets and what passes between them, as a graph.
#[utoipa::path(
    get, path = "/api/v1/map", tag = "links", operation_id = "links_map",
    params(
        (
            "filter" = Option<String>, Query,
            description = "Assets to keep; the grammar of `/assets`"
        ),
    ),
    responses((status = 200, description = "Done", body = MapGraph), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn map(
    State(app): State<Shared>,
    Asked(query): Asked<MapQuery>,
) -> Answer<Json<MapGraph>> {
    let filter = list::filter(query.filter.as_deref(), ASSETS)?;
    // Before the graph: a watcher that goes on from here sees some changes twice, none never.
    let revision = app.store.revision().await?;
    let Graph { nodes, edges, truncated } = app.store.graph(filter).await?;
    Ok(Json(MapGraph {
        revision,
        nodes: nodes.into_iter().map(Into::into).collect(),
        edges: edges.into_iter().map(Into::into).collect(),
        truncated,
    }))
}

/// Zones.
#[utoipa::path(
    get, path = "/api/v1/zones", tag = "zones", operation_id = "zones_list",
    responses((status = 200, description = "Done", body = ZoneList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn zones(State(app): State<Shared>) -> Answer<Json<ZoneList>> {
    let items = app.store.zones().await?.into_iter().map(Into::into).collect();
    Ok(Json(ZoneList { items }))
}

/// One zone.
#[utoipa::path(
    get, path = "/api/v1/zones/{id}", tag = "zones", operation_id = "zones_show",
    params(("id" = String, Path, description = "Zone")),
    responses((status = 200, description = "Done", body = Zone), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn zone(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    let zone = Zone::from(app.store.zone(&id).await?);
    Ok((etag(zone.generation), Json(zone)))
}

/// Make a zone.
#[utoipa::path(
    post, path = "/api/v1/zones", tag = "zones", operation_id = "zones_create",
    params(Csrf, Idempotency),
    request_body = ZoneSpec,
    responses((status = 201, description = "Made", body = Zone), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn create_zone(
    State(app): State<Shared>,
    notes: Notes,
    Sent(spec): Sent<ZoneSpec>,
) -> Answer<impl IntoResponse> {
    let id = app.store.create_zone(checked(spec)?).await?;
    let zone = Zone::from(app.store.zone(&id).await?);
    notes.after(json!(zone));
    Ok((StatusCode::CREATED, etag(zone.generation), Json(zone)))
}

/// Replace a zone.
#[utoipa::path(
    put, path = "/api/v1/zones/{id}", tag = "zones", operation_id = "zones_replace",
    params(("id" = String, Path, description = "Zone"), Precondition, Csrf),
    request_body = ZoneSpec,
    responses((status = 200, description = "Done", body = Zone), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn replace_zone(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
    Sent(spec): Sent<ZoneSpec>,
) -> Answer<impl IntoResponse> {
    notes.before(json!(Zone::from(app.store.zone(&id).await?)));
    app.store.replace_zone(&id, generation, checked(spec)?).await?;
    let zone = Zone::from(app.store.zone(&id).await?);
    notes.after(json!(zone));
    Ok((etag(zone.generation), Json(zone)))
}

/// Delete a zone; its assets fall to others.
#[utoipa::path(
    delete, path = "/api/v1/zones/{id}", tag = "zones", operation_id = "zones_delete",
    params(("id" = String, Path, description = "Zone"), Precondition, Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn delete_zone(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    notes.before(json!(Zone::from(app.store.zone(&id).await?)));
    app.store.delete_zone(&id, generation).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn checked(spec: ZoneSpec) -> Answer<store::ZoneSpec> {
    Ok(store::ZoneSpec {
        name: spec.name,
        purdue: spec.purdue.map(purdue).transpose()?,
        cidrs: spec.cidrs,
        vlans: spec.vlans,
    })
}
