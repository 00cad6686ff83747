//! MMS (ISO 9506) over ISO session, presentation and association control, as IEC 61850-8-1 and
//! TASE.2 (ICCP) use it.
//!
//! Opened by the transport that carries it, see [`crate::cotp`]. Invariant: an answer is
//! understood through the request with its invocation number, or only counted.

pub mod data;
mod dissect;
mod limits;
mod objects;
mod report;
mod services;
pub mod stack;

use crate::{Ends, Group};

pub use dissect::Conversation;

pub static MMS_GROUP: Group = Group { name: "mms", ends: Ends::Pair, keys: &["pdu", "service"] };
