//! TDS, the protocol of Microsoft SQL Server ([MS-TDS]): versions, log-ons, statements by their
//! verb.
//!
//! Read `procedure` for calls, in which clients wrap statements with parameters. Not here:
//! results, and what stands behind the first packet of a message. Invariant: of the password of a
//! log-on nothing but its presence is looked at.

mod procedure;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, gss, output::Op, sql, text,
};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass, Subject};

pub struct Tds;
pub static TDS: Tds = Tds;

static ABOUT: About = About {
    name: "tds",
    title: "TDS (SQL Server)",
    specs: &["MS-TDS, 2.2.3.1 (header), 2.2.6.4 (LOGIN7), 2.2.6.5 (PRELOGIN), 2.2.7"],
    carriers: &[Carrier::Tcp],
    ports: &[1_433],
    groups: &[],
    depth: "versions, log-ons and their outcome, clients, databases, statements by verb",
};

const HEADER_OCTETS: usize = 8;
const BATCH: u8 = 1;
const RPC: u8 = 3;
const RESPONSE: u8 = 4;
const LOGIN: u8 = 0x10;
const SSPI: u8 = 0x11;
const PRELOGIN: u8 = 0x12;
/// A packet's size is negotiated up to 32,767 (2.2.3.1.4).
const PACKET_OCTETS_MAX: usize = 32_768;

/// Type, whether it ends its message, and length.
fn header(bytes: &[u8]) -> Option<Result<(u8, bool, usize), ()>> {
    let &[kind, status, high, low, _, _, _, window] = bytes.first_chunk::<HEADER_OCTETS>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let known = matches!(kind, 1..=4 | 6..=8 | 0x0e | 0x10..=0x12);
    let fits = (HEADER_OCTETS..=PACKET_OCTETS_MAX).contains(&length);
    if known && fits && status & 0xe0 == 0 && window == 0 {
        Some(Ok((kind, status & 1 != 0, length)))
    } else {
        Some(Err(()))
    }
}

impl Protocol for Tds {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let (kind, _, length) = match header(head) {
            None if matches!(head, [] | [PRELOGIN | LOGIN] | [PRELOGIN | LOGIN, 0 | 1, ..]) => {
                return Probe::NeedMore;
            }
            None | Some(Err(())) => return Probe::NoMatch,
            Some(Ok(found)) => found,
        };
        let body = head.get(HEADER_OCTETS..).unwrap_or_default();
        match (kind, body) {
            // The first option is the version, at an offset behind the list.
            (PRELOGIN, [0, 0, _, 0, 6, ..]) => Probe::MatchClient,
            (LOGIN, [a, b, ..]) => {
                let declared = usize::from(u16::from_le_bytes([*a, *b]));
                let whole = declared.saturating_add(HEADER_OCTETS) == length;
                if whole || hint.port { Probe::MatchClient } else { Probe::NoMatch }
            }
            (RESPONSE, [0, 0, _, 0, 6, ..]) => Probe::MatchServer,
            (RESPONSE, _) if hint.port => Probe::MatchServer,
            (BATCH | RPC, _) if hint.port => Probe::MatchClient,
            (PRELOGIN | LOGIN, short) if short.len() < 5 => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    applicant: Option<Authentication>,
    /// Log-ons inside TLS cannot be read.
    encrypted: bool,
    /// Sides of whose message the end is still to come: their packets go on with it.
    open: [bool; 2],
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let (kind, ends, length) = match header(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS },
            // TLS records without TDS around them, once a version 8 client negotiated them.
            Some(Err(())) if self.encrypted => return Progress::Consumed(bytes.len()),
            Some(Err(())) => return Progress::GiveUp(Malformed::new("tds-header-invalid")),
            Some(Ok(found)) => found,
        };
        let Some(body) = bytes.get(HEADER_OCTETS..length) else {
            return Progress::NeedMore { consumed: 0, needed: length };
        };
        out.begin("tds", 0..length);
        if let Some(open) = self.open.get_mut(segment.from as usize)
            && std::mem::replace(open, !ends)
        {
            return Progress::Consumed(length);
        }
        let read = match (kind, segment.from) {
            (PRELOGIN | RESPONSE, _) if is_prelogin(body) => {
                self.versions(segment.from, body, out);
                Ok(())
            }
            (PRELOGIN, _) => {
                self.encrypted |= matches!(body.first(), Some(0x14..=0x17));
                Ok(())
            }
            (LOGIN, _) => self.login(body, out),
            (SSPI, _) => {
                self.token(body, out);
                Ok(())
            }
            (BATCH, _) => {
                batch(body, out);
                Ok(())
            }
            (RPC, _) => {
                out.operation(procedure::called(behind_headers(body)));
                Ok(())
            }
            (RESPONSE, Side::Server) => {
                self.answer(body, out);
                Ok(())
            }
            _ => Ok(()),
        };
        if read.is_err() {
            let says = "a log-on shorter than its fields";
            out.violation("tds-login-cut-short", says, "MS-TDS, 2.2.6.4");
        }
        Progress::Consumed(length)
    }

    fn gap(&mut self, gap: Gap) {
        self.applicant = None;
        // What comes next may be the middle of a message.
        if let Some(open) = self.open.get_mut(gap.from as usize) {
            *open = true;
        }
    }
}

/// Options begin with the version: type 0, offset, length 6.
fn is_prelogin(body: &[u8]) -> bool {
    matches!(body, [0, 0, offset, 0, 6, ..] if (6..0x80).contains(offset))
}

impl Conversation {
    /// 2.2.6.5: version and encryption.
    fn versions(&mut self, from: Side, body: &[u8], out: &mut Output) {
        const ENCRYPTION: u8 = 1;
        const OPTIONS_MAX: usize = 16;
        let mut r = Reader::new(body);
        for _ in 0..OPTIONS_MAX {
            let Ok(kind @ 0..=0x7f) = r.u8() else { break };
            let (Ok(offset), Ok(length)) = (r.be16(), r.be16()) else { break };
            let at = usize::from(offset);
            let value = body.get(at..at.saturating_add(usize::from(length))).unwrap_or_default();
            match (kind, value) {
                (0, [major, minor, high, low, ..]) if from == Side::Server => {
                    let build = u16::from_be_bytes([*high, *low]);
                    let facts = [
                        ("software", product(*major, *minor).to_owned()),
                        ("software_version", format!("{major}.{minor}.{build}")),
                    ];
                    out.identity(Subject::Sender, "TDS PRELOGIN", facts);
                }
                (ENCRYPTION, [choice]) if from == Side::Server => {
                    // 0: only the log-on, 1 and 3: all.
                    self.encrypted = matches!(choice, 0 | 1 | 3);
                    let says = match choice {
                        0 => "log-on only",
                        1 | 3 => "all",
                        _ => "none",
                    };
                    let says = ("tds_encryption", says);
                    out.attribute(Subject::Sender, "TDS PRELOGIN", says, 90);
                }
                _ => {}
            }
        }
        let class = OperationClass::Session;
        out.operation(match from {
            Side::Client => Op::request(class, u32::from(PRELOGIN), "pre-log-on"),
            Side::Server => Op::response(class, u32::from(PRELOGIN), "pre-log-on").done(),
        });
    }

    /// 2.2.6.4: offsets in octets and lengths in characters stand at fixed places.
    fn login(&mut self, body: &[u8], out: &mut Output) -> Result<(), Short> {
        const OFFSETS_AT: usize = 36;
        let mut r = Reader::new(body);
        r.skip(OFFSETS_AT)?;
        let mut field = || -> Result<(&[u8], usize), Short> {
            let (offset, count) = (usize::from(r.le16()?), usize::from(r.le16()?));
            let end = offset.saturating_add(count.saturating_mul(2));
            Ok((body.get(offset..end).unwrap_or_default(), count))
        };
        let host = text::utf16le(field()?.0);
        let user = text::utf16le(field()?.0);
        let (_, password) = field()?;
        let application = text::utf16le(field()?.0);
        let server = text::utf16le(field()?.0);
        field()?;
        field()?;
        field()?;
        let database = text::utf16le(field()?.0);
        out.identity(
            Subject::Sender,
            "TDS LOGIN7",
            [("hostname", host), ("software", application)],
        );
        let op = Op::request(OperationClass::Authenticate, u32::from(LOGIN), "log-on");
        out.operation(op.named("database", &format!("{server}/{database}")));
        let known = !user.is_empty();
        self.applicant = Some(Authentication {
            user: known.then(|| user.clone().into()),
            accepted: None,
            // The password is turned about and mixed with a constant (2.2.6.4): readable.
            clear_text: known && password > 0,
            default_password: user == "sa" && password == 0,
            method: if known { "tds password" } else { "tds integrated" },
        });
        r.skip(6)?;
        let (offset, length) = (usize::from(r.le16()?), usize::from(r.le16()?));
        let token = body.get(offset..offset.saturating_add(length)).unwrap_or_default();
        self.token(token, out);
        Ok(())
    }

    fn token(&mut self, token: &[u8], out: &mut Output) {
        if let Some(gss::Token::Ntlm(message)) = gss::observe(token, out)
            && let (Some(user), Some(applicant)) = (message.account(), &mut self.applicant)
        {
            applicant.user = Some(user);
            applicant.method = "ntlm";
        }
    }

    /// 2.2.7: LOGINACK and ERROR stand among the tokens of the answer to a log-on.
    fn answer(&mut self, body: &[u8], out: &mut Output) {
        const ERROR: u8 = 0xaa;
        const LOGIN_ACK: u8 = 0xad;
        const NOTES: [u8; 2] = [0xab, 0xe3];
        const TOKENS_MAX: usize = 64;
        let mut r = Reader::new(body);
        for _ in 0..TOKENS_MAX {
            let (Ok(token), Ok(length)) = (r.u8(), r.le16()) else { return };
            if token == 0xed {
                let bytes = r.bytes(usize::from(length)).unwrap_or_default();
                self.token(bytes, out);
                return;
            }
            let Ok(value) = r.bytes(usize::from(length)) else { return };
            match token {
                LOGIN_ACK => self.outcome(true, out),
                ERROR => {
                    const LOGIN_FAILED: u32 = 18_456;
                    let number = value.first_chunk::<4>().map_or(0, |n| u32::from_le_bytes(*n));
                    let op = Op::response(OperationClass::Other, u32::from(RESPONSE), "answer");
                    out.operation(op.refused(number, "error"));
                    if number == LOGIN_FAILED {
                        self.outcome(false, out);
                    }
                }
                token if NOTES.contains(&token) => {}
                _ => return,
            }
        }
    }

    fn outcome(&mut self, accepted: bool, out: &mut Output) {
        if let Some(mut applicant) = self.applicant.take() {
            applicant.accepted = Some(accepted);
            out.authentication(applicant);
        }
    }
}

/// Microsoft's list of SQL Server versions.
fn product(major: u8, minor: u8) -> &'static str {
    match (major, minor) {
        (8, _) => "SQL Server 2000",
        (9, _) => "SQL Server 2005",
        (10, 50) => "SQL Server 2008 R2",
        (10, _) => "SQL Server 2008",
        (11, _) => "SQL Server 2012",
        (12, _) => "SQL Server 2014",
        (13, _) => "SQL Server 2016",
        (14, _) => "SQL Server 2017",
        (15, _) => "SQL Server 2019",
        (16, _) => "SQL Server 2022",
        (17, _) => "SQL Server 2025",
        _ => "SQL Server",
    }
}

/// 2.2.6.7
fn batch(body: &[u8], out: &mut Output) {
    let statement = text::utf16le(behind_headers(body));
    out.operation(sql::operation(&statement, u32::from(BATCH)));
}

/// Headers with their own length stand before a statement or call from version 7.2 on (2.2.5.3).
fn behind_headers(body: &[u8]) -> &[u8] {
    let headers = body.first_chunk::<4>().map_or(0, |n| u32::from_le_bytes(*n) as usize);
    let start = if (4..256).contains(&headers) { headers } else { 0 };
    body.get(start..).unwrap_or_default()
}
