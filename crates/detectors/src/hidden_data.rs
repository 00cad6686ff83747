//! Process values that are none: data hidden where measurements are read.

use crate::{About, Detector, Draft, Findings, Kind, Site, Watch};
use model::{Detail, Observation, Severity};

pub static HIDDEN_DATA: Detector = Detector {
    about: About {
        id: "hidden-data",
        title: "Registers that carry data instead of a process",
        engine: model::Engine::Anomaly,
        why: "Firewalls let readings of registers pass, and nobody looks at each value. Whoever \
              holds both ends can send anything through them: stolen documents one way, commands \
              the other.",
        techniques: &["T0869", "T0882", "T1001", "T1048"],
        false_positives: "Simulators and test programs that serve random numbers, registers with \
                          enciphered or compressed contents of the maker.",
        runbook: "Compare the registers with the controller's project: what should stand there?\n\
                  Look at the values in the historian: do they follow anything?\n\
                  Ask who wrote the program of both ends and when it was changed last.\n\
                  If nobody can tell, take the controller's program off and examine the client.",
        sees: &[Kind::State],
    },
    watch: || Box::new(HiddenData),
    #[cfg(test)]
    cases,
};

struct HiddenData;

impl Watch for HiddenData {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else { return };
        if state.what != "register-noise" {
            return;
        }
        let key = (o.from.address(), o.to.address(), &state.value);
        let raised = out.raise(&HIDDEN_DATA.about, key, o, || {
            let title = "Unusual values, possibly a covert channel, from {0} to {1}";
            Draft::between(o, Severity::Medium, title).because(format!(
                "{}. Each answer has others over a wide range, with no relation to the ones \
                 before. Measurements and counters do not behave so; hidden data does.",
                state.value
            ))
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, state};
    let noise = "8 of 8 registers from holding-register/1/9 are evenly drawn numbers";
    vec![
        Case::fires("registers of random numbers", vec![state(0, "register-noise", noise)]),
        Case::silent("another state", vec![state(0, "mode", "run")]),
    ]
}
