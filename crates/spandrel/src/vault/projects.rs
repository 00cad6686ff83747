//! `spandrel vault projects`: engineering projects in the vault, and which of them mention a word.
//!
//! Not here: how they are recognised ([`vault::engineering`]). Invariant: each asset's newest
//! snapshot speaks for it unless all are asked for.

use super::{Key, answer, print_line};
use anyhow::Result;
use model::Time;
use serde::Serialize;
use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};
use vault::{SnapshotId, Vault, engineering::Project};

#[derive(clap::Args)]
pub struct Options {
    dir: PathBuf,
    /// Only projects that mention this: a device, a version, a name, an author
    #[arg(long, value_name = "WORD")]
    find: Option<String>,
    /// In every snapshot, not only in the newest of each asset
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    key: Key,
    /// `json`: an array of rows
    #[arg(long, value_parser = ["json"])]
    format: Option<String>,
}

#[derive(Serialize)]
struct Row {
    snapshot: SnapshotId,
    asset: String,
    time: Time,
    path: String,
    #[serde(flatten)]
    project: Project,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let vault = Vault::open(&options.dir)?.unlock(options.key.file())?;
    let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
    for listed in vault.list()?.into_iter().rev() {
        let newest = seen.insert((listed.asset.clone(), listed.sources.clone()));
        if !newest && !options.all {
            continue;
        }
        for (path, project) in vault.projects(&listed.id)? {
            let fits = options.find.as_deref().is_none_or(|word| {
                project.mentions(word) || path.to_lowercase().contains(&word.to_lowercase())
            });
            if fits {
                let (snapshot, asset, time) = (listed.id, listed.asset.clone(), listed.time);
                rows.push(Row { snapshot, asset, time, path, project });
            }
        }
    }
    rows.sort_by(|a, b| (&a.asset, &a.path, a.time).cmp(&(&b.asset, &b.path, b.time)));
    answer(&rows, &options.format, |rows| {
        rows.iter().try_for_each(|row| {
            let Project { tool, version, devices, last_change, kind, .. } = &row.project;
            let tool = tool.as_deref().unwrap_or(kind);
            let word = |value: &Option<String>| value.clone().unwrap_or_default();
            print_line(&format!(
                "{}  {}  {}  {tool} {}  {}  {}",
                &row.snapshot.to_string()[..12],
                row.asset,
                row.path,
                word(version),
                devices.join(","),
                word(last_change),
            ))
        })
    })?;
    Ok(ExitCode::SUCCESS)
}
