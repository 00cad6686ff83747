//! Functions of S7comm by name and meaning.

use model::OperationClass as Class;

/// Functions of jobs.
pub(super) fn function(code: u8) -> (Class, &'static str) {
    match code {
        0x00 => (Class::Diagnose, "cpu services"),
        0x04 => (Class::Read, "read variable"),
        0x05 => (Class::Write, "write variable"),
        0x1a => (Class::ProgramDownload, "request download"),
        0x1b => (Class::ProgramDownload, "download block"),
        0x1c => (Class::ProgramDownload, "download ended"),
        0x1d => (Class::ProgramUpload, "start upload"),
        0x1e => (Class::ProgramUpload, "upload"),
        0x1f => (Class::ProgramUpload, "end upload"),
        0x28 => (Class::Configure, "program invocation service"),
        0x29 => (Class::Stop, "plc stop"),
        0xf0 => (Class::Session, "setup communication"),
        _ => (Class::Other, "unknown job"),
    }
}

/// Program invocation services (function 0x28) by name.
pub(super) fn invocation(service: &str) -> (Class, &'static str) {
    match service {
        "P_PROGRAM" => (Class::Start, "plc start"),
        "_INSE" => (Class::ProgramDownload, "activate block"),
        "_DELE" => (Class::Configure, "delete block"),
        "_GARB" => (Class::Configure, "compress memory"),
        "_MODU" => (Class::Configure, "copy ram to rom"),
        "_OVER" => (Class::FirmwareUpdate, "update operating system"),
        _ => (Class::Configure, "program invocation service"),
    }
}

/// Userdata groups and subfunctions.
pub(super) fn userdata(group: u8, subfunction: u8) -> (Class, &'static str) {
    match (group, subfunction) {
        (0, _) => (Class::Diagnose, "mode transition"),
        (1, 0x0c) => (Class::Configure, "force"),
        (1, 0x02) => (Class::Diagnose, "variable status"),
        (1, 0x0e) => (Class::Configure, "erase"),
        (1, 0x10) => (Class::Diagnose, "flash led"),
        (1, _) => (Class::Diagnose, "programmer command"),
        (2, _) => (Class::Read, "cyclic data"),
        (3, 1) => (Class::Browse, "list blocks"),
        (3, 2) => (Class::Browse, "list blocks of type"),
        (3, 3) => (Class::Browse, "block info"),
        (3, _) => (Class::Browse, "block function"),
        (4, 1) => (Class::Diagnose, "read szl"),
        (4, 2) => (Class::Session, "message service"),
        (4, 3) => (Class::Report, "diagnostic message"),
        (4, _) => (Class::Report, "alarm"),
        (5, 1) => (Class::Authenticate, "enter password"),
        (5, 2) => (Class::Authenticate, "clear password"),
        (5, _) => (Class::Authenticate, "security"),
        (6, _) => (Class::Other, "block transfer"),
        (7, 1 | 3) => (Class::Diagnose, "read clock"),
        (7, 2 | 4) => (Class::TimeSync, "set clock"),
        _ => (Class::Other, "userdata"),
    }
}

pub(super) fn error_class(class: u8) -> &'static str {
    match class {
        0x00 => "no error",
        0x81 => "application relationship error",
        0x82 => "object definition error",
        0x83 => "no resources available",
        0x84 => "error on service processing",
        0x85 => "error on supplies",
        0x87 => "access error",
        0xd2 => "block error",
        0xd4 => "information function error",
        0xd6 => "protection error",
        _ => "error",
    }
}

/// Return codes of single items.
pub(super) fn item_error(code: u8) -> &'static str {
    match code {
        0x01 => "hardware fault",
        0x03 => "access denied",
        0x05 => "invalid address",
        0x06 => "data type not supported",
        0x07 => "data type inconsistent",
        0x0a => "object does not exist",
        _ => "item error",
    }
}

/// Block types as in file names of blocks.
pub(super) fn block_type(code: u8) -> &'static str {
    match code {
        b'8' => "OB",
        b'A' => "DB",
        b'B' => "SDB",
        b'C' => "FC",
        b'D' => "SFC",
        b'E' => "FB",
        b'F' => "SFB",
        _ => "block",
    }
}

/// Mode a transition notice (userdata group 0) ends in; it stands for the subfunction.
pub(super) fn mode(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "stop",
        1 | 3 | 6 => "startup",
        2 | 9 => "run",
        4 => "hold",
        _ => return None,
    })
}

/// State an event of the diagnostic buffer tells: (what, value). Siemens, "System Software for
/// S7-300/400 System and Standard Functions", mode transitions (event class 4).
pub(super) fn event(id: u16) -> Option<(&'static str, &'static str)> {
    Some(match id {
        0x4301 => ("mode", "startup"),
        0x4302 => ("mode", "run"),
        0x4303 | 0x4304 | 0x430a | 0x430d | 0x430f | 0x4540..=0x45ff => ("mode", "stop"),
        0x4305 => ("mode", "hold"),
        0x4520..=0x452f => ("mode", "defective"),
        0x4307..=0x4309 | 0x430e => ("memory", "reset"),
        _ => return None,
    })
}
