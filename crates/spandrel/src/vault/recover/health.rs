//! Health checks of a recovery: does it answer, does it hold what it must?
//!
//! Plain sockets and HTTP on purpose: checks run inside the isolation, on its loopback. Invariant:
//! every check ends by its own time limit.

use crate::vault::postgres;
use anyhow::{Context as _, Result, bail};
use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use vault::recovery::WaitFor;

/// Time one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// One attempt; what was seen, or why it is not healthy.
pub fn attempt(
    check: &WaitFor,
    root: &Path,
    command: impl Fn(&[String]) -> Command,
) -> Result<String> {
    if let Some(address) = &check.tcp {
        reach(address, ATTEMPT)?;
        return Ok(format!("{address} takes connections"));
    }
    if let Some(url) = &check.http {
        return http(url, check);
    }
    if let (Some(path), Some(query)) = (&check.sqlite, &check.query) {
        return sqlite(&root.join(path), query, check);
    }
    if let (Some(place), Some(query)) = (&check.postgres, &check.query) {
        let (folder, database) = postgres::place(root, place)?;
        let program = command(&["psql".to_owned()]);
        let shown = postgres::ask(program, &folder, database, query, ATTEMPT)?;
        let shown = shown.lines().next().unwrap_or_default().to_owned();
        return compare(query, shown, check);
    }
    let words = check.command.as_deref().unwrap_or_default();
    let mut child = command(words);
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    finish(child, ATTEMPT)?;
    Ok(format!("{} ended with 0", words.join(" ")))
}

/// Connects, to see whether anybody is there.
pub fn reach(address: &str, within: Duration) -> Result<TcpStream> {
    let found = address.to_socket_addrs().with_context(|| format!("no address for {address}"))?;
    let mut failed = None;
    for address in found {
        match TcpStream::connect_timeout(&address, within) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error).with_context(|| format!("cannot reach {address}")),
        None => bail!("no address for {address}"),
    }
}

/// Runs a command to its end.
fn finish(mut command: Command, within: Duration) -> Result<()> {
    let mut child = command.spawn().context("cannot start it")?;
    let start = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("it ended with {status}"),
            None if start.elapsed() > within => {
                child.kill().context("cannot end it")?;
                child.wait()?;
                bail!("it took longer than {} s", within.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn http(url: &str, check: &WaitFor) -> Result<String> {
    let rest = url.strip_prefix("http://").context("only http:// addresses")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = reach(&address, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.set_write_timeout(Some(ATTEMPT))?;
    // Version 1.0, so that the answer ends with the connection (RFC 1945, 7.2.2).
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse::<u16>().ok());
    let status = status.context("the answer is not HTTP")?;
    let wanted = check.status.unwrap_or(200);
    if status != wanted {
        bail!("{url} answers {status}, not {wanted}");
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if let Some(text) = check.contains.as_ref().filter(|text| !body.contains(&text[..])) {
        bail!("{url} does not say {text:?}");
    }
    Ok(format!("{url} answers {status}"))
}

fn sqlite(path: &Path, query: &str, check: &WaitFor) -> Result<String> {
    // Not read-only: a database in WAL mode needs its shared memory file beside it.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let database = rusqlite::Connection::open_with_flags(path, flags)
        .with_context(|| format!("cannot open {}", path.display()))?;
    database.busy_timeout(ATTEMPT)?;
    let value = database.query_row(query, [], |row| row.get::<_, rusqlite::types::Value>(0))?;
    let shown = match &value {
        rusqlite::types::Value::Null => "null".to_owned(),
        rusqlite::types::Value::Integer(n) => n.to_string(),
        rusqlite::types::Value::Real(x) => x.to_string(),
        rusqlite::types::Value::Text(text) => text.clone(),
        rusqlite::types::Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    };
    compare(query, shown, check)
}

/// Whether an answer is the one that was wanted.
fn compare(query: &str, shown: String, check: &WaitFor) -> Result<String> {
    if let Some(wanted) = check.equals.as_ref().filter(|wanted| **wanted != shown) {
        bail!("{query} gives {shown}, not {wanted}");
    }
    if let Some(least) = check.at_least {
        let number: f64 = shown.parse().with_context(|| format!("{query} gives {shown}"))?;
        if number < least {
            bail!("{query} gives {shown}, less than {least}");
        }
    }
    Ok(format!("{query} gives {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn command(words: &[String]) -> Command {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    #[track_caller]
    fn check(check: &WaitFor, root: &Path, expected: Result<&str, &str>) {
        let seen = attempt(check, root, command).map_err(|error| format!("{error:#}"));
        match (&seen, expected) {
            (Ok(seen), Ok(part)) | (Err(seen), Err(part)) => assert!(seen.contains(part), "{seen}"),
            _ => panic!("{seen:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_database_is_healthy_when_it_holds_what_it_must() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        let database = rusqlite::Connection::open(path).unwrap();
        database.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)").unwrap();
        let ask = |query: &str, equals: Option<&str>, at_least: Option<f64>| WaitFor {
            sqlite: Some("h.db".into()),
            query: Some(query.into()),
            equals: equals.map(str::to_owned),
            at_least,
            ..WaitFor::default()
        };
        let count = "SELECT count(*) FROM t";
        check(&ask(count, Some("2"), None), folder.path(), Ok("gives 2"));
        check(&ask(count, None, Some(3.0)), folder.path(), Err("less than 3"));
        check(&ask("PRAGMA integrity_check", Some("ok"), None), folder.path(), Ok("ok"));
        let missing = WaitFor { sqlite: Some("no.db".into()), ..ask(count, Some("2"), None) };
        check(&missing, folder.path(), Err("cannot open"));
        assert!(!folder.path().join("no.db").exists(), "looking makes no database");
    }

    #[test]
    fn a_web_server_and_a_command_are_healthy_when_they_say_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1_024];
                if stream.read(&mut request).is_ok_and(|n| n > 0) {
                    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nline 4 runs").unwrap();
                }
            }
        });
        let http = |contains: &str| WaitFor {
            http: Some(format!("http://127.0.0.1:{port}/health")),
            contains: Some(contains.into()),
            ..WaitFor::default()
        };
        let root = Path::new("/");
        check(&http("runs"), root, Ok("answers 200"));
        check(&http("stands"), root, Err("does not say"));
        let tcp = format!("127.0.0.1:{port}");
        check(&WaitFor { tcp: Some(tcp), ..WaitFor::default() }, root, Ok("takes connections"));
        let run = |word: &str| WaitFor { command: Some(vec![word.into()]), ..WaitFor::default() };
        check(&run("true"), root, Ok("ended with 0"));
        check(&run("false"), root, Err("ended with"));
    }
}
