//! Round trips of headers, and the bounds of a conversation.

use super::{
    limits::{ASKED_MAX, OPENS_MAX, TREES_MAX},
    state::{Asked, State, Tree, What},
    wire::{Header1, Header2},
};
use crate::{Output, Side};
use proptest::prelude::*;
use std::sync::Arc;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(
        (command, status, response, unicode) in any::<(u8, u32, bool, bool)>(),
        (tree, process, user, multiplex) in any::<(u16, u16, u16, u16)>(),
        (next, message, session) in any::<(u32, u64, u64)>(),
    ) {
        let one = Header1 { command, status, response, unicode, tree, process, user, multiplex };
        prop_assert_eq!(Header1::parse(&one.emit()), Ok(one));
        let two = Header2 {
            status, command: command.into(), response, asynchronous: false, next, message,
            tree: tree.into(), session,
        };
        prop_assert_eq!(Header2::parse(&two.emit()), Ok(two));
    }
}

#[test]
fn a_client_that_opens_without_end_hits_the_limits() {
    let (mut state, mut out) = (State::default(), Output::default());
    for i in 0..=TREES_MAX as u32 {
        let share = Arc::from("\\\\a\\b");
        state.connect(Tree { id: (1, i), share, pipe: false }, &mut out);
    }
    for i in 0..=OPENS_MAX as u128 {
        state.open(i, Arc::from("f"), false, &mut out);
    }
    for id in 0..=ASKED_MAX as u64 {
        state.ask(Asked { id, command: 0, what: What::Nothing }, &mut out);
    }
    assert_eq!(out.limits, ["smb-trees", "smb-opens", "smb-requests-awaited"]);
    assert!(state.find(0).is_none() && state.find(1).is_some());
}

#[test]
fn calls_written_to_what_was_never_seen_opened_are_read() {
    // A request of operation 89 in context 0 (C706, 12.6.4.9) without data.
    let call = [5, 0, 0, 3, 0x10, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 89, 0];
    for (bytes, counted) in [(&call[..], true), (&[7; 24], false)] {
        let (mut state, mut out) = (State::default(), Output::default());
        state.transfer(9, (Side::Client, 9), (bytes, 0), &mut out);
        assert_eq!(out.messages.iter_mut().any(|m| m.group.name == "dcerpc"), counted);
    }
}

#[test]
fn texts_of_a_chained_command_end_with_its_bytes() {
    let header = Header1 { command: 0x73, response: true, ..Header1::default() };
    // Session setup of Windows 98 without texts, then a tree of service "A:".
    let blocks = [3, 0x75, 0, 41, 0, 0, 0, 0, 0, 2, 0xff, 0, 0, 0, 3, 0, b'A', b':', 0];
    let message = [&header.emit()[..], &blocks].concat();
    let (mut state, mut out) = (State::default(), Output::default());
    super::smb1::message(&mut state, Side::Server, &message, &mut out);
    let facts = out.observed.iter().filter(|o| matches!(o.detail, model::Detail::Identity(_)));
    assert_eq!(facts.count(), 0);
}
