//! Round trips of headers and node ids, and the bounds of a conversation.

use super::{
    OPCUA,
    limits::{MONITORED_MAX, PARTS_MAX},
    nodes,
    types::{Decoder, Identifier, NodeId, emit_node},
    wire::{Header, Kind},
};
use crate::{Carrier, Output, Protocol, Segment, Side};
use model::{Detail, Scalar};
use proptest::prelude::*;

fn node() -> impl Strategy<Value = NodeId> {
    let id = prop_oneof![
        any::<u32>().prop_map(Identifier::Number),
        (0u32..300).prop_map(Identifier::Number),
        "\\PC{0,20}".prop_map(|n| Identifier::Name(n.into())),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|o| Identifier::Opaque(o.into())),
    ];
    (any::<u16>(), id).prop_map(|(namespace, id)| NodeId { namespace, id })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(node in node(), size in 8usize..1_000_000, last: bool) {
        let mut bytes = Vec::new();
        emit_node(&node, &mut bytes);
        prop_assert_eq!(Decoder::new(&bytes).node(), Ok(node));
        let header = Header { kind: Kind::Message, place: if last { b'F' } else { b'C' }, size };
        prop_assert_eq!(Header::parse(&header.emit()), Some(Ok(header)));
    }

    #[test]
    fn any_octets_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut d = Decoder::new(&bytes);
        while d.data_value().is_ok() {}
    }
}

#[test]
fn nodes_are_written_as_the_standard_writes_them() {
    let named = NodeId { namespace: 2, id: Identifier::Name("Boiler.Level".into()) };
    assert_eq!(named.to_string(), "ns=2;s=Boiler.Level");
    assert_eq!(NodeId { namespace: 0, id: Identifier::Number(2_256) }.to_string(), "i=2256");
}

#[test]
fn monitored_items_without_end_hit_the_limit() {
    let (mut known, mut out) = (Vec::new(), Output::default());
    let item = |handle| (handle, NodeId { namespace: 1, id: Identifier::Number(handle) });
    nodes::remember(&mut known, (0..=MONITORED_MAX as u32).map(item).collect(), &mut out);
    assert_eq!(known.len(), MONITORED_MAX);
    assert_eq!(out.limits, ["opcua-monitored"]);
}

#[test]
fn values_nested_without_end_are_malformed() {
    let bytes = [24u8; 64];
    assert!(Decoder::new(&bytes).variant(0).is_err());
}

fn chunk(kind: Kind, place: u8, body: &[u8]) -> Vec<u8> {
    [&Header { kind, place, size: body.len() + 8 }.emit()[..], body].concat()
}

/// Opens a channel with a policy, and with nothing in it that could be read.
fn opens(policy: &str) -> Vec<u8> {
    let uri = format!("http://opcfoundation.org/UA/SecurityPolicy#{policy}");
    let length = (uri.len() as u32).to_le_bytes();
    let nothing = [0xff; 8];
    chunk(Kind::Open, b'F', &[&[0; 4][..], &length, uri.as_bytes(), &nothing, &[0x99; 64]].concat())
}

fn message(place: u8, request: u32, part: &[u8]) -> Vec<u8> {
    let [channel, token, sequence] = [7u32, 1, 9].map(u32::to_le_bytes);
    let head = [channel, token, sequence, request.to_le_bytes()].concat();
    chunk(Kind::Message, place, &[&head[..], part].concat())
}

/// A response to a read of one long text.
fn response() -> Vec<u8> {
    let header = [0; 24];
    let text = [&[1, 0, 0, 0, 1, 12][..], &40u32.to_le_bytes(), &[b'z'; 40], &[0; 4]].concat();
    [&[1, 0, 0x7a, 2][..], &header, &text].concat()
}

/// Numbers of services counted in what a server sends, whether something was against the rules,
/// and limits that were hit.
fn services(messages: &[Vec<u8>]) -> (Vec<u64>, bool, Vec<&'static str>) {
    let (mut dissector, mut out) = (OPCUA.open(), Output::default());
    for bytes in messages {
        dissector.feed(Segment::of(bytes, Side::Server, Carrier::Tcp), &mut out);
    }
    let numbers =
        out.messages.iter().filter(|m| m.group.name == "opcua").map(|m| match m.keys[0] {
            Scalar::Number(number) => number,
            ref other => panic!("{other:?}"),
        });
    let numbers = numbers.collect();
    let broken = out.observed.iter().any(|o| matches!(o.detail, Detail::Violation(_)));
    (numbers, broken, out.limits)
}

#[test]
fn what_is_only_signed_is_read() {
    for (policy, signature) in [("Basic256", 20), ("Basic256Sha256", 32)] {
        let signed =
            |place, part: &[u8]| message(place, 3, &[part, &vec![0x55; signature]].concat());
        let whole = response();
        let (one, other) = whole.split_at(20);
        let talk = [opens(policy), signed(b'F', &whole), signed(b'C', one), signed(b'F', other)];
        assert_eq!(services(&talk), (vec![634, 634], false, vec![]), "{policy}");
    }
}

#[test]
fn what_is_encrypted_is_not_taken_for_services() {
    // Numbers that are no service, in clear text of every encoding of a node, and none at all.
    let sealed: [&[u8]; 5] =
        [&[0; 40], &[0, 104, 1, 2, 3], &[1, 0, 3, 0, 0], &[2, 0, 0, 0x7a, 2, 0, 0], &[0x77; 40]];
    let mut talk: Vec<Vec<u8>> = sealed.map(|body| message(b'F', 1, body)).into();
    talk.push(chunk(Kind::Message, b'F', &[1; 9]));
    assert_eq!(services(&talk), (vec![], false, vec![]), "opened before");
    talk.insert(0, opens("Basic256Sha256"));
    assert_eq!(services(&talk), (vec![], false, vec![]));
    // What is clear is read all the same where the channel was opened before.
    assert_eq!(services(&[message(b'F', 1, &response())]).0, [634]);
}

#[test]
fn chunks_of_two_messages_are_put_together_by_request() {
    let whole = response();
    let (one, other) = whole.split_at(20);
    let talk = [
        message(b'C', 1, one),
        message(b'C', 2, one),
        message(b'F', 3, &whole),
        message(b'A', 2, &[]),
        message(b'F', 1, other),
    ];
    assert_eq!(services(&talk), (vec![634, 634], false, vec![]));
    let many: Vec<Vec<u8>> = (0..=PARTS_MAX as u32).map(|id| message(b'C', id, one)).collect();
    assert_eq!(services(&many).2, ["opcua-messages-in-parts"]);
}
