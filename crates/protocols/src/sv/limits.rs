//! Limits of sampled values, each with a counter when it is hit.
//!
//! Invariant: what one merging unit can make us keep is bounded by these.

/// Streams of one sender to one group.
pub(super) const STREAMS_MAX: usize = 128;
/// Octets of a stream's name: VisibleString of at most 129.
pub(super) const NAME_OCTETS_MAX: usize = 129;
/// Nanoseconds of capture time between two reports of disorder in one stream.
pub(super) const DISORDER_EVERY_NANOS: i64 = 1_000_000_000;
/// Samples of which a root mean square is taken: a second of 9-2LE at 50 Hz.
pub(super) const SAMPLES_PER_VALUE: u32 = 4_000;
/// Nanoseconds of capture time over which the highest level of a channel is taken.
pub(super) const LEVEL_NANOS: i64 = 1_000_000_000;
