//! The zones of the plant as its operator would declare them: one for each VLAN.
//!
//! Not here: which device is where, see [`super::devices`]. Invariant: every device of the plant
//! is in exactly one zone.

use model::Purdue;

/// A zone of the plant.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    pub name: &'static str,
    /// Also the third octet of its addresses.
    pub vlan: u16,
    /// `None` where the zone holds several levels.
    pub purdue: Option<Purdue>,
}

impl Zone {
    /// Its addresses in CIDR form.
    pub fn cidr(&self) -> String {
        format!("10.20.{}.0/24", self.vlan)
    }
}

const fn zone(name: &'static str, vlan: u16, purdue: Option<Purdue>) -> Zone {
    Zone { name, vlan, purdue }
}

pub const ZONES: &[Zone] = &[
    zone("Mixing cell", 10, None),
    zone("Filling line", 20, None),
    zone("Utilities", 30, None),
    zone("Building", 40, None),
    zone("Operations", 50, None),
    zone("Industrial DMZ", 60, Some(Purdue::Dmz)),
    zone("Office", 70, Some(Purdue::Business)),
    zone("Perimeter", 99, None),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::DEVICES;

    #[test]
    fn every_device_is_in_one_zone() {
        for device in DEVICES {
            let zones = ZONES.iter().filter(|zone| zone.vlan == device.vlan).count();
            assert_eq!(zones, 1, "{} in VLAN {}", device.name, device.vlan);
        }
    }
}
