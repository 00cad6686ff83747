//! `/session` and `/me`: signing in and out, one's own password.
//!
//! Not here: checking sessions. Invariant: every try to sign in is on the audit chain, or waits to
//! get there while the disk has no room, with the name that was tried and never the password.

use super::{
    caller::{COOKIE, Caller, With},
    dto::*,
    extract::Sent,
    fault::{Answer, Fault},
    guard::Notes,
    openapi::{Csrf, Failures},
};
use crate::{
    app::{App, Shared, now},
    connections::one_of,
    meanwhile::Tried,
    secret::{random, sha256, user_of_link, weakness},
    throttle,
};
use axum::{
    Json,
    extract::{ConnectInfo, Extension, State},
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use store::{AuditBegin, AuditEnd, Session, User, UserPatch};

/// Where a try to sign in comes from.
struct Try<'a> {
    app: &'a App,
    user: String,
    ip: String,
    holder: IpAddr,
    trace_id: String,
    action: &'static str,
}

impl Try<'_> {
    /// Counts a password, unless too many failed.
    async fn counted(&self) -> Answer<throttle::Try<'_>> {
        let keys = self.app.throttle.keys_of(&self.user, self.holder);
        self.app.throttle.begin(keys).await
    }

    /// Counts a link. Nobody guesses one, and whoever guesses passwords must not keep the user
    /// from the link that is left to them then.
    async fn counted_link(&self) -> Answer<throttle::Try<'_>> {
        self.app.throttle.begin(vec![format!("link/{}", self.holder)]).await
    }

    fn record(&self) -> AuditBegin {
        AuditBegin {
            actor: self.user.clone(),
            method: "sign-in".to_owned(),
            session: None,
            ip: Some(self.ip.clone()),
            trace_id: self.trace_id.clone(),
            action: self.action.to_owned(),
            resource: "/api/v1/session".to_owned(),
        }
    }

    /// The number of the record; `None` while the disk has no room for one.
    async fn begin(&self) -> Answer<Option<i64>> {
        match self.app.store.audit_begin(self.record()).await {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.is_of_disk() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn end(&self, record: Option<i64>, result: &str) -> Answer<()> {
        let result = result.to_owned();
        if let Some(record) = record {
            let end = AuditEnd { result: result.clone(), ..AuditEnd::default() };
            match self.app.store.audit_end(record, &self.user, end).await {
                Err(error) if error.is_of_disk() => {}
                ended => return Ok(ended?),
            }
        }
        let tried = Tried { record, begin: self.record(), result, at: now() };
        self.app.meanwhile.tried(tried);
        Ok(())
    }

    /// A session for the user, and the end of the record.
    async fn signed_in(
        &self,
        user: User,
        record: Option<i64>,
    ) -> Answer<impl IntoResponse + use<>> {
        let Some(session) = self.start(user).await? else {
            self.end(record, "denied").await?;
            let detail = "the user was changed meanwhile; sign in again";
            return Err(Fault::new(StatusCode::UNAUTHORIZED, "user-changed", detail));
        };
        self.app.throttle.know(&self.user, self.holder);
        self.end(record, "done").await?;
        Ok(session)
    }

    /// A session for the user, as cookie and body; none where the user is not as it was read.
    async fn start(&self, user: User) -> Answer<Option<impl IntoResponse + use<>>> {
        let (secret, csrf) = (random::<32>(), random::<16>());
        let begun = now();
        let session = Session {
            hash: sha256(secret.as_bytes()),
            user: user.name.clone(),
            role: user.role,
            csrf: csrf.clone(),
            created_at: begun,
            last_used: begun,
        };
        let ip = Some(self.ip.clone());
        let kept = self.app.store.create_session(session.clone(), user.generation, ip.clone());
        match kept.await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if error.is_of_disk() => {
                self.app.meanwhile.hold(session, user.generation, ip);
            }
            Err(error) => return Err(error.into()),
        }
        let settings = &self.app.settings;
        let length = settings.session_absolute;
        let cookie = format!(
            "{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={}",
            length.as_secs()
        );
        let me = Me {
            user: user.name,
            role: user.role,
            csrf: Some(csrf),
            method: "session",
            expires_at: Some(begun.plus_secs(i64::try_from(length.as_secs()).unwrap_or(0))),
            idle_s: Some(settings.session_idle.as_secs()),
        };
        Ok(Some((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(me))))
    }
}

/// Sign in with a local user.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session", operation_id = "session_sign_in",
    request_body = SignIn,
    responses((status = 200, description = "Done", body = Me), Failures),
)]
pub(crate) async fn sign_in(
    State(app): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<super::guard::Trace>,
    Sent(body): Sent<SignIn>,
) -> Answer<impl IntoResponse> {
    // Before anybody is known: what is written of it, here and in logs, stays on its line.
    let shown = |c| if model::is_disruptive(c) { char::REPLACEMENT_CHARACTER } else { c };
    let user: String = body.user.chars().take(64).map(shown).collect();
    let attempt = Try {
        app: &app,
        user: user.clone(),
        ip: peer.ip().to_canonical().to_string(),
        holder: one_of(peer.ip()),
        trace_id: trace.0,
        action: "POST /session",
    };
    let counted = attempt.counted().await?;
    let looked = async {
        let record = attempt.begin().await?;
        let known = match app.store.user(&user).await {
            Ok(known) => Some(known),
            Err(store::Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let hash = known.as_ref().and_then(|user| user.password.clone());
        let right = app.passwords.check(body.password, hash).await;
        Ok((record, known.filter(|user| right && !user.disabled)))
    };
    let (counted, (record, known)) = counted.with(looked.await)?;
    let Some(known) = known else {
        attempt.end(record, "denied").await?;
        drop(counted);
        let detail = "the name or the password is wrong";
        return Err(Fault::new(StatusCode::UNAUTHORIZED, "wrong-password", detail));
    };
    counted.hit();
    attempt.signed_in(known, record).await
}

/// Set the first admin's password with the sign-in link's token, and sign in.
#[utoipa::path(
    post, path = "/api/v1/session:redeem", tag = "session", operation_id = "session_redeem",
    request_body = Redeem,
    responses((status = 200, description = "Done", body = Me), Failures),
)]
pub(crate) async fn redeem(
    State(app): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<super::guard::Trace>,
    Sent(body): Sent<Redeem>,
) -> Answer<impl IntoResponse> {
    let attempt = Try {
        app: &app,
        user: user_of_link(&body.token),
        ip: peer.ip().to_canonical().to_string(),
        holder: one_of(peer.ip()),
        trace_id: trace.0,
        action: "POST /session:redeem",
    };
    if let Some(weakness) = weakness(&body.password, &attempt.user) {
        return Err(Fault::member("password", "weak", weakness));
    }
    let counted = attempt.counted_link().await?;
    let looked = async {
        let record = attempt.begin().await?;
        let token = sha256(body.token.as_bytes());
        // Hashing takes time and 19 MiB: not for whoever has no link.
        if !app.store.has_once(&token).await? {
            return Ok((record, None));
        }
        let password = app.passwords.hash(body.password).await;
        Ok((record, app.store.redeem_once(token, password).await?))
    };
    let (counted, (record, once)) = counted.with(looked.await)?;
    let Some(once) = once else {
        attempt.end(record, "denied").await?;
        drop(counted);
        let detail = "the sign-in link was used, has run out or is not the newest of this server; \
            if no admin can sign in, start the server once with --sign-in-link";
        return Err(Fault::new(StatusCode::UNAUTHORIZED, "bad-link", detail));
    };
    counted.hit();
    let user = app.store.user(&once.user).await?;
    attempt.signed_in(user, record).await
}

/// Sign out.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session", operation_id = "session_sign_out",
    params(Csrf),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn sign_out(
    State(app): State<Shared>,
    caller: Caller,
) -> Answer<impl IntoResponse> {
    if let With::Session { hash, .. } = &caller.with {
        app.meanwhile.end(&app.store, hash).await?;
        app.used.lock().expect("no panic holds it").remove(hash);
    }
    let gone = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, gone)])))
}

/// Who is signed in.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "session", operation_id = "session_me",
    responses((status = 200, description = "Done", body = Me), Failures),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn me(State(app): State<Shared>, caller: Caller) -> Json<Me> {
    let session = matches!(caller.with, With::Session { .. });
    Json(Me {
        csrf: caller.csrf().map(str::to_owned),
        method: caller.method(),
        user: caller.user,
        role: caller.role,
        expires_at: Some(caller.expires_at),
        idle_s: session.then(|| app.settings.session_idle.as_secs()),
    })
}

/// Replace one's own password; every other session of the user ends, and this one begins anew.
#[utoipa::path(
    post, path = "/api/v1/me:password", tag = "session", operation_id = "session_change_password",
    params(Csrf),
    request_body = PasswordChange,
    responses((status = 200, description = "Done", body = Me), Failures),
    security(("session" = []))
)]
pub(crate) async fn change_password(
    State(app): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<super::guard::Trace>,
    caller: Caller,
    notes: Notes,
    Sent(body): Sent<PasswordChange>,
) -> Answer<impl IntoResponse> {
    // Whoever finds a token must not lock out the one whose it is.
    if matches!(caller.with, With::Token { .. }) {
        return Err(Fault::forbidden("a password is changed by its user, who signs in for it"));
    }
    if let Some(weakness) = weakness(&body.password, &caller.user) {
        return Err(Fault::member("password", "weak", weakness));
    }
    if body.password == body.current {
        return Err(Fault::member("password", "same", "it is the one you have"));
    }
    let attempt = Try {
        app: &app,
        user: caller.user,
        ip: peer.ip().to_canonical().to_string(),
        holder: one_of(peer.ip()),
        trace_id: trace.0,
        action: "POST /me:password",
    };
    // A desk that was left open is no place to guess at the password.
    let counted = attempt.counted().await?;
    let looked = async {
        let user = app.store.user(&attempt.user).await?;
        let right = app.passwords.check(body.current, user.password.clone()).await;
        Ok((user, right))
    };
    let (counted, (user, right)) = counted.with(looked.await)?;
    if !right {
        drop(counted);
        return Err(Fault::member("current", "wrong-password", "it is not your password"));
    }
    counted.hit();
    let password = Some(app.passwords.hash(body.password).await);
    let patch = UserPatch { role: None, disabled: None, password };
    app.store.patch_user(&user.name, user.generation, patch).await?;
    notes.after(json!({"name": user.name, "password_changed": true}));
    let user = app.store.user(&user.name).await?;
    attempt.start(user).await?.ok_or_else(Fault::unauthenticated)
}
