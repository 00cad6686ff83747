//! Limits of S7comm, each with a counter when it is hit.
//!
//! Invariant: what one conversation can make us keep is bounded by these.

/// Jobs whose answers are awaited; CPUs allow a few tens at most.
pub(super) const PENDING_JOBS_MAX: usize = 64;

/// Octets of one system status list put together from its parts.
pub(super) const LIST_OCTETS_MAX: usize = 64 * 1024;
