//! Function codes by name and meaning.

use model::OperationClass as Class;

/// (class, name) of a function code (V1.1b3, 5.1); private ones have none.
pub(super) fn function(code: u8) -> (Class, &'static str) {
    match code {
        1 => (Class::Read, "read coils"),
        2 => (Class::Read, "read discrete inputs"),
        3 => (Class::Read, "read holding registers"),
        4 => (Class::Read, "read input registers"),
        5 => (Class::Write, "write single coil"),
        6 => (Class::Write, "write single register"),
        7 => (Class::Diagnose, "read exception status"),
        8 => (Class::Diagnose, "diagnostics"),
        11 => (Class::Diagnose, "get comm event counter"),
        12 => (Class::Diagnose, "get comm event log"),
        15 => (Class::Write, "write multiple coils"),
        16 => (Class::Write, "write multiple registers"),
        17 => (Class::Diagnose, "report server id"),
        20 => (Class::File, "read file record"),
        21 => (Class::Write, "write file record"),
        22 => (Class::Write, "mask write register"),
        23 => (Class::Write, "read/write multiple registers"),
        24 => (Class::Read, "read fifo queue"),
        43 => (Class::Diagnose, "read device identification"),
        90 => (Class::Other, "umas"),
        _ => (Class::Other, "private function"),
    }
}

/// Subfunctions of diagnostics (V1.1b3, 6.8): some are no diagnosis at all.
pub(super) fn diagnostics(subfunction: u16) -> (Class, &'static str) {
    match subfunction {
        0 => (Class::Diagnose, "return query data"),
        1 => (Class::Reset, "restart communications"),
        2 => (Class::Diagnose, "return diagnostic register"),
        3 => (Class::Configure, "change ascii input delimiter"),
        4 => (Class::Stop, "force listen only mode"),
        10 => (Class::Configure, "clear counters and diagnostic register"),
        11..=18 => (Class::Diagnose, "return counter"),
        20 => (Class::Configure, "clear overrun counter"),
        _ => (Class::Diagnose, "diagnostics"),
    }
}

/// Path of objects that the maker defines.
pub(super) const OWN_OBJECT: &str = "modbus_object";

/// Facts made of identification objects (V1.1b3, 6.21, table of objects).
pub(super) fn object(id: u8) -> &'static str {
    match id {
        0 => "vendor",
        1 => "product_code",
        2 => "firmware",
        3 => "vendor_url",
        4 => "product_name",
        5 => "model",
        6 => "application",
        _ => OWN_OBJECT,
    }
}
