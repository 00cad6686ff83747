//! `fuzz/ledger.toml`: how long each target has run on the source it has, over many runs.
//!
//! A row adds up while the target's own source stays the same and begins anew when it does not;
//! which source that is, [`super::source`] says. Not here: choosing and running. Invariants: only
//! what was run is added, to a row about the source it was run with; two processes that add at
//! once lose nothing; a target is run by one process at a time, so no seed counts twice.

use super::source::{self, Digests, Sources};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions, TryLockError},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

const HEAD: &str = "\
# What `cargo xtask fuzz --record yes` ran: processor time on the source a target has, and of it
# the time with the shared code of the last run; see docs/sensor.md. Written by the program alone.
";

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of processor time, on `source`.
    pub seconds: u64,
    /// Part of them, with `shared` as well.
    pub shared_seconds: u64,
    pub runs: u64,
    /// Inputs that failed.
    pub failures: u64,
    /// The last; runs to come take higher ones.
    pub seed: u64,
    pub source: String,
    pub shared: String,
}

pub type Rows = BTreeMap<String, Row>;

/// What was run of a target since it was last added.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    pub seconds: u64,
    pub runs: u64,
    pub failures: u64,
}

pub struct Ledger {
    root: PathBuf,
    /// What this program runs.
    built: Sources,
}

/// Whether a target may be run for the ledger.
pub enum Begun {
    Go(Entry),
    /// Why not; said to the user.
    Left(String),
}

/// A target that is being run for the ledger; nobody else runs it until this is dropped.
pub struct Entry {
    target: String,
    pub seed: u64,
    /// Already in the ledger.
    pub seconds: u64,
    told: Stretch,
    _claim: File,
}

impl Ledger {
    pub fn new(root: &Path, built: Sources) -> Ledger {
        Ledger { root: root.to_owned(), built }
    }

    pub fn rows(&self) -> Result<Rows> {
        let path = self.path();
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text).with_context(|| format!("cannot read {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Rows::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Digests of what lies in the checkout.
    pub fn today(&self) -> Result<Sources> {
        source::sources(&self.root).context("cannot read the sources")
    }

    /// Claims a target, with a seed that its source has not seen.
    pub fn begin(&self, target: &str, seed: Option<u64>) -> Result<Begun> {
        let built = self.built(target)?;
        if self.today()?.get(target).is_none_or(|today| today.source != built.source) {
            let why = "its source is not what this program was built of; build it anew";
            return Ok(Begun::Left(format!("{target}: {why}")));
        }
        let claim = self.open(&format!("{target}.claim"))?;
        match claim.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Ok(Begun::Left(format!("{target}: another process runs it")));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot claim {target}"));
            }
        }
        let row = self.rows()?.remove(target);
        let on_it = row.as_ref().filter(|row| row.source == built.source);
        let seconds = on_it.map_or(0, |row| row.seconds);
        let next = row.as_ref().map_or(1, |row| row.seed + 1);
        let seed = seed.unwrap_or(next);
        if on_it.is_some() && seed < next {
            bail!("{target} has run with seeds up to {}: give none, or a higher one", next - 1);
        }
        let (target, told) = (target.to_owned(), Stretch::default());
        Ok(Begun::Go(Entry { target, seed, seconds, told, _claim: claim }))
    }

    /// Adds what a claimed target did since it was last told; `all` counts from its begin.
    /// False if the ledger has turned to newer source meanwhile.
    pub fn tell(&self, entry: &mut Entry, all: Stretch) -> Result<bool> {
        let fresh = Stretch {
            seconds: all.seconds - entry.told.seconds,
            runs: all.runs - entry.told.runs,
            failures: all.failures - entry.told.failures,
        };
        entry.told = all;
        self.add(&entry.target, entry.seed, fresh)
    }

    /// One input of a target never came to its end, so nothing but that is known of the run.
    pub fn hangs(&self, target: &str) -> Result<bool> {
        let seed = self.rows()?.get(target).map_or(0, |row| row.seed);
        self.add(target, seed, Stretch { seconds: 0, runs: 0, failures: 1 })
    }

    fn add(&self, target: &str, seed: u64, fresh: Stretch) -> Result<bool> {
        let lock = self.open("ledger.lock")?;
        lock.lock().context("cannot lock the ledger")?;
        let mut rows = self.rows()?;
        let today = self.today()?.remove(target);
        let built = self.built(target)?;
        let row = match rows.remove(target) {
            Some(row) if row.source == built.source => Some(added(row, built, today.as_ref())),
            Some(row) if today.is_some_and(|today| today.source == row.source) => {
                println!("{target}: not recorded, the ledger has a row about newer source");
                return Ok(false);
            }
            _ => None,
        };
        let mut row = row.unwrap_or_else(|| Row::new(built));
        row.seconds += fresh.seconds;
        if row.shared == built.shared {
            row.shared_seconds += fresh.seconds;
        }
        row.runs += fresh.runs;
        row.failures += fresh.failures;
        row.seed = row.seed.max(seed);
        rows.insert(target.to_owned(), row);
        self.write(&rows)?;
        Ok(true)
    }

    fn write(&self, rows: &Rows) -> Result<()> {
        let path = self.path();
        let folder = path.parent().context("the ledger has no folder")?;
        let told = || format!("cannot write {}", path.display());
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(told)?;
        file.write_all(text(rows).as_bytes()).with_context(told)?;
        // As git would: others may read it.
        fs::set_permissions(file.path(), Permissions::from_mode(0o644)).with_context(told)?;
        file.persist(&path).with_context(told)?;
        Ok(())
    }

    fn built(&self, target: &str) -> Result<&Digests> {
        let wanting = || format!("no digest of {target}: cargo xtask fuzz --write-targets yes");
        self.built.get(target).with_context(wanting)
    }

    fn path(&self) -> PathBuf {
        self.root.join("fuzz/ledger.toml")
    }

    /// A file to lock, below `target/`, where git looks at nothing.
    fn open(&self, name: &str) -> Result<File> {
        let folder = self.root.join("target/fuzz");
        fs::create_dir_all(&folder).context("cannot make target/fuzz")?;
        let file = File::options().create(true).truncate(false).write(true).open(folder.join(name));
        file.with_context(|| format!("cannot open target/fuzz/{name}"))
    }
}

impl Row {
    fn new(digests: &Digests) -> Row {
        let Digests { source, shared } = digests.clone();
        Row { seconds: 0, shared_seconds: 0, runs: 0, failures: 0, seed: 0, source, shared }
    }
}

/// A row that goes on; it turns to other shared code, unless it is about today's already.
fn added(mut row: Row, built: &Digests, today: Option<&Digests>) -> Row {
    let newer = today.is_some_and(|today| today.shared == row.shared);
    if row.shared != built.shared && !newer {
        row.shared = built.shared.clone();
        row.shared_seconds = 0;
    }
    row
}

fn parse(text: &str) -> Result<Rows> {
    let table: toml::Table = text.parse().context("it is no TOML")?;
    let mut rows = Rows::new();
    for (target, value) in &table {
        let number = |name: &str| {
            let number = value.get(name).and_then(toml::Value::as_integer);
            let number = number.and_then(|number| u64::try_from(number).ok());
            number.with_context(|| format!("{target} has no number `{name}`"))
        };
        let text = |name: &str| {
            let text = value.get(name).and_then(toml::Value::as_str).map(str::to_owned);
            text.with_context(|| format!("{target} has no text `{name}`"))
        };
        let row = Row {
            seconds: number("seconds")?,
            shared_seconds: number("shared_seconds")?,
            runs: number("runs")?,
            failures: number("failures")?,
            seed: number("seed")?,
            source: text("source")?,
            shared: text("shared")?,
        };
        rows.insert(target.clone(), row);
    }
    Ok(rows)
}

fn text(rows: &Rows) -> String {
    let line = |(target, r): (&String, &Row)| {
        format!(
            "{target} = {{ seconds = {}, shared_seconds = {}, runs = {}, failures = {}, \
             seed = {}, source = \"{}\", shared = \"{}\" }}\n",
            r.seconds, r.shared_seconds, r.runs, r.failures, r.seed, r.source, r.shared
        )
    };
    HEAD.to_owned() + &rows.iter().map(line).collect::<String>()
}

/// Those that want processor time on today's source, what has least first.
pub fn due<'a>(names: Vec<&'a str>, rows: &Rows, today: &Sources, goal: Duration) -> Vec<&'a str> {
    let has = |name: &str| {
        let row = rows.get(name).zip(today.get(name));
        row.filter(|(row, today)| row.source == today.source).map_or(0, |(row, _)| row.seconds)
    };
    let mut due: Vec<(u64, &str)> = names.into_iter().map(|name| (has(name), name)).collect();
    due.retain(|(seconds, _)| *seconds < goal.as_secs());
    due.sort_unstable();
    due.into_iter().map(|(_, name)| name).collect()
}

fn minutes(seconds: u64) -> f64 {
    Duration::from_secs(seconds).as_secs_f64() / 60.0
}

/// The state of every target, and how many have what they should.
pub fn status(names: &[&str], rows: &Rows, today: &Sources, goal: Duration) -> String {
    let mut text = format!(
        "{:<16} {:>8} {:>12} {:>13} {:>9}  source\n",
        "target", "minutes", "with shared", "runs", "failures"
    );
    let (mut enough, mut with_shared, mut runs, mut seconds, mut failures) = (0, 0, 0, 0, 0);
    let mut names = names.to_vec();
    names.sort_unstable();
    for name in &names {
        let (Some(row), Some(today)) = (rows.get(*name), today.get(*name)) else {
            text += &format!("{name:<16} {:>8} {:>12} {:>13} {:>9}  never run\n", 0, 0, 0, 0);
            continue;
        };
        let (state, now) = match (row.source == today.source, row.shared == today.shared) {
            (true, true) => ("the same", row.shared_seconds),
            (true, false) => ("the same; shared code changed since", 0),
            (false, _) => ("STALE: changed since, counts no more", 0),
        };
        text += &format!(
            "{name:<16} {:>8.1} {:>12.1} {:>13} {:>9}  {state}\n",
            minutes(row.seconds),
            minutes(now),
            row.runs,
            row.failures
        );
        if row.source != today.source {
            continue;
        }
        enough += usize::from(row.seconds >= goal.as_secs());
        with_shared += usize::from(now >= goal.as_secs());
        (runs, seconds) = (runs + row.runs, seconds + row.seconds);
        failures += row.failures;
    }
    text += &format!(
        "{enough} of {} targets have {:.0} minutes and more on today's source, {with_shared} of \
         them with today's shared code too; in all {:.1} minutes, {runs} runs, {failures} \
         failures\n",
        names.len(),
        goal.as_secs_f64() / 60.0,
        minutes(seconds)
    );
    text
}

#[cfg(test)]
mod tests;
