//! FTP control connections (RFC 959): commands, log-ons, files. Data connections are not read.
//!
//! Invariant: a password is looked at on the spot, to know whether it is a vendor's default, and
//! never kept.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side, output::Op, text, tls::Upgraded,
};
use model::{Authentication, OperationClass, Scalar, Subject};

pub static FTP_GROUP: Group = Group { name: "ftp", ends: Ends::Pair, keys: &["command"] };

pub struct Ftp;
pub static FTP: Ftp = Ftp;

static ABOUT: About = About {
    name: "ftp",
    title: "FTP",
    specs: &["RFC 959", "RFC 2228", "RFC 3659", "RFC 4217"],
    carriers: &[Carrier::Tcp],
    ports: &[21],
    groups: &[&FTP_GROUP],
    depth: "commands, log-ons, file names, server software",
};

/// Octets of a line; RFC 959 gives no bound, servers take about this much.
const LINE_OCTETS_MAX: usize = 4_096;

impl Protocol for Ftp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let greeting = matches!(head.first_chunk::<4>(), Some([b'2', b'2', b'0', b' ' | b'-']));
        let says_ftp = head.windows(3).any(|w| w.eq_ignore_ascii_case(b"ftp"));
        if greeting && (hint.port || says_ftp) {
            return Probe::MatchServer;
        }
        if !hint.port {
            return Probe::NoMatch;
        }
        match text::line(head) {
            Some((line, _)) if hint.from == Side::Client && command(line).is_some() => Probe::Match,
            Some((line, _)) if hint.from == Side::Server && reply(line).is_some() => Probe::Match,
            Some(_) => Probe::NoMatch,
            None if head.len() < 64 && head.iter().all(|b| b.is_ascii()) => Probe::NeedMore,
            None => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Reader>::default()
    }
}

/// A verb of three or four letters and what follows it.
fn command(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (verb, rest) = text::word(line);
    let known = (3..=4).contains(&verb.len()) && verb.iter().all(u8::is_ascii_alphabetic);
    known.then_some((verb, rest))
}

/// A word of letters and digits and what follows it, where the connection is known to be one of
/// FTP: servers have commands of their own.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (verb, rest) = text::word(without_telnet(line));
    let known = !verb.is_empty() && verb.iter().all(u8::is_ascii_alphanumeric);
    known.then_some((verb, rest))
}

/// An interrupt and a mark of Telnet stand before commands that are to be heard at once (RFC 959,
/// 4.1.3): each is IAC and an octet.
fn without_telnet(mut line: &[u8]) -> &[u8] {
    while let [0xff, 0xf0..=0xff, rest @ ..] = line {
        line = rest;
    }
    line
}

/// (code, last line of the reply?, text)
fn reply(line: &[u8]) -> Option<(u32, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    let code: u32 = std::str::from_utf8(code).ok()?.parse().ok()?;
    let last = !rest.starts_with(b"-");
    (100..600).contains(&code).then_some((code, last, rest.get(1..).unwrap_or_default()))
}

#[derive(Default)]
struct Reader {
    user: Option<String>,
    password_pending: bool,
    default_password: bool,
    secure: bool,
    tls: Upgraded,
    last: Option<(OperationClass, &'static str)>,
}

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        if self.secure && self.tls.is_over(&segment) {
            // RFC 4217, 12.3: behind CCC, which address translators need to read along.
            (self.secure, self.tls) = (false, Upgraded::default());
        }
        if self.secure {
            return self.tls.feed(segment, out);
        }
        let Some((line, taken)) = text::line(segment.bytes) else {
            if segment.bytes.len() > LINE_OCTETS_MAX {
                out.limit("ftp-line-too-long");
                return Progress::GiveUp(Malformed::new("ftp-line-too-long"));
            }
            let needed = segment.bytes.len().saturating_add(1);
            return Progress::NeedMore { consumed: 0, needed };
        };
        out.begin("ftp", 0..taken);
        match segment.from {
            // Behind a hole a line may begin with its end, which may be a password.
            Side::Client if segment.after_gap => self.request(command(line), out),
            Side::Client => self.request(word(line), out),
            Side::Server => self.answer(line, out),
        }
        Progress::Consumed(taken)
    }

    fn gap(&mut self, gap: Gap) {
        self.last = None;
        self.tls.gap(gap);
    }
}

impl Reader {
    fn request(&mut self, says: Option<(&[u8], &[u8])>, out: &mut Output) {
        let Some((verb, argument)) = says else { return };
        out.count(&FTP_GROUP, [Scalar::Text(text::lossy(verb).into())]);
        let verb = verb.to_ascii_uppercase();
        let (class, name) = class_of(&verb);
        self.last = Some((class, name));
        let op = Op::request(class, 0, name);
        match verb.as_slice() {
            b"PASS" => {
                self.password_pending = true;
                self.default_password = is_default(argument);
                out.operation(op);
            }
            b"USER" => {
                self.user = Some(text::lossy(argument));
                out.operation(op);
            }
            _ if argument.is_empty() => out.operation(op),
            _ => out.operation(op.named("path", &text::lossy(argument))),
        }
    }

    fn answer(&mut self, line: &[u8], out: &mut Output) {
        let Some((code, last, says)) = reply(line) else { return };
        match code {
            220 => greeting(says, out),
            230 | 530 if self.password_pending => {
                out.authentication(Authentication {
                    user: self.user.as_deref().map(Into::into),
                    accepted: Some(code == 230),
                    clear_text: true,
                    default_password: self.default_password,
                    method: "ftp password",
                });
                self.password_pending = false;
            }
            234 => self.secure = true,
            _ => {}
        }
        if let Some((class, name)) = self.last.filter(|_| last && code >= 200) {
            let op = Op::response(class, code, name);
            out.operation(if code < 400 { op.done() } else { op.refused(code, "refused") });
            self.last = None;
        }
    }
}

fn greeting(says: &[u8], out: &mut Output) {
    let says = text::lossy(says);
    out.attribute(Subject::Sender, "FTP greeting", ("ftp_banner", &says), 80);
}

/// Passwords shipped with devices, as far as they are common knowledge.
fn is_default(password: &[u8]) -> bool {
    const KNOWN: &[&[u8]] =
        &[b"admin", b"password", b"1234", b"12345", b"root", b"ftp", b"default"];
    KNOWN.iter().any(|k| password.eq_ignore_ascii_case(k))
}

fn class_of(verb: &[u8]) -> (OperationClass, &'static str) {
    use OperationClass as Class;
    match verb {
        b"USER" => (Class::Authenticate, "user"),
        b"PASS" => (Class::Authenticate, "password"),
        b"AUTH" => (Class::Session, "secure the connection"),
        b"RETR" => (Class::File, "retrieve file"),
        b"STOR" | b"STOU" => (Class::File, "store file"),
        b"APPE" => (Class::File, "append to file"),
        b"DELE" => (Class::File, "delete file"),
        b"RNFR" | b"RNTO" => (Class::File, "rename file"),
        b"MKD" | b"XMKD" => (Class::File, "make directory"),
        b"RMD" | b"XRMD" => (Class::File, "remove directory"),
        b"LIST" | b"NLST" | b"MLSD" | b"MLST" | b"PWD" | b"CWD" => (Class::Browse, "list"),
        b"SITE" => (Class::Configure, "site command"),
        b"SYST" | b"STAT" | b"HELP" | b"FEAT" => (Class::Diagnose, "status"),
        _ => (Class::Session, "command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[u8], after_gap: bool, want: &[&str]) {
        let mut out = Output::default();
        let segment = Segment { after_gap, ..Segment::of(line, Side::Client, Carrier::Tcp) };
        assert_eq!(Reader::default().feed(segment, &mut out), Progress::Consumed(line.len()));
        let keys: Vec<_> = out.messages.iter().map(|m| m.keys[0].clone()).collect();
        let want: Vec<_> = want.iter().map(|word| Scalar::Text((*word).into())).collect();
        assert_eq!(keys, want);
    }

    #[test]
    fn commands_of_servers_own_are_counted() {
        check(b"XSHA256 a.bin\r\n", false, &["XSHA256"]);
        check(b"feat\r\n", false, &["feat"]);
        check(b"\xff\xf4\xff\xf2ABOR\r\n", false, &["ABOR"]);
        for line in [&b"\xff\xf4\r\n"[..], b" LIST\r\n", b"\r\n", b"a-b\r\n"] {
            check(line, false, &[]);
        }
    }

    #[test]
    fn the_end_of_a_line_that_was_lost_is_no_command() {
        check(b"secret99\r\n", true, &[]);
        check(b"QUIT\r\n", true, &["QUIT"]);
    }
}
