//! The API from outside: rights, audit, preconditions, forms, streams.

use super::routes::{Access, Route, service, table};
use crate::{
    app::{App, NoSensors},
    protect::reconcile,
    settings::Settings,
};
use axum::{
    Router,
    body::Body,
    extract::connect_info::MockConnectInfo,
    http::{Method, Request, StatusCode, header},
    response::Response,
};
use model::{Insight, Time};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::{Role, Store};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;

const PASSWORD: &str = "correct horse battery";

pub(super) struct Site {
    _dir: TempDir,
    pub(super) store: Store,
    pub(super) app: crate::app::Shared,
    router: Router,
    pub(super) stop: watch::Sender<bool>,
}

/// Who calls in a test.
#[derive(Clone, Default)]
pub(super) struct As {
    cookie: Option<String>,
    csrf: Option<String>,
}

impl As {
    fn secret(&self) -> &str {
        self.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).unwrap_or_default().1
    }
}

impl Site {
    async fn new() -> Site {
        Site::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Site {
        Site::on(None, change).await
    }

    /// On a disk of that size.
    async fn on(database_bytes_max: Option<u64>, change: impl FnOnce(&mut Settings)) -> Site {
        let dir = tempfile::tempdir().expect("a directory");
        let quick = store::Settings { commit_delay: Duration::ZERO, database_bytes_max };
        let store = Store::open(dir.path(), quick).await.expect("opens");
        let mut settings = Settings::new(dir.path().to_owned(), "/bin/false".into());
        change(&mut settings);
        let (stop, stopping) = watch::channel(false);
        let app = App::new(store.clone(), settings, Arc::new(NoSensors), stopping);
        let hash = app.passwords.hash(PASSWORD.to_owned()).await;
        for (name, role) in [("vi", Role::Viewer), ("an", Role::Analyst), ("ad", Role::Admin)] {
            store.create_user(name, role, Some(hash.clone())).await.expect("made");
        }
        let peer = SocketAddr::from(([127, 0, 0, 1], 50_000));
        let router = service(app.clone()).layer(MockConnectInfo(peer));
        Site { _dir: dir, store, app, router, stop }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    pub(super) async fn call(
        &self,
        who: &As,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Response {
        let request = self.request(who, method, path);
        let request = match body {
            Some(json) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(json.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.expect("a request")).await
    }

    pub(super) fn request(
        &self,
        who: &As,
        method: Method,
        path: &str,
    ) -> axum::http::request::Builder {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if let Some(cookie) = &who.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(csrf) = &who.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        request
    }

    pub(super) async fn sign_in(&self, user: &str) -> As {
        let body = json!({"user": user, "password": PASSWORD});
        let answer = self.call(&As::default(), Method::POST, "/session", Some(body)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{user}");
        let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
        for part in ["Secure", "HttpOnly", "SameSite=Strict", "__Host-"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let csrf = read(answer).await["csrf"].as_str().map(str::to_owned);
        As { cookie: cookie.split(';').next().map(str::to_owned), csrf }
    }

    /// One more administrator, signed in.
    pub(super) async fn another_admin(&self, name: &str) -> As {
        let hash = self.app.passwords.hash(PASSWORD.to_owned()).await;
        self.store.create_user(name, Role::Admin, Some(hash)).await.expect("made");
        self.sign_in(name).await
    }

    async fn audited(&self) -> usize {
        self.store.audit(None, None, 1_000).await.expect("reads").0.len()
    }

    async fn fill(&self) {
        let asset = |id: &str, name: &str| {
            json!({
                "kind": "asset", "id": id, "macs": [], "ips": ["10.0.0.1"], "vlans": [],
                "names": [name], "vendor": "Siemens AG", "model": null, "firmware": null,
                "serial": null, "class": "plc", "role": "controller", "role_reason": null,
                "purdue": 1.0, "purdue_reason": null, "os": null, "protocols": [],
                "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
                "packets": 1, "modules": [],
                "facts": [{"path": "vendor", "value": "Siemens AG", "source": "s7comm",
                           "confidence": 90, "observed_at": "2026-01-01T00:00:00Z"}],
            })
        };
        let finding = json!({
            "kind": "finding", "id": "fnd_1", "detector": "new-asset", "engine": "policy",
            "severity": "high", "title": "new asset", "techniques": [],
            "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
            "count": 1, "assets": ["ast_1"], "addresses": [], "explanation": "why",
            "evidence": [{"kind": "learned", "says": "not known", "members": []}],
            "runbook": "Look",
        });
        let hello = json!({"kind": "hello", "version": 1, "sensor": "s", "interface": "eth0",
            "started_at": "2026-01-01T00:00:00Z"});
        let rows = [hello, asset("ast_1", "=2+3"), asset("ast_2", "Filler, left"), finding];
        let rows: Vec<Insight> =
            rows.into_iter().map(|row| serde_json::from_value(row).expect("an insight")).collect();
        self.store.take("s", Time(1), rows).await.expect("taken");
    }
}

async fn text(answer: Response) -> String {
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(bytes.to_vec()).expect("text")
}

pub(super) async fn read(answer: Response) -> Value {
    serde_json::from_str(&text(answer).await).expect("JSON")
}

/// A path of a route with its parameters filled.
fn filled(route: &Route) -> String {
    let id = match route.path {
        path if path.starts_with("/assets") => "ast_1",
        path if path.starts_with("/findings") => "fnd_1",
        path if path.starts_with("/sensors") => "s",
        _ => "none",
    };
    route.path.replace("{id}", id).replace("{name}", "none")
}

#[test]
fn table_and_document_have_the_same_routes() {
    let api: Value = serde_json::from_str(&super::openapi_json()).expect("JSON");
    let mut documented = Vec::new();
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let open = operation.get("security").is_none();
            documented.push((path.clone(), method.to_uppercase(), open));
        }
    }
    let mut routed: Vec<_> = table()
        .into_iter()
        .map(|r| (format!("/api/v1{}", r.path), r.method.to_string(), r.access == Access::Open))
        .collect();
    documented.sort();
    routed.sort();
    assert_eq!(documented, routed);
}

#[tokio::test]
async fn each_role_gets_what_the_table_says_and_no_more() {
    let site = Site::new().await;
    site.fill().await;
    let callers = [
        (None, As::default()),
        (Some(Role::Viewer), site.sign_in("vi").await),
        (Some(Role::Analyst), site.sign_in("an").await),
        (Some(Role::Admin), site.sign_in("ad").await),
    ];
    for route in table() {
        let Access::Role(least) = route.access else { continue };
        // Signing out would end the caller of the rows after it, and a stream never ends.
        if matches!((&route.method, route.path), (&Method::DELETE, "/session") | (_, "/watch")) {
            continue;
        }
        for (role, who) in &callers {
            let path = filled(&route);
            let body = (route.method != Method::GET).then(|| json!({}));
            let status = site.call(who, route.method.clone(), &path, body).await.status();
            let what = format!("{} {} as {role:?}: {status}", route.method, route.path);
            match role {
                None => assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}"),
                Some(role) if *role < least => assert_eq!(status, StatusCode::FORBIDDEN, "{what}"),
                Some(_) => {
                    let refused = [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED];
                    assert!(!refused.contains(&status) && !status.is_server_error(), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_change_has_exactly_one_record_and_reads_have_none() {
    let site = Site::new().await;
    site.fill().await;
    let (viewer, admin) = (site.sign_in("vi").await, site.sign_in("ad").await);
    for route in table() {
        if matches!(route.access, Access::Open) || matches!(route.path, "/watch" | "/session") {
            continue;
        }
        for who in [&viewer, &admin] {
            let before = site.audited().await;
            let body = (route.method != Method::GET).then(|| json!({}));
            site.call(who, route.method.clone(), &filled(&route), body).await;
            let records = site.audited().await - before;
            let expect = usize::from(route.method != Method::GET);
            assert_eq!(records, expect, "{} {}", route.method, route.path);
        }
    }
    let before = site.audited().await;
    let wrong = json!({"user": "vi", "password": "not the password"});
    site.call(&As::default(), Method::POST, "/session", Some(wrong)).await;
    assert_eq!(site.audited().await - before, 1, "a failed sign-in");
    site.call(&viewer, Method::DELETE, "/session", None).await;
    assert_eq!(site.audited().await - before, 2, "a sign-out");
    let (records, _) = site.store.audit(None, None, 1_000).await.expect("reads");
    assert!(records.iter().all(|record| record.end.is_some()), "each is completed");
    let all = format!("{records:?}");
    assert!(!all.contains("not the password") && !all.contains(PASSWORD));
    let page = read(site.call(&admin, Method::GET, "/audit?limit=5", None).await).await;
    assert_eq!(
        (page["chain_intact"].as_bool(), page["items"].as_array().map(Vec::len)),
        (Some(true), Some(5))
    );
}

#[tokio::test]
async fn audit_shows_what_changed_and_the_etag_guards_it() {
    let site = Site::new().await;
    site.fill().await;
    let who = site.sign_in("an").await;
    let patch = |tag: Option<&str>, body: Value| {
        let mut request = site.request(&who, Method::PATCH, "/assets/ast_1");
        if let Some(tag) = tag {
            request = request.header(header::IF_MATCH, tag);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json");
        site.send(request.body(Body::from(body.to_string())).expect("a request"))
    };
    let change = json!({"name": "Filler 2", "criticality": 4, "labels": {"line": "2"}});
    let missing = patch(None, change.clone()).await;
    assert_eq!(missing.status(), StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(missing.headers()[header::CONTENT_TYPE], "application/problem+json");
    let problem = read(missing).await;
    assert_eq!(problem["code"], "if-match-required");
    assert_eq!(problem["instance"], "/api/v1/assets/ast_1");
    let done = patch(Some("\"1\""), change.clone()).await;
    assert_eq!(
        (done.status(), done.headers()[header::ETAG].to_str().ok()),
        (StatusCode::OK, Some("\"2\""))
    );
    let asset = read(done).await;
    assert_eq!(
        (asset["name"].as_str(), asset["observed"]["name"].as_str()),
        (Some("Filler 2"), Some("=2+3"))
    );
    assert_eq!(asset["facts"][0]["source"], "operator");
    assert_eq!(patch(Some("\"1\""), change).await.status(), StatusCode::PRECONDITION_FAILED);
    let bad = patch(Some("\"2\""), json!({"criticality": 9})).await;
    assert_eq!(bad.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(read(bad).await["errors"][0]["path"], "criticality");
    let unknown = patch(Some("\"2\""), json!({"colour": "red"})).await;
    assert_eq!(unknown.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let back = read(patch(Some("\"2\""), json!({"name": null})).await).await;
    assert_eq!((back["name"].as_str(), back["criticality"].as_u64()), (Some("=2+3"), Some(4)));
    let (records, _) = site.store.audit(Some("an"), None, 10).await.expect("reads");
    let (_, end) = records[0].end.clone().expect("completed");
    assert_eq!(end.before.expect("before")["name"], "Filler 2");
    assert_eq!(end.after.expect("after")["name"], Value::Null);
    assert_eq!(records[0].begin.action, "PATCH /assets/{id}");
}

#[tokio::test]
async fn without_the_csrf_value_a_session_changes_nothing() {
    let site = Site::new().await;
    site.fill().await;
    let who = site.sign_in("ad").await;
    let forged = As { csrf: None, ..who.clone() };
    let answer = site.call(&forged, Method::POST, "/findings/fnd_1:unmute", None).await;
    assert_eq!(
        (answer.status(), read(answer).await["code"].as_str()),
        (StatusCode::FORBIDDEN, Some("csrf"))
    );
    let wrong = As { csrf: Some("0".repeat(32)), ..who.clone() };
    let answer = site.call(&wrong, Method::POST, "/findings/fnd_1:unmute", None).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let answer = site.call(&who, Method::POST, "/findings/fnd_1:unmute", None).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn guessing_passwords_gets_slow_and_says_how_long() {
    let site = Site::new().await;
    let guess = || async {
        let body = json!({"user": "ad", "password": "guess guess guess"});
        site.call(&As::default(), Method::POST, "/session", Some(body)).await
    };
    for _ in 0..5 {
        assert_eq!(guess().await.status(), StatusCode::UNAUTHORIZED);
    }
    let answer = guess().await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn many_tries_at_once_are_no_more_than_as_many_in_a_row() {
    let site = Site::new().await;
    let stranger = As::default();
    let tries = async |password: &str, count: usize| {
        let body = || Some(json!({"user": "ad", "password": password}));
        let tries = (0..count).map(|_| site.call(&stranger, Method::POST, "/session", body()));
        let answers = futures_util::future::join_all(tries).await;
        let refused = |answer: &&Response| answer.status() == StatusCode::TOO_MANY_REQUESTS;
        (count - answers.iter().filter(refused).count(), answers[0].status())
    };
    assert_eq!(tries(PASSWORD, 8).await, (8, StatusCode::OK), "nobody stands in their own way");
    assert_eq!(tries("guess guess guess", 30).await, (5, StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn who_hangs_up_has_guessed_as_well_and_is_on_the_chain() {
    use futures_util::FutureExt;
    let site = Site::new().await;
    let before = site.audited().await;
    let stranger = As::default();
    let guess = || {
        let body = json!({"user": "ad", "password": "guess guess guess"});
        site.call(&stranger, Method::POST, "/session", Some(body))
    };
    for _ in 0..5 {
        assert!(guess().now_or_never().is_none(), "the answer takes a while");
    }
    let why = "it waited for the five, which were misses";
    assert_eq!(guess().await.status(), StatusCode::TOO_MANY_REQUESTS, "{why}");
    let (all, _) = site.store.audit(None, None, 1_000).await.expect("reads");
    let ended = all.iter().filter(|record| record.end.is_some()).count();
    assert_eq!(ended, before + 5);
}

#[tokio::test]
async fn idle_and_disabled_sessions_end() {
    let site = Site::with(|settings| settings.session_idle = Duration::ZERO).await;
    let who = site.sign_in("vi").await;
    assert_eq!(site.call(&who, Method::GET, "/me", None).await.status(), StatusCode::UNAUTHORIZED);
    let site = Site::new().await;
    let (who, admin) = (site.sign_in("vi").await, site.sign_in("ad").await);
    assert_eq!(site.call(&who, Method::GET, "/me", None).await.status(), StatusCode::OK);
    let request = site.request(&admin, Method::PATCH, "/users/vi");
    let request = request.header(header::IF_MATCH, "\"1\"");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(json!({"disabled": true}).to_string()));
    assert_eq!(site.send(request.expect("a request")).await.status(), StatusCode::OK);
    assert_eq!(site.call(&who, Method::GET, "/me", None).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_page_asks_by_itself_keeps_no_session_alive() {
    let site = Site::new().await;
    let who = site.sign_in("vi").await;
    let used = || site.app.used.lock().expect("no panic holds it").clone();
    for path in ["/health", "/watch"] {
        let answer = site.call(&who, Method::GET, path, None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(used().is_empty(), "{path} counts as use");
    }
    let health = read(site.call(&who, Method::GET, "/health", None).await).await;
    assert!(!health["checks"].as_array().expect("checks").is_empty(), "it is known who asks");
    assert_eq!(site.call(&who, Method::GET, "/assets", None).await.status(), StatusCode::OK);
    assert_eq!(used().len(), 1, "who reads a list is there");
}

#[tokio::test]
async fn a_sign_in_link_sets_the_password_of_whom_it_names_and_the_audit_has_the_name() {
    let site = Site::new().await;
    let before = site.sign_in("ad").await;
    let token = crate::secret::link_token("ad");
    let hash = crate::secret::sha256(token.as_bytes());
    let later = crate::app::now().plus_secs(60);
    site.store.create_once("ad", hash, later).await.expect("made");
    let redeem = async |token: &str, password: &str| {
        let body = json!({"token": token, "password": password});
        let path = "/session:redeem";
        site.call(&As::default(), Method::POST, path, Some(body)).await
    };
    let renamed = token.replacen("ad.", "an.", 1);
    let cases = [
        (&renamed, "a sentence to keep", StatusCode::UNAUTHORIZED),
        (&token, "what has adam in it", StatusCode::UNPROCESSABLE_ENTITY),
        (&token, "a sentence to keep", StatusCode::OK),
        (&token, "a sentence to keep", StatusCode::UNAUTHORIZED),
    ];
    for (token, password, status) in cases {
        assert_eq!(redeem(token, password).await.status(), status, "{token} {password}");
    }
    let (all, _) = site.store.audit(None, None, 3).await.expect("reads");
    let told = all.iter().rev().map(|record| {
        let (_, end) = record.end.as_ref().expect("completed");
        (record.begin.actor.as_str(), end.result.as_str())
    });
    let expect = [("an", "denied"), ("ad", "done"), ("ad", "denied")];
    assert_eq!(told.collect::<Vec<_>>(), expect);
    let gone = site.call(&before, Method::GET, "/me", None).await;
    assert_eq!(gone.status(), StatusCode::UNAUTHORIZED, "a new password ends old sessions");
}

#[tokio::test]
async fn api_tokens_carry_a_role_and_end_when_revoked() {
    let site = Site::new().await;
    let who = site.sign_in("an").await;
    let greedy = json!({"name": "x", "role": "admin"});
    assert_eq!(
        site.call(&who, Method::POST, "/tokens", Some(greedy)).await.status(),
        StatusCode::FORBIDDEN
    );
    let made = json!({"name": "export", "role": "viewer", "days": 3});
    let made = site.call(&who, Method::POST, "/tokens", Some(made)).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made = read(made).await;
    let secret = made["secret"].as_str().expect("shown once").to_owned();
    let with = |secret: String, method: Method, path: &str| {
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
        site.send(request.body(Body::empty()).expect("a request"))
    };
    let me = read(with(secret.clone(), Method::GET, "/me").await).await;
    assert_eq!((me["role"].as_str(), me["method"].as_str()), (Some("viewer"), Some("token")));
    let denied = with(secret.clone(), Method::POST, "/findings/fnd_1:unmute").await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    let list = text(site.call(&who, Method::GET, "/tokens", None).await).await;
    assert!(!list.contains(&secret) && list.contains("export"));
    let id = made["id"].as_str().expect("an id");
    let caller = super::caller::Caller {
        user: "an".to_owned(),
        role: Role::Viewer,
        with: super::caller::With::Token { id: id.to_owned() },
        expires_at: crate::app::now().plus_secs(60),
    };
    let disabled = |disabled| store::UserPatch { disabled: Some(disabled), ..Default::default() };
    assert!(super::caller::still_valid(&site.app, &caller).await);
    site.store.patch_user("an", 1, disabled(true)).await.expect("changed");
    assert!(!super::caller::still_valid(&site.app, &caller).await, "a stream of theirs ends");
    site.store.patch_user("an", 2, disabled(false)).await.expect("changed");
    let who = site.sign_in("an").await;
    let path = format!("/tokens/{id}");
    assert_eq!(site.call(&who, Method::DELETE, &path, None).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(with(secret, Method::GET, "/me").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn lists_come_as_json_lines_and_csv_without_formulas() {
    let site = Site::new().await;
    site.fill().await;
    let who = site.sign_in("vi").await;
    let get = |path: &str, accept: &str| {
        let request = site.request(&who, Method::GET, path).header(header::ACCEPT, accept);
        site.send(request.body(Body::empty()).expect("a request"))
    };
    let page =
        read(get("/assets?facets=class,vendor&fields=id,name&sort=id", "application/json").await)
            .await;
    assert_eq!(
        page["items"],
        json!([{"id": "ast_1", "name": "=2+3"}, {"id": "ast_2", "name": "Filler, left"}])
    );
    assert_eq!(page["facets"]["class"], json!([{"value": "plc", "count": 2}]));
    let page = read(get("/findings?facets=severity,owner", "application/json").await).await;
    let count = page["items"].as_array().map_or(0, Vec::len);
    assert_eq!(page["facets"]["owner"], json!([{"value": null, "count": count}]));
    assert!(page["facets"]["severity"][0]["value"].is_string(), "{page}");
    let refused = get("/findings?facets=title", "application/json").await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let csv = text(get("/assets?fields=id,name&sort=id", "text/csv").await).await;
    assert_eq!(csv, "id,name\r\nast_1,'=2+3\r\nast_2,\"Filler, left\"\r\n");
    let lines = text(get("/assets?limit=1&sort=id", "application/x-ndjson").await).await;
    assert_eq!(lines.lines().count(), 1);
    let kept = "/assets?filter=purdue%20le%201%20and%20name%20contains%20%22FILLER%22";
    let page = read(get(kept, "*/*").await).await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    let bad = get("/assets?filter=colour%20eq%201", "*/*").await;
    assert_eq!(bad.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(read(bad).await["errors"][0]["path"], "filter");
    for path in
        ["/assets?limit=0", "/assets?limit=1001", "/assets?sort=colour", "/assets?cursor=zz"]
    {
        assert!(get(path, "*/*").await.status().is_client_error(), "{path}");
    }
    assert_eq!(get("/assets?colour=1", "*/*").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn same_idempotency_key_gives_the_first_answer() {
    let site = Site::new().await;
    let who = site.sign_in("ad").await;
    let post = |name: &str| {
        let request = site.request(&who, Method::POST, "/zones").header("idempotency-key", "k1");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let body = json!({"name": name, "cidrs": ["10.0.0.0/8"]});
        site.send(request.body(Body::from(body.to_string())).expect("a request"))
    };
    let first = read(post("Cell").await).await;
    let again = post("Cell").await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(read(again).await, first);
    assert_eq!(post("Other").await.status(), StatusCode::CONFLICT);
    let zones = read(site.call(&who, Method::GET, "/zones", None).await).await;
    assert_eq!(zones["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn watchers_get_changes_resume_and_are_told_when_it_is_too_late() {
    use futures_util::StreamExt;
    let site = Site::new().await;
    site.fill().await;
    let who = site.sign_in("vi").await;
    let late = site.call(&who, Method::GET, "/watch?since=999999", None).await;
    assert_eq!(late.status(), StatusCode::GONE);
    let answer = site.call(&who, Method::GET, "/watch?since=0&kinds=asset,finding", None).await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut stream = answer.into_body().into_data_stream();
    let mut seen = String::new();
    while !(seen.contains("ast_1") && seen.contains("fnd_1")) {
        let part = stream.next().await.expect("goes on").expect("bytes");
        seen.push_str(std::str::from_utf8(&part).expect("text"));
    }
    assert!(seen.contains("event: asset\n") && seen.contains("id: "), "{seen}");
    assert!(!seen.contains("event: sensor"), "only the kinds that were asked for");
    site.fill().await;
    let part = stream.next().await.expect("live").expect("bytes");
    assert!(std::str::from_utf8(&part).expect("text").contains("event: "));
    site.stop.send(true).expect("somebody listens");
    while let Some(part) = stream.next().await {
        part.expect("bytes until the end");
    }
}

#[tokio::test]
async fn paths_that_are_none_answer_as_problems_and_pages_as_the_console() {
    let site = Site::new().await;
    let who = As::default();
    let missing = site.call(&who, Method::GET, "/nothing", None).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(read(missing).await["code"], "not-found");
    let wrong = site.call(&who, Method::PUT, "/assets", None).await;
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/", "/findings/fnd_1", "/map"] {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let page = site.send(request).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert!(
            page.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .expect("text")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(page.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(page.headers().get(header::STRICT_TRANSPORT_SECURITY).is_none());
        assert!(text(page).await.to_lowercase().contains("<html"));
    }
    let request = Request::builder().uri("/assets/none.js").body(Body::empty());
    assert_eq!(site.send(request.expect("a request")).await.status(), StatusCode::NOT_FOUND);
    let health = read(site.call(&who, Method::GET, "/health", None).await).await;
    assert_eq!(health["checks"], json!([]), "strangers learn no details");
}

#[tokio::test]
async fn an_upload_that_is_too_large_or_empty_is_refused_and_leaves_no_file() {
    let site = Site::with(|settings| settings.upload_bytes_max = 1_000).await;
    let who = site.sign_in("an").await;
    let upload = |bytes: Vec<u8>| {
        let request = site.request(&who, Method::POST, "/captures?file=../../etc/x.pcap");
        site.send(request.body(Body::from(bytes)).expect("a request"))
    };
    assert_eq!(upload(vec![0; 2_000]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(upload(vec![]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let left = std::fs::read_dir(site._dir.path().join("captures")).expect("a directory").count();
    assert_eq!(left, 0);
    let taken = upload(vec![1; 10]).await;
    assert_eq!(taken.status(), StatusCode::ACCEPTED);
    let capture = read(taken).await;
    assert_eq!(capture["file"], "x.pcap");
    let path = format!("/captures/{}", capture["id"].as_str().expect("an id"));
    let mut watch = site.store.watch();
    loop {
        let now = read(site.call(&who, Method::GET, &path, None).await).await;
        if now["state"] == "failed" {
            assert!(now["detail"].as_str().is_some_and(|why| !why.contains("/")), "{now}");
            break;
        }
        watch.recv().await.expect("a change");
    }
}

fn audit_begin() -> store::AuditBegin {
    store::AuditBegin {
        actor: String::new(),
        method: "sign-in".to_owned(),
        session: None,
        ip: None,
        trace_id: String::new(),
        action: String::new(),
        resource: String::new(),
    }
}

fn session() -> store::Session {
    store::Session {
        hash: String::new(),
        user: "ad".to_owned(),
        role: Role::Admin,
        csrf: "0".repeat(32),
        created_at: crate::app::now(),
        last_used: crate::app::now(),
    }
}

/// Makes zones until there is no room for another; gives what was made.
async fn fill_the_disk(site: &Site) -> Vec<String> {
    let mut filling = Vec::new();
    while filling.len() < 900 {
        let cidrs = (0..250).map(|n| format!("10.{}.{n}.0/24", filling.len() % 250)).collect();
        let name = format!("zone {}", filling.len());
        let spec = store::ZoneSpec { name, purdue: None, cidrs, vlans: vec![] };
        match site.store.create_zone(spec).await {
            Ok(id) => filling.push(id),
            Err(error) => {
                assert!(error.is_of_disk(), "{error}");
                break;
            }
        }
    }
    // What is smaller than a zone finds room in pages of its own for a while.
    for number in 0.. {
        let begin = store::AuditBegin { actor: "filler".to_owned(), ..audit_begin() };
        let session = store::Session { hash: format!("{number:064}"), ..session() };
        let tried =
            (site.store.create_session(session, None).await, site.store.audit_begin(begin).await);
        if tried.0.is_err() && tried.1.is_err() {
            break;
        }
    }
    filling
}

#[tokio::test]
async fn who_signs_in_while_the_disk_is_full_may_look_and_is_on_the_chain_when_it_is_not() {
    let site = Site::on(Some(700 << 10), |_| {}).await;
    let before = site.sign_in("an").await;
    let filling = fill_the_disk(&site).await;
    let records = site.audited().await;
    let wrong = json!({"user": "vi", "password": "guess guess guess"});
    let wrong = site.call(&As::default(), Method::POST, "/session", Some(wrong)).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let (who, gone) = (site.sign_in("ad").await, site.sign_in("an").await);
    let get = async |who: &As| site.call(who, Method::GET, "/me", None).await.status();
    assert_eq!((get(&who).await, get(&gone).await), (StatusCode::OK, StatusCode::OK));
    let change = site.call(&who, Method::POST, "/findings/fnd_1:unmute", None).await;
    assert_eq!(change.status(), StatusCode::INSUFFICIENT_STORAGE);
    for ended in [&before, &gone] {
        let out = site.call(ended, Method::DELETE, "/session", None).await;
        assert_eq!(out.status(), StatusCode::NO_CONTENT);
        assert_eq!(get(ended).await, StatusCode::UNAUTHORIZED);
    }
    site.app.meanwhile.settle(&site.store).await.expect_err("there is no room yet");
    assert_eq!(get(&who).await, StatusCode::OK);

    for id in &filling {
        site.store.delete_zone(id, 1).await.expect("nothing new is written");
    }
    site.app.meanwhile.settle(&site.store).await.expect("room");
    let (all, _) = site.store.audit(None, None, 1_000).await.expect("reads");
    let told = all.iter().rev().skip(records).map(|record| {
        let (_, end) = record.end.clone().expect("completed");
        assert!(end.reason.is_some_and(|why| why.contains("no room")), "{record:?}");
        (record.begin.actor.clone(), end.result)
    });
    let tried = [("vi", "denied"), ("ad", "done"), ("an", "done")];
    let expected = tried.into_iter().chain([("an", "done"); 2]);
    assert_eq!(
        told.collect::<Vec<_>>(),
        expected.map(|(a, b)| (a.to_owned(), b.to_owned())).collect::<Vec<_>>()
    );
    assert_eq!(get(&who).await, StatusCode::OK);
    assert_eq!(
        (get(&before).await, get(&gone).await),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    // It has a row now, and ends like any other.
    let hash = |who: &As| crate::secret::sha256(who.secret().as_bytes());
    assert!(site.store.session(&hash(&who)).await.expect("reads").is_some());
    for ended in [&before, &gone] {
        assert!(site.store.session(&hash(ended)).await.expect("reads").is_none());
    }
}

#[tokio::test]
async fn a_capture_left_half_parsed_is_told_of_once() {
    let site = Site::new().await;
    let new = store::NewCapture {
        file: "x.pcap".to_owned(),
        size_bytes: 10,
        sha256: "0".repeat(64),
        uploaded_by: "an".to_owned(),
        read_as: None,
    };
    let id = site.store.create_capture(new).await.expect("made");
    let left = site.store.captures_in_parsing().await.expect("reads");
    assert_eq!(left, std::slice::from_ref(&id));
    site.app.meanwhile.interrupted([left, vec!["cap_gone".to_owned()]].concat());
    site.app.meanwhile.settle(&site.store).await.expect("room");
    let capture = site.store.capture(&id).await.expect("reads");
    assert!(capture.detail.is_some_and(|why| why.contains("upload it again")));
    assert_eq!(site.store.captures_in_parsing().await.expect("reads").len(), 0);
}

#[tokio::test]
async fn how_a_run_ended_is_noted_once_there_is_room() {
    let site = Site::on(Some(700 << 10), |_| {}).await;
    let run = store::NewRun { kind: "restore", cause: "person", ..store::NewRun::default() };
    let run = site.store.create_run(run).await.expect("room");
    site.store.start_run(&run).await.expect("room");
    let filling = fill_the_disk(&site).await;
    let state = Some(store::RunState::Complete);
    let report = Some(json!("x".repeat(64 << 10)));
    let end = store::RunEnd { state, report, ..store::RunEnd::default() };
    let refused = site.store.finish_run(&run, end.clone()).await.expect_err("no room");
    assert!(refused.is_of_disk(), "{refused}");
    let note = async |end: store::RunEnd| {
        let mut stops = site.stop.subscribe();
        reconcile::note_end(&site.app, &run, end, &mut stops).await
    };
    let free = async {
        for id in &filling {
            // It may share a commit with what is still too much.
            while let Err(error) = site.store.delete_zone(id, 1).await {
                assert!(error.is_of_disk(), "{error}");
            }
        }
    };
    let (noted, ()) = tokio::join!(note(end.clone()), free);
    noted.expect("there is room");
    let row = site.store.run(&run).await.expect("there");
    assert_eq!(row.state, store::RunState::Complete);
    // A server that stops waits for no room.
    fill_the_disk(&site).await;
    site.stop.send_replace(true);
    note(store::RunEnd { report: Some(json!("y".repeat(128 << 10))), ..end }).await.expect("left");
}

#[tokio::test]
async fn what_came_of_a_capture_is_noted_once_there_is_room() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::on(Some(700 << 10), |settings| {
        settings.program = settings.data.join("parser");
        let parser = "#!/bin/sh\nhead -c 9000 /dev/zero | tr '\\0' 'x' >&2\nexit 1\n";
        std::fs::write(&settings.program, parser).expect("written");
        let executable = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&settings.program, executable).expect("set");
    })
    .await;
    let new = || store::NewCapture {
        file: "x.pcap".to_owned(),
        size_bytes: 10,
        sha256: "0".repeat(64),
        uploaded_by: "an".to_owned(),
        read_as: None,
    };
    let mut id = site.store.create_capture(new()).await.expect("made");
    let filling = fill_the_disk(&site).await;
    // Until the last row has no room beside it either.
    while let Ok(made) = site.store.create_capture(new()).await {
        id = made;
    }
    let spool = crate::parsing::Spool::new(&site.app.settings.data).await.expect("a file");
    let received = spool.finish().await.expect("written");
    let place = Arc::clone(&site.app.captures_waiting).try_acquire_owned().expect("free");
    crate::parsing::parse(site.app.clone(), id.clone(), (received, None), place).await;
    let state = async || site.store.capture(&id).await.expect("there").state;
    assert_eq!(state().await, store::CaptureState::Parsing);
    for id in &filling {
        site.store.delete_zone(id, 1).await.expect("nothing new is written");
    }
    site.app.meanwhile.settle(&site.store).await.expect("room");
    assert_eq!(state().await, store::CaptureState::Failed);
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_any_more_is_done_and_its_record_ends() {
    let site = Site::new().await;
    let who = site.sign_in("ad").await;
    let before = site.audited().await;
    let (said, body) = tokio::sync::mpsc::unbounded_channel::<String>();
    let body = futures_util::stream::unfold(body, |mut body| async move {
        Some((Ok::<_, std::io::Error>(body.recv().await?), body))
    });
    let request = || {
        let request = site.request(&who, Method::POST, "/zones").header("idempotency-key", "one");
        request.header(header::CONTENT_TYPE, "application/json")
    };
    let begun = async {
        while site.audited().await == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = site.send(request().body(Body::from_stream(body)).expect("a request")) => {
            panic!("its body did not come yet")
        }
        () = begun => {}
    }
    let zone = json!({"name": "Line 2", "cidrs": ["10.2.0.0/16"]}).to_string();
    said.send(zone.clone()).expect("somebody reads");
    drop(said);
    let record = loop {
        let (all, _) = site.store.audit(None, None, 1_000).await.expect("reads");
        match all.into_iter().find(|record| record.begin.action == "POST /zones") {
            Some(record) if record.end.is_some() => break record,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(record.end.map(|(_, end)| end.result).as_deref(), Some("done"));
    let again = site.send(request().body(Body::from(zone)).expect("a request")).await;
    assert_eq!(again.status(), StatusCode::CREATED, "the first answer");
    assert_eq!(site.store.zones().await.expect("reads").len(), 1);
}

#[tokio::test]
async fn a_session_that_waits_for_room_ends_with_its_users_right_to_it() {
    let site = Site::on(Some(700 << 10), |_| {}).await;
    let filling = fill_the_disk(&site).await;
    let who = site.sign_in("vi").await;
    let status = async || site.call(&who, Method::GET, "/me", None).await.status();
    assert_eq!(status().await, StatusCode::OK);
    for id in &filling {
        site.store.delete_zone(id, 1).await.expect("nothing new is written");
    }
    let disabled = store::UserPatch { disabled: Some(true), ..store::UserPatch::default() };
    site.store.patch_user("vi", 1, disabled).await.expect("room");
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    site.app.meanwhile.settle(&site.store).await.expect("room");
    let enabled = store::UserPatch { disabled: Some(false), ..store::UserPatch::default() };
    site.store.patch_user("vi", 2, enabled).await.expect("room");
    assert_eq!(status().await, StatusCode::UNAUTHORIZED, "it got no row");
}

#[tokio::test]
async fn health_says_since_when_nothing_is_saved_and_afterwards_what_is_missing() {
    let site = Site::on(Some(700 << 10), |_| {}).await;
    let who = site.sign_in("vi").await;
    let hello = json!({"kind": "hello", "version": 1, "sensor": "line 2", "interface": "eth0",
        "started_at": "2026-01-01T00:00:00Z"});
    let hello: Insight = serde_json::from_value(hello).expect("an insight");
    site.store.take("line 2", Time::from_secs(1), vec![hello]).await.expect("room");
    let filling = fill_the_disk(&site).await;
    let since = Time::from_secs(1_700_000_000);
    let unsaved = |waits| store::Unsaved { since, reason: "no space".into(), waits, lost: 3 };
    site.store.cannot_save("line 2", unsaved(store::Waits::Here(40))).await;
    let health = read(site.call(&who, Method::GET, "/health", None).await).await;
    assert_eq!(health["state"], "failed");
    let check = |health: &Value, name: &str| {
        let checks = health["checks"].as_array().expect("a list").clone();
        checks.into_iter().find(|check| check["name"] == name).unwrap_or_default()
    };
    let database = check(&health, "database");
    let detail = database["detail"].as_str().expect("text");
    let says = "nothing is saved: the database has reached storage.database_mib_max (0 MiB); ";
    assert!(detail.starts_with(says), "{detail}");
    assert!(Time::parse(database["since"].as_str().expect("since when")).is_some());
    let sensors = check(&health, "sensors");
    assert_eq!(sensors["detail"], "what they say is not saved: line 2");
    assert_eq!(sensors["since"], json!(since));
    let listed = read(site.call(&who, Method::GET, "/sensors", None).await).await;
    let told = json!({"since": since, "reason": "no space", "waiting": 40, "lost": 3});
    assert_eq!(listed["items"][0]["unsaved"], told);
    site.store.cannot_save("line 2", unsaved(store::Waits::There)).await;
    let listed = read(site.call(&who, Method::GET, "/sensors", None).await).await;
    assert_eq!(listed["items"][0]["unsaved"]["waiting"], Value::Null);

    for id in &filling {
        site.store.delete_zone(id, 1).await.expect("nothing new is written");
    }
    site.store.saves_again("line 2").await;
    let (from, until) = (crate::app::now().plus_secs(-600), crate::app::now());
    let reason = "no space".to_owned();
    let gap = store::Gap { from, until, reason, late: Some(40), lost: Some(3) };
    site.store.keep_gap("line 2", gap).await.expect("room");
    let health = read(site.call(&who, Method::GET, "/health", None).await).await;
    assert_eq!(health["state"], "warning");
    assert_eq!(check(&health, "database")["state"], "ok");
    let kept = check(&health, "kept");
    let detail = kept["detail"].as_str().expect("text");
    assert!(detail.contains("nothing was saved between "), "{detail}");
    let says = "sensor line 2: 3 reports not kept, 40 saved late between ";
    assert!(detail.contains(says), "{detail}");
    assert_eq!(kept["since"], json!(from));
    let listed = read(site.call(&who, Method::GET, "/sensors", None).await).await;
    let row = &listed["items"][0];
    assert_eq!((&row["unsaved"], &row["gaps"][0]["lost"]), (&Value::Null, &json!(3)));
}
