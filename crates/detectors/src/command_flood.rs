//! Commands to a controller at many times the usual rate, or to one output after the other.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::range_key,
    watched::Watched,
    window::{Lately, Rate, is_set_back},
};
use inventory::is_industrial;
use model::{
    Address, Detail, Direction, Object, Observation, Operation, OperationClass, Severity, Time,
};

pub static COMMAND_FLOOD: Detector = Detector {
    about: About {
        id: "command-flood",
        title: "Flood of commands to a controller",
        engine: model::Engine::Anomaly,
        why: "A controller that is flooded with commands answers late or not at all, and its \
              outputs wear or flutter. Floods are a denial of service and a way to force a value \
              against the operator's.",
        techniques: &["T0806", "T0814", "T0836", "T0855"],
        false_positives: "Recipes and projects that are loaded by many writes at once, masters \
                          that write each coil by itself.",
        runbook: "Look at the process: which value is written, and does it hold?\n\
                  Find the program on the sender; ask its operator.\n\
                  If nobody meant it, disconnect the sender.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let (pairs, outputs) = (Watched::new(USUAL_SECS), Watched::new(SPAN_SECS));
        Box::new(CommandFlood { pairs, outputs })
    },
    #[cfg(test)]
    cases,
};

const SPAN_SECS: i64 = 10;
/// Commands within the span, at least.
const COMMANDS_MIN: u32 = 50;
/// Times the usual rate of the pair, at least.
const TIMES_USUAL: f64 = 8.0;
/// Seconds a pair is known before its usual rate means something.
const KNOWN_SECS: i64 = 60;
/// After so long without commands nothing is usual.
const USUAL_SECS: i64 = 86_400;
/// Outputs commanded one by one within the span: nobody operates so many at once.
const OUTPUTS_MIN: usize = 30;
/// Spaces of outputs that are on or off: coils, information objects of IEC 60870-5, relays of
/// DNP3, outputs of MELSEC.
const OUTPUT_AREAS: &[&str] = &["coil", "object", "control-relay", "Y"];

/// Block and number of an output.
type Output = (u32, u32);

struct CommandFlood {
    pairs: Watched<(Address, Address), Pair>,
    /// Which outputs were commanded lately.
    outputs: Watched<(Address, Address), Lately<Output>>,
}

struct Pair {
    first: Time,
    /// Commands before the newest span.
    before: u64,
    rate: Rate,
}

impl Watch for CommandFlood {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        is_industrial(protocol) && class.changes()
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let request = operation.direction == Direction::Request;
        if !request || !operation.class.changes() || !site.industrial {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let key = (client, server);
        self.one_by_one((o, operation), key, site, out);
        let new = || Pair { first: o.at, before: 0, rate: Rate::default() };
        let pair = self.pairs.of(key, o.at, new);
        if is_set_back(pair.rate.last, o.at) {
            *pair = new();
        }
        pair.before += site.times;
        let lately = pair.rate.count_times(site.times, o.at, SPAN_SECS);
        if lately < COMMANDS_MIN {
            return;
        }
        // Known since its first command, or since the two were first seen to talk.
        let talk = site.baseline.pair(client, server).map(|p| p.first);
        let since = talk.map_or(pair.first, |first| first.min(pair.first));
        let known = o.at.since(since) / 1_000_000_000;
        let earlier = pair.before.saturating_sub(u64::from(lately)) as f64;
        let usual = earlier / (known - SPAN_SECS).max(1) as f64;
        let now = f64::from(lately) / SPAN_SECS as f64;
        if known < KNOWN_SECS || now < usual * TIMES_USUAL {
            return;
        }
        let first = pair.rate.first;
        let raised = out.raise(&COMMAND_FLOOD.about, key, o, || {
            Draft::between(o, Severity::Medium, "{0} floods {1} with commands").because(format!(
                "{lately} commands within {SPAN_SECS} s (\"{}\"), where {usual:.2} a second is \
                 usual between the two.",
                operation.function_name
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 10, "the words below say so");
        let says = "commands in the newest 10 s";
        open.proof_count("rate", (first, o.at), (u64::from(lately), says));
    }

    fn dropped(&self) -> u64 {
        self.pairs.dropped() + self.outputs.dropped()
    }
}

impl CommandFlood {
    fn one_by_one(
        &mut self,
        (o, operation): (&Observation, &Operation),
        key: (Address, Address),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let Object::Range { area, block, first, count: 1 } = operation.object else { return };
        let sets = operation.class == OperationClass::Write && OUTPUT_AREAS.contains(&area);
        // Set-points and bit strings of IEC 60870-5-101, 7.2.6, are values.
        let values = ["C_SE", "C_BO"];
        if !sets || values.iter().any(|name| operation.function_name.starts_with(name)) {
            return;
        }
        let known = range_key(key, operation).is_some_and(|(range, low, high)| {
            site.baseline.range(&range).is_some_and(|(first, last)| first <= low && high <= last)
        });
        match site.phase {
            Phase::Learning => return,
            Phase::Learnt if known => return,
            _ => {}
        }
        let outputs = self.outputs.of(key, o.at, Lately::default);
        let count = outputs.see((block, first), o.at, SPAN_SECS);
        if count < OUTPUTS_MIN {
            return;
        }
        let begun = outputs.first(o.at);
        let raised = out.raise(&COMMAND_FLOOD.about, ("outputs", key), o, || {
            let title = "{0} commands the outputs of {1} one after another";
            Draft::between(o, Severity::Medium, title)
                .because(format!(
                    "{OUTPUTS_MIN} or more outputs within {SPAN_SECS} s, each by a command of its \
                     own (\"{}\"): somebody tries what they do, or opens and closes everything.",
                    operation.function_name
                ))
                .techniques(&["T0806", "T0855"])
        });
        let Some(open) = raised else { return };
        open.spans(begun, o.at);
        let says = "outputs commanded in the newest 10 s";
        open.proof_count("outputs", (begun, o.at), (count as u64, says));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, asks, of, operation};
    use model::OperationClass::Write;
    let mut flood: Vec<_> = (0..20).map(|i| asks(i * 10_000, Write)).collect();
    flood.extend((0..200).map(|i| asks(200_000 + i * 20, Write)));
    let mut back: Vec<_> = (0..20).map(|i| asks(9_000_000 + i * 10_000, Write)).collect();
    back.extend(flood.iter().cloned());
    let output = |area, at: i64, first: u32| {
        let object = Object::Range { area, block: 0, first, count: 1 };
        asked(at, Operation { object, ..operation(Write, 5) })
    };
    let coil = |at, first| output("coil", at, first);
    let relays = (0..40).map(|i| of("dnp3", output("control-relay", i * 100, i as u32))).collect();
    vec![
        Case::fires("all outputs one by one", (0..40).map(|i| coil(i * 100, i as u32)).collect()),
        Case::fires("all relays of an outstation", relays),
        Case::silent("two outputs in turn", (0..40).map(|i| coil(i * 100, i as u32 % 2)).collect()),
        Case::fires("many at once after few", flood),
        Case::silent("always many", (0..2_000).map(|i| asks(i * 100, Write)).collect()),
        Case::silent("many at the start", (0..200).map(|i| asks(i * 20, Write)).collect()),
        Case::fires("the same after the clock was set back", back),
    ]
}
