//! Joins what earlier runs of a sensor saw with what the present run says.
//!
//! A sensor starts with an empty memory, and its rows replace each other whole; without this a
//! restart would forget serial numbers and halve the counts. Not here: SQL. Invariant: folding
//! never loses a fact that nothing newer contradicts, and keeps every list within its limit.

use crate::{EVIDENCE_MAX, FACTS_MAX, LIST_ELEMENTS_MAX};
use model::{Asset, AssetClass, Evidence, Fact, Finding, Module, Place, Role};
use std::collections::BTreeMap;

/// `new` with what only `earlier` knows.
pub(crate) fn fold_asset(earlier: Option<&Asset>, new: Asset) -> Asset {
    let Some(earlier) = earlier else { return bounded(new) };
    let mut asset = new;
    asset.macs = union(&asset.macs, &earlier.macs);
    asset.ips = union(&asset.ips, &earlier.ips);
    asset.vlans = union(&asset.vlans, &earlier.vlans);
    asset.names = union(&asset.names, &earlier.names);
    asset.protocols = union(&asset.protocols, &earlier.protocols);
    asset.protocols.sort();
    for (mine, theirs) in [
        (&mut asset.vendor, &earlier.vendor),
        (&mut asset.model, &earlier.model),
        (&mut asset.firmware, &earlier.firmware),
        (&mut asset.serial, &earlier.serial),
        (&mut asset.os, &earlier.os),
    ] {
        if mine.is_none() {
            mine.clone_from(theirs);
        }
    }
    fold_standing(earlier, &mut asset);
    asset.first_seen = asset.first_seen.min(earlier.first_seen);
    asset.last_seen = asset.last_seen.max(earlier.last_seen);
    asset.packets = asset.packets.saturating_add(earlier.packets);
    asset.facts = fold_facts(&earlier.facts, asset.facts);
    asset.modules = fold_modules(&earlier.modules, asset.modules);
    bounded(asset)
}

/// Class, role and level are told together, so they are kept or replaced together.
fn fold_standing(earlier: &Asset, asset: &mut Asset) {
    let keeps = evidence_rank(asset) < evidence_rank(earlier);
    if keeps {
        asset.class = earlier.class;
        asset.role = earlier.role;
        asset.role_reason.clone_from(&earlier.role_reason);
    }
    // Of the same class, what has talked with the plant floor stands nearer to the process.
    let nearer = asset.class == earlier.class && earlier.purdue < asset.purdue;
    if keeps || (earlier.purdue.is_some() && (asset.purdue.is_none() || nearer)) {
        asset.purdue = earlier.purdue;
        asset.purdue_reason.clone_from(&earlier.purdue_reason);
    }
}

/// How much it takes to tell what an asset is. After a restart little has been seen of it, and an
/// engineering station asks for names long before it programs a controller again: what is told
/// from less does not replace what was told from more.
///
/// All that is told from industrial protocols, or by the device itself, is one rank. Which of it
/// came first would else stand for ever, also where a panel takes the place of a controller.
fn evidence_rank(asset: &Asset) -> u8 {
    match (asset.role, asset.class) {
        (Role::Unknown, AssetClass::Unknown) => 0,
        (_, AssetClass::Unknown) => 1,
        // Only its maker or its card is known.
        (Role::Unknown, _) => 2,
        // It asks for services, or its address is of the Internet.
        (Role::Client | Role::External, _) => 3,
        (Role::Server, _) => 4,
        (
            Role::Controller
            | Role::FieldDevice
            | Role::Operator
            | Role::Engineering
            | Role::Historian
            | Role::Infrastructure
            | Role::Scanner,
            _,
        ) => 5,
    }
}

fn bounded(mut asset: Asset) -> Asset {
    asset.macs.truncate(LIST_ELEMENTS_MAX);
    asset.ips.truncate(LIST_ELEMENTS_MAX);
    asset.vlans.truncate(LIST_ELEMENTS_MAX);
    asset.names.truncate(LIST_ELEMENTS_MAX);
    asset.protocols.truncate(LIST_ELEMENTS_MAX);
    asset.modules.truncate(LIST_ELEMENTS_MAX);
    asset.facts.truncate(FACTS_MAX);
    asset
}

/// The elements of `first`, then those only `second` has.
fn union<T: Clone + PartialEq>(first: &[T], second: &[T]) -> Vec<T> {
    let mut all = first.to_vec();
    all.extend(second.iter().filter(|e| !first.contains(e)).cloned());
    all
}

/// Same path, value and source: one fact, with the newest time.
fn fold_facts(earlier: &[Fact], new: Vec<Fact>) -> Vec<Fact> {
    let mut facts = new;
    let known: Vec<_> =
        facts.iter().map(|f| (f.path.clone(), f.value.clone(), f.source.clone())).collect();
    for fact in earlier {
        let key = (fact.path.clone(), fact.value.clone(), fact.source.clone());
        if !known.contains(&key) {
            facts.push(fact.clone());
        }
    }
    facts.sort();
    facts
}

fn fold_modules(earlier: &[Module], new: Vec<Module>) -> Vec<Module> {
    let mut places: BTreeMap<Place, Module> =
        earlier.iter().map(|module| (module.place, module.clone())).collect();
    for mut module in new {
        if let Some(old) = places.remove(&module.place) {
            module.vendor = module.vendor.or(old.vendor);
            module.model = module.model.or(old.model);
            module.firmware = module.firmware.or(old.firmware);
            module.serial = module.serial.or(old.serial);
            module.mode = module.mode.or(old.mode);
            module.name = module.name.or(old.name);
        }
        places.insert(module.place, module);
    }
    places.into_values().collect()
}

/// Adds counts that an earlier run had to those of the present one.
pub(crate) fn fold_counts(
    earlier: &BTreeMap<String, u64>,
    mut new: BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    for (name, count) in earlier {
        let total = new.entry(name.clone()).or_insert(0);
        *total = total.saturating_add(*count);
    }
    new
}

/// The present run's finding with the first evidence of the earlier one before its own.
pub(crate) fn fold_finding(earlier: &Finding, new: Finding) -> Finding {
    let mut finding = new;
    finding.first_seen = finding.first_seen.min(earlier.first_seen);
    finding.last_seen = finding.last_seen.max(earlier.last_seen);
    finding.severity = finding.severity.max(earlier.severity);
    for evidence in earlier.evidence() {
        // Counts and learned sets are told anew in each row; messages are what they were.
        let lasting = matches!(evidence, Evidence::Message { .. });
        if lasting && !finding.evidence().contains(evidence) {
            finding.add_evidence(evidence.clone(), EVIDENCE_MAX);
        }
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AssetId, Time};

    fn asset(json: serde_json::Value) -> Asset {
        let mut row = serde_json::json!({
            "id": "ast_1", "macs": [], "ips": [], "vlans": [], "names": [], "vendor": null,
            "model": null, "firmware": null, "serial": null, "class": "unknown",
            "role": "unknown", "role_reason": null, "purdue": null, "purdue_reason": null,
            "os": null, "protocols": [], "first_seen": "1970-01-01T00:00:00Z",
            "last_seen": "1970-01-01T00:00:00Z", "packets": 0, "facts": [], "modules": [],
        });
        for (key, value) in json.as_object().expect("members") {
            row[key] = value.clone();
        }
        serde_json::from_value(row).expect("an asset")
    }

    #[test]
    fn a_sensor_restart_forgets_nothing() {
        let earlier = asset(serde_json::json!({
            "serial": "S1", "class": "plc", "names": ["line"], "ips": ["10.0.0.1"],
            "packets": 7, "first_seen": "1970-01-01T00:00:01Z",
            "facts": [{"path": "serial", "value": "S1", "source": "s7comm", "confidence": 90,
                       "observed_at": "1970-01-01T00:00:01Z"}],
            "modules": [{"slot": 2, "vendor": null, "model": "CPU", "firmware": null,
                         "serial": null}],
        }));
        let new = asset(serde_json::json!({
            "firmware": "V2", "ips": ["10.0.0.2"], "packets": 3,
            "first_seen": "1970-01-01T00:00:09Z", "last_seen": "1970-01-01T00:00:10Z",
            "modules": [{"slot": 2, "vendor": null, "model": null, "firmware": "V3",
                         "serial": null}],
        }));
        let folded = fold_asset(Some(&earlier), new);
        assert_eq!(folded.id, AssetId("ast_1".into()));
        assert_eq!(folded.serial.as_deref(), Some("S1"));
        assert_eq!(folded.firmware.as_deref(), Some("V2"));
        assert_eq!((folded.class, folded.packets), (AssetClass::Plc, 10));
        assert_eq!(folded.ips.len(), 2);
        assert_eq!(
            (folded.first_seen, folded.last_seen),
            (Time::from_secs(1), Time::from_secs(10))
        );
        assert_eq!(folded.facts.len(), 1);
        assert_eq!(folded.modules[0].model.as_deref(), Some("CPU"));
        assert_eq!(folded.modules[0].firmware.as_deref(), Some("V3"));
    }

    #[test]
    fn devices_behind_an_address_are_joined_by_their_place() {
        let node = serde_json::json!({"kind": "canopen-node", "at": "2", "text": "node 2"});
        let module = |at: (&str, &serde_json::Value), what: &str, value: &str| {
            let mut module = serde_json::json!({
                "vendor": null, "model": null, "firmware": null, "serial": null});
            module[at.0] = at.1.clone();
            module[what] = value.into();
            module
        };
        let slot = ("slot", &serde_json::json!(2));
        let node = ("place", &node);
        let earlier = asset(serde_json::json!({ "modules": [
            module(slot, "model", "CPU"), module(node, "mode", "run")] }));
        let new = asset(serde_json::json!({ "modules": [
            module(slot, "mode", "program"), module(node, "name", "mixer")] }));
        let folded = fold_asset(Some(&earlier), new).modules;
        let told: Vec<_> =
            folded.iter().map(|m| (m.place.to_string(), m.mode.as_deref())).collect();
        assert_eq!(told, [("slot 2".into(), Some("program")), ("node 2".into(), Some("run"))]);
        assert_eq!(folded[0].model.as_deref(), Some("CPU"));
        assert_eq!(folded[1].name.as_deref(), Some("mixer"));
    }

    /// Class, role, why, and the level; what stands after a restart that gave the second of them.
    #[track_caller]
    fn check_standing(earlier: [&str; 3], level: f64, new: [&str; 3], other: f64, expect: &str) {
        let row = |[class, role, why]: [&str; 3], purdue: f64| {
            asset(serde_json::json!({ "class": class, "role": role, "role_reason": why,
                "purdue": purdue, "purdue_reason": format!("level of {class}") }))
        };
        let folded = fold_asset(Some(&row(earlier, level)), row(new, other));
        let why = folded.role_reason.expect("a reason");
        let level = folded.purdue.expect("a level").level();
        let reason = folded.purdue_reason.expect("a reason");
        let said = format!("{:?} {:?} {why} {level} {reason}", folded.class, folded.role);
        assert_eq!(said, expect);
    }

    #[test]
    fn what_little_was_seen_after_a_restart_makes_nobody_less() {
        let station = ["engineering-station", "engineering", "programs"];
        let asks = ["workstation", "client", "asks"];
        let kept = "EngineeringStation Engineering programs 2 level of engineering-station";
        check_standing(station, 2.0, asks, 4.0, kept);
        check_standing(station, 2.0, ["unknown", "unknown", "nothing"], 1.0, kept);
        check_standing(station, 2.0, ["server", "server", "answers"], 3.0, kept);
        // Of two that ask, the one that was seen with controllers.
        check_standing(asks, 3.0, asks, 4.0, "Workstation Client asks 3 level of workstation");
    }

    #[test]
    fn what_is_told_from_as_much_or_more_replaces_what_was_told() {
        let station = ["engineering-station", "engineering", "programs"];
        let panel = ["hmi", "operator", "reads"];
        let plc = ["plc", "controller", "answers"];
        let asks = ["workstation", "client", "asks"];
        check_standing(
            asks,
            4.0,
            station,
            2.0,
            "EngineeringStation Engineering programs 2 level \
            of engineering-station",
        );
        check_standing(station, 2.0, panel, 2.0, "Hmi Operator reads 2 level of hmi");
        check_standing(plc, 1.0, panel, 2.0, "Hmi Operator reads 2 level of hmi");
        let outside = ["external", "external", "is outside"];
        check_standing(outside, 5.0, asks, 4.0, "Workstation Client asks 4 level of workstation");
    }

    #[test]
    fn lists_stay_within_their_limit() {
        let names: Vec<String> = (0..400).map(|n| format!("name{n}")).collect();
        let hostile = asset(serde_json::json!({ "names": names }));
        assert_eq!(fold_asset(None, hostile).names.len(), LIST_ELEMENTS_MAX);
    }
}
