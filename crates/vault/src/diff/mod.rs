//! What changed between two snapshots, in the words of each file's own format.
//!
//! Invariant: every path whose content differs has at least one row. A format that cannot tell
//! the difference, or cannot read a side, leaves the path to `bytes`.

mod archive;
mod facts;
mod historian;
mod json;
mod map;
mod project;
mod s7;
mod table;
mod text;
mod xml;

pub(crate) use self::{json::Json, s7::S7Block, table::Table};

use crate::{
    engine::{Found, Kind, Reading, Scratch, VaultEngine},
    error::Result,
    event::SnapshotId,
    limits::{DIFF_FILE_BYTES_MAX, DIFF_HISTORY_MAX, DIFF_ROWS_MAX},
    source::Meta,
    vault::Unlocked,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A format that knows what its parts mean.
pub trait Format: Sync {
    /// What stands under `kind`.
    fn name(&self) -> &'static str;

    /// The differences; `None` when this is not the format of both sides. An empty list says that
    /// they mean the same.
    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>>;

    /// Whether still earlier versions of the file say what a change means.
    fn learns(&self, _path: &Path) -> bool {
        false
    }

    /// As [`Format::compare`], with the versions before, oldest first.
    fn compare_learned(
        &self,
        path: &Path,
        _earlier: &[Vec<u8>],
        before: &[u8],
        after: &[u8],
    ) -> Option<Vec<Difference>> {
        self.compare(path, before, after)
    }
}

/// The formats that need nothing but the bytes, in the order they are tried.
pub const FORMATS: &[&dyn Format] = &[
    &S7Block,
    &facts::Facts,
    &archive::Archive,
    &map::ModbusMap,
    &historian::Historian,
    &project::L5X,
    &project::PLCOPEN,
    &project::NODESET,
    &Json,
    &Table,
    &text::Text,
];

/// A promise to scripts: `vault diff --format json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    pub path: String,
    pub change: Change,
    pub kind: &'static str,
    /// Part of the file: a register, a line's section, a pointer.
    pub unit: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Why someone should look at it.
    pub risk: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Added,
    Removed,
    Changed,
}

/// A row before it has a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub change: Change,
    pub unit: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    pub risk: Option<&'static str>,
}

impl Difference {
    /// Change of a part from one text to another; `None` when they are equal.
    pub fn of(
        unit: impl Into<String>,
        before: Option<String>,
        after: Option<String>,
    ) -> Option<Self> {
        let change = match (&before, &after) {
            (Some(before), Some(after)) if before != after => Change::Changed,
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            _ => return None,
        };
        Some(Self { change, unit: Some(unit.into()), before, after, risk: None })
    }
}

impl Unlocked {
    /// Rows sorted by path; `formats` are tried before the built-in ones.
    pub fn diff(
        &self,
        before: &SnapshotId,
        after: &SnapshotId,
        formats: &[&dyn Format],
    ) -> Result<Vec<Row>> {
        let sides = (Side::read(self, before)?, Side::read(self, after)?);
        let paths: BTreeSet<&PathBuf> =
            sides.0.entries.keys().chain(sides.1.entries.keys()).collect();
        let mut rows = Vec::new();
        let mut history = History { vault: self, of: before, sides: None };
        for path in paths {
            let entries = (sides.0.entries.get(path), sides.1.entries.get(path));
            match entries {
                (Some(a), Some(b)) => {
                    let formats = Formats { own: formats, history: &mut history };
                    compare(path, (&sides.0, a), (&sides.1, b), formats, &mut rows)?
                }
                (a, b) => rows.extend(appeared_or_gone(path, a, b)),
            }
        }
        Ok(rows)
    }
}

type EntryOf = (Meta, Kind);

struct Formats<'a, 'v> {
    own: &'a [&'a dyn Format],
    history: &'a mut History<'v>,
}

/// Snapshots of the same sources before the one that is compared, read when they are needed.
struct History<'v> {
    vault: &'v Unlocked,
    of: &'v SnapshotId,
    sides: Option<Vec<Side>>,
}

impl History<'_> {
    /// Versions of a file, oldest first; one that is damaged teaches nothing.
    fn versions(&mut self, path: &Path) -> Result<Vec<Vec<u8>>> {
        if self.sides.is_none() {
            let ledger = self.vault.vault.ledger()?;
            let mut ids = Vec::new();
            if let Some(own) = ledger.snapshots.get(self.of) {
                let mut earlier: Vec<_> = ledger
                    .snapshots
                    .values()
                    .filter(|r| r.entry < own.entry && r.asset == own.asset)
                    .filter(|r| r.sources.iter().any(|source| own.sources.contains(source)))
                    .collect();
                earlier.sort_by_key(|record| record.entry);
                let from = earlier.len().saturating_sub(DIFF_HISTORY_MAX);
                ids.extend(earlier.drain(from..).map(|record| record.snapshot));
            }
            let read = |id: &SnapshotId| Side::read(self.vault, id).ok();
            self.sides = Some(ids.iter().filter_map(read).collect());
        }
        let sides = self.sides.iter().flatten();
        let content = |side: &Side| {
            let (meta, kind) = side.entries.get(path)?;
            (meta.size <= DIFF_FILE_BYTES_MAX).then(|| side.content(kind).ok()).flatten()
        };
        Ok(sides.filter_map(content).collect())
    }
}

struct Side {
    reading: Box<dyn Reading>,
    entries: BTreeMap<PathBuf, EntryOf>,
}

impl Side {
    fn read(vault: &Unlocked, snapshot: &SnapshotId) -> Result<Self> {
        let reading = vault.engine.read(snapshot)?;
        let mut entries = BTreeMap::new();
        reading.walk(&mut |found| {
            match found {
                Found::Entry { path, meta, kind } => drop(entries.insert(path, (meta, kind))),
                Found::Damaged { path, why } => {
                    let text = format!("{} in snapshot {snapshot}: {why}", path.display());
                    return Err(crate::Error::Damaged(text));
                }
            }
            Ok(())
        })?;
        Ok(Self { reading, entries })
    }

    fn content(&self, kind: &Kind) -> Result<Vec<u8>> {
        let (mut bytes, mut scratch) = (Vec::new(), Scratch::default());
        if let Kind::File(chunks) = kind {
            for chunk in chunks {
                bytes.extend_from_slice(self.reading.chunk(chunk, &mut scratch)?);
            }
        }
        Ok(bytes)
    }
}

fn compare(
    path: &Path,
    before: (&Side, &EntryOf),
    after: (&Side, &EntryOf),
    formats: Formats<'_, '_>,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let ((a_side, (a_meta, a_kind)), (b_side, (b_meta, b_kind))) = (before, after);
    if a_kind == b_kind {
        let modes = Difference::of("permissions", octal(a_meta), octal(b_meta));
        rows.extend(modes.map(|difference| row(path, "metadata", difference)));
        return Ok(());
    }
    let small = a_meta.size.max(b_meta.size) <= DIFF_FILE_BYTES_MAX;
    let files = matches!((a_kind, b_kind), (Kind::File(_), Kind::File(_)));
    if files && small {
        let (a, b) = (a_side.content(a_kind)?, b_side.content(b_kind)?);
        for format in formats.own.iter().chain(FORMATS) {
            let found = if format.learns(path) {
                let earlier = formats.history.versions(path)?;
                format.compare_learned(path, &earlier, &a, &b)
            } else {
                format.compare(path, &a, &b)
            };
            let Some(found) = found.filter(|found| !found.is_empty()) else { continue };
            let more = found.len().saturating_sub(DIFF_ROWS_MAX);
            rows.extend(found.into_iter().take(DIFF_ROWS_MAX).map(|d| row(path, format.name(), d)));
            if more > 0 {
                let unit = Some(format!("{more} more differences"));
                let (change, before, after, risk) = (Change::Changed, None, None, None);
                let rest = Difference { change, unit, before, after, risk };
                rows.push(row(path, format.name(), rest));
            }
            return Ok(());
        }
    }
    let (before, after) = (Some(shown(a_meta, a_kind)), Some(shown(b_meta, b_kind)));
    let difference = Difference { change: Change::Changed, unit: None, before, after, risk: None };
    rows.push(row(path, "bytes", difference));
    Ok(())
}

fn appeared_or_gone(path: &Path, a: Option<&EntryOf>, b: Option<&EntryOf>) -> Option<Row> {
    let text = |entry: &EntryOf| shown(&entry.0, &entry.1);
    let change = if a.is_none() { Change::Added } else { Change::Removed };
    // A directory is told by what is in it.
    let directory = [a, b].into_iter().flatten().any(|(_, kind)| *kind == Kind::Directory);
    let (before, after) = (a.map(text), b.map(text));
    let difference = Difference { change, unit: None, before, after, risk: None };
    (!directory).then(|| row(path, "bytes", difference))
}

fn row(path: &Path, kind: &'static str, difference: Difference) -> Row {
    let Difference { change, unit, before, after, risk } = difference;
    Row { path: path.to_string_lossy().into_owned(), change, kind, unit, before, after, risk }
}

fn octal(meta: &Meta) -> Option<String> {
    Some(format!("{:o}", meta.mode))
}

fn shown(meta: &Meta, kind: &Kind) -> String {
    match kind {
        Kind::File(_) => format!("{} bytes", meta.size),
        Kind::Directory => "directory".to_owned(),
        Kind::Symlink(to) => format!("link to {}", to.display()),
        Kind::Special(_) => "special file".to_owned(),
    }
}
