//! Every node that can be reached from the root, with its references (OPC 10000-4, 5.8.2 and
//! 5.8.3).
//!
//! A server gives what does not fit into one answer from a point on, and may have no more than one
//! of these for all nodes. Invariant: a node whose references are not all there is named in a
//! fault, and no server keeps us going on for ever.

use super::{
    super::link::malformed,
    ROOT,
    client::{Browsed, Client, Reference},
    in_parts,
    nodeset::Node,
    status::status_text,
    types::{Id, NodeId},
};
use crate::limits::{OPCUA_EMPTY_PAGES_MAX, OPCUA_NODES_MAX, OPCUA_REFERENCES_MAX};
use std::{
    collections::{BTreeMap, VecDeque},
    io, slice,
};

/// Nodes of one browse; fewer when the server wants fewer.
const BROWSE_NODES: usize = 20;

/// The server has no point, or let one go for a newer one.
const NO_POINT: [u32; 2] = [0x804a, 0x804b];

pub trait Browse {
    fn browse(&mut self, nodes: &[NodeId]) -> io::Result<Vec<Browsed>>;
    fn browse_next(&mut self, point: &[u8]) -> io::Result<Browsed>;
}

impl Browse for Client {
    fn browse(&mut self, nodes: &[NodeId]) -> io::Result<Vec<Browsed>> {
        Self::browse(self, nodes)
    }

    fn browse_next(&mut self, point: &[u8]) -> io::Result<Browsed> {
        Self::browse_next(self, point)
    }
}

pub fn walk(
    server: &mut dyn Browse,
    fault: &mut dyn FnMut(String),
) -> io::Result<BTreeMap<NodeId, Node>> {
    let mut seen = BTreeMap::from([(ROOT, 1)]);
    let mut waiting = VecDeque::from([ROOT]);
    let (mut nodes, mut kept) = (BTreeMap::new(), 0);
    while !waiting.is_empty() {
        let batch: Vec<_> = waiting.drain(..waiting.len().min(BROWSE_NODES)).collect();
        all_references(server, batch, &mut |id, whole| {
            let class = seen.get(&id).copied().unwrap_or_default();
            let references = whole.said(&id, fault);
            for reference in &references {
                let target = &reference.target;
                if follows(class, reference) && !seen.contains_key(target) {
                    if seen.len() >= OPCUA_NODES_MAX {
                        return Err(too_many(OPCUA_NODES_MAX, "nodes"));
                    }
                    seen.insert(target.clone(), reference.class);
                    waiting.push_back(target.clone());
                }
            }
            if id.namespace > 0 {
                kept += references.len();
                if kept > OPCUA_REFERENCES_MAX {
                    return Err(too_many(OPCUA_REFERENCES_MAX, "references"));
                }
                nodes.insert(id, Node::new(class, references));
            }
            Ok(())
        })?;
    }
    Ok(nodes)
}

fn too_many(most: usize, what: &str) -> io::Error {
    io::Error::other(format!("more than {most} {what}; the rest is missing"))
}

/// The references of several nodes, one after the other. One for which there was no point is asked
/// for again alone, when the points of the others are used up.
fn all_references(
    server: &mut dyn Browse,
    batch: Vec<NodeId>,
    take: &mut dyn FnMut(NodeId, Whole) -> io::Result<()>,
) -> io::Result<()> {
    let found = in_parts(&batch, &mut |part| server.browse(part))?;
    let mut again = Vec::new();
    for (id, first) in batch.into_iter().zip(found) {
        let whole = Whole::read(server, first, OPCUA_NODES_MAX)?;
        if NO_POINT.contains(&(whole.status >> 16)) {
            again.push(id);
        } else {
            take(id, whole)?;
        }
    }
    for id in again {
        let first = server.browse(slice::from_ref(&id))?.pop().ok_or_else(malformed)?;
        let whole = Whole::read(server, first, OPCUA_NODES_MAX)?;
        take(id, whole)?;
    }
    Ok(())
}

/// What all answers for one node hold.
struct Whole {
    references: Vec<Reference>,
    /// References to nodes of other servers.
    elsewhere: usize,
    /// A bad one, where one was.
    status: u32,
    /// Why it was not gone on with, though there is more.
    left: Option<String>,
}

impl Whole {
    /// What one browse left for the next ones, too.
    fn read(server: &mut dyn Browse, first: Browsed, most: usize) -> io::Result<Self> {
        let (references, elsewhere, status, left) = (Vec::new(), 0, 0, None);
        let mut whole = Self { references, elsewhere, status, left };
        let (mut page, mut empty) = (first, 0);
        loop {
            // A server that found nothing in the time it gives itself may say so (5.8.2.2).
            let is_empty = page.references.is_empty() && page.elsewhere == 0;
            empty = if is_empty { empty + 1 } else { 0 };
            if page.status & 0x8000_0000 != 0 {
                whole.status = page.status;
            }
            whole.references.extend(page.references);
            whole.elsewhere += page.elsewhere;
            let Some(point) = page.point else { break };
            if whole.references.len() + whole.elsewhere > most {
                whole.left = Some(format!("more than {most}; the rest is missing"));
                break;
            }
            if empty > OPCUA_EMPTY_PAGES_MAX {
                let text = "the server says that there are more, and does not give them";
                whole.left = Some(text.to_owned());
                break;
            }
            page = server.browse_next(&point)?;
        }
        whole.references.sort_unstable();
        whole.references.dedup();
        Ok(whole)
    }

    /// The references; what is missing is told.
    fn said(self, id: &NodeId, fault: &mut dyn FnMut(String)) -> Vec<Reference> {
        if self.status != 0 {
            fault(format!("{id}: its references: {}", status_text(self.status)));
        }
        if let Some(why) = self.left {
            fault(format!("{id}: its references: {why}"));
        }
        if self.elsewhere > 0 {
            let count = self.elsewhere;
            fault(format!("{id}: {count} references to another server are not kept"));
        }
        self.references
    }
}

/// Whether a reference leads to a node worth a question. Inside namespace 0 only folders and
/// types do: their parts are of the standard.
fn follows(class: u32, reference: &Reference) -> bool {
    const ORGANIZES: u32 = 35;
    const HAS_SUBTYPE: u32 = 45;
    const OBJECT: u32 = 1;
    if !reference.is_forward {
        return false;
    }
    let kind = match &reference.kind {
        NodeId { namespace: 0, id: Id::Number(number) } => *number,
        _ => 0,
    };
    reference.target.namespace > 0
        || matches!(kind, ORGANIZES | HAS_SUBTYPE)
        || (class == OBJECT && reference.class == OBJECT && kind != 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders of three variables each; an answer has two references.
    #[derive(Default)]
    struct Server {
        folders: u32,
        /// Points that it has, and those that are in use.
        points: usize,
        used: Vec<(NodeId, usize)>,
        /// Whether a newer point takes the place of an older one.
        forgets: bool,
        /// Empty answers before each that goes on.
        empty: usize,
    }

    fn node(number: u32) -> NodeId {
        NodeId { namespace: 1, id: Id::Number(number) }
    }

    fn bad(status: u32) -> Browsed {
        Browsed { status, point: None, references: Vec::new(), elsewhere: 0 }
    }

    impl Server {
        fn inside(&self, id: &NodeId) -> Vec<Reference> {
            let targets: Vec<u32> = match id.id {
                _ if *id == ROOT => (1..=self.folders).collect(),
                Id::Number(number @ 1..100) => (1..=3).map(|n| number * 100 + n).collect(),
                _ => Vec::new(),
            };
            let to = |target| Reference {
                kind: NodeId::standard(35),
                is_forward: true,
                target: node(target),
                class: 1,
            };
            targets.into_iter().map(to).collect()
        }

        fn page(&mut self, id: &NodeId, from: usize) -> Browsed {
            let (all, rest) = (self.inside(id), from / 1_000);
            let from = from % 1_000;
            let (page, skipped) = if from > 0 && rest < self.empty { (0, 1_000) } else { (2, 0) };
            let end = all.len().min(from + page);
            let next = if skipped > 0 { end + 1_000 * (rest + 1) } else { end };
            let mut page = Browsed { references: all[from..end].to_vec(), ..bad(0) };
            if end < all.len() {
                if self.used.len() == self.points && !(self.forgets && self.points > 0) {
                    return bad(0x804b_0000);
                }
                if self.used.len() == self.points {
                    self.used.remove(0);
                }
                self.used.push((id.clone(), next));
                page.point = Some(format!("{id} {next}").into_bytes());
            }
            page
        }
    }

    impl Browse for Server {
        fn browse(&mut self, nodes: &[NodeId]) -> io::Result<Vec<Browsed>> {
            Ok(nodes.iter().map(|id| self.page(id, 0)).collect())
        }

        fn browse_next(&mut self, point: &[u8]) -> io::Result<Browsed> {
            let is_it = |(id, from): &(NodeId, usize)| format!("{id} {from}").as_bytes() == point;
            let Some(at) = self.used.iter().position(is_it) else { return Ok(bad(0x804a_0000)) };
            let (id, from) = self.used.remove(at);
            Ok(self.page(&id, from))
        }
    }

    /// Nodes found, and faults.
    fn walked(mut server: Server) -> (usize, Vec<String>) {
        let mut faults = Vec::new();
        let nodes = walk(&mut server, &mut |why| faults.push(why)).unwrap();
        (nodes.len(), faults)
    }

    #[test]
    fn a_server_with_one_point_gives_all_and_one_without_is_named() {
        for (points, forgets) in [(1, false), (1, true), (2, false), (100, false)] {
            let server = Server { folders: 30, points, forgets, ..Server::default() };
            assert_eq!(walked(server), (30 + 90, vec![]), "{points} {forgets}");
        }
        let (nodes, faults) = walked(Server { folders: 2, ..Server::default() });
        let why = "its references: no continuation point left (0x804b0000)";
        assert_eq!(
            (nodes, faults),
            (2, vec![format!("ns=1;i=1: {why}"), format!("ns=1;i=2: {why}")])
        );
    }

    #[test]
    fn an_empty_answer_is_gone_on_from_and_an_endless_row_of_them_is_a_fault() {
        let server = |empty| Server { folders: 3, points: 9, empty, ..Server::default() };
        assert_eq!(walked(server(OPCUA_EMPTY_PAGES_MAX)), (3 + 9, vec![]));
        let (nodes, faults) = walked(server(usize::MAX));
        assert_eq!((nodes, faults.len()), (2 + 4, 3));
        assert!(faults[0].starts_with("i=84: its references: the server says that there are more"));
    }

    #[test]
    fn references_without_end_are_left() {
        struct Endless;
        impl Browse for Endless {
            fn browse(&mut self, _: &[NodeId]) -> io::Result<Vec<Browsed>> {
                Ok(Vec::new())
            }
            fn browse_next(&mut self, _: &[u8]) -> io::Result<Browsed> {
                let references = Server { folders: 2, ..Server::default() }.inside(&ROOT);
                Ok(Browsed { point: Some(vec![1]), references, ..bad(0) })
            }
        }
        let first = Endless.browse_next(&[]).unwrap();
        let whole = Whole::read(&mut Endless, first, 100).unwrap();
        let mut faults = Vec::new();
        assert_eq!(whole.said(&ROOT, &mut |why| faults.push(why)).len(), 2);
        assert_eq!(faults, ["i=84: its references: more than 100; the rest is missing"]);
    }
}
