//! What a capture holds, on a page for a person.
//!
//! Invariant: the worst comes first within each table, and what was left out is said; nothing that
//! the network says moves the cursor.

use crate::{
    page::{Page, brief, counted, length, second, size},
    story::Story,
};
use comfy_table::{ColumnConstraint, Table};
use model::{
    Asset, AssetId, CaptureReport, Finding, Health, Link, SignInRow, maker, names_together,
};
use std::{
    collections::BTreeMap,
    io::{Result, Write},
};

/// Rows of one table.
const ROWS_MAX: usize = 200;
/// Findings that are explained below their table.
const EXPLAINED_MAX: usize = 20;

pub fn write(out: &mut impl Write, report: &CaptureReport) -> Result<()> {
    let mut page = Page::new();
    compose(&mut page, report)?;
    out.write_all(page.plain().as_bytes())
}

fn compose(page: &mut Page, report: &CaptureReport) -> Result<()> {
    summary(page, report)?;
    let names = names_together(&report.assets, brief);
    findings(page, &report.findings, &names)?;
    assets(page, &report.assets)?;
    links(page, &report.links, &names)?;
    sign_ins(page, &report.sign_ins, &names)?;
    messages(page, report)?;
    health(page, report.packets, &report.health)
}

fn summary(out: &mut Page, report: &CaptureReport) -> Result<()> {
    writeln!(out, "{}", report.file)?;
    let mut parts = vec![counted(report.packets, "packet"), size(report.bytes)];
    match (report.first_ts, report.last_ts) {
        (Some(first), Some(last)) if first == last => {
            parts.push(format!("at {} UTC", second(first)));
        }
        (Some(first), Some(last)) => {
            let seconds = last.since(first) as f64 / 1e9;
            parts.push(format!("{} from {} UTC", length(seconds), second(first)));
        }
        _ => {}
    }
    parts.push(counted(report.assets.len() as u64, "asset"));
    parts.push(counted(report.links.len() as u64, "link"));
    parts.push(counted(report.findings.len() as u64, "finding"));
    writeln!(out, "{}", parts.join(", "))
}

fn print(out: &mut Page, title: &str, table: &Table, all: usize) -> Result<()> {
    if all == 0 {
        return Ok(());
    }
    writeln!(out, "\n{title}\n{table}")?;
    if all > ROWS_MAX {
        writeln!(out, "and {} more; --format json has all", all - ROWS_MAX)?;
    }
    Ok(())
}

fn findings(out: &mut Page, findings: &[Finding], names: &BTreeMap<AssetId, String>) -> Result<()> {
    let mut rows: Vec<&Finding> = findings.iter().collect();
    rows.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let mut shown = out.table(&["severity", "finding", "assets", "first seen (UTC)", ">count"]);
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
    if out.is_narrow()
        && let Some(assets) = shown.column_mut(2)
    {
        // The title names those that matter most.
        assets.set_constraint(ColumnConstraint::Hidden);
    }
    print(out, "Findings", &shown, rows.len())?;
    rows.iter().take(EXPLAINED_MAX).try_for_each(|finding| explain(out, finding))?;
    match rows.len().saturating_sub(EXPLAINED_MAX) {
        0 => Ok(()),
        left => {
            writeln!(out, "\nThe other {left} are explained by --format json.")
        }
    }
}

/// What a finding rests on and what to do about it.
fn explain(out: &mut Page, finding: &Finding) -> Result<()> {
    writeln!(out)?;
    out.paragraph("", &format!("{}: {}", word(&finding.severity), finding.title))?;
    Story::of(finding).tell(out)
}

fn assets(out: &mut Page, assets: &[Asset]) -> Result<()> {
    let mut rows: Vec<&Asset> = assets.iter().collect();
    let level = |a: &Asset| a.purdue.map_or(9.0, model::Purdue::level);
    rows.sort_by(|a, b| level(a).total_cmp(&level(b)).then_with(|| a.ips.cmp(&b.ips)));
    if out.is_narrow() {
        return narrow_assets(out, &rows);
    }
    let header = ["asset", "address", "class", "level", "vendor", "model", "firmware", "speaks"];
    let mut shown = out.table(&header);
    for asset in rows.iter().take(ROWS_MAX) {
        let dash = |text: &Option<String>| text.as_deref().map(brief).unwrap_or_default();
        shown.add_row([
            brief(&asset.display()),
            addresses(asset),
            word(&asset.class),
            level_of(asset),
            dash(&asset.vendor.as_deref().map(|said| maker(said).to_owned())),
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

/// The same in fewer columns.
fn narrow_assets(out: &mut Page, rows: &[&Asset]) -> Result<()> {
    let mut shown = out.table(&["asset", "address", "class, level", "speaks"]);
    for asset in rows.iter().take(ROWS_MAX) {
        let made = asset.vendor.as_deref().map(maker).into_iter().chain(asset.model.as_deref());
        let mut lines = vec![brief(&asset.display()), made.collect::<Vec<_>>().join(" ")];
        lines.extend(asset.firmware.as_ref().map(|version| format!("firmware {version}")));
        lines.retain(|line| !line.is_empty());
        let level = level_of(asset);
        let level = if level.is_empty() { level } else { format!("level {level}") };
        shown.add_row([
            lines.join("\n"),
            addresses(asset),
            format!("{}\n{level}", word(&asset.class)).trim_end().to_owned(),
            asset.protocols.join(" "),
        ]);
    }
    print(out, "Assets", &shown, rows.len())
}

fn addresses(asset: &Asset) -> String {
    let ips = asset.ips.iter().map(ToString::to_string);
    ips.chain(asset.macs.iter().map(ToString::to_string)).collect::<Vec<_>>().join("\n")
}

fn level_of(asset: &Asset) -> String {
    asset.purdue.map(|purdue| purdue.level().to_string()).unwrap_or_default()
}

fn links(out: &mut Page, links: &[Link], names: &BTreeMap<AssetId, String>) -> Result<()> {
    let mut rows: Vec<&Link> = links.iter().collect();
    rows.sort_by_key(|l| std::cmp::Reverse(l.packets));
    let mut shown = out.table(&["client", "server", "speaks", "does", ">every", ">packets"]);
    for link in rows.iter().take(ROWS_MAX) {
        let of = |id: &AssetId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
        let port = link.port.map(|port| format!("{}/{port}", link.transport));
        let said =
            (link.protocol != link.transport || port.is_none()).then(|| link.protocol.clone());
        let speaks: Vec<String> = said.into_iter().chain(port).collect();
        let mut does: Vec<String> =
            link.operations.iter().map(|(class, n)| format!("{class} {n}")).collect();
        let every = link.poll_interval_ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
        if out.is_narrow() && !every.is_empty() {
            does.push(format!("every {every}"));
        }
        shown.add_row([
            of(&link.client),
            of(&link.server),
            speaks.join(" "),
            does.join(", "),
            every,
            link.packets.to_string(),
        ]);
    }
    let polled = rows.iter().any(|link| link.poll_interval_ms.is_some());
    if (out.is_narrow() || !polled)
        && let Some(every) = shown.column_mut(4)
    {
        every.set_constraint(ColumnConstraint::Hidden);
    }
    print(out, "Links", &shown, rows.len())
}

fn sign_ins(out: &mut Page, rows: &[SignInRow], names: &BTreeMap<AssetId, String>) -> Result<()> {
    let mut rows: Vec<&SignInRow> = rows.iter().collect();
    rows.sort_by_key(|r| (r.accepted != Some(false), std::cmp::Reverse(r.count)));
    let mut shown = out.table(&["client", "server", "how", "as", "answer", ">count"]);
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

fn messages(out: &mut Page, report: &CaptureReport) -> Result<()> {
    let mut shown = out.table(&["messages", ">distinct", ">count"]);
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

fn health(out: &mut Page, packets: u64, health: &Health) -> Result<()> {
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
        let all = if packets == 0 { "there is no packet in it" } else { "everything was read" };
        lines.push(all.to_owned());
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

    fn controller() -> Asset {
        let asset = serde_json::json!({
            "id": "ast_1", "macs": ["28:63:36:aa:10:10"], "ips": ["10.120.110.210"], "vlans": [],
            "names": ["mixing\u{1b}[2J-controller-of-line-4.plant.example"],
            "vendor": "Rockwell Automation/Allen-Bradley", "model": "1756-L83E/B",
            "firmware": "33.011", "serial": null, "class": "building-controller",
            "role": "controller", "role_reason": null, "purdue": 1.0, "purdue_reason": null,
            "os": null, "protocols": ["arp", "cip", "enip", "s7comm-plus", "profinet-io"],
            "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:01:00Z",
            "packets": 1, "facts": [], "modules": [],
        });
        serde_json::from_value(asset).expect("an asset")
    }

    #[test]
    fn assets_of_one_name_are_told_apart_in_rows() {
        let mut two = [controller(), controller()];
        two[0].names = vec!["plc".to_owned()];
        two[1] = Asset { id: AssetId("ast_2".to_owned()), ips: Vec::new(), ..two[0].clone() };
        let told = names_together(&two, brief);
        let told: Vec<_> = two.iter().map(|asset| told[&asset.id].as_str()).collect();
        assert_eq!(told, ["plc (10.120.110.210)", "plc (28:63:36:aa:10:10)"]);
        assert_eq!(names_together(&two[..1], brief)[&two[0].id], "plc");
    }

    #[test]
    fn tables_fit_a_terminal_and_break_no_address() {
        for width in [80, 100, 120, 200] {
            let mut page = Page::wide(Some(width));
            assets(&mut page, &[controller()]).expect("memory takes all");
            let text = page.plain();
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width.into()), "{width}:\n{text}");
            for whole in ["28:63:36:aa:10:10", "10.120.110.210", "33.011"] {
                assert!(text.contains(whole), "{width}: {whole}\n{text}");
            }
            assert!(!text.contains('\u{1b}'), "{text}");
        }
    }
}
