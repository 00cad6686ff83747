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
    /// When it was last said that it sends, as [`window`]; and whether with its hops.
    said: Option<i64>,
    said_hops: bool,
}

/// That an address sends is said once in so many nanoseconds, about two minutes: a power of two.
const WINDOW_BITS: u32 = 37;

/// The window a moment lies in.
#[inline]
pub(crate) fn window(at: Time) -> i64 {
    at.0 >> WINDOW_BITS
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
        let (said, said_hops) = (None, false);
        self.known.insert(from, Counters { packets, bytes, first, last, said, said_hops });
        true
    }

    /// Is it to be said that this sender sends, and with how many hops left?
    pub(crate) fn is_to_be_said(&mut self, from: &Endpoint, at: Time, hops: Option<u8>) -> bool {
        let Some(counters) = self.known.get_mut(from) else { return false };
        let window = Some(window(at));
        let news = counters.said != window || (hops.is_some() && !counters.said_hops);
        counters.said = window;
        counters.said_hops |= hops.is_some();
        news
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_an_address_sends_is_said_once_in_a_while_and_its_hops_as_soon_as_they_are_known() {
        let mut senders = Senders::new(1);
        let from = Endpoint { ip: Some([10, 0, 0, 1].into()), ..Endpoint::default() };
        let at = Time::from_secs;
        assert!(!senders.is_to_be_said(&from, at(0), Some(64)));
        senders.note(from, at(0));
        let times = [(0, None), (1, None), (2, Some(64)), (3, Some(64)), (300, None), (301, None)];
        let said = times.map(|(secs, hops)| senders.is_to_be_said(&from, at(secs), hops));
        assert_eq!(said, [true, false, true, false, true, false]);
    }
}
