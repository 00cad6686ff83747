//! Objects on their way in: kept until whole, hashed while they come, published only when right.
//!
//! An upload that breaks off goes on where it stopped, also after a restart of either end.
//! Invariant: a file appears under its name after its bytes hash to it and are on the disk; an
//! object that is there is never replaced.

use super::Seal;
use crate::{digest::Sha256, durable};
use ring::digest::{Context, SHA256};
use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Unfinished objects of one sender.
#[derive(Clone)]
pub struct Inbox {
    directory: PathBuf,
}

impl Inbox {
    /// The inbox of `sender` below a site's own directory.
    pub fn of(site: &Path, sender: &str) -> io::Result<Self> {
        let directory = site.join("incoming").join(sender);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// Bytes that are there of an unfinished object.
    pub fn length(&self, hash: &Sha256) -> io::Result<u64> {
        match fs::metadata(self.path(hash)) {
            Ok(meta) => Ok(meta.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Opens an unfinished object to write on at its end; what is there is hashed first.
    pub fn open(&self, hash: Sha256) -> io::Result<Part> {
        let path = self.path(&hash);
        let mut file =
            File::options().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let mut part =
            Part { hash, path, digest: Context::new(&SHA256), length: 0, file: file.try_clone()? };
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(part),
                Ok(n) => {
                    part.digest.update(&buffer[..n]);
                    part.length += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Number and bytes of unfinished objects.
    pub fn held(&self) -> io::Result<(u64, u64)> {
        let mut held = (0, 0);
        for entry in fs::read_dir(&self.directory)? {
            held.0 += 1;
            held.1 += entry?.metadata()?.len();
        }
        Ok(held)
    }

    /// Removes what nobody went on with for so long.
    pub fn expire(&self, age: Duration, now: SystemTime) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let modified = entry.metadata()?.modified()?;
            if now.duration_since(modified).is_ok_and(|since| since > age) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, hash: &Sha256) -> PathBuf {
        self.directory.join(hash.to_string())
    }
}

/// An object that is not whole yet.
pub struct Part {
    hash: Sha256,
    path: PathBuf,
    file: File,
    digest: Context,
    length: u64,
}

/// The bytes that came do not hash to the name.
#[derive(Debug, thiserror::Error)]
#[error("its bytes do not hash to its name")]
pub struct Mismatch;

impl Part {
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.digest = Context::new(&SHA256);
        self.length = 0;
        Ok(())
    }

    /// Checks the whole object; a wrong one is removed, so that the next try begins anew.
    pub fn check(self) -> io::Result<Result<Whole, Mismatch>> {
        let digest = self.digest.finish();
        if digest.as_ref() != self.hash.0 {
            fs::remove_file(&self.path)?;
            return Ok(Err(Mismatch));
        }
        self.file.sync_all()?;
        Ok(Ok(Whole { path: self.path, file: self.file }))
    }
}

/// An object that is whole, right and on the disk, and not under its name yet.
pub struct Whole {
    path: PathBuf,
    file: File,
}

impl Whole {
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        fs::read(&self.path)
    }

    /// Puts it under its name, unless something is there already.
    pub fn publish(self, to: &Path, seal: Seal) -> io::Result<()> {
        let parent = to.parent().unwrap_or(Path::new("."));
        if !parent.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            durable::sync_directory(parent.parent().unwrap_or(Path::new(".")))?;
        }
        if to.exists() {
            return fs::remove_file(&self.path);
        }
        self.file.set_permissions(Permissions::from_mode(0o400))?;
        fs::rename(&self.path, to)?;
        durable::sync_directory(parent)?;
        seal.close(to)
    }

    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_comes_in_pieces_is_published_once_and_a_wrong_one_never() {
        let root = tempfile::tempdir().unwrap();
        let inbox = Inbox::of(root.path(), "edge").unwrap();
        let bytes = vec![7_u8; 700_000];
        let hash = Sha256::of(&bytes);
        let to = root.path().join("data/aa/object");
        for piece in bytes.chunks(300_000) {
            let mut part = inbox.open(hash).unwrap();
            part.write(piece).unwrap();
        }
        assert_eq!(inbox.length(&hash).unwrap(), 700_000);
        let whole = inbox.open(hash).unwrap().check().unwrap().unwrap();
        whole.publish(&to, Seal::OFF).unwrap();
        assert_eq!(fs::read(&to).unwrap(), bytes);
        assert_eq!(inbox.held().unwrap(), (0, 0));
        let mut part = inbox.open(hash).unwrap();
        part.write(&bytes[1..]).unwrap();
        assert!(part.check().unwrap().is_err());
        assert_eq!(inbox.held().unwrap(), (0, 0));
    }

    #[test]
    fn what_nobody_went_on_with_goes_after_its_time() {
        let root = tempfile::tempdir().unwrap();
        let inbox = Inbox::of(root.path(), "edge").unwrap();
        inbox.open(Sha256::of(b"x")).unwrap().write(b"y").unwrap();
        let hour = Duration::from_secs(3_600);
        inbox.expire(hour, SystemTime::now()).unwrap();
        assert_eq!(inbox.held().unwrap(), (1, 1));
        inbox.expire(hour, SystemTime::now() + 2 * hour).unwrap();
        assert_eq!(inbox.held().unwrap(), (0, 0));
    }
}
