//! Which request an answer belongs to.

use super::FINS;
use crate::{Carrier, Output, Protocol, Segment, Side};
use model::{Detail, Object, Time};

fn frame(answer: bool, data: &[u8]) -> Vec<u8> {
    let kind = if answer { 0xc0 } else { 0x80 };
    [&[kind, 0, 2, 0, 2, 0, 0, 1, 0, 0, 1, 1][..], data].concat()
}

fn over_tcp(frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() as u32 + 8).to_be_bytes();
    [&b"FINS"[..], &length, &[0, 0, 0, 2, 0, 0, 0, 0], frame].concat()
}

/// The point that the second of two requests with one service id gets, asked so long after the
/// first, which was not answered.
fn point(carrier: Carrier, seconds: i64) -> String {
    let (mut dissector, mut out) = (FINS.open(), Output::new(true));
    let messages = [
        (0, Side::Client, frame(false, &[0x82, 0, 0, 0, 0, 1])),
        (seconds, Side::Client, frame(false, &[0x82, 0, 100, 0, 0, 1])),
        (seconds, Side::Server, frame(true, &[0, 0, 0, 222])),
    ];
    for (at, from, frame) in messages {
        let bytes = if carrier == Carrier::Tcp { over_tcp(&frame) } else { frame };
        let at = Time::from_secs(at);
        dissector.feed(Segment { at, ..Segment::of(&bytes, from, carrier) }, &mut out);
    }
    let point = out.observed.iter().find_map(|o| match &o.detail {
        Detail::Value { point, .. } => Some(point.0.to_string()),
        _ => None,
    });
    point.expect("a value")
}

#[test]
fn a_request_that_is_never_answered_takes_no_later_answer() {
    assert_eq!(point(Carrier::Udp, 0), "D/100");
    assert_eq!(point(Carrier::Tcp, 2), "D/100");
    assert_eq!(point(Carrier::Tcp, 0), "D/0", "two at once are answered in order");
}

#[test]
fn a_multiple_read_asks_for_single_elements() {
    let (mut dissector, mut out) = (FINS.open(), Output::default());
    let mut asks = frame(false, &[0x82, 0, 100, 0, 0xb0, 0, 7, 0]);
    asks[11] = 4;
    dissector.feed(Segment::of(&asks, Side::Client, Carrier::Udp), &mut out);
    let places = out.observed.iter().map(|o| match &o.detail {
        Detail::Operation(operation) => match operation.object {
            Object::Range { area, first, count, .. } => (area, first, count),
            _ => ("", 0, 0),
        },
        _ => ("", 0, 0),
    });
    assert_eq!(places.collect::<Vec<_>>(), [("D", 100, 1), ("CIO", 7, 1)]);
}
