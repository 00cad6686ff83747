//! What becomes of a run: which job it is, and what its answer means.
//!
//! Not here: when it runs. Invariant: a source that the host does not allow is a fault of the run
//! that everybody sees, never left out in silence.

use crate::{
    Config, allow,
    job::Job,
    limits::{FAULTS_TOLD_MAX, TEXT_CHARS_MAX},
};
use serde_json::Value;
use uplink::host::{Fault, Plan, RunState, RunTold};

/// A backup of a plan: its job, when anything of it may be read, and what may not.
pub fn backup(plan: &Plan, config: &Config) -> (Option<Job>, Vec<Fault>) {
    let reads = allow::resolved(&config.allow);
    let (mut sources, mut refused) = (Vec::new(), Vec::new());
    for text in &plan.sources {
        match allow::source(text, &reads) {
            Ok(source) => sources.push(source),
            Err(error) => {
                refused.push(Fault { source: text.clone(), path: String::new(), error });
            }
        }
    }
    let least = |own: u32, asked: Option<u32>| match (own, asked) {
        (0, asked) => asked,
        (own, asked) => Some(asked.map_or(own, |asked| asked.min(own))),
    };
    let job = (!sources.is_empty()).then(|| Job::Backup {
        asset: text(&plan.name, 64),
        sources,
        reads,
        kib_per_s: least(config.read_kib_per_s, plan.kib_per_s),
        lock_days: plan.lock_days.map(|days| days.min(config.lock_days_max)),
        keep: plan.keep,
    });
    (job, refused)
}

/// Ends a run with what its worker answered; `refused` is what it was not allowed to read.
pub fn backed_up(run: &mut RunTold, answer: &Value, refused: &[Fault]) {
    let number = |name: &str| answer[name].as_u64().unwrap_or(0);
    run.snapshot = answer["snapshot"].as_str().map(str::to_owned);
    run.entries = number("entries_stored");
    run.bytes_read = number("bytes_read");
    run.bytes_stored = number("bytes_stored");
    let mut faults = refused.to_vec();
    faults.extend(faults_of(answer, "errors"));
    let whole = answer["state"] == "complete" && faults.is_empty();
    run.state = match (&run.snapshot, whole) {
        (None, _) => RunState::Failed,
        (Some(_), true) => RunState::Complete,
        (Some(_), false) => RunState::Partial,
    };
    blame(run, faults, faults_of(answer, "warnings"));
}

/// The same of a verification.
pub fn proven(run: &mut RunTold, answer: &Value, level: u8) {
    let number = |name: &str| answer[name].as_u64().unwrap_or(0);
    (run.entries, run.bytes_read) = (number("files"), number("bytes"));
    let faults = faults_of(answer, "errors");
    run.state = if faults.is_empty() { RunState::Complete } else { RunState::Failed };
    run.level = faults.is_empty().then_some(level);
    blame(run, faults, Vec::new());
}

/// The same of a drill: it proves level 3 when all was there again, and right.
pub fn drilled(run: &mut RunTold, answer: &Value) {
    proven(run, answer, 3);
    run.entry = answer["entry"].as_u64();
    let member = |name: &str| Some(answer[name].clone()).filter(|value| !value.is_null());
    run.drill = member("drill").or(run.drill.take());
    run.report = member("report");
}

/// The same of a restore.
pub fn restored(run: &mut RunTold, answer: &Value) {
    let number = |name: &str| answer[name].as_u64().unwrap_or(0);
    (run.entries, run.bytes_read) = (number("files"), number("bytes"));
    let faults = faults_of(answer, "errors");
    run.state = match (faults.is_empty(), run.entries) {
        (true, _) => RunState::Complete,
        (false, 0) => RunState::Failed,
        (false, _) => RunState::Partial,
    };
    blame(run, faults, Vec::new());
}

/// A run none of whose sources may be read.
pub fn refused(run: &mut RunTold, faults: Vec<Fault>) {
    run.state = RunState::Failed;
    blame(run, faults, Vec::new());
}

fn faults_of(answer: &Value, name: &str) -> Vec<Fault> {
    serde_json::from_value(answer[name].clone()).unwrap_or_default()
}

fn blame(run: &mut RunTold, faults: Vec<Fault>, warnings: Vec<Fault>) {
    run.faults = faults.len() as u64;
    run.detail = faults.first().or(warnings.first()).map(|fault| {
        let place = if fault.path.is_empty() { &fault.source } else { &fault.path };
        let more = match faults.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        text(&format!("{place}: {}", fault.error), TEXT_CHARS_MAX) + &more
    });
    let told = faults.into_iter().take(FAULTS_TOLD_MAX);
    let cut = |words: &str| text(words, TEXT_CHARS_MAX);
    run.errors = told
        .map(|fault| Fault {
            source: cut(&fault.source),
            path: cut(&fault.path),
            error: cut(&fault.error),
        })
        .collect();
}

/// One line of text, so long at most.
pub fn text(words: &str, chars: usize) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    words.chars().take(chars).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(sources: &[&str]) -> Plan {
        serde_json::from_value(json!({
            "plan": "p", "target": "t", "name": "press\n4", "sources": sources,
            "every_minutes": 60, "retries": 2, "kib_per_s": 900, "lock_days": 36_500,
        }))
        .unwrap()
    }

    fn run() -> RunTold {
        serde_json::from_value(json!({
            "number": 1, "kind": "backup", "plan": "p", "target": "t", "cause": "schedule",
            "state": "running", "started_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn a_plan_gets_what_the_host_allows_and_hears_of_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let allowed = root.path().canonicalize().unwrap();
        let config =
            Config { allow: vec![allowed.clone()], read_kib_per_s: 500, ..Config::default() };
        let own = format!("files:{}", allowed.display());
        let (job, refused) = backup(&plan(&[&own, "files:/etc/shadow"]), &config);
        let Some(Job::Backup { asset, sources, reads, kib_per_s, lock_days, .. }) = job else {
            panic!("no backup");
        };
        assert_eq!((asset.as_str(), sources, reads), ("press\u{fffd}4", vec![own], vec![allowed]));
        assert_eq!((kib_per_s, lock_days), (Some(500), Some(90)), "the host's word is the last");
        assert_eq!(refused.len(), 1);
        let mut done = run();
        let answer = json!({"snapshot": "ab", "state": "complete", "entries_stored": 3});
        backed_up(&mut done, &answer, &refused);
        assert_eq!((done.state, done.entries, done.faults), (RunState::Partial, 3, 1));
        let said = "files:/etc/shadow: the host does not allow it to be read";
        assert_eq!(done.detail.as_deref(), Some(said));
        let (job, refused) = backup(&plan(&["files:/etc/shadow"]), &config);
        assert!(job.is_none());
        let mut none = run();
        super::refused(&mut none, refused);
        assert_eq!((none.state, none.detail.as_deref()), (RunState::Failed, Some(said)));
    }

    #[test]
    fn an_answer_becomes_the_state_it_means() {
        let mut done = run();
        backed_up(&mut done, &json!({"snapshot": "ab", "state": "complete"}), &[]);
        assert_eq!((done.state, done.detail), (RunState::Complete, None));
        let mut failed = run();
        let hostile = json!([{"source": "files:/x", "path": "/x/a\u{1b}[31m", "error": "no"}]);
        let answer = json!({"snapshot": null, "state": "partial", "errors": hostile});
        backed_up(&mut failed, &answer, &[]);
        assert_eq!(failed.state, RunState::Failed);
        assert_eq!(failed.detail.as_deref(), Some("/x/a\u{fffd}[31m: no"));
        let mut right = run();
        proven(&mut right, &json!({"files": 2, "bytes": 9, "errors": []}), 2);
        assert_eq!((right.state, right.level), (RunState::Complete, Some(2)));
        let mut wrong = run();
        proven(&mut wrong, &json!({"errors": [{"path": "/x", "error": "damaged"}]}), 2);
        assert_eq!((wrong.state, wrong.level), (RunState::Failed, None));
    }
}
