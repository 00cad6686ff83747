//! What a capture holds, on a page for a person.
//!
//! Invariant: the worst comes first within each table, and what was left out is said.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED,
};
use model::{
    Asset, AssetId, CaptureReport, Evidence, Finding, Health, Link, Severity, SignInRow, Time,
};
use std::{
    collections::{BTreeMap, HashMap},
    io::{Result, Write},
};

/// Rows of one table.
const ROWS_MAX: usize = 200;
/// Findings that are explained below their table.
const EXPLAINED_MAX: usize = 20;
/// Pieces of evidence shown of one finding.
const EVIDENCE_MAX: usize = 4;

pub fn write(out: &mut impl Write, report: &CaptureReport) -> Result<()> {
    summary(out, report)?;
    let names: HashMap<&AssetId, String> =
        report.assets.iter().map(|a| (&a.id, a.display())).collect();
    findings(out, &report.findings, &names)?;
    assets(out, &report.assets)?;
    links(out, &report.links, &names)?;
    sign_ins(out, &report.sign_ins, &names)?;
    messages(out, report)?;
    health(out, &report.health)
}

fn summary(out: &mut impl Write, report: &CaptureReport) -> Result<()> {
    writeln!(out, "{}", report.file)?;
    let packets = usize::try_from(report.packets).unwrap_or(usize::MAX);
    let mut parts = vec![counted(packets, "packet"), size(report.bytes)];
    if let (Some(first), Some(last)) = (report.first_ts, report.last_ts) {
        let seconds = last.since(first) as f64 / 1e9;
        parts.push(format!("{} UTC in {}", second(first), length(seconds)));
    }
    parts.push(counted(report.assets.len(), "asset"));
    parts.push(counted(report.links.len(), "link"));
    parts.push(counted(report.findings.len(), "finding"));
    writeln!(out, "{}", parts.join(", "))
}

fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn length(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

fn size(octets: u64) -> String {
    match octets {
        0..10_000 => format!("{octets} bytes"),
        10_000..1_000_000 => format!("{:.1} kB", octets as f64 / 1e3),
        _ => format!("{:.1} MB", octets as f64 / 1e6),
    }
}

/// Date and time of day as people write them.
fn second(at: Time) -> String {
    let text = at.to_string().replace('T', " ");
    text.split('.').next().unwrap_or_default().to_owned()
}

/// Columns whose heading begins with `>` hold numbers.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|title| title.trim_start_matches('>')));
    for (column, title) in table.column_iter_mut().zip(header) {
        if title.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Writes a line; on a terminal it breaks between words, and what follows stands below its text.
fn paragraph(out: &mut impl Write, begins: &str, text: &str, width: Option<u16>) -> Result<()> {
    let indent = begins.chars().count();
    let width = width.map_or(usize::MAX, usize::from).max(indent + 40);
    write!(out, "{begins}")?;
    let mut at = indent;
    for (number, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if number > 0 && at + 1 + length > width {
            write!(out, "\n{:indent$}", "")?;
            at = indent;
        } else if number > 0 {
            write!(out, " ")?;
            at += 1;
        }
        write!(out, "{word}")?;
        at += length;
    }
    writeln!(out)
}

fn print(out: &mut impl Write, title: &str, table: &Table, all: usize) -> Result<()> {
    if all == 0 {
        return Ok(());
    }
    writeln!(out, "\n{title}\n{table}")?;
    if all > ROWS_MAX {
        writeln!(out, "and {} more; --format json has all", all - ROWS_MAX)?;
    }
    Ok(())
}

fn findings(
    out: &mut impl Write,
    findings: &[Finding],
    names: &HashMap<&AssetId, String>,
) -> Result<()> {
    let mut rows: Vec<&Finding> = findings.iter().collect();
    rows.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let mut shown = table(&["severity", "finding", "assets", "first seen (UTC)", ">count"]);
    for finding in rows.iter().take(ROWS_MAX) {
        let of = |id: &AssetId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
        let assets: Vec<String> = finding.assets.iter().map(of).collect();
        shown.add_row([
            word(&finding.severity),
            finding.title.clone(),
            assets.join(", "),
            second(finding.first_seen),
            finding.count.to_string(),
        ]);
    }
    print(out, "Findings", &shown, rows.len())?;
    let urgent = rows.iter().filter(|f| f.severity >= Severity::Medium);
    let width = shown.width();
    urgent.take(EXPLAINED_MAX).try_for_each(|finding| explain(out, finding, width))
}

/// What a finding rests on and what to do about it.
fn explain(out: &mut impl Write, finding: &Finding, width: Option<u16>) -> Result<()> {
    writeln!(out, "\n{}: {}", word(&finding.severity), finding.title)?;
    paragraph(out, "  ", &finding.explanation, width)?;
    for evidence in finding.evidence().iter().take(EVIDENCE_MAX) {
        paragraph(out, "  - ", &proof(evidence), width)?;
    }
    let left = finding.evidence().len().saturating_sub(EVIDENCE_MAX);
    if left > 0 {
        writeln!(out, "  - and {left} more; --format json has all")?;
    }
    writeln!(out, "  ATT&CK: {}", finding.techniques.join(" "))?;
    for (number, step) in finding.runbook.lines().enumerate() {
        paragraph(out, &format!("  {}. ", number + 1), step, width)?;
    }
    Ok(())
}

fn proof(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Message { at, frame, protocol, from, to, says, .. } => {
            let name = |a: &Option<model::Address>| {
                a.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string)
            };
            format!("{at}, packet {frame}: {} to {}, {protocol}, {says}", name(from), name(to))
        }
        Evidence::Fact { path, value, source, .. } => format!("{path} is {value} ({source})"),
        Evidence::Learned { says, members } if members.is_empty() => format!("learned: {says}"),
        Evidence::Learned { says, members } => format!("learned: {says}: {}", members.join(", ")),
        Evidence::Count { first, last, count, says } => {
            format!("{count} {says}, {first} to {last}")
        }
    }
}

fn assets(out: &mut impl Write, assets: &[Asset]) -> Result<()> {
    let mut rows: Vec<&Asset> = assets.iter().collect();
    let level = |a: &Asset| a.purdue.map_or(9.0, model::Purdue::level);
    rows.sort_by(|a, b| level(a).total_cmp(&level(b)).then_with(|| a.ips.cmp(&b.ips)));
    let header = ["asset", "address", "class", "level", "vendor", "model", "firmware", "speaks"];
    let mut shown = table(&header);
    for asset in rows.iter().take(ROWS_MAX) {
        let addresses: Vec<String> = asset
            .ips
            .iter()
            .map(ToString::to_string)
            .chain(asset.macs.iter().map(ToString::to_string))
            .collect();
        let dash = |text: &Option<String>| text.clone().unwrap_or_default();
        shown.add_row([
            asset.display(),
            addresses.join("\n"),
            word(&asset.class),
            asset.purdue.map(|p| p.level().to_string()).unwrap_or_default(),
            dash(&asset.vendor),
            dash(&asset.model),
            dash(&asset.firmware),
            asset.protocols.join(" "),
        ]);
    }
    let said = [
        (4, rows.iter().any(|a| a.vendor.is_some())),
        (5, rows.iter().any(|a| a.model.is_some())),
        (6, rows.iter().any(|a| a.firmware.is_some())),
    ];
    for (place, _) in said.iter().filter(|(_, said)| !said) {
        if let Some(column) = shown.column_mut(*place) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    print(out, "Assets", &shown, rows.len())
}

fn links(out: &mut impl Write, links: &[Link], names: &HashMap<&AssetId, String>) -> Result<()> {
    let mut rows: Vec<&Link> = links.iter().collect();
    rows.sort_by_key(|l| std::cmp::Reverse(l.packets));
    let mut shown = table(&["client", "server", "speaks", "does", ">every", ">packets"]);
    for link in rows.iter().take(ROWS_MAX) {
        let of = |id: &AssetId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
        let port = link.port.map(|p| format!(" {}/{p}", link.transport)).unwrap_or_default();
        let does: Vec<String> =
            link.operations.iter().map(|(class, n)| format!("{class} {n}")).collect();
        let every = link.poll_interval_ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
        shown.add_row([
            of(&link.client),
            of(&link.server),
            format!("{}{port}", link.protocol),
            does.join(", "),
            every,
            link.packets.to_string(),
        ]);
    }
    print(out, "Links", &shown, rows.len())
}

fn sign_ins(
    out: &mut impl Write,
    rows: &[SignInRow],
    names: &HashMap<&AssetId, String>,
) -> Result<()> {
    let mut rows: Vec<&SignInRow> = rows.iter().collect();
    rows.sort_by_key(|r| (r.accepted != Some(false), std::cmp::Reverse(r.count)));
    let mut shown = table(&["client", "server", "how", "as", "answer", ">count"]);
    for row in rows.iter().take(ROWS_MAX) {
        let of = |id: &AssetId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
        let readable = if row.clear_text { ", readable" } else { "" };
        let answer = match row.accepted {
            Some(true) => "let in",
            Some(false) => "refused",
            None => "not seen",
        };
        shown.add_row([
            of(&row.client),
            of(&row.server),
            format!("{}{readable}", row.method),
            row.user.as_deref().unwrap_or_default().to_owned(),
            answer.to_owned(),
            row.count.to_string(),
        ]);
    }
    print(out, "Sign-ins", &shown, rows.len())
}

fn messages(out: &mut impl Write, report: &CaptureReport) -> Result<()> {
    let mut shown = table(&["messages", ">distinct", ">count"]);
    for (group, rows) in &report.messages {
        let count: u64 = rows.iter().map(|row| row.count).sum();
        shown.add_row([(*group).to_owned(), rows.len().to_string(), count.to_string()]);
    }
    print(out, "Messages understood", &shown, report.messages.len())?;
    let values = report.values.as_ref().map_or(0, Vec::len);
    if values > 0 {
        writeln!(out, "{values} process values; --format json --values has them")?;
    }
    Ok(())
}

fn health(out: &mut impl Write, health: &Health) -> Result<()> {
    let mut lines = Vec::new();
    let mut count = |what: &str, counts: &BTreeMap<String, u64>| {
        let all: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
        if !all.is_empty() {
            lines.push(format!("{what}: {}", all.join(", ")));
        }
    };
    count("not read", &health.unparsed);
    count("conversations in no known protocol", &health.unidentified);
    count("limits hit", &health.limits);
    if health.segments_lost > 0 {
        let (segments, bytes) = (health.segments_lost, health.bytes_lost);
        lines.push(format!("missing from the capture: {segments} segments, {bytes} bytes"));
    }
    if let Some(damage) = &health.damaged {
        lines.push(format!("the file could not be read to its end: {damage}"));
    }
    if lines.is_empty() {
        lines.push("everything was read".to_owned());
    }
    writeln!(out, "\nHealth")?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    writeln!(out)
}

/// The word of a plain enum as JSON says it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(width: Option<u16>, expect: &str) {
        let mut out = Vec::new();
        let text = "one two three four five six seven eight nine ten eleven";
        paragraph(&mut out, "  1. ", text, width).expect("memory takes all");
        assert_eq!(String::from_utf8(out).expect("text"), expect);
    }

    #[test]
    fn paragraphs_break_on_a_terminal_only() {
        check(None, "  1. one two three four five six seven eight nine ten eleven\n");
        let broken = "  1. one two three four five six seven eight\n     nine ten eleven\n";
        check(Some(48), broken);
    }
}
