//! Bounds of one worker. Each has a counter in the health of the sensor, named like it.
//!
//! Tables are bounded for all shards together and shared out evenly, so the same packets meet the
//! same limits whatever the number of threads.

/// Parts into which conversations are divided, whatever the number of workers.
pub const SHARDS: usize = 8;
/// Conversations kept; the one idle longest goes first.
pub const FLOWS_MAX: usize = 65_536;
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
/// Datagrams of a conversation, or segments of one direction, in which a protocol is looked for.
pub const PROBE_TRIES_MAX: u8 = 8;
/// The same of a connection whose beginning was not seen: it may be in a long message.
pub const PROBE_TRIES_WITHOUT_BEGINNING_MAX: u8 = 24;
/// IP packets being put together.
pub const FRAGMENTED_MAX: usize = 1_024;
/// Octets of one IP packet being put together (RFC 791: 65,535).
pub const FRAGMENTED_OCTETS_MAX: usize = 65_535;
/// Octets of all IP packets being put together.
pub const FRAGMENTED_OCTETS_ALL_MAX: usize = 16 * 1024 * 1024;
/// Pieces of one IP packet being put together.
pub const FRAGMENTS_PER_PACKET_MAX: usize = 256;
/// Nanoseconds by which a packet is older than the newest, from which on the clock was set back.
pub const CLOCK_SET_BACK_NANOS: i64 = 60_000_000_000;
/// Seconds of capture time an incomplete IP packet is kept.
pub const FRAGMENTED_SECS_MAX: i64 = 30;
/// Distinct rows of counted messages.
pub const TALLY_ROWS_MAX: usize = 200_000;
/// Distinct operations remembered of one conversation; beyond, all pass.
pub const OPERATIONS_PER_FLOW_MAX: usize = 4_096;
/// Distinct operations remembered of all conversations; beyond, all pass.
pub const OPERATIONS_MAX: usize = 262_144;
/// Distinct identities remembered of one conversation; beyond, all pass.
pub const IDENTITIES_PER_FLOW_MAX: usize = 256;
/// Echo requests whose replies one shard awaits.
pub const ECHOES_MAX: usize = 2_048;
/// Nanoseconds of capture time after which a reply to an echo request is awaited no longer.
pub const ECHO_WAITS_NANOS: i64 = 10_000_000_000;
/// Requests for files by TFTP whose answers one shard awaits from another port.
pub const TRANSFERS_MAX: usize = 256;
/// Nanoseconds of capture time after which such an answer is awaited no longer.
pub const TRANSFER_WAITS_NANOS: i64 = 60_000_000_000;
/// Distinct senders counted.
pub const SENDERS_MAX: usize = 65_536;
/// Process values kept for a report.
pub const VALUES_MAX: usize = 2_000_000;
/// Segments from a jump in sequence numbers beyond which a conversation is taken to start anew.
pub const SEQUENCE_JUMP_MAX: u32 = 8 * 1024 * 1024;
/// Segments of the other direction after which acknowledged but unseen octets count as lost.
pub const LOST_AFTER_SEGMENTS: u8 = 3;
/// Nanoseconds of capture time after which unseen octets count as lost.
pub const LOST_AFTER_NANOS: i64 = 1_000_000_000;
/// The same where the receiver misses the octets as well: their sender will send them again, on
/// slow lines only after seconds (RFC 6298, 2.4 and 5.5).
pub const LOST_BY_ALL_AFTER_NANOS: i64 = 10_000_000_000;
/// Longest message that is counted though the capture cut it.
pub const COMPLETED_OCTETS_MAX: usize = 64 * 1024;
/// Octets that are passed over behind a hole because the message it is in is that long; of a
/// longer one the length may be no length.
pub const SKIPPED_OCTETS_MAX: u32 = 64 * 1024;
/// Segments in a row that are no message, after which a conversation is not read any more.
pub const GIVE_UPS_MAX: u8 = 32;
/// Messages read of a conversation, beyond which its protocol is no mistake.
pub const MISTAKEN_MAX: u8 = 4;
/// Different values remembered of a number that a row of counted messages shows figures of.
pub const TALLY_DISTINCT_MAX: usize = 65_536;

/// The bounds an operator may set: what the tables of one sensor hold at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub flows: usize,
    pub buffered_octets: usize,
    /// Of one direction of one conversation.
    pub pending_octets: usize,
    pub fragmented: usize,
    pub fragmented_octets: usize,
    pub tally_rows: usize,
    pub operations: usize,
    pub senders: usize,
    /// Of the fold, which has no shards.
    pub values: usize,
    pub addresses: usize,
    pub links: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            flows: FLOWS_MAX,
            buffered_octets: BUFFERED_OCTETS_MAX,
            pending_octets: PENDING_OCTETS_MAX,
            fragmented: FRAGMENTED_MAX,
            fragmented_octets: FRAGMENTED_OCTETS_ALL_MAX,
            tally_rows: TALLY_ROWS_MAX,
            operations: OPERATIONS_MAX,
            senders: SENDERS_MAX,
            values: VALUES_MAX,
            addresses: inventory::limits::ADDRESSES_MAX,
            links: inventory::limits::LINKS_MAX,
        }
    }
}

impl Limits {
    /// Every bound multiplied by `percent`/100; 100 is the default, 25 fits a small box.
    pub fn scaled(percent: u32) -> Limits {
        Limits::default().each(|limit| limit.saturating_mul(percent as usize) / 100)
    }

    /// The part of one of `parts` equal holders.
    pub(crate) fn share(self, parts: usize) -> Limits {
        let pending_octets = self.pending_octets;
        Limits { pending_octets, ..self.each(|limit| limit / parts.max(1)) }
    }

    fn each(self, scale: impl Fn(usize) -> usize) -> Limits {
        let scale = |limit| scale(limit).max(1);
        Limits {
            flows: scale(self.flows),
            buffered_octets: scale(self.buffered_octets),
            pending_octets: scale(self.pending_octets),
            fragmented: scale(self.fragmented),
            fragmented_octets: scale(self.fragmented_octets),
            tally_rows: scale(self.tally_rows),
            operations: scale(self.operations),
            senders: scale(self.senders),
            values: scale(self.values),
            addresses: scale(self.addresses),
            links: scale(self.links),
        }
    }
}
