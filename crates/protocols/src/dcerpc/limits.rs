//! Bounds of one DCE/RPC conversation.

/// Contexts bound.
pub const CONTEXTS_MAX: usize = 64;
/// Calls whose answers are awaited.
pub const CALLS_MAX: usize = 64;
/// Octets of a PDU that arrives in several writes to a pipe (the length field allows 65,535).
pub const PIPE_OCTETS_MAX: usize = 65_535;
