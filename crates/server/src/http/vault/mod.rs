//! `/vault`: making it, its state and its rules.
//!
//! Every answer comes from a worker; not here: plans. Invariant: what writes to the vault forgets
//! what was read of it.

mod holds;
mod own;
mod rows;
mod snapshots;

pub(crate) use {holds::*, rows::*, snapshots::*};

use super::{
    caller::Caller,
    dto::*,
    extract::{IfMatch, Sent, etag},
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures, Precondition},
};
use crate::{
    app::{Shared, now},
    protect::{
        VaultSettings, VaultView, reconcile,
        work::{Job, Order, Rules},
        worker::{self, Failure},
    },
    secret::sha256,
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use std::path::PathBuf;
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

/// The vault and the state of its log.
#[utoipa::path(
    get, path = "/api/v1/vault", tag = "vault", operation_id = "vault_show",
    responses((status = 200, description = "Done", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn show(State(app): State<Shared>) -> Answer<impl IntoResponse> {
    let vault = told(&app).await?;
    Ok((etag(tag_of(&vault.rules)), Json(vault)))
}

/// What rules are told apart by: the vault counts no generations of them.
fn tag_of(rules: &RetentionRules) -> i64 {
    let hash = sha256(&serde_json::to_vec(rules).expect("plain data"));
    i64::from_str_radix(&hash[..15], 16).expect("hexadecimal digits of 60 bits")
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
    let (job, reads) = (Job::Make, None);
    let order = Order { vault: vault.clone(), key_file: key_file.clone(), job, reads };
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
    params(Precondition, Csrf),
    request_body = RetentionRules,
    responses((status = 200, description = "Done", body = Vault), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn set_rules(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    IfMatch(read): IfMatch,
    Sent(asked): Sent<RetentionRules>,
) -> Answer<impl IntoResponse> {
    let _turn = app.protect.setting_rules.lock().await;
    let mut settings = settings(&app).await?;
    // The command line may have set others since the vault was asked last.
    app.protect.changed().await;
    let view = app.protect.view(&settings).await.map_err(refused)?;
    let before = self::rules(&view.rules, &settings);
    if tag_of(&before) != read {
        let status = StatusCode::PRECONDITION_FAILED;
        let detail = "somebody changed the rules meanwhile; read them again";
        return Err(Fault::new(status, "generation-mismatch", detail));
    }
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
    let vault = told(&app).await?;
    Ok((etag(tag_of(&vault.rules)), Json(vault)))
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
