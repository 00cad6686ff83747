//! Copies of the vault from outside: made, carried out, told when late or meddled with.
//!
//! The worker is a script that says what a real one says; the real one has tests of its own.

use super::{
    tests::{As, Site, read},
    tests_protection::{get, post, site},
};
use crate::{
    app::now,
    protect::{copying, lanes},
};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

fn copy(name: &str, address: &str) -> Value {
    json!({"spec": {"name": name, "address": address, "lock": "compliance"},
           "secret": "AKID:very secret"})
}

/// Waits until a copy stands so.
async fn until(site: &Site, admin: &As, path: &str, state: &str) -> Value {
    let mut changes = site.store.watch();
    loop {
        let row = get(site, admin, path).await;
        if row["state"] == state {
            return row;
        }
        changes.recv().await.expect("a change");
    }
}

#[tokio::test]
async fn a_copy_is_made_by_itself_and_its_secret_is_never_given_back() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let asked = copy("Store", "s3:https://store/plant/press");
    let (status, made) = post(&site, &admin, "/copies", asked.clone()).await;
    assert_eq!((status, &made["state"]), (StatusCode::CREATED, &json!("waiting")));
    let id = made["id"].as_str().expect("an id");
    let file = copying::secret_file(&site.app.settings.data, id);
    let mode = std::fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!((mode & 0o777, made["has_secret"].as_bool()), (0o600, Some(true)));
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    let path = format!("/copies/{id}");
    let row = until(&site, &admin, &path, "whole").await;
    assert!(row["copied_at"].is_string() && row["next_at"].is_string(), "{row}");
    assert_eq!(get(&site, &admin, "/protection").await["copies"][0]["state"], "whole");
    let told = [
        get(&site, &admin, "/copies").await,
        get(&site, &admin, "/runs").await,
        get(&site, &admin, "/audit").await,
    ];
    assert!(told.iter().all(|value| !value.to_string().contains("very secret")));
    // A change needs the generation it is of; the secret stays as it was.
    let again = json!({"spec": asked["spec"]});
    let answer = site.call(&admin, Method::PUT, &path, Some(again)).await;
    assert_eq!(answer.status(), StatusCode::PRECONDITION_REQUIRED);
    let (_, run) = post(&site, &admin, &format!("{path}:run"), json!({})).await;
    assert_eq!((&run["kind"], &run["cause"]), (&json!("copy"), &json!("person")));
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
}

#[tokio::test]
async fn a_copy_that_fails_says_why_and_is_a_finding_when_it_is_late() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let (_, made) = post(&site, &admin, "/copies", copy("Far", "s3:https://broken/b")).await;
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    let path = format!("/copies/{}", made["id"].as_str().expect("an id"));
    let row = until(&site, &admin, &path, "failing").await;
    assert_eq!(row["reason"], "no route to the store");
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
    assert_eq!(get(&site, &admin, "/findings").await["items"], json!([]));
    let later = now().plus_secs(6 * 3_600);
    for _ in 0..2 {
        copying::queue(&site.app, &[], later).await.expect("looked");
    }
    let found = get(&site, &admin, "/findings").await["items"].clone();
    assert_eq!(found[0]["detector"], "copy-late", "{found}");
    assert_eq!(found[0]["title"], "Copy of the vault is late: Far");
    assert_eq!(found.as_array().map(Vec::len), Some(1), "said once");
}

#[tokio::test]
async fn what_somebody_did_at_the_store_is_a_finding_though_it_was_set_right() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let (_, made) = post(&site, &admin, "/copies", copy("Met", "s3:https://touched/b")).await;
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    let path = format!("/copies/{}", made["id"].as_str().expect("an id"));
    let row = until(&site, &admin, &path, "attention").await;
    assert!(row["copied_at"].is_string(), "all is there: {row}");
    let found = get(&site, &admin, "/findings").await["items"].clone();
    assert_eq!(
        (&found[0]["detector"], &found[0]["severity"]),
        (&json!("copy-meddled"), &json!("high"))
    );
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
}

#[tokio::test]
async fn a_copy_is_checked_and_only_an_administrator_makes_one() {
    let (site, admin) = site().await;
    let cases = [
        ("address", json!({"spec": {"name": "x", "address": "ftp://h", "lock": "none"}})),
        ("lock", json!({"spec": {"name": "x", "address": "s3:https://h/b"}})),
        (
            "secret",
            json!({"spec": {"name": "x", "address": "s3:https://h/b", "lock": "none"},
                          "secret": "no colon"}),
        ),
    ];
    for (member, body) in cases {
        let (status, fault) = post(&site, &admin, "/copies", body).await;
        assert!(status.is_client_error() && fault.to_string().contains(member), "{fault}");
    }
    let analyst = site.sign_in("an").await;
    let asked = copy("Store", "s3:https://store/plant");
    let answer = site.call(&analyst, Method::POST, "/copies", Some(asked)).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(read(answer).await["items"], Value::Null);
}
