//! Siemens controllers: panels, SCADA and historian read their data blocks; the engineering
//! station looks at their identity and mode.

use crate::{
    net::{
        HostId, MILLISECOND, Nanos, SECOND,
        tcp::{Call, Conn},
    },
    plant::{
        devices,
        memory::{self, Cell, MIX_SETS, MIX_VALUES, PAST_SETS, PAST_VALUES},
        program::Block,
    },
    rng::Rng,
    speak::s7::{self, Pair},
    world::{Actor, World},
};

pub const PORT: u16 = 102;
/// Rack 0; an S7-300 CPU is in slot 2, an S7-1500 in slot 1.
pub const fn slot(controller: &str) -> u8 {
    if matches!(controller.as_bytes(), b"plc-mix-01") { 2 } else { 1 }
}

/// Resource octet of the called TSAP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    Programming = 1,
    Operator = 2,
    Basic = 3,
}

/// The data blocks of a controller with process values and set points.
fn blocks(controller: &str) -> [(u16, &'static [Cell], u16); 2] {
    match controller {
        "plc-mix-01" => [(1, &MIX_VALUES, 46), (2, &MIX_SETS, 8)],
        _ => [(10, &PAST_VALUES, 42), (11, &PAST_SETS, 12)],
    }
}

/// What the mixing controller says to who reads it by itself: the records of a system status list,
/// its blocks.
pub fn status_list(list: u16) -> Vec<Vec<u8>> {
    match list {
        0x0011 => modules(MIXING),
        0x001c => components(MIXING),
        _ => Vec::new(),
    }
}

/// The blocks of the mixing controller as they are.
pub fn program(world: &World) -> Vec<Block> {
    world.program.blocks(&world.process, &blocks(MIXING))
}

/// The controller whose program the lab serves: an S7-300, as others keep theirs where the old
/// protocol does not reach.
pub const MIXING: &str = "plc-mix-01";

/// A conversation with a controller, past COTP connect and S7 setup.
pub struct Session {
    pub conn: Conn,
    pub reference: u16,
}

impl Session {
    pub fn open(
        world: &mut World,
        at: Nanos,
        client: HostId,
        controller: &str,
        resource: Resource,
    ) -> Session {
        let server = world.net.find(controller);
        let conn = world.net.open(client, server, PORT, at);
        let reference = 0x0100 | (client.0 as u16 & 0xff);
        let (asks, says) = s7::connect(reference, resource as u8, 0, slot(controller));
        let (setup, done) = s7::setup(1);
        world.net.exchange(conn, at, &[Call::new(asks, says), Call::new(setup, done)]);
        Session { conn, reference: 1 }
    }

    pub fn number(&mut self) -> u16 {
        self.reference = self.reference.wrapping_add(1).max(2);
        self.reference
    }

    pub fn call(&mut self, world: &mut World, at: Nanos, pairs: Vec<Pair>) -> Nanos {
        let calls: Vec<Call> = pairs.into_iter().map(|(q, a)| Call::new(q, a)).collect();
        world.net.exchange(self.conn, at, &calls)
    }

    /// Identification: module, component and mode lists.
    pub fn identify(&mut self, world: &mut World, at: Nanos, controller: &'static str) -> Nanos {
        let pairs = vec![
            s7::szl(self.number(), 1, (0x0011, 0), &modules(controller)),
            s7::szl(self.number(), 2, (0x001c, 0), &components(controller)),
            self.mode(world, controller),
        ];
        self.call(world, at, pairs)
    }

    pub fn mode(&mut self, world: &World, controller: &'static str) -> Pair {
        let mode = if world.stopped.contains(controller) { 3 } else { 8 };
        s7::szl(self.number(), 3, (0x0424, 0), &[s7::mode_record(mode)])
    }

    /// Reads values and set points as they are.
    pub fn read(&mut self, world: &World, controller: &str) -> Pair {
        let items: Vec<_> = blocks(controller)
            .iter()
            .map(|(db, cells, bytes)| {
                (*db, 0, memory::read_bytes(cells, &world.process, 0, *bytes))
            })
            .collect();
        s7::read(self.number(), &items)
    }

    /// Writes a set point: `at_byte` in the second block.
    pub fn write(&mut self, world: &mut World, controller: &str, at_byte: u16, value: f64) -> Pair {
        let (db, cells, _) = blocks(controller)[1];
        let bytes = memory::encode(cells, at_byte, value);
        memory::write_bytes(cells, &mut world.process, at_byte, &bytes);
        s7::write(self.number(), (db, at_byte, &bytes))
    }
}

fn modules(controller: &str) -> Vec<Vec<u8>> {
    let device = devices::named(controller);
    let order = device.order_number.expect("a controller has an order number");
    let firmware: Vec<u8> = device
        .firmware
        .expect("a controller has a firmware")
        .split('.')
        .filter_map(|p| p.parse().ok())
        .collect();
    vec![
        s7::module_record(1, order, [0, 5, 0x20, 0x20]),
        s7::module_record(6, order, [0, 5, 0x20, 0x20]),
        s7::module_record(7, "", [b'V', firmware[0], firmware[1], firmware[2]]),
    ]
}

fn components(controller: &str) -> Vec<Vec<u8>> {
    let device = devices::named(controller);
    let kind = device.model.expect("a controller has a type");
    vec![
        s7::component_record(1, &device.name.to_uppercase()),
        s7::component_record(2, kind),
        s7::component_record(3, "Northbrook"),
        s7::component_record(4, "Original Siemens Equipment"),
        s7::component_record(5, device.serial.expect("a controller has a serial number")),
        s7::component_record(7, kind),
    ]
}

/// An operator who moves a set point now and then, around where it is.
#[derive(Clone, Copy)]
struct Operator {
    at_byte: u16,
    /// Set points chosen among.
    choices: &'static [f64],
    mean_s: f64,
}

struct Reader {
    client: &'static str,
    controller: &'static str,
    resource: Resource,
    period: Nanos,
    operator: Option<Operator>,
    /// Reads identity and mode this often.
    identity_every: Option<Nanos>,
}

fn reader(world: &World, r: Reader) -> Actor {
    let mut rng: Rng = world.rng(&format!("s7 {} {}", r.client, r.controller));
    let client = world.net.find(r.client);
    let mut session: Option<Session> = None;
    let mut next_write = None;
    let mut next_identity = None;
    Box::new(move |at, world| {
        let Some(open) = &mut session else {
            session = Some(Session::open(world, at, client, r.controller, r.resource));
            next_write = r.operator.map(|_| at + (rng.between(5.0, 30.0) * 1e9) as Nanos);
            next_identity = r.identity_every.map(|_| at + SECOND);
            return Some(at + 300 * MILLISECOND);
        };
        if next_identity.is_some_and(|due| due <= at) {
            next_identity = r.identity_every.map(|every| at + every);
            let done = open.identify(world, at, r.controller);
            return Some(done + r.period);
        }
        let mut pairs = vec![open.read(world, r.controller)];
        if let (Some(o), Some(due)) = (r.operator, next_write)
            && due <= at
        {
            next_write = Some(at + (rng.exponential(o.mean_s) * 1e9) as Nanos);
            pairs.push(open.write(world, r.controller, o.at_byte, *rng.pick(o.choices)));
        }
        open.call(world, at, pairs);
        Some(at + r.period + (rng.normal() * 1.5e6) as Nanos)
    })
}

/// Set points of the mix tank level and of the holding temperature that operators choose.
const LEVELS: &[f64] = &[62.0, 64.0, 65.0, 66.0, 68.0];
const HOLDS: &[f64] = &[71.5, 72.0, 72.0, 72.5];

pub fn actors(world: &World) -> Vec<Actor> {
    let brix = Operator { at_byte: 0, choices: LEVELS, mean_s: 55.0 };
    let hold = Operator { at_byte: 0, choices: HOLDS, mean_s: 70.0 };
    let mut out = Vec::new();
    for (controller, operator) in [("plc-mix-01", brix), ("plc-past-01", hold)] {
        let panel = Reader {
            client: "hmi-mix-01",
            controller,
            resource: Resource::Operator,
            period: 500 * MILLISECOND,
            operator: Some(operator),
            identity_every: None,
        };
        let scada = Reader {
            client: "scada-01",
            controller,
            resource: Resource::Basic,
            period: SECOND,
            operator: None,
            identity_every: Some(60 * SECOND),
        };
        let historian =
            Reader { client: "hist-01", period: 5 * SECOND, identity_every: None, ..scada };
        out.push(reader(world, panel));
        out.push(reader(world, Reader { ..scada }));
        out.push(reader(world, historian));
        out.push(online_view(world, controller));
    }
    out
}

/// The engineering station looks at a controller's state for a while, with the project open.
fn online_view(world: &World, controller: &'static str) -> Actor {
    let mut rng = world.rng(&format!("online view {controller}"));
    let client = world.net.find("eng-01");
    let mut session: Option<(Session, u32)> = None;
    Box::new(move |at, world| {
        let (mut open, looks) = match session.take() {
            Some(open) => open,
            None => {
                let mut open = Session::open(world, at, client, controller, Resource::Programming);
                let done = open.identify(world, at, controller);
                session = Some((open, 0));
                return Some(done + 2 * SECOND);
            }
        };
        if looks >= 12 {
            let done = world.net.close(open.conn, at);
            return Some(done + (rng.between(40.0, 90.0) * 1e9) as Nanos);
        }
        let pair = open.mode(world, controller);
        open.call(world, at, vec![pair]);
        session = Some((open, looks + 1));
        Some(at + 2 * SECOND + (rng.normal() * 2e7) as Nanos)
    })
}
