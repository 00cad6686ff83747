//! Folders that the owner lets restores be made in: whether they are there, and were at the start.
//!
//! At its start the agent gives up writing elsewhere for good (Landlock). That names folders, not
//! paths: one that is made or mounted later stays out of reach until the agent starts again, and
//! whoever asks for a restore is told so. Not here: whether a restore may go somewhere
//! ([`crate::allow`]). Invariant: what is said here allows nothing.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The device of a folder, and its number there.
type Identity = (u64, u64);

pub struct Rooms {
    folders: Vec<(PathBuf, Option<Identity>)>,
    /// Whether nothing but these folders can be written to until the agent ends.
    fenced: bool,
}

impl Rooms {
    /// As they are at this moment, right before the agent gives up writing elsewhere.
    pub fn look(folders: &[PathBuf]) -> Self {
        let folders = folders.iter().map(|path| (path.clone(), identity(path)));
        Rooms { folders: folders.collect(), fenced: true }
    }

    /// On a kernel that takes nothing away, one that comes later is as good.
    #[must_use]
    pub fn without_fence(self) -> Self {
        Rooms { fenced: false, ..self }
    }

    /// What to tell the owner at the start.
    pub fn wanting(&self) -> Vec<String> {
        let wanting = self.folders.iter().filter(|(_, identity)| identity.is_none());
        wanting.map(|(path, _)| self.not_there(path)).collect()
    }

    /// Why nothing can be restored to a path whose folder the owner names.
    pub fn want(&self, to: &Path) -> Option<String> {
        let named = self.folders.iter().filter(|(path, _)| to.starts_with(path));
        let mut wants = named.map(|(path, was)| match identity(path) {
            None => Some(self.not_there(path)),
            Some(is) if self.fenced && *was != Some(is) => Some(format!(
                "the folder {} was made or mounted after the agent started, which gave up writing \
                 elsewhere then: start the agent on the host again",
                path.display()
            )),
            Some(_) => None,
        });
        // Below one that is there and one that is not, the first will do.
        let first = wants.next()?;
        wants.try_fold(first?, |first, next| next.map(|_| first))
    }

    fn not_there(&self, path: &Path) -> String {
        let again = match self.fenced {
            true => ", then start the agent again",
            false => "",
        };
        format!(
            "the folder {} is not there, in which the host's owner lets restores be made \
             (restore_into): mount it, or make it for the agent's user{again}",
            path.display()
        )
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    Some((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_what_came_later_too() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("there")).unwrap();
        fs::write(at("file"), "x").unwrap();
        let rooms = Rooms::look(&[at("there"), at("later"), at("file")]);
        let wanting = rooms.wanting();
        assert_eq!(wanting.len(), 2, "{wanting:?}");
        assert!(wanting[0].contains(&format!("{} is not there", at("later").display())));
        let want = |rooms: &Rooms, to: &str| rooms.want(&at(to)).unwrap_or_default();
        for fine in ["there/new", "elsewhere/new", "there", "laterer/new"] {
            assert_eq!(want(&rooms, fine), "", "{fine}");
        }
        let why = want(&rooms, "later/new");
        assert!(why.contains("is not there") && why.contains("start the agent again"), "{why}");
        assert!(want(&rooms, "file/new").contains("is not there"));
        fs::create_dir(at("later")).unwrap();
        let why = want(&rooms, "later/new");
        assert!(why.contains("after the agent started"), "{why}");
        // Another folder under the same name, as a mount is.
        fs::rename(at("there"), at("away")).unwrap();
        fs::create_dir(at("there")).unwrap();
        assert!(want(&rooms, "there/new").contains("after the agent started"));
    }

    #[test]
    fn without_a_fence_a_folder_is_taken_when_it_is_there() {
        let root = tempfile::tempdir().unwrap();
        let later = root.path().join("later");
        let rooms = Rooms::look(std::slice::from_ref(&later)).without_fence();
        let why = rooms.want(&later.join("new")).unwrap();
        assert!(why.contains("is not there") && !why.contains("again"), "{why}");
        fs::create_dir(&later).unwrap();
        assert_eq!(rooms.want(&later.join("new")), None);
    }

    #[test]
    fn below_two_folders_the_one_that_is_there_will_do() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("back")).unwrap();
        let both = [at("back/usb"), at("back")];
        for order in [[0, 1], [1, 0]] {
            let rooms = Rooms::look(&order.map(|n| both[n].clone()));
            assert_eq!(rooms.want(&at("back/usb/new")), None);
        }
    }
}
