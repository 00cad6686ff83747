//! Numbers as large as a peer can say: one row must not spoil what is read of all.

mod rows;

use model::Time;
use rows::{asset, finding, insight, link, site};
use serde_json::json;
use store::{AgentCall, ListRequest};

const MOST: u64 = u64::MAX;
/// Greater than any count that means something, and added up without an end.
const KEPT: u64 = 1 << 60;

#[tokio::test]
async fn an_agent_that_lost_more_runs_than_there_are_is_read_as_any_other() {
    let (_dir, store) = site().await;
    let later = Time::from_secs(4_000_000_000);
    for name in ["press-4", "other"] {
        store.invite_agent(name, name.into(), later).await.expect("made");
        let enrolled = store.enrol_agent(name.into(), name.into(), "token".into()).await;
        assert_eq!(enrolled.expect("answers").as_deref(), Some(name));
    }
    for _ in 0..9 {
        let lost = Some((MOST, Time(i64::MIN), Time(i64::MAX)));
        let call = AgentCall { told: json!({}), address: None, skew_ms: i64::MAX, lost };
        store.take_agent_call("press-4", call, Vec::new()).await.expect("taken");
    }
    let agents = store.agents().await.expect("reads");
    let lost = |name: &str| agents.iter().find(|a| a.name == name).map(|agent| agent.lost_runs);
    assert_eq!((lost("press-4"), lost("other")), (Some(2 * KEPT), Some(0)));
}

#[tokio::test]
async fn counts_of_a_sensor_that_have_no_end_leave_all_rows_readable() {
    let (_dir, store) = site().await;
    let epoch = "1677-09-21T00:12:44Z";
    let mut told = vec![
        insight(json!({"kind": "hello", "version": 1, "sensor": "s", "interface": "eth0",
            "started_at": epoch})),
        asset("ast_a", "10.0.0.1", MOST),
        asset("ast_b", "10.0.0.2", MOST),
        finding("fnd_1", &["ast_a"], MOST, "2026-01-01T00:01:00Z"),
    ];
    for number in 0..9 {
        told.push(link(&format!("lnk_{number}"), "ast_a", "ast_b", MOST / 100));
    }
    let now = Time::from_nanos(
        i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos())
            .expect("before 2262"),
    );
    for at in [json!(now), json!(epoch)] {
        for _ in 0..9 {
            told.push(insight(json!({"kind": "beat", "at": at, "packets": MOST, "bytes": MOST,
                "learning": false, "health": {"unparsed": {}, "segments_lost": MOST,
                "bytes_lost": MOST, "kernel_drops": MOST, "limits": {}, "unidentified": {},
                "damaged": null, "at": null}})));
        }
    }
    for run in 1..4 {
        store.take("s", Time(run), told.clone()).await.expect("taken");
    }
    let sensor = store.sensor("s").await.expect("reads");
    assert_eq!(sensor.packets, 2 * KEPT);
    let all = ListRequest::first(100);
    assert_eq!(store.assets(&all).await.expect("reads").items.len(), 2);
    assert_eq!(store.links(&all).await.expect("reads").items.len(), 9);
    assert_eq!(store.findings(&all).await.expect("reads").items.len(), 1);
    assert_eq!(store.graph(None).await.expect("reads").edges.len(), 1);
    let overview = store.overview().await.expect("reads");
    assert_eq!(overview.links, 9);
}
