//! Limits of ISO transport, each with a counter when it is hit.
//!
//! Invariant: what one conversation can make us keep is bounded by these.

/// Octets of one TSDU; S7 negotiates at most 64 KiB.
pub(super) const TSDU_OCTETS_MAX: usize = 256 * 1024;
