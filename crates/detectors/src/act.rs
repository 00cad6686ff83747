//! Engineering acts on controllers: one rule for all of them, told by the class of operation.
//!
//! Not here: the words of each act; see the files of the detectors. Invariant: an act is found
//! in every phase, also while learning; what was learned only lowers its severity.

use crate::{About, Draft, Findings, Phase, Site, Watch, evidence};
use inventory::is_industrial;
use model::{
    Address, Detail, Direction, Observation, Operation, OperationClass, Outcome, Severity,
};

/// How a class of operations is told.
pub(crate) struct Act {
    pub(crate) class: OperationClass,
    /// Title; `{0}` asks, `{1}` is asked.
    pub(crate) title: &'static str,
    /// From somebody not known to do it.
    pub(crate) severity: Severity,
    /// From a station known for engineering work.
    pub(crate) from_engineering: Severity,
    /// From somebody who does just this to the same device as a habit.
    pub(crate) habit: Severity,
    pub(crate) techniques: &'static [&'static str],
}

pub(crate) struct Acts {
    pub(crate) about: &'static About,
    pub(crate) acts: &'static [Act],
}

impl Watch for Acts {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let Some(act) = self.acts.iter().find(|a| a.class == operation.class) else { return };
        if !is_industrial(o.protocol) || is_upkeep(o.protocol, operation) {
            return;
        }
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        match operation.direction {
            Direction::Request | Direction::Notice => {
                self.asked(o, operation, (act, from, to), site, out);
            }
            Direction::Response => self.answered(o, operation, (act, to, from), out),
        }
    }
}

impl Acts {
    fn asked(
        &self,
        o: &Observation,
        operation: &Operation,
        (act, client, server): (&Act, Address, Address),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let standing = standing(site, client, server, act.class);
        let severity = match standing {
            Standing::Habit => act.habit,
            Standing::Engineering => act.from_engineering,
            Standing::Unknown | Standing::NothingLearned => act.severity,
        };
        let raised = out.raise(self.about, (act.class, client, server), o, || {
            let what = described(o, operation);
            Draft::between(o, severity, act.title)
                .because(format!("{{0}} asked {{1}} for {what}. {}", standing.words(site)))
                .techniques(act.techniques)
        });
        if let Some(open) = raised
            && open.is_new()
            && site.phase == Phase::Learnt
        {
            let who = site.baseline.who_does(act.class);
            let says = format!("stations known to ask for {}", act.class.word());
            open.proof("learned", evidence::learned(says, who.iter().map(Address::to_string)));
        }
    }

    /// An answer tells how it ended, and stands for its question where that was not captured.
    fn answered(
        &self,
        o: &Observation,
        operation: &Operation,
        (act, client, server): (&Act, Address, Address),
        out: &mut Findings,
    ) {
        let key = (act.class, client, server);
        if let Some(open) = out.known(self.about, key) {
            open.proof("answer", evidence::message(o));
            return;
        }
        if matches!(operation.outcome, Outcome::Refused { .. }) {
            return;
        }
        let what = described(o, operation);
        let raised = out.raise(self.about, key, o, || {
            Draft::back(o, act.severity, act.title)
                .because(format!(
                    "{{1}} answered {{0}}: {what}. The question itself is not in the capture."
                ))
                .techniques(act.techniques)
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

fn described(o: &Observation, operation: &Operation) -> String {
    let object = evidence::object_says(&operation.object);
    let name = operation.function_name;
    if object.is_empty() {
        format!("\"{name}\" ({})", o.protocol)
    } else {
        format!("\"{name}\" of {object} ({})", o.protocol)
    }
}

/// Session upkeep that shares a class with dangerous acts.
fn is_upkeep(protocol: &str, operation: &Operation) -> bool {
    protocol == "umas" && matches!(operation.function, 0x10 | 0x11)
}

/// What is known of somebody who does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Does just this to this device.
    Habit,
    /// Programs, reads programs or browses controllers.
    Engineering,
    Unknown,
    NothingLearned,
}

pub(crate) fn standing(
    site: &Site<'_>,
    client: Address,
    server: Address,
    class: OperationClass,
) -> Standing {
    use OperationClass as Class;
    if site.phase != Phase::Learnt {
        return Standing::NothingLearned;
    }
    let pair = site.baseline.pair(client, server);
    if pair.is_some_and(|p| p.classes.contains(class)) {
        return Standing::Habit;
    }
    let signs = [Class::ProgramDownload, Class::ProgramUpload, Class::FirmwareUpdate];
    if signs.iter().any(|c| site.baseline.does(&client, *c)) {
        return Standing::Engineering;
    }
    Standing::Unknown
}

impl Standing {
    pub(crate) fn words(self, site: &Site<'_>) -> String {
        let time = site.baseline.watched_words();
        match self {
            Standing::Habit => format!("It did so before, in {time} of learning."),
            Standing::Engineering => {
                format!("It is known for engineering work, but not for this ({time} of learning).")
            }
            Standing::Unknown => format!("It never did so in {time} of learning."),
            Standing::NothingLearned => {
                "Nothing was learned of this site, so whether it is usual is not known.".to_owned()
            }
        }
    }
}
