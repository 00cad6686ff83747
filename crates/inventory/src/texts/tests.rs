//! Texts that devices send, and what is read in them: maker, model, firmware, serial, system.

use super::*;

/// `maker | model | firmware | serial | system`, with a line for what is not told.
#[track_caller]
fn check(path: &'static str, protocol: &'static str, text: &str, want: &str) {
    let (message, confidence, first) = ("", 90, model::Time::default());
    let known = Known { path, value: text.into(), protocol, message, confidence, first };
    let (_, told) = read(&known, &[]).unwrap_or_default();
    let vendor = told.vendor.map(str::to_owned);
    let parts = [vendor, told.model, told.firmware, told.serial, told.os];
    let said = parts.map(|part| part.unwrap_or_else(|| "-".to_owned())).join(" | ");
    assert_eq!(said, want, "{text}");
}

#[track_caller]
fn description_of(text: &str, want: &str) {
    check("description", "snmp", text, want);
}

#[test]
fn controllers_and_switches_of_siemens_tell_all() {
    description_of(
        "Siemens, SIMATIC NET, SCALANCE XC208, 6GK5 208-0BA00-2AC2, HW: Version 1, \
         FW: Version V04.03.00, VPL1234567",
        "Siemens | SCALANCE XC208 | V04.03.00 | VPL1234567 | -",
    );
    description_of(
        "Siemens, SIMATIC S7, CPU-1200, 6ES7 212-1BE40-0XB0, HW: 4, FW: V.4.2.1, S C-J9T42632018",
        "Siemens | CPU-1200 | 4.2.1 | C-J9T42632018 | -",
    );
    description_of(
        "Siemens, SIMATIC HMI, TP1200 Comfort, 6AV2 124-0MC01-0AX0, HW: 0, SW: V 13 0 1",
        "Siemens | TP1200 Comfort | V 13 0 1 | - | -",
    );
    description_of(
        "Siemens, SIMATIC NET, SCALANCE X204, 6GK5 204-2BB10-2AA3, HW: Version 7",
        "Siemens | SCALANCE X204 | - | - | -",
    );
}

#[test]
fn network_devices_of_others_tell_what_they_write() {
    description_of("IKS-6726A-2GTXSFP-T", "- | IKS-6726A-2GTXSFP-T | - | - | -");
    description_of("MOXA EDS-408A-PN, firmware V3.8", "Moxa | EDS-408A-PN | V3.8 | - | -");
    description_of(
        "Hirschmann BOBCAT Rail Switch BRS40, HiOS-2S-08.7.03",
        "Hirschmann | BOBCAT Rail Switch BRS40 | HiOS-2S-08.7.03 | - | -",
    );
    description_of("Hirschmann MICE - SW: L2P-05.3.02", "Hirschmann | MICE | L2P-05.3.02 | - | -");
    description_of(
        "Westermo Lynx-5512-E, primary: v4.28.1, backup: v4.26.0, bootloader: v2017.12.0-8",
        "Westermo | Lynx-5512-E | v4.28.1 | - | -",
    );
    description_of("FortiGate-60F v7.0.5,build0304", "Fortinet | FortiGate-60F | v7.0.5 | - | -");
    description_of(
        "ProCurve J9773A 2530-24G-PoEP Switch, revision YA.16.08.0002, ROM YA.15.20 (/ws/x)",
        "HPE | ProCurve J9773A 2530-24G-PoEP Switch | YA.16.08.0002 | - | -",
    );
    description_of(
        "Juniper Networks, Inc. ex2300-24t Ethernet Switch, kernel JUNOS 18.1R3-S6.1, Build date",
        "Juniper Networks | ex2300-24t Ethernet Switch | 18.1R3-S6.1 | - | Junos",
    );
    description_of(
        "S5700-28C-SI Huawei Versatile Routing Platform Software VRP (R) software, \
         Version 5.170 (S5720 V200R011C10SPC600)",
        "Huawei | S5720 | V200R011C10SPC600 | - | Huawei VRP",
    );
    description_of("1756-EN2T/D", "Rockwell Automation | 1756-EN2T/D | - | - | -");
}

#[test]
fn software_of_cisco_names_a_family_and_whose_switch_it_is() {
    let of = |name: &str| {
        format!("Cisco IOS Software, {name} Software ({name}-UNIVERSALK9-M), Version 15.2(4)EA5, R")
    };
    description_of(&of("IE2000"), "Cisco | IE2000 | 15.2(4)EA5 | - | Cisco IOS");
    description_of(&of("S5700"), "Rockwell Automation | S5700 | 15.2(4)EA5 | - | Cisco IOS");
    description_of(
        "Cisco Internetwork Operating System Software \r\nIOS (tm) C2950 Software \
         (C2950-I6Q4L2-M), Version 12.1(22)EA4, RELEASE SOFTWARE(fc1)",
        "Cisco | C2950 | 12.1(22)EA4 | - | Cisco IOS",
    );
    description_of(
        "Cisco Adaptive Security Appliance Version 9.8(2)",
        "Cisco | - | 9.8(2) | - | Cisco ASA",
    );
    let platform = |text, want| check("platform", "cdp", text, want);
    platform("cisco WS-C2960-24TT-L", "Cisco | WS-C2960-24TT-L | - | - | -");
    platform("cisco 1783-BMS10CGL", "Rockwell Automation | 1783-BMS10CGL | - | - | -");
    platform("Linux", "- | - | - | - | -");
    check("description", "cdp", "Releasebuild-8169922", "- | - | - | - | -");
    // What a client of AMQP runs on is nobody's model.
    check("platform", "amqp", "Erlang/OTP 24", "- | - | - | - | -");
}

#[test]
fn cards_cameras_and_printers_tell_their_serial_numbers() {
    description_of(
        "APC Web/SNMP Management Card (MB:v4.1.0 PF:v6.9.6 PN:apc_hw05_aos_696.bin AF1:v6.9.8 \
         AN1:apc_hw05_sumx_698.bin MN:AP9631 HR:05 SN: ZA1323017566 MD:06/08/2013)",
        "APC | AP9631 | v6.9.8 | ZA1323017566 | -",
    );
    description_of(
        "; AXIS P3245-V; Network Camera; 9.80.1; Feb 28 2020 10:12; 7D6; 1;",
        "Axis | P3245-V | 9.80.1 | - | -",
    );
    description_of(
        "HP ETHERNET MULTI-ENVIRONMENT,SN:CN12345678,FN:ABCDE,SVCID:1,PID:HP LaserJet MFP M426fdn",
        "HP | HP LaserJet MFP M426fdn | - | CN12345678 | -",
    );
    description_of(
        "Integrated Lights-Out 5 2.44 Apr 30 2021",
        "HPE | Integrated Lights-Out 5 | 2.44 | - | -",
    );
    let class = |text, want| check("dhcp_vendor_class", "dhcp", text, want);
    class(
        "Mfg=Hewlett Packard;Typ=Printer;Mod=HP LaserJet 400 M401dne;Ser=ABCDE12345;",
        "HP | HP LaserJet 400 M401dne | - | ABCDE12345 | -",
    );
    class("AXIS,Network Camera,P3343,5.20.3", "Axis | P3343 | 5.20.3 | - | -");
    class("Cisco Systems, Inc. IP Phone CP-7911G", "Cisco | IP Phone CP-7911G | - | - | -");
    class("ciscopnp", "- | - | - | - | -");
    class("PXEClient:Arch:00007:UNDI:003016", "- | - | - | - | -");
}

#[test]
fn a_system_has_no_firmware_and_no_maker_of_the_host() {
    description_of(
        "Linux web01 5.15.0-91-generic #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023 x86_64",
        "- | - | - | - | Ubuntu Linux 5.15.0-91-generic",
    );
    description_of(
        "Debian GNU/Linux 11 (bullseye) Linux 5.10.0-8-amd64 #1 SMP Debian 5.10 x86_64",
        "- | - | - | - | Debian GNU/Linux 11 (bullseye)",
    );
    description_of(
        "Hardware: Intel64 Family 6 Model 85 Stepping 7 AT/AT COMPATIBLE - Software: Windows \
         Version 6.3 (Build 17763 Multiprocessor Free)",
        "- | - | - | - | Windows 10 1809 or Windows Server 2019",
    );
    description_of(
        "VMware ESXi 6.7.0 build-8169922 VMware, Inc. x86_64",
        "- | - | - | - | VMware ESXi 6.7.0",
    );
    description_of("Linux version 5.4.0 (gcc version 9.3.0)", "- | - | - | - | Linux 5.4.0");
    description_of("SunOS host 5.10 Generic_150400-40 sun4v", "- | - | - | - | SunOS 5.10");
    description_of("line 3, left of the door", "- | - | - | - | -");
    check("description", "browser", "Moxa EDS-408A", "- | - | - | - | -");
}

#[test]
fn the_object_beside_a_description_of_windows_tells_servers_from_clients() {
    let text = "Hardware: AT - Software: Windows Version 6.3 (Build 17763 Multiprocessor Free)";
    let os = |kind| description(text, Some(kind)).os;
    assert_eq!(os("1.3.6.1.4.1.311.1.1.3.1.1").as_deref(), Some("Windows 10 1809"));
    assert_eq!(os("1.3.6.1.4.1.311.1.1.3.1.3").as_deref(), Some("Windows Server 2019"));
}

#[test]
fn greetings_tell_makers_and_systems() {
    let http = |text, want| check("http_server", "http", text, want);
    http("Hikvision-Webs", "Hikvision | - | - | - | -");
    http("MoxaHttp/2.2", "Moxa | - | - | - | -");
    http("Apache/2.4.41 (Ubuntu)", "- | - | - | - | Ubuntu Linux");
    http("Microsoft-IIS/10.0", "- | - | - | - | Windows");
    http("Linux/3.10.39, UPnP/1.0, Portable SDK", "- | - | - | - | Linux 3.10.39");
    http("Linux/2.6.35 UPnP/1.0 AXIS P1346/5.40", "Axis | P1346 | 5.40 | - | Linux 2.6.35");
    http("GoAhead-Webs", "- | - | - | - | -");
    http(
        "HP HTTP Server; HP LaserJet MFP M426fdn - F6W14A; Serial Number: PHBLL12345; Built:Wed",
        "HP | HP LaserJet MFP M426fdn | - | PHBLL12345 | -",
    );
    check("onvif_name", "wsd", "HIKVISION DS-2CD2043G2-I", "Hikvision | - | - | - | -");
    let ftp = |text, want| check("ftp_banner", "ftp", text, want);
    ftp("AXIS P1343 Network Camera 5.40.9.2 (2013) ready.", "Axis | P1343 | 5.40.9.2 | - | -");
    ftp("VxWorks (5.4.2) FTP server ready", "- | - | - | - | VxWorks 5.4.2");
    check("ssh_banner", "ssh", "SSH-2.0-Cisco-1.25", "Cisco | - | - | - | -");
    check("ssh_banner", "ssh", "SSH-2.0-OpenSSH_8.4p1 Debian-5", "- | - | - | - | -");
    check("sys_object_id", "snmp", "1.3.6.1.4.1.248.14.10.41", "Hirschmann | - | - | - | -");
    check("sys_object_id", "snmp", "1.3.6.1.4.1.8072.3.2.10", "- | - | - | - | -");
    let agent = |text, want| check("user_agent", "http", text, want);
    let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36";
    agent(edge, "- | - | - | - | Windows 10 or later");
    agent("Mozilla/5.0 (X11; Linux x86_64; rv:91.0)", "- | - | - | - | Linux");
    agent("curl/7.68.0 (Windows NT 10.0)", "- | - | - | - | -");
}

#[test]
fn agents_of_several_systems_tell_none() {
    let (message, confidence, first) = ("", 70, model::Time::default());
    let (path, protocol) = ("user_agent", "http");
    let known = |value: &str| {
        let value = format!("Mozilla/5.0 ({value})").into();
        Known { path, value, protocol, message, confidence, first }
    };
    let systems = |texts: &[&str]| {
        let known: Vec<Known> = texts.iter().map(|text| known(text)).collect();
        derived(&known).iter().map(|k| k.value.to_string()).collect::<Vec<_>>().join(", ")
    };
    let of_one = systems(&["Windows NT 10.0; x64", "compatible; MSIE 7.0; Windows NT 6.2"]);
    assert_eq!(of_one, "Windows 10 or later, Windows 8");
    assert_eq!(systems(&["Windows NT 10.0", "X11; Linux x86_64"]), "");
}

#[test]
fn versions_are_those_of_the_device_and_whole() {
    // Of a card in a printer, of what starts a switch, of hardware: not of the device.
    description_of(
        "Xerox Phaser 3500MFP; OS 1.40.00.12   01-02-2012, Engine 1.02.03, NIC V4.01.02(P3500)",
        "Xerox | Phaser 3500MFP | 1.40.00.12 | - | -",
    );
    description_of(
        "Dell 2300dn MFP; 2.60.01.02;Engine 1.10.00;NIC V4.00.10(2300dn) 1-2-2011;S/N AB1CD23",
        "Dell | 2300dn MFP | 2.60.01.02 | AB1CD23 | -",
    );
    description_of(
        "BayStack 470-24T HW:RevA  FW:V1.40 SW:v3.1.0.10  ISVN:1",
        "- | BayStack 470-24T | v3.1.0.10 | - | -",
    );
    description_of("Cisco VG224 version 1.2(3)", "Cisco | VG224 | 1.2(3) | - | -");
    description_of("Brother NC-120w, Firmware Ver.B ,MID 1", "Brother | NC-120w | B | - | -");
    description_of(
        "3Com Switch 4400 24-Port Software Version 3Com OS V3.01.02s10",
        "3Com | Switch 4400 24-Port | V3.01.02s10 | - | -",
    );
    description_of("Acme Rack Switch, version 3.1.", "- | - | 3.1 | - | -");
    description_of("OKI Type 5 Rev. 10/100BASE PrintServer", "Oki | Type 5 | - | - | -");
}

#[test]
fn models_end_where_versions_and_companies_begin() {
    description_of("EPSON LP-9200S 01.00", "Epson | LP-9200S | 01.00 | - | -");
    description_of("Acme KVM2030 03.04.00.07", "- | Acme KVM2030 | - | - | -");
    description_of("Acme M30 1.5kW", "- | Acme M30 1.5kW | - | - | -");
    description_of(
        "Aruba JL600A 6400M 24SFP Swch FL.10.09.1010",
        "HPE Aruba | JL600A 6400M 24SFP Swch | FL.10.09.1010 | - | -",
    );
    description_of("Canon Inc., LBP-1800e Printer /P", "Canon | LBP-1800e Printer | - | - | -");
    description_of("Canon iR C3000-C1 /P", "Canon | iR C3000-C1 | - | - | -");
    description_of(
        "RICOH Aficio MP C2000 1.50.1 / RICOH Network Printer C model",
        "Ricoh | Aficio MP C2000 | 1.50.1 | - | -",
    );
    description_of(
        "Juniper Networks, Inc. srx300 internet router, kernel JUNOS 15.1X49-D45, Build date: 1",
        "Juniper Networks | srx300 | 15.1X49-D45 | - | Junos",
    );
    description_of(
        "Juniper Networks,Inc,MAG-2600,7.1R6 (b 1)",
        "Juniper Networks | MAG-2600 | 7.1R6 | - | -",
    );
    description_of(
        "NetScreen-204 version 5.4.0r2 (SN: 0099052005000999, Firewall+VPN)",
        "Juniper Networks | NetScreen-204 | 5.4.0r2 | 0099052005000999 | -",
    );
    description_of(
        "Digi TransPort WR41-A Ser#:123456 Software Build Ver5130. May 20 2011 ARM Bios Ver 6.02",
        "Digi International | TransPort WR41-A | 5130 | 123456 | -",
    );
    description_of(
        "DrayTek Corporation, Router Model: Vigor2900, Version: 1.5.1.4, Build Date: 1",
        "DrayTek | Vigor2900 | 1.5.1.4 | - | -",
    );
    description_of("Dell SNMP Agent for Remote Access Controller 5", "Dell | - | - | - | -");
    description_of("NetApp Release 7.2.3: Fri Nov 16", "NetApp | - | 7.2.3 | - | -");
    description_of("Avaya Phone", "Avaya | - | - | - | -");
}

#[test]
fn shapes_of_controllers_of_rockwell_and_siemens_of_all_ages_are_read() {
    description_of(
        "Allen-Bradley 1747-L553/C SLC-5/05 Series C Revision 10 1747_slc 3.40 13-Jan-05",
        "Rockwell Automation | 1747-L553/C | 10 | - | -",
    );
    description_of(
        "Allen-Bradley 1756-ENET Revision: 2.5 icp_enet 1.130 12-Apr-01",
        "Rockwell Automation | 1756-ENET | 2.5 | - | -",
    );
    description_of(
        "Siemens, SIMATIC S7, CPU-1200, 6ES7 214-1BE30-0XB0 SZVA2YYY000001 , 1, V.1.0.2, \
         SZVA2YYY000001",
        "Siemens | CPU-1200 | 1.0.2 | SZVA2YYY000001 | -",
    );
    description_of("Siemens, SIMATIC, S7-400", "Siemens | S7-400 | - | - | -");
    description_of("Siemens, SIMATIC NET CP1616 FW V 02.10", "Siemens | CP1616 | 02.10 | - | -");
    description_of(
        "Siemens, SIMATIC HMI, unknown, 6AV2 124-0GC01-0AX0, HW: 0, SW: V 11 0 2",
        "Siemens | SIMATIC HMI | V 11 0 2 | - | -",
    );
    description_of(
        "Siemens, SINUMERIK, solution line PCU50, , HW:1, FW:V00.00.00,",
        "Siemens | PCU50 | - | - | -",
    );
}

#[test]
fn cards_of_apc_and_switches_with_sentences_tell_what_they_are() {
    description_of(
        "APC Switched Rack PDU (MB:v3.6.4 PF:v2.2.7 PN:a.bin AF1:v2.2.0 AN1:b.bin MN:AP7920 HR:B2 \
         SN: JA0412013999)",
        "APC | AP7920 | v2.2.0 | JA0412013999 | -",
    );
    description_of(
        "APC Embedded PowerNet SNMP Agent (FW v3.0.2 SW v2.2.4.a, HW, MOD: AP9605, Mfg 1, SN: X)",
        "APC | AP9605 | v2.2.4.a | - | -",
    );
    description_of(
        "Arista Networks EOS version 4.21.1F running on an Arista Networks DCS-7050S-64",
        "Arista | DCS-7050S-64 | 4.21.1F | - | Arista EOS",
    );
    description_of(
        "HPE Comware Platform Software, Software Version 7.1.070, Release 3208P03\r\nHPE 5130-24G \
         EI Switch\r\nCopyright (c) 2010",
        "HPE | 5130-24G EI | 7.1.070, Release 3208P03 | - | Comware",
    );
    description_of(
        "HP V1910-8G Switch Software Version 5.20 Release 1108 Copyright (c) 2004",
        "HP | V1910-8G | 5.20 Release 1108 | - | -",
    );
    description_of(
        "Huawei Versatile Routing Platform Software\r\nVRP (R) software, Version 8.120 (CE6800EI \
         V200R001C00) Copyright (C) 2012-2016 Huawei",
        "Huawei | CE6800EI | V200R001C00 | - | Huawei VRP",
    );
    description_of(
        "USW-16-PoE, 5.43.36.1, Linux 3.6.5",
        "Ubiquiti | USW-16-PoE | 5.43.36.1 | - | -",
    );
    description_of(
        "Cisco Codec SoftW: TC5.1.0 MCU: Cisco TelePresence SX10 Date: 2012-02-14 S/N: FTT1607999",
        "Cisco | TelePresence SX10 | TC5.1.0 | FTT1607999 | -",
    );
}

#[test]
fn who_names_no_maker_has_one_by_the_object_beside() {
    let model = |text, kind| description(text, kind).model;
    assert_eq!(model("Netman 204", Some("1.3.6.1.4.1.5491.304")).as_deref(), Some("Netman 204"));
    assert_eq!(model("Netman 204", Some("1.3.6.1.4.1.8072.3.2.10")), None);
    assert_eq!(model("Switch", Some("1.3.6.1.4.1.10297.202.7000")), None);
    description_of(
        "Product: BMX NOE 0110 - Ethernet Module. FwId: 04.60",
        "Schneider Electric | BMX NOE 0110 | 04.60 | - | -",
    );
    description_of(
        "Xerox Phaser 6250;PS 4.8.0,Net 18.02.08.01,Eng 1.1.2,OS 4.82;SN PWH999999",
        "Xerox | Phaser 6250 | 4.82 | PWH999999 | -",
    );
}

#[test]
fn systems_are_told_apart_and_are_whole_names() {
    let os = |text: &str, want: &str| {
        assert_eq!(description(text, None).os.as_deref(), Some(want), "{text}");
    };
    os("Cisco IOS XR Software (ASR9K), Version 7.1.1", "Cisco IOS XR");
    os("Cisco IOS Software [Fuji], Virtual XE Software (X), Version 16.9.1, R", "Cisco IOS XE");
    os(
        "Cisco Systems, Inc. WS-C2948\nCisco Catalyst Operating System Software, Version 6.3(5)",
        "Cisco CatOS",
    );
    os("Cumulus Linux 3.7.1 (Linux Kernel 4.1.33)", "Cumulus Linux 3.7.1");
    os(
        "IBM PowerPC Base Operating System Runtime AIX version: 06.01.0006.0015 TCP/IP",
        "AIX 06.01.0006.0015",
    );
    os("HP-UX host B.11.31 U ia64", "HP-UX B.11.31");
    os("host VAX 4000-200 OpenVMS V7.2 Compaq TCP/IP", "OpenVMS V7.2");
    os("Darwin host 9.0.0 Darwin Kernel Version 9.0.0", "Darwin 9.0.0");
    os("VMware ESX 5.0.0 build-1 VMware, Inc. x86_64", "VMware ESX 5.0.0");
    os(
        "Hardware: x86 - Software: Windows NT Version 4.0  (Build Number: 1381 Free )",
        "Windows NT 4.0",
    );
    os("Windows host 6.2.9200   Server 4.0 Intel64 Family 6", "Windows Server 2012");
    os("VxWorks SNMPv1/v2c Agent", "VxWorks");
    assert_eq!(description("Ubiquiti UniFi UDM 5.1.19 Linux 4.19.152 al324", None).os, None);
}

#[test]
fn greetings_of_printers_and_software_are_told_apart() {
    let ftp = |text, want| check("ftp_banner", "ftp", text, want);
    ftp(
        "ET0021B7 Lexmark T650 FTP Server NR.APS.F368 ready.",
        "Lexmark | T650 | NR.APS.F368 | - | -",
    );
    ftp("RICOH Aficio 2035e FTP server (4.12) ready.", "Ricoh | Aficio 2035e | - | - | -");
    ftp("SHARP MX-5000N Ver 01.02.00 FTP server.", "Sharp | MX-5000N | 01.02.00 | - | -");
    ftp(
        "AP7930 Network Management Card AOS v3.3.4 FTP server ready.",
        "APC | AP7930 | v3.3.4 | - | -",
    );
    ftp("Axis 2110 Network Camera 2.43 Nov 04 2008 ready.", "Axis | 2110 | 2.43 | - | -");
    ftp("Tornado-vxWorks (VxWorks5.5.1) FTP server", "- | - | - | - | VxWorks 5.5.1");
    let http = |text, want| check("http_server", "http", text, want);
    http("HP Web Jetadmin/2.0.50 (Win32)", "- | - | - | - | Windows");
    http("IBM_HTTP_Server/6.0.2 Apache/2.0.47 (Unix)", "- | - | - | - | -");
    http("Microsoft-WinCE/6.0", "- | - | - | - | Windows CE");
    // What a program was built on is not what it runs on.
    http("Debian/10 UPnP/1.1 MiniDLNA/1.2.1", "- | - | - | - | -");
    http("Linux/2.6.32.26-175.fc12.i686.PAE UPnP/1.0 miniupnpd/1.0", "- | - | - | - | Linux");
    http("Linux/Cross_compiled UPnP/1.0", "- | - | - | - | Linux");
    let telnet = |text, want| check("banner", "telnet", text, want);
    telnet("MikroTik v6.42.1 (stable)", "MikroTik | - | v6.42.1 | - | MikroTik RouterOS");
    telnet("Firmware version : 1.6 Build 17060616", "- | - | 1.6 | - | -");
    telnet(
        "Microsoft (R) Windows NT (TM) Version 4.00 (Build 1381)",
        "- | - | - | - | Windows NT 4.00",
    );
    telnet("Cisco Configuration Professional (Cisco CP) version x", "Cisco | - | - | - | -");
    let class = |text, want| check("dhcp_vendor_class", "dhcp", text, want);
    class("Cisco systems, Inc. IP Phone CP3905", "Cisco | IP Phone CP3905 | - | - | -");
    class("HUAWEI:android:ABC", "Huawei | - | - | - | Android");
}
