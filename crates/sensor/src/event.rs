//! What a worker hands to the fold, in the order of packets.
//!
//! Invariant: events of one frame come from one shard, and what is counted carries its own place,
//! so sorting restores the order in which a single worker would have said them.

use model::{Address, Endpoint, Observation, Operation, Time};
use std::cmp::Ordering;

#[derive(Debug)]
pub enum Event {
    Observed(Observation),
    /// A process value, whose it is, and what moved it (`read`, `write`, `report`).
    Valued {
        observation: Observation,
        owner: Option<Address>,
        operation: &'static str,
    },
    /// Equal operations that came again and were only counted.
    Repeated(Repeats),
    /// Packets sent by an address since they were last counted.
    Sent(Sent),
}

/// An event and the frame that caused it; counts are stamped with the frame of their tick.
#[derive(Debug)]
pub struct Stamped {
    pub frame: u64,
    /// Place within the frame, the same for every division of the work.
    pub(crate) place: Place,
    pub event: Event,
}

/// What comes of a packet itself is said first, then holes given up, conversations and senders.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    Packet,
    /// Frame that began the conversation.
    GivenUp(u64),
    Conversation(u64),
    Sender(Endpoint),
}

impl Stamped {
    fn order(&self, other: &Stamped) -> Ordering {
        (self.frame, self.place).cmp(&(other.frame, other.place))
    }
}

/// Puts the events of several workers, each in order, into one order.
pub fn merge(batches: impl IntoIterator<Item = Vec<Stamped>>) -> Vec<Stamped> {
    let mut batches = batches.into_iter().filter(|batch| !batch.is_empty());
    let mut all = batches.next().unwrap_or_default();
    let mut several = false;
    for mut batch in batches {
        several = true;
        all.append(&mut batch);
    }
    if several {
        sort(&mut all);
    }
    all
}

/// Stable, so what one packet said stays in its order.
pub(crate) fn sort(events: &mut [Stamped]) {
    events.sort_by(Stamped::order);
}

#[derive(Debug)]
pub struct Repeats {
    /// Sender and receiver of the operation.
    pub from: Endpoint,
    pub to: Endpoint,
    pub protocol: &'static str,
    pub operation: Operation,
    pub count: u64,
    pub last: Time,
    /// Median time between requests, milliseconds.
    pub period_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub from: Endpoint,
    pub packets: u64,
    pub bytes: u64,
    pub first: Time,
    pub last: Time,
}
