//! What goes by UDP.

use super::POWERLINK;
use crate::{Carrier, Hint, Output, Probe, Protocol, Segment, Side};

const CARRIER: Carrier = Carrier::Udp;

#[test]
fn by_udp_go_asynchronous_sends_to_the_usual_port_alone() {
    // To node 1 from the managing node: an SDO without a command.
    let send = [6, 1, 240, 5, 0, 0, 0, 0, 1, 2, 0, 0];
    let cycle = [1, 255, 240, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let probe = |head: &[u8], port| {
        POWERLINK.probe(head, Hint { carrier: CARRIER, port, from: Side::Client, missing: 0 })
    };
    assert_eq!(probe(&send, true), Probe::Match);
    assert_eq!(probe(&send, false), Probe::NoMatch);
    assert_eq!(probe(&cycle, true), Probe::NoMatch);
    let counted = |bytes: &[u8]| {
        let mut out = Output::default();
        POWERLINK.open().feed(Segment::of(bytes, Side::Client, CARRIER), &mut out);
        (out.messages.len(), out.observed.len())
    };
    assert_eq!(counted(&send), (1, 1));
    assert_eq!(counted(&cycle), (0, 0));
}
