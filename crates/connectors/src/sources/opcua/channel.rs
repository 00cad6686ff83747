//! A secure channel of OPC UA over TCP: messages in chunks, protected as was agreed (OPC 10000-6,
//! 6.7 and 7.1).
//!
//! Not here: what is asked, and which endpoint. The channel's token is renewed in time, by the
//! clock of this machine alone: what the server says of its own is not used. Invariant: on a
//! protected channel a chunk counts that has the server's signature, the channel, the token and the
//! next sequence number.

use super::{
    super::{
        link::{Fields, Line, connect, malformed},
        pace::{Pace, Pause},
    },
    request::{LIFETIME, Request},
    security::{Keys, Mode, NONCE_BYTES, Policy, Protection},
    status::refused,
    types::{NodeId, bytes, count, node_id, put_bytes, put_string, skip_diagnostics, string},
};
use crate::limits::{OPCUA_CHUNKS_MAX, OPCUA_MESSAGE_BYTES_MAX};
use ring::rand::{SecureRandom, SystemRandom};
use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

/// Octets of a chunk that every server takes (OPC 10000-6, 7.1.2.3), and those that we do.
const CHUNK_BYTES_LEAST: u32 = 8_192;
const CHUNK_BYTES: u32 = 65_535;

/// Header and security header of a message: kind, length, channel, token.
const HEAD: usize = 16;

/// The answer when the server refuses as a whole.
const SERVICE_FAULT: u32 = 397;

pub struct Channel {
    stream: Line,
    /// Octets of a chunk that the server takes.
    chunk: usize,
    id: u32,
    token: u32,
    sequence: u32,
    /// The last sequence number of the server.
    heard: Option<u32>,
    /// When the token must be renewed.
    renewal: Instant,
    protection: Option<Protection>,
    /// Ours and the server's, on a protected channel.
    keys: Option<(Keys, Keys)>,
    pace: Pace,
}

/// Random octets.
pub fn nonce() -> io::Result<[u8; NONCE_BYTES]> {
    let mut nonce = [0; NONCE_BYTES];
    let filled = SystemRandom::new().fill(&mut nonce);
    filled.map_err(|_| io::Error::other("this machine's randomness failed"))?;
    Ok(nonce)
}

impl Channel {
    /// Connects and opens a channel; without protection it is in clear.
    pub fn open(
        address: &str,
        url: &str,
        protection: Option<Protection>,
        pause: Pause,
    ) -> io::Result<Self> {
        let mut stream = connect(address)?;
        let mut hello = Vec::new();
        // Version, buffers, longest message, any number of chunks (OPC 10000-6, 7.1.2.3).
        for number in [0, CHUNK_BYTES, CHUNK_BYTES, OPCUA_MESSAGE_BYTES_MAX, 0] {
            hello.extend(number.to_le_bytes());
        }
        put_string(&mut hello, url);
        let length = u32::try_from(hello.len() + 8).expect("a name is short");
        stream.write_all(&[&b"HELF"[..], &length.to_le_bytes(), &hello].concat())?;
        let acknowledged = Chunk::read(&mut stream, *b"ACK")?;
        let mut fields = Fields(&acknowledged.body);
        fields.u32()?;
        let chunk = fields.u32()?.clamp(CHUNK_BYTES_LEAST, CHUNK_BYTES) as usize;
        let (id, token, sequence, heard, keys) = (0, 0, 0, None, None);
        let (renewal, pace) = (Instant::now() + LIFETIME, Pace::deaf(pause));
        let mut channel =
            Self { stream, chunk, id, token, sequence, heard, renewal, protection, keys, pace };
        channel.issue(false)?;
        Ok(channel)
    }

    pub fn protection(&self) -> Option<&Protection> {
        self.protection.as_ref()
    }

    /// Has a token issued or renewed, and takes its keys into use.
    fn issue(&mut self, renew: bool) -> io::Result<()> {
        let own = self.protection.as_ref().map(|_| nonce()).transpose()?;
        let mode = self.protection.as_ref().map_or(Mode::None, |protection| protection.mode);
        let nonce = own.as_ref().map_or(&[][..], |nonce| &nonce[..]);
        let request = Request::OpenSecureChannel { renew, mode, nonce };
        let body = self.ask_now(&request, &NodeId::standard(0))?;
        let mut fields = Fields(&body);
        fields.u32()?;
        (self.id, self.token) = (fields.u32()?, fields.u32()?);
        fields.u64()?;
        // Three quarters of the time the server gives (OPC 10000-4, 5.6.2.1).
        let lifetime = Duration::from_millis(u64::from(fields.u32()?)).min(LIFETIME);
        self.renewal = Instant::now() + lifetime * 3 / 4;
        if let (Some(Protection { policy, mode, .. }), Some(own)) = (&self.protection, own) {
            let server = bytes(&mut fields)?.unwrap_or_default();
            if server.len() < NONCE_BYTES {
                return Err(io::Error::other("the server's nonce is too short to make keys of"));
            }
            let ours = Keys::derive(*policy, *mode, server, &own);
            self.keys = Some((ours, Keys::derive(*policy, *mode, &own, server)));
        }
        Ok(())
    }

    /// Asks and gives what follows the answer's header.
    pub fn ask(&mut self, request: &Request<'_>, session: &NodeId) -> io::Result<Vec<u8>> {
        if Instant::now() > self.renewal {
            self.issue(true)?;
        }
        self.ask_now(request, session)
    }

    fn ask_now(&mut self, request: &Request<'_>, session: &NodeId) -> io::Result<Vec<u8>> {
        let sort = match request {
            Request::Browse { .. } | Request::BrowseNext { .. } => "browse",
            Request::Read { .. } => "read",
            // It costs the server a signature and a decryption with its key: beside the others of
            // a session it would look like a device that has become slow.
            Request::OpenSecureChannel { .. } => "channel",
            _ => "session",
        };
        let (number, frames) = self.frames(request, session)?;
        let kind = answer_kind(request);
        let mut pace = std::mem::replace(&mut self.pace, Pace::deaf(Pause::default()));
        let message = pace.ask(sort, || {
            self.stream.write_all(&frames)?;
            self.message(kind, number)
        });
        self.pace = pace;
        let message = message?;
        let mut fields = Fields(&message);
        let kind = node_id(&mut fields)?;
        let status = response_header(&mut fields)?;
        if status & 0x8000_0000 != 0 || kind == NodeId::standard(SERVICE_FAULT) {
            return Err(refused(status));
        }
        if kind != NodeId::standard(request.ids().1) {
            return Err(malformed());
        }
        Ok(fields.0.to_vec())
    }

    /// Sends what has no answer.
    pub fn tell(&mut self, request: &Request<'_>, session: &NodeId) -> io::Result<()> {
        let (_, frames) = self.frames(request, session)?;
        self.stream.write_all(&frames)
    }

    /// A request as chunks, and the number its answer must have.
    fn frames(&mut self, request: &Request<'_>, session: &NodeId) -> io::Result<(u32, Vec<u8>)> {
        let number = self.sequence.wrapping_add(1);
        let message = request.encode(session, number);
        if let Request::OpenSecureChannel { .. } = request {
            return Ok((number, self.opening(number, &message)?));
        }
        let kind = if matches!(request, Request::CloseSecureChannel) { b"CLO" } else { b"MSG" };
        let room = match &self.keys {
            Some((ours, _)) => ours.room(self.chunk, HEAD),
            None => self.chunk - HEAD,
        } - 8;
        let (mut frames, count) = (Vec::new(), message.len().div_ceil(room));
        for (at, part) in message.chunks(room).enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut head = kind.to_vec();
            head.push(if at + 1 == count { b'F' } else { b'C' });
            for word in [0, self.id, self.token] {
                head.extend(word.to_le_bytes());
            }
            let plain = [&self.sequence.to_le_bytes()[..], &number.to_le_bytes(), part].concat();
            match &self.keys {
                Some((ours, _)) => frames.extend(ours.seal(&head, &plain)),
                None => frames.extend(in_clear(head, &plain)),
            }
        }
        Ok((number, frames))
    }

    /// An opening: one chunk, whatever its size (6.7.3), for the server's key.
    fn opening(&mut self, number: u32, message: &[u8]) -> io::Result<Vec<u8>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut head = b"OPNF".to_vec();
        for word in [0, self.id] {
            head.extend(word.to_le_bytes());
        }
        let policy = self.protection.as_ref().map_or(Policy::None, |protection| protection.policy);
        put_string(&mut head, &policy.uri());
        let (own, server) = match &self.protection {
            Some(Protection { own, server, .. }) => {
                (Some(own.signer.certificate.der.clone()), Some(server.thumbprint()))
            }
            None => (None, None),
        };
        put_bytes(&mut head, own.as_deref());
        put_bytes(&mut head, server.as_ref().map(|print| &print[..]));
        let plain = [&self.sequence.to_le_bytes()[..], &number.to_le_bytes(), message].concat();
        match &self.protection {
            Some(protection) => protection.seal(&head, &plain),
            None => Ok(in_clear(head, &plain)),
        }
    }

    /// A whole answer: its chunks without what surrounds them.
    fn message(&mut self, kind: [u8; 3], number: u32) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        for _ in 0..OPCUA_CHUNKS_MAX {
            let chunk = Chunk::read(&mut self.stream, kind)?;
            let is_last = chunk.is_last;
            let plain = self.opened(&chunk, kind)?;
            let mut fields = Fields(&plain);
            let (sequence, of) = (fields.u32()?, fields.u32()?);
            self.follows(sequence)?;
            if of != number {
                return Err(malformed());
            }
            whole.extend(fields.0);
            // One that is not the last and holds nothing only keeps us waiting.
            let is_idle = fields.0.is_empty() && !is_last;
            if is_idle || whole.len() > OPCUA_MESSAGE_BYTES_MAX as usize {
                return Err(malformed());
            }
            if is_last {
                return Ok(whole);
            }
        }
        Err(malformed())
    }

    /// What a chunk holds behind its security header.
    fn opened(&self, chunk: &Chunk, kind: [u8; 3]) -> io::Result<Vec<u8>> {
        let mut fields = Fields(&chunk.body);
        let id = fields.u32()?;
        if kind == *b"OPN" {
            let policy = string(&mut fields)?.unwrap_or_default();
            let sender = bytes(&mut fields)?.unwrap_or_default();
            let receiver = bytes(&mut fields)?.unwrap_or_default();
            let Some(protection) = &self.protection else { return Ok(fields.0.to_vec()) };
            let ours = protection.own.signer.certificate.thumbprint();
            // The certificate may be followed by those of its issuers.
            let is_known = sender.starts_with(&protection.server.der);
            if policy != protection.policy.uri() || !is_known || receiver != ours {
                return Err(malformed());
            }
            return protection.open(&chunk.head(fields.0), fields.0);
        }
        let token = fields.u32()?;
        let Some((_, theirs)) = &self.keys else { return Ok(fields.0.to_vec()) };
        if (id, token) != (self.id, self.token) {
            return Err(malformed());
        }
        theirs.open(&chunk.head(fields.0), fields.0.to_vec())
    }

    /// Numbers rise by one; near their end they may begin again (6.7.2.4).
    fn follows(&mut self, sequence: u32) -> io::Result<()> {
        const WRAPS_FROM: u32 = u32::MAX - 1_024;
        let follows = self.heard.is_none_or(|last| {
            sequence == last.wrapping_add(1) || (last >= WRAPS_FROM && sequence < 1_024)
        });
        self.heard = Some(sequence);
        // Old servers without security count as they like.
        if follows || self.protection.is_none() { Ok(()) } else { Err(malformed()) }
    }
}

fn answer_kind(request: &Request<'_>) -> [u8; 3] {
    if matches!(request, Request::OpenSecureChannel { .. }) { *b"OPN" } else { *b"MSG" }
}

fn in_clear(mut head: Vec<u8>, plain: &[u8]) -> Vec<u8> {
    let length = u32::try_from(head.len() + plain.len()).expect("a chunk is short");
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head.extend(plain);
    head
}

/// One chunk as it came.
struct Chunk {
    first: [u8; 8],
    is_last: bool,
    body: Vec<u8>,
}

impl Chunk {
    fn read(stream: &mut impl Read, kind: [u8; 3]) -> io::Result<Self> {
        let mut first = [0; 8];
        stream.read_exact(&mut first)?;
        let [a, b, c, part, l0, l1, l2, l3] = first;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if !(8..=OPCUA_MESSAGE_BYTES_MAX).contains(&length) {
            return Err(malformed());
        }
        let mut body = vec![0; length as usize - 8];
        stream.read_exact(&mut body)?;
        if [a, b, c] == *b"ERR" {
            let mut fields = Fields(&body);
            return Err(refused(fields.u32()?));
        }
        let is_last = match part {
            _ if [a, b, c] != kind => return Err(malformed()),
            b'F' => true,
            b'C' => false,
            // Aborted: status and reason.
            _ => return Err(io::Error::other("the server broke its answer off; ask for less")),
        };
        Ok(Self { first, is_last, body })
    }

    /// All before `rest`: what a signature covers besides.
    fn head(&self, rest: &[u8]) -> Vec<u8> {
        [&self.first, &self.body[..self.body.len() - rest.len()]].concat()
    }
}

/// Time, request number, result, diagnostics, texts, nothing additional; the result.
fn response_header(fields: &mut Fields<'_>) -> io::Result<u32> {
    fields.take(12)?;
    let status = fields.u32()?;
    skip_diagnostics(fields, 0)?;
    for _ in 0..count(fields)? {
        string(fields)?;
    }
    node_id(fields)?;
    if fields.u8()? != 0 {
        bytes(fields)?;
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What comes of chunks that are sent in clear; each is told by its part and content.
    fn heard(chunks: &[(u8, &[u8])]) -> io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = connect(&listener.local_addr().unwrap().to_string()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut sent = Vec::new();
        for (part, content) in chunks {
            let head = [&b"MSG"[..], &[*part], &[0; 4], &[1, 0, 0, 0, 1, 0, 0, 0]].concat();
            sent.extend(in_clear(head, &[&[0; 4][..], &[7, 0, 0, 0], content].concat()));
        }
        peer.write_all(&sent).unwrap();
        drop(peer);
        let (id, token, sequence, heard) = (1, 1, 7, None);
        let (renewal, pace) = (Instant::now(), Pace::deaf(Pause::default()));
        let (protection, keys, chunk) = (None, None, 8_192);
        let mut channel =
            Channel { stream, chunk, id, token, sequence, heard, renewal, protection, keys, pace };
        channel.message(*b"MSG", 7)
    }

    #[test]
    fn a_message_has_chunks_with_something_in_them_and_not_without_end() {
        assert_eq!(heard(&[(b'C', b"ab"), (b'C', b"c"), (b'F', b"")]).unwrap(), b"abc");
        let kind = |chunks: &[(u8, &[u8])]| heard(chunks).unwrap_err().kind();
        assert_eq!(kind(&[(b'C', b"ab"), (b'C', b""), (b'F', b"c")]), io::ErrorKind::InvalidData);
        let many: Vec<(u8, &[u8])> = vec![(b'C', b"a"); OPCUA_CHUNKS_MAX];
        assert_eq!(kind(&many), io::ErrorKind::InvalidData);
        assert_eq!(kind(&many[1..]), io::ErrorKind::UnexpectedEof);
    }
}
