//! Every route of the API: one line each, with the least role that may call it.
//!
//! Not here: handlers. Invariant: a route cannot be made without saying who may call it; the tests
//! hold this table against the OpenAPI document and against what each role gets.

use super::{
    accounts, agents, assets, captures, console, copies, fault::Fault, findings, finish::finish,
    guard::guard, linger::linger, network, openapi, protection, recovery, session, system, vault,
    watch,
};
use crate::{app::Shared, limits::BODY_BYTES_MAX};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{Method, Uri, header},
    middleware::{from_fn, from_fn_with_state, map_request},
    response::IntoResponse,
    routing::{MethodRouter, delete, get, patch, post, put},
};
use store::Role;
use tower_http::compression::{
    CompressionLayer,
    predicate::{DefaultPredicate, NotForContentType, Predicate},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, also without a session.
    Open,
    /// This role and those above it.
    Role(Role),
}

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Below `/api/v1`, as the document has it.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Answers the same `Idempotency-Key` with the first answer.
    pub(crate) idempotent: bool,
}

const OPEN: Access = Access::Open;
const VIEWER: Access = Access::Role(Role::Viewer);
const ANALYST: Access = Access::Role(Role::Analyst);
const ADMIN: Access = Access::Role(Role::Admin);

type Line = (Method, &'static str, Access, MethodRouter<Shared>);

#[rustfmt::skip]
fn lines() -> Vec<Line> {
    let (g, c, r, p, d) = (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    // An upload goes to disk as it comes and has a limit of its own.
    let unbounded = DefaultBodyLimit::disable();
    vec![
        (c.clone(), "/session", OPEN, post(session::sign_in)),
        (c.clone(), "/session:redeem", OPEN, post(session::redeem)),
        (d.clone(), "/session", VIEWER, delete(session::sign_out)),
        (g.clone(), "/me", VIEWER, get(session::me)),
        (c.clone(), "/me:password", VIEWER, post(session::change_password)),
        (g.clone(), "/tokens", VIEWER, get(accounts::tokens)),
        (c.clone(), "/tokens", VIEWER, post(accounts::create_token)),
        (d.clone(), "/tokens/{id}", VIEWER, delete(accounts::delete_token)),
        (g.clone(), "/users", ADMIN, get(accounts::users)),
        (g.clone(), "/owners", ANALYST, get(accounts::owners)),
        (c.clone(), "/users", ADMIN, post(accounts::create_user)),
        (p.clone(), "/users/{name}", ADMIN, patch(accounts::change_user)),
        (d.clone(), "/users/{name}", ADMIN, delete(accounts::delete_user)),
        (g.clone(), "/assets", VIEWER, get(assets::list)),
        (g.clone(), "/assets/{id}", VIEWER, get(assets::show)),
        (p.clone(), "/assets/{id}", ANALYST, patch(assets::change)),
        (g.clone(), "/links", VIEWER, get(network::links)),
        (g.clone(), "/map", VIEWER, get(network::map)),
        (g.clone(), "/zones", VIEWER, get(network::zones)),
        (c.clone(), "/zones", ADMIN, post(network::create_zone)),
        (g.clone(), "/zones/{id}", VIEWER, get(network::zone)),
        (r.clone(), "/zones/{id}", ADMIN, put(network::replace_zone)),
        (d.clone(), "/zones/{id}", ADMIN, delete(network::delete_zone)),
        (g.clone(), "/findings", VIEWER, get(findings::list)),
        (g.clone(), "/findings/{id}", VIEWER, get(findings::show)),
        (p.clone(), "/findings/{id}", ANALYST, patch(findings::change)),
        (c.clone(), "/findings/{id}:mute", ANALYST, post(findings::mute)),
        (c.clone(), "/findings/{id}:unmute", ANALYST, post(findings::unmute)),
        (g.clone(), "/mutes", VIEWER, get(findings::mutes)),
        (d.clone(), "/mutes/{id}", ANALYST, delete(findings::delete_mute)),
        (g.clone(), "/sensors", VIEWER, get(system::sensors)),
        (c.clone(), "/sensors/{id}:end-learning", ANALYST, post(system::end_learning)),
        (g.clone(), "/agents", VIEWER, get(agents::list)),
        (c.clone(), "/agents", ADMIN, post(agents::invite)),
        (c.clone(), "/agents/{name}:revoke", ADMIN, post(agents::revoke)),
        (g.clone(), "/captures", VIEWER, get(captures::list)),
        (c.clone(), "/captures", ANALYST, post(captures::upload).layer(unbounded)),
        (g.clone(), "/captures/{id}", VIEWER, get(captures::show)),
        (d.clone(), "/captures/{id}", ANALYST, delete(captures::delete)),
        (c.clone(), "/captures/{id}:import", ANALYST, post(captures::import)),
        (g.clone(), "/overview", VIEWER, get(system::overview)),
        (g.clone(), "/audit", ANALYST, get(system::audit)),
        (g.clone(), "/health", OPEN, get(system::health)),
        (g.clone(), "/version", OPEN, get(system::version)),
        (g, "/watch", VIEWER, get(watch::watch)),
    ]
}

/// Of protection: plans, runs, the vault.
#[rustfmt::skip]
fn protection_lines() -> Vec<Line> {
    let (g, c, r, d) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    vec![
        (g.clone(), "/protection", VIEWER, get(protection::overview)),
        (g.clone(), "/coverage", VIEWER, get(protection::coverage_list)),
        (g.clone(), "/plans", VIEWER, get(protection::plans)),
        (c.clone(), "/plans", ADMIN, post(protection::create_plan)),
        (g.clone(), "/plans/{id}", VIEWER, get(protection::plan)),
        (r.clone(), "/plans/{id}", ADMIN, put(protection::replace_plan)),
        (d.clone(), "/plans/{id}", ADMIN, delete(protection::delete_plan)),
        (c.clone(), "/plans/{id}:run", ANALYST, post(protection::run_plan)),
        (c.clone(), "/plans/{id}:drill", ANALYST, post(protection::drill_plan)),
        (g.clone(), "/copies", VIEWER, get(copies::list)),
        (c.clone(), "/copies", ADMIN, post(copies::create)),
        (g.clone(), "/copies/{id}", VIEWER, get(copies::show)),
        (r.clone(), "/copies/{id}", ADMIN, put(copies::replace)),
        (d.clone(), "/copies/{id}", ADMIN, delete(copies::remove)),
        (c.clone(), "/copies/{id}:run", ANALYST, post(copies::run)),
        (g.clone(), "/runs", VIEWER, get(protection::runs)),
        (g.clone(), "/runs/{id}", VIEWER, get(protection::run)),
        (c.clone(), "/runs/{id}:cancel", ANALYST, post(protection::cancel)),
        (g.clone(), "/runs/{id}/kit", ADMIN, get(vault::kit)),
        (g.clone(), "/runs/{id}/report", VIEWER, get(recovery::report)),
        (c.clone(), "/runs/{id}:confirm", ANALYST, post(recovery::confirm)),
        (c.clone(), "/runs/{id}:restore", ADMIN, post(agents::restore)),
        (c.clone(), "/runs/{id}:approve", ADMIN, post(recovery::approve)),
        (g.clone(), "/recovery-plans", VIEWER, get(recovery::plans)),
        (c.clone(), "/recovery-plans", ADMIN, post(recovery::create)),
        (g.clone(), "/recovery-plans/{id}", VIEWER, get(recovery::plan)),
        (r.clone(), "/recovery-plans/{id}", ADMIN, put(recovery::replace)),
        (d.clone(), "/recovery-plans/{id}", ADMIN, delete(recovery::remove)),
        (c.clone(), "/recovery-plans/{id}:check", ANALYST, post(recovery::check)),
        (c.clone(), "/recovery-plans/{id}:drill", ANALYST, post(recovery::drill)),
        (g.clone(), "/vault", VIEWER, get(vault::show)),
        (c.clone(), "/vault", ADMIN, post(vault::make)),
        (r, "/vault/rules", ADMIN, put(vault::set_rules)),
        (g.clone(), "/vault/forget-plan", ANALYST, get(vault::forget_plan)),
        (c.clone(), "/vault:forget", ADMIN, post(vault::forget)),
        (c.clone(), "/vault:verify", ANALYST, post(vault::verify)),
        (g.clone(), "/snapshots", VIEWER, get(vault::snapshots)),
        (g.clone(), "/snapshots/{id}/tree", ANALYST, get(vault::tree)),
        (g.clone(), "/snapshots/{id}/file", ANALYST, get(vault::file)),
        (g, "/snapshots/{id}/diff", ANALYST, get(vault::diff)),
        (c.clone(), "/snapshots/{id}:restore", ADMIN, post(vault::restore)),
        (c.clone(), "/snapshots/{id}:kit", ADMIN, post(vault::make_kit)),
        (c.clone(), "/snapshots/{id}:verify", ANALYST, post(vault::verify_snapshot)),
        (c.clone(), "/snapshots/{id}:hold", ANALYST, post(vault::hold)),
        (c.clone(), "/snapshots/{id}:release", ADMIN, post(vault::release)),
        (c.clone(), "/snapshots/{id}:undelete", ADMIN, post(vault::undelete)),
        (c.clone(), "/releases/{id}:approve", ADMIN, post(vault::approve)),
        (c, "/releases/{id}:withdraw", ADMIN, post(vault::withdraw)),
    ]
}

fn all_lines() -> impl Iterator<Item = Line> {
    lines().into_iter().chain(protection_lines())
}

/// The table without the handlers, for the tests.
#[cfg(test)]
pub(crate) fn table() -> Vec<Route> {
    all_lines().map(|(method, path, access, _)| route(method, path, access)).collect()
}

fn route(method: Method, path: &'static str, access: Access) -> Route {
    let idempotent = method == Method::POST
        && matches!(path, "/zones" | "/captures" | "/plans" | "/recovery-plans" | "/copies");
    Route { method, path, access, idempotent }
}

const ROOT: &str = "/api/v1";

/// The whole service: API, its document, console.
pub(crate) fn service(app: Shared) -> Router {
    let mut router = Router::new();
    for (method, path, access, handler) in all_lines() {
        let state = (app.clone(), route(method.clone(), path, access));
        // The router knows no suffix after a parameter: `{id}:mute` is `{id}/~mute` inside.
        let inner = format!("{ROOT}{}", path.replace("}:", "}/~"));
        let handler = handler.layer(from_fn_with_state(state, guard));
        // Whether or not who uploads is let in.
        let uploads = method == Method::POST && path == "/captures";
        let handler = if uploads { handler.layer(from_fn(linger)) } else { handler };
        router = router.route(&inner, handler);
    }
    let api = router
        .route(&format!("{ROOT}/openapi.json"), get(document))
        .route("/api/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .fallback(console::serve)
        .with_state(app)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    // A stream of events must not wait in a compressor.
    let worth = DefaultPredicate::new().and(NotForContentType::const_new("text/event-stream"));
    let inner = api.layer(CompressionLayer::new().compress_when(worth)).layer(from_fn(finish));
    // Rewriting has to happen before routing, so it goes around a router of its own.
    Router::new().fallback_service(inner).layer(map_request(rewrite))
}

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi::openapi_json())
}

async fn unknown(uri: Uri) -> Fault {
    Fault::not_found(format!("the API has no {}", uri.path()))
}

async fn wrong_method() -> Fault {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Fault::new(status, "method-not-allowed", "this path does not understand the method")
}

/// `/findings/fnd_1:mute` to `/findings/fnd_1/~mute`.
async fn rewrite(mut request: Request) -> Request {
    let path = request.uri().path();
    let action = path.strip_prefix(ROOT).and_then(|rest| rest.rsplit_once(':'));
    if request.method() == Method::POST
        && let Some((row, action)) = action
        && row.matches('/').count() == 2
        && !action.is_empty()
        && action.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let inner = format!("{ROOT}{row}/~{action}{query}");
        if let Ok(uri) = inner.parse() {
            *request.uri_mut() = uri;
        }
    }
    request
}
