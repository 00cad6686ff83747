//! `/users` and `/tokens`.
//!
//! Not here: sessions. Invariant: nobody hands out more rights than they have.

use super::{
    caller::{Caller, With},
    dto::*,
    extract::{IfMatch, Sent, etag},
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures, Precondition},
};
use crate::{
    app::{Shared, now},
    secret::{new_token, sha256, weakness},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde_json::json;
use store::{Role, UserPatch};

/// All users.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", operation_id = "users_list",
    responses((status = 200, description = "Done", body = UserList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn users(State(app): State<Shared>) -> Answer<Json<UserList>> {
    let items = app.store.users().await?.into_iter().map(Into::into).collect();
    Ok(Json(UserList { items }))
}

/// Names of the users who may have findings: analysts and admins who may sign in.
#[utoipa::path(
    get, path = "/api/v1/owners", tag = "findings", operation_id = "findings_owners",
    responses((status = 200, description = "Done", body = OwnerList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn owners(State(app): State<Shared>) -> Answer<Json<OwnerList>> {
    let users = app.store.users().await?.into_iter();
    let able = users.filter(|user| user.role >= Role::Analyst && !user.disabled);
    Ok(Json(OwnerList { items: able.map(|user| user.name).collect() }))
}

/// Make a user.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", operation_id = "users_create",
    params(Csrf),
    request_body = NewUser,
    responses((status = 201, description = "Made", body = User), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn create_user(
    State(app): State<Shared>,
    notes: Notes,
    Sent(new): Sent<NewUser>,
) -> Answer<impl IntoResponse> {
    if let Some(weakness) = weakness(&new.password, &new.name) {
        return Err(Fault::member("password", "weak", weakness));
    }
    let password = app.passwords.hash(new.password).await;
    app.store.create_user(&new.name, new.role, Some(password)).await?;
    let user = User::from(app.store.user(&new.name).await?);
    notes.after(json!({"name": user.name, "role": user.role}));
    Ok((StatusCode::CREATED, etag(user.generation), Json(user)))
}

/// Change a user's role, password or whether it may sign in.
#[utoipa::path(
    patch, path = "/api/v1/users/{name}", tag = "users", operation_id = "users_change",
    params(("name" = String, Path, description = "User"), Precondition, Csrf),
    request_body = UserChange,
    responses((status = 200, description = "Done", body = User), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn change_user(
    State(app): State<Shared>,
    notes: Notes,
    IfMatch(generation): IfMatch,
    Path(name): Path<String>,
    Sent(change): Sent<UserChange>,
) -> Answer<impl IntoResponse> {
    let before = app.store.user(&name).await?;
    notes.before(json!({"role": before.role, "disabled": before.disabled}));
    let renewed = change.password.is_some();
    let password = match change.password {
        Some(password) => {
            if let Some(weakness) = weakness(&password, &name) {
                return Err(Fault::member("password", "weak", weakness));
            }
            Some(app.passwords.hash(password).await)
        }
        None => None,
    };
    let patch = UserPatch { role: change.role, disabled: change.disabled, password };
    app.store.patch_user(&name, generation, patch).await?;
    let user = User::from(app.store.user(&name).await?);
    notes.after(json!({
        "role": user.role, "disabled": user.disabled, "password_changed": renewed,
    }));
    Ok((etag(user.generation), Json(user)))
}

/// Delete a user with sessions and tokens.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}", tag = "users", operation_id = "users_delete",
    params(("name" = String, Path, description = "User"), Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn delete_user(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    if name == caller.user {
        return Err(Fault::conflict("own-account", "another admin has to delete your account"));
    }
    let before = app.store.user(&name).await?;
    notes.before(json!({"name": before.name, "role": before.role}));
    app.store.delete_user(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Own API tokens; all of them for an admin.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens", operation_id = "tokens_list",
    responses((status = 200, description = "Done", body = TokenList), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn tokens(State(app): State<Shared>, caller: Caller) -> Answer<Json<TokenList>> {
    let of = (caller.role < Role::Admin).then_some(caller.user.as_str());
    let items = app.store.tokens(of).await?.into_iter().map(Into::into).collect();
    Ok(Json(TokenList { items }))
}

/// Make an API token of at most one's own role.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", operation_id = "tokens_create",
    params(Csrf),
    request_body = NewToken,
    responses((status = 201, description = "Made", body = TokenCreated), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn create_token(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Sent(new): Sent<NewToken>,
) -> Answer<impl IntoResponse> {
    if new.role > caller.role {
        let detail = format!("{} is {} and cannot hand out {}", caller.user, caller.role, new.role);
        return Err(Fault::forbidden(detail));
    }
    let days = new.days.unwrap_or(90);
    if !(1..=366).contains(&days) {
        return Err(Fault::member("days", "invalid", "it is 1 to 366"));
    }
    let secret = new_token();
    let hash = sha256(secret.as_bytes());
    let prefix: String = secret.chars().take(12).collect();
    let expires_at = now().plus_secs(i64::from(days) * 86_400);
    // Else a token that was lost would go on in those it made, after its own end.
    let expires_at = match caller.with {
        With::Token { .. } => expires_at.min(caller.expires_at),
        With::Session { .. } => expires_at,
    };
    let kept = (hash, prefix);
    let id = app.store.create_token(&caller.user, &new.name, new.role, kept, expires_at).await?;
    let tokens = app.store.tokens(Some(&caller.user)).await?;
    let token = tokens.into_iter().find(|token| token.id == id);
    let token = Token::from(token.ok_or_else(|| Fault::internal("a new token is not there"))?);
    notes.after(json!({"id": id, "name": token.name, "role": token.role}));
    Ok((StatusCode::CREATED, Json(TokenCreated { token, secret })))
}

/// Revoke an API token.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens", operation_id = "tokens_delete",
    params(("id" = String, Path, description = "Token"), Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn delete_token(
    State(app): State<Shared>,
    caller: Caller,
    notes: Notes,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    // Another's token does not exist for those who may not see it.
    let of = (caller.role < Role::Admin).then_some(caller.user.as_str());
    let token = app.store.tokens(of).await?.into_iter().find(|token| token.id == id);
    let token = token.ok_or_else(|| Fault::not_found(format!("there is no token {id}")))?;
    if matches!(caller.with, With::Token { .. }) && token.role > caller.role {
        let detail = format!("{} is a token of {}; this needs {}", id, token.role, token.role);
        return Err(Fault::forbidden(detail));
    }
    notes.before(json!({"id": token.id, "name": token.name, "user": token.user}));
    app.store.delete_token(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
