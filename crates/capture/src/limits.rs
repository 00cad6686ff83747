//! Bounds of the ring.
//!
//! Invariant: each has a unit in its name.

/// One block of the ring; the kernel fills one while others are read.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Blocks of the ring: 32 MiB hold 0.3 s of a full gigabit link.
pub const BLOCKS: usize = 32;
/// A block that is not full is handed over after so long.
pub const BLOCK_TIMEOUT_MS: u32 = 50;
/// Longest packet kept: jumbo frames and what offloads merge.
pub const PACKET_BYTES_MAX: usize = 65_536;
