//! A copy as it was: the objects of an earlier size of its log, and no later one.
//!
//! Who had the key may have added an index that leads astray, or snapshots that are garbage. A
//! view leaves out all that came after the entries asked for. Invariant: a view holds exactly the
//! objects that those entries name, linked where the file system allows it and copied otherwise;
//! nothing of the copy is changed.

use super::{LogCopy, Name, REPLICA, copy, house::make_folders, wanted::wanted};
use crate::{
    digest::Sha256,
    error::{Error, IoContext, Result},
    vault::{DESCRIPTION, LOG, Vault},
};
use serde::Serialize;
use std::{fs, path::Path};

/// What a view has.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct View {
    pub entries: u64,
    pub objects: u64,
    pub bytes: u64,
    /// Named by the entries and not here.
    pub missing: Vec<String>,
}

/// Lays out the vault as its first `entries` entries tell it, in an empty directory.
pub fn view(vault: &Vault, entries: u64, to: &Path) -> Result<View> {
    let used = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        return Err(Error::Exists(to.into()));
    }
    let from = vault.directory();
    let log = LogCopy::open(&from.join(LOG), vault.log_key())?;
    if entries == 0 || entries > log.size() {
        return Err(Error::Refused(format!("the log has entries 1 to {}", log.size())));
    }
    let count = usize::try_from(entries).unwrap_or(usize::MAX);
    let ledger = copy::ledger(log.key(), &log.entries()[..count]);
    let read = |list: &Sha256| {
        let path = from.join(Name::List(*list).path());
        fs::read_to_string(&path).doing("read", path)
    };
    make_folders(to).doing("create folders in", to)?;
    fs::write(to.join(REPLICA), b"view\n").doing("write", to)?;
    let mut done = View { entries, ..View::default() };
    for wanted in wanted(&ledger, read)? {
        let (source, target) = (from.join(wanted.name.path()), to.join(wanted.name.path()));
        if !source.exists() {
            done.missing.push(wanted.name.path());
            continue;
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).doing("create", parent)?;
        }
        // An immutable file, or one of another file system, cannot be linked.
        if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target).doing("copy", &source)?;
        }
        done.objects += 1;
        done.bytes += wanted.object.size;
    }
    let (source, target) = (from.join(DESCRIPTION), to.join(DESCRIPTION));
    fs::copy(&source, target).doing("copy", source)?;
    Ok(done)
}
