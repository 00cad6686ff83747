//! `spandrel asset list|show`: assets of a server on this machine.
//!
//! Invariant: the JSON is the API's.

use crate::listing::{Place, Selection};
use anyhow::Result;
use server::AssetRow;
use std::process::ExitCode;
use store::ASSETS;

#[derive(clap::Subcommand)]
pub enum Options {
    /// List assets
    List {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        place: Place,
    },
    /// Show one asset with its facts
    Show {
        /// Id of the asset
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

const COLUMNS: [(&str, &str); 9] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("CLASS", "class"),
    ("LEVEL", "purdue"),
    ("VENDOR", "vendor"),
    ("MODEL", "model"),
    ("ADDRESS", "ips"),
    ("FINDINGS", "findings"),
    ("LAST SEEN (UTC)", "last_seen"),
];
/// The dearest first, for a narrow terminal.
const DEAR: [&str; 8] = ["id", "name", "class", "ips", "findings", "purdue", "last_seen", "vendor"];

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::List { selection, place } => {
            let request = selection.request(ASSETS)?;
            let page = place.read(|store| async move { store.assets(&request).await })?;
            let rows = page.items.into_iter().map(AssetRow::from);
            let rows: Vec<_> = rows.map(serde_json::to_value).collect::<Result<_, _>>()?;
            place.print(&rows, &COLUMNS, &DEAR)?;
        }
        Options::Show { id, place } => {
            let asset =
                place.read(|store| async move { server::asset_detail(&store, id).await })?;
            place.print_one(&serde_json::to_value(asset)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
