//! IEEE 802.11 frames, as wireless capture cards, controllers' tunnels and mirrors give them.
//!
//! Only data frames that are not encrypted say more than who sent them. Not here: management
//! frames. Invariant: addresses are told of data frames alone, so the neighbours' beacons make no
//! hosts.

use crate::{
    frame::Layer,
    link::{Decoded, Decoder},
    reader::{Reader, Short},
};

const BARE: u16 = 105;
const PRISM: u16 = 119;
const RADIOTAP: u16 = 127;
const AVS: u16 = 163;
const PPI: u16 = 192;
/// What every frame with data begins with (IEEE 802.11-2020, 5.1.4).
const SNAP: [u8; 3] = [0xaa, 0xaa, 3];

pub(crate) const fn is_known(link: u16) -> bool {
    matches!(link, BARE | PRISM | RADIOTAP | AVS | PPI)
}

/// Passes over what the card says of reception, and reads the frame behind it.
pub(crate) fn open<'a>(decoder: &mut Decoder, link: u16, at: &mut Reader<'a>) -> Decoded<'a> {
    const PRISM_OCTETS: usize = 144;
    let head = at.rest();
    let octet = |at: usize| head.get(at).copied().ok_or(Short { needed: at.saturating_add(1) });
    let mut padded = false;
    let octets = match link {
        RADIOTAP => {
            padded = radiotap_pads(head);
            usize::from(u16::from_le_bytes([octet(2)?, octet(3)?]))
        }
        PPI => {
            // The link type of what is inside: the header stands around others too.
            if octet(4)? != BARE as u8 {
                return Ok(Layer::Unknown("link-type-not-decoded"));
            }
            usize::from(u16::from_le_bytes([octet(2)?, octet(3)?]))
        }
        // Drivers give AVS' header under Prism's number; its first octets tell.
        PRISM | AVS if head.starts_with(&[0x80, 0x21, 0x10]) => {
            usize::from(u16::from_be_bytes([octet(6)?, octet(7)?]))
        }
        PRISM | AVS => PRISM_OCTETS,
        _ => 0,
    };
    at.skip(octets)?;
    frame(decoder, at, padded)
}

/// Does radiotap (radiotap.org) say that the header is filled up to four octets?
fn radiotap_pads(head: &[u8]) -> bool {
    const MORE: u8 = 0x80;
    const TIMER: u8 = 0x01;
    const FLAGS: u8 = 0x02;
    const PADDED: u8 = 0x20;
    let present = |word: usize| head.get(word.saturating_mul(4)..)?.first_chunk::<4>();
    let Some([first, ..]) = present(1) else { return false };
    let words = (1..16).take_while(|word| present(*word).is_some_and(|[.., d]| d & MORE != 0));
    let mut flags = words.count().saturating_add(2).saturating_mul(4);
    if first & TIMER != 0 {
        flags = flags.next_multiple_of(8).saturating_add(8);
    }
    first & FLAGS != 0 && head.get(flags).is_some_and(|flags| flags & PADDED != 0)
}

/// IEEE 802.11-2020, 9.2.4 and 9.3.2.1: which address is whose depends on the way the frame goes.
pub(crate) fn frame<'a>(decoder: &mut Decoder, at: &mut Reader<'a>, padded: bool) -> Decoded<'a> {
    let [control, flags] = at.array::<2>()?;
    body(decoder, at, (control, flags), padded)
}

/// The frame behind its two octets of control.
pub(crate) fn body<'a>(
    decoder: &mut Decoder,
    at: &mut Reader<'a>,
    (control, flags): (u8, u8),
    padded: bool,
) -> Decoded<'a> {
    const TO_AND_FROM: u8 = 0x03;
    const PROTECTED: u8 = 0x40;
    const ORDERED: u8 = 0x80;
    const WITHOUT_DATA: u8 = 0x40;
    const QUALITY: u8 = 0x80;
    const AGGREGATED: u8 = 0x80;
    if !is_data(control) {
        return Ok(Layer::Unknown("ieee-802-11-management"));
    }
    at.skip(2)?;
    let (first, second, third) = (at.array::<6>()?, at.array::<6>()?, at.array::<6>()?);
    at.skip(2)?;
    let mut octets = 24usize;
    let (destination, source) = match flags & TO_AND_FROM {
        0 => (first, second),
        1 => (third, second),
        2 => (first, third),
        _ => {
            octets = octets.saturating_add(6);
            (third, at.array::<6>()?)
        }
    };
    decoder.addresses(source, destination);
    let mut several = false;
    if control & QUALITY != 0 {
        octets = octets.saturating_add(2);
        several = at.array::<2>()?.first().is_some_and(|b| b & AGGREGATED != 0);
        if flags & ORDERED != 0 {
            octets = octets.saturating_add(4);
            at.skip(4)?;
        }
    }
    if flags & PROTECTED != 0 {
        return Ok(Layer::Unknown("ieee-802-11-encrypted"));
    }
    if control & WITHOUT_DATA != 0 {
        return Ok(Layer::Unknown("ieee-802-11-without-data"));
    }
    if padded {
        at.skip(octets.wrapping_neg() & 3)?;
    }
    if several {
        // The first of an A-MSDU (9.3.2.2): addresses and length before each.
        at.skip(14)?;
    }
    // A later piece of a frame begins with something else. The number of pieces is not asked:
    // access points leave other things there.
    if !at.rest().starts_with(&SNAP) {
        return Ok(Layer::Unknown("ieee-802-11-without-beginning"));
    }
    decoder.llc(at)
}

/// Version 0, type data.
pub(crate) const fn is_data(control: u8) -> bool {
    control & 0x0f == 0x08
}

#[cfg(test)]
mod tests {
    use crate::{Layer, LinkType, decode};

    const STATION: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const POINT: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    const PACKET: [u8; 24] =
        [0x45, 0, 0, 24, 0, 1, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3, 4];

    /// From the station by its access point to the host, with `more` behind the addresses.
    fn sent(control: [u8; 2], more: &[u8]) -> Vec<u8> {
        [&control[..], &[0, 0], &POINT, &STATION, &HOST, &[0x10, 0], more, &SNAP, &PACKET].concat()
    }

    #[track_caller]
    fn check(link: u16, bytes: &[u8]) {
        let frame = decode(LinkType::from_number(link), bytes);
        let Layer::Ip(ip) = frame.layer else { panic!("{:?}", frame.layer) };
        assert_eq!(ip.payload, [1, 2, 3, 4]);
        assert_eq!((frame.source_mac, frame.destination_mac), (Some(STATION), Some(HOST)));
        for end in 0..bytes.len() {
            decode(LinkType::from_number(link), &bytes[..end]);
        }
    }

    #[test]
    fn data_in_clear_is_read_behind_every_header_of_reception() {
        let plain = sent([0x08, 1], &[]);
        check(105, &plain);
        check(127, &[&[0, 0, 9, 0, 2, 0, 0, 0, 0][..], &plain].concat());
        check(192, &[&[0, 0, 8, 0, 105, 0, 0, 0][..], &plain].concat());
        check(163, &[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64][..], &[0; 56], &plain].concat());
        check(119, &[&[0; 144][..], &plain].concat());
    }

    #[test]
    fn quality_order_and_filling_are_passed_over() {
        check(105, &sent([0x88, 1], &[0, 0]));
        check(105, &sent([0x88, 0x81], &[0, 0, 0, 0, 0, 0]));
        // A timer before the flags, and two octets of filling behind 26 of the header.
        let radiotap = [0, 0, 17, 0, 3, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0x20];
        check(127, &[&radiotap[..], &sent([0x88, 1], &[0, 0, 0, 0])].concat());
        let aggregated = [&[0x80, 0][..], &HOST, &STATION, &[0, 32]].concat();
        check(105, &sent([0x88, 1], &aggregated));
    }

    #[test]
    fn encrypted_data_tells_who_sent_it_and_management_nobody() {
        let frame = |control| sent(control, &[]);
        let sealed = frame([0x08, 0x41]);
        let decoded = decode(LinkType::from_number(105), &sealed);
        assert!(matches!(decoded.layer, Layer::Unknown("ieee-802-11-encrypted")));
        assert_eq!(decoded.source_mac, Some(STATION));
        let mut later = frame([0x08, 1]);
        later[24] = 7;
        let decoded = decode(LinkType::from_number(105), &later);
        assert!(matches!(decoded.layer, Layer::Unknown("ieee-802-11-without-beginning")));
        let beacon = frame([0x80, 0]);
        assert_eq!(decode(LinkType::from_number(105), &beacon).source_mac, None);
    }
}
