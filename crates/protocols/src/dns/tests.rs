//! Round trips and hostile names.

use super::wire::{Message, Question, Record, Value, emit, parse};
use proptest::prelude::*;

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{1,20}(\\.[a-z0-9_-]{1,20}){0,3}"
}

fn value() -> impl Strategy<Value = (u16, Value)> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|o| (1, Value::Address(o.into()))),
        any::<[u8; 16]>().prop_map(|o| (28, Value::Address(o.into()))),
        label().prop_map(|n| (12, Value::Name(n))),
        (any::<u16>(), label()).prop_map(|(port, target)| (33, Value::Service { port, target })),
        prop::collection::vec("[a-z=]{0,30}", 0..3).prop_map(|t| (16, Value::Text(t))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(
        id: u16,
        flags: u16,
        names in prop::collection::vec(label(), 0..3),
        values in prop::collection::vec((label(), value(), any::<u32>()), 0..4),
    ) {
        let questions = names.into_iter().map(|name| Question { name, kind: 1, class: 1 });
        let records = values.into_iter().map(|(name, (kind, value), ttl)| {
            Record { name, kind, class: 1, ttl, value }
        });
        let (questions, records) = (questions.collect(), records.collect());
        let message = Message { id, flags, questions, records };
        prop_assert_eq!(parse(&emit(&message)).expect("own message"), message);
    }
}

#[test]
fn a_control_character_in_a_name_is_written_out() {
    let mut octets = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5];
    octets.extend(b"a\x04 \x1bb\x03net\0\0\x01\0\x01");
    let message = parse(&octets).expect("a question");
    assert_eq!(message.questions[0].name, "a\\004 \\027b.net");
}

#[test]
fn a_pointer_to_itself_ends() {
    let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend([0xc0, 0x0c, 0, 1, 0, 1]);
    let malformed = parse(&bytes).expect_err("a loop");
    assert_eq!(malformed.reason, "dns-name-pointer-loop");
}

#[test]
fn a_name_of_octets_outside_of_ascii_is_as_long_as_it_was_sent() {
    // 3 labels of 63 and one of 40: 234 octets, of which each is two as UTF-8.
    let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for length in [63, 63, 63, 40] {
        bytes.push(length);
        bytes.extend(std::iter::repeat_n(0xe4, usize::from(length)));
    }
    bytes.extend([0, 0, 10, 0, 1]);
    let name = parse(&bytes).expect("a long name").questions[0].name.clone();
    assert_eq!(name.chars().filter(|c| *c == '\u{e4}').count(), 229);
    // One label more is too much.
    let end = bytes.len() - 5;
    bytes.splice(end..end, [21].into_iter().chain([b'a'; 21]));
    assert_eq!(parse(&bytes).expect_err("too long").reason, "dns-name-too-long");
}

#[test]
fn an_inverse_query_is_plausible_with_its_answer_alone() {
    assert!(super::plausible(&[0x77, 0xfc, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
    assert!(!super::plausible(&[0x77, 0xfc, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(!super::plausible(&[0x77, 0xfc, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
}
