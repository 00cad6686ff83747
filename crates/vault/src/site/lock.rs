//! Locks that stock restic takes while it reads: kept per client, few, small, and never for long.
//!
//! They protect nothing here, since nothing is deleted; restic asks for them. Invariant: a client
//! removes its own locks only, and no number of them fills the disk.

use crate::{
    digest::Sha256,
    limits::{LOCK_AGE_MAX, LOCKS_MAX},
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Locks in one vault, one folder a client.
pub struct Locks(PathBuf);

impl Locks {
    pub fn of(site: &Path, vault: &str) -> Self {
        Self(site.join("locks").join(vault))
    }

    /// Name and size of every lock, whoever's it is.
    pub fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        let clients = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            clients => clients?,
        };
        for client in clients {
            for lock in fs::read_dir(client?.path())? {
                let lock = lock?;
                let name = lock.file_name().to_string_lossy().into_owned();
                found.push((name, lock.metadata()?.len()));
            }
        }
        found.sort();
        Ok(found)
    }

    pub fn read(&self, hash: &Sha256) -> io::Result<Option<Vec<u8>>> {
        let Ok(clients) = fs::read_dir(&self.0) else { return Ok(None) };
        for client in clients {
            let path = client?.path().join(hash.to_string());
            if path.exists() {
                return fs::read(path).map(Some);
            }
        }
        Ok(None)
    }

    /// Takes a lock; false when the client has too many.
    pub fn take(
        &self,
        client: &str,
        hash: &Sha256,
        bytes: &[u8],
        now: SystemTime,
    ) -> io::Result<bool> {
        let folder = self.0.join(client);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut held = 0;
        for lock in fs::read_dir(&folder)? {
            let lock = lock?;
            let modified = lock.metadata()?.modified()?;
            if now.duration_since(modified).is_ok_and(|age| age > LOCK_AGE_MAX) {
                fs::remove_file(lock.path())?;
            } else {
                held += 1;
            }
        }
        if held >= LOCKS_MAX {
            return Ok(false);
        }
        let mut file =
            fs::File::options().write(true).create_new(true).open(folder.join(hash.to_string()))?;
        file.write_all(bytes)?;
        Ok(true)
    }

    /// Gives a lock of the client's own back; false when it has no such lock.
    pub fn release(&self, client: &str, hash: &Sha256) -> io::Result<bool> {
        match fs::remove_file(self.0.join(client).join(hash.to_string())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn locks_are_few_a_client_and_each_removes_its_own() {
        let root = tempfile::tempdir().unwrap();
        let locks = Locks::of(root.path(), "press");
        let (now, hash) = (SystemTime::now(), |i: usize| Sha256::of(&i.to_be_bytes()));
        for i in 0..LOCKS_MAX {
            assert!(locks.take("a", &hash(i), b"lock", now).unwrap());
        }
        assert!(!locks.take("a", &hash(99), b"lock", now).unwrap());
        assert!(locks.take("b", &hash(98), b"lock", now).unwrap(), "another client has room");
        assert!(!locks.release("b", &hash(0)).unwrap(), "not its own");
        assert!(locks.release("a", &hash(0)).unwrap());
        assert_eq!(locks.list().unwrap().len(), LOCKS_MAX);
        assert_eq!(locks.read(&hash(98)).unwrap().unwrap(), b"lock");
        let later = now + Duration::from_secs(7_200);
        assert!(locks.take("a", &hash(99), b"lock", later).unwrap(), "old ones make room");
        assert_eq!(locks.list().unwrap().len(), 2);
    }
}
