//! CSV by row: which register or record changed.
//!
//! The key is the shortest run of first columns that names every row once, never the last column.
//! Quoting as in RFC 4180; a comma or a semicolon separates.

use super::{Difference, Format};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub struct Table;

impl Format for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        path.extension().filter(|e| e.eq_ignore_ascii_case("csv"))?;
        let (before, after) = (str::from_utf8(before).ok()?, str::from_utf8(after).ok()?);
        let (a, b) = (rows(before)?, rows(after)?);
        let (a_head, b_head) = (a.first()?, b.first()?);
        if a_head != b_head {
            return None;
        }
        let width = a_head.len();
        let key = (1..width).find(|key| unique(&a, *key) && unique(&b, *key))?;
        let index = |rows: Vec<Vec<String>>| -> BTreeMap<Vec<String>, Vec<String>> {
            rows.into_iter().skip(1).map(|mut row| (row.drain(..key).collect(), row)).collect()
        };
        let names = a_head[key..].to_vec();
        let (a, b) = (index(a), index(b));
        let keys: BTreeSet<&Vec<String>> = a.keys().chain(b.keys()).collect();
        let mut found = Vec::new();
        for key in keys {
            let unit = key.join(" ");
            match (a.get(key), b.get(key)) {
                (Some(before), Some(after)) => {
                    for ((name, before), after) in names.iter().zip(before).zip(after) {
                        let unit =
                            if names.len() == 1 { unit.clone() } else { format!("{unit} {name}") };
                        found.extend(Difference::of(
                            unit,
                            Some(before.clone()),
                            Some(after.clone()),
                        ));
                    }
                }
                (before, after) => {
                    let text = |row: &Vec<String>| row.join(" ");
                    found.extend(Difference::of(unit, before.map(text), after.map(text)));
                }
            }
        }
        Some(found)
    }
}

fn unique(rows: &[Vec<String>], key: usize) -> bool {
    let mut seen = BTreeSet::new();
    rows.iter().skip(1).all(|row| seen.insert(&row[..key]))
}

/// Rows of equal width; `None` when it is no table.
pub(super) fn rows(text: &str) -> Option<Vec<Vec<String>>> {
    let head = text.lines().next()?;
    let separator = if head.matches(';').count() > head.matches(',').count() { ';' } else { ',' };
    let mut rows = vec![Vec::new()];
    let (mut field, mut quoted) = (String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            '\r' if !quoted => {}
            '\n' if !quoted => {
                rows.last_mut()?.push(std::mem::take(&mut field));
                rows.push(Vec::new());
            }
            c if c == separator && !quoted => rows.last_mut()?.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if field.is_empty() && rows.last()?.is_empty() {
        rows.pop();
    } else {
        rows.last_mut()?.push(field);
    }
    let width = rows.first()?.len();
    (!quoted && width > 1 && rows.iter().all(|row| row.len() == width)).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Change;

    #[track_caller]
    fn check(before: &str, after: &str, expected: Option<&[(Change, &str, &str, &str)]>) {
        let path = Path::new("registers.csv");
        let found = Table.compare(path, before.as_bytes(), after.as_bytes());
        let found = found.as_ref().map(|rows| {
            rows.iter()
                .map(|d| {
                    let text = |o: &Option<String>| o.clone().unwrap_or_default();
                    (d.change, text(&d.unit), text(&d.before), text(&d.after))
                })
                .collect::<Vec<_>>()
        });
        let expected = expected.map(|rows| {
            rows.iter().map(|r| (r.0, r.1.into(), r.2.into(), r.3.into())).collect::<Vec<_>>()
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn a_register_is_named_by_its_table_and_address() {
        let before = "table,address,value\nholding,0,7\nholding,1,8\ninput,0,9\n";
        let after = "table,address,value\ninput,0,9\nholding,1,80\nholding,2,1\n";
        check(
            before,
            after,
            Some(&[
                (Change::Removed, "holding 0", "7", ""),
                (Change::Changed, "holding 1", "8", "80"),
                (Change::Added, "holding 2", "", "1"),
            ]),
        );
    }

    #[test]
    fn wide_rows_name_the_column_and_what_is_no_table_is_left_to_others() {
        let quoted = "id;name;\"limit\"\n1;\"a;\"\"b\"\"\";5\n";
        let after = quoted.replace(";5", ";6");
        check(quoted, &after, Some(&[(Change::Changed, "1 limit", "5", "6")]));
        check("a,b\n1,2\n", "a,c\n1,2\n", None);
        check("a,b\n1,2\n1,3\n", "a,b\n1,2\n", None);
        check("a,b\n1\n", "a,b\n1,2\n", None);
    }
}
