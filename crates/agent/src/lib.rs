//! The agent on a host: backs up what the host's owner allows, by plans of the control plane.
//!
//! Read `config` for what the owner says, `allow` for how it is held to, `due` for what comes next,
//! `books` for what is kept, `line` for the calls, `enrol` for the first, `runs` for what becomes
//! of a run and `work` for the loop. Backups go into a vault on the host and from there to the
//! control plane's vault server, which only adds; its key stays on the host. Not here: processes,
//! signals, what a process may reach (the program's). Invariant: what is not below an allowed
//! folder is not read, whatever the control plane says.

mod allow;
mod books;
pub mod config;
mod due;
mod enrol;
mod job;
pub mod limits;
mod line;
mod rooms;
mod runs;
mod ship;
mod work;

pub use allow::is_in;
pub use config::Config;
pub use enrol::{Enrolment, enrol};
pub use job::{Job, Running, Says, Word, Worker};
pub use rooms::Rooms;
pub use work::{End, Stop, work};

/// What can keep an agent from working.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {path}: {error}")]
    File { doing: &'static str, path: String, error: std::io::Error },
    #[error("{0}")]
    Refused(String),
    #[error("the control plane does not answer: {0}")]
    Line(String),
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Files below a folder and their bytes; what cannot be seen counts for nothing.
pub fn size_of(folder: &std::path::Path) -> (u64, u64) {
    let Ok(entries) = std::fs::read_dir(folder) else { return (0, 0) };
    entries.flatten().fold((0, 0), |(files, bytes), entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => {
            let below = size_of(&entry.path());
            (files + below.0, bytes + below.1)
        }
        Ok(meta) => (files + 1, bytes + meta.len()),
        Err(_) => (files, bytes),
    })
}

fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::File { doing, path, error }
}
