//! What was done and could not be written down, for want of room or of somebody who waits.

use super::tests::{As, Site, read};
use crate::{
    protect::reconcile,
    serve::{note_certificates, note_renewal},
};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use model::{Insight, Time};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{AuditAsked, Role};
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
        let tried = (
            site.store.create_session(session, 1, None).await,
            site.store.audit_begin(begin).await,
        );
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
    let (all, _) = site.store.audit(&AuditAsked::default(), None, 1_000).await.expect("reads");
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

fn new_capture() -> store::NewCapture {
    store::NewCapture {
        file: "x.pcap".to_owned(),
        size_bytes: 10,
        sha256: "0".repeat(64),
        uploaded_by: "an".to_owned(),
        read_as: None,
    }
}

#[tokio::test]
async fn a_capture_left_half_parsed_is_told_of_once() {
    let site = Site::new().await;
    let id = site.store.create_capture(new_capture()).await.expect("made");
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
    let mut id = site.store.create_capture(new_capture()).await.expect("made");
    let filling = fill_the_disk(&site).await;
    // Until the last row has no room beside it either.
    while let Ok(made) = site.store.create_capture(new_capture()).await {
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
        let (all, _) = site.store.audit(&AuditAsked::default(), None, 1_000).await.expect("reads");
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
async fn health_says_that_a_certificate_will_end_without_another() {
    let site = Site::new().await;
    let who = site.sign_in("vi").await;
    let told = async || {
        let health = read(site.call(&who, Method::GET, "/health", None).await).await;
        let checks = health["checks"].as_array().expect("a list").clone();
        checks.into_iter().find(|check| check["name"] == "certificate")
    };
    let folder = tempfile::tempdir().expect("a directory");
    let listen = "127.0.0.1:8443".parse().expect("an address");
    let certificates = crate::tls::Certificates::new(folder.path(), listen, &[]);
    certificates.ensure().expect("made");
    note_renewal(&site.app, certificates.check_authority());
    assert_eq!(told().await, None);
    std::fs::write(folder.path().join("tls/ca.key"), "half a k").expect("written");
    note_renewal(&site.app, certificates.check_authority());
    let check = told().await.expect("a check");
    assert_eq!(check["state"], "warning");
    assert!(check["detail"].as_str().expect("text").contains("tls/ca.key: "), "{check}");
    std::fs::remove_dir_all(folder.path().join("tls")).expect("was there");
    note_certificates(&site.app, &certificates);
    let check = told().await.expect("a check");
    assert!(check["detail"].as_str().expect("text").contains("tls/ca.key: "), "{check}");
    let says = "trust ca.pem until then".to_owned();
    *site.app.new_authority.lock().expect("it is free") = Some(says.clone());
    let health = read(site.call(&who, Method::GET, "/health", None).await).await;
    let mut checks = health["checks"].as_array().expect("a list").iter();
    assert!(checks.any(|check| check["name"] == "authority" && check["detail"] == *says));
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
    assert!(detail.contains("not everything was saved between "), "{detail}");
    let says = "sensor line 2: 3 reports not kept, 40 saved late between ";
    assert!(detail.contains(says), "{detail}");
    assert_eq!(kept["since"], json!(from));
    let listed = read(site.call(&who, Method::GET, "/sensors", None).await).await;
    let row = &listed["items"][0];
    assert_eq!((&row["unsaved"], &row["gaps"][0]["lost"]), (&Value::Null, &json!(3)));
}

#[tokio::test]
async fn large_reports_wait_for_a_place_and_small_ones_do_not() {
    let site = Site::new().await;
    let who = site.sign_in("vi").await;
    let folder = site.app.settings.data.join("captures");
    std::fs::create_dir_all(&folder).expect("room");
    let made = async |octets: usize| {
        let id = site.store.create_capture(new_capture()).await.expect("made");
        let done = store::CaptureSummary {
            packets: 1,
            bytes: 60,
            first_ts: None,
            last_ts: None,
            assets: 0,
            links: 0,
            findings: 0,
            severity: None,
        };
        site.store.finish_capture(&id, Ok(done)).await.expect("noted");
        let report = json!({
            "packets": 1, "bytes": 60, "first_ts": null, "last_ts": null, "assets": [],
            "links": [], "findings": [], "health": model::Health::default(),
            "messages": {"modbus": [{"count": 3, "function": "read"}, {"count": 4}, {}]},
        });
        let report = format!("{report}{}", " ".repeat(octets));
        std::fs::write(folder.join(format!("{id}.json")), report).expect("room");
        format!("/captures/{id}")
    };
    let (large, small) = (made(2 << 20).await, made(0).await);
    let get = async |path: &str| site.call(&who, Method::GET, path, None).await;
    let answer = read(get(&large).await).await;
    assert_eq!(answer["report"]["messages"]["modbus"], 7, "{answer}");
    let held = get(&large).await;
    let all = crate::limits::LARGE_REPORTS_MAX;
    assert_eq!(site.app.reports.available_permits(), all - 1, "held until the caller has it");
    drop(held);
    let places = Arc::clone(&site.app.reports).acquire_many_owned(2).await.expect("free");
    let asked = get(&large);
    tokio::pin!(asked);
    let other = tokio::select! {
        biased;
        _ = &mut asked => panic!("it had no place"),
        other = get(&small) => other,
    };
    assert_eq!(other.status(), StatusCode::OK);
    drop(places);
    assert_eq!(asked.await.status(), StatusCode::OK);
    site.app.reports.close();
    assert_eq!(get(&large).await.status(), StatusCode::TOO_MANY_REQUESTS);
}
