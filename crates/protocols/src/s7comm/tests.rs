//! What fills a limit of S7comm, and which job an answer belongs to.

use super::{
    Conversation,
    limits::{LIST_OCTETS_MAX, PENDING_JOBS_MAX},
    wire::{ACK, ACK_DATA, Item, JOB, Pdu, USERDATA, emit, emit_items},
};
use crate::{Output, Side};
use model::{Detail, Direction, OperationClass, Outcome, Time};

const EMPTY: Pdu<'_> = Pdu { rosctr: JOB, reference: 0, error: None, parameter: &[], data: &[] };

#[test]
fn jobs_that_nobody_answers_are_forgotten_and_counted() {
    let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
    let item = Item { element: 2, count: 1, block: 1, area: 0x84, address: 0 };
    let parameter = emit_items(4, &[item]);
    for reference in 0..=PENDING_JOBS_MAX {
        assert_eq!(out.limits.len(), 0, "job {reference}");
        let reference = reference as u16;
        let job = Pdu { rosctr: JOB, reference, error: None, parameter: &parameter, data: &[] };
        conversation.read(Time(0), &emit(&job), &mut out);
    }
    assert_eq!(out.limits, ["s7-pending-jobs"]);
}

/// Answer to read SZL, more to come; 16 KiB of contents.
fn part_of_list() -> Vec<u8> {
    let parameter = [0, 1, 0x12, 8, 0x12, 0x84, 1, 0, 0, 1, 0, 0];
    let mut data = vec![0xff, 9, 0x40, 0];
    data.resize(4 + 0x4000, 0);
    emit(&Pdu { rosctr: USERDATA, parameter: &parameter, data: &data, ..EMPTY })
}

#[test]
fn a_list_that_never_ends_is_forgotten_and_counted() {
    let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
    for _ in 0..=LIST_OCTETS_MAX / 0x4000 {
        assert_eq!(out.limits.len(), 0);
        conversation.read(Time(0), &part_of_list(), &mut out);
    }
    assert_eq!(out.limits, ["s7-list-octets"]);
}

#[test]
fn what_the_client_sent_and_is_lost_leaves_the_parts_of_a_list() {
    for (from, goes_on) in [(Side::Client, true), (Side::Server, false)] {
        let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
        for _ in 0..LIST_OCTETS_MAX / 0x4000 {
            conversation.read(Time(0), &part_of_list(), &mut out);
        }
        conversation.gap(from);
        conversation.read(Time(0), &part_of_list(), &mut out);
        assert_eq!(out.limits.is_empty(), !goes_on, "{from:?}");
    }
}

#[test]
fn a_job_that_is_never_answered_takes_no_later_answer() {
    // Of one word in DB 1 and in DB 5, by one reference; what comes of the first.
    let refused = Pdu { rosctr: ACK_DATA, reference: 0, error: Some((0x85, 0)), ..EMPTY };
    let refused = emit(&refused);
    for (seconds, first, expected) in
        [(2, None, "DB5.DBW20"), (0, Some(&refused), "DB5.DBW20"), (0, None, "DB1.DBW0")]
    {
        let (mut conversation, mut out) = (Conversation::default(), Output::new(true));
        let at = Time::from_secs(seconds);
        let reads = |block, byte: u32| {
            let item = Item { element: 4, count: 1, block, area: 0x84, address: byte << 3 };
            let parameter = emit_items(4, &[item]);
            emit(&Pdu { rosctr: JOB, reference: 0, parameter: &parameter, ..EMPTY })
        };
        conversation.read(Time(0), &reads(1, 0), &mut out);
        if let Some(first) = first {
            conversation.read(at, first, &mut out);
        }
        conversation.read(at, &reads(5, 20), &mut out);
        let data = [0xff, 4, 0, 16, 0, 222];
        let (parameter, error) = (&[4, 1][..], Some((0, 0)));
        let answer = Pdu { rosctr: ACK_DATA, reference: 0, error, parameter, data: &data };
        conversation.read(at, &emit(&answer), &mut out);
        let point = out.observed.iter().find_map(|o| match &o.detail {
            Detail::Value { point, .. } => Some(&*point.0),
            _ => None,
        });
        assert_eq!(point, Some(expected), "after {seconds} s");
    }
}

#[test]
fn an_answer_says_what_its_job_was_for() {
    let start = [&[0x28, 0, 0, 0, 0, 0, 0, 0xfd, 0, 0, 9][..], b"P_PROGRAM"].concat();
    let stop = [&[0x29, 0, 0, 0, 0, 0, 9][..], b"P_PROGRAM"].concat();
    // A service is done, and one is refused with nothing but its reference, in both forms.
    let function: &[u8] = &[0x28];
    for (job, rosctr, parameter, error, expected) in [
        (&start, ACK_DATA, function, (0, 0), (OperationClass::Start, "plc start", true)),
        (&stop, ACK_DATA, &[][..], (0xd4, 1), (OperationClass::Stop, "plc stop", false)),
        (&stop, ACK, &[][..], (0x85, 0), (OperationClass::Stop, "plc stop", false)),
    ] {
        let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
        let job = Pdu { rosctr: JOB, reference: 7, parameter: job, ..EMPTY };
        let answer = Pdu { rosctr, reference: 7, error: Some(error), parameter, ..EMPTY };
        conversation.read(Time(0), &emit(&job), &mut out);
        conversation.read(Time(0), &emit(&answer), &mut out);
        let answers = out.observed.iter().filter_map(|o| match &o.detail {
            Detail::Operation(op) if op.direction == Direction::Response => {
                Some((op.class, op.function_name, op.outcome == Outcome::Done))
            }
            _ => None,
        });
        assert_eq!(answers.collect::<Vec<_>>(), [expected]);
    }
}
