//! Limits of MMS, each with a counter when it is hit.
//!
//! Invariant: what one association can make us keep is bounded by these.

/// Requests whose answers are awaited; stations negotiate a few.
pub(super) const PENDING_MAX: usize = 64;
/// Objects of one request that are told and understood in its answer.
pub(super) const OBJECTS_MAX: usize = 64;
/// Names of one list that are told.
pub(super) const NAMES_MAX: usize = 32;
/// Entries of a report.
pub(super) const ENTRIES_MAX: usize = 512;
