//! Telnet (RFC 854): negotiation, and that somebody logs on in clear text.
//!
//! Relays of SEL speak their binary protocol through it: those octets are read in `sel_fast`.
//! Not here: what is typed. Keystrokes are looked at only to know that a log-on takes place.
//! Invariant: neither user names nor passwords typed into Telnet are kept.

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
    depth: "negotiation, log-on prompts and their outcome, banner",
};

const IAC: u8 = 255;

impl Protocol for Telnet {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// IAC, a negotiation verb and an option in use is a Telnet opening; text on port 23 is too.
    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match head {
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

#[derive(Default)]
struct Reader {
    /// A relay's binary protocol, once it was spoken.
    relay: Option<Box<dyn Dissector>>,
    /// The server's current line, bounded, to recognise prompts.
    line: Vec<u8>,
    logging_on: bool,
    opened: bool,
}

/// No text begins with this octet, and what follows must be a poll or a sound block.
fn begins_relay(segment: &Segment<'_>) -> bool {
    let hint = Hint { carrier: segment.carrier, port: true, from: segment.from };
    let starts = segment.bytes.first() == Some(&sel_fast::wire::MARK);
    let probe = |bytes| sel_fast::SEL_FAST.probe(bytes, hint);
    starts && !matches!(probe(segment.bytes), Probe::NoMatch | Probe::NeedMore)
}

const LINE_OCTETS_MAX: usize = 256;

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
        if !self.opened {
            self.opened = true;
            out.operation(Op::request(OperationClass::Session, 0, "terminal session"));
        }
        if segment.from == Side::Server {
            for byte in text_of(segment.bytes) {
                self.see(byte, out);
            }
            self.prompt(out);
        }
        Progress::Consumed(segment.bytes.len())
    }

    fn gap(&mut self, _: Gap) {
        self.line.clear();
    }
}

impl Reader {
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
        let refused = says(b"incorrect") || says(b"failed") || says(b"denied");
        if self.logging_on && refused {
            out.authentication(outcome(Some(false)));
            self.logging_on = false;
        } else if self.logging_on && (says(b"last login") || says(b"welcome")) {
            out.authentication(outcome(Some(true)));
            self.logging_on = false;
        } else if says(b"version") || says(b"firmware") {
            let text = crate::text::lossy(&self.line);
            out.attribute(Subject::Sender, "Telnet banner", ("banner", &text), 60);
        }
    }

    /// A prompt stands at the end of what the server sent, without an end of line.
    fn prompt(&mut self, out: &mut Output) {
        let line = self.line.to_ascii_lowercase();
        let line = line.trim_ascii_end();
        if line.ends_with(b"password:") || line.ends_with(b"passwd:") {
            if !self.logging_on {
                out.authentication(outcome(None));
            }
            self.logging_on = true;
            self.line.clear();
        }
    }
}

fn outcome(accepted: Option<bool>) -> Authentication {
    Authentication {
        user: None,
        accepted,
        clear_text: true,
        default_password: false,
        method: "telnet password",
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
