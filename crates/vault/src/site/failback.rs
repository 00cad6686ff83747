//! Failback: the lost site returns and follows the one that took over; what only it has is kept.
//!
//! Its vault is not changed and not deleted: a copy of the other side's is built beside it, with
//! the objects both have taken from the disk, and when that is whole the two change names.
//! Invariant: at every moment a whole vault is at the place, and nothing that the returned site
//! had is written over or removed.

use super::{
    Journal, Mirror, Mirrored, Noted, Origin, Progress, REPLICA, SITE, Seal, pace::Pace, takeover,
};
use crate::{
    durable,
    engine::Objects,
    error::{Error, IoContext, Result},
    recovery::{Comparison, Side, compare},
    undelete::WITHDRAWN,
    vault::{REPOSITORY, SET_ASIDE, Vault},
};
use model::Time;
use serde::Serialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where sources keep in the directory of a vault what they need from one backup to the next.
const KEPT: &str = ".kept";

pub struct Failback<'a> {
    /// The vault of the site that returned.
    pub directory: &'a Path,
    pub origin: &'a dyn Origin,
    pub pace: &'a Pace<'a>,
    /// Name of this site.
    pub site: &'a str,
    pub seal: Seal,
    pub tries_max: u32,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct FailedBack {
    /// Entries that both logs begin with.
    pub common: u64,
    /// What only this site has; it is in `kept`.
    pub only_here: Side,
    /// Where the vault of this site lies as it was; absent when it had nothing of its own.
    pub kept: Option<PathBuf>,
    pub copied: Mirrored,
}

impl Failback<'_> {
    pub fn run(&self, by: &str) -> Result<FailedBack> {
        let here = Vault::open(self.directory)?;
        if here.is_set_aside() {
            let text = "this is what an earlier failback kept; give the vault in its place";
            return Err(Error::Refused(text.to_owned()));
        }
        let coming = beside(self.directory, "coming");
        fs::create_dir_all(&coming).doing("create", &coming)?;
        let mirror = Mirror {
            directory: &coming,
            origin: self.origin,
            pace: self.pace,
            site: self.site,
            seal: self.seal,
            log_key: Some(here.log_key().clone()),
            tries_max: self.tries_max,
            seeds: Some(self.directory),
        };
        let copied = mirror.run()?;
        if copied.state == Progress::Waiting {
            let text = "bulk waits for its window; run it again, it goes on where it is";
            return Err(Error::Refused(text.to_owned()));
        }
        let Comparison { common, only_a, only_b: _ } = compare(&here, &Vault::open(&coming)?)?;
        let now = self.pace.clock.now();
        // What is not whole on the other side may be here.
        let own = only_a.entries > 0
            || copied.state != Progress::Complete
            || has_own(&here, self.directory, &coming)?;
        let kept = own.then(|| place_for(self.directory, now));
        let old = kept.clone().unwrap_or_else(|| beside(self.directory, "before"));
        self.set_aside(&old, &coming, (common, only_a.entries), by)?;
        if kept.is_none() {
            // All of it is in the new one: entries, objects, and there was nothing beside them.
            remove(&old)?;
        }
        Ok(FailedBack { common, only_here: only_a, kept, copied })
    }

    /// The two change names. Between the renames there is no vault at the place; a run that was
    /// broken off there is told by the names, and renaming one by hand ends it.
    fn set_aside(
        &self,
        old: &Path,
        coming: &Path,
        (common, own): (u64, u64),
        by: &str,
    ) -> Result<()> {
        let now = self.pace.clock.now();
        let log = Vault::open(self.directory)?.log_key().name.clone();
        let marker = self.directory.join(SET_ASIDE);
        let text = format!("set aside {now} by {by}: another site had taken over\n");
        durable::write(&marker, &[text.as_bytes()], 0o644).doing("write", &marker)?;
        let noted = Noted::SetAside { log, common, own, by: by.to_owned() };
        for directory in [self.directory, coming] {
            let site = directory.join(SITE);
            Journal::open(&site, self.site, now)?.note(noted.clone(), now)?;
        }
        fs::rename(self.directory, old).doing("rename", self.directory)?;
        fs::rename(coming, self.directory).doing("rename", coming)?;
        let parent = self.directory.parent().unwrap_or(Path::new("."));
        durable::sync_directory(parent).doing("write", parent)
    }
}

/// Whether it has what no entry tells of and the other one lacks: a backup that was published or
/// begun and not logged yet, deleted snapshots that can be taken back, what sources keep.
fn has_own(vault: &Vault, here: &Path, there: &Path) -> Result<bool> {
    for folder in [WITHDRAWN, KEPT].map(|folder| here.join(folder)) {
        match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                if entries.doing("read", &folder)?.next().is_some() {
                    return Ok(true);
                }
            }
        }
    }
    let objects = |directory: &Path| Objects::new(&directory.join(REPOSITORY)).list();
    let there = objects(there)?;
    // What its log tells of and the other one lacks, the other's longer log has let go.
    let told = vault.ledger().and_then(|ledger| vault.known_objects(&ledger)).unwrap_or_default();
    let own = |path: &String| !there.contains_key(path) && !told.contains_key(path);
    Ok(objects(here)?.keys().any(own))
}

/// `DIR.kept-20260301T120000`.
fn place_for(directory: &Path, now: Time) -> PathBuf {
    let stamp: String = now.to_string().chars().take(19).filter(|c| !"-:".contains(*c)).collect();
    beside(directory, &format!("kept-{stamp}"))
}

fn beside(directory: &Path, word: &str) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{word}"));
    directory.with_file_name(name)
}

/// Removes a vault that is whole elsewhere, sealed objects too.
fn remove(directory: &Path) -> Result<()> {
    let mut waiting = vec![directory.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(&at).doing("read", &at)? {
            let path = entry.doing("read", &at)?.path();
            let kind = fs::symlink_metadata(&path).doing("read", &path)?;
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                Seal::open(&path).doing("open", &path)?;
            }
        }
    }
    fs::remove_dir_all(directory).doing("remove", directory)
}

/// Hands a vault over on purpose: its last entry says so, and it becomes a copy of the other.
pub fn hand_over(vault: &crate::Unlocked, to: &str, by: &str, now: Time) -> Result<u64> {
    let entry = vault.log_hand_over(to, by, now)?;
    let marker = vault.vault().directory().join(REPLICA);
    durable::write(&marker, &[b"handed over\n"], 0o644).doing("write", marker)?;
    takeover::forget(vault.vault().directory())?;
    Ok(entry)
}
