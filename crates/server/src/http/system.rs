//! `/overview`, `/sensors`, `/audit`, `/health`, `/version`.
//!
//! Not here: how sensors run. Invariant: health says what is wrong and what to do, and tells
//! strangers only whether something is.

use super::{
    caller::identify,
    dto::*,
    extract::Asked,
    fault::{Answer, Fault},
    openapi::{Csrf, Failures},
    query::{PAGE_ROWS, PAGE_ROWS_MAX},
};
use crate::app::{App, Shared};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use std::time::Duration;
use store::{ChainState, ListRequest, SensorState};

/// The site in numbers.
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "overview", operation_id = "overview_overview",
    responses((status = 200, description = "Done", body = Overview), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn overview(State(app): State<Shared>) -> Answer<Json<Overview>> {
    let site = app.store.overview().await?;
    let recent = app.store.findings(&ListRequest::first(10)).await?.items;
    let sensors = app.store.sensors().await?;
    let counts = |list: Vec<store::Count>| list.into_iter().map(Count::from).collect();
    Ok(Json(Overview {
        assets: site.assets,
        assets_new_24h: site.assets_new_24h,
        links: site.links,
        findings_open: site.findings_open,
        assets_by_class: counts(site.by_class),
        assets_by_purdue: counts(site.by_purdue),
        assets_by_lifecycle: counts(site.by_lifecycle),
        findings_by_severity: counts(site.by_severity),
        findings_by_status: counts(site.by_status),
        traffic: Traffic {
            step_s: site.step_s,
            points: site.traffic.into_iter().map(point).collect(),
        },
        talkers: site.talkers.into_iter().map(talker).collect(),
        protocols: site.protocols.into_iter().map(share).collect(),
        recent_findings: recent.into_iter().map(Into::into).collect(),
        sensors: sensors.into_iter().map(Into::into).collect(),
        revision: site.revision,
    }))
}

fn point(p: store::TrafficPoint) -> TrafficPoint {
    TrafficPoint { at: p.at, packets: p.packets, bytes: p.bytes, drops: p.drops }
}

fn talker(t: store::Talker) -> Talker {
    let asset = AssetName { id: t.id.0, name: t.name };
    Talker { asset, packets: t.packets, bytes: t.bytes }
}

fn share(p: store::ProtocolShare) -> ProtocolShare {
    ProtocolShare { protocol: p.protocol, links: p.links, packets: p.packets, bytes: p.bytes }
}

/// Sensors and their state.
#[utoipa::path(
    get, path = "/api/v1/sensors", tag = "sensors", operation_id = "sensors_list",
    responses((status = 200, description = "Done", body = SensorList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn sensors(State(app): State<Shared>) -> Answer<Json<SensorList>> {
    let items = app.store.sensors().await?.into_iter().map(Into::into).collect();
    Ok(Json(SensorList { items }))
}

/// What was seen so far is normal; findings of departures start.
#[utoipa::path(
    post, path = "/api/v1/sensors/{id}:end-learning",
    tag = "sensors", operation_id = "sensors_end_learning",
    params(("id" = String, Path, description = "Sensor"), Csrf),
    responses((status = 202, description = "Accepted", body = Sensor), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn end_learning(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<Sensor>)> {
    let sensor = app.store.sensor(&id).await?;
    if sensor.state != SensorState::Running {
        let detail = format!("{id} is {}; start it first", sensor.state);
        return Err(Fault::conflict("not-running", detail));
    }
    app.sensors
        .end_learning(&id)
        .map_err(|reason| Fault::conflict("cannot-end-learning", reason))?;
    Ok((StatusCode::ACCEPTED, Json(sensor.into())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    actor: Option<String>,
}

/// Who changed what, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "audit_list",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 when absent"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("actor" = Option<String>, Query, description = "Only this user"),
    ),
    responses((status = 200, description = "Done", body = AuditPage), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn audit(
    State(app): State<Shared>,
    Asked(query): Asked<AuditQuery>,
) -> Answer<Json<AuditPage>> {
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        return Err(Fault::member("limit", "invalid", format!("it is 1 to {PAGE_ROWS_MAX}")));
    }
    let before = query.cursor.as_deref().map(str::parse::<i64>).transpose();
    let before =
        before.map_err(|_| Fault::member("cursor", "invalid", "it is not of this list"))?;
    let (records, next) = app.store.audit(query.actor.as_deref(), before, limit).await?;
    let chain = chain(&app).await?;
    Ok(Json(AuditPage {
        items: records.into_iter().map(Into::into).collect(),
        next_cursor: next.map(|seq| seq.to_string()),
        chain_intact: chain == ChainState::Intact,
        chain_broken_at: match chain {
            ChainState::Intact => None,
            ChainState::BrokenAt(seq) => Some(seq),
        },
    }))
}

/// Walks what was added since the last walk.
async fn chain(app: &App) -> Answer<ChainState> {
    let mut audited = app.audited.lock().await;
    let (state, good) = app.store.audit_chain(audited.clone()).await?;
    *audited = good;
    Ok(state)
}

/// Is the server well?.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "system", operation_id = "system_health",
    responses((status = 200, description = "Done", body = ServerHealth), Failures),
)]
pub(crate) async fn health(State(app): State<Shared>, headers: HeaderMap) -> Json<ServerHealth> {
    let checks = checks(&app).await;
    let worst = ["failed", "warning"].into_iter().find(|s| checks.iter().any(|c| c.state == *s));
    let state = worst.unwrap_or("ok").to_owned();
    let known = matches!(identify(&app, &headers).await, Ok(Some(_)));
    Json(ServerHealth { state, checks: if known { checks } else { Vec::new() } })
}

/// That the clock was set is told for so long.
const CLOCK_TOLD: Duration = Duration::from_secs(86_400);

async fn checks(app: &App) -> Vec<HealthCheck> {
    let check = |name: &str, state: &str, detail: String| HealthCheck {
        name: name.to_owned(),
        state: state.to_owned(),
        detail,
    };
    let database = match app.store.ping().await {
        Ok(()) => {
            let mib = app.store.size_bytes() >> 20;
            check("database", "ok", format!("commits; {mib} MiB on disk"))
        }
        Err(error) => check("database", "failed", format!("does not commit: {error}")),
    };
    let sensors = match app.store.sensors().await {
        Ok(sensors) if sensors.is_empty() => {
            let detail = "no sensor is configured; add a [[sensor]] to spandrel.toml".to_owned();
            check("sensors", "warning", detail)
        }
        Ok(sensors) => {
            let down: Vec<_> = sensors
                .iter()
                .filter(|s| s.state != SensorState::Running)
                .map(|s| &*s.id)
                .collect();
            let silent = app.store.silent_sensors(30).await.unwrap_or_default();
            if !down.is_empty() {
                check("sensors", "warning", format!("not running: {}", down.join(", ")))
            } else if !silent.is_empty() {
                check("sensors", "warning", format!("silent for 30 s: {}", silent.join(", ")))
            } else {
                check("sensors", "ok", format!("{} running", sensors.len()))
            }
        }
        Err(error) => check("sensors", "failed", error.to_string()),
    };
    let mut all = vec![database, sensors];
    if let Some((at, seconds)) = *app.clock_set.lock().expect("no panic holds it")
        && at.elapsed() < CLOCK_TOLD
    {
        let (way, minutes) = (if seconds < 0 { "back" } else { "ahead" }, seconds.abs() / 60);
        let ago = at.elapsed().as_secs() / 60;
        let detail = format!(
            "it was set {way} by {minutes} minutes, {ago} minutes ago: times from before do not \
             fit those since"
        );
        all.push(check("clock", "warning", detail));
    }
    all
}

/// Name and version.
#[utoipa::path(
    get, path = "/api/v1/version", tag = "system", operation_id = "system_version",
    responses((status = 200, description = "Done", body = Version), Failures),
)]
pub(crate) async fn version() -> Json<Version> {
    Json(Version { name: "spandrel", version: env!("CARGO_PKG_VERSION"), api: "v1" })
}
