//! A vault in a store as far as restoring needs it at once: all but the packs, which are read from
//! the store as they are needed.
//!
//! Not here: which bytes to believe ([`super::Withdrawal`]). Invariant: what is laid out are the
//! index and the snapshots that the log names; where the log does not hold, all there are, and
//! that is said.

use super::Withdrawal;
use crate::{
    digest::Sha256,
    engine::Packs,
    error::{Error, IoContext, Result},
    site::{Name, Origin, name::Kind},
    vault::{REPOSITORY, Vault},
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

impl Packs for Withdrawal {
    fn open(&self, pack: &Sha256, offset: u64) -> io::Result<Box<dyn Read>> {
        let fetched = Origin::open(self, &Name::Object(Kind::Data, *pack), offset)?;
        let mut reader = fetched.reader;
        // A store that cannot begin in the middle begins earlier.
        let before = offset.saturating_sub(fetched.offset);
        let passed = io::copy(&mut (&mut reader).take(before), &mut io::sink())?;
        if passed < before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(reader)
    }
}

impl Withdrawal {
    /// Lays the vault out in an empty directory, without its packs; what is to be said about it.
    pub fn lay_out(&self, directory: &Path) -> Result<(Vault, Option<String>)> {
        let names: BTreeSet<Name> = self.paths().filter_map(|path| Name::parse(path)).collect();
        if !names.contains(&Name::Description) {
            let why = "there is no vault.json at this address of the store";
            return Err(Error::NotAVault { path: directory.into(), why });
        }
        for folder in Kind::ALL.map(Kind::folder) {
            let path = directory.join(REPOSITORY).join(folder);
            fs::create_dir_all(&path).doing("create", path)?;
        }
        let is_data = |name: &&Name| matches!(name, Name::Object(..));
        for name in names.iter().filter(|name| !is_data(name)) {
            self.fetch(name, directory)?;
        }
        let vault = Vault::open(directory)?;
        let known = vault.ledger().and_then(|ledger| vault.known_objects(&ledger));
        let (known, note) = match known {
            Ok(known) => (Some(known), None),
            Err(error) => {
                let text = format!("the log in the store does not hold ({error}): all was taken");
                (None, Some(text))
            }
        };
        for name in names.iter().filter(is_data) {
            let is_pack = matches!(name, Name::Object(Kind::Data, _));
            let path = name.object_path().unwrap_or_default();
            if !is_pack && known.as_ref().is_none_or(|known| known.contains_key(&path)) {
                self.fetch(name, directory)?;
            }
        }
        Ok((vault, note))
    }

    fn fetch(&self, name: &Name, directory: &Path) -> Result<()> {
        let path = directory.join(name.path());
        let folder = path.parent().unwrap_or(directory);
        fs::create_dir_all(folder).doing("create", folder)?;
        let mut reader = Origin::open(self, name, 0).doing("fetch", &path)?.reader;
        let mut file = File::create(&path).doing("create", &path)?;
        io::copy(&mut reader, &mut file).doing("fetch", &path)?;
        Ok(())
    }
}
