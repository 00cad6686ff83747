//! Every bound of the vault, with its unit.
//!
//! Invariant: a bound that is hit is an error or a fault with a line, never a silent cut.

/// Entries (files, links, directories) of one snapshot; about 200 bytes of memory each.
pub const ENTRIES_MAX: usize = 5_000_000;
/// Devices that one backup asks at the same time.
pub const DEVICES_AT_ONCE: usize = 8;

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

/// How long weaker rules wait after the second person agreed, in seconds.
pub const WEAKENING_DELAY_SECS: i64 = 72 * 3_600;

/// How far one log entry may move the clock that locks expire by, in seconds. A clock set years
/// ahead therefore frees eight days with each entry, not years at once.
pub const EXPIRY_STEP_MAX_SECS: i64 = 8 * 86_400;

/// Engineering projects of one snapshot that facts are kept of; about 300 bytes each.
pub const PROJECTS_MAX: usize = 10_000;

/// Bytes of a bundle of evidence: it is made in memory.
pub const EVIDENCE_BYTES_MAX: u64 = 256 << 20;

/// Bytes of one object; restic's packs are some ten MiB.
pub const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a message that continues a log, and of a list of objects.
pub const EXTENSION_BYTES_MAX: u64 = 256 << 20;

/// Bytes of a body that comes in one piece: a description, a config, an acknowledgement.
pub const SMALL_BYTES_MAX: usize = 65_536;

/// Unfinished objects of one client.
pub const PARTS_MAX: u64 = 64;

/// How long an unfinished object waits for the rest.
pub const PART_AGE_MAX: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

/// Percent of disk or quota in use at which the alarm is raised, and below which it may be again.
pub const ALARM_PERCENT: u64 = 70;
pub const CALM_PERCENT: u64 = 65;

/// Percent of the disk in use from which on nothing more is taken in.
pub const FULL_PERCENT: u64 = 95;

/// Locks of one client in one vault.
pub const LOCKS_MAX: usize = 16;

/// Bytes of a lock; restic's have some hundred.
pub const LOCK_BYTES_MAX: usize = 16_384;

/// How long a lock is kept. Restic renews its locks every five minutes and calls one stale after
/// thirty.
pub const LOCK_AGE_MAX: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Sorts of refusals told apart in one minute; more are counted together.
pub const SORTS_MAX: usize = 64;

/// Seconds over which refusals of one sort become one entry.
pub const GATHER_SECS: i64 = 60;

/// Characters of an example of a refused request.
pub const EXAMPLE_CHARS_MAX: usize = 200;

/// Bytes of a pack, whatever the repository's config says.
pub const PACK_BYTES_MAX: u64 = 512 << 20;

/// Bytes of one blob: a chunk has 8 MiB at most, the list of a directory some hundred an entry.
pub const BLOB_BYTES_MAX: u32 = 1 << 30;

/// Threads that compress and encrypt in a backup. Each has some MiB of buffers, and each batch
/// under way up to nine.
pub const WRITERS_MAX: usize = 4;

/// Threads that read back in a restore, and files they may have unfinished.
pub const READERS_MAX: usize = 4;
