//! What a vault remembers of the stores it was copied to, in `.targets` beside it.
//!
//! For people who ask how a copy stands, and so that a copy need not ask the store for the lock of
//! every object each time. Not trusted: when it is lost the store is asked. Invariant: a line of
//! `*.kept` names a version that the store has taken, with a lock it has confirmed.

use super::{Lock, Mode, Until};
use crate::{
    digest::Sha256,
    durable,
    error::{IoContext, Result},
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Where the records lie in the directory of a vault.
pub const TARGETS: &str = ".targets";

/// How a copy in a store stands. A format at rest: a field is added, never changed.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    pub address: String,
    /// `None` locks nothing.
    pub mode: Option<Mode>,
    pub tried_at: Time,
    /// When all that the log names was there last.
    pub copied_at: Option<Time>,
    /// Log entries of the copy then.
    pub entries: u64,
    pub snapshots: u64,
    pub objects: u64,
    pub bytes: u64,
    /// When the first of the objects that snapshots need may be ended; `None` when one may now.
    pub locked_until: Option<Time>,
    /// Whether all are under legal hold, because a snapshot is.
    pub held: bool,
    /// Objects over which somebody else put something, or a mark of deletion. What was there is
    /// still there, below; it was put on top again.
    pub covered: Vec<String>,
    /// Objects that the log names and that are lost or damaged here.
    pub missing: Vec<String>,
    /// Objects that were there and are there no more.
    pub gone: Vec<String>,
    /// What is odd, and why the last try ended early.
    pub notes: Vec<String>,
    pub error: Option<String>,
}

/// A version of ours in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    pub version: Option<String>,
    pub lock: Lock,
    /// Of what may change under its name: what it was.
    pub hash: Option<Sha256>,
}

/// What is known of one store.
pub(super) struct Record {
    file: PathBuf,
    pub kept: BTreeMap<String, Kept>,
}

impl Record {
    pub fn open(vault: &Path, address: &str) -> Result<Self> {
        let folder = vault.join(TARGETS);
        fs::create_dir_all(&folder).doing("create", &folder)?;
        let name = Sha256::of(address.as_bytes()).to_string();
        let file = folder.join(&name[..16]);
        let path = file.with_extension("kept");
        let text = if path.exists() {
            fs::read_to_string(&path).doing("read", &path)?
        } else {
            String::new()
        };
        // A line that cannot be read is as good as none: the store is asked.
        let kept = text.lines().filter_map(line).collect();
        Ok(Self { file, kept })
    }

    pub fn save(&self) -> Result<()> {
        let mut text = String::new();
        for (path, Kept { version, lock, hash }) in &self.kept {
            let (mode, until) = match lock.until {
                None => ("-", "-".to_owned()),
                Some(Until { time, mode: Mode::Governance }) => ("governance", time.to_string()),
                Some(Until { time, mode: Mode::Compliance }) => ("compliance", time.to_string()),
            };
            let held = if lock.held { "held" } else { "-" };
            let version = version.as_deref().unwrap_or("-");
            let hash = hash.map_or("-".to_owned(), |hash| hash.to_string());
            writeln!(text, "{path} {version} {mode} {until} {held} {hash}")
                .expect("writing to a string");
        }
        let path = self.file.with_extension("kept");
        durable::write(&path, &[text.as_bytes()], 0o644).doing("write", path)
    }

    pub fn standing(&self) -> Option<Standing> {
        read(&self.file.with_extension("json"))
    }

    pub fn set_standing(&self, standing: &Standing) -> Result<()> {
        let path = self.file.with_extension("json");
        let text = serde_json::to_vec_pretty(standing).expect("it is plain data");
        durable::write(&path, &[&text], 0o644).doing("write", path)
    }
}

fn line(text: &str) -> Option<(String, Kept)> {
    let words: Vec<&str> = text.split(' ').collect();
    let [path, version, mode, until, held, hash] = words[..] else { return None };
    let until = match mode {
        "-" => None,
        "governance" => Some(Until { time: Time::parse(until)?, mode: Mode::Governance }),
        "compliance" => Some(Until { time: Time::parse(until)?, mode: Mode::Compliance }),
        _ => return None,
    };
    let version = (!matches!(version, "-" | "null")).then(|| version.to_owned());
    let lock = Lock { until, held: held == "held" };
    Some((path.to_owned(), Kept { version, lock, hash: Sha256::parse(hash) }))
}

fn read(path: &Path) -> Option<Standing> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// How the copies of a vault in stores stand, by address.
pub fn targets(vault: &Path) -> Vec<Standing> {
    let entries = fs::read_dir(vault.join(TARGETS)).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let ours = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let mut found: Vec<Standing> = ours.filter_map(|path| read(&path)).collect();
    found.sort_by(|a, b| a.address.cmp(&b.address));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_line_that_is_none_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let mut record = Record::open(root.path(), "s3:https://store/bucket").unwrap();
        let until = Until { time: Time::from_secs(9), mode: Mode::Compliance };
        let lock = Lock { until: Some(until), held: true };
        let kept = Kept { version: Some("v1".into()), lock, hash: None };
        record.kept.insert("repository/config".into(), kept);
        let kept = Kept { version: None, lock: Lock::default(), hash: Some(Sha256::of(b"x")) };
        record.kept.insert("log/checkpoint".into(), kept);
        record.save().unwrap();
        let again = Record::open(root.path(), "s3:https://store/bucket").unwrap();
        assert_eq!(again.kept, record.kept);
        let other = Record::open(root.path(), "s3:https://store/other").unwrap();
        assert!(other.kept.is_empty(), "each store has its own");
        for bad in ["", "a b", "a v strange 1 - -", "a v governance never - -"] {
            assert_eq!(line(bad), None, "{bad}");
        }
    }
}
