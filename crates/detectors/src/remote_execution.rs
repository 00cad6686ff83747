//! Programs started on other Windows hosts: services, tasks, WMI, DCOM, WinRM; and their shutdown.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    named::{Sign, Signs, asks, name_of},
};
use model::{Detail, Object, Observation, Operation, OperationClass, Severity};

pub static REMOTE_EXECUTION: Detector = Detector {
    about: About {
        id: "remote-execution",
        title: "Program started on another host",
        engine: model::Engine::Malware,
        why: "Creating a service, a task or a process on another host is how administrators work \
              and how intruders move from host to host; in a plant it is rare.",
        techniques: &["T1021", "T1569", "T1543", "T1047", "T1053", "T0886", "T0867", "T1529"],
        false_positives: "Software distribution, monitoring and administrators' tools; programs \
                          that drive others by OLE automation, as old visualisations do.",
        runbook: "Ask the administrators whether one of them did it just then.\n\
                  Look at the service, task or process that was created on the target.\n\
                  If nobody knows of it, isolate both hosts and change the account that was used.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let about = &REMOTE_EXECUTION.about;
        Box::new(RemoteExecution {
            always: Signs { about, protocols: &["dcerpc", "smb"], signs: SIGNS, habits: false },
            unless_usual: Signs {
                about,
                protocols: &["dcerpc", "http"],
                signs: UNLESS_USUAL,
                habits: true,
            },
        })
    },
    #[cfg(test)]
    cases,
};

struct RemoteExecution {
    always: Signs,
    /// What some plants do every day; pairs that were learned to are spared.
    unless_usual: Signs,
}

impl Watch for RemoteExecution {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        self.always.wants(protocol, class) || self.unless_usual.wants(protocol, class)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        if self.is_told(o, out) {
            return;
        }
        self.always.see(o, site, out);
        self.unless_usual.see(o, site, out);
    }
}

impl RemoteExecution {
    /// The start of a service that the same host made or changed belongs to that finding.
    fn is_told(&self, o: &Observation, out: &mut Findings) -> bool {
        let Detail::Operation(operation) = &o.detail else { return false };
        if o.protocol != "dcerpc" || !asks(operation, STARTS) {
            return false;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return false };
        [CREATES_SERVICE, CHANGES_SERVICE].iter().any(|title| {
            let about = self.always.about;
            let key = (*title, client, server);
            let draft = || Draft::between(o, Severity::High, *title);
            out.known(about, key).is_some() && out.raise(about, key, o, draft).is_some()
        })
    }
}

const CREATES_SERVICE: &str = "{0} creates a service on {1}";
const CHANGES_SERVICE: &str = "{0} changes what a service of {1} runs";

/// Calls that start what may just have been made.
const STARTS: &[&str] = &["RStartServiceW", "RStartServiceA"];

static SIGNS: &[Sign] = &[
    Sign {
        matches: |o| {
            let names = ["RCreateServiceW", "RCreateServiceA", "RCreateServiceWOW64A"];
            asks(o, &names) || asks(o, &["RCreateServiceWOW64W", "RCreateWowService"])
        },
        title: CREATES_SERVICE,
        severity: Severity::High,
        says: "a remote service runs a program with the rights of the system, as PsExec does",
        techniques: &["T1021", "T1569", "T1543", "T0886", "T0867"],
    },
    Sign {
        matches: |o| changes_service(o) && matches!(o.object, Object::Name { area: "command", .. }),
        title: CHANGES_SERVICE,
        severity: Severity::High,
        says: "a service that is there already runs another program from now on, with the rights \
               of the system and no file left behind",
        techniques: &["T1021", "T1569", "T1543", "T0886", "T0867"],
    },
    Sign {
        matches: changes_service,
        title: "{0} changes a service of {1}",
        severity: Severity::Medium,
        says: "what of it is encrypted: when it starts, or which program it is",
        techniques: &["T1021", "T1543", "T0886"],
    },
    Sign {
        matches: |o| asks(o, STARTS),
        title: "{0} starts a service on {1}",
        severity: Severity::Medium,
        says: "the service was there already: administrators start services anew, and so does \
               whoever changed one before",
        techniques: &["T1021", "T1569", "T0886", "T0867"],
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
    Sign {
        matches: activates_shell,
        title: "{0} starts a program by DCOM on {1}",
        severity: Severity::High,
        says: "objects of this class run any program for who may call them from another host",
        techniques: &["T1021", "T0886", "T0867"],
    },
    Sign {
        matches: |o| asks(o, SHUTDOWN),
        title: "{0} shuts {1} down or starts it anew",
        severity: Severity::High,
        says: "whoever does so stops what the host controls or shows",
        techniques: &["T1529", "T0816"],
    },
    Sign {
        matches: |o| asks(o, &["PutInstance"]),
        title: "{0} puts an object into WMI of {1}",
        severity: Severity::Medium,
        says: "a subscription put there runs a program at an event, and again after each start",
        techniques: &["T1546", "T1047", "T1021"],
    },
];

static UNLESS_USUAL: &[Sign] = &[
    Sign {
        matches: |o| asks(o, &["Invoke"]),
        title: "{0} drives a program on {1} by DCOM",
        severity: Severity::High,
        says: "by OLE automation a program on another host does all that it can, such as starting \
               others; nobody was learned to do so here",
        techniques: &["T1021", "T0886", "T0867"],
    },
    Sign {
        matches: |o| o.function_name == "WinRM request",
        title: "{0} manages {1} by WinRM",
        severity: Severity::Medium,
        says: "PowerShell runs commands on another host this way; the answer says that they were \
               taken",
        techniques: &["T1021", "T0886"],
    },
];

const SHUTDOWN: &[&str] = &[
    "BaseInitiateShutdown",
    "BaseInitiateShutdownEx",
    "BaseInitiateSystemShutdown",
    "BaseInitiateSystemShutdownEx",
];

fn changes_service(o: &Operation) -> bool {
    asks(o, &["RChangeServiceConfigW", "RChangeServiceConfigA"])
}

/// Classes whose methods run programs, and which nobody needs from another host.
fn activates_shell(o: &Operation) -> bool {
    let activates = ["RemoteActivation", "RemoteGetClassObject", "RemoteCreateInstance"];
    let shells = ["MMC20.Application", "ShellWindows", "ShellBrowserWindow"];
    asks(o, &activates) && shells.contains(&name_of(o))
}

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
    use crate::testing::{Case, answered_with, asked, called, exchange, host, of, operation, port};
    use model::OperationClass as Class;
    let opens = |name: &str| {
        let object = Object::Name { area: "pipe", name: name.into() };
        let function_name = "open pipe";
        let operation = Operation { object, function_name, ..operation(Class::File, 5) };
        of("smb", asked(0, operation))
    };
    let starts = |class: &str| {
        let object = Object::Name { area: "class", name: class.into() };
        let function_name = "RemoteCreateInstance";
        let operation = Operation { object, function_name, ..operation(Class::Start, 4) };
        vec![of("dcerpc", asked(0, operation))]
    };
    let starts_service = || called(10, "dcerpc", "RStartServiceW");
    let changes = |command: &str| {
        let object = Object::Name { area: "command", name: command.into() };
        let function_name = "RChangeServiceConfigW";
        let operation = Operation { object, function_name, ..operation(Class::Configure, 11) };
        of("dcerpc", asked(0, operation))
    };
    let usual = |protocol, server_port| {
        vec![exchange(0, port(host(10), 50_000), port(host(20), server_port), protocol)]
    };
    let invokes = || vec![called(0, "dcerpc", "Invoke")];
    let manages = || vec![answered_with(0, "http", "WinRM request")];
    vec![
        Case::fires("a console", starts("MMC20.Application")),
        Case::silent("a server of values", starts("Matrikon.OPC.Simulation")),
        Case::fires("a restart", vec![called(0, "dcerpc", "BaseInitiateSystemShutdown")]),
        Case::fires("a subscription", vec![called(0, "dcerpc", "PutInstance")]),
        Case::fires("automation", invokes()),
        Case::fires("another's automation", invokes()).after(usual("dcerpc", 135)),
        Case::silent("usual automation", invokes()).after(usual("dcerpc", 502)),
        Case::fires("PowerShell", manages()),
        Case::silent("usual PowerShell", manages()).after(usual("http", 80)),
        Case::fires("a service", vec![called(0, "dcerpc", "RCreateServiceW")]),
        Case::fires("another program", vec![changes("cmd /c x"), starts_service()]),
        Case::fires("a change unread", vec![called(0, "dcerpc", "RChangeServiceConfigW")]),
        Case::fires("a start", vec![starts_service()]),
        Case::silent(
            "automatic or by hand",
            vec![called(0, "dcerpc", "RChangeServiceConfig but not of its program")],
        ),
        Case::fires("WMI", vec![called(0, "dcerpc", "ExecMethod")]),
        Case::fires("PsExec's pipe", vec![opens("\\\\SRV-1\\IPC$\\PSEXESVC")]),
        Case::silent("a pipe of the system", vec![opens("\\\\SRV-1\\IPC$\\srvsvc")]),
        Case::silent("a list of services", vec![called(0, "dcerpc", "REnumServicesStatusW")]),
    ]
}
