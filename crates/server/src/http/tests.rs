//! The API from outside: rights, audit, preconditions, forms, streams.

use super::routes::{Access, Route, service, table};
use crate::{
    app::{App, NoSensors},
    limits::WATCHERS_OF_ONE_MAX,
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
use store::{AuditAsked, Role, Store};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;

pub(super) const PASSWORD: &str = "correct horse battery";

pub(super) struct Site {
    _dir: TempDir,
    pub(super) store: Store,
    pub(super) app: crate::app::Shared,
    router: Router,
    pub(super) stop: watch::Sender<bool>,
}

/// What one user did.
pub(super) fn by(user: &str) -> AuditAsked {
    AuditAsked { actor: Some(user.to_owned()), ..AuditAsked::default() }
}

/// Who calls in a test.
#[derive(Clone, Default)]
pub(super) struct As {
    cookie: Option<String>,
    csrf: Option<String>,
}

impl As {
    pub(super) fn with(cookie: Option<&str>, csrf: Option<String>) -> As {
        As { cookie: cookie.map(str::to_owned), csrf }
    }

    pub(super) fn secret(&self) -> &str {
        self.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).unwrap_or_default().1
    }
}

impl Site {
    pub(super) async fn new() -> Site {
        Site::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Site {
        Site::on(None, change).await
    }

    /// On a disk of that size.
    pub(super) async fn on(
        database_bytes_max: Option<u64>,
        change: impl FnOnce(&mut Settings),
    ) -> Site {
        let dir = tempfile::tempdir().expect("a directory");
        let quick = store::Settings {
            commit_delay: Duration::ZERO,
            database_bytes_max,
            ..store::Settings::default()
        };
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

    pub(super) async fn audited(&self) -> usize {
        self.store.audit(&AuditAsked::default(), None, 1_000).await.expect("reads").0.len()
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

pub(super) async fn text(answer: Response) -> String {
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
    let (records, _) = site.store.audit(&AuditAsked::default(), None, 1_000).await.expect("reads");
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
    let (records, _) = site.store.audit(&by("an"), None, 10).await.expect("reads");
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
    let (records, _) = site.store.audit(&by("ad"), None, 2).await.expect("reads");
    for record in records {
        let (_, end) = record.end.expect("completed");
        assert_eq!((&*record.begin.action, &*end.result), ("POST /findings/{id}:unmute", "denied"));
    }
    let answer = site.call(&who, Method::POST, "/findings/fnd_1:unmute", None).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_record_of_a_change_of_a_finding_says_which_finding() {
    let site = Site::new().await;
    site.fill().await;
    let who = site.sign_in("ad").await;
    site.call(&who, Method::POST, "/findings/fnd_1:unmute", None).await;
    let page = read(site.call(&who, Method::GET, "/audit?limit=1", None).await).await;
    assert_eq!(page["items"][0]["after"]["title"], "new asset", "{page}");
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
    let one = "/assets?filter=id%20eq%20%22ast_1%22%20and%20name%20eq%20%22=2%2B3%22%20and%20\
               class%20eq%20%22hmi%22&facets=class,vendor";
    let page = read(get(one, "application/json").await).await;
    assert_eq!(page["facets"]["class"], json!([]));
    let page = read(get(&format!("{one}&apart=class"), "application/json").await).await;
    assert_eq!(page["facets"]["class"], json!([{"value": "plc", "count": 1}]));
    assert_eq!((&page["facets"]["vendor"], &page["items"]), (&json!([]), &json!([])));
    let page = read(get("/findings?facets=severity,owner", "application/json").await).await;
    let count = page["items"].as_array().map_or(0, Vec::len);
    assert_eq!(page["facets"]["owner"], json!([{"value": null, "count": count}]));
    assert!(page["facets"]["severity"][0]["value"].is_string(), "{page}");
    let refused = get("/findings?facets=title", "application/json").await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    for list in ["assets", "links", "findings"] {
        for name in ["colour", "ID", "labels.site", "id.x"] {
            let refused = get(&format!("/{list}?fields=id,{name}"), "text/csv").await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
            let problem = read(refused).await;
            let detail = problem["errors"][0]["detail"].as_str().unwrap_or_default();
            let says = format!("there is no member {name:?}; there are ");
            assert!(detail.starts_with(&says) && detail.contains(", id, "), "{problem}");
            assert_eq!(problem["errors"][0]["path"], "fields");
        }
        let whole = text(get(&format!("/{list}"), "application/json").await).await;
        assert_eq!(text(get(&format!("/{list}?fields="), "application/json").await).await, whole);
    }
    let csv = text(get("/assets?fields=id,,name&sort=id", "text/csv").await).await;
    assert_eq!(csv, "id,name\r\nast_1,'=2+3\r\nast_2,\"Filler, left\"\r\n");
    // The columns are there also where no row is.
    let whole = text(get("/assets", "text/csv").await).await;
    let none = text(get("/assets?filter=id%20eq%20%22x%22", "text/csv").await).await;
    assert_eq!(none.lines().collect::<Vec<_>>(), whole.lines().take(1).collect::<Vec<_>>());
    assert!(none.contains(",zone,zone_name\r\n"), "{none}");
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
async fn who_asks_again_while_it_is_done_does_not_have_it_done_twice() {
    let site = Site::new().await;
    let who = site.sign_in("ad").await;
    let upload = |body: Body| {
        let request = site.request(&who, Method::POST, "/captures");
        let request = request.header("idempotency-key", "k1").body(body);
        site.send(request.expect("a request"))
    };
    let (more, pieces) = tokio::sync::mpsc::channel(1);
    let pieces = futures_util::stream::unfold(pieces, |mut pieces| async {
        let piece: Result<&str, std::io::Error> = pieces.recv().await?;
        Some((piece, pieces))
    });
    let impatient = async {
        more.send(Ok("half")).await.expect("it is read");
        while site.app.under_way.lock().expect("free").is_empty() {
            tokio::task::yield_now().await;
        }
        let again = upload(Body::empty()).await;
        drop(more);
        (again.status(), read(again).await["code"].as_str().map(str::to_owned))
    };
    let (first, again) = tokio::join!(upload(Body::from_stream(pieces)), impatient);
    assert_eq!(again, (StatusCode::CONFLICT, Some("idempotency-key-in-use".to_owned())));
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let first = read(first).await;
    assert_eq!(first["file"], "capture", "{first}");
    assert_eq!(read(upload(Body::empty()).await).await, first);
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
async fn the_audit_is_asked_by_time_and_end_and_read_as_a_table() {
    let site = Site::new().await;
    let (viewer, admin) = (site.sign_in("vi").await, site.sign_in("ad").await);
    site.call(&viewer, Method::POST, "/users", Some(json!({}))).await;
    let zone = json!({"name": "=cmd|' /C calc'!A0", "cidrs": ["10.0.0.0/8"]});
    let made = site.call(&admin, Method::POST, "/zones", Some(zone)).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let asked = async |query: &str| {
        let path = format!("/audit?{query}");
        read(site.call(&admin, Method::GET, &path, None).await).await
    };
    let denied = asked("result=denied").await;
    assert_eq!(
        (denied["items"].as_array().map(Vec::len), denied["items"][0]["action"].as_str()),
        (Some(1), Some("POST /users"))
    );
    let at = denied["items"][0]["at"].as_str().expect("a time").to_owned();
    let before = asked(&format!("until={at}")).await;
    let since = asked(&format!("since={at}")).await;
    let all = asked("").await["items"].as_array().map_or(0, Vec::len);
    let count = |page: &Value| page["items"].as_array().map_or(0, Vec::len);
    assert_eq!((count(&before), count(&since)), (2, all - 2), "the two sign-ins were before");
    for wrong in ["result=well", "since=yesterday"] {
        let answer = site.call(&admin, Method::GET, &format!("/audit?{wrong}"), None).await;
        assert!(answer.status().is_client_error(), "{wrong}");
    }
    let request = site.request(&admin, Method::GET, "/audit?limit=1");
    let request = request.header(header::ACCEPT, "text/csv").body(Body::empty());
    let table = site.send(request.expect("a request")).await;
    assert!(table.headers().contains_key(header::LINK), "there is more");
    let table = text(table).await;
    assert!(table.starts_with("seq,at,actor,method,session,ip,action,resource,result,"), "{table}");
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains(",ad,session,") && table.contains("POST /zones"), "{table}");
}

#[tokio::test]
async fn one_user_cannot_hold_all_streams() {
    let site = Site::new().await;
    let who = site.sign_in("vi").await;
    let mut open = Vec::new();
    for _ in 0..WATCHERS_OF_ONE_MAX {
        let stream = site.call(&who, Method::GET, "/watch", None).await;
        assert_eq!(stream.status(), StatusCode::OK);
        open.push(stream);
    }
    // With another session, too: a user is one however often they sign in.
    for who in [&who, &site.sign_in("vi").await] {
        let more = site.call(who, Method::GET, "/watch", None).await;
        assert_eq!(more.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(read(more).await["code"], "too-many-streams");
    }
    let other = site.sign_in("an").await;
    assert_eq!(site.call(&other, Method::GET, "/watch", None).await.status(), StatusCode::OK);
    open.pop();
    assert_eq!(site.call(&who, Method::GET, "/watch", None).await.status(), StatusCode::OK);
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
