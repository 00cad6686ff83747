//! What a worker hands to the fold, in the order of packets.
//!
//! Invariant: events of one frame come from one shard, and what is counted carries its own place,
//! so sorting restores the order in which a single worker would have said them.

use model::{Carrier, Endpoint, Observation, Operation, OperationClass, Time};
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
    /// Frame and place as one number.
    fn key(&self) -> u128 {
        u128::from(self.frame) << 64 | u128::from(self.place.0)
    }

    fn order(&self, other: &Stamped) -> Ordering {
        self.key().cmp(&other.key()).then_with(|| match (&self.event, &other.event) {
            (Event::Sent(this), Event::Sent(other)) => this.from.cmp(&other.from),
            _ => Ordering::Equal,
        })
    }
}

/// Events of one part of the work that were not given yet: of the list at hand, which is empty
/// only at the very end, and of those after it.
struct Waiting<'a> {
    now: &'a mut [Stamped],
    later: &'a mut [Vec<Stamped>],
}

impl<'a> Waiting<'a> {
    fn new(lists: &'a mut [Vec<Stamped>]) -> Self {
        let mut waiting = Waiting { now: &mut [], later: lists };
        waiting.go_on();
        waiting
    }

    /// Turns to the next list where this one is at its end.
    fn go_on(&mut self) {
        while self.now.is_empty() {
            let Some((next, later)) = std::mem::take(&mut self.later).split_first_mut() else {
                return;
            };
            (self.now, self.later) = (next, later);
        }
    }

    /// The events at hand that come before that one; at least the first.
    fn before(&mut self, bound: Option<&Stamped>) -> &'a mut [Stamped] {
        let end = match bound {
            // Seldom many: conversations of all parts are mixed on the wire.
            Some(bound) => {
                let before = |event: &&Stamped| event.order(bound) == Ordering::Less;
                self.now.iter().take_while(before).count().max(1)
            }
            None => self.now.len(),
        };
        let (before, rest) = std::mem::take(&mut self.now).split_at_mut(end);
        self.now = rest;
        self.go_on();
        before
    }
}

/// Gives the events of several parts of the work to `take` in one order. Of each part there are so
/// many lists, one after the other, which are in order.
pub(crate) fn in_order(
    lists: &mut [Vec<Stamped>],
    parts: &[usize],
    mut take: impl FnMut(&mut Stamped),
) {
    let mut rest = lists;
    let (mut keys, mut waiting) = (Vec::new(), Vec::new());
    for lists in parts {
        let (own, others) = rest.split_at_mut((*lists).min(rest.len()));
        rest = others;
        let part = Waiting::new(own);
        if let Some(first) = part.now.first() {
            keys.push(first.key());
            waiting.push(part);
        }
    }
    while let Some((first, second)) = two_least(&keys, &waiting) {
        let mut part = waiting.swap_remove(first);
        // Who was last has its place now.
        let second = second.map(|at| if at == waiting.len() { first } else { at });
        let bound = second.and_then(|at| waiting[at].now.first());
        part.before(bound).iter_mut().for_each(&mut take);
        keys.swap_remove(first);
        if let Some(next) = part.now.first() {
            keys.push(next.key());
            waiting.push(part);
        }
    }
}

/// Places of the parts with the least and the second least first event. Keys decide, and stand
/// together: the events lie where another thread left them.
fn two_least(keys: &[u128], waiting: &[Waiting<'_>]) -> Option<(usize, Option<usize>)> {
    let less = |a: usize, b: usize| match keys[a].cmp(&keys[b]) {
        Ordering::Equal => match (waiting[a].now.first(), waiting[b].now.first()) {
            (Some(this), Some(other)) => this.order(other) == Ordering::Less,
            _ => false,
        },
        order => order == Ordering::Less,
    };
    let (mut first, mut second) = (None, None);
    for at in 0..keys.len() {
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
    pub carrier: Carrier,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sends(frame: u64, place: Place) -> Stamped {
        let event =
            Event::Sends(Sends { from: Endpoint::default(), at: Time::default(), hops: None });
        Stamped { frame, place, event }
    }

    #[test]
    fn events_of_several_parts_come_in_one_order() {
        // Frames of three parts, in lists of which some are empty.
        let frames: [&[&[u64]]; 4] = [
            &[&[1, 4], &[], &[5, 9, 12]],
            &[],
            &[&[2, 3, 3, 8], &[10]],
            &[&[], &[6, 7, 11], &[13]],
        ];
        let list = |list: &&[u64]| list.iter().map(|at| sends(*at, Place::PACKET)).collect();
        let mut lists: Vec<Vec<Stamped>> =
            frames.iter().flat_map(|part| part.iter().map(list)).collect();
        let parts = frames.map(<[_]>::len);
        let mut taken = Vec::new();
        in_order(&mut lists, &parts, |event| taken.push(event.frame));
        assert_eq!(taken, [1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    }

    #[test]
    fn within_a_frame_packets_come_before_what_is_given_up_and_counts_last() {
        let parts = [
            vec![sends(7, Place::PACKET), sends(7, Place::conversation(2))],
            vec![sends(7, Place::given_up(5)), sends(7, Place::SENDER)],
            vec![sends(7, Place::given_up(3)), sends(8, Place::PACKET)],
        ];
        let (mut lists, mut taken) = (Vec::from(parts), Vec::new());
        in_order(&mut lists, &[1, 1, 1], |event| taken.push((event.frame, event.place)));
        let expected = [
            (7, Place::PACKET),
            (7, Place::given_up(3)),
            (7, Place::given_up(5)),
            (7, Place::conversation(2)),
            (7, Place::SENDER),
            (8, Place::PACKET),
        ];
        assert_eq!(taken, expected);
    }
}
