//! Words of RFC 4120 for numbers on the wire.

pub fn message(kind: u8) -> &'static str {
    match kind {
        10 => "AS-REQ",
        11 => "AS-REP",
        12 => "TGS-REQ",
        13 => "TGS-REP",
        14 => "AP-REQ",
        15 => "AP-REP",
        20 => "KRB-SAFE",
        21 => "KRB-PRIV",
        22 => "KRB-CRED",
        30 => "KRB-ERROR",
        _ => "message",
    }
}

/// RFC 4120, 7.5.9.
pub fn error(code: u32) -> &'static str {
    match code {
        3 => "protocol version not supported",
        6 => "client not found",
        7 => "server not found",
        9 => "client or server has a null key",
        12 => "policy rejects request",
        13 => "cannot accommodate requested option",
        14 => "no support for encryption type",
        18 => "client's credentials have been revoked",
        23 => "password has expired",
        24 => "pre-authentication failed",
        25 => "pre-authentication required",
        29 => "service not available",
        31 => "integrity check failed",
        32 => "ticket expired",
        33 => "ticket not yet valid",
        34 => "request is a replay",
        35 => "ticket is not for us",
        37 => "clock skew too great",
        41 => "message stream modified",
        52 => "response too big for UDP",
        60 => "generic error",
        68 => "wrong realm",
        _ => "error",
    }
}

/// Does the error say that a log-on was refused? "Pre-authentication required" is no refusal.
pub fn is_refusal(code: u32) -> bool {
    matches!(code, 6 | 9 | 12 | 18 | 23 | 24)
}

/// DES and RC4 (RFC 8429 deprecates them).
pub fn is_weak(encryption: i64) -> bool {
    matches!(encryption, 1..=3 | 23 | 24)
}
