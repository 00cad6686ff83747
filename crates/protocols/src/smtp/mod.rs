//! SMTP (RFC 5321): who sends mail through whom.
//!
//! Not here: the mail. Invariant: of a message between DATA and its final dot nothing is read, and
//! of a log-on only that it takes place.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side,
    output::Op,
    text::{self, line},
    tls::Upgraded,
};
use model::{Authentication, OperationClass, Scalar, Subject};

pub static SMTP_GROUP: Group = Group { name: "smtp", ends: Ends::Pair, keys: &["command"] };

pub struct Smtp;
pub static SMTP: Smtp = Smtp;

static ABOUT: About = About {
    name: "smtp",
    title: "SMTP",
    specs: &["RFC 5321", "RFC 4954 (AUTH)", "RFC 3207 (STARTTLS)"],
    carriers: &[Carrier::Tcp],
    ports: &[25, 587, 2_525],
    groups: &[&SMTP_GROUP],
    depth: "commands, greetings, log-ons, refusals",
};

/// RFC 5321, 4.5.3.1 allows 512 octets; extensions and habits need more.
const LINE_OCTETS_MAX: usize = 4_096;

const COMMANDS: [&[u8]; 12] = [
    b"HELO", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"VRFY", b"EXPN", b"HELP", b"NOOP",
    b"QUIT", b"AUTH",
];

impl Protocol for Smtp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let upper = head.get(..64).unwrap_or(head).to_ascii_uppercase();
        if matches!(upper.get(..4), Some(b"EHLO" | b"HELO")) {
            return if upper.get(4) == Some(&b' ') { Probe::MatchClient } else { Probe::NoMatch };
        }
        let greets = upper.starts_with(b"220 ") || upper.starts_with(b"220-");
        if greets && upper.windows(4).any(|w| w == b"SMTP") {
            return Probe::MatchServer;
        }
        if greets && hint.port {
            return Probe::MatchServer;
        }
        let short = b"220 ".starts_with(&upper) || (greets && !head.contains(&b'\n'));
        if short && hint.port { Probe::NeedMore } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    /// DATA was sent, and the server said go ahead.
    data_asked: bool,
    in_mail: bool,
    tls_asked: bool,
    encrypted: bool,
    tls: Upgraded,
    /// Lines of a log-on are secrets.
    logging_on: bool,
    greeted: bool,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if self.encrypted {
            return self.tls.feed(segment, out);
        }
        let Some((content, taken)) = line(bytes) else {
            if bytes.len() > LINE_OCTETS_MAX {
                // Mail has lines of any length; commands do not.
                return match self.in_mail {
                    true => Progress::Consumed(bytes.len()),
                    false => Progress::GiveUp(Malformed::new("smtp-line-too-long")),
                };
            }
            return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
        };
        out.begin("smtp", 0..taken);
        match segment.from {
            Side::Client if self.in_mail => self.in_mail = content != b".",
            Side::Client => self.command(content, out),
            Side::Server => self.reply(content, out),
        }
        Progress::Consumed(taken)
    }

    fn gap(&mut self, gap: Gap) {
        self.in_mail &= gap.from == Side::Server;
        self.tls.gap(gap);
    }
}

impl Conversation {
    fn command(&mut self, content: &[u8], out: &mut Output) {
        let (verb, rest) = text::word(content);
        let upper = verb.to_ascii_uppercase();
        let known = COMMANDS.iter().find(|c| **c == upper.as_slice());
        if known.is_none() && self.logging_on {
            return;
        }
        let start_tls = upper == b"STARTTLS";
        if known.is_none() && !start_tls {
            return;
        }
        // Commands have four letters (RFC 5321, 4.1.1); of the one that is longer these count.
        let counted = verb.get(..4).unwrap_or(verb);
        out.count(&SMTP_GROUP, [Scalar::Text(text::lossy(counted).into())]);
        self.data_asked = upper == b"DATA";
        self.tls_asked = start_tls;
        let argument = text::lossy(rest);
        let session = OperationClass::Session;
        match upper.as_slice() {
            b"EHLO" | b"HELO" => {
                out.operation(Op::request(session, 0, "greeting"));
                let says = ("fqdn", argument.as_str());
                out.attribute(Subject::Sender, "SMTP greeting", says, 60);
            }
            b"AUTH" => {
                self.logging_on = true;
                out.operation(Op::request(OperationClass::Authenticate, 0, "log-on"));
            }
            b"MAIL" | b"RCPT" => {
                out.operation(Op::request(OperationClass::Report, 0, "mail"));
            }
            b"VRFY" | b"EXPN" => {
                let op = Op::request(OperationClass::Browse, 0, "verify");
                out.operation(op.named("user", &argument));
            }
            _ => {}
        }
    }

    fn reply(&mut self, content: &[u8], out: &mut Output) {
        let Some(code) = content.get(..3).and_then(|c| std::str::from_utf8(c).ok()) else {
            return;
        };
        let Ok(code) = code.parse::<u32>() else { return };
        if !self.greeted && code == 220 {
            self.greeted = true;
            let banner = text::lossy(content.get(4..).unwrap_or_default());
            let host = banner.split(' ').next().unwrap_or_default().to_owned();
            let facts = [("banner", banner), ("fqdn", host)];
            return out.identity(Subject::Sender, "SMTP greeting", facts);
        }
        self.in_mail = self.data_asked && code == 354;
        self.encrypted = self.tls_asked && code == 220;
        if self.logging_on && matches!(code, 235 | 454 | 500..=599) {
            self.logging_on = false;
            out.authentication(Authentication {
                user: None,
                accepted: Some(code == 235),
                clear_text: true,
                default_password: false,
                method: "smtp auth",
            });
        } else if code >= 500 {
            let op = Op::response(OperationClass::Report, code, "reply");
            out.operation(op.refused(code, "refused"));
        }
    }
}
