//! Lists of the control plane on the command line: table, CSV or JSON.
//!
//! Reads the database beside a running server, read-only. Not here: which columns. Invariant:
//! standard output is the rows alone, sorted by the list's own order.

use crate::{
    complain,
    page::{Page, plain},
    run::default_data,
};
use anyhow::{Context as _, Result, bail};
use comfy_table::{
    ColumnConstraint, ContentArrangement, Table, Width, presets::UTF8_FULL_CONDENSED,
};
use model::Time;
use serde_json::Value;
use std::{
    future::Future,
    io::{IsTerminal, Write},
    path::PathBuf,
};
use store::{Field, Filter, ListRequest, Store};

#[derive(clap::Args, Clone)]
pub struct Place {
    /// Directory of the server's database
    #[arg(long, value_name = "DIR", env = "SPANDREL_DATA")]
    data: Option<PathBuf>,
    /// Form of the output [default: table on a terminal, else json]
    #[arg(long, value_enum)]
    format: Option<Form>,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What `pcap` calls its form for people.
    #[value(alias = "text")]
    Table,
    Csv,
    Json,
}

#[derive(clap::Args, Clone)]
pub struct Selection {
    /// Rows to keep, e.g. 'severity ge "high"' of findings, 'class eq "plc" and purdue le 1' of
    /// assets; a field that is not there is answered with those that are
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// A field to sort by, `-` before it for descending
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Rows at most
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Selection {
    /// Checks the filter against the rows' fields.
    pub fn request(&self, fields: &'static [Field]) -> Result<ListRequest> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let now = Time::from_nanos(i64::try_from(now.as_nanos())?);
        let filter = self.filter.as_deref().map(|text| Filter::parse(text, fields, now));
        let filter = filter.transpose().context("cannot read --filter")?;
        Ok(ListRequest { filter, sort: self.sort.clone(), cursor: None, limit: self.limit })
    }
}

impl Place {
    fn form(&self) -> Form {
        let terminal = std::io::stdout().is_terminal();
        self.format.unwrap_or(if terminal { Form::Table } else { Form::Json })
    }

    /// Opens the database, reads, closes.
    pub fn read<T, F>(&self, work: impl FnOnce(Store) -> F) -> Result<T>
    where
        F: Future<Output = store::Result<T>>,
    {
        let data = match &self.data {
            Some(data) => data.clone(),
            None => default_data()?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = Store::open_read_only(&data).await?;
            let result = work(store.clone()).await;
            store.close().await;
            Ok(result?)
        })
    }

    /// Prints rows. `columns` are a table's heads and the members under them; `dear` says which
    /// of them a narrow terminal shows rather than others, the dearest first. A CSV names all
    /// `members`, also where no row is.
    pub fn print(
        &self,
        rows: &[Value],
        (columns, dear): (&[(&str, &str)], &[&str]),
        members: Option<String>,
    ) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.form() {
            Form::Json => {
                serde_json::to_writer(&mut out, rows)?;
                writeln!(out)?;
            }
            Form::Csv => out.write_all(server::csv(rows, members.as_deref()).as_bytes())?,
            Form::Table if rows.is_empty() => complain("no row fits"),
            Form::Table => {
                let (table, left_out) = table(rows, columns, dear, Table::new().width());
                writeln!(out, "{table}")?;
                if !left_out.is_empty() {
                    let left_out = left_out.join(", ").to_lowercase();
                    complain(&format!("left out for the width: {left_out}; --format csv has all"));
                }
            }
        }
        Ok(())
    }

    /// Prints one row: JSON as it is, else a page for a person.
    pub fn print_one(
        &self,
        row: &Value,
        compose: impl FnOnce(&mut Page, &Value) -> std::io::Result<()>,
    ) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.form() {
            Form::Json => {
                serde_json::to_writer(&mut out, row)?;
                writeln!(out)?;
            }
            Form::Csv => bail!("one row has no CSV form; use --format json"),
            Form::Table => {
                let mut page = Page::new();
                compose(&mut page, row)?;
                out.write_all(page.plain().as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Names and titles are broken into lines, no narrower than this; all else stands in one.
const BROKEN: [&str; 2] = ["name", "title"];
const BROKEN_WIDTH: usize = 16;
/// What has many values shows the first ones.
const CELL_WIDTH: usize = 40;

/// The table, and the heads there was no room for.
fn table<'a>(
    rows: &[Value],
    columns: &[(&'a str, &str)],
    dear: &[&str],
    width: Option<u16>,
) -> (Table, Vec<&'a str>) {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|(_, member)| cell(member, &row[*member])).collect())
        .collect();
    let least: Vec<usize> = (0..columns.len())
        .map(|place| {
            let (head, member) = columns[place];
            let longest = cells.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
            let bound = if BROKEN.contains(&member) { BROKEN_WIDTH } else { CELL_WIDTH };
            longest.min(bound).max(head.chars().count())
        })
        .collect();
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    if let Some(width) = width {
        let rank = |place: &usize| dear.iter().position(|member| *member == columns[*place].1);
        // A line left and right of each, and a space.
        let needs = |kept: &[usize]| kept.iter().map(|p| least[*p] + 3).sum::<usize>() + 1;
        while kept.len() > 1 && needs(&kept) > usize::from(width) {
            let last = kept.iter().max_by_key(|place| rank(place).unwrap_or(usize::MAX));
            let Some(last) = last.copied() else { break };
            kept.retain(|place| *place != last);
        }
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(kept.iter().map(|place| columns[*place].0));
    for row in &cells {
        table.add_row(kept.iter().map(|place| row[*place].clone()));
    }
    for (column, place) in table.column_iter_mut().zip(&kept) {
        let least = Width::Fixed(u16::try_from(least[*place] + 2).unwrap_or(u16::MAX));
        column.set_constraint(ColumnConstraint::LowerBoundary(least));
    }
    let gone = (0..columns.len()).filter(|place| !kept.contains(place));
    (table, gone.map(|place| columns[place].0).collect())
}

/// A value in a table: times to the second, as people write them.
fn cell(member: &str, value: &Value) -> String {
    match value {
        Value::String(text) if member.ends_with("_seen") => {
            text.split('.').next().unwrap_or_default().replace('T', " ")
        }
        Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        Value::Array(values) if values.len() > 1 => {
            format!("{} +{}", shown(&values[0]), values.len() - 1)
        }
        other => shown(other),
    }
}

/// By whom a row was told: imported captures have ids and no names.
pub fn heard(sensor: &Value) -> String {
    let name = shown(sensor);
    if name.starts_with("cap_") {
        "in an imported capture".to_owned()
    } else {
        format!("by sensor {name}")
    }
}

/// A value for a person. Names come from the network: control characters would move the cursor.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        Value::Array(values) => {
            let parts: Vec<String> = values.iter().map(shown).collect();
            parts.join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imported_capture_is_told_as_one() {
        let told = ["lab", "cap_01a2220545c3"].map(|sensor| heard(&sensor.into()));
        assert_eq!(told, ["by sensor lab", "in an imported capture"]);
    }

    #[test]
    fn hostile_names_cannot_move_the_cursor() {
        let name = "a\u{1b}[2Jb\u{202e}";
        let row = serde_json::json!({"name": name, "ips": ["10.0.0.1", "10.0.0.2"]});
        let (table, _) = table(&[row], &[("NAME", "name"), ("ADDRESS", "ips")], &[], None);
        let text = table.to_string();
        assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.contains("10.0.0.1 +1"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_shows_what_is_dearest_whole() {
        let row = serde_json::json!({
            "id": "ast_94644a5e2e5207b7", "name": "filler-of-line-2.northbrook.example",
            "class": "io-adapter", "purdue": 1.0, "vendor": "Rockwell Automation",
            "ips": ["10.120.120.220"], "last_seen": "2026-11-26T17:15:36.091916Z",
        });
        let columns = [
            ("ID", "id"),
            ("NAME", "name"),
            ("CLASS", "class"),
            ("LEVEL", "purdue"),
            ("VENDOR", "vendor"),
            ("ADDRESS", "ips"),
            ("LAST SEEN (UTC)", "last_seen"),
        ];
        let dear = ["id", "name", "ips", "class", "purdue", "last_seen"];
        let drawn = |width| {
            let (table, gone) = table(std::slice::from_ref(&row), &columns, &dear, Some(width));
            let text = table.to_string();
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width.into()), "{width}:\n{text}");
            (text, gone)
        };
        let (text, gone) = drawn(80);
        for whole in ["ast_94644a5e2e5207b7", "10.120.120.220", "io-adapter"] {
            assert!(text.contains(whole), "{whole}:\n{text}");
        }
        assert_eq!(gone, ["LEVEL", "VENDOR", "LAST SEEN (UTC)"]);
        let (text, gone) = drawn(140);
        assert!(gone.is_empty() && text.contains("2026-11-26 17:15:36"), "{text}");
    }
}
