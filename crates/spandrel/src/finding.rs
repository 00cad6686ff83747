//! `spandrel finding list|show`: findings of a server on this machine.
//!
//! Invariant: the JSON is the API's.

use crate::{
    listing::{Place, Selection, heard, shown},
    page::{Page, counted},
    story::Story,
};
use anyhow::Result;
use serde_json::Value;
use server::{FindingDetail, FindingRow};
use std::{
    io::{self, Write},
    process::ExitCode,
};
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
            place.print(&rows, (&COLUMNS, &DEAR), server::members::<FindingRow>())?;
        }
        Options::Show { id, place } => {
            anyhow::ensure!(
                id.starts_with("fnd_"),
                "{id} is no id of a finding; `spandrel finding list` has them"
            );
            let finding = place.read(|store| async move { store.finding(id).await })?;
            place.print_one(&serde_json::to_value(FindingDetail::from(finding))?, compose)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Pieces of evidence and lines of history on a page.
const TOLD_MAX: usize = 12;

/// What happened, since when, what it rests on, what to do, what was done.
fn compose(out: &mut Page, finding: &Value) -> io::Result<()> {
    let text = |member: &str| shown(&finding[member]);
    out.paragraph("", &format!("{}: {}", text("severity"), text("title")))?;
    let count = finding["count"].as_u64().unwrap_or_default();
    let times = match count {
        1 => "once".to_owned(),
        many => counted(many, "time"),
    };
    let (first, last) = (time(&finding["first_seen"]), time(&finding["last_seen"]));
    let owner = finding["owner"].as_str().map(|owner| format!(", {owner} has it"));
    out.paragraph("  ", &format!("{}{}", text("status"), owner.unwrap_or_default()))?;
    out.paragraph("  ", &format!("seen {times} {}", heard(&finding["sensor"])))?;
    out.paragraph("  ", &format!("first {first} UTC, last {last} UTC"))?;
    parties(out, finding)?;
    out.pair("addresses", &text("addresses"))?;
    out.pair("detector", &text("detector"))?;
    out.pair("muted", &shown(&finding["mute"]["reason"]))?;
    out.pair("note", &text("note"))?;
    writeln!(out)?;
    let evidence = serde_json::from_value::<Vec<model::Evidence>>(finding["evidence"].clone());
    let techniques = serde_json::from_value::<Vec<String>>(finding["techniques"].clone());
    Story {
        explanation: &text("explanation"),
        evidence: &evidence.unwrap_or_default(),
        techniques: &techniques.unwrap_or_default(),
        runbook: &text("runbook"),
        told: TOLD_MAX,
    }
    .tell(out)?;
    writeln!(out, "\nHistory")?;
    for entry in finding["history"].as_array().into_iter().flatten().take(TOLD_MAX) {
        let actor = entry["actor"].as_str().map(|actor| format!(" ({actor})"));
        let says = format!("{}{}", shown(&entry["says"]), actor.unwrap_or_default());
        out.paragraph(&format!("  {}  ", time(&entry["at"])), &says)?;
    }
    Ok(())
}

/// Whom it is about; who did it to whom, where somebody did.
fn parties(out: &mut Page, finding: &Value) -> io::Result<()> {
    let named = |asset: &Value| format!("{} ({})", shown(&asset["name"]), shown(&asset["id"]));
    let by = &finding["initiator"];
    let others = match by["asset"].is_object() {
        true => out.pair("who", &named(&by["asset"])).map(|()| "to whom")?,
        false if by.is_object() => out.pair("who", &shown(&by["address"])).map(|()| "to whom")?,
        false => "concerns",
    };
    let assets = finding["assets"].as_array().into_iter().flatten();
    for asset in assets.filter(|asset| asset["id"] != by["asset"]["id"]) {
        out.pair(others, &named(asset))?;
    }
    out.pair(others, &shown(&finding["strangers"]))
}

/// To the second, as people write it.
pub fn time(value: &Value) -> String {
    shown(value).split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_all_and_no_raw_members() {
        let finding = serde_json::json!({
            "severity": "high", "title": "A\u{202e} writes to B", "count": 22, "status": "open",
            "owner": "anna", "sensor": "lab", "first_seen": "2026-11-26T04:05:34.447004Z",
            "last_seen": "2026-11-26T04:22:44.574505Z", "detector": "new-writer",
            "assets": [{"id": "ast_1", "name": "A"}, {"id": "ast_2", "name": "B"}],
            "addresses": ["10.0.0.1", "10.0.0.2"], "strangers": ["10.0.0.7", "10.0.0.8"],
            "initiator": {"address": "10.0.0.1", "asset": {"id": "ast_1", "name": "A"}},
            "explanation": "A asked B.", "runbook": "Look.\nAsk.", "techniques": ["T0836", "T9"],
            "evidence": [{"kind": "message", "at": "2026-11-26T04:05:34.447004Z", "frame": 7,
                "protocol": "modbus", "from": "10.0.0.1", "to": null, "says": "asks: write",
                "excerpt": "00"}],
            "history": [{"at": "2026-11-26T04:05:34.447004Z", "actor": null, "says": "raised"}],
            "note": null, "mute": null,
        });
        let mut page = Page::wide(Some(80));
        compose(&mut page, &finding).expect("memory takes all");
        let text = page.plain();
        for said in [
            "seen 22 times by sensor lab",
            "packet 7 at 2026-11-26 04:05:34.447, 10.0.0.1 to nobody, modbus: asks: write",
            "who          A (ast_1)",
            "to whom      B (ast_2)",
            "to whom      10.0.0.7, 10.0.0.8",
            "  2. Ask.",
            "T0836 Modify Parameter, T9",
            "  2026-11-26 04:05:34  raised",
        ] {
            let line = text.replace("\n    ", " ").contains(said) || text.contains(said);
            assert!(line, "{said}:\n{text}");
        }
        assert!(!text.contains(['\u{202e}', '{', '=']), "{text}");
    }
}
