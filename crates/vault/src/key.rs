//! Key files: one line of text that a person can also write on paper.
//!
//! A vault's key is 32 random bytes. The repository's master key is derived from them with
//! HKDF-SHA256 (RFC 5869). The line itself is the password under which the repository can be
//! opened with `restic --password-file`. The log is signed with another key, in a file beside it
//! ([`signing_file`]): who must read backups, such as those who hold shares of the vault's key in
//! escrow, can then restore and yet not write history. A person's key signs approvals. Invariant:
//! a key file is created with mode 0600 and never printed.

use crate::{
    durable,
    error::{Error, IoContext, Result},
    log::{Signer, VerifyingKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{hkdf, rand::SecureRandom};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

const VAULT_PREFIX: &str = "spandrel-vault-key-1:";
const SIGNING_PREFIX: &str = "spandrel-log-key-1:";
const PERSON_PREFIX: &str = "spandrel-person-key-1:";

/// The key of a vault.
pub struct VaultKey {
    line: String,
    seed: [u8; 32],
}

impl VaultKey {
    /// Reads the key in `path`, or makes one there when there is no such file.
    pub fn read_or_create(path: &Path) -> Result<Self> {
        if path.exists() {
            return Self::read(path);
        }
        Self::create(path, &random()?)?;
        Self::read(path)
    }

    /// Writes a key file; there must be none yet.
    pub(crate) fn create(path: &Path, seed: &[u8; 32]) -> Result<()> {
        let line = format!("{VAULT_PREFIX}{}\n", URL_SAFE_NO_PAD.encode(seed));
        durable::create(path, line.as_bytes(), 0o600).doing("create key file", path)
    }

    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self { line: format!("{VAULT_PREFIX}{}", URL_SAFE_NO_PAD.encode(seed)), seed }
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub fn read(path: &Path) -> Result<Self> {
        let line = read_private_line(path)?;
        let why = "it does not hold a vault key; `vault init` makes one";
        let seed = seed_in(&line, VAULT_PREFIX).ok_or(Error::Key { path: path.into(), why })?;
        Ok(Self { line, seed })
    }

    /// The password restic opens the repository with: the line of the key file.
    pub(crate) fn password(&self) -> &str {
        &self.line
    }

    /// Master key of the repository as restic stores it: AES-256 key, Poly1305-AES `k` and `r`.
    pub(crate) fn master(&self) -> ([u8; 32], [u8; 16], [u8; 16]) {
        let encrypt = self.derive("repository encryption");
        let mac = self.derive("repository authentication");
        let (mut k, mut r) = ([0; 16], [0; 16]);
        k.copy_from_slice(&mac[..16]);
        r.copy_from_slice(&mac[16..]);
        // Poly1305 wants 22 bits of r clear (RFC 8439, 2.5); restic refuses a key that has not.
        for i in [3, 7, 11, 15] {
            r[i] &= 15;
        }
        for i in [4, 8, 12] {
            r[i] &= 252;
        }
        (encrypt, k, r)
    }

    /// Tells keys apart and says nothing else about them.
    pub(crate) fn id(&self) -> String {
        self.derive("identification")[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key that signed the log of vaults made before it had a file of its own.
    pub(crate) fn derived_signer(&self, name: &str) -> Signer {
        Signer::from_seed(name, &self.derive("log signature"))
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"spandrel vault key 1")
            .extract(&self.seed)
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("32 bytes are within what HKDF-SHA256 gives");
        key
    }
}

/// Where the key that signs the log is: beside the vault's key.
pub fn signing_file(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".sign");
    name.into()
}

/// The key that signs the log under `name`; made when there is no such file.
pub(crate) fn read_or_create_signer(path: &Path, name: &str) -> Result<Signer> {
    if !path.exists() {
        create_signer(path, &random()?)?;
    }
    read_signer(path, name)
}

pub(crate) fn create_signer(path: &Path, seed: &[u8; 32]) -> Result<()> {
    let line = format!("{SIGNING_PREFIX}{}\n", URL_SAFE_NO_PAD.encode(seed));
    durable::create(path, line.as_bytes(), 0o600).doing("create key file", path)
}

pub(crate) fn read_signer(path: &Path, name: &str) -> Result<Signer> {
    Ok(Signer::from_seed(name, &read_signing_seed(path)?))
}

pub(crate) fn read_signing_seed(path: &Path) -> Result<[u8; 32]> {
    let line = read_private_line(path)?;
    let why = "it does not hold the key of a log; `vault init` makes one";
    seed_in(&line, SIGNING_PREFIX).ok_or(Error::Key { path: path.into(), why })
}

fn seed_in(line: &str, prefix: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(line.strip_prefix(prefix)?).ok()?.try_into().ok()
}

/// The key with which one person approves; `name` is the person.
pub struct PersonKey {
    pub name: String,
    signer: Signer,
}

impl PersonKey {
    pub fn create(path: &Path, name: &str) -> Result<Self> {
        let why = "a person's name has letters, digits, `.`, `-`, `_` and `@` only";
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Error::Key { path: path.into(), why });
        }
        let line = format!("{PERSON_PREFIX}{name}:{}\n", URL_SAFE_NO_PAD.encode(random()?));
        durable::create(path, line.as_bytes(), 0o600).doing("create key file", path)?;
        Self::read(path)
    }

    pub fn read(path: &Path) -> Result<Self> {
        let line = read_private_line(path)?;
        let why = "it does not hold a person's key; `vault person` makes one";
        let parts = || {
            let (name, secret) = line.strip_prefix(PERSON_PREFIX)?.split_once(':')?;
            let seed: [u8; 32] = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
            Some(Self { name: name.to_owned(), signer: Signer::from_seed(name, &seed) })
        };
        parts().ok_or(Error::Key { path: path.into(), why })
    }

    pub fn public(&self) -> VerifyingKey {
        self.signer.verifying_key()
    }

    pub(crate) fn sign(&self, message: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.signer.sign(message.as_bytes()))
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }
}

/// Whether `signature` over `message` was made with the key `public`.
pub(crate) fn is_signed(public: &VerifyingKey, message: &str, signature: &str) -> bool {
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    public.verifies(message.as_bytes(), &signature)
}

pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| Error::NoEntropy)?;
    Ok(bytes)
}

/// The one line of a key file, refused when others than its owner may read it.
fn read_private_line(path: &Path) -> Result<String> {
    let mode = fs::metadata(path).doing("read key file", path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = "others may read it; chmod 600 it, and make a new key if they could have";
        return Err(Error::Key { path: path.into(), why });
    }
    let text = fs::read_to_string(path).doing("read key file", path)?;
    Ok(text.trim_end().to_owned())
}
