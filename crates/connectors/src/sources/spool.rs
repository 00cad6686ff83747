//! Content whose length is known only when all of it has come: kept in a file without a name.
//!
//! Invariant: nothing is handed on before it is whole, so a broken transfer is a fault and never
//! a short file.

use model::Time;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};
use vault::{Meta, Opened};

/// A file in `staging` that vanishes when it is closed.
pub fn file(staging: &Path) -> io::Result<File> {
    tempfile::tempfile_in(staging)
}

/// Makes an entry of what was written to `file`.
pub fn opened(mut file: File, modified: Option<Time>, mode: u32) -> io::Result<Opened> {
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Opened::new(Meta { mode, modified, size, ..Meta::default() }, file))
}

/// Copies all of `reader` into a file of `staging`.
pub fn copy(mut reader: impl Read, staging: &Path) -> io::Result<File> {
    let mut file = file(staging)?;
    io::copy(&mut reader, &mut file)?;
    Ok(file)
}
