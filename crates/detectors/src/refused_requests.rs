//! Devices that refuse what they are asked: unknown functions, objects, addresses, names.
//!
//! A project may have names that its device lost, and comes back to them; who guesses tries each
//! once. Invariant: of names that are not there none counts twice.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::{Few, few},
    limits::TARGETS_MAX,
    watched::Watched,
    window::apart_secs,
};
use inventory::is_industrial;
use model::{
    Address, Detail, Direction, Evidence, Object, Observation, Operation, OperationClass, Outcome,
    PortNumber, Severity, Time,
};
use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hash, Hasher},
};

pub static REFUSED_REQUESTS: Detector = Detector {
    about: About {
        id: "refused-requests",
        title: "Device refuses many different requests",
        engine: model::Engine::Anomaly,
        why: "A project asks a device for what it has. Who asks for functions and objects that \
              are not there does not know the device: that is how points and functions are \
              enumerated.",
        techniques: &["T0846", "T0888", "T0861"],
        false_positives: "A device replaced by another type, a wrong project, generic clients \
                          that try what a device can.",
        runbook: "Look at who asks and what for.\n\
                  If it is a known client, correct its project.\n\
                  If not, disconnect it and look at what it was answered.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let (pairs, names) = (Watched::new(SPAN_SECS), Watched::new(NAMES_SECS));
        let (asked, dirty) = (Watched::new(ANSWER_SECS), BTreeSet::new());
        Box::new(RefusedRequests { pairs, names, asked, dirty })
    },
    #[cfg(test)]
    cases,
};

/// Different refused requests within the span.
const DIFFERENT_MIN: usize = 5;
const SPAN_SECS: i64 = 300;
/// OPC 10000-6, annex A.2
const NO_SUCH_NODE: &str = "node id unknown";
/// Names that are not there, of OPC UA, ADS (TE1000, return code 0x710), and CIP, where a symbol
/// that is unknown is a path that leads nowhere (Volume 1, appendix B-1, 0x04 and 0x05).
const NO_SUCH_NAME: [&str; 4] =
    [NO_SUCH_NODE, "symbol not found", "path segment error", "path destination unknown"];
/// Answers of CIP do not repeat what was asked for.
const CIP_TAG: &str = "tag";
/// An answer that comes later answers another request.
const ANSWER_SECS: i64 = 5;
/// Different names that were not there, however slowly they were tried.
const NAMES_MIN: usize = 20;
const NAMES_SECS: i64 = 4 * 3_600;
/// By then a project has asked again for what it has.
const ROUND_SECS: i64 = 60;

type Pair = (Address, Address);

struct RefusedRequests {
    pairs: Watched<Pair, Refusals>,
    /// Names that are not there.
    names: Watched<Pair, Names>,
    /// By client, its port and server: the tag asked for last.
    asked: Watched<(Address, PortNumber, Address), Option<(u64, Time)>>,
    /// Pairs whose names are to be judged.
    dirty: BTreeSet<Pair>,
}

struct Names {
    asked: Few<u64>,
    missing: Few<u64>,
    /// How often one came again.
    again: usize,
    first: Time,
    last: Time,
    example: Box<Observation>,
}

struct Refusals {
    since: Time,
    different: Few<u64>,
    functions: Few<u32>,
    count: u64,
}

impl Watch for RefusedRequests {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        is_industrial(protocol)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if !site.industrial {
            return;
        }
        if operation.direction == Direction::Request {
            return self.asks(o, operation);
        }
        let Outcome::Refused { name: why, .. } = operation.outcome else { return };
        if NO_SUCH_NAME.contains(&why) {
            self.no_such_name(o, operation);
        }
        let (Some(server), Some(client)) = (o.from.address(), o.to.address()) else { return };
        let key = (client, server);
        let pair = self.pairs.of(key, o.at, || Refusals::new(o.at));
        if apart_secs(o.at, pair.since) > SPAN_SECS {
            *pair = Refusals::new(o.at);
        }
        pair.count(operation);
        if pair.different.len() < DIFFERENT_MIN {
            return;
        }
        let raised = out.raise(&REFUSED_REQUESTS.about, key, o, || {
            Draft::back(o, Severity::Low, "{1} refuses many requests of {0}").because(format!(
                "At least {DIFFERENT_MIN} different requests were refused within {SPAN_SECS} s."
            ))
        });
        let Some(open) = raised else { return };
        let many = pair.functions.len() >= DIFFERENT_MIN;
        if many {
            open.at_least(Severity::Medium);
        }
        open.proof(
            "refused",
            Evidence::Count {
                first: pair.since,
                last: o.at,
                count: pair.count,
                says: format!(
                    "refusals, of {} different requests and {} functions",
                    pair.different.len(),
                    pair.functions.len()
                ),
            },
        );
    }

    fn tick(&mut self, now: Time, site: &Site<'_>, out: &mut Findings) {
        let due = std::mem::take(&mut self.dirty);
        for pair in due {
            if !self.judge(pair, now, site, out) {
                self.dirty.insert(pair);
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.pairs.dropped() + self.names.dropped() + self.asked.dropped()
    }
}

impl RefusedRequests {
    fn asks(&mut self, o: &Observation, operation: &Operation) {
        let Some(name) = named(&operation.object) else { return };
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        if let Some(names) = self.names.known(&(client, server))
            && names.asked.len() < 2 * TARGETS_MAX
        {
            names.asked.insert(name);
        }
        if matches!(operation.object, Object::Name { area: CIP_TAG, .. }) {
            let key = (client, o.from.port.unwrap_or_default(), server);
            *self.asked.of(key, o.at, || None) = Some((name, o.at));
        }
    }

    /// `o` is the answer.
    fn no_such_name(&mut self, o: &Observation, operation: &Operation) {
        let (Some(server), Some(client)) = (o.from.address(), o.to.address()) else { return };
        let name = named(&operation.object).or_else(|| {
            let key = (client, o.to.port.unwrap_or_default(), server);
            let asked = self.asked.known(&key).and_then(Option::take);
            asked.filter(|(_, at)| apart_secs(o.at, *at) <= ANSWER_SECS).map(|(name, _)| name)
        });
        let key = (client, server);
        // Paths of CIP lead to other things than tags, too.
        if name.is_none() && self.names.known(&key).is_none() {
            return;
        }
        let names = self.names.of(key, o.at, || Names::new(o));
        if apart_secs(o.at, names.last) > NAMES_SECS {
            *names = Names::new(o);
        }
        names.last = o.at;
        match name {
            Some(name) if !names.missing.contains(&name) => {
                if names.missing.len() < TARGETS_MAX {
                    names.missing.insert(name);
                }
            }
            // What came before is asked without a word, or is a name that is known.
            _ => names.again += 1,
        }
        if names.missing.len() >= NAMES_MIN {
            self.dirty.insert(key);
        }
    }

    /// Raises what was guessed; says whether there is no more to wait for.
    fn judge(&mut self, pair: Pair, now: Time, site: &Site<'_>, out: &mut Findings) -> bool {
        let (client, server) = pair;
        let Some(names) = self.names.known(&pair) else { return true };
        let waited = apart_secs(now, names.first).max(apart_secs(now, names.last));
        if waited < ROUND_SECS {
            return false;
        }
        let count = names.missing.len();
        if names.again * 4 > count || names.asked.len() > 2 * count {
            return true;
        }
        let stranger = site.phase == Phase::Learnt && !site.baseline.knows_pair(client, server);
        let severity = if stranger { Severity::Medium } else { Severity::Low };
        let raised = out.raise(&REFUSED_REQUESTS.about, pair, &names.example, || {
            Draft::by(client, [server], severity, GUESSES)
        });
        let Some(open) = raised else { return true };
        open.titled(GUESSES.to_owned());
        open.at_least(severity);
        open.explained(format!(
            "{{0}} asked for {NAMES_MIN} or more names that {{1}} does not have, hardly one of \
             them twice. A project comes back to the names it has; who does not know them guesses."
        ));
        open.spans(names.first, names.last);
        let says = "different names that are not there";
        open.proof_count("names", (names.first, names.last), (count as u64, says));
        true
    }
}

const GUESSES: &str = "{0} guesses names of what {1} has";

impl Names {
    fn new(o: &Observation) -> Self {
        let (first, last, example) = (o.at, o.at, Box::new(o.clone()));
        Names { asked: few(), missing: few(), again: 0, first, last, example }
    }
}

/// What stands for a name; nodes of OPC UA may have numbers in their place (OPC 10000-3, 8.2).
fn named(object: &Object) -> Option<u64> {
    let hasher = foldhash::fast::FixedState::with_seed(13);
    match object {
        Object::Name { name, .. } => Some(hasher.hash_one(name)),
        Object::Range { area: "node", block, first, .. } => Some(hasher.hash_one((block, first))),
        _ => None,
    }
}

impl Refusals {
    fn new(since: Time) -> Self {
        Refusals { since, different: few(), functions: few(), count: 0 }
    }

    fn count(&mut self, operation: &Operation) {
        self.count += 1;
        if self.different.len() < TARGETS_MAX {
            let hasher = foldhash::fast::FixedState::with_seed(11);
            let mut hasher = hasher.build_hasher();
            operation.function.hash(&mut hasher);
            if operation.object != Object::None {
                operation.object.hash(&mut hasher);
            }
            operation.unit.hash(&mut hasher);
            self.different.insert(hasher.finish());
            // A service that is refused for its object is one that the device has.
            if !matches!(operation.outcome, Outcome::Refused { name, .. } if name == NO_SUCH_NODE) {
                self.functions.insert(operation.function);
            }
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, of, operation, refused};
    use model::OperationClass::Read;
    let with = |at: i64, function: u32| {
        let mut o = refused(at, Read, "illegal function");
        if let Detail::Operation(operation) = &mut o.detail {
            operation.function = function;
        }
        o
    };
    let nodes = (0..6).map(|i| {
        let mut o = of("opcua", with(i * 10, i as u32));
        if let Detail::Operation(operation) = &mut o.detail {
            operation.outcome = Outcome::Refused { code: 0x8034_0000, name: NO_SUCH_NODE };
        }
        o
    });
    let tag = |at: i64, name: i64, there: bool| {
        let object = Object::Name { area: CIP_TAG, name: format!("Tag{name}").into() };
        let asks = asked(at, Operation { object, ..operation(Read, 0x4c) });
        let mut says = refused(at + 5, Read, "path segment error");
        if let Detail::Operation(operation) = &mut says.detail {
            operation.function = 0x4c;
            operation.outcome = if there { Outcome::Done } else { operation.outcome };
        }
        [of("cip", asks), of("cip", says)]
    };
    let tags = |apart: i64, there: fn(i64) -> bool| {
        (0..40).flat_map(move |i| tag(i * apart, i, there(i))).collect::<Vec<_>>()
    };
    let again = || (0..40).map(|i| of("cip", tag(20_000 + i * 100, i, false)[1].clone()));
    vec![
        Case::fires("names guessed", tags(100, |_| false)),
        Case::fires("names guessed slowly", tags(60_000, |_| false)),
        Case::silent("a project some of whose names are lost", tags(100, |i| i % 4 > 0)),
        Case::silent(
            "all of whose names are",
            tags(100, |_| false).into_iter().chain(again()).collect(),
        ),
        Case::fires(
            "one function after the other",
            (0..6).map(|i| with(i * 10, i as u32)).collect(),
        ),
        // Of services that the device has.
        Case::fires("nodes that are not there", nodes.collect()),
        Case::silent("the same again and again", (0..60).map(|i| with(i * 10, 3)).collect()),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn nodes_that_are_not_there_are_no_functions_tried_out() {
        let severity = |name| {
            let case = super::cases().into_iter().find(|case| case.name == name);
            case.expect("it is there").run()[0].severity
        };
        assert_eq!(severity("one function after the other"), super::Severity::Medium);
        assert_eq!(severity("nodes that are not there"), super::Severity::Low);
    }
}
