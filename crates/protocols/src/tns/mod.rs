//! TNS, the transport of Oracle databases: who connects to which service with which program.
//!
//! Oracle publishes no specification; headers as in its free client's documentation and as open
//! drivers write them. Not here: statements. Invariant: of data packets only what is text is
//! read: the user of a log-on, and the code of its refusal.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, text,
};
use model::{Authentication, OperationClass, Subject};

pub struct Tns;
pub static TNS: Tns = Tns;

static ABOUT: About = About {
    name: "tns",
    title: "Oracle TNS",
    specs: &["Oracle Net Services Reference (connect descriptors); headers as open drivers do"],
    carriers: &[Carrier::Tcp],
    ports: &[1_521],
    groups: &[],
    depth: "connect descriptors with service, program, host and user; refusals, \
            redirects; log-ons with user and outcome",
};

const HEADER_OCTETS: usize = 8;
const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;
const REDIRECT: u8 = 5;
const DATA: u8 = 6;
/// Header and flags of a data packet.
const DATA_HEAD_OCTETS: usize = 10;

/// Type and length. Newer clients write the length into four octets once connected.
fn header(bytes: &[u8]) -> Option<Result<(u8, usize), ()>> {
    let &[a, b, c, d, kind, _, _, _] = bytes.first_chunk::<HEADER_OCTETS>()?;
    let (short, check) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let length = match (short, check) {
        (0, long) => usize::from(long),
        (short, _) => usize::from(short),
    };
    let fits = length >= HEADER_OCTETS && matches!(kind, 1..=15);
    Some(if fits { Ok((kind, length)) } else { Err(()) })
}

/// A connect packet that ends where its descriptor would begin, of versions there are.
fn descriptor_elsewhere(packet: &[u8]) -> bool {
    let number = |at: usize| {
        let octets = packet.get(at..).and_then(|rest| rest.first_chunk::<2>());
        octets.map_or(0, |n| usize::from(u16::from_be_bytes(*n)))
    };
    let (version, oldest, octets, place) = (number(8), number(10), number(24), number(26));
    (300..400).contains(&version)
        && (300..=version).contains(&oldest)
        && octets > 0
        && place == packet.len()
}

impl Protocol for Tns {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match header(head) {
            None if head.len() < HEADER_OCTETS && hint.port => Probe::NeedMore,
            Some(Ok((CONNECT, length))) => {
                let window = head.get(..length).unwrap_or(head);
                let descriptor = window.windows(14).any(|w| w == b"(CONNECT_DATA=");
                let service = window.windows(13).any(|w| w == b"(DESCRIPTION=");
                match descriptor || service || descriptor_elsewhere(window) {
                    true => Probe::MatchClient,
                    false if hint.port => Probe::MatchClient,
                    false => Probe::NoMatch,
                }
            }
            Some(Ok((ACCEPT | REFUSE | REDIRECT, _))) if hint.port => Probe::MatchServer,
            Some(Ok((6, _))) if hint.port => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Packets>::default()
    }
}

#[derive(Default)]
struct Packets {
    /// The connect descriptor was too long for its packet and comes in the next one.
    descriptor_follows: bool,
    /// Who gave a password and waits to be let in.
    applicant: Option<Authentication>,
}

impl Dissector for Packets {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let (kind, length) = match header(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("tns-header-invalid")),
            Some(Ok(found)) => found,
        };
        let Some(packet) = bytes.get(..length) else {
            return Progress::NeedMore { consumed: 0, needed: length };
        };
        out.begin("tns", 0..length);
        let class = OperationClass::Session;
        let number = u32::from(kind);
        match kind {
            CONNECT if !packet.contains(&b'(') => self.descriptor_follows = true,
            CONNECT => connect(packet, out),
            ACCEPT => out.operation(Op::response(class, number, "connect").done()),
            REFUSE => {
                let says = text::lossy(packet);
                let code = value(&says, "(ERR=").and_then(|c| c.parse().ok());
                let op = Op::response(class, number, "connect");
                out.operation(op.refused(code.unwrap_or_default(), "refused"));
            }
            REDIRECT => out.operation(Op::response(class, number, "redirect").done()),
            DATA => match segment.from {
                Side::Client if std::mem::take(&mut self.descriptor_follows) => {
                    connect(packet, out);
                }
                Side::Client => self.asked(packet, out),
                Side::Server => self.answered(packet, out),
            },
            _ => {}
        }
        Progress::Consumed(length)
    }

    fn gap(&mut self, _: Gap) {}
}

impl Packets {
    /// A function call (3) for a session key (0x76), then with the password's proof (0x73): both
    /// begin with the user's name, before the first of the properties named AUTH_.
    fn asked(&mut self, packet: &[u8], out: &mut Output) {
        const WORD: &[u8] = b"AUTH_";
        let Some([3, function @ (0x76 | 0x73), rest @ ..]) = packet.get(DATA_HEAD_OCTETS..) else {
            return;
        };
        let Some(at) = rest.windows(WORD.len()).position(|w| w == WORD) else { return };
        let user = name_before(rest.get(..at).unwrap_or_default());
        let number = u32::from(*function);
        let op = Op::request(OperationClass::Authenticate, number, "log-on");
        out.operation(op.named("user", &user));
        self.applicant = (*function == 0x73).then(|| Authentication {
            user: (!user.is_empty()).then(|| user.into()),
            accepted: None,
            clear_text: false,
            default_password: false,
            method: "oracle password",
        });
    }

    /// Properties of the session for who was let in, or an error with its code.
    fn answered(&mut self, packet: &[u8], out: &mut Output) {
        if self.applicant.is_none() {
            return;
        }
        let has = |words: &[u8]| packet.windows(words.len()).any(|w| w == words);
        let class = OperationClass::Authenticate;
        let says = text::lossy(packet);
        let refusal = says.split_once("ORA-").map(|(_, rest)| rest);
        let accepted = match refusal {
            Some(rest) => {
                let digits: String =
                    rest.chars().take_while(char::is_ascii_digit).take(5).collect();
                let op = Op::response(class, 0x73, "log-on");
                out.operation(op.refused(digits.parse().unwrap_or_default(), "refused"));
                false
            }
            None if has(b"AUTH_SESSION_ID") || has(b"AUTH_VERSION_NO") => {
                out.operation(Op::response(class, 0x73, "log-on").done());
                true
            }
            None => return,
        };
        if let Some(applicant) = self.applicant.take() {
            out.authentication(Authentication { accepted: Some(accepted), ..applicant });
        }
    }
}

/// The last run of letters before the numbers that precede a property; newer clients write its
/// length before it, which may look like a letter.
fn name_before(bytes: &[u8]) -> String {
    const NUMBERS_MAX: usize = 16;
    let letter = |b: &u8| (0x21..0x7f).contains(b);
    let Some(last) = bytes.iter().rposition(letter) else { return String::new() };
    if bytes.len().saturating_sub(last) > NUMBERS_MAX {
        return String::new();
    }
    let end = last.saturating_add(1);
    let run = bytes.get(..end).unwrap_or_default();
    let start = run.iter().rposition(|b| !letter(b)).map_or(0, |at| at.saturating_add(1));
    let name = run.get(start..).unwrap_or_default();
    match name {
        [length, rest @ ..] if usize::from(*length) == rest.len() => text::lossy(rest),
        name => text::lossy(name),
    }
}

/// The text between `key` and the next parenthesis.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = text.find(key)?;
    let rest = text.get(at.checked_add(key.len())?..)?;
    rest.get(..rest.find([')', '('])?)
}

fn connect(packet: &[u8], out: &mut Output) {
    let descriptor = text::lossy(packet);
    let service = value(&descriptor, "(SERVICE_NAME=").or_else(|| value(&descriptor, "(SID="));
    let op = Op::request(OperationClass::Session, u32::from(CONNECT), "connect");
    out.operation(op.named("service", service.unwrap_or_default()));
    // The client describes itself in CID; ADDRESS names the server's host.
    let client = descriptor.find("(CID=").and_then(|at| descriptor.get(at..)).unwrap_or_default();
    let own = |key| value(client, key).unwrap_or_default().to_owned();
    let host = own("(HOST=");
    let host = host.trim_start_matches('_').to_owned();
    let facts = [("hostname", host), ("software", own("(PROGRAM=")), ("user", own("(USER="))];
    out.identity(Subject::Sender, "TNS connect", facts);
}
