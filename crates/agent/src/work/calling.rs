//! What is told to the control plane, and what is heard.
//!
//! Not here: the line ([`crate::line`]). Invariant: a run whose present state was told is not told
//! again before it changes or arrived.

use super::{Agent, Event, tries::Tries};
use crate::{
    Result,
    limits::{CALL_PAUSE_MIN, PLANS_MAX, PROGRESS_EVERY, SOURCES_MAX, TOLD_RUNS_MAX},
    line::CallError,
    ship::HostClock,
};
use std::time::{Duration, Instant};
use uplink::host::{Ability, Call, Plan, Reply, RunKind, RunState, RunTold};
use vault::site::Clock;

impl Agent<'_> {
    /// Calls when it is time; else says how long not.
    pub(super) fn begin_call(&mut self) -> Option<Duration> {
        if let Some(left) = self.call.waits() {
            return left;
        }
        let words = self.words();
        self.telling = words.runs.iter().map(|run| run.number).collect();
        self.told.extend(&self.telling);
        let (line, events) = (self.line.clone(), self.events.clone());
        self.call
            .begin("call", move || drop(events.send(Event::Called(Box::new(line.call(&words))))));
        None
    }

    pub(super) fn words(&self) -> Call {
        let arrived = |run: &&RunTold| {
            let told = self.told.contains(&run.number);
            !told || run.entry.is_some_and(|entry| self.sent.is_some_and(|sent| entry < sent))
        };
        // A proof counts for a backup that is known.
        let known = |run: &&RunTold| {
            let same =
                |other: &RunTold| other.kind == RunKind::Backup && other.snapshot == run.snapshot;
            run.kind == RunKind::Backup || !self.books.runs().iter().any(same)
        };
        let runs =
            self.books.runs().iter().filter(arrived).filter(known).take(TOLD_RUNS_MAX).cloned();
        let allow = self.config.allow.iter().map(|path| path.display().to_string());
        let into = self.config.restore_into.iter().map(|path| path.display().to_string());
        Call {
            version: self.version.clone(),
            host: self.host.clone(),
            now: HostClock.now(),
            allow: allow.collect(),
            restore_into: into.collect(),
            can: vec![Ability::Drill, Ability::Restore],
            plans: self.books.plans_hash().cloned(),
            runs: runs.collect(),
            spool: self.spool.clone(),
            lost: self.books.lost(),
        }
    }

    pub(super) fn called(&mut self, answer: std::result::Result<Reply, CallError>) -> Result<()> {
        let every = Duration::from_secs(u64::from(self.config.call_every_s));
        let reply = match answer {
            Ok(reply) => reply,
            Err(error) => {
                for number in std::mem::take(&mut self.telling) {
                    self.told.remove(&number);
                }
                let unknown = matches!(error, CallError::Unknown(_));
                if self.call.failures == 0 || unknown != self.unknown {
                    warn_of(&error);
                }
                self.unknown = unknown;
                self.call.failed(every);
                return Ok(());
            }
        };
        if self.call.failures > 0 {
            tracing::info!("the control plane answers again");
        }
        self.unknown = false;
        self.books.taken(&reply.accepted, reply.lost_noted);
        self.told.retain(|number| self.books.runs().iter().any(|run| run.number == *number));
        if let Some(plans) = reply.plans {
            let items = plans.items.into_iter().take(PLANS_MAX);
            let fits = |plan: &Plan| plan.sources.len() <= SOURCES_MAX;
            let items: Vec<Plan> = items.filter(fits).collect();
            tracing::info!(plans = items.len(), "the plans are others");
            self.books.set_plans(plans.hash, items);
        }
        self.asks = reply.asks;
        self.restores = reply.restores;
        let heard = Instant::now();
        self.drills = reply.drills.into_iter().map(|ask| (ask, heard)).collect();
        if self.books.set_vault(reply.vault) {
            self.sending = Tries { under_way: self.sending.under_way, ..Tries::default() };
        }
        self.books.write()?;
        self.end_if(&reply.cancel)?;
        // What is left is told soon.
        let more = self.words().runs.iter().any(|run| run.state != RunState::Running);
        let busy = !self.under.is_idle();
        let pause = if more { CALL_PAUSE_MIN } else { every };
        self.call.done(if busy { pause.min(PROGRESS_EVERY) } else { pause });
        Ok(())
    }

    pub(super) fn call_soon(&mut self, pause: Duration) {
        if self.call.failures == 0 {
            let soon = Instant::now() + pause;
            self.call.next = Some(self.call.next.map_or(soon, |next| next.min(soon)));
        }
    }
}

/// Backups go on by the plans that are known, whatever became of the control plane.
fn warn_of(error: &CallError) {
    match error {
        CallError::Unknown(why) => {
            tracing::error!(why, "the control plane does not know this agent; backups go on");
        }
        CallError::Refused(why) | CallError::Later(why) => {
            tracing::warn!(why, "the control plane does not answer; backups go on");
        }
    }
}
