//! Attacks on Windows domains: directory replication, Zerologon, printer drivers, weak tickets.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
    named::{Sign, Signs, asks, name_of},
};
use model::{Address, Detail, Observation, Operation, OperationClass, Severity};

pub static DOMAIN_ATTACK: Detector = Detector {
    about: About {
        id: "domain-attack",
        title: "Attack on the Windows domain",
        engine: model::Engine::Malware,
        why: "Who holds the domain holds every host that belongs to it, the servers beside the \
              plant among them. These messages are seldom sent by anybody but attackers.",
        techniques: &["T1003", "T1210", "T1068", "T1078", "T1547", "T0866", "T0890"],
        false_positives: "Domain controllers replicate with one another and directory \
                          synchronisation does; administrators install printer drivers.",
        runbook: "See whether the source is a domain controller or the directory's \
                  synchronisation; if so, mute the finding for it.\n\
                  If not, isolate the source at once and call the domain's administrators.\n\
                  Change the secrets that may be known: krbtgt twice, the machine account, the \
                  account used.\n\
                  Install the missing updates on the target.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let signs = Signs {
            about: &DOMAIN_ATTACK.about,
            protocols: &["dcerpc"],
            signs: SIGNS,
            habits: true,
        };
        Box::new(DomainAttack { signs, unbound: memory() })
    },
    #[cfg(test)]
    cases,
};

/// Calls of directory replication whose interface was bound before the capture began: bind,
/// domain controller's data, names, changes ([MS-DRSR], 4.1).
const REPLICATION: &[u32] = &[0, 16, 12, 3];

struct DomainAttack {
    signs: Signs,
    /// Client, server and port -> calls of [`REPLICATION`] on an unknown interface, as a set.
    unbound: Memory<(Address, Address, u16), u8>,
}

impl Watch for DomainAttack {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        protocol == "dcerpc" || self.signs.wants(protocol, class)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        self.signs.see(o, site, out);
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "dcerpc" || !asks(operation, &["call"]) {
            return;
        }
        let Some(place) = REPLICATION.iter().position(|n| *n == operation.function) else { return };
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        if self.unbound.len() >= WATCHED_MAX {
            self.unbound.clear();
        }
        let key = (client, server, o.to.port.unwrap_or_default());
        let calls = self.unbound.entry(key).or_default();
        *calls |= 1 << place;
        if *calls != (1 << REPLICATION.len()) - 1 {
            return;
        }
        let raised = out.raise(&DOMAIN_ATTACK.about, ("unbound", client, server), o, || {
            let title = "{0} seems to replicate the directory of {1} (DCSync)";
            Draft::between(o, Severity::Medium, title)
                .because(
                    "The interface was bound before the capture began, but the calls are those of \
                     directory replication (DRSUAPI: bind, domain controller, names, changes), \
                     which gives the password hashes of every account.",
                )
                .techniques(&["T1003", "T1078", "T0859"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

static SIGNS: &[Sign] = &[
    Sign {
        matches: |o| asks(o, &["IDL_DRSGetNCChanges"]),
        title: "{0} replicates the directory of {1} (DCSync)",
        severity: Severity::High,
        says: "directory replication gives the password hashes of every account; only domain \
               controllers should ask for it",
        techniques: &["T1003", "T1078", "T0859"],
    },
    Sign {
        matches: |o| o.function_name.contains("with zero credential"),
        title: "{0} attacks Netlogon of {1} with a zero credential (Zerologon)",
        severity: Severity::Critical,
        says: "CVE-2020-1472: one in 256 zero credentials is accepted, and the domain \
               controller's password can be set",
        techniques: &["T1210", "T1068", "T1078", "T0866", "T0890"],
    },
    Sign {
        matches: |o| {
            asks(o, &["RpcAddPrinterDriverEx", "RpcAddPrinterDriver", "RpcAsyncAddPrinterDriver"])
        },
        title: "{0} installs a printer driver on {1} (PrintNightmare)",
        severity: Severity::High,
        says: "CVE-2021-34527: a driver from anywhere is loaded by the print spooler with the \
               rights of the system",
        techniques: &["T1210", "T1068", "T1547", "T0866", "T0890"],
    },
    Sign {
        matches: |o| asks(o, COERCING),
        title: "{0} makes {1} sign in elsewhere (forced authentication)",
        severity: Severity::High,
        says: "the path it names lies on another host, and the server signs in there with its own \
               account, which is passed on to a third one (PetitPotam, PrinterBug, DFSCoerce)",
        techniques: &["T1187", "T1557", "T0866"],
    },
    Sign {
        matches: |o| asks(o, &["IDL_DRSAddEntry", "IDL_DRSReplicaAdd"]),
        title: "{0} registers itself as a domain controller with {1} (DCShadow)",
        severity: Severity::High,
        says: "a false domain controller can replicate any change into the directory",
        techniques: &["T1207", "T1098"],
    },
    Sign {
        matches: |o| reads_secret(o) && is_backup_key(name_of(o)),
        title: "{0} reads the domain's backup key at {1}",
        severity: Severity::High,
        says: "with the backup key every secret that users protected on any host can be read, for \
               as long as the domain exists",
        techniques: &["T1003", "T1555"],
    },
    Sign {
        matches: |o| asks(o, &["BaseRegOpenKey", "BaseRegCreateKey"]) && is_secret_key(name_of(o)),
        title: "{0} reads password hashes in the registry of {1}",
        severity: Severity::High,
        says: "under this key lie the hashes and secrets of accounts, or the parts of the key \
               that they are encrypted with; nobody reads them over the network but to get them",
        techniques: &["T1003"],
    },
    Sign {
        matches: |o| asks(o, &["BaseRegSaveKey", "BaseRegSaveKeyEx"]),
        title: "{0} saves a part of the registry of {1}",
        severity: Severity::High,
        says: "saved parts of the registry hold the password hashes of local accounts and services",
        techniques: &["T1003"],
    },
    Sign {
        matches: |o| asks(o, &["ElfrClearELFW", "EvtRpcClearLog"]),
        title: "{0} clears an event log of {1}",
        severity: Severity::High,
        says: "who clears a log hides what was done before",
        techniques: &["T1070", "T0872"],
    },
];

pub(crate) fn reads_secret(o: &Operation) -> bool {
    asks(o, &["LsarRetrievePrivateData", "LsarOpenSecret"])
}

/// [MS-BKRP], 3.1.1: the names of the pairs of keys, and of the one in use.
pub(crate) fn is_backup_key(name: &str) -> bool {
    const PREFIX: &str = "G$BCKUPKEY_";
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Where Windows keeps hashes and secrets, and four keys whose classes make up the boot key.
fn is_secret_key(name: &str) -> bool {
    const PLACES: &[&str] = &["sam\\sam\\domains", "security\\policy", "security\\cache"];
    const BOOT_KEY: &[&str] = &["lsa\\jd", "lsa\\skew1", "lsa\\gbg", "lsa\\data"];
    let name = name.to_ascii_lowercase();
    let name = name.trim_matches('\\');
    PLACES.iter().any(|place| name.starts_with(place))
        || BOOT_KEY.iter().any(|part| name.ends_with(&format!("control\\{part}")))
}

/// Calls that take a path and open it as the server's own account.
const COERCING: &[&str] = &[
    "EfsRpcOpenFileRaw",
    "EfsRpcEncryptFileSrv",
    "EfsRpcDecryptFileSrv",
    "EfsRpcQueryUsersOnFile",
    "EfsRpcQueryRecoveryAgents",
    "EfsRpcAddUsersToFile",
    "EfsRpcAddUsersToFileEx",
    "EfsRpcFileKeyInfo",
    "EfsRpcDuplicateEncryptionInfoFile",
    "RpcRemoteFindFirstPrinterChangeNotification",
    "RpcRemoteFindFirstPrinterChangeNotificationEx",
    "NetrDfsAddStdRoot",
    "NetrDfsRemoveStdRoot",
    "IsPathSupported",
    "IsPathShadowCopied",
    "ElfrOpenBELW of a file on another host",
];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, called};
    use model::Object;
    let on = |operation: &'static str, area: &'static str, name: &str| {
        let mut o = called(0, "dcerpc", operation);
        if let Detail::Operation(operation) = &mut o.detail {
            operation.object = Object::Name { area, name: name.into() };
        }
        vec![o]
    };
    let opens = |key: &str| on("BaseRegOpenKey", "registry key", key);
    let zero = "NetrServerAuthenticate3 with zero credential";
    vec![
        Case::fires("replication", vec![called(0, "dcerpc", "IDL_DRSGetNCChanges")]),
        Case::fires("Zerologon", vec![called(0, "dcerpc", zero), called(9, "dcerpc", zero)]),
        Case::fires("PetitPotam", vec![called(0, "dcerpc", "EfsRpcOpenFileRaw")]),
        Case::fires("DCShadow", vec![called(0, "dcerpc", "IDL_DRSAddEntry")]),
        Case::fires("the boot key", opens("SYSTEM\\CurrentControlSet\\Control\\Lsa\\JD")),
        Case::fires("hashes", opens("SAM\\SAM\\Domains\\Account\\Users\\000001F4")),
        Case::silent("a setting", opens("SYSTEM\\CurrentControlSet\\Control\\Lsa")),
        Case::fires(
            "the backup key",
            on("LsarRetrievePrivateData", "secret", "G$BCKUPKEY_PREFERRED"),
        ),
        Case::silent("a user's secret at the domain", vec![called(0, "dcerpc", "BackuprKey")]),
        Case::fires("a log is cleared", vec![called(0, "dcerpc", "EvtRpcClearLog")]),
        Case::silent("a log is read", vec![called(0, "dcerpc", "EvtRpcQueryNext")]),
        Case::silent("a machine signs in", vec![called(0, "dcerpc", "NetrServerAuthenticate3")]),
    ]
}
