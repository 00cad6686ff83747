//! An asset and what is known of it. The same rows in `spandrel pcap`, the API and on disk.

use crate::{Address, Mac, Place, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{collections::BTreeMap, fmt, net::IpAddr};

/// `ast_` and 16 hexadecimal digits, derived from the address the asset was first known by, so
/// the same capture gives the same id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AssetId(pub String);

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of thing it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssetClass {
    Plc,
    Rtu,
    Ied,
    IoAdapter,
    Drive,
    Robot,
    Meter,
    Sensor,
    BuildingController,
    Hmi,
    Scada,
    EngineeringStation,
    Historian,
    Gateway,
    Server,
    Workstation,
    Switch,
    Router,
    Firewall,
    AccessPoint,
    Printer,
    Camera,
    Phone,
    Clock,
    /// Feeds others: uninterruptible supplies, power strips, their network cards.
    PowerSupply,
    Mobile,
    VirtualMachine,
    /// An address outside the site, e.g. on the Internet.
    External,
    Unknown,
}

/// What it does on the network, from its behaviour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Controller,
    FieldDevice,
    Operator,
    Engineering,
    Historian,
    Server,
    Client,
    Infrastructure,
    Scanner,
    External,
    Unknown,
}

/// Level of the Purdue model; 3.5 is the industrial demilitarised zone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purdue {
    Process,
    Control,
    Supervisory,
    Operations,
    Dmz,
    Business,
    Enterprise,
}

impl Purdue {
    pub const ALL: [Purdue; 7] = [
        Self::Process,
        Self::Control,
        Self::Supervisory,
        Self::Operations,
        Self::Dmz,
        Self::Business,
        Self::Enterprise,
    ];

    pub const fn level(self) -> f64 {
        match self {
            Self::Process => 0.0,
            Self::Control => 1.0,
            Self::Supervisory => 2.0,
            Self::Operations => 3.0,
            Self::Dmz => 3.5,
            Self::Business => 4.0,
            Self::Enterprise => 5.0,
        }
    }
}

impl Serialize for Purdue {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(self.level())
    }
}

impl<'de> Deserialize<'de> for Purdue {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let level = f64::deserialize(d)?;
        Self::ALL
            .into_iter()
            .find(|p| (p.level() - level).abs() < 0.01)
            .ok_or_else(|| serde::de::Error::custom("a Purdue level is 0, 1, 2, 3, 3.5, 4 or 5"))
    }
}

/// One thing somebody said about an asset. Conflicting facts stand side by side.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Fact {
    pub path: String,
    pub value: String,
    /// Protocol and message that said it, e.g. `enip List Identity`.
    pub source: String,
    /// 0 to 100.
    pub confidence: u8,
    pub observed_at: Time,
}

/// A module in the asset's rack, or a device behind its address.
///
/// In JSON a module of the rack has its `slot`, and others have a `place` instead; `mode` and
/// `name` are left out where they are not known. That is how earlier sensors and stores have it
/// for racks, all they knew of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Module {
    #[serde(flatten, serialize_with = "slot_or_place", deserialize_with = "place_or_slot")]
    pub place: Place,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    pub serial: Option<String>,
    /// What it said last: `run`, `program`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Its own, or that of the program in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Module {
    /// One of which nothing is known but where it is.
    pub const fn at(place: Place) -> Module {
        let (vendor, model, firmware, serial) = (None, None, None, None);
        Module { place, vendor, model, firmware, serial, mode: None, name: None }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct SlotOrPlace {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
}

fn slot_or_place<S: Serializer>(place: &Place, s: S) -> Result<S::Ok, S::Error> {
    let slot = place.slot();
    SlotOrPlace { slot, place: Some(*place).filter(|_| slot.is_none()) }.serialize(s)
}

fn place_or_slot<'de, D: Deserializer<'de>>(d: D) -> Result<Place, D::Error> {
    let SlotOrPlace { slot, place } = SlotOrPlace::deserialize(d)?;
    place.or(slot.map(Place::Slot)).ok_or_else(|| Error::custom("a module without its place"))
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Asset {
    pub id: AssetId,
    pub macs: Vec<Mac>,
    pub ips: Vec<IpAddr>,
    pub vlans: Vec<u16>,
    /// Best first.
    pub names: Vec<String>,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    pub serial: Option<String>,
    pub class: AssetClass,
    pub role: Role,
    /// Why this class and role, for a person.
    pub role_reason: Option<String>,
    pub purdue: Option<Purdue>,
    pub purdue_reason: Option<String>,
    pub os: Option<String>,
    pub protocols: Vec<String>,
    pub first_seen: Time,
    pub last_seen: Time,
    /// Packets sent by it.
    pub packets: u64,
    pub facts: Vec<Fact>,
    pub modules: Vec<Module>,
}

impl Asset {
    /// What a person would call it: best name, else model, else an address, else its id.
    pub fn display(&self) -> String {
        if let Some(name) = self.names.first() {
            return name.clone();
        }
        match (&self.model, self.first_address()) {
            (Some(model), Some(address)) => format!("{model} ({address})"),
            (Some(model), None) => model.clone(),
            (None, Some(address)) => address.to_string(),
            (None, None) => self.id.0.clone(),
        }
    }

    /// The address people know it by.
    pub fn first_address(&self) -> Option<Address> {
        let ip = self.ips.first().copied().map(Address::Ip);
        ip.or_else(|| self.macs.first().copied().map(Address::Mac))
    }
}

/// What to call each of the assets where all of them are shown; `shown` makes a name fit to be.
pub fn names_together(
    assets: &[Asset],
    shown: impl Fn(&str) -> String,
) -> BTreeMap<AssetId, String> {
    let named = |asset: &Asset| {
        let address = asset.first_address().map(|address| address.to_string());
        (shown(&asset.display()), address)
    };
    let named: Vec<_> = assets.iter().map(named).collect();
    let apart = told_apart(named.iter().map(|(name, at)| (&**name, at.as_deref())));
    assets.iter().map(|asset| asset.id.clone()).zip(apart).collect()
}

/// Names of different assets that are shown together: with the address behind it where several of
/// them have the name. Where it holds the address already, that is enough.
pub fn told_apart<'a>(
    shown: impl IntoIterator<Item = (&'a str, Option<&'a str>)> + Clone,
) -> Vec<String> {
    let mut bearers: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, _) in shown.clone() {
        *bearers.entry(name).or_default() += 1;
    }
    let told = |(name, address): (&str, Option<&str>)| match address
        .filter(|address| bearers[name] > 1 && !name.contains(address))
    {
        Some(address) => format!("{name} ({address})"),
        None => name.to_owned(),
    };
    shown.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bus;

    /// As told, which reads back as the same.
    #[track_caller]
    fn check_module(module: Module, json: &str) {
        assert_eq!(serde_json::to_string(&module).expect("a module"), json);
        assert_eq!(serde_json::from_str::<Module>(json).expect("the same"), module);
    }

    #[test]
    fn a_module_of_the_rack_is_told_as_it_always_was() {
        let json = r#"{"slot":3,"vendor":null,"model":"CPU","firmware":null,"serial":"1"}"#;
        let (model, serial) = (Some("CPU".to_owned()), Some("1".to_owned()));
        check_module(Module { model, serial, ..Module::at(Place::Slot(3)) }, json);
        let null = r#"{"slot":null,"vendor":null,"model":null,"firmware":null,"serial":null}"#;
        let read = serde_json::from_str::<Module>(null);
        assert!(read.is_err_and(|error| error.to_string().contains("without its place")));
    }

    #[test]
    fn what_is_not_in_the_rack_is_told_with_its_place() {
        let json = r#"{"place":{"kind":"canopen-node","at":"5","text":"node 5"},"vendor":null,"#;
        let json = json.to_owned()
            + r#""model":null,"firmware":null,"serial":null,"mode":"run","name":"mixer"}"#;
        let place = Place::Station { bus: Bus::Canopen, number: 5 };
        let (mode, name) = (Some("run".to_owned()), Some("mixer".to_owned()));
        check_module(Module { mode, name, ..Module::at(place) }, &json);
        let null = json.replacen('{', r#"{"slot":null,"#, 1);
        assert_eq!(serde_json::from_str::<Module>(&null).expect("the same").place, place);
    }

    #[test]
    fn names_are_told_apart_by_an_address_where_they_need_it() {
        let shown = [
            ("plc", Some("10.0.0.1")),
            ("plc", Some("10.0.0.2")),
            ("hmi", Some("10.0.0.3")),
            ("CPU (10.0.0.4)", Some("10.0.0.4")),
            ("CPU (10.0.0.4)", Some("10.0.0.5")),
            ("nameless", None),
            ("nameless", None),
        ];
        let told = ["plc (10.0.0.1)", "plc (10.0.0.2)", "hmi", "CPU (10.0.0.4)"];
        assert_eq!(told_apart(shown)[..4], told);
        let rest = ["CPU (10.0.0.4) (10.0.0.5)", "nameless", "nameless"];
        assert_eq!(told_apart(shown)[4..], rest);
    }

    #[test]
    fn purdue_levels_round_trip_as_numbers() {
        for level in Purdue::ALL {
            let json = serde_json::to_string(&level).expect("a number");
            assert_eq!(serde_json::from_str::<Purdue>(&json).expect("same"), level);
        }
        assert!(serde_json::from_str::<Purdue>("2.2").is_err());
    }
}
