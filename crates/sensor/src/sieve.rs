//! What is worth saying again: equal polls pass once and are counted from then on.
//!
//! Changes, refusals, states, violations, log-ons and session events always pass. Invariant:
//! what is held back is counted, with its last time and its period, and told before the first
//! change that comes after it: what a change means depends on what was asked until then.

use crate::limits::{IDENTITIES_PER_FLOW_MAX, OPERATIONS_PER_FLOW_MAX};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{Detail, Direction, Object, Operation, Outcome, Time};
use std::hash::{BuildHasher, Hash, Hasher};

/// Intervals of which the period is the median.
const INTERVALS: usize = 8;

/// Operations that are found by looking at each.
const FEW: usize = 8;

/// What one conversation has said already; many never say anything that is to be remembered.
#[derive(Default)]
pub(crate) struct Seen(Option<Box<Said>>);

#[derive(Default)]
struct Said {
    operations: Vec<Repeat>,
    /// Hash -> place in `operations`, once these are more than a few.
    index: Option<Box<HashMap<u64, u32, FixedState>>>,
    identities: Vec<u64>,
    /// Where the operation seen last stands.
    cursor: u32,
    /// Something was changed here.
    changed: bool,
}

/// What becomes of an observation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sifted {
    /// It was said already, and is counted.
    Held,
    Passes,
    /// It passes, and what was held back before it is to be told first.
    Turns,
}

/// An operation that came again.
pub(crate) struct Repeat {
    /// The operation that came after this one the last time: polls come in cycles.
    next: u32,
    pub(crate) operation: Operation,
    pub(crate) protocol: &'static str,
    /// Since it was last reported.
    pub(crate) count: u64,
    pub(crate) last: Time,
    intervals: [u32; INTERVALS],
    next_interval: u8,
    total: u64,
}

impl Repeat {
    /// Median of the last intervals in milliseconds, once three are known.
    pub(crate) fn period_ms(&self) -> Option<u64> {
        let known = (self.total as usize).min(INTERVALS);
        if known < 3 {
            return None;
        }
        let mut sorted = self.intervals;
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        Some(u64::from(sorted[known / 2]))
    }
}

/// Equal but for the outcome; a place where most are told apart by a number or two.
#[inline]
fn same(a: &Operation, b: &Operation) -> bool {
    let numbers = |o: &Operation| (o.function, o.unit, o.direction, o.class);
    numbers(a) == numbers(b) && same_object(&a.object, &b.object)
}

#[inline]
fn same_object(a: &Object, b: &Object) -> bool {
    let same_area = |a: &'static str, b: &'static str| std::ptr::eq(a, b) || a == b;
    match (a, b) {
        (Object::None, Object::None) => true,
        (
            Object::Range { area: a, block: b1, first: f1, count: c1 },
            Object::Range { area: b, block: b2, first: f2, count: c2 },
        ) => (b1, f1, c1) == (b2, f2, c2) && same_area(a, b),
        (Object::Name { area: a, name: n1 }, Object::Name { area: b, name: n2 }) => {
            same_area(a, b) && n1 == n2
        }
        _ => false,
    }
}

fn hash_of(operation: &Operation) -> u64 {
    let Operation { direction, class, function, object, unit, .. } = operation;
    FixedState::with_seed(0x7369_6576_6573_6565)
        .hash_one((direction, class, function, object, unit))
}

impl Seen {
    /// Distinct operations remembered.
    pub(crate) fn operations(&self) -> usize {
        self.0.as_ref().map_or(0, |said| said.operations.len())
    }

    /// What becomes of this observation. `room` is how many more operations all conversations may
    /// remember; without room all pass.
    pub(crate) fn passes(
        &mut self,
        detail: &Detail,
        (protocol, at): (&'static str, Time),
        room: &mut usize,
    ) -> Sifted {
        let passes = match detail {
            Detail::Operation(operation) if operation.class.changes() => {
                let quiet = self.0.as_mut().filter(|said| !said.changed);
                return match quiet {
                    Some(said) => {
                        said.changed = true;
                        Sifted::Turns
                    }
                    None => Sifted::Passes,
                };
            }
            Detail::Operation(operation) => {
                matches!(operation.outcome, Outcome::Refused { .. })
                    || self.said().first_time(operation, (protocol, at), room)
            }
            Detail::Identity(identity) => {
                let mut hasher = FixedState::with_seed(7).build_hasher();
                identity.message.hash(&mut hasher);
                identity.subject.hash(&mut hasher);
                for attribute in &identity.attributes {
                    (attribute.path, &attribute.value).hash(&mut hasher);
                }
                let hash = hasher.finish();
                let identities = &mut self.said().identities;
                let new = !identities.contains(&hash);
                if new && identities.len() < IDENTITIES_PER_FLOW_MAX {
                    identities.push(hash);
                }
                new
            }
            _ => true,
        };
        if passes { Sifted::Passes } else { Sifted::Held }
    }

    #[inline]
    fn said(&mut self) -> &mut Said {
        self.0.get_or_insert_default()
    }

    /// Takes what was counted since the last call, requests and notices first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = &mut Repeat> {
        let operations = self.0.as_mut().map_or(&mut [][..], |said| said.operations.as_mut_slice());
        operations.iter_mut().filter(|r| r.count > 0)
    }
}

impl Said {
    fn first_time(
        &mut self,
        operation: &Operation,
        (protocol, at): (&'static str, Time),
        room: &mut usize,
    ) -> bool {
        let likely = self.operations.get(self.cursor as usize).map_or(0, |last| last.next as usize);
        if let Some(repeat) = self.operations.get_mut(likely)
            && same(&repeat.operation, operation)
        {
            repeat.again(at);
            self.cursor = likely as u32;
            return false;
        }
        let count = self.operations.len();
        if let Some(known) = self.find(operation) {
            self.operations[known].again(at);
            self.follow(known);
            return false;
        }
        if count < OPERATIONS_PER_FLOW_MAX && *room > 0 {
            *room -= 1;
            if count == self.operations.capacity() {
                // Most conversations have one or two, and there are many conversations.
                self.operations.reserve_exact(count.max(1));
            }
            self.operations.push(Repeat {
                next: 0,
                operation: operation.clone(),
                protocol,
                count: 0,
                last: at,
                intervals: [0; INTERVALS],
                next_interval: 0,
                total: 0,
            });
            self.index_newest();
            self.follow(count);
        }
        true
    }

    fn find(&self, operation: &Operation) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(&hash_of(operation)).map(|at| *at as usize),
            None => self.operations.iter().position(|known| same(&known.operation, operation)),
        }
    }

    fn index_newest(&mut self) {
        let hashed = |(at, known): (usize, &Repeat)| (hash_of(&known.operation), at as u32);
        let mut all = self.operations.iter().enumerate();
        match &mut self.index {
            Some(index) => index.extend(all.next_back().map(hashed)),
            None if self.operations.len() > FEW => {
                self.index = Some(Box::new(all.map(hashed).collect()));
            }
            None => {}
        }
    }

    /// The operation seen now stands there.
    fn follow(&mut self, now: usize) {
        if let Some(last) = self.operations.get_mut(self.cursor as usize) {
            last.next = now as u32;
        }
        self.cursor = now as u32;
    }
}

impl Repeat {
    fn again(&mut self, at: Time) {
        let interval = at.since(self.last).max(0) / 1_000_000;
        // Twice in one message is no poll.
        if self.operation.direction != Direction::Response && interval > 0 {
            let slot = usize::from(self.next_interval) % INTERVALS;
            self.intervals[slot] = u32::try_from(interval).unwrap_or(u32::MAX);
            self.next_interval = self.next_interval.wrapping_add(1) % INTERVALS as u8;
            self.total += 1;
        }
        self.count += 1;
        self.last = at;
    }
}

#[cfg(test)]
mod tests {
    use super::{Sifted::*, *};
    use model::OperationClass;

    fn operation(class: OperationClass, first: u32) -> Detail {
        Detail::Operation(Operation {
            direction: Direction::Request,
            class,
            function: 3,
            function_name: "read holding registers",
            object: Object::Range { area: "holding-register", block: 0, first, count: 2 },
            outcome: Outcome::Open,
            unit: Some(1),
        })
    }

    #[test]
    fn polls_pass_once_and_their_period_is_known() {
        let mut seen = Seen::default();
        let poll = operation(OperationClass::Read, 40);
        let mut passed = 0;
        for i in 0..10 {
            passed += usize::from(
                seen.passes(&poll, ("modbus", Time::from_secs(i * 2)), &mut 9) == Passes,
            );
        }
        assert_eq!(passed, 1);
        let repeat = seen.drain().next().expect("counted");
        assert_eq!((repeat.count, repeat.period_ms()), (9, Some(2_000)));
    }

    #[test]
    fn writes_always_pass() {
        let mut seen = Seen::default();
        let write = operation(OperationClass::Write, 40);
        assert!((0..5).all(|i| seen.passes(&write, ("modbus", Time(i)), &mut 9) == Passes));
    }

    #[test]
    fn the_first_change_after_polls_turns_and_later_ones_do_not() {
        let mut seen = Seen::default();
        let (poll, write) =
            (operation(OperationClass::Read, 40), operation(OperationClass::Write, 4));
        let mut say = |detail, at| seen.passes(detail, ("modbus", Time::from_secs(at)), &mut 9);
        let said = [say(&poll, 1), say(&poll, 2), say(&write, 3), say(&poll, 4), say(&write, 5)];
        assert_eq!(said, [Passes, Held, Turns, Held, Passes]);
    }

    #[test]
    fn without_room_all_pass_and_nothing_is_remembered() {
        let (mut seen, mut room) = (Seen::default(), 2);
        let polls: Vec<_> = (0..4).map(|i| operation(OperationClass::Read, i)).collect();
        for _ in 0..2 {
            for poll in &polls {
                seen.passes(poll, ("modbus", Time(0)), &mut room);
            }
        }
        assert_eq!((seen.operations(), room), (2, 0));
        assert_eq!(seen.passes(&polls[3], ("modbus", Time(0)), &mut room), Passes);
        assert_eq!(seen.passes(&polls[0], ("modbus", Time(0)), &mut room), Held);
    }
}
