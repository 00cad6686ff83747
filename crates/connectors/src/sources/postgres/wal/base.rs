//! The base backup: `pg_basebackup` in a process of its own, which a backup need not wait for.
//!
//! It reads the files of the database while that works; only the log since makes a database of
//! them. It asks for no log and no slot. It outlives the backup that began it, so that the log is
//! taken every few seconds while a large base is on its way. Invariant: a base counts when its
//! manifest is there, which is written last and says what log it needs.

use super::{super::super::login::Login, Lsn, spool::Base};
use model::Time;
use serde_json::Value;
use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Octets of what the program said that are told.
const SAID_MAX: usize = 400;

/// How a base is taken.
pub struct Way<'a> {
    pub host: &'a str,
    pub port: u16,
    pub login: &'a Login,
    /// `spread`, which does not press the server, or `fast`.
    pub checkpoint: &'a str,
    pub kib_per_s: Option<u32>,
    /// What the source's options say of TLS, as libpq hears it.
    pub tls: Vec<(&'static str, String)>,
}

/// What is known of the next base.
pub enum Next {
    None,
    Running,
    Ready,
    Failed(String),
}

pub fn folder(spool: &Path) -> PathBuf {
    spool.join("base-next")
}

fn log(spool: &Path) -> PathBuf {
    spool.join("base-next.log")
}

fn process(spool: &Path) -> PathBuf {
    spool.join("base-next.process")
}

/// Begins one; there must be none.
pub fn begin(spool: &Path, way: &Way<'_>) -> io::Result<()> {
    forget(spool)?;
    let output = fs::File::create(log(spool))?;
    let mut command = Command::new("pg_basebackup");
    command
        .args(["--format=tar", "--wal-method=none", "--no-password", "--label=spandrel"])
        .arg(format!("--checkpoint={}", way.checkpoint))
        .args(["-h", way.host, "-p", &way.port.to_string(), "-U", &way.login.user])
        .arg("-D")
        .arg(folder(spool));
    if let Some(kib) = way.kib_per_s {
        command.arg(format!("--max-rate={kib}k"));
    }
    if !way.login.password.is_empty() {
        // What the environment of a process holds only its own user can read.
        command.env("PGPASSWORD", &way.login.password);
    }
    let child = command
        .env("PGAPPNAME", "spandrel backup")
        .envs(way.tls.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // It goes on when the backup has ended.
        .process_group(0)
        .spawn();
    let child = child.map_err(|error| {
        let text = "cannot start pg_basebackup; install the postgresql-client of a version not \
                    older than the server's";
        io::Error::new(error.kind(), format!("{text}: {error}"))
    })?;
    fs::write(process(spool), child.id().to_string())
}

/// How the next base stands.
pub fn next(spool: &Path) -> io::Result<Next> {
    if is_running(spool) {
        return Ok(Next::Running);
    }
    if folder(spool).join("backup_manifest").exists() {
        return Ok(Next::Ready);
    }
    match fs::read_to_string(log(spool)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Next::None),
        said => {
            let said = said?;
            let said = said.trim();
            let mut from = said.len().saturating_sub(SAID_MAX);
            while !said.is_char_boundary(from) {
                from += 1;
            }
            let said = if said.is_empty() { "it was ended" } else { &said[from..] };
            Ok(Next::Failed(said.replace('\n', "; ")))
        }
    }
}

/// How long a process may take from its beginning until it has a command line.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// Whether the process that was begun is there and still the one: numbers are used again.
fn is_running(spool: &Path) -> bool {
    let Ok(number) = fs::read_to_string(process(spool)) else { return false };
    let about = PathBuf::from("/proc").join(number.trim());
    let Ok(line) = fs::read(about.join("cmdline")) else { return false };
    // One that has ended has none, but neither has one that was begun this moment.
    if line.is_empty() {
        let stat = fs::read_to_string(about.join("stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
        let is_there = !state.is_empty() && !state.starts_with(['Z', 'X']);
        return is_there && began(spool).is_ok_and(|age| age.is_some_and(|a| a < BEGINS_WITHIN));
    }
    let wanted = folder(spool);
    let wanted = wanted.as_os_str().as_encoded_bytes();
    line.split(|byte| *byte == 0).any(|word| word == wanted)
}

/// How long ago the next base was begun.
pub fn began(spool: &Path) -> io::Result<Option<Duration>> {
    match fs::metadata(process(spool)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A clock that was set back makes it a new one.
        found => Ok(found?.modified()?.elapsed().ok().or(Some(Duration::ZERO))),
    }
}

/// Removes what is there of a base that is not wanted, and ends it when it is on its way.
pub fn forget(spool: &Path) -> io::Result<()> {
    if is_running(spool) {
        let number = fs::read_to_string(process(spool))?;
        Command::new("kill").arg(number.trim()).status()?;
    }
    for removed in [
        fs::remove_dir_all(folder(spool)),
        fs::remove_file(log(spool)),
        fs::remove_file(process(spool)),
    ] {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What log the finished base needs, by its manifest.
pub fn finished(spool: &Path) -> io::Result<Base> {
    let path = folder(spool).join("backup_manifest");
    let damaged = || io::Error::other("the manifest of the base backup cannot be read");
    let manifest: Value = serde_json::from_slice(&fs::read(&path)?).map_err(|_| damaged())?;
    let ranges = manifest["WAL-Ranges"].as_array().ok_or_else(damaged)?;
    let position = |range: &Value, name: &str| range[name].as_str().and_then(Lsn::parse);
    let starts = ranges.iter().filter_map(|range| position(range, "Start-LSN"));
    let ends = ranges.iter().filter_map(|range| position(range, "End-LSN"));
    let timeline = ranges.iter().filter_map(|range| range["Timeline"].as_u64()).min();
    let timeline = timeline.and_then(|timeline| timeline.try_into().ok()).ok_or_else(damaged)?;
    let start = starts.min().ok_or_else(damaged)?;
    let written = fs::metadata(&path)?.modified()?;
    let since = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(Base {
        folder: format!("base-{:08X}-{:016X}", timeline, start.0),
        timeline,
        start,
        end: ends.max().ok_or_else(damaged)?,
        taken_at: Time::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
    })
}
