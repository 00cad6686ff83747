//! MySQL and MariaDB client protocol: versions, log-ons, statements by their verb.
//!
//! Not here: results. Invariant: answers to challenges are never looked at.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side,
    output::Op, sql, text, tls::Upgraded,
};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass, Subject};

pub struct Mysql;
pub static MYSQL: Mysql = Mysql;

static ABOUT: About = About {
    name: "mysql",
    title: "MySQL",
    specs: &["MySQL Internals, client/server protocol (dev.mysql.com)"],
    carriers: &[Carrier::Tcp],
    ports: &[3_306],
    groups: &[],
    depth: "server versions, log-ons and their outcome, statements by verb",
};

const HEADER_OCTETS: usize = 4;
/// Packets longer than this are results or uploads; their beginning is enough.
const WHOLE_OCTETS_MAX: usize = 64 * 1024;
const HEAD_OCTETS: usize = 4_096;

fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let &[a, b, c, sequence] = bytes.first_chunk::<HEADER_OCTETS>()?;
    Some((u32::from_le_bytes([a, b, c, 0]) as usize, sequence))
}

/// HandshakeV10: protocol 10, then a version as text.
fn greeting(body: &[u8]) -> Option<String> {
    let rest = body.strip_prefix(&[10])?;
    let end = rest.iter().take(64).position(|b| *b == 0)?;
    let version = rest.get(..end)?;
    let shaped = version.first().is_some_and(u8::is_ascii_digit) && version.is_ascii();
    shaped.then(|| text::lossy(version))
}

impl Protocol for Mysql {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Some((length, sequence)) = header(head) else {
            return if hint.port { Probe::NeedMore } else { Probe::NoMatch };
        };
        let body = head.get(HEADER_OCTETS..).unwrap_or_default();
        if sequence == 0 && (20..512).contains(&length) && greeting(body).is_some() {
            return Probe::MatchServer;
        }
        // A server that knows at once that it wants no one here (ERR_Packet, before any log-on)
        // gives a code and why.
        if let ([0xff, _, 4, why @ ..], true) = (body, hint.port && sequence == 0) {
            let whole = body.len() == length && (4..512).contains(&length);
            let texty = why.iter().all(|b| *b >= 0x20);
            return if whole && texty { Probe::MatchServer } else { Probe::NoMatch };
        }
        // A command alone in its packet.
        let command = matches!(body.first(), Some(1 | 3 | 0x0e | 0x16));
        let whole = body.len() == length;
        if hint.port && sequence == 0 && command && whole {
            return Probe::MatchClient;
        }
        let short = body.len() < length.min(32) && sequence == 0 && length < 512;
        if hint.port && short { Probe::NeedMore } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    skip: [usize; 2],
    greeted: bool,
    applicant: Option<Authentication>,
    encrypted: bool,
    tls: Upgraded,
    /// The client gave a command; the first packet of the answer tells how it went.
    asked: bool,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if self.encrypted {
            return self.tls.feed(segment, out);
        }
        if let Some(skip) = self.skip.get_mut(segment.from as usize)
            && *skip > 0
        {
            let skipped = (*skip).min(bytes.len());
            *skip = skip.saturating_sub(skipped);
            return Progress::Consumed(skipped);
        }
        let Some((length, sequence)) = header(bytes) else {
            return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS };
        };
        let whole = length.saturating_add(HEADER_OCTETS);
        let needed = if whole > WHOLE_OCTETS_MAX { HEAD_OCTETS } else { whole };
        let Some(packet) = bytes.get(..needed) else {
            return Progress::NeedMore { consumed: 0, needed };
        };
        if let Some(skip) = self.skip.get_mut(segment.from as usize) {
            *skip = whole.saturating_sub(needed);
        }
        out.begin("mysql", 0..needed);
        let body = packet.get(HEADER_OCTETS..).unwrap_or_default();
        match segment.from {
            Side::Server => self.server(body, out),
            // A log-on answers the greeting and so is not the first packet of its exchange; who
            // gives up says so with a command.
            Side::Client if self.greeted && sequence != 0 => {
                self.greeted = false;
                if self.login(body, out).is_err() {
                    let says = "a log-on shorter than its fields";
                    out.violation("mysql-login-cut-short", says, "MySQL, Protocol::Handshake");
                }
            }
            Side::Client if sequence == 0 => self.command(body, out),
            Side::Client => {}
        }
        Progress::Consumed(needed)
    }

    fn gap(&mut self, gap: Gap) {
        if let Some(skip) = self.skip.get_mut(gap.from as usize) {
            *skip = 0;
        }
        self.tls.gap(gap);
    }
}

impl Conversation {
    fn server(&mut self, body: &[u8], out: &mut Output) {
        const OK: u8 = 0;
        const ERROR: u8 = 0xff;
        if let Some(version) = greeting(body) {
            self.greeted = true;
            let maker = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
            let facts = [("software", maker.to_owned()), ("software_version", version)];
            return out.identity(Subject::Sender, "MySQL greeting", facts);
        }
        let error = match body {
            [ERROR, low, high, ..] => Some(u16::from_le_bytes([*low, *high])),
            _ => None,
        };
        if let Some(mut applicant) = self.applicant.take() {
            if error.is_none() && body.first() != Some(&OK) {
                // Another method is asked for, or more is to be said.
                self.applicant = Some(applicant);
                return;
            }
            applicant.accepted = Some(error.is_none());
            out.authentication(applicant);
        }
        if std::mem::take(&mut self.asked) || error.is_some() {
            let op = Op::response(OperationClass::Other, 0, "answer");
            out.operation(match error {
                Some(code) => op.refused(u32::from(code), "error"),
                None => op.done(),
            });
        }
    }

    /// Protocol::HandshakeResponse41; an SSLRequest is its first 32 octets alone.
    fn login(&mut self, body: &[u8], out: &mut Output) -> Result<(), Short> {
        const SSL: u32 = 0x800;
        let mut r = Reader::new(body);
        let capabilities = r.le32()?;
        if capabilities & SSL != 0 && body.len() == 32 {
            self.encrypted = true;
            out.operation(Op::request(OperationClass::Session, 0, "TLS"));
            return Ok(());
        }
        r.skip(28)?;
        let user = text::lossy(r.rest().split(|b| *b == 0).next().unwrap_or_default());
        r.skip(user.len().saturating_add(1).min(r.remaining()))?;
        let answered = r.u8().unwrap_or_default() > 0;
        let op = Op::request(OperationClass::Authenticate, 0, "log-on");
        out.operation(op.named("user", &user));
        self.applicant = Some(Authentication {
            default_password: user == "root" && !answered,
            user: Some(user.into()),
            accepted: None,
            clear_text: false,
            method: "mysql password",
        });
        Ok(())
    }

    fn command(&mut self, body: &[u8], out: &mut Output) {
        let Some((&command, rest)) = body.split_first() else { return };
        self.asked = true;
        let number = u32::from(command);
        match command {
            1 => out.operation(Op::request(OperationClass::Session, number, "quit")),
            2 => out.operation(Op::request(OperationClass::Session, number, "use")),
            3 | 0x16 => out.operation(sql::operation(&text::lossy(rest), number)),
            4 | 5 => out.operation(Op::request(OperationClass::Browse, number, "fields")),
            8 => out.operation(Op::request(OperationClass::Stop, number, "shutdown")),
            0x12 | 0x1e => {
                out.operation(Op::request(OperationClass::Read, number, "replication"));
            }
            0x17 => out.operation(Op::request(OperationClass::Other, number, "execute")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_wants_no_one_here_is_known_by_its_refusal() {
        let refusal = [&[0x1a, 0, 0, 0, 0xff, 0x6a, 4][..], b"Host is not allowed to"].concat();
        let mut whole = refusal.clone();
        whole[0] = (refusal.len() - HEADER_OCTETS) as u8;
        let probe = |head: &[u8], port| {
            let hint = Hint { carrier: Carrier::Tcp, port, from: Side::Server, missing: 0 };
            MYSQL.probe(head, hint)
        };
        assert_eq!(
            [probe(&whole, true), probe(&whole, false)],
            [Probe::MatchServer, Probe::NoMatch]
        );
        assert_eq!(probe(&refusal, true), Probe::NoMatch);
    }

    #[test]
    fn who_gives_up_before_a_log_on_breaks_no_rule() {
        let greets = [&[10][..], b"8.0.1\0", &[0; 40]].concat();
        let greets = [&[greets.len() as u8, 0, 0, 0][..], &greets].concat();
        let broken = |from_client: &[u8]| {
            let (mut dissector, mut out) = (MYSQL.open(), Output::new(false));
            dissector.feed(Segment::of(&greets, Side::Server, Carrier::Tcp), &mut out);
            dissector.feed(Segment::of(from_client, Side::Client, Carrier::Tcp), &mut out);
            let violates = |o: &crate::Observed| matches!(o.detail, model::Detail::Violation(_));
            out.observed.iter().any(violates)
        };
        // COM_QUIT is the first packet of its exchange, a log-on the second.
        assert!(!broken(&[1, 0, 0, 0, 1]));
        assert!(broken(&[1, 0, 0, 1, 1]));
    }
}
