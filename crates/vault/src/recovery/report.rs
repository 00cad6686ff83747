//! What a drill or a recovery measured.
//!
//! A promise to scripts and a document for auditors. Invariant: the time to recover runs from the
//! declaration to the end of the last health check that was green, and leaves nothing out; what
//! was lost runs from the failure back to the newest canary of the place that has the oldest.

use super::{canary::Flock, plan::Plan};
use crate::{
    digest::Sha256,
    error::Result,
    event::{Event, SnapshotId},
    key::{PersonKey, is_signed},
    log::VerifyingKey,
    vault::Unlocked,
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write as _};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// In isolation; nothing of it stays.
    Drill,
    Run,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub id: String,
    pub mode: Mode,
    pub plan: String,
    pub plan_sha256: Sha256,
    /// Name of the vault's log, and its size and root when the recovery began.
    pub vault: String,
    pub log_entries: u64,
    pub log_root: Sha256,
    pub failed_at: Time,
    pub declared_at: Time,
    pub ended_at: Time,
    pub ok: bool,
    /// Time to recover, in milliseconds; absent when no health check became green.
    pub rto_ms: Option<u64>,
    pub rto_target_ms: Option<u64>,
    /// What was lost, in milliseconds before the failure; absent when canaries were not found and
    /// nothing else told.
    pub rpo_ms: Option<u64>,
    pub rpo_target_ms: Option<u64>,
    pub canaries: Vec<CanaryFound>,
    pub snapshots: Vec<Used>,
    pub isolation: Option<Isolated>,
    pub fencing: Option<Fenced>,
    pub steps: Vec<StepRecord>,
    pub approvals: Vec<Approval>,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CanaryFound {
    pub place: String,
    #[serde(flatten)]
    pub flock: Flock,
    pub error: Option<String>,
}

/// A snapshot that data came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Used {
    pub id: SnapshotId,
    pub asset: String,
    pub time: Time,
}

/// What was seen from inside the isolation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Isolated {
    pub name: String,
    pub interfaces: Vec<String>,
    pub routes: u64,
    /// Addresses of the plant that were tried and not reached.
    pub unreachable: Vec<String>,
    /// Whether the kernel lets the recovered services write below their own data alone.
    pub writes_confined: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fenced {
    pub probe: String,
    /// The failed site still answered.
    pub answered: bool,
    /// Who went on all the same, and why.
    pub overridden_by: Vec<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    Failed,
    /// Left out because something before it failed.
    Skipped,
    /// A person's part in a drill without people.
    NotExercised,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepRecord {
    pub group: String,
    pub title: String,
    /// The action's word in the plan.
    pub kind: String,
    /// Milliseconds after the declaration.
    pub started_ms: u64,
    pub ended_ms: u64,
    pub outcome: Outcome,
    pub detail: String,
    pub by: Vec<String>,
}

/// A person's signature under a step of this run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Approval {
    pub step: String,
    pub by: String,
    pub signature: String,
}

/// What tells one recovery from every other, so that no signature serves twice.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    pub vault: &'a str,
    pub plan: &'a Sha256,
    pub id: &'a str,
}

impl Approval {
    pub fn sign(person: &PersonKey, occasion: Occasion<'_>, step: &str) -> Self {
        let signature = person.sign(&message(occasion, step));
        Self { step: step.to_owned(), by: person.name.clone(), signature }
    }

    /// Whether it is of one of these people, for this occasion.
    pub fn holds(&self, people: &BTreeMap<String, VerifyingKey>, occasion: Occasion<'_>) -> bool {
        let message = message(occasion, &self.step);
        people.get(&self.by).is_some_and(|key| is_signed(key, &message, &self.signature))
    }
}

pub(crate) fn message(Occasion { vault, plan, id }: Occasion<'_>, step: &str) -> String {
    format!("spandrel vault: approve a step of a recovery\n{vault}\n{plan}\n{id}\n{step}\n")
}

impl Unlocked {
    /// Puts the result into the log; `report` is the hash of the report as it was written.
    pub fn log_recovery(&self, report: &Report, written: Sha256, now: Time) -> Result<u64> {
        self.append(now, |_| {
            Ok(Event::Recovery {
                id: report.id.clone(),
                mode: report.mode,
                plan: report.plan.chars().take(200).collect(),
                plan_sha256: report.plan_sha256,
                report: written,
                ok: report.ok,
                rto_ms: report.rto_ms,
                rpo_ms: report.rpo_ms,
                approvals: report.approvals.clone(),
            })
        })
    }
}

impl Report {
    /// Works out the figures and the verdict from what was seen.
    pub fn conclude(&mut self, plan: &Plan) {
        let green = |step: &&StepRecord| step.kind == "wait_for" && step.outcome == Outcome::Ok;
        let checks = self.steps.iter().filter(|step| step.kind == "wait_for");
        let all_green = checks.clone().count() > 0 && checks.clone().all(|s| green(&s));
        // A recovery that is half done has no time to recover.
        self.rto_ms = checks.filter(green).map(|step| step.ended_ms).max().filter(|_| all_green);
        self.rto_target_ms = plan.rto_target_secs.map(|secs| secs * 1_000);
        self.rpo_target_ms = plan.rpo_target_secs.map(|secs| secs * 1_000);
        let oldest = self.canaries.iter().map(|found| found.flock.newest).min().flatten();
        let lost = |newest: Time| u64::try_from(self.failed_at.since(newest) / 1_000_000);
        // Without canaries it may be known otherwise: by the age of a backup.
        self.rpo_ms = oldest.map(|newest| lost(newest).unwrap_or_default()).or(self.rpo_ms);
        let failed = |step: &StepRecord| matches!(step.outcome, Outcome::Failed | Outcome::Skipped);
        let met = |value: Option<u64>, target: Option<u64>| {
            target.is_none_or(|target| value.is_some_and(|value| value <= target))
        };
        self.ok = !self.steps.iter().any(failed)
            && self.rto_ms.is_some()
            && self.rto_met() != Some(false)
            && met(self.rpo_ms, self.rpo_target_ms)
            && self.canaries.iter().all(|found| found.flock.newest.is_some());
        let unexercised = self.steps.iter().filter(|s| s.outcome == Outcome::NotExercised).count();
        if unexercised > 0 {
            self.notes.push(format!("{unexercised} steps of people were not exercised"));
        }
    }

    pub fn rto_met(&self) -> Option<bool> {
        self.rto_target_ms.map(|target| self.rto_ms.is_some_and(|rto| rto <= target))
    }

    pub fn rpo_met(&self) -> Option<bool> {
        self.rpo_target_ms.map(|target| self.rpo_ms.is_some_and(|rpo| rpo <= target))
    }

    /// The report for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mode = if self.mode == Mode::Drill { "drill" } else { "recovery" };
        let verdict = if self.ok { "PASSED" } else { "FAILED" };
        let mut line = |words: String| writeln!(text, "{words}").expect("writing to a string");
        line(format!("{mode} {} of plan {:?}: {verdict}", self.id, self.plan));
        line(format!("declared {}, ended {}", self.declared_at, self.ended_at));
        line(format!("time to recover: {}", against(self.rto_ms, self.rto_target_ms)));
        line(format!("data lost before the failure: {}", against(self.rpo_ms, self.rpo_target_ms)));
        for CanaryFound { place, flock, error } in &self.canaries {
            let newest = flock.newest.map_or("none found".to_owned(), |time| time.to_string());
            let error = error.as_ref().map_or(String::new(), |error| format!(" ({error})"));
            line(format!("  canary {place}: {newest}, {} missing{error}", flock.missing));
        }
        if let Some(Isolated { name, interfaces, routes, unreachable, .. }) = &self.isolation {
            let interfaces = interfaces.join(" ");
            line(format!("isolated as {name}: interfaces {interfaces}, {routes} routes"));
            unreachable.iter().for_each(|address| line(format!("  not reached: {address}")));
        }
        for step in &self.steps {
            let StepRecord { group, title, started_ms, ended_ms, outcome, detail, .. } = step;
            let (from, took) = (seconds(*started_ms), seconds(ended_ms - started_ms));
            let word = outcome.word();
            line(format!("{from:>10} {took:>10}  {word:<13} {group} / {title}  {detail}"));
        }
        self.notes.iter().for_each(|note| line(format!("note: {note}")));
        text
    }
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Skipped => "left out",
            Self::NotExercised => "not exercised",
        }
    }
}

pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

pub(super) fn against(value: Option<u64>, target: Option<u64>) -> String {
    let value = value.map_or("not measured".to_owned(), seconds);
    match target {
        Some(target) => format!("{value} (target {})", seconds(target)),
        None => value,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn plan() -> Plan {
        serde_json::from_value(serde_json::json!({
            "name": "line 4", "rto_target_secs": 60, "rpo_target_secs": 30, "group": [],
        }))
        .unwrap()
    }

    pub fn step(kind: &str, started_ms: u64, ended_ms: u64, outcome: Outcome) -> StepRecord {
        StepRecord {
            group: "historian".into(),
            title: format!("{kind} <it>"),
            kind: kind.into(),
            started_ms,
            ended_ms,
            outcome,
            detail: String::new(),
            by: Vec::new(),
        }
    }

    pub fn report(steps: Vec<StepRecord>, newest: &[Option<i64>]) -> Report {
        let found = |newest: &Option<i64>| CanaryFound {
            place: "log:x".into(),
            flock: Flock { newest: newest.map(Time::from_secs), ..Flock::default() },
            error: None,
        };
        let mut report = Report {
            id: "d1".into(),
            mode: Mode::Drill,
            plan: "line 4".into(),
            plan_sha256: Sha256::of(b"plan"),
            vault: "spandrel.vault/1".into(),
            log_entries: 3,
            log_root: Sha256::of(b"root"),
            failed_at: Time::from_secs(1_000),
            declared_at: Time::from_secs(1_010),
            ended_at: Time::from_secs(1_060),
            ok: false,
            rto_ms: None,
            rto_target_ms: None,
            rpo_ms: None,
            rpo_target_ms: None,
            canaries: newest.iter().map(found).collect(),
            snapshots: Vec::new(),
            isolation: None,
            fencing: None,
            steps,
            approvals: Vec::new(),
            notes: Vec::new(),
        };
        report.conclude(&plan());
        report
    }

    #[test]
    fn rto_is_the_last_green_check_and_rpo_the_worst_place() {
        let steps = || {
            vec![
                step("restore", 500, 20_000, Outcome::Ok),
                step("wait_for", 20_000, 21_000, Outcome::Ok),
                step("wait_for", 21_000, 44_250, Outcome::Ok),
                step("manual", 44_250, 50_000, Outcome::NotExercised),
            ]
        };
        let good = report(steps(), &[Some(995), Some(980)]);
        assert_eq!((good.ok, good.rto_ms, good.rpo_ms), (true, Some(44_250), Some(20_000)));
        assert_eq!(good.notes, ["1 steps of people were not exercised"]);
        let late = report(steps(), &[Some(960)]);
        assert_eq!((late.ok, late.rpo_ms, late.rpo_met()), (false, Some(40_000), Some(false)));
        let lost = report(steps(), &[Some(995), None]);
        assert_eq!((lost.ok, lost.rpo_ms), (false, None), "one place came back without canaries");
        let mut half = steps();
        half[2].outcome = Outcome::Failed;
        let half = report(half, &[Some(995)]);
        assert_eq!((half.ok, half.rto_ms), (false, None), "half a recovery has no time");
    }
}
