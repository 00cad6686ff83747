//! Whether what was restored is the snapshot: every byte that lies there against its hash.
//!
//! Not here: restoring ([`crate::restore`]). Invariant: a file counts only when it was read back
//! from where it was restored to, had every hash of the snapshot, and not a byte more; where its
//! format is known, that format could open it.

use crate::{
    digest::Sha256,
    engine::{ChunkId, Found, Kind, Reading, VaultEngine},
    error::Result,
    event::SnapshotId,
    limits::CHECKED_FILE_BYTES_MAX,
    onlooker::Onlooker,
    prove::{Check, Proof},
    source::{Fault, Meta},
    vault::Unlocked,
};
use std::{
    fs::{self, File, Permissions},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

type Verdict = std::result::Result<(), String>;

impl Unlocked {
    /// Compares all that was restored below `root` with its snapshot.
    pub fn compare_restored(
        &self,
        snapshot: &SnapshotId,
        root: &Path,
        checks: &[&dyn Check],
        onlooker: &dyn Onlooker,
    ) -> Result<Proof> {
        let reading = self.engine.read(snapshot)?;
        let mut proof = Proof::default();
        let against = Against { reading: &*reading, checks, onlooker };
        reading.walk(&mut |found| {
            let (path, verdict) = match found {
                Found::Damaged { path, why } => (path, Err(why)),
                Found::Entry { path, meta, kind } => {
                    let place = root.join(path.strip_prefix("/").unwrap_or(&path));
                    let verdict = against.entry((&path, &place), &meta, kind, &mut proof);
                    (path, verdict)
                }
            };
            if let Err(why) = verdict {
                proof.errors.push(Fault::new("", &path, why));
            }
            Ok(())
        })?;
        Ok(proof)
    }
}

struct Against<'a> {
    reading: &'a dyn Reading,
    checks: &'a [&'a dyn Check],
    onlooker: &'a dyn Onlooker,
}

impl Against<'_> {
    fn entry(
        &self,
        (path, place): (&Path, &Path),
        meta: &Meta,
        kind: Kind,
        proof: &mut Proof,
    ) -> Verdict {
        let there = || fs::symlink_metadata(place).map_err(|error| error.to_string());
        let other = || Err("something else is in its place".to_owned());
        match kind {
            Kind::Special(_) => {
                proof.left_out += 1;
                Ok(())
            }
            Kind::Directory => {
                let there = there()?;
                if !there.is_dir() {
                    return other();
                }
                // One that is closed to its owner is read all the same.
                let open = Permissions::from_mode(there.permissions().mode() | 0o700);
                fs::set_permissions(place, open).map_err(|error| error.to_string())
            }
            Kind::Symlink(link) => {
                if !there()?.is_symlink() {
                    return other();
                }
                match fs::read_link(place) {
                    Ok(to) if to == link => Ok(()),
                    Ok(_) => Err("the link leads elsewhere".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Kind::File(chunks) => {
                if !there()?.is_file() {
                    return other();
                }
                self.file((path, place), meta, &chunks, proof)
            }
        }
    }

    fn file(
        &self,
        (path, place): (&Path, &Path),
        meta: &Meta,
        chunks: &[ChunkId],
        proof: &mut Proof,
    ) -> Verdict {
        let mut file = opened(place).map_err(|error| error.to_string())?;
        let (mut length, mut bytes) = (0, Vec::new());
        for chunk in chunks {
            let size = self.reading.chunk_length(chunk).ok_or("a chunk is not in the index")?;
            bytes.resize(size as usize, 0);
            file.read_exact(&mut bytes).map_err(|error| error.to_string())?;
            if Sha256::of(&bytes) != *chunk {
                return Err(format!("its bytes from {length} on are others"));
            }
            length += u64::from(size);
            self.onlooker.passed(path, u64::from(size));
        }
        let more = file.read(&mut [0]).map_err(|error| error.to_string())?;
        if length != meta.size || more > 0 {
            return Err(format!("it is longer or shorter than the {} bytes stored", meta.size));
        }
        proof.files += 1;
        proof.bytes += length;
        self.by_format((path, place), meta.size, proof)
    }

    /// Opens it where it lies, or hands its content to what knows the format.
    fn by_format(&self, (path, place): (&Path, &Path), size: u64, proof: &mut Proof) -> Verdict {
        for check in self.checks.iter().filter(|check| check.fits(path)) {
            let verdict = match check.open(place) {
                Some(verdict) => Some(verdict),
                None if size > CHECKED_FILE_BYTES_MAX => {
                    proof.too_large += 1;
                    return Ok(());
                }
                None => {
                    let content = fs::read(place).map_err(|error| error.to_string())?;
                    check.check(&content)
                }
            };
            if let Some(verdict) = verdict {
                verdict.map_err(|why| format!("{}: {why}", check.name()))?;
                *proof.checked.entry(check.name()).or_default() += 1;
                break;
            }
        }
        Ok(())
    }
}

/// Opens a file that may be closed to its owner.
fn opened(place: &Path) -> io::Result<File> {
    match File::open(place) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(place, Permissions::from_mode(0o600))?;
            File::open(place)
        }
        opened => opened,
    }
}
