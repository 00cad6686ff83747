//! Which part of the work a packet belongs to: the same for both directions of a conversation and
//! for fragments of its packets.
//!
//! Invariant: the short look at the octets and the look at the decoded frame agree.

use crate::limits::SHARDS;
use std::net::IpAddr;
use wire::{Frame, Layer, LinkType};

/// The shard of a packet not decoded yet. The usual case (TCP, or UDP that is no tunnel, in IPv4
/// on Ethernet) is told by a few octets; anything else is decoded.
pub fn shard_of(link: LinkType, data: &[u8]) -> usize {
    quick(link, data).unwrap_or_else(|| shard_of_frame(&wire::decode(link, data)))
}

pub(crate) fn shard_of_frame(frame: &Frame<'_>) -> usize {
    match &frame.layer {
        Layer::Ip(ip) => pair(address(ip.source), address(ip.destination)),
        Layer::Arp(arp) => pair(mac(Some(arp.sender_mac)), 0),
        _ => pair(mac(frame.source_mac), mac(frame.destination_mac)),
    }
}

fn quick(link: LinkType, data: &[u8]) -> Option<usize> {
    if link != LinkType::Ethernet {
        return None;
    }
    let [d1, d2, d3, d4, d5, d6, s1, s2, s3, s4, s5, s6, kind @ ..] = *data.first_chunk::<14>()?;
    let ip = match u16::from_be_bytes(kind) {
        0x0800 => data.get(14..)?,
        0x8100 => match data.get(16..18)? {
            [0x08, 0x00] => data.get(18..)?,
            _ => return None,
        },
        // Frames with nothing inside but their protocol: GOOSE, PROFINET, PTP and the like. MACsec
        // and a provider's instance tag, which are among them, stand around other frames.
        0x88b5..=0x88e4 | 0x88e6 | 0x88e8..=0x88f7 | 0x8892 => {
            let (source, destination) = ([s1, s2, s3, s4, s5, s6], [d1, d2, d3, d4, d5, d6]);
            return Some(pair(mac(Some(source)), mac(Some(destination))));
        }
        _ => return None,
    };
    let header = ip.first_chunk::<20>()?;
    let octets = usize::from(header[0] & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let fragment = (header[6] & 0x3f) | header[7] != 0;
    let plain = header[0] >> 4 == 4 && octets >= 20 && (total == 0 || total >= octets);
    if !plain || fragment || ip.len() < octets {
        return None;
    }
    match header[9] {
        6 => {}
        17 => {
            let [a, b, c, d] = *ip.get(octets..)?.first_chunk::<4>()?;
            let ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            if ports.iter().any(|port| wire::TUNNEL_PORTS.contains(port)) {
                return None;
            }
        }
        _ => return None,
    }
    let [.., s1, s2, s3, s4, d1, d2, d3, d4] = *header;
    let v4 = |octets| u64::from(u32::from_be_bytes(octets));
    Some(pair(v4([s1, s2, s3, s4]), v4([d1, d2, d3, d4])))
}

fn address(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            (bits >> 64) as u64 ^ (bits as u64).rotate_left(32)
        }
    }
}

fn mac(octets: Option<[u8; 6]>) -> u64 {
    let [a, b, c, d, e, f] = octets.unwrap_or_default();
    u64::from_be_bytes([0, 1, a, b, c, d, e, f])
}

/// Symmetric: the order of the ends does not matter.
fn pair(a: u64, b: u64) -> usize {
    let sum = mix(a).wrapping_add(mix(b)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (sum >> 32) as usize % SHARDS
}

fn mix(value: u64) -> u64 {
    let spread = value.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (spread ^ (spread >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(source: [u8; 4], destination: [u8; 4], vlan: bool) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if vlan {
            frame.extend([0x81, 0, 0, 7]);
        }
        frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
        frame.extend(source.into_iter().chain(destination));
        frame.extend([0; 20]);
        frame
    }

    #[test]
    fn both_looks_and_both_directions_agree() {
        for last in 0..64 {
            let (a, b) = ([10, 0, 0, last], [10, 0, 9, 3]);
            for vlan in [false, true] {
                let frame = tcp(a, b, vlan);
                let decoded = shard_of_frame(&wire::decode(LinkType::Ethernet, &frame));
                assert_eq!(quick(LinkType::Ethernet, &frame), Some(decoded));
                assert_eq!(shard_of(LinkType::Ethernet, &tcp(b, a, !vlan)), decoded);
            }
        }
    }

    #[test]
    fn frames_of_every_kind_agree() {
        let mut frame = tcp([10, 0, 0, 1], [10, 0, 0, 2], false);
        for kind in 0..=u16::MAX {
            frame[12..14].copy_from_slice(&kind.to_be_bytes());
            let quick = quick(LinkType::Ethernet, &frame);
            let agrees = |quick| quick == shard_of_frame(&wire::decode(LinkType::Ethernet, &frame));
            assert!(quick.is_none_or(agrees), "{kind:04x}");
        }
    }

    #[test]
    fn frames_around_others_are_decoded() {
        let mut frame = tcp([10, 0, 0, 1], [10, 0, 0, 2], false);
        frame[23] = 17;
        for port in wire::TUNNEL_PORTS {
            frame[36..38].copy_from_slice(&port.to_be_bytes());
            assert_eq!(quick(LinkType::Ethernet, &frame), None, "{port}");
        }
        for kind in [0x88e5u16, 0x88e7] {
            frame[12..14].copy_from_slice(&kind.to_be_bytes());
            assert_eq!(quick(LinkType::Ethernet, &frame), None, "{kind:04x}");
        }
    }

    #[test]
    fn what_is_cut_or_bent_agrees_too() {
        let frame = tcp([10, 0, 0, 1], [10, 0, 0, 2], true);
        for length in 0..frame.len() {
            for bit in 0..8 {
                let mut bent = frame[..length].to_vec();
                if let Some(last) = bent.last_mut() {
                    *last ^= 1 << bit;
                }
                let decoded = shard_of_frame(&wire::decode(LinkType::Ethernet, &bent));
                let quick = quick(LinkType::Ethernet, &bent);
                assert!(quick.is_none_or(|quick| quick == decoded), "{bent:02x?}");
            }
        }
    }

    #[test]
    fn plants_addresses_spread_evenly() {
        let mut counts = [0; SHARDS];
        for host in 0..4_000u32 {
            let [_, _, c, d] = host.to_be_bytes();
            counts[pair(address([10, 1, c, d].into()), address([10, 0, 0, 1].into()))] += 1;
        }
        assert!(counts.iter().all(|count| (350..650).contains(count)), "{counts:?}");
    }
}
