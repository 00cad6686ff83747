//! Telnet (RFC 854): negotiation, and that somebody logs on in clear text.
//!
//! Relays of SEL speak their binary protocol through it: those octets are read in `sel_fast`.
//! Not here: what is typed, but the name at a prompt for one. Invariant: what is typed at any
//! other prompt, passwords before all, is not looked at.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side,
    output::Op, sel_fast,
};
use model::{Authentication, OperationClass, Subject};

pub struct Telnet;
pub static TELNET: Telnet = Telnet;

static ABOUT: About = About {
    name: "telnet",
    title: "Telnet",
    specs: &["RFC 854", "RFC 855"],
    carriers: &[Carrier::Tcp],
    ports: &[23],
    groups: &[],
    depth: "negotiation, log-ons with user and outcome, banner",
};

const IAC: u8 = 255;

impl Protocol for Telnet {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// IAC, a negotiation verb and an option in use is a Telnet opening; text on port 23 is too.
    /// Encrypted segments of other protocols begin so now and then: elsewhere it takes two.
    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match head {
            [IAC, 251..=254, 0..=49, rest @ ..] if !hint.port => second(rest),
            [IAC, 251..=254, 0..=49, ..] => Probe::Match,
            [IAC] | [IAC, 251..=254] | [] => Probe::NeedMore,
            _ if hint.port && head.iter().all(|b| b.is_ascii() && *b != 0) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Reader>::default()
    }
}

/// What stands behind the first command of a conversation off Telnet's port: one more, or text.
fn second(rest: &[u8]) -> Probe {
    const TEXT_OCTETS_MIN: usize = 8;
    let text = rest.iter().take_while(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n' | b'\t'));
    match rest {
        [IAC, 250..=254, 0..=49, ..] => Probe::Match,
        [] | [IAC] | [IAC, 250..=254] => Probe::NeedMore,
        _ => match text.count() {
            TEXT_OCTETS_MIN.. => Probe::Match,
            octets if octets == rest.len() => Probe::NeedMore,
            _ => Probe::NoMatch,
        },
    }
}

#[derive(Default)]
struct Reader {
    /// A relay's binary protocol, once it was spoken.
    relay: Option<Box<dyn Dissector>>,
    /// The server's current line, bounded, to recognise prompts.
    line: Vec<u8>,
    prompted: Prompted,
    /// What is typed at the prompt for a name, bounded, and the name.
    typed: Vec<u8>,
    user: Option<Box<str>>,
    /// Letters were typed at the prompt for a password.
    secret: bool,
    /// The client typed something: what comes now may be about any device.
    typing: bool,
    /// Whose part in the conversation was told, of the client and of the server.
    opened: (bool, bool),
}

/// What a device server says of itself before it asks for a password, one a line, e.g. `Model name
/// : NPort 5110`, and the fact that it is.
const LABELS: &[(&str, &str)] = &[
    ("model", "model"),
    ("model name", "model"),
    ("serial no", "serial"),
    ("serial no.", "serial"),
    ("serial number", "serial"),
    ("firmware version", "firmware"),
    ("device name", "name"),
    ("server name", "name"),
    ("mac address", "mac"),
];

/// What the server asked for last.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Prompted {
    #[default]
    Nothing,
    Name,
    Password,
}

/// No text begins with this octet, and what follows must be a poll or a sound block.
fn begins_relay(segment: &Segment<'_>) -> bool {
    let hint = Hint { carrier: segment.carrier, port: true, from: segment.from, missing: 0 };
    let starts = segment.bytes.first() == Some(&sel_fast::wire::MARK);
    let probe = |bytes| sel_fast::SEL_FAST.probe(bytes, hint);
    starts && !matches!(probe(segment.bytes), Probe::NoMatch | Probe::NeedMore)
}

const LINE_OCTETS_MAX: usize = 256;
const NAME_OCTETS_MAX: usize = 64;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        if self.relay.is_none() && begins_relay(&segment) {
            out.refine("sel_fast");
            self.relay = Some(sel_fast::SEL_FAST.open());
        }
        if let Some(relay) = &mut self.relay {
            return relay.feed(segment, out);
        }
        out.begin("telnet", 0..segment.bytes.len());
        self.open(segment.from, out);
        match segment.from {
            Side::Server => {
                for byte in text_of(segment.bytes) {
                    self.see(byte, out);
                }
                self.prompt(out);
            }
            Side::Client => {
                let text = text_of(segment.bytes);
                self.typing |= !text.is_empty();
                match self.prompted {
                    Prompted::Name => text.into_iter().for_each(|byte| self.name(byte)),
                    Prompted::Password => {
                        text.into_iter().for_each(|byte| self.password(byte, out));
                    }
                    Prompted::Nothing => {}
                }
            }
        }
        Progress::Consumed(segment.bytes.len())
    }

    fn gap(&mut self, _: Gap) {
        self.line.clear();
        self.typed.clear();
    }
}

impl Reader {
    /// Mostly the server speaks first, which makes it no client.
    fn open(&mut self, from: Side, out: &mut Output) {
        const CLASS: OperationClass = OperationClass::Session;
        let (told, op) = match from {
            Side::Client => (&mut self.opened.0, Op::request(CLASS, 0, "terminal session")),
            Side::Server => (&mut self.opened.1, Op::response(CLASS, 0, "terminal session").done()),
        };
        if !std::mem::replace(told, true) {
            out.operation(op);
        }
    }

    /// Letters of a name, until the end of its line.
    fn name(&mut self, byte: u8) {
        const BACKSPACES: [u8; 2] = [8, 0x7f];
        match byte {
            _ if self.prompted != Prompted::Name => {}
            b'\r' | b'\n' => {
                let typed = crate::text::lossy(&std::mem::take(&mut self.typed));
                self.user = (!typed.is_empty()).then(|| typed.into());
                self.prompted = Prompted::Nothing;
            }
            byte if BACKSPACES.contains(&byte) => {
                self.typed.pop();
            }
            0x20.. if self.typed.len() < NAME_OCTETS_MAX => self.typed.push(byte),
            _ => {}
        }
    }

    /// The end of its line gives the password; of the letters nothing is kept.
    fn password(&mut self, byte: u8, out: &mut Output) {
        match byte {
            b'\r' | b'\n' if self.secret => {
                self.secret = false;
                out.authentication(self.applicant(None));
            }
            0x20.. => self.secret = true,
            _ => {}
        }
    }

    fn see(&mut self, byte: u8, out: &mut Output) {
        if byte == b'\n' || byte == b'\r' {
            self.finished_line(out);
            self.line.clear();
        } else if self.line.len() < LINE_OCTETS_MAX {
            self.line.push(byte);
        }
    }

    fn finished_line(&mut self, out: &mut Output) {
        let line = self.line.to_ascii_lowercase();
        let says = |words: &[u8]| line.windows(words.len()).any(|w| w == words);
        let refused = ["incorrect", "failed", "denied", "invalid", "refused", "bad password"];
        let let_in = ["last login", "last failed login", "welcome"];
        let any = |words: &[&str]| words.iter().any(|w| says(w.as_bytes()));
        if self.prompted == Prompted::Password && any(&let_in) {
            self.outcome(true, out);
        } else if self.prompted == Prompted::Password && any(&refused) {
            self.outcome(false, out);
        } else {
            if says(b"version") || says(b"firmware") {
                let text = crate::text::lossy(&self.line);
                out.attribute(Subject::Sender, "Telnet banner", ("banner", &text), 60);
            }
            self.labelled_line(out);
        }
    }

    /// A line of the greeting that names what it tells.
    fn labelled_line(&self, out: &mut Output) {
        if self.typing {
            return;
        }
        let text = crate::text::lossy(&self.line);
        let Some((label, value)) = text.split_once(':') else { return };
        let (label, value) = (label.trim().to_ascii_lowercase(), value.trim());
        let known = LABELS.iter().find(|(known, _)| *known == label);
        if let Some((_, path)) = known.filter(|_| !value.is_empty()) {
            out.attribute(Subject::Sender, "Telnet greeting", (path, value), 90);
        }
    }

    /// A prompt stands at the end of what the server sent, without an end of line. Behind a
    /// password that of a shell lets in; one for a name or a password again refuses.
    fn prompt(&mut self, out: &mut Output) {
        let line = self.line.to_ascii_lowercase();
        let line = line.trim_ascii_end();
        let ends = |words: &[&str]| words.iter().any(|w| line.ends_with(w.as_bytes()));
        // "Last login: Mon" is no prompt, wherever a segment ends in it.
        if ends(&["last login:", "last failed login:"]) {
            return;
        }
        if ends(&["password:", "passwd:"]) {
            self.outcome(false, out);
            (self.prompted, self.secret) = (Prompted::Password, false);
        } else if ends(&["login:", "username:", "user:", "user name:", "login name:"]) {
            self.outcome(false, out);
            self.prompted = Prompted::Name;
            self.typed.clear();
        } else if ends(&["$", "#", ">"]) {
            return self.outcome(true, out);
        } else {
            return;
        }
        self.line.clear();
    }

    /// What became of the password that was asked for.
    fn outcome(&mut self, accepted: bool, out: &mut Output) {
        if self.prompted == Prompted::Password {
            out.authentication(self.applicant(Some(accepted)));
            self.prompted = Prompted::Nothing;
        }
    }

    fn applicant(&self, accepted: Option<bool>) -> Authentication {
        Authentication {
            user: self.user.clone(),
            accepted,
            clear_text: true,
            default_password: false,
            method: "telnet password",
        }
    }
}

/// The bytes that are not commands: RFC 854, "TELNET command structure".
fn text_of(bytes: &[u8]) -> Vec<u8> {
    const SUBNEGOTIATION: u8 = 250;
    const END: u8 = 240;
    let mut found = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != IAC {
            found.push(byte);
            continue;
        }
        match rest.split_first() {
            Some((251..=254, after)) => rest = after.get(1..).unwrap_or_default(),
            Some((&SUBNEGOTIATION, after)) => {
                let end = after.windows(2).position(|w| w == [IAC, END]);
                rest = end.and_then(|e| after.get(e.saturating_add(2)..)).unwrap_or_default();
            }
            Some((_, after)) => rest = after,
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], on_its_port: Probe, elsewhere: Probe) {
        for (port, expected) in [(true, on_its_port), (false, elsewhere)] {
            let hint = Hint { carrier: Carrier::Tcp, port, from: Side::Client, missing: 0 };
            assert_eq!(TELNET.probe(head, hint), expected, "{head:x?} {port}");
        }
    }

    #[test]
    fn one_command_is_telnet_on_its_port_alone() {
        use Probe::{Match, NeedMore, NoMatch};
        check(b"\xff\xfb\x2f", Match, NeedMore);
        check(b"\xff\xfb\x2f\x83\x0a\xc1", Match, NoMatch);
        check(b"\xff\xfb\x01\xff\xfd\x03", Match, Match);
        check(b"\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0", Match, Match);
        check(b"\xff\xfb\x01\r\nlogin: ", Match, Match);
        check(b"\xff\xfb\x01lo", Match, NeedMore);
        check(b"\xff\xfb\x40", NoMatch, NoMatch);
    }
}
