//! The process: physics of the plant and its building, in steps of 100 milliseconds.
//!
//! Not here: who reads or writes it over which protocol. Every value a controller shows is one
//! of these. Invariant: the plant depends on its seed and on what operators write, never on how
//! often it is looked at.

pub mod building;
pub mod line;
pub mod mixing;
pub mod pasteuriser;
pub mod pid;
pub mod utilities;

use crate::rng::Rng;
use building::Building;
use line::Line;
use mixing::Mixing;
use pasteuriser::Pasteuriser;
use utilities::{Loads, Utilities};

/// Length of a step, seconds.
pub const STEP_S: f64 = 0.1;
const STEP_NANOS: i64 = 100_000_000;

/// Seconds the plant has run when the capture begins, so it is past its start-up.
const WARM_UP_S: f64 = 1_800.0;

/// Time constant of the disturbances that keep controllers at work, seconds.
const UNREST_S: f64 = 45.0;

/// What the plant is busy with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Campaign {
    Producing = 1,
    /// The order is done: lines empty, recipe changes.
    Changeover = 2,
    /// Cleaning in place: caustic, rinse.
    Cleaning = 3,
}

#[derive(Clone, Debug)]
pub struct Process {
    pub mixing: Mixing,
    pub pasteuriser: Pasteuriser,
    pub line: Line,
    pub utilities: Utilities,
    pub building: Building,
    pub campaign: Campaign,
    pub order: u32,
    pub order_bottles: u64,
    pub order_made: u64,
    /// Conductivity in the return of the cleaning circuit, millisiemens a centimetre.
    pub conductivity: f64,
    /// Slow disturbances without unit: steam, cooling, air, water.
    unrest: [f64; 4],
    phase_s: f64,
    count_at_order: u64,
    at: i64,
    rng: Rng,
}

impl Process {
    /// The plant as it runs at `start`, in nanoseconds since 1970 UTC.
    pub fn new(seed: u64, start: i64) -> Self {
        let warm = (WARM_UP_S * 1e9) as i64;
        let mut this = Process {
            mixing: Mixing::in_operation(),
            pasteuriser: Pasteuriser::in_operation(),
            line: Line::in_operation(),
            utilities: Utilities::in_operation(),
            building: Building::in_operation(),
            campaign: Campaign::Producing,
            order: 48_213,
            order_bottles: 190_000,
            order_made: 0,
            conductivity: 0.6,
            unrest: [0.0; 4],
            phase_s: 0.0,
            count_at_order: 0,
            at: start - warm,
            rng: Rng::fork(seed, "process"),
        };
        this.advance(start);
        this
    }

    /// Runs the plant up to `until`.
    pub fn advance(&mut self, until: i64) {
        while self.at + STEP_NANOS <= until {
            self.at += STEP_NANOS;
            self.step();
        }
    }

    fn hour(&self) -> f64 {
        (self.at.rem_euclid(86_400_000_000_000) as f64) / 3.6e12
    }

    /// Shift 1 begins at 06:00, 2 at 14:00, 3 at 22:00.
    pub fn shift(&self) -> u16 {
        match self.hour() {
            h if (6.0..14.0).contains(&h) => 1,
            h if (14.0..22.0).contains(&h) => 2,
            _ => 3,
        }
    }

    fn step(&mut self) {
        let dt = STEP_S;
        self.campaign(dt);
        let rng = &mut self.rng;
        for d in &mut self.unrest {
            *d += -*d * dt / UNREST_S + (2.0 * dt / UNREST_S).sqrt() * rng.normal();
        }
        let [steam, cold, air, water] = self.unrest;
        let (u, b) = (&mut self.utilities, &mut self.building);
        let producing = self.campaign == Campaign::Producing;
        let product = producing && self.pasteuriser.buffer_m3 > 0.05;
        self.line.step(product, u.air.pressure, rng, dt);
        let filled = self.line.fill_flow();
        self.pasteuriser.step(
            self.mixing.mix_temperature,
            (u.boiler.pressure, u.chiller.supply),
            filled,
            rng,
            dt,
        );
        let drawn = if self.pasteuriser.diverting { 0.0 } else { self.pasteuriser.demand() };
        self.mixing.step(drawn, b.outside.max(18.0), rng, dt);
        let cleaning = if self.campaign == Campaign::Cleaning { 1.0 } else { 0.0 };
        let heating: f64 = b.handlers.iter().map(|h| h.heating_kw).sum();
        let cooling: f64 = b.handlers.iter().map(|h| h.cooling_kw).sum();
        let loads = Loads {
            steam_kw: (self.pasteuriser.steam_kw + heating + cleaning * 220.0)
                * (1.0 + 0.06 * steam),
            cooling_kw: (self.pasteuriser.cooling_kw + cooling) * (1.0 + 0.05 * cold),
            air_nm3_min: (1.5 + self.line.filler().speed / 36_000.0 * 7.5) * (1.0 + 0.05 * air),
            water_m3_h: self.mixing.water_in + cleaning * 9.0 + 0.3 * (1.0 + water).max(0.0),
            wet_bulb: b.outside - 3.0,
        };
        u.step(loads, rng, dt);
        let pumps = 6.0 + self.pasteuriser.flow * 0.8 + self.mixing.agitator_rpm / 40.0;
        let motors = u.air.compressor_kw + u.chiller.electric_kw() + 8.0;
        let hour = (self.at.rem_euclid(86_400_000_000_000) as f64) / 3.6e12;
        b.step(hour, self.line.electric_kw(), (motors, pumps), rng, dt);
        self.conductivity = pid::lag(self.conductivity, 0.6 + cleaning * 58.0, 40.0, dt);
    }

    /// Orders, change-over and cleaning follow each other.
    fn campaign(&mut self, dt: f64) {
        let made = self.line.machines[3].count;
        self.order_made = made - self.count_at_order;
        self.phase_s += dt;
        let next = match self.campaign {
            Campaign::Producing if self.order_made >= self.order_bottles => Campaign::Changeover,
            Campaign::Changeover if self.phase_s > 420.0 => Campaign::Cleaning,
            Campaign::Cleaning if self.phase_s > 1_200.0 => Campaign::Producing,
            same => same,
        };
        if next != self.campaign {
            self.campaign = next;
            self.phase_s = 0.0;
            if next == Campaign::Producing {
                self.order += 1;
                self.count_at_order = made;
                self.order_bottles = 120_000 + 10_000 * self.rng.below(12);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_often_changes_nothing() {
        let (mut a, mut b) = (Process::new(1, 0), Process::new(1, 0));
        a.advance(60_000_000_000);
        for i in 1..=600 {
            b.advance(i * STEP_NANOS);
        }
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }

    #[test]
    fn a_day_keeps_every_store_within_its_bounds_and_the_energy_consistent() {
        let mut p = Process::new(11, 0);
        let before = p.building.meters[0].kwh;
        let mut energy = 0.0;
        for i in 1..=(86_400 * 10) {
            p.advance(i * STEP_NANOS);
            energy += p.building.meters[0].kw * STEP_S / 3_600.0;
            let parts = p.building.meters[1].kw + p.building.meters[2].kw;
            assert!(p.building.meters[0].kw > parts, "the intake carries its branches");
            assert!((0.0..=100.0).contains(&p.mixing.mix_level()));
            assert!((0.0..=100.0).contains(&p.pasteuriser.buffer_level()));
            assert!((4.0..10.0).contains(&p.utilities.boiler.pressure), "{:?}", p.utilities.boiler);
            assert!((5.5..8.0).contains(&p.utilities.air.pressure));
            assert!((15.0..30.0).contains(&p.building.handlers[0].zone), "{i} {:?}", p.building);
            assert!((380.0..1_500.0).contains(&p.building.handlers[1].co2));
        }
        let counted = p.building.meters[0].kwh - before;
        assert!((counted - energy).abs() < 0.01 * energy, "{counted} {energy}");
        assert!(p.order > 48_213, "orders follow each other");
        assert!(p.line.machines[0].count > 300_000, "{}", p.line.machines[0].count);
    }
}
