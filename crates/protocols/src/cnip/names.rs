//! Packet types of CN/IP (ISO/IEC 14908-4, 7.4) and network management messages of LonTalk
//! (ISO/IEC 14908-1, 9.5 and 9.6).

use model::OperationClass as Class;

/// Class, name, and whether it answers.
pub(super) const fn message(kind: u8) -> Option<(Class, &'static str, bool)> {
    Some(match kind {
        0x01 => (Class::Other, "data packet", false),
        0x03 => (Class::Session, "device registration", false),
        0x04 => (Class::Report, "channel membership", true),
        0x06 => (Class::Report, "send list", true),
        0x07 => (Class::Session, "acknowledge", true),
        0x08 => (Class::Report, "channel routing", true),
        0x60 => (Class::Diagnose, "status, health and statistics request", false),
        0x63 => (Class::Browse, "device configuration request", false),
        0x64 => (Class::Browse, "channel membership request", false),
        0x66 => (Class::Browse, "send list request", false),
        0x68 => (Class::Browse, "channel routing request", false),
        0x70 => (Class::Diagnose, "status, health and statistics response", true),
        0x71 => (Class::Configure, "device configuration", false),
        0x7f => (Class::Other, "segment", false),
        _ => return None,
    })
}

/// Which request an answer is to, by its five low bits. Those of two requests are the same in
/// some; of them the one is meant that stations are sent again and again.
pub(super) const fn answered(code: u8) -> u8 {
    const QUERY_STATUS: u8 = 0x51;
    const QUERY_TRANSCEIVER: u8 = 0x54;
    match code & 0x1f {
        0x11 => QUERY_STATUS,
        0x14 => QUERY_TRANSCEIVER,
        low => low | 0x60,
    }
}

/// What a network management or diagnostics message asks for.
pub(super) const fn management(code: u8, data: &[u8]) -> (Class, &'static str) {
    match code {
        0x51 => (Class::Diagnose, "query status"),
        0x52 => (Class::Diagnose, "proxy command"),
        0x53 => (Class::Configure, "clear status"),
        0x54 => (Class::Diagnose, "query transceiver status"),
        0x61 => (Class::Browse, "query id"),
        0x62 => (Class::Configure, "respond to query"),
        0x63 => (Class::Configure, "update domain"),
        0x64 => (Class::Configure, "leave domain"),
        0x65 => (Class::Configure, "update key"),
        0x66 => (Class::Configure, "update address"),
        0x67 => (Class::Diagnose, "query address"),
        0x68 => (Class::Diagnose, "query network variable configuration"),
        0x69 => (Class::Configure, "update group address"),
        0x6a => (Class::Diagnose, "query domain"),
        0x6b => (Class::Configure, "update network variable configuration"),
        0x6c => match data.first() {
            Some(0) => (Class::Stop, "set node mode: offline"),
            Some(1) => (Class::Start, "set node mode: online"),
            Some(2) => (Class::Reset, "set node mode: reset"),
            _ => (Class::Configure, "set node mode: change state"),
        },
        0x6d => (Class::ProgramUpload, "read memory"),
        0x6e => (Class::ProgramDownload, "write memory"),
        0x6f => (Class::Configure, "checksum recalculate"),
        0x70 => (Class::Diagnose, "wink or install"),
        0x71 => (Class::Configure, "memory refresh"),
        0x72 => (Class::Browse, "query SNVT"),
        0x73 => (Class::Read, "network variable fetch"),
        0x7f => (Class::Report, "service pin message"),
        _ => (Class::Other, "network management"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_query_status_is_no_memory_refresh() {
        assert_eq!([0x31, 0x11, 0x34, 0x21, 0x33].map(answered), [0x51, 0x51, 0x54, 0x61, 0x73]);
    }
}
