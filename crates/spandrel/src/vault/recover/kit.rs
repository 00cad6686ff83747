//! A restore kit: files for a controller, what a person does with them, and how to tell that the
//! controller then holds what it must.
//!
//! Nothing here writes to a controller, and nothing ever will. Invariant: equal files have equal
//! fingerprints, whatever their times and owners are.

use anyhow::{Context as _, Result};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};
use vault::{Row, Sha256};

#[derive(Serialize)]
pub struct Fingerprint {
    pub fingerprint: Sha256,
    /// SHA-256 of each file, by its path.
    pub files: BTreeMap<PathBuf, Sha256>,
}

/// Adds instructions and fingerprint to the files in `folder/files`.
pub fn write(folder: &Path, instructions: &str, row: &Row) -> Result<Sha256> {
    let found = fingerprint(&folder.join("files"))?;
    let (id, time, asset, sum) = (row.id, row.time, &row.asset, found.fingerprint);
    let text = format!(
        "RESTORE KIT for {asset}\n\nFiles of snapshot {id}\ntaken {time}\n\n{}\n\n\
         Spandrel never writes to a controller: a person does, with the tool of its maker.\n\
         Expected fingerprint of the folder `files`:\n  {sum}\n\
         Before loading:  spandrel vault recover fingerprint files\n\
         After loading:   back the controller up again and compare with the snapshot above:\n  \
         spandrel vault diff VAULT {} latest\n\
         No difference in its program means that it holds what it must.\n",
        instructions.trim(),
        &id.to_string()[..12],
    );
    fs::write(folder.join("INSTRUCTIONS.txt"), text).context("cannot write the instructions")?;
    let json = serde_json::to_vec_pretty(&found)?;
    fs::write(folder.join("fingerprint.json"), json).context("cannot write the fingerprint")?;
    Ok(sum)
}

/// What a folder holds.
pub fn fingerprint(folder: &Path) -> Result<Fingerprint> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let cannot = || format!("cannot read {}", path.display());
        let kind = fs::symlink_metadata(&path).with_context(cannot)?;
        if kind.is_dir() {
            for entry in fs::read_dir(&path).with_context(cannot)? {
                waiting.push(entry.with_context(cannot)?.path());
            }
        } else if kind.is_file() {
            let hash = File::open(&path).and_then(Sha256::of_reader).with_context(cannot)?.0;
            files.insert(path.strip_prefix(folder).unwrap_or(&path).to_owned(), hash);
        }
    }
    let lines: String =
        files.iter().map(|(path, hash)| format!("{hash}  {}\n", path.display())).collect();
    Ok(Fingerprint { fingerprint: Sha256::of(lines.as_bytes()), files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_renamed_or_added_file_changes_the_fingerprint_and_a_time_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("blocks")).unwrap();
        fs::write(at("blocks/OB1.mc7"), b"one").unwrap();
        let first = fingerprint(folder.path()).unwrap().fingerprint;
        fs::write(at("blocks/OB1.mc7"), b"one").unwrap();
        assert_eq!(fingerprint(folder.path()).unwrap().fingerprint, first);
        fs::write(at("blocks/OB1.mc7"), b"two").unwrap();
        let changed = fingerprint(folder.path()).unwrap().fingerprint;
        fs::rename(at("blocks/OB1.mc7"), at("blocks/OB2.mc7")).unwrap();
        let renamed = fingerprint(folder.path()).unwrap().fingerprint;
        assert!(first != changed && changed != renamed);
    }
}
