//! The files of a repository in a local directory, as restic lays them out.
//!
//! Invariant: an object's bytes hash to its name before it appears, an object is never replaced,
//! and none is removed without a permit that says which kind; so no defect of the engine above
//! can delete a snapshot or overwrite a pack.

use super::packs::Packs;
use crate::{digest::Sha256, durable, error::IoContext, immutable::unseal, manifest::named_hash};
use bytes::Bytes;
use ring::digest::{Context, SHA256};
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Objects are written once.
const OBJECT_MODE: u32 = 0o400;

pub struct Objects {
    root: PathBuf,
    state: Mutex<State>,
    /// Where packs lie that are not here.
    elsewhere: Option<Arc<dyn Packs>>,
}

/// Name and bytes of a snapshot that was not written.
type Withheld = (Id, Vec<u8>);

#[derive(Default)]
struct State {
    permit: Permit,
    /// Snapshots kept back instead of written, while this is on.
    withheld: Option<Vec<Withheld>>,
    /// First failure to write: the engine may have gone on as if nothing had happened.
    failure: Option<String>,
}

/// What may be removed at the moment.
#[derive(Default)]
pub(super) enum Permit {
    #[default]
    Nothing,
    Snapshots(BTreeSet<Sha256>),
    Index,
    IndexAndPacks,
}

impl Objects {
    pub fn new(root: &Path) -> Self {
        Self { root: root.into(), state: Mutex::default(), elsewhere: None }
    }

    /// The same with packs that lie elsewhere.
    pub fn with_packs(root: &Path, packs: Arc<dyn Packs>) -> Self {
        Self { elsewhere: Some(packs), ..Self::new(root) }
    }

    pub(super) fn elsewhere(&self) -> Option<&dyn Packs> {
        self.elsewhere.as_deref()
    }

    /// Path below the root and size of every object, config included.
    pub fn list(&self) -> crate::Result<BTreeMap<String, u64>> {
        let mut found = BTreeMap::new();
        for directory in ["data", "index", "keys", "snapshots"] {
            list_into(&self.root, directory, &mut found)?;
        }
        let config = self.root.join("config");
        let size = fs::metadata(&config).doing("read", &config)?.len();
        found.insert("config".to_owned(), size);
        Ok(found)
    }

    pub(super) fn with_permit<T>(&self, permit: Permit, work: impl FnOnce() -> T) -> T {
        self.state().permit = permit;
        let result = work();
        self.state().permit = Permit::Nothing;
        result
    }

    /// Runs `work` with snapshots kept back; returns them. An error when any object could not be
    /// written, whatever `work` says: the engine reports such failures late or not at all.
    pub(super) fn withholding<T>(
        &self,
        work: impl FnOnce() -> crate::Result<T>,
    ) -> crate::Result<(T, Vec<Withheld>)> {
        *self.state() = State { withheld: Some(Vec::new()), ..State::default() };
        let result = work();
        let state = std::mem::take(&mut *self.state());
        match state.failure {
            Some(why) => Err(crate::Error::Engine(why)),
            None => Ok((result?, state.withheld.unwrap_or_default())),
        }
    }

    /// Names and sizes of the objects of a kind.
    pub(super) fn names(&self, kind: FileType) -> crate::Result<Vec<(Sha256, u64)>> {
        let mut found = BTreeMap::new();
        list_into(&self.root, kind.dirname(), &mut found)?;
        Ok(found.iter().filter_map(|(path, size)| Some((named_hash(path)?, *size))).collect())
    }

    pub(super) fn read(&self, kind: FileType, name: &Sha256) -> crate::Result<Vec<u8>> {
        let path = self.path(kind, &Id::new(name.0));
        fs::read(&path).doing("read", path)
    }

    pub(super) fn open(&self, pack: &Sha256) -> crate::Result<File> {
        let path = self.path(FileType::Pack, &Id::new(pack.0));
        File::open(&path).doing("open", path)
    }

    /// Writes an object under the name its bytes give it.
    pub(super) fn put(&self, kind: FileType, bytes: &[u8]) -> crate::Result<()> {
        let path = self.path(kind, &Id::new(Sha256::of(bytes).0));
        durable::write(&path, &[bytes], OBJECT_MODE).doing("write", path)
    }

    /// Begins a pack that is written bit by bit.
    pub(super) fn begin(&self) -> crate::Result<Growing> {
        let path = durable::beside(&self.root.join("data").join("pack"));
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(OBJECT_MODE).open(&path);
        let file = file.doing("create", &path)?;
        Ok(Growing { file, path, context: Context::new(&SHA256), size: 0, finished: false })
    }

    /// Brings a pack to the disk and gives it the name that its bytes have.
    pub(super) fn finish(&self, mut pack: Growing) -> crate::Result<Sha256> {
        pack.file.sync_all().doing("write", &pack.path)?;
        let name = Sha256::finish(pack.context.clone());
        let path = self.path(FileType::Pack, &Id::new(name.0));
        fs::rename(&pack.path, &path).doing("write", &path)?;
        pack.finished = true;
        let directory = path.parent().expect("packs lie in a directory");
        durable::sync_directory(directory).doing("write", directory)?;
        Ok(name)
    }

    /// Removes packs that a process which was killed did not finish. Nobody else may be writing.
    pub(super) fn remove_unfinished(&self) -> crate::Result<()> {
        let directory = self.root.join("data");
        for entry in fs::read_dir(&directory).doing("list", &directory)? {
            let entry = entry.doing("list", &directory)?;
            if entry.file_name().to_string_lossy().starts_with(durable::TEMPORARY) {
                fs::remove_file(entry.path()).doing("remove", entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes a snapshot that was kept back.
    pub(super) fn publish(&self, id: &Id, bytes: &[u8]) -> crate::Result<()> {
        let path = self.path(FileType::Snapshot, id);
        durable::write(&path, &[bytes], OBJECT_MODE).doing("write", path)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, kind: FileType, id: &Id) -> PathBuf {
        let name = id.to_hex();
        let name = name.as_str();
        match kind {
            FileType::Config => self.root.join("config"),
            FileType::Pack => self.root.join("data").join(&name[..2]).join(name),
            _ => self.root.join(kind.dirname()).join(name),
        }
    }

    fn write(&self, kind: FileType, id: &Id, parts: &[&[u8]]) -> io::Result<()> {
        let name = id.to_hex();
        if kind != FileType::Config && Sha256::of_parts(parts).to_string() != name.as_str() {
            return Err(io::Error::other("its bytes do not hash to its name"));
        }
        let path = self.path(kind, id);
        if path.exists() {
            // The name is the hash of the bytes, so it is the same object, or one damaged since:
            // replacing the latter repairs it. The config has no such name and stays.
            if kind == FileType::Config {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let (hash, _) = Sha256::of_reader(File::open(&path)?)?;
            if hash.to_string() == name.as_str() {
                return Ok(());
            }
            unseal(&path)?;
        }
        durable::write(&path, parts, OBJECT_MODE)
    }

    fn may_remove(&self, kind: FileType, id: &Id) -> bool {
        match (&self.state().permit, kind) {
            (Permit::Snapshots(allowed), FileType::Snapshot) => {
                Sha256::parse(id.to_hex().as_str()).is_some_and(|id| allowed.contains(&id))
            }
            (Permit::Index | Permit::IndexAndPacks, FileType::Index) => true,
            (Permit::IndexAndPacks, FileType::Pack) => true,
            _ => false,
        }
    }

    fn fault(&self, doing: &str, kind: FileType, id: &Id, error: io::Error) -> Box<RusticError> {
        let path = self.path(kind, id);
        let text = format!("cannot {doing} {}: {error}", path.display());
        RusticError::with_source(ErrorKind::InputOutput, text, error)
    }
}

/// A pack without a name. Dropped unfinished, it leaves nothing behind.
pub(super) struct Growing {
    file: File,
    path: PathBuf,
    context: Context,
    size: u64,
    finished: bool,
}

impl Growing {
    pub fn add(&mut self, bytes: &[u8]) -> crate::Result<()> {
        self.file.write_all(bytes).doing("write", &self.path)?;
        self.context.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: what stays is removed by the next backup, and no listing shows it.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn list_into(root: &Path, at: &str, found: &mut BTreeMap<String, u64>) -> crate::Result<()> {
    let directory = root.join(at);
    for entry in fs::read_dir(&directory).doing("list", &directory)? {
        let entry = entry.doing("list", &directory)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{at}/{name}");
        let meta = entry.metadata().doing("read", entry.path())?;
        if meta.is_dir() {
            list_into(root, &path, found)?;
        } else if !name.starts_with(durable::TEMPORARY) {
            found.insert(path, meta.len());
        }
    }
    Ok(())
}

impl ReadBackend for Objects {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let failed = |error: crate::Error| RusticError::new(ErrorKind::Backend, error.to_string());
        if kind == FileType::Config {
            let size = fs::metadata(self.root.join("config")).map(|meta| meta.len());
            return Ok(size.map_or(Vec::new(), |s| vec![(Id::default(), clamp(s))]));
        }
        let mut found = BTreeMap::new();
        if self.root.join(kind.dirname()).exists() {
            list_into(&self.root, kind.dirname(), &mut found).map_err(failed)?;
        }
        let id = |path: &str| path.rsplit('/').next().and_then(|name| name.parse::<Id>().ok());
        Ok(found.iter().filter_map(|(path, size)| Some((id(path)?, clamp(*size)))).collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let read = fs::read(self.path(kind, id));
        read.map(Bytes::from).map_err(|error| self.fault("read", kind, id, error))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let read = || {
            let mut bytes = vec![0; length as usize];
            let file = File::open(self.path(kind, id))?;
            file.read_exact_at(&mut bytes, u64::from(offset))?;
            io::Result::Ok(Bytes::from(bytes))
        };
        read().map_err(|error| self.fault("read", kind, id, error))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path(kind, id).display().to_string()
    }
}

impl WriteBackend for Objects {
    fn create(&self) -> RusticResult<()> {
        let packs = (0..=255).map(|byte| format!("data/{byte:02x}"));
        let others = ["index", "keys", "locks", "snapshots"].map(str::to_owned);
        for directory in packs.chain(others) {
            let path = self.root.join(directory);
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|error| {
                let text = format!("cannot create {}: {error}", path.display());
                RusticError::with_source(ErrorKind::InputOutput, text, error)
            })?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        let parts: Vec<&[u8]> = content.slice().iter().map(|part| &part[..]).collect();
        if kind == FileType::Snapshot
            && let Some(withheld) = &mut self.state().withheld
        {
            withheld.push((*id, parts.concat()));
            return Ok(());
        }
        self.write(kind, id, &parts).map_err(|error| {
            let fault = self.fault("write", kind, id, error);
            self.state().failure.get_or_insert_with(|| fault.display_log());
            fault
        })
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        if !self.may_remove(kind, id) {
            let text = format!("no permit to remove {kind} {}", id.to_hex().as_str());
            return Err(RusticError::new(ErrorKind::Backend, text));
        }
        let path = self.path(kind, id);
        let removed = unseal(&path).and_then(|()| fs::remove_file(&path));
        removed.map_err(|error| self.fault("remove", kind, id, error))
    }
}

/// Objects of 4 GiB and more cannot be in a repository; restic's packs are some MiB.
fn clamp(size: u64) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
