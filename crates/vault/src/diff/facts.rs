//! Facts of engineering projects, by project.
//!
//! Invariant: units are matched by the project's path, so one more project is one row.

use super::{Difference, Format};
use crate::engineering::{FACTS, Projects};
use std::{collections::BTreeMap, path::Path};

pub struct Facts;

impl Format for Facts {
    fn name(&self) -> &'static str {
        "engineering-facts"
    }

    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        if path != Path::new(FACTS) {
            return None;
        }
        let read = |bytes: &[u8]| Some(told(&serde_json::from_slice::<Projects>(bytes).ok()?));
        let (a, b) = (read(before)?, read(after)?);
        let mut units: Vec<&String> = a.keys().chain(b.keys()).collect();
        units.sort_unstable();
        units.dedup();
        let mut found = Vec::new();
        for unit in units {
            let one = Difference::of(unit, a.get(unit).cloned(), b.get(unit).cloned());
            found.extend(one.map(|mut difference| {
                difference.risk = risk(unit);
                difference
            }));
        }
        Some(found)
    }
}

/// One line a fact.
fn told(projects: &Projects) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, project) in projects {
        let mut put = |fact: &str, value: Option<&String>| {
            if let Some(value) = value {
                found.insert(format!("{path}, {fact}"), value.clone());
            }
        };
        let devices = project.devices.join(", ");
        put("tool", project.tool.as_ref());
        put("version", project.version.as_ref());
        put("name", project.name.as_ref());
        put("devices", Some(&devices).filter(|devices| !devices.is_empty()));
        put("firmware", project.firmware.as_ref());
        put("author", project.author.as_ref());
        put("last change", project.last_change.as_ref());
    }
    found
}

fn risk(unit: &str) -> Option<&'static str> {
    let ends = |words: [&str; 2]| words.iter().any(|word| unit.ends_with(word));
    if ends([", devices", ", firmware"]) {
        Some("the project is for another controller or firmware")
    } else if ends([", last change", ", author"]) {
        Some("the project changed: is there an order for it?")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_controller_is_a_row_with_its_risk_and_a_new_project_has_its_own() {
        let text = |device: &str, more: &str| {
            format!(
                "{{\"/p/a.L5X\":{{\"kind\":\"l5x\",\"tool\":null,\"version\":\"33\",\"name\":null,\
                 \"devices\":[\"{device}\"],\"firmware\":null,\"author\":null,\
                 \"last_change\":null}}{more}}}"
            )
        };
        let compare = |before: &str, after: &str| {
            let found = Facts.compare(Path::new(FACTS), before.as_bytes(), after.as_bytes());
            let found = found.unwrap().into_iter();
            found.map(|d| (d.unit.unwrap(), d.risk.is_some())).collect::<Vec<_>>()
        };
        let one = text("1756-L71", "");
        assert_eq!(compare(&one, &one), []);
        assert_eq!(compare(&one, &text("1756-L85E", "")), [("/p/a.L5X, devices".to_owned(), true)]);
        let more = ",\"/p/b.ap17\":{\"kind\":\"tia-portal\",\"tool\":null,\"version\":\"17\",\
                    \"name\":null,\"devices\":[],\"firmware\":null,\"author\":null,\
                    \"last_change\":null}";
        assert_eq!(
            compare(&one, &text("1756-L71", more)),
            [("/p/b.ap17, version".to_owned(), false)]
        );
        assert!(Facts.compare(Path::new("/x.json"), b"{}", b"{}").is_none());
    }
}
