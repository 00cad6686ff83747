//! All watches at work over one stream of observations: what the sensor's fold calls.
//!
//! Invariant: watches see an observation before it is learned, in the order of the registry, and
//! ticks come at whole seconds of the observations' own time.

use crate::{Baseline, Findings, Kind, Phase, REGISTRY, Site, Watch};
use inventory::{Industry, Inventory};
use model::{Finding, Observation, Operation, Time};
use std::collections::BTreeMap;

pub struct Detection {
    watches: Vec<Box<dyn Watch>>,
    /// For each kind of observation, places in `watches`.
    sees: [Vec<usize>; Kind::COUNT],
    baseline: Baseline,
    findings: Findings,
    phase: Phase,
    last: Time,
    industry: Industry,
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
        let (findings, last) = (Findings::default(), Time::default());
        Detection { watches, sees, baseline, findings, phase, last, industry: Industry::default() }
    }

    pub fn see(&mut self, o: &Observation, inventory: &Inventory) {
        let second = o.at.nanos() / 1_000_000_000;
        if second > self.last.nanos() / 1_000_000_000 {
            self.last = o.at;
            self.tick(inventory);
        }
        let (phase, industrial) = (self.phase, self.industry.has(o.protocol));
        let site = Site { inventory, baseline: &self.baseline, phase, industrial };
        for place in &self.sees[Kind::of(&o.detail) as usize] {
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
