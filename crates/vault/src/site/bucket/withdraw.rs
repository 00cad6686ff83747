//! The way back: a vault as its store has it, also when somebody put something on top.
//!
//! Whoever may write to the store may cover an object with garbage or mark it as deleted; what
//! was there lies below, locked. Invariant: of several versions the one is given that the object's
//! name or the log's key vouches for, where there is one.

use super::{Bucket, Version};
use crate::{
    digest::Sha256,
    limits::{CHECKPOINT_BYTES_MAX, SMALL_BYTES_MAX},
    log::{Checkpoint, VerifyingKey, tile},
    site::{Fetched, Name, Origin, house::description_key},
    verify::Files,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    ops::Deref,
    sync::{Mutex, PoisonError},
};

/// Checkpoints that are looked through for the one with the most entries.
const CHECKPOINTS_MAX: usize = 1_000;

/// A vault in a store, for [`super::super::Mirror`] and [`crate::verify::verify`]; for who copies
/// into it a borrowed one, to see what the way back would give.
pub struct Withdrawal<B = Box<dyn Bucket>> {
    bucket: B,
    pub(super) listed: BTreeMap<String, Vec<Version>>,
    /// What was found among several.
    chosen: Mutex<BTreeMap<String, Option<String>>>,
}

impl Withdrawal {
    /// Objects whose newest version is not the one that is given.
    pub fn covered(&self) -> Vec<String> {
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        let covered = chosen.iter().filter(|(path, version)| {
            let newest = self.listed.get(*path).and_then(|all| all.iter().find(|v| v.newest));
            newest.is_some_and(|newest| newest.deleted || newest.id != **version)
        });
        covered.map(|(path, _)| path.clone()).collect()
    }

    /// Paths of what is there.
    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        let there = |all: &&Vec<Version>| all.iter().any(|version| !version.deleted);
        self.listed.iter().filter(move |(_, all)| there(all)).map(|(path, _)| path)
    }
}

impl<'b, B: Deref<Target = dyn Bucket + 'b>> Withdrawal<B> {
    pub fn begin(bucket: B) -> io::Result<Self> {
        let listed = bucket.list()?;
        Ok(Self { bucket, listed, chosen: Mutex::default() })
    }

    /// The version to give; an error when there is none.
    fn choose(&self, name: &Name) -> io::Result<Option<String>> {
        let path = name.path();
        let all = self.listed.get(&path).map_or(&[][..], Vec::as_slice);
        let versions: Vec<&Version> = all.iter().filter(|version| !version.deleted).collect();
        let [newest, .., oldest] = versions[..] else {
            let only = versions.first().ok_or(io::ErrorKind::NotFound)?;
            if all.len() > 1 {
                self.remember(&path, only);
            }
            return Ok(only.id.clone());
        };
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some(version) = chosen {
            return Ok(version);
        }
        let found = match name {
            Name::Checkpoint => self.checkpoint(&versions)?.unwrap_or(newest),
            Name::List(hash) | Name::Object(_, hash) => {
                self.hashed(&path, hash, &versions)?.unwrap_or(newest)
            }
            // Of these the name says nothing. Each is written once, so the first is ours; what
            // reads it compares it with the log.
            Name::Description | Name::Config | Name::Tile(_) => oldest,
        };
        self.remember(&path, found);
        Ok(found.id.clone())
    }

    fn remember(&self, path: &str, version: &Version) {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.insert(path.to_owned(), version.id.clone());
    }

    fn hashed<'v>(
        &self,
        path: &str,
        hash: &Sha256,
        versions: &[&'v Version],
    ) -> io::Result<Option<&'v Version>> {
        for version in versions {
            let fetched = self.bucket.open(path, version.id.as_deref(), 0)?;
            if Sha256::of_reader(fetched.reader)?.0 == *hash {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// The checkpoint with the most entries that the log's key has signed: an old one put on top
    /// again hides nothing.
    fn checkpoint<'v>(&self, versions: &[&'v Version]) -> io::Result<Option<&'v Version>> {
        let description = self.bytes(&Name::Description, SMALL_BYTES_MAX as u64)?;
        let Some(key) = description_key(&description) else { return Ok(None) };
        let told = self.entries_by_tiles();
        let mut best: Option<(u64, &'v Version)> = None;
        for version in versions.iter().take(CHECKPOINTS_MAX) {
            let Some(size) = self.size_of(version, &key)? else { continue };
            if best.is_none_or(|(most, _)| size > most) {
                best = Some((size, version));
            }
            if size >= told {
                break;
            }
        }
        Ok(best.map(|(_, version)| version))
    }

    fn size_of(&self, version: &Version, key: &VerifyingKey) -> io::Result<Option<u64>> {
        if version.size > CHECKPOINT_BYTES_MAX {
            return Ok(None);
        }
        let path = Name::Checkpoint.path();
        let fetched = self.bucket.open(&path, version.id.as_deref(), 0)?;
        let mut note = String::new();
        let read = fetched.reader.take(CHECKPOINT_BYTES_MAX).read_to_string(&mut note);
        if read.is_err_and(|error| error.kind() != io::ErrorKind::InvalidData) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Checkpoint::open(&note, key).ok().map(|checkpoint| checkpoint.size))
    }

    /// Entries that the names of entry bundles tell of.
    fn entries_by_tiles(&self) -> u64 {
        let bundles = self.listed.keys().filter_map(|path| {
            let rest = path.strip_prefix("log/tile/entries/")?;
            let (index, width) = match rest.split_once(".p/") {
                Some((index, width)) => (index, width.parse().ok()?),
                None => (rest, tile::WIDTH),
            };
            let mut groups =
                index.split('/').map(|group| group.trim_start_matches('x').parse::<u64>());
            let index = groups.try_fold(0_u64, |sum, group| {
                group.ok().and_then(|group| sum.checked_mul(1_000)?.checked_add(group))
            })?;
            index.checked_mul(tile::WIDTH)?.checked_add(width)
        });
        bundles.max().unwrap_or_default()
    }

    /// A small file as the way back gives it.
    pub(super) fn bytes(&self, name: &Name, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.fetch_from(name, 0)?.reader.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn fetch_from(&self, name: &Name, offset: u64) -> io::Result<Fetched> {
        let version = self.choose(name)?;
        self.bucket.open(&name.path(), version.as_deref(), offset)
    }
}

impl Origin for Withdrawal {
    fn open(&self, name: &Name, offset: u64) -> io::Result<Fetched> {
        self.fetch_from(name, offset)
    }

    /// A store wants to know nothing.
    fn acknowledge(&self, _note: &str) -> io::Result<()> {
        Ok(())
    }
}

impl Files for Withdrawal {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        let name = Name::parse(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Origin::open(self, &name, 0)?.reader)
    }

    fn list(&self) -> io::Result<Option<BTreeSet<String>>> {
        let there = |all: &&Vec<Version>| all.iter().any(|version| !version.deleted);
        let listed = self.listed.iter().filter(|(_, all)| there(all));
        Ok(Some(listed.map(|(path, _)| path.clone()).collect()))
    }
}
