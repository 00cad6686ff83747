//! A PostgreSQL historian from end to end: canaries written, backed up by its log, a backup killed
//! in between, restored and started in an isolated drill that measures what was lost.

#![cfg(feature = "vault")]

#[expect(dead_code, reason = "the tests of the connectors use the rest")]
#[path = "../../connectors/tests/common/postgres.rs"]
mod postgres;

use postgres::Postgres;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

const SPANDREL: &str = env!("CARGO_BIN_EXE_spandrel");

pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SPANDREL);
        command.args(arguments).current_dir(self.root.path());
        command.env_remove("SPANDREL_VAULT_KEY_FILE").env("PGPASSWORD", "secret");
        command
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }
}

#[test]
fn what_a_historian_lost_is_measured_in_the_database_that_was_started_again() {
    let place = Place { root: tempfile::tempdir().unwrap() };
    let Some(server) = Postgres::make(&place, "server", &[]) else { return };
    let port = server.port;
    server.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int)");
    server.ask("INSERT INTO sample SELECT now(), g FROM generate_series(1, 1000) g");
    let into = format!("postgres://eva@127.0.0.1:{port}/postgres");
    let canary = ["vault", "canary", "--as", "canary.key", "--into", &into, "--every", "0"];
    let key = place.good(&[&canary[..], &["--count", "2"]].concat()).stdout;
    let key = String::from_utf8(key).unwrap().trim().to_owned();
    place.good(&["vault", "init", "vault", "--key-file", "key"]);
    fs::write(place.at("logins"), "127.0.0.1 vault sealed\n").unwrap();
    fs::set_permissions(place.at("logins"), fs::Permissions::from_mode(0o600)).unwrap();
    let source = format!("postgres-wal://vault@127.0.0.1:{port}/?checkpoint=fast");
    let backup = ["backup", "--vault", "vault", "--asset", "historian", "--secrets", "logins"];
    let backup = [&backup[..], &["--source", &source]].concat();
    place.good(&backup);
    // Killed as soon as it has fetched something; the next one leaves nothing out.
    server.ask("INSERT INTO sample VALUES (now(), 1001)");
    let state = place.at(&format!("vault/.kept/postgres-wal/127.0.0.1:{port}/state.json"));
    let before = fs::read(&state).unwrap();
    let mut killed = place.command(&backup).stderr(Stdio::null()).spawn().unwrap();
    while fs::read(&state).unwrap() == before && killed.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    server.ask("INSERT INTO sample VALUES (now(), 1002)");
    place.good(&[&canary[..], &["--count", "1"]].concat());
    place.good(&backup);
    place.good(&["vault", "verify", "vault"]);
    let plan = include_str!("plans/historian.toml")
        .replace("@PORT@", &port.to_string())
        .replace("@CANARY@", &key)
        .replace("@SUM@", "502503");
    fs::write(place.at("plan.toml"), plan).unwrap();
    fs::create_dir(place.at("work")).unwrap();
    let drill = ["vault", "recover", "drill", "plan.toml", "--vault", "vault", "--work", "work"];
    let drill = place.command(&[&drill[..], &["--format", "json"]].concat()).output().unwrap();
    let said: Value = serde_json::from_slice(&drill.stdout).unwrap_or_default();
    let report = &said["report"];
    assert_eq!(report["ok"], true, "{report:#} {drill:?}");
    assert!(report["rpo_ms"].is_u64() && report["rto_ms"].is_u64(), "{report:#}");
    let found = &report["canaries"][0];
    assert_eq!((&found["number"], &found["missing"]), (&3.into(), &0.into()), "{found}");
    assert_eq!(fs::read_dir(place.at("work")).unwrap().count(), 0, "nothing stays");
}
