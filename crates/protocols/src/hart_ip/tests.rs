//! What is HART-IP on a port of others, and where the capture cut it.

use super::HART_IP;
use crate::{Carrier, Hint, Output, Probe, Protocol, Segment, Side};
use model::{Bus, Detail, Place};

/// A session begun, and command 0 to the device polled as 0.
const INITIATE: [u8; 13] = [1, 0, 0, 0, 0, 1, 0, 13, 1, 0, 0, 0x75, 0x30];
const COMMAND: [u8; 13] = [1, 0, 3, 0, 0, 2, 0, 13, 2, 0x80, 0, 0, 0x82];

#[track_caller]
fn named(head: &[u8], carrier: Carrier, port: bool, missing: usize, expected: Probe) {
    let hint = Hint { carrier, port, from: Side::Client, missing };
    assert_eq!(HART_IP.probe(head, hint), expected, "{head:02x?} {hint:?}");
}

#[test]
fn small_numbers_in_a_stream_on_a_port_of_others_are_no_message() {
    for message in [INITIATE, COMMAND] {
        named(&message, Carrier::Tcp, false, 0, Probe::MatchClient);
    }
    let closed = [1, 0, 1, 0, 0, 2, 0, 8];
    let failed = [&[1, 1, 0, 5][..], &INITIATE[4..]].concat();
    let longer = [&[1, 0, 0, 0, 0, 0, 0, 20, 1][..], &[0; 11]].concat();
    for (message, with_port) in [
        (&closed[..], Probe::MatchClient),
        (&failed, Probe::MatchServer),
        (&longer, Probe::MatchClient),
    ] {
        named(message, Carrier::Tcp, false, 0, Probe::NoMatch);
        named(message, Carrier::Tcp, true, 0, with_port);
    }
}

#[test]
fn a_datagram_that_the_capture_cut_is_as_long_as_it_was() {
    let cut = &COMMAND[..10];
    named(cut, Carrier::Udp, true, 3, Probe::MatchClient);
    named(cut, Carrier::Udp, true, 0, Probe::NoMatch);
    named(cut, Carrier::Udp, true, 4, Probe::NoMatch);
}

/// Whom answers are about: polled address or long one, with the answer to command 0 or 20.
#[track_caller]
fn about(answers: &[(&[u8], u8)], expected: &[Option<u64>]) {
    let (mut session, mut out) = (HART_IP.open(), Output::default());
    for (address, command) in answers {
        let long = address.len() > 1;
        let identity = [254, 0x1a, 6, 5, 7, 1, 1, 8, 0, 0x12, 0x31, 0x23];
        let data = if *command == 0 { &identity[..] } else { &[b'x'; 32] };
        let mut pdu = vec![if long { 0x86 } else { 6 }];
        pdu.extend(*address);
        pdu.extend([*command, data.len() as u8 + 2, 0, 0]);
        pdu.extend(data);
        pdu.push(pdu.iter().fold(0, |sum, octet| sum ^ octet));
        let header = super::Header { length: pdu.len() as u16 + 8, ..HEADER };
        let message = header.emit(&pdu);
        session.feed(Segment::of(&message, Side::Server, Carrier::Udp), &mut out);
    }
    let places = out.observed.iter().filter_map(|o| match &o.detail {
        Detail::Identity(identity) => Some(identity.subject.place()),
        _ => None,
    });
    let device =
        |number: &Option<u64>| number.map(|number| Place::Station { bus: Bus::Hart, number });
    assert_eq!(places.collect::<Vec<_>>(), expected.iter().map(device).collect::<Vec<_>>());
}

const HEADER: super::Header =
    super::Header { version: 1, kind: 1, id: 3, status: 0, sequence: 1, length: 0 };

#[test]
fn variables_of_all_commands_that_bring_them_have_their_unit() {
    let one = [0x3f, 0x80, 0, 0];
    let slot = [&[3, 7][..], &one].concat();
    let dynamic = [&[7][..], &one, &[32], &one].concat();
    for (command, data, points) in [
        (33, slot, &["5/variable/3 bar"][..]),
        (110, dynamic, &["5/primary bar", "5/secondary °C"]),
    ] {
        let mut out = Output::new(true);
        super::values(command, &data, 5, &mut out);
        let told = out.observed.iter().map(|o| match &o.detail {
            Detail::Value { point, unit, .. } => format!("{} {}", point.0, unit.unwrap_or("")),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), points);
    }
}

#[test]
fn the_host_answers_first_and_others_are_known_by_their_addresses() {
    let (own, other) = (&[0x9a, 6, 0x12, 0x31, 0x23][..], &[0xbe, 6, 0x12, 0x31, 0x24][..]);
    let number = Some(0x3e_0612_3124);
    // Polled, then by the long address that it said.
    about(&[(&[0x80], 0), (own, 20), (other, 20), (&[0x80], 20)], &[None, None, number, None]);
    about(&[(own, 20), (other, 20), (&[0x85], 20)], &[None, number, Some(5)]);
}
