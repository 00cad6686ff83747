//! Every bound of the connectors, with its unit.
//!
//! Invariant: a peer that goes past a bound is a fault with a line; no peer can take all memory
//! or keep a backup for ever.

use std::time::Duration;

/// How long one answer of a device may take.
pub const DEVICE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server may take to connect and to go on sending.
pub const SERVER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one document may take as a whole.
pub const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Redirections followed on the way to a document.
pub const REDIRECTS_MAX: u32 = 3;

/// Octets of one line of an FTP server.
pub const LINE_BYTES_MAX: u64 = 8_192;

/// Lines of one reply of an FTP server.
pub const REPLY_LINES_MAX: usize = 1_000;

/// Octets of one listing of a directory.
pub const LISTING_BYTES_MAX: u64 = 64 * 1_048_576;

/// Entries of one directory of an SFTP server.
pub const DIRECTORY_ENTRIES_MAX: usize = 1_000_000;

/// Directories inside directories on a server; one may list a tree that contains itself.
pub const DEPTH_MAX: usize = 64;

/// Octets of one SFTP packet; servers must take 34,000.
pub const PACKET_BYTES_MAX: u32 = 262_144;

/// Octets of one ISO transport packet; a PDU of 960 octets fits several times.
pub const TPKT_BYTES_MAX: u16 = 8_192;

/// Octets of one program block: code and interface have lengths of 16 bits each.
pub const BLOCK_BYTES_MAX: usize = 1_048_576;

/// Fragments of one answer of a controller.
pub const FRAGMENTS_MAX: usize = 1_024;

/// Octets of one EtherNet/IP answer; an identity has about a hundred.
pub const ENCAPSULATION_BYTES_MAX: u16 = 4_096;
