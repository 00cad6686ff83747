//! The first call: a token that works once becomes a key that is known.
//!
//! Not here: making the key, which the program does. Invariant: what the host keeps is on its disk
//! before the token is used, so that an answer that was lost can be asked for again; the vault's
//! key and the vault server's token never leave the host.

use crate::{
    Config, Error, Result, file,
    line::{self, CallError, Line},
};
use model::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use uplink::host::{Enrol, Token};
use vault::{Policy, Vault, durable};

/// Packs that a link which breaks often can carry at once.
const PACK_MIB: u32 = 4;

/// What the host keeps of its enrolment; a file that its owner alone reads.
#[derive(Clone, Serialize, Deserialize)]
pub struct Enrolment {
    pub address: String,
    /// Empty as long as the control plane has not said it.
    pub name: String,
    /// PEM.
    pub authority: String,
    pub vault_token: String,
}

impl Enrolment {
    pub fn path(config: &Config) -> PathBuf {
        config.place("enrolment.json")
    }

    /// Certificate and key of this agent.
    pub fn identity(config: &Config) -> PathBuf {
        config.place("identity.pem")
    }

    pub fn read(config: &Config) -> Result<Self> {
        let path = Self::path(config);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let why = "this host is not enrolled; `spandrel agent enrol` does it";
                return Err(Error::Refused(why.to_owned()));
            }
            read => read.map_err(file("read", &path))?,
        };
        serde_json::from_slice(&text).map_err(std::io::Error::from).map_err(file("read", &path))
    }

    fn write(&self, config: &Config) -> Result<()> {
        let text = serde_json::to_vec(self).expect("plain data");
        let path = Self::path(config);
        durable::write(&path, &[&text], 0o600).map_err(file("write", &path))
    }
}

/// Enrols this host; `make` gives a new certificate with its key, in PEM.
pub fn enrol(
    config: &Config,
    address: &str,
    token: &str,
    (version, host): (&str, &str),
    now: Time,
    make: impl FnOnce() -> Result<String>,
) -> Result<Enrolment> {
    let wrong = "the token is not whole: it begins with spa1. and is one line";
    let token = Token::parse(token).ok_or_else(|| Error::Refused(wrong.to_owned()))?;
    if !address.starts_with("https://") {
        let why = format!("{address}: give the address as https://CONTROL-PLANE:8444");
        return Err(Error::Refused(why));
    }
    let known = Enrolment::read(config).ok();
    let name = known.as_ref().map(|known| known.name.clone()).unwrap_or_default();
    let is_same = known.as_ref().is_some_and(|known| is_of(&known.authority, &token));
    // The same control plane asks anew where it went back to a backup from before this agent; as
    // long as it knows the key it refuses a second name for it by itself.
    if !name.is_empty() && !is_same {
        let data = config.data.display();
        let why = format!(
            "this host is agent {name} of another control plane already; {data} has its key"
        );
        return Err(Error::Refused(why));
    }
    let (authority, der) = line::authority(address)?;
    if !is_hash_of(&token.authority, &der) {
        let why = "the server at this address is not the one that made the token: nothing was \
                   said to it";
        return Err(Error::Refused(why.to_owned()));
    }
    folder(&config.data)?;
    let identity = identity(config, make)?;
    vault_of(config, now)?;
    let vault_token = match known {
        Some(known) => known.vault_token,
        None => random()?,
    };
    let vault_token_sha256 = hexadecimal(&Sha256::digest(vault_token.as_bytes()));
    // Until it has another, the name that it had is good.
    let address = address.trim_end_matches('/').to_owned();
    let mut enrolment = Enrolment { address, name, authority, vault_token };
    enrolment.write(config)?;
    let line = Line::open(&enrolment.address, &enrolment.authority, &identity)?;
    let (version, host) = (version.to_owned(), host.to_owned());
    let words = Enrol { secret: token.secret, vault_token_sha256, version, host };
    let enrolled = line.enrol(&words).map_err(|error| match error {
        CallError::Refused(why) | CallError::Unknown(why) => Error::Refused(why),
        CallError::Later(why) => Error::Line(why),
    })?;
    enrolment.name = enrolled.name;
    enrolment.write(config)?;
    Ok(enrolment)
}

/// Whether a token is of the control plane whose authority this is.
fn is_of(authority: &str, token: &Token) -> bool {
    line::certificate(authority).is_some_and(|der| is_hash_of(&token.authority, &der))
}

fn is_hash_of(hash: &str, bytes: &[u8]) -> bool {
    hexadecimal(&Sha256::digest(bytes)) == hash
}

fn folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file("create", path))
}

/// The agent's certificate and key, made once.
fn identity(config: &Config, make: impl FnOnce() -> Result<String>) -> Result<String> {
    let path = Enrolment::identity(config);
    if !path.exists() {
        durable::write(&path, &[make()?.as_bytes()], 0o600).map_err(file("write", &path))?;
    }
    fs::read_to_string(&path).map_err(file("read", &path))
}

/// The vault on this host, made once.
fn vault_of(config: &Config, now: Time) -> Result<()> {
    let spool = config.spool();
    if spool.join("vault.json").exists() {
        return Ok(());
    }
    let (key, policy) = (config.key_file(), Policy::default());
    drop(Vault::init_packed(&spool, &key, policy, Some(PACK_MIB), now)?);
    Ok(())
}

fn random() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Refused(format!("the system gives no randomness: {error}")))?;
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
