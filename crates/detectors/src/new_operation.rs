//! Requests of a kind that the pair never used, and registers it never touched.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, baseline::range_key, evidence,
    object,
};
use inventory::is_industrial;
use model::{Address, Detail, Direction, Observation, Operation, OperationClass, Severity};

pub static NEW_OPERATION: Detector = Detector {
    about: About {
        id: "new-operation",
        title: "Request of a kind these two never used",
        engine: model::Engine::Policy,
        why: "Panels and servers ask controllers the same few things all day. Another function \
              or another range of memory is a changed project, or somebody who looks around.",
        techniques: &["T0888", "T0861", "T0855"],
        false_positives: "Changed projects of panels, diagnosis by engineers, functions rarer \
                          than the learning lasted.",
        runbook: "Ask whether the client's project was changed.\n\
                  Look at the function and its range: what does it read or change?\n\
                  If the change is meant, accept the finding; if not, look at the client.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(NewOperation),
    #[cfg(test)]
    cases,
};

struct NewOperation;

impl Watch for NewOperation {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        is_industrial(protocol)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let request = operation.direction == Direction::Request;
        if site.phase != Phase::Learnt || !request || !site.industrial {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        // A pair that never talked is a new link; everything it asks is new.
        if site.baseline.pair(client, server).is_none() {
            return;
        }
        let key = (client, server, o.protocol, operation.class, operation.function);
        if !site.baseline.knows_operation(&key) {
            function(o, operation, (client, server), site, out);
        } else if let Some((key, low, high)) = range_key((client, server), operation)
            && let Some(known) = site.baseline.range(&key)
            && (low < known.0 || high > known.1)
        {
            range(o, operation, (key.2, key.3, key.4, known), out);
        }
    }
}

fn function(
    o: &Observation,
    operation: &Operation,
    (client, server): (Address, Address),
    site: &Site<'_>,
    out: &mut Findings,
) {
    use OperationClass as Class;
    // Acts and first writes have detectors of their own.
    let elsewhere = matches!(operation.class, Class::Session | Class::ProgramUpload);
    if elsewhere || operation.class.changes() {
        return;
    }
    let key = (client, server, o.protocol, operation.class, operation.function);
    let raised = out.raise(&NEW_OPERATION.about, key, o, || {
        let title = format!("{{0}} asks {{1}} for \"{}\"", operation.function_name);
        Draft::between(o, Severity::Low, title).because(format!(
            "In {} of learning this pair never used {} function 0x{:02x}.",
            site.baseline.watched_words(),
            o.protocol,
            operation.function
        ))
    });
    let Some(open) = raised.filter(|open| open.is_new()) else { return };
    if let Some(pair) = site.baseline.pair(client, server) {
        let words = pair.classes.words().map(str::to_owned);
        open.proof("learned", evidence::learned("what it asks this device for", words));
    }
}

fn range(
    o: &Observation,
    operation: &Operation,
    (area, block, write, known): (&'static str, u32, bool, (u32, u32)),
    out: &mut Findings,
) {
    let severity = if write { Severity::Medium } else { Severity::Low };
    let space = || object::space(o.protocol, area, block);
    let key = (o.from.address(), o.to.address(), area, block, write);
    let raised = out.raise(&NEW_OPERATION.about, key, o, || {
        let does = if write { "writes" } else { "reads" };
        let space = space();
        let what = object::says(o.protocol, &operation.object);
        Draft::between(o, severity, format!("{{0}} {does} {space} of {{1}} it never touched"))
            .because(format!("It {does} {what}; known is {}..{}.", known.0, known.1))
            .techniques(if write { &["T0836", "T0855"] } else { &["T0861", "T0801"] })
    });
    if let Some(open) = raised.filter(|open| open.is_new()) {
        let says = format!("{} from {} to {}", space(), known.0, known.1);
        open.proof("learned", evidence::learned(says, []));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, operation};
    use model::Object;
    let read = |at, first| {
        let object = Object::Range { area: "register", block: 0, first, count: 10 };
        asked(at, Operation { object, ..operation(OperationClass::Read, 3) })
    };
    let other = asked(9_000, operation(OperationClass::Diagnose, 17));
    vec![
        Case::fires("another function", vec![other]).after(vec![read(0, 40)]),
        Case::fires("another range", vec![read(9_000, 400)]).after(vec![read(0, 40)]),
        Case::silent("what it always asks", vec![read(9_000, 40)]).after(vec![read(0, 40)]),
        Case::silent("nothing learned", vec![read(0, 40), read(9, 400)]),
    ]
}
