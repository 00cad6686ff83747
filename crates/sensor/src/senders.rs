//! Who sends: packets and octets of each triple of MAC, IP and VLAN.
//!
//! Invariant: bounded; a sender that does not fit is counted as refused, and its packets are not
//! ascribed to anybody else.

use crate::{event::Sent, limits::SENDERS_MAX};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{Endpoint, Time};

pub(crate) struct Senders {
    known: HashMap<Endpoint, Counters, FixedState>,
    pub(crate) refused: u64,
}

struct Counters {
    packets: u64,
    bytes: u64,
    first: Time,
    last: Time,
}

impl Senders {
    pub(crate) fn new() -> Self {
        let hasher = FixedState::with_seed(0x7365_6e64_6572_7300);
        Senders { known: HashMap::with_hasher(hasher), refused: 0 }
    }

    /// Counts a packet; says whether the sender is new. `from` has no port.
    pub(crate) fn count(&mut self, from: Endpoint, bytes: u32, at: Time) -> bool {
        if let Some(counters) = self.known.get_mut(&from) {
            if counters.packets == 0 {
                counters.first = at;
            }
            counters.packets += 1;
            counters.bytes += u64::from(bytes);
            counters.last = counters.last.max(at);
            return false;
        }
        if self.known.len() >= SENDERS_MAX {
            self.refused += 1;
            return false;
        }
        let counters = Counters { packets: 1, bytes: u64::from(bytes), first: at, last: at };
        self.known.insert(from, counters);
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
