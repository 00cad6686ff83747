//! Lists of the control plane on the command line: table, CSV or JSON.
//!
//! Reads the database beside a running server, read-only. Not here: which columns. Invariant:
//! standard output is the rows alone, sorted by the list's own order.

use crate::run::default_data;
use anyhow::{Context as _, Result, bail};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
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
    Table,
    Csv,
    Json,
}

#[derive(clap::Args, Clone)]
pub struct Selection {
    /// Rows to keep, e.g. 'class eq "plc" and purdue le 1'
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

    /// Prints rows. `columns` are a table's heads and the members under them.
    pub fn print(&self, rows: &[Value], columns: &[(&str, &str)]) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.form() {
            Form::Json => {
                serde_json::to_writer(&mut out, rows)?;
                writeln!(out)?;
            }
            Form::Csv => out.write_all(server::csv(rows, None).as_bytes())?,
            Form::Table => writeln!(out, "{}", table(rows, columns))?,
        }
        Ok(())
    }

    /// Prints one row: JSON as it is, else each member a line.
    pub fn print_one(&self, row: &Value) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.form() {
            Form::Json => {
                serde_json::to_writer(&mut out, row)?;
                writeln!(out)?;
            }
            Form::Csv => bail!("one row has no CSV form; use --format json"),
            Form::Table => {
                let mut table = Table::new();
                table.load_style(UTF8_FULL_CONDENSED);
                table.set_content_arrangement(ContentArrangement::Dynamic);
                for (name, value) in row.as_object().into_iter().flatten() {
                    let text = shown(value);
                    if !text.is_empty() {
                        table.add_row([name.replace('_', " "), text]);
                    }
                }
                writeln!(out, "{table}")?;
            }
        }
        Ok(())
    }
}

fn table(rows: &[Value], columns: &[(&str, &str)]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(head, _)| *head));
    for row in rows {
        table.add_row(columns.iter().map(|(_, member)| shown(&row[*member])));
    }
    table
}

/// A value for a person. Names come from the network: control characters would move the cursor.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Array(values) => {
            let parts: Vec<String> = values.iter().map(shown).collect();
            let many = values.iter().any(Value::is_object);
            parts.join(if many { "\n" } else { ", " })
        }
        Value::Object(members) => {
            let parts = members.iter().filter(|(_, value)| !value.is_null());
            let parts: Vec<String> =
                parts.map(|(name, value)| format!("{}={}", clean(name), shown(value))).collect();
            parts.join(" ")
        }
        other => other.to_string(),
    }
}

fn clean(text: &str) -> String {
    let plain = |c: char| !c.is_control() || c == '\n';
    text.chars().map(|c| if plain(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_cannot_move_the_cursor() {
        let row = serde_json::json!({"name": "a\u{1b}[2Jb", "ips": ["10.0.0.1", "10.0.0.2"]});
        let text = table(&[row], &[("NAME", "name"), ("ADDRESS", "ips")]).to_string();
        assert!(!text.contains('\u{1b}') && text.contains("10.0.0.1, 10.0.0.2"), "{text}");
    }
}
