//! Who may ask a site for what: clients with tokens, each with one role in one vault.
//!
//! The file has a line `NAME ROLE VAULT SHA256-OF-TOKEN [SHA256-OF-CERTIFICATE]` for each client;
//! tokens themselves are nowhere on the server. Who has a certificate in its line is known by that
//! as well: a stolen token alone opens nothing. Invariant: no role may remove, replace or shorten
//! anything.

use super::Name;
use crate::{
    digest::Sha256,
    durable,
    error::{Error, IoContext, Result},
    key::random,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{fmt, fs, path::Path};

/// The vault that is the served directory itself.
pub const SELF: &str = ".";

/// What a folder is called that is kept for a vault beside the vaults.
pub(super) fn folder_of(vault: &str) -> &str {
    if vault == SELF { "self" } else { vault }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Pushes backups; reads no content back.
    Edge,
    /// Lists, restores and checks, as stock restic does; keeps locks of its own.
    Reader,
    /// Another site: reads all, says how far it has come.
    Mirror,
    /// Sees logs and no content.
    Auditor,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Edge, Self::Reader, Self::Mirror, Self::Auditor];

    pub fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Reader => "reader",
            Self::Mirror => "mirror",
            Self::Auditor => "auditor",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == text)
    }

    /// Whether it may read the bytes of a file.
    pub fn may_read(self, name: &Name) -> bool {
        let of_log =
            matches!(name, Name::Description | Name::Checkpoint | Name::Tile(_) | Name::List(_));
        match self {
            Self::Reader | Self::Mirror => true,
            Self::Edge => of_log || *name == Name::Config,
            Self::Auditor => of_log,
        }
    }

    /// Whether it may ask what is there: names and sizes.
    pub fn may_list(self) -> bool {
        self != Self::Auditor
    }

    pub fn may_push(self) -> bool {
        self == Self::Edge
    }

    pub fn may_lock(self) -> bool {
        self == Self::Reader
    }

    pub fn may_acknowledge(self) -> bool {
        self == Self::Mirror
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    pub name: String,
    pub role: Role,
    /// The one vault it may ask for; `*` is all.
    pub vault: String,
    token: Sha256,
    certificate: Option<Sha256>,
}

impl Client {
    pub fn may_enter(&self, vault: &str) -> bool {
        self.vault == "*" || self.vault == vault
    }

    /// Whether it is the one that came with this certificate, where it is bound to one.
    pub fn is_shown_by(&self, presented: Option<Sha256>) -> bool {
        self.certificate.is_none_or(|bound| presented == Some(bound))
    }
}

/// All clients of a site.
#[derive(Default, Debug)]
pub struct Clients(Vec<Client>);

impl Clients {
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).doing("read clients", path)?;
        Self::parse(&text).map_err(|line| {
            let path = path.display();
            let form = "NAME ROLE VAULT SHA256-OF-TOKEN [SHA256-OF-CERTIFICATE]";
            Error::Refused(format!("{path}:{line}: a line is {form}"))
        })
    }

    /// The clients, or the number of the line that is none.
    fn parse(text: &str) -> std::result::Result<Self, usize> {
        let mut found: Vec<Client> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let (name, role, vault, token, certificate) = match words[..] {
                [] => continue,
                [name, role, vault, token] => (name, role, vault, token, None),
                [name, role, vault, token, hash] => (name, role, vault, token, Some(hash)),
                _ => return Err(number),
            };
            let parse = |hash| Sha256::parse(hash).ok_or(number);
            let certificate = certificate.map(parse).transpose()?;
            let role = Role::parse(role).ok_or(number)?;
            let token = Sha256::parse(token).ok_or(number)?;
            let known = found.iter().any(|client| client.name == name);
            let vault_fits = vault == "*" || vault == SELF || is_plain(vault);
            // A client that pushes is bound to its own vault.
            if known || !is_plain(name) || !vault_fits || (role.may_push() && vault == "*") {
                return Err(number);
            }
            let (name, vault) = (name.to_owned(), vault.to_owned());
            found.push(Client { name, role, vault, token, certificate });
        }
        Ok(Self(found))
    }

    /// The client with this name and token. Hashes are compared, so the time it takes tells
    /// nothing of the token.
    pub fn known(&self, name: &str, token: &str) -> Option<&Client> {
        let token = Sha256::of(token.as_bytes());
        self.0.iter().find(|client| client.name == name && client.token == token)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.0.iter()
    }

    /// Adds a client to the file and returns its token, which is kept nowhere.
    pub fn enrol(path: &Path, name: &str, role: Role, vault: &str) -> Result<String> {
        Self::enrol_bound(path, name, role, vault, None)
    }

    /// The same, bound to the certificate with this hash.
    pub fn enrol_bound(
        path: &Path,
        name: &str,
        role: Role,
        vault: &str,
        certificate: Option<Sha256>,
    ) -> Result<String> {
        let mut text = if path.exists() {
            fs::read_to_string(path).doing("read clients", path)?
        } else {
            String::new()
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let token = URL_SAFE_NO_PAD.encode(random()?);
        let hash = Sha256::of(token.as_bytes());
        let bound = certificate.map_or(String::new(), |hash| format!(" {hash}"));
        text += &format!("{name} {role} {vault} {hash}{bound}\n");
        Self::parse(&text).map_err(|_| {
            let text = "names and vaults have letters, digits, `-`, `_` and inner `.` only; a \
                        name is there once; an edge has one vault";
            Error::Refused(text.to_owned())
        })?;
        durable::write(path, &[text.as_bytes()], 0o640).doing("write", path)?;
        Ok(token)
    }
}

/// A word that is safe as a folder's name.
pub fn is_plain(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_name_and_token_together() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("clients");
        let edge = Clients::enrol(&path, "edge-7", Role::Edge, "press").unwrap();
        let reader = Clients::enrol(&path, "restore", Role::Reader, "*").unwrap();
        let clients = Clients::read(&path).unwrap();
        assert_eq!(clients.known("edge-7", &edge).unwrap().role, Role::Edge);
        assert!(clients.known("restore", &edge).is_none());
        assert!(clients.known("restore", &reader).unwrap().may_enter("press"));
        assert!(!clients.known("edge-7", &edge).unwrap().may_enter("mill"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&edge), "the token is not kept");
        for (name, role, vault) in [
            ("edge-7", Role::Edge, "again"),
            ("wide", Role::Edge, "*"),
            ("../up", Role::Reader, "*"),
            ("x", Role::Reader, "../up"),
            ("x y", Role::Reader, "a"),
        ] {
            assert!(Clients::enrol(&path, name, role, vault).is_err(), "{name} {vault}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "a refusal changes nothing");
    }
}
