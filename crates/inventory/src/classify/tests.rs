//! What texts tell of the class, where makers' words are alike.

use super::*;
use crate::texts;

fn known(path: &'static str, protocol: &'static str, text: &str) -> Known {
    let (message, confidence, first) = ("", 90, model::Time::default());
    Known { path, value: text.into(), protocol, message, confidence, first }
}

const NO_MACS: &BTreeSet<Mac> = &BTreeSet::new();

fn class_of(facts: &[Known], derived: &[Known]) -> Classification {
    classify(&Evidence {
        facts,
        derived,
        behaviour: &Behaviour::default(),
        vendor: None,
        virtual_machine: false,
        macs: NO_MACS,
        controller_in_rack: None,
        external: false,
        loopback: false,
        forwards: false,
        industrial_peers: false,
    })
}

#[track_caller]
fn check(path: &'static str, protocol: &'static str, text: &str, want: AssetClass) {
    let facts = [known(path, protocol, text)];
    let told = class_of(&facts, &texts::derived(&facts));
    assert_eq!(told.class, want, "{text}: {}", told.reason);
}

#[track_caller]
fn description(text: &str, want: AssetClass) {
    check("description", "snmp", text, want);
}

#[test]
fn of_equal_words_the_earliest_tells_as_it_is_shown() {
    let facts = [(3, "Windows 2000 2195"), (1, "Windows 10 1511"), (2, "Windows 10 Enterprise")];
    let facts = facts.map(|(at, os)| Known { first: model::Time(at), ..known("os", "smb", os) });
    let told = class_of(&facts, &[]);
    assert_eq!((told.class, &*told.reason), (AssetClass::Workstation, "runs Windows 10 1511"));
}

#[test]
fn a_build_of_a_desktop_or_a_server_is_what_another_word_says() {
    let class = |systems: &[&str]| {
        let facts: Vec<_> = systems.iter().map(|os| known("os", "smb", os)).collect();
        class_of(&facts, &[]).class
    };
    let either = "Windows 7 SP1 or Windows Server 2008 R2 SP1";
    assert_eq!(class(&["Windows 7 Enterprise 7601", either]), AssetClass::Workstation);
    assert_eq!(class(&["Windows Server 2008 R2 Standard 7601", either]), AssetClass::Server);
    assert_eq!(class(&["Windows 10 1511", either]), AssetClass::Server);
    assert_eq!(class(&[either]), AssetClass::Server);
}

#[test]
fn adapters_and_servers_for_printers_are_neither_adapters_nor_cameras() {
    description("Monarch 7410 Print Adapter", AssetClass::Printer);
    description("AXIS 5470e Network Print Server V6.21", AssetClass::Printer);
    description("AXIS 70U Network Document Server,Version: 1.08", AssetClass::Unknown);
    description("1734-AENT Ethernet Adapter", AssetClass::IoAdapter);
    description("HP ETHERNET MULTI-ENVIRONMENT", AssetClass::Printer);
    description("Dell 2335dn MFP; 2.70.03.02", AssetClass::Printer);
    description("RICOH Aficio 350e", AssetClass::Printer);
}

#[test]
fn who_shares_the_address_of_a_gateway_is_a_router_unless_more_is_known() {
    check("hsrp_group", "hsrp", "1 for 192.168.1.254", AssetClass::Router);
    check("vrrp_router", "vrrp", "7 for 192.168.1.254", AssetClass::Router);
    let vrrp = known("vrrp_router", "vrrp", "7 for 192.168.1.254");
    let facts = [vrrp, known("description", "snmp", "CPU 315-2 PN/DP")];
    assert_eq!(class_of(&facts, &[]).class, AssetClass::Plc);
}

#[test]
fn what_a_computer_is_made_of_makes_it_no_controller() {
    let text = "Hardware:7845H2, 2 Intel(R) Xeon(R) CPU 5140 @ 2.33GHz: Software:UCOS 3.0.0.0-54";
    description(text, AssetClass::Unknown);
    description("CPU 315-2 PN/DP", AssetClass::Plc);
}

#[test]
fn controllers_tell_what_they_are_by_their_catalogue_numbers() {
    description("Allen-Bradley 1747-L551/C SLC-5/05 Series C Revision 11", AssetClass::Plc);
    description("Rockwell Automation 1769-LxxE", AssetClass::Plc);
    description("Allen-Bradley 1785-ENET Ethernet Interface Series E", AssetClass::Plc);
}

#[test]
fn devices_of_networks_are_told_apart() {
    description("Siemens 5940 T1E1 [COMBO] Router (5940-005) v6.3.050", AssetClass::Router);
    description("Cisco IOS XR Software (ASR9K), Version 7.4.1", AssetClass::Router);
    let juniper = |model: &str| {
        format!(
            "Juniper Networks, Inc. {model} internet router, kernel JUNOS 12.3R1, Build date: 1"
        )
    };
    description(&juniper("ex4200-48p"), AssetClass::Switch);
    description(&juniper("srx240h"), AssetClass::Firewall);
    description(&juniper("mx80"), AssetClass::Router);
    description("Cisco Firepower Threat Defense, Version 7.0.0 (Build 3)", AssetClass::Firewall);
    description("Arista Networks EOS version 4.18.0F running on an Arista X", AssetClass::Switch);
    description("Cisco NX-OS(tm) m9100, Software (m9100-s2ek9-mz)", AssetClass::Switch);
    description("Lantronix EDS8PS V4.1.0.2R17 (03111515KK9H)", AssetClass::Gateway);
    description("Lantronix EPS1 Print Server", AssetClass::Printer);
    check("dhcp_vendor_class", "dhcp", "Cisco AP c1840i", AssetClass::AccessPoint);
    check(
        "dhcp_vendor_class",
        "dhcp",
        "Cisco Systems Inc. Wireless Phone 7925G",
        AssetClass::Phone,
    );
    check("http_server", "http", "RMC Webserver 2.0", AssetClass::Server);
    check("http_server", "http", "Linux/2.6 UPnP/1.0 AXIS P1346/5.40", AssetClass::Camera);
}

#[test]
fn devices_of_plants_and_buildings_are_told_apart() {
    use AssetClass as Class;
    description("SEL-2730M", Class::Switch);
    description("SEL-751A", Class::Ied);
    description("SEL-3530 RTAC", Class::Gateway);
    description("GE Multilin F60", Class::Ied);
    description("IM151-8 PN/DP CPU", Class::Plc);
    description("IM 154-8 PN/DP CPU", Class::Plc);
    description("IM151-3 PN", Class::IoAdapter);
    description("WAGO 750-841", Class::Plc);
    description("WAGO 750-352", Class::IoAdapter);
    description("Schneider Electric TM251MESE Fast Ethernet TCP/IP", Class::Plc);
    description("KNX IP Router 752 secure", Class::Gateway);
    description("BACnet Router B1", Class::Gateway);
    description("RUGGEDCOM RSG2488", Class::Switch);
    description("Hirschmann EAGLE", Class::Firewall);
    description("Hirschmann BAT54-Rail", Class::AccessPoint);
    description("Hirschmann MICE", Class::Switch);
    description("Teltonika RUT955", Class::Router);
    description("DINION IP starlight", Class::Camera);
    description("Cisco IOS Software, C1200 Software (C1200-K9W7-M)", Class::AccessPoint);
    let ap = "Cisco IOS Software, C2600 Software (AP3G2-K9W8-M), Version 12.4(25e)JA";
    description(ap, Class::AccessPoint);
    description("Cisco IOS Software, 1841 Software (C1841-IPBASE-M)", Class::Router);
}

#[test]
fn what_feeds_others_is_a_power_supply_and_no_switch() {
    use AssetClass as Class;
    description("APC Web/SNMP Management Card (MB:v4.1.0 MN:AP9631 HR:05)", Class::PowerSupply);
    description("APC Switched Rack PDU (MB:v3.6.4 MN:AP7900 HR:B2)", Class::PowerSupply);
    description("APC MasterSwitch PDU", Class::PowerSupply);
    description("Eaton Automatic Transfer Switch 16", Class::PowerSupply);
    description("MGE Galaxy 7000 UPS 250 kVA", Class::PowerSupply);
    description("setups and pop-up menus", Class::Unknown);
    check("sys_object_id", "snmp", "1.3.6.1.4.1.4555.1.1.7", Class::PowerSupply);
    check("sys_object_id", "snmp", "1.3.6.1.4.1.8072.3.2.10", Class::Unknown);
    let ftp = "AP7932 Network Management Card AOS v3.3.4 FTP server ready.";
    check("ftp_banner", "ftp", ftp, Class::PowerSupply);
}

#[test]
fn what_somebody_typed_is_but_a_name() {
    check("description", "browser", "PC behind the router", AssetClass::Unknown);
    check("description", "browser", "UPS labels", AssetClass::Unknown);
    check("description", "browser", "HMI of line 3", AssetClass::Hmi);
}

#[test]
fn names_of_programs_and_hosts_are_not_taken_apart() {
    let http = |text, want| check("http_server", "http", text, want);
    http("Java/1.8 javax.wbem.client.adapter.http.transport", AssetClass::Unknown);
    http("FileCatalyst/3.7", AssetClass::Unknown);
    http("BitMeterOS 0.7.6 Web Server", AssetClass::Unknown);
    description("SoftPLC 4", AssetClass::Plc);
    check("hostname", "dhcp", "pc-7.plc.example", AssetClass::Unknown);
    check("hostname", "dhcp", "plc-7.example", AssetClass::Plc);
}

/// `class | maker | model | firmware | serial | system` of the most believed, with a line for what
/// is not told.
fn told(facts: &[Known]) -> String {
    let derived = texts::derived(facts);
    let best = |path: &str| {
        let told = derived.iter().filter(|k| k.path == path).max_by_key(|k| k.confidence);
        told.map_or("-".to_owned(), |k| k.value.to_string())
    };
    let class = format!("{:?}", class_of(facts, &derived).class);
    let parts = ["vendor", "model", "firmware", "serial", "os"].map(best);
    format!("{class} | {}", parts.join(" | "))
}

#[test]
fn texts_of_devices_tell_what_they_are() {
    let lines = include_str!("devices.tsv").lines();
    let mut wrong = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [protocol, object, text, want] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        let text = text.replace("\\n", "\n");
        let mut facts = vec![match protocol {
            "snmp" => known("description", "snmp", &text),
            "ftp" => known("ftp_banner", "ftp", &text),
            "http" => known("http_server", "http", &text),
            "ssh" => known("ssh_banner", "ssh", &text),
            "smtp" => known("banner", "smtp", &text),
            "telnet" => known("banner", "telnet", &text),
            "mdns" => known("model", "mdns", &text),
            "dhcp" => known("dhcp_vendor_class", "dhcp", &text),
            other => panic!("no texts of {other}"),
        }];
        facts.extend((object != "-").then(|| known("sys_object_id", "snmp", object)));
        let told = told(&facts);
        if told != want {
            wrong.push(format!("{text}\n  told {told}\n  want {want}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What it does, with the vendor its MAC address tells, and nothing more.
pub(super) fn evidence<'a>(behaviour: &'a Behaviour, vendor: Option<&'a str>) -> Evidence<'a> {
    Evidence {
        facts: &[],
        derived: &[],
        behaviour,
        vendor,
        virtual_machine: false,
        macs: NO_MACS,
        controller_in_rack: None,
        external: false,
        loopback: false,
        forwards: false,
        industrial_peers: false,
    }
}

fn by_doing(behaviour: &Behaviour, facts: &[Known], vendor: Option<&str>) -> Classification {
    classify(&Evidence { facts, ..evidence(behaviour, vendor) })
}

#[test]
fn stations_report_and_their_cards_maker_tells_nothing() {
    let cisco = Some("Cisco Systems, Inc");
    let behaviour = Behaviour::default();
    assert_eq!(by_doing(&behaviour, &[], cisco).class, AssetClass::Switch);
    let linksys = by_doing(&behaviour, &[], Some("Cisco-Linksys, LLC"));
    assert_eq!(linksys.class, AssetClass::Unknown);
    for protocol in ["iec104", "dnp3"] {
        let mut behaviour = Behaviour::default();
        behaviour.told(protocol, 1);
        assert_eq!(by_doing(&behaviour, &[], cisco).class, AssetClass::Rtu);
        // One that gathers from others and passes it on.
        behaviour.asked(protocol, OperationClass::Read, 1);
        assert_eq!(by_doing(&behaviour, &[], cisco).class, AssetClass::Rtu);
    }
    let mut behaviour = Behaviour::default();
    behaviour.told("synphasor", 1);
    assert_eq!(by_doing(&behaviour, &[], cisco).class, AssetClass::Unknown);
}

#[test]
fn who_asks_by_radius_for_others_is_no_workstation() {
    use OperationClass::{Authenticate, Configure};
    let radius = |class, served: u64| {
        let mut behaviour = Behaviour::default();
        behaviour.asked("radius", class, 1);
        if served > 0 {
            behaviour.served("radius", served);
        }
        let told = by_doing(&behaviour, &[], None);
        (told.class, told.role)
    };
    assert_eq!(radius(Authenticate, 0), (AssetClass::Unknown, Role::Infrastructure));
    assert_eq!(radius(Authenticate, 1), (AssetClass::Unknown, Role::Server), "a proxy");
    assert_eq!(radius(Configure, 0), (AssetClass::Unknown, Role::Unknown), "changes sessions");
}

#[test]
fn who_answers_a_little_is_not_said_to_offer_nothing() {
    let asking = |served| {
        let mut behaviour = Behaviour::default();
        behaviour.asked("smb", OperationClass::Session, 1);
        behaviour.served(served, 1);
        let told = by_doing(&behaviour, &[], None);
        (told.class, told.role)
    };
    assert_eq!(asking("dcerpc"), (AssetClass::Unknown, Role::Server));
    assert_eq!(asking("mdns"), (AssetClass::Workstation, Role::Client));
}

#[test]
fn a_desktop_that_shares_files_is_no_server() {
    let sharing = |os, served| {
        let mut behaviour = Behaviour::default();
        behaviour.served(served, 9);
        by_doing(&behaviour, &[known("os", "smb", os)], None).class
    };
    assert_eq!(sharing("Windows 10 1511", "smb"), AssetClass::Workstation);
    assert_eq!(sharing("Windows 10 1511", "dns"), AssetClass::Server);
    assert_eq!(sharing("Windows 10 1607 or Server 2016", "smb"), AssetClass::Server);
}

#[test]
fn who_passes_on_what_bacnet_devices_send_is_no_engineering_station() {
    let mut behaviour = Behaviour::default();
    let router = [known("bacnet_role", "bacnet", "router")];
    assert_eq!(by_doing(&behaviour, &router, None).class, AssetClass::BuildingController);
    behaviour.asked("bacnet", OperationClass::Diagnose, 9);
    let class = |facts: &[Known]| by_doing(&behaviour, facts, None).class;
    assert_eq!(class(&[]), AssetClass::EngineeringStation);
    assert_eq!(class(&router), AssetClass::BuildingController);
}

/// By what it asks for once, of a maker.
fn asking(asked: &[(&'static str, OperationClass)], vendor: &str) -> (AssetClass, String) {
    let mut behaviour = Behaviour::default();
    asked.iter().for_each(|(protocol, class)| behaviour.asked(protocol, *class, 1));
    let told = by_doing(&behaviour, &[], Some(vendor));
    (told.class, told.reason)
}

#[test]
fn who_looks_who_is_there_is_no_engineering_station() {
    use {AssetClass as Class, OperationClass as Op};
    let class = |protocol, op| asking(&[(protocol, op)], "Any Maker").0;
    assert_eq!(class("bacnet", Op::Browse), Class::Workstation);
    assert_eq!(class("enip", Op::Diagnose), Class::Workstation);
    assert_eq!(class("codesys", Op::Session), Class::Workstation);
    assert_eq!(class("pn_dcp", Op::Browse), Class::Unknown);
    let told = asking(&[("pn_dcp", Op::Configure)], "Any Maker");
    let what = "changes settings of devices (1 requests)".to_owned();
    assert_eq!(told, (Class::EngineeringStation, what));
    assert_eq!(class("cip", Op::Diagnose), Class::EngineeringStation);
}

#[test]
fn who_asks_in_an_industrial_protocol_for_little_is_no_workstation() {
    use {AssetClass as Class, OperationClass as Op};
    let told = asking(&[("dnp3", Op::TimeSync), ("dnp3", Op::Authenticate)], "Any Maker");
    let what = "asks in dnp3, for nothing that tells more".to_owned();
    assert_eq!(told, (Class::Hmi, what));
    let class = |protocol, op| asking(&[(protocol, op)], "Any Maker").0;
    assert_eq!(class("knxip", Op::Session), Class::Scada);
    assert_eq!(class("cip", Op::Session), Class::Hmi);
    assert_eq!(asking(&[("cip", Op::Session)], "Rockwell Automation").0, Class::Plc);
    let pmu = [("synphasor", Op::Diagnose), ("synphasor", Op::Session)];
    assert_eq!(asking(&pmu, "Any Maker").0, Class::Historian);
    assert_ne!(class("zigbee", Op::Read), Class::EngineeringStation);
}

#[test]
fn servers_of_operators_are_known() {
    for protocol in ["ifix", "suitelink"] {
        let mut behaviour = Behaviour::default();
        behaviour.served(protocol, 1);
        assert_eq!(by_doing(&behaviour, &[], None).class, AssetClass::Scada);
    }
}

#[test]
fn of_powerlink_one_node_manages_and_the_others_are_what_their_profile_says() {
    let mut behaviour = Behaviour::default();
    behaviour.told("powerlink", 9);
    let class = |facts: &[Known]| by_doing(&behaviour, facts, None).class;
    let node = |number| known("powerlink_node", "powerlink", number);
    let profile = |number| known("device_type", "powerlink", number);
    assert_eq!(class(&[]), AssetClass::Plc);
    assert_eq!(class(&[node("240"), profile("0x000f0191")]), AssetClass::Plc);
    assert_eq!(class(&[node("17"), profile("0x01070191")]), AssetClass::IoAdapter);
    assert_eq!(class(&[node("3"), profile("0x00020192")]), AssetClass::Drive);
    assert_eq!(class(&[node("3")]), AssetClass::Unknown);
    let state = known("nmt-state", "powerlink", "node 7: operational");
    assert_eq!(class(&[state]), AssetClass::Unknown);
}

#[test]
fn phones_and_tablets_are_known_by_their_programs_and_names() {
    let agent = |text, want| check("user_agent", "http", text, want);
    agent("Dalvik/2.1.0 (Linux; U; Android 5.1.1; SM-G531F Build/LMY48B)", AssetClass::Mobile);
    agent("Argo/9.1.0 (iPhone; iOS 10.2; Scale/2.00)", AssetClass::Mobile);
    agent("Instagram 8.0.0 Android (18/4.3; 320dpi; samsung)", AssetClass::Mobile);
    agent("Wget/1.20 (linux-gnu)", AssetClass::Unknown);
    let name = |text, want| check("hostname", "dhcp", text, want);
    for text in ["Lucas-iPhone", "iPhonediMonica", "kawai-iPad3", "android-f7ca1e"] {
        name(text, AssetClass::Mobile);
    }
    name("iphoneserver", AssetClass::Unknown);
    name("android", AssetClass::Unknown);
    check("dhcp_vendor_class", "dhcp", "AastraIPPhone6731i", AssetClass::Phone);
}

#[test]
fn android_is_a_linux_and_no_quarrel_of_two_hosts() {
    let x11 = known("user_agent", "http", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
    let windows = known("user_agent", "http", "Mozilla/5.0 (Windows NT 6.1) Gecko/20100101");
    let class = known("dhcp_vendor_class", "dhcp", "android-dhcp-9");
    let facts = [x11.clone(), class.clone()];
    assert_eq!(told(&facts), "Mobile | - | - | - | - | Android 9");
    assert_eq!(told(&[x11, windows, class]), "Unknown | - | - | - | - | -");
}

#[test]
fn printers_are_called_by_their_cards_and_devices_by_their_system() {
    let macs = BTreeSet::from([Mac([0x40, 0xa8, 0xf0, 0xb9, 0xee, 0x9e])]);
    let class = |name| {
        let facts = [known("hostname", "dhcpv6", name)];
        let nothing = Behaviour::default();
        let evidence = Evidence {
            facts: &facts,
            derived: &[],
            behaviour: &nothing,
            vendor: None,
            virtual_machine: false,
            macs: &macs,
            controller_in_rack: None,
            external: false,
            loopback: false,
            forwards: false,
            industrial_peers: false,
        };
        classify(&evidence).class
    };
    assert_eq!(class("NPIB9EE9E.site.example"), AssetClass::Printer);
    assert_eq!(class("NPI000001"), AssetClass::Unknown);
    check("http_server", "ssdp", "LPUX/1.3 UPnP/1.0 Aficio SP 6330N/1.0", AssetClass::Printer);
    let ce = [known("dhcp_vendor_class", "dhcp", "Microsoft Windows CE")];
    assert_eq!(told(&ce), "Unknown | - | - | - | - | Windows CE");
}
