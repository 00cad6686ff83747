//! Restores that somebody asks for at the control plane.
//!
//! Not here: where one may go ([`crate::allow`]), and restoring; a process of its own does that,
//! which looks again. Invariant: a restore makes a new folder where the host's owner says, or
//! ends with the reason why not.

use super::Agent;
use crate::{Result, allow, job::Job};
use std::path::{Path, PathBuf};
use uplink::host::{RestoreAsk, RunKind, RunState};

impl Agent<'_> {
    /// Whether a restore that was asked for began; one that may not has an end that says why.
    pub(super) fn begin_asked_restore(&mut self, ask: &RestoreAsk) -> Result<bool> {
        if self.was_heard(&ask.run) {
            return Ok(false);
        }
        let Some(plan) = self.books.plan(&ask.plan, &ask.target).cloned() else { return Ok(false) };
        let mut run = self.new_run(&plan, RunKind::Restore, "person", Some(ask.run.clone()));
        run.snapshot = Some(ask.snapshot.clone());
        let into = allow::resolved(&self.config.restore_into);
        let mut outside = allow::resolved(&self.config.allow);
        outside.extend(allow::resolved(std::slice::from_ref(&self.config.data)));
        let want = self.rooms.want(Path::new(&ask.to));
        let to = match want.map_or_else(|| allow::target(&ask.to, &into, &outside), Err) {
            Ok(to) => to,
            Err(why) => {
                run.state = RunState::Failed;
                run.detail = Some(why);
                self.finish(run)?;
                return Ok(false);
            }
        };
        let (snapshot, only) = (ask.snapshot.clone(), ask.only.clone());
        let job = Job::Restore { snapshot, to, only, into, outside };
        self.begin(&job, Some(run), Vec::new(), 0)
    }

    /// A folder that nothing was restored into goes; what is in one stays.
    pub(super) fn clear_empty(&self, made: Option<PathBuf>) {
        if let Some(made) = made {
            drop(std::fs::remove_dir(made));
        }
    }
}
