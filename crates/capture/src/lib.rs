//! Packets from an interface, by AF_PACKET with a TPACKET_V3 ring (Linux).
//!
//! Read `interface`, then `ring`; `near` tells the processor what is soon read. Not here: capture
//! files (`wire::file`). Invariant: this crate has no call that sends; the socket it opens is only
//! ever read.

#[cfg(target_os = "linux")]
mod interface;
pub mod limits;
mod near;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod socket;

pub use near::bring_near;

#[cfg(target_os = "linux")]
pub use interface::{Interface, Seen, Settings};

/// Why an interface cannot be listened to. One line that says what to do.
#[derive(thiserror::Error, Debug)]
pub enum OpenError {
    #[error(
        "no right to capture on {interface}: run as root or give the program CAP_NET_RAW \
         (setcap cap_net_raw+ep on its file)"
    )]
    Rights { interface: String },
    #[error("there is no interface {interface}; there are: {known}")]
    Unknown { interface: String, known: String },
    #[error("interface {interface} is down; bring it up (ip link set {interface} up)")]
    Down { interface: String },
    #[error(
        "cannot read {interface}: it carries neither Ethernet frames nor IP packets (hardware \
         type {hardware}); name another interface"
    )]
    Kind { interface: String, hardware: u16 },
    #[error("cannot listen on {interface}: {doing}: {source}")]
    System { interface: String, doing: &'static str, source: std::io::Error },
}
