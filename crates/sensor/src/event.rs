//! What a worker hands to the fold, in the order of packets.
//!
//! Invariant: events of one frame come from one worker, so sorting by frame restores the order
//! in which a single worker would have said them.

use model::{Endpoint, Observation, Operation, Time};

#[derive(Debug)]
pub enum Event {
    Observed(Observation),
    /// Equal operations that came again and were only counted.
    Repeated(Repeats),
    /// Packets sent by an address since they were last counted.
    Sent(Sent),
}

/// An event and the frame that caused it; counts are stamped with the frame of their tick.
#[derive(Debug)]
pub struct Stamped {
    pub frame: u64,
    pub event: Event,
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
