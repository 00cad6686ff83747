//! Bounds of a DNS message.

/// Pointers followed in one name.
pub const JUMPS_MAX: usize = 16;
/// Octets of a name (RFC 1035, 2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// Records or questions read of one message.
pub const RECORDS_MAX: usize = 256;
/// Octets of a message over TCP are bounded by its 16-bit length.
pub const TCP_LENGTH_OCTETS: usize = 2;
