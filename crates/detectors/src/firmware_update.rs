//! Firmware sent to devices.

use crate::{
    About, Detector, Kind,
    act::{Act, Acts},
};
use model::{OperationClass as Class, Severity};

pub static FIRMWARE_UPDATE: Detector = Detector {
    about: About {
        id: "firmware-update",
        title: "Firmware sent to a device",
        engine: model::Engine::Operational,
        why: "Firmware decides what a device does and says. Changed firmware survives every \
              program download and can make a device useless.",
        techniques: &["T0857", "T0839", "T0800"],
        false_positives: "Planned updates by the maker's tool.",
        runbook: "Ask whether an update was planned for this device.\n\
                  Read the device's firmware version and compare it with the inventory's history.\n\
                  If nobody planned it, take the device out of service and restore the \
                  maker's firmware.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(Acts::new(&FIRMWARE_UPDATE.about, ACTS)),
    #[cfg(test)]
    cases,
};

static ACTS: &[Act] = &[Act {
    class: Class::FirmwareUpdate,
    special: None,
    title: "{0} sends firmware to {1}",
    severity: Severity::High,
    from_engineering: Severity::High,
    habit: Severity::Medium,
    techniques: &["T0857", "T0839", "T0800"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, of};
    vec![
        Case::fires(
            "a firmware transfer",
            vec![asks(0, Class::FirmwareUpdate), asks(9, Class::FirmwareUpdate)],
        ),
        Case::silent("reading values", vec![asks(0, Class::Read)]),
        Case::silent(
            "the same word in an office protocol",
            vec![of("http", asks(0, Class::FirmwareUpdate))],
        ),
    ]
}
