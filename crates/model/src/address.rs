//! Addresses as they stand in frames: MAC, IP, and an endpoint that has some of each.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{
    fmt,
    hash::{Hash, Hasher},
    net::IpAddr,
    str::FromStr,
};

/// A 48-bit IEEE 802 address. Prints as `00:1b:1b:12:34:56`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Group bit of the first octet (IEEE 802-2014, 8.2): multicast or broadcast.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Locally administered: made up by software, so its first octets name no vendor.
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }

    pub const fn is_zero(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// The 48 bits as a number.
    pub const fn number(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// Can this address belong to one sender?
    pub const fn is_host(self) -> bool {
        !self.is_group() && !self.is_zero()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ();

    /// Accepts `:` or `-` between octets.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or(())?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| ())?;
        }
        if parts.next().is_some() { Err(()) } else { Ok(Mac(octets)) }
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(|()| D::Error::custom("not a MAC address"))
    }
}

/// A TCP or UDP port.
pub type PortNumber = u16;

/// One address of either kind; what a row of counted messages or a finding names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Address {
    Mac(Mac),
    Ip(IpAddr),
}

/// In few words: every packet has addresses to look up.
impl Hash for Address {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Address::Mac(mac) => state.write_u64(mac.number()),
            Address::Ip(ip) => hash_ip(*ip, state),
        }
    }
}

#[inline]
fn hash_ip<H: Hasher>(ip: IpAddr, state: &mut H) {
    match ip {
        IpAddr::V4(v4) => state.write_u64(1 << 48 | u64::from(u32::from(v4))),
        IpAddr::V6(v6) => state.write_u128(u128::from(v6)),
    }
}

impl Address {
    /// Can this address belong to one sender: no multicast, broadcast or all zeros?
    pub fn is_host(&self) -> bool {
        match self {
            Address::Mac(mac) => mac.is_host(),
            Address::Ip(IpAddr::V4(ip)) => {
                !ip.is_multicast() && !ip.is_unspecified() && !ip.is_broadcast()
            }
            Address::Ip(IpAddr::V6(ip)) => !ip.is_multicast() && !ip.is_unspecified(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Mac(mac) => mac.fmt(f),
            Address::Ip(ip) => ip.fmt(f),
        }
    }
}

/// One end of a message: what the frame said about it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    pub mac: Option<Mac>,
    pub ip: Option<IpAddr>,
    pub port: Option<PortNumber>,
    pub vlan: Option<u16>,
}

impl Hash for Endpoint {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let none = 1 << 63;
        state.write_u64(self.mac.map_or(none, Mac::number));
        match self.ip {
            Some(ip) => hash_ip(ip, state),
            None => state.write_u64(none),
        }
        let short = |value: Option<u16>| value.map_or(1 << 16, u64::from);
        state.write_u64(short(self.port) << 32 | short(self.vlan));
    }
}

impl Endpoint {
    /// The IP address where there is one, else the MAC address.
    #[inline]
    pub fn address(&self) -> Option<Address> {
        self.ip.map(Address::Ip).or(self.mac.map(Address::Mac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_text_round_trips_and_knows_its_bits() {
        let mac: Mac = "00-1B-1b:12:34:56".parse().expect("six octets");
        assert_eq!(mac.to_string(), "00:1b:1b:12:34:56");
        assert!(mac.is_host() && !mac.is_local());
        assert!(Mac::BROADCAST.is_group());
        assert!("00:1b:1b:12:34".parse::<Mac>().is_err());
    }

    #[test]
    fn broadcast_and_multicast_are_no_hosts() {
        for text in ["255.255.255.255", "224.0.0.1", "0.0.0.0", "ff02::1", "::"] {
            assert!(!Address::Ip(text.parse().expect("an address")).is_host(), "{text}");
        }
        assert!(Address::Ip("192.168.1.6".parse().expect("an address")).is_host());
    }
}
