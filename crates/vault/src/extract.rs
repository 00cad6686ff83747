//! Entries of a snapshot become files: several threads, every chunk checked, one bad file never
//! stops the rest.
//!
//! The walk makes directories and links and opens files; threads fill them, a large file from
//! several places at once. Each thread holds one chunk in memory. Invariant: a file appears under
//! its name only when all its bytes were right; nothing is written outside the target, whatever
//! names or links a snapshot holds.

use crate::{
    durable,
    engine::{ChunkId, Found, Kind, Reading, Scratch},
    error::{Error, Result},
    limits::READERS_MAX,
    onlooker::Onlooker,
    restore::Restored,
    source::{Fault, Meta},
};
use std::{
    fs::{self, File, FileTimes, Permissions},
    io,
    ops::Range,
    os::unix::fs::{FileExt, PermissionsExt, chown, lchown, symlink},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Chunks of a file that one thread takes at a time.
const PIECE_CHUNKS: usize = 8;

/// Lays out what is at or below `only`; what became of it, and whether anything is there.
pub(crate) fn extract(
    reading: &dyn Reading,
    target: PathBuf,
    only: Option<&Path>,
    at_target: bool,
    onlooker: &dyn Onlooker,
) -> Result<(Restored, bool)> {
    let as_root = may_give_away();
    let done = Mutex::new(Restored::default());
    let readers = thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX);
    let (pieces, to_fill) = sync_channel(readers);
    let to_fill = Mutex::new(to_fill);
    let filler = Filler { reading, onlooker, done: &done, as_root };
    let mut matched = only.is_none();
    let directories = thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| filler.fill_all(&to_fill));
        }
        let (base, directories) = (PathBuf::from("/"), Vec::new());
        let mut layout =
            Layout { reading, target, base, directories, as_root, pieces, done: &done };
        reading.walk(&mut |found| {
            if !onlooker.goes_on() {
                return Err(Error::Refused(onlooker.why_not()));
            }
            let path = match &found {
                Found::Entry { path, .. } | Found::Damaged { path, .. } => path,
            };
            if only.is_none_or(|only| path.starts_with(only)) {
                if at_target && !matched {
                    layout.base = base_of(&found);
                }
                matched = true;
                layout.take(found);
            }
            Ok(())
        })?;
        Result::Ok(layout.directories)
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    finish_directories(directories, as_root, &mut done.errors);
    // Threads come to their files in any order.
    done.errors.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((done, matched))
}

/// A file that is being filled.
struct Unfinished {
    from: PathBuf,
    to: PathBuf,
    temporary: PathBuf,
    file: File,
    chunks: Vec<ChunkId>,
    meta: Meta,
    /// Pieces that are not done.
    left: AtomicUsize,
    written: AtomicU64,
    /// The first thing that went wrong.
    failed: Mutex<Option<String>>,
}

/// Some chunks of a file, and where they go in it.
struct Piece {
    file: Arc<Unfinished>,
    chunks: Range<usize>,
    offset: u64,
}

/// What the threads share that fill files.
struct Filler<'a> {
    reading: &'a dyn Reading,
    onlooker: &'a dyn Onlooker,
    done: &'a Mutex<Restored>,
    as_root: bool,
}

impl Filler<'_> {
    fn fill_all(&self, pieces: &Mutex<Receiver<Piece>>) {
        let mut scratch = Scratch::default();
        loop {
            let Ok(piece) = lock(pieces).recv() else { return };
            let work = || self.fill(&piece, &mut scratch);
            let filled = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|_| Err(io::Error::other("the thread that restored it failed")));
            if let Err(error) = filled {
                lock(&piece.file.failed).get_or_insert_with(|| error.to_string());
            }
            if piece.file.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.finish(&piece.file);
            }
        }
    }

    fn fill(&self, piece: &Piece, scratch: &mut Scratch) -> io::Result<()> {
        let Piece { file, chunks, offset } = piece;
        let mut offset = *offset;
        for chunk in &file.chunks[chunks.clone()] {
            if !self.onlooker.goes_on() {
                return Err(io::Error::other(self.onlooker.why_not()));
            }
            let bytes = self.reading.chunk(chunk, scratch).map_err(io::Error::other)?;
            file.file.write_all_at(bytes, offset)?;
            offset += bytes.len() as u64;
            file.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.onlooker.passed(&file.from, bytes.len() as u64);
        }
        Ok(())
    }

    fn finish(&self, file: &Unfinished) {
        let result = self.settle(file);
        let mut done = lock(self.done);
        match result {
            Ok(bytes) => {
                done.files += 1;
                done.bytes += bytes;
            }
            Err(error) => {
                // The first error matters; the name shows what the file is.
                drop(fs::remove_file(&file.temporary));
                done.errors.push(Fault::new("", &file.from, error.to_string()));
            }
        }
    }

    /// Gives a filled file its owner, permissions, times and name.
    fn settle(&self, file: &Unfinished) -> io::Result<u64> {
        if let Some(why) = lock(&file.failed).take() {
            return Err(io::Error::other(why));
        }
        let Unfinished { temporary, to, meta, .. } = file;
        let written = file.written.load(Ordering::Relaxed);
        if written != meta.size {
            let text = format!("it has {written} bytes, {} were stored", meta.size);
            return Err(io::Error::other(text));
        }
        if self.as_root {
            chown(temporary, meta.user, meta.group)?;
        }
        file.file.set_permissions(Permissions::from_mode(meta.mode))?;
        file.file.set_times(times(meta))?;
        fs::rename(temporary, to)?;
        Ok(written)
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

/// The thread that walks the snapshot.
struct Layout<'a> {
    reading: &'a dyn Reading,
    target: PathBuf,
    /// The part of every path that is left out.
    base: PathBuf,
    /// Directories made, to be given their times and permissions when all is in them.
    directories: Vec<(PathBuf, Meta)>,
    as_root: bool,
    pieces: SyncSender<Piece>,
    done: &'a Mutex<Restored>,
}

impl Layout<'_> {
    fn take(&mut self, found: Found) {
        let (path, result) = match found {
            Found::Entry { path, meta, kind } => {
                let result = self.entry(&path, meta, kind);
                (path, result)
            }
            Found::Damaged { path, why } => (path, Err(io::Error::other(why))),
        };
        if let Err(error) = result {
            lock(self.done).errors.push(Fault::new("", path, error.to_string()));
        }
    }

    fn entry(&mut self, path: &Path, meta: Meta, kind: Kind) -> io::Result<()> {
        let to = self.place(path)?;
        match kind {
            Kind::Directory => {
                make_directory(&to)?;
                self.directories.push((to, meta));
            }
            Kind::File(chunks) => self.file(path, to, chunks, meta)?,
            Kind::Symlink(link) => {
                if fs::symlink_metadata(&to).is_ok_and(|meta| !meta.is_dir()) {
                    fs::remove_file(&to)?;
                }
                symlink(link, &to)?;
                if self.as_root {
                    lchown(&to, meta.user, meta.group)?;
                }
                lock(self.done).files += 1;
            }
            Kind::Special(_) => lock(self.done).left_out += 1,
        }
        Ok(())
    }

    /// Opens a file and hands it out in pieces.
    fn file(&self, path: &Path, to: PathBuf, chunks: Vec<ChunkId>, meta: Meta) -> io::Result<()> {
        let mut offsets = vec![0];
        for piece in chunks.chunks(PIECE_CHUNKS) {
            let mut offset = offsets.last().copied().unwrap_or(0);
            for chunk in piece {
                let unknown = || io::Error::other(format!("chunk {chunk} is not in the index"));
                offset += u64::from(self.reading.chunk_length(chunk).ok_or_else(unknown)?);
            }
            offsets.push(offset);
        }
        let temporary = durable::beside(&to);
        let file = File::options().write(true).create_new(true).open(&temporary)?;
        // An empty file has no chunks, and one piece all the same: somebody must finish it.
        let pieces = chunks.len().div_ceil(PIECE_CHUNKS).max(1);
        let file = Arc::new(Unfinished {
            from: path.into(),
            to,
            temporary,
            file,
            chunks,
            meta,
            left: AtomicUsize::new(pieces),
            written: AtomicU64::new(0),
            failed: Mutex::default(),
        });
        for (number, offset) in (0..pieces).zip(offsets) {
            let from = number * PIECE_CHUNKS;
            let chunks = from..file.chunks.len().min(from + PIECE_CHUNKS);
            let sent = self.pieces.send(Piece { file: file.clone(), chunks, offset });
            sent.map_err(|_| io::Error::other("the threads that restore have ended"))?;
        }
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
}

/// Deepest first, so that a directory's time is not changed by what is below it.
fn finish_directories(directories: Vec<(PathBuf, Meta)>, as_root: bool, errors: &mut Vec<Fault>) {
    for (path, meta) in directories.into_iter().rev() {
        let finish = || {
            if as_root {
                chown(&path, meta.user, meta.group)?;
            }
            fs::set_permissions(&path, Permissions::from_mode(meta.mode))?;
            File::open(&path)?.set_times(times(&meta))
        };
        if let Err(error) = finish() {
            errors.push(Fault::new("", &path, error.to_string()));
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
