//! Protection from outside: plans, a run by a worker, what is refused.
//!
//! The worker is a script that says what a real one says; the real one has tests of its own.

use super::tests::{As, Site, read};
use crate::protect::{lanes, own, reconcile};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::{Value, json};
use std::{os::unix::fs::PermissionsExt, path::Path as FilePath};
use store::{NewRun, RunEnd, RunState};

const SNAPSHOT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const WITHDRAWN: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

const WORKER: &str = include_str!("tests_worker.sh");

pub(super) fn plan(name: &str, source: &str) -> Value {
    json!({"name": name, "subject": name, "sources": [source], "every_minutes": 60,
           "rpo_minutes": 120})
}

pub(super) async fn site() -> (Site, As) {
    let site = Site::with(|settings| {
        settings.program = settings.data.join("worker");
        let worker = WORKER.replace("SNAPSHOT", SNAPSHOT).replace("WITHDRAWN", WITHDRAWN);
        std::fs::write(&settings.program, worker).expect("written");
        let executable = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&settings.program, executable).expect("set");
        settings.suggested_plans = vec![plan("Control plane", "files:/x")];
    })
    .await;
    let admin = site.sign_in("ad").await;
    (site, admin)
}

pub(super) async fn post(site: &Site, who: &As, path: &str, body: Value) -> (StatusCode, Value) {
    let answer = site.call(who, Method::POST, path, Some(body)).await;
    (answer.status(), read(answer).await)
}

pub(super) async fn get(site: &Site, who: &As, path: &str) -> Value {
    read(site.call(who, Method::GET, path, None).await).await
}

#[tokio::test]
async fn without_a_vault_each_answer_says_what_to_do_first() {
    let (site, admin) = site().await;
    let overview = get(&site, &admin, "/protection").await;
    assert_eq!(overview["vault"], Value::Null);
    let answer = site.call(&admin, Method::GET, "/vault", None).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert_eq!(read(answer).await["code"], "no-vault");
    assert_eq!(get(&site, &admin, "/snapshots").await["items"], json!([]));
    assert_eq!(get(&site, &admin, "/plans").await["suggestions"][0]["name"], "Control plane");
}

#[tokio::test]
async fn one_click_makes_vault_and_plan_and_the_plan_is_carried_out() {
    let (site, admin) = site().await;
    let (status, vault) = post(&site, &admin, "/vault", json!({"with_plans": true})).await;
    assert_eq!((status, vault["entries"].as_u64()), (StatusCode::CREATED, Some(2)));
    assert_eq!(post(&site, &admin, "/vault", json!({})).await.0, StatusCode::CONFLICT);
    let mut changes = site.store.watch();
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    let run = loop {
        let runs = get(&site, &admin, "/runs?kind=backup").await;
        if runs["items"][0]["state"] == "complete" {
            break runs["items"][0].clone();
        }
        changes.recv().await.expect("a change");
    };
    assert_eq!((run["snapshot"].as_str(), run["bytes_stored"].as_u64()), (Some(SNAPSHOT), Some(5)));
    let row = get(&site, &admin, "/coverage").await["items"][0].clone();
    assert_eq!(
        (row["name"].as_str(), row["state"].as_str()),
        (Some("Control plane"), Some("protected"))
    );
    let snapshots = get(&site, &admin, "/snapshots").await;
    assert_eq!(snapshots["items"][0]["target"], "Control plane");
    let path = format!("/snapshots/{SNAPSHOT}:verify");
    assert_eq!(post(&site, &admin, &path, json!({"level": 2})).await.0, StatusCode::ACCEPTED);
    loop {
        let row = get(&site, &admin, "/coverage").await["items"][0].clone();
        if row["proven_level"] == 2 {
            break;
        }
        changes.recv().await.expect("a change");
    }
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
}

#[tokio::test]
async fn what_the_server_keeps_of_itself_is_shown_to_admins_alone() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let analyst = site.sign_in("an").await;
    let data = site.app.settings.data.display().to_string();
    let ask = async |who: &As, what: &str| {
        let path = format!("/snapshots/{SNAPSHOT}/{what}");
        site.call(who, Method::GET, &path, None).await.status()
    };
    // The worker of these tests shows nothing to whoever may ask.
    let (shown, denied) = (StatusCode::CONFLICT, StatusCode::FORBIDDEN);
    for path in [format!("{data}/tls/ca.key"), format!("{}/tls", &data[1..])] {
        let what = format!("file?path={path}");
        assert_eq!((ask(&analyst, &what).await, ask(&admin, &what).await), (denied, shown));
    }
    assert_eq!(ask(&analyst, &format!("tree?at={data}/tls")).await, denied);
    // What only the worker sees: another host's backup of what a control plane kept there.
    for what in ["file?path=/host/data/tls/ca.key", "tree?at=/host/data"] {
        assert_eq!((ask(&analyst, what).await, ask(&admin, what).await), (denied, shown), "{what}");
    }
    assert_eq!(ask(&analyst, "tree?at=/host").await, shown);
    let diff = format!("diff?before={SNAPSHOT}");
    let worker = std::fs::read_to_string(&site.app.settings.program).expect("there");
    // The folder that the data lay in before they were moved.
    own::remember(&site.store, FilePath::new("/srv/before")).await.expect("room");
    for (now, source, file, of_all) in [
        (&worker, "files:/x".to_owned(), shown, denied),
        (&plain(&worker), "files:/x".to_owned(), shown, shown),
        (&plain(&worker), format!("files:{data}/tls"), denied, denied),
        (&plain(&worker), format!("sqlite:{data}/spandrel.db"), denied, denied),
        (&plain(&worker), "files:/".to_owned(), shown, denied),
        (&plain(&worker), "files:/srv/before/tls".to_owned(), denied, denied),
    ] {
        let worker = now.replace("files:/x", &source);
        std::fs::write(&site.app.settings.program, worker).expect("written");
        site.app.protect.changed().await;
        let asked = (ask(&analyst, "file?path=/x/a").await, ask(&analyst, &diff).await);
        assert_eq!(asked, (file, of_all), "{source}");
        assert_eq!(ask(&admin, &diff).await, shown, "{source}");
        assert_eq!(ask(&analyst, "file?path=/srv/before/tls/ca.key").await, denied);
    }
    let of_plan = plain(&worker).replace(r#""asset":"press""#, r#""asset":"Control plane""#);
    std::fs::write(&site.app.settings.program, of_plan).expect("written");
    site.app.protect.changed().await;
    for what in ["file?path=/x/a", "tree?at=/x", &diff] {
        assert_eq!((ask(&analyst, what).await, ask(&admin, what).await), (denied, shown), "{what}");
    }
}

/// A worker that finds nothing of a control plane in its snapshots.
fn plain(worker: &str) -> String {
    worker.replace(r#""/host/data""#, "")
}

#[tokio::test]
async fn rules_that_somebody_changed_meanwhile_are_not_written_over() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let shown = site.call(&admin, Method::GET, "/vault", None).await;
    let tag = shown.headers()[header::ETAG].to_str().expect("text").to_owned();
    let mut rules = read(shown).await["rules"].clone();
    rules["auto_forget"] = json!(true);
    let put = async |tag: Option<&str>| {
        let request = site.request(&admin, Method::PUT, "/vault/rules");
        let mut request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(tag) = tag {
            request = request.header(header::IF_MATCH, tag);
        }
        let request = request.body(Body::from(rules.to_string())).expect("a request");
        site.send(request).await.status()
    };
    assert_eq!(put(None).await, StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(put(Some(&tag)).await, StatusCode::OK);
    assert_eq!(put(Some(&tag)).await, StatusCode::PRECONDITION_FAILED, "they are others now");
}

#[tokio::test]
async fn what_was_begun_is_not_begun_again() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let path = format!("/snapshots/{SNAPSHOT}:verify");
    let (status, run) = post(&site, &admin, &path, json!({"level": 1})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{run}");
    let id = run["id"].as_str().expect("an id");
    site.store.start_run(id).await.expect("it waited");
    let mut stops = site.stop.subscribe();
    let begun = lanes::one(&site.app, lanes::Lane::Proving, &mut stops).await.expect("looks");
    assert!(!begun, "its end is not noted yet");
    assert_eq!(site.store.run(id).await.expect("there").state, RunState::Running);
}

#[tokio::test]
async fn a_backup_asked_for_is_made_whatever_else_is_under_way() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let (_, made) = post(&site, &admin, "/plans", plan("Shares", "files:/srv")).await;
    let id = made["id"].as_str().expect("an id");
    let ask = async || {
        let (status, runs) = post(&site, &admin, &format!("/plans/{id}:run"), json!({})).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{runs}");
        assert_eq!(runs["items"][0]["kind"], "backup");
        runs["items"][0].clone()
    };
    let first = ask().await;
    let word = |name: &str| first[name].as_str().expect("a word").to_owned();
    assert_eq!(ask().await["id"], first["id"], "one that waits will do");
    site.store.start_run(&word("id")).await.expect("it waited");
    let second = ask().await;
    assert_ne!(second["id"], first["id"], "it may have read what changed since");
    for run in [&first, &second] {
        let end = RunEnd { state: Some(RunState::Complete), ..RunEnd::default() };
        site.store.finish_run(run["id"].as_str().expect("an id"), end).await.expect("it is there");
    }
    let proof = NewRun {
        kind: "verify",
        plan: Some(id.to_owned()),
        target: Some(word("target")),
        cause: "schedule",
        ..NewRun::default()
    };
    site.store.create_run(proof).await.expect("a run");
    ask().await;
}

#[tokio::test]
async fn a_backup_that_is_due_waits_for_no_proof_of_the_one_before() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let (_, made) = post(&site, &admin, "/plans", plan("Shares", "files:/srv")).await;
    let targets = get(&site, &admin, "/coverage").await["items"].clone();
    let target = targets.as_array().expect("rows").iter().find(|row| row["name"] == "Shares");
    let target = target.expect("it is planned")["target"].as_str().expect("an id");
    let proof = NewRun {
        kind: "verify",
        plan: Some(made["id"].as_str().expect("an id").to_owned()),
        target: Some(target.to_owned()),
        cause: "schedule",
        ..NewRun::default()
    };
    site.store.create_run(proof).await.expect("a run");
    reconcile::queue(&site.app).await.expect("the store works");
    let runs = get(&site, &admin, "/runs?kind=backup").await;
    assert_eq!(runs["items"][0]["state"], "queued", "{runs}");
}

#[tokio::test]
async fn what_fails_is_told_with_its_reason_and_tried_again_later() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let (status, made) = post(&site, &admin, "/plans", plan("Broken", "files:/broken")).await;
    assert_eq!(status, StatusCode::CREATED);
    let mut changes = site.store.watch();
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    loop {
        let row = get(&site, &admin, "/coverage").await["items"][0].clone();
        if row["state"] == "failing" {
            assert!(row["reason"].as_str().is_some_and(|why| why.contains("permission denied")));
            break;
        }
        changes.recv().await.expect("a change");
    }
    let path = format!("/plans/{}", made["id"].as_str().expect("an id"));
    let next = get(&site, &admin, &path).await["next_at"].clone();
    assert!(next.is_string(), "it is tried again: {next}");
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
}

#[tokio::test]
async fn plans_are_checked_and_guarded_by_their_etag() {
    let (site, admin) = site().await;
    let good = plan("Shares", "files:/srv");
    let wrong = [
        ("subject", json!({"filter": "class eq \"plc\""})),
        ("sources", json!({"sources": ["nowhere"]})),
        ("sources", json!({"sources": ["s7:{ip}"]})),
        ("every_minutes", json!({"every_minutes": 0})),
        ("quiet", json!({"quiet": [{"from": "25:00", "until": "06:00"}]})),
        ("verify_level", json!({"verify_level": 3})),
        ("name", json!({"name": ""})),
    ];
    for (member, change) in wrong {
        let mut body = good.clone();
        for (key, value) in change.as_object().expect("members") {
            body[key] = value.clone();
        }
        let (status, problem) = post(&site, &admin, "/plans", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{member}: {problem}");
        assert_eq!(problem["errors"][0]["path"], member, "{problem}");
    }
    let (status, made) = post(&site, &admin, "/plans", good.clone()).await;
    assert_eq!((status, made["generation"].as_i64()), (StatusCode::CREATED, Some(1)));
    assert_eq!(post(&site, &admin, "/plans", good.clone()).await.0, StatusCode::CONFLICT);
    let path = format!("/plans/{}", made["id"].as_str().expect("an id"));
    let put = |tag: &str| {
        let request = site.request(&admin, Method::PUT, &path);
        let request = request.header(header::IF_MATCH, tag);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        site.send(request.body(Body::from(good.to_string())).expect("a request"))
    };
    assert_eq!(put("\"1\"").await.status(), StatusCode::OK);
    assert_eq!(put("\"1\"").await.status(), StatusCode::PRECONDITION_FAILED);
}

/// What a sensor says of a controller, `origin` being where it hears.
async fn heard(site: &Site, sensor: &str, origin: store::Origin, id: &str, ip: &str) {
    let status = store::SensorStatus {
        id: sensor.to_owned(),
        interface: sensor.to_owned(),
        origin,
        state: store::SensorState::Running,
        detail: None,
        restarts: 0,
        learning_until: None,
    };
    site.store.set_sensor(status).await.expect("saved");
    let asset = json!({
        "kind": "asset", "id": id, "macs": [], "ips": [ip], "vlans": [], "names": [id],
        "vendor": null, "model": null, "firmware": null, "serial": null, "class": "plc",
        "role": "controller", "role_reason": null, "purdue": 1.0, "purdue_reason": null,
        "os": null, "protocols": ["s7comm"], "first_seen": "2026-01-01T00:00:00Z",
        "last_seen": "2026-01-01T00:01:00Z", "packets": 1, "facts": [], "modules": [],
    });
    let asset = serde_json::from_value(asset).expect("an insight");
    site.store.take(sensor, model::Time(1), vec![asset]).await.expect("taken");
}

#[tokio::test]
async fn nothing_is_asked_of_an_address_that_only_the_simulation_has() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    heard(&site, "lab", store::Origin::Lab, "mixing", "10.20.10.11").await;
    let row = async |name: &str| {
        let rows = get(&site, &admin, "/coverage").await;
        let rows = rows["items"].as_array().expect("rows").clone();
        rows.into_iter().find(|row| row["name"] == name).expect("it is covered")
    };
    let lab = row("mixing").await;
    assert_eq!(lab["suggested"], json!([]));
    assert!(lab["reason"].as_str().is_some_and(|why| why.contains("simulated plant")), "{lab}");
    let by_filter = |source: &str| {
        json!({"name": "By hand", "filter": "class eq \"plc\"", "sources": [source],
               "every_minutes": 60, "rpo_minutes": 120})
    };
    for body in [
        by_filter("s7:{ip}"),
        by_filter("s7:10.20.10.11?rack=0&slot=2"),
        plan("By hand", "ftp://anna@10.20.10.11/jobs"),
    ] {
        let (status, problem) = post(&site, &admin, "/plans", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        let why = problem["errors"][0]["detail"].as_str().expect("text");
        assert!(why.starts_with("mixing (10.20.10.11) exists in the simulated plant"), "{why}");
    }
    let own = by_filter("modbus:127.0.0.1:15020?unit=1&holding=0-9");
    assert_eq!(post(&site, &admin, "/plans", own).await.0, StatusCode::CREATED);
    // A plan that is there already asks nothing of what turns up in the simulation later.
    heard(&site, "line 2", store::Origin::Network, "press", "10.0.0.7").await;
    let mut all = by_filter("s7:{ip}");
    all["name"] = json!("All");
    let (status, made) = post(&site, &admin, "/plans", all).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let run = format!("/plans/{}:run", made["id"].as_str().expect("an id"));
    let (status, runs) = post(&site, &admin, &run, json!({})).await;
    assert_eq!((status, runs["items"].as_array().map(Vec::len)), (StatusCode::ACCEPTED, Some(1)));
    assert_eq!(runs["items"][0]["name"], "press");
    heard(&site, "lab", store::Origin::Lab, "tank", "10.20.10.12").await;
    let mut tank = by_filter("s7:{ip}");
    (tank["name"], tank["filter"]) = (json!("Tank"), json!("name in (\"tank\", \"press\")"));
    let plan = post(&site, &admin, "/plans", tank).await.1;
    let path = format!("/plans/{}", plan["id"].as_str().expect("an id"));
    assert!(get(&site, &admin, &path).await["next_at"].is_string(), "of the press");
    let gone = json!([{"kind": "asset-merged", "id": "press", "into": "pump"}]);
    let gone: Vec<model::Insight> = serde_json::from_value(gone).expect("insights");
    site.store.take("line 2", model::Time(1), gone).await.expect("taken");
    assert_eq!(get(&site, &admin, &path).await["next_at"], Value::Null, "of the tank: never");
    let (status, problem) = post(&site, &admin, &run, json!({"target": "mixing"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("simulated")), "{problem}");
}

#[tokio::test]
async fn what_a_capture_alone_has_is_asked_when_somebody_approved_it() {
    let (site, admin) = site().await;
    heard(&site, "old", store::Origin::Capture, "press", "10.0.0.7").await;
    let body = json!({"name": "Presses", "filter": "class eq \"plc\"", "sources": ["s7:{ip}"],
                      "every_minutes": 60, "rpo_minutes": 120});
    let (status, problem) = post(&site, &admin, "/plans", body.clone()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let why = problem["errors"][0]["detail"].as_str().expect("text");
    assert!(why.contains("approve the asset"), "{why}");
    assert_eq!(get(&site, &admin, "/coverage").await["items"][0]["suggested"], json!([]));
    let approved = store::AssetPatch {
        lifecycle: Some(store::Lifecycle::Approved),
        ..store::AssetPatch::default()
    };
    site.store.patch_asset("press", 1, approved, "ada").await.expect("patched");
    assert_eq!(get(&site, &admin, "/coverage").await["items"][0]["suggested"], json!(["s7:{ip}"]));
    assert_eq!(post(&site, &admin, "/plans", body).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_restore_never_writes_over_anything() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let path = format!("/snapshots/{SNAPSHOT}:restore");
    let used = tempfile::tempdir().expect("a directory");
    std::fs::write(used.path().join("file"), "here").expect("written");
    for (to, status) in [
        (used.path().to_str().expect("text"), StatusCode::UNPROCESSABLE_ENTITY),
        ("relative", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(post(&site, &admin, &path, json!({"to": to})).await.0, status, "{to}");
    }
    let (status, run) = post(&site, &admin, &path, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(run["to"].as_str().is_some_and(|to| to.contains("/restored/")), "{run}");
    let none = format!("/snapshots/{}:restore", "b".repeat(64));
    assert_eq!(post(&site, &admin, &none, json!({})).await.0, StatusCode::NOT_FOUND);
    let cancel = format!("/runs/{}:cancel", run["id"].as_str().expect("an id"));
    let (status, run) = post(&site, &admin, &cancel, json!({})).await;
    assert_eq!((status, run["state"].as_str()), (StatusCode::ACCEPTED, Some("cancelled")));
    assert_eq!(post(&site, &admin, &cancel, json!({})).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_site_of_which_another_took_over_says_so_until_it_is_not_so() {
    let (site, admin) = site().await;
    let vault = post(&site, &admin, "/vault", json!({})).await.1;
    let directory = std::path::PathBuf::from(vault["directory"].as_str().expect("a path"));
    std::fs::create_dir_all(&directory).expect("made");
    let said = json!({"site": "site-b", "log": "spandrel.vault/1", "by": "anna", "plan": null,
                      "at": "2026-03-10T12:00:00Z", "heard_at": "2026-03-10T13:00:00Z",
                      "from": "mirror-b"});
    let mut changes = site.store.watch();
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    assert_eq!(get(&site, &admin, "/findings").await["items"], json!([]));
    std::fs::write(directory.join(".fenced"), said.to_string()).expect("written");
    site.app.protect.wake.notify_one();
    let found = loop {
        let found = get(&site, &admin, "/findings").await["items"].clone();
        if found[0].is_object() {
            break found;
        }
        changes.recv().await.expect("a change");
    };
    assert_eq!(
        (&found[0]["detector"], &found[0]["severity"]),
        (&json!("site-fenced"), &json!("critical"))
    );
    let title = found[0]["title"].as_str().expect("text");
    assert!(title.starts_with("site-b was promoted at 2026-03-10 12:00:00 UTC"), "{title}");
    assert!(title.ends_with("this site is fenced"), "{title}");
    site.stop.send(true).expect("somebody listens");
    work.await.expect("ends");
}

#[tokio::test]
async fn what_waits_what_was_deleted_and_how_copies_stand_is_told_and_a_snapshot_taken_back() {
    let (site, admin) = site().await;
    post(&site, &admin, "/vault", json!({})).await;
    let vault = get(&site, &admin, "/vault").await;
    let target = &vault["targets"][0];
    assert_eq!(
        (&target["address"], &target["objects"], &target["covered"]),
        (&json!("s3:https://store/plant"), &json!(12), &json!(1))
    );
    assert_eq!(target["locked_until"], "2026-03-01T00:00:00.000000Z");
    let weaker = &vault["weaker"][0];
    assert_eq!((&weaker["by"], &weaker["rules"]["keep_daily"]), (&json!("anna"), &json!(14)));
    let fenced = &vault["fenced"];
    assert_eq!((&fenced["site"], &fenced["plan"]), (&json!("site-b"), &json!("line 4")));
    assert_eq!(vault["withdrawn"][0]["id"], WITHDRAWN);
    let absent = format!("/snapshots/{SNAPSHOT}:undelete");
    let answer = site.call(&admin, Method::POST, &absent, None).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let path = format!("/snapshots/{WITHDRAWN}:undelete");
    let answer = site.call(&admin, Method::POST, &path, None).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let mut changes = site.store.watch();
    let work = tokio::spawn(lanes::run(site.app.clone(), site.stop.subscribe()));
    loop {
        let runs = get(&site, &admin, "/runs?kind=undelete").await;
        if runs["items"][0]["state"] == "complete" {
            break;
        }
        changes.recv().await.expect("a change");
    }
    work.abort();
}
