//! Programs started on other Windows hosts: services, tasks, WMI.

use crate::{
    About, Detector, Kind,
    named::{Sign, Signs, asks},
};
use model::Severity;

pub static REMOTE_EXECUTION: Detector = Detector {
    about: About {
        id: "remote-execution",
        title: "Program started on another host",
        engine: model::Engine::Malware,
        why: "Creating a service, a task or a process on another host is how administrators work \
              and how intruders move from host to host; in a plant it is rare.",
        techniques: &["T1021", "T1569", "T1543", "T1047", "T1053", "T0886", "T0867"],
        false_positives: "Software distribution, monitoring and administrators' tools.",
        runbook: "Ask the administrators whether one of them did it just then.\n\
                  Look at the service, task or process that was created on the target.\n\
                  If nobody knows of it, isolate both hosts and change the account that was used.",
        sees: &[Kind::Operation],
    },
    watch: || {
        Box::new(Signs {
            about: &REMOTE_EXECUTION.about,
            protocols: &["dcerpc"],
            signs: SIGNS,
            habits: false,
        })
    },
    #[cfg(test)]
    cases,
};

const SERVICE: &[&str] = &[
    "RCreateServiceW",
    "RCreateServiceA",
    "RCreateServiceWOW64A",
    "RCreateServiceWOW64W",
    "RCreateWowService",
    "RStartServiceW",
    "RStartServiceA",
    "RChangeServiceConfigW",
    "RChangeServiceConfigA",
];

static SIGNS: &[Sign] = &[
    Sign {
        matches: |o| asks(o, SERVICE),
        title: "{0} creates or starts a service on {1}",
        severity: Severity::High,
        says: "a remote service runs a program with the rights of the system, as PsExec does",
        techniques: &["T1021", "T1569", "T1543", "T0886", "T0867"],
    },
    Sign {
        matches: |o| asks(o, &["NetrJobAdd", "SchRpcRegisterTask", "SchRpcRun"]),
        title: "{0} creates a scheduled task on {1}",
        severity: Severity::High,
        says: "a scheduled task on another host runs a program there",
        techniques: &["T1053", "T1021", "T0886", "T0867"],
    },
    Sign {
        matches: |o| asks(o, &["ExecMethod"]),
        title: "{0} runs a WMI method on {1}",
        severity: Severity::High,
        says: "WMI methods start processes on another host (Win32_Process.Create)",
        techniques: &["T1047", "T1021", "T0886", "T0867"],
    },
];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, called};
    vec![
        Case::fires("a service", vec![called(0, "dcerpc", "RCreateServiceW")]),
        Case::fires("WMI", vec![called(0, "dcerpc", "ExecMethod")]),
        Case::silent("a list of services", vec![called(0, "dcerpc", "REnumServicesStatusW")]),
    ]
}
