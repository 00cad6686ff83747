//! Restore: one chunk in memory at a time, every chunk checked, one bad file never stops the rest.
//!
//! Invariant: a file appears under its name only when all its bytes were right; nothing is written
//! outside the target, whatever names or links a snapshot holds.

use crate::{
    durable,
    engine::{ChunkId, Found, Kind, Reading, VaultEngine},
    error::{Error, IoContext, Result},
    event::{Event, SnapshotId},
    onlooker::Onlooker,
    source::{Fault, Meta},
    vault::Unlocked,
};
use model::Time;
use serde::Serialize;
use std::{
    fs::{self, File, FileTimes, Permissions},
    io::{self, Write},
    os::unix::fs::{PermissionsExt, chown, lchown, symlink},
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How a restore ended.
#[derive(Debug, Default, Serialize)]
pub struct Restored {
    /// Files and links that are there now and right.
    pub files: u64,
    pub bytes: u64,
    pub errors: Vec<Fault>,
}

impl Unlocked {
    /// Restores the snapshot, or what is at or below `only` in it, into `target`.
    pub fn restore(
        &self,
        snapshot: &SnapshotId,
        target: &Path,
        only: Option<&Path>,
        now: Time,
    ) -> Result<Restored> {
        self.restore_watched(snapshot, target, only, now, &())
    }

    /// The same, while somebody looks on.
    pub fn restore_watched(
        &self,
        snapshot: &SnapshotId,
        target: &Path,
        only: Option<&Path>,
        now: Time,
        onlooker: &dyn Onlooker,
    ) -> Result<Restored> {
        let done = self.extract_watched(snapshot, target, only, false, onlooker)?;
        self.log_restore(snapshot, &done, only.is_none(), now);
        Ok(done)
    }

    /// Restores without a word in the log. With `at_target` what is at `only` comes to lie in
    /// `target` itself instead of below its whole path.
    pub fn extract(
        &self,
        snapshot: &SnapshotId,
        target: &Path,
        only: Option<&Path>,
        at_target: bool,
    ) -> Result<Restored> {
        self.extract_watched(snapshot, target, only, at_target, &())
    }

    fn extract_watched(
        &self,
        snapshot: &SnapshotId,
        target: &Path,
        only: Option<&Path>,
        at_target: bool,
        onlooker: &dyn Onlooker,
    ) -> Result<Restored> {
        let reading = self.engine.read(snapshot)?;
        fs::create_dir_all(target).doing("create", target)?;
        let only = only.map(|path| Path::new("/").join(path));
        let mut work = Work {
            reading: &*reading,
            onlooker,
            target: target.canonicalize().doing("find", target)?,
            base: PathBuf::from("/"),
            directories: Vec::new(),
            as_root: may_give_away(),
            done: Restored::default(),
        };
        let mut matched = only.is_none();
        reading.walk(&mut |found| {
            let path = match &found {
                Found::Entry { path, .. } | Found::Damaged { path, .. } => path,
            };
            if only.as_ref().is_none_or(|only| path.starts_with(only)) {
                if at_target && !matched {
                    work.base = base_of(&found);
                }
                matched = true;
                work.take(found);
            }
            Ok(())
        })?;
        if let Some(only) = only.as_ref().filter(|_| !matched) {
            return Err(Error::Refused(format!(
                "nothing in the snapshot is at {}",
                only.display()
            )));
        }
        work.finish_directories();
        Ok(work.done)
    }

    /// The snapshot that a word means: an id, its beginning, or `latest`.
    pub fn find(&self, word: &str) -> Result<SnapshotId> {
        let all = self.engine.snapshots()?;
        if word == "latest" {
            let latest = all.last().map(|snapshot| snapshot.id);
            return latest.ok_or_else(|| Error::NoSnapshot(word.to_owned()));
        }
        let mut fitting = all.iter().filter(|s| s.id.to_string().starts_with(word));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) if word.len() >= 4 => Ok(one.id),
            (Some(_), Some(_)) => {
                Err(Error::Refused(format!("more than one snapshot begins with {word}")))
            }
            _ => Err(Error::NoSnapshot(word.to_owned())),
        }
    }

    /// A restore counts as proof only when it read the whole snapshot. A vault that cannot be
    /// written, such as a copy on a read-only disk, restores all the same.
    fn log_restore(&self, snapshot: &SnapshotId, done: &Restored, all: bool, now: Time) {
        let logged = self.append(now, |ledger| {
            if !ledger.snapshots.contains_key(snapshot) {
                return Err(Error::NoSnapshot(snapshot.to_string()));
            }
            Ok(Event::Restored {
                snapshot: *snapshot,
                files: done.files,
                bytes: done.bytes,
                faults: done.errors.len() as u64,
                whole: all && done.errors.is_empty(),
            })
        });
        if let Err(error) = logged {
            tracing::warn!(%snapshot, %error, "the restore is not in the log");
        }
    }
}

/// Whether files can be given to the users they had: by root, where all users are known. In a
/// user namespace (user_namespaces(7)) root may know nobody but itself.
fn may_give_away() -> bool {
    use std::os::unix::fs::MetadataExt;
    let root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    root && map.split_whitespace().nth(2).is_none_or(|length| length == "4294967295")
}

/// A directory comes to lie in the target, anything else in it under its name.
fn base_of(first: &Found) -> PathBuf {
    match first {
        Found::Entry { path, kind: Kind::Directory, .. } => path.clone(),
        Found::Entry { path, .. } | Found::Damaged { path, .. } => {
            path.parent().unwrap_or(Path::new("/")).to_owned()
        }
    }
}

struct Work<'a> {
    reading: &'a dyn Reading,
    onlooker: &'a dyn Onlooker,
    target: PathBuf,
    /// The part of every path that is left out.
    base: PathBuf,
    /// Directories made, to be given their times and permissions when all is in them.
    directories: Vec<(PathBuf, Meta)>,
    as_root: bool,
    done: Restored,
}

impl Work<'_> {
    fn take(&mut self, found: Found) {
        let (path, result) = match found {
            Found::Entry { path, meta, kind } => {
                let result = self.entry(&path, meta, &kind);
                (path, result)
            }
            Found::Damaged { path, why } => (path, Err(io::Error::other(why))),
        };
        if let Err(error) = result {
            self.done.errors.push(Fault::new("", path, error.to_string()));
        }
    }

    fn entry(&mut self, path: &Path, meta: Meta, kind: &Kind) -> io::Result<()> {
        let to = self.place(path)?;
        match kind {
            Kind::Directory => {
                make_directory(&to)?;
                self.directories.push((to, meta));
                return Ok(());
            }
            Kind::File(chunks) => {
                let temporary = durable::beside(&to);
                let written = self.file(path, &temporary, chunks, &meta);
                let moved = written.and_then(|bytes| fs::rename(&temporary, &to).map(|()| bytes));
                if moved.is_err() {
                    // The first error matters; the name shows what the file is.
                    drop(fs::remove_file(&temporary));
                }
                self.done.bytes += moved?;
            }
            Kind::Symlink(link) => {
                if fs::symlink_metadata(&to).is_ok_and(|meta| !meta.is_dir()) {
                    fs::remove_file(&to)?;
                }
                symlink(link, &to)?;
                if self.as_root {
                    lchown(&to, meta.user, meta.group)?;
                }
            }
            Kind::Special(_) => {
                return Err(io::Error::other("devices, pipes and sockets are not made again"));
            }
        }
        self.done.files += 1;
        Ok(())
    }

    /// Where an entry goes. Its parents are made when missing and must be real directories: a
    /// link among them could lead out of the target.
    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let mut to = self.target.clone();
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            match part {
                Component::RootDir => continue,
                Component::Normal(name) => to.push(name),
                _ => return Err(io::Error::other("its path leads out of the target")),
            }
            if parts.peek().is_some() {
                make_directory(&to)?;
            }
        }
        Ok(to)
    }

    fn file(&self, from: &Path, to: &Path, chunks: &[ChunkId], meta: &Meta) -> io::Result<u64> {
        let mut file = File::options().write(true).create_new(true).open(to)?;
        let mut written = 0;
        for chunk in chunks {
            let bytes = self.reading.chunk(chunk).map_err(io::Error::other)?;
            file.write_all(&bytes)?;
            written += bytes.len() as u64;
            self.onlooker.passed(from, bytes.len() as u64);
        }
        if written != meta.size {
            let text = format!("it has {written} bytes, {} were stored", meta.size);
            return Err(io::Error::other(text));
        }
        if self.as_root {
            chown(to, meta.user, meta.group)?;
        }
        file.set_permissions(Permissions::from_mode(meta.mode))?;
        file.set_times(times(meta))?;
        Ok(written)
    }

    /// Deepest first, so that a directory's time is not changed by what is below it.
    fn finish_directories(&mut self) {
        for (path, meta) in std::mem::take(&mut self.directories).into_iter().rev() {
            let finish = || {
                if self.as_root {
                    chown(&path, meta.user, meta.group)?;
                }
                fs::set_permissions(&path, Permissions::from_mode(meta.mode))?;
                File::open(&path)?.set_times(times(&meta))
            };
            if let Err(error) = finish() {
                self.done.errors.push(Fault::new("", &path, error.to_string()));
            }
        }
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let real = fs::symlink_metadata(path)?.is_dir();
            if real { Ok(()) } else { Err(io::Error::other("something else is in its place")) }
        }
        made => made,
    }
}

fn times(meta: &Meta) -> FileTimes {
    let Some(modified) = meta.modified else { return FileTimes::new() };
    let since = Duration::from_nanos(modified.nanos().unsigned_abs());
    let time: Option<SystemTime> = if modified.nanos() < 0 {
        UNIX_EPOCH.checked_sub(since)
    } else {
        UNIX_EPOCH.checked_add(since)
    };
    time.map_or(FileTimes::new(), |time| FileTimes::new().set_modified(time).set_accessed(time))
}
