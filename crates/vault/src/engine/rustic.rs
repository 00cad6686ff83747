//! The engine of a vault: bytes by our own path, the rest of restic's format by rustic_core.
//!
//! Ours is what bytes of files pass through, both ways ([`super::writer`], [`super::reader`]):
//! rustic_core's is slower, needs more memory, drops what fails and calls the backup good, and its
//! restore panics on a damaged pack. Used of it: making a repository, keys, snapshots, mending the
//! index, pruning. Invariant: after `archive` every file counted as stored has been found again,
//! with all its chunks, in an index read anew from disk.

use super::{
    Archived, Described, Found, Job, Kind, Objects, Reading, VaultEngine,
    archive::{Tally, time, timestamp},
    from_id,
    objects::Permit,
    packs::Packs,
    reader::{Reader, Snapshot},
    seal::Cipher,
    to_id,
    writer::{Ground, write},
};
use crate::{
    error::{Error, Result},
    event::SnapshotId,
    key::VaultKey,
    retention::Removable,
    source::Fault,
};
use rustic_core::{
    ConfigOptions, Credentials, KeyOptions, OpenStatus, PruneOptions, PrunePlan,
    RepairIndexOptions, Repository, RepositoryBackends, RepositoryOptions, jiff,
    repofile::{MasterKey, SnapshotFile, SnapshotSummary, StringList},
};
use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::Arc,
};

/// Packs no snapshot needs are marked first and deleted this many hours later at the earliest, so
/// that a backup that began before the mark still finds them.
const DELETE_AFTER_HOURS_MIN: i64 = 24;

pub struct RusticEngine {
    objects: Arc<Objects>,
    cipher: Arc<Cipher>,
    master: MasterKey,
}

impl RusticEngine {
    /// An engine for the repository in `root`.
    pub fn new(root: &Path, key: &VaultKey) -> Self {
        Self::over(Objects::new(root), key)
    }

    /// An engine for a repository whose packs lie elsewhere, to read from.
    pub fn with_packs(root: &Path, key: &VaultKey, packs: Arc<dyn Packs>) -> Self {
        Self::over(Objects::with_packs(root, packs), key)
    }

    fn over(objects: Objects, key: &VaultKey) -> Self {
        let keys = key.master();
        let cipher = Arc::new(Cipher::new(&keys));
        let (encrypt, k, r) = keys;
        let base64 = |bytes: &[u8]| {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            STANDARD.encode(bytes)
        };
        let master = serde_json::json!({
            "mac": {"k": base64(&k), "r": base64(&r)},
            "encrypt": base64(&encrypt),
        });
        let master = serde_json::from_value(master).expect("the form of restic's master key");
        Self { objects: Arc::new(objects), cipher, master }
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

    pub(super) fn repository(&self) -> Result<Repository<OpenStatus>> {
        Ok(self.closed()?.open(&self.credentials())?)
    }

    fn reader(&self) -> Result<Reader> {
        Reader::open(&self.objects, &self.cipher)
    }

    /// Writes all content; the snapshot of it, which does not exist as yet.
    fn write_content(&self, job: Job, tally: &mut Tally) -> Result<SnapshotFile> {
        self.objects.remove_unfinished()?;
        let mut snapshot = SnapshotFile::default();
        let at = timestamp(job.time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        snapshot.time = at.to_zoned(jiff::tz::TimeZone::UTC);
        snapshot.program_version = format!("spandrel {}", env!("CARGO_PKG_VERSION"));
        snapshot.hostname = job.asset;
        job.sources.into_iter().for_each(|source| snapshot.paths.add(source));
        let repository = self.repository()?;
        let like = |other: &SnapshotFile| {
            other.hostname == snapshot.hostname && other.paths == snapshot.paths
        };
        let before = repository.get_all_snapshots()?.into_iter().filter(like);
        let before = before.max_by_key(|other| other.time.timestamp());
        let reader = self.reader()?;
        let ground = Ground {
            objects: &self.objects,
            cipher: &self.cipher,
            reader: &reader,
            config: repository.config(),
            before: before.as_ref().map(|before| from_id(&before.tree)),
        };
        let began = jiff::Zoned::now();
        let (tree, summary) = write(&ground, job.entries, tally)?;
        snapshot.tree = to_id(&tree).into();
        snapshot.parent = before.map(|before| before.id);
        snapshot.summary = Some(timed(summary, began));
        Ok(snapshot)
    }
}

fn timed(mut summary: SnapshotSummary, began: jiff::Zoned) -> SnapshotSummary {
    let ended = jiff::Zoned::now();
    summary.backup_duration = began.duration_until(&ended).as_secs_f64();
    summary.total_duration = summary.backup_duration;
    (summary.backup_start, summary.backup_end) = (began, ended);
    summary
}

impl VaultEngine for RusticEngine {
    fn heal(&self) -> Result<()> {
        let repository = self.repository()?;
        let options = RepairIndexOptions::default();
        self.objects.with_permit(Permit::Index, || repository.repair_index(&options, false))?;
        Ok(())
    }

    fn archive(&self, job: Job) -> Result<Archived> {
        let mut tally = Tally::new(job.onlooker.clone());
        let snapshot = self.write_content(job, &mut tally)?;
        let Tally { offered, handed, mut faults, bytes_read, .. } = tally;
        let written = Snapshot { reader: self.reader()?, tree: from_id(&snapshot.tree) };
        let (stored, bytes) = stored(&written)?;
        let explained: HashSet<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        let dropped: Vec<Fault> = handed
            .iter()
            .filter(|path| !stored.contains(&fingerprint(path)))
            .filter(|path| !explained.contains(path.to_string_lossy().as_ref()))
            .map(|path| Fault::new("", path, "the engine did not store it"))
            .collect();
        faults.extend(dropped);
        let bytes_stored = snapshot.summary.as_ref().map_or(0, |s| s.data_added_packed);
        let stored = stored.len() as u64;
        Ok(Archived { offered, stored, bytes, bytes_read, bytes_stored, faults, snapshot })
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
        let tree = from_id(&snapshot.tree);
        Ok(Box::new(Snapshot { reader: self.reader()?, tree }))
    }

    fn forget(&self, snapshots: &[Removable]) -> Result<()> {
        let allowed = snapshots.iter().map(|s| s.snapshot().0).collect();
        let ids: Vec<_> = snapshots.iter().map(|s| to_id(&s.snapshot().0).into()).collect();
        let repository = self.repository()?;
        let permit = Permit::Snapshots(allowed);
        Ok(self.objects.with_permit(permit, || repository.delete_snapshots(&ids))?)
    }

    fn prune(&self, keep_hours: i64) -> Result<()> {
        let mut options = PruneOptions::default();
        let hours = keep_hours.clamp(DELETE_AFTER_HOURS_MIN, 100 * 365 * 24);
        options.keep_delete = jiff::Span::new().hours(hours);
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
fn stored(reading: &Snapshot) -> Result<(HashSet<u64>, u64)> {
    let (mut found, mut bytes) = (HashSet::new(), 0);
    reading.walk(&mut |entry| {
        match entry {
            Found::Entry { path, kind: Kind::File(chunks), meta } => {
                if chunks.iter().all(|chunk| reading.chunk_length(chunk).is_some()) {
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

fn fingerprint(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
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
