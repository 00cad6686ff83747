//! The immutable flag of the file system on every object, where this process may set it.
//!
//! `FS_IOC_SETFLAGS` with `FS_IMMUTABLE_FL` (ioctl_iflags(2)): even root must clear the flag
//! first, and a service without CAP_LINUX_IMMUTABLE cannot. Invariant: whether objects are sealed
//! is tried on a file of its own at the start and told, never assumed.

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Whether published objects get the flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seal(bool);

impl Seal {
    pub const OFF: Self = Self(false);

    /// Tries the flag on a file in `directory`; the reason when it cannot be set.
    pub fn probe(directory: &Path) -> Result<Self, String> {
        let path = directory.join(".tmp-seal");
        let tried = File::create(&path).and_then(|_| set(&path, true));
        let cleared = set(&path, false);
        // Only a file that is still sealed stays, and then sealing works.
        drop(fs::remove_file(&path));
        tried.and(cleared).map(|()| Self(true)).map_err(|error| error.to_string())
    }

    pub fn is_on(self) -> bool {
        self.0
    }

    /// Makes a published file immutable.
    pub fn close(self, path: &Path) -> io::Result<()> {
        if self.0 { set(path, true) } else { Ok(()) }
    }

    /// Lets a file be removed, whoever sealed it.
    pub fn open(path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        match ioctl_getflags(&file) {
            Ok(flags) if flags.contains(IFlags::IMMUTABLE) => set(path, false),
            // A file system without flags seals nothing.
            _ => Ok(()),
        }
    }
}

fn set(path: &Path, on: bool) -> io::Result<()> {
    let file = File::open(path)?;
    let mut flags = ioctl_getflags(&file)?;
    flags.set(IFlags::IMMUTABLE, on);
    Ok(ioctl_setflags(&file, flags)?)
}
