//! `sqlite:PATH`: a consistent copy of a database while it is in use.
//!
//! Uses SQLite's online backup call on a read-only connection: no statement runs on the source. A
//! database in WAL mode is copied in one read transaction, which never blocks its writer. With a
//! rollback journal a reader does block the writer's commit, so the copy goes in short steps and
//! gives up rather than hold the lock. Invariant: the copy passed SQLite's own check before it is
//! offered.

use super::{Context, Kind, Unusable, files};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{
    fs::{self, File},
    io::{self, Read},
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
        let beside = |suffix| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        };
        ["", "-wal", "-shm", "-journal"].map(beside).into()
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

fn copy_database(from: &Path, to: &Path) -> Result<(), String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let wal = is_wal(from).map_err(|error| error.to_string())?;
    let source = Connection::open_with_flags(from, flags).map_err(|e| e.to_string())?;
    let mut copy = Connection::open(to).map_err(|e| e.to_string())?;
    let backup = Backup::new(&source, &mut copy).map_err(|e| e.to_string())?;
    run(&backup, if wal { -1 } else { STEP_PAGES })?;
    drop(backup);
    let verdict: String = copy
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| format!("the copy cannot be checked: {e}"))?;
    if verdict != "ok" {
        return Err(format!("the database is damaged: {verdict}"));
    }
    copy.close().map_err(|(_, error)| error.to_string())
}

fn run(backup: &Backup<'_, '_>, pages: std::ffi::c_int) -> Result<(), String> {
    let (mut restarts, mut busy, mut left) = (0, 0, std::ffi::c_int::MAX);
    loop {
        match backup.step(pages).map_err(|e| e.to_string())? {
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
