//! Where behind an address a device stands: a slot of the host's rack, a number on a bus that
//! the host leads to, or a way over bridges.
//!
//! Not here: which host. Invariant: places are equal just when they are the same, in memory and
//! in JSON; nothing about them is cut or hashed.

use crate::{Mac, Route, route::octets_of};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{
    fmt,
    hash::{Hash, Hasher},
    net::Ipv4Addr,
    ops::RangeInclusive,
    str::FromStr,
};

/// Small enough for an observation to hold, and copied without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// In the rack of the host.
    Slot(u16),
    /// On a bus that the host is the master of, or the way to.
    Station {
        bus: Bus,
        number: u64,
    },
    Route(Route),
    Bacnet(BacnetAddress),
}

/// A device behind a BACnet router: its network and its address there (ASHRAE 135, 6.2.2), of
/// one octet on MS/TP, of six on IP and Ethernet, of seven at most on LonTalk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BacnetAddress {
    network: u16,
    length: u8,
    octets: [u8; Self::OCTETS_MAX],
}

impl BacnetAddress {
    const OCTETS_MAX: usize = 7;

    /// None where the address is empty, which are all devices of the network, or longer than any.
    pub fn new(network: u16, address: &[u8]) -> Option<BacnetAddress> {
        let mut octets = [0; Self::OCTETS_MAX];
        octets.get_mut(..address.len()).filter(|own| !own.is_empty())?.copy_from_slice(address);
        Some(BacnetAddress { network, length: address.len() as u8, octets })
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }

    fn hex(&self) -> String {
        self.octets().iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// What numbers its devices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bus {
    /// Node ids, 1 to 127 (CiA 301, 7.2).
    Canopen,
    /// Station addresses, which the master gives (ETG.1000.4, 5.3.3).
    Ethercat,
    /// Polling addresses to 63, above that long addresses: type and serial number in 38 bits
    /// (HCF_SPEC-081, 5.2).
    Hart,
    /// Units behind a gateway to serial lines, 1 to 247 (MODBUS Messaging Guide V1.0b, 3.1.3).
    Modbus,
}

impl Place {
    const SLOT: &str = "slot";
    const ROUTE: &str = "cip-route";
    const BACNET: &str = "bacnet-address";

    /// The word for machines.
    pub const fn kind(&self) -> &'static str {
        match self {
            Place::Slot(_) => Self::SLOT,
            Place::Station { bus, .. } => bus.kind(),
            Place::Route(_) => Self::ROUTE,
            Place::Bacnet(_) => Self::BACNET,
        }
    }

    pub const fn slot(&self) -> Option<u16> {
        match self {
            Place::Slot(slot) => Some(*slot),
            _ => None,
        }
    }

    /// Which one of its kind: a decimal number, a route as [`Route`] writes it, or the number of
    /// a network with the octets of an address in hexadecimal, `2001:0a010203bac0`.
    pub fn at(&self) -> String {
        match self {
            Place::Slot(slot) => slot.to_string(),
            Place::Station { number, .. } => number.to_string(),
            Place::Route(route) => route.to_string(),
            Place::Bacnet(address) => format!("{}:{}", address.network, address.hex()),
        }
    }

    /// What [`Self::kind`] and [`Self::at`] told.
    pub fn from_parts(kind: &str, at: &str) -> Option<Place> {
        match kind {
            Self::SLOT => at.parse().ok().map(Place::Slot),
            Self::ROUTE => Route::from_str(at).ok()?.place(),
            Self::BACNET => {
                let (network, address) = at.split_once(':')?;
                let (network, address) = (network.parse().ok()?, octets_of(address).ok()?);
                BacnetAddress::new(network, &address).map(Place::Bacnet)
            }
            kind => {
                let bus = Bus::ALL.into_iter().find(|bus| bus.kind() == kind)?;
                at.parse().ok().map(|number| Place::Station { bus, number })
            }
        }
    }
}

impl Bus {
    const ALL: [Bus; 4] = [Bus::Canopen, Bus::Ethercat, Bus::Hart, Bus::Modbus];

    const fn kind(self) -> &'static str {
        match self {
            Bus::Canopen => "canopen-node",
            Bus::Ethercat => "ethercat-station",
            Bus::Hart => "hart-device",
            Bus::Modbus => "modbus-unit",
        }
    }
}

/// For people, behind the name of the host: `slot 3`, `node 5`, `behind backplane 3, 10.1.2.3`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const POLLING_MAX: u64 = 63;
        match self {
            Place::Slot(slot) => write!(f, "slot {slot}"),
            Place::Station { bus: Bus::Canopen, number } => write!(f, "node {number}"),
            Place::Station { bus: Bus::Ethercat, number } => write!(f, "station {number}"),
            Place::Station { bus: Bus::Hart, number } if *number <= POLLING_MAX => {
                write!(f, "HART device {number}")
            }
            // As the maker's tools write it.
            Place::Station { bus: Bus::Hart, number } => write!(f, "HART device {number:010x}"),
            Place::Station { bus: Bus::Modbus, number } => write!(f, "unit {number}"),
            Place::Route(route) => write!(f, "behind {}", route.for_people()),
            Place::Bacnet(address) => write!(f, "{address}"),
        }
    }
}

/// `network 5 address 10`, `network 2001 address 10.1.2.3:47808`.
impl fmt::Display for BacnetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Ports of BACnet/IP; another address of six octets is one of Ethernet.
        const PORTS: RangeInclusive<u16> = 0xbac0..=0xbacf;
        write!(f, "network {} address ", self.network)?;
        match *self.octets() {
            [node] => write!(f, "{node}"),
            [a, b, c, d, e, g] if PORTS.contains(&u16::from_be_bytes([e, g])) => {
                write!(f, "{}:{}", Ipv4Addr::from([a, b, c, d]), u16::from_be_bytes([e, g]))
            }
            [a, b, c, d, e, g] => write!(f, "{}", Mac([a, b, c, d, e, g])),
            _ => f.write_str(&self.hex()),
        }
    }
}

/// A slot hashes like its number, as it did before there were other places: ids of findings are
/// hashes, and those in a store stay.
impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Place::Slot(slot) => slot.hash(state),
            Place::Station { bus, number } => (bus, number).hash(state),
            Place::Route(route) => route.hash(state),
            Place::Bacnet(address) => address.hash(state),
        }
    }
}

/// In JSON; `text` is for people and not read.
#[derive(Serialize, Deserialize)]
struct Told {
    kind: String,
    at: String,
    #[serde(default)]
    text: String,
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (kind, at) = (self.kind().to_owned(), self.at());
        Told { kind, at, text: self.to_string() }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Told { kind, at, .. } = Told::deserialize(d)?;
        Place::from_parts(&kind, &at)
            .ok_or_else(|| Error::custom(format_args!("no place: {kind:?} {at:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::DefaultHasher;

    #[track_caller]
    fn check(place: Place, json: &str) {
        assert_eq!(serde_json::to_string(&place).expect("a place"), json);
        assert_eq!(serde_json::from_str::<Place>(json).expect("the same"), place);
    }

    #[test]
    fn a_place_is_read_as_it_was_told() {
        check(Place::Slot(3), r#"{"kind":"slot","at":"3","text":"slot 3"}"#);
        let station = |bus, number| Place::Station { bus, number };
        let node = r#"{"kind":"canopen-node","at":"5","text":"node 5"}"#;
        check(station(Bus::Canopen, 5), node);
        let last = r#"{"kind":"ethercat-station","at":"1001","text":"station 1001"}"#;
        check(station(Bus::Ethercat, 1_001), last);
        let unit = r#"{"kind":"modbus-unit","at":"9","text":"unit 9"}"#;
        check(station(Bus::Modbus, 9), unit);
        let polled = r#"{"kind":"hart-device","at":"7","text":"HART device 7"}"#;
        check(station(Bus::Hart, 7), polled);
        let long = r#"{"kind":"hart-device","at":"111771005219","text":"HART device 1a06123123"}"#;
        check(station(Bus::Hart, 0x1a_0612_3123), long);
        let bacnet = |network, address: &[u8]| {
            Place::Bacnet(BacnetAddress::new(network, address).expect("short enough"))
        };
        let mstp = r#"{"kind":"bacnet-address","at":"5:0a","text":"network 5 address 10"}"#;
        check(bacnet(5, &[10]), mstp);
        let text = "network 2001 address 10.1.2.3:47808";
        let ip = format!(r#"{{"kind":"bacnet-address","at":"2001:0a010203bac0","text":"{text}"}}"#);
        check(bacnet(2_001, &[10, 1, 2, 3, 0xba, 0xc0]), &ip);
        let mut route = Route::default();
        assert!(route.hop(1, &[3]) && route.hop(2, b"10.1.2.3"));
        let text = "behind backplane 3, 10.1.2.3";
        let json = format!(r#"{{"kind":"cip-route","at":"1/3,2/10.1.2.3","text":"{text}"}}"#);
        check(Place::Route(route), &json);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for (kind, at) in [
            ("slot", "x"),
            ("slot", "70000"),
            ("moon", "1"),
            ("cip-route", ""),
            ("bacnet-address", "5:"),
        ] {
            assert_eq!(Place::from_parts(kind, at), None, "{kind} {at}");
        }
    }

    #[test]
    fn a_slot_hashes_like_its_number() {
        let hash = |value: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            value(&mut hasher);
            hasher.finish()
        };
        let number = hash(&|h| Some(7_u16).hash(h));
        assert_eq!(hash(&|h| Some(Place::Slot(7)).hash(h)), number);
    }
}
