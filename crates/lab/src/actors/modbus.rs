//! Modbus: the utilities' controller reads meters and a serial gateway; panels and SCADA read
//! controllers; Control Expert keeps an eye on the two Modicons.

use crate::{
    net::{
        HostId, MILLISECOND, Nanos, SECOND,
        tcp::{Call, Conn},
    },
    plant::memory::{
        self, BUILDING, BURNER, CHILLER, COMPRESSOR, Cell, FAN_HALL, FAN_OFFICE, METER_LINE,
        METER_MAIN, METER_WATER, PACK, TOWER_FAN, UTIL,
    },
    speak::{modbus, umas},
    world::{Actor, World},
};

pub const PORT: u16 = 502;

/// Something with registers: a server, or a unit behind a gateway.
#[derive(Clone, Copy)]
pub struct Unit {
    pub server: &'static str,
    pub unit: u8,
    pub cells: &'static [Cell],
    /// Registers that exist, from 0.
    pub registers: u16,
    /// Registers a client polls: first, count.
    pub polled: (u16, u16),
    /// Objects of the device identification; empty where the device does not know the function.
    pub identity: &'static [(u8, &'static str)],
}

const fn unit(
    server: &'static str,
    number: u8,
    cells: &'static [Cell],
    polled: (u16, u16),
    identity: &'static [(u8, &'static str)],
) -> Unit {
    Unit { server, unit: number, cells, registers: 128, polled, identity }
}

const MODICON_340: &[(u8, &str)] =
    &[(0, "Schneider Electric"), (1, "BMX P34 2020"), (2, "v3.10"), (4, "Modicon M340")];
const MODICON_580: &[(u8, &str)] =
    &[(0, "Schneider Electric"), (1, "BME P58 2040"), (2, "v3.20"), (4, "Modicon M580")];
const DANFOSS: &[(u8, &str)] = &[(0, "Danfoss A/S"), (1, "VLT HVAC Drive FC-102"), (2, "5.25")];

pub static UNITS: [Unit; 12] = [
    unit("plc-pack-01", 1, &PACK, (0, 16), MODICON_340),
    unit("plc-util-01", 1, &UTIL, (0, 31), MODICON_580),
    unit("gw-util-01", 1, &BURNER, (0, 6), &[(0, "Lamtec"), (1, "BT320"), (2, "4.2")]),
    unit("gw-util-01", 2, &CHILLER, (0, 5), &[(0, "Carrier"), (1, "30XA-0652"), (2, "6.1")]),
    unit(
        "gw-util-01",
        3,
        &COMPRESSOR,
        (0, 6),
        &[(0, "Atlas Copco"), (1, "Elektronikon Mk5"), (2, "2.17")],
    ),
    unit("gw-util-01", 4, &TOWER_FAN, (0, 2), &[]),
    unit(
        "pm-main-01",
        255,
        &METER_MAIN,
        (0, 24),
        &[(0, "Schneider Electric"), (1, "METSEPM5560"), (2, "V2.9.4")],
    ),
    unit(
        "pm-line-01",
        255,
        &METER_LINE,
        (0, 24),
        &[(0, "Janitza electronics GmbH"), (1, "UMG 96RM-E"), (2, "3.12")],
    ),
    unit(
        "fq-water-01",
        255,
        &METER_WATER,
        (0, 6),
        &[(0, "Endress+Hauser"), (1, "Promag 400"), (2, "02.01.00")],
    ),
    unit("bms-01", 1, &BUILDING, (0, 9), &[(0, "WAGO"), (1, "750-8212"), (2, "03.10.08")]),
    unit("vfd-ahu-01", 1, &FAN_HALL, (0, 4), DANFOSS),
    unit("vfd-ahu-02", 1, &FAN_OFFICE, (0, 4), DANFOSS),
];

pub fn find(server: &str, number: u8) -> &'static Unit {
    let found = UNITS.iter().find(|u| u.server == server && (number == 0 || u.unit == number));
    found.expect("a client asks units that exist")
}

/// One conversation with one server and its running transaction number.
pub struct Session {
    pub conn: Conn,
    transaction: u16,
}

impl Session {
    pub fn open(world: &mut World, at: Nanos, client: HostId, server: &str) -> Session {
        let server = world.net.find(server);
        let conn = world.net.open(client, server, PORT, at);
        Session { conn, transaction: 0 }
    }

    pub fn number(&mut self) -> u16 {
        self.transaction = self.transaction.wrapping_add(1);
        self.transaction
    }

    fn pair(&mut self, unit: u8, (asks, says): (Vec<u8>, Vec<u8>)) -> Call {
        let number = self.number();
        Call::new(modbus::adu(number, unit, &asks), modbus::adu(number, unit, &says))
    }

    /// What `unit` answers to any request, from the state of the process. Serial units are slow.
    pub fn read(&mut self, world: &World, unit: &Unit, first: u16, count: u16) -> Call {
        let asks = modbus::read(modbus::READ_HOLDING, first, count);
        let says = if first + count <= unit.registers {
            let values = memory::read_registers(unit.cells, &world.process, first, count);
            modbus::registers(modbus::READ_HOLDING, &values)
        } else {
            modbus::exception(modbus::READ_HOLDING, modbus::ILLEGAL_ADDRESS)
        };
        self.pair(unit.unit, (asks, says))
    }

    pub fn identify(&mut self, unit: &Unit) -> Call {
        let (asks, says) = modbus::identification(unit.identity);
        if unit.identity.is_empty() {
            let refused = modbus::exception(modbus::ENCAPSULATED, modbus::ILLEGAL_FUNCTION);
            return self.pair(unit.unit, (asks, refused));
        }
        self.pair(unit.unit, (asks, says))
    }

    /// Writes the cell at byte `at_byte` to hold `value`.
    pub fn write(&mut self, world: &mut World, unit: &Unit, at_byte: u16, value: f64) -> Call {
        let bytes = memory::encode(unit.cells, at_byte, value);
        let words: Vec<u16> = bytes.chunks(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect();
        let first = at_byte / 2;
        memory::write_registers(unit.cells, &mut world.process, first, &words);
        let pdus = match words[..] {
            [word] => {
                let echo = modbus::write_single(first, word);
                (echo.clone(), echo)
            }
            _ => modbus::write_multiple(first, &words),
        };
        self.pair(unit.unit, pdus)
    }

    pub fn send(&mut self, world: &mut World, at: Nanos, calls: &[Call]) -> Nanos {
        world.net.exchange(self.conn, at, calls)
    }
}

/// A set point an operator moves now and then.
#[derive(Clone, Copy)]
struct Operator {
    at_byte: u16,
    choices: &'static [f64],
    mean_s: f64,
}

struct Poller {
    client: &'static str,
    server: &'static str,
    period: Nanos,
    operator: Option<Operator>,
    identify: bool,
}

fn poller(world: &World, p: Poller) -> Actor {
    let mut rng = world.rng(&format!("modbus {} {}", p.client, p.server));
    let client = world.net.find(p.client);
    let units: Vec<&'static Unit> = UNITS.iter().filter(|u| u.server == p.server).collect();
    let mut session: Option<Session> = None;
    let mut next_write = None;
    let mut next_identity = 0;
    Box::new(move |at, world| {
        let Some(open) = &mut session else {
            session = Some(Session::open(world, at, client, p.server));
            next_write = p.operator.map(|_| at + (rng.between(5.0, 30.0) * 1e9) as Nanos);
            next_identity = at + SECOND;
            return Some(at + 200 * MILLISECOND);
        };
        let mut calls = Vec::new();
        if p.identify && next_identity <= at {
            next_identity = at + 300 * SECOND;
            calls.extend(units.iter().map(|u| open.identify(u)));
        }
        for unit in &units {
            calls.push(open.read(world, unit, unit.polled.0, unit.polled.1));
        }
        if let (Some(o), Some(due)) = (p.operator, next_write)
            && due <= at
        {
            next_write = Some(at + (rng.exponential(o.mean_s) * 1e9) as Nanos);
            calls.push(open.write(world, units[0], o.at_byte, *rng.pick(o.choices)));
        }
        open.send(world, at, &calls);
        Some(at + p.period + (rng.normal() * 2e6) as Nanos)
    })
}

/// Control Expert on the engineering station: connected to a Modicon, watching.
fn expert(world: &World, server: &'static str, model: &'static str, firmware: (u8, u8)) -> Actor {
    let client = world.net.find("eng-01");
    let mut rng = world.rng(&format!("expert {server}"));
    let mut session: Option<Session> = None;
    Box::new(move |at, world| {
        let Some(open) = &mut session else {
            let mut open = Session::open(world, at, client, server);
            let n = [open.number(), open.number()];
            let calls = [
                Call::new(
                    umas::request(n[0], 0, umas::READ_ID, &[]),
                    umas::answer(n[0], 0, &umas::identity(model, firmware)),
                ),
                Call::new(
                    umas::request(n[1], 0, umas::READ_PROJECT, &[0]),
                    umas::answer(n[1], 0, &umas::project("Northbrook")),
                ),
            ];
            open.send(world, at, &calls);
            session = Some(open);
            return Some(at + 5 * SECOND);
        };
        let n = open.number();
        let keep = Call::new(
            umas::request(n, 0, umas::KEEP_ALIVE, &[]),
            umas::answer(n, 0, &[0x82, 0x82]),
        );
        open.send(world, at, &[keep]);
        Some(at + 10 * SECOND + (rng.normal() * 3e7) as Nanos)
    })
}

const PRESSURES: &[f64] = &[7.9, 8.0, 8.0, 8.1];
const BELTS: &[f64] = &[41.5, 42.0, 42.0, 42.5];

pub fn actors(world: &World) -> Vec<Actor> {
    let plain =
        |client, server, period| Poller { client, server, period, operator: None, identify: false };
    let asks = |client, server, period| Poller { identify: true, ..plain(client, server, period) };
    let belts = Operator { at_byte: 200, choices: BELTS, mean_s: 60.0 };
    let steam = Operator { at_byte: 200, choices: PRESSURES, mean_s: 75.0 };
    let mut out: Vec<Actor> = [
        asks("plc-util-01", "gw-util-01", SECOND),
        asks("plc-util-01", "pm-main-01", SECOND),
        asks("plc-util-01", "pm-line-01", SECOND),
        asks("plc-util-01", "fq-water-01", SECOND),
        Poller { operator: Some(belts), ..plain("hmi-pack-01", "plc-pack-01", 500 * MILLISECOND) },
        asks("scada-01", "plc-pack-01", SECOND),
        Poller { operator: Some(steam), ..asks("scada-01", "plc-util-01", SECOND) },
        asks("scada-01", "bms-01", 5 * SECOND),
        asks("bms-01", "vfd-ahu-01", 2 * SECOND),
        asks("bms-01", "vfd-ahu-02", 2 * SECOND),
        plain("hist-01", "plc-util-01", 5 * SECOND),
        plain("hist-01", "plc-pack-01", 5 * SECOND),
        plain("hist-01", "pm-main-01", 10 * SECOND),
    ]
    .into_iter()
    .map(|p| poller(world, p))
    .collect();
    out.push(expert(world, "plc-pack-01", "BMX P34 2020", (0x03, 0x10)));
    out.push(expert(world, "plc-util-01", "BME P58 2040", (0x03, 0x20)));
    out
}
