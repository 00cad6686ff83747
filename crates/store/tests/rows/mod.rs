//! A store, and rows that a sensor tells, for the tests of several files.
//!
//! Not here: what is claimed of them. Invariant: a row is the same whoever asks for it.

use model::Insight;
use serde_json::json;
use store::{Settings, Store};
use tempfile::TempDir;

pub async fn site() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
    (dir, store)
}

pub fn insight(row: serde_json::Value) -> Insight {
    serde_json::from_value(row).expect("an insight")
}

pub fn asset(id: &str, ip: &str, packets: u64) -> Insight {
    insight(json!({
        "kind": "asset", "id": id, "macs": [], "ips": [ip], "vlans": [], "names": [],
        "vendor": "Siemens AG", "model": null, "firmware": null, "serial": null, "class": "plc",
        "role": "controller", "role_reason": "answers reads", "purdue": 1.0,
        "purdue_reason": null, "os": null, "protocols": ["s7comm"],
        "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:01:00Z",
        "packets": packets, "facts": [], "modules": [],
    }))
}

pub fn link(id: &str, client: &str, server: &str, packets: u64) -> Insight {
    insight(json!({
        "kind": "link", "id": id, "client": client, "server": server, "protocol": "s7comm",
        "transport": "tcp", "port": 102, "first_seen": "2026-01-01T00:00:00Z",
        "last_seen": "2026-01-01T00:01:00Z", "packets": packets, "bytes": packets * 100,
        "operations": {"read": packets}, "poll_interval_ms": null,
    }))
}

pub fn finding(id: &str, assets: &[&str], count: u64, last_seen: &str) -> Insight {
    insight(json!({
        "kind": "finding", "id": id, "detector": "program-download", "engine": "policy",
        "severity": "high", "title": "program downloaded", "techniques": ["T0843"],
        "first_seen": "2026-01-01T00:00:30Z", "last_seen": last_seen, "count": count,
        "assets": assets, "addresses": ["10.0.0.1"], "explanation": "why",
        "evidence": [{"kind": "count", "first": "2026-01-01T00:00:30Z", "last": last_seen,
                      "count": count, "says": "downloads"}],
        "runbook": "Ask who did it",
    }))
}
