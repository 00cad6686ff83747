//! S7comm: jobs, values, blocks, control and what the CPU says of itself.
//!
//! No standard exists; names follow the Snap7 documentation and the Wireshark dissector. Not
//! here: how it is carried, see [`crate::cotp`]. Invariant: an answer gets its addresses from the
//! job it belongs to.

mod blocks;
mod dissect;
mod limits;
mod names;
mod szl;
mod userdata;
pub mod wire;

#[cfg(test)]
mod tests;

pub use dissect::Conversation;

use crate::{Ends, Group};

pub static S7_GROUP: Group = Group {
    name: "s7comm",
    ends: Ends::Pair,
    keys: &["rosctr", "func", "ud_type", "ud_group", "ud_subfunc"],
};
pub static S7_ERROR_GROUP: Group =
    Group { name: "s7comm_error", ends: Ends::Pair, keys: &["errcls"] };
