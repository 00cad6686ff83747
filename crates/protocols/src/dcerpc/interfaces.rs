//! Interfaces by their UUID, and the operations of each that matter to an observer.
//!
//! Numbers as in Microsoft's open specifications named beside each interface and in OPC's type
//! libraries. Invariant: an operation not listed is known by its number only.

use super::wire::Uuid;
use model::OperationClass::{self as Class, *};

#[derive(Debug)]
pub struct Interface {
    pub uuid: u128,
    pub name: &'static str,
    pub operations: Operations,
}

type Operations = &'static [(u16, Class, &'static str)];

/// [MS-EFSR] 3.1.4; two interfaces have it.
const EFSRPC: Operations = &[
    (0, File, "EfsRpcOpenFileRaw"),
    (4, File, "EfsRpcEncryptFileSrv"),
    (5, File, "EfsRpcDecryptFileSrv"),
    (6, Browse, "EfsRpcQueryUsersOnFile"),
    (7, Browse, "EfsRpcQueryRecoveryAgents"),
    (9, Configure, "EfsRpcAddUsersToFile"),
    (12, Diagnose, "EfsRpcFileKeyInfo"),
    (13, File, "EfsRpcDuplicateEncryptionInfoFile"),
    (15, Configure, "EfsRpcAddUsersToFileEx"),
];

pub fn find(uuid: Uuid) -> Option<&'static Interface> {
    INTERFACES.iter().find(|i| i.uuid == uuid.0)
}

impl Interface {
    pub fn operation(&self, number: u16) -> (Class, &'static str) {
        let known = self.operations.iter().find(|(n, _, _)| *n == number);
        known.map_or((Other, self.name), |(_, class, name)| (*class, *name))
    }
}

pub const SVCCTL: u128 = 0x367abb81_9844_35f1_ad32_98f038001003;
pub const NETLOGON: u128 = 0x12345678_1234_abcd_ef00_01234567cffb;
pub const SRVSVC: u128 = 0x4b324fc8_1670_01d3_1278_5a47bf6ee188;
pub const WINREG: u128 = 0x338cd001_2244_31f1_aaaa_900038001003;
pub const SAMR: u128 = 0x12345778_1234_abcd_ef00_0123456789ac;
pub const LSARPC: u128 = 0x12345778_1234_abcd_ef00_0123456789ab;
pub const SPOOLSS: u128 = 0x12345678_1234_abcd_ef00_0123456789ab;
pub const TASKS: u128 = 0x86d35949_83c9_4044_b424_db363231fd0c;
pub const EVENTLOG: u128 = 0x82273fdc_e32a_18c3_3f78_827929dc23ea;
pub const EPM: u128 = 0xe1af8308_5d1f_11c9_91a4_08002b14a0fa;

static INTERFACES: &[Interface] = &[
    Interface {
        uuid: EPM,
        name: "epm",
        operations: &[(2, Browse, "ept_lookup"), (3, Browse, "ept_map")],
    },
    Interface {
        // [MS-SCMR], 3.1.4
        uuid: SVCCTL,
        name: "svcctl",
        operations: &[
            (0, Session, "RCloseServiceHandle"),
            (1, Configure, "RControlService"),
            (2, Configure, "RDeleteService"),
            (6, Diagnose, "RQueryServiceStatus"),
            (11, Configure, "RChangeServiceConfigW"),
            (12, Configure, "RCreateServiceW"),
            (14, Browse, "REnumServicesStatusW"),
            (15, Session, "ROpenSCManagerW"),
            (16, Session, "ROpenServiceW"),
            (17, Diagnose, "RQueryServiceConfigW"),
            (19, Start, "RStartServiceW"),
            (23, Configure, "RChangeServiceConfigA"),
            (24, Configure, "RCreateServiceA"),
            (27, Session, "ROpenSCManagerA"),
            (28, Session, "ROpenServiceA"),
            (31, Start, "RStartServiceA"),
            (42, Browse, "REnumServicesStatusExW"),
            (44, Configure, "RCreateServiceWOW64A"),
            (45, Configure, "RCreateServiceWOW64W"),
            (60, Configure, "RCreateWowService"),
        ],
    },
    Interface {
        // [MS-NRPC], 3.5.4
        uuid: NETLOGON,
        name: "netlogon",
        operations: &[
            (2, Authenticate, "NetrLogonSamLogon"),
            (3, Authenticate, "NetrLogonSamLogoff"),
            (4, Authenticate, "NetrServerReqChallenge"),
            (5, Authenticate, "NetrServerAuthenticate"),
            (6, Configure, "NetrServerPasswordSet"),
            (7, Read, "NetrDatabaseDeltas"),
            (15, Authenticate, "NetrServerAuthenticate2"),
            (21, Diagnose, "NetrLogonGetCapabilities"),
            (26, Authenticate, "NetrServerAuthenticate3"),
            (29, Diagnose, "NetrLogonGetDomainInfo"),
            (30, Configure, "NetrServerPasswordSet2"),
            (34, Browse, "DsrGetDcNameEx2"),
            (39, Authenticate, "NetrLogonSamLogonEx"),
            (40, Browse, "DsrEnumerateDomainTrusts"),
            (45, Authenticate, "NetrLogonSamLogonWithFlags"),
        ],
    },
    Interface {
        // [MS-DRSR], 4.1
        uuid: 0xe3514235_4b06_11d1_ab04_00c04fc2dcd2,
        name: "drsuapi",
        operations: &[
            (0, Session, "IDL_DRSBind"),
            (1, Session, "IDL_DRSUnbind"),
            (2, Configure, "IDL_DRSReplicaSync"),
            (3, Read, "IDL_DRSGetNCChanges"),
            (4, Configure, "IDL_DRSUpdateRefs"),
            (5, Configure, "IDL_DRSReplicaAdd"),
            (12, Browse, "IDL_DRSCrackNames"),
            (16, Browse, "IDL_DRSDomainControllerInfo"),
            (17, Configure, "IDL_DRSAddEntry"),
        ],
    },
    Interface {
        // [MS-SAMR], 3.1.5
        uuid: SAMR,
        name: "samr",
        operations: &[
            (0, Session, "SamrConnect"),
            (1, Session, "SamrCloseHandle"),
            (5, Browse, "SamrLookupDomainInSamServer"),
            (6, Browse, "SamrEnumerateDomainsInSamServer"),
            (7, Session, "SamrOpenDomain"),
            (11, Browse, "SamrEnumerateGroupsInDomain"),
            (12, Configure, "SamrCreateUserInDomain"),
            (13, Browse, "SamrEnumerateUsersInDomain"),
            (15, Browse, "SamrEnumerateAliasesInDomain"),
            (17, Browse, "SamrLookupNamesInDomain"),
            (22, Configure, "SamrAddMemberToGroup"),
            (31, Configure, "SamrAddMemberToAlias"),
            (33, Browse, "SamrGetMembersInAlias"),
            (34, Session, "SamrOpenUser"),
            (35, Configure, "SamrDeleteUser"),
            (36, Diagnose, "SamrQueryInformationUser"),
            (37, Configure, "SamrSetInformationUser"),
            (38, Configure, "SamrChangePasswordUser"),
            (40, Browse, "SamrQueryDisplayInformation"),
            (47, Diagnose, "SamrQueryInformationUser2"),
            (48, Browse, "SamrQueryDisplayInformation2"),
            (50, Configure, "SamrCreateUser2InDomain"),
            (51, Browse, "SamrQueryDisplayInformation3"),
            (54, Configure, "SamrOemChangePasswordUser2"),
            (55, Configure, "SamrUnicodeChangePasswordUser2"),
            (57, Session, "SamrConnect2"),
            (58, Configure, "SamrSetInformationUser2"),
            (62, Session, "SamrConnect4"),
            (64, Session, "SamrConnect5"),
            (66, Configure, "SamrSetDSRMPassword"),
        ],
    },
    Interface {
        // [MS-LSAD], 3.1.4; [MS-LSAT], 3.1.4
        uuid: LSARPC,
        name: "lsarpc",
        operations: &[
            (0, Session, "LsarClose"),
            (6, Session, "LsarOpenPolicy"),
            (7, Diagnose, "LsarQueryInformationPolicy"),
            (13, Browse, "LsarEnumerateTrustedDomains"),
            (14, Browse, "LsarLookupNames"),
            (15, Browse, "LsarLookupSids"),
            (16, Configure, "LsarCreateSecret"),
            (28, Session, "LsarOpenSecret"),
            (29, Configure, "LsarSetSecret"),
            (30, Read, "LsarQuerySecret"),
            (42, Configure, "LsarStorePrivateData"),
            (43, Read, "LsarRetrievePrivateData"),
            (44, Session, "LsarOpenPolicy2"),
            (45, Browse, "LsarGetUserName"),
            (57, Browse, "LsarLookupSids2"),
            (76, Browse, "LsarLookupSids3"),
            (77, Browse, "LsarLookupNames4"),
        ],
    },
    Interface {
        // [MS-SRVS], 3.1.4
        uuid: SRVSVC,
        name: "srvsvc",
        operations: &[
            (8, Browse, "NetrConnectionEnum"),
            (9, Browse, "NetrFileEnum"),
            (12, Browse, "NetrSessionEnum"),
            (14, Configure, "NetrShareAdd"),
            (15, Browse, "NetrShareEnum"),
            (16, Browse, "NetrShareGetInfo"),
            (18, Configure, "NetrShareDel"),
            (21, Diagnose, "NetrServerGetInfo"),
            (28, TimeSync, "NetrRemoteTOD"),
            (31, Other, "NetprPathCanonicalize"),
            (32, Other, "NetprPathCompare"),
            (36, Browse, "NetrShareEnumSticky"),
        ],
    },
    Interface {
        // [MS-WKST], 3.2.4
        uuid: 0x6bffd098_a112_3610_9833_46c3f87e345a,
        name: "wkssvc",
        operations: &[
            (0, Diagnose, "NetrWkstaGetInfo"),
            (2, Browse, "NetrWkstaUserEnum"),
            (22, Configure, "NetrJoinDomain2"),
        ],
    },
    Interface {
        // [MS-RPRN], 3.1.4
        uuid: SPOOLSS,
        name: "spoolss",
        operations: &[
            (0, Browse, "RpcEnumPrinters"),
            (1, Session, "RpcOpenPrinter"),
            (9, Configure, "RpcAddPrinterDriver"),
            (10, Browse, "RpcEnumPrinterDrivers"),
            (29, Session, "RpcClosePrinter"),
            (62, Other, "RpcRemoteFindFirstPrinterChangeNotification"),
            (65, Other, "RpcRemoteFindFirstPrinterChangeNotificationEx"),
            (69, Session, "RpcOpenPrinterEx"),
            (70, Configure, "RpcAddPrinterEx"),
            (89, Configure, "RpcAddPrinterDriverEx"),
        ],
    },
    Interface {
        // [MS-PAR], 3.1.4
        uuid: 0x76f03f96_cdfd_44fc_a22c_64950a001209,
        name: "iremotewinspool",
        operations: &[(39, Configure, "RpcAsyncAddPrinterDriver")],
    },
    Interface {
        // [MS-RRP], 3.1.5
        uuid: WINREG,
        name: "winreg",
        operations: &[
            (0, Session, "OpenClassesRoot"),
            (1, Session, "OpenCurrentUser"),
            (2, Session, "OpenLocalMachine"),
            (4, Session, "OpenUsers"),
            (5, Session, "BaseRegCloseKey"),
            (6, Configure, "BaseRegCreateKey"),
            (7, Configure, "BaseRegDeleteKey"),
            (8, Configure, "BaseRegDeleteValue"),
            (9, Browse, "BaseRegEnumKey"),
            (10, Browse, "BaseRegEnumValue"),
            (15, Session, "BaseRegOpenKey"),
            (16, Diagnose, "BaseRegQueryInfoKey"),
            (17, Diagnose, "BaseRegQueryValue"),
            (20, File, "BaseRegSaveKey"),
            (22, Configure, "BaseRegSetValue"),
            (24, Reset, "BaseInitiateSystemShutdown"),
            (26, Diagnose, "BaseRegGetVersion"),
            (30, Reset, "BaseInitiateSystemShutdownEx"),
            (31, File, "BaseRegSaveKeyEx"),
        ],
    },
    Interface {
        // [MS-TSCH], 3.2.5.2
        uuid: 0x1ff70682_0a51_30e8_076d_740be8cee98b,
        name: "atsvc",
        operations: &[
            (0, Configure, "NetrJobAdd"),
            (1, Configure, "NetrJobDel"),
            (2, Browse, "NetrJobEnum"),
        ],
    },
    Interface {
        // [MS-TSCH], 3.2.5.4
        uuid: TASKS,
        name: "itaskschedulerservice",
        operations: &[
            (1, Configure, "SchRpcRegisterTask"),
            (7, Browse, "SchRpcEnumTasks"),
            (12, Start, "SchRpcRun"),
            (13, Configure, "SchRpcDelete"),
        ],
    },
    Interface {
        // [MS-RSP], 3.3.4
        uuid: 0x894de0c0_0d55_11d3_a322_00c04fa321a1,
        name: "initshutdown",
        operations: &[(0, Reset, "BaseInitiateShutdown"), (2, Reset, "BaseInitiateShutdownEx")],
    },
    Interface { uuid: 0xc681d488_d850_11d0_8c52_00c04fd90f7e, name: "efsrpc", operations: EFSRPC },
    Interface { uuid: 0xdf1941c5_fe89_4e79_bf10_463657acf44d, name: "efsrpc", operations: EFSRPC },
    Interface {
        // [MS-FSRVP], 3.1.4
        uuid: 0xa8e0653c_2744_4389_a61d_7373df8b2292,
        name: "fsrvp",
        operations: &[(8, Browse, "IsPathSupported"), (9, Browse, "IsPathShadowCopied")],
    },
    Interface {
        // [MS-BKRP], 3.1.4
        uuid: 0x3dde7c30_165d_11d1_ab8f_00805f14db40,
        name: "bkrp",
        operations: &[(0, Read, "BackuprKey")],
    },
    Interface {
        // [MS-DFSNM], 3.1.4
        uuid: 0x4fc742e0_4a10_11cf_8273_00aa004ae673,
        name: "netdfs",
        operations: &[
            (12, Configure, "NetrDfsAddStdRoot"),
            (13, Configure, "NetrDfsRemoveStdRoot"),
        ],
    },
    Interface {
        // [MS-EVEN], 3.1.4
        uuid: EVENTLOG,
        name: "eventlog",
        operations: &[
            (0, Configure, "ElfrClearELFW"),
            (9, Session, "ElfrOpenBELW"),
            (10, Read, "ElfrReadELW"),
        ],
    },
    Interface {
        // [MS-EVEN6], 3.1.4
        uuid: 0xf6beaff7_1e19_4fbb_9f8f_b89e2018337c,
        name: "even6",
        operations: &[(6, Configure, "EvtRpcClearLog"), (11, Read, "EvtRpcQueryNext")],
    },
    Interface {
        // [MS-DCOM], 3.1.2.5
        uuid: super::activation::REMOTE_ACTIVATION,
        name: "iremoteactivation",
        operations: &[(0, Start, "RemoteActivation")],
    },
    Interface {
        uuid: super::activation::SYSTEM_ACTIVATOR,
        name: "isystemactivator",
        operations: &[(3, Start, "RemoteGetClassObject"), (4, Start, "RemoteCreateInstance")],
    },
    Interface {
        uuid: 0x99fcfec4_5260_101b_bbcb_00aa0021347a,
        name: "ioxidresolver",
        operations: &[
            (0, Browse, "ResolveOxid"),
            (1, Session, "SimplePing"),
            (2, Session, "ComplexPing"),
            (3, Diagnose, "ServerAlive"),
            (4, Browse, "ResolveOxid2"),
            (5, Diagnose, "ServerAlive2"),
        ],
    },
    Interface {
        uuid: 0x00000131_0000_0000_c000_000000000046,
        name: "iremunknown",
        operations: REM_UNKNOWN,
    },
    Interface {
        uuid: 0x00000143_0000_0000_c000_000000000046,
        name: "iremunknown2",
        operations: REM_UNKNOWN,
    },
    Interface {
        // [MS-OAUT], 3.1.4: methods of objects by their names, whatever object it is.
        uuid: 0x00020400_0000_0000_c000_000000000046,
        name: "idispatch",
        operations: &[(5, Browse, "GetIDsOfNames"), (6, Other, "Invoke")],
    },
    Interface {
        // [MS-WMI], 3.1.4
        uuid: 0xf309ad18_d86a_11d0_a075_00c04fb68820,
        name: "iwbemlevel1login",
        operations: &[(3, Session, "EstablishPosition"), (6, Authenticate, "NTLMLogin")],
    },
    Interface {
        uuid: 0xd4781cd6_e5d3_44df_ad94_930efe48a887,
        name: "iwbemloginclientid",
        operations: &[(3, Session, "SetClientInfo")],
    },
    Interface {
        uuid: 0x9556dc99_828c_11cf_a37e_00aa003240c7,
        name: "iwbemservices",
        operations: &[
            (3, Session, "OpenNamespace"),
            (6, Read, "GetObject"),
            (8, Configure, "PutClass"),
            (10, Configure, "DeleteClass"),
            (12, Browse, "CreateClassEnum"),
            (14, Configure, "PutInstance"),
            (16, Configure, "DeleteInstance"),
            (18, Browse, "CreateInstanceEnum"),
            (20, Browse, "ExecQuery"),
            (22, Browse, "ExecNotificationQuery"),
            (24, Start, "ExecMethod"),
        ],
    },
    Interface {
        // OPC Data Access Custom Interface 3.00
        uuid: 0x39c13a4d_011e_11d0_9675_0020afd8adb3,
        name: "iopcserver",
        operations: &[
            (3, Session, "AddGroup"),
            (6, Diagnose, "GetStatus"),
            (7, Session, "RemoveGroup"),
        ],
    },
    Interface {
        uuid: 0x39c13a4f_011e_11d0_9675_0020afd8adb3,
        name: "iopcbrowseserveraddressspace",
        operations: &[(5, Browse, "BrowseOPCItemIDs")],
    },
    Interface {
        uuid: 0x39c13a54_011e_11d0_9675_0020afd8adb3,
        name: "iopcitemmgt",
        operations: &[(3, Session, "AddItems"), (5, Session, "RemoveItems")],
    },
    Interface {
        uuid: 0x39c13a52_011e_11d0_9675_0020afd8adb3,
        name: "iopcsyncio",
        operations: &[(3, Read, "Read"), (4, Write, "Write")],
    },
    Interface {
        uuid: 0x39c13a71_011e_11d0_9675_0020afd8adb3,
        name: "iopcasyncio2",
        operations: &[(3, Read, "Read"), (4, Write, "Write"), (5, Read, "Refresh2")],
    },
    Interface {
        uuid: 0x39c13a70_011e_11d0_9675_0020afd8adb3,
        name: "iopcdatacallback",
        operations: &[
            (3, Report, "OnDataChange"),
            (4, Report, "OnReadComplete"),
            (5, Report, "OnWriteComplete"),
        ],
    },
    Interface {
        uuid: 0x13486d50_4821_11d2_a494_3cb306c10000,
        name: "iopcserverlist",
        operations: &[(3, Browse, "EnumClassesOfCategories")],
    },
];

static REM_UNKNOWN: &[(u16, Class, &str)] =
    &[(3, Session, "RemQueryInterface"), (4, Session, "RemAddRef"), (5, Session, "RemRelease")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_interface_is_listed_twice() {
        let mut uuids: Vec<_> = INTERFACES.iter().map(|i| i.uuid).collect();
        uuids.sort_unstable();
        let count = uuids.len();
        uuids.dedup();
        assert_eq!(uuids.len(), count);
    }

    #[test]
    fn replication_is_known_by_its_number() {
        let found = find(Uuid(0xe3514235_4b06_11d1_ab04_00c04fc2dcd2)).expect("listed");
        assert_eq!(found.operation(3), (Read, "IDL_DRSGetNCChanges"));
        assert_eq!(found.operation(99), (Other, "drsuapi"));
    }

    #[test]
    fn shutdowns_are_known_on_both_of_their_interfaces() {
        let called = |uuid, number| find(Uuid(uuid)).expect("listed").operation(number);
        let by_registry = [24, 30].map(|number| called(WINREG, number));
        assert!(
            by_registry.iter().all(|(class, name)| *class == Reset && name.contains("Shutdown"))
        );
        assert_eq!(called(0x894de0c0_0d55_11d3_a322_00c04fa321a1, 2).1, "BaseInitiateShutdownEx");
    }
}
