//! Clocks of devices set.

use crate::{
    About, Detector, Kind,
    act::{Act, Acts},
};
use model::{OperationClass as Class, Severity};

pub static CLOCK_CHANGE: Detector = Detector {
    about: About {
        id: "clock-change",
        title: "Clock of a device set",
        engine: model::Engine::Operational,
        why: "Events, alarms and schedules are dated by the device's clock. A clock set wrong \
              hides the order of events and can start or stop scheduled work.",
        techniques: &["T0836", "T0872"],
        false_positives: "Masters that set the time of their outstations as a habit.",
        runbook: "Compare the device's clock with the site's time source.\n\
                  Ask who may set clocks; let one station do it.\n\
                  If it was set wrong, correct it and mark the logs of that time.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(Acts::new(&CLOCK_CHANGE.about, ACTS)),
    #[cfg(test)]
    cases,
};

static ACTS: &[Act] = &[Act {
    class: Class::TimeSync,
    special: None,
    title: "{0} sets the clock of {1}",
    severity: Severity::Low,
    from_engineering: Severity::Low,
    habit: Severity::Info,
    techniques: &["T0836", "T0872"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, of};
    vec![
        Case::fires("a clock set", vec![asks(0, Class::TimeSync), asks(9, Class::TimeSync)]),
        Case::silent("reading values", vec![asks(0, Class::Read)]),
        Case::silent(
            "the same word in an office protocol",
            vec![of("http", asks(0, Class::TimeSync))],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, asks};

    #[test]
    fn what_goes_to_all_names_no_device() {
        let mut said = asks(0, Class::TimeSync);
        said.to.mac = Some(model::Mac([0xff; 6]));
        let found = Case::fires("a broadcast", vec![said]).run();
        let found = found.iter().find(|f| f.detector == "clock-change").expect("a finding");
        assert_eq!(found.title, "192.168.1.10 sets the clock of all in the network");
    }
}
