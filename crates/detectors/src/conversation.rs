//! Conversations as wholes, though their counters are told in parts.
//!
//! A live sensor tells of a long conversation every second, a report on a capture once. Not here:
//! what is worth a finding. Invariant: a watch that asks here comes to the same, however often it
//! was told; beyond the limit each part counts as a whole.

use crate::{
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
};
use model::{Address, Exchange, Observation, PortNumber, Time};

/// Which conversation: its ends and its first packet.
pub(crate) type Key =
    (Time, Option<Address>, Option<PortNumber>, Option<Address>, Option<PortNumber>);

pub(crate) fn key_of(o: &Observation, exchange: &Exchange) -> Key {
    (exchange.first, o.from.address(), o.from.port, o.to.address(), o.to.port)
}

/// Packets of one side of a conversation, and how many a second, that are too many.
#[derive(Clone, Copy)]
pub(crate) struct BurstLimit {
    pub(crate) packets: u64,
    pub(crate) per_second: u64,
}

/// What one conversation brought within a span.
pub(crate) struct Burst {
    since: Time,
    packets: u64,
}

impl Burst {
    /// One conversation is looked at for so long.
    pub(crate) const SPAN_SECS: i64 = 10;

    pub(crate) fn begins(since: Time) -> Burst {
        Burst { since, packets: 0 }
    }

    /// Adds so many packets up to that time; was it too much since the span began?
    pub(crate) fn is_over(&mut self, packets: u64, last: Time, limit: BurstLimit) -> bool {
        self.packets = self.packets.saturating_add(packets);
        let nanos = last.since(self.since);
        let secs = nanos / 1_000_000_000;
        let allowed = limit.per_second.saturating_mul(u64::try_from(secs).unwrap_or_default());
        let over = secs > 0 && self.packets >= limit.packets.max(allowed);
        if !(0..Burst::SPAN_SECS).contains(&secs) {
            *self = Burst::begins(last);
        }
        over
    }
}

/// Conversations that a watch looks at, and takes for facts of kinds `T`.
pub(crate) struct Conversations<T>(Memory<Key, Whole<T>>);

/// What was told of one so far.
pub(crate) struct Whole<T> {
    pub(crate) packets_down: u64,
    /// What it was taken for last.
    counted: Option<T>,
}

impl<T> Default for Conversations<T> {
    fn default() -> Self {
        Conversations(memory())
    }
}

impl<T: PartialEq> Whole<T> {
    /// Is it a fact of this kind that was not counted yet? Asked once, it is counted.
    pub(crate) fn is_news(&mut self, kind: T) -> bool {
        let known = self.counted.as_ref() == Some(&kind);
        self.counted = Some(kind);
        !known
    }
}

impl<T> Conversations<T> {
    /// Adds a part. Of one that nobody answered yet nothing is remembered: scans and floods are
    /// made of them.
    pub(crate) fn add(&mut self, o: &Observation, exchange: &Exchange) -> Option<&mut Whole<T>> {
        let key = key_of(o, exchange);
        if exchange.packets_down == 0 {
            return self.0.get_mut(&key);
        }
        let whole = self.whole(key);
        whole.packets_down = whole.packets_down.saturating_add(exchange.packets_down);
        Some(whole)
    }

    pub(crate) fn whole(&mut self, key: Key) -> &mut Whole<T> {
        if self.0.len() >= WATCHED_MAX && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.entry(key).or_insert(Whole { packets_down: 0, counted: None })
    }
}
