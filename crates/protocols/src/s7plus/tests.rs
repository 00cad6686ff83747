//! What fills a limit of S7comm-plus.

use super::{Conversation, MESSAGE_OCTETS_MAX, PENDING_MAX, wire};
use crate::{Output, Side};

#[test]
fn requests_that_nobody_answers_are_forgotten_and_counted() {
    let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
    for sequence in 0..=PENDING_MAX as u8 {
        assert_eq!(out.limits.len(), 0, "request {sequence}");
        let data = [0x31, 0, 0, 4, 0xbb, 0, 0, 0, sequence, 0, 0, 3, 0xbe, 0x34, 0, 0, 0, 3];
        conversation.read(Side::Client, &wire::emit(1, &data), &mut out);
    }
    assert_eq!(out.limits, ["s7plus-pending-requests"]);
}

#[test]
fn a_message_that_never_ends_is_forgotten_and_counted() {
    let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
    let mut part = wire::emit(2, &[0; 0x4000]);
    // Without the trailer more is to come.
    part.truncate(part.len() - 4);
    for _ in 0..=MESSAGE_OCTETS_MAX / 0x4000 {
        assert_eq!(out.limits.len(), 0);
        conversation.read(Side::Server, &part, &mut out);
    }
    assert_eq!(out.limits, ["s7plus-message-octets"]);
}

#[test]
fn a_legitimation_is_let_in_or_refused_by_its_answer() {
    let outcomes = |returned: &[u8]| {
        let (mut conversation, mut out) = (Conversation::default(), Output::new(false));
        // Attribute 304 of the session is set to a number.
        let head = [0x31, 0, 0, 4, 0xf2, 0, 0, 0, 1, 0, 0, 3, 0xbe, 0x34];
        let asks = [&head[..], &[0, 0, 3, 0xbe, 1, 0x82, 0x30, 0, 4, 1]].concat();
        let answers = [&[0x32, 0, 0, 4, 0xf2, 0, 0, 0, 1, 0x34][..], returned].concat();
        conversation.read(Side::Client, &wire::emit(2, &asks), &mut out);
        conversation.read(Side::Server, &wire::emit(2, &answers), &mut out);
        let told = out.observed.iter().filter_map(|seen| match &seen.detail {
            model::Detail::Authentication(sign_in) => Some(sign_in.accepted),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&[0]), [None, Some(true)]);
    assert_eq!(outcomes(&[0x82, 0x80, 9]), [None, Some(false)]);
}
