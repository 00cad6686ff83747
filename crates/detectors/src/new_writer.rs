//! Stations that write to controllers and never did before.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, baseline::Pair, evidence, object,
};
use inventory::is_industrial;
use model::{
    Address, Detail, Direction, Evidence, Observation, Operation, OperationClass, Severity,
};

pub static NEW_WRITER: Detector = Detector {
    about: About {
        id: "new-writer",
        title: "Write to a controller by a station that did not write before",
        engine: model::Engine::Policy,
        why: "Set points and outputs decide what the process does. Few stations have to write \
              them; a new one is a mistake, a change or an attack on the process.",
        techniques: &["T0836", "T0855", "T0831"],
        false_positives: "Operators' actions that are rarer than the learning lasted, and new \
                          panels.",
        runbook: "Look at the process first: is the written value safe?\n\
                  Ask the operator of the writing station whether it was meant.\n\
                  If not, disconnect the station and set the value back by hand.\n\
                  List everything else it wrote.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(NewWriter),
    #[cfg(test)]
    cases,
};

/// Without learning: seconds and requests of reading after which a first write is news.
const READ_ONLY_SECS: i64 = 60;
const READ_ONLY_REQUESTS: u64 = 10;

struct NewWriter;

impl Watch for NewWriter {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        is_industrial(protocol) && class == OperationClass::Write
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let write = operation.class == OperationClass::Write;
        if !write || operation.direction != Direction::Request || !site.industrial {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let known = site.baseline.pair(client, server);
        if site.phase == Phase::Learning {
            return;
        }
        let writes = known.is_some_and(|p| p.classes.contains(OperationClass::Write));
        if writes && site.phase == Phase::Learnt {
            return;
        }
        let key = (client, server);
        if writes {
            // Nothing learned, and not its first write: it joins the finding of the first.
            if out.known(&NEW_WRITER.about, key).is_some() {
                out.raise(&NEW_WRITER.about, key, o, || unreachable_draft(o));
            }
            return;
        }
        first_write(o, operation, (client, server), known, site, out);
    }
}

/// The finding is open, so its draft is not asked for.
fn unreachable_draft(o: &Observation) -> Draft {
    Draft::between(o, Severity::Low, "{0} writes to {1}")
}

fn first_write(
    o: &Observation,
    operation: &Operation,
    (client, server): (Address, Address),
    known: Option<&Pair>,
    site: &Site<'_>,
    out: &mut Findings,
) {
    let writes_elsewhere = site.baseline.does(&client, OperationClass::Write);
    let (severity, why) = if site.phase == Phase::Learnt {
        let time = site.baseline.watched_words();
        if writes_elsewhere {
            let why = format!("It writes to other controllers, but not to this in {time}.");
            (Severity::Medium, why)
        } else {
            (Severity::High, format!("It wrote to no controller in {time} of learning."))
        }
    } else {
        // An operator's station writes to one device after the other; a reader does not.
        let read_only = !writes_elsewhere
            && known.is_some_and(|p| {
                p.last.since(p.first) >= READ_ONLY_SECS * 1_000_000_000
                    && p.requests >= READ_ONLY_REQUESTS
            });
        if read_only {
            let requests = known.map_or(0, |p| p.requests);
            let why =
                format!("It asked for {requests} other things here before this, its first write.");
            (Severity::Medium, why)
        } else {
            let why = "Nothing was learned of this site, so whether it may is not known.";
            (Severity::Low, why.to_owned())
        }
    };
    let raised = out.raise(&NEW_WRITER.about, (client, server), o, || {
        let what = object::says(o.protocol, &operation.object);
        let what = if what.is_empty() { String::new() } else { format!(", {what}") };
        Draft::between(o, severity, "{0} writes to {1}").because(format!(
            "{{0}} asked {{1}} for \"{}\"{what} ({}). {why}",
            operation.function_name, o.protocol
        ))
    });
    let Some(open) = raised.filter(|open| open.is_new()) else { return };
    if site.phase == Phase::Learnt {
        let who = site.baseline.who_does(OperationClass::Write);
        let says = "stations known to write to controllers";
        open.proof("learned", evidence::learned(says, who.iter().map(Address::to_string)));
    } else if let Some(pair) = known {
        open.proof(
            "before",
            Evidence::Count {
                first: pair.first,
                last: pair.last,
                count: pair.requests,
                says: match pair.requests {
                    1 => "other thing this station asked this device for before",
                    _ => "other things this station asked this device for before",
                }
                .to_owned(),
            },
        );
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, of};
    use OperationClass::{Read, Write};
    let reads = || (0..40).map(|i| asks(i * 5_000, Read)).collect::<Vec<_>>();
    let mut late = reads();
    late.push(asks(300_000, Write));
    vec![
        Case::fires("first write of a reader", vec![asks(900_000, Write)]).after(reads()),
        Case::silent("a known writer", vec![asks(9, Write)]).after(vec![asks(0, Write)]),
        Case::fires("a write after long reading", late),
        Case::silent("reading", reads()),
        Case::silent("an office protocol", vec![of("http", asks(0, Write))]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, asks};

    #[test]
    fn what_was_asked_before_is_counted_as_things_and_one_as_one() {
        for (reads, says) in [(1, "other thing "), (2, "other things ")] {
            let mut seen: Vec<_> = (0..reads).map(|at| asks(at, OperationClass::Read)).collect();
            seen.push(asks(9, OperationClass::Write));
            let found = Case::fires("a write", seen).run();
            let found = found.iter().find(|f| f.detector == "new-writer").expect("a finding");
            let counted = |e: &Evidence| match e {
                Evidence::Count { says: words, count, .. } => {
                    words.starts_with(says) && i64::try_from(*count) == Ok(reads)
                }
                _ => false,
            };
            assert!(found.evidence().iter().any(counted), "{found:#?}");
        }
    }
}
