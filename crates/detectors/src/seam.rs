//! What a detector is: words for people, and a watch over observations.
//!
//! Invariant: a watch sees observations in the order of frames and knows nothing else, so the
//! same capture gives the same findings.

use crate::{Baseline, Findings};
use inventory::Inventory;
use model::{Detail, Observation, Operation, OperationClass, Time};

/// What everybody should know of a detector. All texts are for the operator at night.
#[derive(Debug)]
pub struct About {
    /// Stable kebab-case id, e.g. `program-transfer`.
    pub id: &'static str,
    pub title: &'static str,
    pub engine: model::Engine,
    /// Why it matters, in two or three sentences.
    pub why: &'static str,
    /// ATT&CK ids: ICS matrix, Enterprise where ICS has none. At most eight.
    pub techniques: &'static [&'static str],
    /// What raises it without harm.
    pub false_positives: &'static str,
    /// What to do now, verb first, one step a line.
    pub runbook: &'static str,
    /// Kinds of observations it wants to see.
    pub sees: &'static [Kind],
}

/// An entry of the registry.
pub struct Detector {
    pub about: About,
    pub watch: fn() -> Box<dyn Watch>,
    #[cfg(test)]
    pub cases: fn() -> Vec<crate::testing::Case>,
}

/// A detector at work on one stream of observations.
pub trait Watch: Send + Sync {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings);

    /// An operation that changes nothing came again, and was only counted. For kinds that ask for
    /// [`Kind::Repeat`].
    fn repeated(&mut self, _: &Observation, _: &Operation) {}

    /// May an operation of this protocol and class matter to it? Always the same, and where it is
    /// no, [`Self::see`] would do nothing: most operations matter to few.
    fn wants(&self, _protocol: &str, _class: OperationClass) -> bool {
        true
    }

    /// Called about once a second of the observations' time, and at the end.
    fn tick(&mut self, _now: Time, _site: &Site<'_>, _out: &mut Findings) {}

    /// How much it had to forget before its time.
    fn dropped(&self) -> u64 {
        0
    }
}

/// What is known of the site while an observation is looked at.
pub struct Site<'a> {
    pub inventory: &'a Inventory,
    pub baseline: &'a Baseline,
    pub phase: Phase,
    /// The observation at hand is said by an industrial protocol; in ticks it means nothing.
    pub industrial: bool,
    /// How often what is observed came: once, or so many equal changes of a flood.
    pub times: u64,
}

/// How what is normal is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Everything seen is taken as normal; what is dangerous by itself is found all the same.
    Learning,
    /// The baseline is whole: what is not in it is new.
    Learnt,
    /// Nothing was learned: the baseline holds what these observations showed so far.
    Unlearnt,
}

/// Kinds of observations, for dispatch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Presence,
    Identity,
    Operation,
    Value,
    State,
    Violation,
    Session,
    Authentication,
    Exchange,
    /// Operations that came again; see [`Watch::repeated`].
    Repeat,
}

impl Kind {
    pub const COUNT: usize = 10;

    pub const fn of(detail: &Detail) -> Kind {
        match detail {
            Detail::Presence => Kind::Presence,
            Detail::Identity(_) => Kind::Identity,
            Detail::Operation(_) => Kind::Operation,
            Detail::Value { .. } => Kind::Value,
            Detail::State(_) => Kind::State,
            Detail::Violation(_) => Kind::Violation,
            Detail::Session(_) => Kind::Session,
            Detail::Authentication(_) => Kind::Authentication,
            Detail::Exchange(_) => Kind::Exchange,
        }
    }
}
