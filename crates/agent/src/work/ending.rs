//! What becomes of a job: its words, its end, and what is noted of it.
//!
//! Not here: what an answer means ([`crate::runs`]). Invariant: a run's end is in the books, on
//! disk, before anything else begins.

use super::{Agent, Under};
use crate::{
    Result,
    job::Word,
    limits::{CALL_PAUSE_MIN, TEXT_CHARS_MAX},
    runs,
    ship::HostClock,
};
use serde_json::Value;
use std::time::{Duration, Instant};
use uplink::host::{Fault, RunKind, RunState, RunTold};
use vault::{Vault, site::Clock};

impl Agent<'_> {
    /// A word of the worker.
    pub(super) fn hear(&mut self, job: u64, word: Word) -> Result<()> {
        // One that was ended may still say so.
        let Some(under) = self.under.job(job) else { return Ok(()) };
        let answer = match word {
            Word::Progress { bytes, at } => {
                if let Some(run) = &mut under.run {
                    run.bytes_read = bytes;
                    run.detail = Some(runs::text(&at, TEXT_CHARS_MAX));
                    let run = run.clone();
                    self.note(run);
                }
                return Ok(());
            }
            Word::Drill(drill) => {
                if let Some(run) = &mut under.run {
                    run.drill = Some(drill);
                    let run = run.clone();
                    self.note(run);
                }
                return Ok(());
            }
            Word::Done(answer) => Ok(answer),
            Word::Failed(why) => Err(why),
        };
        let Some(under) = self.under.take(|under| under.job == job) else { return Ok(()) };
        let Under { run, refused, level, made, .. } = under;
        self.clear_empty(made);
        if run.as_ref().is_some_and(|run| run.kind == RunKind::Drill) {
            self.clear_drills();
        }
        match &answer {
            // What was stored is known; what was deleted is counted.
            Ok(answer) if run.is_some() => self.look_at_log(answer["bytes_stored"].as_u64()),
            _ => self.look_at_spool(),
        }
        let Some(mut run) = run else {
            if let Err(why) = answer {
                tracing::warn!(why, "the vault's rules could not be carried out");
            }
            return Ok(());
        };
        run.detail = None;
        match (answer, run.kind) {
            (Ok(answer), RunKind::Backup) => self.backed_up(&mut run, &answer, &refused),
            (Ok(answer), RunKind::Verify) => runs::proven(&mut run, &answer, level),
            (Ok(answer), RunKind::Restore) => runs::restored(&mut run, &answer),
            (Ok(answer), RunKind::Drill) => runs::drilled(&mut run, &answer),
            (Err(why), _) => {
                run.state = RunState::Failed;
                run.detail = Some(runs::text(&why, TEXT_CHARS_MAX));
            }
        }
        self.finish(run)
    }

    pub(super) fn backed_up(&mut self, run: &mut RunTold, answer: &Value, refused: &[Fault]) {
        runs::backed_up(run, answer, refused);
        let Some(snapshot) = &run.snapshot else { return };
        let ledger = Vault::open(&self.config.spool()).and_then(|vault| vault.ledger());
        match ledger {
            Ok(ledger) => {
                let record = snapshot.parse().ok().and_then(|id| ledger.snapshots.get(&id));
                run.entry = record.map(|record| record.entry);
            }
            Err(error) => tracing::error!(%error, "the vault's log cannot be read"),
        }
    }

    /// A run has ended.
    pub(super) fn finish(&mut self, mut run: RunTold) -> Result<()> {
        run.finished_at = Some(HostClock.now());
        if run.kind == RunKind::Backup {
            let key = (run.plan.clone(), run.target.clone());
            self.ended.insert(key, (Instant::now(), Duration::ZERO));
        }
        let (number, state, detail) = (run.number, run.state, run.detail.clone());
        tracing::info!(number, ?state, detail, snapshot = run.snapshot, "a run ended");
        self.note(run);
        self.books.write()?;
        self.sending.next = self.sending.next.filter(|_| self.sending.failures > 0);
        self.call_soon(CALL_PAUSE_MIN);
        Ok(())
    }

    pub(super) fn note(&mut self, run: RunTold) {
        self.told.remove(&run.number);
        self.books.note(run);
    }

    /// Ends jobs under way when a person asked for that.
    pub(super) fn end_if(&mut self, numbers: &[u64]) -> Result<()> {
        let of_these =
            |under: &Under| under.run.as_ref().is_some_and(|run| numbers.contains(&run.number));
        while let Some(under) = self.under.take(of_these) {
            let Some(mut run) = self.broken_off(under) else { continue };
            run.state = RunState::Cancelled;
            run.detail = Some("it was stopped at the console".to_owned());
            self.finish(run)?;
        }
        Ok(())
    }

    /// Ends a job, and takes away what it leaves; gives its run, which has no end yet.
    pub(super) fn broken_off(&mut self, mut under: Under) -> Option<RunTold> {
        under.running.end();
        self.clear_empty(under.made.take());
        if under.run.as_ref().is_some_and(|run| run.kind == RunKind::Drill) {
            self.clear_drills();
        }
        under.run
    }
}
