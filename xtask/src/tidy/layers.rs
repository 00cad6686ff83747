//! The allowed arrows between crates, and the check that Cargo.toml files keep to them.

use anyhow::{Context, Result};
use std::{collections::BTreeSet, fs, path::Path};

/// Crate, and the crates of ours it may depend on; `*` is any. Dev-dependencies may also name
/// `testkit`. A singular crate is one mechanism, a plural one a registry of independent entries.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &[]),
    ("protocols", &["model", "wire"]),
    ("inventory", &["model"]),
    ("analytics", &["model"]),
    ("detectors", &["model", "inventory"]),
    ("advisories", &["model", "inventory"]),
    ("policies", &["model", "inventory"]),
    ("capture", &["model", "wire"]),
    ("sensor", &["model", "wire", "protocols", "inventory", "detectors"]),
    // The threads a sensor must not have.
    ("crew", &["model", "wire", "capture", "sensor"]),
    ("uplink", &["model"]),
    ("historian", &["model"]),
    ("vault", &["model"]),
    ("store", &["model"]),
    // `store` alone keeps state of ours in SQL; a connector may open a database of others to
    // read it.
    ("connectors", &["model", "vault"]),
    ("copilot", &["model"]),
    ("agent", &["model", "uplink", "policies", "vault", "connectors"]),
    (
        "server",
        &[
            "model",
            "uplink",
            "inventory",
            "analytics",
            "detectors",
            "advisories",
            "policies",
            "historian",
            "vault",
            "store",
            "connectors",
            "copilot",
        ],
    ),
    ("lab", &["model", "wire", "protocols"]),
    ("spandrel", &["*"]),
    (
        "edge",
        &[
            "model",
            "capture",
            "sensor",
            "crew",
            "uplink",
            "agent",
            "connectors",
            "policies",
            "vault",
        ],
    ),
    ("testkit", &[]),
    (
        "xtask",
        &["model", "wire", "protocols", "inventory", "detectors", "sensor", "capture", "uplink"],
    ),
];

pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let ours: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (name, folder) in members(root)? {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            complaints.push(format!("{folder}: crate `{name}` is in no layer; add it to LAYERS"));
            continue;
        };
        let text = fs::read_to_string(root.join(&folder).join("Cargo.toml"))
            .with_context(|| format!("cannot read {folder}/Cargo.toml"))?;
        let manifest: toml::Table =
            text.parse().with_context(|| format!("cannot parse {folder}/Cargo.toml"))?;
        for (section, test_only) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for dependency in table.keys().filter(|d| ours.contains(d.as_str())) {
                let fine = allowed.contains(&"*")
                    || allowed.contains(&dependency.as_str())
                    || (test_only && dependency == "testkit");
                if !fine {
                    complaints.push(format!(
                        "{folder}/Cargo.toml: `{name}` may not depend on `{dependency}`; the \
                         arrows are in xtask/src/tidy/layers.rs"
                    ));
                }
            }
        }
    }
    Ok(complaints)
}

/// (crate, folder) of each workspace member of ours.
fn members(root: &Path) -> Result<Vec<(String, String)>> {
    let mut found = vec![("xtask".to_owned(), "xtask".to_owned())];
    for entry in fs::read_dir(root.join("crates")).context("cannot list crates/")? {
        let name = entry.context("cannot list crates/")?.file_name();
        let name = name.to_string_lossy().into_owned();
        if root.join("crates").join(&name).join("Cargo.toml").exists() {
            found.push((name.clone(), format!("crates/{name}")));
        }
    }
    found.sort();
    Ok(found)
}
