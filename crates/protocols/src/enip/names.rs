//! Names and meanings of commands, services, classes and vendors.

use model::OperationClass;

/// Encapsulation commands (Volume 2, 2-3.2).
pub(super) fn command(number: u16) -> Option<&'static str> {
    Some(match number {
        0x00 => "NOP",
        0x04 => "List Services",
        0x63 => "List Identity",
        0x64 => "List Interfaces",
        0x65 => "Register Session",
        0x66 => "Unregister Session",
        0x6f => "Send RR Data",
        0x70 => "Send Unit Data",
        0x72 => "Indicate Status",
        0x73 => "Cancel",
        0xc8 => "Start DTLS",
        _ => return None,
    })
}

/// Why the encapsulation did not carry out a command (Volume 2, 2-3.5).
pub(super) const fn encapsulation_status(code: u32) -> &'static str {
    match code {
        0x01 => "invalid or unsupported command",
        0x02 => "out of memory",
        0x03 => "incorrect data",
        0x64 => "invalid session handle",
        0x65 => "invalid length",
        0x69 => "unsupported protocol version",
        _ => "encapsulation error",
    }
}

pub(super) const IDENTITY: u32 = 0x01;
pub(super) const MESSAGE_ROUTER: u32 = 0x02;
pub(super) const CONNECTION_MANAGER: u32 = 0x06;
pub(super) const PCCC: u32 = 0x67;
/// Safety supervisor and safety validator (Volume 5, CIP Safety).
const SAFETY: [u32; 2] = [0x39, 0x3a];
/// Rockwell's nonvolatile storage: where firmware is written.
const STORAGE: u32 = 0xa1;
/// Rockwell's wall clock.
const WALL_CLOCK: u32 = 0x8b;
/// Rockwell's program, routine, user task and symbol objects.
const PROGRAM: &[u32] = &[0x68, 0x69, 0x6a, 0x6b, 0x6d];

/// Services of Logix controllers whose meaning is in the last class of the path: the lock that
/// an editor takes, and parts of programs. Unpublished; as controllers are seen to use them.
pub(super) fn logix(number: u8, classes: &[u32]) -> Option<(OperationClass, &'static str)> {
    use OperationClass as Op;
    Some(match (number, classes.last()?) {
        (0x4b, 0x74) => (Op::Configure, "take edit lock"),
        (0x4c, 0x74) => (Op::Configure, "release edit lock"),
        (0x4c | 0x4f, 0x6a | 0x6d) => (Op::ProgramUpload, "read program object"),
        _ => return None,
    })
}

/// Objects that hold what the process is: assemblies, registers, and points of output.
const PROCESS: &[u32] = &[0x04, 0x07, 0x09, 0x0b];
/// Firmware, electronic data sheets and configurations as files.
const FILE: u32 = 0x37;
/// Modbus behind CIP.
const MODBUS: u32 = 0x44;
/// Rockwell's objects of tags and of their types.
const TAGS: &[u32] = &[0x6b, 0x6c];

/// Meaning and name of a service (Volume 1, appendix A; 0x4b and above depend on the class).
pub(super) fn service(number: u8, class: Option<u32>) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    match (number, class) {
        (_, Some(class)) if SAFETY.contains(&class) => safety(number),
        (0x4b.., Some(FILE)) => file(number),
        (0x4b.., Some(MODBUS)) => modbus(number),
        (0x4b.., Some(CONNECTION_MANAGER)) => connections(number),
        (0x4b | 0x4d | 0x51, Some(STORAGE)) => (Op::FirmwareUpdate, "firmware transfer"),
        (0x4b.., Some(class)) if !TAGS.contains(&class) => (Op::Other, "service of the class"),
        (0x4b.., _) => tag(number),
        (_, class) => common(number, class),
    }
}

fn common(number: u8, class: Option<u32>) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    let class_is = |all: &[u32]| class.is_some_and(|c| all.contains(&c));
    match number {
        0x01 | 0x03 | 0x0e if class_is(&[IDENTITY]) => (Op::Diagnose, "get identity attributes"),
        0x01 => (Op::Read, "get attributes all"),
        0x03 => (Op::Read, "get attribute list"),
        0x0e => (Op::Read, "get attribute single"),
        0x18 => (Op::Read, "get member"),
        0x02 if class_is(PROCESS) => (Op::Write, "set attributes all"),
        0x04 if class_is(PROCESS) => (Op::Write, "set attribute list"),
        0x10 if class_is(PROCESS) => (Op::Write, "set attribute single"),
        0x19 if class_is(PROCESS) => (Op::Write, "set member"),
        0x02 | 0x04 | 0x10 if class_is(&[WALL_CLOCK]) => (Op::TimeSync, "set clock"),
        0x02 => (Op::Configure, "set attributes all"),
        0x04 => (Op::Configure, "set attribute list"),
        0x10 => (Op::Configure, "set attribute single"),
        0x19 => (Op::Configure, "set member"),
        0x1a => (Op::Configure, "insert member"),
        0x1b => (Op::Configure, "remove member"),
        0x0d => (Op::Configure, "apply attributes"),
        0x15 => (Op::Configure, "restore"),
        0x16 => (Op::Configure, "save"),
        0x05 => (Op::Reset, "reset"),
        0x06 => (Op::Start, "start"),
        0x07 => (Op::Stop, "stop"),
        0x08 | 0x09 if class_is(PROGRAM) => {
            (Op::ProgramDownload, "create or delete program object")
        }
        0x08 => (Op::Other, "create"),
        0x09 => (Op::Other, "delete"),
        0x0a => (Op::Other, "multiple service packet"),
        0x11 => (Op::Browse, "find next object instance"),
        0x17 => (Op::Diagnose, "no operation"),
        0x1c => (Op::TimeSync, "group sync"),
        _ => (Op::Other, "service of the class"),
    }
}

/// Services of tags (Rockwell 1756-PM020), which go to a symbol or to the object of symbols.
const fn tag(number: u8) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    match number {
        0x4c => (Op::Read, "read tag"),
        0x4d => (Op::Write, "write tag"),
        0x4e => (Op::Write, "read modify write tag"),
        0x52 => (Op::Read, "read tag fragmented"),
        0x53 => (Op::Write, "write tag fragmented"),
        0x55 => (Op::Browse, "get instance attribute list"),
        _ => (Op::Other, "service of the class"),
    }
}

/// Services of the Connection Manager (Volume 1, 3-5.5).
const fn connections(number: u8) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    match number {
        0x4e => (Op::Session, "forward close"),
        0x52 => (Op::Session, "unconnected send"),
        0x54 | 0x5b => (Op::Session, "forward open"),
        0x56 => (Op::Diagnose, "get connection data"),
        0x57 => (Op::Diagnose, "search connection data"),
        0x5a => (Op::Diagnose, "get connection owner"),
        _ => (Op::Other, "service of the class"),
    }
}

/// Services of the file object (Volume 1, 5-42): what goes in as a file is how a device is
/// configured, or its firmware.
const fn file(number: u8) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    match number {
        0x4b => (Op::File, "initiate upload"),
        0x4c => (Op::FirmwareUpdate, "initiate download"),
        0x4d => (Op::File, "initiate partial read"),
        0x4e => (Op::FirmwareUpdate, "initiate partial write"),
        0x4f => (Op::File, "upload transfer"),
        0x50 => (Op::FirmwareUpdate, "download transfer"),
        0x51 => (Op::FirmwareUpdate, "clear file"),
        _ => (Op::Other, "service of the class"),
    }
}

/// Services of the Modbus object (Volume 7).
const fn modbus(number: u8) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    match number {
        0x4b => (Op::Read, "read discrete inputs"),
        0x4c => (Op::Read, "read coils"),
        0x4d => (Op::Read, "read input registers"),
        0x4e => (Op::Read, "read holding registers"),
        0x4f => (Op::Write, "write coils"),
        0x50 => (Op::Write, "write holding registers"),
        0x51 => (Op::Other, "modbus passthrough"),
        _ => (Op::Other, "service of the class"),
    }
}

/// Services of the safety supervisor (Volume 5, 5-4).
const fn safety(number: u8) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    match number {
        0x01 | 0x03 | 0x0e => (Op::Diagnose, "read safety attributes"),
        0x02 | 0x04 | 0x10 => (Op::Configure, "set safety attributes"),
        0x4c => (Op::Reset, "recover"),
        0x4e => (Op::Diagnose, "perform diagnostics"),
        0x4f => (Op::Configure, "safety configuration"),
        0x50 => (Op::Configure, "validate safety configuration"),
        0x51 | 0x55 => (Op::Configure, "set or reset safety password"),
        0x52 => (Op::Configure, "lock or unlock safety configuration"),
        0x53 => (Op::Configure, "change safety mode"),
        0x05 | 0x54 => (Op::Reset, "safety reset"),
        0x56..=0x59 => (Op::Configure, "propose or apply safety network number"),
        _ => (Op::Other, "safety service"),
    }
}

/// General status (Volume 1, appendix B).
pub(super) const fn status(code: u8) -> &'static str {
    match code {
        0x01 => "connection failure",
        0x02 => "resource unavailable",
        0x03 | 0x20 => "invalid parameter",
        0x04 => "path segment error",
        0x05 => "path destination unknown",
        0x07 => "connection lost",
        0x08 => "service not supported",
        0x09 => "invalid attribute value",
        0x0a => "attribute list error",
        0x0b => "already in requested mode",
        0x0c => "object state conflict",
        0x0d => "object already exists",
        0x0e => "attribute not settable",
        0x0f => "privilege violation",
        0x10 => "device state conflict",
        0x11 => "reply data too large",
        0x13 => "not enough data",
        0x14 => "attribute not supported",
        0x15 => "too much data",
        0x16 => "object does not exist",
        0x19 => "store operation failure",
        0x1a => "request too large to be routed",
        0x1b => "response too large to be routed",
        0x1c => "attribute missing in list",
        0x1d => "invalid attribute values",
        0x1e => "embedded service error",
        0x1f => "vendor specific error",
        0x22 => "invalid reply received",
        0x25 => "key failure in path",
        0x26 => "path size invalid",
        0x28 => "invalid member",
        0x29 => "member not settable",
        0x2c => "attribute not gettable",
        _ => "error",
    }
}

/// Vendors in ODVA's list that are common on plant floors, in order.
const VENDORS: &[(u16, &str)] = &[
    (1, "Rockwell Automation/Allen-Bradley"),
    (3, "Honeywell"),
    (5, "Rockwell Automation/Reliance Electric"),
    (7, "SMC Corporation"),
    (8, "Molex"),
    (12, "Banner Engineering"),
    (26, "Festo"),
    (36, "MKS Instruments"),
    (37, "Yaskawa Electric America"),
    (40, "WAGO Corporation"),
    (42, "IMI Norgren"),
    (43, "Balluff"),
    (44, "Yaskawa Electric America"),
    (45, "Eurotherm Controls"),
    (46, "ABB Industrial Systems"),
    (47, "OMRON Corporation"),
    (48, "Turck"),
    (52, "Numatics"),
    (56, "Softing"),
    (57, "Pepperl+Fuchs"),
    (58, "Spectrum Controls"),
    (68, "Eaton Electrical"),
    (71, "Toshiba International"),
    (74, "Hitachi"),
    (75, "ABB Robotics"),
    (77, "Rockwell Software"),
    (82, "Mitsubishi Electric Automation"),
    (83, "Opto 22"),
    (86, "Horner Electric"),
    (87, "Bürkert"),
    (90, "HMS Industrial Networks AB"),
    (94, "Advantech"),
    (97, "Danfoss"),
    (108, "Beckhoff Automation"),
    (121, "KUKA"),
    (143, "GE Industrial Systems"),
    (145, "Siemens Energy & Automation"),
    (153, "Watlow"),
    (159, "IDEC"),
    (161, "Mitsubishi Electric Corporation"),
    (171, "Denso Wave"),
    (176, "Red Lion Controls"),
    (181, "Pilz"),
    (187, "Oriental Motor"),
    (243, "Schneider Automation, Inc."),
    (246, "Brooks Instrument"),
    (250, "Yokogawa Electric Corporation"),
    (255, "Bosch Rexroth"),
    (256, "Turck"),
    (257, "Control Techniques"),
    (258, "Hardy Instruments"),
    (283, "Hilscher GmbH"),
    (287, "Bosch Rexroth"),
    (309, "ProSoft Technology"),
    (315, "SEW-Eurodrive"),
    (319, "Fuji Electric"),
    (322, "ifm efector"),
    (326, "GE Fanuc Automation"),
    (345, "Endress+Hauser"),
    (351, "Kawasaki Robotics"),
    (356, "FANUC Robotics America"),
    (367, "Keyence Corporation"),
    (441, "Nachi-Fujikoshi"),
    (445, "Lenze"),
    (553, "Control Techniques"),
    (562, "Phoenix Contact"),
    (591, "FANUC"),
    (593, "ABB Automation Products"),
    (634, "Hirschmann"),
    (640, "Murrelektronik"),
    (666, "Mettler-Toledo"),
    (668, "Rockwell Automation/Entek IRD"),
    (678, "Cognex Corporation"),
    (680, "Weidmüller"),
    (699, "IAI Corporation"),
    (722, "ABB"),
    (744, "KEB"),
    (749, "Woodward"),
    (796, "Siemens Energy & Automation"),
    (808, "SICK AG"),
    (850, "Datalogic"),
    (853, "WEG"),
    (862, "Siemens"),
    (887, "B&R Industrial Automation"),
    (894, "Acromag"),
    (914, "Micro Motion"),
    (928, "GE Multilin"),
    (939, "Cisco Systems"),
    (971, "Siemens"),
    (991, "Moxa"),
    (1006, "N-Tron"),
    (1009, "Seiko Epson"),
    (1015, "Weidmüller"),
    (1059, "Delta Electronics"),
    (1182, "Endress+Hauser"),
    (1211, "wenglor sensoric"),
    (1225, "Rosemount"),
];

pub(super) fn vendor(id: u16) -> Option<&'static str> {
    let at = VENDORS.binary_search_by_key(&id, |(number, _)| *number).ok()?;
    VENDORS.get(at).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use OperationClass as Op;

    #[test]
    fn vendors_are_in_order_and_found() {
        assert!(VENDORS.is_sorted());
        assert_eq!((vendor(808), vendor(2)), (Some("SICK AG"), None));
    }

    #[track_caller]
    fn means(number: u8, class: Option<u32>, expected: (OperationClass, &str)) {
        assert_eq!(service(number, class), expected, "{number:#x} of {class:?}");
    }

    #[test]
    fn a_number_of_a_class_means_what_the_class_says() {
        means(0x4c, None, (Op::Read, "read tag"));
        means(0x4d, Some(0x6b), (Op::Write, "write tag"));
        means(0x4c, Some(FILE), (Op::FirmwareUpdate, "initiate download"));
        means(0x4d, Some(FILE), (Op::File, "initiate partial read"));
        means(0x50, Some(MODBUS), (Op::Write, "write holding registers"));
        means(0x4d, Some(0xf3), (Op::Other, "service of the class"));
        means(0x56, Some(CONNECTION_MANAGER), (Op::Diagnose, "get connection data"));
    }

    #[test]
    fn what_is_set_of_the_process_is_written_and_the_rest_configured() {
        means(0x10, Some(4), (Op::Write, "set attribute single"));
        means(0x10, Some(0xf5), (Op::Configure, "set attribute single"));
        means(0x10, Some(WALL_CLOCK), (Op::TimeSync, "set clock"));
        means(0x0e, Some(WALL_CLOCK), (Op::Read, "get attribute single"));
        means(0x19, Some(0x0f), (Op::Configure, "set member"));
        means(0x18, Some(4), (Op::Read, "get member"));
    }

    #[test]
    fn services_of_the_safety_supervisor() {
        means(0x4e, Some(0x39), (Op::Diagnose, "perform diagnostics"));
        means(0x53, Some(0x39), (Op::Configure, "change safety mode"));
        means(0x51, Some(0x39), (Op::Configure, "set or reset safety password"));
    }
}
