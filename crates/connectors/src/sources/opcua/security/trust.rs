//! Whether a server's certificate is the one it should be: it has a fingerprint that was said, or
//! it is the one that was seen first.
//!
//! A server of a plant mostly signs its own certificate, so no authority is asked. Invariant: a
//! certificate that is not known is not talked to with, and one that changed is told, never taken.

use super::Certificate;
use model::Time;
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tracing::warn;
use vault::Sha256;

/// What the operator said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// It is known by whoever was trusted before, if anybody.
    Unsaid,
    Pinned(Sha256),
    /// What comes first is taken and kept.
    First,
}

/// Why a certificate was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Pinned,
    /// At this backup.
    First,
    /// At an earlier one.
    Kept,
}

impl How {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::First => "on first use, at this backup",
            Self::Kept => "on first use, at an earlier backup",
        }
    }
}

impl Trust {
    /// A fingerprint as tools write it: SHA-256, with or without colons.
    pub fn pinned(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        Sha256::parse(&digits.to_lowercase()).map(Self::Pinned)
    }

    /// Whether there is anything to know the server at `address` by.
    pub fn is_said(&self, folder: &Path, address: &str) -> bool {
        *self != Self::Unsaid || kept(folder, address).exists()
    }

    /// Checks the certificate of the server at `address`; what was seen first is in `folder`.
    pub fn check(
        &self,
        found: &Certificate,
        (folder, address): (&Path, &str),
        (now, take_expired): (Time, bool),
    ) -> io::Result<How> {
        let print = found.fingerprint();
        let place = kept(folder, address);
        let how = match (self, fs::read(&place)) {
            (Self::Pinned(pin), _) if *pin == print => How::Pinned,
            (Self::Pinned(pin), _) => return Err(changed(address, print, *pin, "pin=")),
            (_, Ok(first)) if first == found.der => How::Kept,
            (_, Ok(first)) => {
                let remedy = format!("take {} away", place.display());
                return Err(changed(address, print, Sha256::of(&first), &remedy));
            }
            (Self::First, Err(_)) => How::First,
            (Self::Unsaid, Err(_)) => {
                let text = format!(
                    "the server at {address} is not known: its certificate has the SHA-256 \
                     fingerprint {print}. Compare that with the server's own and add \
                     pin={print} to the source, or add trust=first to take it unseen"
                );
                return Err(io::Error::other(text));
            }
        };
        if !take_expired && !(found.from..=found.until).contains(&now) {
            let text = format!(
                "the certificate of the server at {address} is valid from {} to {} and it is \
                 {now}: give the server a new one, or add expired=yes to the source",
                found.from, found.until
            );
            return Err(io::Error::other(text));
        }
        if how == How::First {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            fs::write(&place, &found.der)?;
            warn!(
                server = address,
                fingerprint = %print,
                "a certificate was trusted on first use: compare the fingerprint with the server's"
            );
        }
        Ok(how)
    }
}

fn kept(folder: &Path, address: &str) -> PathBuf {
    folder.join(format!("{}.der", address.replace('/', "_")))
}

fn changed(address: &str, found: Sha256, known: Sha256, remedy: &str) -> io::Error {
    let remedy = match remedy {
        "pin=" => format!("set pin={found}"),
        other => other.to_owned(),
    };
    io::Error::other(format!(
        "the server at {address} shows another certificate than it should: SHA-256 {found}, not \
         {known}. No login was sent to it. If it was given a new one, {remedy}; if not, somebody \
         stands in between"
    ))
}
