//! Limits of EtherCAT, each with a counter when it is hit.
//!
//! Invariant: what one segment can make us keep is bounded by these.

/// Devices of one segment; addresses have 16 bits, segments are far smaller.
pub(super) const DEVICES_MAX: usize = 1_024;
/// Object dictionary uploads in segments under way.
pub(super) const UPLOADS_MAX: usize = 64;
/// Octets kept of one upload.
pub(super) const UPLOAD_OCTETS_MAX: usize = 512;
