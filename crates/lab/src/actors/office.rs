//! The office: name look-ups, browsing, file server, leases, and the noise hosts make.

use super::building::MDNS;
use crate::{
    net::{HostId, MILLISECOND, Nanos, SECOND, frame::Over6, tcp::Call},
    rng::Rng,
    speak::{
        dhcp, names,
        smb::{self, Names},
        tls::{self, Client},
    },
    world::{Actor, World},
};
use std::net::{Ipv4Addr, Ipv6Addr};

const LLMNR: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 252);
const DOMAIN: &str = "northbrook.example";
const WINDOWS_11: (u8, u8, u16) = (10, 0, 22_631);
const SERVER_2022: (u8, u8, u16) = (10, 0, 20_348);

struct Person {
    pc: &'static str,
    program: Client,
}

const PEOPLE: [Person; 5] = [
    Person { pc: "nb-pc-101", program: Client::Browser },
    Person { pc: "nb-pc-102", program: Client::Browser },
    Person { pc: "nb-pc-103", program: Client::Browser },
    Person { pc: "nb-pc-104", program: Client::Browser },
    Person { pc: "nb-mac-105", program: Client::Browser },
];

/// Asks the domain controller for a name; `None` is unknown there.
pub fn look_up(
    world: &mut World,
    client: HostId,
    at: Nanos,
    name: &str,
    ip: Option<Ipv4Addr>,
) -> Nanos {
    let server = world.net.find("dc-01");
    let id = world.net.rng.u16();
    let port = world.net.ephemeral_port(client);
    let (asks, says) = (names::ask(id, name, names::A), names::answer(id, name, ip));
    world.net.ask((client, port), (server, 53), at, (&asks, &says)) + MILLISECOND
}

/// A web page over TLS 1.3: look-up, handshake, some requests, end.
pub fn browse(
    world: &mut World,
    client: HostId,
    at: Nanos,
    (site, program): (&str, Client),
    rng: &mut Rng,
) -> Nanos {
    let server = world.net.find(site);
    let ip = world.net.host(server).ip;
    let inside = !world.net.host(server).external;
    let name = if inside { format!("{site}.{DOMAIN}") } else { site.to_owned() };
    let at = look_up(world, client, at, &name, Some(ip));
    let conn = world.net.open(client, server, 443, at);
    let mut calls: Vec<Call> =
        tls::handshake_13(program, &name, rng).into_iter().map(|(q, a)| Call::new(q, a)).collect();
    for _ in 0..=rng.below(4) {
        let up = 200 + rng.below(500) as usize;
        let down = 600 + rng.below(22_000) as usize;
        calls.push(Call::new(tls::sealed(rng, up), tls::sealed_stream(rng, down)));
    }
    let done = world.net.exchange(conn, at, &calls);
    world.net.close(conn, done + 2 * SECOND)
}

fn surfer(world: &World, p: &'static Person) -> Actor {
    let mut rng = world.rng(&format!("surf {}", p.pc));
    let client = world.net.find(p.pc);
    let mut visits = 0;
    Box::new(move |at, world| {
        // The usual sites first, as browsers open what was open.
        let sites = ["www.example.com", "mail.example.net", "mes-01"];
        let site = *sites.get(visits).unwrap_or_else(|| rng.pick(&sites));
        visits += 1;
        let done = browse(world, client, at, (site, p.program), &mut rng);
        let mean_s = if visits <= sites.len() { 4.0 } else { 14.0 };
        Some(done + (rng.exponential(mean_s) * 1e9) as Nanos)
    })
}

/// Who works with files of whom: computer, user, server.
const FILES: [(&str, &str, &str); 7] = [
    ("nb-pc-101", "m.keller", "fs-01"),
    ("nb-pc-102", "a.silva", "fs-01"),
    ("nb-pc-103", "j.novak", "fs-01"),
    ("nb-pc-104", "r.okafor", "fs-01"),
    ("eng-01", "automation", "hist-01"),
    ("op-01", "operator", "scada-01"),
    ("hist-01", "svc-history", "scada-01"),
];

/// Logs on to a file server, works, leaves.
fn file_user(
    world: &World,
    (pc, user, share): (&'static str, &'static str, &'static str),
) -> Actor {
    let mut rng = world.rng(&format!("files {pc}"));
    let (client, server) = (world.net.find(pc), world.net.find(share));
    let client_version = if pc == "hist-01" { SERVER_2022 } else { WINDOWS_11 };
    let mut begun = false;
    Box::new(move |at, world| {
        if !begun {
            begun = true;
            return Some(at + (rng.between(3.0, 30.0) * 1e9) as Nanos);
        }
        let conn = world.net.open(client, server, 445, at);
        let session = rng.u64() >> 16;
        let (workstation, host) = (pc.to_uppercase(), share.to_uppercase());
        let names = Names {
            user,
            domain: "NORTHBROOK",
            workstation: &workstation,
            server: &host,
            dns_domain: DOMAIN,
            versions: [client_version, SERVER_2022],
        };
        let mut calls: Vec<Call> = smb::log_on(&names, session, true, &mut rng)
            .into_iter()
            .map(|(q, a)| Call::new(q, a))
            .collect();
        for _ in 0..3 + rng.below(10) {
            let size = if rng.chance(0.3) { 12_000 } else { 240 };
            calls.push(Call::new(
                smb::sealed(session, 180, &mut rng),
                smb::sealed(session, size, &mut rng),
            ));
        }
        let done = world.net.exchange(conn, at, &calls);
        let done = world.net.close(conn, done + 8 * SECOND);
        Some(done + (rng.exponential(90.0) * 1e9) as Nanos)
    })
}

/// Parameters Windows asks for, in its order.
const WINDOWS_WANTS: &[u8] = &[1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249, 252];
const APPLE_WANTS: &[u8] = &[1, 121, 3, 6, 15, 108, 114, 119, 252, 95, 44, 46];

/// Takes an address when it wakes, and renews it.
fn leaser(world: &World, pc: &'static str) -> Actor {
    let mut rng = world.rng(&format!("dhcp {pc}"));
    let (client, server) = (world.net.find(pc), world.net.find("dc-01"));
    let apple = pc.starts_with("nb-mac");
    let mut begun = false;
    Box::new(move |at, world| {
        if !begun {
            begun = true;
            return Some(at + (rng.between(1.0, 40.0) * 1e9) as Nanos);
        }
        let host = world.net.host(client).clone();
        let (server_ip, gateway) = (world.net.host(server).ip, crate::net::gateway_address(&host));
        let name = pc.to_uppercase();
        let who = dhcp::Client {
            mac: host.mac,
            name: &name,
            class: if apple { "" } else { "MSFT 5.0" },
            wants: if apple { APPLE_WANTS } else { WINDOWS_WANTS },
        };
        let id = rng.u32();
        let asks = dhcp::request(dhcp::REQUEST, id, &who, Some(host.ip), None);
        let says = dhcp::answer(dhcp::ACK, id, &who, host.ip, (server_ip, gateway));
        world.net.ask((client, 68), (server, 67), at, (&asks, &says));
        Some(at + (rng.between(600.0, 1_200.0) * 1e9) as Nanos)
    })
}

/// Looks for things that are not there, as hosts do.
fn chatter(world: &World, pc: &'static str) -> Actor {
    let mut rng = world.rng(&format!("chatter {pc}"));
    let host = world.net.find(pc);
    let mut turn = 0;
    Box::new(move |at, world| {
        let ip = world.net.host(host).ip;
        let id = rng.u16();
        let [a, b, c, _] = ip.octets();
        let everybody = Ipv4Addr::new(a, b, c, 255);
        let apple = pc.starts_with("nb-mac");
        match turn % 4 {
            0 if !apple => {
                let load = names::netbios_register(id, pc, 0, ip);
                world.net.spread((host, 137), (everybody, 137), at, &load);
            }
            1 if !apple => {
                let port = world.net.ephemeral_port(host);
                let load = names::llmnr(id, "wpad");
                world.net.spread((host, port), (LLMNR, 5_355), at, &load);
            }
            2 if !apple => {
                let load = names::netbios_query(id, "WPAD", 0);
                world.net.spread((host, 137), (everybody, 137), at, &load);
            }
            _ => {
                let load = names::browse("_ipp._tcp.local");
                world.net.spread((host, 5_353), (MDNS, 5_353), at, &load);
            }
        }
        turn += 1;
        let span = if turn < 4 { (3.0, 8.0) } else { (6.0, 24.0) };
        Some(at + (rng.between(span.0, span.1) * 1e9) as Nanos)
    })
}

/// IPv6 is on by default and nobody serves it here: hosts look for routers and addresses.
fn version_6(world: &World, name: &'static str) -> Actor {
    let mut rng = world.rng(&format!("ipv6 {name}"));
    let host = world.net.find(name);
    let (routers, servers) = (group6(2), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2));
    let mut turn = 0;
    Box::new(move |at, world| {
        let mac = world.net.host(host).mac;
        // Router solicitation with the sender's address (RFC 4861, 4.1).
        let option = [&[0, 0, 0, 0, 1, 1], &mac.0[..]].concat();
        world.net.spread6(host, routers, at, Over6::Icmp(133), &option);
        let load = dhcp::solicit6(rng.u32(), mac, &name.to_uppercase());
        world.net.spread6(host, servers, at + 9 * MILLISECOND, Over6::Udp(546, 547), &load);
        turn += 1;
        let mean_s = if turn < 3 { 8.0 } else { 100.0 };
        Some(at + (rng.between(0.8, 1.2) * mean_s * 1e9) as Nanos)
    })
}

const fn group6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, last)
}

/// Servers and stations of operations look names up too.
fn resolver(world: &World, name: &'static str) -> Actor {
    let mut rng = world.rng(&format!("resolver {name}"));
    let host = world.net.find(name);
    Box::new(move |at, world| {
        let other = *rng.pick(&["scada-01", "hist-01", "dc-01", "patch-01", "clock-01"]);
        let ip = world.net.host(world.net.find(other)).ip;
        let asked = format!("{other}.{DOMAIN}");
        look_up(world, host, at, &asked, Some(ip));
        Some(at + (rng.between(15.0, 60.0) * 1e9) as Nanos)
    })
}

pub fn actors(world: &World) -> Vec<Actor> {
    let mut out = Vec::new();
    for p in &PEOPLE {
        out.push(surfer(world, p));
        out.push(leaser(world, p.pc));
        out.push(chatter(world, p.pc));
        if !p.pc.starts_with("nb-mac") {
            out.push(version_6(world, p.pc));
        }
    }
    out.extend(FILES.map(|f| file_user(world, f)));
    for name in ["scada-01", "hist-01", "eng-01", "op-01"] {
        out.push(chatter(world, name));
        out.push(version_6(world, name));
        out.push(resolver(world, name));
    }
    for name in ["patch-01", "iiot-gw-01", "mes-01", "nms-01"] {
        out.push(resolver(world, name));
    }
    out
}
