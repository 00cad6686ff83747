//! Limits of GOOSE, each with a counter when it is hit.
//!
//! Invariant: what one publisher can make us keep is bounded by these.

/// Streams of one sender to one group; a merging unit or relay has a few.
pub(super) const STREAMS_MAX: usize = 64;
/// Octets of a control block reference, data set or id: ObjectReference is at most 129.
pub(super) const NAME_OCTETS_MAX: usize = 256;
/// Octets of a data set kept to compare with the next message.
pub(super) const DATA_OCTETS_MAX: usize = 2_048;
/// Nanoseconds of capture time between two reports of disorder in one stream.
pub(super) const DISORDER_EVERY_NANOS: i64 = 1_000_000_000;
/// Nanoseconds of capture time after which a state's data no longer changes.
pub(super) const SETTLED_AFTER_NANOS: i64 = 1_000_000_000;
