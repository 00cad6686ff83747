//! Boiler, chiller with cooling tower, compressed air, water: what the line lives on.
//!
//! Invariant: each store (steam, glycol, air) changes by what goes in less what goes out.

use super::pid::{Pid, lag};
use crate::rng::Rng;

#[derive(Clone, Debug)]
pub struct Boiler {
    /// Gauge pressure, bar.
    pub pressure: f64,
    pub drum_level: f64,
    pub burner: f64,
    pub gas_flow: f64,
    pub gas_m3: f64,
    pub steam_t_h: f64,
    pub flue: f64,
    pub pressure_set: f64,
    pub enabled: bool,
    control: Pid,
    feed: Pid,
    pub feed_valve: f64,
}

/// Burner power at full fire, kilowatts.
const BURNER_KW: f64 = 1_600.0;
/// Steam of one kilowatt of heat, tonnes an hour: 2.26 MJ/kg of evaporation.
const STEAM_T_H_PER_KW: f64 = 3.6 / 2_260.0;

impl Boiler {
    fn new() -> Self {
        Boiler {
            pressure: 8.0,
            drum_level: 55.0,
            burner: 35.0,
            gas_flow: 55.0,
            gas_m3: 184_220.0,
            steam_t_h: 0.8,
            flue: 172.0,
            pressure_set: 8.0,
            enabled: true,
            control: Pid::new(25.0, 60.0, (0.0, 100.0), 35.0),
            feed: Pid::new(1.5, 200.0, (0.0, 100.0), 40.0),
            feed_valve: 40.0,
        }
    }

    fn step(&mut self, load_kw: f64, dt: f64) {
        let target = if self.enabled {
            self.control.step(self.pressure_set - self.pressure, dt)
        } else {
            0.0
        };
        self.burner = lag(self.burner, target, 4.0, dt);
        let heat = self.burner / 100.0 * BURNER_KW * 0.91;
        // Losses grow with pressure; 9 MJ of heat change the drum by a bar.
        let losses = 12.0 * self.pressure;
        self.pressure = (self.pressure + (heat - load_kw - losses) * dt / 9_000.0).clamp(0.0, 10.5);
        self.steam_t_h = (load_kw + losses) * STEAM_T_H_PER_KW;
        self.gas_flow = self.burner / 100.0 * BURNER_KW / 10.2;
        self.gas_m3 += self.gas_flow * dt / 3_600.0;
        self.flue = lag(self.flue, 110.0 + 1.7 * self.burner, 60.0, dt);
        let valve = self.feed.step(55.0 - self.drum_level, dt);
        self.feed_valve = lag(self.feed_valve, valve, 3.0, dt);
        let feed = self.feed_valve / 100.0 * 2.2;
        self.drum_level =
            (self.drum_level + (feed - self.steam_t_h) * dt / 3_600.0 * 40.0).clamp(0.0, 100.0);
    }
}

#[derive(Clone, Debug)]
pub struct Chiller {
    pub supply: f64,
    pub ret: f64,
    pub load: f64,
    pub compressor_kw: f64,
    pub cop: f64,
    pub supply_set: f64,
    pub enabled: bool,
    pub tower_basin: f64,
    pub tower_fan: f64,
    pub tower_makeup: f64,
    control: Pid,
    tower: Pid,
}

/// Cooling at full load, kilowatts.
const CHILLER_KW: f64 = 650.0;
/// Heat capacity of the glycol circuit, kilowatt seconds for a kelvin.
const GLYCOL_KWS_PER_K: f64 = 30_000.0;

impl Chiller {
    fn new() -> Self {
        Chiller {
            supply: -2.0,
            ret: 1.5,
            load: 45.0,
            compressor_kw: 80.0,
            cop: 3.6,
            supply_set: -2.0,
            enabled: true,
            tower_basin: 22.0,
            tower_fan: 40.0,
            tower_makeup: 0.8,
            control: Pid::new(12.0, 120.0, (0.0, 100.0), 45.0),
            tower: Pid::new(8.0, 150.0, (0.0, 100.0), 40.0),
        }
    }

    fn step(&mut self, demand_kw: f64, wet_bulb: f64, dt: f64) {
        let target =
            if self.enabled { self.control.step(self.supply - self.supply_set, dt) } else { 0.0 };
        self.load = lag(self.load, target, 8.0, dt);
        let cooling = self.load / 100.0 * CHILLER_KW;
        self.cop = (4.6 - 0.07 * (self.tower_basin - 18.0)).clamp(2.0, 6.0);
        self.compressor_kw = cooling / self.cop;
        // 10 kW of heat leak into the circuit from pumps and pipes.
        self.supply += (demand_kw + 10.0 - cooling) * dt / GLYCOL_KWS_PER_K;
        self.ret = lag(self.ret, self.supply + demand_kw / 52.0, 15.0, dt);
        self.tower_fan = lag(self.tower_fan, self.tower.step(self.tower_basin - 22.0, dt), 4.0, dt);
        let rejected = (8.0 + self.tower_fan * 0.9) * (self.tower_basin - wet_bulb);
        self.tower_basin += (cooling + self.compressor_kw - rejected) * dt / 40_000.0;
        self.tower_makeup = rejected.max(0.0) * STEAM_T_H_PER_KW * 1.3;
    }

    pub fn electric_kw(&self) -> f64 {
        // Fan power goes with the cube of its speed.
        self.compressor_kw + 11.0 * (self.tower_fan / 100.0).powi(3) + 9.0
    }
}

#[derive(Clone, Debug)]
pub struct Air {
    pub pressure: f64,
    pub flow: f64,
    pub leak: f64,
    pub loaded: bool,
    pub compressor_kw: f64,
    pub hours: f64,
    pub load_set: f64,
    pub unload_set: f64,
    pub dew_point: f64,
}

impl Air {
    fn new() -> Self {
        Air {
            pressure: 6.9,
            flow: 9.0,
            leak: 1.6,
            loaded: true,
            compressor_kw: 75.0,
            hours: 18_442.6,
            load_set: 6.5,
            unload_set: 7.3,
            dew_point: 3.2,
        }
    }

    /// `demand` in normal cubic metres a minute.
    fn step(&mut self, demand: f64, rng: &mut Rng, dt: f64) {
        // Leaks are holes: their flow goes with the absolute pressure.
        self.leak = 0.2 * (self.pressure + 1.0);
        self.flow = demand + self.leak;
        if self.pressure <= self.load_set {
            self.loaded = true;
        } else if self.pressure >= self.unload_set {
            self.loaded = false;
        }
        let delivered = if self.loaded { 14.0 } else { 0.0 };
        // A 6 m3 receiver: a normal cubic metre is a sixth of a bar.
        self.pressure = (self.pressure + (delivered - self.flow) * dt / 60.0 / 6.0).clamp(0.0, 9.0);
        self.compressor_kw =
            lag(self.compressor_kw, if self.loaded { 78.0 } else { 24.0 }, 1.5, dt);
        self.hours += dt / 3_600.0;
        self.dew_point = lag(self.dew_point, 3.0 + 0.2 * rng.normal(), 60.0, dt);
    }
}

#[derive(Clone, Debug)]
pub struct Utilities {
    pub boiler: Boiler,
    pub chiller: Chiller,
    pub air: Air,
    /// Site water intake: flow in cubic metres an hour, pressure in bar, total in cubic metres.
    pub water_flow: f64,
    pub water_bar: f64,
    pub water_m3: f64,
    pub reservoir: f64,
    pub well_pump: bool,
}

/// What the rest of the plant asks of the utilities at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Loads {
    pub steam_kw: f64,
    pub cooling_kw: f64,
    pub air_nm3_min: f64,
    pub water_m3_h: f64,
    pub wet_bulb: f64,
}

impl Utilities {
    pub fn in_operation() -> Self {
        Utilities {
            boiler: Boiler::new(),
            chiller: Chiller::new(),
            air: Air::new(),
            water_flow: 16.0,
            water_bar: 4.2,
            water_m3: 902_118.0,
            reservoir: 74.0,
            well_pump: true,
        }
    }

    pub fn step(&mut self, loads: Loads, rng: &mut Rng, dt: f64) {
        self.boiler.step(loads.steam_kw, dt);
        self.chiller.step(loads.cooling_kw, loads.wet_bulb, dt);
        self.air.step(loads.air_nm3_min, rng, dt);
        let feed = self.boiler.steam_t_h * 0.25 + self.chiller.tower_makeup;
        self.water_flow = lag(self.water_flow, loads.water_m3_h + feed, 2.0, dt);
        self.water_m3 += self.water_flow * dt / 3_600.0;
        // The well pump refills a 400 m3 reservoir between two levels.
        if self.reservoir < 55.0 {
            self.well_pump = true;
        } else if self.reservoir > 90.0 {
            self.well_pump = false;
        }
        let inflow = if self.well_pump { 46.0 } else { 0.0 };
        self.reservoir += (inflow - self.water_flow) * dt / 3_600.0 / 4.0;
        let head = 3.4 + self.reservoir / 100.0 - self.water_flow * 0.006;
        self.water_bar = lag(self.water_bar, head + 0.01 * rng.normal(), 3.0, dt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressures_and_temperatures_hold_under_changing_load() {
        let (mut u, mut rng) = (Utilities::in_operation(), Rng::new(8));
        for i in 0..360_000 {
            let busy = if i / 9_000 % 2 == 0 { 1.0 } else { 0.35 };
            let loads = Loads {
                steam_kw: 420.0 * busy,
                cooling_kw: 320.0 * busy,
                air_nm3_min: 9.0 * busy,
                water_m3_h: 16.0 * busy,
                wet_bulb: 14.0,
            };
            u.step(loads, &mut rng, 0.1);
            if i > 9_000 {
                assert!((7.0..9.0).contains(&u.boiler.pressure), "steam {}", u.boiler.pressure);
                assert!((-4.0..0.5).contains(&u.chiller.supply), "glycol {}", u.chiller.supply);
                assert!((6.3..7.5).contains(&u.air.pressure), "air {}", u.air.pressure);
                assert!((10.0..90.0).contains(&u.boiler.drum_level), "{}", u.boiler.drum_level);
                assert!((50.0..95.0).contains(&u.reservoir), "{}", u.reservoir);
            }
        }
    }
}
