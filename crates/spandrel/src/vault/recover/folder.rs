//! The folder of a drill, in which plant data lies in clear while it runs.
//!
//! Who drills holds a lock file in it, so that what a killed drill left is told from a drill that
//! runs. Not here: the order in which a drill ends ([`super::drill`]). Invariant: no folder is
//! removed that somebody holds, that is not of this user, or that no drill has made.

use crate::complain;
use anyhow::{Context as _, Result};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};
use tempfile::TempDir;

const PREFIX: &str = "spandrel-drill-";
const HELD: &str = "held";
const REMOVAL_TRIES: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

pub struct Folder {
    directory: TempDir,
    _held: File,
}

impl Folder {
    /// Makes one in `work`, and removes there what killed drills left.
    pub fn make(work: &Path) -> Result<Self> {
        fs::create_dir_all(work).with_context(|| format!("cannot create {}", work.display()))?;
        remove_left(work);
        let cannot = "cannot make a folder for the drill; give --work DIR";
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(work);
        let directory = directory.context(cannot)?;
        // It gets its name when it is held, so that nobody finds it between the two.
        let new = directory.path().join("new");
        let held = File::create(&new).context(cannot)?;
        // Where files cannot be locked nobody can lock it later, and no folder is removed.
        drop(held.try_lock());
        fs::rename(&new, directory.path().join(HELD)).context(cannot)?;
        Ok(Self { directory, _held: held })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Removes it with all that was restored into it.
    pub fn remove(self) -> io::Result<()> {
        let path = self.directory.keep();
        // What was killed with the isolated part may write for another moment.
        for _ in 0..REMOVAL_TRIES {
            if vault::remove_restored(&path).is_ok() {
                return Ok(());
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
        vault::remove_restored(&path)
    }
}

fn remove_left(work: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(work).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir() && meta.uid() == own);
        // In a folder of somebody else a pipe of that name would be waited for.
        if !ours {
            continue;
        }
        let Ok(held) = File::options().write(true).open(path.join(HELD)) else { continue };
        if held.try_lock().is_err() {
            continue;
        }
        match vault::remove_restored(&path) {
            Ok(()) => complain(&format!("{}: removed; a killed drill left it", path.display())),
            Err(error) => complain(&format!("{} is still there: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_drill_left_goes_and_what_is_held_or_of_somebody_else_stays() {
        let root = tempfile::tempdir().unwrap();
        let work = root.path().join("work");
        let running = Folder::make(&work).unwrap();
        let left = work.join("spandrel-drill-left");
        fs::create_dir_all(left.join("data")).unwrap();
        fs::write(left.join(HELD), b"").unwrap();
        // Made in this moment by somebody who does not hold it yet.
        let begun = work.join("spandrel-drill-begun");
        fs::create_dir(&begun).unwrap();
        let other = work.join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(HELD), b"").unwrap();
        let next = Folder::make(&work).unwrap();
        for (path, there) in
            [(running.path(), true), (&left, false), (&begun, true), (&other, true)]
        {
            assert_eq!(path.exists(), there, "{}", path.display());
        }
        running.remove().unwrap();
        next.remove().unwrap();
        assert_eq!(fs::read_dir(&work).unwrap().count(), 2);
    }
}
