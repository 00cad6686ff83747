//! Bounds of one OPC UA conversation.

/// Octets of a message put together from chunks; what is behind them is not read.
pub const MESSAGE_OCTETS_MAX: usize = 256 * 1024;
/// Messages of which some chunks are there and some are awaited.
pub const PARTS_MAX: usize = 4;
/// Octets of one chunk (OPC 10000-6, 7.1.2.3 lets servers choose; 64 KiB is what stacks use).
pub const CHUNK_OCTETS_MAX: usize = 1024 * 1024;
/// Elements of an array that are read.
pub const ARRAY_MAX: usize = 65_536;
/// Levels of values within values.
pub const NESTED_MAX: u8 = 8;
/// Requests whose answers are awaited.
pub const ASKED_MAX: usize = 64;
/// Nodes of one request that are reported and remembered until the answer.
pub const NODES_MAX: usize = 256;
/// Items monitored in one conversation whose nodes are remembered.
pub const MONITORED_MAX: usize = 8_192;
/// Elements of one array that are values.
pub const ELEMENTS_MAX: usize = 64;
