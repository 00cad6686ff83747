//! What is version 2 of the standard, whole or cut.

use super::PTP;
use crate::{Carrier, Hint, Output, Probe, Protocol, Segment, Side};

/// A Sync of 44 octets.
fn sync() -> Vec<u8> {
    let mut bytes = vec![0, 2, 0, 44];
    bytes.resize(44, 0);
    bytes
}

#[track_caller]
fn fed(bytes: &[u8], missing: usize, counted: usize, broken: usize) {
    let mut out = Output::default();
    let segment = Segment { missing, ..Segment::of(bytes, Side::Client, Carrier::Udp) };
    PTP.open().feed(segment, &mut out);
    let violations =
        out.observed.iter().filter(|o| matches!(o.detail, model::Detail::Violation(_)));
    assert_eq!((out.messages.len(), violations.count()), (counted, broken));
}

#[test]
fn a_message_that_the_capture_cut_is_as_long_as_it_was() {
    let (whole, cut) = (sync(), sync()[..36].to_vec());
    let probe = |head: &[u8], port, missing| {
        PTP.probe(head, Hint { carrier: Carrier::Udp, port, from: Side::Client, missing })
    };
    for port in [true, false] {
        assert_eq!(probe(&whole, port, 0), Probe::Match);
        assert_eq!(probe(&cut, port, 8), Probe::Match);
        assert_eq!(probe(&cut, port, 0), Probe::NoMatch);
    }
    fed(&whole, 0, 1, 0);
    fed(&cut, 8, 1, 0);
    fed(&cut, 0, 1, 1);
}

#[test]
fn version_1_beside_version_2_is_left_alone() {
    let mut first = sync();
    first[..4].copy_from_slice(&[0, 1, 0, 1]);
    fed(&first, 0, 0, 0);
}

#[test]
fn a_kind_kept_for_later_is_known_at_the_ports_by_its_length() {
    let mut message = sync();
    message[0] = 0x0e;
    let probe = |head: &[u8], port| {
        PTP.probe(head, Hint { carrier: Carrier::Udp, port, from: Side::Client, missing: 0 })
    };
    assert_eq!([probe(&message, true), probe(&message, false)], [Probe::Match, Probe::NoMatch]);
    assert_eq!(probe(&message[..40], true), Probe::NoMatch);
}
