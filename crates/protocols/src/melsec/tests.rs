//! Which request an answer belongs to.

use super::MELSEC;
use crate::{Carrier, Output, Protocol, Segment, Side};
use model::{Detail, PointValue, Time};

/// Frame 3E: reads one word of D from a number on, or the answer.
fn reads(number: u8) -> Vec<u8> {
    let data = [1, 4, 0, 0, number, 0, 0, 0xa8, 1, 0];
    [&[0x50, 0, 0, 0xff, 0xff, 3, 0, 12, 0, 16, 0][..], &data].concat()
}

const SAYS: [u8; 13] = [0xd0, 0, 0, 0xff, 0xff, 3, 0, 4, 0, 0, 0, 222, 0];

/// The same in frame 1E.
fn reads_old(number: u8) -> Vec<u8> {
    vec![1, 0xff, 10, 0, number, 0, 0, 0, 0x20, 0x44, 1, 0]
}

const SAYS_OLD: [u8; 4] = [0x81, 0, 222, 0];

/// The point that the second of two requests gets, asked so long after the first, which was not
/// answered.
#[track_caller]
fn check(carrier: Carrier, seconds: i64, expected: &str) {
    for (ask, answer) in
        [(reads as fn(u8) -> Vec<u8>, &SAYS[..]), (reads_old as fn(u8) -> Vec<u8>, &SAYS_OLD[..])]
    {
        let (mut dissector, mut out) = (MELSEC.open(), Output::new(true));
        let messages = [
            (0, Side::Client, ask(1)),
            (seconds, Side::Client, ask(100)),
            (seconds, Side::Server, answer.to_vec()),
        ];
        for (at, from, bytes) in messages {
            let at = Time::from_secs(at);
            dissector.feed(Segment { at, ..Segment::of(&bytes, from, carrier) }, &mut out);
        }
        let point = out.observed.iter().find_map(|o| match &o.detail {
            Detail::Value { point, .. } => Some(&*point.0),
            _ => None,
        });
        assert_eq!(point, Some(expected), "{answer:02x?}");
    }
}

#[test]
fn a_request_that_is_never_answered_takes_no_later_answer() {
    check(Carrier::Udp, 0, "D100");
    check(Carrier::Tcp, 2, "D100");
    // Two at once are answered in order.
    check(Carrier::Tcp, 0, "D1");
}

#[test]
fn a_word_of_a_device_of_bits_is_sixteen_of_them() {
    let (mut dissector, mut out) = (MELSEC.open(), Output::new(true));
    let mut asks = reads(100);
    // Two words from M100 on.
    (asks[18], asks[19]) = (0x90, 2);
    let says = [0xd0, 0, 0, 0xff, 0xff, 3, 0, 6, 0, 0, 0, 1, 0, 2, 0x80];
    for (from, bytes) in [(Side::Client, &asks[..]), (Side::Server, &says)] {
        dissector.feed(Segment::of(bytes, from, Carrier::Tcp), &mut out);
    }
    let set = out.observed.iter().filter_map(|o| match &o.detail {
        Detail::Value { point, value: PointValue::Bool(true), .. } => Some(&*point.0),
        _ => None,
    });
    assert_eq!(set.collect::<Vec<_>>(), ["M100", "M117", "M131"]);
}
