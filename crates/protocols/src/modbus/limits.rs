//! Limits of the Modbus dissector, each with a counter when it is hit.
//!
//! Invariant: what one conversation can make us keep is bounded by these.

/// Requests of one conversation whose answers are awaited (the Guide, 4.4.1.1 allows up to 16).
pub(super) const PENDING_REQUESTS_MAX: usize = 64;
