//! Bounds of what is kept and of what is read.
//!
//! Invariant: each has a unit in its name; both ends agree on those of the string table, since it
//! is part of the format.

/// Strings that are told once and named by number afterwards.
pub const STRINGS_MAX: usize = 65_536;
/// Octets of such a string.
pub const STRING_OCTETS_MAX: usize = 48;
/// Insights of one batch.
pub const BATCH_INSIGHTS_MAX: usize = 400;
/// Octets of a batch before it is compressed, at which no more insights are added.
pub const BATCH_OCTETS: usize = 256 << 10;
/// Octets that a batch may have when it is unpacked, and before.
pub const UNPACKED_OCTETS_MAX: usize = 32 << 20;
pub const FRAME_OCTETS_MAX: usize = 32 << 20;
/// Rows of one sensor's picture.
pub const ROWS_MAX: usize = 1_000_000;
/// Values within values.
pub const DEPTH_MAX: u32 = 24;
/// Octets of a spool's folder, unless somebody says otherwise.
pub const SPOOL_OCTETS: u64 = 64 << 20;
/// Octets after which a segment ends, where all rows take less than an eighth of it.
pub const SEGMENT_OCTETS: u64 = 1 << 20;
/// Octets of a line that answers.
pub const LINE_OCTETS_MAX: usize = 256;
