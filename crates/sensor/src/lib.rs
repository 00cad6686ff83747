//! From packets to events: what a passive sensor makes of traffic.
//!
//! Read [`worker`] first, then [`shard`]. Not here: opening files and interfaces (`capture`),
//! what messages mean (`protocols`), threads. Invariant: everything is a pure function of the
//! packets.

mod echoes;
mod event;
mod flow;
mod fold;
mod fragments;
mod identify;
pub mod limits;
mod senders;
mod shard;
mod sharding;
mod sieve;
mod sign_ins;
mod stream;
mod supplicants;
mod tally;
mod transfers;
mod unnamed;
mod worker;

pub use event::{Event, Repeats, Sent, Stamped};
pub use fold::Fold;
pub use limits::Limits;
pub use sharding::shard_of;
pub use unnamed::Unnamed;
pub use worker::{Messages, Packet, SILENT_EVERY, Worker, WorkerSettings, add_health, slices};
