//! Nodes that requests name and values that answers give for them.
//!
//! Invariant: an answer's values are given to the nodes of its own request, in order.

use super::{
    descriptions,
    limits::{MONITORED_MAX, NODES_MAX},
    outcomes, services,
    types::{DataValue, Decoder, Identifier, NodeId, Variant},
};
use crate::{Malformed, Output, output::Op};
use model::{Object, PointValue, Quality, Subject};

type Read<T> = Result<T, Malformed>;

/// Attribute 13 of a node (OPC 10000-6, annex A.1): its value.
const VALUE: u32 = 13;

/// Nodes of a request whose values come with the answer. `None` where another attribute than the
/// value was asked for.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) nodes: Vec<Option<NodeId>>,
    /// Client handles of items to be monitored.
    pub(super) handles: Vec<(u32, NodeId)>,
    /// What a request acts on whose answer says what came of each, as many as are told.
    pub(super) objects: Vec<Object>,
}

/// What an operation acts on: numbers need no text.
pub(super) fn object(node: &NodeId) -> Object {
    match &node.id {
        Identifier::Number(first) => {
            Object::Range { area: "node", block: node.namespace.into(), first: *first, count: 1 }
        }
        _ => Object::Name { area: "node", name: node.to_string().into() },
    }
}

fn say(op: &Op, node: &NodeId, out: &mut Output) {
    let mut op = op.clone();
    op.object = object(node);
    out.operation(op);
}

/// ReadValueId (OPC 10000-4, 7.29).
fn read_value_id(d: &mut Decoder<'_>) -> Read<(NodeId, u32)> {
    let node = d.node()?;
    let attribute = d.u32()?;
    d.octets()?;
    d.qualified()?;
    Ok((node, attribute))
}

/// 5.10.2
pub(super) fn read(d: &mut Decoder<'_>, op: &Op, out: &mut Output) -> Read<Asked> {
    d.skip(8 + 4)?;
    let mut asked = Asked::default();
    for i in 0..d.count()?.min(NODES_MAX) {
        let (node, attribute) = read_value_id(d)?;
        if i < REPORTED_MAX {
            say(op, &node, out);
        }
        asked.nodes.push((attribute == VALUE).then_some(node));
    }
    Ok(asked)
}

/// Nodes of one request reported one by one.
const REPORTED_MAX: usize = outcomes::TOLD_MAX;

/// 5.10.4
pub(super) fn write(d: &mut Decoder<'_>, op: &Op, out: &mut Output) -> Read<Asked> {
    let mut asked = Asked::default();
    for i in 0..d.count()?.min(NODES_MAX) {
        let node = d.node()?;
        let attribute = d.u32()?;
        d.octets()?;
        let value = d.data_value()?;
        if i < REPORTED_MAX {
            say(op, &node, out);
            asked.objects.push(object(&node));
        }
        if attribute == VALUE {
            report(&node, value, out);
        }
    }
    Ok(asked)
}

/// 5.11.2
pub(super) fn call(d: &mut Decoder<'_>, op: &Op, out: &mut Output) -> Read<Asked> {
    let mut asked = Asked::default();
    for _ in 0..d.count()?.min(REPORTED_MAX) {
        let (object, method) = (d.node()?, d.node()?);
        for _ in 0..d.count()? {
            d.variant(0)?;
        }
        let op = op.clone().named("method", &format!("{object} {method}"));
        asked.objects.push(op.object.clone());
        out.operation(op);
    }
    Ok(asked)
}

/// 5.8.2
pub(super) fn browse(d: &mut Decoder<'_>, op: &Op, out: &mut Output) -> Read<()> {
    const BEHIND_NODE_OCTETS: usize = 4;
    const REST_OCTETS: usize = 1 + 4 + 4;
    d.node()?;
    d.skip(8 + 4 + 4)?;
    for _ in 0..d.count()?.min(REPORTED_MAX) {
        let node = d.node()?;
        d.skip(BEHIND_NODE_OCTETS)?;
        d.node()?;
        d.skip(REST_OCTETS)?;
        say(op, &node, out);
    }
    Ok(())
}

/// 5.12.2
pub(super) fn monitor(d: &mut Decoder<'_>, op: &Op, out: &mut Output) -> Read<Asked> {
    d.skip(4 + 4)?;
    let mut asked = Asked::default();
    for i in 0..d.count()?.min(NODES_MAX) {
        let (node, attribute) = read_value_id(d)?;
        d.skip(4)?;
        let handle = d.u32()?;
        d.skip(8)?;
        d.object()?;
        d.skip(4 + 1)?;
        if i < REPORTED_MAX {
            say(op, &node, out);
        }
        if attribute == VALUE {
            asked.handles.push((handle, node));
        }
    }
    Ok(asked)
}

/// Values of a read answer, and which could not be read.
pub(super) fn results(d: &mut Decoder<'_>, asked: &Asked, op: Op, out: &mut Output) -> Read<()> {
    let mut refused = Vec::new();
    let read = values(d, asked, &mut refused, out);
    if refused.is_empty() || refused.len() < asked.nodes.len() {
        out.operation(op.clone().done());
    }
    for (node, code) in refused.into_iter().take(REPORTED_MAX) {
        let op = Op { object: object(node), ..op.clone() };
        out.operation(op.refused(code, services::status(code)));
    }
    read
}

fn values<'n>(
    d: &mut Decoder<'_>,
    asked: &'n Asked,
    refused: &mut Vec<(&'n NodeId, u32)>,
    out: &mut Output,
) -> Read<()> {
    let count = d.count()?;
    for node in asked.nodes.iter().take(count) {
        let value = d.data_value()?;
        let Some(node) = node else { continue };
        if outcomes::refuses_reading(value.status, node.namespace) {
            refused.push((node, value.status));
        } else {
            report(node, value, out);
        }
    }
    Ok(())
}

/// Values of a publish answer (5.13.5; DataChangeNotification, 7.25.2).
pub(super) fn notification(
    d: &mut Decoder<'_>,
    monitored: &[(u32, NodeId)],
    out: &mut Output,
) -> Read<()> {
    const DATA_CHANGE: u32 = 811;
    d.skip(4)?;
    let acknowledged = d.count()?;
    d.skip(acknowledged.saturating_mul(4))?;
    d.skip(1 + 4 + 8)?;
    for _ in 0..d.count()? {
        let (kind, body) = d.object()?;
        if kind.standard() != Some(DATA_CHANGE) {
            continue;
        }
        let mut items = Decoder::new(body);
        for _ in 0..items.count()? {
            let handle = items.u32()?;
            let value = items.data_value()?;
            let at = monitored.binary_search_by_key(&handle, |(h, _)| *h);
            if let Some((_, node)) = at.ok().and_then(|at| monitored.get(at)) {
                report(node, value, out);
            }
        }
    }
    Ok(())
}

/// Keeps handles in order; a handle used again names the new node.
pub(super) fn remember(known: &mut Vec<(u32, NodeId)>, new: Vec<(u32, NodeId)>, out: &mut Output) {
    for (handle, node) in new {
        match known.binary_search_by_key(&handle, |(h, _)| *h) {
            Ok(at) => {
                if let Some(slot) = known.get_mut(at) {
                    slot.1 = node;
                }
            }
            Err(_) if known.len() >= MONITORED_MAX => return out.limit("opcua-monitored"),
            Err(at) => known.insert(at, (handle, node)),
        }
    }
}

/// A value of a node: a fact about the server, or a process value.
fn report(node: &NodeId, value: DataValue<'_>, out: &mut Output) {
    /// ServerStatus and BuildInfo, and their types (OPC 10000-6, annex A).
    const SERVER_STATE: u32 = 2_259;
    const STATUS_TYPE: u32 = 864;
    const BUILD_TYPE: u32 = 340;
    let quality = match value.status >> 30 {
        0 => Quality::Good,
        1 => Quality::Uncertain,
        _ => Quality::Bad,
    };
    let standard = node.standard();
    match value.value {
        Some(Variant::Object { kind, body }) => {
            // Objects of other types are not process values, and odd ones of these tell nothing.
            match kind.standard() {
                Some(STATUS_TYPE) => descriptions::server_status(body, out).unwrap_or_default(),
                Some(BUILD_TYPE) => {
                    descriptions::build(&mut Decoder::new(body), out).unwrap_or_default();
                }
                _ => {}
            }
        }
        Some(Variant::Scalar(PointValue::Text(said)))
            if let Some(path) = standard.and_then(descriptions::standard_fact) =>
        {
            out.attribute(Subject::Sender, "OPC UA BuildInfo", (path, &said), 90);
        }
        Some(Variant::Scalar(PointValue::Int(state))) if standard == Some(SERVER_STATE) => {
            descriptions::server_state(state.unsigned_abs(), out);
        }
        // Nodes of the standard's own namespace describe the server, not the process.
        Some(Variant::Scalar(scalar)) if out.values_wanted && standard.is_none() => {
            out.value(node.to_string(), scalar, (None, quality));
        }
        Some(Variant::Array(elements)) if out.values_wanted && standard.is_none() => {
            for (index, element) in elements.into_iter().enumerate() {
                out.value(format!("{node}[{index}]"), element, (None, quality));
            }
        }
        _ => {}
    }
}
