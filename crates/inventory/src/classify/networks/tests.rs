//! Who is a router, and who only shares his Internet.

use super::*;
use crate::{
    Inventory,
    classify::{classify, tests::evidence},
};
use model::{Detail, Endpoint, Mac, Observation, Time};

fn known(path: &'static str, text: &str) -> Known {
    let (message, confidence, first) = ("", 90, Time::default());
    Known { path, value: text.into(), protocol: "test", message, confidence, first }
}

/// The classes of who has this MAC address, by the addresses that come from it and the hops they
/// have left.
fn class_of(addresses: &[(&str, Option<u8>)]) -> AssetClass {
    let (mut inventory, mac) = (Inventory::new(), Mac([0xc4, 0xea, 0x1d, 0, 0, 1]));
    for (ip, hops) in addresses {
        let ip = Some(ip.parse().expect("an address"));
        let from = Endpoint { mac: Some(mac), ip, port: None, vlan: None };
        let (at, to, detail) = (Time(1), Endpoint::default(), Detail::Presence);
        let (frame, protocol, carrier, excerpt) = (1, "wire", None, None);
        inventory.apply(&Observation { at, frame, protocol, from, to, carrier, detail, excerpt });
        inventory.still_sends(&from, at, *hops);
    }
    let key = inventory.asset_of(&Address::Mac(mac)).expect("known");
    inventory.asset(key).class
}

#[test]
fn who_passes_on_what_others_send_is_a_router() {
    assert_eq!(class_of(&[("93.184.216.34", Some(52))]), AssetClass::Router);
    assert_eq!(class_of(&[("10.20.0.7", Some(126)), ("10.30.0.7", Some(253))]), AssetClass::Router);
    // Addresses made up by who attacks, played back, or announced with a short life.
    let made_up = ["1.2.3.4", "5.6.7.8", "9.1.2.3", "10.1.2.3", "11.1.2.3", "12.1.2.3"];
    assert_eq!(class_of(&made_up.map(|ip| (ip, Some(64)))), AssetClass::Unknown);
    assert_eq!(class_of(&[("10.1.0.1", Some(4)), ("10.2.0.1", Some(64))]), AssetClass::Unknown);
    assert_eq!(class_of(&[("10.1.0.1", Some(64))]), AssetClass::Unknown);
}

#[test]
fn a_stronger_word_than_forwarding_stays() {
    let nothing = Behaviour::default();
    let class = |facts: &[Known], vendor| {
        classify(&Evidence { facts, forwards: true, ..evidence(&nothing, vendor) }).class
    };
    assert_eq!(class(&[], Some("Cisco Systems, Inc")), AssetClass::Router);
    assert_eq!(class(&[], Some("Palo Alto Networks")), AssetClass::Firewall);
    assert_eq!(class(&[known("os", "macOS")], None), AssetClass::Workstation);
    assert_eq!(class(&[known("os", "Linux 5.4")], None), AssetClass::Router);
    assert_eq!(class(&[known("description", "Hirschmann MICE")], None), AssetClass::Switch);
    let mut behaviour = Behaviour::default();
    behaviour.served("dns", 9);
    let serving = Evidence { forwards: true, ..evidence(&behaviour, None) };
    assert_eq!(classify(&serving).class, AssetClass::Router);
}

#[test]
fn who_says_it_is_a_router_is_one_unless_its_card_is_virtual() {
    let nothing = Behaviour::default();
    let class = |fact: Known, virtual_machine| {
        let facts = &[fact];
        classify(&Evidence { facts, virtual_machine, ..evidence(&nothing, None) }).class
    };
    let gateway = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
    assert_eq!(class(known("upnp_type", gateway), false), AssetClass::Router);
    assert_eq!(class(known("ipv6_role", "default router"), false), AssetClass::Router);
    assert_eq!(class(known("ipv6_role", "default router"), true), AssetClass::VirtualMachine);
    assert_eq!(class(known("ipv6_role", "router"), false), AssetClass::Unknown);
}

#[test]
fn what_keeps_a_switch_up_makes_it_no_server() {
    let class = |vendor, served: &[&'static str]| {
        let mut behaviour = Behaviour::default();
        served.iter().for_each(|protocol| behaviour.served(protocol, 2));
        classify(&evidence(&behaviour, Some(vendor))).class
    };
    assert_eq!(class("RuggedCom Inc.", &["snmp", "arp"]), AssetClass::Switch);
    assert_eq!(class("RuggedCom Inc.", &["dcerpc"]), AssetClass::Unknown);
    assert_eq!(class("Cisco Systems, Inc", &["dns"]), AssetClass::Unknown);
    assert_eq!(class("Juniper Networks", &[]), AssetClass::Router);
    assert_eq!(class("Routerboard.com", &[]), AssetClass::Router);
    assert_eq!(class("Fortinet, Inc.", &[]), AssetClass::Firewall);
    assert_eq!(class("Fortinet, Inc.", &["dns", "dhcp"]), AssetClass::Firewall);
    assert_eq!(class("Fortinet, Inc.", &["smb", "dns"]), AssetClass::Server);
}

#[test]
fn who_sends_the_time_of_another_for_a_network_is_no_clock() {
    let mut behaviour = Behaviour::default();
    behaviour.told("ptp", 9);
    let class = |vendor| classify(&evidence(&behaviour, Some(vendor))).class;
    assert_eq!(class("Arista Networks"), AssetClass::Switch);
    assert_eq!(class("Intel Corporate"), AssetClass::Clock);
}

#[test]
fn who_sends_bridge_protocol_data_is_a_bridge() {
    let mut behaviour = Behaviour::default();
    behaviour.told("stp", 9);
    let class = |virtual_machine| {
        classify(&Evidence { virtual_machine, ..evidence(&behaviour, Some("Any Maker")) }).class
    };
    assert_eq!(class(false), AssetClass::Switch);
    assert_eq!(class(true), AssetClass::VirtualMachine);
}

#[test]
fn several_units_behind_what_a_maker_of_gateways_made_are_on_a_serial_line() {
    let class = |vendor, units: &[u32]| {
        let mut behaviour = Behaviour::default();
        behaviour.served("modbus", 9);
        units.iter().for_each(|unit| behaviour.units.insert(*unit));
        classify(&evidence(&behaviour, Some(vendor))).class
    };
    assert_eq!(class("MOXA TECHNOLOGIES CORP., LTD.", &[1, 2, 247]), AssetClass::Gateway);
    // 0 and 255 are the host itself.
    assert_eq!(class("MOXA TECHNOLOGIES CORP., LTD.", &[1, 0, 255, 1]), AssetClass::Plc);
    assert_eq!(class("Schneider Electric", &[1, 2]), AssetClass::Plc);
}
