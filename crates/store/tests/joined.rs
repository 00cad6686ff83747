//! What several sensors told of one thing, and what was found to be one thing.

mod rows;

use model::{AssetId, Insight, Severity, Time};
use rows::{asset, finding, insight, link, site};
use serde_json::json;
use sqlx::Connection;
use std::path::Path;
use store::{AssetPatch, Error, ListRequest, NewRun, RUNS_KEPT_MAX, RunEnd, RunState, Store};

async fn database(folder: &Path) -> sqlx::SqliteConnection {
    let url = format!("sqlite://{}", folder.join("spandrel.db").display());
    sqlx::SqliteConnection::connect(&url).await.expect("connects")
}

fn merged(id: &str, into: &str) -> Insight {
    Insight::AssetMerged { id: AssetId(id.into()), into: AssetId(into.into()) }
}

/// How many findings of an asset are open and not muted, and the worst.
async fn open(store: &Store, asset: &str) -> (u32, Option<Severity>) {
    let record = store.asset(asset).await.expect("there").record;
    (record.findings, record.severity)
}

async fn is_muted(store: &Store, finding: &str) -> bool {
    store.finding(finding).await.expect("there").record.muted
}

#[tokio::test]
async fn an_asset_is_new_when_it_came_here_and_not_when_its_packets_were_sent() {
    let (dir, store) = site().await;
    store.take("s", Time(1), vec![asset("ast_a", "10.0.0.1", 1)]).await.expect("taken");
    let new = async || store.overview().await.expect("reads").assets_new_24h;
    let since = async |id: &str| store.asset(id).await.expect("there").record.known_since;
    let first = since("ast_a").await.expect("it came");
    assert!(first > Time::parse("2026-01-02T00:00:00Z").expect("a time"), "{first}");
    assert_eq!(new().await, 1);
    store.take("t", Time(2), vec![asset("ast_a", "10.0.0.1", 9)]).await.expect("taken");
    assert_eq!(since("ast_a").await, Some(first), "told again");
    let mut db = database(dir.path()).await;
    for (wrong, expected) in [(first.plus_secs(-90_000), 0), (first.plus_secs(90_000), 0)] {
        let set = sqlx::query("UPDATE assets SET known_since = $1").bind(wrong.nanos());
        set.execute(&mut db).await.expect("set");
        assert_eq!(new().await, expected);
    }
    // What it proves to be part of is known as long, whether its row is there or comes later.
    let set = sqlx::query("UPDATE assets SET known_since = 5");
    set.execute(&mut db).await.expect("set");
    let told = vec![
        asset("ast_b", "10.0.0.2", 1),
        merged("ast_a", "ast_b"),
        merged("ast_b", "ast_c"),
        asset("ast_d", "10.0.0.4", 1),
    ];
    store.take("s", Time(1), told).await.expect("taken");
    store.take("s", Time(1), vec![asset("ast_c", "10.0.0.3", 1)]).await.expect("taken");
    assert_eq!((since("ast_c").await, new().await), (Some(Time(5)), 1));
    let request = ListRequest { sort: Some("-known_since".to_owned()), ..ListRequest::first(9) };
    let items = store.assets(&request).await.expect("reads").items;
    assert_eq!(items.iter().map(|a| a.id.0.as_str()).collect::<Vec<_>>(), ["ast_d", "ast_c"]);
}

#[tokio::test]
async fn two_sensors_that_hear_the_same_add_up_once_however_often_they_tell() {
    let (_dir, store) = site().await;
    let told = |packets| {
        vec![
            asset("ast_a", "10.0.0.1", packets),
            link("lnk_1", "ast_b", "ast_a", packets),
            finding("fnd_1", &["ast_a"], packets, "2026-01-01T00:01:00Z"),
        ]
    };
    for turn in 1..=20 {
        store.take("a", Time(1), told(turn * 10)).await.expect("taken");
        store.take("b", Time(2), told(turn)).await.expect("taken");
    }
    let counts = async || {
        let link = store.links(&ListRequest::first(1)).await.expect("links").items.remove(0).link;
        let asset = store.asset("ast_a").await.expect("there").record.packets;
        let finding = store.finding("fnd_1").await.expect("there").record.count;
        (asset, finding, link.packets, link.bytes, link.operations["read"])
    };
    assert_eq!(counts().await, (220, 220, 220, 22_000, 220), "200 of one, 20 of the other");
    // A run of one ends; the other's goes on.
    store.take("a", Time(3), told(5)).await.expect("taken");
    store.take("b", Time(2), told(21)).await.expect("taken");
    store.take("a", Time(3), told(6)).await.expect("taken");
    assert_eq!(counts().await, (227, 227, 227, 22_700, 227));
}

#[tokio::test]
async fn a_merged_link_has_what_the_other_sensor_counted_of_it_once() {
    let (_dir, store) = site().await;
    let packets = async || {
        let links = store.links(&ListRequest::first(10)).await.expect("a page").items;
        links.into_iter().map(|l| (l.link.id.0, l.link.packets)).collect::<Vec<_>>()
    };
    let one = |packets| link("lnk_1", "ast_b", "ast_a", packets);
    let both = |packets| link("lnk_2", "ast_b", "ast_c", packets);
    let merged = || insight(json!({"kind": "link-merged", "id": "lnk_1", "into": "lnk_2"}));
    store.take("b", Time(2), vec![one(30)]).await.expect("taken");
    store.take("a", Time(1), vec![one(5), both(12), merged()]).await.expect("taken");
    assert_eq!(packets().await, [("lnk_2".to_owned(), 42)]);
    store.take("b", Time(2), vec![both(35), merged()]).await.expect("taken");
    store.take("a", Time(1), vec![both(13)]).await.expect("taken");
    assert_eq!(packets().await, [("lnk_2".to_owned(), 48)]);
}

#[tokio::test]
async fn a_mute_ends_also_where_its_finding_came_to_be_about_others() {
    let (dir, store) = site().await;
    let about = |assets: &[&str], count| finding("fnd_1", assets, count, "2026-01-01T00:01:00Z");
    let rows = vec![asset("ast_a", "10.0.0.1", 1), asset("ast_b", "10.0.0.2", 1)];
    store.take("s", Time(1), rows).await.expect("taken");
    store.take("s", Time(1), vec![about(&["ast_a"], 1)]).await.expect("taken");
    store.mute_finding("fnd_1", "planned work", None, "ada").await.expect("muted");
    assert_eq!(open(&store, "ast_a").await, (0, None));
    // A rule is for exactly its assets.
    store.take("s", Time(1), vec![about(&["ast_a", "ast_b"], 2)]).await.expect("taken");
    assert!(!is_muted(&store, "fnd_1").await);
    assert_eq!((open(&store, "ast_a").await.0, open(&store, "ast_b").await.0), (1, 1));
    store.take("s", Time(1), vec![about(&["ast_a"], 3)]).await.expect("taken");
    assert!(is_muted(&store, "fnd_1").await);
    assert_eq!((open(&store, "ast_a").await.0, open(&store, "ast_b").await.0), (0, 0));
    // As databases of before are: the finding is about others and still muted by the rule.
    let mut db = database(dir.path()).await;
    let moved = "UPDATE findings SET assets = char(10) || 'ast_b' || char(10)";
    sqlx::query(moved).execute(&mut db).await.expect("moved");
    let rule = store.mutes().await.expect("reads").remove(0);
    assert_eq!((rule.findings, rule.reason.as_str()), (1, "planned work"));
    store.delete_mute(&rule.id).await.expect("deleted");
    assert!(!is_muted(&store, "fnd_1").await);
    assert_eq!(open(&store, "ast_b").await.0, 0, "whom it counts on is as it was told");
    // Or the rule is gone already.
    let stuck = "UPDATE findings SET mute = 'mut_gone', muted = 1";
    sqlx::query(stuck).execute(&mut db).await.expect("stuck");
    assert_eq!(store.sweep(60).await.expect("sweeps").mutes, 0);
    assert!(!is_muted(&store, "fnd_1").await);
}

#[tokio::test]
async fn a_mute_goes_over_to_the_asset_that_its_own_is_part_of() {
    let (_dir, store) = site().await;
    let about = |id, assets: &[&str]| finding(id, assets, 1, "2026-01-01T00:01:00Z");
    let rows = vec![
        asset("ast_a", "10.0.0.1", 1),
        asset("ast_b", "10.0.0.2", 1),
        asset("ast_c", "10.0.0.3", 1),
        about("fnd_1", &["ast_a", "ast_b"]),
        about("fnd_2", &["ast_b", "ast_c"]),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    store.mute_finding("fnd_1", "planned work", None, "ada").await.expect("muted");
    assert_eq!((open(&store, "ast_b").await.0, open(&store, "ast_c").await.0), (1, 1));
    store.take("s", Time(1), vec![merged("ast_a", "ast_c")]).await.expect("taken");
    assert!(is_muted(&store, "fnd_1").await && is_muted(&store, "fnd_2").await);
    assert_eq!((open(&store, "ast_b").await.0, open(&store, "ast_c").await.0), (0, 0));
    let rule = store.finding("fnd_2").await.expect("there").mute.expect("a rule");
    assert_eq!(rule.findings, 2);
    assert_eq!(rule.assets.iter().map(|a| a.id.0.as_str()).collect::<Vec<_>>(), ["ast_b", "ast_c"]);
    store.unmute_finding("fnd_1", "ada").await.expect("unmuted");
    assert!(!is_muted(&store, "fnd_1").await && !is_muted(&store, "fnd_2").await);
    assert_eq!((open(&store, "ast_b").await.0, open(&store, "ast_c").await.0), (2, 2));
    assert!(store.asset("ast_a").await.expect("leads on").record.id.0 == "ast_c");
}

#[tokio::test]
async fn of_two_mutes_that_came_to_say_the_same_the_heirs_holds() {
    let (_dir, store) = site().await;
    let rows = vec![
        asset("ast_a", "10.0.0.1", 1),
        asset("ast_c", "10.0.0.3", 1),
        finding("fnd_1", &["ast_a"], 1, "2026-01-01T00:01:00Z"),
        finding("fnd_2", &["ast_c"], 1, "2026-01-01T00:01:00Z"),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    store.mute_finding("fnd_1", "of the part", None, "ada").await.expect("muted");
    store.mute_finding("fnd_2", "of the heir", None, "ada").await.expect("muted");
    store.take("s", Time(1), vec![merged("ast_a", "ast_c")]).await.expect("taken");
    let rules = store.mutes().await.expect("reads");
    let said: Vec<_> = rules.iter().map(|m| (m.reason.as_str(), m.findings)).collect();
    assert_eq!(said, [("of the heir", 2)]);
}

#[tokio::test]
async fn the_operators_word_of_an_id_that_was_merged_away_is_said_of_what_it_is_part_of() {
    let (_dir, store) = site().await;
    let rows = vec![
        asset("ast_a", "10.0.0.1", 1),
        asset("ast_c", "10.0.0.3", 1),
        merged("ast_a", "ast_c"),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let patch = |level| AssetPatch { criticality: Some(Some(level)), ..Default::default() };
    store.patch_asset("ast_c", 1, patch(2), "ada").await.expect("patched");
    let stale = store.patch_asset("ast_a", 1, patch(3), "ada").await;
    assert!(matches!(stale, Err(Error::Mismatch { current: 2 })), "{stale:?}");
    store.patch_asset("ast_a", 2, patch(4), "ada").await.expect("patched");
    let all = store.assets(&ListRequest::first(10)).await.expect("a page").items;
    let all: Vec<_> = all.iter().map(|a| (a.id.0.as_str(), a.criticality, a.generation)).collect();
    assert_eq!(all, [("ast_c", Some(4), 3)]);
    let events = store.asset_events("ast_c").await.expect("events");
    assert_eq!(events.iter().filter(|event| event.kind == "operator").count(), 2);
}

#[tokio::test]
async fn the_sweep_leaves_the_run_that_a_proof_is_of() {
    let (dir, store) = site().await;
    let plan = store.create_plan("p", json!({})).await.expect("made");
    let run = |kind| NewRun {
        kind,
        plan: Some(plan.clone()),
        target: Some("press".to_owned()),
        name: "press".to_owned(),
        job: json!({}),
        ..NewRun::default()
    };
    let mut backups = Vec::new();
    for snapshot in ["s1", "s2"] {
        let id = store.create_run(run("backup")).await.expect("queued");
        let state = Some(RunState::Complete);
        let end = RunEnd { state, snapshot: Some(snapshot.to_owned()), ..RunEnd::default() };
        store.finish_run(&id, end).await.expect("ended");
        backups.push(id);
    }
    let more = "INSERT INTO runs (id, kind, state, name, cause, job, queued_at, finished_at, \
        entries, bytes_read, bytes_stored, faults, revision) WITH RECURSIVE n (n) AS (SELECT 1 \
        UNION ALL SELECT n + 1 FROM n WHERE n < $1) SELECT 'run_x' || n, 'forget', 'complete', \
        'x', 'schedule', '{}', 4000000000000000000 + n, 4000000000000000000, 0, 0, 0, 0, 0 FROM n";
    let mut db = database(dir.path()).await;
    sqlx::query(more).bind(RUNS_KEPT_MAX).execute(&mut db).await.expect("filled");
    assert_eq!(store.sweep(60).await.expect("sweeps").runs, 1);
    assert!(matches!(store.run(&backups[0]).await, Err(Error::NotFound { .. })), "it is swept");
    let proof = NewRun { snapshot: Some("s2".to_owned()), ..run("verify") };
    let proof = store.create_run(proof).await.expect("queued");
    let (state, recovered) = (Some(RunState::Complete), vec!["s2".to_owned()]);
    let end = RunEnd { state, level: Some(2), recovered, ..RunEnd::default() };
    store.finish_run(&proof, end).await.expect("ended");
    let known = store.protections().await.expect("reads").remove(0);
    assert_eq!(known.proven_snapshot.as_deref(), Some("s2"));
    assert_eq!(known.recovered_snapshot.as_deref(), Some("s2"));
}
