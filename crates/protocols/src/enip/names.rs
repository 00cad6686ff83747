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

pub(super) const IDENTITY: u32 = 0x01;
pub(super) const MESSAGE_ROUTER: u32 = 0x02;
pub(super) const CONNECTION_MANAGER: u32 = 0x06;
pub(super) const PCCC: u32 = 0x67;
/// Safety supervisor and safety validator (Volume 5, CIP Safety).
const SAFETY: [u32; 2] = [0x39, 0x3a];
/// Rockwell's nonvolatile storage: where firmware is written.
const STORAGE: u32 = 0xa1;
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

/// Meaning and name of a service (Volume 1, appendix A; 0x4b and above depend on the class).
pub(super) fn service(number: u8, class: Option<u32>) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    let class_is = |c: u32| class == Some(c);
    if class.is_some_and(|c| SAFETY.contains(&c)) {
        return safety(number);
    }
    match number {
        0x01 | 0x03 | 0x0e if class_is(IDENTITY) => (Op::Diagnose, "get identity attributes"),
        0x01 => (Op::Read, "get attributes all"),
        0x03 => (Op::Read, "get attribute list"),
        0x0e => (Op::Read, "get attribute single"),
        0x02 => (Op::Configure, "set attributes all"),
        0x04 => (Op::Configure, "set attribute list"),
        0x10 => (Op::Configure, "set attribute single"),
        0x05 => (Op::Reset, "reset"),
        0x06 => (Op::Start, "start"),
        0x07 => (Op::Stop, "stop"),
        0x08 | 0x09 if class.is_some_and(|c| PROGRAM.contains(&c)) => {
            (Op::ProgramDownload, "create or delete program object")
        }
        0x08 => (Op::Other, "create"),
        0x09 => (Op::Other, "delete"),
        0x0a => (Op::Other, "multiple service packet"),
        0x4b | 0x4d | 0x51 if class_is(STORAGE) => (Op::FirmwareUpdate, "firmware transfer"),
        0x4c => (Op::Read, "read tag"),
        0x4d => (Op::Write, "write tag"),
        0x4e if class_is(CONNECTION_MANAGER) => (Op::Session, "forward close"),
        0x4e => (Op::Write, "read modify write tag"),
        0x52 if class_is(CONNECTION_MANAGER) => (Op::Session, "unconnected send"),
        0x52 => (Op::Read, "read tag fragmented"),
        0x53 => (Op::Write, "write tag fragmented"),
        0x54 | 0x5b if class_is(CONNECTION_MANAGER) => (Op::Session, "forward open"),
        0x55 => (Op::Browse, "get instance attribute list"),
        _ => (Op::Other, "service of the class"),
    }
}

/// Services of the safety supervisor (Volume 5, 5-4).
const fn safety(number: u8) -> (OperationClass, &'static str) {
    use OperationClass as Op;
    match number {
        0x01 | 0x03 | 0x0e => (Op::Diagnose, "read safety attributes"),
        0x05 | 0x54 => (Op::Reset, "safety reset"),
        0x4b | 0x4c | 0x4d | 0x4f => (Op::Configure, "safety configuration"),
        0x51 | 0x56 => (Op::Configure, "propose or apply safety network number"),
        _ => (Op::Other, "safety service"),
    }
}

/// General status (Volume 1, appendix B).
pub(super) fn status(code: u8) -> &'static str {
    match code {
        0x01 => "connection failure",
        0x02 => "resource unavailable",
        0x04 => "path segment error",
        0x05 => "path destination unknown",
        0x08 => "service not supported",
        0x09 => "invalid attribute value",
        0x0c => "object state conflict",
        0x0e => "attribute not settable",
        0x0f => "privilege violation",
        0x10 => "device state conflict",
        0x13 => "not enough data",
        0x14 => "attribute not supported",
        0x16 => "object does not exist",
        0x1e => "embedded service error",
        _ => "error",
    }
}

/// Vendors in ODVA's list that are common on plant floors.
pub(super) fn vendor(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "Rockwell Automation/Allen-Bradley",
        40 => "WAGO Corporation",
        47 => "OMRON Corporation",
        90 => "HMS Industrial Networks AB",
        108 => "Beckhoff Automation",
        243 => "Schneider Automation, Inc.",
        283 => "Hilscher GmbH",
        356 => "FANUC Robotics America",
        _ => return None,
    })
}
