//! Stations that write to controllers and never did before.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::{Few, Pair, few},
    evidence,
    limits::WATCHED_MAX,
    object,
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
    watch: || Box::new(NewWriter { selected: few() }),
    #[cfg(test)]
    cases,
};

/// Without learning: seconds and requests of reading after which a first write is news.
const READ_ONLY_SECS: i64 = 60;
const READ_ONLY_REQUESTS: u64 = 10;

struct NewWriter {
    /// Pairs of client and server that a finding says only selected of.
    selected: Few<(Address, Address)>,
}

const WRITES: &str = "{0} writes to {1}";
const SELECTS: &str = "{0} selects an output of {1}, which is how a command begins";

impl Watch for NewWriter {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        matches!(class, OperationClass::Write | OperationClass::Session) && is_industrial(protocol)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let write = operation.class == OperationClass::Write;
        if !(write || selects(operation)) || operation.direction != Direction::Request {
            return;
        }
        if !site.industrial || site.phase == Phase::Learning {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let known = site.baseline.pair(client, server);
        let key = (client, server);
        let writes = known.is_some_and(|p| p.classes.contains(OperationClass::Write));
        if !writes {
            return self.first_write(o, operation, key, known, site, out);
        }
        // Nothing learned, and not its first write: it joins the finding of the first.
        let joins = write && site.phase != Phase::Learnt;
        if joins && out.known(&NEW_WRITER.about, key).is_some() {
            out.raise(&NEW_WRITER.about, key, o, || unreachable_draft(o));
        }
    }
}

/// A point is armed, which changes nothing: the operate that follows does.
fn selects(operation: &Operation) -> bool {
    operation.class == OperationClass::Session
        && matches!(operation.function_name, "select" | "select control")
}

/// The finding is open, so its draft is not asked for.
fn unreachable_draft(o: &Observation) -> Draft {
    Draft::between(o, Severity::Low, WRITES)
}

impl NewWriter {
    fn first_write(
        &mut self,
        o: &Observation,
        operation: &Operation,
        (client, server): (Address, Address),
        known: Option<&Pair>,
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let write = operation.class == OperationClass::Write;
        let told = !write && out.known(&NEW_WRITER.about, (client, server)).is_some();
        if told && !self.selected.contains(&(client, server)) {
            return;
        }
        let (severity, why) = judged(client, known, site);
        let explained = || {
            let what = object::says(o.protocol, &operation.object);
            let what = if what.is_empty() { String::new() } else { format!(", {what}") };
            let asked = operation.function_name;
            format!("{{0}} asked {{1}} for \"{asked}\"{what} ({}). {why}", o.protocol)
        };
        let raised = out.raise(&NEW_WRITER.about, (client, server), o, || {
            let title = if write { WRITES } else { SELECTS };
            Draft::between(o, severity, title).because(explained())
        });
        let Some(open) = raised else { return };
        if !open.is_new() {
            // What was selected, or another point, is written after all.
            if write && self.selected.remove(&(client, server)) {
                open.titled(WRITES.to_owned());
                open.explained(explained());
                open.at_least(severity);
                open.begins_with(o);
            }
            return;
        }
        if !write && self.selected.len() < WATCHED_MAX {
            self.selected.insert((client, server));
        }
        if site.phase == Phase::Learnt {
            let who = site.baseline.who_does(OperationClass::Write);
            let says = "stations known to write to controllers";
            open.proof("learned", evidence::learned(says, who.iter().map(Address::to_string)));
        } else if let Some(pair) = known {
            open.proof("before", asked_before(pair));
        }
    }
}

/// How bad a first write is, and why.
fn judged(client: Address, known: Option<&Pair>, site: &Site<'_>) -> (Severity, String) {
    let writes_elsewhere = site.baseline.does(&client, OperationClass::Write);
    if site.phase == Phase::Learnt {
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
    }
}

fn asked_before(pair: &Pair) -> Evidence {
    Evidence::Count {
        first: pair.first,
        last: pair.last,
        count: pair.requests,
        says: match pair.requests {
            1 => "other thing this station asked this device for before",
            _ => "other things this station asked this device for before",
        }
        .to_owned(),
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, asks, of, operation};
    use OperationClass::{Read, Write};
    let select = |at| {
        let arms = operation(OperationClass::Session, 3);
        of("dnp3", asked(at, Operation { function_name: "select", ..arms }))
    };
    let reads = || (0..40).map(|i| asks(i * 5_000, Read)).collect::<Vec<_>>();
    let mut late = reads();
    late.push(asks(300_000, Write));
    vec![
        Case::fires("first write of a reader", vec![asks(900_000, Write)]).after(reads()),
        Case::silent("a known writer", vec![asks(9, Write)]).after(vec![asks(0, Write)]),
        Case::fires("a write after long reading", late),
        Case::silent("reading", reads()),
        Case::fires("a select alone", vec![select(900_000)]).after(reads()),
        Case::fires("a select and its write", vec![select(0), asks(9, Write)]),
        Case::silent("what a known writer selects", vec![select(9)]).after(vec![asks(0, Write)]),
        Case::silent("other upkeep", vec![asks(9, OperationClass::Session)]),
        Case::silent("an office protocol", vec![of("http", asks(0, Write))]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, asked, asks, operation};

    #[test]
    fn what_is_selected_is_told_as_written_only_when_it_is() {
        let arms = operation(OperationClass::Session, 3);
        let select = asked(0, Operation { function_name: "select", ..arms });
        let write = asks(9, OperationClass::Write);
        for (seen, title, count) in [
            (vec![select.clone()], "selects an output of", 1),
            (vec![select.clone(), write.clone(), select], "writes to", 1),
            (vec![write], "writes to", 1),
        ] {
            let found = Case::fires("a command", seen).run();
            let found = found.iter().find(|f| f.detector == "new-writer").expect("a finding");
            assert!(found.title.contains(title) && found.count == count, "{found:#?}");
        }
    }

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
