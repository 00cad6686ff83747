//! Which addresses are one host, what an asset is, what links are kept.

use super::*;
use model::{AssetClass, Attribute, Carrier, Object, Outcome, Purdue};

fn mac(last: u8) -> Mac {
    Mac([0, 0x1b, 0x1b, 0, 0, last])
}

fn end(mac_last: Option<u8>, ip: &str) -> Endpoint {
    let ip = Some(ip.parse().expect("an address"));
    Endpoint { mac: mac_last.map(mac), ip, port: None, vlan: None }
}

fn observed(from: Endpoint, to: Endpoint, protocol: &'static str, detail: Detail) -> Observation {
    Observation { at: Time(1), frame: 1, protocol, from, to, carrier: None, detail, excerpt: None }
}

fn presence(inventory: &mut Inventory, mac_last: u8, ip: &str) {
    let from = end(Some(mac_last), ip);
    inventory.apply(&observed(from, Endpoint::default(), "wire", Detail::Presence));
}

fn claim(inventory: &mut Inventory, mac_last: u8, ip: &str) {
    let identity = Identity {
        subject: Subject::Address(Address::Mac(mac(mac_last))),
        message: "ARP reply",
        attributes: vec![Attribute { path: "ip", value: ip.into(), confidence: 90 }],
    };
    let from = end(Some(mac_last), ip);
    inventory.apply(&observed(from, Endpoint::default(), "arp", Detail::Identity(identity)));
}

/// At so many hours.
fn claims_at(inventory: &mut Inventory, hours: i64, mac_last: u8, ip: &str) {
    claims_after(inventory, hours * 3_600, mac_last, ip);
}

fn claims_after(inventory: &mut Inventory, secs: i64, mac_last: u8, ip: &str) {
    let identity = Identity {
        subject: Subject::Address(Address::Mac(mac(mac_last))),
        message: "ARP reply",
        attributes: vec![Attribute { path: "ip", value: ip.into(), confidence: 90 }],
    };
    let from = end(Some(mac_last), ip);
    let claim = observed(from, Endpoint::default(), "arp", Detail::Identity(identity));
    inventory.apply(&Observation { at: Time::from_secs(secs), ..claim });
}

fn operation(direction: Direction, class: OperationClass) -> Detail {
    Detail::Operation(Operation {
        direction,
        class,
        function: 3,
        function_name: "test",
        object: Object::None,
        outcome: Outcome::Open,
        unit: None,
    })
}

#[test]
fn a_mac_and_its_ip_are_one_asset() {
    let mut inventory = Inventory::new();
    presence(&mut inventory, 1, "10.0.0.1");
    presence(&mut inventory, 1, "fe80::21b:1bff:fe00:1");
    let assets = inventory.assets();
    assert_eq!(assets.len(), 1);
    assert_eq!((assets[0].macs.len(), assets[0].ips.len()), (1, 2));
    assert!(assets[0].vendor.as_deref().is_some_and(|v| v.starts_with("Siemens")));
}

#[test]
fn hosts_behind_a_router_stand_alone_whatever_comes_first() {
    let mut inventory = Inventory::new();
    presence(&mut inventory, 1, "8.8.8.8");
    presence(&mut inventory, 1, "10.0.0.1");
    claim(&mut inventory, 1, "10.0.0.1");
    presence(&mut inventory, 1, "93.184.216.34");
    let assets = inventory.assets();
    assert_eq!(assets.len(), 3);
    let router = assets.iter().find(|a| !a.macs.is_empty()).expect("a router");
    assert_eq!(router.ips, ["10.0.0.1".parse::<std::net::IpAddr>().expect("an address")]);
}

#[test]
fn a_router_owns_what_it_claims_after_a_thousand_hosts_behind_it() {
    let mut inventory = Inventory::new();
    for host in 0..1_000 {
        presence(&mut inventory, 1, &format!("172.16.{}.{}", host / 250, host % 250 + 1));
    }
    presence(&mut inventory, 1, "10.0.0.1");
    claim(&mut inventory, 1, "10.0.0.1");
    let assets = inventory.assets();
    assert_eq!(assets.len(), 1_001);
    let router = assets.iter().find(|a| !a.macs.is_empty()).expect("a router");
    assert_eq!(router.ips, ["10.0.0.1".parse::<std::net::IpAddr>().expect("an address")]);
}

#[test]
fn addresses_that_a_host_claims_one_after_the_other_are_its_own() {
    let mut inventory = Inventory::new();
    for lease in 1..=20 {
        claims_at(&mut inventory, lease * 30, 1, &format!("10.0.0.{lease}"));
        claims_at(&mut inventory, lease * 30, 1, &format!("2001:db8::{lease}"));
        let assets = inventory.assets();
        assert_eq!(assets.len(), 1, "lease {lease}");
        assert_eq!(assets[0].ips.len() as i64, lease * 2);
    }
    // The oldest make room.
    for lease in 21..=40 {
        claims_at(&mut inventory, lease * 30, 1, &format!("10.0.0.{lease}"));
        claims_at(&mut inventory, lease * 30, 1, &format!("2001:db8::{lease}"));
    }
    assert_eq!(inventory.limits_hit()["claims"], 16);
    let newest = Address::Ip([10, 0, 0, 40].into());
    let key = inventory.asset_of(&newest).expect("known");
    let asset = inventory.asset(key);
    assert_eq!((asset.macs, asset.ips.len()), (vec![mac(1)], limits::IPS_PER_MAC_MAX));
    assert_eq!(inventory.assets().len(), 1 + 16);
}

/// The asset that has the address: its MAC addresses and names.
fn holder(inventory: &Inventory, ip: [u8; 4]) -> (Vec<Mac>, Vec<String>) {
    let key = inventory.asset_of(&Address::Ip(ip.into())).expect("known");
    let asset = inventory.asset(key);
    (asset.macs, asset.names)
}

#[test]
fn an_address_given_to_another_host_is_its_own_without_the_name_of_the_first() {
    let mut inventory = Inventory::new();
    let named = |inventory: &mut Inventory, mac_last: u8, name: &str| {
        let attributes = vec![Attribute { path: "name", value: name.into(), confidence: 90 }];
        let identity = Identity { subject: Subject::Sender, message: "test", attributes };
        let from = end(Some(mac_last), "10.0.0.50");
        inventory.apply(&observed(from, Endpoint::default(), "nbns", Detail::Identity(identity)));
    };
    claims_after(&mut inventory, 0, 1, "10.0.0.50");
    named(&mut inventory, 1, "anna");
    let held = |name: &str, last: u8| (vec![mac(last)], vec![name.to_owned()]);
    // Two that fight for it: whoever had it first.
    claims_after(&mut inventory, 500, 2, "10.0.0.50");
    claims_after(&mut inventory, 900, 1, "10.0.0.50");
    claims_after(&mut inventory, 1_400, 2, "10.0.0.50");
    assert_eq!(holder(&inventory, [10, 0, 0, 50]), held("anna", 1));
    inventory.drain_changes();
    claims_after(&mut inventory, 1_600, 2, "10.0.0.50");
    assert_eq!(holder(&inventory, [10, 0, 0, 50]), (vec![mac(2)], vec![]));
    named(&mut inventory, 2, "bob");
    assert_eq!(holder(&inventory, [10, 0, 0, 50]), held("bob", 2));
    let told = inventory.drain_changes().assets;
    let told: Vec<_> = told.into_iter().map(|a| (a.macs, a.names, a.ips.len())).collect();
    let row = |name: &str, last: u8, ips| (vec![mac(last)], vec![name.to_owned()], ips);
    assert!(told.contains(&row("anna", 1, 0)) && told.contains(&row("bob", 2, 1)), "{told:#?}");
    // Who answers for a whole net is given none of it.
    for host in 1..60 {
        claims_after(&mut inventory, 9_000, 3, &format!("10.0.0.{host}"));
    }
    assert_eq!(holder(&inventory, [10, 0, 0, 50]), held("bob", 2));
}

#[test]
fn who_answers_for_a_whole_net_is_not_all_of_it() {
    let mut inventory = Inventory::new();
    for host in 1..=200 {
        claims_at(&mut inventory, host / 20, 1, &format!("10.0.0.{host}"));
    }
    let assets = inventory.assets();
    let most = assets.iter().map(|asset| asset.ips.len()).max();
    assert_eq!(most, Some(limits::IPS_PER_HOST_MAX));
    assert_eq!(inventory.limits_hit()["claims"], 200 - limits::IPS_PER_MAC_MAX as u64);
}

#[test]
fn whoever_only_receives_is_not_said_to_be_there() {
    let mut inventory = Inventory::new();
    let exchange = Exchange {
        transport: "udp",
        first: Time(1),
        last: Time(2),
        packets_up: 0,
        packets_down: 3,
        bytes_up: 0,
        bytes_down: 90,
    };
    let ends = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    inventory.apply(&observed(ends.0, ends.1, "udp", Detail::Exchange(exchange)));
    let assets = inventory.assets();
    assert_eq!(assets.len(), 1);
    assert_eq!(assets[0].macs, [mac(2)]);
}

#[test]
fn an_ip_that_moved_is_in_one_asset_only() {
    let mut inventory = Inventory::new();
    presence(&mut inventory, 1, "10.0.0.1");
    presence(&mut inventory, 2, "10.0.0.1");
    let holders = inventory.assets().iter().filter(|a| !a.ips.is_empty()).count();
    assert_eq!(holders, 1);
}

#[test]
fn a_shared_mac_owns_nothing() {
    let mut inventory = Inventory::new();
    let from = Endpoint {
        mac: Some(Mac([0, 0, 0x5e, 0, 1, 7])),
        ip: Some([10, 0, 0, 9].into()),
        ..Endpoint::default()
    };
    inventory.apply(&observed(from, Endpoint::default(), "wire", Detail::Presence));
    assert_eq!(inventory.assets().len(), 2);
}

#[test]
fn roles_follow_from_who_asks_whom_for_what() {
    let mut inventory = Inventory::new();
    let (hmi, plc) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    let (read, write) = (OperationClass::Read, OperationClass::Write);
    inventory.apply(&observed(hmi, plc, "modbus", operation(Direction::Request, read)));
    inventory.apply(&observed(plc, hmi, "modbus", operation(Direction::Response, read)));
    inventory.apply(&observed(hmi, plc, "modbus", operation(Direction::Request, write)));
    inventory.apply(&observed(hmi, plc, "modbus", exchange("tcp", (4, 4))));
    let at = |e: &Endpoint| inventory.asset(inventory.asset_at(e).expect("known"));
    assert_eq!(at(&hmi).class, AssetClass::Hmi);
    assert_eq!(at(&plc).class, AssetClass::Plc);
    assert_eq!(at(&plc).purdue, Some(Purdue::Control));
    assert!(at(&plc).role_reason.expect("a reason").contains("modbus"));
    let links = inventory.links();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].operations["write"], 1);
}

#[test]
fn who_lets_others_in_is_a_switch_and_asking_makes_no_workstation() {
    let mut inventory = Inventory::new();
    let (host, switch) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    let authenticate = OperationClass::Authenticate;
    inventory.apply(&observed(host, switch, "eapol", operation(Direction::Request, authenticate)));
    let says = |path, value: &str| {
        let attributes = vec![Attribute { path, value: value.into(), confidence: 90 }];
        Detail::Identity(Identity { subject: Subject::Sender, message: "EAPOL", attributes })
    };
    let role = says("port_access", "IEEE 802.1X authenticator");
    inventory.apply(&observed(switch, host, "eapol", role));
    let class = |inventory: &Inventory, e: &Endpoint| {
        inventory.asset(inventory.asset_at(e).expect("known")).class
    };
    assert_eq!(class(&inventory, &switch), AssetClass::Switch);
    assert_eq!(class(&inventory, &host), AssetClass::Unknown);
    let role = says("wireless_role", "access point");
    inventory.apply(&observed(switch, host, "eapol", role));
    assert_eq!(class(&inventory, &switch), AssetClass::AccessPoint);
}

#[test]
fn facts_are_bounded_and_counted() {
    let mut inventory = Inventory::new();
    for i in 0..500 {
        let identity = Identity {
            subject: Subject::Sender,
            message: "test",
            attributes: vec![Attribute {
                path: "name",
                value: format!("n{i}").into(),
                confidence: 50,
            }],
        };
        let from = end(Some(1), "10.0.0.1");
        inventory.apply(&observed(from, Endpoint::default(), "x", Detail::Identity(identity)));
    }
    assert!(inventory.limits_hit()["facts"] > 0);
    assert!(inventory.assets()[0].facts.len() <= limits::FACTS_PER_ADDRESS_MAX + 1);
}

#[test]
fn changes_name_only_what_changed() {
    let mut inventory = Inventory::new();
    presence(&mut inventory, 1, "10.0.0.1");
    assert_eq!(inventory.drain_changes().assets.len(), 1);
    assert!(inventory.drain_changes().assets.is_empty());
    presence(&mut inventory, 2, "10.0.0.2");
    assert_eq!(inventory.drain_changes().assets.len(), 1);
}

#[test]
fn counters_wait_where_only_news_are_asked_for() {
    let mut inventory = Inventory::new();
    let (hmi, plc) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    let read = operation(Direction::Request, OperationClass::Read);
    let write = operation(Direction::Request, OperationClass::Write);
    inventory.apply(&observed(hmi, plc, "modbus", read.clone()));
    inventory.apply(&observed(hmi, plc, "modbus", exchange("tcp", (5, 5))));
    let first = inventory.drain_news();
    assert_eq!((first.assets.len(), first.links.len()), (2, 1));
    inventory.apply(&observed(hmi, plc, "modbus", read));
    inventory.apply(&observed(hmi, plc, "modbus", exchange("tcp", (5, 5))));
    let counted = inventory.drain_news();
    assert_eq!((counted.assets.len(), counted.links.len()), (0, 0));
    // A kind of operation it never saw is news, and brings the counters with it.
    inventory.apply(&observed(hmi, plc, "modbus", write));
    let news = inventory.drain_news();
    assert_eq!((news.assets.len(), news.links[0].packets), (0, 20));
    let rest = inventory.drain_changes();
    assert_eq!((rest.assets.len(), rest.links.len()), (2, 0));
}

fn exchange(transport: &'static str, (up, down): (u64, u64)) -> Detail {
    Detail::Exchange(Exchange {
        transport,
        first: Time(1),
        last: Time(2),
        packets_up: up,
        packets_down: down,
        bytes_up: up * 60,
        bytes_down: down * 60,
    })
}

#[test]
fn reports_of_a_server_are_operations_of_the_conversation() {
    let mut inventory = Inventory::new();
    let mut station = end(Some(1), "10.0.0.1");
    let mut rtu = end(Some(2), "10.0.0.2");
    (station.port, rtu.port) = (Some(46_413), Some(2_404));
    let (report, read) = (OperationClass::Report, OperationClass::Read);
    inventory.apply(&observed(rtu, station, "iec104", operation(Direction::Notice, report)));
    inventory.apply(&observed(station, rtu, "iec104", operation(Direction::Request, read)));
    inventory.apply(&observed(station, rtu, "iec104", exchange("tcp", (5, 5))));
    let links = inventory.links();
    assert_eq!(links.len(), 1, "{links:#?}");
    assert_eq!((links[0].operations["report"], links[0].operations["read"]), (1, 1));
    assert_eq!(links[0].port, Some(2_404));
}

#[test]
fn each_carrier_between_two_ends_is_a_link_of_its_own() {
    let mut inventory = Inventory::new();
    let (client, mut server) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    let mut see = |server, protocol, carrier, detail| {
        let carrier = Some(carrier);
        inventory.apply(&Observation { carrier, ..observed(client, server, protocol, detail) });
    };
    let arp = Carrier::Ethertype(0x0806);
    see(server, "arp", arp, exchange("ethernet", (1, 1)));
    see(server, "icmp", Carrier::Ip(1), exchange("icmp", (2, 2)));
    see(server, "arp", arp, exchange("ethernet", (4, 4)));
    server.port = Some(53);
    let ask = || operation(Direction::Request, OperationClass::Read);
    for (carrier, times, packets) in [(Carrier::Udp, 3, 8), (Carrier::Tcp, 1, 16)] {
        (0..times).for_each(|_| see(server, "dns", carrier, ask()));
        see(server, "dns", carrier, exchange(carrier.transport(), (packets, packets)));
    }
    see(server, "dns", Carrier::Udp, exchange("udp", (32, 32)));
    let mut links: Vec<_> = inventory
        .links()
        .into_iter()
        .map(|l| (l.protocol, l.transport, l.packets, l.operations.into_values().sum::<u64>()))
        .collect();
    links.sort();
    let row = |protocol: &str, transport: &str, packets, operations| {
        (protocol.to_owned(), transport.to_owned(), packets, operations)
    };
    let dns = [row("dns", "tcp", 32, 1), row("dns", "udp", 80, 3)];
    let [arp, icmp] = [row("arp", "ethernet", 10, 0), row("icmp", "icmp", 4, 0)];
    assert_eq!(links, [&[arp][..], &dns, &[icmp]].concat());
}

#[test]
fn a_one_sided_capture_shows_the_server_and_a_broadcast_shows_nobody() {
    let mut inventory = Inventory::new();
    let client = end(Some(1), "10.0.0.1");
    let (silent, all) = (end(Some(2), "10.0.0.2"), end(None, "10.0.0.255"));
    let read = operation(Direction::Request, OperationClass::Read);
    inventory.apply(&observed(client, silent, "modbus", read));
    inventory.apply(&observed(client, silent, "modbus", exchange("tcp", (9, 0))));
    inventory.apply(&observed(client, all, "nbns", exchange("udp", (9, 0))));
    let (assets, links) = (inventory.assets(), inventory.links());
    assert_eq!(assets.len(), 2);
    assert_eq!(links.len(), 1);
    assert!(
        links.iter().all(|l| [&l.client, &l.server]
            .iter()
            .all(|id| { assets.iter().any(|a| a.id == **id) }))
    );
}

#[test]
fn public_addresses_in_a_plant_are_not_outside_and_asking_for_addresses_is_no_office_work() {
    let mut inventory = Inventory::new();
    let (hmi, plc) = (end(Some(1), "141.81.0.10"), end(Some(2), "141.81.0.24"));
    let (read, browse) = (OperationClass::Read, OperationClass::Browse);
    inventory.apply(&observed(hmi, plc, "modbus", operation(Direction::Request, read)));
    inventory.apply(&observed(plc, hmi, "modbus", operation(Direction::Response, read)));
    let quiet = end(Some(3), "10.0.0.3");
    inventory.apply(&observed(quiet, hmi, "arp", operation(Direction::Request, browse)));
    let at = |e: &Endpoint| inventory.asset(inventory.asset_at(e).expect("known"));
    assert_eq!((at(&plc).class, at(&hmi).class), (AssetClass::Plc, AssetClass::Hmi));
    assert_eq!((at(&quiet).class, at(&quiet).purdue), (AssetClass::Unknown, None));
}

#[test]
fn what_is_translated_is_where_the_translated_address_is() {
    let outside = |ip: &str| is_external(ip.parse().expect("an address"));
    assert!(outside("64:ff9b::9765:7854"), "151.101.120.84");
    assert!(!outside("64:ff9b::a00:5"), "10.0.0.5");
    assert!(!outside("64:ff9b:1::9765:7854"), "a prefix of the site's own (RFC 8215)");
    assert!(outside("2a00::1") && !outside("2001:db8::1") && !outside("fd00::1"));
}

#[test]
fn a_poll_that_comes_twice_in_a_cycle_does_not_halve_the_period() {
    let mut inventory = Inventory::new();
    let (hmi, plc) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    let read = operation(Direction::Request, OperationClass::Read);
    let seen = observed(hmi, plc, "modbus", read.clone());
    inventory.apply(&seen);
    inventory.apply(&observed(hmi, plc, "modbus", exchange("tcp", (5, 5))));
    let Detail::Operation(operation) = read else { unreachable!("made above") };
    inventory.count_repeats(&seen, &operation, (40, Some(1_000)));
    inventory.count_repeats(&seen, &operation, (7, Some(2)));
    assert_eq!(inventory.links()[0].poll_interval_ms, Some(1_000));
}

#[test]
fn a_state_takes_the_place_of_the_one_before() {
    let mut inventory = Inventory::new();
    for value in ["stop", "run", "stop"] {
        let subject = model::Subject::Sender;
        let state = model::StateChange { subject, what: "mode", value: value.into() };
        let from = end(Some(1), "10.0.0.1");
        let observation = observed(from, Endpoint::default(), "test", Detail::State(state));
        inventory.apply(&observation);
    }
    let assets = inventory.assets();
    let modes: Vec<_> = assets[0].facts.iter().filter(|f| f.path == "mode").collect();
    assert_eq!((modes.len(), &*modes[0].value), (1, "stop"));
}

#[test]
fn each_device_behind_an_address_keeps_its_own_mode_and_name() {
    use model::{Place, Subject};
    let (mut inventory, mut heard) = (Inventory::new(), Vec::new());
    let far = Place::Route("1/3,2/10.9.9.9,1/0".parse().expect("a route"));
    let says = |detail| observed(end(Some(1), "10.0.0.1"), Endpoint::default(), "enip", detail);
    let mode = |place, value: &str| {
        let subject = Subject::sender_at(Some(place));
        says(Detail::State(StateChange { subject, what: "mode", value: value.into() }))
    };
    for (place, value) in [(Place::Slot(0), "run"), (Place::Slot(3), "program"), (far, "run")] {
        inventory.apply(&mode(place, value));
        heard.push(inventory.drain_changes().assets.len());
        inventory.apply(&mode(place, value));
        assert_eq!(inventory.drain_news().assets.len(), 0, "{place} told nothing new");
    }
    assert_eq!(heard, [1, 1, 1]);
    for (path, value) in [("plc_name", "Filler"), ("model", "1756-L71")] {
        let attributes = vec![Attribute { path, value: value.into(), confidence: 90 }];
        let (subject, message) = (Subject::BehindSender(far), "Identity object");
        inventory.apply(&says(Detail::Identity(Identity { subject, message, attributes })));
    }
    let assets = inventory.assets();
    let modules = assets[0].modules.iter().map(|m| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}: {} {} {}", m.place, text(&m.mode), text(&m.name), text(&m.model))
    });
    let wanted = [
        "slot 0: run  ",
        "slot 3: program  ",
        "behind backplane 3, 10.9.9.9, backplane 0: run Filler 1756-L71",
    ];
    assert_eq!(modules.collect::<Vec<_>>(), wanted);
    assert!(assets[0].facts.iter().all(|f| f.path != "mode"), "{:?}", assets[0].facts);
}

#[test]
fn the_only_name_a_device_looks_for_is_its_own() {
    let mut inventory = Inventory::new();
    let look = |inventory: &mut Inventory, host: u8, name: &str| {
        let from = Endpoint { mac: Some(mac(host)), ..Endpoint::default() };
        let Detail::Operation(base) = operation(Direction::Request, OperationClass::Browse) else {
            unreachable!("made above")
        };
        let object = Object::Name { area: "station", name: name.into() };
        let detail = Detail::Operation(Operation { object, ..base });
        inventory.apply(&observed(from, Endpoint::default(), "pn_dcp", detail));
    };
    look(&mut inventory, 1, "switch1");
    look(&mut inventory, 2, "filler1");
    look(&mut inventory, 2, "capper1");
    let at = |host| inventory.asset(inventory.asset_of(&Address::Mac(mac(host))).expect("known"));
    assert_eq!((at(1).names, at(1).class), (vec!["switch1".to_owned()], AssetClass::Switch));
    assert!(at(2).names.is_empty());
}

#[test]
fn who_looks_for_the_name_of_another_is_not_called_by_it() {
    let mut inventory = Inventory::new();
    let end = |host| Endpoint { mac: Some(mac(host)), ..Endpoint::default() };
    let asks = |class, name: &str| {
        let Detail::Operation(base) = operation(Direction::Request, class) else {
            unreachable!("made above")
        };
        let object = Object::Name { area: "station", name: name.into() };
        Detail::Operation(Operation { object, ..base })
    };
    // A controller with one device, which answers; and a tool that gives a device its name.
    let look = asks(OperationClass::Browse, "filler1");
    inventory.apply(&observed(end(1), Endpoint::default(), "pn_dcp", look.clone()));
    let name = Attribute { path: "station_name", value: "filler1".into(), confidence: 90 };
    let (subject, message, attributes) = (Subject::Sender, "DCP identify response", vec![name]);
    let told = Detail::Identity(Identity { subject, message, attributes });
    inventory.apply(&observed(end(2), end(1), "pn_dcp", told));
    inventory.apply(&observed(end(1), Endpoint::default(), "pn_dcp", look));
    let gives = asks(OperationClass::Configure, "capper1");
    inventory.apply(&observed(end(3), end(4), "pn_dcp", gives));
    let look = asks(OperationClass::Browse, "capper1");
    inventory.apply(&observed(end(3), Endpoint::default(), "pn_dcp", look));
    let names = [1, 2, 3].map(|host| {
        inventory.asset(inventory.asset_of(&Address::Mac(mac(host))).expect("known")).names
    });
    assert_eq!(names, [vec![], vec!["filler1".to_owned()], vec![]]);
}

#[test]
fn a_merge_that_was_undone_before_it_was_told_is_not_told() {
    let mut inventory = Inventory::new();
    presence(&mut inventory, 1, "10.0.0.1");
    inventory.drain_changes();
    // Merged with the MAC above; then the MAC proves to be a router's.
    presence(&mut inventory, 2, "172.16.0.9");
    presence(&mut inventory, 2, "8.8.8.8");
    presence(&mut inventory, 2, "93.184.216.34");
    let changes = inventory.drain_changes();
    assert!(changes.merged.is_empty(), "{:?}", changes.merged);
    assert_eq!(changes.assets.len(), 4);
}

#[test]
fn frames_that_come_back_with_a_marked_address_are_of_one_station() {
    let mut inventory = Inventory::new();
    let with = |first: u8| {
        let mac = Some(Mac([first, 0x14, 0x4f, 1, 2, 3]));
        Endpoint { mac, ..Endpoint::default() }
    };
    let returned = || {
        let attribute = model::Attribute {
            path: "returned_from",
            value: "00:14:4f:01:02:03".into(),
            confidence: 90,
        };
        let subject = model::Subject::Sender;
        let attributes = vec![attribute];
        Detail::Identity(Identity { subject, message: "EtherCAT frame", attributes })
    };
    // On its way back first: nobody is known to have sent it.
    inventory.apply(&observed(with(2), Endpoint::default(), "ethercat", returned()));
    inventory.apply(&observed(with(0), Endpoint::default(), "ethercat", Detail::Presence));
    assert_eq!(inventory.assets().len(), 2);
    inventory.apply(&observed(with(2), Endpoint::default(), "ethercat", returned()));
    let assets = inventory.assets();
    assert_eq!((assets.len(), assets[0].macs.len()), (1, 2));
}

#[test]
fn a_service_keeps_its_name_while_a_new_connection_says_nothing() {
    let mut inventory = Inventory::new();
    let (hmi, mut plc) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    let browse = operation(Direction::Request, OperationClass::Browse);
    let carrier = Some(Carrier::Ethertype(0x0806));
    inventory.apply(&Observation { carrier, ..observed(hmi, plc, "arp", browse) });
    inventory.apply(&observed(hmi, plc, "icmp", exchange("icmp", (1, 1))));
    plc.port = Some(502);
    inventory.apply(&observed(hmi, plc, "modbus", exchange("tcp", (5, 5))));
    inventory.apply(&observed(hmi, plc, "tcp", exchange("tcp", (2, 1))));
    let links = inventory.links();
    let named: Vec<_> = links.iter().map(|l| (&*l.protocol, l.packets)).collect();
    assert_eq!(named, [("icmp", 2), ("modbus", 13)]);
}

/// The class of who says this of itself.
#[track_caller]
fn class_of(path: &'static str, protocol: &'static str, value: &str) -> model::AssetClass {
    let mut inventory = Inventory::new();
    let attributes = vec![Attribute { path, value: value.into(), confidence: 90 }];
    let said = Detail::Identity(Identity { subject: Subject::Sender, message: "test", attributes });
    inventory.apply(&observed(end(Some(1), "10.0.0.1"), end(None, "10.0.0.2"), protocol, said));
    inventory.assets()[0].class
}

#[test]
fn words_within_words_tell_no_class() {
    use model::AssetClass as Class;
    assert_eq!(class_of("model", "mdns", "VMware Virtual Platform"), Class::Unknown);
    assert_eq!(class_of("description", "snmp", "driver of parameters"), Class::Unknown);
    assert_eq!(class_of("hostname", "dhcp", "SCHMIDT-PC"), Class::Unknown);
    assert_eq!(class_of("hostname", "dhcp", "LINE3-HMI2"), Class::Hmi);
    assert_eq!(class_of("hostname", "dhcp", "line1plc"), Class::Plc);
    assert_eq!(class_of("model", "snmp", "SmartRTU 12"), Class::Rtu);
    assert_eq!(class_of("model", "snmp", "RTU560"), Class::Rtu);
    assert_eq!(class_of("model", "modbus", "METSEPM5560"), Class::Meter);
    assert_eq!(class_of("model", "modbus", "PM5560"), Class::Meter);
    assert_eq!(class_of("model", "snmp", "PowerFlex 525 drives"), Class::Drive);
    assert_eq!(class_of("description", "snmp", "scalance xc208"), Class::Switch);
    assert_eq!(class_of("description", "snmp", "Hirschmann EAGLE20 Firewall"), Class::Firewall);
    assert_eq!(class_of("wsd_types", "wsd", "NetworkVideoTransmitter, Device"), Class::Camera);
    let camera = "AXIS,Network Camera,P3343,5.20.3";
    assert_eq!(class_of("dhcp_vendor_class", "dhcp", camera), Class::Camera);
    let printer = "Mfg=HP;Typ=Printer;Mod=HP LaserJet 400 M401dne;Ser=ABCDE12345;";
    assert_eq!(class_of("dhcp_vendor_class", "dhcp", printer), Class::Printer);
}

#[test]
fn who_asks_for_an_address_and_the_time_is_no_workstation() {
    let mut inventory = Inventory::new();
    let (device, server) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    for protocol in ["dhcp", "ntp", "dns", "mdns"] {
        let asks = operation(Direction::Request, OperationClass::Session);
        inventory.apply(&observed(device, server, protocol, asks));
    }
    assert_eq!(inventory.assets()[0].class, AssetClass::Unknown);
    let asks = operation(Direction::Request, OperationClass::Browse);
    inventory.apply(&observed(device, server, "http", asks));
    let of_device = |a: &model::Asset| a.macs == [mac(1)];
    let class = inventory.assets().iter().find(|a| of_device(a)).map(|a| a.class);
    assert_eq!(class, Some(AssetClass::Workstation));
}

#[test]
fn a_system_of_peoples_own_machines_tells_what_they_are() {
    let class = |os| class_of("os", "ssh", os);
    assert_eq!(class("Windows 10 22H2"), AssetClass::Workstation);
    assert_eq!(class("Windows 10 1809 or Windows Server 2019"), AssetClass::Server);
    assert_eq!(class("Android 12"), AssetClass::Mobile);
    assert_eq!(class("Debian Linux"), AssetClass::Unknown);
}

#[test]
fn who_answers_to_every_name_has_none_of_them() {
    let mut inventory = Inventory::new();
    let (host, asker) = (end(Some(1), "10.0.0.1"), end(Some(2), "10.0.0.2"));
    let answers = |value: &str| {
        let attributes = vec![Attribute { path: "hostname", value: value.into(), confidence: 70 }];
        Detail::Identity(Identity { subject: Subject::Sender, message: "answer", attributes })
    };
    let names = |inventory: &Inventory| {
        let assets = inventory.assets();
        assets.iter().find(|a| a.macs == [mac(1)]).map(|a| a.names.clone())
    };
    for name in ["old", "new"] {
        inventory.apply(&observed(host, asker, "llmnr", answers(name)));
    }
    assert_eq!(names(&inventory), Some(vec!["new".to_owned(), "old".to_owned()]));
    inventory.apply(&observed(host, asker, "llmnr", answers("wpad")));
    assert_eq!(names(&inventory), Some(Vec::new()));
    inventory.apply(&observed(host, asker, "dhcp", answers("laptop")));
    assert_eq!(names(&inventory), Some(vec!["laptop".to_owned()]));
}

#[test]
fn the_address_of_every_machine_is_of_no_class_but_that_of_a_simulated_device() {
    let spoke = |protocol| {
        let mut inventory = Inventory::new();
        let own = end(None, "127.0.0.1");
        for direction in [Direction::Request, Direction::Response] {
            let detail = operation(direction, OperationClass::Read);
            inventory.apply(&observed(own, own, protocol, detail));
        }
        let assets = inventory.assets();
        assets.iter().map(|a| (a.class, a.role, a.purdue.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(spoke("http"), [(AssetClass::Unknown, model::Role::Unknown, false)]);
    assert_eq!(spoke("modbus")[0].0, AssetClass::Plc);
}
