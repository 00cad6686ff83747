//! Who signs in, and what ends that, from outside.

use super::tests::{As, PASSWORD, Site, read, text};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
    response::Response,
};
use serde_json::json;
use std::time::Duration;
use store::{AuditAsked, Role};

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
async fn who_guesses_passwords_keeps_nobody_from_their_link() {
    let site = Site::new().await;
    let token = crate::secret::link_token("ad");
    let later = crate::app::now().plus_secs(60);
    let hash = crate::secret::sha256(token.as_bytes());
    site.store.create_once("ad", hash, later).await.expect("made");
    let post = async |path: &str, body| {
        site.call(&As::default(), Method::POST, path, Some(body)).await.status()
    };
    for _ in 0..6 {
        post("/session", json!({"user": "ad", "password": "guess guess guess"})).await;
    }
    let wrong = json!({"token": "ad.0", "password": PASSWORD});
    assert_eq!(post("/session:redeem", wrong.clone()).await, StatusCode::UNAUTHORIZED);
    let right = json!({"token": token, "password": PASSWORD});
    assert_eq!(post("/session:redeem", right).await, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(post("/session:redeem", wrong.clone()).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(post("/session:redeem", wrong).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_stranger_who_guesses_keeps_nobody_from_their_own_desk() {
    let site = Site::new().await;
    let try_from = async |last: u8, password: &str| {
        let body = json!({"user": "ad", "password": password}).to_string();
        let request = site.request(&As::default(), Method::POST, "/session");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let mut request = request.body(Body::from(body)).expect("a request");
        let peer = std::net::SocketAddr::from(([10, 0, 0, last], 50_000));
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        site.send(request).await.status()
    };
    let (desk, stranger, another) = (5, 66, 7);
    assert_eq!(try_from(desk, PASSWORD).await, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(try_from(stranger, "guess guess guess").await, StatusCode::UNAUTHORIZED);
    }
    // Whoever guesses from many places at once is one guesser at that name.
    assert_eq!(try_from(another, PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(try_from(desk, PASSWORD).await, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(try_from(desk, "guess guess guess").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(try_from(desk, PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
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
    let (all, _) = site.store.audit(&AuditAsked::default(), None, 1_000).await.expect("reads");
    let ended = all.iter().filter(|record| record.end.is_some()).count();
    assert_eq!(ended, before + 5);
}

#[tokio::test]
async fn a_name_that_nobody_has_is_one_plain_line_in_the_audit() {
    let site = Site::new().await;
    let admin = site.sign_in("ad").await;
    let hostile = "=1+1\n{\"level\":\"ERROR\"}\r\n\u{1b}[31m\u{202e}";
    let body = json!({"user": hostile, "password": "long horse battery"});
    site.call(&As::default(), Method::POST, "/session", Some(body)).await;
    let (all, _) = site.store.audit(&AuditAsked::default(), None, 10).await.expect("reads");
    let actor = &all[0].begin.actor;
    assert_eq!(actor, "=1+1\u{fffd}{\"level\":\"ERROR\"}\u{fffd}\u{fffd}\u{fffd}[31m\u{fffd}");
    // A row from before that was so is shown plainly and keeps its hash.
    let mut old = all[0].clone();
    old.begin.actor = hostile.to_owned();
    let shown = super::dto::AuditRecord::from(old);
    assert_eq!((&shown.actor, shown.hash), (actor, all[0].hash.clone()));
    let page = read(site.call(&admin, Method::GET, "/audit", None).await).await;
    assert_eq!(page["chain_intact"], true);
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
async fn findings_can_be_given_to_those_who_may_work_on_them() {
    let site = Site::new().await;
    let (viewer, admin) = (site.sign_in("vi").await, site.sign_in("ad").await);
    for (name, role) in [("zoe", "analyst"), ("bert", "analyst"), ("vera", "viewer")] {
        let new = json!({"name": name, "role": role, "password": "a long pass phrase 1"});
        let made = site.call(&admin, Method::POST, "/users", Some(new)).await;
        assert_eq!(made.status(), StatusCode::CREATED, "{name}");
    }
    let request = site.request(&admin, Method::PATCH, "/users/bert");
    let request = request.header(header::IF_MATCH, "\"1\"");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(json!({"disabled": true}).to_string()));
    assert_eq!(site.send(request.expect("a request")).await.status(), StatusCode::OK);
    let owners = read(site.call(&admin, Method::GET, "/owners", None).await).await;
    let names = owners["items"].as_array().expect("names").clone();
    assert!(names.contains(&json!("ad")) && names.contains(&json!("zoe")), "{owners}");
    assert!(!names.iter().any(|name| ["vi", "vera", "bert"].map(|n| json!(n)).contains(name)));
    let refused = site.call(&viewer, Method::GET, "/owners", None).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
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
    let (all, _) = site.store.audit(&AuditAsked::default(), None, 3).await.expect("reads");
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
async fn a_token_makes_none_that_outlives_it_and_revokes_none_of_a_greater_role() {
    let site = Site::new().await;
    let who = site.sign_in("ad").await;
    let make = async |role: &str, days: u32| {
        let body = json!({"name": role, "role": role, "days": days});
        read(site.call(&who, Method::POST, "/tokens", Some(body)).await).await
    };
    let (lost, greater) = (make("viewer", 3).await, make("admin", 90).await);
    let with_lost = async |method: Method, path: &str, body: &str| {
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let secret = lost["secret"].as_str().expect("shown once");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        site.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    };
    let body = json!({"name": "next", "role": "viewer", "days": 366}).to_string();
    let made = read(with_lost(Method::POST, "/tokens", &body).await).await;
    assert_eq!(made["expires_at"], lost["expires_at"], "{made}");
    let path = |token: &serde_json::Value| format!("/tokens/{}", token["id"].as_str().expect("id"));
    let denied = with_lost(Method::DELETE, &path(&greater), "").await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    let own = with_lost(Method::DELETE, &path(&made), "").await;
    assert_eq!(own.status(), StatusCode::NO_CONTENT);
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
async fn everybody_changes_their_own_password_with_the_one_they_have() {
    let site = Site::new().await;
    let (here, elsewhere) = (site.sign_in("vi").await, site.sign_in("vi").await);
    let new = "a quite different sentence";
    let change = async |who: &As, current: &str, password: &str| {
        let body = json!({"current": current, "password": password});
        site.call(who, Method::POST, "/me:password", Some(body)).await
    };
    for (current, password, path) in [
        ("guess guess guess", new, "current"),
        (PASSWORD, "short", "password"),
        (PASSWORD, PASSWORD, "password"),
    ] {
        let answer = change(&here, current, password).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        assert_eq!(read(answer).await["errors"][0]["path"], path, "{password}");
    }
    let done = change(&here, PASSWORD, new).await;
    assert_eq!(done.status(), StatusCode::OK);
    let cookie = done.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
    let csrf = read(done).await["csrf"].as_str().map(str::to_owned);
    let again = As::with(cookie.split(';').next(), csrf);
    let me = async |who: &As| site.call(who, Method::GET, "/me", None).await.status();
    assert_eq!(
        (me(&again).await, me(&here).await, me(&elsewhere).await),
        (StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED),
        "what was signed in with the old one has ended"
    );
    let sign_in = async |password: &str| {
        let body = json!({"user": "vi", "password": password});
        site.call(&As::default(), Method::POST, "/session", Some(body)).await.status()
    };
    let both = (sign_in(PASSWORD).await, sign_in(new).await);
    assert_eq!(both, (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let (all, _) = site.store.audit(&super::tests::by("vi"), None, 1_000).await.expect("reads");
    let all = format!("{all:?}");
    assert!(all.contains("password_changed") && !all.contains(new) && !all.contains(PASSWORD));
}

#[tokio::test]
async fn own_password_is_not_guessed_at_an_open_desk_nor_changed_by_a_token() {
    let site = Site::new().await;
    let who = site.sign_in("vi").await;
    let body = || Some(json!({"current": "guess guess guess", "password": "another sentence"}));
    let guess = async || site.call(&who, Method::POST, "/me:password", body()).await.status();
    for _ in 0..5 {
        assert_eq!(guess().await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(guess().await, StatusCode::TOO_MANY_REQUESTS);
    let token = json!({"name": "t", "role": "viewer"});
    let made = read(site.call(&who, Method::POST, "/tokens", Some(token)).await).await;
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let request = site.request(&As::default(), Method::POST, "/me:password");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let body = json!({"current": PASSWORD, "password": "another sentence"}).to_string();
    let answer = site.send(request.body(Body::from(body)).expect("a request")).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}
