//! Bounds of one worker. Each has a counter in the health of the sensor, named like it.

/// Conversations kept; the one idle longest goes first.
pub const FLOWS_MAX: usize = 131_072;
/// Octets of segments that came early, of one direction of one conversation.
pub const HELD_OCTETS_PER_FLOW_MAX: usize = 256 * 1024;
/// Segments that came early, of one direction.
pub const HELD_SEGMENTS_PER_FLOW_MAX: usize = 64;
/// Octets of early segments and of messages not yet whole, of all conversations.
pub const BUFFERED_OCTETS_MAX: usize = 48 * 1024 * 1024;
/// Octets of a message not yet whole, of one direction.
pub const PENDING_OCTETS_MAX: usize = 1024 * 1024;
/// Octets looked at to find the protocol of a conversation, of one direction.
pub const PROBE_OCTETS_MAX: usize = 4_096;
/// Segments or datagrams of a conversation in which a protocol is looked for.
pub const PROBE_TRIES_MAX: u8 = 8;
/// IP packets being put together.
pub const FRAGMENTED_MAX: usize = 1_024;
/// Octets of one IP packet being put together (RFC 791: 65,535).
pub const FRAGMENTED_OCTETS_MAX: usize = 65_535;
/// Seconds of capture time an incomplete IP packet is kept.
pub const FRAGMENTED_SECS_MAX: i64 = 30;
/// Distinct rows of counted messages.
pub const TALLY_ROWS_MAX: usize = 200_000;
/// Distinct operations of which repetitions are counted instead of reported.
pub const REPEATS_MAX: usize = 262_144;
/// Distinct senders counted.
pub const SENDERS_MAX: usize = 131_072;
/// Segments from a jump in sequence numbers beyond which a conversation is taken to start anew.
pub const SEQUENCE_JUMP_MAX: u32 = 8 * 1024 * 1024;
/// Segments of the other direction after which acknowledged but unseen octets count as lost.
pub const LOST_AFTER_SEGMENTS: u8 = 3;
/// Nanoseconds of capture time after which unseen octets count as lost.
pub const LOST_AFTER_NANOS: i64 = 1_000_000_000;
/// Segments in a row that are no message, after which a conversation is not read any more.
pub const GIVE_UPS_MAX: u8 = 32;
