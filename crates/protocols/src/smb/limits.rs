//! Bounds of one SMB conversation.

/// Shares connected.
pub const TREES_MAX: usize = 64;
/// Files and pipes open; the one opened first is forgotten first.
pub const OPENS_MAX: usize = 256;
/// Requests whose answers are awaited.
pub const ASKED_MAX: usize = 256;
/// Octets of a longer message that are read; the rest is data of a read or write and is skipped.
pub const HEAD_OCTETS: usize = 4_096;
/// Messages up to this size are read whole.
pub const WHOLE_OCTETS_MAX: usize = 72 * 1024;
/// SMB2 messages compounded in one that are read.
pub const COMPOUND_MAX: usize = 32;
/// Names in an answer to a directory query that are counted.
pub const NAMES_MAX: usize = 1_024;
