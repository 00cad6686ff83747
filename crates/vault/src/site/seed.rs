//! Seeding by disk: what a second site lacks is carried there, and only the rest goes over the
//! link.
//!
//! An export is a directory laid out like a vault, with the whole log and the objects that came
//! after a checkpoint; importing is copying from it. Not here: the copying ([`super::pull`]).
//! Invariant: every object is checked by its name when it is exported and when it is imported.

use super::{
    Fetched, LogCopy, Name, Origin, copy,
    house::make_folders,
    wanted::{Wanted, wanted},
};
use crate::{
    digest::Sha256,
    durable,
    error::{Error, IoContext, Result},
    limits::LEAF_BYTES_MAX,
    log::Checkpoint,
    manifest::Object,
    vault::{DESCRIPTION, LOG, Vault},
    verify::Directory,
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// How an export ended.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    pub entries: u64,
    pub objects: u64,
    pub bytes: u64,
    /// Lost or damaged here, so not on the disk.
    pub missing: Vec<String>,
}

/// Writes what came after the checkpoint `since` into an empty directory.
pub fn export(vault: &Vault, since: Option<&str>, to: &Path) -> Result<Exported> {
    let used = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        return Err(Error::Exists(to.into()));
    }
    let from = vault.directory();
    let log = LogCopy::open(&from.join(LOG), vault.log_key())?;
    let there = already(vault, &log, since)?;
    let ledger = log.ledger();
    make_folders(to).doing("create folders in", to)?;
    let mut done = Exported { entries: log.size(), ..Exported::default() };
    for (_, change) in &ledger.changes {
        let name = Name::List(change.list);
        let list = Object { hash: change.list, size: LEAF_BYTES_MAX as u64 };
        if !copy_checked(from, to, &name, &list, false)? {
            return Err(Error::Damaged(format!("{name} is damaged")));
        }
    }
    let read = |list: &Sha256| {
        let path = from.join(Name::List(*list).path());
        fs::read_to_string(&path).doing("read", path)
    };
    for Wanted { name, object, .. } in wanted(&ledger, read)? {
        let path = name.object_path().unwrap_or_default();
        // The config is small, and without it nothing opens.
        if there.contains(&path) && name != Name::Config {
            continue;
        }
        if copy_checked(from, to, &name, &object, true)? {
            done.objects += 1;
            done.bytes += object.size;
        } else {
            done.missing.push(name.path());
        }
    }
    let mut carried = LogCopy::open(&to.join(LOG), vault.log_key())?;
    carried.extend(&log.note()?.unwrap_or_default(), log.entries().to_vec())?;
    let path = from.join(DESCRIPTION);
    let description = fs::read(&path).doing("read", path)?;
    let path = to.join(DESCRIPTION);
    durable::write(&path, &[&description], 0o644).doing("write", path)?;
    Ok(done)
}

/// Objects that the other site has by its checkpoint.
fn already(vault: &Vault, log: &LogCopy, since: Option<&str>) -> Result<BTreeSet<String>> {
    let Some(note) = since else { return Ok(BTreeSet::new()) };
    let theirs = Checkpoint::open(note, log.key())
        .map_err(|why| Error::Refused(format!("the checkpoint given: {why}")))?;
    if log.root(theirs.size) != Some(theirs.root) {
        let text = "the checkpoint given is not of this vault's history";
        return Err(Error::Refused(text.to_owned()));
    }
    let size = usize::try_from(theirs.size).unwrap_or(usize::MAX);
    let before = copy::ledger(log.key(), &log.entries()[..size]);
    Ok(vault.known_objects(&before)?.into_keys().collect())
}

/// Copies a file and checks it on the way; false when it is lost or damaged here.
fn copy_checked(from: &Path, to: &Path, name: &Name, object: &Object, exact: bool) -> Result<bool> {
    let (source, target) = (from.join(name.path()), to.join(name.path()));
    let Ok(file) = File::open(&source) else { return Ok(false) };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).doing("create", parent)?;
    }
    let mut written = File::create(&target).doing("write", &target)?;
    let tee = Tee { inner: file, to: &mut written };
    let (hash, size) = Sha256::of_reader(tee).doing("copy", &source)?;
    written.sync_all().doing("write", &target)?;
    let right = hash == object.hash && (!exact || size == object.size);
    if !right {
        fs::remove_file(&target).doing("remove", &target)?;
    }
    Ok(right)
}

struct Tee<'a> {
    inner: File,
    to: &'a mut File,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.to.write_all(&buffer[..n])?;
        Ok(n)
    }
}

/// A vault or an export in a directory of this machine.
impl Origin for Directory {
    fn open(&self, name: &Name, offset: u64) -> io::Result<Fetched> {
        let mut file = File::open(self.0.join(name.path()))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Fetched { reader: Box::new(file), offset })
    }

    fn acknowledge(&self, _note: &str) -> io::Result<()> {
        Ok(())
    }
}
