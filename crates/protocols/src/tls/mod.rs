//! TLS up to the point where it is encrypted: hellos, server names, certificates, prints.
//!
//! SSL 3.0 (RFC 6101) to TLS 1.3 (RFC 8446). Not here: QUIC, DTLS. Invariant: nothing after a
//! change of cipher is read as a handshake.

pub(crate) mod certificate;
mod hello;
mod upgraded;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side, output::Op,
};
use hello::Hello;
use model::{OperationClass, Scalar, Subject};
pub(crate) use upgraded::Upgraded;

pub static TLS_HANDSHAKE: Group =
    Group { name: "tls_handshake", ends: Ends::Pair, keys: &["type"] };
pub static TLS_SNI: Group = Group { name: "tls_sni", ends: Ends::Source, keys: &["sni"] };
pub static TLS_JA3: Group = Group { name: "tls_ja3", ends: Ends::Source, keys: &["ja3"] };

pub struct Tls;
pub static TLS: Tls = Tls;

static ABOUT: About = About {
    name: "tls",
    title: "TLS",
    specs: &["RFC 8446", "RFC 5246", "RFC 6066 (SNI)", "RFC 5280", "JA3", "JA4"],
    carriers: &[Carrier::Tcp],
    ports: &[443, 8443, 636, 989, 990, 993, 995, 4843, 8883],
    groups: &[&TLS_HANDSHAKE, &TLS_SNI, &TLS_JA3],
    depth: "hellos, versions, SNI, ALPN, JA3, JA4, certificates up to TLS 1.2, alerts",
};

/// RFC 8446, 5.2: 2^14 octets and what encryption may add.
const RECORD_OCTETS_MAX: usize = (1 << 14) + 2_048;
/// A handshake message spread over records; certificates chains are the longest.
const HANDSHAKE_OCTETS_MAX: usize = 1 << 18;

const CHANGE_CIPHER: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION: u8 = 23;
const HEARTBEAT: u8 = 24;

impl Protocol for Tls {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if old_hello(head).is_some() {
            return Probe::MatchClient;
        }
        if old_answer(head).is_some() {
            return Probe::MatchServer;
        }
        let [kind, major, minor, high, low, rest @ ..] = head else {
            return match head {
                [] | [HANDSHAKE] | [HANDSHAKE, 3, ..] => Probe::NeedMore,
                _ => Probe::NoMatch,
            };
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let record = *major == 3 && *minor <= 4 && length > 0 && length <= RECORD_OCTETS_MAX;
        match (record, *kind, rest.first()) {
            (true, HANDSHAKE, Some(1)) => Probe::MatchClient,
            (true, HANDSHAKE, Some(2)) => Probe::MatchServer,
            (true, HANDSHAKE, None) => Probe::NeedMore,
            // A connection picked up in its middle: a run of well-formed records.
            (true, CHANGE_CIPHER..=APPLICATION, _) if hint.port => Probe::Match,
            (true, APPLICATION | ALERT, _) if next_record_fits(rest, length) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Reader>::default()
    }
}

/// The octets of a client's hello in the form of SSL 2, which old clients send to offer any
/// version (RFC 5246, E.2): its length with the high bit set, then type 1 and the version.
fn old_hello(bytes: &[u8]) -> Option<usize> {
    let &[high, low, 1, major, minor, c1, c0, s1, s0, r1, r0] = bytes.first_chunk::<11>()? else {
        return None;
    };
    if !matches!((major, minor), (3, 0..=4) | (0, 2)) {
        return None;
    }
    let number = |high, low| usize::from(u16::from_be_bytes([high, low]));
    let (ciphers, session, challenge) = (number(c1, c0), number(s1, s0), number(r1, r0));
    let fits = ciphers > 0
        && ciphers.is_multiple_of(3)
        && matches!(session, 0 | 16)
        && (16..=32).contains(&challenge);
    let length = ciphers.saturating_add(session).saturating_add(challenge).saturating_add(9);
    (high & 0x80 != 0 && fits && number(high & 0x7f, low) == length)
        .then(|| length.saturating_add(2))
}

/// The octets of a server's hello of SSL 2 itself: length, type 4, whether the session is known,
/// kind of certificate, version, and the lengths of certificate, ciphers and connection number.
fn old_answer(bytes: &[u8]) -> Option<usize> {
    let &[high, low, 4, 0..=1, 0..=1, 0, 2, c1, c0, s1, s0, n1, n0] = bytes.first_chunk::<13>()?
    else {
        return None;
    };
    let number = |high, low| usize::from(u16::from_be_bytes([high, low]));
    let (certificate, ciphers, connection) = (number(c1, c0), number(s1, s0), number(n1, n0));
    let length = certificate.saturating_add(ciphers).saturating_add(connection).saturating_add(11);
    let fits = ciphers.is_multiple_of(3) && (16..=32).contains(&connection);
    (high & 0x80 != 0 && fits && number(high & 0x7f, low) == length)
        .then(|| length.saturating_add(2))
}

/// A second record header right behind the first.
fn next_record_fits(rest: &[u8], length: usize) -> bool {
    matches!(
        rest.get(length..).and_then(|r| r.first_chunk::<3>()),
        Some([CHANGE_CIPHER..=APPLICATION, 3, 0..=4])
    )
}

#[derive(Default)]
struct Reader {
    client: Half,
    server: Half,
    /// TLS 1.3 was chosen: everything after the ServerHello is encrypted.
    encrypted_after_hello: bool,
    /// The server asked for another hello: a change of cipher before it changes nothing
    /// (RFC 8446, D.4).
    retrying: bool,
}

#[derive(Default)]
struct Half {
    /// A record was read.
    begun: bool,
    encrypted: bool,
    /// Handshake octets not yet forming a message.
    handshake: Vec<u8>,
}

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let Some(&[kind, major, minor, high, low]) = segment.bytes.first_chunk::<5>() else {
            return Progress::NeedMore { consumed: 0, needed: 5 };
        };
        if kind & 0x80 != 0 {
            return old(&segment, out);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let valid = (CHANGE_CIPHER..=HEARTBEAT).contains(&kind) && major == 3 && minor <= 4;
        if !valid || length > RECORD_OCTETS_MAX {
            return Progress::GiveUp(Malformed::new("tls-record-not-plausible"));
        }
        let needed = length.saturating_add(5);
        let Some(body) = segment.bytes.get(5..needed) else {
            return Progress::NeedMore { consumed: 0, needed };
        };
        out.begin("tls", 0..needed);
        self.half(segment.from).begun = true;
        let again = segment.from == Side::Client && self.client.encrypted;
        if again && kind == HANDSHAKE && is_hello(body) {
            self.anew();
        }
        match kind {
            CHANGE_CIPHER if self.retrying => {}
            CHANGE_CIPHER => self.half(segment.from).encrypted = true,
            HANDSHAKE if !self.half(segment.from).encrypted => {
                self.half(segment.from).handshake.extend_from_slice(body);
                self.messages(segment.from, segment.filled, out);
            }
            ALERT if !self.half(segment.from).encrypted => alert(body, out),
            HEARTBEAT if !self.half(segment.from).encrypted => heartbeat(body, out),
            APPLICATION => self.half(segment.from).encrypted = true,
            _ => {}
        }
        Progress::Consumed(needed)
    }

    fn gap(&mut self, gap: Gap) {
        // What was said in clear before the first record, to ask for all this, is no record.
        let half = self.half(gap.from);
        half.encrypted |= half.begun;
        half.handshake.clear();
    }
}

/// The hello of SSL 2's form; everything behind it has records, where the version is not SSL 2.
fn old(segment: &Segment<'_>, out: &mut Output) -> Progress {
    const HEAD_OCTETS: usize = 13;
    let (bytes, from) = (segment.bytes, segment.from);
    let octets = if from == Side::Client { old_hello(bytes) } else { old_answer(bytes) };
    let Some(octets) = octets else {
        return match bytes.len() < HEAD_OCTETS {
            true => Progress::NeedMore { consumed: 0, needed: HEAD_OCTETS },
            false => Progress::GiveUp(Malformed::new("tls-record-not-plausible")),
        };
    };
    if bytes.len() < octets {
        return Progress::NeedMore { consumed: 0, needed: octets };
    }
    out.begin("tls", 0..octets);
    let class = OperationClass::Session;
    if from == Side::Client {
        out.count(&TLS_HANDSHAKE, [Scalar::Number(1)]);
        out.operation(Op::request(class, 1, "client hello"));
    } else {
        out.count(&TLS_HANDSHAKE, [Scalar::Number(4)]);
        out.operation(Op::response(class, 4, "server hello").done());
    }
    Progress::Consumed(octets)
}

/// Handshake messages without records around them, as QUIC carries them (RFC 9001, 4.1.3).
#[derive(Default)]
pub(crate) struct Handshake {
    reader: Reader,
}

impl Handshake {
    /// Octets that follow those given before.
    pub(crate) fn octets(&mut self, side: Side, bytes: &[u8], out: &mut Output) {
        if !self.reader.half(side).encrypted {
            self.reader.half(side).handshake.extend_from_slice(bytes);
            self.reader.messages(side, 0, out);
        }
    }
}

impl Reader {
    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// A hello in clear begins a handshake whatever came before: of the client alone it may be the
    /// second one that a server asked for behind a change of cipher (RFC 8446, D.4).
    fn anew(&mut self) {
        for half in [&mut self.client, &mut self.server] {
            if half.encrypted {
                *half = Half { begun: true, ..Half::default() };
            }
        }
    }

    /// The last `filled` octets are zeros for what the capture cut: no message begins in them, and
    /// what one that reaches into them says is not known.
    fn messages(&mut self, side: Side, filled: usize, out: &mut Output) {
        let mut bytes = std::mem::take(&mut self.half(side).handshake);
        let mut at = 0usize;
        while let Some((kind, body, taken)) = bytes.get(at..).and_then(message) {
            let there = bytes.len().saturating_sub(filled);
            let begins = at < there;
            at = at.saturating_add(taken);
            if !begins {
                continue;
            }
            out.count(&TLS_HANDSHAKE, [Scalar::Number(u64::from(kind))]);
            if at <= there {
                self.message(side, kind, body, out);
            }
            if self.half(side).encrypted {
                return;
            }
        }
        bytes.drain(..at.min(bytes.len()));
        if bytes.len() > HANDSHAKE_OCTETS_MAX {
            out.limit("tls-handshake-too-long");
            self.half(side).encrypted = true;
            return;
        }
        self.half(side).handshake = bytes;
    }

    fn message(&mut self, side: Side, kind: u8, body: &[u8], out: &mut Output) {
        const CLIENT_HELLO: u8 = 1;
        const SERVER_HELLO: u8 = 2;
        const NEW_SESSION_TICKET: u8 = 4;
        const CERTIFICATE: u8 = 11;
        match kind {
            CLIENT_HELLO => {
                self.retrying = false;
                match hello::client(body) {
                    Ok(hello) => client_hello(&hello, out),
                    Err(malformed) => violation(malformed, out),
                }
            }
            SERVER_HELLO => match hello::server(body) {
                Ok(hello) => {
                    server_hello(&hello, out);
                    self.retrying = hello.retry;
                    let last = hello.highest_version() >= 0x0304 && !hello.retry;
                    self.encrypted_after_hello = last;
                    if self.encrypted_after_hello {
                        self.half(side).encrypted = true;
                    }
                }
                Err(malformed) => violation(malformed, out),
            },
            // RFC 5077, 3.3: its lifetime and its length stand before it.
            NEW_SESSION_TICKET if body.get(6..).is_some_and(hello::is_of_no_key) => {
                let kind = u32::from(NEW_SESSION_TICKET);
                out.operation(Op::response(OperationClass::Session, kind, TICKET).done());
            }
            CERTIFICATE => certificates(body, out),
            _ => {}
        }
    }
}

/// Is this record one whole hello of a client? Encrypted it would be so by no chance.
fn is_hello(record: &[u8]) -> bool {
    let whole = message(record).is_some_and(|(_, _, taken)| taken == record.len());
    whole && matches!(record, [1, _, _, _, 3, 0..=4, ..])
}

/// (type, body, octets taken) of the first handshake message if it is whole.
fn message(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let &[kind, a, b, c] = bytes.first_chunk::<4>()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    let end = length.saturating_add(4);
    Some((kind, bytes.get(4..end)?, end))
}

/// Whoever listens can decrypt it, and with it the session.
const TICKET: &str = "session ticket of no key";

fn violation(malformed: Malformed, out: &mut Output) {
    out.violation(malformed.reason, "a TLS hello that cannot be read", "RFC 8446, 4.1");
}

fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        0x7f00..=0x7f1c => "TLS 1.3 draft",
        _ => "TLS of unknown version",
    }
}

fn client_hello(hello: &Hello, out: &mut Output) {
    let ja3 = hello.ja3();
    out.count(&TLS_JA3, [Scalar::Text(ja3.as_str().into())]);
    let op = Op::request(OperationClass::Session, 1, "client hello");
    match &hello.server_name {
        Some(name) if !name.is_empty() => {
            out.count(&TLS_SNI, [Scalar::Text(name.as_str().into())]);
            out.operation(op.named("server-name", name));
        }
        _ => out.operation(op),
    }
    if hello.ticket_of_no_key {
        out.operation(Op::request(OperationClass::Session, 1, TICKET));
    }
    out.identity(Subject::Sender, "TLS client hello", [("ja3", ja3), ("ja4", hello.ja4())]);
}

fn server_hello(hello: &Hello, out: &mut Output) {
    let version = hello.highest_version();
    out.operation(Op::response(OperationClass::Session, 2, "server hello").done());
    let facts = [("tls_version", version_name(version).to_owned())];
    out.identity(Subject::Sender, "TLS server hello", facts);
}

/// RFC 5246, 7.4.2: a list of certificates, the holder's first.
fn certificates(body: &[u8], out: &mut Output) {
    let first = body.get(3..6).and_then(|l| match l {
        [a, b, c] => Some(u32::from_be_bytes([0, *a, *b, *c]) as usize),
        _ => None,
    });
    let end = first.map(|length| length.saturating_add(6));
    let Some(der) = end.and_then(|end| body.get(6..end)) else { return };
    explicit_curves(body.get(3..).unwrap_or_default(), out);
    let Ok(certificate) = certificate::parse(der) else { return };
    let names = certificate.alternative_names.join(", ");
    let facts = [
        ("certificate_name", certificate.subject.common),
        ("certificate_organisation", certificate.subject.organisation),
        ("certificate_issuer", certificate.issuer.common),
        ("certificate_alternative_names", names),
        ("certificate_not_after", certificate.not_after),
    ];
    out.identity(Subject::Sender, "TLS certificate", facts);
}

/// Certificates of a list whose keys lie on curves of their own: the holder's, or one that is
/// said to have issued it.
fn explicit_curves(mut list: &[u8], out: &mut Output) {
    while let Some((&[a, b, c], behind)) = list.split_first_chunk::<3>() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((der, rest)) = behind.split_at_checked(length) else { return };
        list = rest;
        if let Ok(certificate) = certificate::parse(der)
            && certificate.explicit_curve
        {
            let op = Op::response(OperationClass::Session, 11, "certificate with its own curve");
            out.operation(op.named("certificate", &certificate.subject.common));
            return;
        }
    }
}

/// RFC 6520, 4: what is to be sent back must be there. Servers that do not look give away memory.
fn heartbeat(body: &[u8], out: &mut Output) {
    if let [1, high, low, payload @ ..] = body
        && usize::from(u16::from_be_bytes([*high, *low])) > payload.len()
    {
        let says = "a heartbeat that asks for more than it brings (Heartbleed)";
        out.violation("tls-heartbeat-over-read", says, "RFC 6520, 4");
    }
}

fn alert(body: &[u8], out: &mut Output) {
    if let Some(&[level, code]) = body.first_chunk::<2>() {
        let op = Op::notice(OperationClass::Session, u32::from(code), "alert");
        out.operation(if level == 2 { op.refused(u32::from(code), "fatal alert") } else { op });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ServerHelloDone in a record.
    const DONE: [u8; 9] = [HANDSHAKE, 3, 3, 0, 4, 14, 0, 0, 0];

    fn counted(reader: &mut Reader, bytes: &[u8]) -> usize {
        let mut out = Output::default();
        reader.feed(Segment::of(bytes, Side::Server, Carrier::Tcp), &mut out);
        out.messages.iter().count()
    }

    #[test]
    fn a_server_that_gives_tickets_of_no_key_is_told() {
        let ticket = [[0; 16], [7; 16]].concat();
        let body = [&[0, 0, 28, 32, 0, 32][..], &ticket].concat();
        let record = [&[HANDSHAKE, 3, 3, 0, 42, 4, 0, 0, 38][..], &body].concat();
        let mut out = Output::default();
        let mut reader = Reader::default();
        reader.feed(Segment::of(&record, Side::Server, Carrier::Tcp), &mut out);
        let named = |detail: &model::Detail| match detail {
            model::Detail::Operation(operation) => operation.function_name == TICKET,
            _ => false,
        };
        assert!(out.observed.iter().any(|observed| named(&observed.detail)));
    }

    #[test]
    fn what_is_lost_before_the_first_record_hides_no_handshake() {
        let (mut reader, gap) = (Reader::default(), Gap { from: Side::Server, bytes: None });
        reader.gap(gap);
        assert_eq!(counted(&mut reader, &DONE), 1);
        // From then on a change of cipher may be lost.
        reader.gap(gap);
        assert_eq!(counted(&mut reader, &DONE), 0);
    }
}
