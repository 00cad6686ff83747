//! Text for a person at a terminal: paragraphs, tables, times and sizes.
//!
//! Not here: what is said. Invariant: nothing that the network says moves the cursor or turns the
//! line; on a terminal no line is longer than it, elsewhere lines are as long as they are.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets::UTF8_FULL_CONDENSED,
};
use model::Time;
use std::io::{Result, Write};

/// Below this width tables have fewer columns, with more in each.
const WIDE: u16 = 110;
/// A MAC address is not broken.
const MAC_WIDTH: u16 = 17;

/// A page as it grows.
pub struct Page {
    text: Vec<u8>,
    /// Of the terminal; without one lines are as long as they are.
    width: Option<u16>,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.text.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Page {
    /// As wide as the terminal.
    pub fn new() -> Self {
        Page::wide(Table::new().width())
    }

    pub fn wide(width: Option<u16>) -> Self {
        Page { text: Vec::new(), width }
    }

    pub fn is_narrow(&self) -> bool {
        self.width.is_some_and(|width| width < WIDE)
    }

    /// Columns whose heading begins with `>` hold numbers.
    pub fn table(&self, header: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = self.width {
            table.set_width(width);
        }
        table.set_header(header.iter().map(|title| title.trim_start_matches('>')));
        for (column, title) in table.column_iter_mut().zip(header) {
            let heading = u16::try_from(title.trim_start_matches('>').len() + 2).unwrap_or(2);
            let least = if *title == "address" { MAC_WIDTH + 2 } else { heading };
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
            if title.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    /// Writes a line; on a terminal it breaks between words, and what follows stands below its
    /// text.
    pub fn paragraph(&mut self, begins: &str, text: &str) -> Result<()> {
        let indent = begins.chars().count();
        let width = self.width.map_or(usize::MAX, usize::from).max(indent + 40);
        write!(self, "{begins}")?;
        let mut at = indent;
        for (number, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if number > 0 && at + 1 + length > width {
                write!(self, "\n{:indent$}", "")?;
                at = indent;
            } else if number > 0 {
                write!(self, " ")?;
                at += 1;
            }
            write!(self, "{word}")?;
            at += length;
        }
        writeln!(self)
    }

    /// A name and its value, values below each other; nothing where there is no value.
    #[cfg(feature = "control-plane")]
    pub fn pair(&mut self, name: &str, value: &str) -> Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        self.paragraph(&format!("  {name:<12} "), value)
    }

    /// What was written, for a terminal.
    pub fn plain(&self) -> String {
        plain(&String::from_utf8_lossy(&self.text))
    }
}

/// Text whose every line stays where it stands.
pub fn plain(text: &str) -> String {
    let kept = |c: char| c == '\n' || !model::is_disruptive(c);
    text.chars().map(|c| if kept(c) { c } else { '\u{fffd}' }).collect()
}

/// A name in a table: one of 250 characters would make every row as long.
pub fn brief(text: &str) -> String {
    const NAME_CHARS_MAX: usize = 64;
    if text.chars().count() <= NAME_CHARS_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(NAME_CHARS_MAX - 1).collect();
    format!("{head}…")
}

pub fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

pub fn length(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s if s < 63_115_200.0 => format!("{:.1} days", s / 86_400.0),
        s => format!("{:.1} years", s / 31_557_600.0),
    }
}

/// Octets, counted in 1024.
pub fn size(octets: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut unit) = (octets as f64, 0);
    while whole >= 1_024.0 && unit + 1 < units.len() {
        (whole, unit) = (whole / 1_024.0, unit + 1);
    }
    if unit == 0 { format!("{octets} B") } else { format!("{whole:.1} {}", units[unit]) }
}

/// Date and time of day as people write them.
pub fn second(at: Time) -> String {
    let text = at.to_string().replace('T', " ");
    text.split('.').next().unwrap_or_default().to_owned()
}

/// Date and time of day to the millisecond: what finds a packet among others.
pub fn millisecond(at: Time) -> String {
    let text = at.to_string().replace('T', " ");
    match text.split_once('.') {
        Some((second, rest)) => format!("{second}.{}", rest.get(..3).unwrap_or(rest)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(width: Option<u16>, expect: &str) {
        let mut page = Page::wide(width);
        let text = "one two three four five six seven eight nine ten eleven";
        page.paragraph("  1. ", text).expect("memory takes all");
        assert_eq!(page.plain(), expect);
    }

    #[test]
    fn lengths_are_told_in_a_unit_that_suits_them() {
        let told = [0.4, 90.0, 5_400.0, 86_400.0, 6.9e6, 3.1e8].map(length);
        assert_eq!(told, ["0.4 s", "90.0 s", "90.0 min", "24.0 h", "79.9 days", "9.8 years"]);
    }

    #[test]
    fn paragraphs_break_on_a_terminal_only() {
        check(None, "  1. one two three four five six seven eight nine ten eleven\n");
        let broken = "  1. one two three four five six seven eight\n     nine ten eleven\n";
        check(Some(48), broken);
    }

    #[test]
    fn hostile_names_stay_in_their_line() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\nd");
        assert_eq!(brief(&"é".repeat(250)).chars().count(), 64);
    }

    #[test]
    fn times_and_sizes_are_those_of_people() {
        let at = Time::from_nanos(1_781_000_000_123_456_000);
        assert_eq!(second(at), "2026-06-09 10:13:20");
        assert_eq!(millisecond(at), "2026-06-09 10:13:20.123");
        assert_eq!([size(1), size(2_048), size(5 << 30)], ["1 B", "2.0 KiB", "5.0 GiB"]);
    }
}
