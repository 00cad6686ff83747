//! `tftp://HOST[:PORT]/PATH`: one file of a TFTP server (RFC 1350, with RFC 2347 to 2349).
//!
//! Old switches, drives and phones give their configuration in no other way. Invariant: only read
//! requests, acknowledgements and errors are sent, and a file whose length was announced has it.

use super::{Context, Kind, Unusable, link, spool, url::Url};
use crate::limits::{DATAGRAM_TIMEOUT, DATAGRAM_TRIES, TFTP_BYTES_MAX};
use std::{
    io::{self, Write},
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
};
use vault::{Offer, Open, Opened, Source, What};

/// Operation codes (RFC 1350, 5; RFC 2347).
const READ: u16 = 1;
const DATA: u16 = 3;
const ACKNOWLEDGE: u16 = 4;
const ERROR: u16 = 5;
const OPTIONS: u16 = 6;

/// Octets of a block: what was agreed on, or what the protocol has by itself.
const BLOCK_ASKED: usize = 1_428;
const BLOCK_USUAL: usize = 512;

pub struct Tftp;

pub const TFTP: Tftp = Tftp;

impl Kind for Tftp {
    fn name(&self) -> &'static str {
        "tftp"
    }

    fn form(&self) -> &'static str {
        "//HOST[:PORT]/PATH"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let url = Url::parse(text, &[]).map_err(|why| Unusable::place(self, text, why))?;
        if url.user.is_some() || url.path.len() < 2 || url.path.contains('\0') {
            return Err(Unusable::place(self, text, "TFTP has files and no users"));
        }
        Ok(Box::new(Server { url, context: context.clone() }))
    }
}

struct Server {
    url: Url,
    context: Context,
}

impl Source for Server {
    fn name(&self) -> String {
        format!("tftp://{}{}", self.url.address(69), self.url.path)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let address = self.url.address(69);
        let parts = self.url.path.split('/').filter(|part| !["", ".", ".."].contains(part));
        let path = PathBuf::from("/@tftp").join(&address).join(parts.collect::<PathBuf>());
        let remote = Remote {
            address,
            name: self.url.path[1..].to_owned(),
            staging: self.context.staging.clone(),
            now: offer.now(),
        };
        offer.entry(path, What::File(Box::new(remote)));
    }
}

struct Remote {
    address: String,
    name: String,
    staging: PathBuf,
    now: model::Time,
}

impl Open for Remote {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let mut file = spool::file(&self.staging)?;
        let mut out = io::BufWriter::new(&mut file);
        Transfer::begin(&self.address)?.run(&self.name, &mut out)?;
        out.flush()?;
        drop(out);
        spool::opened(file, Some(self.now), 0o600)
    }
}

struct Transfer {
    socket: UdpSocket,
    server: SocketAddr,
    /// The server answers from a port of its own choice, and keeps it.
    peer: Option<SocketAddr>,
}

impl Transfer {
    fn begin(address: &str) -> io::Result<Self> {
        let server = link::resolve(address)?;
        let own = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own)?;
        socket.set_read_timeout(Some(DATAGRAM_TIMEOUT))?;
        Ok(Self { socket, server, peer: None })
    }

    fn run(mut self, name: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut request = Vec::from(READ.to_be_bytes());
        let size = BLOCK_ASKED.to_string();
        for word in [name, "octet", "blksize", &size, "tsize", "0"] {
            request.extend(word.bytes().chain([0]));
        }
        let (mut block, mut announced, mut length) = (BLOCK_USUAL, None, 0_u64);
        let mut expected: u16 = 1;
        let mut packet = request;
        loop {
            let answer = self.exchange(&packet, expected)?;
            let (kind, body) = split(&answer)?;
            if kind == OPTIONS {
                if expected != 1 {
                    return Err(link::malformed());
                }
                (block, announced) = agreed(body)?;
                packet = acknowledge(0);
                continue;
            }
            let data = body.get(2..).ok_or_else(link::malformed)?;
            out.write_all(data)?;
            length += data.len() as u64;
            if length > TFTP_BYTES_MAX {
                return Err(io::Error::other("the file is too long"));
            }
            packet = acknowledge(expected);
            if data.len() < block {
                self.send(&packet)?;
                break;
            }
            // After 65,535 blocks servers count on from 0.
            expected = expected.wrapping_add(1);
        }
        match announced {
            Some(size) if size != length => {
                Err(io::Error::other(format!("{size} octets were announced, {length} came")))
            }
            _ => Ok(()),
        }
    }

    fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, self.peer.unwrap_or(self.server)).map(drop)
    }

    /// Sends until the expected block, options or an error is there.
    fn exchange(&mut self, packet: &[u8], expected: u16) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4 + BLOCK_ASKED];
        for _ in 0..DATAGRAM_TRIES {
            self.send(packet)?;
            // An old block may come again; a flood of them is given up on.
            for _ in 0..16 {
                let (length, from) = match self.socket.recv_from(&mut buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                if from.ip() != self.server.ip() || self.peer.is_some_and(|peer| peer != from) {
                    continue;
                }
                let (kind, body) = split(&buffer[..length])?;
                match (kind, body) {
                    (ERROR, body) => return Err(said(body)),
                    (DATA, [n0, n1, ..]) if u16::from_be_bytes([*n0, *n1]) == expected => {}
                    (OPTIONS, _) if self.peer.is_none() => {}
                    _ => continue,
                }
                self.peer = Some(from);
                return Ok(buffer[..length].to_vec());
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"))
    }
}

fn split(packet: &[u8]) -> io::Result<(u16, &[u8])> {
    let (kind, body) = packet.split_first_chunk::<2>().ok_or_else(link::malformed)?;
    Ok((u16::from_be_bytes(*kind), body))
}

fn acknowledge(block: u16) -> Vec<u8> {
    [ACKNOWLEDGE.to_be_bytes(), block.to_be_bytes()].concat()
}

/// Block size and length of the file, as the server takes them.
fn agreed(body: &[u8]) -> io::Result<(usize, Option<u64>)> {
    let words: Vec<_> = body.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let (mut block, mut size) = (BLOCK_USUAL, None);
    for pair in words.as_chunks::<2>().0 {
        let [name, value] = pair;
        match name.to_ascii_lowercase().as_str() {
            "blksize" => {
                let agreed = value.parse().ok().filter(|size| (8..=BLOCK_ASKED).contains(size));
                block = agreed.ok_or_else(link::malformed)?;
            }
            "tsize" => size = value.parse().ok(),
            _ => return Err(link::malformed()),
        }
    }
    Ok((block, size))
}

fn said(body: &[u8]) -> io::Error {
    let text = body.get(2..).unwrap_or_default().split(|byte| *byte == 0).next();
    let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
    io::Error::other(format!("the server says: {text}"))
}
