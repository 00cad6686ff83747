//! Deleted snapshots that can be taken back: soft delete.
//!
//! A snapshot's file is set aside when it is deleted, and what only it needed stays for as long;
//! after [`Policy::undelete_days`](crate::Policy) both go. Invariant: what is taken back has been
//! found again whole in the repository, or nothing is taken back.

use crate::{
    backup::locked_until,
    digest::Sha256,
    durable,
    engine::{Found, Kind, VaultEngine},
    error::{Error, IoContext, Result},
    event::{Event, SnapshotId, State},
    ledger::{Ledger, Record},
    retention::Removable,
    vault::{REPOSITORY, Unlocked, Vault, Working},
};
use model::Time;
use serde::Serialize;
use std::{fs, io, path::PathBuf};

/// Where files of deleted snapshots lie in the directory of a vault.
pub(crate) const WITHDRAWN: &str = ".withdrawn";

/// A deleted snapshot.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    pub record: Record,
    pub at: Time,
    /// Until then it can be taken back.
    pub until: Time,
}

/// A row of `vault withdrawn --format json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithdrawnRow {
    pub id: SnapshotId,
    pub time: Time,
    pub asset: String,
    pub sources: Vec<String>,
    pub state: State,
    pub files: u64,
    pub bytes: u64,
    pub deleted_at: Time,
    pub until: Time,
    /// False when its file is not here, such as in a copy.
    pub here: bool,
}

impl Ledger {
    pub(crate) fn undelete(
        &mut self,
        snapshot: &SnapshotId,
        until: Option<Time>,
    ) -> std::result::Result<(), String> {
        let clock = self.clock();
        let least = self.policy.lock_days;
        let least = (least > 0).then(|| clock.plus_secs(i64::from(least) * 86_400));
        if until < least {
            return Err("its lock is shorter than the policy says".into());
        }
        if let Some(until) = until {
            self.may_lock(until, clock)?;
        }
        let withdrawn = self.withdrawn.remove(snapshot);
        let mut record = withdrawn.ok_or(format!("{snapshot} cannot be taken back"))?.record;
        record.retain_until = record.retain_until.max(until);
        self.snapshots.insert(*snapshot, record);
        Ok(())
    }

    /// Hours for which the repository keeps what no snapshot needs: as long as any deleted one
    /// can be taken back. The repository counts them by the machine's clock, so what that is ahead
    /// of the vault's comes on top.
    pub(crate) fn kept_hours(&self, now: Time) -> i64 {
        let hours = |from: Time, until: Time| {
            until.nanos().saturating_sub(from.nanos()).max(0) / 3_600_000_000_000 + 1
        };
        let longest = self.withdrawn.values().map(|w| hours(w.at, w.until)).max();
        let kept = longest.unwrap_or_default().max(i64::from(self.policy.undelete_days) * 24);
        kept + hours(self.clock_at(now), now)
    }
}

impl Vault {
    /// Deleted snapshots that can be taken back, oldest first.
    pub fn withdrawn(&self, now: Time) -> Result<Vec<WithdrawnRow>> {
        let ledger = self.ledger()?;
        let clock = ledger.clock_at(now);
        let there = ledger.withdrawn.values().filter(|withdrawn| withdrawn.until > clock);
        let mut rows: Vec<WithdrawnRow> = there.map(|withdrawn| self.row(withdrawn)).collect();
        rows.sort_by_key(|row| (row.time, row.id));
        Ok(rows)
    }

    fn row(&self, withdrawn: &Withdrawn) -> WithdrawnRow {
        let Withdrawn { record, at, until } = withdrawn;
        WithdrawnRow {
            id: record.snapshot,
            time: record.time,
            asset: record.asset.clone(),
            sources: record.sources.clone(),
            state: record.state,
            files: record.files,
            bytes: record.bytes,
            deleted_at: *at,
            until: *until,
            here: self.aside(&record.snapshot).exists(),
        }
    }

    fn aside(&self, snapshot: &SnapshotId) -> PathBuf {
        self.directory().join(WITHDRAWN).join(snapshot.to_string())
    }
}

impl Unlocked {
    /// Sets the files of snapshots aside that are about to be deleted.
    pub(crate) fn set_aside(&self, snapshots: &[Removable]) -> Result<()> {
        let folder = self.vault().directory().join(WITHDRAWN);
        fs::create_dir_all(&folder).doing("create", &folder)?;
        for snapshot in snapshots {
            let (from, to) =
                (self.in_place(&snapshot.snapshot()), self.vault().aside(&snapshot.snapshot()));
            match fs::read(&from) {
                Ok(bytes) => durable::write(&to, &[&bytes], 0o400).doing("write", to)?,
                // Lost before: there is nothing to take back.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).doing("read", from),
            }
        }
        Ok(())
    }

    /// Removes what was set aside and cannot be taken back any more.
    pub(crate) fn clear_aside(&self, ledger: &Ledger, clock: Time) -> Result<()> {
        let folder = self.vault().directory().join(WITHDRAWN);
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let waits = name
                .parse::<SnapshotId>()
                .ok()
                .and_then(|id| ledger.withdrawn.get(&id))
                .is_some_and(|withdrawn| withdrawn.until > clock);
            if !waits {
                fs::remove_file(&path).doing("remove", &path)?;
            }
        }
        Ok(())
    }

    fn in_place(&self, snapshot: &SnapshotId) -> PathBuf {
        self.vault().directory().join(REPOSITORY).join("snapshots").join(snapshot.to_string())
    }

    /// The deleted snapshot with this name, or with this beginning of it.
    pub fn find_withdrawn(&self, text: &str, now: Time) -> Result<SnapshotId> {
        let rows = self.vault().withdrawn(now)?;
        let mut fitting = rows.iter().filter(|row| row.id.to_string().starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(row), None) if !text.is_empty() => Ok(row.id),
            (Some(_), Some(_)) => {
                Err(Error::Refused(format!("several deleted snapshots begin with {text}")))
            }
            _ => Err(Error::Refused(format!(
                "no deleted snapshot {text} can be taken back; `vault withdrawn` shows them"
            ))),
        }
    }

    /// Takes a deleted snapshot back; until when it is locked.
    pub fn undelete(&self, snapshot: SnapshotId, by: &str, now: Time) -> Result<Option<Time>> {
        let _working = Working::begin(self.vault())?;
        let objects = self.reconcile(now)?.objects;
        let ledger = self.vault().ledger()?;
        let clock = ledger.clock_at(now);
        if ledger.withdrawn.get(&snapshot).is_none_or(|withdrawn| withdrawn.until <= clock) {
            return Err(Error::Refused(format!("{snapshot} cannot be taken back any more")));
        }
        let aside = self.vault().aside(&snapshot);
        let bytes = fs::read(&aside).doing("read", &aside)?;
        if Sha256::of(&bytes) != snapshot.0 {
            return Err(Error::Damaged(format!("the file of snapshot {snapshot} is damaged")));
        }
        let place = self.in_place(&snapshot);
        durable::write(&place, &[&bytes], 0o400).doing("write", &place)?;
        let before = self.engine.objects()?;
        // Takes the packs it needs off the list of those to be deleted.
        let recovered = self.engine.prune(ledger.kept_hours(now));
        if let Err(why) = recovered.and_then(|()| self.is_whole(&snapshot)) {
            fs::remove_file(&place).doing("remove", &place)?;
            return Err(why);
        }
        let after = self.engine.objects()?;
        let mut manifest = self.difference(&objects)?;
        manifest.removed = before.keys().filter(|p| !after.contains_key(*p)).cloned().collect();
        manifest.removed.retain(|path| objects.contains_key(path));
        let change = self.record(&manifest)?;
        self.seal(&manifest);
        let mut until = None;
        self.append(now, |ledger| {
            until = locked_until(ledger, now);
            Ok(Event::Undeleted { snapshot, until, by: by.to_owned(), objects: change })
        })?;
        fs::remove_file(&aside).doing("remove", aside)?;
        Ok(until)
    }

    fn is_whole(&self, snapshot: &SnapshotId) -> Result<()> {
        let reading = self.engine.read(snapshot)?;
        let lost =
            || Error::Refused(format!("content of {snapshot} is gone: it is not taken back"));
        reading.walk(&mut |found| match found {
            Found::Entry { kind: Kind::File(chunks), .. } => {
                if chunks.iter().all(|chunk| reading.chunk_length(chunk).is_some()) {
                    Ok(())
                } else {
                    Err(lost())
                }
            }
            Found::Entry { .. } => Ok(()),
            Found::Damaged { .. } => Err(lost()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Policy;

    #[test]
    fn a_clock_that_is_ahead_ends_nothing_that_can_be_taken_back() {
        let at = Time::from_secs(1_773_144_000);
        let id = SnapshotId(Sha256::of(b"snapshot"));
        let record = Record::for_test(id, "press-4", at, State::Complete);
        let policy = Policy { undelete_days: 60, ..Policy::default() };
        let mut ledger = Ledger::for_test(vec![record.clone()], policy);
        let until = at.plus_secs(60 * 86_400);
        ledger.withdrawn.insert(id, Withdrawn { record, at, until });
        for days in [0, 7, 9, 59, 100, 3_650] {
            let now = at.plus_secs(days * 86_400);
            assert!(ledger.clock_at(now) < until);
            // The repository counts from `at` on.
            let (kept, passed) = (ledger.kept_hours(now), days * 24);
            assert!(kept > passed, "{kept} hours are over after {days} days");
            assert!(kept <= passed + 60 * 24 + 2, "{kept} after {days} days");
        }
    }
}
