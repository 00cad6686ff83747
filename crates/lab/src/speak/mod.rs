//! Encoders: typed questions and answers to bytes, one file for each protocol.
//!
//! Not parsers, and written apart from those of the sensor so that each checks the other; what
//! is correct is decided by the standards and by third-party dissectors. Invariant: pure
//! functions of their arguments.

pub mod cip;
pub mod dhcp;
pub mod dnp3;
pub mod lldp;
pub mod modbus;
pub mod names;
pub mod profinet;
pub mod s7;
pub mod smb;
pub mod snmp;
pub mod text;
pub mod tls;
pub mod umas;

/// Bytes with a length in front that is filled in when the rest is known.
pub(crate) fn with_length_be16(body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u16).to_be_bytes().to_vec();
    out.extend(body);
    out
}
