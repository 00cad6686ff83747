//! What the registry demands of every detector.

use crate::{Baseline, Detection, Findings, Phase, REGISTRY, limits, testing::*};
use inventory::Inventory;
use model::{
    Attribute, Detail, Evidence, Finding, Identity, Observation, OperationClass, Outcome, Severity,
    Subject,
};
use std::collections::BTreeSet;

#[test]
fn every_detector_says_what_people_need() {
    let mut ids = BTreeSet::new();
    for detector in REGISTRY {
        let about = &detector.about;
        let id = about.id;
        assert!(ids.insert(id), "{id} is there twice");
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{id}");
        assert!(about.why.len() > 80, "{id}: why does it matter?");
        assert!(about.false_positives.len() > 30, "{id}: what raises it without harm?");
        assert!(about.runbook.lines().count() >= 3, "{id}: what to do?");
        assert!((1..=8).contains(&about.techniques.len()), "{id}: techniques");
        assert!(!about.sees.is_empty(), "{id} sees nothing");
        for technique in about.techniques {
            let number = technique.strip_prefix('T').unwrap_or_default();
            assert!(number.len() == 4 && number.parse::<u16>().is_ok(), "{id}: {technique}");
        }
    }
}

#[test]
fn every_detector_has_a_case_that_fires_and_one_that_must_not() {
    for detector in REGISTRY {
        let id = detector.about.id;
        let cases = (detector.cases)();
        assert!(cases.iter().any(|c| c.raises > 0), "{id}: no case fires");
        assert!(cases.iter().any(|c| c.raises == 0), "{id}: no case stays silent");
        for case in cases {
            let found = case.run();
            // Findings of a rule of the site go by the rule's name.
            let of_rule = |f: &&Finding| id == "site-rule" && f.detector.starts_with("rule-");
            let own: Vec<_> = found.iter().filter(|f| f.detector == id || of_rule(f)).collect();
            assert_eq!(own.len(), case.raises, "{id}, {}: {own:#?}", case.name);
            for finding in own {
                assert!(!finding.title.contains("{0}"), "{}", finding.title);
                assert!(finding.first_seen <= finding.last_seen, "{}", finding.title);
                assert!(!finding.addresses.is_empty(), "{}", finding.title);
                let once: std::collections::BTreeSet<_> = finding.addresses.iter().collect();
                assert_eq!(once.len(), finding.addresses.len(), "{:?}", finding.addresses);
                assert!(!finding.explanation.is_empty(), "{}", finding.title);
            }
        }
    }
}

#[test]
fn who_began_it_is_named_where_one_end_did_something_to_the_other() {
    let begun = |o: &model::Observation| {
        let mut detection = Detection::new(Phase::Unlearnt);
        detection.see(o, &Inventory::new());
        let findings = detection.findings(&Inventory::new());
        findings.first().expect("a finding").initiator
    };
    assert_eq!(begun(&asks(0, OperationClass::Stop)), host(10).address());
    // A device that fails is the news, not who asked it.
    let failed = refused(0, OperationClass::Read, "server device failure");
    assert_eq!(begun(&failed), None);
}

#[test]
fn equal_facts_join_one_finding_with_bursts_as_evidence() {
    let mut detection = Detection::new(Phase::Unlearnt);
    let inventory = Inventory::new();
    for i in 0..100 {
        // Two bursts, ten minutes apart.
        let at = i * 400 + if i < 50 { 0 } else { 600_000 };
        detection.see(&asks(at, OperationClass::Stop), &inventory);
    }
    let findings = detection.findings(&inventory);
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!((finding.count, finding.severity), (100, Severity::High));
    let counts = finding.evidence().iter().filter(|e| matches!(e, Evidence::Count { .. }));
    let messages = finding.evidence().iter().filter(|e| matches!(e, Evidence::Message { .. }));
    assert_eq!((counts.count(), messages.count()), (2, 2));
    assert_eq!(detection.drain(&inventory).len(), 1, "told once");
    assert!(detection.drain(&inventory).is_empty(), "and not again");
}

#[test]
fn no_burst_begins_before_the_one_before_it_has_ended() {
    let mut out = Findings::default();
    let about = &REGISTRY[0].about;
    let begun = asks(0, OperationClass::Stop);
    for (at, begins) in [(0, 0), (1_000, 0), (600_000, 0), (601_000, 599_000)] {
        let o = asks(at, OperationClass::Stop);
        let open = out.raise(about, 1, &o, || crate::Draft::between(&o, Severity::Low, "x"));
        let first = asks(begins, OperationClass::Stop).at;
        open.expect("there is room").spans(first, o.at);
    }
    let all = out.all(&Inventory::new());
    let spans = all[0].evidence().iter().filter_map(|piece| match piece {
        Evidence::Count { first, last, count, .. } => Some((*first, *last, *count)),
        _ => None,
    });
    let at = |ms: i64| asks(ms, OperationClass::Stop).at;
    let spans: Vec<_> = spans.collect();
    assert_eq!(spans, [(at(0), at(1_000), 2), (at(599_000), at(601_000), 2)]);
    assert_eq!(all[0].first_seen, begun.at);
}

#[test]
fn a_full_table_of_findings_refuses_and_counts() {
    let mut out = Findings::default();
    let o = asks(0, OperationClass::Stop);
    let about = &REGISTRY[0].about;
    for i in 0..limits::FINDINGS_PER_DETECTOR_MAX + 5 {
        out.raise(about, i, &o, || crate::Draft::between(&o, Severity::Low, "x"));
    }
    let mut hit = std::collections::BTreeMap::new();
    out.limits_hit(&mut hit);
    assert_eq!(hit.get("findings-of-detector"), Some(&5));
    assert_eq!(out.len(), limits::FINDINGS_PER_DETECTOR_MAX);
}

#[test]
fn a_full_learned_set_takes_everything_for_known() {
    let mut baseline = Baseline::default();
    for i in 0..=limits::LEARNED_MAX as u32 {
        let mut o = asks(0, OperationClass::Read);
        o.from.ip = Some(std::net::Ipv4Addr::from(0x0a00_0000 + i).into());
        baseline.learn(&o);
    }
    let stranger = host(77).address().expect("it has one");
    assert!(baseline.does(&stranger, OperationClass::Write), "nothing is new any more");
    let mut hit = std::collections::BTreeMap::new();
    baseline.limits_hit(&mut hit);
    assert!(hit.contains_key("learned-set"));
}

#[test]
fn dangerous_acts_are_found_while_learning_and_novelty_is_not() {
    let mut detection = Detection::new(Phase::Learning);
    let inventory = Inventory::new();
    detection.see(&asks(0, OperationClass::Write), &inventory);
    detection.see(&asks(9, OperationClass::ProgramDownload), &inventory);
    let found = detection.findings(&inventory);
    let ids: Vec<_> = found.iter().map(|f| f.detector.as_str()).collect();
    assert_eq!(ids, ["program-transfer"]);
}

#[test]
fn a_finding_says_when_all_it_asked_for_was_refused() {
    let mut detection = Detection::new(Phase::Unlearnt);
    let inventory = Inventory::new();
    detection.see(&asks(0, OperationClass::Stop), &inventory);
    detection.see(&refused(5, OperationClass::Stop, "access denied"), &inventory);
    let findings = detection.findings(&inventory);
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert!(finding.title.ends_with(" (refused)"), "{}", finding.title);
    assert!(finding.explanation.ends_with(" It was refused."), "{}", finding.explanation);
    let mut done = refused(8, OperationClass::Stop, "");
    let Detail::Operation(operation) = &mut done.detail else { panic!("{done:?}") };
    operation.outcome = Outcome::Done;
    detection.see(&done, &inventory);
    let finding = &detection.findings(&inventory)[0];
    assert!(!finding.title.contains("refused"), "{}", finding.title);
    assert!(finding.explanation.contains("1 is a refusal, 1 is not"), "{}", finding.explanation);
}

/// Host 10 says something of itself.
fn told_of_itself(millis: i64, path: &'static str, value: &str) -> Observation {
    let attributes = vec![Attribute { path, value: value.into(), confidence: 90 }];
    let subject = Subject::Sender;
    let identity = Identity { subject, message: "test", attributes };
    seen(millis, port(host(10), 50_000), port(host(20), 502), Detail::Identity(identity))
}

#[test]
fn a_finding_is_told_anew_when_an_asset_it_names_is_known_as_something_else() {
    let mut detection = Detection::new(Phase::Unlearnt);
    let mut inventory = Inventory::new();
    let see = |inventory: &mut Inventory, detection: &mut Detection, o: Observation| {
        inventory.apply(&o);
        detection.see(&o, inventory);
    };
    see(&mut inventory, &mut detection, asks(0, OperationClass::Stop));
    let first = detection.drain(&inventory).remove(0);
    assert!(first.title.contains("192.168.1.10 "), "{}", first.title);
    inventory.drain_changes();
    // Its evidence is what was said then; what nobody names costs nothing.
    see(&mut inventory, &mut detection, told_of_itself(5, "firmware", "V2"));
    assert!(detection.drain_news(&inventory).is_empty());
    see(&mut inventory, &mut detection, told_of_itself(9, "name", "panel7"));
    let again = detection.drain_news(&inventory);
    let [again] = &again[..] else { panic!("{again:#?}") };
    assert!(again.title.contains("panel7 (192.168.1.10)"), "{}", again.title);
    assert_eq!((&again.id, again.count), (&first.id, first.count));
    assert_eq!(again.evidence(), first.evidence());
    assert!(detection.drain(&inventory).is_empty(), "told once");
    assert_eq!(detection.findings(&inventory)[0].title, again.title);
}

#[test]
fn a_sign_in_gets_worse_with_what_follows_and_that_is_news() {
    let mut detection = Detection::new(Phase::Unlearnt);
    let inventory = Inventory::new();
    let mut told = Vec::new();
    // An attempt with the maker's password, then one that is let in.
    for o in [sign_in(0, None, true), sign_in(9, Some(true), true), sign_in(20, None, true)] {
        detection.see(&o, &inventory);
        let news = detection.drain_news(&inventory).into_iter();
        told.extend(news.map(|f| (f.severity, f.explanation.contains("accepted"))));
    }
    assert_eq!(told, [(Severity::Medium, false), (Severity::High, true)]);
}

#[test]
fn a_finding_that_only_goes_on_is_told_when_it_was_seen_ten_times_as_often() {
    let mut detection = Detection::new(Phase::Unlearnt);
    let inventory = Inventory::new();
    let mut news = Vec::new();
    for at in 0..30 {
        detection.see(&asks(at, OperationClass::Stop), &inventory);
        news.extend(detection.drain_news(&inventory).iter().map(|f| f.count));
    }
    assert_eq!(news, [1, 10]);
    detection.see(&asks(40, OperationClass::Stop), &inventory);
    assert!(detection.drain_news(&inventory).is_empty());
    assert_eq!(detection.drain(&inventory)[0].count, 31);
    // An answer that refuses all of it changes what it says.
    detection.see(&refused(45, OperationClass::Stop, "access denied"), &inventory);
    assert_eq!(detection.drain_news(&inventory).len(), 1);
}

#[test]
fn a_clock_that_is_set_back_stops_no_detector_and_makes_no_flood() {
    let mut learning = Detection::new(Phase::Learning);
    let mut inventory = Inventory::new();
    for last in [10, 20] {
        learning.see(&presence(0, host(last)), &inventory);
    }
    let mut detection = Detection::with_baseline(learning.into_baseline(), Phase::Learnt);
    let day = 86_400_000;
    let refusals = |from: i64| (0..4).map(move |i| sign_in(from + i * 500, Some(false), false));
    let attempt = |i: i64| {
        let attempted = model::SessionEvent::Attempted { syn: true };
        let server = port(host(20), u16::try_from(i).expect("few") + 100);
        session(2_000 + i * 100, port(host(9), 50_000), server, attempted)
    };
    let mut seen: Vec<_> = refusals(day).collect();
    seen.push(presence(1_000, host(9)));
    seen.extend((0..30).map(attempt));
    seen.extend(refusals(60_000));
    for o in &seen {
        inventory.apply(o);
        detection.see(o, &inventory);
    }
    let found = detection.findings(&inventory);
    let ids: BTreeSet<_> = found.iter().map(|f| f.detector.as_str()).collect();
    assert!(ids.contains("new-asset") && ids.contains("scan"), "{ids:?}");
    assert!(!ids.contains("password-guessing"), "{ids:?}");
}

#[test]
fn an_act_that_joins_those_on_many_devices_is_no_less_severe_for_that() {
    let downloads = |millis: i64, to: u8| Observation {
        to: port(host(to), 502),
        ..asks(millis, OperationClass::ProgramDownload)
    };
    let inventory = Inventory::new();
    let mut learning = Detection::new(Phase::Learning);
    (20..25).for_each(|to| learning.see(&downloads(0, to), &inventory));
    let mut detection = Detection::with_baseline(learning.into_baseline(), Phase::Learnt);
    let shared = |detection: &Detection| {
        let mut found = detection.findings(&inventory).into_iter();
        let shared = found.find(|f| f.title.contains("many devices")).expect("a shared one");
        (shared.severity, shared.explanation)
    };
    (20..25).for_each(|to| detection.see(&downloads(9, to), &inventory));
    assert_eq!(shared(&detection).0, Severity::Low, "it always does so");
    detection.see(&downloads(20, 77), &inventory);
    let (severity, explanation) = shared(&detection);
    assert_eq!(severity, Severity::Medium);
    assert!(explanation.contains("asked 192.168.1.77 and others"), "{explanation}");
}

#[test]
fn senders_that_are_made_up_blind_no_detector_and_are_counted() {
    let mut detection = Detection::new(Phase::Unlearnt);
    let inventory = Inventory::new();
    let attempt = |millis: i64, from, to: u8| {
        let attempted = model::SessionEvent::Attempted { syn: true };
        session(millis, port(from, 50_000), port(host(to), 445), attempted)
    };
    let made_up = limits::WATCHED_MAX as u32 + 1;
    for i in 0..made_up {
        let ip = Some(std::net::Ipv4Addr::from(0x0a00_0000 + i).into());
        let from = model::Endpoint { ip, mac: None, ..host(1) };
        detection.see(&attempt(i.into(), from, 20), &inventory);
    }
    for to in 30..40 {
        detection.see(&attempt(i64::from(made_up) + i64::from(to), host(10), to), &inventory);
    }
    assert!(detection.limits_hit()["watched"] > 0);
    detection.finish(&inventory);
    let found = detection.findings(&inventory);
    assert!(found.iter().any(|f| f.detector == "scan"), "{found:#?}");
}

#[test]
fn a_scan_names_the_addresses_that_its_evidence_shows() {
    let inventory = Inventory::new();
    let mut detection = Detection::new(Phase::Unlearnt);
    // From the greatest address down, in two steps, of which the first makes the finding.
    for to in (40..=90).rev() {
        let attempted = model::SessionEvent::Attempted { syn: true };
        let (from, to_port) = (port(host(10), 50_000), port(host(to), 445));
        let millis = i64::from(200 - i32::from(to)) * 500;
        detection.see(&session(millis, from, to_port, attempted), &inventory);
    }
    detection.finish(&inventory);
    let found = detection.findings(&inventory);
    let scan = found.iter().find(|f| f.detector == "scan").expect("a scan");
    let says = scan.evidence().iter().find_map(|e| match e {
        model::Evidence::Count { says, .. } => says.split_once("addresses: "),
        _ => None,
    });
    let (listed, left) = says.expect("addresses").1.split_once(" and ").expect("too many for one");
    let listed: Vec<_> = listed.split(", ").collect();
    assert_eq!((listed.len(), left), (15, "36 more"), "{scan:#?}");
    for address in listed {
        let named = scan.addresses.iter().any(|named| named.to_string() == address);
        assert!(named, "{address} of {:?}", scan.addresses);
    }
}

#[test]
fn another_device_at_a_learned_address_is_new_to_a_sensor_that_starts_again() {
    let mut learning = Detection::new(Phase::Learning);
    for o in [presence(0, host(10)), presence(1, host(20)), presence(1, host(30))] {
        learning.see(&o, &Inventory::new());
    }
    learning.see(&asks(2, OperationClass::Read), &Inventory::new());
    let baseline = learning.into_baseline();
    let severity = |from: model::Endpoint| {
        let mut inventory = Inventory::new();
        let mut detection = Detection::with_baseline(baseline.clone(), Phase::Learnt);
        let o = presence(86_400_000, from);
        inventory.apply(&o);
        detection.see(&o, &inventory);
        detection.finish(&inventory);
        let found = detection.findings(&inventory);
        assert!(found.iter().all(|f| f.addresses.contains(&from.address().expect("it has one"))));
        found.first().map(|f| f.severity)
    };
    let at = |who: u8, address: u8| model::Endpoint { mac: host(who).mac, ..host(address) };
    assert_eq!(severity(at(99, 20)), Some(Severity::High), "where a controller was");
    assert_eq!(severity(at(99, 30)), Some(Severity::Low), "where nobody asked anything");
    assert_eq!(severity(at(99, 98)), Some(Severity::Medium));
    assert_eq!(severity(at(20, 20)), None);
    assert_eq!(severity(at(20, 98)), None, "another address of a known device");
}
