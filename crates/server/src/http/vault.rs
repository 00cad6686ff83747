//! `/vault`, `/snapshots` and `/releases`.
//!
//! Every answer comes from a worker; not here: plans. Invariant: nothing is written to a
//! controller: what is restored goes to a directory or into a kit for a person.

use super::{
    caller::Caller,
    dto::*,
    extract::{Asked, Sent},
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures},
};
use crate::{
    app::{Shared, now},
    protect::{
        VaultSettings, VaultView,
        fence::Fence,
        reconcile,
        view::{self, Request},
        work::{Job, Order, Rules},
        worker::{self, Failure},
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf};
use store::NewRun;

/// Where the vault is, or what to do first.
pub(crate) async fn settings(app: &Shared) -> Answer<VaultSettings> {
    let why = "there is no vault yet; make one on the protection page";
    app.protect.vault(&app.store).await?.ok_or_else(|| Fault::conflict("no-vault", why))
}

/// The vault's own words are for a person and name no more of the server than its vault.
fn refused(failure: Failure) -> Fault {
    Fault::conflict("vault", failure.why)
}

async fn ask<T: DeserializeOwned>(app: &Shared, job: Job) -> Answer<T> {
    let answer = app.protect.ask(&settings(app).await?, job).await.map_err(refused)?;
    serde_json::from_value(answer).map_err(Fault::internal)
}

/// Something that writes to the vault and is done at once.
async fn change(app: &Shared, job: Job) -> Answer<()> {
    let done: Answer<serde_json::Value> = ask(app, job).await;
    app.protect.changed().await;
    done.map(drop)
}

async fn told(app: &Shared) -> Answer<Vault> {
    let settings = settings(app).await?;
    let view = app.protect.view(&settings).await.map_err(refused)?;
    super::protection::vault_row(app, &settings, &view).await
}

pub(crate) fn rules(rules: &Rules, settings: &VaultSettings) -> RetentionRules {
    RetentionRules {
        keep_last: rules.keep_last,
        keep_hourly: rules.keep_hourly,
        keep_daily: rules.keep_daily,
        keep_weekly: rules.keep_weekly,
        keep_monthly: rules.keep_monthly,
        keep_yearly: rules.keep_yearly,
        lock_days: rules.lock_days,
        locked: rules.locked,
        undelete_days: rules.undelete_days,
        release_delay_hours: rules.release_delay_hours,
        lock_days_max: rules.lock_days_max,
        auto_forget: settings.auto_forget,
    }
}

pub(crate) fn release_row(request: &Request) -> Release {
    Release {
        number: request.number,
        snapshot: request.snapshot.clone(),
        reason: request.reason.clone(),
        by: request.by.clone(),
        from: request.from,
    }
}

pub(crate) fn weaker_row(weaker: &view::WeakerRules, settings: &VaultSettings) -> WeakerRules {
    WeakerRules {
        number: weaker.number,
        rules: rules(&weaker.rules, settings),
        by: weaker.by.clone(),
        from: weaker.from,
    }
}

pub(crate) fn fence_row(fence: &Fence) -> VaultFence {
    let Fence { site, at, by, plan, heard_at } = fence.clone();
    VaultFence { site, at, by, plan, heard_at }
}

pub(crate) fn withdrawn_row(row: &view::Withdrawn) -> WithdrawnSnapshot {
    WithdrawnSnapshot {
        id: row.id.clone(),
        time: row.time,
        asset: row.asset.clone(),
        files: row.files,
        bytes: row.bytes,
        deleted_at: row.deleted_at,
        until: row.until,
        here: row.here,
    }
}

pub(crate) fn target_row(target: &view::Target) -> VaultTarget {
    VaultTarget {
        address: target.address.clone(),
        mode: target.mode.clone(),
        tried_at: target.tried_at,
        copied_at: target.copied_at,
        entries: target.entries,
        snapshots: target.snapshots,
        objects: target.objects,
        bytes: target.bytes,
        locked_until: target.locked_until,
        held: target.held,
        covered: target.covered.len() as u64,
        missing: target.missing.len() as u64,
        gone: target.gone.len() as u64,
        notes: target.notes.clone(),
        error: target.error.clone(),
    }
}

/// The vault and the state of its log.
#[utoipa::path(
    get, path = "/api/v1/vault", tag = "vault", operation_id = "vault_show",
    responses((status = 200, description = "Done", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn show(State(app): State<Shared>) -> Answer<Json<Vault>> {
    Ok(Json(told(&app).await?))
}

/// Make the vault.
#[utoipa::path(
    post, path = "/api/v1/vault", tag = "vault", operation_id = "vault_make",
    params(Csrf),
    request_body = NewVault,
    responses((status = 201, description = "Made", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    notes: Notes,
    Sent(asked): Sent<NewVault>,
) -> Answer<(StatusCode, Json<Vault>)> {
    if app.protect.vault(&app.store).await?.is_some() {
        return Err(Fault::conflict("exists", "there is a vault already"));
    }
    let data = &app.settings.data;
    let place = |given: Option<String>, member, default: &str| match given {
        None => Ok(data.join(default)),
        Some(text) if text.starts_with('/') => Ok(PathBuf::from(text)),
        Some(_) => Err(Fault::member(member, "invalid", "it begins with /")),
    };
    let vault = place(asked.directory, "directory", "vault")?;
    let key_file = place(asked.key_file, "key_file", "vault.key")?;
    let order = Order { vault: vault.clone(), key_file: key_file.clone(), job: Job::Make };
    let never = std::future::pending();
    let made =
        worker::perform(&app.settings.program, &order, |_| (), worker::silence(), never).await;
    let made = made.map_err(refused)?;
    let log_key = made["log_key"].as_str().unwrap_or_default().to_owned();
    let settings =
        VaultSettings { directory: vault, key_file, log_key, made_at: now(), auto_forget: false };
    app.protect.set_vault(&app.store, &settings).await?;
    app.protect.changed().await;
    if asked.with_plans {
        for value in &app.settings.suggested_plans {
            let Ok(spec) = serde_json::from_value::<PlanSpec>(value.clone()) else { continue };
            let (name, spec) = super::protection::checked(spec)?;
            match app.store.create_plan(&name, spec).await {
                Ok(_) | Err(store::Error::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    app.protect.wake.notify_one();
    let vault = told(&app).await?;
    notes.after(json!({"directory": vault.directory, "log_key": vault.log_key}));
    Ok((StatusCode::CREATED, Json(vault)))
}

/// Change the rules of retention.
#[utoipa::path(
    put, path = "/api/v1/vault/rules", tag = "vault", operation_id = "vault_rules",
    params(Csrf),
    request_body = RetentionRules,
    responses((status = 200, description = "Done", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn set_rules(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Sent(asked): Sent<RetentionRules>,
) -> Answer<Json<Vault>> {
    let mut settings = settings(&app).await?;
    let view = app.protect.view(&settings).await.map_err(refused)?;
    let before = self::rules(&view.rules, &settings);
    let rules = Rules {
        keep_last: asked.keep_last,
        keep_hourly: asked.keep_hourly,
        keep_daily: asked.keep_daily,
        keep_weekly: asked.keep_weekly,
        keep_monthly: asked.keep_monthly,
        keep_yearly: asked.keep_yearly,
        lock_days: asked.lock_days,
        locked: asked.locked,
        undelete_days: asked.undelete_days.or(view.rules.undelete_days),
        release_delay_hours: asked.release_delay_hours.or(view.rules.release_delay_hours),
        lock_days_max: asked.lock_days_max.or(view.rules.lock_days_max),
    };
    if rules.lock_days > 36_500 {
        return Err(Fault::member("lock_days", "invalid", "it is at most 36500"));
    }
    notes.before(json!(before));
    notes.after(json!(asked));
    if rules != view.rules {
        change(&app, new_rules(&app, &view, rules, caller.user).await?).await?;
    }
    if settings.auto_forget != asked.auto_forget {
        settings.auto_forget = asked.auto_forget;
        app.protect.set_vault(&app.store, &settings).await?;
        app.protect.wake.notify_one();
    }
    Ok(Json(told(&app).await?))
}

/// Rules that keep less are asked for as soon as there are two people; others are set.
async fn new_rules(app: &Shared, view: &VaultView, rules: Rules, by: String) -> Answer<Job> {
    if view.people.len() < 2 || !rules.keep_less_than(&view.rules) {
        return Ok(Job::Rules { rules, by });
    }
    let (others, people) = (other_admins(app, &by).await?, app.settings.data.join("people"));
    Ok(Job::AskRules { rules, by, others, people })
}

/// Administrators who may be the second person.
async fn other_admins(app: &Shared, by: &str) -> Answer<Vec<String>> {
    let users = app.store.users().await?.into_iter();
    let admins = users.filter(|u| u.role == store::Role::Admin && !u.disabled && u.name != by);
    let others: Vec<String> = admins.map(|user| user.name).collect();
    if others.is_empty() {
        let why = "this needs two people; make a second administrator in Settings, Users";
        return Err(Fault::conflict("one-person", why));
    }
    Ok(others)
}

async fn queued(app: &Shared, run: NewRun) -> Answer<(StatusCode, Json<Run>)> {
    let id = app.store.create_run(run).await?;
    app.protect.wake.notify_one();
    Ok((StatusCode::ACCEPTED, Json(app.store.run(&id).await?.into())))
}

/// Prove the whole vault without its key.
#[utoipa::path(
    post, path = "/api/v1/vault:verify", tag = "vault", operation_id = "vault_verify",
    params(Csrf),
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn verify(
    State(app): State<Shared>,
    caller: Caller,
) -> Answer<(StatusCode, Json<Run>)> {
    settings(&app).await?;
    let run = reconcile::verification(0, None, None, "Whole vault");
    queued(&app, NewRun { cause: "person", actor: Some(caller.user), ..run }).await
}

#[derive(Deserialize)]
struct Planned {
    remove: Vec<PlannedRow>,
    keep: Vec<PlannedRow>,
}

#[derive(Deserialize)]
struct PlannedRow {
    snapshot: String,
    asset: String,
    time: model::Time,
    #[serde(default)]
    reasons: Vec<serde_json::Value>,
}

/// What the rules would delete now.
#[utoipa::path(
    get, path = "/api/v1/vault/forget-plan", tag = "vault", operation_id = "vault_forget_plan",
    responses((status = 200, description = "Done", body = ForgetPlan), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn forget_plan(State(app): State<Shared>) -> Answer<Json<ForgetPlan>> {
    let plan: Planned = ask(&app, Job::ForgetPlan).await?;
    let row = |row: PlannedRow| ForgetRow {
        snapshot: row.snapshot,
        asset: row.asset,
        time: row.time,
        reasons: reasons(&row.reasons),
    };
    Ok(Json(ForgetPlan {
        remove: plan.remove.into_iter().map(row).collect(),
        keep: plan.keep.into_iter().map(row).collect(),
    }))
}

/// For a person; the spans it is the newest of are one reason.
fn reasons(values: &[serde_json::Value]) -> Vec<String> {
    let (mut found, mut spans) = (Vec::new(), Vec::new());
    for value in values {
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        match text("why") {
            "held" => found.push(format!("held: {}", text("reason"))),
            "locked" => {
                let until: String = text("until").chars().take(16).collect();
                found.push(format!("locked until {} UTC", until.replace('T', " ")));
            }
            "last" => found.push("one of the newest".to_owned()),
            "newest" => spans.push(text("of")),
            "only-complete" => found.push("newest complete one".to_owned()),
            other => found.push(other.to_owned()),
        }
    }
    if !spans.is_empty() {
        found.push(format!("newest of its {}", spans.join(", ")));
    }
    found
}

/// Delete what the rules allow.
#[utoipa::path(
    post, path = "/api/v1/vault:forget", tag = "vault", operation_id = "vault_forget",
    params(Csrf),
    responses((status = 202, description = "Queued", body = Run), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn forget(
    State(app): State<Shared>,
    caller: Caller,
) -> Answer<(StatusCode, Json<Run>)> {
    settings(&app).await?;
    let run = NewRun {
        kind: "forget",
        name: "Whole vault".to_owned(),
        cause: "person",
        actor: Some(caller.user),
        job: json!(Job::Forget),
        ..NewRun::default()
    };
    queued(&app, run).await
}

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
fn snapshot_id(id: String) -> Answer<String> {
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
    Path(id): Path<String>,
    Asked(query): Asked<TreeQuery>,
) -> Answer<Json<Tree>> {
    let at = query.at.unwrap_or_else(|| "/".to_owned());
    Ok(Json(ask(&app, Job::Tree { snapshot: snapshot_id(id)?, at }).await?))
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
    Path(id): Path<String>,
    Asked(query): Asked<FileQuery>,
) -> Answer<Json<FileContent>> {
    Ok(Json(ask(&app, Job::File { snapshot: snapshot_id(id)?, path: query.path }).await?))
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
    Path(id): Path<String>,
    Asked(query): Asked<DiffQuery>,
) -> Answer<Json<Differences>> {
    let (before, after) = (snapshot_id(query.before)?, snapshot_id(id)?);
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
