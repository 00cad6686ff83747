//! The site's rows as sensors and operators change them.

mod rows;

use model::{AssetId, Health, Insight, LinkId, Severity, Time};
use rows::{asset, finding, insight, link, site};
use serde_json::json;
use store::{
    ASSETS, AssetPatch, AuditAsked, AuditBegin, AuditEnd, Backlog, ChainState, ChangedRow, Error,
    Filter, FindingPatch, FindingStatus, Graph, ListRequest, Origin, Role, SensorState,
    SensorStatus, Session, Store, UserPatch, ZoneSpec,
};

#[tokio::test]
async fn sensor_restart_adds_to_counts_instead_of_replacing_them() {
    let (_dir, store) = site().await;
    let rows = |packets| {
        vec![
            asset("ast_a", "10.0.0.1", packets),
            asset("ast_b", "10.0.0.2", 1),
            link("lnk_1", "ast_b", "ast_a", packets),
            finding("fnd_1", &["ast_a"], packets, "2026-01-01T00:01:00Z"),
        ]
    };
    store.take("s", Time(1), rows(10)).await.expect("first run");
    store.take("s", Time(1), rows(12)).await.expect("first run goes on");
    store.take("s", Time(2), rows(3)).await.expect("second run");
    store.take("s", Time(2), rows(4)).await.expect("second run goes on");
    assert_eq!(store.asset("ast_a").await.expect("there").record.packets, 16);
    let links = store.links(&ListRequest::first(10)).await.expect("links").items;
    assert_eq!((links[0].link.packets, links[0].link.operations["read"]), (16, 16));
    assert_eq!(links[0].server_name, "10.0.0.1");
    let found = store.finding("fnd_1").await.expect("there");
    assert_eq!(found.record.count, 16);
    assert_eq!(found.observed.evidence().len(), 1);
}

#[tokio::test]
async fn where_an_asset_was_heard_says_whose_it_is() {
    let (_dir, store) = site().await;
    let sensor = |id: &str, origin| SensorStatus {
        id: id.to_owned(),
        interface: "somewhere".to_owned(),
        origin,
        state: SensorState::Starting,
        detail: None,
        restarts: 0,
        learning_until: None,
    };
    store.set_sensor(sensor("lab", Origin::Lab)).await.expect("saved");
    store.set_sensor(sensor("line 2", Origin::Network)).await.expect("saved");
    store.set_sensor(sensor("far", Origin::Network)).await.expect("saved");
    let hello = |replay: bool| {
        insight(json!({"kind": "hello", "version": 2, "sensor": "x", "interface": "eth0",
                       "started_at": "2026-01-01T00:00:00Z", "replay": replay}))
    };
    let origin = async |id: &str| store.asset(id).await.expect("there").record.origin;
    let a = || asset("ast_a", "10.0.0.1", 1);
    store.take("far", Time(3), vec![hello(true), a()]).await.expect("taken");
    assert_eq!(origin("ast_a").await, Origin::Capture);
    store.take("lab", Time(1), vec![hello(false), a()]).await.expect("taken");
    assert_eq!(origin("ast_a").await, Origin::Lab, "its hello does not make it a network");
    store.take("far", Time(4), vec![a()]).await.expect("taken");
    assert_eq!(origin("ast_a").await, Origin::Lab, "a capture of the lab does not make it real");
    store.take("line 2", Time(5), vec![hello(false), a()]).await.expect("taken");
    assert_eq!(origin("ast_a").await, Origin::Network);
    store.take("lab", Time(6), vec![asset("ast_b", "10.0.0.2", 1)]).await.expect("taken");
    let merged = json!({"kind": "asset-merged", "id": "ast_a", "into": "ast_b"});
    store.take("lab", Time(6), vec![insight(merged)]).await.expect("taken");
    assert_eq!(origin("ast_b").await, Origin::Network, "what is part of it was heard there");
}

#[tokio::test]
async fn operators_word_wins_and_the_observation_stays() {
    let (_dir, store) = site().await;
    store.take("s", Time(1), vec![asset("ast_a", "10.0.0.1", 1)]).await.expect("taken");
    let patch = AssetPatch {
        name: Some(Some("Filler 2".into())),
        class: Some(Some(model::AssetClass::Hmi)),
        ..Default::default()
    };
    store.patch_asset("ast_a", 1, patch.clone(), "ada").await.expect("patched");
    let error = store.patch_asset("ast_a", 1, patch, "ada").await.expect_err("stale");
    assert!(matches!(error, Error::Mismatch { current: 2 }));
    store.take("s", Time(1), vec![asset("ast_a", "10.0.0.1", 2)]).await.expect("taken");
    let asset = store.asset("ast_a").await.expect("there");
    assert_eq!(
        (asset.record.name.as_str(), asset.record.class),
        ("Filler 2", model::AssetClass::Hmi)
    );
    assert_eq!(asset.observed.class, model::AssetClass::Plc);
    assert_eq!(asset.declared.changed_by.as_deref(), Some("ada"));
    let back = AssetPatch { name: Some(None), ..Default::default() };
    store.patch_asset("ast_a", 2, back, "ada").await.expect("taken back");
    assert_eq!(store.asset("ast_a").await.expect("there").record.name, "10.0.0.1");
    let says: Vec<_> =
        store.asset_events("ast_a").await.expect("events").into_iter().map(|e| e.kind).collect();
    assert_eq!(says, ["operator", "operator", "first-seen"]);
}

#[tokio::test]
async fn edge_of_the_graph_names_the_one_that_asks_unless_both_do() {
    let (_dir, store) = site().await;
    let rows = vec![
        asset("ast_a", "10.0.0.1", 1),
        asset("ast_b", "10.0.0.2", 1),
        link("lnk_1", "ast_b", "ast_a", 3),
        link("lnk_2", "ast_b", "ast_a", 4),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let Graph { nodes, edges, truncated } = store.graph(None).await.expect("a graph");
    let ids: Vec<_> = nodes.iter().map(|node| node.id.0.as_str()).collect();
    assert_eq!((ids.as_slice(), edges.len(), truncated), (&["ast_a", "ast_b"][..], 1, false));
    assert_eq!((edges[0].a, edges[0].b, edges[0].client), (0, 1, Some(1)));
    assert_eq!((edges[0].volumes["s7comm"], edges[0].operations["read"]), (700, 7));
    let back = vec![link("lnk_3", "ast_a", "ast_b", 1)];
    store.take("s", Time(1), back).await.expect("taken");
    let edges = store.graph(None).await.expect("a graph").edges;
    assert_eq!((edges[0].client, edges[0].operations["read"]), (None, 8));
}

#[tokio::test]
async fn zones_take_and_lose_assets_as_ranges_change() {
    let (_dir, store) = site().await;
    store.take("s", Time(1), vec![asset("ast_a", "10.1.2.3", 1)]).await.expect("taken");
    let spec = |cidr: &str| ZoneSpec {
        name: "Packaging".into(),
        purdue: Some(model::Purdue::Supervisory),
        cidrs: vec![cidr.into()],
        vlans: vec![],
    };
    let id = store.create_zone(spec("10.1.0.0/16")).await.expect("made");
    let of = |store: Store| async move { store.asset("ast_a").await.expect("there").record };
    let inside = of(store.clone()).await;
    assert_eq!((inside.zone.as_ref(), inside.purdue), (Some(&id), Some(2.0)));
    assert_eq!(store.zone(&id).await.expect("there").assets, 1);
    assert!(matches!(store.create_zone(spec("10.2.0.0/16")).await, Err(Error::Exists { .. })));
    store.replace_zone(&id, 1, spec("10.9.0.0/16")).await.expect("moved");
    let outside = of(store.clone()).await;
    assert_eq!((outside.zone, outside.purdue), (None, Some(1.0)));
    store.replace_zone(&id, 2, spec("10.1.2.0/24")).await.expect("moved back");
    assert!(matches!(store.delete_zone(&id, 1).await, Err(Error::Mismatch { current: 3 })));
    store.delete_zone(&id, 3).await.expect("deleted");
    assert_eq!(of(store.clone()).await.zone, None);
    let bad = ZoneSpec { cidrs: vec!["10.0.0.0/40".into()], ..spec("x") };
    assert!(matches!(store.create_zone(bad).await, Err(Error::Refused { path: "cidrs", .. })));
}

#[tokio::test]
async fn findings_count_on_assets_until_closed_or_muted_and_open_again_when_seen_anew() {
    let (_dir, store) = site().await;
    let rows = vec![
        finding("fnd_1", &["ast_a"], 1, "2026-01-01T00:01:00Z"),
        asset("ast_a", "10.0.0.1", 1),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let severity = |store: Store| async move {
        let asset = store.asset("ast_a").await.expect("there").record;
        (asset.findings, asset.severity)
    };
    assert_eq!(severity(store.clone()).await, (1, Some(model::Severity::High)));
    store.mute_finding("fnd_1", "planned work", None, "ada").await.expect("muted");
    assert_eq!(severity(store.clone()).await, (0, None));
    let muted = store.finding("fnd_1").await.expect("there");
    assert!(muted.record.muted && muted.mute.is_some_and(|m| m.reason == "planned work"));
    store.unmute_finding("fnd_1", "ada").await.expect("unmuted");
    assert_eq!(severity(store.clone()).await.0, 1);
    let resolve = FindingPatch { status: Some(FindingStatus::Resolved), ..Default::default() };
    store.patch_finding("fnd_1", 1, resolve, "ada").await.expect("resolved");
    assert_eq!(severity(store.clone()).await.0, 0);
    let same = finding("fnd_1", &["ast_a"], 1, "2026-01-01T00:01:00Z");
    store.take("s", Time(1), vec![same]).await.expect("taken");
    assert_eq!(store.finding("fnd_1").await.expect("there").record.status, FindingStatus::Resolved);
    let again = finding("fnd_1", &["ast_a"], 2, "2199-01-01T00:00:00Z");
    store.take("s", Time(1), vec![again]).await.expect("taken");
    let found = store.finding("fnd_1").await.expect("there");
    assert_eq!(found.record.status, FindingStatus::Open);
    assert!(found.history[0].says.contains("seen again"), "{:?}", found.history);
    assert_eq!(severity(store.clone()).await.0, 1);
    let accept = FindingPatch { status: Some(FindingStatus::Accepted), ..Default::default() };
    let generation = found.record.generation;
    store.patch_finding("fnd_1", generation, accept, "ada").await.expect("accepted");
    let again = finding("fnd_1", &["ast_a"], 3, "2199-01-02T00:00:00Z");
    store.take("s", Time(1), vec![again]).await.expect("taken");
    let found = store.finding("fnd_1").await.expect("there");
    assert_eq!(found.record.status, FindingStatus::Accepted);
    assert_eq!((severity(store.clone()).await.0, found.record.count), (0, 3));
    let owner = FindingPatch { owner: Some(Some("nobody".into())), ..Default::default() };
    let error = store.patch_finding("fnd_1", found.record.generation, owner, "ada").await;
    assert!(matches!(error, Err(Error::Refused { path: "owner", .. })));
}

#[tokio::test]
async fn merged_asset_lives_on_in_links_findings_and_the_operators_word() {
    let (_dir, store) = site().await;
    let rows = vec![
        asset("ast_a", "10.0.0.1", 1),
        asset("ast_b", "10.0.0.2", 1),
        link("lnk_1", "ast_b", "ast_a", 5),
        finding("fnd_1", &["ast_a"], 1, "2026-01-01T00:01:00Z"),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let patch = AssetPatch { criticality: Some(Some(4)), ..Default::default() };
    store.patch_asset("ast_a", 1, patch, "ada").await.expect("patched");
    let since = store.revision().await.expect("a revision");
    let merged =
        Insight::AssetMerged { id: AssetId("ast_a".into()), into: AssetId("ast_c".into()) };
    store.take("s", Time(1), vec![asset("ast_c", "10.0.0.3", 1), merged]).await.expect("taken");
    assert_eq!(store.assets(&ListRequest::first(10)).await.expect("a page").items.len(), 2);
    let heir = store.asset("ast_a").await.expect("the old id leads on").record;
    assert_eq!((heir.id.0.as_str(), heir.criticality, heir.findings), ("ast_c", Some(4), 1));
    assert_eq!(store.asset_links("ast_c").await.expect("links").0.len(), 1);
    store.take("s", Time(1), vec![link("lnk_1", "ast_b", "ast_a", 6)]).await.expect("taken");
    let (links, _) = store.asset_links("ast_c").await.expect("links");
    assert_eq!(links[0].link.packets, 6);
    let Backlog::Changes(changes) = store.backlog(since).await.expect("a backlog") else {
        panic!("not too old")
    };
    assert!(
        changes
            .iter()
            .any(|c| matches!(&c.row, ChangedRow::AssetMerged { into, .. } if into.0 == "ast_c"))
    );
    assert!(changes.windows(2).all(|pair| pair[0].revision < pair[1].revision));
}

#[tokio::test]
async fn who_began_a_finding_is_the_asset_that_has_the_address_or_an_address_alone() {
    let (_dir, store) = site().await;
    let begun = |id, by: &str| {
        let mut insight = finding(id, &["ast_b", "ast_a"], 1, "2026-01-01T00:01:00Z");
        let Insight::Finding(finding) = &mut insight else { panic!("a finding") };
        finding.initiator = Some(model::Address::Ip(by.parse().expect("an address")));
        let named = [by, "10.0.0.9", "10.0.0.2"].map(|ip| ip.parse().expect("an address"));
        finding.addresses = named.map(model::Address::Ip).to_vec();
        insight
    };
    let mut two = asset("ast_a", "10.0.0.1", 1);
    let Insight::Asset(has) = &mut two else { panic!("an asset") };
    has.ips.push("10.0.0.9".parse().expect("an address"));
    let rows = vec![
        two,
        asset("ast_b", "10.0.0.2", 1),
        begun("fnd_1", "10.0.0.1"),
        begun("fnd_2", "192.0.2.7"),
        finding("fnd_3", &["ast_a"], 1, "2026-01-01T00:01:00Z"),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let by = |id: &'static str| {
        let store = &store;
        async move { store.finding(id).await.expect("there").initiator }
    };
    let known = by("fnd_1").await.expect("it says who");
    assert_eq!(known.asset.map(|asset| asset.id.0).as_deref(), Some("ast_a"));
    assert_eq!(known.others, ["10.0.0.9"]);
    let outside = by("fnd_2").await.expect("it says who");
    assert_eq!((outside.address.as_str(), outside.asset), ("192.0.2.7", None));
    assert_eq!(by("fnd_3").await, None);
}

#[tokio::test]
async fn two_assets_of_one_name_are_told_apart_by_address() {
    let (_dir, store) = site().await;
    let named = |id: &str, ip: &str| {
        let mut row = serde_json::to_value(asset(id, ip, 1)).expect("JSON");
        row["names"] = json!(["controller"]);
        insight(row)
    };
    let rows = vec![
        named("ast_a", "10.0.0.1"),
        named("ast_b", "10.0.0.2"),
        asset("ast_h", "10.0.0.9", 1),
        link("lnk_1", "ast_h", "ast_a", 6),
        link("lnk_2", "ast_h", "ast_b", 5),
        finding("fnd_1", &["ast_b", "ast_a"], 1, "2026-01-01T00:01:00Z"),
        finding("fnd_2", &["ast_a"], 1, "2026-01-01T00:02:00Z"),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let listed = store.findings(&ListRequest::first(10)).await.expect("a page").items;
    let names = |at: usize| listed[at].assets.iter().map(|asset| &*asset.name).collect::<Vec<_>>();
    assert_eq!(names(0), ["controller"]);
    assert_eq!(names(1), ["controller (10.0.0.2)", "controller (10.0.0.1)"]);
    let peers = |links: Vec<store::LinkRecord>| {
        links.into_iter().map(|link| link.server_name).collect::<Vec<_>>()
    };
    let (links, _) = store.asset_links("ast_h").await.expect("links");
    assert_eq!(peers(links), ["controller (10.0.0.1)", "controller (10.0.0.2)"]);
    let all = store.links(&ListRequest::first(10)).await.expect("a page").items;
    assert_eq!(peers(all), ["controller (10.0.0.1)", "controller (10.0.0.2)"]);
    let (links, _) = store.asset_links("ast_a").await.expect("links");
    assert_eq!(peers(links), ["controller"]);
}

#[tokio::test]
async fn addresses_that_no_asset_has_are_told_apart_from_those_of_the_assets_named() {
    let (_dir, store) = site().await;
    let mut scan = finding("fnd_1", &["ast_b", "ast_a"], 1, "2026-01-01T00:01:00Z");
    let Insight::Finding(says) = &mut scan else { panic!("a finding") };
    let named = ["10.0.0.2", "10.0.0.1", "10.0.0.7", "10.0.0.8"];
    let named = named.map(|ip| model::Address::Ip(ip.parse().expect("an address")));
    says.initiator = Some(named[0]);
    says.addresses = named.to_vec();
    let rows = vec![asset("ast_a", "10.0.0.1", 1), asset("ast_b", "10.0.0.2", 1), scan];
    store.take("s", Time(1), rows).await.expect("taken");
    let strangers = store.finding("fnd_1").await.expect("there").strangers;
    assert_eq!(strangers, ["10.0.0.7", "10.0.0.8"]);
}

#[tokio::test]
async fn assets_stand_in_the_order_of_their_addresses_as_numbers_page_by_page() {
    let (_dir, store) = site().await;
    let ips = ["fe80::1", "10.0.0.10", "192.168.0.1", "10.0.0.9", "9.0.0.1"];
    let mut rows: Vec<_> = ips.iter().map(|ip| asset(&format!("ast_{ip}"), ip, 1)).collect();
    let mut none = asset("ast_none", "10.0.0.1", 1);
    let Insight::Asset(has) = &mut none else { panic!("an asset") };
    has.ips.clear();
    rows.push(none);
    store.take("s", Time(1), rows).await.expect("taken");
    let listed = async |sort: &str| {
        let mut request = ListRequest { sort: Some(sort.to_owned()), ..ListRequest::first(2) };
        let mut ids = Vec::new();
        loop {
            let page = store.assets(&request).await.expect("a page");
            ids.extend(page.items.into_iter().map(|asset| asset.id.0.replace("ast_", "")));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                return ids;
            }
        }
    };
    // Whichever way they are read, what has no address comes last.
    let mut listing = ["9.0.0.1", "10.0.0.9", "10.0.0.10", "192.168.0.1", "fe80::1", "none"];
    assert_eq!(listed("ip").await, listing);
    listing[..5].reverse();
    assert_eq!(listed("-ip").await, listing);
}

#[tokio::test]
async fn whoever_did_it_is_named_first_and_the_one_it_was_done_to_has_it_in_its_timeline() {
    let (_dir, store) = site().await;
    let rows = vec![
        asset("ast_a", "10.0.0.1", 1),
        asset("ast_b", "10.0.0.2", 1),
        finding("fnd_1", &["ast_b", "ast_a"], 1, "2026-01-01T00:01:00Z"),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let listed = store.findings(&ListRequest::first(10)).await.expect("a page").items;
    let named: Vec<_> = listed[0].assets.iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(named, ["10.0.0.2", "10.0.0.1"]);
    for id in ["ast_a", "ast_b"] {
        let events = store.asset_events(id).await.expect("events");
        let raised = events.iter().filter(|event| event.kind == "finding").count();
        assert_eq!(raised, 1, "{id}: {events:?}");
    }
}

#[tokio::test]
async fn a_timeline_follows_the_time_of_what_happened_whenever_it_was_told() {
    let (_dir, store) = site().await;
    let rows = vec![
        asset("ast_a", "10.0.0.1", 1),
        finding("fnd_1", &["ast_a"], 1, "2026-01-01T09:00:00Z"),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    let mut old = serde_json::to_value(finding("fnd_2", &["ast_a"], 9, "2026-01-01T08:00:00Z"));
    old.as_mut().expect("JSON")["first_seen"] = "2025-06-01T00:00:00Z".into();
    let old = insight(old.expect("JSON"));
    store.take("capture", Time(2), vec![old]).await.expect("taken");
    let events = store.asset_events("ast_a").await.expect("events");
    let told: Vec<_> = events.iter().map(|e| (&*e.kind, e.at.to_string())).collect();
    let told: Vec<_> = told.iter().map(|(kind, at)| (*kind, &at[..19])).collect();
    assert_eq!(
        told,
        [
            ("finding", "2026-01-01T00:00:30"),
            ("first-seen", "2026-01-01T00:00:00"),
            // When it was first seen, not when it was seen last or imported.
            ("finding", "2025-06-01T00:00:00"),
        ]
    );
}

#[tokio::test]
async fn makers_have_one_name_and_are_found_by_what_was_said() {
    let (_dir, store) = site().await;
    let said = |id: &str, vendor: &str| {
        let mut row = serde_json::to_value(asset(id, "10.0.0.1", 1)).expect("JSON");
        row["vendor"] = vendor.into();
        insight(row)
    };
    let rows = vec![said("ast_a", "Siemens AG"), said("ast_b", "SIEMENS"), said("ast_c", "WAGO")];
    store.take("s", Time(1), rows).await.expect("taken");
    let counts = store.asset_facet("vendor", &ListRequest::first(10)).await.expect("counted");
    let counts: Vec<_> = counts.iter().map(|c| (c.value.as_deref(), c.count)).collect();
    assert_eq!(counts, [(Some("Siemens"), 2), (Some("WAGO"), 1)]);
    for filter in [r#"vendor eq "Siemens AG""#, r#"vendor in ("Siemens")"#] {
        let filter = Filter::parse(filter, ASSETS, Time(0)).expect("a filter");
        let request = ListRequest { filter: Some(filter), ..ListRequest::first(10) };
        assert_eq!(store.assets(&request).await.expect("a page").items.len(), 2);
    }
    // What it said of itself stays in what was observed.
    let full = store.asset("ast_a").await.expect("there");
    assert_eq!(full.observed.vendor.as_deref(), Some("Siemens AG"));
}

#[tokio::test]
async fn names_are_listed_as_people_count() {
    let (_dir, store) = site().await;
    let names = ["PLC-1", "plc-2", "PLC-10", "PLC-011"];
    let rows = names.iter().rev().enumerate().map(|(n, name)| {
        let row = asset(&format!("ast_{n}"), "10.0.0.1", 1);
        let mut row = serde_json::to_value(row).expect("JSON");
        row["names"] = serde_json::json!([name]);
        insight(row)
    });
    store.take("s", Time(1), rows.collect()).await.expect("taken");
    for (sort, backwards) in [("name", false), ("-name", true)] {
        let mut request = ListRequest { sort: Some(sort.into()), ..ListRequest::first(3) };
        let mut seen = Vec::new();
        loop {
            let page = store.assets(&request).await.expect("a page");
            seen.extend(page.items.into_iter().map(|asset| asset.name));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        if backwards {
            seen.reverse();
        }
        assert_eq!(seen, names, "{sort}");
    }
}

#[tokio::test]
async fn assets_stand_in_the_order_of_their_zones_names_page_by_page() {
    let (_dir, store) = site().await;
    // Made in another order than that of their names; one asset is in no zone.
    for (name, cidr) in [("Line 10", "10.0.3.0/24"), ("line 2", "10.0.2.0/24")] {
        let (cidrs, vlans) = (vec![cidr.to_owned()], Vec::new());
        let spec = ZoneSpec { name: name.to_owned(), purdue: None, cidrs, vlans };
        store.create_zone(spec).await.expect("made");
    }
    let ips = [("ast_a", "10.0.3.1"), ("ast_b", "10.0.9.1"), ("ast_c", "10.0.2.1")];
    let rows = ips.iter().map(|(id, ip)| asset(id, ip, 1));
    store.take("s", Time(1), rows.collect()).await.expect("taken");
    for (sort, expect) in [("zone", "c a b"), ("-zone", "a c b")] {
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let sort = Some(sort.to_owned());
            let page = store.assets(&ListRequest { sort, cursor, ..ListRequest::first(1) }).await;
            let page = page.expect("a page");
            ids.extend(page.items.iter().map(|row| row.id.0.replace("ast_", "")));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(ids.join(" "), expect, "{sort}");
    }
}

#[tokio::test]
async fn finding_that_gets_worse_or_speaks_of_others_is_told_and_counted() {
    let (_dir, store) = site().await;
    let told = |severity: &str, asset: &str| {
        let row = finding("fnd_1", &[asset], 1, "2026-01-01T00:01:00Z");
        let mut row = serde_json::to_value(row).expect("JSON");
        row["severity"] = severity.into();
        row["title"] = format!("{asset} was signed in to").into();
        vec![insight(row)]
    };
    let asset_of = async |id: &str| {
        let record = store.asset(id).await.expect("there").record;
        (record.findings, record.severity)
    };
    let rows = vec![asset("ast_a", "10.0.0.1", 1), asset("ast_b", "10.0.0.2", 1)];
    store.take("s", Time(1), rows).await.expect("taken");
    store.take("s", Time(1), told("medium", "ast_a")).await.expect("taken");
    assert_eq!(asset_of("ast_a").await, (1, Some(Severity::Medium)));
    store.take("s", Time(1), told("high", "ast_a")).await.expect("taken");
    assert_eq!(asset_of("ast_a").await, (1, Some(Severity::High)));
    let events = store.asset_events("ast_a").await.expect("events");
    assert!(events.iter().any(|e| e.says.ends_with("is high now")), "{events:?}");
    store.take("s", Time(1), told("high", "ast_b")).await.expect("taken");
    assert_eq!((asset_of("ast_a").await.0, asset_of("ast_b").await.0), (0, 1));
    let found = store.finding("fnd_1").await.expect("there").record;
    assert_eq!((&*found.title, found.count), ("ast_b was signed in to", 1));
}

#[tokio::test]
async fn merged_link_stands_in_no_list_and_what_earlier_runs_saw_is_not_lost() {
    let (_dir, store) = site().await;
    let merged =
        || Insight::LinkMerged { id: LinkId("lnk_1".into()), into: LinkId("lnk_2".into()) };
    let packets = async || {
        let links = store.links(&ListRequest::first(10)).await.expect("a page").items;
        links.into_iter().map(|l| (l.link.id.0, l.link.packets)).collect::<Vec<_>>()
    };
    store.take("s", Time(1), vec![link("lnk_1", "ast_b", "ast_a", 100)]).await.expect("taken");
    // In the next run its end proves to be another; the row it is part of tells of both.
    let rows =
        vec![link("lnk_1", "ast_b", "ast_a", 5), link("lnk_2", "ast_b", "ast_c", 12), merged()];
    let since = store.revision().await.expect("a revision");
    store.take("s", Time(2), rows).await.expect("taken");
    assert_eq!(packets().await, [("lnk_2".to_owned(), 112)]);
    assert!(store.asset_links("ast_a").await.expect("links").0.is_empty());
    assert_eq!(store.overview().await.expect("numbers").links, 1);
    assert_eq!(
        store.graph(None).await.expect("a graph").edges.len(),
        0,
        "no asset of them is known"
    );
    let Backlog::Changes(changes) = store.backlog(since).await.expect("a backlog") else {
        panic!("not too old")
    };
    let gone =
        |c: &store::Change| matches!(&c.row, ChangedRow::LinkMerged { id, .. } if id.0 == "lnk_1");
    assert!(changes.iter().any(gone), "{changes:?}");
    // Told once more, as after a cut, it adds nothing.
    store
        .take("s", Time(2), vec![merged(), link("lnk_2", "ast_b", "ast_c", 13)])
        .await
        .expect("ok");
    assert_eq!(packets().await, [("lnk_2".to_owned(), 113)]);
    // Split again it is a link with what it was told with.
    store.take("s", Time(2), vec![link("lnk_1", "ast_b", "ast_a", 6)]).await.expect("taken");
    assert_eq!(packets().await.len(), 2);
}

#[tokio::test]
async fn watchers_hear_of_each_commit_and_catch_up_from_disk() {
    let (_dir, store) = site().await;
    let mut watch = store.watch();
    store.take("s", Time(1), vec![asset("ast_a", "10.0.0.1", 1)]).await.expect("taken");
    let change = watch.recv().await.expect("a change");
    assert!(matches!(&change.row, ChangedRow::Asset(a) if a.id.0 == "ast_a"));
    let Backlog::Changes(changes) = store.backlog(0).await.expect("a backlog") else {
        panic!("not too old")
    };
    assert_eq!(changes.len(), 1);
    assert!(matches!(store.backlog(1_000_000).await.expect("answers"), Backlog::TooOld));
    let bad = store.patch_asset("ast_a", 7, AssetPatch::default(), "ada").await;
    assert!(bad.is_err());
    store.take("s", Time(1), vec![asset("ast_b", "10.0.0.2", 1)]).await.expect("taken");
    let next = watch.recv().await.expect("a change");
    assert!(
        matches!(&next.row, ChangedRow::Asset(a) if a.id.0 == "ast_b"),
        "a refused call is silent"
    );
}

#[tokio::test]
async fn pages_hold_every_row_once_in_every_order() {
    let (_dir, store) = site().await;
    let rows = (0..57).map(|n| asset(&format!("ast_{n:02}"), &format!("10.0.{}.1", n % 7), n % 5));
    store.take("s", Time(1), rows.collect()).await.expect("taken");
    for sort in ["name", "-packets", "purdue", "-zone", "-last_seen"] {
        let mut seen = Vec::new();
        let mut request = ListRequest { sort: Some(sort.into()), ..ListRequest::first(10) };
        loop {
            let page = store.assets(&request).await.expect("a page");
            seen.extend(page.items.into_iter().map(|a| a.id.0));
            match page.next_cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(seen.len(), 57, "{sort}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 57, "{sort}");
    }
    let foreign = ListRequest { cursor: Some("7b7d".into()), ..ListRequest::first(10) };
    assert!(matches!(store.assets(&foreign).await, Err(Error::Refused { path: "cursor", .. })));
}

#[tokio::test]
async fn audit_chain_shows_a_row_that_was_altered_or_taken_out() {
    let (dir, store) = site().await;
    let begin = |action: &str| AuditBegin {
        actor: "ada".into(),
        method: "session".into(),
        session: None,
        ip: None,
        trace_id: "t".into(),
        action: action.into(),
        resource: "/zones".into(),
    };
    for n in 0..5 {
        let record = store.audit_begin(begin(&format!("POST {n}"))).await.expect("begun");
        if n != 3 {
            let end = AuditEnd { result: "done".into(), ..Default::default() };
            store.audit_end(record, "ada", end).await.expect("ended");
        }
    }
    let by_ada = AuditAsked { actor: Some("ada".into()), ..Default::default() };
    let (records, next) = store.audit(&by_ada, None, 3).await.expect("records");
    assert_eq!(records.len(), 3);
    assert!(records[1].end.is_none() && records[0].end.is_some());
    let (older, end) = store.audit(&AuditAsked::default(), next, 3).await.expect("records");
    assert_eq!((older.len(), end), (2, None));
    let ended = AuditAsked { result: Some("done".into()), ..by_ada.clone() };
    assert_eq!(store.audit(&ended, None, 9).await.expect("records").0.len(), 4);
    let third = records.last().expect("three");
    let later = AuditAsked { since: Some(third.at), ..Default::default() };
    let before = AuditAsked { until: Some(third.at), ..Default::default() };
    let counts = (
        store.audit(&later, None, 9).await.expect("records").0.len(),
        store.audit(&before, None, 9).await.expect("records").0.len(),
    );
    assert_eq!(counts, (3, 2), "from a time on it is in, before that time it is not");
    let (state, good) = store.audit_chain(None).await.expect("walks");
    assert_eq!(state, ChainState::Intact);
    assert_eq!(store.audit_chain(good).await.expect("walks").0, ChainState::Intact);
    let url = format!("sqlite://{}", dir.path().join("spandrel.db").display());
    let mut db =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("connects");
    sqlx::query("UPDATE audit SET actor = 'eve' WHERE seq = 4")
        .execute(&mut db)
        .await
        .expect("altered");
    assert_eq!(store.audit_chain(None).await.expect("walks").0, ChainState::BrokenAt(4));
    sqlx::query("DELETE FROM audit WHERE seq IN (4, 5)").execute(&mut db).await.expect("taken out");
    assert_eq!(store.audit_chain(None).await.expect("walks").0, ChainState::BrokenAt(4));
}

#[tokio::test]
async fn last_admin_cannot_be_taken_away_and_links_work_once() {
    let (_dir, store) = site().await;
    store.create_user("admin", Role::Admin, None).await.expect("made");
    assert!(matches!(
        store.create_user("admin", Role::Viewer, None).await,
        Err(Error::Exists { .. })
    ));
    for patch in [
        UserPatch { role: Some(Role::Viewer), ..Default::default() },
        UserPatch { disabled: Some(true), ..Default::default() },
    ] {
        assert!(store.patch_user("admin", 1, patch).await.is_err());
    }
    assert!(store.delete_user("admin").await.is_err());
    assert_eq!(store.user("admin").await.expect("still there").generation, 1);
    let later = Time::from_secs(4_000_000_000);
    store.create_once("admin", "hash".into(), later).await.expect("made");
    let once = store.redeem_once("hash".into(), "phc".into()).await.expect("answers");
    assert_eq!(once.expect("redeemed").user, "admin");
    assert!(store.redeem_once("hash".into(), "phc".into()).await.expect("answers").is_none());
    store.create_once("admin", "old".into(), Time(0)).await.expect("made");
    assert!(store.redeem_once("old".into(), "phc".into()).await.expect("answers").is_none());
    let at = Time::from_secs(7);
    let session = Session {
        hash: "s1".into(),
        user: "admin".into(),
        role: Role::Admin,
        csrf: "c".into(),
        created_at: at,
        last_used: at,
    };
    let generation = store.user("admin").await.expect("there").generation;
    assert!(store.create_session(session.clone(), generation, None).await.expect("made"));
    store.create_once("admin", "lost".into(), later).await.expect("made");
    let patch = UserPatch { password: Some("new".into()), ..Default::default() };
    store.patch_user("admin", generation, patch).await.expect("changed");
    assert!(store.session("s1").await.expect("answers").is_none(), "a new password ends sessions");
    assert!(!store.has_once("lost").await.expect("answers"), "and links");
    // Whoever was signing in with the old password has it checked by now.
    let late = store.create_session(session, generation, None).await.expect("answers");
    assert!(!late && store.session("s1").await.expect("answers").is_none());
}

#[tokio::test]
async fn who_is_disabled_or_deleted_comes_back_by_no_link_and_no_token() {
    let (_dir, store) = site().await;
    let later = Time::from_secs(4_000_000_000);
    for name in ["admin", "ada", "eva"] {
        store.create_user(name, Role::Admin, Some("phc".into())).await.expect("made");
        store.create_once(name, name.into(), later).await.expect("made");
    }
    let disabled = UserPatch { disabled: Some(true), ..Default::default() };
    store.patch_user("ada", 1, disabled).await.expect("changed");
    store.delete_user("eva").await.expect("deleted");
    let kept = ("hash".to_owned(), "spn_".to_owned());
    let late = store.create_token("eva", "late", Role::Admin, kept, later).await;
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    store.create_user("eva", Role::Viewer, None).await.expect("another of that name");
    for name in ["ada", "eva"] {
        let once = store.redeem_once(name.into(), "phc".into()).await.expect("answers");
        assert!(once.is_none(), "{name}");
    }
    assert!(store.user("ada").await.expect("there").disabled);
    assert!(store.has_once("admin").await.expect("answers"), "theirs stay");
}

#[tokio::test]
async fn beats_become_rates_and_a_series_and_old_ones_are_swept() {
    let (_dir, store) = site().await;
    let hello = json!({"kind": "hello", "version": 1, "sensor": "s", "interface": "eth0",
        "started_at": "2026-01-01T00:00:00Z"});
    let beat = |at: Time, drops: u64| {
        insight(json!({"kind": "beat", "at": at, "packets": 10,
        "bytes": 1000, "learning": true, "health": {"unparsed": {}, "segments_lost": 0,
        "bytes_lost": 0, "kernel_drops": drops, "limits": {}, "unidentified": {},
        "damaged": null, "at": null}}))
    };
    let old = Time::from_secs(1_700_000_000);
    let rows = vec![insight(hello), beat(old, 3), beat(old.plus_secs(2), 5)];
    store.take("s", Time(1), rows).await.expect("taken");
    let sensor = store.sensor("s").await.expect("there");
    assert_eq!((sensor.packets_per_s, sensor.packets, sensor.drops), (5.0, 20, Some(5)));
    assert!(sensor.learning);
    let swept = store.sweep(60).await.expect("sweeps");
    assert_eq!(swept.beats, 0, "without new ones nobody can tell that the clock is right");
    assert!(store.take("other", Time(1), vec![beat(old, 0)]).await.is_ok(), "logged, not fatal");
    assert!(store.sensor("other").await.is_err());
}

#[tokio::test]
async fn a_sensor_whose_clock_is_slow_is_not_silent_and_one_that_stops_is() {
    let (_dir, store) = site().await;
    let rows = vec![
        insight(json!({
            "kind": "hello", "version": 1, "sensor": "s", "interface": "eth0",
            "started_at": "2001-01-01T00:00:00Z",
        })),
        insight(json!({
            "kind": "beat", "at": "2001-01-01T00:00:01Z", "packets": 1, "bytes": 60,
            "learning": false, "health": Health::default(),
        })),
    ];
    store.take("s", Time(1), rows).await.expect("taken");
    assert_eq!(store.silent_sensors(30).await.expect("reads"), [""; 0]);
    assert_eq!(store.silent_sensors(0).await.expect("reads"), ["s"], "nothing since");
}
