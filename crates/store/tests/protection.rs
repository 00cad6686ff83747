//! Plans, runs and what they come to: guarded, together, and over a restart.

use model::Time;
use serde_json::json;
use std::{path::Path, time::Duration};
use store::{Error, NewRun, RunEnd, RunState, RunsWanted, Settings, Store};

async fn open(dir: &Path) -> Store {
    let quick = Settings { commit_delay: Duration::ZERO, ..Settings::default() };
    Store::open(dir, quick).await.expect("opens")
}

fn backup(plan: &str, target: &str) -> NewRun {
    NewRun {
        kind: "backup",
        plan: Some(plan.to_owned()),
        target: Some(target.to_owned()),
        name: target.to_owned(),
        cause: "schedule",
        job: json!({}),
        ..NewRun::default()
    }
}

fn end(state: RunState, snapshot: Option<&str>) -> RunEnd {
    let snapshot = snapshot.map(str::to_owned);
    RunEnd { state: Some(state), snapshot, ..RunEnd::default() }
}

#[tokio::test]
async fn a_plan_is_changed_on_its_newest_generation_alone_and_has_its_own_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    let id = store.create_plan(" Shares ", json!({"a": 1})).await.expect("made");
    assert_eq!(store.plan(&id).await.expect("there").name, "Shares");
    let taken = store.create_plan("Shares", json!({})).await;
    assert!(matches!(taken, Err(Error::Exists { .. })), "{taken:?}");
    store.replace_plan(&id, 1, "Shares", json!({"a": 2})).await.expect("changed");
    let late = store.replace_plan(&id, 1, "Shares", json!({"a": 3})).await;
    assert!(matches!(late, Err(Error::Mismatch { current: 2 })), "{late:?}");
    assert_eq!(store.plan(&id).await.expect("there").spec, json!({"a": 2}));
    assert!(matches!(store.delete_plan(&id, 1).await, Err(Error::Mismatch { .. })));
    store.delete_plan(&id, 2).await.expect("deleted");
    assert!(matches!(store.plan(&id).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn the_end_of_a_run_is_what_its_target_came_to() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    let plan = store.create_plan("p", json!({})).await.expect("made");
    let mut failures = Vec::new();
    for (state, snapshot) in [
        (RunState::Failed, None),
        (RunState::Partial, Some("s1")),
        (RunState::Cancelled, None),
        (RunState::Complete, Some("s2")),
        (RunState::Failed, None),
    ] {
        let run = store.create_run(backup(&plan, "press")).await.expect("queued");
        store.start_run(&run).await.expect("started");
        store.finish_run(&run, end(state, snapshot)).await.expect("finished");
        failures.push(store.protections().await.expect("read")[0].failures);
    }
    assert_eq!(failures, [1, 2, 2, 0, 1], "a stopped run is no failure");
    let known = &store.protections().await.expect("read")[0];
    assert_eq!(known.complete_snapshot.as_deref(), Some("s2"));
    assert_eq!(known.partial_snapshot.as_deref(), Some("s1"));
    assert_eq!(known.last_state, Some(RunState::Failed));
    let wanted = RunsWanted { target: Some("press".into()), limit: 10, ..Default::default() };
    let runs = store.runs(&wanted).await.expect("read");
    assert_eq!(runs[1].previous.as_deref(), Some("s1"), "the snapshot before it");
    let proof = NewRun { kind: "verify", snapshot: Some("s2".into()), ..backup(&plan, "press") };
    let run = store.create_run(proof).await.expect("queued");
    store.start_run(&run).await.expect("started");
    let level = RunEnd { level: Some(2), ..end(RunState::Complete, None) };
    store.finish_run(&run, level).await.expect("finished");
    let known = &store.protections().await.expect("read")[0];
    assert_eq!((known.proven_level, known.proven_snapshot.as_deref()), (Some(2), Some("s2")));
    store.delete_plan(&plan, 1).await.expect("deleted");
    assert_eq!(store.protections().await.expect("read"), []);
    assert_eq!(store.runs(&wanted).await.expect("read").len(), 6, "runs stay");
}

#[tokio::test]
async fn what_ran_when_the_server_stopped_is_failed_and_what_waited_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    let plan = store.create_plan("p", json!({})).await.expect("made");
    let ran = store.create_run(backup(&plan, "a")).await.expect("queued");
    store.start_run(&ran).await.expect("started");
    store.create_run(backup(&plan, "b")).await.expect("queued");
    store.close().await;
    drop(store);
    let store = open(dir.path()).await;
    store.fail_interrupted_runs().await.expect("done");
    let open = store.open_runs().await.expect("read");
    assert_eq!(open.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["b"]);
    let run = store.run(&ran).await.expect("there");
    assert_eq!(run.state, RunState::Failed);
    assert!(run.detail.expect("why").contains("the vault is whole"));
}

#[tokio::test]
async fn a_change_asks_once_however_often_it_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    let seen = Time::from_secs;
    for at in [100, 100, 90] {
        store.note_change("plc", "fnd_1", seen(at)).await.expect("noted");
    }
    let pending = store.pending_changes().await.expect("read");
    assert_eq!((pending.len(), pending[0].finding.as_str()), (1, "fnd_1"));
    store.settle_change("plc").await.expect("settled");
    store.note_change("plc", "fnd_1", seen(100)).await.expect("noted");
    assert_eq!(store.pending_changes().await.expect("read"), [], "it was acted on");
    store.note_change("plc", "fnd_1", seen(101)).await.expect("noted");
    let first = store.pending_changes().await.expect("read")[0].clone();
    store.note_change("plc", "fnd_2", seen(50)).await.expect("noted");
    let second = &store.pending_changes().await.expect("read")[0];
    assert_eq!((second.first_at, second.finding.as_str()), (first.first_at, "fnd_2"));
    assert!(second.last_at >= first.last_at);
}

#[tokio::test]
async fn a_drill_that_passed_is_a_proof_of_what_it_restored() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).await;
    let plan = store.create_plan("p", json!({})).await.expect("made");
    let run = store.create_run(backup(&plan, "press")).await.expect("queued");
    store.finish_run(&run, end(RunState::Complete, Some("s1"))).await.expect("ended");
    let new = |name: &str| store::NewRecoveryPlan {
        name: name.to_owned(),
        text: "name = 'x'".to_owned(),
        outline: json!({"steps": []}),
        every_days: 90,
    };
    let recovery = store.create_recovery_plan(new(" line 4 ")).await.expect("made");
    let taken = store.create_recovery_plan(new("line 4")).await;
    assert!(matches!(taken, Err(Error::Exists { .. })), "{taken:?}");
    let drill = NewRun { kind: "drill", target: Some(recovery.clone()), ..backup(&plan, "x") };
    let drill = store.create_run(drill).await.expect("queued");
    store.start_run(&drill).await.expect("begun");
    store.note_run(&drill, json!({"drill": {"id": "d"}})).await.expect("noted");
    assert_eq!(store.run(&drill).await.expect("there").report, Some(json!({"drill": {"id": "d"}})));
    let recovered = vec!["s1".to_owned(), "of another vault".to_owned()];
    store
        .finish_run(&drill, RunEnd { recovered, ..end(RunState::Complete, None) })
        .await
        .expect("ended");
    let known = store.protections().await.expect("read");
    assert_eq!(known[0].recovered_snapshot.as_deref(), Some("s1"));
    assert!(known[0].recovered_at.is_some() && known[0].proven_at.is_none());
    let late = store.replace_recovery_plan(&recovery, 7, new("other")).await;
    assert!(matches!(late, Err(Error::Mismatch { current: 1 })), "{late:?}");
    store.delete_recovery_plan(&recovery, 1).await.expect("deleted");
    assert!(store.run(&drill).await.is_ok(), "its drills stay");
}
