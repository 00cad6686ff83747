//! What a worker hands to the fold, in the order of packets.
//!
//! Invariant: events of one frame come from one shard, and what is counted carries its own place,
//! so sorting restores the order in which a single worker would have said them.

use model::{Endpoint, Observation, Operation, OperationClass, Time};
use std::cmp::Ordering;

#[derive(Debug)]
pub enum Event {
    Observed(Observation),
    /// A process value, whose it is, and what moved it (read, write, report).
    Valued {
        observation: Observation,
        /// It is the receiver's, else the sender's.
        of_receiver: bool,
        class: OperationClass,
    },
    /// Equal operations that came again and were only counted.
    Repeated(Repeats),
    /// Packets sent by an address since they were last counted.
    Sent(Sent),
    /// An address sends, said now and then: counts may come at the end of a capture only.
    Sends(Sends),
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
/// In a word, because there are many events and most of what they cost is to carry them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place(u64);

impl Place {
    const FRAMES: u64 = (1 << 62) - 1;
    pub(crate) const PACKET: Place = Place(0);
    /// By their addresses, which stand in the event.
    pub(crate) const SENDER: Place = Place(3 << 62);

    /// By the frame that began the conversation.
    pub(crate) fn given_up(frame: u64) -> Place {
        Place(1 << 62 | frame & Place::FRAMES)
    }

    pub(crate) fn conversation(frame: u64) -> Place {
        Place(2 << 62 | frame & Place::FRAMES)
    }
}

impl Stamped {
    fn order(&self, other: &Stamped) -> Ordering {
        (self.frame, self.place).cmp(&(other.frame, other.place)).then_with(|| {
            match (&self.event, &other.event) {
                (Event::Sent(this), Event::Sent(other)) => this.from.cmp(&other.from),
                _ => Ordering::Equal,
            }
        })
    }
}

/// Events of one worker that were not given yet, and what the first is ordered by: the events lie
/// where another thread left them, and are better looked at once.
struct Waiting<'a> {
    frame: u64,
    place: Place,
    events: &'a mut [Stamped],
}

impl<'a> Waiting<'a> {
    fn new(events: &'a mut [Stamped]) -> Option<Self> {
        let Stamped { frame, place, .. } = *events.first()?;
        Some(Waiting { frame, place, events })
    }

    fn is_before(&self, other: &Waiting<'_>) -> bool {
        match (self.frame, self.place).cmp(&(other.frame, other.place)) {
            Ordering::Equal => match (self.events.first(), other.events.first()) {
                (Some(this), Some(other)) => this.order(other) == Ordering::Less,
                _ => false,
            },
            order => order == Ordering::Less,
        }
    }
}

/// Gives the events of several workers, each in order, to `take` in one order.
pub(crate) fn in_order(lists: &mut [Vec<Stamped>], mut take: impl FnMut(&mut Stamped)) {
    let mut lists: Vec<Waiting<'_>> =
        lists.iter_mut().filter_map(|list| Waiting::new(list)).collect();
    while let Some((first, second)) = two_least(&lists) {
        let end = match second {
            // Seldom many: conversations of all shards are mixed on the wire.
            Some(second) => {
                let bound = &lists[second].events[0];
                let before = |event: &&Stamped| event.order(bound) == Ordering::Less;
                lists[first].events.iter().take_while(before).count().max(1)
            }
            None => lists[first].events.len(),
        };
        let (now, later) = std::mem::take(&mut lists[first].events).split_at_mut(end);
        now.iter_mut().for_each(&mut take);
        match Waiting::new(later) {
            Some(later) => lists[first] = later,
            None => drop(lists.swap_remove(first)),
        }
    }
}

/// Places of the lists with the least and the second least first event.
fn two_least(lists: &[Waiting<'_>]) -> Option<(usize, Option<usize>)> {
    let less = |a: usize, b: usize| lists[a].is_before(&lists[b]);
    let (mut first, mut second) = (None, None);
    for at in 0..lists.len() {
        match (first, second) {
            (Some(least), _) if less(at, least) => (first, second) = (Some(at), Some(least)),
            (None, _) => first = Some(at),
            (_, Some(next)) if !less(at, next) => {}
            _ => second = Some(at),
        }
    }
    first.map(|first| (first, second))
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

#[derive(Clone, Copy, Debug)]
pub struct Sends {
    pub from: Endpoint,
    pub at: Time,
    /// Time to live of a packet of TCP or UDP to one receiver.
    pub hops: Option<u8>,
}
