//! PostgreSQL frontend/backend protocol 3.0: versions, log-ons, statements by their verb.
//!
//! Not here: results. Invariant: a password is known to be there and never kept.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, sql, text, tls::Upgraded,
};
use model::{Authentication, OperationClass, Subject};

pub struct Postgresql;
pub static POSTGRESQL: Postgresql = Postgresql;

static ABOUT: About = About {
    name: "postgresql",
    title: "PostgreSQL",
    specs: &["PostgreSQL 17 documentation, chapter 53"],
    carriers: &[Carrier::Tcp],
    ports: &[5_432],
    groups: &[],
    depth: "server versions, databases, log-ons and their outcome, statements by verb",
};

const VERSION_3: u32 = 0x0003_0000;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;
const WHOLE_OCTETS_MAX: usize = 64 * 1024;
const HEAD_OCTETS: usize = 4_096;

/// Length and code of a message without a type: the first of a client.
fn opening(bytes: &[u8]) -> Option<(usize, u32)> {
    let &[a, b, c, d, e, f, g, h] = bytes.first_chunk::<8>()?;
    let (length, code) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    let known = matches!(code, VERSION_3 | SSL_REQUEST | GSS_REQUEST | CANCEL);
    ((8..10_000).contains(&length) && known).then_some((length as usize, code))
}

/// Type and length with the type's octet.
fn typed(bytes: &[u8]) -> Option<Result<(u8, usize), ()>> {
    let &[kind, a, b, c, d] = bytes.first_chunk::<5>()?;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    let fits = kind.is_ascii_alphanumeric() && (4..1 << 30).contains(&length);
    Some(if fits { Ok((kind, length.saturating_add(1))) } else { Err(()) })
}

impl Protocol for Postgresql {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if opening(head).is_some() {
            return Probe::MatchClient;
        }
        if head.len() < 8 && head.iter().take(2).all(|b| *b == 0) && hint.port {
            return Probe::NeedMore;
        }
        match typed(head) {
            // Authentication requests, and a query or an answer on the usual port.
            Some(Ok((b'R', length))) if length <= 64 && hint.port => Probe::MatchServer,
            Some(Ok((b'Q' | b'P' | b'B', _))) if hint.port => Probe::MatchClient,
            Some(Ok((b'T' | b'D' | b'C' | b'Z' | b'S', _))) if hint.port => Probe::MatchServer,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    skip: [usize; 2],
    tls_asked: bool,
    encrypted: bool,
    tls: Upgraded,
    applicant: Option<Authentication>,
    /// That a proof was given was told; some take two messages.
    proved: bool,
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
        if segment.from == Side::Server && self.tls_asked {
            self.tls_asked = false;
            self.encrypted = matches!(bytes.first(), Some(b'S' | b'G'));
            return Progress::Consumed(1);
        }
        if segment.from == Side::Client && bytes.first() == Some(&0) {
            return self.opening(bytes, out);
        }
        let (kind, whole) = match typed(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: 5 },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("postgresql-type-unknown")),
            Some(Ok(found)) => found,
        };
        let needed = if whole > WHOLE_OCTETS_MAX { HEAD_OCTETS } else { whole };
        let Some(message) = bytes.get(..needed) else {
            return Progress::NeedMore { consumed: 0, needed };
        };
        if let Some(skip) = self.skip.get_mut(segment.from as usize) {
            *skip = whole.saturating_sub(needed);
        }
        out.begin("postgresql", 0..needed);
        let body = message.get(5..).unwrap_or_default();
        match segment.from {
            Side::Client => self.client(kind, body, out),
            Side::Server => self.server(kind, body, out),
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
    fn opening(&mut self, bytes: &[u8], out: &mut Output) -> Progress {
        let Some((length, code)) = opening(bytes) else {
            return match bytes.len() {
                0..8 => Progress::NeedMore { consumed: 0, needed: 8 },
                _ => Progress::GiveUp(Malformed::new("postgresql-opening-unknown")),
            };
        };
        let Some(message) = bytes.get(..length) else {
            return Progress::NeedMore { consumed: 0, needed: length };
        };
        out.begin("postgresql", 0..length);
        self.tls_asked = matches!(code, SSL_REQUEST | GSS_REQUEST);
        if code == VERSION_3 {
            self.startup(message.get(8..).unwrap_or_default(), out);
        } else {
            let name = if code == CANCEL { "cancel" } else { "encryption" };
            out.operation(Op::request(OperationClass::Session, code, name));
        }
        Progress::Consumed(length)
    }

    /// StartupMessage: names and values, each ended by a NUL.
    fn startup(&mut self, body: &[u8], out: &mut Output) {
        let mut parts = body.split(|b| *b == 0).map(text::lossy);
        let (mut user, mut database, mut application) = Default::default();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            match name.as_str() {
                "user" => user = value,
                "database" => database = value,
                "application_name" => application = value,
                _ => {}
            }
        }
        self.proved = false;
        let op = Op::request(OperationClass::Session, VERSION_3, "startup");
        out.operation(op.named("database", &database));
        out.identity(Subject::Sender, "PostgreSQL startup", [("software", application)]);
        self.applicant = Some(Authentication {
            user: Some(user.into()),
            accepted: None,
            clear_text: false,
            default_password: false,
            method: "postgresql trust",
        });
    }

    fn client(&mut self, kind: u8, body: &[u8], out: &mut Output) {
        let number = u32::from(kind);
        match kind {
            b'Q' => out.operation(sql::operation(&text::lossy(body), number)),
            b'P' => {
                // A name, then the statement.
                let statement = body.split(|b| *b == 0).nth(1).unwrap_or_default();
                out.operation(sql::operation(&text::lossy(statement), number));
            }
            // A password, or an answer to a challenge (chapter 53.2.1).
            b'p' if !std::mem::replace(&mut self.proved, true) => {
                let user = self.applicant.as_ref().and_then(|a| a.user.as_deref());
                let op = Op::request(OperationClass::Authenticate, number, "log-on");
                out.operation(op.named("user", user.unwrap_or_default()));
            }
            b'X' => out.operation(Op::request(OperationClass::Session, number, "terminate")),
            _ => {}
        }
    }

    fn server(&mut self, kind: u8, body: &[u8], out: &mut Output) {
        match kind {
            b'R' => self.authentication(body, out),
            b'S' => {
                let mut parts = body.split(|b| *b == 0);
                if parts.next() == Some(b"server_version") {
                    let version = text::lossy(parts.next().unwrap_or_default());
                    let facts =
                        [("software", "PostgreSQL".to_owned()), ("software_version", version)];
                    out.identity(Subject::Sender, "PostgreSQL ParameterStatus", facts);
                }
            }
            b'E' => {
                // Fields: a letter and a text; C is the code (SQLSTATE).
                let code = body.split(|b| *b == 0).find_map(|f| f.strip_prefix(b"C"));
                let code = code.unwrap_or_default();
                // Class 28 is invalid authorization, 3D an unknown database.
                if code.starts_with(b"28") {
                    self.outcome(false, out);
                }
                let op = Op::response(OperationClass::Other, u32::from(kind), "answer");
                out.operation(op.refused(
                    0,
                    if code.starts_with(b"28") { "invalid authorization" } else { "error" },
                ));
            }
            _ => {}
        }
    }

    fn authentication(&mut self, body: &[u8], out: &mut Output) {
        let code = body.first_chunk::<4>().map_or(u32::MAX, |c| u32::from_be_bytes(*c));
        let method = match code {
            0 => return self.outcome(true, out),
            3 => "postgresql password",
            5 => "postgresql md5",
            7..=9 => "postgresql gss",
            10 => "postgresql scram",
            _ => return,
        };
        if let Some(applicant) = &mut self.applicant {
            applicant.method = method;
            applicant.clear_text = code == 3;
        }
    }

    fn outcome(&mut self, accepted: bool, out: &mut Output) {
        if let Some(mut applicant) = self.applicant.take() {
            applicant.accepted = Some(accepted);
            out.authentication(applicant);
        }
    }
}
