//! `/captures`: uploads, reports, imports.
//!
//! Not here: parsing, which a child process does (`crate::parsing`). Invariant: an upload is never
//! held in memory, and its file name is only ever shown.

use super::{
    caller::Caller,
    dto::*,
    extract::Asked,
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures, Idempotency},
    rows,
};
use crate::{
    app::Shared,
    parsing::{self, Report},
    settings,
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt};
use model::{Address, AssetId, names_together};
use serde::Deserialize;
use serde_json::json;
use std::{collections::HashMap, pin::pin};
use tokio::{io::AsyncWriteExt, sync::OwnedSemaphorePermit};

/// Uploaded captures.
#[utoipa::path(
    get, path = "/api/v1/captures", tag = "captures", operation_id = "captures_list",
    responses((status = 200, description = "Done", body = CaptureList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Answer<Json<CaptureList>> {
    let items = app.store.captures().await?.into_iter().map(Into::into).collect();
    let usual = app.settings.usual_reading();
    let shown = |reading: &settings::Reading| Reading {
        sensor: reading.sensor.clone(),
        protocols: reading.protocols.is_some(),
        rules: reading.rules.is_some(),
        usual: usual.is_some_and(|usual| usual.sensor == reading.sensor),
    };
    let readings = app.settings.readings.iter().map(shown).collect();
    Ok(Json(CaptureList { items, readings }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadQuery {
    file: Option<String>,
    read_as: Option<String>,
}

/// How the upload is to be read: as the named sensor reads, as the site does where nobody is
/// named, and with what comes with the program where the name is empty.
fn reading(app: &Shared, named: Option<&str>) -> Answer<Option<settings::Reading>> {
    let readings = &app.settings.readings;
    match named {
        None => Ok(app.settings.usual_reading().cloned()),
        Some("") => Ok(None),
        Some(name) => match readings.iter().find(|reading| reading.sensor == name) {
            Some(reading) => Ok(Some(reading.clone())),
            None => {
                let detail = format!("no sensor {name:?} has rules or protocols of its own");
                Err(Fault::member("read_as", "unknown", detail))
            }
        },
    }
}

/// Upload a capture: the raw bytes, or a form with one file.
#[utoipa::path(
    post, path = "/api/v1/captures", tag = "captures", operation_id = "captures_upload",
    params(
        ("file" = Option<String>, Query, description = "Its name, for raw bytes"),
        ("read_as" = Option<String>, Query, description = "The sensor with whose rules and \
            declared protocols it is read; empty: with those of none. Left out: as the site's \
            sensors read, where all that have such files have the same"),
        Csrf,
        Idempotency,
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202, description = "Accepted", body = Capture), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn upload(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Asked(query): Asked<UploadQuery>,
    request: Request,
) -> Answer<impl IntoResponse> {
    let reading = reading(&app, query.read_as.as_deref())?;
    let place = std::sync::Arc::clone(&app.captures_waiting).try_acquire_owned();
    let place = place
        .map_err(|_| Fault::wait(30, "too many captures wait to be parsed; try again later"))?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let form = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
    let name = query.file.unwrap_or_else(|| "capture".to_owned());
    let (name, received) = if form {
        from_form(&app, request, name).await?
    } else {
        let body: Body = request.into_body();
        (name, receive(&app, body.into_data_stream()).await?)
    };
    if received.size_bytes == 0 {
        return Err(Fault::member("file", "empty", "the upload has no bytes"));
    }
    let name = name.rsplit(['/', '\\']).next().filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or("capture").to_owned();
    let new = store::NewCapture {
        file: name,
        size_bytes: received.size_bytes,
        sha256: received.sha256.clone(),
        uploaded_by: caller.user,
        read_as: reading.as_ref().map(|reading| reading.sensor.clone()),
    };
    let id = app.store.create_capture(new).await?;
    let capture = Capture::from(app.store.capture(&id).await?);
    notes.after(json!({
        "id": id,
        "file": capture.file,
        "size_bytes": capture.size_bytes,
        "sha256": capture.sha256,
        "read_as": capture.read_as,
    }));
    tokio::spawn(parsing::parse(app, id, (received, reading), place));
    let location = [(header::LOCATION, format!("/api/v1/captures/{}", capture.id))];
    Ok((StatusCode::ACCEPTED, location, Json(capture)))
}

async fn from_form(
    app: &Shared,
    request: Request,
    fallback: String,
) -> Answer<(String, parsing::Received)> {
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| Fault::bad_request(error.body_text()))?;
    while let Some(field) =
        form.next_field().await.map_err(|error| Fault::bad_request(error.body_text()))?
    {
        if let Some(name) = field.file_name().map(str::to_owned) {
            return Ok((name, receive(app, field).await?));
        }
    }
    Err(Fault::member("file", "missing", format!("the form has no file ({fallback})")))
}

/// Writes the stream to a file of its own, counting and hashing.
async fn receive<E: std::fmt::Display>(
    app: &Shared,
    stream: impl Stream<Item = Result<Bytes, E>>,
) -> Answer<parsing::Received> {
    let mut spool = parsing::Spool::new(&app.settings.data).await.map_err(Fault::internal)?;
    let mut stream = pin!(stream);
    while let Some(part) = stream.next().await {
        let part =
            part.map_err(|error| Fault::bad_request(format!("upload broke off: {error}")))?;
        if spool.size_bytes + part.len() as u64 > app.settings.upload_bytes_max {
            let mib = app.settings.upload_bytes_max >> 20;
            let detail = format!("a capture may have {mib} MiB; split it or raise upload_mib_max");
            return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        spool.digest.update(&part);
        spool.size_bytes += part.len() as u64;
        spool.file.write_all(&part).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull => Fault::from(store::Error::Full),
            _ => Fault::internal(error),
        })?;
    }
    spool.finish().await.map_err(Fault::internal)
}

/// One capture with its report.
#[utoipa::path(
    get, path = "/api/v1/captures/{id}", tag = "captures", operation_id = "captures_show",
    params(("id" = String, Path, description = "Capture")),
    responses((status = 200, description = "Done", body = CaptureDetail), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn show(State(app): State<Shared>, Path(id): Path<String>) -> Answer<Response> {
    let capture = app.store.capture(&id).await?;
    if capture.state != store::CaptureState::Done {
        return Ok(Json(CaptureDetail { row: capture.into(), report: None }).into_response());
    }
    let of = id.clone();
    let make = move |report| {
        let report = Some(shown(report, &of));
        serde_json::to_vec(&CaptureDetail { row: capture.into(), report })
    };
    let (json, place) = read(&app, id, make).await?;
    let json = json.map_err(Fault::internal)?;
    let length = json.len().to_string();
    let told =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, length)];
    Ok((told, Body::from_stream(in_parts(json, place))).into_response())
}

/// Reads a report and makes something of it, with the place in memory that both of them have.
async fn read<T: Send + 'static>(
    app: &Shared,
    id: String,
    make: impl FnOnce(Report) -> T + Send + 'static,
) -> Answer<(T, Option<OwnedSemaphorePermit>)> {
    let place = parsing::place_for_report(app, &id).await;
    let place = place.map_err(|_| {
        Fault::wait(10, "other large reports are being read; try again in a moment")
    })?;
    let data = app.settings.data.clone();
    // The place goes along: who does not wait for the answer frees no memory.
    let work = move || (parsing::read_report(&data, &id).map(make), place);
    let (made, place) = parsing::aside(work).await.map_err(Fault::internal)?;
    Ok((made.map_err(Fault::internal)?, place))
}

/// An answer piece by piece; its place is free when the last one is taken, or nobody waits.
fn in_parts(
    json: Vec<u8>,
    place: Option<OwnedSemaphorePermit>,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    const PART_BYTES: usize = 64 << 10;
    futures_util::stream::unfold((Bytes::from(json), place), |(mut left, place)| async move {
        let part = left.split_to(left.len().min(PART_BYTES));
        (!part.is_empty()).then_some((Ok(part), (left, place)))
    })
    // Whoever sends it on may look once more behind the last part.
    .fuse()
}

fn shown(report: Report, id: &str) -> CaptureReport {
    let names = names_together(&report.assets, |name| rows::plain(name.to_owned()));
    let name = |id: &AssetId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    let links = report.links.into_iter().map(|link| {
        let (client_name, server_name) = (name(&link.client), name(&link.server));
        store::LinkRecord { link, client_name, server_name, sensor: id.to_owned(), revision: 0 }
    });
    let links = links.map(Into::into).collect();
    let addresses = |asset: &model::Asset| {
        let (macs, ips) = (asset.macs.iter().copied(), asset.ips.iter().copied());
        let addresses = macs.map(Address::Mac).chain(ips.map(Address::Ip));
        let id = asset.id.clone();
        addresses.map(move |address| (address, id.clone())).collect::<Vec<_>>()
    };
    let at: HashMap<Address, AssetId> = report.assets.iter().flat_map(addresses).collect();
    let findings = report.findings.into_iter();
    let findings: Vec<_> = findings.map(|one| finding_row(one, id, &name, &at)).collect();
    let mut assets: Vec<ReportAsset> = report
        .assets
        .into_iter()
        .map(|asset| store::AssetFull::of_report(asset, id).into())
        .collect();
    count_findings(&mut assets, &findings);
    let count =
        |rows: &Vec<parsing::Messages>| rows.iter().filter_map(|row| row.count.as_u64()).sum();
    CaptureReport {
        messages: report
            .messages
            .iter()
            .map(|(group, rows)| (group.clone(), count(rows)))
            .collect(),
        health: report.health,
        assets,
        links,
        findings,
    }
}

fn count_findings(assets: &mut [ReportAsset], findings: &[FindingDetail]) {
    for asset in assets {
        let of = |f: &&FindingDetail| f.row.assets.iter().any(|named| named.id == asset.row.id);
        asset.row.findings = u32::try_from(findings.iter().filter(of).count()).unwrap_or(u32::MAX);
        asset.row.severity = findings.iter().filter(of).map(|f| f.row.severity).max();
    }
}

fn finding_row(
    finding: model::Finding,
    id: &str,
    name: &impl Fn(&AssetId) -> String,
    at: &HashMap<Address, AssetId>,
) -> FindingDetail {
    let owner = |address: &Address| {
        let id = at.get(address)?;
        Some(store::NamedAsset { id: id.clone(), name: name(id) })
    };
    let by = finding.initiator.map(|by| store::Party::of(by, &finding.addresses, owner));
    let assets = finding.assets.iter();
    let assets = assets.map(|a| AssetName { id: a.0.clone(), name: name(a) }).collect();
    FindingDetail {
        initiator: by.map(Into::into),
        strangers: store::strangers(&finding, |address| at.contains_key(address)),
        explanation: rows::plain(finding.explanation.clone()),
        runbook: rows::plain(finding.runbook.clone()),
        evidence: finding.evidence().iter().cloned().map(Into::into).collect(),
        note: None,
        mute: None,
        history: Vec::new(),
        row: FindingRow {
            id: finding.id.0,
            detector: finding.detector,
            engine: finding.engine,
            severity: finding.severity,
            title: rows::plain(finding.title),
            techniques: finding.techniques,
            status: store::FindingStatus::Open,
            owner: None,
            muted: false,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            count: finding.count,
            assets,
            addresses: finding.addresses.iter().map(ToString::to_string).collect(),
            sensor: id.to_owned(),
            generation: 0,
            revision: 0,
        },
    }
}

/// Delete a capture and its report; what was imported stays.
#[utoipa::path(
    delete, path = "/api/v1/captures/{id}", tag = "captures", operation_id = "captures_delete",
    params(("id" = String, Path, description = "Capture"), Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn delete(
    State(app): State<Shared>,
    notes: Notes,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let capture = app.store.capture(&id).await?;
    if capture.state == store::CaptureState::Parsing {
        return Err(Fault::conflict("parsing", "it is being parsed; delete it when that is done"));
    }
    notes.before(json!({"file": capture.file, "sha256": capture.sha256}));
    app.store.delete_capture(&id).await?;
    parsing::delete_report(&app.settings.data, &id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Let the report's assets, links and findings join the site.
#[utoipa::path(
    post, path = "/api/v1/captures/{id}:import", tag = "captures", operation_id = "captures_import",
    params(("id" = String, Path, description = "Capture"), Csrf),
    responses((status = 200, description = "Done", body = Imported), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn import(
    State(app): State<Shared>,
    notes: Notes,
    Path(id): Path<String>,
) -> Answer<Json<Imported>> {
    let capture = app.store.capture(&id).await?;
    if capture.state != store::CaptureState::Done {
        return Err(Fault::conflict("no-report", format!("the capture is {}", capture.state)));
    }
    let (report, _place) = read(&app, id.clone(), |report| report).await?;
    let done = Imported {
        assets: report.assets.len() as u64,
        links: report.links.len() as u64,
        findings: report.findings.len() as u64,
    };
    app.store.import(&id, capture.uploaded_at, report.into_insights()).await?;
    notes.after(json!({
        "file": capture.file,
        "assets": done.assets,
        "links": done.links,
        "findings": done.findings,
    }));
    Ok(Json(done))
}
