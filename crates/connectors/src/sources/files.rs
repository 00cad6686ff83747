//! `files:PATH`: a file or a directory tree of this machine.
//!
//! A growing log is read up to the length it had when it was opened. When it was rotated between
//! listing and opening, the listed file is looked for under its new name, so no line is lost.
//! Not kept: extended attributes and access control lists. Invariant: nothing but a regular file
//! is ever opened, and never through a link.

use super::{Context, Kind, Unusable};
use model::Time;
use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use vault::{Meta, Offer, Open, Opened, Source, Special, What, engineering::Look};

pub struct Files;

pub const FILES: Files = Files;

impl Kind for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn form(&self) -> &'static str {
        "PATH"
    }

    fn open(&self, place: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        if place.is_empty() {
            return Err(Unusable::place(self, place, "no path"));
        }
        let path = std::path::absolute(place)
            .map_err(|error| Unusable::place(self, place, error.to_string()))?;
        // A path that is not there is a fault of the backup, not of its being asked for.
        let path = path.canonicalize().unwrap_or(path);
        Ok(Box::new(Tree { path }))
    }
}

struct Tree {
    path: PathBuf,
}

impl Source for Tree {
    fn name(&self) -> String {
        format!("files:{}", self.path.display())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let mut waiting = vec![self.path.clone()];
        while let Some(path) = waiting.pop() {
            if offer.is_left_out(&path) {
                continue;
            }
            let found = match fs::symlink_metadata(&path) {
                Ok(found) => found,
                Err(error) => {
                    offer.fault(&path, error.to_string());
                    continue;
                }
            };
            if found.is_dir() {
                list(&path, &mut waiting, offer);
            }
            match what(&path, &found) {
                Ok(what) => offer.entry(path, what),
                Err(error) => offer.fault(&path, error.to_string()),
            }
        }
    }
}

fn list(path: &Path, waiting: &mut Vec<PathBuf>, offer: &mut Offer) {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return offer.fault(path, format!("cannot list it: {error}")),
    };
    for entry in entries {
        match entry {
            Ok(entry) => waiting.push(entry.path()),
            Err(error) => offer.fault(path, format!("cannot list all of it: {error}")),
        }
    }
}

fn what(path: &Path, found: &Metadata) -> io::Result<What> {
    let (meta, kind) = (meta(found), found.file_type());
    Ok(if kind.is_dir() {
        What::Directory(meta)
    } else if kind.is_symlink() {
        What::Symlink(meta, fs::read_link(path)?)
    } else if kind.is_file() {
        let (device, inode) = (found.dev(), found.ino());
        What::File(Box::new(Listed { path: path.into(), device, inode }))
    } else if kind.is_fifo() {
        What::Special(meta, Special::Pipe)
    } else if kind.is_socket() {
        What::Special(meta, Special::Socket)
    } else if kind.is_char_device() {
        What::Special(meta, Special::CharacterDevice(found.rdev()))
    } else {
        What::Special(meta, Special::BlockDevice(found.rdev()))
    })
}

pub(super) fn meta(found: &Metadata) -> Meta {
    let time = |secs, nanos| Some(Time::from_secs(secs).plus_nanos(nanos));
    Meta {
        mode: found.mode() & 0o7777,
        modified: time(found.mtime(), found.mtime_nsec()),
        changed: time(found.ctime(), found.ctime_nsec()),
        user: Some(found.uid()),
        group: Some(found.gid()),
        inode: found.ino(),
        device: found.dev(),
        links: found.nlink(),
        size: found.len(),
    }
}

/// A file as it was listed.
struct Listed {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Open for Listed {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let (file, found) = match open_regular(&self.path) {
            Ok((file, found)) if self.is(&found) => (file, found),
            // Another file has its name, or none: look where the listed one went.
            other => match self.renamed() {
                Some(moved) => moved,
                None => other?,
            },
        };
        let watched = file.try_clone()?;
        let before = meta(&found);
        let mut opened = Opened::new(before.clone(), file);
        opened.after = Some(Box::new(move || changed(&before, &watched)));
        Ok(opened)
    }

    fn look(&self) -> Option<Box<dyn Look>> {
        let (file, found) = open_regular(&self.path).ok()?;
        self.is(&found).then(|| Box::new(file) as Box<dyn Look>)
    }
}

impl Listed {
    fn is(&self, found: &Metadata) -> bool {
        found.dev() == self.device && found.ino() == self.inode
    }

    fn renamed(&self) -> Option<(File, Metadata)> {
        let entries = fs::read_dir(self.path.parent()?).ok()?;
        entries.flatten().find_map(|entry| {
            let found = entry.metadata().ok().filter(|found| self.is(found))?;
            let (file, found) = found.is_file().then(|| open_regular(&entry.path()))?.ok()?;
            self.is(&found).then_some((file, found))
        })
    }
}

/// Opens without following a link and without waiting for the other end of a pipe.
fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it was replaced by something that is no file"));
    }
    Ok((file, found))
}

/// A file that grew was appended to, and what was read of it stands. One that was written to
/// without growing may be stored half old, half new.
fn changed(before: &Meta, file: &File) -> Option<String> {
    let after = meta(&file.metadata().ok()?);
    let in_place = after.size == before.size && after.modified != before.modified;
    in_place.then(|| "it was written to while being read; the stored copy may be mixed".to_owned())
}
