//! Who is behind a router, and who holds an address against whom.

use super::*;
use model::{Attribute, Detail, Exchange, Identity, Observation, Subject};

const AT: Time = Time::from_secs(1_000);

fn mac(last: u8) -> Mac {
    Mac([0, 0x1b, 0x1b, 0, 0, last])
}

fn end(mac_last: u8, ip: &str) -> Endpoint {
    let ip = Some(ip.parse().expect("an address"));
    Endpoint { mac: Some(mac(mac_last)), ip, port: None, vlan: None }
}

fn apply(inventory: &mut Inventory, at: Time, from: Endpoint, detail: Detail) {
    let to = Endpoint::default();
    let (frame, protocol, excerpt) = (1, "test", None);
    inventory.apply(&Observation { at, frame, protocol, from, to, carrier: None, detail, excerpt });
}

fn says(subject: Subject, path: &'static str, value: &str) -> Detail {
    let attributes = vec![Attribute { path, value: value.into(), confidence: 90 }];
    Detail::Identity(Identity { subject, message: "test", attributes })
}

/// The first packet of an address, with so many hops left.
fn comes(inventory: &mut Inventory, mac_last: u8, ip: &str, hops: Option<u8>) {
    apply(inventory, AT, end(mac_last, ip), Detail::Presence);
    inventory.still_sends(&end(mac_last, ip), AT, hops);
}

fn claims(inventory: &mut Inventory, secs: i64, mac_last: u8, ip: &str) {
    let detail = says(Subject::Address(Address::Mac(mac(mac_last))), "ip", ip);
    apply(inventory, Time::from_secs(secs), end(mac_last, ip), detail);
}

/// The addresses in the asset of a MAC address, and how many assets there are.
fn of(inventory: &Inventory, mac_last: u8) -> (usize, usize) {
    let key = inventory.asset_of(&Address::Mac(mac(mac_last))).expect("known");
    (inventory.asset(key).ips.len(), inventory.assets().len())
}

fn holder(inventory: &Inventory, ip: &str) -> Vec<Mac> {
    let ip = Address::Ip(ip.parse().expect("an address"));
    inventory.asset(inventory.asset_of(&ip).expect("known")).macs
}

#[test]
fn servers_of_several_sites_over_ipv6_are_behind_a_router() {
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "2606:4700::1", None);
    comes(&mut inventory, 1, "2001:db8:7::21b:1bff:fe00:1", None);
    assert_eq!(of(&inventory, 1), (2, 1));
    comes(&mut inventory, 1, "2a00:1450:4001::2", None);
    // What it made of its MAC address stays its own.
    assert_eq!(of(&inventory, 1), (1, 3));
    // Addresses of one site, and those nobody routes to, are a host's.
    let mut inventory = Inventory::new();
    for ip in ["2001:db8:1::a", "2001:db8:1:2::b", "fd00:1::c", "fe80::d"] {
        comes(&mut inventory, 1, ip, None);
    }
    assert_eq!(of(&inventory, 1), (4, 1));
}

#[test]
fn who_advertises_itself_as_a_router_has_nothing_it_does_not_claim() {
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "2606:4700::1", None);
    comes(&mut inventory, 1, "2606:4700::2", None);
    comes(&mut inventory, 1, "fe80::1", None);
    assert_eq!(of(&inventory, 1), (3, 1));
    let advertises = says(Subject::Sender, ROUTER_FACT, "default router");
    apply(&mut inventory, AT, end(1, "fe80::1"), advertises);
    assert_eq!(of(&inventory, 1), (1, 3));
    assert_eq!(holder(&inventory, "fe80::1"), [mac(1)]);
    comes(&mut inventory, 1, "2606:4700::3", None);
    assert_eq!(of(&inventory, 1), (1, 4));
}

#[test]
fn hosts_at_different_distances_are_behind_a_router() {
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "10.20.7.5", Some(127));
    comes(&mut inventory, 1, "10.20.9.9", None);
    comes(&mut inventory, 1, "10.20.9.8", Some(127));
    assert_eq!(of(&inventory, 1), (3, 1));
    // Only the first packet of an address counts, and only of who used it first.
    inventory.still_sends(&end(1, "10.20.9.8"), AT, Some(1));
    comes(&mut inventory, 2, "10.20.9.9", Some(64));
    assert_eq!(of(&inventory, 1), (3, 2));
    inventory.still_sends(&end(1, "10.20.9.9"), AT, Some(253));
    assert_eq!(of(&inventory, 1), (0, 5));
}

/// A conversation over UDP with an answer, of MAC address and address of each end.
fn talk(inventory: &mut Inventory, from: (u8, &str), to: (u8, &str)) {
    let exchange = Exchange {
        transport: "udp",
        first: AT,
        last: AT,
        packets_up: 1,
        packets_down: 1,
        bytes_up: 60,
        bytes_down: 60,
    };
    let (from, to) = (end(from.0, from.1), end(to.0, to.1));
    let (at, frame, protocol, excerpt) = (AT, 1, "udp", None);
    let detail = Detail::Exchange(exchange);
    inventory.apply(&Observation { at, frame, protocol, from, to, carrier: None, detail, excerpt });
}

#[test]
fn what_no_system_begins_with_comes_from_behind_a_router() {
    let own = |ip: &str, hops: u8| {
        let mut inventory = Inventory::new();
        comes(&mut inventory, 1, ip, Some(hops));
        of(&inventory, 1).0 == 1
    };
    for hops in [126, 124, 62, 61, 250] {
        assert!(!own("10.20.7.5", hops), "{hops}");
    }
    // Systems, devices, a virtual machine behind its host's address, scanners.
    for hops in [64, 128, 255, 30, 32, 60, 120, 1, 63, 127, 47, 200] {
        assert!(own("10.20.7.5", hops), "{hops}");
    }
    for (hops, expect) in [(52, false), (41, false), (110, false), (64, true), (60, true)] {
        assert_eq!(own("141.81.0.10", hops), expect, "{hops}");
    }
    // Who claims his address has it.
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "10.20.7.5", Some(62));
    claims(&mut inventory, 1_001, 1, "10.20.7.5");
    assert_eq!(holder(&inventory, "10.20.7.5"), [mac(1)]);
}

#[test]
fn one_router_away_is_behind_a_router_where_several_are_or_its_maker_makes_routers() {
    let mut inventory = Inventory::new();
    for (last, apart) in [("5", 1), ("6", 1), ("7", 4)] {
        comes(&mut inventory, 1, &format!("10.20.7.{last}"), Some(127));
        assert_eq!(inventory.assets().len(), apart, "{last}");
    }
    let cisco = |last| Endpoint { mac: Some(Mac([0, 0, 0x0c, 0, 0, last])), ..end(0, "10.20.7.5") };
    for (hops, holds) in [(255, true), (128, true), (63, false)] {
        let mut inventory = Inventory::new();
        apply(&mut inventory, AT, cisco(1), Detail::Presence);
        inventory.still_sends(&cisco(1), AT, Some(hops));
        assert_eq!(inventory.assets().len() == 1, holds, "{hops}");
    }
}

#[test]
fn of_two_with_one_address_it_is_whose_packets_begin_there() {
    for (first, second) in [((1, 63), (2, 64)), ((2, 64), (1, 63))] {
        let mut inventory = Inventory::new();
        comes(&mut inventory, first.0, "10.50.1.50", Some(first.1));
        comes(&mut inventory, second.0, "10.50.1.50", Some(second.1));
        assert_eq!(holder(&inventory, "10.50.1.50"), [mac(2)]);
    }
    // Two systems are no two places of one.
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "10.50.1.50", Some(64));
    comes(&mut inventory, 2, "10.50.1.50", Some(128));
    assert_eq!(holder(&inventory, "10.50.1.50"), [mac(1)]);
}

#[test]
fn who_talk_to_each_other_over_the_wire_are_not_one() {
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "172.16.5.1", Some(64));
    comes(&mut inventory, 1, "172.16.5.10", Some(64));
    comes(&mut inventory, 2, "172.16.5.2", Some(64));
    talk(&mut inventory, (1, "172.16.5.1"), (2, "172.16.5.2"));
    assert_eq!(of(&inventory, 1), (2, 2));
    talk(&mut inventory, (1, "172.16.5.1"), (3, "172.16.5.10"));
    assert_eq!(of(&inventory, 1).0, 0);
    assert!(holder(&inventory, "172.16.5.1").is_empty());
    assert_eq!(holder(&inventory, "172.16.5.2"), [mac(2)]);
}

#[test]
fn a_conversation_shows_which_end_is_behind_a_router() {
    let own = |near: (&str, u8), far: (&str, u8), claimed: bool| {
        let mut inventory = Inventory::new();
        comes(&mut inventory, 1, near.0, Some(near.1));
        comes(&mut inventory, 2, far.0, Some(far.1));
        if claimed {
            claims(&mut inventory, 1_001, 2, far.0);
        }
        talk(&mut inventory, (1, near.0), (2, far.0));
        assert_eq!(of(&inventory, 1).0, 1);
        of(&inventory, 2).0 == 1
    };
    assert!(!own(("10.0.0.1", 128), ("10.111.1.1", 127), false));
    assert!(!own(("10.0.2.15", 64), ("192.0.47.59", 64), false));
    // In one net nobody needs a router, and both ends may be behind one.
    assert!(own(("10.0.0.1", 128), ("10.0.0.2", 127), false));
    assert!(own(("10.0.0.1", 127), ("10.111.1.1", 127), false));
    // Plants have public addresses too.
    assert!(own(("10.0.2.15", 64), ("141.81.0.10", 60), true));
    assert!(own(("141.81.0.12", 64), ("141.81.0.10", 60), false));
    // Sent to one router, come back from another.
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "10.200.2.11", Some(64));
    comes(&mut inventory, 2, "192.0.47.59", Some(60));
    talk(&mut inventory, (1, "10.200.2.11"), (3, "192.0.47.59"));
    assert!(holder(&inventory, "192.0.47.59").is_empty());
    // Both sides of a router were seen: the far end has its own MAC address where it is.
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "192.168.0.100", Some(255));
    comes(&mut inventory, 2, "3.3.3.3", Some(255));
    talk(&mut inventory, (1, "192.168.0.100"), (3, "3.3.3.3"));
    assert_eq!(holder(&inventory, "3.3.3.3"), [mac(2)]);
    // Gateways that share an address send from their own.
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "192.168.0.100", Some(64));
    comes(&mut inventory, 2, "3.3.3.3", None);
    talk(&mut inventory, (1, "192.168.0.100"), (3, "3.3.3.3"));
    assert!(holder(&inventory, "3.3.3.3").is_empty());
}

#[test]
fn one_answer_takes_no_address_from_who_uses_it() {
    for claimed in [true, false] {
        let mut inventory = Inventory::new();
        comes(&mut inventory, 1, "10.0.0.5", Some(64));
        if claimed {
            claims(&mut inventory, 1_000, 1, "10.0.0.5");
        }
        inventory.still_sends(&end(1, "10.0.0.5"), Time::from_secs(1_600), None);
        claims(&mut inventory, 1_700, 2, "10.0.0.5");
        inventory.still_sends(&end(1, "10.0.0.5"), Time::from_secs(2_200), None);
        claims(&mut inventory, 2_700, 2, "10.0.0.5");
        assert_eq!(holder(&inventory, "10.0.0.5"), [mac(1)], "{claimed}");
        // That the other one sends from it says nothing of who had it.
        inventory.still_sends(&end(2, "10.0.0.5"), Time::from_secs(2_800), None);
        claims(&mut inventory, 2_801, 2, "10.0.0.5");
        assert_eq!(holder(&inventory, "10.0.0.5"), [mac(2)], "{claimed}");
    }
}

#[test]
fn a_router_that_was_taken_for_the_host_behind_it_holds_nothing() {
    let mut inventory = Inventory::new();
    comes(&mut inventory, 1, "10.0.9.5", Some(63));
    claims(&mut inventory, 1_001, 2, "10.0.9.5");
    assert_eq!(holder(&inventory, "10.0.9.5"), [mac(1)]);
    claims(&mut inventory, 1_002, 1, "10.0.1.1");
    assert_eq!(holder(&inventory, "10.0.9.5"), [mac(2)]);
    assert_eq!(holder(&inventory, "10.0.1.1"), [mac(1)]);
}

#[test]
fn ports_that_name_their_device_are_one_with_it_and_a_host_is_not() {
    let mut inventory = Inventory::new();
    let port_of = |inventory: &mut Inventory, port: u8, chassis: u8| {
        let from = Endpoint { mac: Some(mac(port)), ..Endpoint::default() };
        apply(inventory, AT, from, says(Subject::Sender, "port_of", &mac(chassis).to_string()));
    };
    // Before the device itself was seen, and after.
    port_of(&mut inventory, 0x11, 0x10);
    assert_eq!(inventory.assets().len(), 1);
    comes(&mut inventory, 0x10, "10.0.0.10", None);
    port_of(&mut inventory, 0x12, 0x10);
    assert_eq!(of(&inventory, 0x11), (1, 1));
    assert_eq!(holder(&inventory, "10.0.0.10"), [mac(0x10), mac(0x11), mac(0x12)]);
    // One with an address of its own is a host; one far away was numbered by somebody else; the
    // device itself names itself.
    comes(&mut inventory, 0x13, "10.0.0.13", None);
    for (port, chassis) in [(0x13, 0x10), (0x80, 0x10), (0x10, 0x10)] {
        port_of(&mut inventory, port, chassis);
    }
    assert_eq!(of(&inventory, 0x10), (1, 3));
    assert_eq!(of(&inventory, 0x13), (1, 3));
}

#[test]
fn who_asks_for_an_address_is_there_and_who_gives_names_keeps_few() {
    let mut inventory = Inventory::new();
    let about = |address: u8, message, path, value: &str| {
        let attributes = vec![Attribute { path, value: value.into(), confidence: 90 }];
        let subject = Subject::Address(Address::Mac(mac(address)));
        Detail::Identity(Identity { subject, message, attributes })
    };
    let server = end(1, "10.0.0.1");
    apply(&mut inventory, AT, server, about(5, "DHCP lease", "hostname", "given"));
    assert_eq!(inventory.assets().len(), 1);
    apply(&mut inventory, AT, server, about(5, "DHCP request", "dhcp_fingerprint", "1,3"));
    assert_eq!(inventory.assets().len(), 2);
    for name in 0..100 {
        apply(&mut inventory, AT, server, says(Subject::Sender, "dhcp_names", &name.to_string()));
    }
    apply(&mut inventory, AT, server, says(Subject::Sender, "hostname", "server"));
    let key = inventory.asset_of(&Address::Mac(mac(1))).expect("known");
    let facts = inventory.asset(key).facts;
    let names = facts.iter().filter(|fact| fact.path == "dhcp_names").count();
    assert_eq!(names, crate::limits::NAMES_OF_OTHERS_MAX);
    assert!(facts.iter().any(|fact| fact.path == "hostname"));
}
