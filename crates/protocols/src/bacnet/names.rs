//! Names and meanings of services, objects, properties, errors and vendors (ASHRAE 135-2020,
//! clauses 12, 18 and 21; vendors as registered with ASHRAE).

use model::OperationClass as Class;

/// Confirmed services (21, BACnetConfirmedServiceChoice).
pub(super) const fn confirmed(choice: u8) -> Option<(Class, &'static str)> {
    Some(match choice {
        0 => (Class::Configure, "acknowledge alarm"),
        1 => (Class::Report, "confirmed COV notification"),
        2 => (Class::Report, "confirmed event notification"),
        3 => (Class::Diagnose, "get alarm summary"),
        4 => (Class::Diagnose, "get enrollment summary"),
        5 => (Class::Session, "subscribe COV"),
        6 => (Class::File, "atomic read file"),
        7 => (Class::File, "atomic write file"),
        8 => (Class::Configure, "add list element"),
        9 => (Class::Configure, "remove list element"),
        10 => (Class::Configure, "create object"),
        11 => (Class::Configure, "delete object"),
        12 => (Class::Read, "read property"),
        13 => (Class::Read, "read property conditional"),
        14 => (Class::Read, "read property multiple"),
        15 => (Class::Write, "write property"),
        16 => (Class::Write, "write property multiple"),
        17 => (Class::Configure, "device communication control"),
        18 => (Class::Other, "confirmed private transfer"),
        19 => (Class::Other, "confirmed text message"),
        20 => (Class::Reset, "reinitialize device"),
        21 => (Class::Session, "VT open"),
        22 => (Class::Session, "VT close"),
        23 => (Class::Other, "VT data"),
        24 => (Class::Authenticate, "authenticate"),
        25 => (Class::Authenticate, "request key"),
        26 => (Class::Read, "read range"),
        27 => (Class::Write, "life safety operation"),
        28 => (Class::Session, "subscribe COV property"),
        29 => (Class::Diagnose, "get event information"),
        30 => (Class::Session, "subscribe COV property multiple"),
        31 => (Class::Report, "confirmed COV notification multiple"),
        32 => (Class::Report, "confirmed audit notification"),
        33 => (Class::Diagnose, "audit log query"),
        34 => (Class::Authenticate, "auth request"),
        _ => return None,
    })
}

/// Unconfirmed services (21, BACnetUnconfirmedServiceChoice).
pub(super) const fn unconfirmed(choice: u8) -> Option<(Class, &'static str)> {
    Some(match choice {
        0 => (Class::Browse, "I-Am"),
        1 => (Class::Browse, "I-Have"),
        2 => (Class::Report, "unconfirmed COV notification"),
        3 => (Class::Report, "unconfirmed event notification"),
        4 => (Class::Other, "unconfirmed private transfer"),
        5 => (Class::Other, "unconfirmed text message"),
        6 => (Class::TimeSync, "time synchronization"),
        7 => (Class::Browse, "Who-Has"),
        8 => (Class::Browse, "Who-Is"),
        9 => (Class::TimeSync, "UTC time synchronization"),
        10 => (Class::Write, "write group"),
        11 => (Class::Report, "unconfirmed COV notification multiple"),
        12 => (Class::Report, "unconfirmed audit notification"),
        13 => (Class::Browse, "Who-Am-I"),
        14 => (Class::Configure, "You-Are"),
        _ => return None,
    })
}

/// Network layer messages (6.2.4).
pub(super) const fn network(kind: u8) -> (Class, &'static str) {
    match kind {
        0x00 => (Class::Browse, "Who-Is-Router-To-Network"),
        0x01 => (Class::Report, "I-Am-Router-To-Network"),
        0x02 => (Class::Report, "I-Could-Be-Router-To-Network"),
        0x03 => (Class::Report, "Reject-Message-To-Network"),
        0x04 => (Class::Report, "Router-Busy-To-Network"),
        0x05 => (Class::Report, "Router-Available-To-Network"),
        0x06 => (Class::Configure, "Initialize-Routing-Table"),
        0x07 => (Class::Report, "Initialize-Routing-Table-Ack"),
        0x08 => (Class::Configure, "Establish-Connection-To-Network"),
        0x09 => (Class::Configure, "Disconnect-Connection-To-Network"),
        0x0a => (Class::Authenticate, "Challenge-Request"),
        0x0b => (Class::Authenticate, "Security-Payload"),
        0x0c => (Class::Authenticate, "Security-Response"),
        0x0d => (Class::Authenticate, "Request-Key-Update"),
        0x0e => (Class::Authenticate, "Update-Key-Set"),
        0x0f => (Class::Authenticate, "Update-Distribution-Key"),
        0x10 => (Class::Authenticate, "Request-Master-Key"),
        0x11 => (Class::Authenticate, "Set-Master-Key"),
        0x12 => (Class::Browse, "What-Is-Network-Number"),
        0x13 => (Class::Report, "Network-Number-Is"),
        0x80.. => (Class::Other, "vendor's network message"),
        _ => (Class::Other, "reserved network message"),
    }
}

/// Functions of BVLC that are messages of their own (Annex J.2).
pub(super) const fn link(function: u8) -> Option<(Class, &'static str)> {
    Some(match function {
        0 => (Class::Session, "BVLC-Result"),
        1 => (Class::Configure, "Write-Broadcast-Distribution-Table"),
        2 => (Class::Diagnose, "Read-Broadcast-Distribution-Table"),
        3 => (Class::Diagnose, "Read-Broadcast-Distribution-Table-Ack"),
        5 => (Class::Session, "Register-Foreign-Device"),
        6 => (Class::Diagnose, "Read-Foreign-Device-Table"),
        7 => (Class::Diagnose, "Read-Foreign-Device-Table-Ack"),
        8 => (Class::Configure, "Delete-Foreign-Device-Table-Entry"),
        12 => (Class::Other, "Secure-BVLL"),
        _ => return None,
    })
}

/// Object types (21, BACnetObjectType).
pub(super) const fn object(kind: u16) -> &'static str {
    match kind {
        0 => "analog-input",
        1 => "analog-output",
        2 => "analog-value",
        3 => "binary-input",
        4 => "binary-output",
        5 => "binary-value",
        6 => "calendar",
        7 => "command",
        8 => "device",
        9 => "event-enrollment",
        10 => "file",
        11 => "group",
        12 => "loop",
        13 => "multi-state-input",
        14 => "multi-state-output",
        15 => "notification-class",
        16 => "program",
        17 => "schedule",
        18 => "averaging",
        19 => "multi-state-value",
        20 => "trend-log",
        21 => "life-safety-point",
        22 => "life-safety-zone",
        23 => "accumulator",
        24 => "pulse-converter",
        25 => "event-log",
        26 => "global-group",
        27 => "trend-log-multiple",
        28 => "load-control",
        29 => "structured-view",
        30 => "access-door",
        31 => "timer",
        32 => "access-credential",
        33 => "access-point",
        34 => "access-rights",
        35 => "access-user",
        36 => "access-zone",
        37 => "credential-data-input",
        39 => "bitstring-value",
        40 => "characterstring-value",
        41 => "date-pattern-value",
        42 => "date-value",
        43 => "datetime-pattern-value",
        44 => "datetime-value",
        45 => "integer-value",
        46 => "large-analog-value",
        47 => "octetstring-value",
        48 => "positive-integer-value",
        49 => "time-pattern-value",
        50 => "time-value",
        51 => "notification-forwarder",
        52 => "alert-enrollment",
        53 => "channel",
        54 => "lighting-output",
        55 => "binary-lighting-output",
        56 => "network-port",
        57 => "elevator-group",
        58 => "escalator",
        59 => "lift",
        60 => "staging",
        61 => "audit-log",
        62 => "audit-reporter",
        63 => "color",
        64 => "color-temperature",
        128.. => "vendor-object",
        _ => "reserved-object",
    }
}

pub(super) const DEVICE: u16 = 8;
pub(super) const PROGRAM: u16 = 16;
pub(super) const PRESENT_VALUE: u32 = 85;
pub(super) const STATUS_FLAGS: u32 = 111;
pub(super) const OBJECT_LIST: u32 = 76;
pub(super) const PROGRAM_CHANGE: u32 = 90;

/// Properties of the device object that say what it is (12.11): property, path of the fact.
pub(super) const fn identity(property: u32) -> Option<&'static str> {
    Some(match property {
        12 => "software",
        28 => "description",
        44 => "firmware",
        58 => "location",
        70 => "model",
        77 => "name",
        120 => "vendor_id",
        121 => "vendor",
        372 => "serial",
        _ => return None,
    })
}

/// BACnetDeviceStatus (21).
pub(super) const fn device_status(value: u32) -> Option<&'static str> {
    Some(match value {
        0 => "operational",
        1 => "operational-read-only",
        2 => "download-required",
        3 => "download-in-progress",
        4 => "non-operational",
        5 => "backup-in-progress",
        _ => return None,
    })
}

/// Words of the `enable-disable` parameter of device communication control (16.1).
pub(super) const fn communication(value: u32) -> (Class, &'static str) {
    match value {
        0 => (Class::Start, "device communication control: enable"),
        1 => (Class::Stop, "device communication control: disable"),
        2 => (Class::Stop, "device communication control: disable initiation"),
        _ => (Class::Configure, "device communication control"),
    }
}

/// States a device can be put in (16.4).
pub(super) const fn reinitialize(state: u32) -> (Class, &'static str) {
    match state {
        0 => (Class::Reset, "reinitialize device: coldstart"),
        1 => (Class::Reset, "reinitialize device: warmstart"),
        2 => (Class::ProgramUpload, "reinitialize device: start backup"),
        // Nothing is read or loaded by these: a backup is over, a load is called off.
        3 => (Class::Session, "reinitialize device: end backup"),
        4 => (Class::ProgramDownload, "reinitialize device: start restore"),
        5 => (Class::ProgramDownload, "reinitialize device: end restore"),
        6 => (Class::Configure, "reinitialize device: abort restore"),
        7 => (Class::Configure, "reinitialize device: activate changes"),
        _ => (Class::Reset, "reinitialize device"),
    }
}

/// BACnetProgramRequest (21): what writing program-change asks a program object for.
pub(super) const fn program_change(value: u32) -> Option<(Class, &'static str)> {
    Some(match value {
        1 => (Class::ProgramDownload, "program change: load"),
        2 => (Class::Start, "program change: run"),
        3 => (Class::Stop, "program change: halt"),
        4 => (Class::Start, "program change: restart"),
        5 => (Class::Stop, "program change: unload"),
        _ => return None,
    })
}

/// BACnetEventState (21).
pub(super) const fn event_state(value: u32) -> &'static str {
    match value {
        0 => "normal",
        1 => "fault",
        2 => "off-normal",
        3 => "high-limit",
        4 => "low-limit",
        5 => "life-safety-alarm",
        _ => "vendor's state",
    }
}

/// Error codes (18, 21) that tell an operator something; the number stands beside the name.
pub(super) const fn error(code: u32) -> &'static str {
    match code {
        0 => "other error",
        2 => "configuration in progress",
        3 => "device busy",
        4 => "dynamic creation not supported",
        5 => "file access denied",
        9 => "invalid data type",
        10 => "invalid file access method",
        11 => "invalid file start position",
        13 => "invalid parameter data type",
        16 => "missing required parameter",
        18 => "no space for object",
        25 => "operational problem",
        26 => "password failure",
        27 => "read access denied",
        29 => "service request denied",
        30 => "timeout",
        31 => "unknown object",
        32 => "unknown property",
        36 => "unsupported object type",
        37 => "value out of range",
        40 => "write access denied",
        41 => "character set not supported",
        42 => "invalid array index",
        43 => "COV subscription failed",
        44 => "not a COV property",
        45 => "optional functionality not supported",
        50 => "property is not an array",
        70 => "unknown device",
        79 => "unknown subscription",
        82 => "busy",
        83 => "communication disabled",
        _ => "error",
    }
}

/// Reject reasons (18.9).
pub(super) const fn reject(reason: u8) -> &'static str {
    match reason {
        1 => "buffer overflow",
        2 => "inconsistent parameters",
        3 => "invalid parameter data type",
        4 => "invalid tag",
        5 => "missing required parameter",
        6 => "parameter out of range",
        7 => "too many arguments",
        8 => "undefined enumeration",
        9 => "unrecognized service",
        _ => "rejected",
    }
}

/// Abort reasons (18.10).
pub(super) const fn abort(reason: u8) -> &'static str {
    match reason {
        1 => "buffer overflow",
        2 => "invalid APDU in this state",
        3 => "preempted by higher priority task",
        4 => "segmentation not supported",
        5 => "security error",
        6 => "insufficient security",
        7 => "window size out of range",
        8 => "application exceeded reply time",
        9 => "out of resources",
        10 => "TSM timeout",
        11 => "APDU too long",
        _ => "aborted",
    }
}

/// Vendors by their number in the register of ASHRAE, ascending.
const VENDORS: &[(u32, &str)] = &[
    (0, "ASHRAE"),
    (1, "NIST"),
    (2, "The Trane Company"),
    (3, "Daikin Applied Americas"),
    (4, "PolarSoft"),
    (5, "Johnson Controls"),
    (6, "American Auto-Matrix"),
    (7, "Siemens Schweiz AG"),
    (8, "Delta Controls"),
    (9, "Siemens Schweiz AG"),
    (10, "Schneider Electric"),
    (11, "TAC"),
    (13, "Teletrol Systems"),
    (14, "Cimetrics Technology"),
    (16, "United Technologies Carrier"),
    (17, "Honeywell"),
    (18, "Alerton"),
    (19, "TAC AB"),
    (20, "Hewlett-Packard"),
    (22, "Siemens Schweiz AG"),
    (23, "York Controls Group"),
    (24, "Automated Logic Corporation"),
    (25, "CSI Control Systems International"),
    (26, "Phoenix Controls Corporation"),
    (28, "KMC Controls"),
    (29, "Xn Technologies"),
    (32, "Simplex"),
    (33, "North Building Technologies"),
    (34, "Notifier"),
    (35, "Reliable Controls Corporation"),
    (36, "Tridium"),
    (37, "MSA Safety"),
    (39, "Kieback & Peter"),
    (42, "Acuity Brands Lighting"),
    (53, "DAIKIN Industries"),
    (56, "Liebert Corporation"),
    (62, "TSI Incorporated"),
    (73, "ABB"),
    (77, "Carel Industries"),
    (80, "Fr. Sauter AG"),
    (82, "Mitsubishi Electric"),
    (85, "Yamatake Building Systems"),
    (89, "Saia-Burgess Controls"),
    (90, "Hitachi"),
    (91, "Trend Control Systems"),
    (95, "Richards-Zeta Building Intelligence"),
    (99, "Mitsubishi Electric"),
    (105, "PRIVA"),
    (113, "Vertiv"),
    (127, "ABB"),
    (140, "Viconics Electronics"),
    (142, "DEOS control systems"),
    (150, "Advantech"),
    (160, "Rockwell Automation"),
    (171, "ABB"),
    (176, "Lutron Electronics"),
    (178, "LOYTEC Electronics"),
    (185, "Hermos AG"),
    (189, "Schneider Toshiba Inverter Europe"),
    (190, "Danfoss Drives"),
    (191, "Eaton"),
    (222, "WAGO"),
    (225, "Computrols"),
    (226, "Phoenix Contact"),
    (227, "Grundfos"),
    (236, "Serotonin Software Technologies"),
    (245, "Contemporary Control Systems"),
    (246, "HMS Industrial Networks"),
    (251, "WILO SE"),
    (260, "BACnet Stack at SourceForge"),
    (264, "Regin AB"),
    (284, "BELIMO Automation"),
    (313, "Siemens Industry"),
    (332, "Distech Controls"),
    (335, "Schneider Electric"),
    (339, "VAISALA"),
    (364, "Distech Controls"),
    (366, "ICONICS"),
    (396, "Thermokon Sensortechnik"),
    (415, "Beckhoff Automation"),
    (423, "BELIMO Automation"),
    (432, "LG Electronics"),
    (434, "Mitsubishi Electric"),
    (458, "ICP DAS"),
    (486, "HMS Industrial Networks"),
    (502, "EasyIO"),
    (971, "Samsung Electronics"),
    (985, "Ziehl-Abegg"),
    (1096, "Moxa"),
];

pub(super) fn vendor(id: u32) -> Option<&'static str> {
    let at = VENDORS.binary_search_by_key(&id, |(number, _)| *number).ok()?;
    VENDORS.get(at).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_are_in_order_and_found() {
        assert!(VENDORS.is_sorted());
        assert_eq!(vendor(36), Some("Tridium"));
        assert_eq!(vendor(12), None);
    }

    #[test]
    fn a_restore_that_is_called_off_loads_nothing() {
        let classes = [2, 3, 4, 5, 6].map(|state| reinitialize(state).0);
        let load = Class::ProgramDownload;
        let expected = [Class::ProgramUpload, Class::Session, load, load, Class::Configure];
        assert_eq!(classes, expected);
    }
}
