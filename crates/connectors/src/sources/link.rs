//! What the clients of devices share: a connection with its timeouts, a cursor over an answer,
//! text for CSV.
//!
//! Invariant: a peer that does not answer in time, or with too few octets, is an error.

use crate::limits::DEVICE_TIMEOUT as TIMEOUT;
use std::{
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
};

/// The first address of a name.
pub fn resolve(address: &str) -> io::Result<SocketAddr> {
    let found = address.to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::other("the name has no address"))
}

/// Connects; reading and writing end after [`TIMEOUT`].
pub fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&resolve(address)?, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not one to what was asked")
}

/// A value of CSV, quoted as in RFC 4180.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A cursor over an answer whose numbers are little-endian.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    pub fn u8(&mut self) -> io::Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> io::Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> io::Result<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_ends_with_an_error_and_quotes_are_doubled() {
        let mut fields = Fields(&[1, 2, 0, 3]);
        assert_eq!((fields.u8().unwrap(), fields.u16().unwrap()), (1, 2));
        assert!(fields.u16().is_err());
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
