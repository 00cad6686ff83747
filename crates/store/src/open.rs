//! Opening the data directory: one server writes, anybody with rights reads.
//!
//! Not here: what is stored. Invariant: two servers never share a directory; each way to fail is
//! its own [`OpenError`].

use crate::{
    OpenError, READERS_MAX, Result, error,
    migrate::{SCHEMA, migrate, schema_of},
    unsaved::Kept,
    vital::Vital,
    watch::Watchers,
    writer::Writer,
};
use sqlx::{
    Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How the store behaves; [`Settings::default`] suits a site.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the first call of a batch waits for company.
    pub commit_delay: Duration,
    /// Upper bound of the database file; `None` leaves it to the disk.
    pub database_bytes_max: Option<u64>,
    /// How long a commit waits for another program that holds the database.
    pub busy_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            commit_delay: Duration::from_millis(5),
            database_bytes_max: None,
            busy_wait: Duration::from_secs(5),
        }
    }
}

/// The open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) readers: SqlitePool,
    pub(crate) writer: Option<Writer>,
    pub(crate) watchers: Watchers,
    pub(crate) path: PathBuf,
    pub(crate) opened: Instant,
    /// When each sensor's beat was taken last, by a clock that only goes on: sensors go by their
    /// own.
    pub(crate) beaten: Mutex<HashMap<String, Instant>>,
    pub(crate) unsaved: Kept,
    vital: Vital,
    /// Held as long as the store is open.
    _lock: Option<Lock>,
}

impl Inner {
    fn new(
        readers: SqlitePool,
        writer: Option<Writer>,
        watchers: Watchers,
        path: PathBuf,
        lock: Option<Lock>,
    ) -> Inner {
        let (opened, beaten) = (Instant::now(), Mutex::default());
        let (unsaved, vital) = (Kept::default(), Vital::default());
        Inner { readers, writer, watchers, path, opened, beaten, unsaved, vital, _lock: lock }
    }
}

/// Given back by word: a child process that another thread starts has a copy of the open file
/// until it runs its program, and closing ours would leave the lock with it.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked by the closing that follows.
        drop(self.0.unlock());
    }
}

const DATABASE: &str = "spandrel.db";
const LOCK: &str = "spandrel.lock";
pub(crate) const PAGE_BYTES: u64 = 4_096;

impl Store {
    /// Opens or makes the database in `dir` for writing, and locks the directory.
    pub async fn open(dir: &Path, settings: Settings) -> std::result::Result<Store, OpenError> {
        make_directory(dir)?;
        let lock = lock(dir)?;
        let path = dir.join(DATABASE);
        let has_limit = settings.database_bytes_max.is_some();
        // SQLite says the same of a full disk and of a limit that is reached.
        let fail = |error| match explain(&path, error) {
            OpenError::Full { path } if has_limit && !has_no_room(&path) => {
                OpenError::Limit { path }
            }
            other => other,
        };
        check_header(&path)?;
        keep_private(&path)?;
        let mut options = options(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(settings.busy_wait);
        if let Some(bytes) = settings.database_bytes_max {
            options = options.pragma("max_page_count", (bytes / PAGE_BYTES).max(1).to_string());
        }
        let mut db = SqliteConnection::connect_with(&options).await.map_err(fail)?;
        quick_check(&mut db, &path).await?;
        let found = schema_of(&mut db).await.map_err(fail)?;
        if found > SCHEMA {
            return Err(OpenError::Newer { path, found, known: SCHEMA });
        }
        migrate(&mut db).await.map_err(fail)?;
        let readers = readers(&path, false).await.map_err(fail)?;
        let watchers = Watchers::new();
        let vital = Vital::default();
        let told = (watchers.clone(), path.clone());
        let writer = Writer::start(db, &settings, told, &vital).await.map_err(fail)?;
        let inner = Inner::new(readers, Some(writer), watchers, path, Some(lock));
        let inner = Inner { vital, ..inner };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Opens the database in `dir` for reading, also while a server has it open.
    pub async fn open_read_only(dir: &Path) -> std::result::Result<Store, OpenError> {
        let path = dir.join(DATABASE);
        File::open(&path).map_err(|error| unreadable(dir, &path, &error))?;
        check_header(&path)?;
        let fail = |error| explain(&path, error);
        let readers = match readers(&path, false).await {
            Ok(readers) => readers,
            // Without a log beside it nobody is writing, so a reader that may not make the
            // shared-memory file can still read the database as it lies there.
            Err(_) if !path.with_extension("db-wal").exists() => {
                self::readers(&path, true).await.map_err(fail)?
            }
            Err(error) => return Err(fail(error)),
        };
        let mut db = readers.acquire().await.map_err(fail)?;
        let found = schema_of(&mut db).await.map_err(fail)?;
        drop(db);
        if found > SCHEMA {
            return Err(OpenError::Newer { path, found, known: SCHEMA });
        }
        if found < SCHEMA {
            return Err(OpenError::Older { path, found, known: SCHEMA });
        }
        let watchers = Watchers::new();
        let inner = Inner::new(readers, None, watchers, path, None);
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Commits what waits and closes; calls after it get [`crate::Error::Closed`].
    ///
    /// Readers first: the last connection moves the log into the database file, which one that may
    /// not write cannot, and whoever copies that file alone is to have all of it.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        if let Some(writer) = &self.inner.writer {
            writer.stop().await;
        }
    }

    /// Size of the database file and of its log.
    pub fn size_bytes(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
        size(&self.inner.path) + size(&self.inner.path.with_extension("db-wal"))
    }

    /// One round trip through the writer: does it still commit?
    pub async fn ping(&self) -> Result<()> {
        self.write(|_| Box::pin(async { Ok(()) })).await?;
        self.trouble().map_or(Ok(()), |trouble| Err(trouble.error))
    }

    /// The watch over tasks that may not fail, its own and those of whoever uses it.
    pub fn vital(&self) -> &Vital {
        &self.inner.vital
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    // With it, LIKE tells upper from lower case as PostgreSQL's does.
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .pragma("case_sensitive_like", "ON")
        .pragma("temp_store", "MEMORY")
}

async fn readers(path: &Path, frozen: bool) -> sqlx::Result<SqlitePool> {
    let options = options(path).read_only(true).immutable(frozen);
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options)
        .await
}

fn make_directory(dir: &Path) -> std::result::Result<(), OpenError> {
    let fail = |error: std::io::Error| OpenError::Directory {
        path: dir.to_owned(),
        reason: reason(&error),
    };
    if !dir.exists() {
        std::fs::create_dir_all(dir).map_err(fail)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(dir, private).map_err(fail)?;
        }
    }
    Ok(())
}

/// Why whoever reads a server's database, and is not it, cannot.
fn unreadable(dir: &Path, path: &Path, error: &std::io::Error) -> OpenError {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => OpenError::Rights { path: path.to_owned() },
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            OpenError::Missing { path: dir.to_owned() }
        }
        _ => OpenError::Other { path: path.to_owned(), reason: reason(error) },
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::NotADirectory => "it is not a directory".to_owned(),
        std::io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        _ => error.to_string(),
    }
}

/// The lock file names the process that holds it, for the message of the next one.
fn lock(dir: &Path) -> std::result::Result<Lock, OpenError> {
    let fail = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::StorageFull => OpenError::Full { path: dir.join(DATABASE) },
        _ => OpenError::Directory { path: dir.to_owned(), reason: reason(&error) },
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(LOCK))
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(fail)?;
            file.rewind().map_err(fail)?;
            write!(file, "{}", std::process::id()).map_err(fail)?;
            Ok(Lock(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.read_to_string(&mut text);
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            Err(OpenError::Locked { path: dir.to_owned(), pid })
        }
        Err(TryLockError::Error(error)) => Err(fail(error)),
    }
}

/// SQLite would quietly take a file of foreign bytes for "not a database" only at first use.
fn check_header(path: &Path) -> std::result::Result<(), OpenError> {
    let mut head = [0u8; 16];
    let Ok(mut file) = File::open(path) else { return Ok(()) };
    let size = file.metadata().map_or(0, |m| m.len());
    if size == 0 && !has_company(path) {
        return Ok(());
    }
    if size == 0 {
        return Err(OpenError::Corrupt {
            path: path.to_owned(),
            reason: "it is empty, beside what a server has kept".to_owned(),
        });
    }
    match file.read_exact(&mut head) {
        Ok(()) if &head == b"SQLite format 3\0" => Ok(()),
        _ => Err(OpenError::Corrupt {
            path: path.to_owned(),
            reason: "its first bytes are not those of a database".to_owned(),
        }),
    }
}

/// Whether more than what a first start leaves, that was cut short, lies beside an empty database:
/// then it was not always empty, and to begin anew would hide what was lost.
fn has_company(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ours = |name: &str| name.strip_prefix(&*stem).is_some_and(|rest| rest.starts_with('.'));
    let log = std::fs::metadata(path.with_extension("db-wal")).map_or(0, |meta| meta.len());
    let beside = path.parent().and_then(|dir| std::fs::read_dir(dir).ok());
    let mut beside = beside.into_iter().flatten().flatten();
    log > 0 || beside.any(|entry| !ours(&entry.file_name().to_string_lossy()))
}

/// Reads every page once. Cheap for a site's database, and damage is found before it spreads.
async fn quick_check(db: &mut SqliteConnection, path: &Path) -> std::result::Result<(), OpenError> {
    let row = sqlx::query("PRAGMA quick_check(1)").fetch_one(db).await;
    let verdict = row.and_then(|row| row.try_get::<String, _>(0));
    match verdict.map_err(|error| explain(path, error))? {
        ok if ok == "ok" => Ok(()),
        complaint => {
            let line = complaint.lines().last().unwrap_or("quick check failed").to_owned();
            Err(OpenError::Corrupt { path: path.to_owned(), reason: line })
        }
    }
}

/// Before SQLite makes any of them, for it gives the log, which has all that the database has, and
/// its index the mode of the database.
#[cfg(unix)]
fn keep_private(path: &Path) -> std::result::Result<(), OpenError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let fail = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::StorageFull => OpenError::Full { path: path.to_owned() },
        _ => OpenError::Directory { path: path.to_owned(), reason: reason(&error) },
    };
    let mut made = File::options();
    made.write(true).create(true).truncate(false).mode(0o600).open(path).map_err(fail)?;
    for path in [path.to_owned(), path.with_extension("db-wal"), path.with_extension("db-shm")] {
        match std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_private(_: &Path) -> std::result::Result<(), OpenError> {
    Ok(())
}

/// Whether a page more finds no room beside the database.
pub(crate) fn has_no_room(path: &Path) -> bool {
    let probe = path.with_extension("probe");
    let written = std::fs::write(&probe, [0; PAGE_BYTES as usize]);
    drop(std::fs::remove_file(&probe));
    written.is_err_and(|error| {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(error.kind(), StorageFull | QuotaExceeded)
    })
}

fn explain(path: &Path, error: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    match error::primary_code(&error) {
        Some(error::SQLITE_CORRUPT | error::SQLITE_NOTADB) => {
            OpenError::Corrupt { path, reason: error::said(&error) }
        }
        Some(error::SQLITE_FULL) => OpenError::Full { path },
        Some(error::SQLITE_BUSY | error::SQLITE_LOCKED) => OpenError::Busy { path },
        // Where the log's index finds no room, SQLite tells it like any other failure.
        Some(error::SQLITE_READONLY | error::SQLITE_CANTOPEN | error::SQLITE_IOERR) => {
            if has_no_room(&path) {
                return OpenError::Full { path };
            }
            OpenError::Directory { path, reason: error::said(&error) }
        }
        _ => OpenError::Other { path, reason: error::said(&error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_reads_the_database_or_its_log_wherever_they_lie() {
        use std::os::unix::fs::PermissionsExt;
        const FILES: [&str; 3] = ["spandrel.db", "spandrel.db-wal", "spandrel.db-shm"];
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
        };
        let all_private = |dir: &Path| {
            FILES.iter().all(|name| {
                let mode = std::fs::metadata(dir.join(name)).expect(name).permissions().mode();
                mode & 0o777 == 0o600
            })
        };
        let (dir, killed) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        set(dir.path(), 0o755);
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        assert!(all_private(dir.path()));
        // What an earlier program left when it was killed.
        for name in FILES {
            std::fs::copy(dir.path().join(name), killed.path().join(name)).expect("copied");
            set(&killed.path().join(name), 0o644);
        }
        store.close().await;
        let store = Store::open(killed.path(), Settings::default()).await.expect("opens");
        assert!(all_private(killed.path()));
        store.close().await;
    }

    #[tokio::test]
    async fn a_database_that_was_emptied_is_damaged_and_one_that_was_never_filled_is_new() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(DATABASE);
        std::fs::write(&path, "").expect("room");
        Store::open(dir.path(), Settings::default()).await.expect("a new one").close().await;
        std::fs::write(&path, "").expect("room");
        std::fs::create_dir(dir.path().join("tls")).expect("room");
        let refused = Store::open(dir.path(), Settings::default()).await.err().expect("damaged");
        let says = refused.to_string();
        assert!(says.contains("spandrel.db is damaged (it is empty, beside what"), "{says}");
        assert!(Store::open_read_only(dir.path()).await.is_err(), "nobody else takes it either");
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 0, "it is left as it is");
    }

    #[test]
    fn who_may_not_read_a_database_is_not_told_that_there_is_none() {
        let (dir, path) = (Path::new("/var/lib/spandrel"), Path::new("/var/lib/spandrel/a.db"));
        let says = |kind| unreadable(dir, path, &Error::from(kind)).to_string();
        assert_eq!(
            says(ErrorKind::PermissionDenied),
            "no right to read /var/lib/spandrel/a.db; run this as the server's user, e.g. with \
             sudo -u spandrel"
        );
        assert!(says(ErrorKind::NotFound).contains("no spandrel database in /var/lib/spandrel;"));
        assert!(says(ErrorKind::StorageFull).starts_with("cannot open database"));
    }
}
