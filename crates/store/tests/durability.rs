//! Opening in bad circumstances, and what survives them.

use model::{Insight, Time};
use sqlx::{Connection, Row, SqliteConnection};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};
use store::{Error, ListRequest, OpenError, Settings, Store};

fn asset(n: usize) -> Insight {
    let json = serde_json::json!({
        "kind": "asset", "id": format!("ast_{n:06}"), "macs": [], "ips": [], "vlans": [],
        "names": [format!("device {n}"), "x".repeat(400)], "vendor": null, "model": null,
        "firmware": null, "serial": null, "class": "plc", "role": "controller",
        "role_reason": null, "purdue": 1.0, "purdue_reason": null, "os": null, "protocols": [],
        "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z", "packets": 1,
        "facts": [], "modules": [],
    });
    serde_json::from_value(json).expect("an asset")
}

async fn opens(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, Settings::default()).await
}

/// One line, and a verb that tells what to do.
#[track_caller]
fn says(error: &OpenError, parts: &[&str]) {
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    for part in parts {
        assert!(line.contains(part), "{line:?} lacks {part:?}");
    }
}

#[tokio::test]
async fn second_server_on_a_directory_is_told_who_has_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = opens(dir.path()).await.expect("opens");
    let error = opens(dir.path()).await.err().expect("locked");
    says(
        &error,
        &["in use by another spandrel", &format!("process {}", std::process::id()), "--data"],
    );
    first.close().await;
    drop(first);
    opens(dir.path()).await.expect("free again").close().await;
}

#[tokio::test]
async fn overwritten_header_is_called_damaged() {
    let dir = tempfile::tempdir().expect("a directory");
    opens(dir.path()).await.expect("opens").close().await;
    let path = dir.path().join("spandrel.db");
    let mut file = std::fs::File::options().write(true).open(&path).expect("a file");
    file.write_all(&[0x5a; 64]).expect("written");
    let error = opens(dir.path()).await.err().expect("damaged");
    says(&error, &["is damaged", "together with spandrel.db-wal and spandrel.db-shm", "a copy"]);
    let error = Store::open_read_only(dir.path()).await.err().expect("damaged");
    says(&error, &["is damaged"]);
}

#[tokio::test]
async fn damaged_pages_are_found_at_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = opens(dir.path()).await.expect("opens");
    store.take("s", Time(0), (0..200).map(asset).collect()).await.expect("taken");
    store.close().await;
    drop(store);
    let path = dir.path().join("spandrel.db");
    let mut bytes = std::fs::read(&path).expect("a database");
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 8_192].fill(0xa5);
    std::fs::write(&path, bytes).expect("written");
    let error = opens(dir.path()).await.err().expect("damaged");
    says(&error, &["is damaged", "together with spandrel.db-wal and spandrel.db-shm", "a copy"]);
}

#[tokio::test]
async fn newer_schema_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    opens(dir.path()).await.expect("opens").close().await;
    let url = format!("sqlite://{}", dir.path().join("spandrel.db").display());
    let mut db = SqliteConnection::connect(&url).await.expect("connects");
    sqlx::query("INSERT INTO migrations (number, checksum) VALUES (900, '')")
        .execute(&mut db)
        .await
        .expect("inserted");
    db.close().await.expect("closed");
    let error = opens(dir.path()).await.err().expect("newer");
    says(&error, &["newer spandrel", "schema 900", "start the newer version"]);
}

#[tokio::test]
async fn an_older_schema_is_not_read_as_if_it_were_this_one() {
    let dir = tempfile::tempdir().expect("a directory");
    opens(dir.path()).await.expect("opens").close().await;
    let url = format!("sqlite://{}", dir.path().join("spandrel.db").display());
    let mut db = SqliteConnection::connect(&url).await.expect("connects");
    let newest = "DELETE FROM migrations WHERE number = (SELECT MAX(number) FROM migrations)";
    sqlx::query(newest).execute(&mut db).await.expect("deleted");
    db.close().await.expect("closed");
    let error = Store::open_read_only(dir.path()).await.err().expect("older");
    says(&error, &["older spandrel", "start `spandrel run` on it once"]);
}

#[tokio::test]
async fn a_directory_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("file");
    std::fs::write(&path, b"x").expect("written");
    let error = opens(&path).await.err().expect("not a directory");
    says(&error, &["cannot use data directory", "--data"]);
    let error = Store::open_read_only(dir.path()).await.err().expect("nothing there");
    says(&error, &["no spandrel database", "--data"]);
}

#[tokio::test]
async fn a_database_that_another_program_holds_refuses_what_it_is_asked_and_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let (busy_wait, quick) = (std::time::Duration::from_millis(50), Settings::default());
    let settings = Settings { busy_wait, ..quick };
    let store = Store::open(dir.path(), settings).await.expect("opens");
    store.take("s", Time(0), vec![asset(0)]).await.expect("taken");
    let url = format!("sqlite://{}", dir.path().join("spandrel.db").display());
    let mut other = SqliteConnection::connect(&url).await.expect("connects");
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("holds it");
    for _ in 0..2 {
        let error = store.take("s", Time(0), vec![asset(1)]).await.expect_err("held");
        assert!(error.is_of_disk(), "it is tried again: {error}");
        assert_eq!(error.to_string(), "another program holds the database; nothing was saved");
    }
    assert!(matches!(store.trouble().expect("told").error, Error::Busy));
    let kept = store.assets(&ListRequest::first(10)).await.expect("still reads").items;
    assert_eq!(kept.len(), 1);
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("lets go");
    store.take("s", Time(0), vec![asset(1)]).await.expect("taken");
    assert!(store.trouble().is_none());
    store.close().await;
    drop(store);
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("holds it");
    let error = opens(dir.path()).await.err().expect("held");
    says(&error, &["another program holds database", "`fuser ", "spandrel.db`", "start again"]);
}

#[tokio::test]
async fn limit_of_the_database_refuses_the_call_and_keeps_what_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Settings { database_bytes_max: Some(1_025 << 10), ..Settings::default() };
    let store = Store::open(dir.path(), settings).await.expect("opens");
    let mut acknowledged = 0;
    let error = loop {
        let next = (acknowledged..acknowledged + 50).map(asset).collect();
        match store.take("s", Time(0), next).await {
            Ok(()) => acknowledged += 50,
            Err(error) => break error,
        }
        assert!(acknowledged < 10_000, "the limit is never reached");
    };
    assert!(matches!(error, Error::Limit { mib: 1 }), "{error}");
    let said = "the database has reached storage.database_mib_max (1 MiB); raise it and restart";
    assert!(error.to_string().starts_with(said), "{error}");
    let ping = store.ping().await;
    assert!(matches!(ping, Err(Error::Limit { .. })), "a commit of nothing proves no room");
    // The same where a page more finds no room on the disk is the disk's.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("spandrel.probe")).expect("links");
    let more = (acknowledged..acknowledged + 50).map(asset).collect();
    let error = store.take("s", Time(0), more).await.expect_err("no room");
    assert!(matches!(error, Error::Full), "{error}");
    assert!(error.to_string().contains("no space left on the server's disk"));
    let kept = store.assets(&ListRequest::first(1_000)).await.expect("still reads").items.len();
    assert_eq!(kept, acknowledged);
    store.close().await;
    drop(store);
    let store = opens(dir.path()).await.expect("opens with room");
    store.take("s", Time(0), vec![asset(9_999)]).await.expect("writes again");
    store.ping().await.expect("is well");
    store.close().await;
}

#[tokio::test]
async fn limit_that_is_reached_at_the_start_is_no_full_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Settings { database_bytes_max: Some(64 << 10), ..Settings::default() };
    let error = Store::open(dir.path(), settings).await.err().expect("no room for the tables");
    says(&error, &["has reached storage.database_mib_max", "raise it and start again"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_room_for_the_index_of_the_log_is_called_a_full_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    opens(dir.path()).await.expect("opens").close().await;
    // The index cannot be made, and what is written beside it finds no room.
    std::fs::create_dir(dir.path().join("spandrel.db-shm")).expect("makes");
    let error = opens(dir.path()).await.err().expect("no index");
    says(&error, &["cannot use data directory"]);
    std::os::unix::fs::symlink("/dev/full", dir.path().join("spandrel.probe")).expect("links");
    let error = opens(dir.path()).await.err().expect("no index");
    says(&error, &["no space left for database", "free some disk space"]);
}

#[tokio::test]
async fn reader_sees_what_a_running_server_committed_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = opens(dir.path()).await.expect("opens");
    store.take("s", Time(0), vec![asset(1)]).await.expect("taken");
    let reader = Store::open_read_only(dir.path()).await.expect("opens beside the server");
    assert_eq!(reader.assets(&ListRequest::first(10)).await.expect("reads").items.len(), 1);
    assert!(matches!(reader.take("s", Time(0), vec![asset(2)]).await, Err(Error::Closed)));
    reader.close().await;
    store.close().await;
}

#[tokio::test]
async fn once_closed_the_database_file_alone_is_all_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = opens(dir.path()).await.expect("opens");
    store.take("s", Time(0), vec![asset(1)]).await.expect("taken");
    store.close().await;
    assert!(!dir.path().join("spandrel.db-wal").exists(), "the log is moved into the database");
    let copy = tempfile::tempdir().expect("a directory");
    let file = "spandrel.db";
    std::fs::copy(dir.path().join(file), copy.path().join(file)).expect("copies");
    let store = opens(copy.path()).await.expect("opens");
    assert_eq!(store.assets(&ListRequest::first(10)).await.expect("reads").items.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn calls_after_close_are_refused_not_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = opens(dir.path()).await.expect("opens");
    store.close().await;
    assert!(matches!(store.take("s", Time(0), vec![asset(1)]).await, Err(Error::Closed)));
}

/// Run by the next test as a process of its own; by itself it does nothing.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os("SPANDREL_TEST_WRITER") else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = opens(Path::new(&dir)).await.expect("opens");
        for n in 0.. {
            store.take("s", Time(0), vec![asset(n)]).await.expect("taken");
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {n}").expect("the parent listens");
            out.flush().expect("the parent listens");
        }
    });
}

#[test]
fn kill_dash_nine_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
        .env("SPANDREL_TEST_WRITER", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let mut acknowledged = 0usize;
    let mut killed = false;
    for line in out.lines().map_while(Result::ok) {
        if let Some((_, n)) = line.split_once("acknowledged ") {
            acknowledged = n.parse::<usize>().expect("a number") + 1;
        }
        if acknowledged >= 40 && !killed {
            child.kill().expect("killed");
            killed = true;
        }
    }
    child.wait().expect("ended");
    assert!(killed && acknowledged >= 40, "the child wrote {acknowledged} rows");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = opens(dir.path()).await.expect("opens after a kill");
        let kept = store.assets(&ListRequest::first(1_000)).await.expect("reads").items.len();
        assert!(kept >= acknowledged, "{acknowledged} acknowledged, {kept} kept");
        let url = format!("sqlite://{}", dir.path().join("spandrel.db").display());
        let mut db = SqliteConnection::connect(&url).await.expect("connects");
        let row = sqlx::query("PRAGMA integrity_check").fetch_one(&mut db).await.expect("checks");
        assert_eq!(row.try_get::<String, _>(0).expect("a text"), "ok");
        db.close().await.expect("closed");
        store.close().await;
    });
}
