//! Which request an answer belongs to.

use super::MELSEC;
use crate::{Carrier, Output, Protocol, Segment, Side};
use model::{Detail, Direction, Object, PointValue, Time};

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

/// Frame 3E: a request with this command and data, and the answer to it.
fn exchange(command: u16, subcommand: u16, data: &[u8], answer: &[u8]) -> Output {
    let (mut dissector, mut out) = (MELSEC.open(), Output::new(true));
    let [c, s] = [command, subcommand].map(u16::to_le_bytes);
    let asks = [&[16, 0], &c[..], &s[..], data].concat();
    let asks = [&[0x50, 0, 0, 0xff, 0xff, 3, 0, asks.len() as u8, 0], &asks[..]].concat();
    let says = [&[0, 0], answer].concat();
    let says = [&[0xd0, 0, 0, 0xff, 0xff, 3, 0, says.len() as u8, 0], &says[..]].concat();
    for (from, bytes) in [(Side::Client, &asks), (Side::Server, &says)] {
        dissector.feed(Segment::of(bytes, from, Carrier::Tcp), &mut out);
    }
    out
}

/// What a random or block command touches and the values it carries.
#[track_caller]
fn touches((command, subcommand): (u16, u16), data: &[u8], answer: &[u8], expected: &[&str]) {
    let out = exchange(command, subcommand, data, answer);
    let said = out.observed.iter().filter_map(|o| match &o.detail {
        Detail::Operation(op) if op.direction == Direction::Request => match &op.object {
            Object::Range { area, first, count, .. } => Some(format!("{area} {first} {count}")),
            _ => None,
        },
        Detail::Value { point, value, .. } => Some(format!("{} = {value:?}", point.0)),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), expected, "{command:04x}");
}

#[test]
fn random_and_block_commands_say_each_place_and_value() {
    // D7, and W1A with D9 as double words.
    let two = [1, 1, 7, 0, 0, 0xa8, 0x1a, 0, 0, 0xb4];
    let expected = ["D 7 1", "W 26 1", "D7 = Unsigned(513)", "W1A = Unsigned(67305985)"];
    touches((0x0403, 0), &two, &[1, 2, 1, 2, 3, 4], &expected);
    // The same of iQ-R, written.
    let two = [1, 1, 7, 0, 0, 0, 0xa8, 0, 1, 2, 9, 0, 0, 0, 0xa8, 0, 1, 2, 3, 4];
    let expected = ["D 7 1", "D7 = Unsigned(513)", "D 9 1", "D9 = Unsigned(67305985)"];
    touches((0x1402, 2), &two, &[], &expected);
    let bits = [2, 50, 0, 0, 0x90, 0, 0x2f, 0, 0, 0x9d, 1];
    let expected = ["M 50 1", "M50 = Bool(false)", "Y 47 1", "Y2F = Bool(true)"];
    touches((0x1402, 1), &bits, &[], &expected);
    // Two words of D, and one word of bits of M, of which the first is asked for.
    let blocks = [1, 1, 4, 0, 0, 0xa8, 2, 0, 0, 0, 0, 0x90, 1, 0];
    let out = exchange(0x0406, 0, &blocks, &[1, 0, 2, 0, 3, 0]);
    let set = out.observed.iter().filter_map(|o| match &o.detail {
        Detail::Value { point, value, .. } if *value != PointValue::Bool(false) => Some(&*point.0),
        _ => None,
    });
    assert_eq!(set.collect::<Vec<_>>(), ["D4", "D5", "M0", "M1"]);
    touches((0x1406, 0), &[1, 0, 4, 0, 0, 0xa8, 1, 0, 5, 0], &[], &["D 4 1", "D4 = Unsigned(5)"]);
    // A request cut short says no place.
    touches((0x1406, 0), &[1, 0, 4, 0, 0, 0xa8, 9, 0, 5, 0], &[], &[]);
}

#[test]
fn letters_say_places_and_values_as_octets_do() {
    let says = |request: &str, answer: &str| {
        let (mut dissector, mut out) = (MELSEC.open(), Output::new(true));
        let asks = format!("500000FF03FF00{:04X}0010{request}", request.len() + 4);
        let says = format!("D00000FF03FF00{:04X}0000{answer}", answer.len() + 4);
        for (from, text) in [(Side::Client, asks), (Side::Server, says)] {
            dissector.feed(Segment::of(text.as_bytes(), from, Carrier::Tcp), &mut out);
        }
        let said = out.observed.iter().filter_map(|o| match &o.detail {
            Detail::Value { point, value: PointValue::Unsigned(n), .. } => {
                Some(format!("{} = {n}", point.0))
            }
            Detail::Value { point, value: PointValue::Bool(true), .. } => Some(point.0.to_string()),
            _ => None,
        });
        said.collect::<Vec<_>>()
    };
    // D7, and W1A as a double word.
    let read = says("040300000101D*000007W*00001A", "020104030201");
    assert_eq!(read, ["D7 = 513", "W1A = 67305985"]);
    let written = says("140200000101D*0000070201D*00000904030201", "");
    assert_eq!(written, ["D7 = 513", "D9 = 67305985"]);
    assert_eq!(says("1402000102M*00005000Y*00002F01", ""), ["Y2F"]);
    let read = says("040600000101D*0000040002M*0000000001", "000100020003");
    assert_eq!(read, ["D4 = 1", "D5 = 2", "M0", "M1"]);
    assert_eq!(says("140600000100D*00000400010005", ""), ["D4 = 5"]);
}
