//! JSON by pointer (RFC 6901): which value changed, whatever the order and spacing of the file.

use super::{Difference, Format};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        path.extension().filter(|e| e.eq_ignore_ascii_case("json"))?;
        let flat = |bytes| {
            let value: Value = serde_json::from_slice(bytes).ok()?;
            let mut found = BTreeMap::new();
            flatten("", &value, &mut found);
            Some(found)
        };
        let (a, b): (BTreeMap<_, _>, BTreeMap<_, _>) = (flat(before)?, flat(after)?);
        let pointers: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let difference = |p: &String| Difference::of(p, a.get(p).cloned(), b.get(p).cloned());
        Some(pointers.into_iter().filter_map(difference).collect())
    }
}

fn flatten(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                flatten(&format!("{at}/{key}"), value, found);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (i, value) in list.iter().enumerate() {
                flatten(&format!("{at}/{i}"), value, found);
            }
        }
        leaf => drop(found.insert(at.to_owned(), leaf.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Change;

    #[test]
    fn order_means_nothing_and_values_have_pointers() {
        let compare =
            |a: &str, b: &str| Json.compare(Path::new("a.json"), a.as_bytes(), b.as_bytes());
        assert_eq!(compare(r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#), Some(vec![]));
        let found = compare(r#"{"a":{"x/y":[1,2]}}"#, r#"{"a":{"x/y":[1,3]},"c":null}"#).unwrap();
        assert_eq!(found[0].unit.as_deref(), Some("/a/x~1y/1"));
        assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("2"), Some("3")));
        assert_eq!((found[1].change, found[1].unit.as_deref()), (Change::Added, Some("/c")));
        assert_eq!(compare("{", "{}"), None);
    }
}
