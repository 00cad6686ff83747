//! Evidence for somebody who has neither key nor vault: one file in which every statement is
//! signed by the log or follows from what is.
//!
//! Log entries of a period and of chosen snapshots with their proofs, the checkpoint with its
//! cosignatures, public keys, and how to check all that by hand. Not here: verifying a whole
//! vault ([`crate::verify`]). Invariant: what [`examine`] accepts is what [`Evidence::to_bytes`]
//! makes of its own parts, byte for byte, and every part that is no result of others is proven.

mod examine;
mod render;
mod signed;
mod tar;
#[cfg(test)]
mod tests;

pub use examine::{Examined, examine};

use crate::{
    digest::Sha256,
    engine::{Found, Kind, Scratch, VaultEngine},
    error::{Error, IoContext, Result},
    event::{Event, LogEntry, SnapshotId},
    key::PersonKey,
    ledger::Ledger,
    limits::EVIDENCE_BYTES_MAX,
    log::{Checkpoint, Log, VerifyingKey, tile},
    vault::{LISTS, LOG, Unlocked, Vault},
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

/// What evidence is wanted of.
#[derive(Default)]
pub struct Wanted {
    /// Both inclusive; absent is without end.
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// These snapshots alone, or all of these assets; with neither, all of the period.
    pub snapshots: BTreeSet<SnapshotId>,
    pub assets: BTreeSet<String>,
    /// Checkpoints seen before, which the log must still contain.
    pub earlier: Vec<String>,
    pub witnesses: Vec<VerifyingKey>,
}

/// `evidence.json`: a format at rest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct About {
    pub format: u32,
    pub vault: String,
    pub made_at: Time,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// First and last entry of the period; absent when it has none.
    pub first: Option<u64>,
    pub last: Option<u64>,
    /// What was asked for; both empty is everything.
    pub assets: BTreeSet<String>,
    pub chosen: BTreeSet<SnapshotId>,
    /// Entries of the period that are of other snapshots.
    pub withheld: Vec<u64>,
    pub log_entries: u64,
    pub log_root: Sha256,
    /// Verifier key of who signed the list of files.
    pub signed_by: Option<String>,
}

/// A bundle, taken apart: what is in it and no result of other parts.
pub struct Evidence {
    about: About,
    log_key: VerifyingKey,
    witnesses: Vec<VerifyingKey>,
    note: String,
    entries: BTreeMap<u64, Vec<u8>>,
    proofs: BTreeMap<u64, Vec<Sha256>>,
    earlier: Vec<(String, Vec<Sha256>)>,
    lists: BTreeMap<Sha256, Vec<u8>>,
    files: BTreeMap<SnapshotId, String>,
    /// Texts for people; a newer program may have others.
    readme: Vec<u8>,
    script: Vec<u8>,
    signature: Option<Vec<u8>>,
}

impl Vault {
    /// Gathers evidence; needs no key. Nothing is signed yet.
    pub fn evidence(&self, wanted: &Wanted, now: Time) -> Result<Evidence> {
        let mut all = Vec::new();
        let mut ledger = Ledger::new(&self.log_key().name);
        let directory = self.directory().join(LOG);
        let log = Log::open(&directory, self.log_key(), |number, entry| {
            ledger.fold(number, entry);
            all.push(entry.to_vec());
        })?;
        let path = directory.join(tile::CHECKPOINT);
        let note = fs::read_to_string(&path).doing("read", &path)?;
        let read: Vec<Option<LogEntry>> =
            all.iter().map(|bytes| serde_json::from_slice(bytes).ok()).collect();
        let choice = Choice::of(wanted, &read)?;
        let entries: BTreeMap<u64, Vec<u8>> =
            choice.entries.iter().map(|n| (*n, all[*n as usize].clone())).collect();
        let proofs = entries.keys().map(|number| (*number, log.inclusion(*number))).collect();
        let root = log.root(log.size()).expect("a log has a root at its size");
        let about = About {
            format: 1,
            vault: self.log_key().name.clone(),
            made_at: now,
            from: wanted.from,
            until: wanted.until,
            first: choice.period.map(|(first, _)| first),
            last: choice.period.map(|(_, last)| last),
            assets: wanted.assets.clone(),
            chosen: wanted.snapshots.clone(),
            withheld: choice.withheld,
            log_entries: log.size(),
            log_root: root,
            signed_by: None,
        };
        let mut evidence = Evidence {
            about,
            log_key: self.log_key().clone(),
            witnesses: wanted.witnesses.clone(),
            note,
            entries,
            proofs,
            earlier: Vec::new(),
            lists: BTreeMap::new(),
            files: BTreeMap::new(),
            readme: render::README.as_bytes().to_vec(),
            script: render::SCRIPT.as_bytes().to_vec(),
            signature: None,
        };
        for note in &wanted.earlier {
            let proof = consistency(&log, note, self.log_key())?;
            evidence.earlier.push((note.clone(), proof));
        }
        evidence.take_lists(&directory.join(LISTS))?;
        Ok(evidence)
    }
}

/// The proof that the log contains what this checkpoint signed.
fn consistency(log: &Log, note: &str, key: &VerifyingKey) -> Result<Vec<Sha256>> {
    let invalid = |why| Error::Damaged(format!("an earlier checkpoint is not valid: {why}"));
    let earlier = Checkpoint::open(note, key).map_err(invalid)?;
    if log.root(earlier.size) != Some(earlier.root) {
        let size = earlier.size;
        let text = format!("the log's first {size} entries are not those of that checkpoint");
        return Err(Error::Damaged(text));
    }
    Ok(log.consistency(earlier.size))
}

/// Which entries go into the bundle.
struct Choice {
    period: Option<(u64, u64)>,
    entries: BTreeSet<u64>,
    withheld: Vec<u64>,
}

impl Choice {
    fn of(wanted: &Wanted, all: &[Option<LogEntry>]) -> Result<Self> {
        let numbered = || (0..).zip(all.iter().flatten());
        let within = |time: Time| {
            wanted.from.is_none_or(|from| time >= from)
                && wanted.until.is_none_or(|until| time <= until)
        };
        let inside = |number: &u64| {
            let entry = usize::try_from(*number).ok().and_then(|at| all.get(at)?.as_ref());
            entry.is_some_and(|entry| within(entry.time))
        };
        let numbers = 0..all.len() as u64;
        let last = numbers.clone().rev().find(inside);
        let period = numbers.clone().find(inside).zip(last);
        let narrowed = !wanted.snapshots.is_empty() || !wanted.assets.is_empty();
        let mut chosen = wanted.snapshots.clone();
        let of_asset = |asset: &String| !narrowed || wanted.assets.contains(asset);
        for (number, entry) in numbered() {
            let number: u64 = number;
            let (Event::Snapshot(stored) | Event::Adopted(stored)) = &entry.event else {
                continue;
            };
            let now = period.is_some_and(|(first, last)| (first..=last).contains(&number));
            if of_asset(&stored.asset) && (narrowed || now) {
                chosen.insert(stored.snapshot);
            }
        }
        if let Some(none) = wanted.snapshots.iter().find(|id| {
            !numbered().any(|(_, entry)| about(&entry.event).is_some_and(|a| a.contains(id)))
        }) {
            return Err(Error::NoSnapshot(none.to_string()));
        }
        let (mut entries, mut withheld) = (BTreeSet::new(), Vec::new());
        for (number, entry) in (0u64..).zip(all) {
            let now = period.is_some_and(|(first, last)| (first..=last).contains(&number));
            let beside = period.is_some_and(|(first, last)| {
                number + 1 == first || number.checked_sub(1) == Some(last)
            });
            let of = entry.as_ref().map(|entry| about(&entry.event));
            let fits = match entry.as_ref().map(|entry| &entry.event) {
                Some(Event::Forgot { snapshots, .. }) => {
                    snapshots.iter().any(|id| chosen.contains(id))
                }
                _ => of.iter().flatten().flatten().any(|id| chosen.contains(id)),
            };
            // Rules and people are what later entries are judged by.
            let basis = entry.as_ref().is_some_and(|entry| is_basis(&entry.event));
            let of_all = matches!(of, Some(None) | None) || !narrowed;
            if fits || basis || beside || now && of_all {
                entries.insert(number);
            } else if now {
                withheld.push(number);
            }
        }
        entries.extend(answered(all, &entries));
        if entries.iter().all(|n| all[*n as usize].as_ref().is_some_and(|e| is_basis(&e.event))) {
            let text = "the log has nothing in this period; give other --from and --until";
            return Err(Error::Refused(text.to_owned()));
        }
        withheld.retain(|number| !entries.contains(number));
        Ok(Self { period, entries, withheld })
    }
}

/// Requests that entries of the bundle answer, and answers to requests in it.
fn answered(all: &[Option<LogEntry>], entries: &BTreeSet<u64>) -> Vec<u64> {
    let mut more = Vec::new();
    for (number, entry) in (0u64..).zip(all) {
        let request = match entry.as_ref().map(|entry| &entry.event) {
            Some(
                Event::Released { request, .. }
                | Event::ReleaseAgreed { request, .. }
                | Event::ReleaseWithdrawn { request, .. },
            ) => *request,
            _ => continue,
        };
        if entries.contains(&request) || entries.contains(&number) {
            more.extend([number, request].into_iter().filter(|n| (*n as usize) < all.len()));
        }
    }
    more
}

/// The snapshots an entry is about; `None` when it is about the vault.
fn about(event: &Event) -> Option<BTreeSet<SnapshotId>> {
    match event {
        Event::Snapshot(stored) | Event::Adopted(stored) => Some([stored.snapshot].into()),
        Event::Retained { snapshot, .. }
        | Event::Hold { snapshot, .. }
        | Event::Undeleted { snapshot, .. }
        | Event::ReleaseAsked { snapshot, .. }
        | Event::Restored { snapshot, .. }
        | Event::Verified { snapshot, .. } => Some([*snapshot].into()),
        _ => None,
    }
}

fn is_basis(event: &Event) -> bool {
    use Event::{Init, Person, Policy, PolicyAgreed, PolicyAsked, PolicyWithdrawn};
    matches!(
        event,
        Init { .. }
            | Person { .. }
            | Policy { .. }
            | PolicyAsked { .. }
            | PolicyAgreed { .. }
            | PolicyWithdrawn { .. }
    )
}

impl Evidence {
    /// Lists of the repository files that snapshots in the bundle brought.
    fn take_lists(&mut self, folder: &Path) -> Result<()> {
        let mut total = 0;
        for (_, entry) in self.read() {
            let (Event::Snapshot(stored) | Event::Adopted(stored)) = entry.event else { continue };
            let list = stored.objects.list;
            let path = folder.join(list.to_string());
            let bytes = fs::read(&path).doing("read", &path)?;
            total += bytes.len() as u64;
            too_much(total)?;
            self.lists.insert(list, bytes);
        }
        Ok(())
    }

    /// The entries, as far as they can be read.
    fn read(&self) -> Vec<(u64, LogEntry)> {
        let read = |(number, bytes): (&u64, &Vec<u8>)| {
            Some((*number, serde_json::from_slice(bytes).ok()?))
        };
        self.entries.iter().filter_map(read).collect()
    }

    /// Snapshots whose entry is in the bundle.
    fn stored(&self) -> BTreeSet<SnapshotId> {
        let id = |(_, entry): (u64, LogEntry)| match entry.event {
            Event::Snapshot(stored) | Event::Adopted(stored) => Some(stored.snapshot),
            _ => None,
        };
        self.read().into_iter().filter_map(id).collect()
    }

    /// Signs the list of files as a person.
    pub fn sign_as(&mut self, person: &PersonKey) {
        self.sign_with(person.signer());
    }

    fn sign_with(&mut self, signer: &crate::log::Signer) {
        self.about.signed_by = Some(signer.verifying_key().to_string());
        self.signature = Some(signer.sign(&self.sums()).to_vec());
    }

    /// The bundle as one file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let files = self.render();
        too_much(files.values().map(|content| content.len() as u64).sum())?;
        let unix_secs = u64::try_from(self.about.made_at.nanos() / 1_000_000_000);
        tar::write(&files, unix_secs.unwrap_or_default())
            .ok_or_else(|| Error::Refused("a name is too long for the bundle".to_owned()))
    }

    pub fn about(&self) -> &About {
        &self.about
    }

    /// How many entries of the log are in it.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

fn too_much(bytes: u64) -> Result<()> {
    if bytes <= EVIDENCE_BYTES_MAX {
        return Ok(());
    }
    let mib = EVIDENCE_BYTES_MAX >> 20;
    let text = format!("it would be more than {mib} MiB; choose a shorter period or one asset");
    Err(Error::Refused(text))
}

impl Unlocked {
    /// Reads every snapshot in the bundle that is still there and lists the hash of each file.
    pub fn list_files(&self, evidence: &mut Evidence) -> Result<()> {
        let there = self.vault().ledger()?.snapshots;
        let mut total = 0;
        for id in evidence.stored().into_iter().filter(|id| there.contains_key(id)) {
            let text = self.hashes(&id)?;
            total += text.len() as u64;
            too_much(total)?;
            evidence.files.insert(id, text);
        }
        Ok(())
    }

    /// Signs the list of files with the key of the log; false when that key is not here.
    pub fn sign(&self, evidence: &mut Evidence) -> bool {
        let signer = self.signer().ok();
        signer.map(|signer| evidence.sign_with(signer)).is_some()
    }

    /// Lines as `sha256sum` writes them, of every file of a snapshot.
    fn hashes(&self, snapshot: &SnapshotId) -> Result<String> {
        let reading = self.engine.read(snapshot)?;
        let (mut lines, mut scratch) = (BTreeMap::new(), Scratch::default());
        reading.walk(&mut |found| {
            let Found::Entry { path, kind: Kind::File(chunks), .. } = found else {
                if let Found::Damaged { path, why } = found {
                    return Err(Error::Damaged(format!("{}: {why}", path.display())));
                }
                return Ok(());
            };
            let mut context = ring::digest::Context::new(&ring::digest::SHA256);
            for chunk in &chunks {
                context.update(reading.chunk(chunk, &mut scratch)?);
            }
            let hash: String =
                context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            lines.insert(path.strip_prefix("/").unwrap_or(&path).to_path_buf(), hash);
            Ok(())
        })?;
        let mut text = String::new();
        for (path, hash) in lines {
            let plain = path.to_string_lossy();
            let escaped = plain.replace('\\', "\\\\").replace('\n', "\\n");
            let mark = if escaped == plain { "" } else { "\\" };
            writeln!(text, "{mark}{hash}  {escaped}").expect("writing to a string");
        }
        Ok(text)
    }
}
