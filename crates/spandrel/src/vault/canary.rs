//! `spandrel vault canary`: a signed counter beside the data, every ten seconds, so that a drill
//! can measure what a restored copy lacks.
//!
//! Four sorts of place, as data comes: a file that is replaced, a log that grows, a table of a
//! SQLite or a PostgreSQL database. Invariant: the number after the one found in the place is
//! written, so a canary that was stopped goes on where it was, and a gap means loss.

use super::{complain, now, postgres, print_line};
use anyhow::{Context as _, Result, bail};
use model::Time;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};
use vault::{
    PersonKey,
    log::VerifyingKey,
    recovery::{
        CanaryFound,
        canary::{Canary, Flock},
    },
};

/// Rows a database keeps.
const ROWS_MAX: u64 = 10_000;

/// Bytes at the end of a log in which the last canary is looked for before the next is written.
const TAIL_BYTES: u64 = 1 << 20;

#[derive(clap::Args)]
pub struct Options {
    /// Key file of the canary; made when it is not there
    #[arg(long = "as", value_name = "FILE")]
    key: PathBuf,
    /// `files:PATH` is replaced, `log:PATH` grows, `sqlite:PATH` and
    /// `postgres://USER@HOST/DATABASE` get a table `spandrel_canary`
    #[arg(long = "into", value_name = "SORT:PATH", required = true)]
    places: Vec<String>,
    /// Seconds from one to the next
    #[arg(long, value_name = "SECS", default_value_t = 10)]
    every: u64,
    /// Stop after so many; default is never
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let key = if options.key.exists() {
        PersonKey::read(&options.key)?
    } else {
        PersonKey::create(&options.key, "canary")?
    };
    let places: Vec<Place> =
        options.places.iter().map(|p| Place::parse(p)).collect::<Result<_>>()?;
    print_line(&key.public().to_string())?;
    let start = Instant::now();
    let mut written = 0_u32;
    let mut all_well = true;
    loop {
        for place in &places {
            // A database that is locked for a moment must not end the canaries of the others.
            if let Err(error) = place.write(&key, now()?) {
                all_well = false;
                complain(&format!("no canary in {}: {error:#}", place.path.display()));
            }
        }
        written += 1;
        if options.count.is_some_and(|count| u64::from(written) >= count) {
            return Ok(super::exit(all_well));
        }
        let next = start + Duration::from_secs(options.every) * written;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// What the places of a plan hold below `root`.
pub fn found_in(places: &[String], root: &Path, key: &VerifyingKey) -> Vec<CanaryFound> {
    let look = |text: &String| {
        let found = Place::parse(text)
            .and_then(|place| Place { sort: place.sort, path: root.join(&place.path) }.flock(key));
        let (flock, error) = match found {
            Ok(flock) => (flock, None),
            Err(error) => (Flock::default(), Some(format!("{error:#}"))),
        };
        CanaryFound { place: text.clone(), flock, error }
    };
    places.iter().map(look).collect()
}

#[derive(Clone, Copy)]
enum Sort {
    Files,
    Log,
    Sqlite,
    /// To write: `//USER@HOST[:PORT]/DATABASE`, by psql and its password file; to read:
    /// `DATA/DATABASE` of a server that was started in restored data.
    Postgres,
}

struct Place {
    sort: Sort,
    path: PathBuf,
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let (sort, path) = text.split_once(':').context("write SORT:PATH")?;
        let sort = match sort {
            "files" => Sort::Files,
            "log" => Sort::Log,
            "sqlite" => Sort::Sqlite,
            "postgres" => Sort::Postgres,
            _ => bail!("{text}: there are files:, log:, sqlite: and postgres: places"),
        };
        Ok(Self { sort, path: path.into() })
    }

    fn class(&self) -> &'static str {
        match self.sort {
            Sort::Files => "files",
            Sort::Log => "log",
            Sort::Sqlite => "sqlite",
            Sort::Postgres => "postgres",
        }
    }

    fn write(&self, key: &PersonKey, time: Time) -> Result<()> {
        let number = match self.sort {
            Sort::Log => tail(&self.path).map(|text| flock(&text, &key.public()))?,
            Sort::Files | Sort::Sqlite if self.path.exists() => self.flock(&key.public())?,
            Sort::Files | Sort::Sqlite => Flock::default(),
            Sort::Postgres => {
                self.psql(TABLE)?;
                self.flock(&key.public())?
            }
        }
        .number
            + 1;
        let line = Canary { class: self.class().to_owned(), number, time }.line(key);
        match self.sort {
            Sort::Files => {
                let mut name = self.path.as_os_str().to_owned();
                name.push(".new");
                fs::write(&name, format!("{line}\n"))?;
                fs::rename(&name, &self.path)?;
            }
            Sort::Log => {
                let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
                file.write_all(format!("{line}\n").as_bytes())?;
            }
            Sort::Sqlite => insert(&self.path, number, &line)?,
            Sort::Postgres => {
                let (line, oldest) = (line.replace('\'', "''"), number.saturating_sub(ROWS_MAX));
                self.psql(&format!(
                    "INSERT INTO spandrel_canary VALUES ({number}, '{line}'); \
                     DELETE FROM spandrel_canary WHERE n <= {oldest}"
                ))?;
            }
        }
        Ok(())
    }

    fn flock(&self, key: &VerifyingKey) -> Result<Flock> {
        match self.sort {
            Sort::Files | Sort::Log => {
                let bytes = fs::read(&self.path)
                    .with_context(|| format!("cannot read {}", self.path.display()))?;
                Ok(flock(&String::from_utf8_lossy(&bytes), key))
            }
            Sort::Sqlite => {
                let database = open(&self.path)?;
                if !has_table(&database)? {
                    return Ok(Flock::default());
                }
                let mut rows = database.prepare("SELECT line FROM spandrel_canary")?;
                let lines = rows.query_map([], |row| row.get::<_, String>(0))?;
                let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
                Ok(Flock::among(lines.iter().map(String::as_str), key))
            }
            Sort::Postgres => Ok(flock(&self.psql("SELECT line FROM spandrel_canary")?, key)),
        }
    }

    /// Has psql do something in the plant's database, or asks one that was started in restored
    /// data.
    fn psql(&self, query: &str) -> Result<String> {
        let mut program = Command::new("psql");
        let text = self.path.to_string_lossy();
        if text.starts_with("//") {
            program.arg("-d").arg(format!("postgresql:{text}"));
            return postgres::psql(program, query, ANSWER);
        }
        let (folder, database) = postgres::place(Path::new("/"), &text)?;
        postgres::ask(program, &folder, database, query, ANSWER)
    }
}

/// How long a PostgreSQL server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// In the schema that the plant's role writes to.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS spandrel_canary \
                     (n bigint PRIMARY KEY, line text NOT NULL)";

fn flock(text: &str, key: &VerifyingKey) -> Flock {
    Flock::among(text.lines(), key)
}

/// The end of a log; empty when there is none yet.
fn tail(path: &Path) -> Result<String> {
    use std::os::unix::fs::FileExt;
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL_BYTES);
    let mut bytes = vec![0; usize::try_from(length - from)?];
    file.read_exact_at(&mut bytes, from)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn open(path: &Path) -> Result<rusqlite::Connection> {
    // Never made here: a historian that is not there is an error, not an empty database.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let database = rusqlite::Connection::open_with_flags(path, flags)
        .with_context(|| format!("cannot open {}", path.display()))?;
    database.busy_timeout(Duration::from_secs(5))?;
    Ok(database)
}

fn has_table(database: &rusqlite::Connection) -> Result<bool> {
    let query = "SELECT count(*) FROM sqlite_master WHERE name = 'spandrel_canary'";
    Ok(database.query_row(query, [], |row| row.get::<_, i64>(0))? > 0)
}

fn insert(path: &Path, number: u64, line: &str) -> Result<()> {
    let mut database = open(path)?;
    // From its beginning a writing one: to become one later fails at once when others write.
    let behaviour = rusqlite::TransactionBehavior::Immediate;
    let turn = database.transaction_with_behavior(behaviour)?;
    turn.execute_batch(
        "CREATE TABLE IF NOT EXISTS spandrel_canary (n INTEGER PRIMARY KEY, line TEXT NOT NULL)",
    )?;
    let number = i64::try_from(number)?;
    turn.execute("INSERT INTO spandrel_canary VALUES (?1, ?2)", (number, line))?;
    let oldest = number.saturating_sub(i64::try_from(ROWS_MAX)?);
    turn.execute("DELETE FROM spandrel_canary WHERE n <= ?1", [oldest])?;
    Ok(turn.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_goes_on_counting_and_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let key = PersonKey::create(&folder.path().join("key"), "canary").unwrap();
        let database = folder.path().join("h.db");
        rusqlite::Connection::open(&database).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
        fs::write(folder.path().join("plc.log"), "pump on\n").unwrap();
        let places = ["files:c.txt", "log:plc.log", "sqlite:h.db"].map(str::to_owned);
        for n in 1..=3 {
            for place in &places {
                let place = Place::parse(place).unwrap();
                let place = Place { path: folder.path().join(place.path), ..place };
                place.write(&key, Time::from_secs(n * 10)).unwrap();
            }
        }
        let found = found_in(&places, folder.path(), &key.public());
        for (found, count) in found.iter().zip([1, 3, 3]) {
            assert_eq!((found.flock.number, found.flock.count), (3, count), "{found:?}");
            assert_eq!(found.flock.newest, Some(Time::from_secs(30)));
            assert_eq!(found.flock.missing, 0);
        }
        let gone = found_in(&["log:nothing".into()], folder.path(), &key.public());
        assert!(gone[0].error.is_some() && gone[0].flock.newest.is_none());
    }
}
