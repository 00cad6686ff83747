//! TPDUs written are read, and what a TPKT may not be.

use super::wire::{CONNECT_REQUEST, emit_connection, emit_data, parse, selectors, tpkt_length};
use super::{COTP, limits::TSDU_OCTETS_MAX};
use crate::{Carrier, Output, Protocol, Segment, Side};

#[test]
fn connections_carry_their_selectors() {
    let bytes = emit_connection(CONNECT_REQUEST, &[1, 0], &[2, 0x22]);
    assert_eq!(tpkt_length(&bytes), Some(Ok(bytes.len())));
    let tpdu = parse(&bytes[4..]).expect("own TPDU");
    assert_eq!(tpdu.code, CONNECT_REQUEST);
    assert_eq!(selectors(tpdu.parameters), (Some(&[1u8, 0][..]), Some(&[2u8, 0x22][..])));
}

#[test]
fn data_ends_its_unit() {
    let bytes = emit_data(b"payload");
    let tpdu = parse(&bytes[4..]).expect("own TPDU");
    assert_eq!((tpdu.last, tpdu.payload), (true, &b"payload"[..]));
}

#[test]
fn a_tpkt_of_another_version_or_too_short_is_none() {
    assert_eq!(tpkt_length(&[4, 0, 0, 22]), Some(Err(())));
    assert_eq!(tpkt_length(&[3, 0, 0, 6]), Some(Err(())));
    assert_eq!(tpkt_length(&[3, 0, 0]), None);
}

#[test]
fn a_unit_that_never_ends_is_forgotten_and_counted() {
    let (mut dissector, mut out) = (COTP.open(), Output::new(false));
    let mut bytes = emit_data(&[0; 0x4000]);
    // The end-of-TSDU bit, behind TPKT header, length indicator and code.
    bytes[6] = 0;
    for _ in 0..=TSDU_OCTETS_MAX / 0x4000 {
        assert_eq!(out.limits.len(), 0);
        dissector.feed(Segment::of(&bytes, Side::Client, Carrier::Tcp), &mut out);
    }
    assert_eq!(out.limits, ["cotp-tsdu-octets"]);
}
