//! SLMP commands (SH-080956ENG, 5), device codes (5.2) and end codes (6).

use super::wire::Frame;
use model::OperationClass as Class;

pub(super) fn known(frame: &Frame<'_>) -> bool {
    frame.answer || command(frame.command).1 != UNDOCUMENTED
}

const UNDOCUMENTED: &str = "undocumented command";

pub(super) const fn command(code: u16) -> (Class, &'static str) {
    match code {
        0x0101 | 0x0121 => (Class::Diagnose, "read type name"),
        0x0401 => (Class::Read, "device read"),
        0x0403 => (Class::Read, "device read random"),
        0x0406 => (Class::Read, "device read block"),
        0x0410 | 0x0411 => (Class::Read, "monitor devices"),
        0x0601 => (Class::Read, "extend unit read"),
        0x0613 => (Class::Read, "memory read"),
        0x0619 => (Class::Diagnose, "self test"),
        0x0801 => (Class::Read, "entry monitor device"),
        0x0802 => (Class::Read, "execute monitor"),
        0x0e30 => (Class::Browse, "node search"),
        0x0e31 => (Class::Configure, "node IP address set"),
        0x1001 => (Class::Start, "remote run"),
        0x1002 => (Class::Stop, "remote stop"),
        0x1003 => (Class::Stop, "remote pause"),
        0x1005 => (Class::Configure, "remote latch clear"),
        0x1006 => (Class::Reset, "remote reset"),
        0x1401 => (Class::Write, "device write"),
        0x1402 => (Class::Write, "device write random"),
        0x1406 => (Class::Write, "device write block"),
        0x1601 => (Class::Write, "extend unit write"),
        0x1613 => (Class::Write, "memory write"),
        0x1617 => (Class::Configure, "clear error"),
        0x1630 => (Class::Authenticate, "remote password unlock"),
        0x1631 => (Class::Authenticate, "remote password lock"),
        0x1810 => (Class::Browse, "read directory"),
        0x1811 => (Class::Browse, "search directory"),
        0x1820 => (Class::ProgramDownload, "new file"),
        0x1822 => (Class::ProgramDownload, "delete file"),
        0x1824 => (Class::ProgramDownload, "copy file"),
        0x1825 => (Class::Configure, "change file state"),
        0x1826 => (Class::Configure, "change file date"),
        0x1827 => (Class::File, "open file"),
        0x1828 => (Class::ProgramUpload, "read file"),
        0x1829 => (Class::ProgramDownload, "write file"),
        0x182a => (Class::File, "close file"),
        0x1861 => (Class::Browse, "read file information"),
        0x2101 => (Class::Report, "on demand"),
        0x3070..=0x307f => (Class::Configure, "node parameter set"),
        _ => (Class::Other, UNDOCUMENTED),
    }
}

/// Device name by its binary code, and whether its numbers are hexadecimal.
pub(super) const fn device(code: u16) -> (&'static str, bool) {
    match code & 0xff {
        0x91 => ("SM", false),
        0xa9 => ("SD", false),
        0x9c => ("X", true),
        0x9d => ("Y", true),
        0x90 => ("M", false),
        0x92 => ("L", false),
        0x93 => ("F", false),
        0x94 => ("V", false),
        0xa0 => ("B", true),
        0xa8 => ("D", false),
        0xb4 => ("W", true),
        0xc1 => ("TS", false),
        0xc0 => ("TC", false),
        0xc2 => ("TN", false),
        0xc4 => ("CS", false),
        0xc3 => ("CC", false),
        0xc5 => ("CN", false),
        0xa1 => ("SB", true),
        0xb5 => ("SW", true),
        0xa2 => ("DX", true),
        0xa3 => ("DY", true),
        0xcc => ("Z", false),
        0xaf => ("R", false),
        0xb0 => ("ZR", true),
        _ => ("device", false),
    }
}

/// Devices of one bit: a word of them holds sixteen, one behind the other (SH-080956ENG, 5.2).
pub(super) fn is_of_bits(device: &str) -> bool {
    const OF_BITS: [&str; 15] =
        ["SM", "X", "Y", "M", "L", "F", "V", "B", "TS", "TC", "CS", "CC", "SB", "DX", "DY"];
    OF_BITS.contains(&device)
}

/// The other way round, for frames in ASCII.
pub(super) fn device_code(name: &str) -> Option<(u8, bool)> {
    (0x90..=0xcf_u8).find_map(|code| {
        let (known, hexadecimal) = device(u16::from(code));
        (known == name).then_some((code, hexadecimal))
    })
}

pub(super) const fn end_code(code: u16) -> &'static str {
    match code {
        0x0055 => "write during run is not enabled",
        0xc035 => "response not received in time",
        0xc050 => "ASCII data that cannot be converted",
        0xc051..=0xc054 => "number of points out of range",
        0xc056 => "address out of range",
        0xc058 => "data length after conversion wrong",
        0xc059 => "command or subcommand wrong",
        0xc05b => "device cannot be accessed",
        0xc05c => "request wrong",
        0xc05f => "request not possible on the target",
        0xc060 => "request data wrong",
        0xc061 => "request data length wrong",
        0xc06f => "code of the frame does not fit the setting",
        0xc070 => "device memory extension not possible",
        0xc200 => "remote password wrong",
        0xc201 => "port is locked by remote password",
        0xc204 => "request of another device than that which unlocked",
        0x4000..=0x4fff => "CPU error",
        _ => "error",
    }
}
