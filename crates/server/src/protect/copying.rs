//! Copies of the vault in stores and at other sites: what is due, how each stands, what is said
//! when one is late or was meddled with.
//!
//! Not here: copying, which a worker does; the secret of a store, which lies in a file of its own
//! and in no order, answer or log. Invariant: a copy is late by what was backed up and is not in
//! it, or by its own clock, whichever comes first; a copy that is late is a finding.

use super::{
    Protect, SOURCE,
    lanes::Lane,
    reconcile::{LOOK_EVERY, carry_out},
    work::Job,
};
use crate::{
    app::{Shared, now},
    clock,
    http::dto::CopySpec,
};
use model::{Engine, Evidence, Finding, FindingId, Insight, Severity, Time};
use serde_json::json;
use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use store::{NewRun, Run, RunState, VaultCopy};
use tokio::sync::watch;

/// A finding of a copy that stays late is raised again after so long.
const SAID_AGAIN_S: i64 = 3_600;
/// The longest wait before a copy that failed is tried again.
const RETRY_MAX_S: i64 = 3_600;
const YEAR_MINUTES: u32 = 366 * 24 * 60;

/// A member and what is wrong with it.
type Wrong = (&'static str, String);

/// Checks what was sent.
pub(crate) fn check(spec: &CopySpec) -> Result<(), Wrong> {
    let wrong = |member, why: &str| Err((member, why.to_owned()));
    let is_store = spec.is_store();
    let is_server = spec.address.starts_with("https://") || spec.address.starts_with("http://");
    if !is_store && !is_server {
        return wrong("address", "it begins with s3:, azure: or https://");
    }
    let rest = spec.address.split_once("://").map_or("", |(_, rest)| rest);
    if rest.split('/').next().is_some_and(|host| host.contains('@')) {
        return wrong("address", "a secret does not belong into an address");
    }
    match spec.lock.as_deref() {
        Some("compliance" | "governance" | "none") if is_store => {}
        None if is_server => {}
        _ if is_store => return wrong("lock", "it is compliance, governance or none"),
        _ => return wrong("lock", "a vault server locks by rules of its own"),
    }
    if spec.lock_days > spec.lock_days_max || spec.lock_days_max > 36_500 {
        return wrong("lock_days", "it is at most lock_days_max, and that at most 36500");
    }
    if spec.every_minutes != 0 && !(1..=YEAR_MINUTES).contains(&spec.every_minutes) {
        return wrong("every_minutes", "it is 1 minute to a year, or 0");
    }
    if spec.every_minutes == 0 && !spec.after_backup {
        return wrong("every_minutes", "say how often, or after each backup");
    }
    if !(1..=YEAR_MINUTES).contains(&spec.late_minutes) {
        return wrong("late_minutes", "it is 1 minute to a year");
    }
    if spec.kbit_per_s == Some(0) {
        return wrong("kbit_per_s", "it is 1 or more, or absent for no limit");
    }
    Ok(())
}

/// When a copy is due, and why; `None`: it waits for a backup, or is switched off.
pub(crate) fn due(spec: &CopySpec, copy: &VaultCopy) -> Option<(Time, &'static str)> {
    if !spec.enabled {
        return None;
    }
    let Some(last) = copy.last_at else { return Some((copy.updated_at, "schedule")) };
    let failed = matches!(copy.last_state, Some(RunState::Failed | RunState::Partial));
    if failed && copy.failures > 0 {
        let wait = (60 << (copy.failures - 1).min(6)).min(RETRY_MAX_S);
        return Some((last.plus_secs(wait), "retry"));
    }
    let every = i64::from(spec.every_minutes) * 60;
    let scheduled = (every > 0).then(|| (last.plus_secs(every), "schedule"));
    let after = copy.waiting_since.filter(|_| spec.after_backup).map(|since| (since, "backup"));
    [scheduled, after].into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// How a copy stands: a word and its reason.
pub(crate) fn standing(spec: &CopySpec, copy: &VaultCopy, now: Time) -> (&'static str, String) {
    let failed = || copy.last_detail.clone().unwrap_or_else(|| "the last try failed".to_owned());
    let is_failed = matches!(copy.last_state, Some(RunState::Failed));
    if !spec.enabled {
        return ("off", "it is switched off".to_owned());
    }
    if let Some(since) = late_since(spec, copy, now) {
        let why = if copy.failures > 0 { failed() } else { "no copy was made".to_owned() };
        return ("late", format!("what is there ends at {since}: {why}"));
    }
    match copy.copied_at {
        None if is_failed => ("failing", failed()),
        None => ("waiting", "the first copy has not ended yet".to_owned()),
        Some(_) if copy.last_state == Some(RunState::Partial) => ("attention", failed()),
        Some(_) if is_failed => ("failing", failed()),
        Some(_) => ("whole", String::new()),
    }
}

/// Since when something is missing there, if for longer than is allowed.
pub(crate) fn late_since(spec: &CopySpec, copy: &VaultCopy, now: Time) -> Option<Time> {
    if !spec.enabled {
        return None;
    }
    let allowed = i64::from(spec.late_minutes) * 60;
    let every = i64::from(spec.every_minutes) * 60;
    let waiting = copy.waiting_since.filter(|since| since.plus_secs(allowed) < now);
    let last = copy.copied_at.unwrap_or(copy.updated_at);
    let own = (every > 0 && last.plus_secs(every + allowed) < now).then_some(last);
    waiting.into_iter().chain(own).min()
}

pub(crate) fn run_of(protect: &Protect, copy: &VaultCopy, cause: &'static str) -> Option<NewRun> {
    let spec: CopySpec = serde_json::from_value(copy.spec.clone()).ok()?;
    let there = |path: PathBuf| path.exists().then_some(path);
    let job = Job::Copy {
        address: spec.address.clone(),
        lock: spec.lock.clone(),
        lock_days: spec.lock_days,
        lock_days_max: spec.lock_days_max,
        region: spec.region.clone(),
        kbit_per_s: spec.kbit_per_s,
        token_file: there(secret_file(&protect.data, &copy.id)),
        ca: there(authority_file(&protect.data, &copy.id)),
    };
    let (target, name) = (Some(copy.id.clone()), copy.name.clone());
    Some(NewRun { kind: "copy", target, name, cause, job: json!(job), ..NewRun::default() })
}

/// Makes copies until the server stops, one at a time, beside the other runs.
pub(super) async fn run(app: &Shared, mut stops: watch::Receiver<bool>) {
    while !*stops.borrow() {
        match one(app, &mut stops).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "copies could not be looked at; it does so again"),
        }
        tokio::select! {
            _ = stops.changed() => return,
            () = app.protect.wake_copies.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Queues what is due and has the oldest copy made; false when there is none.
async fn one(app: &Shared, stops: &mut watch::Receiver<bool>) -> store::Result<bool> {
    let Some(vault) = app.protect.vault(&app.store).await? else { return Ok(false) };
    let open = app.store.open_runs().await?;
    queue(app, &open, now()).await?;
    let waiting = app.store.open_runs().await?;
    let mut waiting = waiting.into_iter().filter(|run| run.state == RunState::Queued);
    let Some(run) = waiting.find(|run| Lane::of(run) == Lane::Copying) else {
        return Ok(false);
    };
    carry_out(app, &vault, run, stops).await?;
    Ok(true)
}

/// Queues the copies that are due.
pub(crate) async fn queue(app: &Shared, open: &[Run], now: Time) -> store::Result<()> {
    for copy in app.store.copies().await? {
        let Ok(spec) = serde_json::from_value::<CopySpec>(copy.spec.clone()) else { continue };
        say_late(app, &spec, &copy, now).await?;
        let waiting = open.iter().any(|run| run.target.as_ref() == Some(&copy.id));
        // A clock that was set back brings one at once.
        let ahead = copy.last_at.is_some_and(|at| !clock::has_been(at, now));
        let is_due = |at: Time| !waiting && (ahead || at <= now);
        let Some((at, cause)) = due(&spec, &copy).filter(|(at, _)| is_due(*at)) else {
            continue;
        };
        tracing::debug!(copy = copy.name, cause, since = %at, "a copy of the vault is due");
        if let Some(run) = run_of(&app.protect, &copy, cause) {
            app.store.create_run(run).await?;
        }
    }
    Ok(())
}

async fn say_late(app: &Shared, spec: &CopySpec, copy: &VaultCopy, now: Time) -> store::Result<()> {
    let since = late_since(spec, copy, now);
    {
        let mut said = app.protect.said_late.lock().expect("no panic holds it");
        let last = said.get(&copy.id).copied();
        match since {
            None => {
                said.remove(&copy.id);
                return Ok(());
            }
            Some(_) if last.is_some_and(|last| clock::is_within(last, SAID_AGAIN_S, now)) => {
                return Ok(());
            }
            Some(_) => drop(said.insert(copy.id.clone(), now)),
        }
    }
    let since = since.map_or_else(String::new, |since| since.to_string());
    let (_, reason) = standing(spec, copy, now);
    let title = format!("Copy of the vault is late: {}", copy.name);
    let mut finding = finding(copy, "copy-late", Severity::Medium, title, now, since);
    finding.explanation = format!(
        "{} should hold every backup after {} minutes at the latest. {reason}.",
        spec.address, spec.late_minutes
    );
    finding.runbook = "Open Protection, Holds and retention, and read why the copy failed.\n\
                       Check the link, the store's credentials and its room.\n\
                       Copy now, and resolve this when it is whole."
        .to_owned();
    app.store.take(SOURCE, now, vec![Insight::Finding(finding)]).await
}

/// After a copy: somebody had put something on top of objects there, or had ended some.
pub(super) async fn say_meddled(app: &Shared, run: &Run, answer: &serde_json::Value, now: Time) {
    let count = |name: &str| answer["standing"][name].as_array().map_or(0, Vec::len);
    let (covered, gone) = (count("covered"), count("gone"));
    let Some(id) = run.target.as_ref().filter(|_| covered + gone > 0) else { return };
    let Ok(copy) = app.store.copy(id).await else { return };
    let title = format!("Somebody meddled with a copy of the vault: {}", copy.name);
    let value = format!("{covered} objects covered, {gone} ended");
    let mut finding = finding(&copy, "copy-meddled", Severity::High, title, now, value.clone());
    finding.explanation = format!(
        "In the store {value} since the last copy. They were put back. Who did this has \
         credentials of the store."
    );
    finding.runbook = "Find out in the store's own log who wrote or deleted there.\n\
                       Change the credentials that were used.\n\
                       Run spandrel vault verify on the copy."
        .to_owned();
    if let Err(error) = app.store.take(SOURCE, now, vec![Insight::Finding(finding)]).await {
        tracing::warn!(%error, "that a copy was meddled with could not be noted");
    }
}

fn finding(
    copy: &VaultCopy,
    detector: &str,
    severity: Severity,
    title: String,
    at: Time,
    value: String,
) -> Finding {
    let path = format!("copies/{}", copy.name);
    let evidence = Evidence::Fact { at, path, value, source: "control plane".to_owned() };
    let kind = (Engine::Operational, severity);
    Finding::new(finding_id(detector, &copy.id), detector, kind, title, at, evidence)
}

/// The same for the same thing each time.
pub(super) fn finding_id(detector: &str, of: &str) -> FindingId {
    let fact = [detector.as_bytes(), b"\n", of.as_bytes()].concat();
    let hash = ring::digest::digest(&ring::digest::SHA256, &fact);
    let id: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    FindingId(format!("fnd_{id}"))
}

/// Where the secret of a copy lies: one line, NAME:SECRET.
pub(crate) fn secret_file(data: &Path, id: &str) -> PathBuf {
    data.join("copies").join(format!("{id}.token"))
}

/// Where the authority lies that a copy's server is known by.
pub(crate) fn authority_file(data: &Path, id: &str) -> PathBuf {
    data.join("copies").join(format!("{id}.ca.pem"))
}

/// Writes a file that only the server reads.
pub(crate) fn keep(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// Removes what belongs to a copy that is not made any more.
pub(crate) fn forget(data: &Path, id: &str) -> io::Result<()> {
    for path in [secret_file(data, id), authority_file(data, id)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(more: serde_json::Value) -> CopySpec {
        let mut value = json!({"name": "s3", "address": "s3:https://store/plant/press",
                               "lock": "compliance", "every_minutes": 60, "late_minutes": 30});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).expect("a copy")
    }

    fn copy() -> VaultCopy {
        VaultCopy {
            id: "cpy".into(),
            name: "s3".into(),
            spec: serde_json::Value::Null,
            generation: 1,
            updated_at: Time::from_secs(1_000),
            last_run: None,
            last_state: None,
            last_at: None,
            last_detail: None,
            failures: 0,
            copied_from: None,
            copied_at: None,
            waiting_since: None,
        }
    }

    fn at(secs: i64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn a_copy_is_due_at_once_then_by_its_clock_after_a_backup_and_sooner_when_it_failed() {
        let each = spec(json!({}));
        assert_eq!(due(&each, &copy()), Some((at(1_000), "schedule")));
        let done = VaultCopy {
            last_at: Some(at(2_000)),
            last_state: Some(RunState::Complete),
            copied_at: Some(at(2_000)),
            ..copy()
        };
        assert_eq!(due(&each, &done), Some((at(5_600), "schedule")));
        let waiting = VaultCopy { waiting_since: Some(at(2_100)), ..done.clone() };
        assert_eq!(due(&each, &waiting), Some((at(2_100), "backup")));
        let by_clock = spec(json!({"after_backup": false}));
        assert_eq!(due(&by_clock, &waiting), Some((at(5_600), "schedule")));
        let after = spec(json!({"every_minutes": 0}));
        assert_eq!(due(&after, &done), None);
        let failed =
            VaultCopy { last_state: Some(RunState::Failed), failures: 3, ..waiting.clone() };
        assert_eq!(due(&each, &failed), Some((at(2_240), "retry")));
        assert_eq!(due(&spec(json!({"enabled": false})), &failed), None);
    }

    #[test]
    fn a_copy_is_late_by_a_backup_that_is_not_in_it_or_by_its_own_clock() {
        let each = spec(json!({}));
        let done = VaultCopy {
            last_at: Some(at(2_000)),
            last_state: Some(RunState::Complete),
            copied_at: Some(at(2_000)),
            ..copy()
        };
        assert_eq!(standing(&each, &done, at(7_000)).0, "whole");
        assert_eq!(late_since(&each, &done, at(7_401)), Some(at(2_000)));
        let waiting = VaultCopy { waiting_since: Some(at(2_100)), ..done.clone() };
        assert_eq!(standing(&each, &waiting, at(3_000)).0, "whole");
        assert_eq!(late_since(&each, &waiting, at(3_901)), Some(at(2_100)));
        let after = spec(json!({"every_minutes": 0}));
        assert_eq!(late_since(&after, &done, at(1_000_000)), None, "nothing new, nothing late");
        assert_eq!(standing(&each, &copy(), at(1_001)).0, "waiting");
        let failed = VaultCopy {
            last_at: Some(at(1_001)),
            last_state: Some(RunState::Failed),
            last_detail: Some("no route".into()),
            failures: 1,
            ..copy()
        };
        assert_eq!(standing(&each, &failed, at(1_002)), ("failing", "no route".into()));
    }

    #[test]
    fn settings_that_could_not_work_are_refused() {
        let member = |more| check(&spec(more)).err().map(|(member, _)| member);
        assert_eq!(member(json!({})), None);
        assert_eq!(member(json!({"address": "ftp://x"})), Some("address"));
        assert_eq!(member(json!({"address": "s3:https://a:b@x/y"})), Some("address"));
        assert_eq!(member(json!({"lock": "forever"})), Some("lock"));
        let server = |lock| json!({"address": "https://site-a:8445/press", "lock": lock});
        assert_eq!(member(server(None::<&str>)), None);
        assert_eq!(member(server(Some("none"))), Some("lock"));
        assert_eq!(member(json!({"lock_days": 500})), Some("lock_days"));
        let never = json!({"every_minutes": 0, "after_backup": false});
        assert_eq!(member(never), Some("every_minutes"));
    }
}
