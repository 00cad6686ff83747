//! Every bound of the connectors, with its unit.
//!
//! Invariant: a peer that goes past a bound is a fault with a line; no peer can take all memory
//! or keep a backup for ever.

use std::time::Duration;

/// How long one answer of a device may take.
pub const DEVICE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one answer may be waited for beyond [`OCTET_TIME`] for each octet of it.
pub const ANSWER_TIME: Duration = Duration::from_secs(60);

/// How long an octet of an answer may take, in the middle: half of what a line of 9,600 baud does.
pub const OCTET_TIME: Duration = Duration::from_millis(2);

/// How long one device is asked altogether. A million nodes of a slow server take half of it.
pub const DEVICE_TIME_MAX: Duration = Duration::from_secs(86_400);

/// How long a server may take to connect and to go on sending.
pub const SERVER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a server may take to open what lies on its disks: those of a file server wake up one
/// after another, and folders may be huge. A dead link is noticed sooner, by ssh itself.
pub const DISK_TIMEOUT: Duration = Duration::from_secs(180);

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

/// Directories of one tree on a server; one that contains itself twice has more than can be.
pub const DIRECTORIES_MAX: usize = 1_000_000;

/// Answers of an SFTP server without a name, one after the other, that do not end a directory.
pub const EMPTY_ANSWERS_MAX: usize = 16;

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

/// Longest wait before one question to a device that has become slow.
pub const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Time a backup may spend waiting for a device that is slow.
pub const PAUSES_MAX: Duration = Duration::from_secs(900);

/// An answer faster than this is never called slow: the network alone moves it.
pub const SLOW_MIN: Duration = Duration::from_millis(10);

/// Octets of one message of an OPC UA server.
pub const OPCUA_MESSAGE_BYTES_MAX: u32 = 16 * 1_048_576;

/// Chunks of one message: more than it has of half the size that every server can fill.
pub const OPCUA_CHUNKS_MAX: usize = 4_096;

/// Values inside values of OPC UA.
pub const OPCUA_NESTING_MAX: usize = 16;

/// Nodes of one address space, and references of one of them.
pub const OPCUA_NODES_MAX: usize = 1_000_000;

/// References of one address space: a node has about four.
pub const OPCUA_REFERENCES_MAX: usize = 8_000_000;

/// Answers without a reference, one after the other, that say that there is more.
pub const OPCUA_EMPTY_PAGES_MAX: usize = 16;

/// How long an answer in a datagram is waited for before the question is sent again.
pub const DATAGRAM_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a question in a datagram is sent.
pub const DATAGRAM_TRIES: usize = 3;

/// Structures inside structures of BACnet.
pub const BACNET_NESTING_MAX: usize = 16;

/// Objects of one BACnet device, and elements of one array.
pub const BACNET_OBJECTS_MAX: usize = 20_000;

/// Octets of one answer of a device's command line.
pub const ANSWER_BYTES_MAX: usize = 64 * 1_048_576;

/// How long a device says nothing after its first prompt.
pub const PROMPT_QUIET: Duration = Duration::from_millis(500);

/// Octets of one ADS answer: the symbols of a large machine take tens of megabytes.
pub const ADS_BYTES_MAX: u32 = 64 * 1_048_576;

/// Frames of an ADS router that come before the answer: notifications, and answers to others.
pub const ADS_FRAMES_MAX: usize = 1_000;

/// Octets of one value of a symbol.
pub const ADS_VALUE_BYTES_MAX: u32 = 65_536;

/// Octets of one message of a PostgreSQL server: one row of a table.
pub const POSTGRES_MESSAGE_BYTES_MAX: u32 = 256 * 1_048_576;

/// Octets of all rows of an answer that is kept in memory.
pub const POSTGRES_ROWS_BYTES_MAX: usize = 256 * 1_048_576;

/// Messages of one answer of a PostgreSQL server that are no rows: notices, settings, errors.
pub const POSTGRES_ASIDES_MAX: usize = 10_000;

/// Messages of a stream of log, one after the other, that bring nothing that was asked for.
pub const POSTGRES_IDLE_MAX: usize = 1_000;

/// Octets of one file by TFTP.
pub const TFTP_BYTES_MAX: u64 = 1_073_741_824;

/// Tags of one controller or program.
pub const CIP_TAGS_MAX: usize = 200_000;

/// Octets of one tag's value, and of the definition of one type.
pub const CIP_VALUE_BYTES_MAX: u32 = 2 * 1_048_576;

/// Octets of one tag's value as text, with the names of its members: many times the value.
pub const CIP_TEXT_BYTES_MAX: usize = 64 * 1_048_576;

/// How often a store is asked that fails or is too busy.
pub const STORE_TRIES: usize = 6;

/// How long it is left in peace before it is asked again; twice as long each time.
pub const STORE_PAUSE_FIRST: Duration = Duration::from_millis(100);

/// Octets of a disk by NBD; a larger one is refused.
pub const NBD_DISK_BYTES_MAX: u64 = 64 << 40;

/// Chunks of one answer of an NBD server: twice the sectors of a mebibyte.
pub const NBD_CHUNKS_MAX: usize = 4_096;

/// Octets of one read from a disk by NBD; every server takes a mebibyte.
pub const NBD_READ_BYTES: usize = 1_048_576;
