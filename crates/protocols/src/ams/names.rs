//! Names and meanings of ADS commands, states, index groups and errors.

use model::OperationClass as Class;

pub(super) const fn command(number: u16) -> (Class, &'static str) {
    match number {
        1 => (Class::Diagnose, "read device info"),
        2 => (Class::Read, "read"),
        3 => (Class::Write, "write"),
        4 => (Class::Diagnose, "read state"),
        5 => (Class::Configure, "write control"),
        6 => (Class::Session, "add device notification"),
        7 => (Class::Session, "delete device notification"),
        8 => (Class::Report, "device notification"),
        9 => (Class::Read, "read and write"),
        _ => (Class::Other, "undefined command"),
    }
}

/// ADS states (ADSSTATE).
pub(super) const fn state(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "idle",
        2 => "reset",
        3 => "init",
        4 => "start",
        5 => "run",
        6 => "stop",
        7 => "save configuration",
        8 => "load configuration",
        9 => "power failure",
        10 => "power good",
        11 => "error",
        12 => "shutdown",
        13 => "suspend",
        14 => "resume",
        15 => "config",
        16 => "reconfig",
        17 => "stopping",
        _ => return None,
    })
}

/// What writing a state asks for.
pub(crate) const fn control(number: u16) -> (Class, &'static str) {
    match number {
        2 => (Class::Reset, "write control: reset"),
        4 | 14 => (Class::Start, "write control: start"),
        5 => (Class::Start, "write control: run"),
        6 | 17 => (Class::Stop, "write control: stop"),
        7 => (Class::Configure, "write control: save configuration"),
        8 => (Class::Configure, "write control: load configuration"),
        12 => (Class::Stop, "write control: shutdown"),
        13 => (Class::Stop, "write control: suspend"),
        15 => (Class::Stop, "write control: configuration mode"),
        16 => (Class::Stop, "write control: restart into configuration mode"),
        _ => (Class::Configure, "write control"),
    }
}

pub(super) const SYSTEM_SERVICE: u16 = 10_000;
pub(super) const HANDLE_BY_NAME: u32 = 0xf003;
pub(super) const VALUE_BY_NAME: u32 = 0xf004;
pub(super) const VALUE_BY_HANDLE: u32 = 0xf005;
pub(super) const SYMBOL_BY_NAME: u32 = 0xf007;
pub(super) const SYMBOL_BY_NAME_EX: u32 = 0xf009;

pub(super) const SUM_READ: u32 = 0xf080;

/// What reading or writing an index group of the system service is.
pub(super) const fn system(group: u32, write: bool) -> Option<(Class, &'static str)> {
    Some(match (group, write) {
        (100..=102 | 110 | 111, _) => (Class::File, "open file"),
        (120, _) => (Class::File, "file open"),
        (121, _) => (Class::File, "file close"),
        (122 | 126, _) => (Class::File, "file read"),
        (123 | 127, _) => (Class::File, "file write"),
        (124 | 125 | 128..=130 | 133, _) => (Class::File, "file access"),
        (131, _) => (Class::File, "file delete"),
        (132, _) => (Class::File, "file rename"),
        (200, false) => (Class::Diagnose, "registry read"),
        (200, true) => (Class::Configure, "registry write"),
        (400, false) => (Class::Diagnose, "time read"),
        (400, true) => (Class::TimeSync, "time write"),
        (500, _) => (Class::Start, "start process"),
        (600, _) => (Class::Configure, "change net id"),
        (801, _) => (Class::Configure, "add route"),
        (802, _) => (Class::Configure, "delete route"),
        (803, _) => (Class::Browse, "list routes"),
        _ => return None,
    })
}

/// What a "read and write" does that writes something, by its index group: flags, data and images
/// of inputs and outputs are written before they are read, and a handle that is given arguments is
/// that of a method.
pub(super) const fn written_and_read(group: u32) -> Option<(Class, &'static str)> {
    Some(match group {
        VALUE_BY_HANDLE => (Class::Write, "call method"),
        0x4000..=0x40ff | 0xf020..=0xf03f => (Class::Write, "read and write"),
        _ => return None,
    })
}

/// What reading or writing an index group every device has is.
pub(super) const fn general(group: u32, write: bool) -> Option<(Class, &'static str)> {
    Some(match (group, write) {
        (HANDLE_BY_NAME | 0xf006 | SYMBOL_BY_NAME | SYMBOL_BY_NAME_EX, _) => {
            (Class::Browse, "symbol by name")
        }
        (0xf00a..=0xf010, _) => (Class::Browse, "upload symbols"),
        (VALUE_BY_NAME | VALUE_BY_HANDLE, false) => (Class::Read, "read symbol"),
        (VALUE_BY_NAME | VALUE_BY_HANDLE, true) => (Class::Write, "write symbol"),
        (SUM_READ, _) => (Class::Read, "sum read"),
        (0xf081, _) => (Class::Write, "sum write"),
        (0xf082, _) => (Class::Write, "sum read and write"),
        (0xf083 | 0xf084, _) => (Class::Read, "sum read"),
        (0xf085 | 0xf086, _) => (Class::Session, "sum of device notifications"),
        _ => return None,
    })
}

/// The first result of a sum of `count` requests that is none of success: results stand before
/// everything else, for some sums each with a length or a handle behind it.
pub(super) fn sum_result(group: u32, count: u32, data: &[u8]) -> u32 {
    let stride = match group {
        SUM_READ | 0xf081 | 0xf086 => 4,
        0xf082..=0xf085 => 8,
        _ => return 0,
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let results = data.chunks(stride).take(count).filter_map(|item| item.first_chunk::<4>());
    results.map(|octets| u32::from_le_bytes(*octets)).find(|result| *result != 0).unwrap_or(0)
}

/// ADS return codes; the number stands beside the name.
pub(crate) const fn error(code: u32) -> &'static str {
    match code {
        0x01 => "internal error",
        0x06 => "target port not found",
        0x07 => "target machine not found",
        0x08 => "unknown command",
        0x701 => "service not supported by server",
        0x702 => "invalid index group",
        0x703 => "invalid index offset",
        0x704 => "reading or writing not permitted",
        0x705 => "parameter size not correct",
        0x706 => "invalid parameter values",
        0x707 => "device not ready",
        0x708 => "device busy",
        0x70a => "out of memory",
        0x70c => "not found",
        0x70e => "objects do not match",
        0x710 => "symbol not found",
        0x711 => "symbol version invalid",
        0x712 => "server in invalid state",
        0x714 => "notification handle invalid",
        0x719 => "device timeout",
        0x71e => "request pending",
        0x723 => "access denied",
        0x745 => "timeout",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_the_maker_says() {
        assert_eq!((error(0x71e), error(0x723)), ("request pending", "access denied"));
    }
}
