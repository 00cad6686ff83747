//! Devices that say of themselves that something is wrong with them.
//!
//! Not here: what others did to them. Invariant: nothing is concluded; the device's own word is
//! the finding, and one that says "all is well again" raises none.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    act::{Targets, whose},
};
use model::{Address, Detail, Observation, OperationClass, Outcome, Severity, StateChange};

pub static DEVICE_TROUBLE: Detector = Detector {
    about: About {
        id: "device-trouble",
        title: "Device reports trouble of its own",
        engine: model::Engine::Operational,
        why: "Devices tell of faults, restarts, lost events and wrong clocks in bits that few \
              masters show. Whoever attacks a device often leaves just these traces, and a \
              device that wears out gives them weeks before it fails.",
        techniques: &["T0814", "T0816", "T0804", "T0881"],
        false_positives: "Work on the device, a restart after maintenance, power failures, \
                          simulators that set the bits at random.",
        runbook: "Read the device's own diagnosis: buffer, event log, lamps.\n\
                  See what happened to it before: commands, downloads, loss of power.\n\
                  Look whether masters show the fault; what they do not show nobody will see.\n\
                  Have a spare and the last backup of its configuration at hand.",
        sees: &[Kind::State, Kind::Operation],
    },
    watch: || Box::new(DeviceTrouble { units: Targets::default() }),
    #[cfg(test)]
    cases,
};

/// A state that is trouble.
struct Trouble {
    what: &'static str,
    is: fn(&str) -> bool,
    /// `{0}` is the device.
    title: &'static str,
    severity: Severity,
    says: &'static str,
    techniques: &'static [&'static str],
}

static TROUBLES: &[Trouble] = &[
    Trouble {
        what: "trouble",
        is: is_yes,
        title: "{0} reports a fault of its hardware or program",
        severity: Severity::Medium,
        says: "It sets the indication \"device trouble\" in its answers (IEEE 1815, 4.5.5).",
        techniques: &["T0814"],
    },
    Trouble {
        what: "configuration-corrupt",
        is: is_yes,
        title: "{0} says that its configuration is corrupt",
        severity: Severity::Medium,
        says: "It sets the indication \"configuration corrupt\" in its answers: it may run with \
               settings nobody chose (IEEE 1815, 4.5.9).",
        techniques: &["T0814", "T0816"],
    },
    Trouble {
        what: "restart",
        is: |value| value != "no",
        title: "{0} has restarted",
        severity: Severity::Low,
        says: "While it restarted it neither controlled nor reported; its \
               clock and what it held in memory may be gone.",
        techniques: &["T0816"],
    },
    Trouble {
        what: "local-control",
        is: is_yes,
        title: "{0} was switched to local control",
        severity: Severity::Low,
        says: "Some of its outputs no longer follow the control room (IEEE 1815, 4.5.4).",
        techniques: &["T0814"],
    },
    Trouble {
        what: "event-buffer-overflow",
        is: is_yes,
        title: "{0} lost events: its buffer overflowed",
        severity: Severity::Low,
        says: "Nobody fetched them in time, or there were more than it can hold; the record of \
               what happened has a gap.",
        techniques: &["T0804", "T0814"],
    },
    Trouble {
        what: "report-overflow",
        is: |_| true,
        title: "{0} lost reports: its buffer overflowed",
        severity: Severity::Low,
        says: "Nobody fetched them in time, or there were more than it can hold; the record of \
               what happened has a gap (IEC 61850-7-2, 17.2).",
        techniques: &["T0804", "T0814"],
    },
    Trouble {
        what: "pn-station",
        is: |value| value.ends_with(": problem"),
        title: "{0} reports a problem to its controller",
        severity: Severity::Low,
        says: "The status of its cyclic frames says that a module or channel has a fault.",
        techniques: &["T0814"],
    },
    Trouble {
        what: "pn-provider",
        is: |value| value.ends_with(": stop"),
        title: "{0} sends cyclic data and says that they do not hold",
        severity: Severity::Low,
        says: "Its provider is stopped: the values in its frames are not those of the process.",
        techniques: &["T0881"],
    },
    Trouble {
        what: "alarm",
        is: is_alarm,
        title: "{0} raises alarms",
        severity: Severity::Low,
        says: "It tells its controller or operator of a fault or a limit that was passed.",
        techniques: &["T0814"],
    },
    Trouble {
        what: "ethercat-state",
        is: |value| value.ends_with(", error"),
        title: "A device of the EtherCAT segment of {0} reports an error",
        severity: Severity::Medium,
        says: "It signals an error in its state and waits for its master to acknowledge it.",
        techniques: &["T0814"],
    },
    Trouble {
        what: "pmu-data",
        is: |value| !value.ends_with(": good"),
        title: "{0} marks its measurements as wrong",
        severity: Severity::Medium,
        says: "Who regulates or protects by these phasors has lost sight of the grid here \
               (IEEE C37.118.2, 6.3).",
        techniques: &["T0804"],
    },
    Trouble {
        what: "pmu-clock",
        is: |value| value.ends_with(": not synchronised"),
        title: "{0} measures without a time source",
        severity: Severity::Medium,
        says: "Phasors of different places can only be compared when their clocks agree to a \
               microsecond (IEEE C37.118.2, 6.3).",
        techniques: &["T0814"],
    },
];

fn is_yes(value: &str) -> bool {
    value == "yes"
}

/// Not an alarm that goes, nor a word of everyday.
fn is_alarm(value: &str) -> bool {
    const HARMLESS: [&str; 9] = [
        "status",
        "update",
        "released",
        "return of submodule",
        "diagnosis gone",
        "module plugged",
        "port data change",
        "upload and retrieval",
        "error reset",
    ];
    value != "no"
        && !value.ends_with(": normal")
        && !HARMLESS.iter().any(|harmless| value.starts_with(harmless))
}

/// Refusals that are a fault of the device (MODBUS Application Protocol 1.1b3, section 7).
const FAULTS: [&str; 2] = ["server device failure", "memory parity error"];

struct DeviceTrouble {
    /// Units behind one address that fail.
    units: Targets<Address, Option<u32>>,
}

impl Watch for DeviceTrouble {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "modbus"
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::State(state) => said(o, state, out),
            Detail::Operation(operation) => {
                let Outcome::Refused { name, .. } = operation.outcome else { return };
                if o.protocol == "modbus" && FAULTS.contains(&name) {
                    self.failed(o, name, operation.unit, out);
                }
            }
            _ => {}
        }
    }
}

fn said(o: &Observation, state: &StateChange, out: &mut Findings) {
    let of = |trouble: &&Trouble| trouble.what == state.what && (trouble.is)(&state.value);
    let Some(trouble) = TROUBLES.iter().find(of) else { return };
    let Some(device) = whose(o, state.subject) else { return };
    let raised = out.raise(&DEVICE_TROUBLE.about, (state.what, device), o, || {
        Draft::about(vec![device], trouble.severity, trouble.title)
            .because(format!("It says \"{}: {}\". {}", state.what, state.value, trouble.says))
            .techniques(trouble.techniques)
    });
    if let Some(open) = raised
        && !open.is_new()
    {
        open.proof_of("latest", o);
    }
}

impl DeviceTrouble {
    fn failed(&mut self, o: &Observation, name: &str, unit: Option<u32>, out: &mut Findings) {
        let Some(device) = o.from.address() else { return };
        let apart = self.units.apart(device, unit);
        let raised = out.raise(&DEVICE_TROUBLE.about, (name, device, apart), o, || {
            let units = match apart {
                Some(Some(unit)) => format!(" (unit {unit})"),
                Some(None) => String::new(),
                None => " (many units)".to_owned(),
            };
            // What it was asked is no fault of who asked.
            let ends = [o.to.address(), o.from.address()].into_iter().flatten().collect();
            let title = format!("{{1}}{units} answers {{0}} with \"{name}\"");
            Draft::about(ends, Severity::Low, title)
                .because(
                    "It understood the request and could not do it: a fault of the device or of \
                     what is behind it (MODBUS Application Protocol 1.1b3, section 7).",
                )
                .techniques(&["T0814"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, of, refused, state};
    let dnp3 = |at, what, value| of("dnp3", state(at, what, value));
    let fails = |unit: u32| {
        let mut o = refused(unit.into(), OperationClass::Read, "server device failure");
        if let Detail::Operation(operation) = &mut o.detail {
            operation.unit = Some(unit);
        }
        o
    };
    vec![
        Case::fires("a fault", vec![dnp3(0, "trouble", "yes"), dnp3(9, "trouble", "no")]),
        Case::fires("lost events", vec![dnp3(0, "event-buffer-overflow", "yes")]),
        Case::fires("a restart", vec![of("iec104", state(0, "restart", "reset remotely"))]),
        Case::fires("an alarm", vec![of("bacnet", state(0, "alarm", "analog-input 3: fault"))]),
        Case::fires(
            "a device that cannot",
            vec![refused(0, OperationClass::Read, "server device failure")],
        ),
        // Three of their own, and one of the others.
        Case {
            raises: 4,
            ..Case::fires("many units behind one address", (1..60).map(fails).collect())
        },
        Case::silent("no fault", vec![dnp3(0, "trouble", "no"), dnp3(1, "restart", "no")]),
        Case::silent(
            "alarms that go",
            vec![
                of("bacnet", state(0, "alarm", "analog-input 3: normal")),
                of("pn_io", state(1, "alarm", "diagnosis gone in slot 1, subslot 0x0001")),
                of("canopen", state(2, "alarm", "no")),
            ],
        ),
        Case::silent("a refusal", vec![refused(0, OperationClass::Read, "illegal function")]),
    ]
}

#[cfg(test)]
mod tests {
    use crate::testing::{Case, of, state};
    use model::Evidence;

    #[test]
    fn each_message_is_shown_once() {
        let restarts = [0, 9_000_000].map(|at| of("dnp3", state(at, "restart", "yes")));
        let found = Case::fires("two restarts", restarts.to_vec()).run();
        let found = found.iter().find(|f| f.detector == "device-trouble").expect("a finding");
        let said = found.evidence().iter().filter(|e| matches!(e, Evidence::Message { .. }));
        assert_eq!(said.count(), 2, "{found:#?}");
    }
}
