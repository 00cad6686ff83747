//! Drills: the newest backup is restored on the host, compared, and removed again.
//!
//! By the plan's clock and when somebody asks. Not here: restoring and comparing; a process of its
//! own does that. Invariant: what a drill restored lies in one folder, and that goes whatever
//! happens.

use super::Agent;
use crate::{Result, due, job::Job};
use std::time::Instant;
use uplink::host::{DrillAsk, RunKind, RunState, RunTold};

impl Agent<'_> {
    /// Whether a drill that was asked for began; one that cannot has an end that says why.
    pub(super) fn begin_asked_drill(&mut self, ask: &DrillAsk, heard: Instant) -> Result<bool> {
        if self.was_heard(&ask.run) {
            return Ok(false);
        }
        let Some(plan) = self.books.plan(&ask.plan, &ask.target).cloned() else { return Ok(false) };
        let mut run = self.new_run(&plan, RunKind::Drill, "person", Some(ask.run.clone()));
        let newest = self.books.past(&plan).and_then(|past| past.complete.clone());
        let Some(snapshot) = newest else {
            run.state = RunState::Failed;
            run.detail = Some("there is no complete backup of this plan on the host".to_owned());
            self.finish(run)?;
            return Ok(false);
        };
        let here = u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.drill(run, snapshot, ask.waited_ms.saturating_add(here))
    }

    /// Whether a drill began that was due by its plan.
    pub(super) fn begin_drill(&mut self) -> Result<bool> {
        let due = self.first_due(|plan, past, since| {
            if self.is_quiet(plan) {
                return None;
            }
            due::drill(plan, past, since(past.drilled_at), since(past.drill_tried_at))
        });
        let Some((plan, snapshot)) = due else { return Ok(false) };
        let run = self.new_run(&plan, RunKind::Drill, "schedule", None);
        self.drill(run, snapshot, 0)
    }

    fn drill(&mut self, mut run: RunTold, snapshot: String, ordered_ms: u64) -> Result<bool> {
        run.snapshot = Some(snapshot.clone());
        let job = Job::Drill { snapshot, work: self.config.drills(), ordered_ms };
        self.begin(&job, Some(run), Vec::new(), 3)
    }

    /// Removes what drills restored; none is under way.
    pub(super) fn clear_drills(&self) {
        if let Err(error) = vault::remove_restored(&self.config.drills()) {
            tracing::error!(%error, "what a drill restored is still there, in clear");
        }
    }
}
