//! What is HART-IP on a port of others, and where the capture cut it.

use super::HART_IP;
use crate::{Carrier, Hint, Probe, Protocol, Side};

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
