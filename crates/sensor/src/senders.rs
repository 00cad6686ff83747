//! Who sends: packets and octets of each triple of MAC, IP and VLAN.
//!
//! Invariant: bounded; a sender that does not fit is counted as refused, and its packets are not
//! ascribed to anybody else.

use crate::event::Sent;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{Endpoint, Time};

pub(crate) struct Senders {
    known: HashMap<Endpoint, Counters, FixedState>,
    max: usize,
    pub(crate) refused: u64,
}

struct Counters {
    packets: u64,
    bytes: u64,
    first: Time,
    last: Time,
}

impl Senders {
    pub(crate) fn new(max: usize) -> Self {
        let hasher = FixedState::with_seed(0x7365_6e64_6572_7300);
        Senders { known: HashMap::with_hasher(hasher), max, refused: 0 }
    }

    /// Counts a packet; says whether the sender is new. `from` has no port.
    pub(crate) fn count(&mut self, from: Endpoint, bytes: u32, at: Time) -> bool {
        let bytes = u64::from(bytes);
        self.add(Sent { from, packets: 1, bytes, first: at, last: at })
    }

    /// Takes note of a sender whose packets are counted elsewhere; says whether it is new.
    pub(crate) fn note(&mut self, from: Endpoint, at: Time) -> bool {
        self.add(Sent { from, packets: 0, bytes: 0, first: at, last: at })
    }

    /// Adds packets counted elsewhere; says whether the sender is new.
    pub(crate) fn add(&mut self, sent: Sent) -> bool {
        if let Some(counters) = self.known.get_mut(&sent.from) {
            if counters.packets == 0 {
                counters.first = sent.first;
            }
            counters.packets += sent.packets;
            counters.bytes += sent.bytes;
            counters.first = counters.first.min(sent.first);
            counters.last = counters.last.max(sent.last);
            return false;
        }
        if self.known.len() >= self.max {
            self.refused += sent.packets;
            return false;
        }
        let Sent { from, packets, bytes, first, last } = sent;
        self.known.insert(from, Counters { packets, bytes, first, last });
        true
    }

    /// What was counted since the last call, in the order of addresses.
    pub(crate) fn drain(&mut self) -> Vec<Sent> {
        let mut sent: Vec<_> = self
            .known
            .iter_mut()
            .filter(|(_, c)| c.packets > 0)
            .map(|(from, c)| {
                let (packets, bytes) =
                    (std::mem::take(&mut c.packets), std::mem::take(&mut c.bytes));
                Sent { from: *from, packets, bytes, first: c.first, last: c.last }
            })
            .collect();
        sent.sort_by_key(|s| s.from);
        sent
    }
}
