//! Lock files: one process at a time.
//!
//! Invariant: a lock is given back in the moment its holder is dropped. Closing the file would not
//! do: a child process that another thread starts has a copy of it until it runs its program.

use crate::error::{Error, IoContext, Result};
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// A locked file; dropping it unlocks.
pub struct Held(File);

impl Held {
    /// Takes the lock, or says [`Error::Busy`] when somebody has it.
    pub fn take(path: &Path) -> Result<Self> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy),
            Err(TryLockError::Error(source)) => Err(source).doing("lock", path),
        }
    }

    /// Takes the lock when it is its turn: for work of milliseconds.
    pub fn wait(path: &Path) -> Result<Self> {
        let file = open(path)?;
        file.lock().doing("lock", path)?;
        Ok(Self(file))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked by the closing that follows.
        drop(self.0.unlock());
    }
}

fn open(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).doing("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_open_file_holds_no_lock_that_was_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".lock");
        let held = Held::take(&path).unwrap();
        assert!(matches!(Held::take(&path), Err(Error::Busy)));
        let copy = held.0.try_clone().unwrap();
        drop(held);
        drop(Held::take(&path).unwrap());
        drop(copy);
        drop(Held::wait(&path).unwrap());
    }
}
