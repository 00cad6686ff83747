//! What fills a limit of S7comm.

use super::{
    Conversation,
    limits::{LIST_OCTETS_MAX, PENDING_JOBS_MAX},
    wire::{Item, JOB, Pdu, USERDATA, emit, emit_items},
};
use crate::{Output, Side};

#[test]
fn jobs_that_nobody_answers_are_forgotten_and_counted() {
    let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
    let item = Item { element: 2, count: 1, block: 1, area: 0x84, address: 0 };
    let parameter = emit_items(4, &[item]);
    for reference in 0..=PENDING_JOBS_MAX {
        assert_eq!(out.limits.len(), 0, "job {reference}");
        let reference = reference as u16;
        let job = Pdu { rosctr: JOB, reference, error: None, parameter: &parameter, data: &[] };
        conversation.read(Side::Client, &emit(&job), &mut out);
    }
    assert_eq!(out.limits, ["s7-pending-jobs"]);
}

#[test]
fn a_list_that_never_ends_is_forgotten_and_counted() {
    let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
    // Answer to read SZL, more to come; 16 KiB of contents each.
    let parameter = [0, 1, 0x12, 8, 0x12, 0x84, 1, 0, 0, 1, 0, 0];
    let mut data = vec![0xff, 9, 0x40, 0];
    data.resize(4 + 0x4000, 0);
    let (rosctr, reference, error) = (USERDATA, 1, None);
    let part = Pdu { rosctr, reference, error, parameter: &parameter, data: &data };
    for _ in 0..=LIST_OCTETS_MAX / 0x4000 {
        assert_eq!(out.limits.len(), 0);
        conversation.read(Side::Server, &emit(&part), &mut out);
    }
    assert_eq!(out.limits, ["s7-list-octets"]);
}
