//! `cargo xtask tidy`: the rules of ARCHITECTURE.md that no compiler checks.
//!
//! Each check returns a list of complaints `file:line: what, and what to do`. Invariant: a rule
//! is written down once, here; the documents point here.

mod banned;
mod layers;
mod sizes;
mod strays;

use crate::checkout;
use anyhow::{Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Runs every check over the workspace and fails with all complaints at once.
pub fn run() -> Result<()> {
    let root = &checkout::root();
    let files = rust_files(root);
    let mut complaints = layers::check(root)?;
    complaints.extend(sizes::check(root, &files)?);
    complaints.extend(banned::check(root, &files)?);
    complaints.extend(strays::check(root)?);
    if complaints.is_empty() {
        println!("tidy: {} files keep the rules", files.len());
        return Ok(());
    }
    complaints.sort();
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    bail!("tidy: {} complaints", complaints.len())
}

/// Every Rust file of the workspace, sorted.
fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for part in ["crates", "xtask", "fuzz"] {
        walk(&root.join(part), &mut found);
    }
    found.sort();
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != "node_modules" {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Path below the workspace root, for complaints.
fn shown<'a>(root: &Path, path: &'a Path) -> std::borrow::Cow<'a, str> {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy()
}
