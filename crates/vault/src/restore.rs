//! Restore: a snapshot, or a part of it, laid out in a directory.
//!
//! Not here: how files come to lie there ([`crate::extract`]). Invariant: only a restore of the
//! whole snapshot without a fault is logged as a proof.

use crate::{
    engine::VaultEngine,
    error::{Error, IoContext, Result},
    event::{Event, SnapshotId},
    extract::extract,
    onlooker::Onlooker,
    source::Fault,
    vault::Unlocked,
};
use model::Time;
use serde::Serialize;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// Removes a folder that things were restored into: a restored directory may be closed even to its
/// owner. What is not there is removed already.
pub fn remove_restored(folder: &Path) -> std::io::Result<()> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => continue,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&path)? {
            waiting.push(entry?.path());
        }
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How a restore ended.
#[derive(Debug, Default, Serialize)]
pub struct Restored {
    /// Files and links that are there now and right.
    pub files: u64,
    pub bytes: u64,
    /// Devices, pipes and sockets: what uses them makes them.
    pub left_out: u64,
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

    /// The same, while somebody looks on.
    pub fn extract_watched(
        &self,
        snapshot: &SnapshotId,
        target: &Path,
        only: Option<&Path>,
        at_target: bool,
        onlooker: &dyn Onlooker,
    ) -> Result<Restored> {
        let reading = self.engine.read(snapshot)?;
        fs::create_dir_all(target).doing("create", target)?;
        let target = target.canonicalize().doing("find", target)?;
        let only = only.map(|path| Path::new("/").join(path));
        let (done, matched) = extract(&*reading, target, only.as_deref(), at_target, onlooker)?;
        if let Some(only) = only.as_ref().filter(|_| !matched) {
            return Err(Error::Refused(format!(
                "nothing in the snapshot is at {}",
                only.display()
            )));
        }
        Ok(done)
    }

    /// The snapshot that a word means: an id, its beginning, or `latest`, the last one the log
    /// brought. Where the log does not hold the times must do.
    pub fn find(&self, word: &str) -> Result<SnapshotId> {
        let all = self.engine.snapshots()?;
        if word == "latest" {
            let ledger = self.vault.ledger().ok();
            let place = |id| ledger.as_ref().map(|ledger| ledger.place_of(id));
            let latest = all.iter().max_by_key(|s| (place(&s.id), s.time, s.id)).map(|s| s.id);
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
