//! Devices that refuse what they are asked: unknown functions, objects, addresses.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    baseline::{Few, few},
    limits::TARGETS_MAX,
    watched::Watched,
    window::apart_secs,
};
use inventory::is_industrial;
use model::{
    Address, Detail, Evidence, Object, Observation, Operation, OperationClass, Outcome, Severity,
    Time,
};
use std::hash::{BuildHasher, Hash, Hasher};

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
    watch: || Box::new(RefusedRequests { pairs: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

/// Different refused requests within the span.
const DIFFERENT_MIN: usize = 5;
const SPAN_SECS: i64 = 300;
/// OPC 10000-6, annex A.2
const NO_SUCH_NODE: &str = "node id unknown";

struct RefusedRequests {
    pairs: Watched<(Address, Address), Refusals>,
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
        let Outcome::Refused { .. } = operation.outcome else { return };
        if !site.industrial {
            return;
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

    fn dropped(&self) -> u64 {
        self.pairs.dropped()
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
    use crate::testing::{Case, of, refused};
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
    vec![
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
