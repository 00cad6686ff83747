//! The bottling line: filler, capper, labeller, packer, palletiser, and the conveyors between
//! that fill and run empty.
//!
//! Counts in bottles, speeds in bottles an hour. Invariant: no bottle appears or vanishes: what
//! the filler made is rejected, on a conveyor, or on a pallet.

use super::pid::lag;
use crate::rng::Rng;

/// Bottle volume in litres.
pub const BOTTLE_LITRES: f64 = 0.5;
pub const BOTTLES_PER_PALLET: u64 = 1_536;

/// State as the machines report it (PackML, ISA-TR88.00.02).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Stopped = 2,
    Execute = 6,
    Held = 11,
    /// Downstream is full or upstream is empty.
    Suspended = 5,
}

#[derive(Clone, Debug)]
pub struct Machine {
    pub name: &'static str,
    pub speed: f64,
    pub state: State,
    pub count: u64,
    pub rejects: u64,
    pub motor_kw: f64,
    rated: f64,
    reject_rate: f64,
    jam_mean_s: f64,
    repair_s: f64,
    next_jam_s: f64,
    down_s: f64,
    owed: f64,
}

impl Machine {
    fn new(name: &'static str, rated: f64, reject_rate: f64, jam_mean_s: f64) -> Self {
        Machine {
            name,
            speed: 36_000.0,
            state: State::Execute,
            count: 0,
            rejects: 0,
            motor_kw: 0.0,
            rated,
            reject_rate,
            jam_mean_s,
            repair_s: 45.0,
            next_jam_s: jam_mean_s,
            down_s: 0.0,
            owed: 0.0,
        }
    }

    /// Runs for `dt` with at most `offered` bottles in and `room` bottles out; returns bottles
    /// taken and passed on.
    fn step(
        &mut self,
        (wanted, enabled): (f64, bool),
        (offered, room): (u64, u64),
        rng: &mut Rng,
        dt: f64,
    ) -> (u64, u64) {
        if self.state == State::Execute {
            self.next_jam_s -= dt;
        }
        if self.next_jam_s <= 0.0 {
            self.next_jam_s = rng.exponential(self.jam_mean_s);
            self.down_s = rng.between(0.4, 1.8) * self.repair_s;
        }
        self.down_s = (self.down_s - dt).max(0.0);
        self.state = if !enabled {
            State::Stopped
        } else if self.down_s > 0.0 {
            State::Held
        } else if offered == 0 || room == 0 {
            State::Suspended
        } else {
            State::Execute
        };
        let target = if self.state == State::Execute { wanted.min(self.rated) } else { 0.0 };
        self.speed = lag(self.speed, target, 2.5, dt);
        if self.speed < 1.0 {
            self.speed = 0.0;
        }
        self.motor_kw = self.speed / self.rated * self.rated / 4_000.0 + 0.4;
        self.owed += self.speed / 3_600.0 * dt;
        let taken = (self.owed as u64).min(offered).min(room);
        self.owed = if taken == 0 { self.owed.min(1.0) } else { self.owed - taken as f64 };
        let rejected = (0..taken).filter(|_| rng.chance(self.reject_rate)).count() as u64;
        self.count += taken - rejected;
        self.rejects += rejected;
        (taken, taken - rejected)
    }
}

#[derive(Clone, Debug)]
pub struct Line {
    /// Filler, capper, labeller, packer.
    pub machines: [Machine; 4],
    /// Bottles on the conveyor behind each machine.
    pub conveyors: [u64; 4],
    pub pallets: u64,
    pub on_pallet: u64,
    pub speed_set: f64,
    pub conveyor_speed_set: f64,
    pub conveyor_hz: f64,
    pub cap_torque: f64,
    pub fill_ml: f64,
    pub filler_enabled: bool,
    pub packaging_enabled: bool,
    pub palletiser_busy: bool,
    robot_s: f64,
    pub robot_angle: f64,
}

/// Bottles a conveyor holds.
pub const CONVEYOR_BOTTLES: u64 = 2_400;

impl Line {
    pub fn in_operation() -> Self {
        Line {
            machines: [
                Machine::new("filler", 40_000.0, 0.0012, 2_400.0),
                Machine::new("capper", 44_000.0, 0.0004, 3_600.0),
                Machine::new("labeller", 44_000.0, 0.0006, 1_800.0),
                Machine::new("packer", 48_000.0, 0.0001, 2_700.0),
            ],
            conveyors: [300, 420, 500, 900],
            pallets: 0,
            on_pallet: 0,
            speed_set: 36_000.0,
            conveyor_speed_set: 42.0,
            conveyor_hz: 42.0,
            cap_torque: 1.9,
            fill_ml: 500.4,
            filler_enabled: true,
            packaging_enabled: true,
            palletiser_busy: false,
            robot_s: 0.0,
            robot_angle: 0.0,
        }
    }

    pub fn filler(&self) -> &Machine {
        &self.machines[0]
    }

    /// Product the filler draws, cubic metres an hour.
    pub fn fill_flow(&self) -> f64 {
        self.filler().speed * BOTTLE_LITRES / 1_000.0
    }

    pub fn accumulation(&self, conveyor: usize) -> f64 {
        self.conveyors[conveyor] as f64 / CONVEYOR_BOTTLES as f64 * 100.0
    }

    pub fn electric_kw(&self) -> f64 {
        let machines: f64 = self.machines.iter().map(|m| m.motor_kw).sum();
        machines + self.conveyor_hz / 50.0 * 18.0 + if self.palletiser_busy { 7.5 } else { 1.8 }
    }

    pub fn step(&mut self, product: bool, air_bar: f64, rng: &mut Rng, dt: f64) {
        let air = air_bar > 5.2;
        let belts = self.filler_enabled || self.packaging_enabled;
        self.conveyor_hz =
            lag(self.conveyor_hz, if belts { self.conveyor_speed_set } else { 0.0 }, 1.2, dt);
        for i in 0..4 {
            // Downstream machines run a little faster to keep their infeed from filling up.
            let full = i > 0 && self.conveyors[i - 1] > CONVEYOR_BOTTLES / 3;
            let wanted = self.speed_set * if full { 1.12 } else { 1.0 };
            let offered = match i {
                0 if product => u64::MAX,
                0 => 0,
                _ => self.conveyors[i - 1],
            };
            let room = CONVEYOR_BOTTLES - self.conveyors[i];
            let enabled = air && if i == 0 { self.filler_enabled } else { self.packaging_enabled };
            let (taken, passed) =
                self.machines[i].step((wanted, enabled), (offered, room), rng, dt);
            if i > 0 {
                self.conveyors[i - 1] -= taken;
            }
            self.conveyors[i] += passed;
        }
        self.palletise(rng, dt);
        self.cap_torque = lag(self.cap_torque, 1.9 + 0.06 * rng.normal(), 1.0, dt);
        self.fill_ml = lag(self.fill_ml, 500.4 + 0.9 * rng.normal(), 1.0, dt);
    }

    /// The robot takes a layer of 192 bottles every 15 seconds when there is one.
    fn palletise(&mut self, rng: &mut Rng, dt: f64) {
        self.robot_s -= dt;
        if self.robot_s <= 0.0 && self.packaging_enabled && self.conveyors[3] >= 192 {
            self.conveyors[3] -= 192;
            self.on_pallet += 192;
            self.robot_s = rng.between(13.5, 16.0);
            if self.on_pallet >= BOTTLES_PER_PALLET {
                self.on_pallet -= BOTTLES_PER_PALLET;
                self.pallets += 1;
            }
        }
        self.palletiser_busy = self.robot_s > 0.0;
        let phase = (self.robot_s.max(0.0) / 15.0 * std::f64::consts::TAU).sin();
        self.robot_angle = if self.palletiser_busy { 95.0 * phase } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bottle_appears_or_vanishes() {
        let (mut line, mut rng) = (Line::in_operation(), Rng::new(5));
        let start: u64 = line.conveyors.iter().sum();
        for _ in 0..288_000 {
            line.step(true, 6.8, &mut rng, 0.1);
            assert!(line.conveyors.iter().all(|c| *c <= CONVEYOR_BOTTLES));
        }
        let made = line.machines[0].count + start;
        let rejected: u64 = line.machines[1..].iter().map(|m| m.rejects).sum();
        let held: u64 = line.conveyors.iter().sum();
        let packed = line.pallets * BOTTLES_PER_PALLET + line.on_pallet;
        assert_eq!(made, rejected + held + packed);
        // Eight hours at 36,000 with some stops.
        assert!((200_000..288_000).contains(&line.machines[0].count), "{}", line.machines[0].count);
    }

    #[test]
    fn a_jam_in_the_packer_backs_up_to_the_filler() {
        let (mut line, mut rng) = (Line::in_operation(), Rng::new(6));
        line.packaging_enabled = false;
        for _ in 0..18_000 {
            line.step(true, 6.8, &mut rng, 0.1);
        }
        assert_eq!(line.machines[0].state, State::Suspended);
        assert_eq!(line.conveyors[0], CONVEYOR_BOTTLES);
    }
}
