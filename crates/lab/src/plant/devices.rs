//! The devices of the plant with their identities, one row a device.
//!
//! Not here: how they show it. Invariant: `model`, `firmware`, `serial` and `os` are set where a
//! message of the device says so, and nowhere else.

use crate::net::Stack::{self, Apple, Cisco, Embedded, Linux, Windows};
use model::{
    AssetClass::{self, *},
    Purdue::{self, *},
};
use std::net::Ipv4Addr;

/// One device. `None` is what nothing on the wire tells.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub name: &'static str,
    pub mac: [u8; 6],
    /// Also the third octet of its address.
    pub vlan: u16,
    pub last: u8,
    pub stack: Stack,
    pub latency_us: u32,
    pub class: AssetClass,
    pub purdue: Option<Purdue>,
    pub vendor: &'static str,
    pub model: Option<&'static str>,
    pub order_number: Option<&'static str>,
    pub firmware: Option<&'static str>,
    pub serial: Option<&'static str>,
    pub os: Option<&'static str>,
    /// Protocols in which it says who it is.
    pub says: &'static [&'static str],
}

impl Device {
    pub const fn ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 20, self.vlan as u8, self.last)
    }

    const fn model(mut self, model: &'static str) -> Self {
        self.model = Some(model);
        self
    }

    const fn order_number(mut self, order_number: &'static str) -> Self {
        self.order_number = Some(order_number);
        self
    }

    const fn firmware(mut self, firmware: &'static str) -> Self {
        self.firmware = Some(firmware);
        self
    }

    const fn serial(mut self, serial: &'static str) -> Self {
        self.serial = Some(serial);
        self
    }

    const fn says(mut self, says: &'static [&'static str]) -> Self {
        self.says = says;
        self
    }

    const fn os(mut self, os: &'static str) -> Self {
        self.os = Some(os);
        self
    }
}

/// The device called `name`.
///
/// # Panics
/// If there is none: names are those of our own table.
pub fn named(name: &str) -> &'static Device {
    DEVICES.iter().find(|d| d.name == name).unwrap_or_else(|| panic!("no device {name}"))
}

const fn device(
    name: &'static str,
    mac: [u8; 6],
    (vlan, last): (u16, u8),
    (stack, latency_us): (Stack, u32),
    (class, purdue): (AssetClass, Option<Purdue>),
    vendor: &'static str,
) -> Device {
    let (model, order_number, firmware, serial, os) = (None, None, None, None, None);
    Device {
        name,
        mac,
        vlan,
        last,
        stack,
        latency_us,
        class,
        purdue,
        vendor,
        model,
        order_number,
        firmware,
        serial,
        os,
        says: &[],
    }
}

const PLC: (AssetClass, Option<Purdue>) = (Plc, Some(Control));
const FIELD: (AssetClass, Option<Purdue>) = (IoAdapter, Some(Process));
const DRIVE: (AssetClass, Option<Purdue>) = (Drive, Some(Process));
const METER: (AssetClass, Option<Purdue>) = (Meter, Some(Process));
const SWITCH: (AssetClass, Option<Purdue>) = (Switch, None);
const PC: (AssetClass, Option<Purdue>) = (Workstation, Some(Business));

const SLOW: (Stack, u32) = (Embedded, 2_600);
const QUICK: (Stack, u32) = (Embedded, 700);
const WIN: (Stack, u32) = (Windows, 450);
const LIN: (Stack, u32) = (Linux, 350);

pub const DEVICES: &[Device] = &[
    // Mixing and pasteurisation.
    device("plc-mix-01", [0x00, 0x1b, 0x1b, 0x3a, 0x10, 0x10], (10, 10), SLOW, PLC, "Siemens")
        .says(&["s7comm"])
        .model("CPU 315-2 PN/DP")
        .order_number("6ES7 315-2EH14-0AB0")
        .firmware("3.2.6")
        .serial("S C-C7UR61352011"),
    device("plc-past-01", [0x28, 0x63, 0x36, 0x51, 0x10, 0x11], (10, 11), QUICK, PLC, "Siemens")
        .says(&["s7comm"])
        .model("CPU 1516-3 PN/DP")
        .order_number("6ES7 516-3AN01-0AB0")
        .firmware("2.8.3")
        .serial("S V-J8H2041993"),
    device("mix-io-01", [0xac, 0x64, 0x17, 0x22, 0x10, 0x20], (10, 20), QUICK, FIELD, "Siemens")
        .says(&["pn_dcp"])
        .model("ET200SP"),
    device("past-io-01", [0xac, 0x64, 0x17, 0x22, 0x10, 0x21], (10, 21), QUICK, FIELD, "Siemens")
        .says(&["pn_dcp"])
        .model("ET200SP"),
    device("past-vi-01", [0x00, 0x0e, 0xf0, 0x41, 0x10, 0x22], (10, 22), QUICK, FIELD, "Festo")
        .says(&["pn_dcp"])
        .model("CPX"),
    device(
        "hmi-mix-01",
        [0x00, 0x1c, 0x06, 0x7d, 0x10, 0x30],
        (10, 30),
        (Embedded, 900),
        (Hmi, Some(Supervisory)),
        "Siemens",
    )
    .says(&["pn_dcp"])
    .model("SIMATIC-HMI"),
    device("sw-mix-01", [0x20, 0x87, 0x56, 0x0c, 0x10, 0x02], (10, 2), QUICK, SWITCH, "Siemens")
        .says(&["snmp"])
        .model("SCALANCE XC208")
        .firmware("V04.03.00"),
    // Filling and packaging.
    device(
        "plc-fill-01",
        [0x5c, 0x88, 0x16, 0x8a, 0x20, 0x10],
        (20, 10),
        QUICK,
        PLC,
        "Rockwell Automation",
    )
    .says(&["enip", "cip"])
    .model("1756-EN2TR/C")
    .firmware("11.002")
    .serial("00d1a52f"),
    device(
        "fill-io-01",
        [0x5c, 0x88, 0x16, 0x8a, 0x20, 0x20],
        (20, 20),
        QUICK,
        FIELD,
        "Rockwell Automation",
    )
    .says(&["enip"])
    .model("1734-AENTR/B")
    .firmware("6.012")
    .serial("60512a07"),
    device(
        "vfd-filler-01",
        [0xf4, 0x54, 0x33, 0x91, 0x20, 0x21],
        (20, 21),
        SLOW,
        DRIVE,
        "Rockwell Automation",
    )
    .says(&["enip"])
    .model("PowerFlex 525-EENET")
    .firmware("5.001")
    .serial("c0a8011c"),
    device(
        "vfd-conv-01",
        [0xf4, 0x54, 0x33, 0x91, 0x20, 0x22],
        (20, 22),
        SLOW,
        DRIVE,
        "Rockwell Automation",
    )
    .says(&["enip"])
    .model("PowerFlex 525-EENET")
    .firmware("5.001")
    .serial("c0a8013e"),
    device(
        "robot-pal-01",
        [0x00, 0xe0, 0xe4, 0x2c, 0x20, 0x23],
        (20, 23),
        QUICK,
        (Robot, Some(Process)),
        "FANUC",
    )
    .says(&["enip"])
    .model("R-30iB Plus")
    .firmware("9.030")
    .serial("e1903377"),
    device(
        "plc-pack-01",
        [0x00, 0x80, 0xf4, 0x12, 0x20, 0x11],
        (20, 11),
        SLOW,
        PLC,
        "Schneider Electric",
    )
    .says(&["modbus"])
    .model("BMX P34 2020")
    .firmware("3.10"),
    device(
        "hmi-fill-01",
        [0x00, 0x00, 0xbc, 0x64, 0x20, 0x30],
        (20, 30),
        (Windows, 800),
        (Hmi, Some(Supervisory)),
        "Rockwell Automation",
    )
    .says(&["enip"])
    .model("PanelView Plus_7 Standard 1000")
    .firmware("12.100")
    .serial("00b72e41"),
    device(
        "hmi-pack-01",
        [0x00, 0x01, 0x23, 0x0f, 0x20, 0x31],
        (20, 31),
        (Embedded, 900),
        (Hmi, Some(Supervisory)),
        "Schneider Electric",
    )
    .says(&["modbus"]),
    device("sw-fill-01", [0x00, 0x1d, 0x9c, 0xc3, 0x20, 0x02], (20, 2), QUICK, SWITCH, "Rockwell")
        .says(&["cdp", "snmp"])
        .model("Stratix 5700")
        .firmware("15.2(8)E1"),
    // Utilities and energy.
    device(
        "plc-util-01",
        [0x00, 0x80, 0xf4, 0x5e, 0x30, 0x10],
        (30, 10),
        QUICK,
        PLC,
        "Schneider Electric",
    )
    .says(&["modbus"])
    .model("BME P58 2040")
    .firmware("3.20"),
    device(
        "gw-util-01",
        [0x00, 0x90, 0xe8, 0x57, 0x30, 0x20],
        (30, 20),
        (Embedded, 14_000),
        (Gateway, None),
        "Moxa",
    )
    .says(&["snmp", "modbus"])
    .model("MGate MB3280"),
    device(
        "pm-main-01",
        [0x00, 0x80, 0xf4, 0x77, 0x30, 0x21],
        (30, 21),
        SLOW,
        METER,
        "Schneider Electric",
    )
    .says(&["modbus"])
    .model("METSEPM5560")
    .firmware("V2.9.4"),
    device("pm-line-01", [0x00, 0x0e, 0x6b, 0x08, 0x30, 0x22], (30, 22), SLOW, METER, "Janitza")
        .says(&["modbus"])
        .model("UMG 96RM-E")
        .firmware("3.12"),
    device("fq-water-01", [0x00, 0x07, 0x05, 0x30, 0x30, 0x23], (30, 23), SLOW, METER, "Endress")
        .says(&["modbus"])
        .model("Promag 400")
        .firmware("02.01.00"),
    device(
        "rtu-intake-01",
        [0x00, 0x30, 0xa7, 0x0e, 0x30, 0x30],
        (30, 30),
        QUICK,
        (Rtu, Some(Control)),
        "Schweitzer Engineering",
    )
    .says(&["dnp3"]),
    device(
        "rtu-water-01",
        [0x00, 0x03, 0x74, 0x1d, 0x30, 0x31],
        (30, 31),
        SLOW,
        (Rtu, Some(Control)),
        "Schneider Electric",
    )
    .says(&["dnp3"]),
    device("sw-util-01", [0x00, 0x90, 0xe8, 0x61, 0x30, 0x02], (30, 2), QUICK, SWITCH, "Moxa")
        .says(&["snmp"])
        .model("EDS-408A-PN")
        .firmware("V3.8"),
    // Building.
    device(
        "bms-01",
        [0x00, 0x30, 0xde, 0x40, 0x40, 0x10],
        (40, 10),
        (Linux, 1_200),
        (Plc, Some(Control)),
        "WAGO",
    )
    .says(&["modbus"])
    .model("750-8212"),
    device("vfd-ahu-01", [0x00, 0x1b, 0x08, 0x15, 0x40, 0x21], (40, 21), SLOW, DRIVE, "Danfoss")
        .says(&["modbus"])
        .model("VLT HVAC Drive FC-102")
        .firmware("5.25"),
    device("vfd-ahu-02", [0x00, 0x1b, 0x08, 0x15, 0x40, 0x22], (40, 22), SLOW, DRIVE, "Danfoss")
        .says(&["modbus"])
        .model("VLT HVAC Drive FC-102")
        .firmware("5.25"),
    device(
        "cam-gate-01",
        [0xac, 0xcc, 0x8e, 0x3b, 0x40, 0x51],
        (40, 51),
        LIN,
        (Camera, None),
        "Axis",
    )
    .says(&["mdns", "http"]),
    device(
        "cam-hall-01",
        [0xac, 0xcc, 0x8e, 0x3b, 0x40, 0x52],
        (40, 52),
        LIN,
        (Camera, None),
        "Axis",
    )
    .says(&["mdns", "http"]),
    device(
        "sw-bldg-01",
        [0x64, 0x60, 0x38, 0x1a, 0x40, 0x02],
        (40, 2),
        QUICK,
        SWITCH,
        "Hirschmann",
    )
    .says(&["snmp"])
    .model("BRS40")
    .firmware("HiOS-2S-08.7.03"),
    // Operations.
    device(
        "scada-01",
        [0x00, 0x50, 0x56, 0x8e, 0x50, 0x10],
        (50, 10),
        WIN,
        (Scada, Some(Supervisory)),
        "VMware",
    )
    .says(&["smb", "s7comm", "modbus", "enip"])
    .os("Windows"),
    device(
        "hist-01",
        [0x00, 0x50, 0x56, 0x8e, 0x50, 0x11],
        (50, 11),
        WIN,
        (Historian, Some(Operations)),
        "VMware",
    )
    .says(&["smb", "s7comm", "modbus", "enip"])
    .os("Windows"),
    device(
        "eng-01",
        [0x00, 0x06, 0x5b, 0x5a, 0x50, 0x20],
        (50, 20),
        WIN,
        (EngineeringStation, Some(Supervisory)),
        "Dell",
    )
    .says(&["smb", "s7comm", "modbus"])
    .os("Windows"),
    device(
        "op-01",
        [0x00, 0x06, 0x5b, 0x5a, 0x50, 0x30],
        (50, 30),
        WIN,
        (Workstation, None),
        "Dell",
    )
    .says(&["smb"])
    .os("Windows"),
    device(
        "nms-01",
        [0x00, 0x50, 0x56, 0x8e, 0x50, 0x40],
        (50, 40),
        LIN,
        (Server, Some(Operations)),
        "VMware",
    )
    .says(&["ssh"]),
    device(
        "clock-01",
        [0xec, 0x46, 0x70, 0x02, 0x50, 0x05],
        (50, 5),
        LIN,
        (Clock, None),
        "Meinberg",
    )
    .says(&["ntp"]),
    // Demilitarised zone.
    device(
        "iiot-gw-01",
        [0x00, 0x0b, 0xab, 0x9d, 0x60, 0x10],
        (60, 10),
        LIN,
        (Gateway, None),
        "Advantech",
    )
    .says(&["tls"]),
    device(
        "patch-01",
        [0x00, 0x50, 0x56, 0x8e, 0x60, 0x11],
        (60, 11),
        WIN,
        (Server, None),
        "VMware",
    )
    .says(&["http"]),
    // Office.
    device(
        "dc-01",
        [0x00, 0x50, 0x56, 0x8e, 0x70, 0x10],
        (70, 10),
        WIN,
        (Server, Some(Business)),
        "VMware",
    )
    .says(&["dns", "dhcp"]),
    device(
        "fs-01",
        [0x00, 0x50, 0x56, 0x8e, 0x70, 0x11],
        (70, 11),
        WIN,
        (Server, Some(Business)),
        "VMware",
    )
    .says(&["smb"])
    .os("Windows"),
    device(
        "mes-01",
        [0x00, 0x50, 0x56, 0x8e, 0x70, 0x12],
        (70, 12),
        LIN,
        (Server, Some(Business)),
        "VMware",
    )
    .says(&["tls"]),
    device("prn-01", [0x00, 0x68, 0xeb, 0x10, 0x70, 0x40], (70, 40), LIN, (Printer, None), "HP")
        .says(&["mdns", "snmp"])
        .model("LaserJet M507"),
    device("nb-pc-101", [0x00, 0x06, 0x5b, 0xe1, 0x70, 0x65], (70, 101), WIN, PC, "Dell")
        .says(&["dhcp", "smb"])
        .os("Windows"),
    device("nb-pc-102", [0x00, 0x06, 0x5b, 0xe1, 0x70, 0x66], (70, 102), WIN, PC, "Dell")
        .says(&["dhcp", "smb"])
        .os("Windows"),
    device("nb-pc-103", [0x00, 0x13, 0x20, 0x4c, 0x70, 0x67], (70, 103), WIN, PC, "Intel")
        .says(&["dhcp", "smb"])
        .os("Windows"),
    device("nb-pc-104", [0x38, 0xf3, 0xab, 0x77, 0x70, 0x68], (70, 104), WIN, PC, "LCFC")
        .says(&["dhcp", "smb"])
        .os("Windows"),
    device(
        "nb-mac-105",
        [0x00, 0x03, 0x93, 0x8d, 0x70, 0x69],
        (70, 105),
        (Apple, 500),
        PC,
        "Apple",
    )
    .says(&["dhcp"]),
    // Infrastructure.
    device(
        "core-sw-01",
        [0x00, 0x01, 0x42, 0xa0, 0x50, 0x01],
        (50, 1),
        (Cisco, 800),
        SWITCH,
        "Cisco",
    )
    .says(&["cdp", "snmp"])
    .model("C9300-24T")
    .firmware("17.09.04a"),
    device(
        "fw-01",
        [0x00, 0x09, 0x0f, 0x99, 0x99, 0x02],
        (99, 2),
        LIN,
        (Firewall, None),
        "Fortinet",
    )
    .says(&["snmp"]),
];

/// Who appears only in a scenario.
pub const STRANGERS: &[Device] = &[
    device(
        "unknown-laptop",
        [0x28, 0xd2, 0x44, 0x66, 0x50, 0xc8],
        (50, 200),
        WIN,
        (Workstation, None),
        "LCFC",
    ),
    device(
        "unknown-box",
        [0xdc, 0xa6, 0x32, 0x1e, 0x30, 0xc9],
        (30, 201),
        LIN,
        (Unknown, None),
        "Raspberry",
    ),
];

/// Hosts on the Internet: names and addresses. Nothing is ever sent there.
pub const OUTSIDE: &[(&str, [u8; 4])] = &[
    ("www.example.com", [93, 184, 216, 34]),
    ("mail.example.net", [93, 184, 216, 58]),
    ("update.example.org", [93, 184, 216, 77]),
    ("broker.example.com", [93, 184, 216, 101]),
    ("cdn-sync.example.net", [93, 184, 217, 9]),
];
