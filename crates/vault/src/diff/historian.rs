//! Databases of historians as the `postgres` source keeps them: `tables.csv` by table, and the
//! statements of the schema by line.
//!
//! More rows and a later time are what a historian is for; fewer or earlier are not. Invariant:
//! each table that changed has a row, and each with less than before has a reason to look.

use super::{Difference, Format, table::rows, text::Text};
use std::{collections::BTreeMap, path::Path};

pub struct Historian;

impl Format for Historian {
    fn name(&self) -> &'static str {
        "historian"
    }

    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        match path.file_name()?.to_str()? {
            "tables.csv" => tables(before, after),
            "1-schema.sql" | "3-after.sql" => {
                let mut found = Text.compare(path, before, after)?;
                // Where the sequences stand is data, not schema.
                let is_count = |d: &Difference| {
                    let texts = [&d.before, &d.after];
                    texts.into_iter().flatten().all(|t| t.starts_with("SELECT pg_catalog.setval"))
                };
                for difference in &mut found {
                    let schema = Some("the schema changed");
                    difference.risk = if is_count(difference) { None } else { schema };
                }
                Some(found)
            }
            _ => None,
        }
    }
}

type Counts = BTreeMap<String, (u64, String)>;

fn tables(before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
    let (a, b) = (counts(before)?, counts(after)?);
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let shown = |counts: Option<&(u64, String)>| {
        counts.map(|(rows, newest)| match newest.as_str() {
            "" => format!("{rows} rows"),
            newest => format!("{rows} rows, newest {newest}"),
        })
    };
    let one = |name: &String| {
        let (was, is) = (a.get(name), b.get(name));
        let mut difference = Difference::of(name, shown(was), shown(is))?;
        difference.risk = match (was, is) {
            (Some(_), None) => Some("the table is gone"),
            (Some((was, _)), Some((is, _))) if is < was => Some("rows are gone"),
            // ISO dates of one time zone compare as text.
            (Some((_, was)), Some((_, is))) if is < was => Some("the newest time went back"),
            (Some((_, was)), Some((_, is))) if is == was && !was.is_empty() => {
                Some("it changed, and nothing newer came")
            }
            _ => None,
        };
        Some(difference)
    };
    Some(names.into_iter().filter_map(one).collect())
}

fn counts(bytes: &[u8]) -> Option<Counts> {
    let mut rows = rows(str::from_utf8(bytes).ok()?)?.into_iter();
    if rows.next()? != ["table", "rows", "newest"] {
        return None;
    }
    rows.map(|row| {
        let [table, count, newest] = row.try_into().ok()?;
        Some((table, (count.parse().ok()?, newest)))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Change;

    #[test]
    fn rows_that_are_gone_are_told_from_rows_that_came() {
        let before = b"table,rows,newest\n\"p.a\",10,\"2026-03-01 00:00:00+00\"\np.b,5,\n\
                       p.c,1,\np.d,3,\"2026-03-02 00:00:00+00\"\n";
        let after = b"table,rows,newest\n\"p.a\",12,\"2026-03-01 00:01:00+00\"\np.b,4,\n\
                      p.d,4,\"2026-03-02 00:00:00+00\"\np.e,0,\n";
        let found = Historian.compare(Path::new("x/tables.csv"), before, after).unwrap();
        let shown: Vec<_> =
            found.iter().map(|d| (d.change, d.unit.as_deref().unwrap(), d.risk)).collect();
        assert_eq!(
            shown,
            [
                (Change::Changed, "p.a", None),
                (Change::Changed, "p.b", Some("rows are gone")),
                (Change::Removed, "p.c", Some("the table is gone")),
                (Change::Changed, "p.d", Some("it changed, and nothing newer came")),
                (Change::Added, "p.e", None),
            ]
        );
        assert_eq!(found[0].after.as_deref(), Some("12 rows, newest 2026-03-01 00:01:00+00"));
    }

    #[test]
    fn a_schema_change_is_a_risk_and_a_counter_is_not() {
        let before = b"SELECT pg_catalog.setval('a', 5, true);\nCREATE INDEX i ON a (b);\n";
        let after = b"SELECT pg_catalog.setval('a', 6, true);\nCREATE INDEX j ON a (b);\n";
        let found = Historian.compare(Path::new("3-after.sql"), before, after).unwrap();
        let risks: Vec<_> = found.iter().map(|d| d.risk.is_some()).collect();
        assert_eq!(risks.iter().filter(|risk| **risk).count(), 2, "{found:?}");
        assert!(risks.contains(&false));
    }
}
