//! `spandrel finding list|show`: findings of a server on this machine.
//!
//! Invariant: the JSON is the API's.

use crate::listing::{Place, Selection};
use anyhow::Result;
use server::{FindingDetail, FindingRow};
use std::process::ExitCode;
use store::FINDINGS;

#[derive(clap::Subcommand)]
pub enum Options {
    /// List findings, newest first
    List {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        place: Place,
    },
    /// Show one finding with its evidence and what to do
    Show {
        /// Id of the finding
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

const COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("SEVERITY", "severity"),
    ("TITLE", "title"),
    ("STATUS", "status"),
    ("OWNER", "owner"),
    ("COUNT", "count"),
    ("LAST SEEN (UTC)", "last_seen"),
];
/// The dearest first, for a narrow terminal.
const DEAR: [&str; 6] = ["id", "severity", "title", "last_seen", "status", "count"];

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::List { selection, place } => {
            let request = selection.request(FINDINGS)?;
            let page = place.read(|store| async move { store.findings(&request).await })?;
            let rows = page.items.into_iter().map(FindingRow::from);
            let rows: Vec<_> = rows.map(serde_json::to_value).collect::<Result<_, _>>()?;
            place.print(&rows, &COLUMNS, &DEAR)?;
        }
        Options::Show { id, place } => {
            let finding = place.read(|store| async move { store.finding(id).await })?;
            place.print_one(&serde_json::to_value(FindingDetail::from(finding))?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
