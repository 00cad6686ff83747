//! Objects that this machine's file system keeps from being removed: local WORM.
//!
//! The flag is the same that a vault server sets ([`crate::site::Seal`]); deleting by the rules
//! takes it off, and so can whoever is root. What it stops is a program that deletes or encrypts
//! files, and a service that runs without CAP_LINUX_IMMUTABLE. Invariant: whether objects are
//! immutable is told after every backup, never assumed.

use crate::{
    engine::Objects,
    error::{IoContext, Result},
    manifest::Manifest,
    site::Seal,
    vault::{REPOSITORY, Unlocked, Vault},
};
use std::{fs, path::Path};

const MARKER: &str = ".immutable";

impl Vault {
    /// Makes every object immutable, and those to come; how many there are. `Err` inside is why
    /// this process cannot.
    pub fn make_immutable(&self) -> Result<std::result::Result<u64, String>> {
        let directory = self.directory();
        let seal = match Seal::probe(directory) {
            Ok(seal) => seal,
            Err(why) => return Ok(Err(why)),
        };
        let marker = directory.join(MARKER);
        fs::write(&marker, b"").doing("write", marker)?;
        let repository = directory.join(REPOSITORY);
        let all = Objects::new(&repository).list()?;
        for path in all.keys() {
            let path = repository.join(path);
            seal.close(&path).doing("make immutable", path)?;
        }
        Ok(Ok(all.len() as u64))
    }

    /// Takes the flag off every object, and sets it on none to come.
    pub fn make_mutable(&self) -> Result<()> {
        let repository = self.directory().join(REPOSITORY);
        for path in Objects::new(&repository).list()?.keys() {
            let path = repository.join(path);
            Seal::open(&path).doing("make mutable", path)?;
        }
        let marker = self.directory().join(MARKER);
        if marker.exists() {
            fs::remove_file(&marker).doing("remove", marker)?;
        }
        Ok(())
    }

    pub fn is_immutable(&self) -> bool {
        self.directory().join(MARKER).exists()
    }
}

impl Unlocked {
    /// Makes new objects immutable where that is wanted; why they are not.
    pub(crate) fn seal(&self, new: &Manifest) -> Option<String> {
        if !self.vault().is_immutable() {
            return None;
        }
        let repository = self.vault().directory().join(REPOSITORY);
        let sealed = Seal::probe(self.vault().directory()).and_then(|seal| {
            let close = |path: &String| seal.close(&repository.join(path));
            new.added.keys().try_for_each(close).map_err(|error| error.to_string())
        });
        let why = sealed.err()?;
        tracing::warn!(why, "new objects are not immutable");
        Some(why)
    }
}

/// Lets an object be removed or replaced, for those who may.
pub(crate) fn unseal(path: &Path) -> std::io::Result<()> {
    if path.exists() { Seal::open(path) } else { Ok(()) }
}
