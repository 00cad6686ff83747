//! Register maps of Modbus devices, by what each register is: a measurement, a set point, a
//! constant.
//!
//! What it is is learned from earlier backups: a measurement differs nearly each time, a set point
//! now and then, a constant never. Inputs are measurements by their table (MODBUS Application
//! Protocol V1.1b3, 4.3). Invariant: measurements are counted in one row; every other register
//! that changed has its own.

use super::{Change, Difference, Format, table::rows};
use std::{collections::BTreeMap, path::Path};

pub struct ModbusMap;

/// Steps from backup to backup before a register can be called a constant.
const STEPS_MIN: usize = 3;

type Map = BTreeMap<(String, u32), String>;

impl Format for ModbusMap {
    fn name(&self) -> &'static str {
        "modbus-map"
    }

    fn learns(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == "registers.csv")
    }

    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        self.compare_learned(path, &[], before, after)
    }

    fn compare_learned(
        &self,
        path: &Path,
        earlier: &[Vec<u8>],
        before: &[u8],
        after: &[u8],
    ) -> Option<Vec<Difference>> {
        if !self.learns(path) {
            return None;
        }
        let (a, b) = (map(before)?, map(after)?);
        let mut past: Vec<Map> = earlier.iter().filter_map(|bytes| map(bytes)).collect();
        past.push(map(before)?);
        let mut keys: Vec<&(String, u32)> = a.keys().chain(b.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut found, mut measurements) = (Vec::new(), 0);
        for key in keys {
            let unit = format!("{} {}", key.0, key.1);
            let difference = Difference::of(unit, a.get(key).cloned(), b.get(key).cloned());
            let Some(mut difference) = difference else { continue };
            match behaviour(key, &past) {
                Behaviour::Measurement if difference.change == Change::Changed => {
                    measurements += 1;
                    continue;
                }
                Behaviour::Constant => {
                    difference.risk = Some("it never changed before: is there an order for it?");
                }
                Behaviour::SetPoint => difference.risk = Some("a set point changed"),
                _ => {}
            }
            found.push(difference);
        }
        if measurements > 0 {
            let unit = Some(format!("{measurements} measurements"));
            let (change, before, after, risk) = (Change::Changed, None, None, None);
            found.push(Difference { change, unit, before, after, risk });
        }
        Some(found)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behaviour {
    Measurement,
    SetPoint,
    Constant,
    Unknown,
}

fn behaviour(key: &(String, u32), past: &[Map]) -> Behaviour {
    if key.0 == "input" || key.0 == "discrete" {
        return Behaviour::Measurement;
    }
    let values: Vec<&String> = past.iter().filter_map(|map| map.get(key)).collect();
    let steps = values.len().saturating_sub(1);
    let changes = values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    match changes {
        _ if steps < STEPS_MIN => Behaviour::Unknown,
        0 => Behaviour::Constant,
        // More often than not.
        n if n * 2 > steps => Behaviour::Measurement,
        _ => Behaviour::SetPoint,
    }
}

/// Values by table and address.
fn map(bytes: &[u8]) -> Option<Map> {
    let mut rows = rows(str::from_utf8(bytes).ok()?)?.into_iter();
    if rows.next()? != ["table", "address", "value"] {
        return None;
    }
    rows.map(|row| {
        let [table, address, value] = row.try_into().ok()?;
        Some(((table, address.parse().ok()?), value))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(speed: u32, limit: u32, level: u32, count: u32) -> Vec<u8> {
        let rows = format!(
            "table,address,value\nholding,0,{speed}\nholding,1,{limit}\nholding,2,{level}\n\
             input,0,{count}\n"
        );
        rows.into_bytes()
    }

    #[track_caller]
    fn check(earlier: &[Vec<u8>], before: &[u8], after: &[u8], expected: &[(&str, Option<&str>)]) {
        let path = Path::new("unit-1/registers.csv");
        let found = ModbusMap.compare_learned(path, earlier, before, after).unwrap();
        let shown: Vec<_> = found.iter().map(|d| (d.unit.as_deref().unwrap(), d.risk)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_constant_a_set_point_and_a_measurement_are_told_apart_by_their_past() {
        let earlier = [dump(30, 90, 1, 7), dump(30, 90, 2, 8), dump(35, 90, 3, 9)];
        check(
            &earlier,
            &dump(35, 90, 4, 10),
            &dump(40, 99, 5, 11),
            &[
                ("holding 0", Some("a set point changed")),
                ("holding 1", Some("it never changed before: is there an order for it?")),
                ("2 measurements", None),
            ],
        );
    }

    #[test]
    fn without_a_past_only_inputs_are_measurements() {
        check(
            &[],
            &dump(1, 1, 1, 1),
            &dump(2, 1, 1, 2),
            &[("holding 0", None), ("1 measurements", None)],
        );
        assert!(ModbusMap.compare(Path::new("other.csv"), b"", b"").is_none());
    }
}
