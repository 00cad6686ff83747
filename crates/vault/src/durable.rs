//! Files that are there whole or not at all, also after a power cut.
//!
//! Invariant: a name appears only after its bytes are on the disk (write, fsync, rename, fsync of
//! the directory), so a reader never sees a torn file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// What the names of unfinished files begin with; every listing skips them.
pub const TEMPORARY: &str = ".tmp-";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A name beside `path` that nobody else uses.
pub fn beside(path: &Path) -> PathBuf {
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!("{TEMPORARY}{}-{n}", std::process::id()))
}

/// Writes `parts` under `path`, replacing what is there.
pub fn write(path: &Path, parts: &[&[u8]], mode: u32) -> io::Result<()> {
    let temporary = beside(path);
    let result = write_and_rename(&temporary, path, parts, mode);
    if result.is_err() {
        // Best effort: the error that matters is the first one, and listings skip the name.
        drop(fs::remove_file(&temporary));
    }
    result
}

fn write_and_rename(from: &Path, to: &Path, parts: &[&[u8]], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(from)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    drop(file);
    fs::rename(from, to)?;
    sync_directory(to.parent().unwrap_or(Path::new(".")))
}

/// Writes a file that must not exist yet.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

pub fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}
