//! `spandrel asset list|show`: assets of a server on this machine.
//!
//! Invariant: the JSON is the API's.

use crate::{
    finding::time,
    listing::{Place, Selection, heard, shown},
    page::{Page, counted, size},
};
use anyhow::{Result, bail};
use comfy_table::{ColumnConstraint, Table};
use serde_json::Value;
use server::AssetRow;
use std::{
    io::{self, Write},
    process::ExitCode,
};
use store::{ASSETS, Filter, ListRequest};

#[derive(clap::Subcommand)]
pub enum Options {
    /// List assets
    List {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        place: Place,
    },
    /// Show one asset: what it is, with whom it talks, what was said of it
    Show {
        /// Id, name or address of the asset
        asset: String,
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
            place.print(&rows, (&COLUMNS, &DEAR), server::members::<AssetRow>())?;
        }
        Options::Show { asset, place } => {
            let id = find(asset, place)?;
            let (asset, zones) = place.read(|store| async move {
                Ok((server::asset_detail(&store, &id).await?, store.zones().await?))
            })?;
            let asset = serde_json::to_value(asset)?;
            let zone = zones.into_iter().find(|zone| asset["zone"] == zone.id.as_str());
            let zone = zone.map(|zone| zone.name);
            place.print_one(&asset, |out, asset| compose(out, asset, zone.as_deref()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The id of the asset that somebody means.
fn find(wanted: &str, place: &Place) -> Result<String> {
    if wanted.starts_with("ast_") {
        return Ok(wanted.to_owned());
    }
    let quoted = wanted.replace('\\', "\\\\").replace('"', "\\\"");
    let (field, test) = match (wanted.parse::<std::net::IpAddr>(), wanted.parse::<model::Mac>()) {
        (Ok(_), _) => ("ip", "eq"),
        (_, Ok(_)) => ("mac", "eq"),
        // Without regard to case, which nobody remembers.
        _ => ("name", "contains"),
    };
    let now = model::Time::from_nanos(0);
    let filter = Filter::parse(&format!("{field} {test} \"{quoted}\""), ASSETS, now)?;
    let request = ListRequest { filter: Some(filter), sort: None, cursor: None, limit: 1_000 };
    let page = place.read(|store| async move { store.assets(&request).await })?;
    let rows: Vec<AssetRow> = page.items.into_iter().map(AssetRow::from).collect();
    meant(wanted, field, &rows)
}

/// Which of the rows, each with the words in `field`, it is.
fn meant(wanted: &str, field: &str, rows: &[AssetRow]) -> Result<String> {
    let of = |is: &dyn Fn(&str) -> bool| -> Vec<&AssetRow> {
        rows.iter().filter(|row| field != "name" || is(&row.name)).collect()
    };
    let mut found = of(&|name| name == wanted);
    if found.is_empty() {
        found = of(&|name| name.to_lowercase() == wanted.to_lowercase());
    }
    match (found.as_slice(), rows) {
        ([one], _) => Ok(one.id.clone()),
        ([], []) => {
            bail!("no asset has the {field} {wanted}; `spandrel asset list` names them all")
        }
        ([], _) => {
            let names: Vec<_> = rows.iter().take(SIMILAR_MAX).map(|row| &*row.name).collect();
            let more = if rows.len() > SIMILAR_MAX { ", …" } else { "" };
            bail!("no asset has the {field} {wanted}; there are {}{more}", names.join(", "))
        }
        (many, _) => {
            let at = |row: &&AssetRow| {
                let address = row.ips.first().or(row.macs.first());
                address.map_or_else(|| row.id.clone(), |address| format!("{} ({address})", row.id))
            };
            let many: Vec<_> = many.iter().map(at).collect();
            bail!("several assets have the {field} {wanted}; say which: {}", many.join(", "))
        }
    }
}

/// Names told where none is the one asked for.
const SIMILAR_MAX: usize = 5;

/// Lines of one table on a page.
const LINES_MAX: usize = 40;

fn compose(out: &mut Page, asset: &Value, zone: Option<&str>) -> io::Result<()> {
    let text = |member: &str| shown(&asset[member]);
    out.paragraph("", &text("name"))?;
    let level = asset["purdue"].as_f64().map(|level| format!("level {level}"));
    let zone = zone.map(|zone| format!("zone {}", shown(&zone.into())));
    let kind = [Some(text("class")), level, zone];
    let kind: Vec<String> = kind.into_iter().flatten().collect();
    out.paragraph("  ", &format!("{}; {}", kind.join(", "), text("lifecycle")))?;
    writeln!(out)?;
    for (name, member) in [
        ("vendor", "vendor"),
        ("model", "model"),
        ("firmware", "firmware"),
        ("serial", "serial"),
        ("system", "os"),
        ("addresses", "ips"),
        ("MAC", "macs"),
        ("VLAN", "vlans"),
        ("names", "names"),
        ("speaks", "protocols"),
    ] {
        out.pair(name, &text(member))?;
    }
    let observed = &asset["observed"];
    let reason =
        |member: &str| observed[member].as_str().map(|why| format!(": {}", shown(&why.into())));
    out.pair("role", &format!("{}{}", text("role"), reason("role_reason").unwrap_or_default()))?;
    out.pair("level is", &shown(&observed["purdue_reason"]))?;
    let (first, last) = (time(&asset["first_seen"]), time(&asset["last_seen"]));
    out.pair("seen", &format!("{first} to {last} UTC, {}", heard(&asset["sensor"])))?;
    let packets = asset["packets"].as_u64().unwrap_or_default();
    out.pair("sent", &counted(packets, "packet"))?;
    out.pair("note", &shown(&asset["declared"]["note"]))?;
    out.pair("id", &text("id"))?;
    tables(out, asset)
}

fn tables(out: &mut Page, asset: &Value) -> io::Result<()> {
    let rows = |member: &str| asset[member].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut shown_findings = out.table(&["severity", "finding", "last seen (UTC)", ">count", "id"]);
    for row in rows("open_findings").iter().take(LINES_MAX) {
        let cells = ["severity", "title", "last_seen", "count", "id"];
        shown_findings.add_row(cells.map(|member| cell(member, &row[member])));
    }
    print(out, "Open findings", shown_findings, rows("open_findings"))?;
    let whats = ["name", "vendor", "model", "firmware", "serial", "mode"];
    let mut modules =
        out.table(&["place", "name", "vendor", "model", "firmware", "serial", "mode"]);
    for row in rows("modules").iter().take(LINES_MAX) {
        let cells = std::iter::once(shown(&row["place"]["text"]));
        modules.add_row(cells.chain(whats.map(|member| shown(&row[member]))));
    }
    print(out, "Modules and devices behind it", modules, rows("modules"))?;
    let mut links = out.table(&["with", "way", "speaks", "does", ">bytes", "last seen (UTC)"]);
    for row in rows("links").iter().take(LINES_MAX) {
        links.add_row(link(row, &asset["id"]));
    }
    print(out, "Links", links, rows("links"))?;
    let mut facts = out.table(&["fact", "value", "said by", ">sure"]);
    for row in rows("facts").iter().take(LINES_MAX) {
        let sure = format!("{} %", shown(&row["confidence"]));
        facts.add_row([shown(&row["path"]), shown(&row["value"]), shown(&row["source"]), sure]);
    }
    print(out, "Facts", facts, rows("facts"))?;
    writeln!(out, "\nTimeline")?;
    for row in rows("timeline").iter().take(LINES_MAX) {
        let actor = row["actor"].as_str().map(|actor| format!(" ({})", shown(&actor.into())));
        let says = format!("{}{}", shown(&row["says"]), actor.unwrap_or_default());
        out.paragraph(&format!("  {}  ", time(&row["at"])), &says)?;
    }
    Ok(())
}

fn cell(member: &str, value: &Value) -> String {
    if member.ends_with("_seen") { time(value) } else { shown(value) }
}

/// With whom, who asks, in which protocol, what, how much, when last.
fn link(row: &Value, of: &Value) -> [String; 6] {
    let asks = row["client"] == *of;
    let with = if asks { &row["server_name"] } else { &row["client_name"] };
    let port = row["port"].as_u64().map(|port| format!("{}/{port}", shown(&row["transport"])));
    let is_known = row["protocol"] != row["transport"] || port.is_none();
    let speaks = is_known.then(|| shown(&row["protocol"])).into_iter().chain(port);
    let does = row["operations"].as_object().into_iter().flatten();
    let mut does: Vec<String> = does.map(|(class, n)| format!("{class} {n}")).collect();
    does.extend(row["poll_interval_ms"].as_u64().map(|ms| format!("every {ms} ms")));
    [
        shown(with),
        if asks { "asks" } else { "is asked" }.to_owned(),
        speaks.collect::<Vec<_>>().join(" "),
        does.join(", "),
        size(row["bytes"].as_u64().unwrap_or_default()),
        time(&row["last_seen"]),
    ]
}

/// A table without the columns that say nothing, and how many rows it leaves out.
fn print(out: &mut Page, title: &str, mut table: Table, rows: &[Value]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    for place in 0..table.column_count() {
        let says_nothing =
            table.column_cells_iter(place).flatten().all(|cell| cell.content().is_empty());
        if let (true, Some(column)) = (says_nothing, table.column_mut(place)) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    writeln!(out, "\n{title}\n{table}")?;
    if rows.len() > LINES_MAX {
        writeln!(out, "and {} more; --format json has all", rows.len() - LINES_MAX)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_meant_by_its_name_in_any_case_and_others_are_told() {
        let row = |id: &str, name: &str| {
            let json = serde_json::json!({
                "id": id, "macs": [], "ips": ["10.0.0.1"], "vlans": [], "names": [name],
                "vendor": null, "model": null, "firmware": null, "serial": null, "class": "plc",
                "role": "controller", "role_reason": null, "purdue": null, "purdue_reason": null,
                "os": null, "protocols": [], "first_seen": "2026-01-01T00:00:00Z",
                "last_seen": "2026-01-01T00:00:00Z", "packets": 1, "facts": [], "modules": [],
            });
            let asset = serde_json::from_value(json).expect("an asset");
            AssetRow::from(store::AssetFull::of_report(asset, "s").record)
        };
        let rows = [row("ast_1", "PLC-MIX-01"), row("ast_2", "plc-mix-011")];
        let of = |wanted: &str| meant(wanted, "name", &rows).map_err(|error| error.to_string());
        assert_eq!(of("plc-mix-01"), Ok("ast_1".to_owned()));
        let none = of("plc-mix").expect_err("no such name");
        assert!(none.ends_with("there are PLC-MIX-01, plc-mix-011"), "{none}");
        let same = [row("ast_1", "plc"), row("ast_2", "PLC"), row("ast_3", "plc")];
        let two = meant("plc", "name", &same).expect_err("two").to_string();
        assert!(two.ends_with("say which: ast_1 (10.0.0.1), ast_3 (10.0.0.1)"), "{two}");
        assert_eq!(meant("PLC", "name", &same).expect("one"), "ast_2");
    }

    #[test]
    fn links_of_no_known_protocol_say_what_carries_them_once() {
        let row = |protocol: &str| {
            let port = serde_json::json!({"protocol": protocol, "transport": "tcp", "port": 102});
            link(&port, &Value::Null)[2].clone()
        };
        assert_eq!((row("s7comm"), row("tcp")), ("s7comm tcp/102".into(), "tcp/102".into()));
    }

    #[test]
    fn modules_and_devices_behind_it_stand_with_their_places() {
        let place = |text: &str| serde_json::json!({"kind": "k", "at": "1", "text": text});
        let asset = serde_json::json!({ "modules": [
            {"slot": 3, "place": place("slot 3"), "model": "1756-L71", "mode": "run"},
            {"slot": null, "place": place("behind backplane 3, 10.1.2.3"), "name": "Filler"},
        ]});
        let mut page = Page::wide(Some(100));
        tables(&mut page, &asset).expect("memory takes all");
        let text = page.plain();
        let all = ["slot 3", "1756-L71", "run", "behind backplane 3, 10.1.2.3", "Filler"];
        assert!(all.iter().all(|said| text.contains(said)), "{text}");
        assert!(text.contains("Modules and devices behind it") && !text.contains("serial"));
    }

    #[test]
    fn a_page_has_what_is_known_and_no_raw_members() {
        let at = "2026-11-26T04:05:34.447004Z";
        let asset = serde_json::json!({
            "id": "ast_1", "name": "=PLC\u{1b}[2J\u{202e}", "class": "plc", "purdue": 1.0,
            "zone": null, "lifecycle": "new", "vendor": "Siemens AG", "model": null,
            "ips": ["10.0.0.1"], "macs": [], "vlans": [10, 20], "names": [],
            "protocols": ["s7comm"], "role": "controller",
            "observed": {"role_reason": "it answers programs", "purdue_reason": null},
            "declared": {"note": null}, "first_seen": at, "last_seen": at, "sensor": "lab",
            "packets": 1, "open_findings": [], "modules": [], "facts": [{"path": "model",
                "value": "6ES7", "source": "s7comm SZL", "confidence": 90, "observed_at": at}],
            "links": [{"client": "ast_2", "client_name": "HMI", "server": "ast_1",
                "server_name": "PLC", "protocol": "s7comm", "transport": "tcp", "port": 102,
                "operations": {"read": 3}, "poll_interval_ms": 100, "bytes": 2048,
                "last_seen": at}],
            "timeline": [{"at": at, "says": "first seen", "actor": "anna"}],
        });
        let mut page = Page::wide(Some(100));
        compose(&mut page, &asset, Some("Mixing cell")).expect("memory takes all");
        let text = page.plain();
        for said in [
            "plc, level 1, zone Mixing cell; new",
            "controller: it answers programs",
            "10, 20",
            "1 packet",
            "s7comm tcp/102",
            "read 3, every 100 ms",
            "2.0 KiB",
            "90 %",
            "first seen (anna)",
        ] {
            assert!(text.contains(said), "{said}:\n{text}");
        }
        let raw = ["\u{1b}", "\u{202e}", "04:05:34.4", "null", "Modules"];
        assert!(!raw.iter().any(|raw| text.contains(raw)), "{text}");
    }
}
