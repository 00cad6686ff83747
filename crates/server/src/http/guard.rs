//! What stands before every handler: rights, cross-site requests, the audit.
//!
//! Not here: what a change does. Invariant: a change is on the audit chain before its handler
//! runs, and each request that may change something has exactly one record.

use super::{
    caller::{Caller, Presence, identify},
    fault::{Answer, Fault},
    routes::{Access, Route},
};
use crate::{
    app::{Shared, now},
    meanwhile::Tried,
    secret::{random, same},
};
use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use store::{AuditBegin, AuditEnd, Reply};

/// Names the request in answers, log and audit.
#[derive(Clone, Debug)]
pub(crate) struct Trace(pub(crate) String);

/// Where a handler leaves what the audit shall show: the members that changed, before and after.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<Mutex<AuditEnd>>);

impl Notes {
    pub(crate) fn before(&self, value: serde_json::Value) {
        self.0.lock().expect("no panic holds it").before = Some(value);
    }

    pub(crate) fn after(&self, value: serde_json::Value) {
        self.0.lock().expect("no panic holds it").after = Some(value);
    }

    pub(crate) fn reason(&self, text: &str) {
        self.0.lock().expect("no panic holds it").reason = Some(text.to_owned());
    }

    fn take(&self, result: &str) -> AuditEnd {
        let mut end = std::mem::take(&mut *self.0.lock().expect("no panic holds it"));
        end.result = result.to_owned();
        end
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Notes {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Notes>().cloned().unwrap_or_default())
    }
}

/// The caller's address.
pub(crate) fn peer(request: &Request) -> Option<String> {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.map(|ConnectInfo(address)| address.ip().to_canonical().to_string())
}

pub(crate) fn trace(request: &Request) -> String {
    request.extensions().get::<Trace>().map_or_else(random::<8>, |trace| trace.0.clone())
}

/// Around each route that is not open to all.
pub(crate) async fn guard(
    State((app, route)): State<(Shared, Route)>,
    request: Request,
    next: Next,
) -> Response {
    match guarded(&app, &route, request, next).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

async fn guarded(
    app: &Shared,
    route: &Route,
    mut request: Request,
    next: Next,
) -> Answer<Response> {
    let by_itself = route.access == Access::Open || route.path == "/watch";
    let presence = if by_itself { Presence::NotShown } else { Presence::Shown };
    let caller = identify(app, request.headers(), presence).await?;
    if let Some(caller) = &caller {
        request.extensions_mut().insert(caller.clone());
    }
    let least = match route.access {
        Access::Open if route.method == Method::GET => return Ok(next.run(request).await),
        Access::Open => return to_its_end(async move { Ok(next.run(request).await) }).await,
        Access::Role(role) => role,
    };
    let caller = caller.ok_or_else(Fault::unauthenticated)?;
    if route.method == Method::GET {
        if caller.role < least {
            return Err(lacks(&caller, least));
        }
        return Ok(next.run(request).await);
    }
    let allowed = match from_own_page(&caller, &request) {
        Ok(()) if caller.role < least => Err(lacks(&caller, least)),
        allowed => allowed,
    };
    let (app, route) = (app.clone(), route.clone());
    to_its_end(async move { change(&app, &route, &caller, request, next, allowed).await }).await
}

/// Without the session's own token it is another site's page that speaks, not the user.
fn from_own_page(caller: &Caller, request: &Request) -> Answer<()> {
    let Some(csrf) = caller.csrf() else { return Ok(()) };
    let sent = request.headers().get("x-csrf-token").and_then(|v| v.to_str().ok());
    if sent.is_some_and(|sent| same(sent, csrf)) {
        return Ok(());
    }
    let detail = "send the csrf value of /me as X-CSRF-Token";
    Err(Fault::new(StatusCode::FORBIDDEN, "csrf", detail))
}

/// What was begun is done and has its record's end, also when nobody waits for the answer any
/// more. An upload still ends with its caller: no more of it comes.
async fn to_its_end(
    work: impl Future<Output = Answer<Response>> + Send + 'static,
) -> Answer<Response> {
    let work = tracing::Instrument::in_current_span(work);
    tokio::spawn(work).await.map_err(Fault::internal)?
}

fn lacks(caller: &Caller, least: store::Role) -> Fault {
    Fault::forbidden(format!("{} is {}; this needs {least}", caller.user, caller.role))
}

async fn change(
    app: &Shared,
    route: &Route,
    caller: &Caller,
    mut request: Request,
    next: Next,
    allowed: Answer<()>,
) -> Answer<Response> {
    let begin = AuditBegin {
        actor: caller.user.clone(),
        method: caller.method().to_owned(),
        session: Some(caller.short()),
        ip: peer(&request),
        trace_id: trace(&request),
        action: format!("{} {}", route.method, route.path),
        resource: resource(request.uri().path()),
    };
    let ends_session = (&route.method, route.path) == (&Method::DELETE, "/session");
    // A full disk or a closed store stops changes here: no change without its record. Whoever
    // leaves may, and is recorded when there is room.
    let record = match app.store.audit_begin(begin.clone()).await {
        Ok(record) => Some(record),
        Err(error) if error.is_of_disk() && ends_session => None,
        Err(error) => return Err(error.into()),
    };
    let notes = Notes::default();
    request.extensions_mut().insert(notes.clone());
    let response = match allowed {
        Err(fault) => fault.into_response(),
        Ok(()) if route.idempotent => once(app, caller, request, next).await,
        Ok(()) => next.run(request).await,
    };
    let result = match response.status() {
        status if status.is_success() => "done",
        StatusCode::FORBIDDEN => "denied",
        status if status.is_client_error() => "refused",
        _ => "failed",
    };
    let Some(record) = record else {
        let tried = Tried { record, begin, result: result.to_owned(), at: now() };
        app.meanwhile.tried(tried);
        return Ok(response);
    };
    if let Err(error) = app.store.audit_end(record, &caller.user, notes.take(result)).await {
        // The change stands and its beginning is on disk; the record shows no end.
        tracing::error!(record, %error, "an audit record could not be completed");
    }
    Ok(response)
}

/// The path as callers write it, below the API's root.
fn resource(path: &str) -> String {
    path.replace("/~", ":").chars().take(200).collect()
}

/// The same `Idempotency-Key` with the same request gives the first answer again.
async fn once(app: &Shared, caller: &Caller, request: Request, next: Next) -> Response {
    let key = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok());
    let Some(key) = key.map(str::to_owned) else { return next.run(request).await };
    match replay(app, caller, &key, request, next).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

/// A request with an `Idempotency-Key` whose answer is not known yet. Whoever lost patience and
/// asks again meanwhile would have it done twice.
struct UnderWay<'a> {
    app: &'a Shared,
    owner_and_key: String,
}

impl<'a> UnderWay<'a> {
    fn begin(app: &'a Shared, owner_and_key: String) -> Answer<UnderWay<'a>> {
        if !app.under_way.lock().expect("no panic holds it").insert(owner_and_key.clone()) {
            let detail = "the first request with this Idempotency-Key is under way; ask again soon";
            return Err(Fault::conflict("idempotency-key-in-use", detail));
        }
        Ok(UnderWay { app, owner_and_key })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.app.under_way.lock().expect("no panic holds it").remove(&self.owner_and_key);
    }
}

async fn replay(
    app: &Shared,
    caller: &Caller,
    key: &str,
    request: Request,
    next: Next,
) -> Answer<Response> {
    if key.is_empty() || key.len() > 128 {
        return Err(Fault::bad_request("Idempotency-Key has 1 to 128 characters"));
    }
    let owner = format!("{} {}", caller.user, request.uri());
    let (parts, body) = request.into_parts();
    let json = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/json")));
    // A capture is not held in memory: its length and name stand for it.
    let (hash, body) = if json {
        let bytes = axum::body::to_bytes(body, crate::limits::BODY_BYTES_MAX).await;
        let bytes: Bytes = bytes.map_err(|_| {
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large")
        })?;
        (crate::secret::sha256(&bytes), Body::from(bytes))
    } else {
        let length = parts.headers.get(header::CONTENT_LENGTH);
        (crate::secret::sha256(length.map_or(b"", HeaderValue::as_bytes)), body)
    };
    let _under_way = UnderWay::begin(app, format!("{owner} {key}"))?;
    if let Some(reply) = app.store.reply(&owner, key).await? {
        if reply.request_hash != hash {
            let detail = "this Idempotency-Key was used for another request";
            return Err(Fault::conflict("idempotency-key-reused", detail));
        }
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
        return Ok(
            (status, [(header::CONTENT_TYPE, reply.content_type)], reply.body).into_response()
        );
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(Fault::internal)?;
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let reply = Reply {
        request_hash: hash,
        status: parts.status.as_u16(),
        content_type: kind.unwrap_or("application/json").to_owned(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    app.store.keep_reply(&owner, key, reply).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
