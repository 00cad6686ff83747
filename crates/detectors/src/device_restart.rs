//! Devices told to restart or reset.

use crate::{
    About, Detector, Kind,
    act::{Act, Acts},
};
use model::{OperationClass as Class, Severity};

pub static DEVICE_RESTART: Detector = Detector {
    about: About {
        id: "device-restart",
        title: "Device told to restart or reset",
        engine: model::Engine::Operational,
        why: "A restarting controller or outstation does not control and does not report; a \
              factory reset also loses its settings. Repeated restarts are a denial of service.",
        techniques: &["T0816", "T0814"],
        false_positives: "Maintenance, commissioning, and test tools.",
        runbook: "Ask whether somebody works on this device.\n\
                  See whether the device came back and took up its duty.\n\
                  If nobody asked for it, block the sender and look for what it did before.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(Acts::new(&DEVICE_RESTART.about, ACTS)),
    #[cfg(test)]
    cases,
};

static ACTS: &[Act] = &[Act {
    class: Class::Reset,
    special: None,
    title: "{0} restarts or resets {1}",
    severity: Severity::High,
    from_engineering: Severity::Medium,
    habit: Severity::Low,
    techniques: &["T0816", "T0814"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, of};
    vec![
        Case::fires("a reset", vec![asks(0, Class::Reset), asks(9, Class::Reset)]),
        Case::silent("reading values", vec![asks(0, Class::Read)]),
        Case::silent(
            "the same word in an office protocol",
            vec![of("http", asks(0, Class::Reset))],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, asks, refused};
    use model::{Detail, Outcome};

    #[test]
    fn one_refusal_is_told_as_one() {
        let no = refused(1, Class::Reset, "busy");
        let mut yes = no.clone();
        if let Detail::Operation(operation) = &mut yes.detail {
            operation.outcome = Outcome::Done;
        }
        let found = Case::fires("both", vec![asks(0, Class::Reset), no, yes]).run();
        let found = found.iter().find(|f| f.detector == "device-restart").expect("a finding");
        assert!(found.explanation.ends_with(" 1 is a refusal, 1 is not."), "{found:#?}");
    }
}
