//! From events to inventory and findings: the serial end of the pipeline.
//!
//! Invariant: events come in the order of frames, whoever produced them; presences said twice by
//! two workers count once.

use crate::{
    event::{self, Event, Stamped},
    limits::Limits,
    sign_ins::SignIns,
    supplicants::Supplicants,
};
use detectors::{Detection, Phase};
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use inventory::Inventory;
use model::{
    Address, Detail, Endpoint, Finding, Observation, Point, PointValue, Quality, SignInRow, Time,
    ValueRow,
};
use std::collections::BTreeMap;

pub struct Fold {
    pub inventory: Inventory,
    pub detection: Detection,
    present: HashSet<Endpoint, FixedState>,
    values: Vec<Value>,
    values_max: usize,
    values_refused: u64,
    sign_ins: SignIns,
    supplicants: Supplicants,
}

/// A process value until its owner's asset is asked for.
struct Value {
    owner: Address,
    protocol: &'static str,
    operation: &'static str,
    at: Time,
    point: Point,
    value: PointValue,
    unit: Option<&'static str>,
    quality: Quality,
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
        Fold {
            inventory: Inventory::new(),
            detection,
            present,
            values: Vec::new(),
            values_max: Limits::default().values,
            values_refused: 0,
            sign_ins: SignIns::default(),
            supplicants: Supplicants::default(),
        }
    }

    /// The same with so much room; before the first events.
    pub fn within(mut self, limits: Limits) -> Self {
        self.inventory = Inventory::bounded(limits.addresses, limits.links);
        self.values_max = limits.values;
        self
    }

    /// Limits hit here, with counts.
    pub fn limits_hit(&self) -> BTreeMap<String, u64> {
        let inventory = self.inventory.limits_hit();
        let named = inventory.iter().map(|(name, count)| (format!("inventory-{name}"), *count));
        let detection = self.detection.limits_hit();
        let mut hit: BTreeMap<String, u64> = named
            .chain(detection.iter().map(|(name, count)| (format!("detection-{name}"), *count)))
            .collect();
        let own = [
            ("values", self.values_refused),
            ("sign-ins", self.sign_ins.refused),
            ("supplicants", self.supplicants.refused),
        ];
        hit.extend(own.map(|(name, count)| (name.to_owned(), count)));
        hit.retain(|_, count| *count > 0);
        hit
    }

    /// No more events will come: what waits for more time is decided.
    pub fn finish(&mut self) {
        self.detection.finish(&self.inventory);
    }

    /// Findings that are new or changed since the last call.
    pub fn changed_findings(&mut self) -> Vec<Finding> {
        self.detection.drain(&self.inventory)
    }

    /// Findings that are new, or changed in more than their count.
    pub fn news_of_findings(&mut self) -> Vec<Finding> {
        self.detection.drain_news(&self.inventory)
    }

    /// Every finding, worst first.
    pub fn findings(&self) -> Vec<Finding> {
        self.detection.findings(&self.inventory)
    }

    /// Applies the events of one worker, in the order of frames.
    pub fn apply(&mut self, mut events: Vec<Stamped>) {
        self.apply_list(&mut events);
    }

    /// As [`Self::apply`]; what is left of the events has no meaning.
    pub fn apply_list(&mut self, events: &mut [Stamped]) {
        events.iter_mut().for_each(|stamped| self.apply_one(stamped));
    }

    /// Applies the events of several workers, of each so many lists, one after the other and in
    /// the order of frames. What is left of them is freed fastest by the thread that made it.
    pub fn apply_all(&mut self, events: &mut [Vec<Stamped>], of_each: &[usize]) {
        event::in_order(events, of_each, |stamped| self.apply_one(stamped));
    }

    fn apply_one(&mut self, stamped: &mut Stamped) {
        match &mut stamped.event {
            Event::Observed(observation) => self.observe(observation),
            Event::Valued { observation, of_receiver, class } => {
                let owner = if *of_receiver { &observation.to } else { &observation.from };
                self.value(owner.address(), observation, class.word());
            }
            Event::Sent(sent) => {
                let times = (sent.first, sent.last);
                self.inventory.count_sent(&sent.from, sent.packets, times);
            }
            Event::Sends(sends) => {
                self.inventory.still_sends(&sends.from, sends.at, sends.hops);
            }
            Event::Repeated(repeats) => {
                let observation = Observation {
                    at: repeats.last,
                    frame: stamped.frame,
                    protocol: repeats.protocol,
                    from: repeats.from,
                    to: repeats.to,
                    carrier: Some(repeats.carrier),
                    detail: Detail::Presence,
                    excerpt: None,
                };
                let counts = (repeats.count, repeats.period_ms);
                self.inventory.count_repeats(&observation, &repeats.operation, counts);
                let said = (&repeats.operation, repeats.count);
                self.detection.see_repeats(observation, said, &self.inventory);
            }
        }
    }

    fn observe(&mut self, observation: &mut Observation) {
        if self.supplicants.see(observation) {
            return;
        }
        self.sign_ins.see(observation);
        let repeated = matches!(observation.detail, Detail::Presence)
            && !self.present.insert(observation.from);
        if !repeated {
            self.inventory.apply(observation);
            self.detection.see(observation, &self.inventory);
        }
    }

    fn value(&mut self, owner: Option<Address>, seen: &mut Observation, operation: &'static str) {
        let detail = std::mem::replace(&mut seen.detail, Detail::Presence);
        let (Some(owner), Detail::Value { point, value, unit, quality }) = (owner, detail) else {
            return;
        };
        if self.values.len() >= self.values_max {
            self.values_refused += 1;
            return;
        }
        self.values.push(Value {
            owner,
            protocol: seen.protocol,
            operation,
            at: seen.at,
            point,
            value,
            unit,
            quality,
        });
    }

    /// Who signed in where, and whether the server let them.
    pub fn sign_ins(&self) -> Vec<SignInRow> {
        self.sign_ins.rows(&self.inventory)
    }

    /// The process values seen, by asset, protocol, point and time.
    pub fn take_values(&mut self) -> Vec<ValueRow> {
        let inventory = &self.inventory;
        let row = |seen: Value| {
            let asset = inventory.asset_of(&seen.owner)?;
            Some(ValueRow {
                asset: inventory.id(asset),
                protocol: seen.protocol,
                point: seen.point,
                ts: seen.at,
                value: seen.value,
                unit: seen.unit,
                quality: seen.quality,
                operation: seen.operation,
            })
        };
        let mut rows: Vec<_> =
            std::mem::take(&mut self.values).into_iter().filter_map(row).collect();
        // Stable: values of one point at one moment stay in the order of packets.
        rows.sort_by(|a, b| {
            let point = a.asset.cmp(&b.asset).then(a.protocol.cmp(b.protocol));
            point.then_with(|| a.point.cmp(&b.point)).then(a.ts.cmp(&b.ts))
        });
        rows
    }
}
