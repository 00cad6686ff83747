//! Builds frames: Ethernet II with an 802.1Q tag, ARP, IPv4, TCP, UDP, ICMP, with checksums.
//!
//! Not here: who sends what when. Written apart from the sensor's parsers on purpose, so each
//! checks the other. Invariant: every length and checksum in a frame built here is right.

use model::Mac;
use std::net::{Ipv4Addr, Ipv6Addr};

pub const ETHERTYPE_IPV4: u16 = 0x0800;
pub const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
pub const ETHERTYPE_PROFINET: u16 = 0x8892;
pub const ETHERTYPE_LLDP: u16 = 0x88cc;

/// Shortest Ethernet frame without its check sequence (IEEE 802.3, 3.2.8), in bytes.
const FRAME_BYTES_MIN: usize = 60;

/// TCP flags (RFC 9293, 3.1).
pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// Addresses of a frame as the mirror port shows it.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub source: Mac,
    pub destination: Mac,
    /// VLAN id; the mirror keeps the tag of the port's VLAN.
    pub vlan: u16,
    /// 802.1p priority.
    pub priority: u8,
}

fn tagged(link: Link, room: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(18 + room.max(FRAME_BYTES_MIN));
    frame.extend(link.destination.0);
    frame.extend(link.source.0);
    frame.extend(0x8100_u16.to_be_bytes());
    frame.extend((u16::from(link.priority) << 13 | link.vlan).to_be_bytes());
    frame
}

pub fn ethernet(link: Link, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = tagged(link, payload.len());
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    pad(frame)
}

/// IEEE 802.2 LLC frame: length instead of type, e.g. spanning tree, or SNAP for CDP.
pub fn llc(link: Link, payload: &[u8]) -> Vec<u8> {
    let mut frame = tagged(link, payload.len());
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend(payload);
    pad(frame)
}

fn pad(mut frame: Vec<u8>) -> Vec<u8> {
    if frame.len() < FRAME_BYTES_MIN {
        frame.resize(FRAME_BYTES_MIN, 0);
    }
    frame
}

/// RFC 826. `operation` 1 asks, 2 answers.
pub fn arp(
    link: Link,
    operation: u16,
    sender: (Mac, Ipv4Addr),
    target: (Mac, Ipv4Addr),
) -> Vec<u8> {
    let mut p = Vec::with_capacity(28);
    p.extend([0, 1, 8, 0, 6, 4]);
    p.extend(operation.to_be_bytes());
    p.extend(sender.0.0);
    p.extend(sender.1.octets());
    p.extend(target.0.0);
    p.extend(target.1.octets());
    ethernet(link, ETHERTYPE_ARP, &p)
}

/// What an IPv4 header says besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct Ip {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub ttl: u8,
    pub id: u16,
    pub dont_fragment: bool,
    /// Differentiated services code point, shifted left by two.
    pub service: u8,
}

fn ipv4(link: Link, ip: Ip, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = tagged(link, payload.len() + 24);
    frame.extend(ETHERTYPE_IPV4.to_be_bytes());
    let at = frame.len();
    frame.extend([0x45, ip.service]);
    frame.extend((20 + payload.len() as u16).to_be_bytes());
    frame.extend(ip.id.to_be_bytes());
    frame.extend([if ip.dont_fragment { 0x40 } else { 0 }, 0, ip.ttl, protocol, 0, 0]);
    frame.extend(ip.source.octets());
    frame.extend(ip.destination.octets());
    let sum = checksum(0, &frame[at..]);
    frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(payload);
    pad(frame)
}

/// Internet checksum (RFC 1071) over `bytes`, starting from `sum`.
pub fn checksum(mut sum: u32, bytes: &[u8]) -> u16 {
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Sum of the pseudo header of TCP and UDP (RFC 9293, 3.1).
fn pseudo_header(ip: Ip, protocol: u8, length: usize) -> u32 {
    let mut sum = u32::from(protocol) + length as u32;
    for octets in [ip.source.octets(), ip.destination.octets()] {
        sum += u32::from(u16::from_be_bytes([octets[0], octets[1]]));
        sum += u32::from(u16::from_be_bytes([octets[2], octets[3]]));
    }
    sum
}

pub fn udp(link: Link, ip: Ip, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len();
    let mut datagram = Vec::with_capacity(length);
    datagram.extend(ports.0.to_be_bytes());
    datagram.extend(ports.1.to_be_bytes());
    datagram.extend((length as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let sum = match checksum(pseudo_header(ip, 17, length), &datagram) {
        0 => 0xffff, // 0 would mean "none" (RFC 768)
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    ipv4(link, ip, 17, &datagram)
}

/// What a TCP header says besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    pub ports: (u16, u16),
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: u8,
    pub window: u16,
    /// A multiple of four bytes.
    pub options: &'a [u8],
}

pub fn tcp(link: Link, ip: Ip, header: Tcp<'_>, payload: &[u8]) -> Vec<u8> {
    let length = 20 + header.options.len() + payload.len();
    let mut segment = Vec::with_capacity(length);
    segment.extend(header.ports.0.to_be_bytes());
    segment.extend(header.ports.1.to_be_bytes());
    segment.extend(header.sequence.to_be_bytes());
    segment.extend(header.acknowledgment.to_be_bytes());
    segment.push(((5 + header.options.len() / 4) as u8) << 4);
    segment.push(header.flags);
    segment.extend(header.window.to_be_bytes());
    segment.extend([0, 0, 0, 0]);
    segment.extend(header.options);
    segment.extend(payload);
    let sum = checksum(pseudo_header(ip, 6, length), &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ipv4(link, ip, 6, &segment)
}

/// What carries a multicast over IPv6: UDP ports, or ICMPv6 with its type.
#[derive(Clone, Copy, Debug)]
pub enum Over6 {
    Udp(u16, u16),
    /// RFC 4443; hop limit 255 as neighbour discovery demands (RFC 4861, 6.1).
    Icmp(u8),
}

/// IPv6 (RFC 8200) without extension headers, with the checksum of what it carries.
pub fn ipv6(link: Link, ends: (Ipv6Addr, Ipv6Addr), over: Over6, payload: &[u8]) -> Vec<u8> {
    let (next, hops, sum_at, mut load) = match over {
        Over6::Udp(from, to) => {
            let mut load = Vec::with_capacity(8 + payload.len());
            load.extend(from.to_be_bytes());
            load.extend(to.to_be_bytes());
            load.extend((8 + payload.len() as u16).to_be_bytes());
            load.extend([0, 0]);
            (17, 1, 6, load)
        }
        Over6::Icmp(kind) => (58, 255, 2, vec![kind, 0, 0, 0]),
    };
    load.extend(payload);
    let mut pseudo = [ends.0.octets(), ends.1.octets()].concat();
    pseudo.extend((load.len() as u32).to_be_bytes());
    pseudo.extend([0, 0, 0, next]);
    pseudo.extend(&load);
    let sum = match checksum(0, &pseudo) {
        0 => 0xffff,
        sum => sum,
    };
    load[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((load.len() as u16).to_be_bytes());
    packet.extend([next, hops]);
    packet.extend(ends.0.octets());
    packet.extend(ends.1.octets());
    packet.extend(load);
    ethernet(link, ETHERTYPE_IPV6, &packet)
}

/// ICMP echo (RFC 792): `kind` 8 asks, 0 answers.
pub fn echo(link: Link, ip: Ip, kind: u8, (id, sequence): (u16, u16)) -> Vec<u8> {
    let mut p = vec![kind, 0, 0, 0];
    p.extend(id.to_be_bytes());
    p.extend(sequence.to_be_bytes());
    p.extend(b"abcdefghijklmnopqrstuvwabcdefghi");
    let sum = checksum(0, &p);
    p[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv4(link, ip, 1, &p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_rfc_1071() {
        // The example of RFC 1071, section 3: the sum is ddf2, its complement 220d.
        assert_eq!(checksum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0x220d);
        assert_eq!(checksum(0, &[0xff]), 0x00ff);
    }

    #[test]
    fn a_built_header_sums_to_zero() {
        let link = Link { source: Mac([2; 6]), destination: Mac([4; 6]), vlan: 7, priority: 0 };
        let ip = Ip {
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(10, 0, 0, 2),
            ttl: 64,
            id: 1,
            dont_fragment: true,
            service: 0,
        };
        let frame = udp(link, ip, (1, 2), b"abc");
        assert_eq!(checksum(0, &frame[18..38]), 0);
        assert_eq!(frame.len(), FRAME_BYTES_MIN);
    }
}
