//! What the agent keeps between two starts: plans, what came of them, runs not taken yet.
//!
//! One file, written whole before anything is done that it speaks of. Not here: deciding.
//! Invariant: a run's number is on disk before the run begins and is never used again; a run goes
//! only when the control plane has it, or is counted as lost.

use crate::{Result, file, limits::BOOKED_RUNS_MAX};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use uplink::host::{Lost, Plan, RunKind, RunState, RunTold, VaultPlace};
use vault::durable;

/// Plan and target.
pub type Key = (String, String);

/// What the runs of a plan came to for a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pub plan: String,
    pub target: String,
    /// When the last one ended.
    pub at: Time,
    pub state: RunState,
    /// Since the last complete one.
    pub failures: u32,
    /// The newest complete snapshot.
    pub complete: Option<String>,
    pub proven_at: Option<Time>,
    pub proven_level: u8,
    pub proof_tried_at: Option<Time>,
    /// When a restore was last tried and worked, and when it was last tried.
    pub drilled_at: Option<Time>,
    pub drill_tried_at: Option<Time>,
}

impl Default for Past {
    fn default() -> Self {
        let (plan, target) = (String::new(), String::new());
        let (at, state) = (Time::default(), RunState::Cancelled);
        Past {
            plan,
            target,
            at,
            state,
            failures: 0,
            complete: None,
            proven_at: None,
            proven_level: 0,
            proof_tried_at: None,
            drilled_at: None,
            drill_tried_at: None,
        }
    }
}

impl Past {
    fn backed_up(&mut self, run: &RunTold, at: Time) {
        (self.at, self.state) = (at, run.state);
        match run.state {
            RunState::Complete => {
                self.failures = 0;
                self.complete.clone_from(&run.snapshot);
            }
            RunState::Cancelled => {}
            _ => self.failures = self.failures.saturating_add(1),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Page {
    next_number: u64,
    plans_hash: Option<String>,
    plans: Vec<Plan>,
    past: Vec<Past>,
    runs: Vec<RunTold>,
    lost: Option<Lost>,
    vault: Option<VaultPlace>,
    /// When the vault's rules were last carried out.
    tidied_at: Option<Time>,
}

/// The books, open.
pub struct Books {
    path: PathBuf,
    page: Page,
    past: BTreeMap<Key, Past>,
}

impl Books {
    /// Opens them. What was under way when the agent ended has failed.
    pub fn open(path: &Path, now: Time) -> Result<Self> {
        let page: Page = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(std::io::Error::from)
                .map_err(file("understand", path))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Page {
                // Above every number of books that were lost.
                next_number: u64::try_from(now.nanos() / 1_000_000).unwrap_or(0).max(1),
                ..Page::default()
            },
            Err(error) => return Err(file("read", path)(error)),
        };
        let past = page.past.iter();
        let past = past.map(|past| ((past.plan.clone(), past.target.clone()), past.clone()));
        let mut books = Books { path: path.to_owned(), past: past.collect(), page };
        let ended: Vec<RunTold> = books.running().cloned().collect();
        for mut run in ended {
            run.state = RunState::Failed;
            run.finished_at = Some(now);
            run.detail = Some("the agent ended while it ran; its vault is whole".to_owned());
            books.note(run);
        }
        books.write()?;
        Ok(books)
    }

    /// Puts them on the disk.
    pub fn write(&mut self) -> Result<()> {
        self.page.past = self.past.values().cloned().collect();
        let text = serde_json::to_vec(&self.page).expect("plain data");
        durable::write(&self.path, &[&text], 0o600).map_err(file("write", &self.path))
    }

    pub fn plans(&self) -> &[Plan] {
        &self.page.plans
    }

    pub fn plans_hash(&self) -> Option<&String> {
        self.page.plans_hash.as_ref()
    }

    pub fn set_plans(&mut self, hash: String, plans: Vec<Plan>) {
        self.past.retain(|(plan, target), _| {
            plans.iter().any(|other| other.plan == *plan && other.target == *target)
        });
        (self.page.plans_hash, self.page.plans) = (Some(hash), plans);
    }

    pub fn plan(&self, plan: &str, target: &str) -> Option<&Plan> {
        self.page.plans.iter().find(|other| other.plan == plan && other.target == target)
    }

    pub fn past(&self, plan: &Plan) -> Option<&Past> {
        self.past.get(&(plan.plan.clone(), plan.target.clone()))
    }

    pub fn pasts(&self) -> impl Iterator<Item = (&Key, &Past)> {
        self.past.iter()
    }

    pub fn vault(&self) -> Option<&VaultPlace> {
        self.page.vault.as_ref()
    }

    /// Says whether that is another place than before.
    pub fn set_vault(&mut self, place: Option<VaultPlace>) -> bool {
        // While the server has none to name, the one it had may answer again.
        let changed = place.is_some() && place != self.page.vault;
        if changed {
            self.page.vault = place;
        }
        changed
    }

    pub fn tidied_at(&self) -> Option<Time> {
        self.page.tidied_at
    }

    pub fn set_tidied(&mut self, at: Time) {
        self.page.tidied_at = Some(at);
    }

    /// A number for a run that begins.
    pub fn number(&mut self) -> u64 {
        let number = self.page.next_number;
        self.page.next_number += 1;
        number
    }

    pub fn runs(&self) -> &[RunTold] {
        &self.page.runs
    }

    fn running(&self) -> impl Iterator<Item = &RunTold> {
        self.page.runs.iter().filter(|run| run.state == RunState::Running)
    }

    /// Notes how far a run is; its end also with its plan.
    pub fn note(&mut self, run: RunTold) {
        if run.state != RunState::Running {
            self.ended(&run);
        }
        match self.page.runs.iter_mut().find(|other| other.number == run.number) {
            Some(known) => *known = run,
            None => self.page.runs.push(run),
        }
        while self.page.runs.len() > BOOKED_RUNS_MAX {
            let gone = self.page.runs.remove(0);
            let at = gone.finished_at.unwrap_or(gone.started_at);
            let lost = self.page.lost.get_or_insert(Lost { count: 0, from: at, until: at });
            *lost =
                Lost { count: lost.count + 1, from: lost.from.min(at), until: lost.until.max(at) };
        }
    }

    fn ended(&mut self, run: &RunTold) {
        let key = (run.plan.clone(), run.target.clone());
        if self.plan(&run.plan, &run.target).is_none() {
            return;
        }
        if run.kind == RunKind::Restore {
            return;
        }
        let at = run.finished_at.unwrap_or(run.started_at);
        let past = self.past.entry(key).or_default();
        (past.plan, past.target) = (run.plan.clone(), run.target.clone());
        let whole = run.state == RunState::Complete;
        match run.kind {
            RunKind::Backup => past.backed_up(run, at),
            RunKind::Verify => {
                past.proof_tried_at = Some(at);
                if whole {
                    (past.proven_at, past.proven_level) = (Some(at), run.level.unwrap_or(0));
                }
            }
            RunKind::Restore => {}
            RunKind::Drill => {
                past.drill_tried_at = Some(at);
                past.drilled_at = if whole { Some(at) } else { past.drilled_at };
            }
        }
    }

    pub fn lost(&self) -> Option<Lost> {
        self.page.lost
    }

    /// The control plane has these.
    pub fn taken(&mut self, numbers: &[u64], lost_noted: bool) {
        let taken = |run: &RunTold| run.state != RunState::Running && numbers.contains(&run.number);
        self.page.runs.retain(|run| !taken(run));
        if lost_noted {
            self.page.lost = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u64, state: RunState) -> RunTold {
        let text = format!(
            r#"{{"number":{number},"kind":"backup","plan":"p","target":"t","cause":"schedule",
               "state":"running","started_at":"2026-01-01T00:00:0{}Z"}}"#,
            number % 10
        );
        RunTold { state, ..serde_json::from_str(&text).unwrap() }
    }

    #[test]
    fn what_was_under_way_has_failed_at_the_next_start_and_numbers_go_on() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("books.json");
        let now = Time::from_secs(1_000);
        let mut books = Books::open(&path, now).unwrap();
        let number = books.number();
        assert_eq!(number, 1_000_000, "lost books do not begin again at one");
        books.note(run(number, RunState::Running));
        books.write().unwrap();
        drop(books);
        let mut books = Books::open(&path, now).unwrap();
        assert_eq!(books.runs()[0].state, RunState::Failed);
        assert_eq!(books.number(), number + 1);
        assert_eq!(books.runs()[0].kind, RunKind::Backup);
        books.taken(&[number], false);
        assert!(books.runs().is_empty());
    }

    #[test]
    fn full_books_lose_the_oldest_and_say_from_when_to_when() {
        let root = tempfile::tempdir().unwrap();
        let mut books = Books::open(&root.path().join("books.json"), Time::default()).unwrap();
        for number in 1..=BOOKED_RUNS_MAX as u64 + 3 {
            books.note(run(number, RunState::Failed));
        }
        let lost = books.lost().unwrap();
        assert_eq!((books.runs().len(), lost.count), (BOOKED_RUNS_MAX, 3));
        assert_eq!(lost.until.since(lost.from), 2_000_000_000);
        books.taken(&[], true);
        assert_eq!(books.lost(), None);
    }

    #[test]
    fn what_is_under_way_is_never_taken_and_torn_books_are_said() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("books.json");
        let mut books = Books::open(&path, Time::default()).unwrap();
        books.note(run(7, RunState::Running));
        books.taken(&[7], false);
        assert_eq!(books.runs().len(), 1);
        fs::write(&path, "{").unwrap();
        let error = Books::open(&path, Time::default()).err().unwrap().to_string();
        assert!(error.starts_with("cannot understand"), "{error}");
    }
}
