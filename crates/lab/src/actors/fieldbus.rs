//! PROFINET in the mixing cell: cyclic data, name discovery, and LLDP of every station.

use crate::{
    net::{Nanos, SECOND, frame::ETHERTYPE_PROFINET},
    plant::memory,
    speak::profinet::{self, Station},
    world::{Actor, World},
};
use model::Mac;

/// Siemens and Festo in the register of PROFINET vendors.
const SIEMENS: u16 = 0x002a;
const FESTO: u16 = 0x014d;

/// Station, type, vendor and device id, role (1 device, 2 controller).
pub static STATIONS: [(&str, &str, u16, u16, u8); 7] = [
    ("plc-mix-01", "S7-300", SIEMENS, 0x0101, 2),
    ("plc-past-01", "S7-1500", SIEMENS, 0x010e, 2),
    ("mix-io-01", "ET200SP", SIEMENS, 0x0313, 1),
    ("past-io-01", "ET200SP", SIEMENS, 0x0313, 1),
    ("past-vi-01", "CPX", FESTO, 0x0030, 1),
    ("hmi-mix-01", "SIMATIC-HMI", SIEMENS, 0x0401, 1),
    ("sw-mix-01", "SCALANCE XC208", SIEMENS, 0x0a01, 1),
];

/// Sends and receives every 128 milliseconds: a reduction of a slow process, 4096 cycles of
/// 31.25 microseconds.
const PERIOD: Nanos = 128_000_000;

fn cyclic(world: &World, controller: &'static str, device: &'static str, frame: u16) -> Actor {
    let (owner, target) = (world.net.find(controller), world.net.find(device));
    let macs = (world.net.host(owner).mac, world.net.host(target).mac);
    let mut rng = world.rng(&format!("profinet {device}"));
    let mut cycle = rng.u16();
    Box::new(move |at, world| {
        cycle = cycle.wrapping_add(4_096);
        let (inputs, outputs) = memory::field_data(device, &world.process);
        if !world.stopped.contains(controller) {
            let load = profinet::cyclic(frame, &outputs, cycle);
            world.net.ethernet(owner, macs.1, at, (ETHERTYPE_PROFINET, &load));
        }
        let load = profinet::cyclic(frame + 1, &inputs, cycle);
        world.net.ethernet(target, macs.0, at + 3_000_000, (ETHERTYPE_PROFINET, &load));
        Some(at + PERIOD + (rng.normal() * 1e4) as Nanos)
    })
}

/// The mixing controller looks for its stations when it starts and every ten minutes.
fn discovery(world: &World) -> Actor {
    let asker = world.net.find("plc-mix-01");
    let mut rng = world.rng("dcp");
    Box::new(move |at, world| {
        identify(world, asker, at, rng.u32());
        Some(at + 600 * SECOND)
    })
}

/// A DCP identify of all stations by `asker`, and their answers.
pub fn identify(world: &mut World, asker: crate::net::HostId, at: Nanos, id: u32) {
    let everybody = Mac(profinet::IDENTIFY_GROUP);
    let question = profinet::identify_all(id);
    world.net.ethernet(asker, everybody, at, (ETHERTYPE_PROFINET, &question));
    let back = world.net.host(asker).mac;
    for (i, (name, kind, vendor, device, role)) in STATIONS.iter().enumerate() {
        let host = world.net.find(name);
        if host == asker {
            continue;
        }
        let ip = world.net.host(host).ip;
        let gateway = crate::net::gateway_address(world.net.host(host));
        let (vendor, device, role) = (*vendor, *device, *role);
        let station = Station { name, kind, vendor, device, role, ip, gateway };
        let answer = profinet::identify_answer(id, &station);
        let later = at + (i as i64 + 1) * 700_000;
        world.net.ethernet(host, back, later, (ETHERTYPE_PROFINET, &answer));
    }
}

pub fn actors(world: &World) -> Vec<Actor> {
    vec![
        cyclic(world, "plc-mix-01", "mix-io-01", 0x8000),
        cyclic(world, "plc-past-01", "past-io-01", 0x8000),
        cyclic(world, "plc-past-01", "past-vi-01", 0x8002),
        discovery(world),
    ]
}
