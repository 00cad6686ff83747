//! Bounds of decoding one frame and of reading capture files.

/// Headers opened inside each other: tags, labels, tunnels.
pub const NESTING_MAX: usize = 12;
/// VLAN ids kept of one frame, outermost first.
pub const VLANS_MAX: usize = 4;
/// IPv6 extension headers walked.
pub const EXTENSION_HEADERS_MAX: usize = 16;
/// Octets of one packet in a capture file; libpcap's largest snap length is 256 KiB.
pub const PACKET_OCTETS_MAX: usize = 1 << 20;
/// Octets of one pcapng block.
pub const BLOCK_OCTETS_MAX: usize = 1 << 24;
/// Interfaces of one pcapng section.
pub const INTERFACES_MAX: usize = 4_096;
