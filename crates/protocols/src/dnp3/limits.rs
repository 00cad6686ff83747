//! Limits of the DNP3 dissector, each with a counter when it is hit.
//!
//! Not settings. Invariant: what one conversation can make us keep is bounded by these.

/// Octets of one application fragment put together from transport segments. The standard's
/// default is 2048 (IEEE 1815-2012, 4.2.1); file transfer negotiates more.
pub(super) const FRAGMENT_OCTETS_MAX: usize = 16 * 1024;

/// Fragments under way in one conversation: one for each pair of link addresses.
pub(super) const FRAGMENTS_MAX: usize = 64;

/// Requests of one conversation whose answers are awaited.
pub(super) const REQUESTS_MAX: usize = 64;

/// Outstations of one conversation whose indications are remembered.
pub(super) const OUTSTATIONS_MAX: usize = 256;
