//! Keeps digests of the sources that this program's fuzz targets are built of.
//!
//! `cargo xtask fuzz` writes them into its ledger with what it ran, so that a program built of
//! older sources cannot claim to have run those it finds in the checkout. Invariant: whatever the
//! digests cover makes cargo run this again.

#[path = "src/fuzz/source.rs"]
mod source;

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let root = Path::new(&root).parent().ok_or("no workspace")?;
    let files = source::Files::read(root)?;
    for path in files.paths() {
        println!("cargo::rerun-if-changed=../{path}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/fuzz/source.rs");
    let into = Path::new(&env::var("OUT_DIR")?).join("sources.txt");
    fs::write(into, source::lines(&files.sources()))?;
    Ok(())
}
