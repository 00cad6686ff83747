//! Jobs under way: one that writes to the vault on the host, and beside it one that proves what is
//! in it and one that restores.
//!
//! A recovery point that is promised must not wait for a drill of an hour, and less so somebody who
//! needs a file back. The vault allows it: reading takes no lock of it, entries of its log wait for
//! each other, and what is restored lies elsewhere. Not here: which job begins ([`super`]).
//! Invariant: while the vault's rules are carried out, which deletes, nothing else is under way.

use super::Under;
use crate::job::Job;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Backups and what else changes the vault.
    Writing,
    /// Proofs and drills.
    Proving,
    Restoring,
}

const SLOTS: usize = Slot::Restoring as usize + 1;

impl Slot {
    pub(super) fn of(job: &Job) -> Self {
        match job {
            Job::Backup { .. } | Job::Forget => Self::Writing,
            Job::Verify { .. } | Job::Drill { .. } => Self::Proving,
            Job::Restore { .. } => Self::Restoring,
        }
    }
}

#[derive(Default)]
pub(super) struct UnderWay([Option<Under>; SLOTS]);

impl UnderWay {
    pub(super) fn begins(&mut self, slot: Slot, under: Under) {
        self.0[slot as usize] = Some(under);
    }

    pub(super) fn is_free(&self, slot: Slot) -> bool {
        self.0[slot as usize].is_none() && !self.is_tidying()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Whether the vault's rules are being carried out; nobody is told of that.
    pub(super) fn is_tidying(&self) -> bool {
        self.0[Slot::Writing as usize].as_ref().is_some_and(|under| under.run.is_none())
    }

    /// The job of that number.
    pub(super) fn job(&mut self, number: u64) -> Option<&mut Under> {
        self.0.iter_mut().flatten().find(|under| under.job == number)
    }

    /// Takes out a job that fits.
    pub(super) fn take(&mut self, fits: impl Fn(&Under) -> bool) -> Option<Under> {
        self.0.iter_mut().find_map(|slot| slot.take_if(|under| fits(under)))
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

    const ALL: [Slot; SLOTS] = [Slot::Writing, Slot::Proving, Slot::Restoring];

    #[test]
    fn a_drill_goes_on_beside_a_backup_and_a_restore_and_each_ends_by_itself() {
        let mut jobs = UnderWay::default();
        let free = |jobs: &UnderWay| ALL.map(|slot| jobs.is_free(slot));
        assert_eq!((jobs.is_idle(), free(&jobs)), (true, [true; SLOTS]));
        jobs.begins(Slot::Proving, under(1, Some(RunKind::Drill)));
        assert_eq!((jobs.is_idle(), free(&jobs)), (false, [true, false, true]));
        jobs.begins(Slot::Writing, under(2, Some(RunKind::Backup)));
        jobs.begins(Slot::Restoring, under(3, Some(RunKind::Restore)));
        assert_eq!(free(&jobs), [false; SLOTS]);
        assert!(jobs.job(4).is_none() && jobs.job(1).is_some());
        let of_kind =
            |kind| move |under: &Under| under.run.as_ref().is_some_and(|r| r.kind == kind);
        assert_eq!(jobs.take(of_kind(RunKind::Backup)).map(|under| under.job), Some(2));
        assert_eq!(jobs.take(of_kind(RunKind::Restore)).map(|under| under.job), Some(3));
        assert_eq!(free(&jobs), [true, false, true], "the drill goes on");
        assert_eq!(jobs.take(|under| under.job == 1).map(|under| under.job), Some(1));
        assert!(jobs.is_idle() && jobs.take(|_| true).is_none());
    }

    #[test]
    fn nothing_begins_while_the_vault_s_rules_are_carried_out() {
        let mut jobs = UnderWay::default();
        jobs.begins(Slot::Writing, under(1, None));
        assert!(jobs.is_tidying() && ALL.iter().all(|slot| !jobs.is_free(*slot)));
        jobs.take(|_| true).expect("it is under way");
        jobs.begins(Slot::Writing, under(2, Some(RunKind::Backup)));
        assert!(!jobs.is_tidying() && jobs.is_free(Slot::Proving));
        assert!(jobs.is_free(Slot::Restoring));
    }
}
