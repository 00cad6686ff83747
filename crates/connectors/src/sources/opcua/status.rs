//! What a status code says (OPC 10000-6, A.2), of those that a reader meets.
//!
//! Invariant: the number is always told, so that a code without a text here can be looked up.

use std::io;

pub fn status_text(status: u32) -> String {
    let name = match status >> 16 {
        0x8002 => "internal error",
        0x8003 => "out of memory",
        0x8008 => "encoding limit exceeded",
        0x800a => "timeout",
        0x800b => "no such service",
        0x8010 => "too many operations in one request",
        0x8012 => "certificate invalid",
        0x8013 => "security checks failed",
        0x8014 | 0x8015 => "certificate expired or not yet valid",
        0x8016 => "certificate of another host",
        0x8017 => "certificate of another application",
        0x8018 | 0x8019 => "certificate is not for this use",
        0x801a => "certificate not trusted",
        0x801b..=0x801e => "certificate revoked, or not known whether it is",
        0x801f => "the user may not",
        0x8020 => "identity token invalid",
        0x8021 => "identity token rejected",
        0x8022 => "no such channel",
        0x8024 => "nonce invalid",
        0x8025..=0x8027 => "no such session",
        0x8034 => "no such node",
        0x8035 => "no such attribute",
        0x803a => "not readable",
        0x804a => "continuation point not known",
        0x804b => "no continuation point left",
        0x8054 => "security mode rejected",
        0x8055 => "security policy rejected",
        0x8056 => "too many sessions",
        0x8057 => "signature of the user is wrong",
        0x8058 => "signature of the application is wrong",
        0x807d => "server too busy",
        0x8080 => "message too large",
        0x8083 => "no such endpoint",
        0x8086 => "channel closed",
        0x8087 => "channel's token not known",
        0x80b8 => "request too large",
        0x80b9 => "response too large",
        0x80e6 => "security mode is not enough",
        0x8031 => "no communication",
        0x8032 => "waiting for the first value",
        0x808a => "not connected",
        0x808b => "device failure",
        0x810d => "certificates of the issuers are missing",
        _ => return format!("status {status:#010x}"),
    };
    format!("{name} ({status:#010x})")
}

pub fn refused(status: u32) -> io::Error {
    io::Error::other(format!("the server refuses: {}", status_text(status)))
}
