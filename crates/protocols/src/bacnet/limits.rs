//! Limits of the BACnet dissector, each with a counter when it is hit.
//!
//! Invariant: what one conversation or message can make us keep or report is bounded by these.

/// Requests of one conversation whose answers are awaited.
pub(super) const PENDING_REQUESTS_MAX: usize = 64;
/// Objects and properties of one message that are looked into.
pub(super) const PROPERTIES_MAX: usize = 512;
/// Properties written by one message that are reported each for itself.
pub(super) const WRITES_MAX: usize = 64;
/// Segmented messages of one conversation that are put together at a time.
pub(super) const SEGMENTED_MESSAGES_MAX: usize = 16;
/// Octets of one such message.
pub(super) const SEGMENTED_OCTETS_MAX: usize = 128 * 1024;
