//! What a frame says below the application: addresses, VLANs, and what it carries.
//!
//! Not here: how it is decoded, see [`crate::link`]. Invariant: payloads are borrowed from the
//! frame and never contain padding.

use crate::limits::VLANS_MAX;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub struct Frame<'a> {
    pub source_mac: Option<[u8; 6]>,
    pub destination_mac: Option<[u8; 6]>,
    /// Source of the outermost frame, where another frame stood inside it.
    pub outer_source_mac: Option<[u8; 6]>,
    pub vlans: Vlans,
    pub layer: Layer<'a>,
    /// Outermost source and destination IP when a tunnel was opened.
    pub outer: Option<(IpAddr, IpAddr)>,
    /// This is the first piece of a tunnel's packet: what is missing stands in others.
    pub in_pieces: bool,
    /// Why decoding stopped early, where it did: a stable kebab-case reason.
    pub malformed: Option<&'static str>,
}

/// VLAN ids, outermost first. Priority tags (id 0) are not VLANs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Vlans {
    ids: [u16; VLANS_MAX],
    count: u8,
}

impl Vlans {
    pub fn push(&mut self, id: u16) {
        let slot = self.ids.get_mut(usize::from(self.count));
        if let (Some(slot), true) = (slot, id != 0) {
            *slot = id;
            self.count = self.count.saturating_add(1);
        }
    }

    pub fn as_slice(&self) -> &[u16] {
        self.ids.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The VLAN a host is in: the innermost tag.
    pub fn innermost(&self) -> Option<u16> {
        self.as_slice().last().copied()
    }
}

#[derive(Clone, Debug)]
pub enum Layer<'a> {
    Ip(Ip<'a>),
    Arp(Arp),
    /// Any other EtherType.
    Ethernet {
        ethertype: u16,
        payload: &'a [u8],
    },
    /// IEEE 802.2, with OUI and protocol id where it is SNAP.
    Llc {
        dsap: u8,
        ssap: u8,
        control: u8,
        oui: Option<[u8; 3]>,
        pid: Option<u16>,
        payload: &'a [u8],
    },
    /// Nothing of it is known; the name says what it is or why.
    Unknown(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Ip<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub ttl: u8,
    pub fragment: Option<Fragment>,
    pub payload: &'a [u8],
    /// Octets of the payload the capture's snap length cut off.
    pub missing: usize,
    /// Type of an IPv6 routing header, where there is one.
    pub routing_header: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    pub id: u32,
    /// In octets.
    pub offset: u16,
    pub more: bool,
}

/// An ARP message (RFC 826); addresses of other kinds than Ethernet's and IPv4's are all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    pub opcode: u16,
    pub sender_mac: [u8; 6],
    pub sender_ip: IpAddr,
    pub target_mac: [u8; 6],
    pub target_ip: IpAddr,
}
