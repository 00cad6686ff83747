//! What a request to a site is about, and whether a role may have it.
//!
//! One path of the web is one [`Asked`] or nothing. Invariant: the table in [`Asked::allow`] is
//! the only place that says yes, and it says it to nothing that removes, replaces or shortens.

use super::{
    Client, Kind, Name, Refusal, Role,
    role::{SELF, is_plain},
};
use crate::digest::Sha256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Other,
}

impl Verb {
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Self {
        let all = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Delete];
        all.into_iter().find(|verb| verb.word() == text).unwrap_or(Self::Other)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    File(Name),
    List(Kind),
    Locks,
    Lock(Sha256),
    /// Entries that continue the log, under the hash of the message they come in.
    Extension(Sha256),
    /// Another site says how far it has come.
    Acknowledge,
    /// Another site says that it has taken over.
    Takeover,
    /// The repository as a whole, which restic makes and deletes.
    Whole,
    Status,
    /// A file of the site's own journal.
    Journal(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    pub vault: String,
    pub what: What,
}

/// Words that stand first in a path and name no vault.
const RESERVED: [&str; 10] = [
    "acknowledge",
    "config",
    "data",
    "index",
    "keys",
    "locks",
    "log",
    "repository",
    "snapshots",
    "takeover",
];

impl Asked {
    /// Takes the path of a request apart.
    pub fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        if let Some(what) = What::parse(path) {
            return Some(Self { vault: SELF.to_owned(), what });
        }
        let site = match path.strip_prefix(".site/") {
            Some("key.pub") => Some(What::Journal("key.pub".to_owned())),
            Some(rest) if matches!(Name::parse(rest), Some(Name::Checkpoint | Name::Tile(_))) => {
                Some(What::Journal(rest.to_owned()))
            }
            _ => None,
        };
        if let Some(what) = site {
            return Some(Self { vault: SELF.to_owned(), what });
        }
        let (vault, rest) = path.split_once('/').unwrap_or((path, ""));
        let fits = is_plain(vault) && !RESERVED.contains(&vault);
        fits.then(|| What::parse(rest)).flatten().map(|what| Self { vault: vault.to_owned(), what })
    }

    /// Whether the client may; what is not said here is refused.
    pub fn allow(&self, client: &Client, verb: Verb) -> Result<(), Refusal> {
        let role = client.role;
        let site_wide = matches!(self.what, What::Status | What::Journal(_));
        if !site_wide && !client.may_enter(&self.vault) {
            return Err(Refusal::Forbidden("not a vault of this client"));
        }
        let fine = match (verb, &self.what) {
            (Verb::Delete, What::Lock(_)) | (Verb::Post, What::Lock(_)) => role.may_lock(),
            (Verb::Delete, _) => return Err(Refusal::Forbidden("nothing is deleted")),
            (Verb::Get, What::File(name)) => role.may_read(name),
            (Verb::Head, What::File(name)) => role.may_read(name) || role.may_list(),
            (Verb::Get | Verb::Head, What::List(_) | What::Locks | What::Lock(_)) => {
                role.may_list()
            }
            (Verb::Head, What::Extension(_)) => role.may_push(),
            (Verb::Post | Verb::Put, What::File(_) | What::Extension(_)) => role.may_push(),
            (Verb::Post, What::Acknowledge | What::Takeover) => role.may_acknowledge(),
            (Verb::Post, What::Whole) => {
                return Err(Refusal::Forbidden("a vault begins with a push, not with init"));
            }
            (Verb::Get | Verb::Head, What::Status) => true,
            (Verb::Get | Verb::Head, What::Journal(_)) => {
                matches!(role, Role::Auditor | Role::Mirror)
            }
            _ => return Err(Refusal::Method),
        };
        if fine { Ok(()) } else { Err(Refusal::Forbidden("not in the client's role")) }
    }

    /// The sort of thing, for the journal.
    pub fn sort(&self) -> &'static str {
        match &self.what {
            What::File(Name::Description) => "description",
            What::File(Name::Checkpoint | Name::Tile(_)) | What::Extension(_) => "log",
            What::File(Name::List(_)) => "list",
            What::File(Name::Config) => "config",
            What::File(Name::Object(kind, _)) | What::List(kind) => kind.folder(),
            What::Locks | What::Lock(_) => "locks",
            What::Acknowledge => "acknowledgement",
            What::Takeover => "takeover",
            What::Whole => "repository",
            What::Status => "status",
            What::Journal(_) => "journal",
        }
    }
}

impl What {
    fn parse(path: &str) -> Option<Self> {
        if let Some(name) = Name::parse(path).or_else(|| flat(path)) {
            return Some(Self::File(name));
        }
        match path {
            "" => return Some(Self::Whole),
            "acknowledge" => return Some(Self::Acknowledge),
            "takeover" => return Some(Self::Takeover),
            "status" => return Some(Self::Status),
            "locks/" => return Some(Self::Locks),
            _ => {}
        }
        if let Some(kind) = path.strip_suffix('/').and_then(Kind::parse) {
            return Some(Self::List(kind));
        }
        let hash = |prefix: &str| path.strip_prefix(prefix).and_then(Sha256::parse);
        hash("locks/").map(Self::Lock).or_else(|| hash("log/extension/").map(Self::Extension))
    }
}

/// A file as restic's REST protocol names it: no folders inside `data`.
fn flat(path: &str) -> Option<Name> {
    if path == "config" {
        return Some(Name::Config);
    }
    let (kind, name) = path.split_once('/')?;
    Some(Name::Object(Kind::parse(kind)?, Sha256::parse(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Clients;

    #[test]
    fn paths_of_restic_and_of_a_copy_mean_the_same_files() {
        let hash = Sha256::of(b"x");
        let folder = &hash.to_string()[..2];
        let data = What::File(Name::Object(Kind::Data, hash));
        for (path, vault, what) in [
            (format!("/data/{hash}"), ".", data.clone()),
            (format!("/repository/data/{folder}/{hash}"), ".", data.clone()),
            (format!("/press/data/{hash}"), "press", data),
            ("/press/config".into(), "press", What::File(Name::Config)),
            ("/press/snapshots/".into(), "press", What::List(Kind::Snapshots)),
            ("/press/locks/".into(), "press", What::Locks),
            ("/press/vault.json".into(), "press", What::File(Name::Description)),
            ("/press/log/checkpoint".into(), "press", What::File(Name::Checkpoint)),
            (format!("/press/log/extension/{hash}"), "press", What::Extension(hash)),
            ("/".into(), ".", What::Whole),
            ("/press/".into(), "press", What::Whole),
            ("/status".into(), ".", What::Status),
            ("/.site/log/checkpoint".into(), ".", What::Journal("log/checkpoint".into())),
        ] {
            let expected = Some(Asked { vault: vault.into(), what });
            assert_eq!(Asked::parse(&path), expected, "{path}");
        }
        for bad in [
            "/.site/key",
            "/../x/config",
            "/press/../config",
            "/press/.site/key",
            "/press/locks/x",
            "//config",
            "/press/mill/config",
        ] {
            assert_eq!(Asked::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_role_may_delete_what_is_not_its_lock_nor_write_beyond_pushing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("clients");
        for role in Role::ALL {
            Clients::enrol(&path, role.word(), role, "press").unwrap();
        }
        let clients = Clients::read(&path).unwrap();
        let hash = Sha256::of(b"x");
        let lock = What::Lock(hash);
        let whats = [
            What::File(Name::Description),
            What::File(Name::Checkpoint),
            What::File(Name::Config),
            What::File(Name::List(hash)),
            What::List(Kind::Data),
            What::Locks,
            lock.clone(),
            What::Extension(hash),
            What::Acknowledge,
            What::Takeover,
            What::Whole,
            What::Status,
            What::Journal("key.pub".into()),
        ];
        let objects = Kind::ALL.map(|kind| What::File(Name::Object(kind, hash)));
        for client in clients.iter() {
            for what in whats.iter().chain(&objects) {
                let asked = Asked { vault: "press".into(), what: what.clone() };
                let may = |verb| asked.allow(client, verb).is_ok();
                let word = client.role.word();
                assert!(!may(Verb::Other), "{word} {what:?}");
                let own_lock = client.role == Role::Reader && *what == lock;
                assert_eq!(may(Verb::Delete), own_lock, "{word} {what:?}");
                if client.role != Role::Edge {
                    assert!(!may(Verb::Put), "{word} {what:?}");
                }
                let is_content = matches!(what, What::File(Name::Object(..)));
                let reads = matches!(client.role, Role::Reader | Role::Mirror);
                if is_content {
                    assert_eq!(may(Verb::Get), reads, "{word} {what:?}");
                }
                let elsewhere = Asked { vault: "mill".into(), what: what.clone() };
                if !matches!(what, What::Status | What::Journal(_)) {
                    assert!(elsewhere.allow(client, Verb::Get).is_err(), "{word} {what:?}");
                }
            }
        }
    }
}
