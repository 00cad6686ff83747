//! Flash pasteuriser: heat regained, steam to hold temperature, glycol to fill temperature, and
//! the buffer tank before the filler.
//!
//! Invariant: heat taken from steam and given to glycol is what the stream gained and lost.

use super::pid::{Pid, lag};
use crate::rng::Rng;

pub const BUFFER_M3: f64 = 6.0;
/// Heat of a cubic metre of product for a kelvin, in kilowatt hours.
const KWH_PER_M3_K: f64 = 1.163;
/// Share of the heat the plate exchanger gives back.
const REGENERATION: f64 = 0.90;

#[derive(Clone, Debug)]
pub struct Pasteuriser {
    pub flow: f64,
    pub inlet: f64,
    pub regenerated: f64,
    pub hold: f64,
    pub outlet: f64,
    pub steam_valve: f64,
    pub glycol_valve: f64,
    /// Steam and glycol duty, kilowatts.
    pub steam_kw: f64,
    pub cooling_kw: f64,
    /// Pasteurisation units of the product that leaves.
    pub units: f64,
    pub buffer_m3: f64,
    /// Product below its hold temperature goes back to the mix tank.
    pub diverting: bool,
    pub hold_set: f64,
    pub outlet_set: f64,
    pub flow_set: f64,
    pub running: bool,
    heat: Pid,
    cool: Pid,
    buffer: Pid,
}

impl Pasteuriser {
    pub fn in_operation() -> Self {
        Pasteuriser {
            flow: 18.0,
            inlet: 9.0,
            regenerated: 65.0,
            hold: 72.0,
            outlet: 6.0,
            steam_valve: 40.0,
            glycol_valve: 45.0,
            steam_kw: 140.0,
            cooling_kw: 190.0,
            units: 30.0,
            buffer_m3: 3.6,
            diverting: false,
            hold_set: 72.0,
            outlet_set: 6.0,
            flow_set: 18.0,
            running: true,
            heat: Pid::new(2.5, 25.0, (0.0, 100.0), 40.0),
            cool: Pid::new(3.0, 30.0, (0.0, 100.0), 45.0),
            buffer: Pid::new(0.25, 200.0, (-10.0, 6.0), 0.0),
        }
    }

    pub fn buffer_level(&self) -> f64 {
        self.buffer_m3 / BUFFER_M3 * 100.0
    }

    /// What it draws from the mix tank, cubic metres an hour.
    pub fn demand(&self) -> f64 {
        self.flow
    }

    pub fn step(
        &mut self,
        inlet: f64,
        (steam_bar, glycol): (f64, f64),
        filled: f64,
        rng: &mut Rng,
        dt: f64,
    ) {
        let trim = self.buffer.step(60.0 - self.buffer_level(), dt);
        let room = if self.buffer_level() > 97.0 { 0.0 } else { 1.0 };
        let target =
            if self.running { (self.flow_set + trim).clamp(0.0, 24.0) * room } else { 0.0 };
        self.flow = lag(self.flow, target, 6.0, dt);
        if self.flow < 1e-3 {
            self.flow = 0.0;
        }
        self.inlet = lag(self.inlet, inlet, 4.0, dt);
        self.regenerated =
            lag(self.regenerated, self.inlet + REGENERATION * (self.hold - self.inlet), 8.0, dt);
        self.steam_valve =
            if self.running { self.heat.step(self.hold_set - self.hold, dt) } else { 0.0 };
        // Full valve at 8 bar gives 350 kW.
        self.steam_kw = self.steam_valve / 100.0 * 350.0 * (steam_bar / 8.0).clamp(0.0, 1.3);
        let through = (self.flow * KWH_PER_M3_K).max(2.0);
        let heated = self.regenerated + self.steam_kw / through;
        self.hold = lag(self.hold, heated.min(98.0) + 1.2 * rng.normal(), 12.0, dt);
        let after_regeneration = self.hold - REGENERATION * (self.hold - self.inlet);
        self.glycol_valve =
            if self.running { self.cool.step(self.outlet - self.outlet_set, dt) } else { 0.0 };
        let most = self.glycol_valve / 100.0 * 16.0 * (after_regeneration - glycol).max(0.0);
        self.cooling_kw =
            most.min((self.flow * KWH_PER_M3_K) * (after_regeneration + 4.0).max(0.0));
        let cooled = after_regeneration - self.cooling_kw / through;
        self.outlet = lag(self.outlet, cooled.max(glycol), 10.0, dt);
        // Holding time is 30 s at nominal flow; z = 7 K at 60 degrees (EBC manual for beverages).
        let minutes = 0.5 * 18.0 / self.flow.max(6.0);
        let lethality = 1.393_f64.powf(self.hold - 60.0) * minutes;
        self.units = lag(self.units, lethality, 20.0, dt);
        self.diverting = self.hold < self.hold_set - 2.0;
        let forward = if self.diverting { 0.0 } else { self.flow };
        self.buffer_m3 = (self.buffer_m3 + (forward - filled) * dt / 3_600.0).clamp(0.0, BUFFER_M3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_and_buffer_settle_at_their_set_points() {
        let (mut p, mut rng) = (Pasteuriser::in_operation(), Rng::new(4));
        for _ in 0..36_000 {
            p.step(9.0, (8.0, -3.0), 18.0, &mut rng, 0.1);
            assert!((0.0..=100.0).contains(&p.buffer_level()));
        }
        assert!((p.hold - 72.0).abs() < 0.5, "{}", p.hold);
        assert!((p.outlet - 6.0).abs() < 0.7, "{}", p.outlet);
        assert!((p.buffer_level() - 60.0).abs() < 5.0, "{}", p.buffer_level());
        // First law: the steam's heat less the glycol's is what the stream carries off.
        let carried = p.flow * KWH_PER_M3_K * (p.outlet - p.inlet);
        assert!((p.steam_kw - p.cooling_kw - carried).abs() < 12.0, "{carried} {p:?}");
    }
}
