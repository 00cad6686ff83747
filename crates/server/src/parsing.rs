//! Uploaded captures are parsed by a child process with limits, never here.
//!
//! The child is this program again: it lowers its own limits (processor time, memory, files) and
//! then runs `spandrel pcap`. Not here: HTTP. Invariant: whatever the file does to the child, the
//! server only ever reads bounded JSON; the file is gone when the child is.

use crate::{
    app::{App, Shared},
    limits::{LARGE_REPORT_WAIT, REPORT_BYTES_MAX, REPORT_SMALL_BYTES_MAX},
    secret::{hex, random},
    settings::Reading,
};
use model::{Asset, Finding, Health, Insight, Link, Severity, Time};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
};
use store::CaptureSummary;
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::OwnedSemaphorePermit,
};

/// The answer of `spandrel pcap --format json`, as far as the server shows it.
#[derive(Deserialize)]
pub(crate) struct Report {
    packets: u64,
    bytes: u64,
    first_ts: Option<Time>,
    last_ts: Option<Time>,
    pub(crate) messages: BTreeMap<String, Vec<Messages>>,
    pub(crate) assets: Vec<Asset>,
    pub(crate) links: Vec<Link>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) health: Health,
}

/// Messages of one kind, of which nothing but their number is shown: most of a large report is
/// what else stands there.
#[derive(Deserialize)]
pub(crate) struct Messages {
    #[serde(default)]
    pub(crate) count: serde_json::Value,
}

impl Report {
    fn summary(&self) -> CaptureSummary {
        CaptureSummary {
            packets: self.packets,
            bytes: self.bytes,
            first_ts: self.first_ts,
            last_ts: self.last_ts,
            assets: self.assets.len() as u64,
            links: self.links.len() as u64,
            findings: self.findings.len() as u64,
            severity: self.worst(),
        }
    }

    fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    pub(crate) fn into_insights(self) -> Vec<Insight> {
        let assets = self.assets.into_iter().map(Insight::Asset);
        let links = self.links.into_iter().map(Insight::Link);
        let findings = self.findings.into_iter().map(Insight::Finding);
        assets.chain(links).chain(findings).collect()
    }
}

/// An upload on its way to the disk; its file goes when it is dropped unfinished.
pub(crate) struct Spool {
    pub(crate) file: fs::File,
    pub(crate) size_bytes: u64,
    pub(crate) digest: ring::digest::Context,
    path: Scratch,
}

/// An upload on the disk.
pub(crate) struct Received {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
    path: Scratch,
}

/// A file that is deleted with its owner.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, "an uploaded capture could not be deleted");
        }
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join("captures")
}

fn report_path(data: &Path, id: &str) -> PathBuf {
    folder(data).join(format!("{id}.json"))
}

impl Spool {
    pub(crate) async fn new(data: &Path) -> io::Result<Spool> {
        let mut made = fs::DirBuilder::new();
        #[cfg(unix)]
        made.mode(0o700);
        made.recursive(true).create(folder(data)).await?;
        let path = folder(data).join(format!("upload-{}", random::<12>()));
        let mut options = fs::File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(&path).await?;
        let digest = ring::digest::Context::new(&ring::digest::SHA256);
        Ok(Spool { file, size_bytes: 0, digest, path: Scratch(path) })
    }

    pub(crate) async fn finish(mut self) -> io::Result<Received> {
        self.file.flush().await?;
        let sha256 = hex(self.digest.finish().as_ref());
        Ok(Received { size_bytes: self.size_bytes, sha256, path: self.path })
    }
}

/// Deletes uploads and half-written reports that an earlier run left behind.
pub(crate) async fn clean_up(data: &Path) {
    let Ok(mut entries) = fs::read_dir(folder(data)).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if (name.starts_with("upload-") || name.ends_with(".new"))
            && let Err(error) = fs::remove_file(entry.path()).await
        {
            tracing::warn!(%error, "an old upload could not be deleted");
        }
    }
}

/// Parses in the background and notes how it ended.
pub(crate) async fn parse(
    app: Shared,
    id: String,
    (received, reading): (Received, Option<Reading>),
    _place: OwnedSemaphorePermit,
) {
    let turn = app.parsing.acquire().await;
    let mut stopping = app.stopping.clone();
    let outcome = tokio::select! {
        outcome = report(&app, &id, &received.path.0, reading.as_ref()) => outcome,
        _ = stopping.changed() => {
            Err("the server stopped while it was parsed; upload it again".to_owned())
        }
    };
    drop(turn);
    if let Err(reason) = &outcome {
        tracing::warn!(capture = id, reason, "a capture could not be parsed");
    }
    match app.store.finish_capture(&id, outcome.clone()).await {
        Ok(()) => {}
        Err(error) if error.is_of_disk() => {
            tracing::warn!(capture = id, %error, "the end of a capture waits to be noted");
            app.meanwhile.parsed(id, outcome);
        }
        Err(error) => {
            tracing::error!(capture = id, %error, "the end of a capture could not be noted");
        }
    }
}

async fn report(
    app: &Shared,
    id: &str,
    capture: &Path,
    reading: Option<&Reading>,
) -> Result<CaptureSummary, String> {
    let json = run(app, capture, reading).await?;
    let read = move || {
        let report: Report = serde_json::from_slice(&json)
            .map_err(|error| format!("the parser's answer cannot be read: {error}"))?;
        Ok::<_, String>((report.summary(), json))
    };
    let (summary, json) = aside(read).await??;
    let path = report_path(&app.settings.data, id);
    save(&path, &json).await.map_err(|error| format!("the report cannot be saved: {error}"))?;
    Ok(summary)
}

/// Work that takes long is not for a thread that others wait for.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

async fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&beside).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    fs::rename(&beside, path).await
}

/// Runs the child; gives what it wrote, or its last line of complaint.
async fn run(app: &Shared, capture: &Path, reading: Option<&Reading>) -> Result<Vec<u8>, String> {
    let settings = &app.settings;
    let mut command = Command::new(&settings.program);
    command.args(["confine", "--", "pcap", "--format", "json"]);
    let (protocols, rules) = reading.map_or((&None, &None), |r| (&r.protocols, &r.rules));
    for (option, file) in [("--protocols", protocols), ("--rules", rules)] {
        if let Some(file) = file {
            command.arg(option).arg(file);
        }
    }
    let mut child = command
        .arg(capture)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the parser cannot be started: {error}"))?;
    let out = child.stdout.take().expect("piped above");
    let err = child.stderr.take().expect("piped above");
    let work = async {
        let (mut answer, mut complaint) = (Vec::new(), Vec::new());
        // One byte more than the limit tells that there was more.
        let limit = REPORT_BYTES_MAX as u64 + 1;
        let (mut out, mut err) = (out.take(limit), err.take(16 << 10));
        let (read, _) = tokio::join!(out.read_to_end(&mut answer), err.read_to_end(&mut complaint));
        read.map_err(|error| format!("the parser's answer broke off: {error}"))?;
        if answer.len() > REPORT_BYTES_MAX {
            return Err("the report is too large; split the capture".to_owned());
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        if status.success() {
            return Ok(answer);
        }
        let line = why(&String::from_utf8_lossy(&complaint), capture);
        Err(if line.is_empty() { format!("the parser ended with {status}") } else { line })
    };
    match tokio::time::timeout(settings.parse_timeout, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!(
            "it took longer than {} s; split the capture",
            settings.parse_timeout.as_secs()
        )),
    }
}

/// The last line of a complaint, without what a person at a command line is told beside it.
fn why(complaint: &str, capture: &Path) -> String {
    let line = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = line.replace(&*capture.to_string_lossy(), "the file");
    let line = line.strip_prefix("spandrel: ").unwrap_or(&line);
    line.strip_prefix("cannot read the file: ").unwrap_or(line).to_owned()
}

/// A place for a report of that capture in memory, where it is a large one; an error where others
/// take too long.
pub(crate) async fn place_for_report(
    app: &App,
    id: &str,
) -> Result<Option<OwnedSemaphorePermit>, TakesTooLong> {
    let report = fs::metadata(report_path(&app.settings.data, id)).await;
    if report.is_ok_and(|report| report.len() <= REPORT_SMALL_BYTES_MAX) {
        return Ok(None);
    }
    let free = std::sync::Arc::clone(&app.reports).acquire_owned();
    match tokio::time::timeout(LARGE_REPORT_WAIT, free).await {
        Ok(Ok(place)) => Ok(Some(place)),
        _ => Err(TakesTooLong),
    }
}

/// Other reports take the places for so long that nobody should wait.
pub(crate) struct TakesTooLong;

/// Reads and parses, which takes long: see [`aside`].
pub(crate) fn read_report(data: &Path, id: &str) -> Result<Report, String> {
    let path = report_path(data, id);
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) async fn delete_report(data: &Path, id: &str) {
    if let Err(error) = fs::remove_file(report_path(data, id)).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(capture = id, %error, "a report could not be deleted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_capture_is_none_is_said_without_the_command_line() {
        let capture = Path::new("/data/captures/x.part");
        for (said, expect) in [
            ("spandrel: cannot read /data/captures/x.part: not a capture\n\n", "not a capture"),
            ("a warning\nspandrel: out of memory\n", "out of memory"),
            ("killed", "killed"),
            ("", ""),
        ] {
            assert_eq!(why(said, capture), expect);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_came_of_a_capture_is_its_owners_and_what_was_half_written_goes() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let mode =
            |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        drop(Spool::new(dir.path()).await.expect("room"));
        let report = report_path(dir.path(), "cap_1");
        save(&report, b"{}").await.expect("room");
        assert_eq!((mode(&folder(dir.path())), mode(&report)), (0o700, 0o600));
        fs::write(folder(dir.path()).join("upload-1"), b"half").await.expect("room");
        fs::write(report.with_extension("new"), b"{").await.expect("room");
        clean_up(dir.path()).await;
        let left = std::fs::read_dir(folder(dir.path())).expect("a folder");
        let left: Vec<_> = left.map(|entry| entry.expect("reads").path()).collect();
        assert_eq!(left, [report]);
    }
}
