//! The names that files of a vault have, and nothing else.
//!
//! What comes over a link or out of a log is a name only when it parses here, so no path can lead
//! out of the vault. Invariant: a [`Name`] has one spelling, and [`Name::path`] parses back to it.

use crate::{
    digest::Sha256,
    log::tile,
    vault::{DESCRIPTION, LISTS, LOG, REPOSITORY},
};
use std::fmt;

/// A file of a vault.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    Description,
    Checkpoint,
    /// A hash tile or an entry bundle, by its path below the log.
    Tile(String),
    /// A list of objects that an entry of the log names.
    List(Sha256),
    Config,
    Object(Kind, Sha256),
}

/// What restic keeps under the hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Data,
    Index,
    Keys,
    Snapshots,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Data, Self::Index, Self::Keys, Self::Snapshots];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.folder() == text)
    }

    pub fn folder(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
            Self::Keys => "keys",
            Self::Snapshots => "snapshots",
        }
    }
}

impl Name {
    /// Path in the vault.
    pub fn path(&self) -> String {
        match self {
            Self::Description => DESCRIPTION.to_owned(),
            Self::Checkpoint => format!("{LOG}/{}", tile::CHECKPOINT),
            Self::Tile(path) => format!("{LOG}/{path}"),
            Self::List(hash) => format!("{LOG}/{LISTS}/{hash}"),
            _ => format!("{REPOSITORY}/{}", self.object_path().unwrap_or_default()),
        }
    }

    /// Path below the repository, as lists of objects have it; `None` for what is not in it.
    pub fn object_path(&self) -> Option<String> {
        match self {
            Self::Config => Some("config".to_owned()),
            Self::Object(Kind::Data, hash) => {
                let name = hash.to_string();
                Some(format!("data/{}/{name}", &name[..2]))
            }
            Self::Object(kind, hash) => Some(format!("{}/{hash}", kind.folder())),
            _ => None,
        }
    }

    pub fn parse(path: &str) -> Option<Self> {
        if path == DESCRIPTION {
            return Some(Self::Description);
        }
        let (first, rest) = path.split_once('/')?;
        let name = match (first, rest) {
            (REPOSITORY, rest) => return Self::parse_object(rest),
            (LOG, tile::CHECKPOINT) => Self::Checkpoint,
            (LOG, rest) => match rest.split_once('/')? {
                (LISTS, hash) => Self::List(Sha256::parse(hash)?),
                ("tile", tail) if is_tile(tail) => Self::Tile(rest.to_owned()),
                _ => return None,
            },
            _ => return None,
        };
        Some(name)
    }

    /// Parses a path below the repository.
    pub fn parse_object(path: &str) -> Option<Self> {
        if path == "config" {
            return Some(Self::Config);
        }
        let (folder, name) = path.split_once('/')?;
        let kind = Kind::parse(folder)?;
        let found = match (kind, name.split_once('/')) {
            (Kind::Data, Some((_, name))) => Self::Object(kind, Sha256::parse(name)?),
            (Kind::Data, None) | (_, Some(_)) => return None,
            (_, None) => Self::Object(kind, Sha256::parse(name)?),
        };
        (found.object_path().as_deref() == Some(path)).then_some(found)
    }

    /// What the bytes must hash to, where the name says it.
    pub fn hash(&self) -> Option<Sha256> {
        match self {
            Self::List(hash) | Self::Object(_, hash) => Some(*hash),
            _ => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// `<level or entries>/<groups of three digits>[.p/<width>]`, as C2SP tlog-tiles spells it.
fn is_tile(path: &str) -> bool {
    let Some((level, groups)) = path.split_once('/') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let level_fits = level == "entries" || (digits(level) && level.len() <= 2);
    let (groups, width_fits) = match groups.split_once(".p/") {
        Some((groups, width)) => (groups, digits(width) && width.len() <= 3),
        None => (groups, true),
    };
    let mut parts = groups.rsplit('/');
    let three = |text: &str| text.len() == 3 && digits(text);
    level_fits
        && width_fits
        && parts.next().is_some_and(three)
        && parts.all(|part| part.strip_prefix('x').is_some_and(three))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let hash = Sha256::of(b"x");
        let mut all = vec![
            Name::Description,
            Name::Checkpoint,
            Name::Config,
            Name::List(hash),
            Name::Tile(tile::path(Some(1), 1_234_067, 256)),
            Name::Tile(tile::path(None, 273, 112)),
        ];
        all.extend(Kind::ALL.map(|kind| Name::Object(kind, hash)));
        for name in all {
            assert_eq!(Name::parse(&name.path()), Some(name.clone()), "{name}");
        }
    }

    #[test]
    fn what_is_no_file_of_a_vault_has_no_name() {
        let hash = Sha256::of(b"x");
        for bad in [
            String::new(),
            "vault.json/".into(),
            "../vault.json".into(),
            "repository/../key".into(),
            "repository/data/../config".into(),
            format!("repository/data/{hash}"),
            format!("repository/data/00/{hash}"),
            format!("repository/locks/{hash}"),
            format!("repository/snapshots/{}", hash.to_string().to_uppercase()),
            format!("repository/keys/a/{hash}"),
            "log/tile/0/../000".into(),
            "log/tile/0/00".into(),
            "log/tile/entries/x1/000".into(),
            "log/.lock".into(),
            ".site/key".into(),
            "log/objects/..".into(),
        ] {
            assert_eq!(Name::parse(&bad), None, "{bad}");
        }
    }
}
