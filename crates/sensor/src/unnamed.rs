//! First octets of conversations that got no name, for who wants to know what they are.
//!
//! Not here: whether they get one, see [`crate::identify`]. Invariant: nothing is kept unless it
//! was asked for, and never more than the limits below.

use crate::flow::{Flow, Identity};
use model::Endpoint;
use protocols::Side;
use std::collections::BTreeMap;

/// Conversations of one shard whose first octets are kept.
const CONVERSATIONS_MAX: usize = 4_096;
/// Octets kept of each side.
const OCTETS_MAX: usize = 64;

/// A conversation in no known protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unnamed {
    /// What carries it: `tcp`, `udp`, `88f7`, ...
    pub transport: String,
    /// Frame that began it.
    pub frame: u64,
    pub client: Endpoint,
    pub server: Endpoint,
    /// What client and server said first.
    pub said: [Vec<u8>; 2],
}

/// Conversations under way and such as ended unnamed.
#[derive(Default)]
pub(crate) struct Heads {
    wanted: bool,
    /// By the frame that began them.
    open: BTreeMap<u64, [Vec<u8>; 2]>,
    ended: Vec<Unnamed>,
    /// Conversations there was no room for.
    pub(crate) refused: u64,
}

impl Heads {
    pub(crate) fn new(wanted: bool) -> Heads {
        Heads { wanted, ..Heads::default() }
    }

    /// Octets that are searched for a protocol.
    pub(crate) fn see(&mut self, flow: &Flow, side: Side, octets: &[u8]) {
        if !self.wanted {
            return;
        }
        let room = self.open.len() + self.ended.len() < CONVERSATIONS_MAX;
        if !room && !self.open.contains_key(&flow.first_frame) {
            self.refused += 1;
            return;
        }
        let said = &mut self.open.entry(flow.first_frame).or_default()[side as usize];
        let rest = OCTETS_MAX.saturating_sub(said.len());
        said.extend_from_slice(&octets[..octets.len().min(rest)]);
    }

    /// A conversation leaves the table, or all has been read.
    pub(crate) fn end(&mut self, flow: &Flow) {
        let Some(said) = self.open.remove(&flow.first_frame) else { return };
        if matches!(flow.identity, Identity::Unknown | Identity::Searching { .. }) {
            self.ended.push(Unnamed {
                transport: flow.carrier().shown(None),
                frame: flow.first_frame,
                client: flow.client,
                server: flow.server,
                said,
            });
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Unnamed> {
        std::mem::take(&mut self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::FlowKey;
    use model::{Carrier, Time};

    fn flow(frame: u64) -> Flow {
        let end = |last| Endpoint {
            mac: None,
            ip: Some([192, 0, 2, last].into()),
            port: Some(9),
            vlan: None,
        };
        let (from, to) = (end(1), end(2));
        let key = FlowKey::new(&from, &to, Carrier::Udp);
        Flow::new(key, (from, to, true), (frame, Time::from_secs(1)))
    }

    #[test]
    fn nothing_is_kept_unless_it_was_asked_for() {
        let mut heads = Heads::new(false);
        heads.see(&flow(1), Side::Client, b"secret");
        heads.end(&flow(1));
        assert!(heads.take().is_empty());
    }

    #[test]
    fn the_first_octets_of_both_sides_are_kept_and_no_more() {
        let mut heads = Heads::new(true);
        for _ in 0..3 {
            heads.see(&flow(1), Side::Client, &[7; 40]);
        }
        heads.see(&flow(1), Side::Server, b"ok");
        heads.end(&flow(1));
        let said = heads.take().pop().map(|one| one.said);
        assert_eq!(said, Some([vec![7; OCTETS_MAX], b"ok".to_vec()]));
    }

    #[test]
    fn conversations_beyond_the_limit_are_counted() {
        let mut heads = Heads::new(true);
        for frame in 0..=CONVERSATIONS_MAX as u64 {
            heads.see(&flow(frame), Side::Client, b"x");
        }
        assert_eq!(heads.refused, 1);
    }
}
