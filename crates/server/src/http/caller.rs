//! Who calls: a session by cookie, or an API token.
//!
//! Not here: what they may do. Invariant: a session that is idle or old is no session, whatever
//! the database still holds.

use super::fault::{Answer, Fault};
use crate::{
    app::{App, now},
    secret,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use model::Time;
use store::{Role, Session};

/// `__Host-` makes browsers insist on Secure, the whole path and no other host.
pub(crate) const COOKIE: &str = "__Host-spandrel";

#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) role: Role,
    pub(crate) with: With,
    pub(crate) expires_at: Time,
}

#[derive(Clone, Debug)]
pub(crate) enum With {
    Session { hash: String, csrf: String },
    Token { id: String },
}

impl Caller {
    pub(crate) fn method(&self) -> &'static str {
        match self.with {
            With::Session { .. } => "session",
            With::Token { .. } => "token",
        }
    }

    /// Enough of the session or token to tell one from another in the audit.
    pub(crate) fn short(&self) -> String {
        match &self.with {
            With::Session { hash, .. } => hash.chars().take(12).collect(),
            With::Token { id } => id.clone(),
        }
    }

    pub(crate) fn csrf(&self) -> Option<&str> {
        match &self.with {
            With::Session { csrf, .. } => Some(csrf),
            With::Token { .. } => None,
        }
    }
}

/// A handler that asks for the caller is behind the guard.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(Fault::unauthenticated)
    }
}

/// Whether a request shows that somebody is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The session is used, and goes on.
    Shown,
    /// What a page asks by itself as long as it is open: an idle session ends all the same.
    NotShown,
}

/// `None`: nobody is signed in. An API token that is wrong is an error, not nobody.
pub(crate) async fn identify(
    app: &App,
    headers: &HeaderMap,
    presence: Presence,
) -> Answer<Option<Caller>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text.strip_prefix("Bearer ").unwrap_or_default();
        return by_token(app, token).await.map(Some);
    }
    match cookie(headers) {
        Some(secret) => by_session(app, &secret, presence).await,
        None => Ok(None),
    }
}

pub(crate) fn cookie(headers: &HeaderMap) -> Option<String> {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
    pairs
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

async fn by_token(app: &App, token: &str) -> Answer<Caller> {
    let wrong = || {
        let detail = "the API token is unknown, revoked or has run out";
        Fault::new(axum::http::StatusCode::UNAUTHORIZED, "bad-token", detail)
    };
    if !secret::is_token(token) {
        return Err(wrong());
    }
    let found = app.store.token_by_hash(&secret::sha256(token.as_bytes())).await?;
    let found = found.filter(|t| t.expires_at > now()).ok_or_else(wrong)?;
    let fresh = found.last_used.is_some_and(|used| now().since(used).abs() < 60 * 1_000_000_000);
    if !fresh {
        unless_full(app.store.touch_token(&found.id).await)?;
    }
    Ok(Caller {
        user: found.user,
        role: found.role,
        with: With::Token { id: found.id },
        expires_at: found.expires_at,
    })
}

async fn by_session(app: &App, secret: &str, presence: Presence) -> Answer<Option<Caller>> {
    let hash = secret::sha256(secret.as_bytes());
    let Some(session) = app.meanwhile.session(&app.store, &hash).await? else { return Ok(None) };
    let expires_at = absolute_end(app, &session);
    let used = app.used.lock().expect("no panic holds it").get(&hash).copied();
    let last_used = used.map_or(session.last_used, |(used, _)| used.max(session.last_used));
    let now = now();
    // Set back by more, nobody can say for how long it was idle: then it ends as well.
    if now.since(last_used).abs() > idle_nanos(app) || now >= expires_at {
        app.used.lock().expect("no panic holds it").remove(&hash);
        app.meanwhile.end(&app.store, &hash).await?;
        return Ok(None);
    }
    if presence == Presence::Shown {
        touch(app, &hash, session.last_used, now).await?;
    }
    Ok(Some(Caller {
        user: session.user,
        role: session.role,
        with: With::Session { hash, csrf: session.csrf },
        expires_at,
    }))
}

fn idle_nanos(app: &App) -> i64 {
    i64::try_from(app.settings.session_idle.as_nanos()).unwrap_or(i64::MAX)
}

fn absolute_end(app: &App, session: &Session) -> Time {
    let length = i64::try_from(app.settings.session_absolute.as_nanos()).unwrap_or(i64::MAX);
    session.created_at.plus_nanos(length)
}

/// Notes the use in memory, on disk at most once a minute.
async fn touch(app: &App, hash: &str, on_disk: Time, now: Time) -> Answer<()> {
    let write = {
        let mut used = app.used.lock().expect("no panic holds it");
        let entry = used.entry(hash.to_owned()).or_insert((now, on_disk));
        entry.0 = now;
        let due = now.since(entry.1).abs() > 60 * 1_000_000_000;
        if due {
            entry.1 = now;
        }
        due
    };
    if write {
        unless_full(app.store.touch_session(hash).await)?;
    }
    Ok(())
}

/// When somebody was here last is no reason to refuse them while the disk has no room for it.
fn unless_full(noted: store::Result<()>) -> store::Result<()> {
    noted.or_else(|error| if error.is_of_disk() { Ok(()) } else { Err(error) })
}

/// Is the caller still who they were? For streams that outlive a request.
pub(crate) async fn still_valid(app: &App, caller: &Caller) -> bool {
    if now() >= caller.expires_at {
        return false;
    }
    match &caller.with {
        With::Session { hash, .. } => {
            let found = app.meanwhile.session(&app.store, hash).await;
            let Ok(Some(session)) = found else { return false };
            let used = app.used.lock().expect("no panic holds it").get(hash).copied();
            let last = used.map_or(session.last_used, |(used, _)| used.max(session.last_used));
            now().since(last).abs() <= idle_nanos(app)
        }
        With::Token { id } => {
            let found = app.store.token_by_id(id).await;
            found.is_ok_and(|token| token.is_some_and(|token| token.expires_at > now()))
        }
    }
}
