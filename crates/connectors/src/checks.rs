//! Checks of restored content that need more than the bytes: databases.
//!
//! Not here: reading a snapshot. Invariant: what is checked is a copy out of a snapshot in a
//! temporary file; no original is opened.

use rusqlite::{Connection, OpenFlags};
use std::{
    fs::File,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};
use vault::Check;

/// SQLite's own `integrity_check` over every page, index and constraint.
pub struct SqliteIntegrity;

const MAGIC: &[u8] = b"SQLite format 3\0";
const ENDINGS: [&str; 4] = ["db", "db3", "sqlite", "sqlite3"];

impl Check for SqliteIntegrity {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn fits(&self, path: &Path) -> bool {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    }

    fn check(&self, content: &[u8]) -> Option<Result<(), String>> {
        content.starts_with(MAGIC).then(|| integrity(content))
    }

    fn open(&self, place: &Path) -> Option<Result<(), String>> {
        let mut head = [0; MAGIC.len()];
        let read = File::open(place).and_then(|mut file| file.read_exact(&mut head));
        // What is shorter or cannot be read is no database; that it cannot be read is seen before.
        (read.is_ok() && head == MAGIC).then(|| whole(place))
    }
}

fn integrity(content: &[u8]) -> Result<(), String> {
    let write = || {
        let mut copy = tempfile::NamedTempFile::new()?;
        copy.write_all(content)?;
        Ok::<_, std::io::Error>(copy)
    };
    let copy = write().map_err(|error| format!("no temporary copy could be made: {error}"))?;
    whole(copy.path())
}

fn whole(place: &Path) -> Result<(), String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    // Immutable: a database in WAL mode would want a file beside it.
    let uri = format!("file:{}?immutable=1", escaped(place));
    let open = Connection::open_with_flags(uri, flags).map_err(|error| error.to_string())?;
    let verdict: Result<String, _> =
        open.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(word) if word == "ok" => Ok(()),
        Ok(complaint) => Err(complaint),
        Err(error) => Err(error.to_string()),
    }
}

/// A path within an address (RFC 3986, 2.1), octet by octet.
fn escaped(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            text.push(char::from(*byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_passes_and_one_with_a_damaged_page_does_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = Connection::open(file.path()).unwrap();
        open.execute_batch(
            "CREATE TABLE point (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX by ON point \
             (name); INSERT INTO point (name) VALUES ('a'), ('b'), ('c');",
        )
        .unwrap();
        open.close().unwrap();
        let mut bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(SqliteIntegrity.check(&bytes), Some(Ok(())));
        let odd = file.path().with_file_name("a?b #1%.db");
        std::fs::write(&odd, &bytes).unwrap();
        assert_eq!(SqliteIntegrity.open(&odd), Some(Ok(())), "where it lies");
        assert_eq!(SqliteIntegrity.open(Path::new("/dev/null")), None);
        std::fs::remove_file(&odd).unwrap();
        let last_page = bytes.len() - 4_096;
        bytes[last_page..last_page + 64].fill(0xa5);
        assert!(matches!(SqliteIntegrity.check(&bytes), Some(Err(_))));
        assert_eq!(SqliteIntegrity.check(b"text"), None);
        assert!(SqliteIntegrity.fits(Path::new("/x/historian.DB")));
    }
}
