//! Every bound of the vault, with its unit.
//!
//! Invariant: a bound that is hit is an error or a fault with a line, never a silent cut.

/// Entries (files, links, directories) of one snapshot; about 200 bytes of memory each.
pub const ENTRIES_MAX: usize = 5_000_000;

/// Bytes of one log entry: tlog-tiles gives an entry a 16-bit length.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// Bytes of JSON that the names of a snapshot's sources may take of its log entry, and its faults
/// as many again; more sources are counted and vouched for by a hash of all names.
pub const LISTED_BYTES_MAX: usize = 24 * 1_024;

/// Bytes of an asset's name.
pub const ASSET_BYTES_MAX: usize = 1_024;

/// Snapshots deleted by one log entry; more take more entries.
pub const FORGOTTEN_AT_ONCE_MAX: usize = 500;

/// Faults written into the log with a snapshot; the rest is counted.
pub const FAULTS_LOGGED_MAX: usize = 10;

/// Bytes of a checkpoint file: a few cosignatures of about 150 bytes.
pub const CHECKPOINT_BYTES_MAX: u64 = 16_384;

/// Directories inside directories when a snapshot is read.
pub const DEPTH_MAX: usize = 512;

/// Bytes of one version of a file that `diff` reads to compare by meaning; larger ones compare
/// by their chunks only.
pub const DIFF_FILE_BYTES_MAX: u64 = 16 * 1_048_576;

/// Rows `diff` reports for one file; then one row counts the rest.
pub const DIFF_ROWS_MAX: usize = 1_000;

/// Bytes of a file that is checked by its own format; a larger one counts by its hash alone.
pub const CHECKED_FILE_BYTES_MAX: u64 = 256 * 1_048_576;

/// Rows of one directory of a snapshot that are shown.
pub const TREE_ROWS_MAX: usize = 5_000;

/// Earlier snapshots that `diff` learns from what a register usually does.
pub const DIFF_HISTORY_MAX: usize = 8;

/// How far one log entry may move the clock that locks expire by, in seconds. A clock set years
/// ahead therefore frees eight days, not years.
pub const EXPIRY_STEP_MAX_SECS: i64 = 8 * 86_400;
