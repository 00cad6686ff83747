//! Makes a table of the IEEE registry that `oui-data` packages, for `src/vendor.rs`.
//!
//! The package's own table is made of pointers: 180,000 of them, which the loader has to set in
//! memory of each process's own before it begins. Invariant: what is made depends on the package
//! alone.

use std::{collections::BTreeMap, error::Error, fmt::Write, path::Path};

/// Of each block size, in hexadecimal digits: its blocks and the places of their names.
type Blocks = BTreeMap<usize, BTreeMap<u64, usize>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut names = BTreeMap::new();
    for (_, record) in oui_data::OUI_ENTRIES.entries() {
        names.insert(name(record.organization()), 0);
    }
    let (mut text, mut ends) = (String::new(), Vec::new());
    for (place, (name, known)) in names.iter_mut().enumerate() {
        *known = place;
        text.push_str(name);
        ends.push(text.len());
    }
    let mut blocks = Blocks::new();
    for (block, record) in oui_data::OUI_ENTRIES.entries() {
        let number = u64::from_str_radix(block, 16)?;
        let place = names[&name(record.organization())];
        blocks.entry(block.len()).or_default().insert(number, place);
    }
    let mut source = String::new();
    writeln!(source, "static NAMES: &str = {text:?};")?;
    writeln!(source, "static ENDS: [u32; {}] = {ends:?};", ends.len())?;
    for digits in [6, 7, 9] {
        let these: Vec<_> = blocks.remove(&digits).unwrap_or_default().into_iter().collect();
        let count = these.len();
        writeln!(source, "static BLOCKS_{}: [(u64, u32); {count}] = {these:?};", digits * 4)?;
    }
    if let Some((digits, _)) = blocks.pop_first() {
        return Err(format!("the registry has blocks of {digits} digits, which none are").into());
    }
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    Ok(std::fs::write(Path::new(&folder).join("registry.rs"), source)?)
}

/// Without what stands around it; empty for an owner that did not want to be named.
fn name(registered: &str) -> String {
    let words: Vec<&str> = registered.split_whitespace().collect();
    let name = words.join(" ");
    let name = name.trim_end_matches([',', ' ']);
    if name == "Private" { String::new() } else { name.to_owned() }
}
