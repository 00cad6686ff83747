//! Why a request gets nothing, and what of it is an attempt worth keeping.
//!
//! Invariant: a refusal's text names nothing of the server's machine, except in a fault, which is
//! shown to its operator alone.

use std::io;

/// Why a request gets nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("name or token is not known here")]
    Unknown,
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("it is there already")]
    Exists,
    #[error("it is not here")]
    Absent,
    #[error("no such request")]
    Method,
    #[error("the length must be given")]
    NoLength,
    #[error("{0}")]
    TooLarge(&'static str),
    #[error("{0}")]
    Wrong(&'static str),
    #[error("{0}")]
    Full(&'static str),
    /// So many bytes of the object are here: go on there.
    #[error("{0} bytes are here")]
    Offset(u64),
    /// So many entries of the log are here: continue there.
    #[error("the log has {0} entries here")]
    Behind(u64),
    /// So many objects that the new entries name are not here.
    #[error("{0} objects are not here")]
    Lacking(u64),
    #[error("{0}")]
    Fault(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Absent,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full("the disk is full")
            }
            _ => Self::Fault(error.to_string()),
        }
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        Self::Fault(error.to_string())
    }
}

impl Refusal {
    /// What goes into the journal; `None` for an answer that is part of the protocol or a fault
    /// of this machine.
    pub fn denial(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("name or token is not known"),
            Self::Forbidden(why) | Self::TooLarge(why) | Self::Wrong(why) | Self::Full(why) => {
                Some(why)
            }
            Self::Exists => Some("it is there already"),
            Self::Method => Some("no such request"),
            Self::NoLength => Some("no length"),
            Self::Absent
            | Self::Offset(_)
            | Self::Behind(_)
            | Self::Lacking(_)
            | Self::Fault(_) => None,
        }
    }
}

pub type Answer<T> = Result<T, Refusal>;
