//! Round trips of headers and node ids, and the bounds of a conversation.

use super::{
    limits::MONITORED_MAX,
    nodes,
    types::{Decoder, Identifier, NodeId, emit_node},
    wire::{Header, Kind},
};
use crate::Output;
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
