//! Who may look at what a snapshot has of the server's own: private keys and hashes of passwords.
//!
//! Not here: showing it. Invariant: where a path, a plan's name or what lies there tells that a
//! control plane kept it, it is an admin's; who is none is told nothing of it.

use super::{ask, refused, settings};
use crate::{
    app::Shared,
    http::{
        caller::Caller,
        fault::{Answer, Fault},
    },
    protect::{own, work::Job},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use store::Role;

/// What of a snapshot is asked for.
pub(super) enum Part<'a> {
    /// What lies at a path, or below it.
    At(&'a str),
    Whole,
}

/// Refuses what is the server's own to whoever is no admin.
pub(super) async fn guard(
    app: &Shared,
    caller: &Caller,
    snapshot: &str,
    part: Part<'_>,
) -> Answer<()> {
    if caller.role >= Role::Admin {
        return Ok(());
    }
    let mut own = Own::of(app).await?;
    let theirs = Err(Fault::forbidden(format!(
        "{} is {}; what the server keeps of itself needs admin",
        caller.user, caller.role
    )));
    if matches!(part, Part::At(path) if own.has(path)) || own.is_of(app, snapshot, &part).await? {
        return theirs;
    }
    // What another host's backup has, or one from before the data were moved, no path of ours says.
    let found: Found = ask(app, Job::OwnFolders { snapshot: snapshot.to_owned() }).await?;
    own.0 = found.folders;
    match part {
        Part::At(path) if own.has(path) => theirs,
        Part::Whole if !own.0.is_empty() => theirs,
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Found {
    folders: Vec<PathBuf>,
}

/// Folders of a control plane.
struct Own(Vec<PathBuf>);

impl Own {
    /// The one of this server, wherever it was.
    async fn of(app: &Shared) -> Answer<Self> {
        let mut folders = own::folders(&app.store).await?;
        folders.extend(own::paths_of(&app.settings.data));
        Ok(Own(folders))
    }

    fn has(&self, path: &str) -> bool {
        // As the vault reads a path: below its root, whether that is said or not.
        let path = Path::new("/").join(path);
        self.0.iter().any(|own| path.starts_with(own))
    }

    /// Whether one of them lies in that folder.
    fn is_below(&self, path: &str) -> bool {
        let path = Path::new("/").join(path);
        self.0.iter().any(|own| own.starts_with(&path))
    }

    /// Whether a snapshot is of such a folder, or as a whole has one.
    async fn is_of(&self, app: &Shared, snapshot: &str, part: &Part<'_>) -> Answer<bool> {
        let view = app.protect.view(&settings(app).await?).await.map_err(refused)?;
        let found = view.snapshots.iter().find(|s| s.id == snapshot);
        let found =
            found.ok_or_else(|| Fault::not_found(format!("there is no snapshot {snapshot}")))?;
        let targets = app.store.snapshot_targets().await?;
        let mut targets = targets.iter().filter(|(id, ..)| id == snapshot);
        let named = |name: &str| name == own::CONTROL_PLANE;
        if named(&found.asset)
            || targets.any(|(_, target, name)| target.as_deref().is_some_and(named) || named(name))
        {
            return Ok(true);
        }
        let places = found.sources.iter().filter_map(|source| source.split_once(':'));
        let mut places = places.map(|(_, place)| place.split('?').next().unwrap_or(place));
        let around = matches!(part, Part::Whole);
        Ok(places.any(|place| self.has(place) || around && self.is_below(place)))
    }
}
