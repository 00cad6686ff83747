//! Names and classes of functions, groups, indications, control codes and status codes.
//!
//! IEEE 1815-2012, 4.2.2.5, 4.2.2.6, Annex A. Invariant: an unknown number has a name too.

use model::OperationClass as Class;

/// Class and name of an application function (Table 4-2).
pub(super) fn function(code: u8) -> Option<(Class, &'static str)> {
    Some(match code {
        0 => (Class::Session, "confirm"),
        1 => (Class::Read, "read"),
        2 => (Class::Write, "write"),
        // Arms a point and changes nothing; the operate that follows does (4.4.3).
        3 => (Class::Session, "select"),
        4 => (Class::Write, "operate"),
        5 => (Class::Write, "direct operate"),
        6 => (Class::Write, "direct operate no ack"),
        7 => (Class::Write, "freeze"),
        8 => (Class::Write, "freeze no ack"),
        9 => (Class::Write, "freeze and clear"),
        10 => (Class::Write, "freeze and clear no ack"),
        11 => (Class::Write, "freeze at time"),
        12 => (Class::Write, "freeze at time no ack"),
        13 => (Class::Reset, "cold restart"),
        14 => (Class::Reset, "warm restart"),
        15 => (Class::Configure, "initialize data"),
        16 => (Class::Reset, "initialize application"),
        17 => (Class::Start, "start application"),
        18 => (Class::Stop, "stop application"),
        19 => (Class::Configure, "save configuration"),
        20 => (Class::Configure, "enable unsolicited responses"),
        21 => (Class::Configure, "disable unsolicited responses"),
        22 => (Class::Configure, "assign class"),
        23 => (Class::Diagnose, "delay measurement"),
        24 => (Class::TimeSync, "record current time"),
        25 => (Class::File, "open file"),
        26 => (Class::File, "close file"),
        27 => (Class::File, "delete file"),
        28 => (Class::File, "get file information"),
        29 => (Class::Authenticate, "authenticate file"),
        30 => (Class::File, "abort file transfer"),
        31 => (Class::Configure, "activate configuration"),
        32 => (Class::Authenticate, "authentication request"),
        33 => (Class::Authenticate, "authentication request no ack"),
        0x81 => (Class::Other, "response"),
        0x82 => (Class::Report, "unsolicited response"),
        0x83 => (Class::Authenticate, "authentication response"),
        _ => return None,
    })
}

/// A write means what its object is: the clock, a dead band, a file, a value.
pub(super) const fn write_class(group: u8) -> Class {
    match group {
        50 | 51 => Class::TimeSync,
        0 | 34 | 60 | 80 | 85..=88 | 120 => Class::Configure,
        70 => Class::File,
        90 => Class::Configure,
        _ => Class::Write,
    }
}

/// What a group holds (Annex A).
pub(super) const fn group(code: u8) -> &'static str {
    match code {
        0 => "device-attribute",
        1 => "binary-input",
        2 => "binary-input-event",
        3 => "double-bit-input",
        4 => "double-bit-input-event",
        10 => "binary-output",
        11 => "binary-output-event",
        12 => "control-relay",
        13 => "control-relay-event",
        20 => "counter",
        21 => "frozen-counter",
        22 => "counter-event",
        23 => "frozen-counter-event",
        30 => "analog-input",
        31 => "frozen-analog-input",
        32 => "analog-input-event",
        33 => "frozen-analog-input-event",
        34 => "analog-input-dead-band",
        40 => "analog-output-status",
        41 => "analog-output",
        42 => "analog-output-event",
        43 => "analog-output-command-event",
        50 => "time",
        51 => "common-time",
        52 => "time-delay",
        60 => "class",
        70 => "file",
        80 => "internal-indications",
        81 => "storage",
        82 | 83 => "device-profile",
        85 => "data-set-prototype",
        86 => "data-set-descriptor",
        87 => "data-set",
        88 => "data-set-event",
        90 => "application",
        101 => "binary-coded-decimal",
        102 => "unsigned-integer",
        110 => "octet-string",
        111 => "octet-string-event",
        112 => "virtual-terminal-output",
        113 => "virtual-terminal-event",
        120 => "authentication",
        121 => "security-statistic",
        122 => "security-statistic-event",
        _ => "unknown-object",
    }
}

/// Indications that tell of a state, as bit of the word with IIN1 low and IIN2 high
/// (Table 4-3); data waiting in a class and broadcasts are everyday.
pub(super) const STATES: [(u16, &str); 6] = [
    (1 << 4, "time-needed"),
    (1 << 5, "local-control"),
    (1 << 6, "trouble"),
    (1 << 7, "restart"),
    (1 << 11, "event-buffer-overflow"),
    (1 << 13, "configuration-corrupt"),
];

/// The refusal in the second octet of indications, if any.
pub(super) const fn refusal(indications: u16) -> Option<(u32, &'static str)> {
    const NAMES: [(u16, &str); 4] = [
        (1 << 8, "function not supported"),
        (1 << 9, "object unknown"),
        (1 << 10, "parameter error"),
        (1 << 12, "already executing"),
    ];
    let [a, b, c, d] = NAMES;
    let hit = if indications & a.0 != 0 {
        a
    } else if indications & b.0 != 0 {
        b
    } else if indications & c.0 != 0 {
        c
    } else if indications & d.0 != 0 {
        d
    } else {
        return None;
    };
    Some(((hit.0 >> 8) as u32, hit.1))
}

/// Status of a control (Annex A, 12.1).
pub(super) const fn control_status(code: u8) -> &'static str {
    match code {
        0 => "success",
        1 => "timeout",
        2 => "no select",
        3 => "format error",
        4 => "not supported",
        5 => "already active",
        6 => "hardware error",
        7 => "local",
        8 => "too many operations",
        9 => "not authorized",
        10 => "automation inhibited",
        11 => "processing limited",
        12 => "out of range",
        13 => "downstream local",
        14 => "already complete",
        15 => "blocked",
        16 => "cancelled",
        17 => "blocked by other master",
        18 => "downstream fail",
        126 => "non-participating",
        127 => "undefined",
        _ => "reserved",
    }
}

/// What a control relay output block does (Annex A, 12.1): operation type and trip-close code.
pub(super) const fn control(code: u8) -> &'static str {
    match (code >> 6, code & 0x0f) {
        (0, 1) => "pulse on",
        (0, 2) => "pulse off",
        (0, 3) => "latch on",
        (0, 4) => "latch off",
        (1, _) => "close",
        (2, _) => "trip",
        (_, 0) => "nul",
        _ => "reserved",
    }
}

/// Device attributes that are facts of the outstation (Annex A, group 0).
pub(super) const fn attribute(variation: u8) -> Option<&'static str> {
    Some(match variation {
        208 => "system_name",
        242 => "firmware",
        243 => "hardware",
        244 => "owner",
        245 => "location",
        246 => "device_id",
        247 => "name",
        248 => "serial",
        249 => "dnp3_level",
        250 => "model",
        252 => "vendor",
        _ => return None,
    })
}

/// Error codes of group 120 variation 7.
pub(super) const fn authentication_error(code: u8) -> &'static str {
    match code {
        1 => "authentication failed",
        2 => "unexpected response",
        3 => "no response",
        4 => "aggressive mode not permitted",
        5 => "algorithm not permitted",
        6 => "key wrap algorithm not permitted",
        7 => "authorization failed",
        8 => "update key change not permitted",
        9 => "invalid signature",
        10 => "invalid certification data",
        11 => "unknown user",
        12 => "max session key status requests exceeded",
        _ => "other error",
    }
}
