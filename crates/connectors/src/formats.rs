//! Formats that `vault diff` compares by meaning and that need more than the bytes: databases.
//!
//! Invariant: what is compared is a copy out of two snapshots; no original is opened.

use rusqlite::{Connection, OpenFlags};
use std::{collections::BTreeMap, io::Write, path::Path};
use vault::diff::{Difference, Format};

/// SQLite: tables, indexes and triggers by their definition, tables also by their rows.
pub struct SqliteSchema;

impl Format for SqliteSchema {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn compare(&self, _path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        const MAGIC: &[u8] = b"SQLite format 3\0";
        if !before.starts_with(MAGIC) || !after.starts_with(MAGIC) {
            return None;
        }
        let (a, b) = (describe(before)?, describe(after)?);
        let mut units: Vec<&String> = a.keys().chain(b.keys()).collect();
        units.sort_unstable();
        units.dedup();
        let difference =
            |unit: &String| Difference::of(unit, a.get(unit).cloned(), b.get(unit).cloned());
        let mut found: Vec<Difference> = units.into_iter().filter_map(difference).collect();
        for difference in &mut found {
            let definition = difference.unit.as_ref().is_some_and(|unit| !unit.ends_with(" rows"));
            difference.risk = definition.then_some("the schema changed");
        }
        Some(found)
    }
}

/// Definitions and row counts, by name.
fn describe(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut copy = tempfile::NamedTempFile::new().ok()?;
    copy.write_all(bytes).ok()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    // Immutable: a database in WAL mode would want a file beside it.
    let uri = format!("file:{}?immutable=1", copy.path().display());
    let open = Connection::open_with_flags(uri, flags).ok()?;
    let mut found = BTreeMap::new();
    let mut schema =
        open.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").ok()?;
    let rows = schema
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .ok()?
        .collect::<Result<Vec<(String, String, String)>, _>>()
        .ok()?;
    for (kind, name, sql) in rows {
        if kind == "table" {
            let quoted = name.replace('"', "\"\"");
            let count = format!("SELECT count(*) FROM \"{quoted}\"");
            let count: i64 = open.query_row(&count, [], |row| row.get(0)).ok()?;
            found.insert(format!("{kind} {name} rows"), count.to_string());
        }
        found.insert(format!("{kind} {name}"), sql);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(sql: &str) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = Connection::open(file.path()).unwrap();
        open.execute_batch(sql).unwrap();
        open.close().unwrap();
        std::fs::read(file.path()).unwrap()
    }

    #[test]
    fn a_schema_change_and_new_rows_are_told_apart() {
        let base = "PRAGMA journal_mode=wal; CREATE TABLE point (id, name); \
                    INSERT INTO point VALUES (1, 'a');";
        let before = database(base);
        let after = database(&format!(
            "{base} INSERT INTO point VALUES (2, 'b'); CREATE INDEX i ON point (id);"
        ));
        let found = SqliteSchema.compare(Path::new("x.db"), &before, &after).unwrap();
        let units: Vec<_> =
            found.iter().map(|d| (d.unit.as_deref().unwrap(), d.risk.is_some())).collect();
        assert_eq!(units, [("index i", true), ("table point rows", false)]);
        assert_eq!(SqliteSchema.compare(Path::new("x.db"), &before, b"text"), None);
    }
}
