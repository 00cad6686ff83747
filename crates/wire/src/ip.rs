//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.
//!
//! Invariant: the payload ends where the header says, so Ethernet padding is never in it; where
//! the capture has less than the header says, `missing` says how much.

use crate::{
    frame::{Fragment, Ip, Layer},
    limits::EXTENSION_HEADERS_MAX,
    link::{Decoded, Decoder},
    reader::Reader,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) fn v4<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    let start = at.rest();
    let Some(header) = start.first_chunk::<20>() else {
        return Ok(decoder.fail("ipv4-header-cut-short"));
    };
    let [version, _, l1, l2, i1, i2, f1, f2, ttl, protocol, _, _, addresses @ ..] = *header;
    let header_octets = usize::from(version & 0xf).saturating_mul(4);
    if version >> 4 != 4 || header_octets < 20 {
        return Ok(decoder.fail("ipv4-header-invalid"));
    }
    let declared = usize::from(u16::from_be_bytes([l1, l2]));
    let available = start.len();
    // Segmentation offload leaves the total length 0: the frame then says how long it is.
    let total = if declared == 0 { available } else { declared };
    if total < header_octets {
        return Ok(decoder.fail("ipv4-total-length-invalid"));
    }
    let end = total.min(available);
    let Some(payload) = start.get(header_octets..end) else {
        return Ok(decoder.fail("ipv4-header-cut-short"));
    };
    let [s1, s2, s3, s4, d1, d2, d3, d4] = addresses;
    let flags = u16::from_be_bytes([f1, f2]);
    let (more, offset) = (flags & 0x2000 != 0, (flags & 0x1fff) << 3);
    let id = u32::from(u16::from_be_bytes([i1, i2]));
    let fragment = (more || offset != 0).then_some(Fragment { id, offset, more });
    let ip = Ip {
        source: IpAddr::V4(Ipv4Addr::new(s1, s2, s3, s4)),
        destination: IpAddr::V4(Ipv4Addr::new(d1, d2, d3, d4)),
        protocol,
        ttl,
        fragment,
        payload,
        missing: total.saturating_sub(available),
        routing_header: None,
    };
    decoder.carried(ip)
}

pub(crate) fn v6<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    let start = at.rest();
    let Some((header, body)) = start.split_first_chunk::<40>() else {
        return Ok(decoder.fail("ipv6-header-cut-short"));
    };
    let [version, _, _, _, l1, l2, next, ttl, ..] = *header;
    if version >> 4 != 6 {
        return Ok(decoder.fail("ipv6-header-invalid"));
    }
    let declared = usize::from(u16::from_be_bytes([l1, l2]));
    // Zero is a jumbogram or segmentation offload: the frame says how long it is.
    let length = if declared == 0 { body.len() } else { declared };
    let available = body.get(..length.min(body.len())).unwrap_or_default();
    let source: [u8; 16] = address(header, 8);
    let destination: [u8; 16] = address(header, 24);
    let ip = Ip {
        source: IpAddr::V6(Ipv6Addr::from(source)),
        destination: IpAddr::V6(Ipv6Addr::from(destination)),
        protocol: next,
        ttl,
        fragment: None,
        payload: available,
        missing: length.saturating_sub(body.len()),
        routing_header: None,
    };
    extensions(decoder, ip)
}

fn address(header: &[u8; 40], from: usize) -> [u8; 16] {
    header.get(from..).and_then(|b| b.first_chunk::<16>()).copied().unwrap_or_default()
}

/// RFC 8200, 4: walks extension headers to the upper-layer header.
fn extensions<'a>(decoder: &mut Decoder, mut ip: Ip<'a>) -> Decoded<'a> {
    for _ in 0..EXTENSION_HEADERS_MAX {
        let mut at = Reader::new(ip.payload);
        let octets = match ip.protocol {
            // hop-by-hop, destination options, mobility, HIP, shim6
            0 | 60 | 135 | 139 | 140 => extension_octets(at, 8),
            43 => {
                ip.routing_header = ip.payload.get(2).copied();
                extension_octets(at, 8)
            }
            // AH counts in units of four octets, less two (RFC 4302, 2.2).
            51 => ip.payload.get(1).map(|n| usize::from(*n).saturating_add(2).saturating_mul(4)),
            44 => {
                let Some(&[_, _, o1, o2, i1, i2, i3, i4]) = ip.payload.first_chunk::<8>() else {
                    return Ok(decoder.fail("ipv6-extension-cut-short"));
                };
                let field = u16::from_be_bytes([o1, o2]);
                let (offset, more) = (field & 0xfff8, field & 1 == 1);
                if offset != 0 || more {
                    let id = u32::from_be_bytes([i1, i2, i3, i4]);
                    ip.fragment = Some(Fragment { id, offset, more });
                }
                Some(8)
            }
            _ => return decoder.carried(ip),
        };
        let next = at.u8();
        let rest = octets.and_then(|octets| ip.payload.get(octets..));
        let (Ok(next), Some(rest)) = (next, rest) else {
            return Ok(decoder.fail("ipv6-extension-cut-short"));
        };
        ip.protocol = next;
        let missing = ip.missing;
        ip = ip.with_payload(rest, missing);
        // What stands behind may go on in the next fragment, whichever this is.
        if ip.fragment.is_some() {
            return Ok(Layer::Ip(ip));
        }
    }
    Ok(decoder.fail("ipv6-too-many-extensions"))
}

/// Length octet in units of eight, not counting the first eight.
fn extension_octets(at: Reader<'_>, unit: usize) -> Option<usize> {
    let length = at.rest().get(1)?;
    Some(usize::from(*length).saturating_add(1).saturating_mul(unit))
}
