//! Words for SMB commands, statuses and dialects ([MS-CIFS], 2.2.2.1; [MS-SMB2], 2.2.1.2).

pub(super) fn smb1(command: u8) -> &'static str {
    match command {
        0x00 => "create directory",
        0x01 => "delete directory",
        0x02 => "open",
        0x03 => "create",
        0x04 => "close",
        0x05 => "flush",
        0x06 => "delete",
        0x07 => "rename",
        0x08 => "query information",
        0x0a => "read",
        0x0b => "write",
        0x10 => "check directory",
        0x24 => "lock",
        0x25 => "transaction",
        0x26 => "transaction secondary",
        0x2b => "echo",
        0x2d => "open",
        0x2e => "read",
        0x2f => "write",
        0x32 => "transaction 2",
        0x33 => "transaction 2 secondary",
        0x34 => "close search",
        0x70 => "tree connect",
        0x71 => "tree disconnect",
        0x72 => "negotiate",
        0x73 => "session setup",
        0x74 => "log off",
        0x75 => "tree connect",
        0xa0 => "NT transaction",
        0xa1 => "NT transaction secondary",
        0xa2 => "create",
        0xa4 => "cancel",
        0xa5 => "rename",
        _ => "command",
    }
}

/// NT status codes ([MS-ERREF], 2.3.1) as far as they tell something to a reader.
pub(super) fn status(status: u32) -> &'static str {
    match status {
        0xc000_0002 => "not implemented",
        0xc000_000d => "invalid parameter",
        0xc000_000f | 0xc000_0034 => "no such file",
        0xc000_0022 => "access denied",
        0xc000_0033 => "object name invalid",
        0xc000_0035 => "name exists already",
        0xc000_003a => "path not found",
        0xc000_0043 => "sharing violation",
        0xc000_0064 => "no such user",
        0xc000_006a => "wrong password",
        0xc000_006d => "log-on failure",
        0xc000_006e => "account restriction",
        0xc000_006f => "invalid log-on hours",
        0xc000_0070 => "invalid workstation",
        0xc000_0071 => "password expired",
        0xc000_0072 => "account disabled",
        0xc000_00ac => "pipe not available",
        0xc000_00bb => "not supported",
        0xc000_00ca => "bad device type",
        0xc000_00cc => "bad network name",
        0xc000_015b => "log-on type not granted",
        0xc000_0203 => "session deleted",
        0xc000_0205 => "insufficient server resources",
        0xc000_0234 => "account locked out",
        0x8000_0006 => "no more files",
        0xc000_0011 => "end of file",
        _ => "error",
    }
}

/// Statuses that are answers like any other: pending, buffer overflow, more processing, no more
/// files, end of file, notifications.
pub(super) fn is_failure(status: u32) -> bool {
    let none = [0xc000_0016, 0xc000_0011, 0xc000_0120];
    status >> 30 == 3 && !none.contains(&status)
}

pub(super) fn dialect(revision: u16) -> &'static str {
    match revision {
        0x0202 => "SMB 2.0.2",
        0x0210 => "SMB 2.1",
        0x02ff => "SMB 2",
        0x0300 => "SMB 3.0",
        0x0302 => "SMB 3.0.2",
        0x0311 => "SMB 3.1.1",
        _ => "SMB",
    }
}

/// File system and pipe controls ([MS-FSCC], 2.3; [MS-SMB2], 2.2.31).
pub(super) fn control(code: u32) -> &'static str {
    match code {
        0x0006_0194 | 0x0006_01b0 => "get DFS referrals",
        0x0011_400c => "peek pipe",
        0x0011_0018 => "wait for pipe",
        0x0011_c017 => "transceive pipe",
        0x0014_01d4 => "request resiliency",
        0x0014_01fc => "query network interfaces",
        0x0014_0204 => "validate negotiation",
        0x0014_4064 => "enumerate snapshots",
        0x0014_40f2 | 0x0014_80f2 => "copy chunk",
        _ => "control",
    }
}
