//! Where each controller keeps which process value: registers, data blocks, tags, points.
//!
//! Invariant: an answer is computed from the process at the moment of the question, and a write
//! changes the process, so no two readers can see different plants.

use crate::{
    process::{Process, line::State},
    speak::cip::Atom,
};

type Get = fn(&Process) -> f64;
type Set = fn(&mut Process, f64);

/// How a number stands in registers or bytes, big endian.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// 16 bits, the value times this factor; negative ones in two's complement.
    Scaled(f64),
    Long,
    Real,
}

impl Form {
    fn bytes(self, value: f64) -> Vec<u8> {
        match self {
            Form::Scaled(by) => ((value * by).round() as i64 as u16).to_be_bytes().to_vec(),
            Form::Long => (value.max(0.0) as u64 as u32).to_be_bytes().to_vec(),
            Form::Real => (value as f32).to_be_bytes().to_vec(),
        }
    }

    fn value(self, bytes: &[u8]) -> Option<f64> {
        Some(match self {
            Form::Scaled(by) => f64::from(i16::from_be_bytes(bytes.try_into().ok()?)) / by,
            Form::Long => f64::from(u32::from_be_bytes(bytes.try_into().ok()?)),
            Form::Real => f64::from(f32::from_be_bytes(bytes.try_into().ok()?)),
        })
    }

    const fn width(self) -> usize {
        match self {
            Form::Scaled(_) => 2,
            Form::Long | Form::Real => 4,
        }
    }
}

/// A value at a byte offset of a block of memory.
pub struct Cell {
    pub at: u16,
    pub form: Form,
    pub get: Get,
    pub set: Option<Set>,
}

const fn shows(at: u16, form: Form, get: Get) -> Cell {
    Cell { at, form, get, set: None }
}

const fn takes(at: u16, form: Form, get: Get, set: Set) -> Cell {
    Cell { at, form, get, set: Some(set) }
}

/// Bytes `first..first + count` of a block; what no cell covers is zero.
pub fn read_bytes(cells: &[Cell], process: &Process, first: u16, count: u16) -> Vec<u8> {
    let mut out = vec![0; usize::from(count)];
    for cell in cells {
        for (i, byte) in cell.form.bytes((cell.get)(process)).into_iter().enumerate() {
            let at = usize::from(cell.at) + i;
            if at >= usize::from(first) && at < usize::from(first) + usize::from(count) {
                out[at - usize::from(first)] = byte;
            }
        }
    }
    out
}

/// Writes whole cells that lie in the bytes given; says how many took the value.
pub fn write_bytes(cells: &[Cell], process: &mut Process, first: u16, bytes: &[u8]) -> usize {
    let mut taken = 0;
    for cell in cells {
        let (Some(set), Some(start)) = (cell.set, cell.at.checked_sub(first)) else { continue };
        let range = usize::from(start)..usize::from(start) + cell.form.width();
        if let Some(value) = bytes.get(range).and_then(|b| cell.form.value(b)) {
            set(process, value);
            taken += 1;
        }
    }
    taken
}

/// The bytes of the cell at `at` when it holds `value`.
pub fn encode(cells: &[Cell], at: u16, value: f64) -> Vec<u8> {
    let cell = cells.iter().find(|c| c.at == at).expect("an operator writes known cells");
    cell.form.bytes(value)
}

/// Holding registers as words; register `n` is bytes `2n` and `2n + 1`.
pub fn read_registers(cells: &[Cell], process: &Process, first: u16, count: u16) -> Vec<u16> {
    let bytes = read_bytes(cells, process, first * 2, count * 2);
    bytes.chunks(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect()
}

pub fn write_registers(cells: &[Cell], process: &mut Process, first: u16, values: &[u16]) -> usize {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    write_bytes(cells, process, first * 2, &bytes)
}

use Form::{Long, Real, Scaled};

/// Data block 1 of the mixing controller: process values.
pub static MIX_VALUES: [Cell; 12] = [
    shows(0, Real, |p| p.mixing.syrup_level()),
    shows(4, Real, |p| p.mixing.water_level()),
    shows(8, Real, |p| p.mixing.mix_level()),
    shows(12, Real, |p| p.mixing.brix),
    shows(16, Real, |p| p.mixing.syrup_flow),
    shows(20, Real, |p| p.mixing.water_flow),
    shows(24, Real, |p| p.mixing.mix_temperature),
    shows(28, Real, |p| p.mixing.out_flow),
    shows(32, Real, |p| p.mixing.syrup_valve),
    shows(36, Real, |p| p.mixing.water_valve),
    shows(40, Real, |p| p.mixing.agitator_rpm),
    shows(44, Scaled(1.0), |p| p.campaign as u8 as f64),
];

/// Data block 2 of the mixing controller: set points.
pub static MIX_SETS: [Cell; 2] = [
    takes(0, Real, |p| p.mixing.level_set, |p, v| p.mixing.level_set = v.clamp(0.0, 100.0)),
    takes(4, Real, |p| p.mixing.brix_set, |p, v| p.mixing.brix_set = v.clamp(0.0, 40.0)),
];

/// Data block 10 of the pasteuriser's controller.
pub static PAST_VALUES: [Cell; 11] = [
    shows(0, Real, |p| p.pasteuriser.inlet),
    shows(4, Real, |p| p.pasteuriser.regenerated),
    shows(8, Real, |p| p.pasteuriser.hold),
    shows(12, Real, |p| p.pasteuriser.outlet),
    shows(16, Real, |p| p.pasteuriser.flow),
    shows(20, Real, |p| p.pasteuriser.steam_valve),
    shows(24, Real, |p| p.pasteuriser.glycol_valve),
    shows(28, Real, |p| p.pasteuriser.units),
    shows(32, Real, |p| p.pasteuriser.buffer_level()),
    shows(36, Real, |p| p.conductivity),
    shows(40, Scaled(1.0), |p| f64::from(u8::from(p.pasteuriser.diverting))),
];

/// Data block 11 of the pasteuriser's controller.
pub static PAST_SETS: [Cell; 3] = [
    takes(0, Real, |p| p.pasteuriser.hold_set, |p, v| p.pasteuriser.hold_set = v.clamp(20.0, 95.0)),
    takes(
        4,
        Real,
        |p| p.pasteuriser.outlet_set,
        |p, v| p.pasteuriser.outlet_set = v.clamp(1.0, 30.0),
    ),
    takes(8, Real, |p| p.pasteuriser.flow_set, |p, v| p.pasteuriser.flow_set = v.clamp(0.0, 24.0)),
];

/// Holding registers of the packaging controller.
pub static PACK: [Cell; 14] = [
    shows(0, Scaled(0.1), |p| p.line.machines[1].speed),
    shows(2, Scaled(0.1), |p| p.line.machines[2].speed),
    shows(4, Scaled(0.1), |p| p.line.machines[3].speed),
    shows(6, Scaled(1.0), |p| p.line.machines[1].state as u8 as f64),
    shows(8, Scaled(1.0), |p| p.line.machines[2].state as u8 as f64),
    shows(10, Scaled(1.0), |p| p.line.machines[3].state as u8 as f64),
    shows(12, Long, |p| p.line.machines[1].count as f64),
    shows(16, Long, |p| p.line.machines[2].count as f64),
    shows(20, Long, |p| p.line.machines[3].count as f64),
    shows(24, Scaled(100.0), |p| p.line.cap_torque),
    shows(26, Scaled(10.0), |p| p.line.accumulation(1)),
    shows(28, Scaled(10.0), |p| p.line.accumulation(2)),
    shows(30, Scaled(1.0), |p| p.line.machines[2].rejects as f64),
    takes(
        200,
        Scaled(10.0),
        |p| p.line.conveyor_speed_set,
        |p, v| p.line.conveyor_speed_set = v.clamp(0.0, 60.0),
    ),
];

/// Holding registers of the utilities' controller.
pub static UTIL: [Cell; 20] = [
    shows(0, Real, |p| p.utilities.boiler.pressure),
    shows(4, Real, |p| p.utilities.boiler.burner),
    shows(8, Real, |p| p.utilities.boiler.steam_t_h),
    shows(12, Real, |p| p.utilities.boiler.drum_level),
    shows(16, Real, |p| p.utilities.chiller.supply),
    shows(20, Real, |p| p.utilities.chiller.ret),
    shows(24, Real, |p| p.utilities.chiller.load),
    shows(28, Real, |p| p.utilities.chiller.tower_basin),
    shows(32, Real, |p| p.utilities.air.pressure),
    shows(36, Real, |p| p.utilities.air.flow),
    shows(40, Real, |p| p.utilities.air.dew_point),
    shows(44, Real, |p| p.utilities.water_flow),
    shows(48, Real, |p| p.building.meters[0].kw),
    shows(52, Real, |p| p.building.meters[1].kw),
    shows(56, Real, |p| p.building.meters[2].kw),
    shows(60, Scaled(1.0), |p| f64::from(p.shift())),
    takes(
        200,
        Real,
        |p| p.utilities.boiler.pressure_set,
        |p, v| p.utilities.boiler.pressure_set = v.clamp(0.0, 10.0),
    ),
    takes(
        204,
        Real,
        |p| p.utilities.chiller.supply_set,
        |p, v| p.utilities.chiller.supply_set = v.clamp(-8.0, 12.0),
    ),
    takes(
        208,
        Real,
        |p| p.utilities.air.load_set,
        |p, v| p.utilities.air.load_set = v.clamp(4.0, 7.0),
    ),
    takes(
        212,
        Real,
        |p| p.utilities.air.unload_set,
        |p, v| p.utilities.air.unload_set = v.clamp(5.0, 8.5),
    ),
];

/// Units behind the serial gateway: burner control, chiller, compressor, tower fan.
pub static BURNER: [Cell; 5] = [
    shows(0, Scaled(100.0), |p| p.utilities.boiler.pressure),
    shows(2, Scaled(10.0), |p| p.utilities.boiler.burner),
    shows(4, Scaled(10.0), |p| p.utilities.boiler.flue),
    shows(6, Scaled(10.0), |p| p.utilities.boiler.gas_flow),
    shows(8, Long, |p| p.utilities.boiler.gas_m3),
];
pub static CHILLER: [Cell; 5] = [
    shows(0, Scaled(10.0), |p| p.utilities.chiller.supply),
    shows(2, Scaled(10.0), |p| p.utilities.chiller.ret),
    shows(4, Scaled(10.0), |p| p.utilities.chiller.load),
    shows(6, Scaled(10.0), |p| p.utilities.chiller.compressor_kw),
    shows(8, Scaled(100.0), |p| p.utilities.chiller.cop),
];
pub static COMPRESSOR: [Cell; 5] = [
    shows(0, Scaled(100.0), |p| p.utilities.air.pressure),
    shows(2, Scaled(1.0), |p| f64::from(u8::from(p.utilities.air.loaded))),
    shows(4, Scaled(10.0), |p| p.utilities.air.compressor_kw),
    shows(6, Scaled(10.0), |p| p.utilities.air.dew_point),
    shows(8, Long, |p| p.utilities.air.hours),
];
pub static TOWER_FAN: [Cell; 2] = [
    shows(0, Scaled(10.0), |p| p.utilities.chiller.tower_fan / 2.0),
    shows(2, Scaled(10.0), |p| p.utilities.chiller.tower_basin),
];

macro_rules! meter {
    ($n:literal) => {
        [
            shows(0, Real, |p: &Process| p.building.meters[$n].amps[0]),
            shows(4, Real, |p: &Process| p.building.meters[$n].amps[1]),
            shows(8, Real, |p: &Process| p.building.meters[$n].amps[2]),
            shows(12, Real, |p: &Process| p.building.meters[$n].volts[0]),
            shows(16, Real, |p: &Process| p.building.meters[$n].volts[1]),
            shows(20, Real, |p: &Process| p.building.meters[$n].volts[2]),
            shows(24, Real, |p: &Process| p.building.meters[$n].kw),
            shows(28, Real, |p: &Process| p.building.meters[$n].kvar),
            shows(32, Real, |p: &Process| p.building.meters[$n].power_factor),
            shows(36, Real, |p: &Process| p.building.meters[$n].hertz),
            shows(40, Real, |p: &Process| p.building.meters[$n].thd),
            shows(44, Long, |p: &Process| p.building.meters[$n].kwh),
        ]
    };
}
pub static METER_MAIN: [Cell; 12] = meter!(0);
pub static METER_LINE: [Cell; 12] = meter!(1);
pub static METER_WATER: [Cell; 3] = [
    shows(0, Real, |p| p.utilities.water_flow),
    shows(4, Real, |p| p.utilities.water_bar),
    shows(8, Long, |p| p.utilities.water_m3),
];

macro_rules! handler {
    ($n:literal) => {
        [
            shows(0, Scaled(10.0), |p: &Process| p.building.handlers[$n].fan / 2.0),
            shows(2, Scaled(100.0), |p: &Process| p.building.handlers[$n].fan_kw()),
            shows(4, Scaled(10.0), |p: &Process| p.building.handlers[$n].supply),
            shows(6, Scaled(1.0), |p: &Process| p.building.handlers[$n].filter_pa),
        ]
    };
}
pub static FAN_HALL: [Cell; 4] = handler!(0);
pub static FAN_OFFICE: [Cell; 4] = handler!(1);

/// Holding registers of the building controller, for SCADA.
pub static BUILDING: [Cell; 10] = [
    shows(0, Scaled(10.0), |p| p.building.handlers[0].zone),
    shows(2, Scaled(1.0), |p| p.building.handlers[0].co2),
    shows(4, Scaled(10.0), |p| p.building.handlers[0].heating_valve),
    shows(6, Scaled(10.0), |p| p.building.handlers[0].cooling_valve),
    shows(8, Scaled(10.0), |p| p.building.handlers[1].zone),
    shows(10, Scaled(1.0), |p| p.building.handlers[1].co2),
    shows(12, Scaled(10.0), |p| p.building.handlers[1].heating_valve),
    shows(14, Scaled(10.0), |p| p.building.handlers[1].cooling_valve),
    shows(16, Scaled(10.0), |p| p.building.outside),
    takes(
        100,
        Scaled(10.0),
        |p| p.building.handlers[0].zone_set,
        |p, v| p.building.handlers[0].zone_set = v.clamp(10.0, 30.0),
    ),
];

/// Tags of the filling controller.
pub struct Tag {
    pub name: &'static str,
    pub get: fn(&Process) -> Atom,
    pub set: Option<Set>,
}

const fn real(name: &'static str, get: fn(&Process) -> Atom) -> Tag {
    Tag { name, get, set: None }
}

pub static TAGS: [Tag; 14] = [
    real("Filler_Speed_BPH", |p| Atom::Real(p.line.filler().speed as f32)),
    real("Filler_State", |p| Atom::Dint(p.line.filler().state as i32)),
    real("Filler_Count", |p| Atom::Dint(p.line.filler().count as i32)),
    real("Filler_Rejects", |p| Atom::Dint(p.line.filler().rejects as i32)),
    real("Fill_Volume_ml", |p| Atom::Real(p.line.fill_ml as f32)),
    real("Buffer_Level", |p| Atom::Real(p.pasteuriser.buffer_level() as f32)),
    real("Conv1_Accumulation", |p| Atom::Real(p.line.accumulation(0) as f32)),
    real("Conv_Drive_Hz", |p| Atom::Real(p.line.conveyor_hz as f32)),
    real("Palletiser_Busy", |p| Atom::Dint(i32::from(p.line.palletiser_busy))),
    real("Pallet_Count", |p| Atom::Dint(p.line.pallets as i32)),
    real("Robot_J1_Angle", |p| Atom::Real(p.line.robot_angle as f32)),
    real("Order_Number", |p| Atom::Dint(p.order as i32)),
    real("Order_Made", |p| Atom::Dint(p.order_made as i32)),
    Tag {
        name: "Filler_Speed_SP",
        get: |p| Atom::Real(p.line.speed_set as f32),
        set: Some(|p, v| p.line.speed_set = v.clamp(0.0, 40_000.0)),
    },
];

pub fn tag(name: &str) -> &'static Tag {
    TAGS.iter().find(|t| t.name == name).expect("an operator uses known tags")
}

/// Points of a DNP3 outstation.
pub struct Outstation {
    pub address: u16,
    pub analogs: fn(&Process) -> Vec<f64>,
    pub binaries: fn(&Process) -> Vec<bool>,
    pub counters: fn(&Process) -> Vec<u32>,
}

pub static INTAKE: Outstation = Outstation {
    address: 10,
    analogs: |p| {
        let m = &p.building.meters[0];
        let mut all = vec![m.kw, m.kvar, m.power_factor, m.hertz];
        all.extend(m.volts);
        all.extend(m.amps);
        all.push(p.building.transformer);
        all
    },
    binaries: |p| vec![p.building.breaker_closed, true, false, p.building.transformer > 80.0],
    counters: |p| vec![p.building.meters[0].kwh as u32],
};

pub static WATERWORKS: Outstation = Outstation {
    address: 20,
    analogs: |p| vec![p.utilities.reservoir, p.utilities.water_flow, p.utilities.water_bar],
    binaries: |p| vec![p.utilities.well_pump, false],
    counters: |p| vec![p.utilities.water_m3 as u32],
};

/// Bytes of cyclic input and output data of a field device.
pub fn field_data(device: &str, p: &Process) -> (Vec<u8>, Vec<u8>) {
    let word = |v: f64| (v.round() as i64 as u16).to_be_bytes();
    let inputs: Vec<f64> = match device {
        "mix-io-01" => {
            let m = &p.mixing;
            vec![m.syrup_level(), m.water_level(), m.mix_level(), m.brix, m.mix_temperature]
        }
        "past-io-01" => {
            let s = &p.pasteuriser;
            vec![s.inlet, s.regenerated, s.hold, s.outlet, s.flow]
        }
        "past-vi-01" => vec![f64::from(u8::from(p.pasteuriser.diverting)), 0.0],
        "fill-io-01" => vec![p.line.fill_ml, p.line.accumulation(0), p.line.conveyors[0] as f64],
        "vfd-filler-01" => vec![p.line.filler().speed / 7.2, p.line.filler().motor_kw * 10.0],
        "vfd-conv-01" => vec![p.line.conveyor_hz * 100.0, 18.0],
        _ => vec![f64::from(u8::from(p.line.palletiser_busy)), p.line.robot_angle * 100.0],
    };
    let run = p.line.filler().state == State::Execute;
    let outputs: Vec<f64> = match device {
        "mix-io-01" => vec![p.mixing.syrup_valve * 276.48, p.mixing.water_valve * 276.48],
        "past-io-01" => {
            vec![p.pasteuriser.steam_valve * 276.48, p.pasteuriser.glycol_valve * 276.48]
        }
        "past-vi-01" => vec![f64::from(u8::from(!p.pasteuriser.diverting))],
        "vfd-conv-01" => vec![18.0, p.line.conveyor_speed_set * 100.0],
        _ => vec![f64::from(u8::from(run)), p.line.speed_set / 7.2],
    };
    (inputs.into_iter().flat_map(word).collect(), outputs.into_iter().flat_map(word).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_the_simulated_value_and_a_written_one_moves_the_process() {
        let mut p = Process::new(1, 0);
        let words = read_registers(&UTIL, &p, 0, 2);
        let bits = u32::from(words[0]) << 16 | u32::from(words[1]);
        assert_eq!(f32::from_bits(bits), p.utilities.boiler.pressure as f32);
        let bytes = 6.5_f32.to_be_bytes();
        let values =
            [u16::from_be_bytes([bytes[0], bytes[1]]), u16::from_be_bytes([bytes[2], bytes[3]])];
        assert_eq!(write_registers(&UTIL, &mut p, 100, &values), 1);
        assert_eq!(p.utilities.boiler.pressure_set, 6.5);
        assert_eq!(write_registers(&UTIL, &mut p, 0, &values), 0, "values are read-only");
    }
}
