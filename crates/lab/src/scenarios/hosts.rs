//! Scenarios that begin on hosts of the site: scans, beacons, log-ons.

use super::{Scenario, Script};
use crate::{
    actors::office,
    net::{MILLISECOND, SECOND, tcp::Call},
    plant::devices::DEVICES,
    speak::{
        smb::{self, Names},
        tls::Client,
    },
    truth::Story,
    world::World,
};
use std::net::Ipv4Addr;

pub static SCAN: Scenario = Scenario {
    story: Story {
        name: "scan",
        actor: "nb-pc-104",
        targets: &["plc-mix-01", "plc-past-01", "plc-fill-01", "scada-01"],
        techniques: &["T0846", "T0840"],
        description: "an office computer looks for controllers in three networks, then for open \
                      ports on two hosts",
        legitimate: false,
        expected: &["scan"],
    },
    script: scan,
};

/// Ports a controller or server of the plant listens on.
fn listens(name: &str, port: u16) -> bool {
    match port {
        102 => matches!(name, "plc-mix-01" | "plc-past-01"),
        502 => matches!(name, "plc-pack-01" | "plc-util-01" | "gw-util-01" | "bms-01"),
        44_818 => name.starts_with("plc-fill") || name.starts_with("fill-io"),
        80 => name.starts_with("plc-") || name.starts_with("hmi-"),
        135 | 139 | 445 => matches!(name, "scada-01" | "hist-01" | "eng-01"),
        _ => false,
    }
}

const SWEPT: [u16; 3] = [102, 502, 44_818];
const PROBED: [u16; 40] = [
    21, 22, 23, 25, 53, 69, 80, 81, 102, 110, 111, 123, 135, 137, 139, 143, 161, 389, 443, 445,
    502, 515, 554, 587, 631, 789, 993, 1433, 1521, 1911, 2222, 2404, 3306, 3389, 4840, 5432, 5900,
    8080, 20_000, 44_818,
];
const SWEEP_ADDRESSES: u32 = 60;

fn scan(world: &World) -> Script {
    let client = world.net.find("nb-pc-104");
    let nowhere = world.net.find("nowhere");
    let mut rng = world.rng("scan");
    Box::new(move |step, at, world| {
        let sweeps = 3 * SWEEP_ADDRESSES;
        if step < sweeps {
            let (third, last) = (10 + 10 * (step / SWEEP_ADDRESSES), 1 + step % SWEEP_ADDRESSES);
            let port = SWEPT[(step / SWEEP_ADDRESSES) as usize];
            let ip = Ipv4Addr::new(10, 20, third as u8, last as u8);
            let there = DEVICES.iter().find(|d| d.ip() == ip);
            match there {
                Some(d) if listens(d.name, port) => {
                    let target = world.net.find(d.name);
                    world.net.half_open(client, target, port, at);
                }
                Some(d) => {
                    let target = world.net.find(d.name);
                    world.net.refused(client, target, port, at);
                }
                None => {
                    world.net.hosts[nowhere.0].ip = ip;
                    world.net.unanswered(client, nowhere, port, at);
                }
            }
            return Some(at + (rng.between(25.0, 60.0) * 1e6) as i64);
        }
        let step = (step - sweeps) as usize;
        let target = *["plc-mix-01", "scada-01"].get(step / PROBED.len())?;
        let port = PROBED[step % PROBED.len()];
        let host = world.net.find(target);
        if listens(target, port) {
            world.net.half_open(client, host, port, at);
        } else {
            world.net.refused(client, host, port, at);
        }
        Some(at + (rng.between(20.0, 50.0) * 1e6) as i64)
    })
}

pub static INTERNET_BEACON: Scenario = Scenario {
    story: Story {
        name: "internet-beacon",
        actor: "scada-01",
        targets: &["cdn-sync.example.net"],
        techniques: &["T0883", "T0869"],
        description: "SCADA calls a host on the Internet every ten seconds",
        legitimate: false,
        expected: &["internet-peer"],
    },
    script: internet_beacon,
};

fn internet_beacon(world: &World) -> Script {
    let client = world.net.find("scada-01");
    let mut rng = world.rng("internet beacon");
    Box::new(move |step, at, world| {
        if step >= 6 {
            return None;
        }
        let site = ("cdn-sync.example.net", Client::Device);
        office::browse(world, client, at, site, &mut rng);
        Some(at + 10 * SECOND + (rng.normal() * 2e8) as i64)
    })
}

pub static CLEARTEXT_LOGIN: Scenario = Scenario {
    story: Story {
        name: "cleartext-login",
        actor: "nb-pc-101",
        targets: &["sw-util-01", "gw-util-01"],
        techniques: &["T0812", "T0859"],
        description: "somebody signs in to a switch by Telnet and to the serial gateway by FTP, \
                      with the makers' passwords",
        legitimate: false,
        expected: &["credentials"],
    },
    script: cleartext_login,
};

fn cleartext_login(world: &World) -> Script {
    let client = world.net.find("nb-pc-101");
    Box::new(move |step, at, world| {
        let line = |asks: &str, says: &str| Call::new(asks.into(), says.into());
        if step == 0 {
            let switch = world.net.find("sw-util-01");
            let conn = world.net.open(client, switch, 23, at);
            let done = world.net.push(conn, at, b"\r\nMOXA EDS-408A-PN\r\n\r\nlogin: ".to_vec());
            let calls = [
                line("admin\r\n", "admin\r\nPassword: "),
                line("admin\r\n", "\r\nEDS-408A-PN# "),
                line("show version\r\n", "show version\r\nFirmware V3.8\r\nEDS-408A-PN# "),
                line("exit\r\n", "\r\nbye\r\n"),
            ];
            let mut next = done + SECOND;
            for call in calls {
                next = world.net.exchange(conn, next, &[call]) + 2 * SECOND;
            }
            world.net.close(conn, next);
            return Some(next + 3 * SECOND);
        }
        let gateway = world.net.find("gw-util-01");
        let conn = world.net.open(client, gateway, 21, at);
        let done = world.net.push(conn, at, b"220 MGate FTP server ready\r\n".to_vec());
        let calls = [
            line("USER admin\r\n", "331 Password required for admin\r\n"),
            line("PASS admin\r\n", "230 User admin logged in\r\n"),
            line("SYST\r\n", "215 UNIX Type: L8\r\n"),
            line("QUIT\r\n", "221 Goodbye\r\n"),
        ];
        let done = world.net.exchange(conn, done + SECOND, &calls);
        world.net.close(conn, done + SECOND);
        None
    })
}

pub static PASSWORD_GUESS: Scenario = Scenario {
    story: Story {
        name: "password-guess",
        actor: "nb-pc-103",
        targets: &["fs-01", "nms-01"],
        techniques: &["T0812", "T1110"],
        description: "an office computer tries passwords on the file server and on the \
                      management station's FTP service",
        legitimate: false,
        expected: &["password-guessing"],
    },
    script: password_guess,
};

fn password_guess(world: &World) -> Script {
    let (client, server) = (world.net.find("nb-pc-103"), world.net.find("fs-01"));
    let station = world.net.find("nms-01");
    let mut rng = world.rng("password guess");
    Box::new(move |step, at, world| {
        if step >= 60 {
            return None;
        }
        if step % 2 == 0 {
            let conn = world.net.open(client, server, 445, at);
            let names = Names {
                user: "administrator",
                domain: "NORTHBROOK",
                workstation: "NB-PC-103",
                server: "FS-01",
                dns_domain: "northbrook.example",
                versions: [(10, 0, 22_631), (10, 0, 20_348)],
            };
            let session = rng.u64() >> 16;
            let calls: Vec<Call> = smb::log_on(&names, session, false, &mut rng)
                .into_iter()
                .map(|(q, a)| Call::new(q, a))
                .collect();
            let done = world.net.exchange(conn, at, &calls);
            world.net.reset(conn, done + 5 * MILLISECOND);
        } else {
            let conn = world.net.open(client, station, 21, at);
            let done = world.net.push(conn, at, b"220 (vsFTPd 3.0.5)\r\n".to_vec());
            let guess = format!("PASS {:08x}\r\n", rng.u32());
            let calls = [
                Call::new(
                    b"USER root\r\n".to_vec(),
                    b"331 Please specify the password.\r\n".to_vec(),
                ),
                Call::new(guess.into_bytes(), b"530 Login incorrect.\r\n".to_vec()),
            ];
            let done = world.net.exchange(conn, done, &calls);
            world.net.close(conn, done + 5 * MILLISECOND);
        }
        Some(at + (rng.between(350.0, 600.0) * 1e6) as i64)
    })
}
