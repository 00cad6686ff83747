//! Jobs under way: one that writes to the vault on the host, and beside it one that reads it.
//!
//! A recovery point that is promised must not wait for a drill of an hour. The vault allows it:
//! reading takes no lock of it, entries of its log wait for each other, and what is restored lies
//! elsewhere. Not here: which job begins ([`super`]). Invariant: while the vault's rules are
//! carried out, which deletes, nothing else is under way.

use super::Under;
use crate::job::Job;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Backups and what else changes the vault.
    Writing,
    /// Proofs, drills and restores.
    Reading,
}

impl Slot {
    pub(super) fn of(job: &Job) -> Self {
        match job {
            Job::Backup { .. } | Job::Forget => Self::Writing,
            Job::Verify { .. } | Job::Drill { .. } | Job::Restore { .. } => Self::Reading,
        }
    }
}

#[derive(Default)]
pub(super) struct UnderWay {
    writing: Option<Under>,
    reading: Option<Under>,
}

impl UnderWay {
    pub(super) fn begins(&mut self, slot: Slot, under: Under) {
        *self.slot(slot) = Some(under);
    }

    pub(super) fn is_free(&self, slot: Slot) -> bool {
        match slot {
            Slot::Writing => self.writing.is_none(),
            Slot::Reading => self.reading.is_none() && !self.is_tidying(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.writing.is_none() && self.reading.is_none()
    }

    /// Whether the vault's rules are being carried out; nobody is told of that.
    pub(super) fn is_tidying(&self) -> bool {
        self.writing.as_ref().is_some_and(|under| under.run.is_none())
    }

    /// The job of that number.
    pub(super) fn job(&mut self, number: u64) -> Option<&mut Under> {
        self.all().find_map(|slot| slot.as_mut().filter(|under| under.job == number))
    }

    /// Takes out a job that fits.
    pub(super) fn take(&mut self, fits: impl Fn(&Under) -> bool) -> Option<Under> {
        self.all().find_map(|slot| slot.take_if(|under| fits(under)))
    }

    fn slot(&mut self, slot: Slot) -> &mut Option<Under> {
        match slot {
            Slot::Writing => &mut self.writing,
            Slot::Reading => &mut self.reading,
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Option<Under>> {
        [&mut self.writing, &mut self.reading].into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Running;
    use model::Time;
    use uplink::host::{RunKind, RunState, RunTold};

    struct Nothing;

    impl Running for Nothing {
        fn end(&mut self) {}
    }

    fn under(job: u64, kind: Option<RunKind>) -> Under {
        let run = kind.map(|kind| RunTold {
            number: job,
            asked: None,
            kind,
            plan: String::new(),
            target: String::new(),
            cause: String::new(),
            state: RunState::Running,
            started_at: Time::default(),
            finished_at: None,
            snapshot: None,
            entry: None,
            entries: 0,
            bytes_read: 0,
            bytes_stored: 0,
            faults: 0,
            detail: None,
            errors: Vec::new(),
            level: None,
            drill: None,
            report: None,
        });
        Under { job, running: Box::new(Nothing), run, refused: Vec::new(), level: 0, made: None }
    }

    #[test]
    fn a_drill_goes_on_beside_a_backup_and_each_ends_by_itself() {
        let mut jobs = UnderWay::default();
        let free = |jobs: &UnderWay| [Slot::Writing, Slot::Reading].map(|slot| jobs.is_free(slot));
        assert_eq!((jobs.is_idle(), free(&jobs)), (true, [true, true]));
        jobs.begins(Slot::Reading, under(1, Some(RunKind::Drill)));
        assert_eq!((jobs.is_idle(), free(&jobs)), (false, [true, false]));
        jobs.begins(Slot::Writing, under(2, Some(RunKind::Backup)));
        assert_eq!(free(&jobs), [false, false]);
        assert!(jobs.job(3).is_none() && jobs.job(1).is_some());
        let of_kind =
            |kind| move |under: &Under| under.run.as_ref().is_some_and(|r| r.kind == kind);
        assert_eq!(jobs.take(of_kind(RunKind::Backup)).map(|under| under.job), Some(2));
        assert_eq!(free(&jobs), [true, false], "the drill goes on");
        assert_eq!(jobs.take(|under| under.job == 1).map(|under| under.job), Some(1));
        assert!(jobs.is_idle() && jobs.take(|_| true).is_none());
    }

    #[test]
    fn nothing_reads_while_the_vault_s_rules_are_carried_out() {
        let mut jobs = UnderWay::default();
        jobs.begins(Slot::Writing, under(1, None));
        assert!(jobs.is_tidying() && !jobs.is_free(Slot::Reading));
        jobs.take(|_| true).expect("it is under way");
        jobs.begins(Slot::Writing, under(2, Some(RunKind::Backup)));
        assert!(!jobs.is_tidying() && jobs.is_free(Slot::Reading));
    }
}
