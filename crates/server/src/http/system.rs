//! `/overview`, `/sensors`, `/audit`, `/health`, `/version`.
//!
//! Not here: how sensors run. Invariant: health says what is wrong and what to do, and tells
//! strangers only whether something is.

use super::{
    caller::{Presence, identify},
    dto::*,
    extract::Asked,
    fault::{Answer, Fault},
    list,
    openapi::{Csrf, Failures},
    query::{ListQuery, PAGE_ROWS, PAGE_ROWS_MAX},
};
use crate::{
    app::{App, Shared, now},
    clock,
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::Time;
use serde::Deserialize;
use serde_json::Map;
use std::time::Duration;
use store::{AuditAsked, ChainState, ListRequest, SensorRecord, SensorState, Trouble};

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
    since: Option<Time>,
    until: Option<Time>,
    result: Option<String>,
}

/// Members of a record in the order that a person reads them in, as columns.
const AUDIT_FIELDS: &str = "seq,at,actor,method,session,ip,action,resource,result,completed_at,\
    reason,before,after,trace_id,hash";
const AUDIT_RESULTS: [&str; 4] = ["done", "denied", "refused", "failed"];

/// Who changed what, newest first; as JSON, or as NDJSON or CSV by `Accept`.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "audit_list",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 when absent"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("actor" = Option<String>, Query, description = "Only this user"),
        ("since" = Option<String>, Query, description = "Only from this time on, RFC 3339"),
        ("until" = Option<String>, Query, description = "Only before this time, RFC 3339"),
        (
            "result" = Option<String>, Query,
            description = "Only what ended so: `done`, `denied`, `refused`, `failed`"
        ),
    ),
    responses((status = 200, description = "Done", body = AuditPage), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn audit(
    State(app): State<Shared>,
    headers: HeaderMap,
    Asked(query): Asked<AuditQuery>,
) -> Answer<Response> {
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        return Err(Fault::member("limit", "invalid", format!("it is 1 to {PAGE_ROWS_MAX}")));
    }
    let before = query.cursor.as_deref().map(str::parse::<i64>).transpose();
    let before =
        before.map_err(|_| Fault::member("cursor", "invalid", "it is not of this list"))?;
    if query.result.as_deref().is_some_and(|result| !AUDIT_RESULTS.contains(&result)) {
        let detail = format!("it is {}", AUDIT_RESULTS.join(", "));
        return Err(Fault::member("result", "invalid", detail));
    }
    let AuditQuery { actor, since, until, result, .. } = query;
    let asked = AuditAsked { actor, since, until, result };
    let (records, next) = app.store.audit(&asked, before, limit).await?;
    let chain = chain(&app).await?;
    let page = AuditPage {
        items: records.into_iter().map(Into::into).collect(),
        next_cursor: next.map(|seq| seq.to_string()),
        chain_intact: chain == ChainState::Intact,
        chain_broken_at: match chain {
            ChainState::Intact => None,
            ChainState::BrokenAt(seq) => Some(seq),
        },
    };
    let mut extra = Map::new();
    extra.insert("chain_intact".to_owned(), page.chain_intact.into());
    extra.insert("chain_broken_at".to_owned(), page.chain_broken_at.into());
    let columns = ListQuery { fields: Some(AUDIT_FIELDS.to_owned()), ..ListQuery::default() };
    list::answer(&headers, &columns, &page.items, page.next_cursor.as_deref(), extra)
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
    let known = identify(&app, &headers, Presence::NotShown).await;
    let known = matches!(known, Ok(Some(_)));
    Json(ServerHealth { state, checks: if known { checks } else { Vec::new() } })
}

/// That the clock was set is told for so long.
const CLOCK_TOLD: Duration = Duration::from_secs(86_400);
/// So is that lines of the log were lost.
const LOST_TOLD: Duration = CLOCK_TOLD;
/// So is what was not saved, or late.
const KEPT_TOLD_S: i64 = 86_400;

fn check(name: &str, state: &str, detail: String) -> HealthCheck {
    HealthCheck { name: name.to_owned(), state: state.to_owned(), detail, since: None }
}

async fn checks(app: &App) -> Vec<HealthCheck> {
    let mut all = vec![database(app).await];
    match app.store.sensors().await {
        Ok(sensors) => {
            all.push(sensors_run(app, &sensors).await);
            all.extend(kept(app, &sensors));
        }
        Err(error) => all.push(check("sensors", "failed", error.to_string())),
    }
    all.extend(clock_fits(app));
    let lost = &app.settings.lost_lines;
    if lost.is_recent(LOST_TOLD) {
        let detail = format!(
            "lines of the log were lost: {}; what standard error goes to is closed or full: see to \
             it and restart",
            lost.lost()
        );
        all.push(check("log", "warning", detail));
    }
    let no_renewal = app.no_renewal.lock().expect("no panic holds it").clone();
    all.extend(no_renewal.map(|why| check("certificate", "warning", why)));
    let new_authority = app.new_authority.lock().expect("no panic holds it").clone();
    all.extend(new_authority.map(|why| check("authority", "warning", why)));
    all
}

/// What was wrong with the clock lately, or may be; one check, for each has its name.
fn clock_fits(app: &App) -> Option<HealthCheck> {
    let mut said = Vec::new();
    if let Some((at, seconds)) = app.clock.set_last()
        && at.elapsed() < CLOCK_TOLD
    {
        let way = if seconds < 0 { "back" } else { "ahead" };
        let ago = at.elapsed().as_secs() / 60;
        said.push(format!(
            "it was set {way} by {}, {ago} minutes ago: times from before do not fit those since",
            clock::span(seconds)
        ));
    }
    said.extend(app.doubts.told());
    (!said.is_empty()).then(|| check("clock", "warning", said.join(". ")))
}

async fn database(app: &App) -> HealthCheck {
    let Err(error) = app.store.ping().await else {
        let mib = app.store.size_bytes() >> 20;
        return check("database", "ok", format!("commits; {mib} MiB on disk"));
    };
    let Some(trouble) = app.store.trouble() else {
        return check("database", "failed", format!("does not commit: {error}"));
    };
    let place = app.settings.data.display();
    let why = trouble.error.why();
    let detail = match trouble.error {
        store::Error::Limit { .. } => format!("nothing is saved: {why}"),
        store::Error::Busy => format!(
            "nothing is saved: {why}; see which with `fuser {place}/spandrel.db`, and end it or \
             wait: what was to be saved goes on by itself"
        ),
        _ => format!("nothing is saved: {why}; see to the disk of {place}"),
    };
    HealthCheck { since: Some(trouble.since), ..check("database", "failed", detail) }
}

async fn sensors_run(app: &App, sensors: &[SensorRecord]) -> HealthCheck {
    if sensors.is_empty() {
        let detail = "no sensor is configured; add a [[sensor]] to spandrel.toml".to_owned();
        return check("sensors", "warning", detail);
    }
    let named = |chosen: &dyn Fn(&SensorRecord) -> bool| {
        let chosen = sensors.iter().filter(|sensor| chosen(sensor));
        chosen.map(|sensor| &*sensor.id).collect::<Vec<_>>().join(", ")
    };
    let silent = app.store.silent_sensors(30).await.unwrap_or_default();
    let down = named(&|sensor| sensor.state != SensorState::Running);
    // One whose line is not read, as nothing can be saved, is told of by that.
    let silent = named(&|sensor| sensor.unsaved.is_none() && silent.contains(&sensor.id));
    let unsaved = named(&|sensor| sensor.unsaved.is_some());
    let wrong: Vec<String> = [
        ("not running", down),
        ("silent for 30 s", silent),
        ("what they say is not saved", unsaved),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {names}"))
    .collect();
    let since = sensors.iter().filter_map(|sensor| Some(sensor.unsaved.as_ref()?.since)).min();
    match wrong.is_empty() {
        true => check("sensors", "ok", format!("{} running", sensors.len())),
        false => HealthCheck { since, ..check("sensors", "warning", wrong.join("; ")) },
    }
}

/// What of the last day was not saved, or late.
fn kept(app: &App, sensors: &[SensorRecord]) -> Option<HealthCheck> {
    let recent = |until: Time| clock::is_within(until, KEPT_TOLD_S, now());
    let mut said = Vec::new();
    let mut since: Option<Time> = None;
    for trouble in app.store.troubles() {
        if let Some(until) = trouble.until.filter(|until| recent(*until)) {
            let Trouble { since: from, error, .. } = trouble;
            since = Some(since.map_or(from, |known| known.min(from)));
            let when = between(from, until);
            said.push(format!("not everything was saved {when}: {}", error.why()));
        }
    }
    for sensor in sensors {
        for gap in sensor.gaps.iter().filter(|gap| recent(gap.until)) {
            since = Some(since.map_or(gap.from, |known| known.min(gap.from)));
            let missing = match (gap.lost, gap.late) {
                (Some(lost), Some(late)) => {
                    format!("{lost} reports not kept, {late} saved late")
                }
                _ => "only the outcome is known".to_owned(),
            };
            let when = between(gap.from, gap.until);
            said.push(format!("sensor {}: {missing} {when}: {}", sensor.id, gap.reason));
        }
    }
    let detail = said.join(". ");
    (!said.is_empty()).then(|| HealthCheck { since, ..check("kept", "warning", detail) })
}

fn between(from: Time, until: Time) -> String {
    // A millionth of a second is nothing that anybody reads here.
    let whole = |time: Time| {
        let text = time.to_string();
        text.split_once('.').map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
    };
    format!("between {} and {}", whole(from), whole(until))
}

/// Name and version.
#[utoipa::path(
    get, path = "/api/v1/version", tag = "system", operation_id = "system_version",
    responses((status = 200, description = "Done", body = Version), Failures),
)]
pub(crate) async fn version() -> Json<Version> {
    Json(Version { name: "spandrel", version: env!("CARGO_PKG_VERSION"), api: "v1" })
}
