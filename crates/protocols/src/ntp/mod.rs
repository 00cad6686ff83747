//! NTP (RFC 5905) and its control messages: who gives time to whom.
//!
//! Not here: whether the time is right. Invariant: without the port only a complete, sane header
//! is taken for NTP.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op,
};
use model::{OperationClass, Scalar, Subject};

pub static NTP_GROUP: Group = Group { name: "ntp", ends: Ends::Pair, keys: &["mode"] };

pub struct Ntp;
pub static NTP: Ntp = Ntp;

static ABOUT: About = About {
    name: "ntp",
    title: "NTP",
    specs: &["RFC 5905", "RFC 1305 (control)"],
    carriers: &[Carrier::Udp],
    ports: &[123],
    groups: &[&NTP_GROUP],
    depth: "modes, stratum, reference clock",
};

const HEADER_OCTETS: usize = 48;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
const CONTROL: u8 = 6;
const PRIVATE: u8 = 7;

impl Protocol for Ntp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Some((mode, version)) = first(head) else { return Probe::NoMatch };
        let known = (1..=4).contains(&version);
        let control = matches!(mode, CONTROL | PRIVATE) && head.len() >= 8;
        let sane = known && (head.len() >= HEADER_OCTETS || control);
        if hint.port && sane {
            return side(mode);
        }
        if !hint.port && sane && strict(head, mode, version) { side(mode) } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reader)
    }
}

fn side(mode: u8) -> Probe {
    match mode {
        CLIENT => Probe::MatchClient,
        SERVER => Probe::MatchServer,
        _ => Probe::Match,
    }
}

/// (mode, version) of RFC 5905, figure 8.
fn first(head: &[u8]) -> Option<(u8, u8)> {
    head.first().map(|b| (b & 7, (b >> 3) & 7))
}

/// A header that hardly anything else looks like: version 3 or 4, stratum and poll interval in
/// range, a transmit time between 2000 and 2036.
fn strict(head: &[u8], mode: u8, version: u8) -> bool {
    let Some(&[_, stratum, poll, precision]) = head.first_chunk::<4>() else { return false };
    let transmit = head.get(40..44).and_then(|b| <[u8; 4]>::try_from(b).ok());
    let seconds = transmit.map(u32::from_be_bytes).unwrap_or_default();
    head.len() == HEADER_OCTETS
        && matches!(mode, CLIENT | SERVER)
        && version >= 3
        && stratum <= 16
        && (3..=17).contains(&poll)
        && precision >= 0xe0
        && seconds >= 3_155_673_600
}

struct Reader;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        out.begin("ntp", 0..segment.bytes.len());
        if let Some((mode, _)) = first(segment.bytes) {
            out.count(&NTP_GROUP, [Scalar::Number(u64::from(mode))]);
            operation(mode, out);
            if mode == SERVER && segment.bytes.len() >= HEADER_OCTETS {
                server(segment.bytes, out);
            }
        }
        Progress::Consumed(segment.bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn operation(mode: u8, out: &mut Output) {
    let function = u32::from(mode);
    let class = OperationClass::Session;
    out.operation(match mode {
        CLIENT => Op::request(class, function, "client"),
        SERVER => Op::response(class, function, "server").done(),
        1 => Op::notice(class, function, "symmetric active"),
        2 => Op::notice(class, function, "symmetric passive"),
        5 => Op::notice(class, function, "broadcast"),
        CONTROL => Op::request(OperationClass::Diagnose, function, "control"),
        PRIVATE => Op::request(OperationClass::Diagnose, function, "private"),
        _ => Op::notice(OperationClass::Other, function, "reserved"),
    });
}

fn server(bytes: &[u8], out: &mut Output) {
    let Some(stratum) = bytes.get(1).filter(|s| (1..16).contains(*s)) else { return };
    let mut facts = vec![("ntp_stratum", stratum.to_string())];
    let reference = bytes.get(12..16).unwrap_or_default();
    if *stratum == 1 && reference.iter().all(|b| b.is_ascii_alphanumeric() || *b == 0) {
        facts.push(("ntp_reference", crate::text::lossy(reference)));
    }
    out.identity(Subject::Sender, "NTP answer", facts);
}
