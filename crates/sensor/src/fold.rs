//! From events to inventory and findings: the serial end of the pipeline.
//!
//! Invariant: events come in the order of frames, whoever produced them; presences said twice by
//! two workers count once.

use crate::event::{Event, Stamped};
use detectors::{Detection, Phase};
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use inventory::Inventory;
use model::{Detail, Endpoint, Finding, Observation};

pub struct Fold {
    pub inventory: Inventory,
    pub detection: Detection,
    present: HashSet<Endpoint, FixedState>,
}

impl Default for Fold {
    fn default() -> Self {
        Self::new()
    }
}

impl Fold {
    pub fn new() -> Self {
        Self::with(Detection::new(Phase::Unlearnt))
    }

    /// A fold whose detection knows what is normal, or is to learn it.
    pub fn with(detection: Detection) -> Self {
        let present = HashSet::with_hasher(FixedState::with_seed(0x7072_6573_656e_7400));
        Fold { inventory: Inventory::new(), detection, present }
    }

    /// No more events will come: what waits for more time is decided.
    pub fn finish(&mut self) {
        self.detection.finish(&self.inventory);
    }

    /// Every finding, worst first.
    pub fn findings(&self) -> Vec<Finding> {
        self.detection.findings(&self.inventory)
    }

    /// Applies the events of one worker, or of several put in the order of frames.
    pub fn apply(&mut self, events: Vec<Stamped>) {
        for stamped in events {
            match stamped.event {
                Event::Observed(observation) => self.observe(observation),
                Event::Sent(sent) => {
                    let times = (sent.first, sent.last);
                    self.inventory.count_sent(&sent.from, sent.packets, times);
                }
                Event::Repeated(repeats) => {
                    let observation = Observation {
                        at: repeats.last,
                        frame: stamped.frame,
                        protocol: repeats.protocol,
                        from: repeats.from,
                        to: repeats.to,
                        detail: Detail::Presence,
                        excerpt: None,
                    };
                    let counts = (repeats.count, repeats.period_ms);
                    self.inventory.count_repeats(&observation, &repeats.operation, counts);
                    self.detection.see_repeats(&observation, &repeats.operation, repeats.count);
                }
            }
        }
    }

    fn observe(&mut self, observation: Observation) {
        let repeated = matches!(observation.detail, Detail::Presence)
            && !self.present.insert(observation.from);
        if !repeated {
            self.inventory.apply(&observation);
            self.detection.see(&observation, &self.inventory);
        }
    }
}
