//! Controllers that are stopped, started or change their operating mode.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    act::{Act, Acts, is_managed},
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
};
use model::{Address, Detail, Observation, OperationClass as Class, Severity, Subject};

pub static CONTROLLER_MODE: Detector = Detector {
    about: About {
        id: "controller-mode",
        title: "Controller stopped, started or switched",
        engine: model::Engine::Operational,
        why: "A controller that stops no longer regulates, interlocks or reports; one that starts \
              moves machinery. Attackers stop controllers to halt the process or to load a \
              changed program.",
        techniques: &["T0858", "T0816", "T0881"],
        false_positives: "Maintenance and commissioning: engineers stop controllers to download.",
        runbook: "Ask the shift whether somebody works on this controller.\n\
                  Look at the controller: mode, key position, diagnostic buffer.\n\
                  If nobody knows of it, disconnect the station that asked and go to manual.\n\
                  Compare the program with the last backup before the controller runs again.",
        sees: &[Kind::Operation, Kind::State],
    },
    watch: || {
        let acts = Acts::new(&CONTROLLER_MODE.about, ACTS);
        Box::new(ControllerMode { acts, modes: memory() })
    },
    #[cfg(test)]
    cases,
};

static ACTS: &[Act] = &[
    Act {
        class: Class::Stop,
        title: "{0} stops {1}",
        severity: Severity::High,
        from_engineering: Severity::Medium,
        habit: Severity::Low,
        techniques: &["T0858", "T0816", "T0881"],
    },
    Act {
        class: Class::Start,
        title: "{0} starts {1}",
        severity: Severity::Medium,
        from_engineering: Severity::Medium,
        habit: Severity::Low,
        techniques: &["T0858", "T0816"],
    },
];

struct ControllerMode {
    acts: Acts,
    /// Device -> mode it reported last.
    modes: Memory<Address, Box<str>>,
}

impl Watch for ControllerMode {
    fn wants(&self, protocol: &str, class: Class) -> bool {
        self.acts.wants(protocol, class)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else {
            return self.acts.see(o, site, out);
        };
        if state.what != "mode" || is_managed(o.protocol) {
            return;
        }
        let device = match state.subject {
            Subject::Receiver | Subject::ReceiverModule { .. } => o.to.address(),
            Subject::Address(address) => Some(address),
            _ => o.from.address(),
        };
        let Some(device) = device else { return };
        self.reported(o, device, &state.value, out);
    }
}

impl ControllerMode {
    fn reported(&mut self, o: &Observation, device: Address, mode: &str, out: &mut Findings) {
        let before = match self.modes.get_mut(&device) {
            Some(known) if **known == *mode => return,
            Some(known) => std::mem::replace(known, mode.into()),
            None => {
                if self.modes.len() < WATCHED_MAX {
                    self.modes.insert(device, mode.into());
                }
                return;
            }
        };
        // Startup is on the way to run: the step that matters follows.
        if mode == "startup" || (&*before == "startup" && mode == "run") {
            return;
        }
        let severity = if mode == "run" { Severity::Low } else { Severity::Medium };
        let about = &CONTROLLER_MODE.about;
        let raised = out.raise(about, ("mode", device, mode), o, || {
            let title = format!("{{0}} went from {before} to {mode}");
            Draft::about(vec![device], severity, title)
                .because(format!("It reported the mode {before} before and reports {mode} now."))
                .techniques(&["T0858"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, refused, state};
    vec![
        Case::fires("a stop", vec![asks(0, Class::Stop)]),
        Case::fires(
            "a device that stopped",
            vec![state(0, "mode", "run"), state(9, "mode", "stop")],
        ),
        Case::silent("reads", vec![asks(0, Class::Read), asks(1, Class::Read)]),
        Case::silent("a refusal alone", vec![refused(0, Class::Stop, "access denied")]),
        Case::silent("starting up", vec![state(0, "mode", "startup"), state(9, "mode", "run")]),
    ]
}
