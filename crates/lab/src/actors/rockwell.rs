//! EtherNet/IP: the filling controller with its rack, its cyclic field devices, its panel, and
//! SCADA that reads tags and identities.

use crate::{
    net::{
        HostId, MILLISECOND, Nanos, SECOND,
        tcp::{Call, Conn},
    },
    plant::memory::{self, TAGS},
    speak::{
        cip::{self, Atom, Identity, Open},
        s7::Pair,
    },
    world::{Actor, World},
};

pub const CONTROLLER: &str = "plc-fill-01";

const ROCKWELL: u16 = 1;
const FANUC: u16 = 356;

const fn identity(
    device_type: u16,
    product_code: u16,
    revision: (u8, u8),
    serial: u32,
    name: &'static str,
) -> Identity {
    Identity { vendor: ROCKWELL, device_type, product_code, revision, serial, name }
}

/// What answers at each address.
pub static IDENTITIES: [(&str, Identity); 6] = [
    ("plc-fill-01", identity(12, 200, (11, 2), 0x00d1_a52f, "1756-EN2TR/C")),
    ("fill-io-01", identity(12, 196, (6, 12), 0x6051_2a07, "1734-AENTR/B")),
    ("vfd-filler-01", identity(150, 9, (5, 1), 0xc0a8_011c, "PowerFlex 525-EENET")),
    ("vfd-conv-01", identity(150, 9, (5, 1), 0xc0a8_013e, "PowerFlex 525-EENET")),
    (
        "robot-pal-01",
        Identity { vendor: FANUC, ..identity(43, 4, (9, 30), 0xe190_3377, "R-30iB Plus") },
    ),
    ("hmi-fill-01", identity(24, 51, (12, 100), 0x00b7_2e41, "PanelView Plus_7 Standard 1000")),
];

/// Modules in the rack of the filling controller, by slot.
pub static MODULES: [(u8, Identity); 5] = [
    (0, identity(14, 166, (33, 11), 0x00f1_7c20, "1756-L83E/B")),
    (1, identity(12, 200, (11, 2), 0x00d1_a52f, "1756-EN2TR/C")),
    (2, identity(7, 11, (3, 6), 0x0098_4410, "1756-IB32/B")),
    (3, identity(7, 12, (2, 11), 0x0098_5521, "1756-OB32/A")),
    (4, identity(10, 5, (1, 5), 0x0097_3302, "1756-IF16/A")),
];

pub fn identity_of(device: &str) -> &'static Identity {
    let found = IDENTITIES.iter().find(|(name, _)| *name == device);
    &found.expect("only devices with an identity are asked").1
}

/// Status word of the controller: owned, and in bits 4 to 7 run or program mode.
fn status(world: &World) -> u16 {
    if world.stopped.contains(CONTROLLER) { 0x3070 } else { 0x3060 }
}

/// An encapsulation session.
pub struct Session {
    pub conn: Conn,
    pub handle: u32,
    context: u64,
}

impl Session {
    pub fn open(world: &mut World, at: Nanos, client: HostId, server: &str) -> Session {
        let server = world.net.find(server);
        let conn = world.net.open(client, server, cip::PORT, at);
        let handle = 0x0100_0000 | world.net.rng.u32() & 0xffff;
        let (asks, says) = cip::register_session(handle);
        world.net.call(conn, at, asks, says);
        Session { conn, handle, context: u64::from(client.0 as u32) << 16 }
    }

    /// An unconnected message.
    pub fn explicit(&mut self, pair: &Pair) -> Call {
        self.context += 1;
        let (asks, says) = cip::explicit(self.handle, self.context, &pair.0, &pair.1);
        Call::new(asks, says)
    }

    /// An unconnected message to the module in `slot`.
    pub fn routed(&mut self, slot: u8, pair: &Pair) -> Call {
        self.explicit(&(cip::to_slot(slot, &pair.0), pair.1.clone()))
    }
}

/// Writes a tag of the filling controller; the process follows.
pub fn write_tag(world: &mut World, name: &str, value: f64) -> Pair {
    let tag = memory::tag(name);
    if let Some(set) = tag.set {
        set(&mut world.process, value);
    }
    cip::write_tag(name, Atom::Real(value as f32))
}

fn read_all(world: &World) -> Pair {
    let pairs: Vec<Pair> =
        TAGS.iter().map(|t| cip::read_tag(t.name, (t.get)(&world.process))).collect();
    cip::multiple(&pairs)
}

/// Reads all tags over a class 3 connection; the panel's operator also sets the speed.
fn tag_reader(world: &World, client: &'static str, period: Nanos, operator: bool) -> Actor {
    let mut rng = world.rng(&format!("tags {client}"));
    let host = world.net.find(client);
    let mut session: Option<(Session, (u32, u32), u16)> = None;
    let mut next_write = Nanos::MAX;
    Box::new(move |at, world| {
        let Some((open, ids, number)) = &mut session else {
            let mut open = Session::open(world, at, host, CONTROLLER);
            let ids = (rng.u32() | 1, rng.u32() | 1);
            let forward = cip::forward_open(&Open {
                to_target: ids.0,
                to_originator: ids.1,
                connection_serial: rng.u16(),
                originator_serial: 0x00b7_2e41 ^ host.0 as u32,
                intervals_us: (2_000_000, 2_000_000),
                sizes: (500, 500),
                transport: 0xa3,
                path: &[1, 0, 0x20, 2, 0x24, 1],
            });
            let call = open.explicit(&forward);
            world.net.exchange(open.conn, at, &[call]);
            session = Some((open, ids, 0));
            if operator {
                next_write = at + (rng.between(5.0, 30.0) * 1e9) as Nanos;
            }
            return Some(at + 300 * MILLISECOND);
        };
        let mut pairs = vec![read_all(world)];
        if next_write <= at {
            next_write = at + (rng.exponential(60.0) * 1e9) as Nanos;
            let speed = *rng.pick(&[35_500.0, 36_000.0, 36_000.0, 36_400.0]);
            pairs.push(write_tag(world, "Filler_Speed_SP", speed));
        }
        let mut calls = Vec::new();
        for pair in &pairs {
            *number = number.wrapping_add(1);
            let (asks, says) = cip::connected(open.handle, *ids, *number, pair);
            calls.push(Call::new(asks, says));
        }
        world.net.exchange(open.conn, at, &calls);
        Some(at + period + (rng.normal() * 1.5e6) as Nanos)
    })
}

/// SCADA's communication driver asks who is there, and what stands in the rack.
fn inventory(world: &World) -> Actor {
    let scada = world.net.find("scada-01");
    let mut turn = 0;
    Box::new(move |at, world| {
        let (name, identity) = &IDENTITIES[turn % IDENTITIES.len()];
        let device = world.net.find(name);
        let ip = world.net.host(device).ip;
        let answer = cip::list_identity_answer(identity, ip, 0x0030);
        let port = world.net.ephemeral_port(scada);
        let question = cip::list_identity_request();
        world.net.ask((scada, port), (device, cip::PORT), at, (&question, &answer));
        if turn.is_multiple_of(IDENTITIES.len()) {
            rack(world, at + SECOND);
        }
        turn += 1;
        Some(at + 6 * SECOND)
    })
}

fn rack(world: &mut World, at: Nanos) {
    let scada = world.net.find("scada-01");
    let mut session = Session::open(world, at, scada, CONTROLLER);
    let state = status(world);
    let calls: Vec<Call> = MODULES
        .iter()
        .map(|(slot, identity)| {
            let word = if *slot == 0 { state } else { 0x0030 };
            session.routed(*slot, &cip::identity(identity, word))
        })
        .collect();
    world.net.exchange(session.conn, at, &calls);
    world.net.close(session.conn, at);
}

/// Cyclic data between the controller and one field device.
fn cyclic(world: &World, device: &'static str, interval: Nanos) -> Actor {
    let mut rng = world.rng(&format!("cyclic {device}"));
    let (owner, target) = (world.net.find(CONTROLLER), world.net.find(device));
    let mut ids: Option<(u32, u32)> = None;
    let mut sequence = 0_u32;
    Box::new(move |at, world| {
        let (inputs, outputs) = memory::field_data(device, &world.process);
        let Some((to_target, to_owner)) = ids else {
            let mut session = Session::open(world, at, owner, device);
            let fresh = (rng.u32() | 1, rng.u32() | 1);
            let interval_us = (interval / 1_000) as u32;
            let forward = cip::forward_open(&Open {
                to_target: fresh.0,
                to_originator: fresh.1,
                connection_serial: rng.u16(),
                originator_serial: 0x00f1_7c20,
                intervals_us: (interval_us, interval_us),
                sizes: (outputs.len() as u16 + 6, inputs.len() as u16 + 2),
                transport: 1,
                path: &[0x20, 4, 0x24, 6, 0x2c, 2, 0x2c, 1],
            });
            let call = session.explicit(&forward);
            world.net.exchange(session.conn, at, &[call]);
            ids = Some(fresh);
            return Some(at + 50 * MILLISECOND);
        };
        sequence = sequence.wrapping_add(1);
        let port = cip::IO_PORT;
        if !world.stopped.contains(CONTROLLER) {
            let load = cip::io(to_target, sequence, true, &outputs);
            world.net.udp((owner, port), (target, port), at, &load);
        }
        let load = cip::io(to_owner, sequence, false, &inputs);
        let later = at + interval / 3;
        world.net.udp((target, port), (owner, port), later, &load);
        Some(at + interval + (rng.normal() * 4e4) as Nanos)
    })
}

pub fn actors(world: &World) -> Vec<Actor> {
    vec![
        tag_reader(world, "hmi-fill-01", 500 * MILLISECOND, true),
        tag_reader(world, "scada-01", SECOND, false),
        tag_reader(world, "hist-01", 5 * SECOND, false),
        inventory(world),
        cyclic(world, "fill-io-01", 100 * MILLISECOND),
        cyclic(world, "vfd-filler-01", 200 * MILLISECOND),
        cyclic(world, "vfd-conv-01", 200 * MILLISECOND),
        cyclic(world, "robot-pal-01", 200 * MILLISECOND),
    ]
}
