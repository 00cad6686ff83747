//! All watches at work over one stream of observations: what the sensor's fold calls.
//!
//! Invariant: watches see an observation before it is learned, in the order of the registry, and
//! ticks come at whole seconds of the observations' own time.

use crate::{Baseline, Findings, Kind, Phase, REGISTRY, Site, Watch};
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
    last: Time,
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
        let (findings, last, concerned) = Default::default();
        Detection { watches, sees, concerned, baseline, findings, phase, last }
    }

    pub fn see(&mut self, o: &Observation, inventory: &Inventory) {
        let second = o.at.nanos() / 1_000_000_000;
        if second > self.last.nanos() / 1_000_000_000 {
            self.last = o.at;
            self.tick(inventory);
        }
        let protocol = self.concerned.protocol(o.protocol);
        let (phase, industrial) = (self.phase, protocol.industrial);
        let site = Site { inventory, baseline: &self.baseline, phase, industrial };
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
        if self.phase != Phase::Learnt {
            self.baseline.learn(o);
        }
    }

    /// Requests that came again and were only counted.
    pub fn see_repeats(&mut self, o: &Observation, operation: &Operation, count: u64) {
        if self.phase != Phase::Learnt {
            self.baseline.learn_repeats(o, operation, count);
        }
    }

    fn tick(&mut self, inventory: &Inventory) {
        let (phase, industrial) = (self.phase, false);
        let site = Site { inventory, baseline: &self.baseline, phase, industrial };
        for watch in &mut self.watches {
            watch.tick(self.last, &site, &mut self.findings);
        }
    }

    /// The stream ends: what waits for more time is decided.
    pub fn finish(&mut self, inventory: &Inventory) {
        self.last = self.last.plus_secs(3_600);
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
        limits
    }
}
