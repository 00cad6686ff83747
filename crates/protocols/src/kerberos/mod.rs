//! Kerberos 5 with a KDC over TCP and UDP, and inside GSS tokens of other protocols.
//!
//! Not here: kadmin, what is encrypted. Invariant: a principal is reported as asked for, and a
//! log-on as refused only when the KDC says so.

mod names;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op,
};
use model::{Authentication, OperationClass, Scalar, Subject};
use wire::{AP_REQ, AS_REP, AS_REQ, ERROR, Message, TGS_REP, TGS_REQ};

pub static KERBEROS_GROUP: Group =
    Group { name: "kerberos", ends: Ends::Pair, keys: &["msg_type"] };

pub struct Kerberos;
pub static KERBEROS: Kerberos = Kerberos;

static ABOUT: About = About {
    name: "kerberos",
    title: "Kerberos",
    specs: &["RFC 4120", "RFC 4178 (inside other protocols)", "RFC 8429 (weak encryption)"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[88, 464],
    groups: &[&KERBEROS_GROUP],
    depth: "requests, replies and errors, principals, services, encryption types, log-ons",
};

/// Octets of one message over TCP at most; tickets with large PACs stay far below.
const MESSAGE_OCTETS_MAX: usize = 1 << 18;

impl Protocol for Kerberos {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let message = match hint.carrier {
            Carrier::Tcp => match head.split_first_chunk::<4>() {
                Some((length, rest)) if plausible(*length) => {
                    let change = begun_change(rest, u32::from_be_bytes(*length) as usize);
                    if hint.port && change != Probe::NoMatch && !rest.is_empty() {
                        return change;
                    }
                    rest
                }
                Some(_) => return Probe::NoMatch,
                None if head.iter().all(|b| *b == 0) => return Probe::NeedMore,
                None => return Probe::NoMatch,
            },
            _ => head,
        };
        opening(message)
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// RFC 4120, 7.2.2: a length of four octets with the high bit clear.
fn plausible(length: [u8; 4]) -> bool {
    (16..=MESSAGE_OCTETS_MAX).contains(&(u32::from_be_bytes(length) as usize))
}

/// A password change (RFC 3244, 2): length, version, length of the AP-REQ or AP-REP behind them. An
/// error has no AP-REP before it.
fn password_change(message: &[u8]) -> Option<(&[u8], &[u8])> {
    const HEADER_OCTETS: usize = 6;
    let &[a, b, high, low, c, d] = message.first_chunk::<HEADER_OCTETS>()?;
    let whole = usize::from(u16::from_be_bytes([a, b])) == message.len();
    let known = matches!([high, low], [0, 1] | [0xff, 0x80]);
    let proof = usize::from(u16::from_be_bytes([c, d]));
    let behind = message.get(HEADER_OCTETS..).filter(|_| whole && known)?;
    behind.split_at_checked(proof).filter(|(proof, rest)| {
        matches!((proof.first(), rest.first()), (Some(0x6e | 0x6f), _) | (None, Some(0x7e)))
    })
}

/// The first octets of a password change, which tickets make longer than a segment.
fn begun_change(begun: &[u8], octets: usize) -> Probe {
    let Ok(length) = u16::try_from(octets).map(u16::to_be_bytes) else { return Probe::NoMatch };
    let known =
        |version: [u8; 2]| [length, version].concat().starts_with(begun.get(..4).unwrap_or(begun));
    match begun.get(6) {
        _ if !known([0, 1]) && !known([0xff, 0x80]) => Probe::NoMatch,
        None => Probe::NeedMore,
        Some(0x6e) => Probe::MatchClient,
        Some(0x6f | 0x7e) => Probe::MatchServer,
        Some(_) => Probe::NoMatch,
    }
}

/// Application tag, length, SEQUENCE, length, then version 5 as first or second context element.
fn opening(message: &[u8]) -> Probe {
    const OPENING_OCTETS: usize = 16;
    let Some(&tag) = message.first() else { return Probe::NeedMore };
    match password_change(message) {
        Some(([0x6e, ..], _)) => return Probe::MatchClient,
        Some(_) => return Probe::MatchServer,
        None => {}
    }
    if !wire::is_message(tag) {
        return Probe::NoMatch;
    }
    let Some(start) = message.get(..OPENING_OCTETS) else { return Probe::NeedMore };
    let version = |number| start.windows(5).any(|w| w == [number, 3, 2, 1, 5]);
    match tag & 0x1f {
        AS_REQ | TGS_REQ if version(0xa1) => Probe::MatchClient,
        AS_REP | TGS_REP | ERROR if version(0xa0) => Probe::MatchServer,
        AP_REQ if version(0xa0) => Probe::MatchClient,
        _ if version(0xa0) => Probe::Match,
        _ => Probe::NoMatch,
    }
}

#[derive(Default)]
struct Conversation {
    /// Who asked last: errors need not repeat the name.
    client: String,
    /// The last AS-REQ proved knowledge of the password.
    proved: bool,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if segment.carrier != Carrier::Tcp {
            out.begin("kerberos", 0..bytes.len());
            match (segment.missing, bytes.first()) {
                (0, _) => self.read(bytes, out),
                // The application tag is the type (RFC 4120, 5.10).
                (_, Some(tag @ 0x6a..=0x7e)) => count(*tag & 0x1f, out),
                _ => {}
            }
            return Progress::Consumed(bytes.len());
        }
        let Some(length) = bytes.first_chunk::<4>() else {
            return Progress::NeedMore { consumed: 0, needed: 4 };
        };
        if !plausible(*length) {
            return Progress::GiveUp(Malformed::new("kerberos-length-not-plausible"));
        }
        let needed = (u32::from_be_bytes(*length) as usize).saturating_add(4);
        let Some(message) = bytes.get(4..needed) else {
            return Progress::NeedMore { consumed: 0, needed };
        };
        out.begin("kerberos", 0..needed);
        self.read(message, out);
        Progress::Consumed(needed)
    }

    fn gap(&mut self, _: Gap) {
        self.client.clear();
    }
}

fn unreadable(malformed: Malformed, out: &mut Output) {
    out.violation(malformed.reason, "a Kerberos message that cannot be read", "RFC 4120, 5");
}

fn count(kind: u8, out: &mut Output) {
    out.count(&KERBEROS_GROUP, [Scalar::Number(u64::from(kind))]);
}

/// A message inside a token of another protocol; returns its type.
pub fn carried(bytes: &[u8], out: &mut Output) -> Option<u8> {
    let message = wire::parse(bytes).ok()?;
    count(message.kind, out);
    if message.kind == AP_REQ {
        let class = OperationClass::Authenticate;
        let op = Op::request(class, u32::from(AP_REQ), request_name(&message));
        out.operation(op.named("service", &message.service));
    }
    Some(message.kind)
}

impl Conversation {
    fn read(&mut self, bytes: &[u8], out: &mut Output) {
        let Some((proof, rest)) = password_change(bytes) else {
            return match wire::parse(bytes) {
                Ok(message) => self.message(&message, out),
                Err(malformed) => unreadable(malformed, out),
            };
        };
        let class = OperationClass::Configure;
        let answer = Op::response(class, 464, "password change");
        out.operation(match (proof.first(), wire::parse(rest)) {
            (Some(0x6e), _) => Op::request(class, 464, "password change"),
            (None, Ok(error)) => {
                let code = error.error.unwrap_or_default();
                answer.refused(code, names::error(code))
            }
            // Whether the new password was taken is encrypted.
            _ => answer,
        });
        for part in [proof, rest] {
            carried(part, out);
        }
    }

    fn message(&mut self, message: &Message, out: &mut Output) {
        count(message.kind, out);
        if let Some(nested) = message.nested {
            count(nested, out);
        }
        match message.kind {
            AS_REQ | TGS_REQ | AP_REQ => self.request(message, out),
            ERROR => self.refused(message, out),
            _ => self.granted(message, out),
        }
    }

    fn request(&mut self, message: &Message, out: &mut Output) {
        let class = OperationClass::Authenticate;
        let op = Op::request(class, u32::from(message.kind), request_name(message));
        if message.kind == AS_REQ {
            /// Encrypted time stamp, PKINIT, and their armoured successors.
            const PROOFS: [i64; 4] = [2, 16, 17, 138];
            self.proved = message.preauthentication.iter().any(|p| PROOFS.contains(p));
            self.client = with_realm(&message.client, &message.realm);
            out.operation(op.named("principal", &self.client));
        } else {
            out.operation(op.named("service", &message.service));
        }
        // A machine account is the host's name and a dollar sign ([MS-KILE], 3.1.5.11).
        let machine = message.client.strip_suffix('$').unwrap_or_default().to_owned();
        let domain = if machine.is_empty() { String::new() } else { message.realm.clone() };
        let facts = [("hostname", message.host.clone()), ("hostname", machine), ("domain", domain)];
        out.identity(Subject::Sender, "Kerberos request", facts);
    }

    fn refused(&mut self, message: &Message, out: &mut Output) {
        let code = message.error.unwrap_or_default();
        let op = Op::response(OperationClass::Authenticate, u32::from(ERROR), "KRB-ERROR");
        let op = op.named("service", &message.service);
        out.operation(op.refused(code, names::error(code)));
        if names::is_refusal(code) && !self.client.is_empty() {
            out.authentication(log_on(&self.client, false));
        }
    }

    fn granted(&mut self, message: &Message, out: &mut Output) {
        let weak = message.ticket_encryption.is_some_and(names::is_weak);
        let name = match (message.kind, weak) {
            (AS_REP, _) if !self.proved && !self.client.is_empty() => {
                "AS-REP without pre-authentication"
            }
            (AS_REP, true) => "AS-REP with weak encryption",
            (TGS_REP, true) => "TGS-REP with weak encryption",
            (kind, _) => names::message(kind),
        };
        let op = Op::response(OperationClass::Authenticate, u32::from(message.kind), name);
        out.operation(op.named("service", &message.service).done());
        if message.kind == AS_REP {
            out.authentication(log_on(&with_realm(&message.client, &message.realm), true));
        }
        if matches!(message.kind, AS_REP | TGS_REP) {
            let facts = [("realm", message.realm.clone()), ("service", "Kerberos KDC".to_owned())];
            out.identity(Subject::Sender, "Kerberos reply", facts);
        }
    }
}

/// A request that offers nothing but DES and RC4, as tools that crack tickets do.
fn request_name(message: &Message) -> &'static str {
    let offers_weak =
        !message.offered.is_empty() && message.offered.iter().all(|e| names::is_weak(*e));
    match (message.kind, offers_weak) {
        (AS_REQ, true) => "AS-REQ with weak encryption",
        (TGS_REQ, true) => "TGS-REQ with weak encryption",
        (kind, _) => names::message(kind),
    }
}

fn with_realm(client: &str, realm: &str) -> String {
    if client.is_empty() { String::new() } else { format!("{client}@{realm}") }
}

fn log_on(user: &str, accepted: bool) -> Authentication {
    Authentication {
        user: (!user.is_empty()).then(|| user.into()),
        accepted: Some(accepted),
        clear_text: false,
        default_password: false,
        method: "kerberos",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    #[test]
    fn a_password_change_longer_than_its_segment_is_known_by_its_beginning() {
        let begun = [0, 0, 9, 0, 9, 0, 0xff, 0x80, 4, 0, 0x6e, 0x82, 3, 0xfc, 0x30, 0x82];
        let probe = |head: &[u8], port| {
            let hint = Hint { carrier: Carrier::Tcp, port, from: Side::Client, missing: 0 };
            KERBEROS.probe(head, hint)
        };
        assert_eq!(
            [probe(&begun, true), probe(&begun[..7], true)],
            [Probe::MatchClient, Probe::NeedMore]
        );
        assert_eq!(probe(&begun, false), Probe::NoMatch);
        assert_eq!(probe(&[&begun[..6], &[0, 2, 4, 0, 0x6e]].concat(), true), Probe::NoMatch);
    }
}
