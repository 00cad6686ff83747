//! Services by the number of their message type (OPC 10000-6, annex A), and status codes.

use model::OperationClass::{self as Class, *};

/// Class, name, and whether it is a response.
pub fn find(number: u32) -> Option<(Class, &'static str, bool)> {
    // A response's number is three behind its request's.
    let of = |n: u32| SERVICES.iter().find(|(request, _, _)| *request == n);
    if let Some((_, class, name)) = of(number) {
        return Some((*class, name, false));
    }
    match number {
        FAULT => return Some((Other, "ServiceFault", true)),
        // Of services added later the response's number follows on the request's.
        12_208 => return Some((Browse, "FindServersOnNetwork", false)),
        12_209 => return Some((Browse, "FindServersOnNetwork", true)),
        REGISTER_SERVER_2 => return Some((Session, "RegisterServer2", false)),
        REGISTER_SERVER_2_RESPONSE => return Some((Session, "RegisterServer2", true)),
        _ => {}
    }
    of(number.checked_sub(3)?).map(|(_, class, name)| (*class, *name, true))
}

pub const FAULT: u32 = 397;
pub const FIND_SERVERS: u32 = 422;
pub const GET_ENDPOINTS: u32 = 428;
pub const REGISTER_SERVER: u32 = 437;
pub const OPEN_CHANNEL: u32 = 446;
pub const CREATE_SESSION: u32 = 461;
pub const ACTIVATE_SESSION: u32 = 467;
pub const ADD_NODES: u32 = 488;
pub const ADD_REFERENCES: u32 = 494;
pub const DELETE_NODES: u32 = 500;
pub const DELETE_REFERENCES: u32 = 506;
pub const BROWSE: u32 = 527;
pub const READ: u32 = 631;
pub const WRITE: u32 = 673;
pub const HISTORY_UPDATE: u32 = 700;
pub const CALL: u32 = 712;
pub const CREATE_MONITORED: u32 = 751;
pub const PUBLISH: u32 = 826;
pub const REGISTER_SERVER_2: u32 = 12_211;
const REGISTER_SERVER_2_RESPONSE: u32 = 12_212;

static SERVICES: &[(u32, Class, &str)] = &[
    (FIND_SERVERS, Browse, "FindServers"),
    (GET_ENDPOINTS, Browse, "GetEndpoints"),
    (REGISTER_SERVER, Session, "RegisterServer"),
    (OPEN_CHANNEL, Session, "OpenSecureChannel"),
    (452, Session, "CloseSecureChannel"),
    (CREATE_SESSION, Session, "CreateSession"),
    (ACTIVATE_SESSION, Authenticate, "ActivateSession"),
    (473, Session, "CloseSession"),
    (479, Session, "Cancel"),
    (ADD_NODES, Configure, "AddNodes"),
    (ADD_REFERENCES, Configure, "AddReferences"),
    (DELETE_NODES, Configure, "DeleteNodes"),
    (DELETE_REFERENCES, Configure, "DeleteReferences"),
    (BROWSE, Browse, "Browse"),
    (533, Browse, "BrowseNext"),
    (554, Browse, "TranslateBrowsePathsToNodeIds"),
    (560, Session, "RegisterNodes"),
    (566, Session, "UnregisterNodes"),
    (615, Browse, "QueryFirst"),
    (621, Browse, "QueryNext"),
    (READ, Read, "Read"),
    (664, Read, "HistoryRead"),
    (WRITE, Write, "Write"),
    (HISTORY_UPDATE, Write, "HistoryUpdate"),
    // A method does whatever the device's maker let it do.
    (CALL, Write, "Call"),
    (CREATE_MONITORED, Read, "CreateMonitoredItems"),
    (763, Session, "ModifyMonitoredItems"),
    (769, Session, "SetMonitoringMode"),
    (775, Session, "SetTriggering"),
    (781, Session, "DeleteMonitoredItems"),
    (787, Session, "CreateSubscription"),
    (793, Session, "ModifySubscription"),
    (799, Session, "SetPublishingMode"),
    (PUBLISH, Report, "Publish"),
    (832, Report, "Republish"),
    (841, Session, "TransferSubscriptions"),
    (847, Session, "DeleteSubscriptions"),
];

/// OPC 10000-6, annex A.2 (status codes), as far as they tell something to a reader.
pub fn status(code: u32) -> &'static str {
    match code & 0xffff_0000 {
        0x8001_0000 => "unexpected error",
        0x800a_0000 => "timeout",
        0x800b_0000 => "service unsupported",
        0x8010_0000 => "too many operations",
        0x8012_0000 => "certificate invalid",
        0x8013_0000 => "security checks failed",
        0x8014_0000 => "certificate expired",
        0x801a_0000 => "certificate untrusted",
        0x801f_0000 => "user access denied",
        0x8020_0000 => "identity token invalid",
        0x8021_0000 => "identity token rejected",
        0x8022_0000 => "secure channel id invalid",
        0x8025_0000 => "session id invalid",
        0x8027_0000 => "session not activated",
        0x8033_0000 => "node id invalid",
        0x8034_0000 => "node id unknown",
        0x8035_0000 => "attribute id invalid",
        0x803a_0000 => "not readable",
        0x803b_0000 => "not writable",
        0x803c_0000 => "out of range",
        0x8054_0000 => "security mode rejected",
        0x8055_0000 => "security policy rejected",
        0x8056_0000 => "too many sessions",
        0x805b_0000 => "parent node id invalid",
        0x805c_0000 => "reference not allowed",
        0x805d_0000 => "node id rejected",
        0x805e_0000 => "node id exists",
        0x8069_0000 => "no rights to delete",
        0x8074_0000 => "type mismatch",
        0x8075_0000 => "method invalid",
        0x8076_0000 => "arguments missing",
        0x8079_0000 => "no subscription",
        0x807d_0000 => "TCP server too busy",
        0x807e_0000 => "TCP message type invalid",
        0x8080_0000 => "TCP message too large",
        0x8083_0000 => "TCP endpoint URL invalid",
        _ => "bad",
    }
}

/// Bit 31: the operation failed (OPC 10000-4, 7.39).
pub fn is_bad(code: u32) -> bool {
    code >> 31 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_three_behind_its_request() {
        assert_eq!(find(634), Some((Read, "Read", true)));
        assert_eq!(find(826), Some((Report, "Publish", false)));
        assert_eq!(find(1), None);
    }
}
