//! RFB, the protocol of VNC (RFC 6143): versions, how one is let in, and the desktop's name.
//!
//! Not here: the screen. Invariant: nothing behind the server's greeting of the desktop is read.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, text,
};
use model::{Authentication, OperationClass, Subject};

pub struct Vnc;
pub static VNC: Vnc = Vnc;

static ABOUT: About = About {
    name: "vnc",
    title: "VNC (RFB)",
    specs: &["RFC 6143"],
    carriers: &[Carrier::Tcp],
    ports: &[5_900, 5_901, 5_902, 5_903],
    groups: &[],
    depth: "versions, security types, log-ons and their outcome, desktop name",
};

const VERSION_OCTETS: usize = 12;
/// Longest list of security types and longest name that are read.
const OCTETS_MAX: usize = 4_096;

impl Protocol for Vnc {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        const START: &[u8] = b"RFB 00";
        if !START.starts_with(head.get(..START.len()).unwrap_or(head)) {
            return Probe::NoMatch;
        }
        match (head.len() >= VERSION_OCTETS, hint.from) {
            (false, _) => Probe::NeedMore,
            // The server speaks first, but what is seen first may be the client's answer.
            (true, Side::Server) => Probe::MatchServer,
            (true, Side::Client) => Probe::Match,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// What a side sends next (RFC 6143, 7).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Version,
    /// The server's list, the client's choice.
    Security,
    /// A challenge and its response.
    Challenge,
    Outcome,
    Desktop,
    Anything,
}

#[derive(Default)]
struct Conversation {
    server: Next,
    client: Next,
    /// Minor number of version 3, the lesser of both sides.
    minor: Option<u16>,
    chosen: Option<u8>,
    /// Who needs no authentication is let in without a word.
    silent: bool,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let read = match segment.from {
            Side::Server => self.server(bytes, out),
            Side::Client => self.client(bytes, out),
        };
        match read {
            Ok(taken) => Progress::Consumed(taken.min(bytes.len())),
            Err(needed) if needed > OCTETS_MAX => {
                Progress::GiveUp(Malformed::new("rfb-message-too-long"))
            }
            Err(needed) => Progress::NeedMore { consumed: 0, needed },
        }
    }

    fn gap(&mut self, _: Gap) {
        (self.server, self.client) = (Next::Anything, Next::Anything);
    }
}

/// Octets taken, or octets needed.
type Read = Result<usize, usize>;

/// Minor number where none of version 3 is said.
const NEWEST: u16 = 8;

impl Conversation {
    /// 7.1.1: numbers that are not 3.7 or later are as 3.3, where the server alone decides.
    fn is_old(&self) -> bool {
        self.minor.is_some_and(|minor| minor < 7)
    }

    fn version(&mut self, bytes: &[u8], said_in: &'static str, out: &mut Output) -> Read {
        let version = bytes.get(..VERSION_OCTETS).ok_or(VERSION_OCTETS)?;
        out.begin("vnc", 0..VERSION_OCTETS);
        let minor = version.get(8..11).and_then(|m| std::str::from_utf8(m).ok()?.parse().ok());
        let minor = minor.filter(|_| version.starts_with(b"RFB 003.")).unwrap_or(NEWEST);
        self.minor = Some(self.minor.map_or(minor, |other| other.min(minor)));
        let text = text::lossy(version.get(4..11).unwrap_or_default());
        out.identity(Subject::Sender, said_in, [("rfb_version", text)]);
        Ok(VERSION_OCTETS)
    }

    fn server(&mut self, bytes: &[u8], out: &mut Output) -> Read {
        match self.server {
            Next::Version => {
                let taken = self.version(bytes, "RFB server version", out)?;
                self.server = Next::Security;
                Ok(taken)
            }
            Next::Security if self.is_old() => {
                let number = bytes.first_chunk::<4>().ok_or(4usize)?;
                let [_, _, _, kind] = *number;
                self.offered(&[kind], 4, out);
                self.choose(kind);
                if kind == 1 {
                    self.let_in(true, out);
                }
                Ok(4)
            }
            Next::Security => {
                let count = usize::from(*bytes.first().ok_or(1usize)?);
                if count == 0 {
                    self.nothing_offered(out);
                    return Ok(bytes.len());
                }
                let end = count.saturating_add(1);
                let kinds = bytes.get(1..end).ok_or(end)?;
                self.offered(kinds, end, out);
                self.server = Next::Challenge;
                Ok(end)
            }
            Next::Challenge => match self.chosen {
                // The choice decides whether a challenge comes at all.
                None => Err(bytes.len().saturating_add(1)),
                Some(2) => {
                    const CHALLENGE_OCTETS: usize = 16;
                    bytes.get(..CHALLENGE_OCTETS).ok_or(CHALLENGE_OCTETS)?;
                    self.server = Next::Outcome;
                    Ok(CHALLENGE_OCTETS)
                }
                Some(_) => {
                    self.server = Next::Anything;
                    Ok(bytes.len())
                }
            },
            Next::Outcome => {
                let code = u32::from_be_bytes(*bytes.first_chunk::<4>().ok_or(4usize)?);
                out.begin("vnc", 0..4);
                self.outcome(code, out);
                Ok(4)
            }
            Next::Desktop => {
                const BEFORE_NAME: usize = 24;
                let length = bytes.get(20..).and_then(|b| b.first_chunk::<4>());
                let length = u32::from_be_bytes(*length.ok_or(BEFORE_NAME)?) as usize;
                let end = length.saturating_add(BEFORE_NAME);
                let name = bytes.get(BEFORE_NAME..end).ok_or(end)?;
                out.begin("vnc", 0..end);
                if std::mem::take(&mut self.silent) {
                    self.let_in(true, out);
                }
                let says = [("desktop_name", text::lossy(name))];
                out.identity(Subject::Sender, "RFB ServerInit", says);
                self.server = Next::Anything;
                Ok(end)
            }
            Next::Anything => Ok(bytes.len()),
        }
    }

    fn client(&mut self, bytes: &[u8], out: &mut Output) -> Read {
        match self.client {
            Next::Version => {
                let taken = self.version(bytes, "RFB client version", out)?;
                self.client = if self.is_old() { Next::Anything } else { Next::Security };
                out.operation(Op::request(OperationClass::Session, 0, "connect"));
                Ok(taken)
            }
            Next::Security => {
                let kind = *bytes.first().ok_or(1usize)?;
                self.choose(kind);
                self.client = Next::Anything;
                Ok(1)
            }
            _ => Ok(bytes.len()),
        }
    }

    /// 7.1.2: a reason follows, and the end.
    fn nothing_offered(&mut self, out: &mut Output) {
        out.begin("vnc", 0..1);
        let op = Op::response(OperationClass::Session, 0, "connect");
        out.operation(op.refused(0, "no security type offered"));
        self.server = Next::Anything;
    }

    fn offered(&mut self, kinds: &[u8], end: usize, out: &mut Output) {
        out.begin("vnc", 0..end);
        let names: Vec<_> = kinds.iter().map(|k| security(*k)).collect();
        let says = [("vnc_security", names.join(", "))];
        out.identity(Subject::Sender, "RFB security types", says);
    }

    /// 7.1.2: without authentication version 3.8 still tells the outcome; older ones do not.
    fn choose(&mut self, kind: u8) {
        self.chosen = Some(kind);
        self.silent = kind == 1 && self.minor == Some(7);
        self.server = match kind {
            1 if self.silent || self.is_old() => Next::Desktop,
            1 => Next::Outcome,
            2 => Next::Challenge,
            _ => Next::Anything,
        };
    }

    fn outcome(&mut self, code: u32, out: &mut Output) {
        let accepted = code == 0;
        let op = Op::response(OperationClass::Authenticate, 0, "security result");
        out.operation(if accepted { op.done() } else { op.refused(code, "refused") });
        self.let_in(accepted, out);
        self.server = if accepted { Next::Desktop } else { Next::Anything };
    }

    fn let_in(&self, accepted: bool, out: &mut Output) {
        out.authentication(Authentication {
            user: None,
            accepted: Some(accepted),
            clear_text: false,
            default_password: false,
            method: if self.chosen == Some(1) { "vnc none" } else { "vnc password" },
        });
    }
}

/// RFC 6143, 8.1.2 and the registry of RFB.
fn security(kind: u8) -> &'static str {
    match kind {
        0 => "invalid",
        1 => "none",
        2 => "VNC authentication",
        5 | 6 => "RA2",
        16 => "Tight",
        18 => "TLS",
        19 => "VeNCrypt",
        30 => "Apple",
        _ => "other",
    }
}
