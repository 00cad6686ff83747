//! S7comm-plus: what S7-1200 and S7-1500 speak, as far as it is in clear.
//!
//! No standard exists; layouts and ids as Thomas Wiens published them with his dissector and his
//! S7CommPlusDriver. Versions 1 and 2 are in clear (2 ends its messages with a keyed digest where
//! the CPU asks for it), 3 begins them with the digest; from TIA 17 on all of it is in TLS, and
//! then only that is told. Not here: how it is carried, see [`crate::cotp`]. Invariant: what one
//! conversation makes us keep is bounded by the limits below.

mod dissect;
mod names;
mod objects;
pub mod wire;

#[cfg(test)]
mod tests;

pub use dissect::Conversation;

use crate::{Ends, Group};

pub static S7PLUS_GROUP: Group = Group {
    name: "s7comm_plus_segments",
    ends: Ends::Pair,
    keys: &["version", "opcode", "function"],
};

/// Octets of one message put together from its fragments.
const MESSAGE_OCTETS_MAX: usize = 256 * 1024;
/// Requests of one conversation whose answers are awaited.
const PENDING_MAX: usize = 64;
/// Items of one request that are told.
const ITEMS_MAX: usize = 256;
