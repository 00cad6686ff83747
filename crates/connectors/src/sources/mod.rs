//! The kinds of sources: `KIND:WHERE` on the command line.
//!
//! Invariant: what a source is called never holds a secret; passwords come from a file.

mod ads;
mod bacnet;
mod cip;
mod files;
mod ftp;
mod http;
mod link;
mod login;
mod modbus;
mod nbd;
mod opcua;
mod pace;
mod place;
mod postgres;
mod s7;
mod sftp;
mod smb;
mod spool;
mod sqlite;
mod ssh;
mod ssh_config;
mod tftp;
mod tree;
mod url;

pub use postgres::wal::ready as postgres_ready;
use std::path::PathBuf;
use vault::Source;

/// One kind of source.
pub trait Kind: Sync {
    /// The word before the colon.
    fn name(&self) -> &'static str;

    /// What stands after it, for a person.
    fn form(&self) -> &'static str;

    fn open(&self, place: &str, context: &Context) -> Result<Box<dyn Source>, Unusable>;
}

/// What a source may need besides its place.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Directory for copies that must be whole before they are stored.
    pub staging: PathBuf,
    /// File of logins, when there is one.
    pub secrets: Option<PathBuf>,
}

impl Context {
    /// Directory for what a source keeps from one backup to the next, beside that for copies.
    pub fn kept(&self) -> PathBuf {
        self.staging.with_file_name(".kept")
    }
}

/// The registry.
pub const KINDS: &[&dyn Kind] = &[
    &files::FILES,
    &sqlite::SQLITE,
    &postgres::POSTGRES,
    &postgres::wal::POSTGRES_WAL,
    &modbus::MODBUS,
    &s7::S7_CLASSIC,
    &cip::CIP,
    &opcua::OPC_UA,
    &bacnet::BACNET,
    &ads::ADS,
    &http::HTTP,
    &http::HTTPS,
    &ftp::FTP,
    &sftp::SFTP,
    &ssh_config::SSH_CONFIG,
    &smb::SMB,
    &nbd::NBD,
    &tftp::TFTP,
];

/// A source that cannot be used as it is written.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("source {0}: write KIND:WHERE, such as files:/srv/plc")]
    NoKind(String),
    #[error("source kind {kind} is not known; there is {known}")]
    UnknownKind { kind: String, known: String },
    #[error("source {kind}:{place}: {why}; write {kind}:{form}")]
    Place { kind: &'static str, form: &'static str, place: String, why: String },
}

/// Opens the source that `text` names.
pub fn open(text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
    let (word, place) = text.split_once(':').ok_or_else(|| Unusable::NoKind(text.to_owned()))?;
    let kind = KINDS.iter().find(|kind| kind.name() == word).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
        Unusable::UnknownKind { kind: word.to_owned(), known: known.join(", ") }
    })?;
    kind.open(place, context)
}

impl Unusable {
    fn place(kind: &dyn Kind, place: &str, why: impl Into<String>) -> Self {
        let (place, why) = (place.to_owned(), why.into());
        Self::Place { kind: kind.name(), form: kind.form(), place, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_different_names_and_a_wrong_one_lists_them() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
        let error = open("tape:/dev/st0", &Context::default()).err().expect("no tapes");
        assert!(error.to_string().contains("files"), "{error}");
        assert!(matches!(open("/etc", &Context::default()), Err(Unusable::NoKind(_))));
    }
}
