//! A PostgreSQL server kept by its log, against Debian's PostgreSQL: base and log restored and
//! started, at the end and at a time; breaks, another timeline, no slot.

mod common;

use common::{
    NOON, Place, STRICT,
    peers::{Sent, tap},
    postgres::Postgres,
};
use connectors::sources::{self, postgres_ready};
use model::Time;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use vault::{Report, State};

/// Backs up the log of the server at `port`.
fn backup(place: &Place, port: u16, options: &str) -> Report {
    let secrets = place.at("secrets");
    fs::write(&secrets, "127.0.0.1 vault sealed\n").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let vault = place.unlocked();
    let context = sources::Context { staging: vault.vault().staging(), secrets: Some(secrets) };
    let source = format!("postgres-wal://vault@127.0.0.1:{port}/?checkpoint=fast{options}");
    let opened = sources::open(&source, &context).unwrap();
    let secs = i64::try_from(vault.list().unwrap().len()).unwrap() + 1;
    vault.backup("historian-1", &mut [opened], NOON.plus_secs(secs)).unwrap()
}

#[track_caller]
fn complete(report: &Report) {
    assert_eq!((&report.errors[..], report.state), (&[][..], State::Complete));
}

/// Restores a snapshot and makes it ready; the folder.
fn restore(
    place: &Place,
    report: &Report,
    port: u16,
    until: Option<Time>,
) -> (PathBuf, postgres_ready::Ready) {
    let target = place.at("out");
    drop(fs::remove_dir_all(&target));
    let done = place.unlocked().restore(&report.snapshot.unwrap(), &target, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    let folder = target.join(format!("@postgres-wal/127.0.0.1:{port}"));
    let ready = postgres_ready::make(&folder, until).unwrap();
    (folder, ready)
}

#[track_caller]
fn rows_of(place: &Place, report: &Report, port: u16, until: Option<Time>, rows: &str) {
    let (folder, ready) = restore(place, report, port, until);
    let restored = Postgres::restored(place, &folder, &ready);
    assert_eq!(restored.ask("SELECT string_agg(v::text, ' ' ORDER BY v) FROM sample"), rows);
    assert_eq!(restored.ask("SELECT pg_is_in_recovery()"), "f", "it takes writes");
}

/// What a client sent to the server after its login, as text.
fn commands(sent: &Sent) -> Vec<String> {
    let mut found = Vec::new();
    for bytes in sent.lock().unwrap().iter() {
        let startup = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        let mut rest = &bytes[usize::try_from(startup).unwrap()..];
        while let [kind, l0, l1, l2, l3, ..] = rest {
            let length = usize::try_from(u32::from_be_bytes([*l0, *l1, *l2, *l3])).unwrap();
            if *kind == b'Q' {
                found.push(String::from_utf8_lossy(&rest[5..length]).into_owned());
            }
            rest = rest.get(1 + length..).unwrap_or_default();
        }
    }
    found
}

#[test]
fn a_historian_comes_back_as_it_was_at_the_last_backup_or_at_a_time_and_no_slot_is_made() {
    let place = Place::with_vault(STRICT);
    let Some(server) = Postgres::make(&place, "server", &[]) else { return };
    server.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int)");
    server.ask("INSERT INTO sample VALUES (now(), 1)");
    let (port, sent) = tap(server.port);
    complete(&backup(&place, port, ""));
    server.ask("INSERT INTO sample VALUES (now(), 2)");
    let between =
        server.ask("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
    server.ask("INSERT INTO sample VALUES (now(), 3)");
    let second = backup(&place, port, "");
    complete(&second);
    // Nothing but the log and the word on it is read again.
    assert!(second.bytes_read < 2 << 20, "{second:?}");
    rows_of(&place, &second, port, None, "1 2 3");
    rows_of(&place, &second, port, Time::parse(&between), "1 2");
    assert_eq!(server.ask("SELECT count(*) FROM pg_replication_slots"), "0");
    for command in commands(&sent) {
        let command = command.trim_end_matches('\0');
        let reads = command == "IDENTIFY_SYSTEM"
            || command.starts_with("SHOW ")
            || command.starts_with("START_REPLICATION PHYSICAL ")
            || command.starts_with("BASE_BACKUP ");
        let slot = command.contains("SLOT");
        assert!(reads && !slot, "{command}");
    }
}

#[test]
fn a_killed_backup_leaves_no_gap_and_a_log_that_is_gone_is_named() {
    let place = Place::with_vault(STRICT);
    let Some(server) = Postgres::make(&place, "server", &[]) else { return };
    let port = server.port;
    server.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int)");
    server.ask("INSERT INTO sample VALUES (now(), 1)");
    complete(&backup(&place, port, ""));
    // As a kill leaves it: octets on disk that were not accounted for, and half a next segment.
    let wal = place.vault().join(format!(".kept/postgres-wal/127.0.0.1:{port}/wal"));
    let newest = segments(&wal).pop().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    bytes.resize(1 << 20, 0xee);
    fs::write(&newest, bytes).unwrap();
    server.ask("INSERT INTO sample VALUES (now(), 2)");
    let second = backup(&place, port, "");
    complete(&second);
    rows_of(&place, &second, port, None, "1 2");
    // While nobody fetched it, the server wrote more log than it keeps.
    server.ask("ALTER SYSTEM SET wal_keep_size = 0");
    server.ask("SELECT pg_reload_conf()");
    server.ask("INSERT INTO sample VALUES (now(), 3)");
    for _ in 0..3 {
        server.ask("SELECT pg_switch_wal()");
        server.ask("INSERT INTO sample VALUES (now(), 4)");
        server.ask("CHECKPOINT");
    }
    let third = backup(&place, port, "");
    assert_eq!((third.state, third.errors.len()), (State::Partial, 1), "{:?}", third.errors);
    let said = &third.errors[0].error;
    assert!(said.contains("the log was broken") && said.contains("already been removed"), "{said}");
    rows_of(&place, &third, port, None, "1 2 3 4 4 4");
    complete(&backup(&place, port, ""));
    // A first base would not come about with a server that keeps nothing.
    let other = Place::with_vault(STRICT);
    let refused = backup(&other, port, "");
    assert!(refused.errors[0].error.contains("wal_keep_size is 0"), "{:?}", refused.errors);
}

fn segments(wal: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(wal).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn the_log_is_followed_when_another_server_takes_over_and_a_newer_base_replaces_the_old() {
    let place = Place::with_vault(STRICT);
    let Some(mut server) = Postgres::make(&place, "server", &[]) else {
        return;
    };
    let port = server.port;
    server.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int)");
    server.ask("INSERT INTO sample VALUES (now(), 1)");
    complete(&backup(&place, port, ""));
    // A server that was a standby and is promoted begins a timeline of its own.
    server.start_again(|data| fs::write(data.join("standby.signal"), "").unwrap());
    server.ask("SELECT pg_promote()");
    server.ask("INSERT INTO sample VALUES (now(), 2)");
    let second = backup(&place, port, "");
    complete(&second);
    let spool = place.vault().join(format!(".kept/postgres-wal/127.0.0.1:{port}"));
    let state = || fs::read_to_string(spool.join("state.json")).unwrap();
    let system =
        |state: String| state.lines().find(|line| line.contains("system")).unwrap().to_owned();
    let first = system(state());
    assert!(spool.join("wal/00000002.history").exists());
    rows_of(&place, &second, port, None, "1 2");
    // Another database at the same address is not taken for this one.
    drop(server);
    let other = Place::with_vault(STRICT);
    let Some(_server) = Postgres::make_at(&other, "server", port, &[]) else { return };
    let third = backup(&place, port, "");
    assert!(third.errors[0].error.contains("another database"), "{:?}", third.errors);
    assert_ne!(system(state()), first);
    complete(&backup(&place, port, ""));
}

/// What is kept of the server at `port`, as `state.json` says.
fn state(place: &Place, port: u16) -> serde_json::Value {
    let folder = place.vault().join(format!(".kept/postgres-wal/127.0.0.1:{port}"));
    serde_json::from_slice(&fs::read(folder.join("state.json")).unwrap()).unwrap()
}

#[test]
fn a_standby_is_read_in_the_primarys_place_and_when_promoted_a_new_base_is_taken() {
    let place = Place::with_vault(STRICT);
    let Some(primary) = Postgres::make(&place, "primary", &[]) else { return };
    primary.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int)");
    primary.ask("INSERT INTO sample VALUES (now(), 1)");
    let standby = primary.standby(&place, "standby");
    let (port, count) = (standby.port, "SELECT count(*) FROM sample");
    standby.comes_to_say(count, "1");
    let first = backup(&place, port, "");
    complete(&first);
    rows_of(&place, &first, port, None, "1");
    primary.ask("INSERT INTO sample VALUES (now(), 2)");
    standby.comes_to_say(count, "2");
    let second = backup(&place, port, "");
    complete(&second);
    assert!(second.bytes_read < 2 << 20, "{second:?}");
    rows_of(&place, &second, port, None, "1 2");
    // It takes over. The log goes on without a gap, and a base of the new timeline comes beside.
    drop(primary);
    standby.ask("SELECT pg_promote()");
    standby.ask("INSERT INTO sample VALUES (now(), 3)");
    let third = backup(&place, port, "");
    complete(&third);
    rows_of(&place, &third, port, None, "1 2 3");
    let told = state(&place, port);
    assert_eq!((&told["timeline"], &told["switches"][0]["timeline"]), (&2.into(), &2.into()));
    let end = Instant::now() + Duration::from_secs(60);
    let last = loop {
        let report = backup(&place, port, "");
        complete(&report);
        if state(&place, port)["base"]["timeline"] == 2 {
            break report;
        }
        assert!(Instant::now() < end, "no new base: {}", state(&place, port));
    };
    rows_of(&place, &last, port, None, "1 2 3");
}

#[test]
fn a_standby_that_was_set_back_is_told_and_what_was_fetched_stays() {
    let place = Place::with_vault(STRICT);
    let Some(primary) = Postgres::make(&place, "primary", &[]) else { return };
    primary.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int)");
    let mut standby = primary.standby(&place, "standby");
    let (port, count) = (standby.port, "SELECT count(*) FROM sample");
    standby.comes_to_say(count, "0");
    let copy = place.at("standby/copy");
    let copied = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    standby.start_again(|data| copied(data, &copy));
    primary.ask("INSERT INTO sample VALUES (now(), 1)");
    standby.comes_to_say(count, "1");
    complete(&backup(&place, port, ""));
    let before = state(&place, port);
    // As it was, and it hears of nothing new.
    let followed = fs::read_to_string(copy.join("postgresql.auto.conf")).unwrap();
    standby.start_again(|data| {
        fs::remove_dir_all(data).unwrap();
        fs::write(copy.join("postgresql.auto.conf"), "").unwrap();
        copied(&copy, data);
    });
    standby.comes_to_say(count, "0");
    let behind = backup(&place, port, "");
    assert_eq!((behind.state, behind.errors.len()), (State::Partial, 1), "{:?}", behind.errors);
    let said = &behind.errors[0].error;
    assert!(said.contains("the standby has its log up to") && said.contains("set back"), "{said}");
    let after = state(&place, port);
    assert_eq!(
        (&after["received"], &after["received_at"]),
        (&before["received"], &before["received_at"])
    );
    rows_of(&place, &behind, port, None, "1");
    standby.start_again(|data| fs::write(data.join("postgresql.auto.conf"), followed).unwrap());
    standby.comes_to_say(count, "1");
    primary.ask("INSERT INTO sample VALUES (now(), 2)");
    standby.comes_to_say(count, "2");
    let last = backup(&place, port, "");
    complete(&last);
    rows_of(&place, &last, port, None, "1 2");
    assert_eq!(state(&place, port)["gaps"], serde_json::json!([]));
}

#[test]
fn tablespaces_come_back_beside_the_data_and_one_made_later_is_refused_where_it_has_no_place() {
    let place = Place::with_vault(STRICT);
    let Some(server) = Postgres::make(&place, "server", &[]) else { return };
    let port = server.port;
    let (fast, late) = (Postgres::folder(&place, "fast"), Postgres::folder(&place, "late"));
    server.ask(&format!("CREATE TABLESPACE fast LOCATION '{}'", fast.display()));
    server.ask("CREATE TABLE sample (at timestamptz DEFAULT now(), v int) TABLESPACE fast");
    server.ask("INSERT INTO sample VALUES (now(), 1)");
    let first = backup(&place, port, "");
    complete(&first);
    // Beside the living one, whose files it must not touch.
    rows_of(&place, &first, port, None, "1");
    let (folder, _) = restore(&place, &first, port, None);
    let moved = fs::read_dir(folder.join("tablespaces")).unwrap().count();
    assert_eq!((moved, server.ask("SELECT count(*) FROM sample").as_str()), (1, "1"));
    server.ask(&format!("CREATE TABLESPACE late LOCATION '{}'", late.display()));
    server.ask("CREATE TABLE later TABLESPACE late AS SELECT 7 AS v");
    server.ask("INSERT INTO sample VALUES (now(), 2)");
    let second = backup(&place, port, "");
    complete(&second);
    // The log would make it where the living server has it.
    let refused = |words: &[&str]| {
        let target = place.at("refused");
        drop(fs::remove_dir_all(&target));
        let id = second.snapshot.unwrap();
        assert_eq!(place.unlocked().restore(&id, &target, None, NOON).unwrap().errors, []);
        let folder = target.join(format!("@postgres-wal/127.0.0.1:{port}"));
        let why = postgres_ready::make(&folder, None).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(why.contains(word), "{word} in {why}"));
        assert!(!folder.join("data").exists());
    };
    refused(&[&late.display().to_string(), "in use here"]);
    drop(server);
    fs::remove_dir_all(&late).unwrap();
    refused(&["not here", "empty directory"]);
    Postgres::folder(&place, "late");
    let (folder, ready) = restore(&place, &second, port, None);
    let restored = Postgres::restored(&place, &folder, &ready);
    assert_eq!(restored.ask("SELECT (SELECT sum(v) FROM sample), v FROM later"), "3|7");
}
