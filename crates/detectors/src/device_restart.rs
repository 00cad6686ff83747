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
