//! Joins what earlier runs of a sensor saw with what the present run says.
//!
//! A sensor starts with an empty memory, and its rows replace each other whole; without this a
//! restart would forget serial numbers and halve the counts. Not here: SQL. Invariant: folding
//! never loses a fact that nothing newer contradicts, and keeps every list within its limit.

use crate::{EVIDENCE_MAX, FACTS_MAX, LIST_ELEMENTS_MAX};
use model::{Asset, AssetClass, Evidence, Fact, Finding, Module, Role};
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
    if asset.class == AssetClass::Unknown && earlier.class != AssetClass::Unknown {
        asset.class = earlier.class;
    }
    if asset.role == Role::Unknown && earlier.role != Role::Unknown {
        asset.role = earlier.role;
        asset.role_reason.clone_from(&earlier.role_reason);
    }
    if asset.purdue.is_none() {
        asset.purdue = earlier.purdue;
        asset.purdue_reason.clone_from(&earlier.purdue_reason);
    }
    asset.first_seen = asset.first_seen.min(earlier.first_seen);
    asset.last_seen = asset.last_seen.max(earlier.last_seen);
    asset.packets = asset.packets.saturating_add(earlier.packets);
    asset.facts = fold_facts(&earlier.facts, asset.facts);
    asset.modules = fold_modules(&earlier.modules, asset.modules);
    bounded(asset)
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
    let mut slots: BTreeMap<u16, Module> =
        earlier.iter().map(|module| (module.slot, module.clone())).collect();
    for mut module in new {
        if let Some(old) = slots.get(&module.slot) {
            module.vendor = module.vendor.or_else(|| old.vendor.clone());
            module.model = module.model.or_else(|| old.model.clone());
            module.firmware = module.firmware.or_else(|| old.firmware.clone());
            module.serial = module.serial.or_else(|| old.serial.clone());
        }
        slots.insert(module.slot, module);
    }
    slots.into_values().collect()
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
    fn lists_stay_within_their_limit() {
        let names: Vec<String> = (0..400).map(|n| format!("name{n}")).collect();
        let hostile = asset(serde_json::json!({ "names": names }));
        assert_eq!(fold_asset(None, hostile).names.len(), LIST_ELEMENTS_MAX);
    }
}
