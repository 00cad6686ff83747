//! The grammar's claims, and that SQL and memory agree on every filter.

use super::*;
use crate::{ListRequest, Settings, Store};
use model::{Asset, Insight};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NOW: Time = Time::from_secs(1_700_000_000);

fn read(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, ASSETS, NOW)
}

#[track_caller]
fn refuses(text: &str, at: usize, reason: &str) {
    let error = read(text).expect_err(text);
    assert_eq!(error.at, at, "{error}");
    assert!(error.reason.contains(reason), "{error}");
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    let flat = read(r#"class eq "plc" or class eq "hmi" and not purdue le 1"#);
    let grouped = read(r#"class eq "plc" or (class eq "hmi" and (not (purdue le 1)))"#);
    assert_eq!(flat, grouped);
    let moved = read(r#"(class eq "plc" or class eq "hmi") and not purdue le 1"#);
    assert_ne!(flat, moved);
}

#[test]
fn a_filter_without_a_field_keeps_what_it_asks_of_the_others() {
    for (text, expect) in [
        (r#"class eq "plc""#, None),
        (r#"class in ("plc", "hmi") and vendor eq "x""#, Some(r#"vendor eq "x""#)),
        (r#"purdue le 1 and (class eq "plc" or class eq null)"#, Some("purdue le 1")),
        (r#"class eq "plc" or purdue le 1"#, Some(r#"class eq "plc" or purdue le 1"#)),
        (
            r#"purdue le 1 and not class eq "plc" and vendor eq "x""#,
            Some(r#"purdue le 1 and vendor eq "x""#),
        ),
    ] {
        let left = read(text).expect(text).without("class");
        assert_eq!(left, expect.map(|text| read(text).expect(text)), "{text}");
    }
}

#[test]
fn a_wrong_filter_says_where_and_why() {
    refuses("", 1, "expected a field");
    refuses(r#"color eq "red""#, 1, "there is no field");
    refuses(r#"class is "plc""#, 7, "expected eq");
    refuses("class eq plc", 10, "text in quotes");
    refuses("purdue le high", 11, "number");
    refuses(r#"class eq "plc"#, 10, "closing quote");
    refuses("last_seen ge 2026-03-01", 14, "such as 2026-03-01T06:00:00Z or -P7D");
    refuses(r#"class eq "plc" purdue le 1"#, 16, "expected `and`");
    refuses("(purdue le 1", 13, "expected `)`");
    refuses(r#"ip lt "10.0.0.1""#, 4, "no order");
    refuses(r#"text eq "x""#, 6, "only `contains`");
    refuses("last_seen lt yesterday", 14, "a time or a span");
    refuses("severity ge awful", 13, "info, low");
    refuses("class lt null", 7, "only eq and ne");
    refuses("labels eq \"x\"", 1, "labels.KEY");
    refuses("class eq \"a\u{0}\"", 12, "control characters");
    refuses("name; drop table assets", 5, "has no meaning");
}

#[test]
fn spans_count_from_now() {
    let week = read("last_seen lt -P7D").expect("a filter");
    let seconds = read("last_seen lt -PT604800S").expect("a filter");
    let absolute = read("last_seen lt 2023-11-07T22:13:20Z").expect("a filter");
    assert_eq!(week, seconds);
    assert_eq!(week, absolute);
    for bad in ["-P", "P1Y", "-PT", "P1H", "-P1DT", "P-1D"] {
        assert!(read(&format!("last_seen lt {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn limits_hold() {
    let long = format!("name eq \"{}\"", "x".repeat(crate::FILTER_BYTES_MAX));
    refuses(&long, 1, "at most 4096 bytes");
    let deep = format!("{}purdue le 1{}", "(".repeat(40), ")".repeat(40));
    assert!(read(&deep).expect_err("too deep").reason.contains("nests at most"));
    let wide = vec!["purdue le 1"; crate::FILTER_TERMS_MAX + 1].join(" or ");
    assert!(read(&wide).expect_err("too wide").reason.contains("at most 64 comparisons"));
    let many = vec!["1"; crate::FILTER_IN_MAX + 1].join(", ");
    let error = read(&format!("purdue in ({many})")).expect_err("too many");
    assert!(error.reason.contains("at most 100 values"));
}

/// Rows with absent values, wildcards, quotes, mixed case and other scripts.
fn rows() -> Vec<Asset> {
    let texts =
        [None, Some("Siemens AG"), Some("100%_done"), Some("back\\slash"), Some("żółw \"x\"")];
    let classes = ["plc", "hmi", "unknown", "switch"];
    let levels = [None, Some(0.0), Some(1.0), Some(3.5), Some(4.0)];
    (0..48u64)
        .map(|n| {
            let pick = |list: &[Option<&str>], step: u64| {
                list[((n / step) % 5) as usize].map(str::to_owned)
            };
            let protocols = &["modbus", "s7comm"][..(n % 3) as usize];
            let ips: Vec<String> = (0..n % 3).map(|i| format!("10.0.{i}.{n}")).collect();
            let names: Vec<String> = pick(&texts, 3).into_iter().collect();
            let json = serde_json::json!({
                "id": format!("ast_{n:02}"), "macs": [], "ips": ips, "vlans": [n % 4 + 1],
                "names": names, "vendor": pick(&texts, 1), "model": pick(&texts, 2),
                "firmware": null, "serial": null, "class": classes[(n % 4) as usize],
                "role": "unknown", "role_reason": null, "purdue": levels[(n % 5) as usize],
                "purdue_reason": null, "os": null, "protocols": protocols,
                "first_seen": Time::from_secs(1_699_000_000), "packets": n * 10,
                "last_seen": Time::from_secs(1_700_000_000 - (n as i64) * 86_400),
                "facts": [], "modules": [],
            });
            serde_json::from_value(json).expect("an asset")
        })
        .collect()
}

fn comparison() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "siemens ag",
        "Siemens AG",
        "100%",
        "%",
        "_",
        "\\\\",
        "ż",
        "",
        "x",
        "10.0.1.4",
        "plc",
        "modbus",
        "ast_07",
        "2",
        "line",
        "\\\"",
    ]);
    let order = prop::sample::select(vec!["eq", "ne", "lt", "le", "gt", "ge"]);
    let textual = prop::sample::select(vec!["name", "vendor", "model", "class", "id", "zone"]);
    let list = prop::sample::select(vec!["ip", "vlan", "protocol", "labels.line", "mac"]);
    let number = prop::sample::select(vec!["-1", "0", "1", "2.5", "3.5", "100", "470"]);
    let numeric = prop::sample::select(vec!["purdue", "packets", "criticality", "findings"]);
    let span = prop::sample::select(vec!["-P7D", "-P20D", "P0D", "2023-11-01T00:00:00Z"]);
    let quote = |text: &str| format!("\"{text}\"");
    let word = text.clone().prop_map(quote);
    prop_oneof![
        (textual.clone(), order.clone(), word.clone()).prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        (textual.clone(), word.clone()).prop_map(|(f, v)| format!("{f} contains {v}")),
        word.clone().prop_map(|v| format!("text contains {v}")),
        (textual.clone(), word.clone(), word.clone())
            .prop_map(|(f, a, b)| format!("{f} in ({a}, {b})")),
        (list.clone(), prop::sample::select(vec!["eq", "ne"]), word.clone())
            .prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        (list.clone(), word.clone(), word).prop_map(|(f, a, b)| format!("{f} in [{a}, {b}]")),
        (prop_oneof![textual, list, numeric.clone()], prop::sample::select(vec!["eq", "ne"]))
            .prop_map(|(f, o)| format!("{f} {o} null")),
        (numeric.clone(), order.clone(), number.clone())
            .prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        (numeric, number.clone(), number).prop_map(|(f, a, b)| format!("{f} in ({a}, {b})")),
        (order.clone(), span).prop_map(|(o, v)| format!("last_seen {o} {v}")),
        (order, prop::sample::select(vec!["low", "high"]))
            .prop_map(|(o, v)| format!("severity {o} {v}")),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    comparison().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|v| format!("({})", v.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|v| format!("({})", v.join(" or "))),
            inner.prop_map(|v| format!("not ({v})")),
        ]
    })
}

#[test]
fn sql_and_memory_keep_the_same_rows() {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let store = runtime.block_on(async {
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        let insights = rows().into_iter().map(Insight::Asset).collect();
        store.take("s", Time(0), insights).await.expect("rows are taken");
        for (id, line) in [("ast_03", "2"), ("ast_07", "line"), ("ast_08", "%")] {
            let labels = [("line".to_owned(), line.to_owned())].into();
            let patch = crate::AssetPatch {
                labels: Some(labels),
                criticality: Some(Some(3)),
                ..Default::default()
            };
            store.patch_asset(id, 1, patch, "test").await.expect("labelled");
        }
        store
    });
    let all = runtime.block_on(store.assets(&ListRequest::first(1_000))).expect("a page").items;
    let rows: Vec<_> = all.iter().map(|asset| (asset.id.0.clone(), asset.columns())).collect();
    assert_eq!(rows.len(), 48);
    let mut kept_some = 0;
    let config = ProptestConfig { failure_persistence: None, cases: 600, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&filter(), |text| {
        let filter = read(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        let memory: BTreeSet<_> =
            rows.iter().filter(|(_, row)| filter.matches(row)).map(|(id, _)| id.clone()).collect();
        let request = ListRequest { filter: Some(filter), ..ListRequest::first(1_000) };
        let page = runtime.block_on(store.assets(&request)).expect("the database answers");
        let sql: BTreeSet<_> = page.items.iter().map(|asset| asset.id.0.clone()).collect();
        prop_assert_eq!(sql, memory, "{}", text);
        Ok(())
    });
    outcome.expect("both agree");
    for text in
        [r#"vendor contains "SIEMENS""#, "vlan eq 2", r#"labels.line eq "2""#, "zone eq null"]
    {
        let filter = read(text).expect(text);
        kept_some += usize::from(rows.iter().any(|(_, row)| filter.matches(row)));
    }
    assert_eq!(kept_some, 4, "the rows are such that filters keep some of them");
    runtime.block_on(store.close());
}

#[test]
fn every_field_of_every_list_is_a_column() {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        for (which, fields) in [(0, ASSETS), (1, LINKS), (2, FINDINGS)] {
            for field in fields {
                let text = match field.kind {
                    Kind::Text | Kind::List => format!("{} eq \"x\"", field.name),
                    Kind::Labels => "labels.a eq \"x\"".to_owned(),
                    Kind::Search => format!("{} contains \"x\"", field.name),
                    Kind::Whole | Kind::Real => format!("{} eq 1", field.name),
                    Kind::Flag => format!("{} eq true", field.name),
                    Kind::Time => format!("{} lt -P1D", field.name),
                    Kind::Severity => format!("{} ge low", field.name),
                };
                let filter = Some(Filter::parse(&text, fields, NOW).expect("a filter"));
                let sortable = !matches!(field.kind, Kind::Labels | Kind::Search);
                let sort = sortable.then(|| format!("-{}", field.name));
                let request = ListRequest { filter, sort, cursor: None, limit: 1 };
                let done = match which {
                    0 => store.assets(&request).await.map(|_| ()),
                    1 => store.links(&request).await.map(|_| ()),
                    _ => store.findings(&request).await.map(|_| ()),
                };
                done.unwrap_or_else(|error| panic!("{text}: {error}"));
            }
        }
        store.close().await;
    });
}
