//! Frames that end before their blocks do.

use super::PN_DCP;
use crate::{Carrier, Output, Protocol, Segment, Side};
use model::Detail;

#[test]
fn a_frame_without_all_its_blocks_is_counted_and_told_unless_the_capture_cut_it() {
    // An identify response: device `a`, then a block of which the beginning is there.
    let block = [2, 2, 0, 3, 0, 0, b'a', 0];
    let head = [0xfe, 0xff, 5, 1, 0, 0, 0, 1, 0, 0, 0, 28];
    let frame = [&head[..], &block, &[2, 1, 0, 16, 0, 0, b'b']].concat();
    for (missing, violations) in [(0, 1), (13, 0)] {
        let mut out = Output::default();
        let carrier = Carrier::Ethertype(0x8892);
        let segment = Segment { missing, ..Segment::of(&frame, Side::Client, carrier) };
        PN_DCP.open().feed(segment, &mut out);
        let of = |is: fn(&Detail) -> bool| out.observed.iter().filter(|o| is(&o.detail)).count();
        assert_eq!(out.messages.len(), 1);
        assert_eq!(of(|d| matches!(d, Detail::Violation(_))), violations, "{missing} cut off");
        assert_eq!(of(|d| matches!(d, Detail::Identity(_))), 1, "the block that is whole");
    }
}
