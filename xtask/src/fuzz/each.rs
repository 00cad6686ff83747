//! Gives targets processor time of their own, several at once, and has it recorded if asked.
//!
//! Not here: what a run is, and the ledger's rows. Invariant: what is recorded was run before.

use super::{
    Drive, Processor, TURN_RUNS, Watch,
    corpus::Corpora,
    ledger::{Begun, Entry, Ledger, Stretch},
    store,
};
use anyhow::{Result, anyhow};
use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Processor time of a target between two looks into the ledger: what a killed run may lose.
const TOLD_EVERY: Duration = Duration::from_secs(300);

/// What a target gets.
#[derive(Clone, Copy)]
pub enum Time {
    Each(Duration),
    /// What its row in the ledger wants of it.
    UpTo(Duration),
}

pub struct Each {
    pub corpora: Corpora,
    pub time: Time,
    /// By the clock; then all stop.
    pub until: Option<Instant>,
    pub seed: Option<u64>,
    /// Where it is recorded.
    pub ledger: Option<Arc<Ledger>>,
    /// Where inputs that fail are kept.
    pub folder: PathBuf,
}

impl Each {
    /// Runs the targets in this order, `jobs` at once; gives what was run.
    pub fn run(&self, names: &[&'static str], jobs: usize) -> Result<Vec<Drive>> {
        let waiting = Mutex::new(VecDeque::from(names.to_vec()));
        let done = Mutex::new(Vec::new());
        let ended: Vec<Result<()>> = std::thread::scope(|scope| {
            let work = || self.work(&waiting, &done);
            let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
            let panicked = |_| Err(anyhow!("a thread panicked"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        ended.into_iter().collect::<Result<()>>()?;
        Ok(done.into_inner().expect("never poisoned"))
    }

    fn work(
        &self,
        waiting: &Mutex<VecDeque<&'static str>>,
        done: &Mutex<Vec<Drive>>,
    ) -> Result<()> {
        let ledger = self.ledger.clone();
        let watch = Watch::telling(self.folder.clone(), move |target| {
            if let Some(Err(error)) = ledger.as_ref().map(|ledger| ledger.hangs(target)) {
                eprintln!("{target}: not recorded: {error:#}");
            }
        });
        let clock = Processor::of_this_thread();
        while !self.over() {
            let next = waiting.lock().expect("never poisoned").pop_front();
            let Some(target) = next else { break };
            if let Some(mut drive) = self.one(target, &watch, &clock)? {
                println!("{}", drive.line());
                drive.kept = Vec::new();
                done.lock().expect("never poisoned").push(drive);
            }
        }
        Ok(())
    }

    /// Runs a target until its time is over; nothing if it was left.
    fn one(&self, name: &'static str, watch: &Watch, clock: &Processor) -> Result<Option<Drive>> {
        let mut entry = match self.ledger.as_ref().map(|l| l.begin(name, self.seed)) {
            None => None,
            Some(begun) => match begun? {
                Begun::Go(entry) => Some(entry),
                Begun::Left(why) => {
                    println!("{why}");
                    return Ok(None);
                }
            },
        };
        let time = match (self.time, &entry) {
            (Time::Each(time), _) | (Time::UpTo(time), None) => time,
            (Time::UpTo(time), Some(entry)) => {
                time.saturating_sub(Duration::from_secs(entry.seconds))
            }
        };
        if time.is_zero() {
            // Another process brought it there since this one began.
            return Ok(None);
        }
        let seed = entry.as_ref().map_or(self.seed.unwrap_or(1), |entry| entry.seed);
        let mut drive = Drive::new(name, seed, self.corpora.of(name));
        let start = clock.used();
        let mut told = Duration::ZERO;
        loop {
            drive.turn(TURN_RUNS, watch);
            let used = clock.used().saturating_sub(start);
            let ends = used >= time || self.over();
            if ends || used.saturating_sub(told) >= TOLD_EVERY {
                told = used;
                if !self.tell(entry.as_mut(), &drive, used)? {
                    break;
                }
            }
            if ends {
                break;
            }
        }
        Ok(Some(drive))
    }

    /// Keeps what failed, then records; false if the ledger wants no more of it.
    fn tell(&self, entry: Option<&mut Entry>, drive: &Drive, used: Duration) -> Result<bool> {
        let (Some(entry), Some(ledger)) = (entry, &self.ledger) else { return Ok(true) };
        for (_, input) in &drive.failures {
            store(&self.folder, drive.target, input)?;
        }
        let failures = drive.failures.len() as u64;
        ledger.tell(entry, Stretch { seconds: used.as_secs(), runs: drive.runs, failures })
    }

    fn over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source, *};

    /// Runs a target that fails with whatever it is given, and gives the ledger.
    fn run(root: &std::path::Path, until: Option<Instant>) -> (usize, Arc<Ledger>) {
        let sources = source::sources(root).expect("readable");
        let ledger = Arc::new(Ledger::new(root, sources));
        let each = Each {
            corpora: Corpora::default(),
            time: Time::Each(Duration::from_millis(1)),
            until,
            seed: None,
            ledger: Some(Arc::clone(&ledger)),
            folder: root.join("target/fuzz"),
        };
        (each.run(&["a", "b"], 2).expect("room").len(), ledger)
    }

    #[test]
    fn each_finished_target_is_recorded_and_what_failed_is_kept() {
        let root = source::tests::tree();
        for times in 1..3 {
            let (count, ledger) = run(root.path(), None);
            let rows = ledger.rows().expect("readable");
            assert_eq!((count, rows.len()), (2, 2));
            let row = &rows["a"];
            assert_eq!((row.failures, row.seed), (times, times), "{row:?}");
            assert!(row.runs >= TURN_RUNS * times, "{row:?}");
        }
        let kept = std::fs::read_dir(root.path().join("target/fuzz")).expect("it is there");
        let names = kept.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        assert!(names.into_iter().any(|name| name.starts_with("a-")), "no input");
    }

    #[test]
    fn nothing_begins_behind_the_end() {
        let root = source::tests::tree();
        let (count, ledger) = run(root.path(), Some(Instant::now()));
        assert_eq!((count, ledger.rows().expect("readable").len()), (0, 0));
    }
}
