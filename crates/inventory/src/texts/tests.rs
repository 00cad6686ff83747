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
