//! One backup: sources in, a snapshot and a log entry out, every entry accounted for.
//!
//! Not here: reading of any source, storing of any byte. Invariant: the snapshot is published
//! after all its content is on disk, and logged after that; a process killed anywhere in between
//! leaves a vault that the next backup sets right.

use crate::{
    digest::Sha256,
    earlier::{self, Earlier},
    engine::{Archived, Job, VaultEngine},
    engineering,
    error::{Error, IoContext, Result},
    event::{Event, Keep, ObjectChange, SnapshotId, State, Stored},
    ledger::Ledger,
    limits::{ASSET_BYTES_MAX, DEVICES_AT_ONCE, ENTRIES_MAX, FAULTS_LOGGED_MAX, LISTED_BYTES_MAX},
    manifest::{Manifest, Object},
    onlooker::Onlooker,
    source::{Fault, Offer, Source},
    vault::{Unlocked, Working},
};
use model::Time;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::DirBuilderExt,
    sync::{Arc, Mutex, PoisonError},
};

/// How a backup ended.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `None`: nothing could be stored.
    pub snapshot: Option<SnapshotId>,
    pub state: State,
    pub entries_offered: u64,
    pub entries_stored: u64,
    pub bytes_read: u64,
    pub bytes_stored: u64,
    pub errors: Vec<Fault>,
    /// What a person should know of how it was read, though nothing is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Fault>,
    /// Repository files the log knows and that are gone: older snapshots have lost content.
    pub objects_missing: u64,
    /// Why new objects are not immutable in a vault whose objects should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_immutable: Option<String>,
}

impl Unlocked {
    /// Backs up all `sources` of `asset` into one snapshot.
    pub fn backup(
        &self,
        asset: &str,
        sources: &mut [Box<dyn Source>],
        now: Time,
    ) -> Result<Report> {
        self.backup_watched(asset, sources, None, now, Arc::new(()))
    }

    /// The same, while somebody looks on; `keep` are rules of this snapshot besides the vault's.
    pub fn backup_watched(
        &self,
        asset: &str,
        sources: &mut [Box<dyn Source>],
        keep: Option<Keep>,
        now: Time,
        onlooker: Arc<dyn Onlooker>,
    ) -> Result<Report> {
        if asset.len() > ASSET_BYTES_MAX {
            let text = format!("an asset's name has at most {ASSET_BYTES_MAX} bytes");
            return Err(Error::Refused(text));
        }
        let _working = Working::begin(&self.vault)?;
        self.clear_staging()?;
        let reconciled = self.reconcile(now)?;
        let mut left_out: Vec<_> = sources.iter().flat_map(|source| source.claims()).collect();
        left_out.extend(self.vault.directory().canonicalize().ok());
        let names: Vec<String> = sources.iter().map(|source| source.name()).collect();
        let (earlier, answering) = match self.newest_whole(asset)? {
            Some(snapshot) => {
                let (earlier, answering) = earlier::of(snapshot);
                (earlier, Some(answering))
            }
            None => (Earlier::nothing(), None),
        };
        let offer = Offer::new(left_out, ENTRIES_MAX, now).after(earlier);
        // It ends when the last entry that could ask is gone, which is before the engine answers.
        let gathered = std::thread::scope(|scope| {
            if let Some(answering) = answering {
                scope.spawn(|| answering.run(&self.engine));
            }
            let Offer { entries, faults, warnings, .. } = gather(sources, offer);
            if entries.is_empty() {
                return Ok((None, faults, warnings));
            }
            let sources = names.clone();
            let job = Job { asset: asset.to_owned(), sources, time: now, entries, onlooker };
            Ok::<_, Error>((Some(self.engine.archive(job)?), faults, warnings))
        });
        let (archived, mut faults, warnings) = gathered?;
        let Some(mut archived) = archived else {
            return Ok(Report::nothing(faults, reconciled.missing));
        };
        archived.faults.append(&mut faults);
        if archived.stored == 0 && !archived.faults.is_empty() {
            return Ok(Report::nothing(archived.faults, reconciled.missing));
        }
        let snapshot = self.engine.publish(&archived)?;
        let new = self.difference(&reconciled.objects)?;
        let objects = self.record(&new)?;
        let not_immutable = self.seal(&new);
        let said = Said { sources: names, keep, warnings: &warnings };
        self.log_snapshot(asset, said, snapshot, &archived, objects, now)?;
        Ok(Report {
            snapshot: Some(snapshot),
            state: state_of(&archived),
            entries_offered: archived.offered,
            entries_stored: archived.stored,
            bytes_read: archived.bytes_read,
            bytes_stored: archived.bytes_stored,
            errors: archived.faults,
            warnings,
            objects_missing: reconciled.missing,
            not_immutable,
        })
    }

    fn newest_whole(&self, asset: &str) -> Result<Option<SnapshotId>> {
        let ledger = self.vault.ledger()?;
        let whole = ledger
            .snapshots
            .values()
            .filter(|record| record.asset == asset && record.state == State::Complete);
        Ok(whole.max_by_key(|record| record.entry).map(|record| record.snapshot))
    }

    /// Copies of a backup that was killed would stay there in clear.
    fn clear_staging(&self) -> Result<()> {
        let path = self.vault.staging();
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).doing("empty", path);
            }
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&path).doing("create", path)
    }

    fn log_snapshot(
        &self,
        asset: &str,
        Said { sources, keep, warnings }: Said<'_>,
        snapshot: SnapshotId,
        archived: &Archived,
        objects: ObjectChange,
        now: Time,
    ) -> Result<()> {
        let few = |all| <[Fault]>::iter(all).take(FAULTS_LOGGED_MAX).map(shortened);
        let mut faults = fitting(few(&archived.faults).chain(few(warnings)));
        let warnings = faults.split_off(faults.len().min(few(&archived.faults).count()));
        let sources = logged_sources(&sources);
        self.append(now, |ledger| {
            Ok(Event::Snapshot(Stored {
                snapshot,
                asset: asset.to_owned(),
                sources,
                state: state_of(archived),
                taken_at: now,
                retain_until: locked_until(ledger, now),
                files: archived.stored,
                bytes: archived.bytes,
                entries_offered: archived.offered,
                entries_stored: archived.stored,
                faults,
                faults_total: archived.faults.len() as u64,
                warnings,
                keep,
                objects,
            }))
        })?;
        Ok(())
    }

    /// Brings log and repository together: after a crash, a loss, or a write by restic.
    pub(crate) fn reconcile(&self, now: Time) -> Result<Reconciled> {
        let ledger = self.vault.ledger()?;
        let mut objects = self.vault.known_objects(&ledger)?;
        let before = self.engine.objects()?;
        let missing = objects.keys().filter(|path| !before.contains_key(*path)).count() as u64;
        if missing == 0 && before.len() == objects.len() {
            return Ok(Reconciled { objects, missing });
        }
        self.engine.heal()?;
        let after = self.engine.objects()?;
        let mut manifest = self.difference(&objects)?;
        let gone = before.keys().filter(|path| !after.contains_key(*path));
        manifest.removed = gone.filter(|path| objects.contains_key(*path)).cloned().collect();
        for described in self.engine.snapshots()? {
            if ledger.snapshots.contains_key(&described.id) {
                continue;
            }
            // Its own list holds the snapshot's file; what is left goes into the last entry.
            let path = format!("snapshots/{}", described.id);
            let Some(object) = manifest.added.remove(&path) else { continue };
            let added = BTreeMap::from([(path, object)]);
            let own = Manifest { added, removed: BTreeSet::new() };
            let change = self.record(&own)?;
            own.apply(&mut objects);
            self.append(now, |ledger| {
                Ok(Event::Adopted(Stored {
                    snapshot: described.id,
                    asset: described.host.chars().take(ASSET_BYTES_MAX / 4).collect(),
                    sources: logged_sources(&described.paths),
                    state: state_by_tag(&described.tags),
                    taken_at: described.time,
                    retain_until: locked_until(ledger, now),
                    files: described.files.unwrap_or_default(),
                    bytes: described.bytes.unwrap_or_default(),
                    entries_offered: described.files.unwrap_or_default(),
                    entries_stored: described.files.unwrap_or_default(),
                    faults: Vec::new(),
                    faults_total: 0,
                    warnings: Vec::new(),
                    keep: None,
                    objects: change,
                }))
            })?;
        }
        if !manifest.is_empty() {
            let change = self.record(&manifest)?;
            manifest.apply(&mut objects);
            self.append(now, |_| Ok(Event::Repaired { objects: change }))?;
        }
        Ok(Reconciled { objects, missing })
    }
}

/// Lists what all sources have, and the projects among it. Devices are asked at the same time, a
/// few at once; what comes is in the order of the sources, whoever was first.
fn gather(sources: &mut [Box<dyn Source>], mut offer: Offer) -> Offer {
    let mut devices: BTreeMap<Option<String>, Vec<Asked<'_>>> = BTreeMap::new();
    let mut offers = Vec::with_capacity(sources.len());
    for (place, source) in sources.iter_mut().enumerate() {
        offers.push(Mutex::new(offer.apart(&source.name())));
        devices.entry(source.device()).or_default().push((place, source));
    }
    let waiting = Mutex::new(devices.into_values().collect::<Vec<_>>());
    let ask = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(sources) = next() {
            for (place, source) in sources {
                source.offer(&mut offers[place].lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    };
    let at_once = waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
    std::thread::scope(|scope| {
        for _ in 1..at_once.min(DEVICES_AT_ONCE) {
            scope.spawn(ask);
        }
        ask();
    });
    for apart in offers {
        offer.join(apart.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    let projects = engineering::recognise(&offer.entries);
    if !projects.is_empty() {
        offer.begin("engineering:projects");
        let text = serde_json::to_vec_pretty(&projects).expect("it is plain data");
        offer.bytes(engineering::FACTS.into(), text);
    }
    offer
}

/// What is logged of a snapshot besides what came of it.
struct Said<'a> {
    sources: Vec<String>,
    keep: Option<Keep>,
    warnings: &'a [Fault],
}

/// A source and its place among all.
type Asked<'a> = (usize, &'a mut Box<dyn Source>);

pub(crate) struct Reconciled {
    /// The repository's files by the log, up to date.
    pub objects: BTreeMap<String, Object>,
    pub missing: u64,
}

impl Report {
    fn nothing(errors: Vec<Fault>, objects_missing: u64) -> Self {
        Self {
            snapshot: None,
            state: State::Partial,
            entries_offered: errors.len() as u64,
            entries_stored: 0,
            bytes_read: 0,
            bytes_stored: 0,
            errors,
            warnings: Vec::new(),
            objects_missing,
            not_immutable: None,
        }
    }
}

/// The state a snapshot says of itself by its tags.
pub(crate) fn state_by_tag(tags: &[String]) -> State {
    if tags.iter().any(|tag| tag == "partial") { State::Partial } else { State::Complete }
}

fn state_of(archived: &Archived) -> State {
    if archived.faults.is_empty() { State::Complete } else { State::Partial }
}

pub(crate) fn locked_until(ledger: &Ledger, now: Time) -> Option<Time> {
    let days = ledger.policy.lock_days;
    // From the vault's clock when the machine's is behind it: a backup made while somebody has
    // set the clock back would have a lock that has run out already.
    let from = now.max(ledger.clock_at(now));
    let until = from.plus_secs(i64::from(days) * 86_400);
    let most = ledger.locks_end(ledger.clock_at(now));
    (days > 0).then(|| most.map_or(until, |most| until.min(most)))
}

/// The names of a snapshot's sources as its log entry has them. Names that are too many for an
/// entry become a count and one hash of all, so that equal sets of sources stay equal.
pub(crate) fn logged_sources(names: &[String]) -> Vec<String> {
    let listed = fitting(names.iter().cloned());
    if listed.len() == names.len() {
        return listed;
    }
    // The repository keeps them in an order of its own.
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let mut listed = fitting(sorted.iter().cloned());
    let left = sorted.len() - listed.len();
    let all: Vec<&[u8]> = sorted.iter().flat_map(|n| [n.as_bytes(), b"\n"]).collect();
    listed.push(format!("and {left} more; sha256 of all: {}", Sha256::of_parts(&all)));
    listed
}

/// As many as fit into their part of a log entry.
fn fitting<T: Serialize>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut left = LISTED_BYTES_MAX;
    let fits = |item: &T| {
        let size = serde_json::to_vec(item).expect("it is plain data").len() + 1;
        let rest = left.checked_sub(size);
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    items.take_while(fits).collect()
}

/// A fault that fits into a log entry.
fn shortened(fault: &Fault) -> Fault {
    let cut = |text: &str| text.chars().take(300).collect();
    Fault { source: cut(&fault.source), path: cut(&fault.path), error: cut(&fault.error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Entry;
    use std::{
        path::PathBuf,
        sync::mpsc::{Receiver, Sender, channel},
        time::Duration,
    };

    /// A device that goes on only when the other one is being asked too.
    struct Device {
        name: &'static str,
        host: &'static str,
        meets: Option<(Sender<()>, Receiver<()>)>,
    }

    impl Source for Device {
        fn name(&self) -> String {
            self.name.to_owned()
        }

        fn device(&self) -> Option<String> {
            Some(self.host.to_owned())
        }

        fn offer(&mut self, offer: &mut Offer) {
            if let Some((here, there)) = &self.meets {
                here.send(()).expect("the other one listens");
                let met = there.recv_timeout(Duration::from_secs(20));
                met.expect("both are asked at the same time");
            }
            offer.bytes(PathBuf::from("/").join(self.name), Vec::new());
            offer.fault(&PathBuf::from(self.name), "none");
        }
    }

    #[test]
    fn devices_are_asked_at_once_and_what_comes_is_in_the_order_of_sources() {
        let ((a, from_a), (b, from_b)) = (channel(), channel());
        let device =
            |name, host, meets| -> Box<dyn Source> { Box::new(Device { name, host, meets }) };
        let mut sources = [
            device("z", "one", Some((a, from_b))),
            device("y", "one", None),
            device("x", "two", Some((b, from_a))),
        ];
        let offer = Offer::new(Vec::new(), 10, Time::default()).after(Earlier::nothing());
        let Offer { entries, faults, .. } = gather(&mut sources, offer);
        let of = |Entry { path, source, .. }: &Entry| format!("{source} {}", path.display());
        assert_eq!(entries.iter().map(of).collect::<Vec<_>>(), ["z /z", "y /y", "x /x"]);
        let faults: Vec<_> = faults.iter().map(|fault| fault.source.as_str()).collect();
        assert_eq!(faults, ["z", "y", "x"]);
    }
}
