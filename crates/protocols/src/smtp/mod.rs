//! SMTP (RFC 5321): who sends mail through whom.
//!
//! Not here: the mail. Invariant: of a message between DATA and its final dot, or behind BDAT,
//! nothing is read, and of a log-on only that it takes place.

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
    specs: &["RFC 5321", "RFC 4954 (AUTH)", "RFC 3207 (STARTTLS)", "RFC 3030 (BDAT)"],
    carriers: &[Carrier::Tcp],
    ports: &[25, 587, 2_525],
    groups: &[&SMTP_GROUP],
    depth: "commands, greetings, log-ons, refusals",
};

/// RFC 5321, 4.5.3.1 allows 512 octets; extensions and habits need more.
const LINE_OCTETS_MAX: usize = 4_096;

const COMMANDS: [&[u8]; 14] = [
    b"HELO",
    b"EHLO",
    b"MAIL",
    b"RCPT",
    b"DATA",
    b"BDAT",
    b"RSET",
    b"VRFY",
    b"EXPN",
    b"HELP",
    b"NOOP",
    b"QUIT",
    b"AUTH",
    b"STARTTLS",
];

impl Protocol for Smtp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let upper = head.get(..64).unwrap_or(head).to_ascii_uppercase();
        if matches!(upper.get(..5), Some(b"EHLO " | b"HELO ")) {
            return Probe::MatchClient;
        }
        let greets = upper.starts_with(b"220 ") || upper.starts_with(b"220-");
        if greets && upper.windows(4).any(|w| w == b"SMTP") {
            return Probe::MatchServer;
        }
        if !hint.port {
            return Probe::NoMatch;
        }
        // Any reply and any command: a connection in its middle, or a server that turns away. A
        // line of a mail may begin with a number too.
        if greets || (hint.from == Side::Server && is_reply(&upper)) {
            return Probe::MatchServer;
        }
        let ends = upper.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n'));
        match ends.and_then(|end| upper.get(..end)) {
            Some(word) if COMMANDS.contains(&word) => Probe::MatchClient,
            None if COMMANDS.iter().any(|c| c.starts_with(&upper)) => Probe::NeedMore,
            None if upper.len() < 4 && upper.iter().all(u8::is_ascii_digit) => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// RFC 5321, 4.2: a code of three digits, and what stands behind it.
fn is_reply(line: &[u8]) -> bool {
    matches!(
        line.first_chunk::<4>(),
        Some([b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-' | b'\r' | b'\n'])
    )
}

#[derive(Default)]
struct Conversation {
    /// Between DATA and the final dot.
    in_mail: bool,
    /// Octets of a mail in pieces (RFC 3030) still to be skipped.
    skip: usize,
    /// The server said something.
    heard: bool,
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
        if segment.from == Side::Client && self.skip > 0 {
            let skipped = self.skip.min(bytes.len());
            self.skip = self.skip.saturating_sub(skipped);
            return Progress::Consumed(skipped);
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
        // Whether the final dot was in it is told by the server's next reply.
        if gap.from == Side::Client {
            self.skip = gap.left_of(self.skip);
        }
        self.tls.gap(gap);
    }
}

impl Conversation {
    fn command(&mut self, content: &[u8], out: &mut Output) {
        let (verb, rest) = text::word(content);
        let upper = verb.to_ascii_uppercase();
        let known = COMMANDS.contains(&upper.as_slice());
        // Commands have four letters (RFC 5321, 4.1.1), those of extensions too.
        let looks = verb.len() == 4 && verb.iter().all(u8::is_ascii_alphabetic);
        if !known && (!looks || self.logging_on) {
            return;
        }
        // Of the one command that is longer four letters count.
        let counted = verb.get(..4).unwrap_or(verb);
        out.count(&SMTP_GROUP, [Scalar::Text(text::lossy(counted).into())]);
        self.tls_asked = upper == b"STARTTLS";
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
            // Of the client alone nothing else says that a mail begins.
            b"DATA" => self.in_mail = !self.heard,
            b"BDAT" => self.skip = size(rest),
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
        self.heard = true;
        let Some(code) = content.get(..3).and_then(|c| std::str::from_utf8(c).ok()) else {
            return;
        };
        let Ok(code) = code.parse::<u32>() else { return };
        if !self.greeted && !self.tls_asked && code == 220 {
            self.greeted = true;
            let banner = text::lossy(content.get(4..).unwrap_or_default());
            let host = banner.split(' ').next().unwrap_or_default().to_owned();
            let facts = [("banner", banner), ("fqdn", host)];
            return out.identity(Subject::Sender, "SMTP greeting", facts);
        }
        // DATA alone is answered so, and is not answered before its mail is over again.
        self.in_mail = code == 354;
        self.encrypted = self.tls_asked && code == 220;
        // What answers that is a secret, whether AUTH was seen or not.
        self.logging_on |= code == 334;
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

/// RFC 3030, 2: how many octets of a mail follow.
fn size(argument: &[u8]) -> usize {
    let (digits, _) = text::word(argument);
    std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(talk: &mut Conversation, from: Side, bytes: &[u8]) -> Vec<String> {
        let (mut out, mut at, mut found) = (Output::default(), 0, Vec::new());
        while at < bytes.len() {
            out.clear();
            let segment = Segment::of(&bytes[at..], from, Carrier::Tcp);
            match talk.feed(segment, &mut out) {
                Progress::Consumed(taken) => at += taken,
                other => panic!("{other:?}"),
            }
            found.extend(out.messages.iter().map(|m| format!("{:?}", m.keys[0])));
        }
        found.iter().map(|key| key.replace("Text(\"", "").replace("\")", "")).collect()
    }

    #[test]
    fn on_its_port_a_connection_is_known_in_its_middle() {
        let probe = |head: &[u8], port, from| {
            SMTP.probe(head, Hint { carrier: Carrier::Tcp, port, from, missing: 0 })
        };
        let (client, server) = (Side::Client, Side::Server);
        for head in [&b"MAIL FROM:<a@b>\r\n"[..], b"quit\r\n", b"STARTTLS\r\n", b"BDAT 9 LAST\r\n"]
        {
            assert_eq!(probe(head, true, client), Probe::MatchClient);
            assert_eq!(probe(head, false, client), Probe::NoMatch);
        }
        for head in [&b"250-mx\r\n"[..], b"554 no", b"421 busy\r\n"] {
            assert_eq!(probe(head, true, server), Probe::MatchServer);
            assert_eq!(probe(head, false, server), Probe::NoMatch);
            // A line of a mail.
            assert_eq!(probe(head, true, client), Probe::NoMatch);
        }
        for head in [&b"MA"[..], b"25", b"RCPT"] {
            assert_eq!(probe(head, true, server), Probe::NeedMore);
        }
        assert_eq!(probe(b"MAILBOX full", true, client), Probe::NoMatch);
        assert_eq!(probe(b"650 x", true, server), Probe::NoMatch);
    }

    #[test]
    fn of_the_client_alone_a_mail_is_not_taken_for_commands() {
        let mut talk = Conversation::default();
        let said = b"DATA\r\nHELP me\r\nDATA\r\n.\r\nQUIT\r\n";
        assert_eq!(counted(&mut talk, Side::Client, said), ["DATA", "QUIT"]);
        // Commands may be sent ahead of the answers to those before.
        let mut talk = Conversation::default();
        assert_eq!(counted(&mut talk, Side::Client, b"RCPT TO:x\r\nDATA\r\n"), ["RCPT", "DATA"]);
        counted(&mut talk, Side::Server, b"250 ok\r\n354 go\r\n");
        assert_eq!(counted(&mut talk, Side::Client, b"HELP\r\n.\r\n"), [""; 0]);
        // Refused, it is no mail.
        let mut talk = Conversation::default();
        counted(&mut talk, Side::Client, b"DATA\r\n");
        counted(&mut talk, Side::Server, b"503 no\r\n");
        assert_eq!(counted(&mut talk, Side::Client, b"NOOP\r\n"), ["NOOP"]);
    }

    #[test]
    fn pieces_of_a_mail_are_passed_over_as_far_as_they_go() {
        let mut talk = Conversation::default();
        let said = b"BDAT 12 LAST\r\nHELP\r\nHELP\r\nNOOP\r\n";
        assert_eq!(counted(&mut talk, Side::Client, said), ["BDAT", "NOOP"]);
        counted(&mut talk, Side::Client, b"BDAT 12\r\n");
        talk.gap(Gap { from: Side::Client, bytes: Some(6) });
        assert_eq!(counted(&mut talk, Side::Client, b"HELP\r\nQUIT\r\n"), ["QUIT"]);
        counted(&mut talk, Side::Client, b"BDAT 99\r\n");
        talk.gap(Gap { from: Side::Client, bytes: None });
        assert_eq!(counted(&mut talk, Side::Client, b"QUIT\r\n"), ["QUIT"]);
    }

    #[test]
    fn a_hole_in_a_mail_does_not_end_it() {
        let mut talk = Conversation::default();
        counted(&mut talk, Side::Client, b"DATA\r\n");
        counted(&mut talk, Side::Server, b"354 go\r\n");
        talk.gap(Gap { from: Side::Client, bytes: Some(1_460) });
        assert_eq!(counted(&mut talk, Side::Client, b"HELP me\r\n"), [""; 0]);
        counted(&mut talk, Side::Server, b"250 ok\r\n");
        assert_eq!(counted(&mut talk, Side::Client, b"QUIT\r\n"), ["QUIT"]);
    }

    #[test]
    fn words_of_four_letters_are_commands_where_they_are_no_secrets() {
        let mut talk = Conversation::default();
        let said = b"ETRN x\r\nXEXCH50 1\r\nMAILFROM:x\r\nA.BC\r\n";
        assert_eq!(counted(&mut talk, Side::Client, said), ["ETRN"]);
        counted(&mut talk, Side::Server, b"334 UGFzc3dvcmQ6\r\n");
        assert_eq!(counted(&mut talk, Side::Client, b"YWJj\r\n"), [""; 0]);
        counted(&mut talk, Side::Server, b"235 ok\r\n");
        assert_eq!(counted(&mut talk, Side::Client, b"STARTTLS\r\n"), ["STAR"]);
    }
}
