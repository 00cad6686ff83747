//! Files that came along by mistake: archives, programs, captures.
//!
//! Not here: what git leaves out by `.gitignore`. Invariant: a tree without git has no complaint.

use anyhow::{Context, Result};
use std::{fs, path::Path, process::Command};

/// What is no text and belongs here, by how its path begins.
const KNOWN: &[&str] = &["docs/screenshot.png", "crates/vault/src/log/fixtures/"];

pub fn check(root: &Path) -> Result<Vec<String>> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return Ok(Vec::new());
    };
    let names = String::from_utf8(listed.stdout).context("a file's name is no text")?;
    Ok(among(root, &names))
}

/// Complaints about files, by their names with a zero octet behind each.
fn among(root: &Path, names: &str) -> Vec<String> {
    let is_known = |name: &&str| KNOWN.iter().any(|known| name.starts_with(known));
    let names = names.split_terminator('\0').filter(|name| !is_known(name));
    // What is deleted and still listed is not there to be read.
    let read = |name: &str| fs::read(root.join(name)).unwrap_or_default();
    let strays = names.filter(|name| !is_text(&read(name)));
    strays.map(|name| format!("{name}:1: no text; take it out of the tree")).collect()
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_and_captures_are_no_text() {
        assert!(is_text("é\n".as_bytes()) && is_text(b""));
        assert!(!is_text(b"PK\x03\x04\x14\x00") && !is_text(b"\xd4\xc3\xb2\xa1"));
    }

    #[test]
    fn a_stray_is_a_complaint_and_a_tree_without_git_has_none() {
        let root = tempfile::tempdir().expect("a directory");
        fs::write(root.path().join("a.whl"), b"PK\x03\x04\x14\x00").expect("writes");
        assert_eq!(check(root.path()).expect("reads"), Vec::<String>::new());
        let says = among(root.path(), "gone.md\0a.whl\0docs/screenshot.png\0");
        assert_eq!(says, ["a.whl:1: no text; take it out of the tree"]);
    }
}
