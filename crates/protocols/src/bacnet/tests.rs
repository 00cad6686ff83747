//! Limits and the backup procedure of BACnet, which fixtures do not show.

use super::{BACNET, limits::PENDING_REQUESTS_MAX};
use crate::{Carrier, Output, Protocol, Segment, Side};
use model::{Detail, OperationClass};

fn segment(bytes: &[u8]) -> Segment<'_> {
    Segment::of(bytes, Side::Client, Carrier::Udp)
}

#[test]
fn requests_that_nobody_answers_are_forgotten_and_counted() {
    let (mut dissector, mut out) = (BACNET.open(), Output::new(false));
    for i in 0..=PENDING_REQUESTS_MAX {
        assert_eq!(out.limits.len(), 0, "request {i}");
        let bytes = [0x81, 0x0a, 0, 9, 1, 4, 0, 5, i as u8];
        // A request without service octet is a violation, one with it is awaited.
        let whole = [&[0x81, 0x0a, 0, 10][..], &bytes[4..], &[12]].concat();
        dissector.feed(segment(&whole), &mut out);
    }
    assert_eq!(out.limits, ["bacnet-pending-requests"]);
}

#[test]
fn another_type_of_virtual_link_is_a_violation_and_no_message() {
    let (mut dissector, mut out) = (BACNET.open(), Output::new(false));
    for (kind, counted) in [(0x81, 2), (0x83, 0), (0x00, 0)] {
        out.clear();
        dissector.feed(segment(&[kind, 0x0a, 0, 8, 1, 0, 0x10, 8]), &mut out);
        let rule = |seen: &crate::Observed| match &seen.detail {
            Detail::Violation(violation) => Some(violation.rule),
            _ => None,
        };
        let rules: Vec<_> = out.observed.iter().filter_map(rule).collect();
        let expected: &[_] = if counted > 0 { &[] } else { &["bvlc-type"] };
        assert_eq!((out.messages.len(), &rules[..]), (counted, expected), "{kind:#x}");
    }
}

#[test]
fn a_file_written_during_a_restore_is_a_program_download() {
    let (mut dissector, mut out) = (BACNET.open(), Output::new(false));
    // Reinitialize device [0] state 4 (start restore), then atomic write file, object file 1.
    let restore = [0x81, 0x0a, 0, 12, 1, 4, 0, 5, 1, 20, 0x09, 4];
    let file = [0x81, 0x0a, 0, 15, 1, 4, 0, 5, 2, 7, 0xc4, 0x02, 0x80, 0, 1];
    dissector.feed(segment(&restore), &mut out);
    out.clear();
    dissector.feed(segment(&file), &mut out);
    match &out.observed[..] {
        [one] => match &one.detail {
            Detail::Operation(op) => assert_eq!(op.class, OperationClass::ProgramDownload),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
