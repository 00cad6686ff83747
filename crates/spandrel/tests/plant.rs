//! End to end: the simulated plant through the sensor, against the plant's own ground truth.
//!
//! Not here: parsers alone. Invariant: what the plant says on the wire and what it does comes
//! out as assets and findings, or the test names what did not.

use lab::truth::AssetTruth;
use serde_json::Value;
use std::{path::Path, process::Command};

struct Run {
    report: Value,
    labels: lab::Labels,
}

fn spandrel(arguments: &[&str]) -> Vec<u8> {
    let out = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test");
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// A capture of the plant that starts at `start`, and its labels.
fn capture(folder: &Path, name: &str, (start, minutes): (&str, &str)) -> [String; 2] {
    let text = |kind: &str| folder.join(format!("{name}.{kind}")).display().to_string();
    let files = [text("pcapng"), text("json")];
    let mut arguments = vec!["lab", "--out", &files[0], "--labels", &files[1]];
    arguments.extend(["--start", start, "--minutes", minutes, "--seed", "3"]);
    spandrel(&arguments);
    files
}

fn run(folder: &Path, minutes: &str) -> Run {
    let [capture, labels] = capture(folder, "day", ("2026-03-10T09:30:00Z", minutes));
    let report = spandrel(&["pcap", "--format", "json", &capture]);
    let labels = std::fs::read(&labels).expect("labels were written");
    Run {
        report: serde_json::from_slice(&report).expect("one JSON object"),
        labels: serde_json::from_slice(&labels).expect("labels as the lab defines them"),
    }
}

fn rows<'a>(report: &'a Value, key: &str) -> &'a [Value] {
    report[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Does this build read all protocols in which the device says who it is? S7comm is found in COTP.
fn is_read(truth: &AssetTruth) -> bool {
    truth.says.iter().all(|name| {
        let name = if name == "s7comm" { "cotp" } else { name };
        protocols::REGISTRY.iter().any(|p| p.about().name == name)
    })
}

/// What is wrong with the asset at this address, attribute by attribute.
fn compare(truth: &AssetTruth, assets: &[Value]) -> Vec<String> {
    let ip = truth.ip.to_string();
    let mac = truth.mac.to_string();
    let found: Vec<&Value> = assets
        .iter()
        .filter(|a| strings(&a["ips"]).any(|i| i == ip) || strings(&a["macs"]).any(|m| m == mac))
        .collect();
    let [asset] = found[..] else { return vec![format!("{} assets", found.len())] };
    let mut wrong = Vec::new();
    let mut expect = |what: &str, expected: Option<&str>| {
        let Some(expected) = expected else { return };
        let said = asset[what].as_str().unwrap_or_default();
        if !said.to_lowercase().contains(&expected.to_lowercase()) {
            wrong.push(format!("{what} {said:?}, not {expected:?}"));
        }
    };
    let class = serde_json::to_value(truth.class).expect("a plain enum");
    expect("class", class.as_str());
    expect("vendor", Some(&truth.vendor));
    expect("model", truth.model.as_deref());
    expect("firmware", truth.firmware.as_deref());
    expect("serial", truth.serial.as_deref());
    expect("os", truth.os.as_deref());
    if let Some(number) = &truth.order_number
        && !rows(asset, "facts").iter().any(|f| f["value"] == **number)
    {
        wrong.push(format!("no fact says {number:?}"));
    }
    if let Some(level) = truth.purdue.map(model::Purdue::level)
        && asset["purdue"].as_f64() != Some(level)
    {
        wrong.push(format!("purdue {}, not {level}", asset["purdue"]));
    }
    wrong
}

#[test]
fn every_device_of_the_plant_is_one_asset_as_it_says_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = run(folder.path(), "3");
    let assets = rows(&run.report, "assets");
    let (mut asked, mut missed) = (0, Vec::new());
    for truth in run.labels.assets.iter().filter(|t| is_read(t)) {
        let known = [&truth.model, &truth.order_number, &truth.firmware, &truth.serial, &truth.os];
        asked +=
            2 + usize::from(truth.purdue.is_some()) + known.iter().filter(|k| k.is_some()).count();
        let wrong = compare(truth, assets);
        missed.extend(wrong.into_iter().map(|w| format!("{}: {w}", truth.name)));
    }
    let share = 100.0 * (1.0 - missed.len() as f64 / asked as f64);
    assert!(share >= 95.0, "{share:.1} % of {asked} attributes:\n{}", missed.join("\n"));
}
