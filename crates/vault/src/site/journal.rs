//! A site's own log: what it took in, saw, refused and noticed, signed with its own key.
//!
//! Nobody who pushes to the site or is mirrored by it holds this key. The same key cosigns the
//! logs of others: the site is their witness. Invariant: entries' times never go back, and an
//! entry is on disk when [`Journal::note`] answers.

use crate::{
    digest::Sha256,
    error::{Error, IoContext, Result},
    key::PersonKey,
    log::{Checkpoint, Log, VerifyingKey, Writing, tile},
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

const KEY: &str = "key";
const PUBLIC: &str = "key.pub";
const LOG: &str = "log";

pub struct Journal {
    directory: PathBuf,
    key: PersonKey,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Clock of the site; never before the entry in front.
    pub time: Time,
    #[serde(flatten)]
    pub noted: Noted,
}

/// A format at rest: a field is added, never changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Noted {
    /// First entry.
    Opened { name: String },
    /// A vault was begun by a client.
    Begun { vault: String, client: String, log: String },
    /// A client's log grew; the entries' content is here, except `missing` objects.
    Extended { vault: String, client: String, size: u64, root: Sha256, missing: u64 },
    /// All that a checkpoint of another site's vault names is here, except `missing` objects.
    Mirrored { log: String, size: u64, root: Sha256, objects: u64, bytes: u64, missing: u64 },
    /// Another site said that it holds a vault of this one up to a checkpoint.
    Acknowledged { vault: String, client: String, size: u64, root: Sha256 },
    /// Attempts that were refused; `count` of one sort since `since`.
    Denied {
        client: String,
        method: String,
        what: String,
        why: String,
        count: u64,
        since: Time,
        /// The first one, shortened.
        example: String,
    },
    /// A log is not a continuation of what this site has seen; its checkpoint is kept.
    Diverged { log: String, why: String, entry: Option<u64>, ours: String, theirs: String },
    /// Entries that break a rule of the vault they are of.
    Broken { log: String, entry: u64, why: String },
    /// Bytes that were offered under a name they do not hash to.
    Damaged { path: String, from: String },
    /// Space is running out.
    Alarm { what: String, used_bytes: u64, bytes_max: u64 },
    /// Copies that the log let go were removed here.
    Reclaimed { log: String, objects: u64, bytes: u64, list: Sha256 },
    /// The copy became a vault of its own.
    Promoted { log: String, size: u64, by: String },
    /// Another site said that it has taken over; no backup is taken here from then on.
    Fenced { log: String, site: String, at: Time, by: String, from: String },
    /// A person lifted that.
    Unfenced { log: String, reason: String, by: String },
    /// The vault of this site was kept aside; so many entries are in both, so many only there.
    SetAside { log: String, common: u64, own: u64, by: String },
}

impl Journal {
    /// Opens the journal in a site's own directory; begins it, with a new key, when there is none.
    pub fn open(directory: &Path, name: &str, now: Time) -> Result<Self> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
        made.doing("create", directory)?;
        let path = directory.join(KEY);
        let key =
            if path.exists() { PersonKey::read(&path)? } else { PersonKey::create(&path, name)? };
        let journal = Self { directory: directory.into(), key };
        let public = journal.public();
        let path = directory.join(PUBLIC);
        if !path.exists() {
            fs::write(&path, format!("{public}\n")).doing("write", &path)?;
        }
        let log = directory.join(LOG);
        if !log.join(tile::CHECKPOINT).exists() {
            Log::create(&log, journal.key.signer())?;
            journal.note(Noted::Opened { name: public.name }, now)?;
        }
        Ok(journal)
    }

    /// The site's public key: of its journal, and of it as a witness.
    pub fn public(&self) -> VerifyingKey {
        self.key.public()
    }

    /// Signs as the site, in whose name nobody else can.
    pub(crate) fn sign(&self, message: &str) -> String {
        self.key.sign(message)
    }

    /// Writes an entry; its number.
    pub fn note(&self, noted: Noted, now: Time) -> Result<u64> {
        let directory = self.directory.join(LOG);
        let _turn = Writing::begin(&directory)?;
        let mut last = Time::default();
        let mut log = Log::open(&directory, &self.public(), |_, entry| {
            last = last.max(time_of(entry));
        })?;
        let entry = Entry { time: now.max(last), noted };
        log.append(self.key.signer(), serde_json::to_vec(&entry).expect("it is plain data"))
    }

    /// All entries, checked against the signed checkpoint.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        read(&self.directory, &self.public())
    }

    /// Cosigns a checkpoint as the witness this site is.
    pub fn cosign(&self, note: &str, now: Time) -> Option<String> {
        if Checkpoint::cosigned_by(note, &self.public()).is_some() {
            return Some(note.to_owned());
        }
        let unix_secs = u64::try_from(now.nanos() / 1_000_000_000).unwrap_or_default();
        Checkpoint::cosign(note, self.key.signer(), unix_secs)
    }
}

/// Reads a journal without its private key.
pub fn entries(directory: &Path) -> Result<Vec<Entry>> {
    let path = directory.join(PUBLIC);
    let text = fs::read_to_string(&path).doing("read", &path)?;
    let invalid = || Error::Damaged(format!("{} is no public key", path.display()));
    read(directory, &VerifyingKey::parse(&text).ok_or_else(invalid)?)
}

fn read(directory: &Path, key: &VerifyingKey) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut unread = None;
    Log::open(&directory.join(LOG), key, |number, entry| match serde_json::from_slice(entry) {
        Ok(entry) => found.push(entry),
        Err(_) => drop(unread.get_or_insert(number)),
    })?;
    match unread {
        None => Ok(found),
        Some(number) => Err(Error::Damaged(format!("entry {number} of the journal is none"))),
    }
}

fn time_of(entry: &[u8]) -> Time {
    serde_json::from_slice::<Entry>(entry).map_or(Time::default(), |entry| entry.time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_never_go_back_and_a_changed_entry_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let site = root.path().join("site");
        let at = Time::from_secs;
        let journal = Journal::open(&site, "site-b", at(1_000)).unwrap();
        let alarm = || Noted::Alarm { what: "disk".into(), used_bytes: 8, bytes_max: 10 };
        journal.note(alarm(), at(2_000)).unwrap();
        journal.note(alarm(), at(5)).unwrap();
        let again = Journal::open(&site, "ignored", at(1)).unwrap();
        let times: Vec<_> = again.entries().unwrap().iter().map(|entry| entry.time).collect();
        assert_eq!(times, [at(1_000), at(2_000), at(2_000)]);
        assert_eq!(entries(&site).unwrap(), again.entries().unwrap());
        let bundle = site.join("log/tile/entries/000.p/3");
        let text = fs::read_to_string(&bundle).unwrap().replace("disk", "dusk");
        fs::write(&bundle, text).unwrap();
        assert!(entries(&site).is_err());
    }

    /// The format at rest. A change here breaks the journals that exist.
    #[test]
    fn entries_keep_their_form() {
        let entry = Entry {
            time: Time::from_secs(2),
            noted: Noted::Denied {
                client: "edge-7".into(),
                method: "DELETE".into(),
                what: "data".into(),
                why: "nothing is deleted".into(),
                count: 3,
                since: Time::from_secs(1),
                example: "/plant/data/00".into(),
            },
        };
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:02.000000Z","kind":"denied","client":"edge-7","#,
            r#""method":"DELETE","what":"data","why":"nothing is deleted","count":3,"#,
            r#""since":"1970-01-01T00:00:01.000000Z","example":"/plant/data/00"}"#,
        );
        assert_eq!(serde_json::to_string(&entry).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Entry>(expected).unwrap(), entry);
    }
}
