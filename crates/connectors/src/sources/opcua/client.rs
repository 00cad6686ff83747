//! An OPC UA client that can only read: browse and read, over `opc.tcp` with no security policy
//! (OPC 10000-4, OPC 10000-6).
//!
//! Invariant: [`Request`] is all that can leave. Besides opening and closing it has browse and
//! read; there is no write, no call, no subscription, nothing that changes nodes.

use super::{
    super::{link::Fields, link::connect, link::malformed, login::Login, pace::Pace},
    types::{DataValue, Item, NodeId, bytes, count, expanded, localized, node_id},
    types::{put_bytes, put_string, qualified, skip_diagnostics, string},
};
use crate::limits::OPCUA_MESSAGE_BYTES_MAX;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// What can be asked: names are those of the services (OPC 10000-4, 5).
pub enum Request<'a> {
    OpenSecureChannel { renew: bool },
    CreateSession { url: &'a str },
    ActivateSession { policy: &'a str, login: Option<&'a Login> },
    Browse { nodes: &'a [NodeId] },
    BrowseNext { point: &'a [u8] },
    Read { wanted: &'a [(NodeId, u32)] },
    CloseSession,
    CloseSecureChannel,
}

/// How long a channel is asked for.
const LIFETIME: Duration = Duration::from_secs(3_600);

const NO_POLICY: &str = "http://opcfoundation.org/UA/SecurityPolicy#None";

/// The answer when the server refuses as a whole.
const SERVICE_FAULT: u32 = 397;

impl Request<'_> {
    /// Number of the request's encoding and of its answer's (OPC 10000-6, A.3).
    fn ids(&self) -> (u32, u32) {
        match self {
            Self::OpenSecureChannel { .. } => (446, 449),
            Self::CloseSecureChannel => (452, 455),
            Self::CreateSession { .. } => (461, 464),
            Self::ActivateSession { .. } => (467, 470),
            Self::CloseSession => (473, 476),
            Self::Browse { .. } => (527, 530),
            Self::BrowseNext { .. } => (533, 536),
            Self::Read { .. } => (631, 634),
        }
    }

    /// What follows the request header.
    fn body(&self, out: &mut Vec<u8>) {
        match self {
            Self::OpenSecureChannel { renew } => {
                // Protocol 0, issue or renew, security mode None, no nonce, an hour.
                let words = [0, u32::from(*renew), 1];
                words.iter().for_each(|word| out.extend(word.to_le_bytes()));
                put_bytes(out, None);
                let lifetime = u32::try_from(LIFETIME.as_millis()).expect("an hour");
                out.extend(lifetime.to_le_bytes());
            }
            Self::CreateSession { url } => create_session(url, out),
            Self::ActivateSession { policy, login } => activate_session(policy, *login, out),
            Self::Browse { nodes } => browse(nodes, out),
            Self::BrowseNext { point } => {
                out.push(0);
                out.extend(1_u32.to_le_bytes());
                put_bytes(out, Some(point));
            }
            Self::Read { wanted } => read(wanted, out),
            // Subscriptions are to be deleted; there are none.
            Self::CloseSession => out.push(1),
            Self::CloseSecureChannel => {}
        }
    }
}

fn create_session(url: &str, out: &mut Vec<u8>) {
    put_string(out, "urn:spandrel:backup");
    put_string(out, "urn:spandrel");
    // The application's name, text only; a client; no gateway, profile or addresses.
    out.push(2);
    put_string(out, "Spandrel backup");
    out.extend(1_u32.to_le_bytes());
    [(); 3].iter().for_each(|()| put_bytes(out, None));
    put_bytes(out, None);
    put_string(out, url);
    put_string(out, "backup");
    // No nonce, no certificate; the session ends two minutes after the last request.
    put_bytes(out, None);
    put_bytes(out, None);
    out.extend(120_000_f64.to_le_bytes());
    out.extend(OPCUA_MESSAGE_BYTES_MAX.to_le_bytes());
}

fn activate_session(policy: &str, login: Option<&Login>, out: &mut Vec<u8>) {
    // No signature, no software certificates, no locales.
    [(); 4].iter().for_each(|()| put_bytes(out, None));
    let mut token = Vec::new();
    put_string(&mut token, policy);
    let kind = match login {
        None => 321,
        Some(login) => {
            put_string(&mut token, &login.user);
            put_string(&mut token, &login.password);
            // The password is not encrypted.
            put_bytes(&mut token, None);
            324
        }
    };
    NodeId::standard(kind).encode(out);
    out.push(1);
    put_bytes(out, Some(&token));
    put_bytes(out, None);
    put_bytes(out, None);
}

fn browse(nodes: &[NodeId], out: &mut Vec<u8>) {
    // No view; as many references an answer as the server likes.
    NodeId::standard(0).encode(out);
    out.extend([0; 8 + 4 + 4]);
    out.extend(u32::try_from(nodes.len()).expect("a batch is small").to_le_bytes());
    for node in nodes {
        node.encode(out);
        // Both directions, references of any type, nodes of any class, all of the answer.
        out.extend(2_u32.to_le_bytes());
        NodeId::standard(0).encode(out);
        out.push(1);
        out.extend(0_u32.to_le_bytes());
        out.extend(0x3f_u32.to_le_bytes());
    }
}

fn read(wanted: &[(NodeId, u32)], out: &mut Vec<u8>) {
    // Any age: the server need not ask the device below it. No time stamps.
    out.extend(f64::from(i32::MAX).to_le_bytes());
    out.extend(3_u32.to_le_bytes());
    out.extend(u32::try_from(wanted.len()).expect("a batch is small").to_le_bytes());
    for (node, attribute) in wanted {
        node.encode(out);
        out.extend(attribute.to_le_bytes());
        put_bytes(out, None);
        out.extend(0_u16.to_le_bytes());
        put_bytes(out, None);
    }
}

/// One reference of a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reference {
    pub kind: NodeId,
    pub is_forward: bool,
    pub target: NodeId,
    /// Class of the target (OPC 10000-3, 8.29).
    pub class: u32,
}

/// References found, and the point from which more can be had.
pub struct Browsed {
    pub status: u32,
    pub point: Option<Vec<u8>>,
    pub references: Vec<Reference>,
    /// References to nodes of other servers.
    pub elsewhere: usize,
}

pub struct Client {
    stream: TcpStream,
    channel: u32,
    token: u32,
    sequence: u32,
    /// When the channel must be renewed.
    renewal: Instant,
    session: NodeId,
    pace: Pace,
}

impl Drop for Client {
    fn drop(&mut self) {
        // A server frees a session by itself when its time is over.
        drop(self.ask(&Request::CloseSession));
        drop(self.send(&Request::CloseSecureChannel));
    }
}

impl Client {
    pub fn open(address: &str, login: Option<&Login>, pause: Duration) -> io::Result<Self> {
        let url = format!("opc.tcp://{address}");
        let mut stream = connect(address)?;
        let mut hello = Vec::new();
        // Version, buffers, longest message, any number of chunks (OPC 10000-6, 7.1.2.3).
        for number in [0, 65_535, 65_535, OPCUA_MESSAGE_BYTES_MAX, 0] {
            hello.extend(number.to_le_bytes());
        }
        put_string(&mut hello, &url);
        let length = u32::try_from(hello.len() + 8).expect("a name is short");
        stream.write_all(&[&b"HELF"[..], &length.to_le_bytes(), &hello].concat())?;
        chunk(&mut stream, *b"ACK")?;
        let (session, pace) = (NodeId::standard(0), Pace::new(pause));
        let (channel, token, sequence, renewal) = (0, 0, 0, Instant::now() + LIFETIME);
        let mut client = Self { stream, channel, token, sequence, renewal, session, pace };
        client.open_channel(false)?;
        let body = client.ask(&Request::CreateSession { url: &url })?;
        let mut fields = Fields(&body);
        node_id(&mut fields)?;
        client.session = node_id(&mut fields)?;
        let policy = policy(&mut fields, if login.is_some() { 1 } else { 0 })?;
        client.ask(&Request::ActivateSession { policy: &policy, login })?;
        Ok(client)
    }

    fn open_channel(&mut self, renew: bool) -> io::Result<()> {
        let body = self.ask(&Request::OpenSecureChannel { renew })?;
        let mut fields = Fields(&body);
        fields.u32()?;
        (self.channel, self.token) = (fields.u32()?, fields.u32()?);
        fields.u64()?;
        // Three quarters of the time the server gives (OPC 10000-4, 5.6.2.1).
        let lifetime = Duration::from_millis(u64::from(fields.u32()?)).min(LIFETIME);
        self.renewal = Instant::now() + lifetime * 3 / 4;
        Ok(())
    }

    pub fn browse(&mut self, nodes: &[NodeId]) -> io::Result<Vec<Browsed>> {
        let body = self.ask(&Request::Browse { nodes })?;
        browsed(&body, nodes.len())
    }

    pub fn browse_next(&mut self, point: &[u8]) -> io::Result<Browsed> {
        let body = self.ask(&Request::BrowseNext { point })?;
        browsed(&body, 1)?.pop().ok_or_else(malformed)
    }

    pub fn read(&mut self, wanted: &[(NodeId, u32)]) -> io::Result<Vec<DataValue>> {
        let body = self.ask(&Request::Read { wanted })?;
        let mut fields = Fields(&body);
        if count(&mut fields)? != wanted.len() {
            return Err(malformed());
        }
        wanted.iter().map(|_| DataValue::decode(&mut fields, 0)).collect()
    }

    /// Asks and gives what follows the answer's header.
    fn ask(&mut self, request: &Request<'_>) -> io::Result<Vec<u8>> {
        let is_channel = matches!(request, Request::OpenSecureChannel { .. });
        if !is_channel && Instant::now() > self.renewal {
            self.open_channel(true)?;
        }
        let sort = match request {
            Request::Browse { .. } | Request::BrowseNext { .. } => "browse",
            Request::Read { .. } => "read",
            _ => "session",
        };
        let frame = self.frame(request);
        let (stream, sequence) = (&mut self.stream, self.sequence);
        let message = self.pace.ask(sort, || {
            stream.write_all(&frame)?;
            message(stream, if is_channel { *b"OPN" } else { *b"MSG" }, sequence)
        })?;
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

    fn send(&mut self, request: &Request<'_>) -> io::Result<()> {
        let frame = self.frame(request);
        self.stream.write_all(&frame)
    }

    /// A request in one chunk: header, security header, sequence, body.
    fn frame(&mut self, request: &Request<'_>) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut rest = Vec::from(self.channel.to_le_bytes());
        let kind = match request {
            Request::OpenSecureChannel { .. } => {
                put_string(&mut rest, NO_POLICY);
                put_bytes(&mut rest, None);
                put_bytes(&mut rest, None);
                b"OPNF"
            }
            other => {
                rest.extend(self.token.to_le_bytes());
                if matches!(other, Request::CloseSecureChannel) { b"CLOF" } else { b"MSGF" }
            }
        };
        rest.extend(self.sequence.to_le_bytes());
        rest.extend(self.sequence.to_le_bytes());
        NodeId::standard(request.ids().0).encode(&mut rest);
        self.session.encode(&mut rest);
        // No time, the request's number, no diagnostics, no audit entry, five seconds, nothing
        // additional.
        rest.extend([0; 8]);
        rest.extend(self.sequence.to_le_bytes());
        rest.extend([0; 4]);
        put_bytes(&mut rest, None);
        rest.extend(5_000_u32.to_le_bytes());
        rest.extend([0, 0, 0]);
        request.body(&mut rest);
        let length = u32::try_from(rest.len() + 8).expect("requests are short");
        [&kind[..], &length.to_le_bytes(), &rest].concat()
    }
}

/// One chunk without its header; whether it is the last one.
fn chunk(stream: &mut TcpStream, kind: [u8; 3]) -> io::Result<(bool, Vec<u8>)> {
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let [a, b, c, part, l0, l1, l2, l3] = head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if !(8..=OPCUA_MESSAGE_BYTES_MAX).contains(&length) {
        return Err(malformed());
    }
    let mut bytes = vec![0; length as usize - 8];
    stream.read_exact(&mut bytes)?;
    if [a, b, c] == *b"ERR" {
        let mut fields = Fields(&bytes);
        return Err(refused(fields.u32()?));
    }
    match part {
        _ if [a, b, c] != kind => Err(malformed()),
        b'F' => Ok((true, bytes)),
        b'C' => Ok((false, bytes)),
        // Aborted: status and reason.
        _ => Err(io::Error::other("the server broke its answer off; ask for less")),
    }
}

/// A whole message: its chunks without their headers.
fn message(stream: &mut TcpStream, kind: [u8; 3], sequence: u32) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let (is_last, bytes) = chunk(stream, kind)?;
        let mut fields = Fields(&bytes);
        fields.u32()?;
        if kind == *b"OPN" {
            string(&mut fields)?;
            super::types::bytes(&mut fields)?;
            super::types::bytes(&mut fields)?;
        } else {
            fields.u32()?;
        }
        fields.u32()?;
        if fields.u32()? != sequence {
            return Err(malformed());
        }
        whole.extend(fields.0);
        if whole.len() > OPCUA_MESSAGE_BYTES_MAX as usize {
            return Err(malformed());
        }
        if is_last {
            return Ok(whole);
        }
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

/// The policy of the identity wanted (0 anonymous, 1 user and password), out of the answer to
/// CreateSession. One of an endpoint without security, as this channel is.
fn policy(fields: &mut Fields<'_>, wanted: u32) -> io::Result<String> {
    fields.take(8)?;
    bytes(fields)?;
    bytes(fields)?;
    for _ in 0..count(fields)? {
        string(fields)?;
        // The server's description: two names, a text, a type, two names, a list.
        string(fields)?;
        string(fields)?;
        localized(fields)?;
        fields.u32()?;
        string(fields)?;
        string(fields)?;
        for _ in 0..count(fields)? {
            string(fields)?;
        }
        bytes(fields)?;
        let is_open = fields.u32()? == 1;
        string(fields)?;
        let mut found = None;
        for _ in 0..count(fields)? {
            let name = string(fields)?.unwrap_or_default();
            let kind = fields.u32()?;
            string(fields)?;
            string(fields)?;
            // A password that must be encrypted cannot be given without the server's key.
            let security = string(fields)?.unwrap_or_default();
            let in_clear = security.is_empty() || security == NO_POLICY;
            if kind == wanted && (wanted == 0 || in_clear) {
                found = found.or(Some(name));
            }
        }
        string(fields)?;
        fields.u8()?;
        if let (true, Some(name)) = (is_open, found) {
            return Ok(name);
        }
    }
    let who =
        if wanted == 0 { "nobody without a name" } else { "no password that is not encrypted" };
    Err(io::Error::other(format!("the server lets in {who}, or wants encryption")))
}

fn browsed(body: &[u8], asked: usize) -> io::Result<Vec<Browsed>> {
    let mut fields = Fields(body);
    if count(&mut fields)? != asked {
        return Err(malformed());
    }
    let one = |_| {
        let status = fields.u32()?;
        let point = bytes(&mut fields)?.map(<[u8]>::to_vec).filter(|point| !point.is_empty());
        let (mut references, mut elsewhere) = (Vec::new(), 0);
        for _ in 0..count(&mut fields)? {
            let kind = node_id(&mut fields)?;
            let is_forward = fields.u8()? != 0;
            let target = expanded(&mut fields)?;
            let _: Item = qualified(&mut fields)?;
            let _: Item = localized(&mut fields)?;
            let class = fields.u32()?;
            expanded(&mut fields)?;
            match target {
                Some(target) => references.push(Reference { kind, is_forward, target, class }),
                None => elsewhere += 1,
            }
        }
        Ok(Browsed { status, point, references, elsewhere })
    };
    (0..asked).map(one).collect()
}

/// What a status code says (OPC 10000-6, A.2), of those that a reader meets.
pub fn status_text(status: u32) -> String {
    let name = match status >> 16 {
        0x8003 => "out of memory",
        0x8008 => "encoding limit exceeded",
        0x800a => "timeout",
        0x8010 => "too many operations in one request",
        0x801f => "the user may not",
        0x8021 => "identity token rejected",
        0x8034 => "no such node",
        0x8035 => "no such attribute",
        0x803a => "not readable",
        0x8055 => "security checks failed",
        0x80b8 => "request too large",
        0x80b9 => "response too large",
        0x8031 => "no communication",
        0x8032 => "waiting for the first value",
        0x808a => "not connected",
        0x808b => "device failure",
        _ => return format!("status {status:#010x}"),
    };
    format!("{name} ({status:#010x})")
}

fn refused(status: u32) -> io::Error {
    io::Error::other(format!("the server refuses: {}", status_text(status)))
}
