//! DNP3: SCADA reads the electrical intake and the water works, and runs the well pump.

use crate::{
    net::{Nanos, SECOND, tcp::Call, tcp::Conn},
    plant::memory::{INTAKE, Outstation, WATERWORKS},
    speak::{dnp3::Association, s7::Pair},
    world::{Actor, World},
};

pub const PORT: u16 = 20_000;
/// DNP3 address of SCADA.
const MASTER: u16 = 1;

/// Polls events every five seconds and everything every minute.
fn master(world: &World, server: &'static str, station: &'static Outstation) -> Actor {
    let client = world.net.find("scada-01");
    let mut rng = world.rng(&format!("dnp3 {server}"));
    let mut link = Association { master: MASTER, outstation: station.address, sequence: 0 };
    let mut conn: Option<Conn> = None;
    let mut told: Vec<f64> = Vec::new();
    let mut polls = 0_u32;
    // Only the water works have something to switch: their well pump.
    let mut next_control = Nanos::MAX;
    Box::new(move |at, world| {
        let open = match conn {
            Some(open) => open,
            None => {
                let to = world.net.find(server);
                if server == "rtu-water-01" {
                    next_control = at + (rng.between(8.0, 25.0) * 1e9) as Nanos;
                }
                *conn.insert(world.net.open(client, to, PORT, at))
            }
        };
        let analogs = (station.analogs)(&world.process);
        let pair: Pair = if polls.is_multiple_of(12) {
            told.clone_from(&analogs);
            let (b, c) = ((station.binaries)(&world.process), (station.counters)(&world.process));
            link.integrity(&analogs, &b, &c)
        } else {
            // A value is an event when it moved by more than a dead band of half a percent.
            let mut changed = Vec::new();
            for (i, (now, before)) in analogs.iter().zip(&mut told).enumerate() {
                if (now - *before).abs() > before.abs() * 0.005 {
                    changed.push((i as u8, *now));
                    *before = *now;
                }
            }
            link.events(&changed)
        };
        polls = polls.wrapping_add(1);
        link.sequence = (link.sequence + 1) & 0x0f;
        let mut calls = vec![Call::new(pair.0, pair.1)];
        if next_control <= at {
            next_control = at + (rng.exponential(150.0) * 1e9) as Nanos;
            let run = world.process.utilities.reservoir < 85.0;
            world.process.utilities.well_pump = run;
            calls.extend(link.control_relay(0, run).map(|(q, a)| Call::new(q, a)));
            link.sequence = (link.sequence + 2) & 0x0f;
        }
        world.net.exchange(open, at, &calls);
        Some(at + 5 * SECOND + (rng.normal() * 1e7) as Nanos)
    })
}

pub fn actors(world: &World) -> Vec<Actor> {
    vec![master(world, "rtu-intake-01", &INTAKE), master(world, "rtu-water-01", &WATERWORKS)]
}
