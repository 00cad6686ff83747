//! Bounds of what the lab keeps in memory, each with its unit.
//!
//! Invariant: memory does not grow with the length of a run.

/// Frames that are made but lie in the future of the slowest actor, at most.
pub const PENDING_FRAMES_MAX: usize = 200_000;

/// Open TCP conversations at most.
pub const CONVERSATIONS_MAX: usize = 20_000;

/// Longest run written to a file, in minutes: a week.
pub const MINUTES_MAX: u32 = 7 * 24 * 60;
