//! Settings of devices changed.

use crate::{
    About, Detector, Kind,
    act::{Act, Acts},
};
use model::{OperationClass as Class, Severity};

pub static CONFIGURATION_CHANGE: Detector = Detector {
    about: About {
        id: "configuration-change",
        title: "Settings of a device changed",
        engine: model::Engine::Operational,
        why: "Addresses, names, protection, forces and reporting are settings. Changing them can \
              cut a device off, blind the operators or prepare another step.",
        techniques: &["T0836", "T0892", "T0878"],
        false_positives: "Commissioning, replaced devices, tools that set names and addresses.",
        runbook: "Ask whether somebody works on this device.\n\
                  Compare its settings with the documentation or the last backup.\n\
                  If nobody knows of it, set it back and look at what the sender did before.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(Acts::new(&CONFIGURATION_CHANGE.about, ACTS)),
    #[cfg(test)]
    cases,
};

static ACTS: &[Act] = &[Act {
    class: Class::Configure,
    special: None,
    title: "{0} changes settings of {1}",
    severity: Severity::Low,
    from_engineering: Severity::Low,
    habit: Severity::Info,
    techniques: &["T0836", "T0892", "T0878"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, of};
    vec![
        Case::fires("a setting", vec![asks(0, Class::Configure), asks(9, Class::Configure)]),
        Case::silent("reading values", vec![asks(0, Class::Read)]),
        Case::silent(
            "the same word in an office protocol",
            vec![of("http", asks(0, Class::Configure))],
        ),
    ]
}
