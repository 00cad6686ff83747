//! Bounds of the inventory. Each has a counter in [`crate::Inventory::limits_hit`].

/// Addresses (MAC and IP) known at a time.
pub const ADDRESSES_MAX: usize = 100_000;
/// Facts kept of one address.
pub const FACTS_PER_ADDRESS_MAX: usize = 128;
/// Names of others an address handed on, and applications of others it offered: of each so many.
pub const NAMES_OF_OTHERS_MAX: usize = 32;
/// Modules kept of one address, and devices behind it: a router of a building has two trunks of
/// 127 devices each.
pub const MODULES_PER_ADDRESS_MAX: usize = 256;
/// Conversations kept as links.
pub const LINKS_MAX: usize = 100_000;
/// VLANs kept of one address.
pub const VLANS_PER_ADDRESS_MAX: usize = 16;
/// IP addresses seen from one MAC address that are remembered: those it claimed last.
pub const IPS_PER_MAC_MAX: usize = 64;
/// IP addresses of one host at a time; more from one MAC address is a router.
pub const IPS_PER_HOST_MAX: usize = 8;
/// IPv4 addresses a host uses without ever claiming them by ARP.
pub const UNCLAIMED_IPS_PER_HOST_MAX: usize = 4;
/// Controllers counted of one client.
pub const PEERS_MAX: usize = 64;
