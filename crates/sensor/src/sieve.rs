//! What is worth saying again: equal polls pass once and are counted from then on, equal changes
//! that come in a flood pass some times a second.
//!
//! Refusals, states, violations, log-ons and session events always pass. Invariant: what is held
//! back is counted, with its last time and its period. Polls are told before the first change that
//! comes after them: what a change means depends on what was asked until then. Changes are told
//! before the next equal one that passes, a second later at the latest while they go on.

use crate::limits::{IDENTITIES_PER_FLOW_MAX, OPERATIONS_PER_FLOW_MAX};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{Detail, Direction, Object, Operation, Outcome, Time};
use std::hash::{BuildHasher, Hash, Hasher};

/// Intervals of which the period is the median.
const INTERVALS: usize = 8;

/// Operations that are found by looking at each.
const FEW: usize = 8;

/// Equal changes of a conversation that pass in a second: what more of them mean is how many
/// there are.
const CHANGES_PER_SEC: u8 = 32;
/// Different changes of a conversation that are watched for floods.
const RUSHES: usize = 4;
const SECOND_NANOS: i64 = 1_000_000_000;

/// What one conversation has said already; many never say anything that is to be remembered.
#[derive(Default)]
pub(crate) struct Seen(Option<Box<Said>>);

#[derive(Default)]
struct Said {
    operations: Vec<Repeat>,
    /// Hash -> place in `operations`, once these are more than a few.
    index: Option<Box<HashMap<u64, u32, FixedState>>>,
    identities: Vec<u64>,
    /// Changes seen last, at most [`RUSHES`].
    rushes: Vec<Rush>,
    /// Where the operation seen last stands.
    cursor: u32,
    /// Something was changed here after other operations.
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
    /// The end that said it.
    pub(crate) by_low: bool,
    pub(crate) operation: Operation,
    pub(crate) protocol: &'static str,
    /// Since it was last reported.
    pub(crate) count: u64,
    pub(crate) last: Time,
    /// Most operations come once.
    rhythm: Option<Box<Rhythm>>,
}

/// Milliseconds between the last times.
#[derive(Default)]
struct Rhythm {
    intervals: [u32; INTERVALS],
    next: u8,
    total: u64,
}

/// A change that may come in a flood.
struct Rush {
    hash: u64,
    /// When the second began in which it passed so often.
    since: Time,
    passed: u8,
    /// What was held back, from the first time that it came too often.
    held: Option<Box<Repeat>>,
}

impl Rush {
    fn is_untold(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.count > 0)
    }
}

impl Rhythm {
    fn median(&self) -> Option<u64> {
        let known = (self.total as usize).min(INTERVALS);
        if known < 3 {
            return None;
        }
        let mut sorted = self.intervals;
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        // Of polls that come several at once, the long intervals are those from one to the next.
        let sum: u64 = sorted.iter().map(|interval| u64::from(*interval)).sum();
        let is_long = |interval: &u32| u64::from(*interval) * 2 * known as u64 >= sum;
        let long = &sorted[sorted.partition_point(|interval| !is_long(interval))..];
        let of = if is_long(&sorted[known / 2]) || long.len() < 3 { sorted } else { long };
        Some(u64::from(of[of.len() / 2]))
    }
}

/// Who says it: the protocol, when, and whether the conversation's lower end does.
pub(crate) type By = (&'static str, Time, bool);

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

fn hash_of(operation: &Operation, by_low: bool) -> u64 {
    let Operation { direction, class, function, object, unit, .. } = operation;
    FixedState::with_seed(0x7369_6576_6573_6565)
        .hash_one((direction, class, function, object, unit, by_low))
}

impl Seen {
    /// Distinct operations remembered.
    pub(crate) fn operations(&self) -> usize {
        let held = |said: &Said| said.rushes.iter().filter(|rush| rush.held.is_some()).count();
        self.0.as_ref().map_or(0, |said| said.operations.len() + held(said))
    }

    /// What becomes of this observation. `room` is how many more operations all conversations may
    /// remember; without room all pass.
    pub(crate) fn passes(
        &mut self,
        detail: &Detail,
        (protocol, at, by_low): By,
        room: &mut usize,
    ) -> Sifted {
        let passes = match detail {
            Detail::Operation(operation) if operation.class.changes() => {
                return self.said().change(operation, (protocol, at, by_low), room);
            }
            Detail::Operation(operation) => {
                matches!(operation.outcome, Outcome::Refused { .. })
                    || self.said().first_time(operation, (protocol, at, by_low), room)
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
    pub(crate) fn drain<'a>(&'a mut self) -> impl Iterator<Item = &'a mut Repeat> {
        let of = |said: &'a mut Said| {
            let held = said.rushes.iter_mut().filter_map(|rush| rush.held.as_deref_mut());
            said.operations.iter_mut().chain(held)
        };
        self.0.as_deref_mut().into_iter().flat_map(of).filter(|r| r.count > 0)
    }
}

impl Said {
    fn change(&mut self, operation: &Operation, said: By, room: &mut usize) -> Sifted {
        let first = !self.changed && !self.operations.is_empty();
        self.changed |= first;
        let refused = matches!(operation.outcome, Outcome::Refused { .. });
        match if refused { Sifted::Passes } else { self.rush(operation, said, room) } {
            Sifted::Passes if first => Sifted::Turns,
            sifted => sifted,
        }
    }

    /// What becomes of a change that may be one of very many.
    fn rush(
        &mut self,
        operation: &Operation,
        (protocol, at, by_low): By,
        room: &mut usize,
    ) -> Sifted {
        let hash = hash_of(operation, by_low);
        let Some(rush) = self.rushes.iter_mut().find(|rush| rush.hash == hash) else {
            self.begin(Rush { hash, since: at, passed: 1, held: None }, room);
            return Sifted::Passes;
        };
        if !(0..SECOND_NANOS).contains(&at.since(rush.since)) {
            (rush.since, rush.passed) = (at, 1);
            return if rush.is_untold() { Sifted::Turns } else { Sifted::Passes };
        }
        if rush.passed < CHANGES_PER_SEC {
            rush.passed += 1;
            return Sifted::Passes;
        }
        match &mut rush.held {
            // Hashes can be made to be equal, and nobody is to hide a change behind another.
            Some(held) => {
                let outcome = held.operation.outcome == operation.outcome;
                if held.protocol != protocol || !outcome || !held.is(operation, by_low) {
                    return Sifted::Passes;
                }
                held.again(at);
            }
            None if *room > 0 => {
                *room -= 1;
                let mut held = Box::new(Repeat::new(operation, (protocol, at, by_low)));
                held.count = 1;
                rush.held = Some(held);
            }
            None => return Sifted::Passes,
        }
        Sifted::Held
    }

    /// Watches a change, in place of one seen longest ago of which all is told.
    fn begin(&mut self, rush: Rush, room: &mut usize) {
        if self.rushes.len() < RUSHES {
            self.rushes.reserve_exact(1);
            return self.rushes.push(rush);
        }
        let told = self.rushes.iter_mut().filter(|rush| !rush.is_untold());
        if let Some(old) = told.min_by_key(|rush| rush.since) {
            *room += usize::from(old.held.is_some());
            *old = rush;
        }
    }

    fn first_time(
        &mut self,
        operation: &Operation,
        (protocol, at, by_low): By,
        room: &mut usize,
    ) -> bool {
        let likely = self.operations.get(self.cursor as usize).map_or(0, |last| last.next as usize);
        if let Some(repeat) = self.operations.get_mut(likely)
            && repeat.is(operation, by_low)
        {
            repeat.again(at);
            self.cursor = likely as u32;
            return false;
        }
        let count = self.operations.len();
        if let Some(known) = self.find(operation, by_low) {
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
            self.operations.push(Repeat::new(operation, (protocol, at, by_low)));
            self.index_newest();
            self.follow(count);
        }
        true
    }

    fn find(&self, operation: &Operation, by_low: bool) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(&hash_of(operation, by_low)).map(|at| *at as usize),
            None => self.operations.iter().position(|known| known.is(operation, by_low)),
        }
    }

    fn index_newest(&mut self) {
        let hashed =
            |(at, known): (usize, &Repeat)| (hash_of(&known.operation, known.by_low), at as u32);
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
    fn new(operation: &Operation, (protocol, last, by_low): By) -> Repeat {
        let operation = operation.clone();
        Repeat { next: 0, by_low, operation, protocol, count: 0, last, rhythm: None }
    }

    #[inline]
    fn is(&self, operation: &Operation, by_low: bool) -> bool {
        self.by_low == by_low && same(&self.operation, operation)
    }

    /// Median of the last intervals in milliseconds, once three are known.
    pub(crate) fn period_ms(&self) -> Option<u64> {
        self.rhythm.as_ref()?.median()
    }

    fn again(&mut self, at: Time) {
        let interval = at.since(self.last).max(0) / 1_000_000;
        // Twice in one message is no poll.
        if self.operation.direction != Direction::Response && interval > 0 {
            let rhythm = self.rhythm.get_or_insert_default();
            let slot = usize::from(rhythm.next) % INTERVALS;
            rhythm.intervals[slot] = u32::try_from(interval).unwrap_or(u32::MAX);
            rhythm.next = rhythm.next.wrapping_add(1) % INTERVALS as u8;
            rhythm.total += 1;
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
                seen.passes(&poll, ("modbus", Time::from_secs(i * 2), true), &mut 9) == Passes,
            );
        }
        assert_eq!(passed, 1);
        let repeat = seen.drain().next().expect("counted");
        assert_eq!((repeat.count, repeat.period_ms()), (9, Some(2_000)));
    }

    #[test]
    fn the_period_of_polls_that_come_at_once_is_that_of_their_cycle() {
        let period = |at: &mut dyn FnMut(i64) -> i64| {
            let (mut seen, poll) = (Seen::default(), operation(OperationClass::Read, 40));
            for i in 0..12 {
                seen.passes(&poll, ("modbus", Time(at(i) * 1_000_000), true), &mut 9);
            }
            seen.drain().next().and_then(|repeat| repeat.period_ms())
        };
        assert_eq!(period(&mut |i| i / 2 * 1_000 + i % 2 * 3), Some(997));
        let after_a_pause = |i| i * 1_000 + if i > 8 { 3_600_000 } else { 0 };
        assert_eq!(period(&mut { after_a_pause }), Some(1_000));
    }

    #[test]
    fn writes_pass_unless_they_are_a_flood() {
        let mut seen = Seen::default();
        let write = operation(OperationClass::Write, 40);
        let mut say =
            |millis: i64| seen.passes(&write, ("modbus", Time(millis * 1_000_000), true), &mut 9);
        assert!((0..320).all(|i| say(i * 32) == Passes), "32 a second");
        let flood: Vec<_> = (0..2_000).map(|i| say(20_000 + i)).collect();
        let count = |wanted| flood.iter().filter(|one| **one == wanted).count();
        // Those of the first second are told before the first of the next that passes.
        assert_eq!((count(Passes), count(Turns), count(Held)), (63, 1, 1_936));
        assert_eq!((flood[999], flood[1_000]), (Held, Turns));
        let held = seen.drain().next().expect("the last second's, and those told just now");
        assert_eq!((held.count, held.last), (1_936, Time(21_999_000_000)));
    }

    #[test]
    fn refusals_and_other_writes_pass_beside_a_flood() {
        let (mut seen, mut room) = (Seen::default(), 3);
        let write = |first| operation(OperationClass::Write, first);
        let mut say = |detail: &Detail| seen.passes(detail, ("modbus", Time(5), true), &mut room);
        for _ in 0..100 {
            say(&write(7));
        }
        let refused = Outcome::Refused { code: 2, name: "illegal data address" };
        let Detail::Operation(refusal) = write(7) else { unreachable!("an operation") };
        let refusal = Detail::Operation(Operation { outcome: refused, ..refusal });
        assert_eq!([say(&write(7)), say(&write(8)), say(&refusal)], [Held, Passes, Passes]);
        // Many others, of which each is watched in turn, do not end what is known of the flood.
        for other in 100..200 {
            assert_eq!(say(&write(other)), Passes);
        }
        assert_eq!(say(&write(7)), Held);
        assert_eq!((seen.operations(), room), (1, 2));
    }

    #[test]
    fn a_flood_passes_while_nothing_may_be_remembered() {
        let mut seen = Seen::default();
        let write = operation(OperationClass::Write, 40);
        let held =
            (0..99).filter(|_| seen.passes(&write, ("modbus", Time(3), true), &mut 0) == Held);
        assert_eq!(held.count(), 0);
    }

    #[test]
    fn the_first_change_after_polls_turns_and_later_ones_do_not() {
        let mut seen = Seen::default();
        let (poll, write) =
            (operation(OperationClass::Read, 40), operation(OperationClass::Write, 4));
        let mut say =
            |detail, at| seen.passes(detail, ("modbus", Time::from_secs(at), true), &mut 9);
        let said = [say(&poll, 1), say(&poll, 2), say(&write, 3), say(&poll, 4), say(&write, 5)];
        assert_eq!(said, [Passes, Held, Turns, Held, Passes]);
    }

    #[test]
    fn what_both_ends_say_is_counted_for_each() {
        let mut seen = Seen::default();
        let test = operation(OperationClass::Session, 0);
        let mut say = |by_low| seen.passes(&test, ("iec104", Time(0), by_low), &mut 9);
        assert_eq!([say(true), say(false), say(false)], [Passes, Passes, Held]);
        let counted: Vec<_> = seen.drain().map(|repeat| (repeat.by_low, repeat.count)).collect();
        assert_eq!(counted, [(false, 1)]);
    }

    #[test]
    fn without_room_all_pass_and_nothing_is_remembered() {
        let (mut seen, mut room) = (Seen::default(), 2);
        let polls: Vec<_> = (0..4).map(|i| operation(OperationClass::Read, i)).collect();
        for _ in 0..2 {
            for poll in &polls {
                seen.passes(poll, ("modbus", Time(0), true), &mut room);
            }
        }
        assert_eq!((seen.operations(), room), (2, 0));
        assert_eq!(seen.passes(&polls[3], ("modbus", Time(0), true), &mut room), Passes);
        assert_eq!(seen.passes(&polls[0], ("modbus", Time(0), true), &mut room), Held);
    }
}
