//! Services of MMS (ISO 9506-2, 9): number, name, meaning; and what a write means by its object.
//!
//! Not here: their parameters. Invariant: a number without a line has no name of its own.

use model::OperationClass::{self, *};

pub const STATUS: u32 = 0;
pub const GET_NAME_LIST: u32 = 1;
pub const IDENTIFY: u32 = 2;
pub const READ: u32 = 4;
pub const WRITE: u32 = 5;
pub const FILE_OPEN: u32 = 72;
pub const FILE_RENAME: u32 = 75;
pub const FILE_DELETE: u32 = 76;
pub const FILE_DIRECTORY: u32 = 77;

pub const fn service(number: u32) -> (OperationClass, &'static str) {
    match number {
        STATUS => (Diagnose, "status"),
        GET_NAME_LIST => (Browse, "get name list"),
        IDENTIFY => (Diagnose, "identify"),
        3 => (Configure, "rename"),
        READ => (Read, "read"),
        WRITE => (Write, "write"),
        6 => (Browse, "get variable access attributes"),
        7 => (Configure, "define named variable"),
        8 => (Configure, "define scattered access"),
        9 => (Browse, "get scattered access attributes"),
        10 => (Configure, "delete variable access"),
        11 => (Session, "define named variable list"),
        12 => (Browse, "get named variable list attributes"),
        13 => (Session, "delete named variable list"),
        14 => (Configure, "define named type"),
        15 => (Browse, "get named type attributes"),
        16 => (Configure, "delete named type"),
        17 => (Read, "input"),
        18 => (Write, "output"),
        19 => (Session, "take control"),
        20 => (Session, "relinquish control"),
        21..=25 => (Session, "semaphore"),
        26..=37 => domain(number),
        38..=45 => program(number),
        46 => (File, "obtain file"),
        47..=64 => events(number),
        65 => (Read, "read journal"),
        66 => (Write, "write journal"),
        67 => (Configure, "initialize journal"),
        68 => (Diagnose, "report journal status"),
        69 => (Configure, "create journal"),
        70 => (Configure, "delete journal"),
        71 => (Browse, "get capability list"),
        FILE_OPEN => (File, "file open"),
        73 => (File, "file read"),
        74 => (File, "file close"),
        FILE_RENAME => (File, "file rename"),
        FILE_DELETE => (File, "file delete"),
        FILE_DIRECTORY => (File, "file directory"),
        _ => (Other, "service"),
    }
}

const fn domain(number: u32) -> (OperationClass, &'static str) {
    match number {
        26 => (ProgramDownload, "initiate download sequence"),
        27 => (ProgramDownload, "download segment"),
        28 => (ProgramDownload, "terminate download sequence"),
        29 => (ProgramUpload, "initiate upload sequence"),
        30 => (ProgramUpload, "upload segment"),
        31 => (ProgramUpload, "terminate upload sequence"),
        32 => (ProgramDownload, "request domain download"),
        33 => (ProgramUpload, "request domain upload"),
        34 => (ProgramDownload, "load domain content"),
        35 => (ProgramUpload, "store domain content"),
        36 => (ProgramDownload, "delete domain"),
        _ => (Browse, "get domain attributes"),
    }
}

const fn program(number: u32) -> (OperationClass, &'static str) {
    match number {
        38 => (ProgramDownload, "create program invocation"),
        39 => (ProgramDownload, "delete program invocation"),
        40 => (Start, "start"),
        41 => (Stop, "stop"),
        42 => (Start, "resume"),
        43 => (Reset, "reset"),
        44 => (Stop, "kill"),
        _ => (Browse, "get program invocation attributes"),
    }
}

const fn events(number: u32) -> (OperationClass, &'static str) {
    match number {
        47 | 51 | 57 => (Configure, "define event"),
        48 | 52 | 58 => (Configure, "delete event"),
        54 | 60 => (Configure, "alter event monitoring"),
        62 => (Session, "acknowledge event notification"),
        63 => (Diagnose, "get alarm summary"),
        64 => (Diagnose, "get alarm enrollment summary"),
        _ => (Diagnose, "event status"),
    }
}

/// What writing to this object does, by its functional constraint (IEC 61850-8-1, 9.1.3; 17).
pub fn written(item: &str) -> (OperationClass, &'static str) {
    let mut parts = item.split('$');
    let constraint = parts.nth(1).unwrap_or_default();
    let last = item.rsplit('$').next().unwrap_or_default();
    match constraint {
        // A control is its Oper; selecting and cancelling change nothing yet.
        "CO" if last == "Cancel" => (Session, "cancel control"),
        "CO" if item.contains("$SBO") => (Session, "select control"),
        "CO" => (Write, "control"),
        "RP" | "BR" | "LG" => (Session, "write report control"),
        "GO" | "GS" | "MS" | "US" => (Configure, "write publishing control"),
        "SP" | "SE" | "SG" => (Configure, "write settings"),
        "CF" | "DC" | "EX" | "BL" => (Configure, "write configuration"),
        _ => (Write, "write"),
    }
}

/// Error classes of a service error (ISO 9506-2, 7.5.5).
pub const fn error_class(class: u32) -> &'static str {
    match class {
        0 => "vmd state",
        1 => "application reference",
        2 => "definition",
        3 => "resource",
        4 => "service",
        5 => "service preempt",
        6 => "time resolution",
        7 => "access",
        8 => "initiate",
        9 => "conclude",
        10 => "cancel",
        11 => "file",
        _ => "others",
    }
}

/// Why an object could not be read or written (ISO 9506-2, 14.4.3.1).
pub const fn access_error(code: u32) -> &'static str {
    match code {
        0 => "object invalidated",
        1 => "hardware fault",
        2 => "temporarily unavailable",
        3 => "object access denied",
        4 => "object undefined",
        5 => "invalid address",
        6 => "type unsupported",
        7 => "type inconsistent",
        8 => "object attribute inconsistent",
        9 => "object access unsupported",
        10 => "object non-existent",
        11 => "object value invalid",
        _ => "unknown",
    }
}

/// Why a control was refused (AddCause, IEC 61850-7-2, 20.5.2.9).
pub const fn additional_cause(code: u32) -> &'static str {
    match code {
        1 => "not supported",
        2 => "blocked by switching hierarchy",
        3 => "select failed",
        4 => "invalid position",
        5 => "position reached",
        6 => "parameter change in execution",
        7 => "step limit",
        8 => "blocked by mode",
        9 => "blocked by process",
        10 => "blocked by interlocking",
        11 => "blocked by synchrocheck",
        12 => "command already in execution",
        13 => "blocked by health",
        14 => "one of n control",
        15 => "aborted by cancel",
        16 => "time limit over",
        17 => "aborted by trip",
        18 => "object not selected",
        19 => "object already selected",
        20 => "no access authority",
        21 => "ended with overshoot",
        22 => "aborted by deviation",
        23 => "aborted by loss of communication",
        24 => "blocked by command",
        26 => "inconsistent parameters",
        27 => "locked by another client",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_means_what_its_functional_constraint_says() {
        assert_eq!(written("CSWI1$CO$Pos$Oper"), (Write, "control"));
        assert_eq!(written("CSWI1$CO$Pos$SBOw").0, Session);
        assert_eq!(written("LLN0$BR$brcb01$RptEna").0, Session);
        assert_eq!(written("PTOC1$SE$StrVal$setMag$f").0, Configure);
        assert_eq!(written("mu"), (Write, "write"));
    }
}
