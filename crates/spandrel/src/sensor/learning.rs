//! When what a live sensor saw becomes what is normal, and how that is kept.
//!
//! Not here: the file (`memory`), what is learned (`detectors`). Invariant: what is in no file yet
//! is written when there is room again, and when the sensor ends.

use super::{
    Live,
    memory::{self, Memory},
};
use ::detectors::{Baseline, Detection, Phase};
use ::sensor::Fold;
use model::Time;
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Between two times that what is being learned is kept.
const KEEP: Duration = Duration::from_secs(300);

/// When what was seen becomes what is normal.
#[derive(Default)]
pub(super) struct Learning {
    secs: u32,
    /// What detection does; asked for often, while another thread may have it.
    pub(super) is_on: bool,
    /// It goes by a clock that only goes on: packets of an interface carry this machine's, and one
    /// that is set right after the start would end two weeks of learning at once.
    pub(super) is_steady: bool,
    began: Option<Instant>,
    /// Packets of a stream may come faster than they happened: time of the one after which it ends.
    until: Option<Time>,
    /// Somebody asks to end it now.
    pub(super) end: Arc<AtomicBool>,
    pub(super) memory: Option<Memory>,
    kept_at: Option<Instant>,
    /// What was learned could not be written last time.
    unsaved: bool,
}

impl Live {
    /// Learns from the first `secs` seconds of packets, less what was learned earlier, or until
    /// told that it is enough.
    pub(super) fn learn(&mut self, secs: u32, learned: Option<(memory::Head, Baseline)>) {
        self.learning.secs = secs;
        let mut known = Baseline::default();
        if let Some((head, baseline)) = learned {
            self.learning.secs = secs.min(head.secs_left);
            known = baseline;
        }
        if secs > 0 {
            let learning = self.learning.secs > 0;
            let phase = if learning { Phase::Learning } else { Phase::Learnt };
            self.learning.is_on = learning;
            *self.fold.lock() = Fold::with(Detection::with_baseline(known, phase));
        }
    }

    /// Ends learning when its time has come.
    pub(super) fn look_at_learning(&mut self) -> std::io::Result<()> {
        if !self.learning.is_on {
            // The disk was full when it ended.
            let is_due = || self.learning.kept_at.is_none_or(|at| at.elapsed() >= KEEP);
            if self.learning.unsaved && is_due() {
                self.keep_learned();
            }
            return Ok(());
        }
        let Some(newest) = self.newest else { return Ok(()) };
        let secs = i64::from(self.learning.secs);
        self.learning.until.get_or_insert(newest.plus_secs(secs));
        self.learning.began.get_or_insert_with(Instant::now);
        if self.learning_left() <= 0 || self.learning.end.load(Ordering::Relaxed) {
            // What the conversations counted so far is part of what is normal.
            self.tick()?;
            self.fold.lock().detection.end_learning();
            self.learning.is_on = false;
            self.keep_learned();
        } else if self.learning.kept_at.get_or_insert_with(Instant::now).elapsed() >= KEEP {
            self.keep_learned();
        }
        Ok(())
    }

    /// Seconds of learning that are left.
    fn learning_left(&self) -> i64 {
        let secs = i64::from(self.learning.secs);
        match (self.learning.began, self.learning.until, self.newest) {
            (Some(began), ..) if self.learning.is_steady => {
                secs - i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX)
            }
            (_, Some(until), Some(newest)) => until.since(newest).div_euclid(1_000_000_000),
            _ => secs,
        }
    }

    /// Keeps what was learned so far. A disk that is full does not end the sensor: it says so and
    /// tries again.
    fn keep_learned(&mut self) {
        self.learning.kept_at = Some(Instant::now());
        let Some(memory) = &self.learning.memory else { return };
        let left = u32::try_from(self.learning_left().max(0)).unwrap_or(u32::MAX);
        let fold = self.fold.lock();
        let detection = &fold.detection;
        let kept = memory.keep(detection.baseline(), detection.phase(), left);
        self.learning.unsaved = kept.is_err();
        if let Err(error) = kept {
            // Nobody listens to complaints: then there is nobody to tell.
            drop(writeln!(std::io::stderr().lock(), "spandrel: {error:#}"));
        }
    }

    /// The sensor ends: the last chance to keep what is in no file yet.
    pub(super) fn keep_the_rest(&mut self) {
        if self.learning.is_on || self.learning.unsaved {
            self.keep_learned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_does_not_end_the_learning_of_an_interface() {
        for (is_steady, expect) in [(true, Phase::Learning), (false, Phase::Learnt)] {
            let mut live = Live::new(("s", "eth0"), 1, Arc::default()).expect("a sensor");
            live.learning.is_steady = is_steady;
            live.learn(14 * 86_400, None);
            // Without a battery a clock begins at nothing, until the network tells it the time.
            for secs in [0, 2_000_000_000] {
                live.newest = Some(Time::from_secs(secs));
                live.look_at_learning().expect("no packets, no faults");
            }
            assert_eq!(live.fold.lock().detection.phase(), expect, "steady: {is_steady}");
        }
    }

    #[test]
    fn what_could_not_be_written_when_learning_ended_is_written_when_there_is_room() {
        for at_the_end in [false, true] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("disk").join("line 2.learned");
            let mut live = Live::new(("s", "eth0"), 1, Arc::default()).expect("a sensor");
            live.learning.memory = Some(Memory::new(path.clone()));
            live.learn(60, None);
            for secs in [0, 61] {
                live.newest = Some(Time::from_secs(secs));
                live.look_at_learning().expect("no packets, no faults");
            }
            assert!(!live.learning.is_on && live.learning.unsaved, "there is no such folder");
            std::fs::create_dir(folder.path().join("disk")).expect("room");
            live.look_at_learning().expect("no packets, no faults");
            assert!(!path.exists(), "not with every packet");
            live.learning.kept_at = None;
            match at_the_end {
                true => live.finish().expect("no packets, no faults"),
                false => live.look_at_learning().expect("no packets, no faults"),
            }
            assert!(!live.learning.unsaved);
            let (head, _) = Memory::new(path).recall().expect("whole").expect("there");
            assert_eq!(head.secs_left, 0);
        }
    }
}
