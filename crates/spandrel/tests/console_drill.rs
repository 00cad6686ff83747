//! A drill from the console, from end to end: a PostgreSQL historian is backed up by a plan of the
//! control plane, a recovery plan is drilled by a call of the API, PostgreSQL starts in it, and
//! what was lost and how long it took is in the answer and on the page to print.

#![cfg(all(unix, feature = "control-plane", feature = "vault"))]

#[expect(dead_code, reason = "the tests of the connectors use the rest")]
#[path = "../../connectors/tests/common/postgres.rs"]
mod postgres;
mod served;

use postgres::Postgres;
use serde_json::{Value, json};
use served::{PROGRAM, Server};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// However slow the machine, a run of this test has ended by then.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }
}

/// A server and who is signed in.
struct Console {
    server: Server,
    cookie: String,
    csrf: String,
}

impl Console {
    fn get(&self, path: &str) -> String {
        self.server.call("GET", path, &[("cookie", &self.cookie)], b"").2
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("x-csrf-token", self.csrf.as_str()),
            ("content-type", "application/json"),
        ];
        let answer = self.server.call("POST", path, &headers, body.to_string().as_bytes());
        assert!((200..300).contains(&answer.0), "{path}: {} {}", answer.0, answer.2);
        answer.json()
    }

    /// The first run of a kind, when it has ended.
    #[track_caller]
    fn ended(&self, kind: &str) -> Value {
        let begun = Instant::now();
        loop {
            let runs: Value =
                serde_json::from_str(&self.get(&format!("/runs?kind={kind}"))).unwrap();
            let run = &runs["items"][0];
            if run["finished_at"].is_string() {
                return run.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{run:#}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn plan(port: u16, canary: &str) -> String {
    include_str!("plans/historian.toml")
        .replace("@PORT@", &port.to_string())
        .replace("@CANARY@", canary)
        .replace("@SUM@", "500500")
}

#[test]
fn a_drill_from_the_console_starts_postgresql_and_measures_what_was_lost() {
    let place = Place { root: tempfile::tempdir().unwrap() };
    let Some(database) = Postgres::make(&place, "server", &[]) else { return };
    let port = database.port;
    database.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int)");
    database.ask("INSERT INTO sample SELECT now(), g FROM generate_series(1, 1000) g");
    let canary = Command::new(PROGRAM)
        .args(["vault", "canary", "--as", "canary.key", "--every", "0", "--count", "2", "--into"])
        .arg(format!("postgres://eva@127.0.0.1:{port}/postgres"))
        .current_dir(place.at(""))
        .env("PGPASSWORD", "secret")
        .output()
        .unwrap();
    assert!(canary.status.success(), "{canary:?}");
    let canary = String::from_utf8(canary.stdout).unwrap().trim().to_owned();

    let data = place.at("data");
    let server = Server::start(&data, &[]);
    let logins = data.join("vault-logins");
    fs::write(&logins, "127.0.0.1 vault sealed\n").unwrap();
    fs::set_permissions(&logins, fs::Permissions::from_mode(0o600)).unwrap();
    let (cookie, csrf) = server.first_sign_in();
    let console = Console { server, cookie, csrf };
    console.post("/vault", &json!({}));
    let source = format!("postgres-wal://vault@127.0.0.1:{port}/?checkpoint=fast");
    console.post(
        "/plans",
        &json!({"name": "Historian", "subject": "historian", "sources": [source],
                "every_minutes": 1, "rpo_minutes": 2}),
    );
    let backup = console.ended("backup");
    assert_eq!(backup["state"], "complete", "{backup:#}");

    let made = console.post("/recovery-plans", &json!({"text": plan(port, &canary)}));
    assert_eq!(made["problems"], json!([]), "{made:#}");
    let id = made["id"].as_str().unwrap();
    console.post(&format!("/recovery-plans/{id}:drill"), &json!({"attended": false}));
    let run = console.ended("drill");
    let drill = &run["drill"];
    assert_eq!((&run["state"], &drill["ok"]), (&json!("complete"), &json!(true)), "{run:#}");
    assert!(drill["rto_ms"].is_u64() && drill["rpo_ms"].is_u64(), "{drill:#}");
    let kinds: Vec<&Value> =
        drill["steps"].as_array().unwrap().iter().map(|step| &step["kind"]).collect();
    assert_eq!(kinds, ["restore", "postgres", "wait_for"], "{drill:#}");
    assert_eq!(drill["canaries"][0]["number"], 2, "{drill:#}");
    assert!(drill["log_entry"].is_u64(), "the vault's log has it: {drill:#}");
    let page = console.get(&format!("/runs/{}/report", run["id"].as_str().unwrap()));
    for part in ["<!doctype html>", "historian at site B", "PostgreSQL"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(fs::read_dir(data.join("drills")).unwrap().count(), 0, "nothing stays");
    assert_eq!(console.server.stop(), Some(0));
}
