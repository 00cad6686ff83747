//! End to end: every scenario of the simulated plant is found, and ordinary days are quiet.
//!
//! Not here: detectors alone. Invariant: the labels are the plant's own, written before anybody
//! looked for what they name.

use lab::{Labels, truth::Label};
use model::{Finding, Insight, Severity, Time};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path, process::Command};

fn spandrel(arguments: &[&str]) -> Vec<u8> {
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test");
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// Frames of the plant in a file; `more` are arguments of `spandrel lab`.
fn plant(file: &Path, minutes: &str, start: &str, more: &[&str]) -> String {
    let file = file.display().to_string();
    let mut arguments = vec!["lab", "--out", &file, "--minutes", minutes, "--start", start];
    arguments.extend_from_slice(more);
    spandrel(&arguments);
    file
}

/// Findings of `spandrel pcap`, with the addresses of their assets.
fn findings(arguments: &[&str]) -> Vec<(Finding, BTreeSet<String>)> {
    let mut all = vec!["pcap", "--format", "json"];
    all.extend_from_slice(arguments);
    let report: serde_json::Value =
        serde_json::from_slice(&spandrel(&all)).expect("one JSON object");
    let findings: Vec<Finding> =
        serde_json::from_value(report["findings"].clone()).expect("findings as the model has them");
    let assets: Vec<model::Asset> =
        serde_json::from_value(report["assets"].clone()).expect("assets as the model has them");
    let named = |finding: &Finding| {
        let mut addresses: BTreeSet<String> =
            finding.addresses.iter().map(ToString::to_string).collect();
        for asset in assets.iter().filter(|a| finding.assets.contains(&a.id)) {
            addresses.extend(asset.macs.iter().map(ToString::to_string));
            addresses.extend(asset.ips.iter().map(ToString::to_string));
        }
        addresses
    };
    findings.into_iter().map(|f| (named(&f), f)).map(|(a, f)| (f, a)).collect()
}

/// Detectors that should have told of a scenario and did not, in its time and about its parties.
fn missed(label: &Label, found: &[(Finding, BTreeSet<String>)]) -> Vec<String> {
    let parties: Vec<String> = std::iter::once(&label.actor)
        .chain(&label.targets)
        .flat_map(|p| [p.ip.to_string(), p.mac.to_string()])
        .collect();
    let tells = |detector: &str| {
        found.iter().any(|(finding, addresses)| {
            finding.detector == detector
                && finding.severity >= Severity::Medium
                && finding.first_seen <= label.end
                && finding.last_seen >= label.start
                && parties.iter().any(|p| addresses.contains(p))
        })
    };
    let expected = label.expected_detectors.iter().filter(|d| !tells(d));
    expected.map(|d| format!("{}: {d}", label.name)).collect()
}

#[test]
fn every_scenario_is_found_with_a_baseline_and_a_quiet_day_is_quiet() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let usual = plant(&at("usual.pcapng"), "4", "2026-03-10T09:00:00Z", &["--seed", "3"]);
    let quiet = plant(&at("quiet.pcapng"), "5", "2026-03-10T09:30:00Z", &["--seed", "5"]);
    let labels = at("labels.json").display().to_string();
    let more = ["--seed", "4", "--scenario", "all", "--labels", &labels];
    let day = plant(&at("day.pcapng"), "16", "2026-03-10T10:00:00Z", &more);

    let loud = findings(&["--baseline", &usual, &quiet]);
    let loud: Vec<_> = loud.iter().filter(|(f, _)| f.severity >= Severity::Medium).collect();
    assert!(loud.is_empty(), "{loud:#?}");

    let found = findings(&["--baseline", &usual, &day]);
    let labels = std::fs::read(&labels).expect("labels were written");
    let labels: Labels = serde_json::from_slice(&labels).expect("labels as the lab defines them");
    assert_eq!(labels.scenarios.len(), lab::scenarios::ALL.len(), "all fit in the time given");
    let missed: Vec<String> = labels.scenarios.iter().flat_map(|l| missed(l, &found)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    for (finding, _) in &found {
        assert!(!finding.evidence().is_empty() && !finding.runbook.is_empty(), "{finding:#?}");
    }
}

#[test]
fn a_live_sensor_learns_first_and_then_tells_what_is_new() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let more = ["--seed", "8", "--quiet", "100", "--scenario", "rogue-writer"];
    let day = plant(&folder.path().join("day.pcapng"), "3", "2026-03-10T10:00:00Z", &more);
    let frames = std::fs::File::open(&day).expect("it was written a moment ago");
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["sensor", "--stdin", "--name", "test", "--learn", "80"])
        .stdin(frames)
        .output()
        .expect("the binary was built for this test");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("JSON is UTF-8");
    let insights: Vec<Insight> =
        text.lines().map(|l| serde_json::from_str(l).expect("an insight a line")).collect();
    let found = insights.iter().filter_map(|i| match i {
        Insight::Finding(finding) => Some(finding),
        _ => None,
    });
    let learned = Time::parse("2026-03-10T10:01:20Z").expect("a time");
    let new: Vec<_> = found.filter(|f| f.detector.starts_with("new-")).collect();
    assert!(new.iter().any(|f| f.detector == "new-writer"), "{new:#?}");
    assert!(new.iter().all(|f| f.first_seen >= learned), "{new:#?}");
    let last = insights.iter().rev().find_map(|i| match i {
        Insight::Beat { learning, .. } => Some(*learning),
        _ => None,
    });
    assert_eq!(last, Some(false), "learning has ended");
}

/// The insights of a sensor that reads a capture, with a file to keep what it learns in.
fn watch(capture: &str, learn: &str, memory: &std::path::Path) -> Vec<Insight> {
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["sensor", "--stdin", "--name", "test", "--learn", learn, "--memory"])
        .arg(memory)
        .stdin(std::fs::File::open(capture).expect("it was written a moment ago"))
        .output()
        .expect("the binary was built for this test");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("JSON is UTF-8");
    text.lines().map(|l| serde_json::from_str(l).expect("an insight a line")).collect()
}

#[test]
fn a_sensor_that_starts_again_knows_what_it_learned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let quiet = ["--seed", "8", "--quiet", "600"];
    let first = plant(&path("first.pcapng"), "1", "2026-03-10T10:00:00Z", &quiet);
    let rogue = ["--seed", "8", "--quiet", "20", "--scenario", "rogue-writer"];
    let second = plant(&path("second.pcapng"), "2", "2026-03-10T11:00:00Z", &rogue);
    std::fs::create_dir(path("memory")).expect("room");
    let memory = path("memory").join("learned.json");
    let learning = |insights: &[Insight]| {
        let last = insights.iter().rev().find_map(|i| match i {
            Insight::Beat { learning, .. } => Some(*learning),
            _ => None,
        });
        last.expect("a last beat")
    };
    // The input ends in the middle of learning, which the next start goes on with and ends.
    assert!(learning(&watch(&first, "75", &memory)));
    let again = watch(&first, "75", &memory);
    assert!(!learning(&again));
    let insights = watch(&second, "75", &memory);
    let new: Vec<_> = insights
        .iter()
        .filter_map(|i| match i {
            Insight::Finding(finding) if finding.detector == "new-writer" => Some(finding),
            _ => None,
        })
        .collect();
    assert!(!new.is_empty(), "the rogue writer comes within what would have been learning");
    std::fs::write(&memory, "{").expect("room");
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["sensor", "--stdin", "--learn", "75", "--memory"])
        .arg(&memory)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the binary was built for this test");
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("delete it to learn anew"), "{complaint}");
}

#[test]
fn findings_are_the_same_with_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let more = ["--seed", "6", "--quiet", "20", "--scenario", "scan,malformed,arp-spoof"];
    let day = plant(&folder.path().join("day.pcapng"), "3", "2026-03-10T10:00:00Z", &more);
    let reports = ["1", "3"].map(|n| spandrel(&["pcap", "--format", "json", "--threads", n, &day]));
    let text = String::from_utf8_lossy(&reports[0]);
    assert!(text.contains("\"detector\":\"scan\""), "the capture holds something to find");
    assert!(reports[0] == reports[1], "byte for byte");
    let counted = |report: &[u8]| -> Value { serde_json::from_slice(report).expect("JSON") };
    let mut with = counted(&reports[0]);
    let without =
        counted(&spandrel(&["pcap", "--format", "json", "--no-messages", "--threads", "3", &day]));
    assert!(with["messages"].as_object().is_some_and(|groups| groups.len() > 5));
    with["messages"] = Value::Object(serde_json::Map::new());
    assert!(with == without, "all but the messages is the same");
}

#[test]
fn a_persons_report_explains_what_was_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let more = ["--seed", "7", "--quiet", "20", "--scenario", "controller-stop"];
    let day = plant(&folder.path().join("day.pcapng"), "2", "2026-03-10T10:00:00Z", &more);
    let text = spandrel(&["pcap", &day]);
    let text = String::from_utf8_lossy(&text);
    for part in ["stops", "T0858", "1. Ask the shift", "plc stop"] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_rule_of_the_site_is_found_in_a_capture_and_a_wrong_one_is_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let quiet = ["--seed", "7", "--quiet", "600"];
    let day = plant(&folder.path().join("day.pcapng"), "1", "2026-03-10T23:10:00Z", &quiet);
    let rules = folder.path().join("rules.toml");
    let rule = "[[rule]]\nname = \"night\"\nwhy = \"Nobody writes at night.\"\n\
                severity = \"high\"\nprotocol = [\"modbus\"]\nclass = [\"write\"]\n\
                when = [\"22:00-06:00\"]\n";
    let with = |offset: &str| {
        let text = format!("utc_offset = \"{offset}\"\n{rule}");
        std::fs::write(&rules, text).expect("room");
        let found = findings(&["--rules", &rules.display().to_string(), &day]);
        found.iter().filter(|(f, _)| f.detector == "rule-night").count()
    };
    assert!(with("Z") > 0, "23:10 is night");
    assert_eq!(with("-08:00"), 0, "15:10 is not");
    std::fs::write(&rules, format!("{rule}colour = 1\n")).expect("room");
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["pcap", "--rules", &rules.display().to_string(), &day])
        .output()
        .expect("the binary was built for this test");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("rules.toml is wrong"), "{said}");
    assert!(said.contains("unknown field `colour`"), "{said}");
}
