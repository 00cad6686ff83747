//! Recovery plans and drills from outside: checked, drilled, confirmed, reported.
//!
//! The worker is a script that says what a real one says; the real one has tests of its own.

use super::{
    tests::{As, Site},
    tests_protection::{get, plan, post, site},
};
use crate::protect::lanes;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

const PLAN: &str = "name = \"line 4\"";

async fn made(site: &Site, who: &As) -> String {
    post(site, who, "/vault", json!({})).await;
    let (status, plan) = post(site, who, "/recovery-plans", json!({"text": PLAN})).await;
    assert_eq!(status, StatusCode::CREATED, "{plan}");
    plan["id"].as_str().expect("an id").to_owned()
}

/// The run when it has come to what is looked for.
async fn when(site: &Site, who: &As, run: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut changes = site.store.watch();
    loop {
        let row = get(site, who, &format!("/runs/{run}")).await;
        if fits(&row) {
            return row;
        }
        changes.recv().await.expect("a change");
    }
}

#[tokio::test]
async fn a_plan_is_checked_by_the_vault_and_guarded_by_its_etag() {
    let (site, admin) = site().await;
    let answer = post(&site, &admin, "/recovery-plans", json!({"text": PLAN})).await;
    assert_eq!((answer.0, &answer.1["code"]), (StatusCode::CONFLICT, &json!("no-vault")));
    let id = made(&site, &admin).await;
    let wrong = post(&site, &admin, "/recovery-plans", json!({"text": "nonsense"})).await;
    assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.1["errors"][0]["path"], "text", "{}", wrong.1);
    let plan = get(&site, &admin, &format!("/recovery-plans/{id}")).await;
    assert_eq!((&plan["name"], &plan["steps"][0]["kind"]), (&json!("line 4"), &json!("manual")));
    assert_eq!(plan["problems"], json!(["no people"]));
    let again = post(&site, &admin, &format!("/recovery-plans/{id}:check"), json!({})).await;
    assert_eq!((again.0, &again.1["generation"]), (StatusCode::OK, &json!(1)));
    let put = site
        .request(&admin, Method::PUT, &format!("/recovery-plans/{id}"))
        .header(header::IF_MATCH, "\"9\"")
        .header(header::CONTENT_TYPE, "application/json")
        .body(json!({"text": PLAN, "every_days": 30}).to_string().into())
        .expect("a request");
    assert_eq!(site.send(put).await.status(), StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn a_drill_is_followed_live_waits_for_a_person_and_leaves_a_report() {
    let (site, admin) = site().await;
    let id = made(&site, &admin).await;
    let drill = format!("/recovery-plans/{id}:drill");
    let (status, run) = post(&site, &admin, &drill, json!({"attended": true})).await;
    assert_eq!((status, &run["kind"]), (StatusCode::ACCEPTED, &json!("drill")));
    assert_eq!(post(&site, &admin, &drill, json!({})).await.0, StatusCode::CONFLICT);
    let run = run["id"].as_str().expect("an id").to_owned();
    let confirm = format!("/runs/{run}:confirm");
    let early = post(&site, &admin, &confirm, json!({"step": "a / look"})).await;
    assert_eq!((early.0, &early.1["code"]), (StatusCode::CONFLICT, &json!("not-waiting")));
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    let waiting = |row: &Value| row["drill"]["waiting"].is_object();
    let row = when(&site, &admin, &run, waiting).await;
    assert_eq!(row["drill"]["waiting"]["step"], "a / look");
    let step = json!({"step": "a / look"});
    let approved = post(&site, &admin, &format!("/runs/{run}:approve"), step.clone()).await;
    assert_eq!((approved.0, &approved.1["code"]), (StatusCode::CONFLICT, &json!("another-word")));
    assert_eq!(post(&site, &admin, &confirm, step).await.0, StatusCode::ACCEPTED);
    let row = when(&site, &admin, &run, |row| row["state"] == "complete").await;
    assert_eq!((&row["drill"]["ok"], &row["drill"]["rto_ms"]), (&json!(true), &json!(1200)));
    let plan = get(&site, &admin, &format!("/recovery-plans/{id}")).await;
    assert!(plan["passed_at"].is_string() && plan["last"]["id"] == run.as_str(), "{plan}");
    let page = site.call(&admin, Method::GET, &format!("/runs/{run}/report"), None).await;
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
}

#[tokio::test]
async fn a_backup_on_schedule_waits_for_no_drill_and_no_proof() {
    let (site, admin) = site().await;
    let id = made(&site, &admin).await;
    let drill = format!("/recovery-plans/{id}:drill");
    let drill = post(&site, &admin, &drill, json!({"attended": true})).await.1;
    let drill = drill["id"].as_str().expect("an id").to_owned();
    let mut changes = site.store.watch();
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    // It waits for a person, as a long one would go on.
    when(&site, &admin, &drill, |row| row["drill"]["waiting"].is_object()).await;
    let made = post(&site, &admin, "/plans", plan("Press", "files:/x")).await;
    assert_eq!(made.0, StatusCode::CREATED, "{}", made.1);
    let backup = loop {
        let runs = get(&site, &admin, "/runs?kind=backup").await;
        if runs["items"][0]["state"] == "complete" {
            break runs["items"][0].clone();
        }
        changes.recv().await.expect("a change");
    };
    assert_eq!(backup["cause"], "schedule");
    // A proof waits for the drill: both read all of a snapshot.
    let path = format!("/snapshots/{}:verify", backup["snapshot"].as_str().expect("an id"));
    let proof = post(&site, &admin, &path, json!({"level": 2})).await.1;
    let proof = proof["id"].as_str().expect("an id").to_owned();
    let row = get(&site, &admin, &format!("/runs/{drill}")).await;
    assert_eq!(row["state"], "running", "{row}");
    let step = json!({"step": "a / look"});
    let confirmed = post(&site, &admin, &format!("/runs/{drill}:confirm"), step).await;
    assert_eq!(confirmed.0, StatusCode::ACCEPTED);
    let drilled = when(&site, &admin, &drill, |row| row["state"] == "complete").await;
    let proven = when(&site, &admin, &proof, |row| row["state"] == "complete").await;
    let time = |row: &Value, name: &str| row[name].as_str().expect("a time").to_owned();
    assert!(time(&proven, "started_at") >= time(&drilled, "finished_at"), "{proven} {drilled}");
    assert!(time(&backup, "finished_at") < time(&drilled, "finished_at"));
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
}
