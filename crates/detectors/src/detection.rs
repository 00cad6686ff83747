//! All watches at work over one stream of observations: what the sensor's fold calls.
//!
//! Invariant: watches see an observation before it is learned, in the order of the registry, and
//! ticks come at whole seconds of the observations' own time, which goes back where their clock
//! was set back.

use crate::{Baseline, Findings, Kind, Phase, REGISTRY, Site, Watch, window::is_set_back};
use inventory::{Inventory, is_industrial};
use model::{Detail, Finding, Observation, Operation, OperationClass, Time};
use std::collections::BTreeMap;

pub struct Detection {
    watches: Vec<Box<dyn Watch>>,
    /// For each kind of observation, places in `watches`.
    sees: [Vec<usize>; Kind::COUNT],
    concerned: Concerned,
    baseline: Baseline,
    findings: Findings,
    phase: Phase,
    clock: Clock,
}

/// The time of the observations.
#[derive(Default)]
struct Clock {
    now: Time,
    /// Observations in a row that are long before.
    behind: u32,
    /// Where it stood when it was set back.
    set_back_from: Time,
}

impl Clock {
    /// A capture of several files may have clocks that are hours apart, each packet of another;
    /// one that was set back goes on.
    const BEHIND_MIN: u32 = 8;

    /// Goes by the observation; says whether that is another second.
    fn follow(&mut self, o: &Observation) -> bool {
        let second = |time: Time| time.nanos() / 1_000_000_000;
        // Counters are told of when a conversation is over: theirs is an earlier time by nature,
        // and of one that began before the clock was set back it lies ahead.
        let counters = matches!(o.detail, Detail::Exchange(_));
        if is_set_back(self.now, o.at) {
            self.behind += u32::from(!counters);
            if counters || self.behind < Self::BEHIND_MIN {
                return false;
            }
            self.set_back_from = self.now;
        } else {
            if !counters {
                self.behind = 0;
            }
            if second(o.at) <= second(self.now) || (counters && o.at <= self.set_back_from) {
                return false;
            }
        }
        (self.now, self.behind) = (o.at, 0);
        true
    }
}

/// Whom operations matter to, by protocol and class, worked out as they come: there are many
/// operations, and each matters to few.
#[derive(Default)]
struct Concerned {
    protocols: Vec<Protocol>,
    /// The one asked for last.
    last: usize,
}

struct Protocol {
    name: &'static str,
    industrial: bool,
    /// For each class, places of watches.
    classes: [Option<Vec<usize>>; OperationClass::ALL.len()],
}

impl Concerned {
    /// What is known of the protocol.
    fn protocol(&mut self, name: &'static str) -> &mut Protocol {
        let is = |known: &Protocol| std::ptr::eq(known.name, name);
        if !self.protocols.get(self.last).is_some_and(is) {
            self.last = match self.protocols.iter().position(is) {
                Some(at) => at,
                None => {
                    let (industrial, classes) = (is_industrial(name), Default::default());
                    self.protocols.push(Protocol { name, industrial, classes });
                    self.protocols.len() - 1
                }
            };
        }
        &mut self.protocols[self.last]
    }
}

impl Detection {
    pub fn new(phase: Phase) -> Self {
        Self::with_baseline(Baseline::default(), phase)
    }

    /// Begins with what was learned elsewhere.
    pub fn with_baseline(baseline: Baseline, phase: Phase) -> Self {
        let mut sees: [Vec<usize>; Kind::COUNT] = Default::default();
        for (place, detector) in REGISTRY.iter().enumerate() {
            for kind in detector.about.sees {
                sees[*kind as usize].push(place);
            }
        }
        let watches = REGISTRY.iter().map(|d| (d.watch)()).collect();
        let (findings, clock, concerned) = Default::default();
        Detection { watches, sees, concerned, baseline, findings, phase, clock }
    }

    pub fn see(&mut self, o: &Observation, inventory: &Inventory) {
        if self.clock.follow(o) {
            self.tick(inventory);
        }
        self.show(o, 1, inventory);
        if self.phase != Phase::Learnt {
            self.baseline.learn(o);
        }
    }

    /// Shows it to whom it matters.
    fn show(&mut self, o: &Observation, times: u64, inventory: &Inventory) {
        let protocol = self.concerned.protocol(o.protocol);
        let (phase, industrial) = (self.phase, protocol.industrial);
        let site = Site { inventory, baseline: &self.baseline, phase, industrial, times };
        let all = &self.sees[Kind::of(&o.detail) as usize];
        let places = match &o.detail {
            Detail::Operation(operation) => {
                let class = operation.class;
                let wants = |place: &usize| self.watches[*place].wants(o.protocol, class);
                let of_class = &mut protocol.classes[class as usize];
                of_class.get_or_insert_with(|| all.iter().copied().filter(wants).collect())
            }
            _ => all,
        };
        for place in places {
            self.watches[*place].see(o, &site, &mut self.findings);
        }
    }

    /// Operations that came again and were only counted, the last of them in `o`.
    pub fn see_repeats(
        &mut self,
        mut o: Observation,
        (operation, count): (&Operation, u64),
        inventory: &Inventory,
    ) {
        if operation.class.changes() {
            o.detail = Detail::Operation(operation.clone());
            self.findings.times(count);
            self.show(&o, count, inventory);
            self.findings.times(1);
        } else {
            for place in &self.sees[Kind::Repeat as usize] {
                self.watches[*place].repeated(&o, operation);
            }
        }
        if self.phase != Phase::Learnt {
            self.baseline.learn_repeats(&o, operation, count);
        }
    }

    fn tick(&mut self, inventory: &Inventory) {
        let (phase, industrial) = (self.phase, false);
        let site = Site { inventory, baseline: &self.baseline, phase, industrial, times: 1 };
        for watch in &mut self.watches {
            watch.tick(self.clock.now, &site, &mut self.findings);
        }
    }

    /// The stream ends: what waits for more time is decided.
    pub fn finish(&mut self, inventory: &Inventory) {
        self.clock.now = self.clock.now.plus_secs(3_600);
        self.tick(inventory);
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What was seen so far is normal from here on.
    pub fn end_learning(&mut self) {
        self.phase = Phase::Learnt;
    }

    pub fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    pub fn into_baseline(self) -> Baseline {
        self.baseline
    }

    /// Findings that are new or changed since the last call.
    pub fn drain(&mut self, inventory: &Inventory) -> Vec<Finding> {
        self.findings.drain(inventory)
    }

    /// Findings that are new, or changed in more than their count.
    pub fn drain_news(&mut self, inventory: &Inventory) -> Vec<Finding> {
        self.findings.drain_news(inventory)
    }

    /// Every finding, worst first.
    pub fn findings(&self, inventory: &Inventory) -> Vec<Finding> {
        self.findings.all(inventory)
    }

    pub fn limits_hit(&self) -> BTreeMap<&'static str, u64> {
        let mut limits = BTreeMap::new();
        self.findings.limits_hit(&mut limits);
        self.baseline.limits_hit(&mut limits);
        let dropped = self.watches.iter().map(|watch| watch.dropped()).sum();
        if dropped > 0 {
            limits.insert("watched", dropped);
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asks, exchange, host};

    #[test]
    fn the_clock_goes_back_when_observations_do_and_not_for_counters_or_another_file() {
        let mut clock = Clock::default();
        let read = |secs: i64| asks(secs * 1_000, OperationClass::Read);
        let counters = |secs: i64| exchange(secs * 1_000, host(10), host(20), "modbus");
        assert!(clock.follow(&read(90_000)));
        assert!(!clock.follow(&read(89_970)), "out of order");
        for secs in 0..20 {
            assert!(!clock.follow(&counters(secs)), "counters of what is over");
        }
        for secs in 0..20 {
            // Two files, a day apart, packet by packet.
            assert!(!clock.follow(&read(secs)));
            assert!(clock.follow(&read(90_001 + secs)));
        }
        let back: Vec<bool> = (0..20).map(|secs| clock.follow(&read(secs))).collect();
        let (before, after) = back.split_at(Clock::BEHIND_MIN as usize - 1);
        assert!(!before.contains(&true) && !after.contains(&false), "{back:?}");
        assert!(!clock.follow(&counters(90_019)), "of a conversation from before");
        assert!(clock.follow(&read(20)) && clock.follow(&counters(90_021)));
    }
}
