//! `cargo xtask fuzz`: drives the targets of `fuzz/` by seeded mutation, on a stable toolchain.
//!
//! Inputs begin as the protocols' fixtures and are mutated; one that shows a behaviour not seen
//! before stays. What fails (a panic, or five seconds in one input) is written to
//! `target/fuzz/`, from where it should become a fixture. Not here: what a target checks.
//! Invariant: a seed and a number of runs give the same inputs on every machine.

mod corpus;
mod each;
mod ledger;
mod mutate;
mod source;
#[path = "../../fuzz/src/lib.rs"]
pub mod targets;

use crate::{checkout, options::Options};
use anyhow::{Context, Result, bail};
use each::{Each, Time};
use ledger::Ledger;
pub use mutate::Seeded;
use std::{
    collections::HashSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Digests of the sources that this program was built of, by `build.rs`.
const BUILT_OF: &str = include_str!(concat!(env!("OUT_DIR"), "/sources.txt"));
/// Of processor time, that each target should have.
const GOAL_MINUTES: f64 = 30.0;
/// In one input, before it counts as hanging.
const HANG: Duration = Duration::from_secs(5);
/// Runs of one target before the next has its turn.
const TURN_RUNS: u64 = 2_000;
/// Inputs kept of one target.
const KEPT_MAX: usize = 4_096;
const INPUT_OCTETS_MAX: usize = 16 * 1024;

pub fn run(arguments: &[String]) -> Result<()> {
    let known = [
        "minutes",
        "each",
        "due",
        "jobs",
        "target",
        "seed",
        "captures",
        "record",
        "status",
        "root",
        "write-targets",
        "input",
    ];
    let options = Options::read(arguments, &known)?;
    let root = options.text("root").map_or_else(checkout::root, PathBuf::from);
    let root = root.as_path();
    if options.text("write-targets").is_some() {
        return write_targets(&root.join("fuzz/Cargo.toml"));
    }
    let mut names = targets::names();
    if let Some(target) = options.text("target") {
        let asked: Vec<&str> = target.split(',').collect();
        if let Some(odd) = asked.iter().find(|asked| !names.contains(asked)) {
            bail!("no target {odd:?}; there are {}", names.join(", "));
        }
        names.retain(|name| asked.contains(name));
    }
    if let (Some(input), [target]) = (options.text("input"), &names[..]) {
        let octets = fs::read(input).with_context(|| format!("cannot read {input}"))?;
        println!("{target}: {} behaviours", targets::run(target, &octets).len());
        return Ok(());
    }
    let ledger = Ledger::new(root, source::parse(BUILT_OF));
    if options.text("status").is_some() {
        let goal = minutes(&options, "due", GOAL_MINUTES)?;
        print!("{}", ledger::status(&names, &ledger.rows()?, &ledger.today()?, goal));
        return Ok(());
    }
    if options.text("each").is_some() || options.text("due").is_some() {
        return run_each(&options, names, ledger, root);
    }
    if options.text("record").is_some() {
        bail!("--record needs --each or --due, which count each target's time");
    }
    let corpora = corpus::corpora(root, options.text("captures").map(Path::new))?;
    let seed = options.number("seed", 1)?;
    let mut drives: Vec<Drive> =
        names.iter().map(|name| Drive::new(name, seed, corpora.of(name))).collect();
    drive(&mut drives, minutes(&options, "minutes", 1.0)?, root)
}

/// Gives every target its own processor time, some of them at once; fails if any failed.
fn run_each(
    options: &Options,
    mut names: Vec<&'static str>,
    ledger: Ledger,
    root: &Path,
) -> Result<()> {
    let record = options.text("record").is_some();
    if record && !cfg!(debug_assertions) {
        bail!("only a debug build records: others do not notice that a number overflows");
    }
    let time = match options.text("due") {
        None => Time::Each(minutes(options, "each", 1.0)?),
        Some(_) if !record => bail!("--due is about what is recorded: --record yes"),
        Some(_) => {
            let goal = minutes(options, "due", GOAL_MINUTES)?;
            names = ledger::due(names, &ledger.rows()?, &ledger.today()?, goal);
            Time::UpTo(goal)
        }
    };
    let until = match options.text("minutes") {
        None => None,
        Some(_) => Some(Instant::now() + minutes(options, "minutes", 1.0)?),
    };
    let seed = options.text("seed").map(|_| options.number("seed", 1)).transpose()?;
    let each = Each {
        corpora: corpus::corpora(root, options.text("captures").map(Path::new))?,
        time,
        until,
        seed,
        ledger: record.then(|| Arc::new(ledger)),
        folder: root.join("target/fuzz"),
    };
    // Panics are results here, told once and not each with its trace.
    std::panic::set_hook(Box::new(|_| {}));
    let done = each.run(&names, options.number("jobs", 1)?);
    drop(std::panic::take_hook());
    told(&done?, &each.folder)
}

fn minutes(options: &Options, name: &str, usual: f64) -> Result<Duration> {
    let minutes: f64 = options.number(name, usual)?;
    let time = Duration::try_from_secs_f64(minutes * 60.0);
    time.with_context(|| format!("--{name} is no time: {minutes}"))
}

/// Gives the targets turns until the time is over; fails if any failed.
fn drive(drives: &mut [Drive], time: Duration, root: &Path) -> Result<()> {
    let folder = root.join("target/fuzz");
    let watch = Watch::start(folder.clone());
    // Panics are results here, told once and not each with its trace.
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let mut rounds = 0u64;
    while start.elapsed() < time {
        for drive in drives.iter_mut() {
            drive.turn(TURN_RUNS, &watch);
        }
        rounds += 1;
    }
    drop(std::panic::take_hook());
    drives.iter().for_each(|drive| println!("{}", drive.line()));
    println!("{rounds} rounds");
    told(drives, &folder)
}

/// Keeps and names what failed.
fn told(drives: &[Drive], folder: &Path) -> Result<()> {
    let mut failed = 0;
    for drive in drives {
        for (why, input) in &drive.failures {
            failed += 1;
            let kept = store(folder, drive.target, input)?;
            println!("{}: {why}\n  {}", drive.target, kept.display());
        }
    }
    let runs: u64 = drives.iter().map(|d| d.runs).sum();
    println!("fuzz: {runs} runs of {} targets, {failed} failures", drives.len());
    if failed > 0 {
        bail!("{failed} inputs fail; `cargo xtask fuzz --target NAME --input FILE` shows one");
    }
    Ok(())
}

fn store(folder: &Path, target: &str, input: &[u8]) -> Result<PathBuf> {
    fs::create_dir_all(folder).context("cannot make target/fuzz")?;
    let sum = source::digest(input.iter().copied());
    let path = folder.join(format!("{target}-{sum:016x}"));
    fs::write(&path, input).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// One target and what was found with it.
pub struct Drive {
    target: &'static str,
    random: Seeded,
    kept: Vec<Vec<u8>>,
    shown: HashSet<u64>,
    /// What was said, and the input; one for each place.
    failures: Vec<(String, Vec<u8>)>,
    runs: u64,
    fresh: usize,
}

impl Drive {
    pub fn new(target: &'static str, seed: u64, corpus: Vec<Vec<u8>>) -> Drive {
        let name: u64 = target.bytes().fold(seed, |sum, b| sum.wrapping_mul(31) ^ u64::from(b));
        Drive {
            target,
            random: Seeded::new(name),
            kept: corpus,
            shown: HashSet::new(),
            failures: Vec::new(),
            runs: 0,
            fresh: 0,
        }
    }

    fn line(&self) -> String {
        format!(
            "{:<16} {:>9} runs, {:>5} inputs, {:>5} behaviours, {} failures",
            self.target,
            self.runs,
            self.kept.len(),
            self.shown.len(),
            self.failures.len()
        )
    }

    /// Runs the corpus once, then mutations.
    fn turn(&mut self, runs: u64, watch: &Watch) {
        for _ in 0..runs {
            let input = match self.kept.get(self.fresh) {
                Some(input) if self.runs == self.fresh as u64 => {
                    self.fresh += 1;
                    input.clone()
                }
                _ => self.mutated(),
            };
            self.one(input, watch);
        }
    }

    fn mutated(&mut self) -> Vec<u8> {
        let (random, kept) = (&mut self.random, &self.kept);
        let pick = |random: &mut Seeded| kept.get(random.below(kept.len())).cloned();
        let mut input = pick(random).unwrap_or_default();
        let other = pick(random).unwrap_or_default();
        let times = 1 + random.below(4) + random.below(2) * random.below(12);
        for _ in 0..times {
            mutate::mutate(&mut input, &other, random);
        }
        input.truncate(INPUT_OCTETS_MAX);
        input
    }

    fn one(&mut self, input: Vec<u8>, watch: &Watch) {
        self.runs += 1;
        watch.begin(self.target, &input);
        let done = catch_unwind(AssertUnwindSafe(|| targets::run(self.target, &input)));
        watch.end();
        match done {
            Ok(shown) => {
                let before = self.shown.len();
                self.shown.extend(shown);
                if self.shown.len() > before && self.kept.len() < KEPT_MAX {
                    self.kept.push(input);
                }
            }
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
                let same = |text: &str| text.split(char::is_numeric).collect::<String>();
                if !self.failures.iter().any(|(known, _)| same(known) == same(said)) {
                    self.failures.push((said.to_owned(), input));
                }
            }
        }
    }
}

/// The processor time of one thread: a machine that is busy with others must not count.
struct Processor {
    /// `schedstat` of the thread (Linux); without it the clock on the wall serves.
    path: Option<PathBuf>,
    start: Instant,
}

impl Processor {
    fn of_this_thread() -> Processor {
        let thread = fs::read_link("/proc/thread-self").ok();
        let path = thread.map(|thread| Path::new("/proc").join(thread).join("schedstat"));
        Processor { path: path.filter(|path| path.exists()), start: Instant::now() }
    }

    fn used(&self) -> Duration {
        let text = self.path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let nanos = text.and_then(|text| text.split(' ').next()?.parse().ok());
        nanos.map_or_else(|| self.start.elapsed(), Duration::from_nanos)
    }
}

/// Which run it is, of what target, and its input.
type Running = (u64, Option<(&'static str, Vec<u8>)>);

/// Ends the program when one input takes too long, and keeps that input.
pub struct Watch {
    running: Arc<Mutex<Running>>,
}

impl Watch {
    /// Watches the thread that calls.
    pub fn start(folder: PathBuf) -> Watch {
        Watch::telling(folder, |_| {})
    }

    /// And says before the end of which target it was.
    pub fn telling(folder: PathBuf, hangs: impl Fn(&str) + Send + 'static) -> Watch {
        let running = Arc::new(Mutex::new((0, None)));
        let watched: Arc<Mutex<Running>> = Arc::clone(&running);
        let clock = Processor::of_this_thread();
        std::thread::spawn(move || {
            let mut seen = (0, Duration::ZERO);
            loop {
                std::thread::sleep(HANG / 5);
                let running = watched.lock().expect("never poisoned");
                let (run, Some((target, input))) = &*running else { continue };
                let used = clock.used();
                if *run != seen.0 {
                    seen = (*run, used);
                } else if used.saturating_sub(seen.1) > HANG {
                    let path = store(&folder, target, input);
                    eprintln!("{target}: one input takes more than {HANG:?}: {path:?}");
                    hangs(target);
                    std::process::exit(1);
                }
            }
        });
        Watch { running }
    }

    pub fn begin(&self, target: &'static str, input: &[u8]) {
        let mut running = self.running.lock().expect("never poisoned");
        *running = (running.0 + 1, Some((target, input.to_vec())));
    }

    pub fn end(&self) {
        self.running.lock().expect("never poisoned").1 = None;
    }
}

/// The manifest with one `[[bin]]` for each target.
fn manifest(old: &str) -> String {
    let head = old.split("\n[[bin]]").next().unwrap_or(old).trim_end();
    let mut text = format!("{head}\n");
    for name in targets::names() {
        text += &format!(
            "\n[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/target.rs\"\ntest = false\n\
             doc = false\nbench = false\n"
        );
    }
    text
}

fn write_targets(path: &Path) -> Result<()> {
    let old = fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
    fs::write(path, manifest(&old)).with_context(|| format!("cannot write {path:?}"))?;
    println!("{} targets in {}", targets::names().len(), path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_its_fuzz_target() {
        let path = checkout::root().join("fuzz/Cargo.toml");
        let text = fs::read_to_string(path).expect("the fuzz workspace is there");
        assert!(text == manifest(&text), "cargo xtask fuzz --write-targets yes");
    }

    #[test]
    fn a_panic_is_a_failure_with_its_input() {
        let watch = Watch::start(std::env::temp_dir());
        let mut drive = Drive::new("no such target", 1, vec![vec![1, 2, 3]]);
        drive.turn(5, &watch);
        let [(said, input)] = &drive.failures[..] else { panic!("{:?}", drive.failures) };
        assert!(said.contains("no such target") && *input == [1, 2, 3], "{said}");
    }

    #[test]
    fn every_target_survives_its_corpus_and_a_thousand_mutations() {
        let corpora = corpus::corpora(&checkout::root(), None).expect("fixtures are there");
        let watch = Watch::start(std::env::temp_dir());
        for name in targets::names() {
            let corpus = corpora.of(name);
            assert!(!corpus.is_empty(), "{name} begins with nothing");
            let runs = corpus.len() as u64 + 1_000;
            let mut drive = Drive::new(name, 7, corpus);
            drive.turn(runs, &watch);
            assert!(drive.failures.is_empty(), "{name}: {:?}", drive.failures);
            assert!(drive.shown.len() > 3, "{name} shows nothing");
        }
    }
}
