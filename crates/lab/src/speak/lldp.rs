//! LLDP (IEEE 802.1AB-2016), CDP version 2 and spanning tree (IEEE 802.1D): what switches say.

use crate::net::frame::checksum;
use model::Mac;
use std::net::Ipv4Addr;

pub const LLDP_GROUP: Mac = Mac([0x01, 0x80, 0xc2, 0, 0, 0x0e]);
pub const CDP_GROUP: Mac = Mac([0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc]);
pub const STP_GROUP: Mac = Mac([0x01, 0x80, 0xc2, 0, 0, 0]);

/// What a neighbour is told.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour<'a> {
    pub mac: Mac,
    pub port: &'a str,
    pub name: &'a str,
    pub description: &'a str,
    pub ip: Ipv4Addr,
    /// Bits of 8.5.8: 2 bridge, 4 router, 7 station only.
    pub capabilities: u16,
}

fn tlv(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend((kind << 9 | value.len() as u16).to_be_bytes());
    out.extend(value);
}

pub fn lldp(n: &Neighbour<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    tlv(&mut out, 1, &[&[4], &n.mac.0[..]].concat());
    tlv(&mut out, 2, &[&[5], n.port.as_bytes()].concat());
    tlv(&mut out, 3, &120_u16.to_be_bytes());
    tlv(&mut out, 5, n.name.as_bytes());
    tlv(&mut out, 6, n.description.as_bytes());
    let bits = n.capabilities.to_be_bytes();
    tlv(&mut out, 7, &[bits, bits].concat());
    let mut address = vec![5, 1];
    address.extend(n.ip.octets());
    address.extend([2, 0, 0, 0, 1, 0]);
    tlv(&mut out, 8, &address);
    tlv(&mut out, 0, &[]);
    out
}

/// CDP in SNAP: `platform` and `version` are what the device calls itself.
pub fn cdp(n: &Neighbour<'_>, platform: &str, version: &str) -> Vec<u8> {
    let mut body = vec![2, 180, 0, 0];
    let mut part = |kind: u16, value: &[u8]| {
        body.extend(kind.to_be_bytes());
        body.extend((value.len() as u16 + 4).to_be_bytes());
        body.extend(value);
    };
    part(1, n.name.as_bytes());
    let mut address = vec![0, 0, 0, 1, 1, 1, 0xcc, 0, 4];
    address.extend(n.ip.octets());
    part(2, &address);
    part(3, n.port.as_bytes());
    part(4, &[0, 0, 0, if n.capabilities & 0x10 != 0 { 0x29 } else { 0x28 }]);
    part(5, version.as_bytes());
    part(6, platform.as_bytes());
    part(0x0a, &[0, 1]);
    part(0x0b, &[1]);
    // CDP sums an odd last octet unlike RFC 1071; a trust bitmap makes the length even.
    if body.len() % 2 == 1 {
        body.extend([0, 0x12, 0, 5, 0]);
    }
    let sum = checksum(0, &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut out = vec![0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0];
    out.extend(body);
    out
}

/// Rapid spanning tree, a bridge below the root.
pub fn spanning_tree(root: Mac, bridge: Mac, port: u16) -> Vec<u8> {
    let mut out = vec![0x42, 0x42, 3, 0, 0, 2, 2, 0x3c];
    out.extend([0x10, 0]);
    out.extend(root.0);
    out.extend(if root == bridge { 0_u32 } else { 20_000 }.to_be_bytes());
    out.extend([if root == bridge { 0x10 } else { 0x80 }, 0]);
    out.extend(bridge.0);
    out.extend((0x8000 | port).to_be_bytes());
    // Message age, maximum age, hello time, forward delay in 1/256 s; version 1 length.
    out.extend([u8::from(root != bridge), 0, 20, 0, 2, 0, 15, 0, 0]);
    out
}
