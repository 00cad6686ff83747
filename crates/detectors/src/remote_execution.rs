//! Programs started on other Windows hosts: services, tasks, WMI.

use crate::{
    About, Detector, Kind,
    named::{Sign, Signs, asks},
};
use model::{Object, Operation, Severity};

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
            protocols: &["dcerpc", "smb"],
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
    Sign {
        matches: opens_tool_pipe,
        title: "{0} talks to a remote execution tool on {1}",
        severity: Severity::High,
        says: "the pipe has the name that programs for remote execution give it",
        techniques: &["T1569", "T1021", "T0886", "T0867"],
    },
    Sign {
        matches: |o| asks(o, &["BaseRegSetValue", "BaseRegCreateKey"]),
        title: "{0} changes the registry of {1}",
        severity: Severity::Medium,
        says: "the registry says what starts with the system, and what it lets in",
        techniques: &["T1112", "T1021", "T0886"],
    },
];

/// How the pipes of PsExec and its likes, and of a common attack framework, begin.
fn opens_tool_pipe(o: &Operation) -> bool {
    const PIPES: &[&str] = &[
        "psexesvc",
        "paexec",
        "remcom",
        "csexecsvc",
        "winexesvc",
        "cubbieexec",
        "msagent_",
        "postex_",
        "msse-",
    ];
    let Object::Name { name, .. } = &o.object else { return false };
    let begins = |pipe: &&str| {
        let last = name.rsplit(['\\', '/']).next().unwrap_or_default();
        last.get(..pipe.len()).is_some_and(|start| start.eq_ignore_ascii_case(pipe))
    };
    o.function_name == "open pipe" && PIPES.iter().any(begins)
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, called, of, operation};
    use model::OperationClass as Class;
    let opens = |name: &str| {
        let object = Object::Name { area: "pipe", name: name.into() };
        let function_name = "open pipe";
        let operation = Operation { object, function_name, ..operation(Class::File, 5) };
        of("smb", asked(0, operation))
    };
    vec![
        Case::fires("a service", vec![called(0, "dcerpc", "RCreateServiceW")]),
        Case::fires("WMI", vec![called(0, "dcerpc", "ExecMethod")]),
        Case::fires("PsExec's pipe", vec![opens("\\\\SRV-1\\IPC$\\PSEXESVC")]),
        Case::silent("a pipe of the system", vec![opens("\\\\SRV-1\\IPC$\\srvsvc")]),
        Case::silent("a list of services", vec![called(0, "dcerpc", "REnumServicesStatusW")]),
    ]
}
