//! Syslog (RFC 5424, RFC 3164): which host and program report what severity.
//!
//! Not here: what the messages mean. Invariant: only a priority in angle brackets makes a
//! datagram a message.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use model::{OperationClass, Subject};

pub struct Syslog;
pub static SYSLOG: Syslog = Syslog;

static ABOUT: About = About {
    name: "syslog",
    title: "Syslog",
    specs: &["RFC 5424", "RFC 3164", "RFC 5426"],
    carriers: &[Carrier::Udp],
    ports: &[514],
    groups: &[],
    depth: "facility, severity, host and program",
};

/// Priority and what stands behind it (RFC 5424, 6.2.1): at most 191, without leading zeros.
fn priority(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = bytes.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|b| *b == b'>')?;
    let digits = std::str::from_utf8(rest.get(..end)?).ok()?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse::<u32>().ok()?;
    let fits = plain && number <= 191 && (digits.len() == 1 || !digits.starts_with('0'));
    fits.then_some((number, rest.get(end.checked_add(1)?..)?))
}

impl Protocol for Syslog {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Some((_, rest)) = priority(head) else { return Probe::NoMatch };
        let printable = rest.iter().take(32).all(|b| *b >= 0x20 || matches!(*b, b'\n' | b'\t'));
        let dated = rest.starts_with(b"1 ") || month(rest).is_some();
        if printable && (hint.port || dated) { Probe::MatchClient } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Messages)
    }
}

/// `Mmm dd hh:mm:ss ` of RFC 3164, 4.1.2: what stands behind it.
fn month(rest: &[u8]) -> Option<&[u8]> {
    const NAMES: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    const DATE_OCTETS: usize = 16;
    let name = rest.get(..3)?;
    let known = NAMES.chunks_exact(3).any(|n| n == name);
    let date = rest.get(..DATE_OCTETS)?;
    let shaped = matches!(date, [_, _, _, b' ', .., b' ']) && date.get(9) == Some(&b':');
    if known && shaped { rest.get(DATE_OCTETS..) } else { None }
}

struct Messages;

impl Dissector for Messages {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("syslog", 0..bytes.len());
        if let Some((priority, rest)) = priority(bytes) {
            message(priority, rest, out);
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn message(priority: u32, rest: &[u8], out: &mut Output) {
    const SEVERITIES: [&str; 8] =
        ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];
    let severity = SEVERITIES.get((priority & 7) as usize).copied().unwrap_or_default();
    let (host, program) = match rest.strip_prefix(b"1 ") {
        Some(header) => {
            let mut words = header.split(|b| *b == b' ').skip(1);
            (words.next(), words.next())
        }
        None => {
            let header = month(rest);
            let mut words = header.unwrap_or_default().split(|b| *b == b' ');
            let host = words.next().filter(|_| header.is_some());
            let tag = words.next().and_then(|t| t.split(|b| matches!(b, b'[' | b':')).next());
            (host, tag)
        }
    };
    let word = |w: Option<&[u8]>| {
        let w = w.filter(|w| *w != b"-" && w.len() <= 255 && w.iter().all(u8::is_ascii_graphic));
        w.map(text::lossy).unwrap_or_default()
    };
    let (host, program) = (word(host), word(program));
    let op = Op::notice(OperationClass::Report, priority >> 3, severity);
    out.operation(op.named("program", &program));
    if host.parse::<std::net::IpAddr>().is_err() {
        out.attribute(Subject::Sender, "syslog message", ("hostname", &host), 70);
    }
}
