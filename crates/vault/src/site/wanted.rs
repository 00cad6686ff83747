//! Which objects a log asks for, in the order a copy should take them.
//!
//! Invariant: what is small and lets a snapshot be restored comes before what is big, and within
//! one entry of the log the snapshot comes after its content.

use super::{Kind, Name};
use crate::{
    digest::Sha256,
    error::{Error, Result},
    ledger::Ledger,
    manifest::{Manifest, Object},
};
use std::collections::BTreeMap;

/// Entries that brought more bytes than this are bulk: they wait for what is smaller, and for a
/// window.
const SMALL_BYTES_MAX: u64 = 4 << 20;

pub struct Wanted {
    pub name: Name,
    pub object: Object,
    pub bulk: bool,
}

/// Every object there must be by the log; `list` gives the text of a list of objects.
pub fn wanted(ledger: &Ledger, list: impl Fn(&Sha256) -> Result<String>) -> Result<Vec<Wanted>> {
    let mut objects: BTreeMap<String, (Object, u64, bool)> = BTreeMap::new();
    for (entry, change) in &ledger.changes {
        let damaged = || Error::Damaged(format!("object list {} is damaged", change.list));
        let manifest = Manifest::parse(&list(&change.list)?).ok_or_else(damaged)?;
        for path in &manifest.removed {
            objects.remove(path);
        }
        let bulk = change.added_bytes > SMALL_BYTES_MAX;
        for (path, object) in manifest.added {
            objects.insert(path, (object, *entry, bulk));
        }
    }
    let mut found = Vec::new();
    for (path, (object, entry, bulk)) in objects {
        let strange = || Error::Damaged(format!("the log names {path:?}, which is no object"));
        let name = Name::parse_object(&path).ok_or_else(strange)?;
        if name.hash().is_some_and(|hash| hash != object.hash) {
            return Err(strange());
        }
        found.push(((bulk, entry, rank(&name)), Wanted { name, object, bulk }));
    }
    found.sort_by_key(|(order, _)| *order);
    Ok(found.into_iter().map(|(_, wanted)| wanted).collect())
}

fn rank(name: &Name) -> u8 {
    match name {
        Name::Object(Kind::Keys, _) => 1,
        Name::Object(Kind::Data, _) => 2,
        Name::Object(Kind::Index, _) => 3,
        Name::Object(Kind::Snapshots, _) => 4,
        _ => 0,
    }
}
