//! Scenarios with hosts nobody knows.

use super::{Scenario, Script};
use crate::{
    actors::{building::MDNS, controllers, modbus, office},
    net::{HostId, MILLISECOND, Nanos, SECOND, frame, frame::Link, gateway_address, tcp::Call},
    speak::{
        dhcp,
        names::{self, Service},
    },
    truth::Story,
    world::World,
};
use model::Mac;
use std::net::Ipv4Addr;

/// Comes into the network: discover, offer, request, acknowledge, announce.
fn join(world: &mut World, who: HostId, (name, class): (&str, &str), at: Nanos) -> Nanos {
    let host = world.net.host(who).clone();
    let server = world.net.find("dc-01");
    let (server_ip, gateway) = (world.net.host(server).ip, gateway_address(&host));
    let client = dhcp::Client { mac: host.mac, name, class, wants: &[1, 3, 6, 15, 31, 33, 43, 44] };
    let id = world.net.rng.u32();
    let none = None;
    let discover = dhcp::request(dhcp::DISCOVER, id, &client, none, none);
    world.net.spread_unnumbered(who, (68, 67), at, &discover);
    let servers = (server_ip, gateway);
    let offer = dhcp::answer(dhcp::OFFER, id, &client, host.ip, servers);
    // The layer 3 switch relays between the networks; only what enters its ports is mirrored.
    let (offer, to) = (dhcp::relayed(offer, gateway), (gateway, (67, 67)));
    world.net.udp_to_gateway(server, to, at + 8 * MILLISECOND, &offer);
    let request = dhcp::request(dhcp::REQUEST, id, &client, none, Some(host.ip));
    world.net.spread_unnumbered(who, (68, 67), at + 12 * MILLISECOND, &request);
    let done = dhcp::answer(dhcp::ACK, id, &client, host.ip, servers);
    let done = dhcp::relayed(done, gateway);
    world.net.udp_to_gateway(server, to, at + 20 * MILLISECOND, &done);
    world.net.ask_arp(who, host.ip, None, at + 40 * MILLISECOND)
}

pub static ROGUE_WRITER: Scenario = Scenario {
    story: Story {
        name: "rogue-writer",
        actor: "unknown-laptop",
        targets: &["plc-util-01", "plc-past-01"],
        techniques: &["T0836", "T0855"],
        description: "an unknown laptop joins the operations network and writes the boiler's and \
                      the pasteuriser's set points",
        legitimate: false,
        expected: &["new-asset", "new-writer"],
    },
    script: rogue_writer,
};

fn rogue_writer(world: &World) -> Script {
    let who = world.net.find("unknown-laptop");
    let mut registers: Option<modbus::Session> = None;
    let mut blocks: Option<controllers::Session> = None;
    Box::new(move |step, at, world| {
        let unit = modbus::find("plc-util-01", 1);
        match step {
            0 => Some(join(world, who, ("DESKTOP-7Q2KF", "MSFT 5.0"), at) + SECOND),
            1 => {
                registers = Some(modbus::Session::open(world, at, who, "plc-util-01"));
                let basic = controllers::Resource::Basic;
                blocks = Some(controllers::Session::open(world, at, who, "plc-past-01", basic));
                Some(at + SECOND)
            }
            2..=7 => {
                let open = registers.as_mut()?;
                let look = open.read(world, unit, 0, 31);
                let write = open.write(world, unit, 200, 8.6);
                open.send(world, at, &[look, write]);
                let open = blocks.as_mut()?;
                let look = open.read(world, "plc-past-01");
                let write = open.write(world, "plc-past-01", 0, 66.0);
                open.call(world, at, vec![look, write]);
                Some(at + 3 * SECOND)
            }
            _ => {
                world.net.close(registers.as_ref()?.conn, at);
                world.net.close(blocks.as_ref()?.conn, at);
                None
            }
        }
    })
}

pub static NEW_DEVICE: Scenario = Scenario {
    story: Story {
        name: "new-device",
        actor: "unknown-box",
        targets: &["pm-main-01"],
        techniques: &["T0864", "T0801"],
        description: "a small computer appears in the utilities network and reads the meter",
        legitimate: false,
        expected: &["new-asset"],
    },
    script: new_device,
};

fn new_device(world: &World) -> Script {
    let who = world.net.find("unknown-box");
    let mut session: Option<modbus::Session> = None;
    Box::new(move |step, at, world| match step {
        0 => Some(join(world, who, ("raspberrypi", "dhcpcd-9.4.1"), at) + SECOND),
        1 => {
            let ip = world.net.host(who).ip;
            let load = names::announce(&Service {
                instance: "raspberrypi",
                kind: "_workstation._tcp.local",
                host: "raspberrypi",
                ip,
                port: 9,
                text: &[],
            });
            world.net.spread((who, 5_353), (MDNS, 5_353), at, &load);
            let pool = Some(Ipv4Addr::new(10, 20, 50, 5));
            Some(office::look_up(world, who, at, "clock-01.northbrook.example", pool) + SECOND)
        }
        2 => {
            session = Some(modbus::Session::open(world, at, who, "pm-main-01"));
            Some(at + SECOND)
        }
        3..=14 => {
            let open = session.as_mut()?;
            let call = open.read(world, modbus::find("pm-main-01", 0), 0, 24);
            open.send(world, at, &[call]);
            Some(at + 2 * SECOND)
        }
        _ => {
            world.net.close(session.as_ref()?.conn, at);
            None
        }
    })
}

pub static MALFORMED: Scenario = Scenario {
    story: Story {
        name: "malformed",
        actor: "unknown-laptop",
        targets: &["plc-util-01"],
        techniques: &["T0814", "T0866"],
        description: "an unknown laptop sends the utilities' controller requests that the \
                      standard forbids: function 0, unknown functions, wrong lengths",
        legitimate: false,
        expected: &["protocol-violation"],
    },
    script: malformed,
};

fn malformed(world: &World) -> Script {
    use crate::speak::modbus as encode;
    let who = world.net.find("unknown-laptop");
    let mut session: Option<modbus::Session> = None;
    Box::new(move |step, at, world| {
        if step == 0 {
            session = Some(modbus::Session::open(world, at, who, "plc-util-01"));
            return Some(at + SECOND);
        }
        let open = session.as_mut()?;
        let n = open.number();
        let refused = |function: u8| {
            encode::adu(n, 1, &encode::exception(function, encode::ILLEGAL_FUNCTION))
        };
        let call = match step {
            1 | 2 => Call::new(encode::adu(n, 1, &[0, 0, 0]), refused(0)),
            3 | 4 => Call::new(encode::adu(n, 1, &[0x63, 1, 2, 3]), refused(0x63)),
            // A read of 2000 registers; 125 is the most there is (6.3).
            5 | 6 => {
                let answer = encode::exception(encode::READ_HOLDING, 3);
                let asks = encode::read(encode::READ_HOLDING, 0, 2_000);
                Call::new(encode::adu(n, 1, &asks), encode::adu(n, 1, &answer))
            }
            // Two registers written, five bytes counted.
            7 | 8 => {
                let answer = encode::exception(encode::WRITE_MULTIPLE, 3);
                let asks = [encode::WRITE_MULTIPLE, 0, 100, 0, 2, 5, 0, 1, 0, 2, 0];
                Call::new(encode::adu(n, 1, &asks), encode::adu(n, 1, &answer))
            }
            _ => {
                world.net.close(open.conn, at);
                return None;
            }
        };
        open.send(world, at, &[call]);
        Some(at + 2 * SECOND)
    })
}

pub static ARP_SPOOF: Scenario = Scenario {
    story: Story {
        name: "arp-spoof",
        actor: "unknown-box",
        targets: &["plc-util-01", "pm-main-01"],
        techniques: &["T0830"],
        description: "a small computer tells the utilities' controller and the meter that it is \
                      the other one",
        legitimate: false,
        expected: &["arp-conflict"],
    },
    script: arp_spoof,
};

fn arp_spoof(world: &World) -> Script {
    let who = world.net.find("unknown-box");
    let ends = [world.net.find("plc-util-01"), world.net.find("pm-main-01")];
    Box::new(move |step, at, world| {
        if step >= 30 {
            return None;
        }
        let liar = world.net.host(who).clone();
        for i in 0..2 {
            let (told, claimed) =
                (world.net.host(ends[i]).clone(), world.net.host(ends[1 - i]).clone());
            let link =
                Link { source: liar.mac, destination: told.mac, vlan: liar.vlan, priority: 0 };
            let target: (Mac, Ipv4Addr) = (told.mac, told.ip);
            let frame = frame::arp(link, 2, (liar.mac, claimed.ip), target);
            world.net.raw(at + i as i64 * MILLISECOND, frame);
        }
        Some(at + SECOND)
    })
}
