//! What can go wrong, by who has to act.
//!
//! Invariant: an [`OpenError`] is one line that says what to do; the text of [`Error::Refused`] is
//! for the caller, that of [`Error::Database`] only for the log.

use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Error>;

/// The store cannot be opened; the operator has to act.
#[derive(thiserror::Error, Debug)]
pub enum OpenError {
    #[error(
        "cannot use data directory {}: {reason}; choose another with --data or let this user \
         write there",
        path.display()
    )]
    Directory { path: PathBuf, reason: String },
    #[error(
        "data directory {} is in use by another spandrel{}; stop that one or choose another \
         directory with --data",
        path.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error(
        "database {} is damaged ({reason}); move it away together with {1}-wal and {1}-shm, which \
         would be played into what stands in its place, put a copy of a backup there, or nothing \
         to start empty",
        path.display(),
        name(path)
    )]
    Corrupt { path: PathBuf, reason: String },
    #[error(
        "database {} was written by a newer spandrel (schema {found}, this one knows {known}); \
         start the newer version, or restore the backup made before the update",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "database {} was written by an older spandrel (schema {found}, this one reads {known}); \
         start `spandrel run` on it once, or read it with that version",
        path.display()
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("no space left for database {}; free some disk space and start again", path.display())]
    Full { path: PathBuf },
    #[error(
        "another program holds database {0}; see which with `fuser {0}`, end it and start again",
        path.display()
    )]
    Busy { path: PathBuf },
    #[error(
        "database {} has reached storage.database_mib_max; raise it and start again",
        path.display()
    )]
    Limit { path: PathBuf },
    #[error(
        "there is no spandrel database in {}; name the directory of a server with --data",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "no right to read {}; run this as the server's user, e.g. with sudo -u spandrel",
        path.display()
    )]
    Rights { path: PathBuf },
    #[error("cannot open database {}: {reason}", path.display())]
    Other { path: PathBuf, reason: String },
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A call did not do what it was asked.
#[derive(thiserror::Error, Debug, Clone)]
pub enum Error {
    #[error("there is no {kind} {id}")]
    NotFound { kind: &'static str, id: String },
    #[error("the row is at generation {current}")]
    Mismatch { current: i64 },
    #[error("{kind} {id} exists")]
    Exists { kind: &'static str, id: String },
    /// What was asked is wrong: which member, and why.
    #[error("{path}: {reason}")]
    Refused { path: &'static str, reason: String },
    #[error("{}; nothing was saved", self.why())]
    Full,
    #[error("{}; nothing was saved", self.why())]
    Limit { mib: u64 },
    #[error("{}; nothing was saved", self.why())]
    Disk(String),
    /// Another program has locked it, as a copy that is not ours or a tool that repairs does.
    #[error("{}; nothing was saved", self.why())]
    Busy,
    #[error("the store is closed")]
    Closed,
    #[error("database error: {0}")]
    Database(String),
}

impl Error {
    /// Nothing can be saved, whatever it is: there is no room, none on the disk, or another program
    /// is in the way. The same call may succeed once somebody has seen to it.
    pub fn is_of_disk(&self) -> bool {
        matches!(self, Error::Full | Error::Limit { .. } | Error::Disk(_) | Error::Busy)
    }

    /// What is wrong, without what became of the call.
    pub fn why(&self) -> String {
        match self {
            Error::Full => "no space left on the server's disk".to_owned(),
            Error::Limit { mib } => format!(
                "the database has reached storage.database_mib_max ({mib} MiB); raise it and \
                 restart"
            ),
            Error::Disk(reason) => format!("the server's disk fails: {reason}"),
            Error::Busy => "another program holds the database".to_owned(),
            error => error.to_string(),
        }
    }

    pub(crate) fn refused(path: &'static str, reason: impl Into<String>) -> Self {
        Error::Refused { path, reason: reason.into() }
    }

    pub(crate) fn missing(kind: &'static str, id: &str) -> Self {
        Error::NotFound { kind, id: id.to_owned() }
    }
}

/// SQLite's primary result codes (sqlite.org/rescode.html) are the low byte of the extended code.
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

pub(crate) const SQLITE_BUSY: u32 = 5;
pub(crate) const SQLITE_LOCKED: u32 = 6;
pub(crate) const SQLITE_READONLY: u32 = 8;
pub(crate) const SQLITE_IOERR: u32 = 10;
pub(crate) const SQLITE_CORRUPT: u32 = 11;
pub(crate) const SQLITE_FULL: u32 = 13;
pub(crate) const SQLITE_CANTOPEN: u32 = 14;
pub(crate) const SQLITE_NOTADB: u32 = 26;

/// What SQLite said, in one line.
pub(crate) fn said(error: &sqlx::Error) -> String {
    let text = error.as_database_error().map_or_else(|| error.to_string(), |e| e.message().into());
    text.lines().next().unwrap_or_default().to_owned()
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match (primary_code(&error), &error) {
            (Some(SQLITE_FULL), _) => Error::Full,
            (Some(SQLITE_BUSY | SQLITE_LOCKED), _) => Error::Busy,
            (Some(SQLITE_IOERR | SQLITE_READONLY | SQLITE_CANTOPEN), _) => {
                Error::Disk(said(&error))
            }
            (_, sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) => Error::Closed,
            _ => Error::Database(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::Database(format!("a stored document cannot be read: {error}"))
    }
}
