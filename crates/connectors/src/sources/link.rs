//! What the clients of devices share: a connection with its timeouts, a cursor over an answer,
//! text for CSV.
//!
//! Invariant: a peer that does not answer in time, octet by octet for ever, or with too few octets,
//! is an error.

use crate::limits::{ANSWER_TIME, DEVICE_TIMEOUT as TIMEOUT, OCTET_TIME};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

/// The first address of a name.
pub fn resolve(address: &str) -> io::Result<SocketAddr> {
    let found = address.to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::other("the name has no address"))
}

/// Connects; each read and write ends after [`TIMEOUT`].
pub fn connect(address: &str) -> io::Result<Line> {
    Line::open(resolve(address)?, TIMEOUT)
}

/// A connection. A question is what is written; its answer is waited for as long as it comes at a
/// pace that any honest line has. The time counts that is spent waiting, not what we need for it.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    /// How long nothing may come.
    silence: Duration,
    /// How long this answer is still waited for.
    patience: Duration,
}

impl Line {
    /// Connects within `silence`, which no read or write may take longer than.
    pub fn open(address: SocketAddr, silence: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, silence)?;
        stream.set_write_timeout(Some(silence))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, silence, patience: ANSWER_TIME })
    }

    /// The same, of one that may say nothing for so long.
    pub fn with_silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }
}

impl Read for Line {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wait = self.silence.min(self.patience);
        let slow = || io::Error::new(io::ErrorKind::TimedOut, "the answer comes too slowly");
        if wait.is_zero() {
            return Err(slow());
        }
        self.stream.set_read_timeout(Some(wait))?;
        let began = Instant::now();
        let length = self.stream.read(out).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock if wait < self.silence => slow(),
            _ => error,
        })?;
        self.patience = patience(self.patience, began.elapsed(), length);
        Ok(length)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patience = ANSWER_TIME;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What is left of it when so many octets came after such a wait. It never grows beyond the whole:
/// nobody earns the right to be slow by having been fast.
fn patience(left: Duration, waited: Duration, octets: usize) -> Duration {
    let earned = OCTET_TIME.saturating_mul(u32::try_from(octets).unwrap_or(u32::MAX));
    left.saturating_sub(waited).saturating_add(earned).min(ANSWER_TIME)
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
    fn who_sends_an_octet_now_and_then_is_left_and_who_is_slow_is_not() {
        let slow = |millis, octets| {
            let mut left = ANSWER_TIME;
            let mut reads = 0;
            let waited = Duration::from_millis(millis);
            while reads < 100_000 && left > waited {
                left = patience(left, waited, octets);
                reads += 1;
            }
            reads
        };
        // An octet each four seconds, or an empty chunk of OPC UA each 0.2 s.
        assert!(slow(4_000, 1) < 20 && slow(200, 24) < 500);
        // A line of 9,600 baud, and one that halts for four seconds after each 4 KiB.
        assert_eq!((slow(100, 96), slow(4_000, 4_096)), (100_000, 100_000));
        let (fast, slow) = (Duration::ZERO, Duration::from_secs(1));
        assert_eq!(patience(ANSWER_TIME, fast, 1 << 30), ANSWER_TIME);
        assert_eq!(patience(slow, slow, 0), Duration::ZERO);
    }

    #[test]
    fn an_answer_that_is_waited_for_no_longer_is_an_error_until_the_next_question() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut line = connect(&listener.local_addr().unwrap().to_string()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"ab").unwrap();
        let mut octet = [0];
        line.read_exact(&mut octet).unwrap();
        line.patience = Duration::ZERO;
        assert_eq!(line.read(&mut octet).unwrap_err().kind(), io::ErrorKind::TimedOut);
        line.write_all(b"?").unwrap();
        line.read_exact(&mut octet).unwrap();
        assert_eq!(octet, *b"b");
    }

    #[test]
    fn a_cursor_ends_with_an_error_and_quotes_are_doubled() {
        let mut fields = Fields(&[1, 2, 0, 3]);
        assert_eq!((fields.u8().unwrap(), fields.u16().unwrap()), (1, 2));
        assert!(fields.u16().is_err());
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
