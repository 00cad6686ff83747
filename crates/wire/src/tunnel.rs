//! Tunnels that mirror sessions and carriers use: GRE, ERSPAN, VXLAN, Geneve, TZSP, CAPWAP, L2TP,
//! GTP-U, IP in IP, Teredo.
//!
//! Invariant: a tunnel is opened only when what is inside it decodes; otherwise the outer packet
//! stands as it is.

use crate::{
    frame::Ip,
    link::{Decoded, Decoder, ETHERTYPE_BRIDGE},
    reader::{Reader, Short},
    transport::{Transport, transport},
    wireless,
};

/// Ports of UDP that [`open`] looks behind.
pub const PORTS: [u16; 9] = [4789, 8472, 6081, 1701, 2152, 3544, 5072, 5247, 37_008];

/// May the packet carry a tunnel? Nearly all do not, and this is told at a glance.
#[inline]
pub(crate) fn is_likely(ip: &Ip<'_>) -> bool {
    match ip.protocol {
        protocol if is_tunnel(protocol) => true,
        17 => ip.payload.first_chunk::<4>().is_some_and(|&[a, b, c, d]| {
            let ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            ports.iter().any(|port| PORTS.contains(port))
        }),
        _ => false,
    }
}

/// Is the IP protocol that of a tunnel?
pub(crate) const fn is_tunnel(protocol: u8) -> bool {
    matches!(protocol, 4 | 41 | 47 | 97)
}

/// `None` when the packet carries no tunnel.
pub(crate) fn open<'a>(decoder: &mut Decoder, ip: &Ip<'a>) -> Option<Decoded<'a>> {
    let mut at = Reader::new(ip.payload);
    match ip.protocol {
        4 | 41 => Some(decoder.raw_ip(&mut at)),
        47 => Some(gre(decoder, &mut at)),
        97 => {
            at.skip(2).ok()?;
            Some(decoder.ethernet(&mut at))
        }
        17 => {
            let Transport::Udp(udp) = transport(17, ip.payload) else { return None };
            let mut at = Reader::new(udp.payload);
            match (udp.source, udp.destination) {
                (_, 4789 | 8472) => vxlan(decoder, &mut at),
                (_, 6081) => geneve(decoder, &mut at),
                (1701, _) | (_, 1701) => l2tp(decoder, &mut at),
                (2152, _) | (_, 2152) => gtp(decoder, &mut at),
                (3544, _) | (_, 3544) => teredo(decoder, &mut at),
                (5072, _) | (_, 5072) => ayiya(decoder, &mut at),
                (5247, _) | (_, 5247) => capwap(decoder, &mut at),
                (_, 37_008) => tzsp(decoder, &mut at),
                _ => None,
            }
        }
        _ => None,
    }
}

/// RFC 2784 and 2890; version 1 is PPTP's (RFC 2637, 4.1).
fn gre<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    let (flags, protocol) = (at.be16()?, at.be16()?);
    let mut words = 0usize;
    for (bit, present) in [(0x8000, 4), (0x2000, 4), (0x1000, 4)] {
        if flags & bit != 0 {
            words = words.saturating_add(present);
        }
    }
    let pptp = flags & 7 == 1;
    if pptp && flags & 0x0080 != 0 {
        words = words.saturating_add(4);
    }
    at.skip(words)?;
    if at.is_empty() {
        return Err(Short { needed: 1 });
    }
    match protocol {
        0x880b => decoder.ppp(at),
        // ERSPAN II: eight octets when a sequence number is there, none in type I.
        0x88be => {
            if flags & 0x1000 != 0 {
                at.skip(8)?;
            }
            decoder.ethernet(at)
        }
        // ERSPAN III: twelve octets and, if flagged, a platform header of eight.
        0x22eb => {
            let header = at.array::<12>()?;
            if header.last().is_some_and(|b| b & 1 == 1) {
                at.skip(8)?;
            }
            decoder.ethernet(at)
        }
        ETHERTYPE_BRIDGE => decoder.ethernet(at),
        ethertype if ethertype > 1_500 => decoder.ethertype(ethertype, at),
        _ => Err(Short { needed: 1 }),
    }
}

/// RFC 7348, 5: the I flag and three reserved octets.
fn vxlan<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    let [flags, _, _, _, _, _, _, reserved] = at.array::<8>().ok()?;
    (flags & 0x08 != 0 && reserved == 0 && at.remaining() >= 14 && decoder.deeper())
        .then(|| decoder.ethernet(at))
}

/// RFC 8926, 3.4: version 0, the octets of options in fours, what is inside by EtherType.
fn geneve<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    let [options, flags, high, low, _, _, _, reserved] = at.array::<8>().ok()?;
    if options >> 6 != 0 || flags & 0x3f != 0 || reserved != 0 || !decoder.deeper() {
        return None;
    }
    at.skip(usize::from(options).saturating_mul(4)).ok()?;
    match u16::from_be_bytes([high, low]) {
        ETHERTYPE_BRIDGE => Some(decoder.ethernet(at)),
        ethertype if ethertype > 1_500 => Some(decoder.ethertype(ethertype, at)),
        _ => None,
    }
}

/// RFC 2661, 3.1: data messages of version 2 with PPP inside; control messages have the T bit.
fn l2tp<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    let flags = at.be16().ok()?;
    if flags & CONTROL != 0 || flags & 0x000f != 2 {
        return None;
    }
    let length = if flags & LENGTH != 0 { 2 } else { 0 };
    let sequence = if flags & SEQUENCE != 0 { 4 } else { 0 };
    at.skip(4usize.saturating_add(length).saturating_add(sequence)).ok()?;
    if flags & OFFSET != 0 {
        let octets = usize::from(at.be16().ok()?);
        at.skip(octets).ok()?;
    }
    Some(decoder.ppp(at))
}

/// 3GPP TS 29.281, 5.1: version 1, a G-PDU (type 255).
fn gtp<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    let [flags, kind, ..] = at.array::<8>().ok()?;
    if flags >> 5 != 1 || kind != 255 {
        return None;
    }
    if flags & 0x07 != 0 {
        let [_, _, _, mut next] = at.array::<4>().ok()?;
        while flags & 0x04 != 0 && next != 0 {
            let words = usize::from(at.u8().ok()?);
            let octets = words.saturating_mul(4).checked_sub(2)?;
            at.skip(octets).ok()?;
            next = at.u8().ok()?;
        }
    }
    Some(decoder.raw_ip(at))
}

/// RFC 4380, 5.1.1: optional authentication and origin headers, then IPv6.
fn teredo<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    if at.rest().starts_with(&[0, 1]) {
        let [_, _, id, authentication] = at.array::<4>().ok()?;
        let octets = usize::from(id).saturating_add(usize::from(authentication));
        at.skip(octets.saturating_add(9)).ok()?;
    }
    if at.rest().starts_with(&[0, 0]) {
        at.skip(8).ok()?;
    }
    let whole = at.peek_u8().is_some_and(|b| b >> 4 == 6) && at.remaining() >= 40;
    whole.then(|| decoder.raw_ip(at))
}

/// draft-massar-v6ops-ayiya-02, 3: identity and signature lengths in the first octets.
fn ayiya<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    let [identity, signature, _, next, ..] = at.array::<8>().ok()?;
    let identity = 1usize.checked_shl(u32::from(identity >> 4))?;
    let signature = usize::from(signature >> 4).saturating_mul(4);
    at.skip(identity.saturating_add(signature)).ok()?;
    match next {
        41 | 4 => Some(decoder.raw_ip(at)),
        _ => None,
    }
}

/// What MikroTik's routers and others mirror with: version 1, a received packet or one to send,
/// its encapsulation, then fields until their end.
fn tzsp<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    const PADDING: u8 = 0;
    const END: u8 = 1;
    const ETHERNET: [u8; 2] = [0, 1];
    const WIRELESS: [u8; 2] = [0, 0x12];
    let [version, kind, encapsulation @ ..] = at.array::<4>().ok()?;
    if version != 1 || kind > 1 || !decoder.deeper() {
        return None;
    }
    loop {
        match at.u8().ok()? {
            PADDING => {}
            END => break,
            _ => {
                let octets = usize::from(at.u8().ok()?);
                at.skip(octets).ok()?;
            }
        }
    }
    match encapsulation {
        ETHERNET => Some(decoder.ethernet(at)),
        WIRELESS => Some(wireless::frame(decoder, at, false)),
        _ => None,
    }
}

/// RFC 5415, 4.3: what an access point sends its controller. Frames of Ethernet, or of IEEE
/// 802.11 in the binding of RFC 5416, whose two octets of control some access points send the
/// wrong way round.
fn capwap<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Option<Decoded<'a>> {
    const NATIVE: u8 = 0x01;
    const FRAGMENT: u8 = 0x80;
    const KEEP_ALIVE: u8 = 0x08;
    const IEEE_802_11: u8 = 1;
    let [0, length, binding, flags, _, _, offset_high, offset_low] = at.array::<8>().ok()? else {
        return None;
    };
    let octets = usize::from(length >> 3).saturating_mul(4);
    let later = flags & FRAGMENT != 0 && (offset_high, offset_low & 0xf8) != (0, 0);
    if later || flags & KEEP_ALIVE != 0 || !decoder.deeper() {
        return None;
    }
    at.skip(octets.checked_sub(8)?).ok()?;
    if binding & NATIVE == 0 {
        return Some(decoder.ethernet(at));
    }
    if (binding >> 1) & 0x1f != IEEE_802_11 {
        return None;
    }
    let [first, second] = at.array::<2>().ok()?;
    let control = match (wireless::is_data(first), wireless::is_data(second)) {
        (true, _) => (first, second),
        (_, true) => (second, first),
        _ => return None,
    };
    Some(wireless::body(decoder, at, control, false))
}
