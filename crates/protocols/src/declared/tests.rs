//! The shipped descriptions, one read to the end, and what is refused.

use super::{all, parse};
use crate::{Carrier, Hint, Output, Probe, Progress, Protocol, Segment, Side};
use model::{Detail, OperationClass};

fn shipped(name: &str) -> &'static dyn Protocol {
    all().find(|p| p.about().name == name).expect("a shipped protocol")
}

fn segment(bytes: &[u8], from: Side) -> Segment<'_> {
    Segment::of(bytes, from, Carrier::Tcp)
}

const HINT: Hint = Hint { carrier: Carrier::Tcp, port: true, from: Side::Client, missing: 0 };

/// Asked for its model, answered `G306`.
const ASKED: &[u8] = &[0, 4, 1, 0x2a, 0x1a, 0];
const ANSWERED: &[u8] = &[0, 9, 1, 0x2a, 3, 0, b'G', b'3', b'0', b'6', 0];

#[test]
fn a_described_protocol_is_recognised_and_told() {
    let protocol = shipped("crimson");
    assert_eq!(protocol.probe(ASKED, HINT), Probe::Match);
    assert_eq!(protocol.probe(&ASKED[..3], HINT), Probe::NeedMore);
    assert_eq!(protocol.probe(&[0, 4, 9, 9, 0, 0], HINT), Probe::NoMatch);
    let (mut dissector, mut out) = (protocol.open(), Output::new(false));
    assert_eq!(dissector.feed(segment(ASKED, Side::Client), &mut out), Progress::Consumed(6));
    match &out.observed[0].detail {
        Detail::Operation(op) => {
            assert_eq!((op.class, op.function_name), (OperationClass::Diagnose, "read model"));
        }
        other => panic!("{other:?}"),
    }
    out.clear();
    let cut = segment(&ANSWERED[..8], Side::Server);
    assert_eq!(dissector.feed(cut, &mut out), Progress::NeedMore { consumed: 0, needed: 11 });
    dissector.feed(segment(ANSWERED, Side::Server), &mut out);
    match &out.observed[..] {
        [_, identity] => match &identity.detail {
            Detail::Identity(identity) => assert_eq!(&*identity.attributes[0].value, "G306"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn openflow_and_binary_streams_are_no_controller() {
    let protocol = shipped("pcworx");
    let elsewhere = Hint { port: false, ..HINT };
    let mut open = b"\x01\x01\x00\x1a\0\0\0\0\x78\x80\0\x03\0\x0cIBETH01N0_M\0".to_vec();
    assert_eq!(protocol.probe(&open, HINT), Probe::MatchClient);
    assert_eq!(protocol.probe(&open, elsewhere), Probe::MatchClient);
    let answer = [0x81, 1, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0];
    assert_eq!(protocol.probe(&answer, elsewhere), Probe::MatchServer);
    open.push(0);
    assert_eq!(protocol.probe(&open, elsewhere), Probe::NoMatch, "more than a message");
    // OpenFlow 1.0: features request, features reply of 32 octets, and an error.
    let mut reply = vec![1, 6, 0, 32, 0, 0, 0, 2, 0, 0, 0, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e];
    reply.resize(32, 0);
    let request = [1, 5, 0, 8, 0, 0, 0, 2];
    for bytes in [&request[..], &reply, &[1, 1, 0, 12, 0, 0, 0, 9, 0, 1, 0, 0]] {
        assert_eq!(protocol.probe(bytes, elsewhere), Probe::NoMatch, "{bytes:02x?}");
    }
}

#[test]
fn every_prefix_and_flipped_bit_is_survived() {
    for protocol in all() {
        for bytes in [ASKED, ANSWERED, &[0x81, 6, 0, 40, 0, 0, 1, 2], &[0xcc, 1, 0, 11, 0x40, 2]] {
            for end in 0..=bytes.len() {
                let mut out = Output::new(true);
                protocol.open().feed(segment(&bytes[..end], Side::Server), &mut out);
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let mut out = Output::new(true);
                protocol.probe(&flipped, HINT);
                protocol.open().feed(segment(&flipped, Side::Server), &mut out);
            }
        }
    }
}

#[track_caller]
fn refused(text: &str, why: &str) {
    match parse(text) {
        Err(invalid) => assert!(invalid.to_string().contains(why), "{invalid}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let with = |extra: &str| {
        format!(
            "[[protocol]]\nname = \"x\"\ntitle = \"X\"\nspec = \"s\"\ncarrier = \"udp\"\n\
             ports = [9]\n{extra}"
        )
    };
    refused("", "no [[protocol]]");
    refused("[[protocol]]\nname = 3", "needs name");
    refused(&with("sign = [{ at = 0, hex = \"aa\" }]"), "two octets at least");
    refused(&with("sign = [{ at = 0, hex = \"aab\" }]"), "not octets");
    refused(&with("sing = []"), "sing, which is not known");
    refused(
        &with("sign = [{ at = 0, hex = \"aa bb\" }]").replace("\"x\"", "\"modbus\""),
        "already",
    );
    let named = "sign = [{ at = 0, hex = \"aa bb\" }]\n\
                 function = { at = 2, octets = 1, names = { \"1\" = [\"explode\", \"boom\"] } }";
    refused(&with(named), "class that is none");
    assert!(parse(&with("sign = [{ at = 0, hex = \"aa bb\" }]")).is_ok());
}
