//! Syslog (RFC 5424, RFC 3164): which host and program report what severity.
//!
//! A message is a datagram, or on TCP an octet count and so many octets, or a line (RFC 6587).
//! Not here: what the messages mean. Invariant: only a priority in angle brackets makes one.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side,
    output::Op, text,
};
use model::{OperationClass, Subject};

pub struct Syslog;
pub static SYSLOG: Syslog = Syslog;

static ABOUT: About = About {
    name: "syslog",
    title: "Syslog",
    specs: &["RFC 5424", "RFC 3164", "RFC 5426", "RFC 6587 (TCP)"],
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[514, 601, 1_514],
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
        let stream = hint.carrier == Carrier::Tcp;
        if stream && hint.from == Side::Server {
            return Probe::NoMatch;
        }
        let start = if stream { frame(head).map(|frame| frame.start) } else { Some(0) };
        let begun = start.and_then(|start| priority(head.get(start..)?));
        let Some((_, rest)) = begun else {
            let early = stream && hint.port && head.len() < PRIORITY_OCTETS;
            let shaped = head.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit());
            return if early && shaped { Probe::NeedMore } else { Probe::NoMatch };
        };
        let printable = rest.iter().take(32).all(|b| *b >= 0x20 || matches!(*b, b'\n' | b'\t'));
        let dated = rest.starts_with(b"1 ") || month(rest).is_some();
        if printable && (hint.port || dated) { Probe::MatchClient } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Messages)
    }
}

/// Octets of a count, a blank and a priority at most.
const PRIORITY_OCTETS: usize = 12;
/// Octets of a message at most that are waited for (RFC 5425, 4.3.1 asks for 8,192).
const MESSAGE_OCTETS_MAX: usize = 64 * 1024;

/// Where a message stands in a stream; no length for one that ends with its line.
struct Frame {
    start: usize,
    length: Option<usize>,
}

/// RFC 6587, 3.4.1 and 3.4.2.
fn frame(bytes: &[u8]) -> Option<Frame> {
    if bytes.first() == Some(&b'<') {
        return Some(Frame { start: 0, length: None });
    }
    let digits = bytes.iter().take(6).position(|b| *b == b' ')?;
    let count = std::str::from_utf8(bytes.get(..digits)?).ok()?;
    let plain = !count.starts_with('0') && count.bytes().all(|b| b.is_ascii_digit());
    let length = count.parse().ok().filter(|n| plain && *n <= MESSAGE_OCTETS_MAX)?;
    let start = digits.checked_add(1)?;
    let begins = bytes.get(start).is_none_or(|b| *b == b'<');
    begins.then_some(Frame { start, length: Some(length) })
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
        if segment.carrier == Carrier::Tcp {
            return stream(&segment, out);
        }
        out.begin("syslog", 0..bytes.len());
        if let Some((priority, rest)) = priority(bytes) {
            message(priority, rest, out);
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

/// One message of a stream. What is no message ends with its line: text that breaks a message
/// without counted octets over several lines.
fn stream(segment: &Segment<'_>, out: &mut Output) -> Progress {
    let bytes = segment.bytes;
    let more = || Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
    let counted = frame(bytes).and_then(|f| f.length.map(|length| (f.start, length)));
    if let Some((start, length)) = counted {
        let end = start.saturating_add(length);
        let Some(whole) = bytes.get(start..end) else {
            return Progress::NeedMore { consumed: 0, needed: end };
        };
        out.begin("syslog", 0..end);
        priority(whole).into_iter().for_each(|(number, rest)| message(number, rest, out));
        return Progress::Consumed(end);
    }
    // NUL ends a message as well (3.4.2).
    let Some(end) = bytes.iter().position(|b| matches!(*b, b'\n' | 0)) else {
        return match bytes.len() > MESSAGE_OCTETS_MAX {
            true => Progress::Consumed(bytes.len()),
            false => more(),
        };
    };
    let taken = end.saturating_add(1);
    out.begin("syslog", 0..taken);
    let line = bytes.get(..end).unwrap_or_default();
    priority(line).into_iter().for_each(|(number, rest)| message(number, rest, out));
    Progress::Consumed(taken)
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
