//! `/snapshots`: what is in them, how they differ, and their way back.
//!
//! Not here: holds and releases. Invariant: nothing is written to a controller: what is restored
//! goes to an empty directory or into a kit for a person.

use super::{
    ask,
    own::{Part, guard},
    queued, refused, settings,
};
use crate::{
    app::{Shared, now},
    http::{
        caller::Caller,
        dto::*,
        extract::{Asked, Sent},
        fault::{Answer, Fault},
        guard::Notes,
        openapi::{Csrf, Failures},
    },
    protect::work::Job,
};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf};
use store::NewRun;

/// Snapshots, newest first.
#[utoipa::path(
    get, path = "/api/v1/snapshots", tag = "vault", operation_id = "snapshots_list",
    responses((status = 200, description = "Done", body = SnapshotList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn snapshots(State(app): State<Shared>) -> Answer<Json<SnapshotList>> {
    let Some(settings) = app.protect.vault(&app.store).await? else {
        return Ok(Json(SnapshotList { items: Vec::new() }));
    };
    let view = app.protect.view(&settings).await.map_err(refused)?;
    let targets = app.store.snapshot_targets().await?;
    let targets: BTreeMap<_, _> =
        targets.into_iter().map(|(snapshot, target, _)| (snapshot, target)).collect();
    let items = view.snapshots.iter().rev().map(|s| Snapshot {
        id: s.id.clone(),
        time: s.time,
        asset: s.asset.clone(),
        target: targets.get(&s.id).cloned().flatten(),
        sources: s.sources.clone(),
        state: s.state.clone(),
        files: s.files,
        bytes: s.bytes,
        retain_until: s.retain_until,
        holds: s
            .holds
            .iter()
            .map(|h| SnapshotHold { reason: h.reason.clone(), by: h.by.clone(), since: h.since })
            .collect(),
        verified_at: s.verified_at,
        logged: s.logged,
    });
    Ok(Json(SnapshotList { items: items.collect() }))
}

/// Only whole ids: what a word may mean is the command line's.
pub(super) fn snapshot_id(id: String) -> Answer<String> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if id.len() == 64 && id.bytes().all(hex) {
        return Ok(id);
    }
    Err(Fault::not_found(format!("there is no snapshot {id}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TreeQuery {
    at: Option<String>,
}

/// What is in a directory of a snapshot.
#[utoipa::path(
    get, path = "/api/v1/snapshots/{id}/tree", tag = "vault", operation_id = "snapshots_tree",
    params(
        ("id" = String, Path, description = "Snapshot"),
        ("at" = Option<String>, Query, description = "Directory; `/` when absent"),
    ),
    responses((status = 200, description = "Done", body = Tree), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn tree(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<TreeQuery>,
) -> Answer<Json<Tree>> {
    let at = query.at.unwrap_or_else(|| "/".to_owned());
    let snapshot = snapshot_id(id)?;
    guard(&app, &caller, &snapshot, Part::At(&at)).await?;
    Ok(Json(ask(&app, Job::Tree { snapshot, at }).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileQuery {
    path: String,
}

/// What is in a file of a snapshot.
#[utoipa::path(
    get, path = "/api/v1/snapshots/{id}/file", tag = "vault", operation_id = "snapshots_file",
    params(
        ("id" = String, Path, description = "Snapshot"),
        ("path" = String, Query, description = "File"),
    ),
    responses((status = 200, description = "Done", body = FileContent), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn file(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<FileQuery>,
) -> Answer<Json<FileContent>> {
    let snapshot = snapshot_id(id)?;
    guard(&app, &caller, &snapshot, Part::At(&query.path)).await?;
    Ok(Json(ask(&app, Job::File { snapshot, path: query.path }).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffQuery {
    before: String,
}

/// What changed since an earlier snapshot, by the meaning of each file.
#[utoipa::path(
    get, path = "/api/v1/snapshots/{id}/diff", tag = "vault", operation_id = "snapshots_diff",
    params(
        ("id" = String, Path, description = "The newer snapshot"),
        ("before" = String, Query, description = "The older one"),
    ),
    responses((status = 200, description = "Done", body = Differences), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn diff(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<DiffQuery>,
) -> Answer<Json<Differences>> {
    let (before, after) = (snapshot_id(query.before)?, snapshot_id(id)?);
    for snapshot in [&before, &after] {
        guard(&app, &caller, snapshot, Part::Whole).await?;
    }
    let job = Job::Diff { before: before.clone(), after: after.clone() };
    Ok(Json(Differences { items: ask(&app, job).await?, before, after }))
}

/// A run about one snapshot, with the target the snapshot is of.
async fn about(
    app: &Shared,
    caller: Caller,
    kind: &'static str,
    snapshot: &str,
    job: Job,
) -> Answer<NewRun> {
    let view = app.protect.view(&settings(app).await?).await.map_err(refused)?;
    let found = view.snapshots.iter().find(|s| s.id == snapshot);
    let found =
        found.ok_or_else(|| Fault::not_found(format!("there is no snapshot {snapshot}")))?;
    let targets = app.store.snapshot_targets().await?;
    let target = targets.into_iter().find(|(id, ..)| id == snapshot).and_then(|(_, t, _)| t);
    Ok(NewRun {
        kind,
        // Also one that another program took is told by a name, and is not the whole vault.
        target: Some(target.unwrap_or_else(|| found.asset.clone())),
        name: found.asset.clone(),
        cause: "person",
        actor: Some(caller.user),
        job: json!(job),
        snapshot: Some(snapshot.to_owned()),
        ..NewRun::default()
    })
}

/// Restore a snapshot, or a part of it, into a directory of the server.
#[utoipa::path(
    post, path = "/api/v1/snapshots/{id}:restore", tag = "vault",
    operation_id = "snapshots_restore",
    params(("id" = String, Path, description = "Snapshot"), Csrf),
    request_body = RestoreRequest,
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn restore(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<RestoreRequest>,
) -> Answer<(StatusCode, Json<Run>)> {
    let id = snapshot_id(id)?;
    let to = match asked.to.map(PathBuf::from) {
        None => {
            let stamp = now().to_string().replace(':', "");
            app.settings.data.join("restored").join(format!("{}-{stamp}", &id[..12]))
        }
        Some(to) if to.is_absolute() => to,
        Some(_) => return Err(Fault::member("to", "invalid", "it begins with /")),
    };
    let used = std::fs::read_dir(&to).is_ok_and(|mut entries| entries.next().is_some());
    if used || to.is_file() {
        let why = "it is not empty; nothing is ever written over";
        return Err(Fault::member("to", "invalid", why));
    }
    notes.after(json!({"snapshot": id, "to": to, "path": asked.path}));
    let job = Job::Restore { snapshot: id.clone(), to, only: asked.path };
    queued(&app, about(&app, caller, "restore", &id, job).await?).await
}

/// Make a restore kit: files, instructions and fingerprints in one archive.
#[utoipa::path(
    post, path = "/api/v1/snapshots/{id}:kit", tag = "vault", operation_id = "snapshots_kit",
    params(("id" = String, Path, description = "Snapshot"), Csrf),
    request_body = RestoreRequest,
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn make_kit(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
    Sent(asked): Sent<RestoreRequest>,
) -> Answer<(StatusCode, Json<Run>)> {
    let id = snapshot_id(id)?;
    notes.after(json!({"snapshot": id, "path": asked.path}));
    let name = crate::secret::random::<8>();
    let file = app.protect.kit(&name);
    let job = Job::Kit { snapshot: id.clone(), only: asked.path, file };
    queued(&app, about(&app, caller, "kit", &id, job).await?).await
}

/// The archive that a kit run made.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/kit", tag = "vault", operation_id = "runs_kit",
    params(("id" = String, Path, description = "Run")),
    responses(
        (status = 200, description = "The archive", content_type = "application/zip"),
        Failures
    ),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn kit(State(app): State<Shared>, Path(id): Path<String>) -> Answer<Response> {
    let run = app.store.run(&id).await?;
    let job: Job = serde_json::from_value(run.job).map_err(Fault::internal)?;
    let (Job::Kit { file, .. }, Some(_)) = (job, run.finished_at) else {
        return Err(Fault::conflict("no-kit", "this run made no kit, or has not ended"));
    };
    let gone = |_| Fault::not_found("the kit is not there any more; make it again");
    let file = tokio::fs::File::open(file).await.map_err(gone)?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = run.name.chars().map(plain).collect();
    let stream = futures_util::stream::try_unfold(file, |mut file| async move {
        let mut bytes = vec![0; 64 << 10];
        let n = tokio::io::AsyncReadExt::read(&mut file, &mut bytes).await?;
        bytes.truncate(n);
        Ok::<_, std::io::Error>((n > 0).then_some((bytes, file)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"restore-kit-{name}.zip\"")),
    ];
    Ok((headers, axum::body::Body::from_stream(stream)).into_response())
}

/// Prove a snapshot: read every file, at level 2 also by its format.
#[utoipa::path(
    post, path = "/api/v1/snapshots/{id}:verify", tag = "vault",
    operation_id = "snapshots_verify",
    params(("id" = String, Path, description = "Snapshot"), Csrf),
    request_body = VerifyRequest,
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn verify_snapshot(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Sent(asked): Sent<VerifyRequest>,
) -> Answer<(StatusCode, Json<Run>)> {
    let id = snapshot_id(id)?;
    if !(1..=2).contains(&asked.level) {
        return Err(Fault::member("level", "invalid", "it is 1 or 2"));
    }
    let job = Job::Verify { level: asked.level, snapshot: Some(id.clone()) };
    queued(&app, about(&app, caller, "verify", &id, job).await?).await
}
