//! rustic_core as our engine, with a guard around each of its known defects.
//!
//! Not used of it: its restore (panics on a damaged pack, needs memory by the size of the
//! backup), its file walker, its append-only flag. Invariant: after `archive` every file counted
//! as stored has been found again, with all its chunks, in an index read anew from disk.

use super::{
    Archived, ChunkId, Described, Found, Job, Kind, Objects, Reading, VaultEngine,
    archive::{Offering, Tally, timestamp},
    objects::Permit,
};
use crate::{
    digest::Sha256,
    error::{Error, Result},
    event::SnapshotId,
    key::VaultKey,
    limits::DEPTH_MAX,
    retention::Removable,
    source::{Fault, Meta, Special},
};
use bytes::Bytes;
use model::Time;
use rustic_core::{
    BackupOptions, BlobId, ConfigOptions, Credentials, DataId, Id, IndexedFullStatus, KeyOptions,
    OpenStatus, PruneOptions, PrunePlan, RepairIndexOptions, Repository, RepositoryBackends,
    RepositoryOptions, TreeId, jiff,
    repofile::{BlobType, MasterKey, Node, NodeType, SnapshotFile, StringList, Tree},
};
use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

/// Packs no snapshot needs are marked first and deleted this many hours later at the earliest, so
/// that a backup that began before the mark still finds them.
const DELETE_AFTER_HOURS: i64 = 7 * 24;

pub struct RusticEngine {
    objects: Arc<Objects>,
    master: MasterKey,
}

impl RusticEngine {
    /// An engine for the repository in `root`.
    pub fn new(root: &Path, key: &VaultKey) -> Self {
        let (encrypt, k, r) = key.master();
        let base64 = |bytes: &[u8]| {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            STANDARD.encode(bytes)
        };
        let master = serde_json::json!({
            "mac": {"k": base64(&k), "r": base64(&r)},
            "encrypt": base64(&encrypt),
        });
        let master = serde_json::from_value(master).expect("the form of restic's master key");
        Self { objects: Arc::new(Objects::new(root)), master }
    }

    /// Makes an empty repository that also opens with the key's line as restic's password.
    /// `pack_mib` is the size of its packs, which stays the same however large it grows; for a
    /// slow link, where a pack is the least that arrives at once.
    pub fn init(&self, key: &VaultKey, pack_mib: Option<u32>) -> Result<()> {
        let mut options = (KeyOptions::default(), ConfigOptions::default());
        if let Some(mib) = pack_mib {
            options.1.set_datapack_size = format!("{mib} MiB").parse().ok();
            options.1.set_datapack_growfactor = Some(0);
        }
        let repository = self.closed()?.init(&self.credentials(), &options.0, &options.1)?;
        repository.add_key(key.password(), &options.0)?;
        Ok(())
    }

    fn closed(&self) -> Result<Repository<()>> {
        // No cache: it would lie in a home directory nobody looks at.
        let options = RepositoryOptions::default().no_cache(true);
        let backends = RepositoryBackends::new(self.objects.clone(), None);
        Ok(Repository::new(&options, &backends)?)
    }

    /// Opens with the master key: no scrypt, so none of its 128 MiB.
    fn credentials(&self) -> Credentials {
        Credentials::Masterkey(self.master.clone())
    }

    fn repository(&self) -> Result<Repository<OpenStatus>> {
        Ok(self.closed()?.open(&self.credentials())?)
    }

    fn reading(&self, tree: TreeId) -> Result<RusticReading> {
        Ok(RusticReading { repository: self.repository()?.to_indexed()?, tree })
    }

    fn write_content(&self, job: Job, tally: &Arc<Tally>) -> Result<SnapshotFile> {
        let mut snapshot = SnapshotFile::default();
        let time = timestamp(job.time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        snapshot.time = time.to_zoned(jiff::tz::TimeZone::UTC);
        snapshot.program_version = format!("spandrel {}", env!("CARGO_PKG_VERSION"));
        snapshot.hostname = job.asset;
        let paths: Vec<PathBuf> = job.sources.iter().map(PathBuf::from).collect();
        let offering = Offering::new(job.entries, tally.clone());
        let mut options = BackupOptions::default();
        options.no_scan = true;
        let repository = self.repository()?.to_indexed_ids()?;
        let work = || Ok(repository.archive(&options, &offering, snapshot, &paths)?);
        // The engine's threads panic on some failures; a panic is a failed backup, not the end
        // of the process that asked for it.
        let guarded = || {
            catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|_| Err(Error::Engine("it panicked while storing".into())))
        };
        // The snapshot the engine saves claims to be whole; it is never published.
        Ok(self.objects.withholding(guarded)?.0)
    }
}

impl VaultEngine for RusticEngine {
    fn heal(&self) -> Result<()> {
        let repository = self.repository()?;
        let options = RepairIndexOptions::default();
        self.objects.with_permit(Permit::Index, || repository.repair_index(&options, false))?;
        Ok(())
    }

    fn archive(&self, job: Job) -> Result<Archived> {
        let tally = Arc::new(Tally::new(job.onlooker.clone()));
        let snapshot = self.write_content(job, &tally)?;
        let handed = std::mem::take(&mut *lock(&tally.handed));
        let mut faults = std::mem::take(&mut *lock(&tally.faults));
        let (stored, bytes) = stored(&self.reading(snapshot.tree)?)?;
        let explained: HashSet<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        let dropped: Vec<Fault> = handed
            .iter()
            .filter(|path| !stored.contains(&fingerprint(path)))
            .filter(|path| !explained.contains(path.to_string_lossy().as_ref()))
            .map(|path| Fault::new("", path, "the engine did not store it"))
            .collect();
        faults.extend(dropped);
        let summary = snapshot.summary.as_ref();
        Ok(Archived {
            offered: tally.offered.load(Ordering::Relaxed),
            stored: stored.len() as u64,
            bytes,
            bytes_read: tally.bytes_read.load(Ordering::Relaxed),
            bytes_stored: summary.map_or(0, |s| s.data_added_packed),
            faults,
            snapshot,
        })
    }

    fn publish(&self, archived: &Archived) -> Result<SnapshotId> {
        let mut snapshot = archived.snapshot.clone();
        let tags = if archived.faults.is_empty() { "complete" } else { "partial" };
        snapshot.tags = tags.parse::<StringList>().map_err(|e| Error::Engine(e.to_string()))?;
        let repository = self.repository()?;
        let (_, held) =
            self.objects.withholding(|| Ok(repository.save_snapshots(vec![snapshot])?))?;
        let [(id, bytes)] = &held[..] else {
            return Err(Error::Engine("it saved no snapshot".into()));
        };
        self.objects.publish(id, bytes)?;
        Ok(SnapshotId(from_id(id)))
    }

    fn snapshots(&self) -> Result<Vec<Described>> {
        let mut found: Vec<_> =
            self.repository()?.get_all_snapshots()?.iter().map(describe).collect();
        found.sort_by_key(|snapshot| (snapshot.time, snapshot.id));
        Ok(found)
    }

    fn read(&self, snapshot: &SnapshotId) -> Result<Box<dyn Reading>> {
        let name = snapshot.to_string();
        let found = self.repository()?.get_snapshots(&[&name])?;
        let snapshot = found.first().ok_or(Error::NoSnapshot(name))?;
        Ok(Box::new(self.reading(snapshot.tree)?))
    }

    fn forget(&self, snapshots: &[Removable]) -> Result<()> {
        let allowed = snapshots.iter().map(|s| s.snapshot().0).collect();
        let ids: Vec<_> = snapshots.iter().map(|s| to_id(&s.snapshot().0).into()).collect();
        let repository = self.repository()?;
        let permit = Permit::Snapshots(allowed);
        Ok(self.objects.with_permit(permit, || repository.delete_snapshots(&ids))?)
    }

    fn prune(&self) -> Result<()> {
        let mut options = PruneOptions::default();
        options.keep_delete = jiff::Span::new().hours(DELETE_AFTER_HOURS);
        let repository = self.repository()?;
        let plan = PrunePlan::from_prune_options(&repository, &options)?;
        let work = || repository.prune(&options, plan);
        Ok(self.objects.with_permit(Permit::IndexAndPacks, work)?)
    }

    fn objects(&self) -> Result<BTreeMap<String, u64>> {
        self.objects.list()
    }
}

/// Fingerprints of the paths of everything but directories whose content the index has, and the
/// sum of their sizes.
fn stored(reading: &RusticReading) -> Result<(HashSet<u64>, u64)> {
    let (mut found, mut bytes) = (HashSet::new(), 0);
    reading.walk(&mut |entry| {
        match entry {
            Found::Entry { path, kind: Kind::File(chunks), meta } => {
                if chunks.iter().all(|chunk| reading.has_chunk(chunk)) {
                    found.insert(fingerprint(&path));
                    bytes += meta.size;
                }
            }
            Found::Entry { kind: Kind::Directory, .. } => {}
            Found::Entry { path, .. } => drop(found.insert(fingerprint(&path))),
            Found::Damaged { path, why } => {
                let text = format!("{} cannot be read back: {why}", path.display());
                return Err(Error::Engine(text));
            }
        }
        Ok(())
    })?;
    Ok((found, bytes))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fingerprint(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

struct RusticReading {
    repository: Repository<IndexedFullStatus>,
    tree: TreeId,
}

impl RusticReading {
    fn blob(&self, id: BlobId, kind: BlobType) -> Result<Bytes> {
        let bytes = self.repository.get_blob_cached(&id, kind)?;
        // The engine checks the cipher's tag only; the name is what the snapshot vouches for.
        if Sha256::of(&bytes) != from_id(&id) {
            let text = format!("chunk {} does not hash to its name", id.to_hex().as_str());
            return Err(Error::Damaged(text));
        }
        Ok(bytes)
    }

    fn walk_tree(
        &self,
        tree: TreeId,
        at: &Path,
        depth: usize,
        visit: &mut dyn FnMut(Found) -> Result<()>,
    ) -> Result<()> {
        let read = || {
            if depth > DEPTH_MAX {
                return Err(format!("more than {DEPTH_MAX} directories deep"));
            }
            let bytes = self.blob(tree.into(), BlobType::Tree).map_err(|e| e.to_string())?;
            serde_json::from_slice::<Tree>(&bytes).map_err(|e| e.to_string())
        };
        let nodes = match read() {
            Ok(tree) => tree.nodes,
            Err(why) => return visit(Found::Damaged { path: at.into(), why }),
        };
        for node in nodes {
            let name = node.name();
            let plain = !["", ".", ".."].iter().any(|bad| *name == **bad)
                && !name.as_encoded_bytes().contains(&b'/');
            if !plain {
                let why = format!("it has an entry named {name:?}");
                visit(Found::Damaged { path: at.into(), why })?;
                continue;
            }
            let path = at.join(&name);
            let (kind, subtree) = (kind(&node), node.subtree);
            visit(Found::Entry { path: path.clone(), meta: meta(&node), kind })?;
            if let Some(subtree) = subtree {
                self.walk_tree(subtree, &path, depth + 1, visit)?;
            }
        }
        Ok(())
    }
}

impl Reading for RusticReading {
    fn walk(&self, visit: &mut dyn FnMut(Found) -> Result<()>) -> Result<()> {
        self.walk_tree(self.tree, Path::new("/"), 0, visit)
    }

    fn chunk(&self, id: &ChunkId) -> Result<Bytes> {
        self.blob(BlobId::from(to_id(id)), BlobType::Data)
    }

    fn has_chunk(&self, id: &ChunkId) -> bool {
        self.repository.get_index_entry(&DataId::from(to_id(id))).is_ok()
    }
}

fn kind(node: &Node) -> Kind {
    match &node.node_type {
        NodeType::File => {
            let chunks = node.content.iter().flatten();
            Kind::File(chunks.map(|id| from_id(id)).collect())
        }
        NodeType::Dir => Kind::Directory,
        NodeType::Symlink { .. } => Kind::Symlink(node.node_type.to_link().into()),
        NodeType::Dev { device } => Kind::Special(Special::BlockDevice(*device)),
        NodeType::Chardev { device } => Kind::Special(Special::CharacterDevice(*device)),
        NodeType::Fifo => Kind::Special(Special::Pipe),
        NodeType::Socket => Kind::Special(Special::Socket),
    }
}

fn meta(node: &Node) -> Meta {
    let mode = node.meta.mode.unwrap_or(0o600);
    Meta {
        mode: mode & 0o777
            | (mode >> 23 & 1) << 11
            | (mode >> 22 & 1) << 10
            | (mode >> 20 & 1) << 9,
        modified: node.meta.mtime.map(time),
        changed: node.meta.ctime.map(time),
        user: node.meta.uid,
        group: node.meta.gid,
        inode: node.meta.inode,
        device: node.meta.device_id,
        links: node.meta.links,
        size: node.meta.size,
    }
}

fn describe(snapshot: &SnapshotFile) -> Described {
    let summary = snapshot.summary.as_ref();
    let words = |list: &StringList| list.into_iter().cloned().collect();
    Described {
        id: SnapshotId(from_id(&snapshot.id)),
        time: time(snapshot.time.timestamp()),
        host: snapshot.hostname.clone(),
        paths: words(&snapshot.paths),
        tags: words(&snapshot.tags),
        files: summary.map(|s| s.total_files_processed),
        bytes: summary.map(|s| s.total_bytes_processed),
    }
}

fn time(timestamp: jiff::Timestamp) -> Time {
    Time::from_nanos(i64::try_from(timestamp.as_nanosecond()).unwrap_or(i64::MAX))
}

fn from_id(id: &Id) -> Sha256 {
    Sha256::parse(id.to_hex().as_str()).expect("an id prints as 64 hex digits")
}

fn to_id(hash: &Sha256) -> Id {
    Id::new(hash.0)
}
