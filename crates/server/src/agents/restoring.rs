//! Restores that an agent is to make on its host.
//!
//! One waits in its run until a second person has agreed, where that is needed; the host's owner
//! has the last word there. Not here: asking for one (`http::agents`). Invariant: what was asked
//! for, by whom, who agreed and what came of it is in the audit.

use crate::app::Shared;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{AuditBegin, AuditEnd, Run, RunState};
use uplink::host;

/// What is kept of one in its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostRestore {
    pub(crate) to: String,
    /// Only what is at or below it.
    pub(crate) path: Option<String>,
    pub(crate) needs_approval: bool,
    pub(crate) approved_by: Option<String>,
}

impl HostRestore {
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let is_one = run.kind == "restore" && run.is_elsewhere();
        serde_json::from_value(run.job.clone()).ok().filter(|_| is_one)
    }

    /// What its agent is told, once it may begin.
    pub(super) fn ask(run: &Run) -> Option<host::RestoreAsk> {
        let asked = Self::of(run)?;
        if asked.needs_approval && asked.approved_by.is_none() {
            return None;
        }
        Some(host::RestoreAsk {
            run: run.id.clone(),
            plan: run.plan.clone()?,
            target: run.target.clone()?,
            snapshot: run.snapshot.clone()?,
            to: asked.to,
            only: asked.path,
        })
    }
}

/// Of the restores that a call tells the end of, those that are under way here.
pub(super) async fn ending(app: &Shared, call: &host::Call) -> store::Result<Vec<String>> {
    let ended = call.runs.iter().filter(|told| {
        told.kind == host::RunKind::Restore && told.state != host::RunState::Running
    });
    let mut asked: Vec<String> = ended.filter_map(|told| told.asked.clone()).collect();
    if asked.is_empty() {
        return Ok(asked);
    }
    let open = app.store.open_runs().await?;
    asked.retain(|id| open.iter().any(|run| run.id == *id));
    Ok(asked)
}

/// Puts what came of restores into the audit.
pub(super) async fn note_ends(
    app: &Shared,
    agent: &store::Agent,
    ending: &[String],
) -> store::Result<()> {
    for id in ending {
        let run = app.store.run(id).await?;
        if matches!(run.state, RunState::Queued | RunState::Running) {
            continue;
        }
        let begin = AuditBegin {
            actor: format!("agent {}", agent.name),
            method: "certificate".to_owned(),
            session: agent.certificate.as_ref().map(|hash| hash.chars().take(12).collect()),
            ip: agent.address.clone(),
            trace_id: String::new(),
            action: "restore ended".to_owned(),
            resource: format!("/runs/{id}"),
        };
        let record = app.store.audit_begin(begin).await?;
        let asked = HostRestore::of(&run);
        let after = json!({
            "state": run.state.word(), "files": run.entries, "faults": run.faults,
            "detail": run.detail, "snapshot": run.snapshot, "asked_by": run.actor,
            "to": asked.as_ref().map(|asked| &asked.to),
            "approved_by": asked.as_ref().and_then(|asked| asked.approved_by.as_ref()),
        });
        let result = if run.state == RunState::Complete { "done" } else { "failed" };
        let end = AuditEnd { result: result.to_owned(), after: Some(after), ..AuditEnd::default() };
        app.store.audit_end(record, "agent", end).await?;
    }
    Ok(())
}
