//! Bytes to frames and headers, and the capture file formats around them.
//!
//! Read [`frame`] for what comes out, [`link`] for how. Not here: conversations, protocols above
//! the transport, opening files or interfaces. Invariant: nothing panics, allocates per frame or
//! reads past the bytes it was given.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod ip;
pub mod limits;
mod tunnel;
mod wireless;
mod wrapped;

pub mod file;
pub mod frame;
pub mod link;
pub mod reader;
pub mod transport;

#[cfg(test)]
mod tests;

pub use frame::{Arp, Fragment, Frame, Ip, Layer, Vlans};
pub use link::{LinkType, decode};
pub use reader::{Reader, Short};
pub use transport::{Icmp, Tcp, Transport, Udp, transport};
pub use tunnel::PORTS as TUNNEL_PORTS;
