//! Agents from outside: what each may say and hears, without a network.
//!
//! Their certificates stand in the request as the TLS layer leaves them there; that a key is
//! proved, a test with real processes shows.

use super::{
    tests::{As, Site},
    tests_protection::{get, post, site},
};
use crate::{
    agents::{door, keeping},
    app::now,
};
use axum::{
    body::Body,
    extract::connect_info::MockConnectInfo,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tower::ServiceExt;
use uplink::host::Token;

/// A server with a door, an administrator, and agents invited.
async fn scene() -> (Site, As) {
    let (site, admin) = site().await;
    site.app.agents.address.get_or_init(|| SocketAddr::from(([127, 0, 0, 1], 8444)));
    let data = &site.app.settings.data;
    let folder = data.join("tls");
    crate::Certificates::new(data, SocketAddr::from(([127, 0, 0, 1], 8443)), &[])
        .ensure()
        .expect("made");
    assert!(folder.join("ca.pem").exists());
    (site, admin)
}

/// Says something as the holder of a certificate.
async fn say(site: &Site, certificate: Option<&[u8]>, path: &str, words: Value) -> (u16, Value) {
    let mut request = Request::builder().method("POST").uri(format!("/agent/v1/{path}"));
    request = request.header(header::CONTENT_TYPE, "application/json");
    let mut request = request.body(Body::from(words.to_string())).expect("a request");
    if let Some(der) = certificate {
        request.extensions_mut().insert(door::Presented(der.to_vec()));
    }
    let peer = SocketAddr::from(([10, 0, 0, 9], 50_000));
    let service = door::service(site.app.clone()).layer(MockConnectInfo(peer));
    let answer = service.oneshot(request).await.expect("infallible");
    let status = answer.status().as_u16();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn enrol(site: &Site, admin: &As, name: &str, certificate: &[u8]) {
    let (status, invited) = post(site, admin, "/agents", json!({"name": name})).await;
    assert_eq!(status, StatusCode::CREATED, "{invited}");
    let token = Token::parse(invited["token"].as_str().expect("a token")).expect("well formed");
    let words = json!({"secret": token.secret, "vault_token_sha256": "ab".repeat(32),
                       "version": "1", "host": "h"});
    let (status, answer) = say(site, Some(certificate), "enrol", words).await;
    assert_eq!((status, &answer["name"]), (200, &json!(name)), "{answer}");
}

fn words(runs: Value) -> Value {
    json!({"version": "1", "host": "h\u{1b}[31m", "now": crate::app::now(), "allow": ["/srv/plc"],
           "plans": null, "runs": runs,
           "spool": {"log_key": "spandrel.vault/aa+1+x", "entries": 5, "bytes": 9, "fault": null}})
}

fn told(number: u64, plan: &str, state: &str) -> Value {
    json!({"number": number, "kind": "backup", "plan": plan, "target": "Press", "cause": "schedule",
           "state": state, "started_at": "2026-01-01T00:00:00Z",
           "finished_at": "2026-01-01T00:00:09Z", "snapshot": "cd".repeat(32), "entry": 3,
           "entries": 7, "errors": [{"source": "files:/x", "path": "/x\u{1b}", "error": "no"}]})
}

async fn plan(site: &Site, admin: &As, name: &str, agent: &str) -> String {
    let plan = json!({"name": name, "subject": "Press", "agent": agent,
                      "sources": ["files:/srv/plc"], "every_minutes": 60, "rpo_minutes": 120});
    let (status, made) = post(site, admin, "/plans", plan).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["id"].as_str().expect("an id").to_owned()
}

/// What the vault server would have written.
fn arrive(site: &Site, agent: &str, entries: u64) {
    let log = keeping::vaults(&site.app.settings.data).join(agent).join("log");
    std::fs::create_dir_all(&log).expect("made");
    let note = format!("spandrel.vault/aa\n{entries}\nroot\n\n\u{2014} signature\n");
    std::fs::write(log.join("checkpoint"), note).expect("written");
}

/// A new moment for an agent that called just now.
fn later(site: &Site) {
    site.app.agents.forget_calls();
}

#[tokio::test]
async fn an_agent_hears_its_own_plans_and_its_words_count_for_them_alone() {
    let (site, admin) = scene().await;
    enrol(&site, &admin, "press-4", b"first").await;
    enrol(&site, &admin, "mill-2", b"second").await;
    let own = plan(&site, &admin, "Own", "press-4").await;
    let foreign = plan(&site, &admin, "Foreign", "mill-2").await;
    let (status, reply) = say(&site, Some(b"first"), "call", words(json!([]))).await;
    assert_eq!(status, 200, "{reply}");
    let items = reply["plans"]["items"].as_array().expect("plans");
    assert_eq!((items.len(), &items[0]["plan"]), (1, &json!(own)));
    // A run of another's plan is taken off its books and counts for nothing.
    arrive(&site, "press-4", 4);
    later(&site);
    let runs = json!([told(1, &own, "complete"), told(2, &foreign, "complete")]);
    let (_, reply) = say(&site, Some(b"first"), "call", words(runs)).await;
    let mut accepted: Vec<u64> =
        serde_json::from_value(reply["accepted"].clone()).expect("numbers");
    accepted.sort_unstable();
    assert_eq!(accepted, [1, 2]);
    let runs = get(&site, &admin, "/runs").await;
    let runs = runs["items"].as_array().expect("runs");
    assert_eq!((runs.len(), &runs[0]["plan"]), (1, &json!(own)), "{runs:?}");
    assert_eq!((&runs[0]["state"], &runs[0]["agent"]), (&json!("complete"), &json!("press-4")));
    assert_eq!(runs[0]["errors"][0]["path"], "/x\u{fffd}", "no line of a terminal's");
    // Told again, as after an answer that was lost, it is the same run.
    later(&site);
    let again = words(json!([told(1, &own, "failed")]));
    let (_, reply) = say(&site, Some(b"first"), "call", again).await;
    assert_eq!(reply["accepted"], json!([1]));
    let runs = get(&site, &admin, "/runs").await;
    assert_eq!(runs["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(runs["items"][0]["state"], "complete", "an end is an end");
    let row = get(&site, &admin, "/agents").await["items"][1].clone();
    assert_eq!((&row["name"], &row["host"]), (&json!("press-4"), &json!("h\u{fffd}[31m")));
    assert_eq!((&row["address"], &row["plans"]), (&json!("10.0.0.9"), &json!(1)));
}

#[tokio::test]
async fn nothing_is_asked_of_an_agent_by_a_plan_that_it_does_not_know() {
    let (site, admin) = scene().await;
    enrol(&site, &admin, "press-4", b"first").await;
    let mut can = words(json!([]));
    can["can"] = json!(["drill", "restore"]);
    can["restore_into"] = json!(["/srv/back"]);
    say(&site, Some(b"first"), "call", can).await;
    let off = json!({"name": "Off", "subject": "Press", "agent": "press-4", "enabled": false,
                     "sources": ["files:/srv/plc"], "every_minutes": 60, "rpo_minutes": 120});
    let (_, made) = post(&site, &admin, "/plans", off).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let backup = store::NewRun {
        kind: "backup",
        plan: Some(id.clone()),
        target: Some("Press".to_owned()),
        cause: "schedule",
        snapshot: Some("cd".repeat(32)),
        agent: Some("press-4".to_owned()),
        ..store::NewRun::default()
    };
    let backup = site.store.create_run(backup).await.expect("made");
    for (path, body) in [
        (format!("/plans/{id}:run"), json!({})),
        (format!("/plans/{id}:drill"), json!({})),
        (format!("/runs/{backup}:restore"), json!({"to": "/srv/back/x"})),
    ] {
        let (status, answer) = post(&site, &admin, &path, body).await;
        assert_eq!((status.as_u16(), &answer["code"]), (409, &json!("plan-off")), "{answer}");
    }
}

#[tokio::test]
async fn what_was_asked_for_ends_though_its_plan_is_gone() {
    let (site, admin) = scene().await;
    enrol(&site, &admin, "press-4", b"first").await;
    let asked = async |kind: &'static str| {
        let run = store::NewRun {
            kind,
            plan: Some("pln_gone".to_owned()),
            target: Some("Press".to_owned()),
            name: "Press".to_owned(),
            cause: "person",
            agent: Some("press-4".to_owned()),
            ..store::NewRun::default()
        };
        site.store.create_run(run).await.expect("made")
    };
    let (backup, restore) = (asked("backup").await, asked("restore").await);
    let tell = async |state: &str| {
        let of = |number, kind: &str, asked: &str| {
            let mut run = told(number, "pln_gone", state);
            (run["kind"], run["asked"]) = (json!(kind), json!(asked));
            run
        };
        let runs =
            json!([of(1, "backup", &backup), of(2, "restore", &restore), of(3, "verify", "?")]);
        later(&site);
        let (_, reply) = say(&site, Some(b"first"), "call", words(runs)).await;
        let mut accepted: Vec<u64> =
            serde_json::from_value(reply["accepted"].clone()).expect("numbers");
        accepted.sort_unstable();
        accepted
    };
    assert_eq!(tell("running").await, [3], "the others are waited for");
    assert_eq!(tell("complete").await, [1, 2, 3]);
    let state = async |id: &str| site.store.run(id).await.expect("there").state.word();
    assert_eq!((state(&backup).await, state(&restore).await), ("cancelled", "complete"));
    assert_eq!(site.store.open_runs().await.expect("reads").len(), 0);
}

#[tokio::test]
async fn a_backup_counts_when_it_is_in_the_vault_whatever_the_host_says() {
    let (site, admin) = scene().await;
    enrol(&site, &admin, "press-4", b"first").await;
    let own = plan(&site, &admin, "Own", "press-4").await;
    let tell = || say(&site, Some(b"first"), "call", words(json!([told(1, &own, "complete")])));
    let (_, reply) = tell().await;
    assert_eq!(reply["accepted"], json!([]), "not a byte of it is here");
    let runs = get(&site, &admin, "/runs").await;
    assert_eq!(runs["items"][0]["state"], "running", "{runs}");
    assert!(runs["items"][0]["detail"].as_str().expect("a word").contains("in the spool"));
    let coverage = get(&site, &admin, "/coverage").await;
    assert_eq!(coverage["items"][0]["state"], "waiting", "{coverage}");
    // Its entry is the fourth: three are not enough, nor are those of another log.
    for (entries, log, accepted) in
        [(3, "aa", json!([])), (9, "bb", json!([])), (4, "aa", json!([1]))]
    {
        arrive(&site, "press-4", entries);
        let path = keeping::vaults(&site.app.settings.data).join("press-4/log/checkpoint");
        let note =
            std::fs::read_to_string(&path).expect("there").replace("/aa", &format!("/{log}"));
        std::fs::write(&path, note).expect("written");
        later(&site);
        let (_, reply) = tell().await;
        assert_eq!(reply["accepted"], accepted, "{entries} {log}");
    }
    let run = get(&site, &admin, "/runs").await["items"][0].clone();
    assert_eq!(
        (&run["state"], &run["finished_at"]),
        (&json!("complete"), &json!("2026-01-01T00:00:09.000000Z"))
    );
}

#[tokio::test]
async fn strangers_the_revoked_and_the_hasty_are_turned_away() {
    let (site, admin) = scene().await;
    let call = || words(json!([]));
    assert_eq!(say(&site, None, "call", call()).await.0, 401);
    assert_eq!(say(&site, Some(b"nobody"), "call", call()).await.0, 401);
    let guess = json!({"secret": "00".repeat(24), "vault_token_sha256": "ab".repeat(32),
                       "version": "1", "host": "h"});
    assert_eq!(say(&site, Some(b"nobody"), "enrol", guess.clone()).await.0, 403);
    assert_eq!(say(&site, None, "enrol", guess).await.0, 400);
    enrol(&site, &admin, "press-4", b"first").await;
    assert_eq!(say(&site, Some(b"first"), "call", call()).await.0, 200);
    assert_eq!(say(&site, Some(b"first"), "call", call()).await.0, 429, "at once again");
    later(&site);
    let own = plan(&site, &admin, "Own", "press-4").await;
    post(&site, &admin, &format!("/plans/{own}:run"), json!({})).await;
    let (_, reply) = say(&site, Some(b"first"), "call", call()).await;
    assert_eq!(reply["asks"].as_array().map(Vec::len), Some(1), "{reply}");
    let (status, _) = post(&site, &admin, "/agents/press-4:revoke", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    later(&site);
    let (status, refusal) = say(&site, Some(b"first"), "call", call()).await;
    assert_eq!((status, &refusal["code"]), (403, &json!("revoked")), "{refusal}");
    let runs = get(&site, &admin, "/runs").await;
    assert_eq!(runs["items"][0]["detail"], "its agent was revoked", "nothing waits for ever");
    let clients = std::fs::read_to_string(keeping::clients_file(&site.app.settings.data));
    assert_eq!(clients.expect("written"), "");
    // As after a disk that took the one and not the other: it is out when it is asked for again.
    let stale = format!("agent-press-4 edge press-4 {0} {0}\n", "ab".repeat(32));
    std::fs::write(keeping::clients_file(&site.app.settings.data), stale).expect("written");
    let (status, _) = post(&site, &admin, "/agents/press-4:revoke", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let clients = std::fs::read_to_string(keeping::clients_file(&site.app.settings.data));
    assert_eq!(clients.expect("written"), "");
}

#[tokio::test]
async fn lines_of_others_stay_in_the_vault_server_s_file() {
    let (site, admin) = scene().await;
    let file = keeping::clients_file(&site.app.settings.data);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    let mirror = format!("site-b mirror * {}\n", "cd".repeat(32));
    std::fs::write(&file, &mirror).expect("written");
    enrol(&site, &admin, "press-4", b"first").await;
    let text = std::fs::read_to_string(&file).expect("there");
    let token = "ab".repeat(32);
    let own = format!("agent-press-4 edge press-4 {token} {}\n", crate::secret::sha256(b"first"));
    assert_eq!(text, format!("{mirror}{own}"));
}

#[tokio::test]
async fn a_run_of_an_agent_that_is_not_heard_fails_and_the_truth_wins_when_it_comes_back() {
    let (site, admin) = scene().await;
    enrol(&site, &admin, "press-4", b"first").await;
    let own = plan(&site, &admin, "Own", "press-4").await;
    let tell = |state: &str| {
        let mut run = told(1, &own, state);
        if state == "running" {
            (run["finished_at"], run["snapshot"]) = (Value::Null, Value::Null);
        }
        words(json!([run]))
    };
    say(&site, Some(b"first"), "call", tell("running")).await;
    let state = || async { get(&site, &admin, "/runs").await["items"][0].clone() };
    let unheard = |seconds: i64| keeping::fail_unheard(&site.app, now().plus_secs(seconds));
    unheard(800).await.expect("looked");
    assert_eq!(state().await["state"], "running", "it may be cut off for a while");
    unheard(1_000).await.expect("looked");
    let run = state().await;
    assert_eq!(run["state"], "failed", "{run}");
    let why = run["detail"].as_str().expect("a word");
    assert!(why.starts_with("agent press-4 was last heard at"), "{why}");
    // It was cut off, and runs still.
    later(&site);
    say(&site, Some(b"first"), "call", tell("running")).await;
    let run = state().await;
    assert_eq!((&run["state"], &run["finished_at"]), (&json!("running"), &Value::Null), "{run}");
    unheard(1_000).await.expect("looked");
    assert_eq!(state().await["state"], "failed");
    arrive(&site, "press-4", 4);
    later(&site);
    let (_, reply) = say(&site, Some(b"first"), "call", tell("complete")).await;
    assert_eq!(reply["accepted"], json!([1]));
    let run = state().await;
    assert_eq!((&run["state"], &run["detail"]), (&json!("complete"), &Value::Null), "{run}");
    assert_eq!(run["finished_at"], "2026-01-01T00:00:09.000000Z", "{run}");
    let coverage = get(&site, &admin, "/coverage").await;
    assert_eq!(coverage["items"][0]["snapshot"], json!("cd".repeat(32)), "{coverage}");
}

/// A drill as an agent tells it.
fn drilled(number: u64, plan: &str, snapshot: &str) -> Value {
    let mut run = told(number, plan, "complete");
    (run["kind"], run["level"], run["errors"]) = (json!("drill"), json!(3), json!([]));
    run["snapshot"] = json!(snapshot);
    let step = json!({"group": "g\u{1b}", "title": "compare", "kind": "wait_for", "started_ms": 0,
                      "ended_ms": 7, "outcome": "ok", "detail": "x".repeat(900), "by": []});
    let waiting = json!({"step": "s", "text": "sign", "role": null, "people": 1, "given": []});
    let used = json!([{"id": snapshot, "asset": "Press", "time": "2026-01-01T00:00:00Z"}]);
    run["drill"] = json!({"id": "d", "plan": "p", "attended": true, "declared_at": null,
        "planned": [], "steps": [step], "current": null, "waiting": waiting, "ok": true,
        "rto_ms": 7, "rto_target_ms": null, "rpo_ms": 9, "rpo_target_ms": null, "canaries": [],
        "snapshots": used, "isolation": null, "notes": [], "log_entry": 5});
    run["report"] = json!({"page": "<script>"});
    run
}

#[tokio::test]
async fn a_drill_counts_for_the_agent_s_own_backups_and_shows_nothing_but_words() {
    let (site, admin) = scene().await;
    enrol(&site, &admin, "press-4", b"first").await;
    enrol(&site, &admin, "mill-2", b"second").await;
    let own = plan(&site, &admin, "Own", "press-4").await;
    let foreign = json!({"name": "Foreign", "subject": "Mill", "agent": "mill-2",
                         "sources": ["files:/srv/mill"], "every_minutes": 60, "rpo_minutes": 120});
    let (status, foreign) = post(&site, &admin, "/plans", foreign).await;
    assert_eq!(status, StatusCode::CREATED, "{foreign}");
    let foreign = foreign["id"].as_str().expect("an id").to_owned();
    let snapshot = "cd".repeat(32);
    arrive(&site, "press-4", 9);
    let backup = words(json!([told(1, &own, "complete")]));
    say(&site, Some(b"first"), "call", backup).await;
    // Another's claim to have drilled that snapshot is noted as its own run, and proves nothing.
    say(&site, Some(b"second"), "call", words(json!([drilled(1, &foreign, &snapshot)]))).await;
    let row = |coverage: &Value| {
        let rows = coverage["items"].as_array().expect("rows").clone();
        rows.into_iter().find(|row| row["plan"] == own.as_str()).expect("a row")
    };
    let coverage = get(&site, &admin, "/coverage").await;
    assert_eq!(row(&coverage)["recovered_at"], Value::Null, "{coverage}");
    later(&site);
    say(&site, Some(b"first"), "call", words(json!([drilled(2, &own, &snapshot)]))).await;
    let coverage = get(&site, &admin, "/coverage").await;
    let proven = row(&coverage);
    assert_eq!(proven["recovered_snapshot"], json!(snapshot), "{coverage}");
    assert_eq!(proven["proven_level"], 3, "{coverage}");
    let runs = get(&site, &admin, &format!("/runs?kind=verify&plan={own}")).await;
    let run = &runs["items"][0];
    assert_eq!((&run["level"], &run["state"]), (&json!(3), &json!("complete")), "{run}");
    let drill = &run["drill"];
    assert_eq!((&drill["waiting"], &drill["attended"]), (&Value::Null, &json!(false)), "{drill}");
    assert_eq!(drill["steps"][0]["group"], "g\u{fffd}");
    assert_eq!(drill["steps"][0]["detail"].as_str().map(str::len), Some(400));
    assert!(drill["notes"][0].as_str().expect("a note").contains("has not read them yet"));
    // Asked for, it goes out with how long it has waited; one that cannot is not asked.
    let ask = format!("/plans/{own}:drill");
    let (status, refusal) = post(&site, &admin, &ask, json!({})).await;
    assert_eq!((status, &refusal["code"]), (StatusCode::CONFLICT, &json!("cannot")), "{refusal}");
    later(&site);
    let mut able = words(json!([]));
    able["can"] = json!(["drill", "fly"]);
    say(&site, Some(b"first"), "call", able.clone()).await;
    let (status, queued) = post(&site, &admin, &ask, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{queued}");
    later(&site);
    let (_, reply) = say(&site, Some(b"first"), "call", able).await;
    assert_eq!(reply["asks"], json!([]), "it is no backup: {reply}");
    assert_eq!(reply["drills"][0]["run"], queued["items"][0]["id"], "{reply}");
    assert!(reply["drills"][0]["waited_ms"].is_u64(), "{reply}");
}

#[tokio::test]
async fn a_restore_on_a_host_needs_a_second_person_and_all_of_it_is_in_the_audit() {
    let (site, admin) = scene().await;
    enrol(&site, &admin, "press-4", b"first").await;
    let own = plan(&site, &admin, "Own", "press-4").await;
    arrive(&site, "press-4", 9);
    let mut able = words(json!([told(1, &own, "complete")]));
    (able["can"], able["restore_into"]) = (json!(["restore"]), json!(["/srv/back"]));
    say(&site, Some(b"first"), "call", able.clone()).await;
    let backup = get(&site, &admin, "/runs").await["items"][0]["id"].clone();
    let ask = format!("/runs/{}:restore", backup.as_str().expect("an id"));
    for elsewhere in ["/etc/new", "/srv/back", "/srv/back/../x", "srv/back/x", "/srv/backs/x", ""] {
        let (status, refusal) = post(&site, &admin, &ask, json!({"to": elsewhere})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{elsewhere}: {refusal}");
        assert_eq!(refusal["errors"][0]["code"], "not-allowed", "{refusal}");
    }
    let second = site.another_admin("bert").await;
    let body = json!({"to": "/srv/back/new", "path": "/srv/plc"});
    let (status, run) = post(&site, &admin, &ask, body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{run}");
    assert_eq!((&run["needs_approval"], &run["state"]), (&json!(true), &json!("queued")), "{run}");
    let id = run["id"].as_str().expect("an id").to_owned();
    able["runs"] = json!([]);
    let heard = async |words: &Value| {
        later(&site);
        say(&site, Some(b"first"), "call", words.clone()).await.1["restores"].clone()
    };
    assert_eq!(heard(&able).await, json!([]), "nobody has agreed");
    let approve = format!("/runs/{id}:approve");
    let (status, refusal) = post(&site, &admin, &approve, json!({"step": "restore"})).await;
    assert_eq!(status, StatusCode::CONFLICT, "one's own: {refusal}");
    assert_eq!(heard(&able).await, json!([]));
    let (status, run) = post(&site, &second, &approve, json!({"step": "restore"})).await;
    assert_eq!((status, &run["approved_by"]), (StatusCode::ACCEPTED, &json!("bert")), "{run}");
    let asked = heard(&able).await;
    assert_eq!(
        asked,
        json!([{"run": id, "plan": own, "target": "Press", "snapshot": "cd".repeat(32),
                "to": "/srv/back/new", "only": "/srv/plc"}])
    );
    let mut ended = told(2, &own, "partial");
    (ended["kind"], ended["asked"]) = (json!("restore"), json!(id));
    able["runs"] = json!([ended]);
    assert_eq!(heard(&able).await, json!([]), "it has ended");
    heard(&able).await;
    let run = get(&site, &admin, &format!("/runs/{id}")).await;
    let told = (&run["state"], &run["entries"], &run["to"]);
    assert_eq!(told, (&json!("partial"), &json!(7), &json!("/srv/back/new")), "{run}");
    let audit = get(&site, &admin, "/audit").await;
    let rows = audit["items"].as_array().expect("rows");
    let of = |action: &str| -> Vec<&Value> {
        let fits = |row: &&Value| row["action"].as_str().is_some_and(|text| text.contains(action));
        rows.iter().filter(fits).collect()
    };
    assert_eq!(of(":approve").len(), 2, "the refused and the given: {audit}");
    assert!(
        of(":restore").iter().any(|row| row["actor"] == "ad" && row["result"] == "done"),
        "{audit}"
    );
    let ends = of("restore ended");
    assert_eq!(ends.len(), 1, "told twice, noted once: {audit}");
    assert_eq!(ends[0]["after"]["approved_by"], "bert", "{audit}");
    assert_eq!(ends[0]["after"]["asked_by"], "ad", "{audit}");
}
