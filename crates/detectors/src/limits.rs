//! Bounds of detection. Each that is hit is counted in the sensor's health, by the name in quotes.

/// Open findings: `findings`.
pub const FINDINGS_MAX: usize = 10_000;
/// Open findings of one detector, so that one that is flooded leaves room: `findings-of-detector`.
pub const FINDINGS_PER_DETECTOR_MAX: usize = 1_000;
/// Messages kept as evidence of one finding, each the first of a burst.
pub const MESSAGES_PER_FINDING_MAX: usize = 12;
/// Bursts of one finding told apart; beyond, the two nearest join.
pub const BURSTS_PER_FINDING_MAX: usize = 14;
/// Pieces of evidence of one finding.
pub const EVIDENCE_PER_FINDING_MAX: usize = 32;
/// Addresses a finding names.
pub const ADDRESSES_PER_FINDING_MAX: usize = 16;
/// Seconds of silence that end a burst.
pub const BURST_GAP_SECS: i64 = 30;
/// Members of a learned set shown as evidence.
pub const MEMBERS_SHOWN_MAX: usize = 12;
/// Characters of a device's name in a title.
pub const NAME_CHARS_MAX: usize = 40;
/// Members of each learned set: `learned-set`.
pub const LEARNED_MAX: usize = 200_000;
/// Different names of protocols and areas read back from a kept baseline: `learned-set`.
pub const LEARNED_WORDS_MAX: usize = 4_096;
/// Sources, pairs or hosts one detector remembers: `watched`, what it forgot before its time.
pub const WATCHED_MAX: usize = 20_000;
/// Targets remembered of one source.
pub const TARGETS_MAX: usize = 256;
