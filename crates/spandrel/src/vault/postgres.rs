//! A restored PostgreSQL: made ready to start, started, asked.
//!
//! Not here: how it is backed up (`connectors`). Invariant: a server is started only in a copy
//! that was restored, by the version that wrote it, and is asked through a socket that only this
//! user reaches.

use super::{complain, print_line};
use anyhow::{Context as _, Result, bail};
use connectors::sources::postgres_ready::{self, Ready};
use model::Time;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

#[derive(clap::Args)]
pub struct Options {
    /// The restored folder of a `postgres-wal:` source, with base, wal and state.json
    folder: PathBuf,
    /// Replay up to this time, RFC 3339 [default: all there is]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// `vault postgres-ready`.
pub fn run(options: &Options) -> Result<ExitCode> {
    let until = options.until.as_deref().map(Time::parse);
    let until = until.map(|time| time.context("--until is no RFC 3339 time")).transpose()?;
    let ready = postgres_ready::make(&options.folder, until)
        .with_context(|| format!("cannot make {} ready", options.folder.display()))?;
    complain(&format!(
        "PostgreSQL {} can start in it; its log was received last at {}",
        ready.version, ready.received_at
    ));
    print_line(&ready.data.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a folder ready and notes who its administrator is.
pub fn make_ready(folder: &Path, until: Option<Time>, user: &str) -> Result<Ready> {
    let ready = postgres_ready::make(folder, until)
        .with_context(|| format!("cannot make {} ready", folder.display()))?;
    fs::write(ready.run.join("user"), user).context("cannot note the administrator")?;
    Ok(ready)
}

/// The command that starts it beside everything else.
pub fn command(
    ready: &Ready,
    port: u16,
    settings: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    let settings: Vec<_> = settings.iter().map(|(a, b)| (a.clone(), b.clone())).collect();
    let mut words = vec![server(&ready.version)?];
    words.extend(ready.arguments(port, &settings));
    Ok(words)
}

/// PostgreSQL refuses to run as root. In a user namespace of its own it is somebody else and yet
/// owns its files: arguments of `unshare`.
pub const AS_ANOTHER: [&str; 4] = ["--user", "--map-user=1000", "--map-group=1000", "--"];

/// The command as somebody who is not root.
pub fn as_another(words: Vec<String>) -> Vec<String> {
    if !rustix::process::geteuid().is_root() {
        return words;
    }
    let unshare = std::iter::once("unshare").chain(AS_ANOTHER).map(str::to_owned);
    unshare.chain(words).collect()
}

/// The server of a version: data is readable by the one that wrote it alone.
fn server(version: &str) -> Result<String> {
    for path in [
        format!("/usr/lib/postgresql/{version}/bin/postgres"),
        format!("/usr/pgsql-{version}/bin/postgres"),
    ] {
        if Path::new(&path).exists() {
            return Ok(path);
        }
    }
    let said = Command::new("postgres").arg("--version").output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let fits = |text: &String| text.contains(&format!(" {version}."));
    match said {
        Ok(text) if fits(&text) => Ok("postgres".to_owned()),
        _ => bail!("PostgreSQL {version} is not installed here, and no other version reads it"),
    }
}

/// `DATA/DATABASE` below the recovered data: the folder and the database.
pub fn place<'a>(root: &Path, text: &'a str) -> Result<(PathBuf, &'a str)> {
    let (data, database) = text.rsplit_once('/').context("write DATA/DATABASE")?;
    Ok((root.join(data), database))
}

/// Asks a started server; the answer's lines. `program` is psql.
pub fn ask(
    mut program: Command,
    folder: &Path,
    database: &str,
    query: &str,
    within: Duration,
) -> Result<String> {
    let run = folder.join("run");
    let user = fs::read_to_string(run.join("user"))
        .with_context(|| format!("no PostgreSQL was started in {}", folder.display()))?;
    let socket = fs::read_dir(&run)?.flatten().find_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_prefix(".s.PGSQL.").filter(|port| !port.contains('.')).map(str::to_owned)
    });
    let port = socket.context("PostgreSQL does not listen yet")?;
    program.arg("-h").arg(run).args(["-p", &port, "-U", user.trim(), "-d", database]);
    psql(program, query, within)
}

/// Runs a query or a script by psql; the lines of its answer.
pub fn psql(mut program: Command, query: &str, within: Duration) -> Result<String> {
    let (secs, ms) = (within.as_secs().max(1), within.as_millis());
    program
        .args(["-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-c", query])
        .env("PGCONNECT_TIMEOUT", secs.to_string())
        .env("PGOPTIONS", format!("-c statement_timeout={ms} -c client_min_messages=warning"))
        .stdin(Stdio::null());
    let output = program.output().context("cannot start psql; install postgresql-client")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it failed");
        bail!("psql: {}", said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
