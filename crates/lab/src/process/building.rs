//! Two air-handling units and the electrical intake: the building around the line.
//!
//! Invariant: power at the intake is the sum of what runs; energy is its integral.

use super::pid::{Pid, lag};
use crate::rng::Rng;

#[derive(Clone, Debug)]
pub struct AirHandler {
    pub zone: f64,
    pub co2: f64,
    pub supply: f64,
    pub fan: f64,
    pub heating_valve: f64,
    pub cooling_valve: f64,
    pub filter_pa: f64,
    pub heating_kw: f64,
    pub cooling_kw: f64,
    pub zone_set: f64,
    pub co2_set: f64,
    people: f64,
    temperature: Pid,
    ventilation: Pid,
}

impl AirHandler {
    pub fn new(zone_set: f64, people: f64) -> Self {
        AirHandler {
            zone: zone_set,
            co2: 650.0,
            supply: 19.0,
            fan: 55.0,
            heating_valve: 10.0,
            cooling_valve: 0.0,
            filter_pa: 120.0,
            heating_kw: 10.0,
            cooling_kw: 0.0,
            zone_set,
            co2_set: 800.0,
            people,
            temperature: Pid::new(18.0, 400.0, (-100.0, 100.0), 10.0),
            ventilation: Pid::new(-0.15, 300.0, (25.0, 100.0), 55.0),
        }
    }

    /// `gains_kw` is heat from machines in the zone; `hour` is local time.
    fn step(&mut self, outside: f64, gains_kw: f64, hour: f64, rng: &mut Rng, dt: f64) {
        let occupied = if (6.0..18.0).contains(&hour) { 1.0 } else { 0.3 };
        let people = self.people * occupied;
        let speed = self.ventilation.step(self.co2_set - self.co2, dt);
        self.fan = lag(self.fan, speed, 6.0, dt);
        let air_m3_h = self.fan / 100.0 * 14_000.0;
        // A person breathes out 0.02 m3 of CO2 an hour into a hall of 6,000 m3.
        let made = people * 0.02 / 6_000.0 * 1e6;
        let washed = air_m3_h / 6_000.0 * (self.co2 - 420.0);
        self.co2 += (made - washed) * dt / 3_600.0 + 0.02 * rng.normal();
        let demand = self.temperature.step(self.zone_set - self.zone, dt);
        self.heating_valve = lag(self.heating_valve, demand.max(0.0), 8.0, dt);
        self.cooling_valve = lag(self.cooling_valve, (-demand).max(0.0), 8.0, dt);
        self.heating_kw = self.heating_valve / 100.0 * 140.0;
        self.cooling_kw = self.cooling_valve / 100.0 * 110.0;
        // Heat recovery gives back 70 %; air carries 0.34 Wh for a cubic metre and kelvin.
        let mixed = outside + 0.7 * (self.zone - outside);
        let carries = (air_m3_h * 0.000_34).max(0.3);
        self.supply =
            lag(self.supply, mixed + (self.heating_kw - self.cooling_kw) / carries, 20.0, dt);
        let balance = carries * (self.supply - self.zone) + gains_kw - 2.2 * (self.zone - outside);
        self.zone += balance * dt / 18_000.0;
        self.filter_pa = lag(self.filter_pa, 60.0 + 180.0 * (self.fan / 100.0).powi(2), 5.0, dt);
    }

    pub fn fan_kw(&self) -> f64 {
        7.5 * (self.fan / 100.0).powi(3) + 0.2
    }
}

#[derive(Clone, Debug)]
pub struct Meter {
    pub kw: f64,
    pub kvar: f64,
    pub volts: [f64; 3],
    pub amps: [f64; 3],
    pub power_factor: f64,
    pub hertz: f64,
    /// Total harmonic distortion of current, percent.
    pub thd: f64,
    pub kwh: f64,
}

impl Meter {
    pub fn new(kwh: f64) -> Self {
        Meter {
            kw: 0.0,
            kvar: 0.0,
            volts: [400.0; 3],
            amps: [0.0; 3],
            power_factor: 0.93,
            hertz: 50.0,
            thd: 4.0,
            kwh,
        }
    }

    /// `drives_kw` of the load run on converters: good power factor, bad harmonics.
    fn step(&mut self, direct_kw: f64, drives_kw: f64, rng: &mut Rng, dt: f64) {
        self.kw = direct_kw + drives_kw;
        self.kvar = direct_kw * 0.58 + drives_kw * 0.18;
        let apparent = self.kw.hypot(self.kvar).max(0.001);
        self.power_factor = self.kw / apparent;
        self.thd = 2.0 + 34.0 * drives_kw / self.kw.max(1.0);
        self.hertz = lag(self.hertz, 50.0 + 0.012 * rng.normal(), 2.0, dt);
        for phase in 0..3 {
            let sag = apparent * 0.004 + phase as f64 * 0.4;
            self.volts[phase] = lag(self.volts[phase], 403.0 - sag + 0.3 * rng.normal(), 1.0, dt);
            let share = 1.0 + (phase as f64 - 1.0) * 0.015;
            self.amps[phase] = apparent * 1_000.0 / (3_f64.sqrt() * self.volts[phase]) * share;
        }
        self.kwh += self.kw * dt / 3_600.0;
    }
}

#[derive(Clone, Debug)]
pub struct Building {
    pub outside: f64,
    /// Hall and offices.
    pub handlers: [AirHandler; 2],
    /// Intake, line, utilities.
    pub meters: [Meter; 3],
    pub breaker_closed: bool,
    pub transformer: f64,
}

impl Building {
    pub fn in_operation() -> Self {
        Building {
            outside: 11.0,
            handlers: [AirHandler::new(21.0, 40.0), AirHandler::new(22.0, 60.0)],
            meters: [Meter::new(8_412_553.0), Meter::new(2_204_871.0), Meter::new(3_977_102.0)],
            breaker_closed: true,
            transformer: 52.0,
        }
    }

    pub fn step(
        &mut self,
        hour: f64,
        line_kw: f64,
        (motors_kw, drives_kw): (f64, f64),
        rng: &mut Rng,
        dt: f64,
    ) {
        let day = (hour - 15.0) / 24.0 * std::f64::consts::TAU;
        self.outside = lag(self.outside, 11.0 + 6.0 * day.cos(), 300.0, dt);
        self.handlers[0].step(self.outside, 18.0 + line_kw * 0.25, hour, rng, dt);
        self.handlers[1].step(self.outside, 14.0, hour, rng, dt);
        let fans: f64 = self.handlers.iter().map(AirHandler::fan_kw).sum();
        self.meters[1].step(line_kw * 0.2, line_kw * 0.8, rng, dt);
        self.meters[2].step(motors_kw, drives_kw, rng, dt);
        let lighting = if (5.5..22.0).contains(&hour) { 46.0 } else { 18.0 };
        let direct = line_kw * 0.2 + motors_kw + lighting;
        self.meters[0].step(direct, line_kw * 0.8 + drives_kw + fans, rng, dt);
        self.transformer = lag(self.transformer, 34.0 + self.meters[0].kw * 0.05, 900.0, dt);
    }
}
