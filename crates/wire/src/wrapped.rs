//! Link types of capture files that stand around another link: Linux' firewall log, InfiniBand,
//! netANALYZER, ATM, PPP with a direction, token ring, frame relay, switches' own tags, Apple's
//! packet log, Endace's records.
//!
//! Not here: tunnels within frames. Invariant: only headers are passed over; what is inside is
//! decoded as it would be alone.

use crate::{
    frame::Layer,
    link::{Decoded, Decoder},
    reader::{Reader, Short},
};

const TOKEN_RING: u16 = 6;
const PPPOE: u16 = 51;
const ATM_LLC: u16 = 100;
const FRAME_RELAY: u16 = 107;
const ERF: u16 = 197;
const PPP_WITH_DIRECTION: u16 = 204;
const HDLC_WITH_DIRECTION: u16 = 205;
const NFLOG: u16 = 239;
const NETANALYZER: u16 = 240;
const NETANALYZER_TRANSPARENT: u16 = 241;
const IPOIB: u16 = 242;
const PKTAP: u16 = 258;
const MPACKET: u16 = 274;
const BROADCOM_TAG: u16 = 281;
const BROADCOM_TAG_BEFORE: u16 = 282;
const MARVELL_TAG: u16 = 284;
const MARVELL_ETHERTYPE_TAG: u16 = 285;

pub(crate) const fn is_known(link: u16) -> bool {
    matches!(
        link,
        TOKEN_RING
            | PPPOE
            | ATM_LLC
            | FRAME_RELAY
            | ERF
            | PPP_WITH_DIRECTION
            | HDLC_WITH_DIRECTION
            | NFLOG
            | NETANALYZER
            | NETANALYZER_TRANSPARENT
            | IPOIB
            | PKTAP
            | MPACKET
            | BROADCOM_TAG
            | BROADCOM_TAG_BEFORE
            | MARVELL_TAG
            | MARVELL_ETHERTYPE_TAG
    )
}

pub(crate) fn open<'a>(decoder: &mut Decoder, link: u16, at: &mut Reader<'a>) -> Decoded<'a> {
    match link {
        TOKEN_RING => token_ring(decoder, at),
        PPPOE => decoder.pppoe(at),
        ATM_LLC => decoder.llc(at),
        PPP_WITH_DIRECTION => {
            at.skip(1)?;
            decoder.ppp(at)
        }
        HDLC_WITH_DIRECTION => {
            at.skip(1)?;
            decoder.cisco_hdlc(at)
        }
        NFLOG => nflog(decoder, at),
        // Four octets of the analyser, then the frame with its check value; the transparent form
        // has the preamble and the start delimiter before it (IEEE 802.3, 3.2.1).
        NETANALYZER => netanalyzer(decoder, at, 4),
        NETANALYZER_TRANSPARENT => netanalyzer(decoder, at, 12),
        FRAME_RELAY => frame_relay(decoder, at),
        ERF => endace(decoder, at),
        PKTAP => apple(decoder, at),
        // The preamble and the delimiter of a frame that express ones may interrupt (IEEE 802.3,
        // 99.3); only a whole frame has the ordinary delimiter.
        MPACKET => match at.array::<8>()? {
            [.., 0xd5] => decoder.ethernet(at),
            _ => Ok(Layer::Unknown("ethernet-frame-in-pieces")),
        },
        BROADCOM_TAG | MARVELL_TAG => tagged(decoder, at, 4),
        MARVELL_ETHERTYPE_TAG => tagged(decoder, at, 8),
        BROADCOM_TAG_BEFORE => {
            at.skip(4)?;
            decoder.ethernet(at)
        }
        // InfiniBand's global routing header, then RFC 4391, 6: EtherType and two reserved octets.
        _ => {
            at.skip(40)?;
            let kind = at.be16()?;
            at.skip(2)?;
            decoder.ethertype(kind, at)
        }
    }
}

fn netanalyzer<'a>(decoder: &mut Decoder, at: &mut Reader<'a>, before: usize) -> Decoded<'a> {
    const CHECK_OCTETS: usize = 4;
    at.skip(before)?;
    let octets = at.remaining().saturating_sub(CHECK_OCTETS);
    decoder.ethernet(&mut at.sub(octets)?)
}

/// What switches put behind the addresses to tell their processor of a frame's port.
fn tagged<'a>(decoder: &mut Decoder, at: &mut Reader<'a>, octets: usize) -> Decoded<'a> {
    let (destination, source) = (at.array::<6>()?, at.array::<6>()?);
    decoder.addresses(source, destination);
    at.skip(octets)?;
    let kind = at.be16()?;
    decoder.ethertype(kind, at)
}

/// RFC 2427, 3: an address of octets whose last bit says that another follows, unnumbered
/// information, then what is inside as a network layer's number, or by SNAP.
fn frame_relay<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    while at.u8()? & 1 == 0 {}
    // Cisco's own form has an EtherType there.
    if !at.rest().starts_with(&[0x03]) {
        let kind = at.be16()?;
        return decoder.ethertype(kind, at);
    }
    at.skip(1)?;
    if at.peek_u8() == Some(0) {
        at.skip(1)?;
    }
    match at.u8()? {
        0xcc | 0x8e => decoder.raw_ip(at),
        0x80 => {
            let (oui, kind) = (at.array::<3>()?, at.be16()?);
            match (oui, kind) {
                ([0, 0, 0], kind) => decoder.ethertype(kind, at),
                // Bridged Ethernet with and without its check value (RFC 2427, 4.2).
                ([0x00, 0x80, 0xc2], 1 | 7) => decoder.ethernet(at),
                _ => Ok(Layer::Unknown("frame-relay-snap")),
            }
        }
        _ => Ok(Layer::Unknown("frame-relay-other")),
    }
}

/// A record of Endace's cards: time, type, flags, length; headers while a bit says that more
/// follow; two octets before frames of Ethernet.
fn endace<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    const MORE: u8 = 0x80;
    let [.., kind, _, _, _, _, _, _, _] = at.array::<16>()?;
    let mut more = kind & MORE != 0;
    while more {
        let [next, ..] = at.array::<8>()?;
        more = next & MORE != 0;
    }
    match kind & 0x7f {
        2 | 11 | 16 | 20 => {
            at.skip(2)?;
            decoder.ethernet(at)
        }
        22 | 23 => decoder.raw_ip(at),
        _ => Ok(Layer::Unknown("link-type-not-decoded")),
    }
}

/// Length of the header and link type of what is behind it, low octets first.
fn apple<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    let [l0, l1, l2, l3, _, _, _, _, k0, k1, k2, k3] = at.array::<12>()?;
    let octets = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    at.skip(octets.checked_sub(12).ok_or(Short { needed: 12 })?)?;
    match u32::from_le_bytes([k0, k1, k2, k3]) {
        1 => decoder.ethernet(at),
        12 | 14 | 101 => decoder.raw_ip(at),
        _ => Ok(Layer::Unknown("link-type-not-decoded")),
    }
}

/// Family, version, group; then attributes with length and type in the order of the capturing
/// machine, each filled up to four octets. One of them is the packet.
fn nflog<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    const PAYLOAD: u16 = 9;
    const HEADER_OCTETS: usize = 4;
    at.skip(4)?;
    while !at.is_empty() {
        let ([a, b], [c, d]) = (at.array::<2>()?, at.array::<2>()?);
        let order = |little: bool, x, y| match little {
            true => u16::from_le_bytes([x, y]),
            false => u16::from_be_bytes([x, y]),
        };
        // No type has a number above 255, so one of its octets says which order it is.
        let little = d == 0;
        let octets = usize::from(order(little, a, b)).checked_sub(HEADER_OCTETS);
        let octets = octets.ok_or(Short { needed: HEADER_OCTETS })?.min(at.remaining());
        let mut value = at.sub(octets)?;
        if order(little, c, d) == PAYLOAD {
            return decoder.raw_ip(&mut value);
        }
        let filling = octets.wrapping_neg() & 3;
        at.skip(filling.min(at.remaining()))?;
    }
    Ok(Layer::Unknown("nflog-without-packet"))
}

/// IEEE 802.5, 3: access and frame control, addresses, and a route where the sender's address
/// has the bit of a group.
fn token_ring<'a>(decoder: &mut Decoder, at: &mut Reader<'a>) -> Decoded<'a> {
    const ROUTED: u8 = 0x80;
    const LLC_FRAME: u8 = 0x40;
    let [_, control] = at.array::<2>()?;
    let destination = at.array::<6>()?;
    let mut source = at.array::<6>()?;
    let [first, ..] = &mut source;
    let routed = *first & ROUTED != 0;
    *first &= !ROUTED;
    decoder.addresses(source, destination);
    if control & 0xc0 != LLC_FRAME {
        return Ok(Layer::Unknown("token-ring-control"));
    }
    if routed {
        let octets = at.peek_u8().map_or(0, |control| usize::from(control & 0x1f));
        at.skip(octets)?;
    }
    decoder.llc(at)
}

#[cfg(test)]
mod tests {
    use crate::{Layer, LinkType, decode};

    /// IPv4 from 10.0.0.1 to 10.0.0.2 with four octets of a protocol for experiments.
    const PACKET: [u8; 24] =
        [0x45, 0, 0, 24, 0, 1, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3, 4];

    #[track_caller]
    fn check(link: u16, before: &[u8], after: &[u8]) {
        let bytes = [before, &PACKET, after].concat();
        match decode(LinkType::from_number(link), &bytes).layer {
            Layer::Ip(ip) => assert_eq!(ip.payload, [1, 2, 3, 4]),
            other => panic!("{other:?}"),
        }
        for end in 0..before.len() {
            decode(LinkType::from_number(link), &bytes[..end]);
        }
    }

    #[test]
    fn an_ip_packet_is_found_in_each() {
        let macs = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        check(6, &[&[0x10, 0x40][..], &macs, &snap].concat(), &[]);
        let routed = [2, 0, 0, 0, 0, 2, 0x82, 0, 0, 0, 0, 1, 6, 0x30, 0, 0x11, 0, 0x20];
        check(6, &[&[0x10, 0x40][..], &routed, &snap].concat(), &[]);
        check(51, &[0x11, 0, 0, 1, 0, 26, 0, 0x21], &[]);
        check(100, &snap, &[]);
        check(204, &[1, 0xff, 3, 0, 0x21], &[]);
        check(205, &[1, 0x0f, 0, 8, 0], &[]);
        check(240, &[&[0; 4][..], &macs, &[8, 0]].concat(), &[9; 4]);
        check(241, &[&[0x55; 12][..], &macs, &[8, 0]].concat(), &[9; 4]);
        check(242, &[&[0; 40][..], &[8, 0, 0, 0]].concat(), &[]);
        check(107, &[0x18, 0x41, 3, 0xcc], &[]);
        check(107, &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &[]);
        check(107, &[0x18, 0x41, 8, 0], &[]);
    }

    #[test]
    fn tags_of_switches_and_records_of_cards_are_passed_over() {
        let macs = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        let frame = [&macs[..], &[8, 0]].concat();
        check(274, &[&[0x55; 7][..], &[0xd5], &frame].concat(), &[9; 4]);
        check(281, &[&macs[..], &[0; 4], &[8, 0]].concat(), &[]);
        check(282, &[&[0; 4][..], &frame].concat(), &[]);
        check(284, &[&macs[..], &[0xc0, 0, 0, 1], &[8, 0]].concat(), &[]);
        check(285, &[&macs[..], &[0xda, 0xda, 0, 0, 0xc0, 0, 0, 1], &[8, 0]].concat(), &[]);
        let record = [0, 0, 0, 0, 0, 0, 0, 0, 0x82, 4, 0, 64, 0, 0, 0, 38];
        check(197, &[&record[..], &[3, 0, 0, 0, 0, 0, 0, 0], &[0, 0], &frame].concat(), &[]);
        check(258, &[&[16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0][..], &[0; 4], &frame].concat(), &[]);
    }

    #[test]
    fn the_firewalls_log_is_read_in_either_order() {
        let little = [2, 0, 0, 5, 5, 0, 10, 0, b'x', 0, 0, 0, 28, 0, 9, 0];
        let big = [2, 0, 0, 5, 0, 5, 0, 10, b'x', 0, 0, 0, 0, 28, 0, 9];
        check(239, &little, &[]);
        check(239, &big, &[]);
    }
}
