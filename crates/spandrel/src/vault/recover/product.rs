//! Drills for a server: told by a worker as they go, with people at the console.
//!
//! The same plan, isolation and report as on the command line. Not here: orders and words
//! ([`server::work`]). Invariant: what is told of a drill is what its report will say.

use super::{
    Recovery,
    desk::{Wait, Word},
    drill,
    steps::{Begun, Heard},
};
use crate::{page::counted, vault::now};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use server::work::{Drill, DrillBegun, DrillCanary, DrillSnapshot, DrillStep, DrillWait, Drilled};
use std::{fs, path::Path, sync::mpsc::Receiver, time::Instant};
use vault::{
    Sha256, SnapshotId, Unlocked,
    recovery::{Group, Mode, Outcome, Plan, Restore, Start, Step, StepRecord, WaitFor, page},
};

/// A check of a proof gets so long, and so does its service to start.
const PROOF_SECS: u64 = 600;

pub struct Order<'a> {
    pub what: &'a Drilled,
    pub key_file: &'a Path,
    pub attended: bool,
    pub work: &'a Path,
    pub people: &'a Path,
    /// Landlock holds this process.
    pub confined: bool,
}

/// What a plan comes to, and what is wrong with it.
pub fn outline(vault: &Unlocked, text: &str) -> Result<Value> {
    let plan = match toml::from_str::<Plan>(text) {
        Ok(plan) => plan,
        Err(error) => return Ok(json!({"wrong": error.to_string().trim()})),
    };
    // Whoever is signed in at the console becomes known to the vault by approving.
    let problems = super::problems(&plan, vault, usize::MAX)?;
    Ok(json!({
        "name": plan.name, "about": plan.about, "problems": problems, "steps": planned(&plan),
        "rto_target_ms": plan.rto_target_secs.map(|secs| secs * 1_000),
        "rpo_target_ms": plan.rpo_target_secs.map(|secs| secs * 1_000),
        "canaries": plan.canary.is_some(),
    }))
}

/// The steps in the order they are taken.
fn planned(plan: &Plan) -> Vec<DrillStep> {
    let groups = plan.order().unwrap_or_default();
    let steps = groups.iter().flat_map(|group| group.steps.iter().map(|step| (&group.name, step)));
    steps
        .map(|(group, step)| DrillStep {
            group: group.clone(),
            title: step.title(),
            kind: super::steps::kind(step).to_owned(),
        })
        .collect()
}

/// Drills, telling `say` how far it is; `words` come from people at the console.
pub fn perform(
    vault: Unlocked,
    order: &Order<'_>,
    words: Receiver<Word>,
    say: &mut dyn FnMut(&Drill) -> Result<()>,
) -> Result<Value> {
    let began = (Instant::now(), now()?);
    leftovers(order.work);
    let (plan, proves) = match order.what {
        Drilled::Plan { text } => {
            let plan: Plan = toml::from_str(text).context("it is no recovery plan")?;
            ((plan, Sha256::of(text.as_bytes())), None)
        }
        Drilled::Proof { snapshot, start, check } => {
            let id = vault.find(snapshot)?;
            let plan = proof(&vault, &id, start.as_deref(), check)?;
            let text = serde_json::to_vec(&plan)?;
            ((plan, Sha256::of(&text)), Some(id))
        }
    };
    let mut recovery = Recovery::declare(plan, vault, Mode::Drill, began)?;
    let mut drill = Drill {
        id: recovery.report.id.clone(),
        plan: recovery.plan.name.clone(),
        attended: order.attended,
        declared_at: Some(began.1),
        planned: planned(&recovery.plan),
        rto_target_ms: recovery.plan.rto_target_secs.map(|secs| secs * 1_000),
        rpo_target_ms: recovery.plan.rpo_target_secs.map(|secs| secs * 1_000),
        ..Drill::default()
    };
    say(&drill)?;
    let setting = drill::Setting {
        confined: order.confined,
        work: Some(order.work),
        key_file: Some(order.key_file),
        people: &[],
        attended: false,
        console: order.attended.then(|| (order.people.to_owned(), words)),
        ending: None,
    };
    drill::perform(&mut recovery, setting, &mut |recovery, heard| {
        follow(&mut drill, recovery, heard);
        say(&drill)
    })?;
    let (_, entry) = recovery.conclude()?;
    conclude(&mut drill, &recovery);
    match entry {
        Ok(entry) => drill.log_entry = Some(entry),
        Err(error) => drill.notes.push(format!("it is not in the vault's log: {error}")),
    }
    let proven = proves.filter(|_| recovery.report.ok);
    if let Some(id) = &proven
        && let Err(error) = recovery.vault.prove_recovered(id, now()?)
    {
        drill.notes.push(format!("the proof is not in the vault's log: {error}"));
    }
    let (files, bytes) = restored(&recovery);
    Ok(json!({
        "drill": drill, "page": page(&recovery.report), "errors": failures(&recovery),
        "files": files, "bytes": bytes, "snapshot": proves, "level": proven.map(|_| 3),
    }))
}

/// What a drill that was killed left; it holds plant data in clear.
pub(super) fn leftovers(work: &Path) {
    let Ok(entries) = fs::read_dir(work) else { return };
    for entry in entries.flatten() {
        if let Err(error) = vault::remove_restored(&entry.path()) {
            crate::complain(&format!("{} is still there: {error}", entry.path().display()));
        }
    }
}

/// A plan that restores all of a snapshot and has a command look at it.
fn proof(vault: &Unlocked, id: &SnapshotId, start: Option<&str>, check: &str) -> Result<Plan> {
    let rows = vault.list()?;
    let row = rows.iter().find(|row| row.id == *id).context("the snapshot is not there")?;
    let shell = |line: &str| vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()];
    let restore = Step {
        restore: Some(Restore {
            asset: row.asset.clone(),
            snapshot: id.to_string(),
            before: None,
            path: "/".to_owned(),
            to: "data".to_owned(),
        }),
        ..Step::default()
    };
    let start = start.map(|line| Step {
        start: Some(Start {
            name: "service".to_owned(),
            command: shell(line),
            directory: Some("data".to_owned()),
            env: std::collections::BTreeMap::new(),
        }),
        ..Step::default()
    });
    let wait_for =
        WaitFor { command: Some(shell(&format!("cd data && {check}"))), ..WaitFor::default() };
    let check =
        Step { wait_for: Some(wait_for), timeout_secs: Some(PROOF_SECS), ..Step::default() };
    let steps = [Some(restore), start, Some(check)].into_iter().flatten().collect();
    let groups = vec![Group { name: "proof".to_owned(), after: Vec::new(), steps }];
    Ok(Plan {
        name: format!("proof of {}", row.asset),
        about: String::new(),
        rto_target_secs: None,
        rpo_target_secs: None,
        fencing: None,
        isolation: vault::recovery::Isolation::default(),
        canary: None,
        groups,
    })
}

pub(super) fn follow(drill: &mut Drill, recovery: &Recovery, heard: &Heard) {
    match heard {
        Heard::Begun(Begun { group, title, kind, started_ms }) => {
            drill.waiting = None;
            drill.current = Some(DrillBegun {
                group: group.clone(),
                title: title.clone(),
                kind: kind.clone(),
                started_ms: *started_ms,
            });
        }
        Heard::Waits(Wait { step, text, role, people, given }) => {
            drill.waiting = Some(DrillWait {
                step: step.clone(),
                text: text.clone(),
                role: role.clone(),
                people: people.map(|n| u64::try_from(n).unwrap_or(u64::MAX)),
                given: given.clone(),
            });
        }
        Heard::Ended(_) => {
            (drill.current, drill.waiting) = (None, None);
            drill.steps = recovery.report.steps.iter().map(record).collect();
        }
    }
}

fn record(step: &StepRecord) -> server::work::DrillRecord {
    let StepRecord { group, title, kind, started_ms, ended_ms, outcome, detail, by } = step;
    server::work::DrillRecord {
        group: group.clone(),
        title: title.clone(),
        kind: kind.clone(),
        started_ms: *started_ms,
        ended_ms: *ended_ms,
        outcome: serde_json::to_value(outcome)
            .ok()
            .and_then(|word| word.as_str().map(str::to_owned))
            .unwrap_or_default(),
        detail: detail.clone(),
        by: by.clone(),
    }
}

pub(super) fn conclude(drill: &mut Drill, recovery: &Recovery) {
    let report = &recovery.report;
    drill.steps = report.steps.iter().map(record).collect();
    (drill.current, drill.waiting) = (None, None);
    (drill.ok, drill.rto_ms, drill.rpo_ms) = (Some(report.ok), report.rto_ms, report.rpo_ms);
    drill.notes.clone_from(&report.notes);
    drill.isolation = report.isolation.as_ref().map(|isolated| {
        let routes = match isolated.routes {
            0 => "no route".to_owned(),
            some => counted(some, "route"),
        };
        let plant = match isolated.unreachable.len() {
            0 => "the plan names no address of the plant to try".to_owned(),
            1 => "the address of the plant that was tried was not reached".to_owned(),
            some => format!("the {some} addresses of the plant that were tried were not reached"),
        };
        format!("only {}, {routes}; {plant}", isolated.interfaces.join(" "))
    });
    drill.canaries = report
        .canaries
        .iter()
        .map(|found| DrillCanary {
            place: found.place.clone(),
            newest: found.flock.newest,
            number: found.flock.number,
            missing: found.flock.missing,
            error: found.error.clone(),
        })
        .collect();
    drill.snapshots = report
        .snapshots
        .iter()
        .map(|used| DrillSnapshot {
            id: used.id.to_string(),
            asset: used.asset.clone(),
            time: used.time,
        })
        .collect();
}

/// What kept it from passing, in the form of faults of a run.
pub(super) fn failures(recovery: &Recovery) -> Vec<Value> {
    let report = &recovery.report;
    let failed = report.steps.iter().filter(|step| step.outcome == Outcome::Failed);
    let mut found: Vec<Value> = failed
        .map(|step| fault(&step.group, &format!("{} / {}", step.group, step.title), &step.detail))
        .collect();
    let seconds =
        |ms: Option<u64>| ms.map_or("not measured".to_owned(), |ms| format!("{} s", ms / 1_000));
    if report.rto_met() == Some(false) {
        let error = format!("{}, target {}", seconds(report.rto_ms), seconds(report.rto_target_ms));
        found.push(fault("", "time to recover", &error));
    }
    if report.rpo_met() == Some(false) {
        let error = format!("{}, target {}", seconds(report.rpo_ms), seconds(report.rpo_target_ms));
        found.push(fault("", "data lost", &error));
    }
    if !report.ok && found.is_empty() {
        let why = report.notes.first().map_or("it was not whole", String::as_str);
        found.push(fault("", &report.plan, why));
    }
    found
}

fn fault(source: &str, path: &str, error: &str) -> Value {
    json!({"source": source, "path": path, "error": error})
}

/// Files and bytes of the snapshots that were used.
fn restored(recovery: &Recovery) -> (u64, u64) {
    let Ok(ledger) = recovery.vault.vault().ledger() else { return (0, 0) };
    let used = recovery.report.snapshots.iter().filter_map(|used| ledger.snapshots.get(&used.id));
    used.fold((0, 0), |(files, bytes), record| (files + record.files, bytes + record.bytes))
}
