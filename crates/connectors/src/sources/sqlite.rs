//! `sqlite:PATH`: a consistent copy of a database while it is in use.
//!
//! Uses SQLite's online backup call on a read-only connection: no statement runs on the source. A
//! database in WAL mode is copied in one read transaction, which never blocks its writer. With a
//! rollback journal a reader does block the writer's commit, so the copy goes in short steps and
//! gives up rather than hold the lock. A database in WAL mode that nobody has open is read as it
//! lies there: SQLite would make files beside it, which who only reads must not. Invariant: the
//! copy passed SQLite's own check before it is offered.

use super::{Context, Kind, Unusable, files};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use vault::{Offer, Open, Opened, Source, What};

/// Pages copied under one lock of a database with a rollback journal: about a millisecond.
const STEP_PAGES: std::ffi::c_int = 256;

/// How often the copy may start again because the database was written to in between.
const RESTARTS_MAX: u32 = 20;

/// How often a lock of the writer is waited for.
const BUSY_MAX: u32 = 600;

const READ_ONLY: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

const PAUSE: Duration = Duration::from_millis(10);

pub struct Sqlite;

pub const SQLITE: Sqlite = Sqlite;

impl Kind for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn form(&self) -> &'static str {
        "PATH"
    }

    fn open(&self, place: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        if place.is_empty() {
            return Err(Unusable::place(self, place, "no path"));
        }
        let path = std::path::absolute(place)
            .map_err(|error| Unusable::place(self, place, error.to_string()))?;
        let path = path.canonicalize().unwrap_or(path);
        Ok(Box::new(Database { path, staging: context.staging.clone() }))
    }
}

#[derive(Clone)]
struct Database {
    path: PathBuf,
    staging: PathBuf,
}

impl Source for Database {
    fn name(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn claims(&self) -> Vec<PathBuf> {
        ["", "-wal", "-shm", "-journal"].map(|suffix| beside(&self.path, suffix)).into()
    }

    fn offer(&mut self, offer: &mut Offer) {
        match fs::metadata(&self.path) {
            Ok(_) => offer.entry(self.path.clone(), What::File(Box::new(self.clone()))),
            Err(error) => offer.fault(&self.path, error.to_string()),
        }
    }
}

impl Open for Database {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let original = fs::metadata(&self.path)?;
        let copy = tempfile::NamedTempFile::new_in(&self.staging)?;
        copy_database(&self.path, copy.path()).map_err(io::Error::other)?;
        // The open file outlives its name: nothing in clear stays behind.
        let file = File::open(copy.path())?;
        drop(copy);
        let size = file.metadata()?.len();
        let mut meta = files::meta(&original);
        meta.size = size;
        // Pages move without the file's time telling; the time of the copy makes it new.
        meta.modified = file.metadata()?.modified().ok().and_then(since_epoch);
        meta.inode = 0;
        Ok(Opened::new(meta, file))
    }
}

fn since_epoch(time: std::time::SystemTime) -> Option<model::Time> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok().map(model::Time::from_nanos)
}

/// A file that SQLite keeps beside the database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn copy_database(from: &Path, to: &Path) -> Result<(), String> {
    let wal = is_wal(from).map_err(|error| error.to_string())?;
    if wal && is_at_rest(from) && copy_at_rest(from, to)? {
        return Ok(());
    }
    let source = Connection::open_with_flags(from, READ_ONLY).map_err(|error| why(from, &error))?;
    copy(&source, (from, to), if wal { -1 } else { STEP_PAGES })
}

/// Nobody has the database open, whose last program put all it wrote into the one file.
fn is_at_rest(path: &Path) -> bool {
    ["-wal", "-shm"].iter().all(|suffix| !beside(path, suffix).exists())
}

/// Copies the file without a lock. False when somebody began to write meanwhile.
fn copy_at_rest(from: &Path, to: &Path) -> Result<bool, String> {
    let state = || fs::metadata(from).and_then(|meta| Ok((meta.modified()?, meta.len())));
    let before = state().map_err(|error| error.to_string())?;
    let flags = READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let source = Connection::open_with_flags(unchanging(from), flags);
    let copied = copy(&source.map_err(|error| why(from, &error))?, (from, to), -1);
    if !is_at_rest(from) || state().ok() != Some(before) {
        return Ok(false);
    }
    copied.map(|()| true)
}

/// A URI that says that the file does not change while it is open (sqlite.org/uri.html).
fn unchanging(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// An error with what to do about it.
fn why(path: &Path, error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    let needs_folder = matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly));
    let folder = path.parent().filter(|_| needs_folder);
    folder.map_or_else(
        || error.to_string(),
        |folder| {
            let folder = folder.display();
            format!(
                "{error}; SQLite keeps files beside a database in use: all of {folder} must be \
                 readable, where an agent reads in its `allow`"
            )
        },
    )
}

fn copy(
    source: &Connection,
    (from, to): (&Path, &Path),
    pages: std::ffi::c_int,
) -> Result<(), String> {
    let mut copy = Connection::open(to).map_err(|e| e.to_string())?;
    let backup = Backup::new(source, &mut copy).map_err(|e| e.to_string())?;
    run(&backup, pages, from)?;
    drop(backup);
    let verdict: String = copy
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| format!("the copy cannot be checked: {e}"))?;
    if verdict != "ok" {
        return Err(format!("the database is damaged: {verdict}"));
    }
    copy.close().map_err(|(_, error)| error.to_string())
}

fn run(backup: &Backup<'_, '_>, pages: std::ffi::c_int, from: &Path) -> Result<(), String> {
    let (mut restarts, mut busy, mut left) = (0, 0, std::ffi::c_int::MAX);
    loop {
        match backup.step(pages).map_err(|error| why(from, &error))? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                let now = backup.progress().remaining;
                restarts += u32::from(now >= left);
                left = now;
            }
            _ => busy += 1,
        }
        if restarts > RESTARTS_MAX || busy > BUSY_MAX {
            return Err("it is written to without a pause; switch it to WAL mode".to_owned());
        }
        thread::sleep(PAUSE);
    }
}

/// Whether the database is in WAL mode: bytes 18 and 19 of its header are 2 (SQLite database
/// file format, 1.3.3).
fn is_wal(path: &Path) -> io::Result<bool> {
    let mut header = [0; 20];
    let mut file = File::open(path)?;
    match file.read_exact(&mut header) {
        Ok(()) if header.starts_with(b"SQLite format 3\0") => Ok(header[18..] == [2, 2]),
        Ok(()) => Err(io::Error::other("it is not a SQLite database, or an encrypted one")),
        // An empty file is an empty database.
        Err(_) if file.metadata()?.len() == 0 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database in WAL mode.
    fn database(path: &Path) -> Connection {
        let open = Connection::open(path).unwrap();
        open.query_row("PRAGMA journal_mode=wal", [], |_| Ok(())).unwrap();
        open.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (42)").unwrap();
        open
    }

    fn value(path: &Path) -> i64 {
        Connection::open(path).unwrap().query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_database_that_nobody_has_open_is_copied_and_nothing_is_made_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("a b?c#%d.db"), place.path().join("copy"));
        database(&from).close().unwrap();
        assert!(is_wal(&from).unwrap() && is_at_rest(&from));
        assert_eq!(copy_at_rest(&from, &to), Ok(true));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "the two alone");
        assert_eq!(value(&to), 42);
    }

    #[test]
    fn a_database_that_is_opened_meanwhile_is_copied_as_one_in_use() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("history.db"), place.path().join("copy"));
        let open = database(&from);
        assert!(!is_at_rest(&from));
        assert_eq!(copy_at_rest(&from, &to), Ok(false));
        copy_database(&from, &to).unwrap();
        assert_eq!(value(&to), 42);
        drop(open);
    }

    #[test]
    fn who_may_not_make_files_beside_it_is_told_to_allow_the_folder() {
        let error = Connection::open("/nowhere/history.db").unwrap_err();
        let said = why(Path::new("/nowhere/history.db"), &error);
        assert!(said.contains("all of /nowhere must be readable"), "{said}");
    }
}
