//! What can go wrong in a vault, by who acts on it.
//!
//! Not here: faults of one entry of a backup; those are [`crate::Fault`] and never end the job.
//! Invariant: a message says what we were doing and, where there is something, what to do next.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not a vault: {why}", path.display())]
    NotAVault { path: PathBuf, why: &'static str },
    #[error("{} exists and is not empty; choose a new directory", .0.display())]
    Exists(PathBuf),
    #[error("key file {}: {why}", path.display())]
    Key { path: PathBuf, why: &'static str },
    #[error(
        "the key that signs this vault's log is not here; put it beside the key file as KEY.sign \
         (restoring and listing need none)"
    )]
    NoSigningKey,
    #[error("another backup or clean-up is working in this vault; try again when it has ended")]
    Busy,
    #[error("no snapshot {0}; `vault list` shows them")]
    NoSnapshot(String),
    /// A rule of the vault forbids it: a lock, a hold, a missing second person.
    #[error("{0}")]
    Refused(String),
    /// Bytes are not what they must be; `vault verify` says where.
    #[error("{0}; `vault verify` shows what else is damaged")]
    Damaged(String),
    #[error("repository engine: {0}")]
    Engine(String),
    #[error("entropy of the operating system is not available")]
    NoEntropy,
}

pub type Result<T> = std::result::Result<T, Error>;

/// Names the file in an IO error.
pub(crate) trait IoContext<T> {
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| Error::Io { doing, path: path.into(), source })
    }
}

impl From<Box<rustic_core::RusticError>> for Error {
    fn from(error: Box<rustic_core::RusticError>) -> Self {
        Self::Engine(error.display_log().replace('\n', " "))
    }
}
