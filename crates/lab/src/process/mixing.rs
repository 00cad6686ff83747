//! Syrup, water and mix tanks: two streams in ratio control, one level, one pump out.
//!
//! Volumes in cubic metres, flows in cubic metres an hour. Invariant: what enters a tank less
//! what leaves it is the change of its level; the test adds it all up.

use super::pid::{Pid, lag};
use crate::rng::Rng;

pub const TANK_M3: f64 = 12.0;

#[derive(Clone, Debug)]
pub struct Mixing {
    pub syrup_m3: f64,
    pub water_m3: f64,
    pub mix_m3: f64,
    pub syrup_in: f64,
    pub water_in: f64,
    pub syrup_flow: f64,
    pub water_flow: f64,
    /// To the pasteuriser.
    pub out_flow: f64,
    /// Sugar content of the mix, degrees Brix.
    pub brix: f64,
    pub mix_temperature: f64,
    pub agitator_rpm: f64,
    pub syrup_valve: f64,
    pub water_valve: f64,
    pub level_set: f64,
    pub brix_set: f64,
    pub running: bool,
    refilling: bool,
    level: Pid,
    water_level: Pid,
}

/// Degrees Brix of the syrup as it comes from the syrup room.
const SYRUP_BRIX: f64 = 62.0;

impl Mixing {
    pub fn in_operation() -> Self {
        Mixing {
            syrup_m3: 7.5,
            water_m3: 8.0,
            mix_m3: 7.8,
            syrup_in: 0.0,
            water_in: 14.0,
            syrup_flow: 3.3,
            water_flow: 14.7,
            out_flow: 18.0,
            brix: 11.2,
            mix_temperature: 9.0,
            agitator_rpm: 120.0,
            syrup_valve: 38.0,
            water_valve: 55.0,
            level_set: 65.0,
            brix_set: 11.2,
            running: true,
            refilling: false,
            level: Pid::new(0.9, 90.0, (0.0, 30.0), 18.0),
            water_level: Pid::new(1.2, 120.0, (0.0, 30.0), 14.7),
        }
    }

    pub fn mix_level(&self) -> f64 {
        self.mix_m3 / TANK_M3 * 100.0
    }

    pub fn syrup_level(&self) -> f64 {
        self.syrup_m3 / TANK_M3 * 100.0
    }

    pub fn water_level(&self) -> f64 {
        self.water_m3 / TANK_M3 * 100.0
    }

    pub fn step(&mut self, demand: f64, ambient: f64, rng: &mut Rng, dt: f64) {
        let hours = dt / 3_600.0;
        // The level controller asks for a total; ratio control splits it by the sugar wanted.
        let total =
            if self.running { self.level.step(self.level_set - self.mix_level(), dt) } else { 0.0 };
        let share = (self.brix_set / SYRUP_BRIX).clamp(0.0, 1.0);
        let wanted = [total * share, total * (1.0 - share)];
        self.syrup_valve = lag(self.syrup_valve, (wanted[0] / 8.5 * 100.0).min(100.0), 2.0, dt);
        self.water_valve = lag(self.water_valve, (wanted[1] / 26.0 * 100.0).min(100.0), 2.0, dt);
        let head = |m3: f64| (m3 / 1.0).clamp(0.0, 1.0);
        let ripple = |rng: &mut Rng| 1.0 + 0.012 * rng.normal();
        self.syrup_flow = self.syrup_valve / 100.0 * 8.5 * head(self.syrup_m3) * ripple(rng);
        self.water_flow = self.water_valve / 100.0 * 26.0 * head(self.water_m3) * ripple(rng);
        self.out_flow = demand * head(self.mix_m3);

        // The syrup room sends a batch when the tank runs low; water comes all the time.
        if self.syrup_level() < 30.0 {
            self.refilling = true;
        } else if self.syrup_level() > 88.0 {
            self.refilling = false;
        }
        self.syrup_in = lag(self.syrup_in, if self.refilling { 12.0 } else { 0.0 }, 5.0, dt);
        let error = 67.0 - self.water_level();
        self.water_in = lag(self.water_in, self.water_level.step(error, dt), 3.0, dt);

        let inflow = self.syrup_flow + self.water_flow;
        let sugar = self.mix_m3 * self.brix + self.syrup_flow * SYRUP_BRIX * hours;
        self.brix = (sugar - self.out_flow * self.brix * hours)
            / (self.mix_m3 + (inflow - self.out_flow) * hours).max(0.05);
        let heat = self.mix_m3 * self.mix_temperature
            + (self.syrup_flow * 16.0 + self.water_flow * 7.0) * hours;
        self.mix_temperature = heat / (self.mix_m3 + inflow * hours).max(0.05);
        self.mix_temperature = lag(self.mix_temperature, ambient, 90_000.0, dt);

        self.syrup_m3 += (self.syrup_in - self.syrup_flow) * hours;
        self.water_m3 += (self.water_in - self.water_flow) * hours;
        self.mix_m3 += (inflow - self.out_flow) * hours;
        let speed = if self.running { 120.0 + 0.4 * rng.normal() } else { 0.0 };
        self.agitator_rpm = lag(self.agitator_rpm, speed, 1.5, dt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_balance_closes_and_levels_stay_within_the_tanks() {
        let (mut m, mut rng) = (Mixing::in_operation(), Rng::new(3));
        let before = m.syrup_m3 + m.water_m3 + m.mix_m3;
        let mut net = 0.0;
        for i in 0..720_000 {
            // The filler stops for ten minutes in each hour.
            let demand = if i / 6_000 % 6 == 5 { 0.0 } else { 18.0 };
            m.step(demand, 24.0, &mut rng, 0.1);
            net += (m.syrup_in + m.water_in - m.out_flow) * 0.1 / 3_600.0;
            for level in [m.syrup_level(), m.water_level(), m.mix_level()] {
                assert!((0.0..=100.0).contains(&level), "{level}");
            }
        }
        let after = m.syrup_m3 + m.water_m3 + m.mix_m3;
        assert!((after - before - net).abs() < 1e-6, "{}", after - before - net);
        assert!((m.brix - 11.2).abs() < 0.3, "{}", m.brix);
    }
}
