//! Kerberos messages (RFC 4120, 5.4 to 5.9): what is in clear.
//!
//! Invariant: encrypted parts are known by their type alone.

use crate::{Malformed, ber, text};
use ber::{Ber, members};

pub const AS_REQ: u8 = 10;
pub const AS_REP: u8 = 11;
pub const TGS_REQ: u8 = 12;
pub const TGS_REP: u8 = 13;
pub const AP_REQ: u8 = 14;
pub const AP_REP: u8 = 15;
pub const ERROR: u8 = 30;

/// Entries of a list that are read.
const LIST_MAX: usize = 32;

/// What one message says. Fields a message does not have are empty.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Message {
    pub kind: u8,
    pub client: String,
    pub realm: String,
    /// The service asked for, e.g. `krbtgt/EXAMPLE.ORG`.
    pub service: String,
    /// Encryption types offered, in order of preference.
    pub offered: Vec<i64>,
    /// Encryption type of the ticket.
    pub ticket_encryption: Option<i64>,
    pub error: Option<u32>,
    /// Types of pre-authentication data.
    pub preauthentication: Vec<i64>,
    /// NetBIOS name among the client's addresses.
    pub host: String,
    /// A request within this one (PA-TGS-REQ): its message type.
    pub nested: Option<u8>,
}

/// Octets of one message at the start of `bytes`, by its outer length.
pub fn is_message(tag: u8) -> bool {
    matches!(tag, 0x6a..=0x6f | 0x74..=0x76 | 0x7e)
}

pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let outer = Ber::new(bytes).element()?;
    if !is_message(outer.tag) {
        return Err(Malformed::new("kerberos-message-unknown"));
    }
    let kind = outer.tag & 0x1f;
    let mut message = Message { kind, ..Message::default() };
    let body = Ber::new(outer.contents).expect(0x30)?;
    match kind {
        AS_REQ | TGS_REQ => request(body, &mut message)?,
        AS_REP | TGS_REP => reply(body, &mut message),
        AP_REQ => {
            let ticket = members(body).find(|(n, _)| *n == 3).map(|(_, t)| t);
            if let Some(ticket) = ticket {
                read_ticket(ticket, &mut message);
            }
        }
        ERROR => error(body, &mut message),
        _ => {}
    }
    let number = if matches!(kind, AS_REQ | TGS_REQ) { 2 } else { 1 };
    let said = members(body).find(|(n, _)| *n == number).map(|(_, c)| Ber::new(c).integer());
    if said != Some(Ok(i64::from(kind))) {
        return Err(Malformed::new("kerberos-type-differs-from-tag"));
    }
    Ok(message)
}

/// KDC-REQ (5.4.1).
fn request(body: &[u8], message: &mut Message) -> Result<(), Malformed> {
    for (number, contents) in members(body) {
        match number {
            3 => {
                for data in list(contents) {
                    preauthentication(data, message);
                }
            }
            4 => request_body(Ber::new(contents).expect(0x30)?, message),
            _ => {}
        }
    }
    Ok(())
}

fn preauthentication(data: &[u8], message: &mut Message) {
    /// PA-TGS-REQ (5.2.7): an AP-REQ.
    const TGS: i64 = 1;
    let mut kind = None;
    for (number, contents) in members(data) {
        match number {
            1 => kind = Ber::new(contents).integer().ok(),
            2 if kind == Some(TGS) => {
                let inner = Ber::new(contents).octets().ok().and_then(|o| parse_nested(o).ok());
                message.nested = inner.map(|m| m.kind);
            }
            _ => {}
        }
    }
    message.preauthentication.extend(kind);
}

fn parse_nested(octets: &[u8]) -> Result<Message, Malformed> {
    match octets.first() {
        Some(0x6e) => parse(octets),
        _ => Err(Malformed::new("kerberos-message-unknown")),
    }
}

fn request_body(body: &[u8], message: &mut Message) {
    for (number, contents) in members(body) {
        match number {
            1 => message.client = principal(contents),
            2 => message.realm = string(contents),
            3 => message.service = principal(contents),
            8 => {
                let mut types = Ber::new(Ber::new(contents).expect(0x30).unwrap_or_default());
                while let Ok(number) = types.integer()
                    && message.offered.len() < LIST_MAX
                {
                    message.offered.push(number);
                }
            }
            9 => {
                for address in list(contents) {
                    host_address(address, message);
                }
            }
            _ => {}
        }
    }
}

/// HostAddress (5.2.5, 7.5.3): type 20 is a NetBIOS name, padded with blanks.
fn host_address(address: &[u8], message: &mut Message) {
    const NETBIOS: i64 = 20;
    let mut kind = None;
    for (number, contents) in members(address) {
        match number {
            0 => kind = Ber::new(contents).integer().ok(),
            1 if kind == Some(NETBIOS) => {
                let octets = Ber::new(contents).octets().unwrap_or_default();
                message.host = text::lossy(octets).trim_end().to_owned();
            }
            _ => {}
        }
    }
}

/// KDC-REP (5.4.2).
fn reply(body: &[u8], message: &mut Message) {
    for (number, contents) in members(body) {
        match number {
            2 => {
                for data in list(contents) {
                    preauthentication(data, message);
                }
            }
            3 => message.realm = string(contents),
            4 => message.client = principal(contents),
            5 => read_ticket(contents, message),
            _ => {}
        }
    }
}

/// Ticket (5.3): service and the type of encryption.
fn read_ticket(bytes: &[u8], message: &mut Message) {
    const TICKET: u8 = 0x61;
    let Ok(ticket) = Ber::new(bytes).expect(TICKET) else { return };
    let Ok(body) = Ber::new(ticket).expect(0x30) else { return };
    for (number, contents) in members(body) {
        match number {
            1 if message.realm.is_empty() => message.realm = string(contents),
            2 => message.service = principal(contents),
            3 => {
                let part = Ber::new(contents).expect(0x30).unwrap_or_default();
                let kind = members(part).find(|(n, _)| *n == 0).map(|(_, c)| c);
                message.ticket_encryption = kind.and_then(|c| Ber::new(c).integer().ok());
            }
            _ => {}
        }
    }
}

/// KRB-ERROR (5.9.1).
fn error(body: &[u8], message: &mut Message) {
    for (number, contents) in members(body) {
        match number {
            6 => {
                let code = Ber::new(contents).integer().ok();
                message.error = code.and_then(|c| u32::try_from(c).ok());
            }
            8 => message.client = principal(contents),
            9 => message.realm = string(contents),
            10 => message.service = principal(contents),
            _ => {}
        }
    }
}

fn list(contents: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Ber::new(Ber::new(contents).expect(0x30).unwrap_or_default());
    std::iter::from_fn(move || rest.expect(0x30).ok()).take(LIST_MAX)
}

/// KerberosString (5.2.1).
fn string(contents: &[u8]) -> String {
    Ber::new(contents).expect(0x1b).map(text::lossy).unwrap_or_default()
}

/// PrincipalName (5.2.2): its parts joined with slashes.
fn principal(contents: &[u8]) -> String {
    let Ok(sequence) = Ber::new(contents).expect(0x30) else { return String::new() };
    let Some((_, strings)) = members(sequence).find(|(n, _)| *n == 1) else {
        return String::new();
    };
    let mut parts = Ber::new(Ber::new(strings).expect(0x30).unwrap_or_default());
    let mut name = String::new();
    while let Ok(part) = parts.expect(0x1b)
        && name.len() < 512
    {
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(&text::lossy(part));
    }
    name
}
