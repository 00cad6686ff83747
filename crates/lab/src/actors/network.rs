//! Infrastructure: neighbours announced, spanning tree, SNMP by the management station, time,
//! and messages to the log.

use crate::{
    net::{Nanos, SECOND, frame::ETHERTYPE_LLDP},
    plant::devices,
    speak::{
        lldp::{self, CDP_GROUP, LLDP_GROUP, Neighbour, STP_GROUP},
        names,
        snmp::{self, Value},
        text,
    },
    world::{Actor, World},
};

/// What each station tells its neighbour: description, capabilities.
static ANNOUNCED: [(&str, &str, u16, u64); 12] = [
    (
        "sw-mix-01",
        "Siemens, SIMATIC NET, SCALANCE XC208, 6GK5 208-0BA00-2AC2, HW: Version 1, \
         FW: Version V04.03.00, SVPN4203315",
        0x04,
        5,
    ),
    (
        "sw-fill-01",
        "Cisco IOS Software, S5700 Software (S5700-UNIVERSALK9-M), Version 15.2(8)E1, RELEASE \
         SOFTWARE (fc1)",
        0x04,
        30,
    ),
    ("sw-util-01", "MOXA EDS-408A-PN", 0x04, 30),
    ("sw-bldg-01", "Hirschmann BRS40", 0x04, 30),
    (
        "core-sw-01",
        "Cisco IOS Software [Cupertino], Catalyst L3 Switch Software (CAT9K_IOSXE), Version \
         17.09.04a, RELEASE SOFTWARE (fc3)",
        0x14,
        30,
    ),
    ("plc-mix-01", "Siemens, SIMATIC S7, CPU315-2 PN/DP, 6ES7 315-2EH14-0AB0", 0x80, 5),
    ("plc-past-01", "Siemens, SIMATIC S7, CPU 1516-3 PN/DP, 6ES7 516-3AN01-0AB0", 0x80, 5),
    ("mix-io-01", "Siemens, SIMATIC, ET200SP, 6ES7 155-6AU01-0BN0, V4.2.2", 0x80, 5),
    ("past-io-01", "Siemens, SIMATIC, ET200SP, 6ES7 155-6AU01-0BN0, V4.2.2", 0x80, 5),
    ("past-vi-01", "Festo, CPX-FB33", 0x80, 5),
    ("hmi-mix-01", "Siemens, SIMATIC HMI, TP1200 Comfort, 6AV2 124-0MC01-0AX0", 0x80, 5),
    ("plc-util-01", "Schneider Electric BME P58 2040", 0x80, 30),
];

fn announcer(
    world: &World,
    (name, description, capabilities, every): (&'static str, &'static str, u16, u64),
) -> Actor {
    let host = world.net.find(name);
    let mut rng = world.rng(&format!("lldp {name}"));
    Box::new(move |at, world| {
        let h = world.net.host(host).clone();
        let port = if capabilities == 0x80 { "port-001" } else { "Gi1/0/1" };
        let n = Neighbour { mac: h.mac, port, name, description, ip: h.ip, capabilities };
        let load = lldp::lldp(&n);
        world.net.ethernet(host, LLDP_GROUP, at, (ETHERTYPE_LLDP, &load));
        Some(at + every as i64 * SECOND + (rng.normal() * 5e6) as Nanos)
    })
}

fn cisco(
    world: &World,
    name: &'static str,
    platform: &'static str,
    version: &'static str,
) -> Actor {
    let host = world.net.find(name);
    let capabilities = if name == "core-sw-01" { 0x14 } else { 0x04 };
    Box::new(move |at, world| {
        let h = world.net.host(host).clone();
        let port = "GigabitEthernet1/0/1";
        let n = Neighbour { mac: h.mac, port, name, description: "", ip: h.ip, capabilities };
        let load = lldp::cdp(&n, platform, version);
        world.net.llc(host, CDP_GROUP, at, &load);
        Some(at + 60 * SECOND)
    })
}

fn spanning_tree(world: &World, name: &'static str, port: u16) -> Actor {
    let (host, root) = (world.net.find(name), world.net.find("core-sw-01"));
    let mut rng = world.rng(&format!("stp {name}"));
    Box::new(move |at, world| {
        let load = lldp::spanning_tree(world.net.host(root).mac, world.net.host(host).mac, port);
        world.net.llc(host, STP_GROUP, at, &load);
        Some(at + 2 * SECOND + (rng.normal() * 2e6) as Nanos)
    })
}

/// Read community of the site, and what each polled device says of itself.
pub const COMMUNITY: &str = "nb-monitor";
static POLLED: [(&str, &str, &[u32]); 8] = [
    (
        "sw-mix-01",
        "Siemens, SIMATIC NET, SCALANCE XC208, 6GK5 208-0BA00-2AC2, HW: Version 1, \
         FW: Version V04.03.00, SVPN4203315",
        &[1, 3, 6, 1, 4, 1, 4_329, 6, 1, 2, 14],
    ),
    (
        "sw-fill-01",
        "Cisco IOS Software, S5700 Software (S5700-UNIVERSALK9-M), Version 15.2(8)E1",
        &[1, 3, 6, 1, 4, 1, 9, 1, 1_768],
    ),
    ("sw-util-01", "MOXA EDS-408A-PN, firmware V3.8", &[1, 3, 6, 1, 4, 1, 8_691, 7, 6]),
    (
        "sw-bldg-01",
        "Hirschmann BOBCAT Rail Switch BRS40, HiOS-2S-08.7.03",
        &[1, 3, 6, 1, 4, 1, 248, 11, 2, 1, 70],
    ),
    (
        "core-sw-01",
        "Cisco IOS Software [Cupertino], Catalyst L3 Switch Software (CAT9K_IOSXE), Version \
         17.09.04a",
        &[1, 3, 6, 1, 4, 1, 9, 1, 2_494],
    ),
    ("gw-util-01", "MGate MB3280", &[1, 3, 6, 1, 4, 1, 8_691, 2, 16]),
    (
        "prn-01",
        "HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT,JD153,EEPROM JSI25090010,CIDATE \
         08/12/2022",
        &[1, 3, 6, 1, 4, 1, 11, 2, 3, 9, 1],
    ),
    ("fw-01", "FortiGate-60F", &[1, 3, 6, 1, 4, 1, 12_356, 101, 1, 641]),
];

fn management(world: &World) -> Actor {
    let manager = world.net.find("nms-01");
    let mut rng = world.rng("snmp");
    let (mut turn, mut id) = (0, 1_000);
    let started = rng.below(40_000_000) as u32;
    Box::new(move |at, world| {
        let (name, description, object) = POLLED[turn % POLLED.len()];
        let target = world.net.find(name);
        let round = (turn / POLLED.len()) as u32;
        let answers = [
            (snmp::SYS_DESCR, Value::Text(description.to_owned())),
            (snmp::SYS_OBJECT_ID, Value::Oid(object)),
            (snmp::SYS_UPTIME, Value::Ticks(started.wrapping_add(round.wrapping_mul(3_000)))),
            (snmp::SYS_NAME, Value::Text(name.to_owned())),
            (snmp::IF_IN_OCTETS, Value::Counter(round.wrapping_mul(918_273) ^ 0x0102)),
            (snmp::IF_OUT_OCTETS, Value::Counter(round.wrapping_mul(718_273) ^ 0x0203)),
        ];
        if round == 0 {
            let (id, full) = (rng.u16(), format!("{name}.northbrook.example"));
            let (asks, says) = names::reverse(id, world.net.host(target).ip, &full);
            let (port, server) = (world.net.ephemeral_port(manager), world.net.find("dc-01"));
            world.net.ask((manager, port), (server, 53), at, (&asks, &says));
        }
        id += 1;
        let (asks, says) = snmp::get(COMMUNITY, id, &answers);
        let port = world.net.ephemeral_port(manager);
        world.net.ask((manager, port), (target, 161), at, (&asks, &says));
        turn += 1;
        Some(at + 30 * SECOND / POLLED.len() as i64)
    })
}

/// The management station sees whether what it polls is up.
fn reachability(world: &World) -> Actor {
    let manager = world.net.find("nms-01");
    let mut turn = 0;
    Box::new(move |at, world| {
        let target = world.net.find(POLLED[turn % POLLED.len()].0);
        world.net.ping(manager, target, at, turn as u16, true);
        turn += 1;
        Some(at + 40 * SECOND / POLLED.len() as i64)
    })
}

/// Everybody with a clock asks the site's time server, each at its own phase.
fn time(world: &World) -> Actor {
    let server = world.net.find("clock-01");
    let clients: Vec<_> = devices::DEVICES
        .iter()
        .filter(|d| (d.vlan == 50 || d.name.starts_with("plc-")) && d.name != "clock-01")
        .filter(|d| d.name != "core-sw-01")
        .map(|d| d.name)
        .collect();
    let mut turn = 0;
    Box::new(move |at, world| {
        let client = world.net.find(clients[turn % clients.len()]);
        let (asks, says) = text::ntp(at, 1);
        world.net.ask((client, 123), (server, 123), at, (&asks, &says));
        turn += 1;
        // The first round is short: hosts ask at once when they start.
        let round = if turn <= clients.len() { 16 } else { 64 };
        Some(at + round * SECOND / clients.len() as i64)
    })
}

fn log(world: &World) -> Actor {
    let collector = world.net.find("nms-01");
    let mut rng = world.rng("syslog");
    let mut turn = 0;
    Box::new(move |at, world| {
        let name = ["core-sw-01", "sw-fill-01", "fw-01"][turn % 3];
        turn += 1;
        let line = match name {
            "fw-01" => "type=traffic subtype=forward action=accept policyid=12",
            _ => "%LINK-6-UPDOWN: interface counters cleared by schedule",
        };
        let from = world.net.find(name);
        let load = text::syslog(6, name, "system", line);
        world.net.udp((from, 514), (collector, 514), at, &load);
        Some(at + (rng.between(4.0, 14.0) * 1e9) as Nanos)
    })
}

/// The management station signs in to the clock and the switch now and then.
fn shell() -> Actor {
    let mut turn = 0;
    Box::new(move |at, world| {
        let target = ["clock-01", "core-sw-01"][turn % 2];
        turn += 1;
        let done = crate::actors::secure_shell(world, ("nms-01", target), at + 5 * SECOND);
        Some(if turn < 2 { done } else { done + 70 * SECOND })
    })
}

pub fn actors(world: &World) -> Vec<Actor> {
    let mut out: Vec<Actor> = ANNOUNCED.iter().map(|a| announcer(world, *a)).collect();
    out.push(cisco(
        world,
        "core-sw-01",
        "cisco C9300-24T",
        "Cisco IOS Software [Cupertino], Catalyst L3 Switch Software (CAT9K_IOSXE), Version \
         17.09.04a, RELEASE SOFTWARE (fc3)",
    ));
    out.push(cisco(
        world,
        "sw-fill-01",
        "cisco Stratix 5700",
        "Cisco IOS Software, S5700 Software (S5700-UNIVERSALK9-M), Version 15.2(8)E1",
    ));
    let bridges = ["core-sw-01", "sw-mix-01", "sw-fill-01", "sw-util-01", "sw-bldg-01"];
    for (i, name) in bridges.into_iter().enumerate() {
        out.push(spanning_tree(world, name, i as u16 + 1));
    }
    out.push(management(world));
    out.push(reachability(world));
    out.push(time(world));
    out.push(log(world));
    out.push(shell());
    out
}
