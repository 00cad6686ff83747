//! Bounds of what the agent keeps and says.
//!
//! Invariant: each has a unit in its name, and what it costs is counted.

use std::time::Duration;

/// Runs in the books that the control plane has not taken yet; then the oldest go, and are counted.
pub const BOOKED_RUNS_MAX: usize = 2_000;
/// Runs told in one call.
pub const TOLD_RUNS_MAX: usize = 50;
/// Faults of a run that are told; all are counted.
pub const FAULTS_TOLD_MAX: usize = 10;
/// Characters of a text that is told.
pub const TEXT_CHARS_MAX: usize = 200;
/// Plans that are taken from a control plane.
pub const PLANS_MAX: usize = 500;
/// Sources of one plan.
pub const SOURCES_MAX: usize = 50;
/// An answer of the control plane.
pub const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Between two calls, when there is something to say.
pub const CALL_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Between two tries while the line is cut.
pub const CUT_PAUSE_MAX: Duration = Duration::from_secs(300);
/// While a backup is under way its progress is told so often.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Tries of sending to the vault without progress, before it is left for a while.
pub const SEND_TRIES: u32 = 2;
