//! QUIC 1, 2 and drafts since 22: versions, and the TLS hellos in Initial packets, which anyone on
//! the path can read.
//!
//! Not here: packets under negotiated keys; Google's versions before it took TLS are recognised
//! and no more. Invariant: only packets whose tag is right are read.

mod keys;

use crate::{
    About, Carrier, Dissector, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment, Side,
    output::Op, tls,
};
use ::wire::reader::{Reader, Short};
use keys::{Keys, VERSION_2};
use model::{OperationClass, Subject};

pub struct Quic;
pub static QUIC: Quic = Quic;

static GROUPS: &[&Group] = &[&tls::TLS_HANDSHAKE, &tls::TLS_SNI, &tls::TLS_JA3];
static ABOUT: About = About {
    name: "quic",
    title: "QUIC",
    specs: &["RFC 9000", "RFC 9001", "RFC 9369", "RFC 9287", "RFC 8999 (all versions)"],
    carriers: &[Carrier::Udp],
    ports: &[443],
    groups: GROUPS,
    depth: "versions, TLS hellos of Initial packets with server name and prints",
};

/// Packets put together in one datagram that are read.
const COALESCED_MAX: usize = 8;
/// Octets of a TLS flight in Initial packets that are kept until they are in order.
const FLIGHT_OCTETS_MAX: usize = 32 * 1024;
/// Frames of one packet that are read.
const FRAMES_MAX: usize = 2_048;

impl Protocol for Quic {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if let Some(probe) = google(head) {
            return probe;
        }
        let Ok(packet) = Long::parse(head, true) else { return Probe::NoMatch };
        let known = keys::initial(packet.version, &[]).is_some();
        match packet.kind {
            // RFC 9000, 14.1: a client fills its first datagram to 1200 octets.
            Kind::Initial if known && head.len() >= 1_200 => match hint.from {
                Side::Client => Probe::Match,
                Side::Server => Probe::MatchServer,
            },
            Kind::Initial | Kind::Retry | Kind::Other if known => Probe::Match,
            Kind::Negotiation if hint.port => Probe::MatchServer,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// Google's own versions ("Q039", "Q050" and so on), which say their name in clear: with the long
/// header of RFC 8999, or up to Q043 behind public flags that tell of a version and a connection.
fn google(head: &[u8]) -> Option<Probe> {
    const VERSION_AND_CONNECTION: u8 = 0x09;
    let first = *head.first()?;
    let (at, probe) = match first & 0x80 {
        0 if first & 0x8b == VERSION_AND_CONNECTION => (9, Probe::MatchClient),
        0 => return None,
        _ => (1, Probe::Match),
    };
    match *head.get(at..)?.first_chunk::<4>()? {
        [b'Q', b'0', a, b] if a.is_ascii_digit() && b.is_ascii_digit() => Some(probe),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Initial,
    Negotiation,
    Retry,
    Other,
}

/// A packet with a long header (RFC 9000, 17.2).
struct Long<'a> {
    kind: Kind,
    version: u32,
    destination: &'a [u8],
    /// Where the packet number begins, and where the packet ends.
    number_at: usize,
    end: usize,
}

impl<'a> Long<'a> {
    /// In a conversation known to be QUIC the fixed bit says nothing (RFC 9287, 3); before that it
    /// must be set, `fixed`.
    fn parse(bytes: &'a [u8], fixed: bool) -> Result<Long<'a>, Short> {
        const CONNECTION_ID_MAX: usize = 20;
        let refuse = Short { needed: 1 };
        let mut r = Reader::new(bytes);
        let first = r.u8()?;
        let version = r.be32()?;
        if first & 0x80 == 0 || (fixed && first & 0x40 == 0 && version != 0) {
            return Err(refuse);
        }
        let length = usize::from(r.u8()?);
        let destination = r.bytes(length)?;
        let source = usize::from(r.u8()?);
        r.skip(source)?;
        if length > CONNECTION_ID_MAX || source > CONNECTION_ID_MAX {
            return Err(refuse);
        }
        let end = bytes.len();
        let whole = |kind, number_at, end| Long { kind, version, destination, number_at, end };
        let initial = if version == VERSION_2 { 1 } else { 0 };
        let retry = if version == VERSION_2 { 0 } else { 3 };
        match (version, first >> 4 & 3) {
            (0, _) => Ok(whole(Kind::Negotiation, 0, end)),
            (_, kind) if kind == retry => Ok(whole(Kind::Retry, 0, end)),
            (_, kind) => {
                if kind == initial {
                    let token = variable(&mut r)?;
                    r.skip(token)?;
                }
                let rest = variable(&mut r)?;
                let number_at = r.position();
                r.skip(rest)?;
                let kind = if kind == initial { Kind::Initial } else { Kind::Other };
                Ok(whole(kind, number_at, r.position()))
            }
        }
    }
}

/// A variable-length integer (RFC 9000, 16).
fn variable(r: &mut Reader<'_>) -> Result<usize, Short> {
    let first = r.u8()?;
    let more = (1usize << (first >> 6)).saturating_sub(1);
    let mut value = u64::from(first & 0x3f);
    for _ in 0..more {
        value = value << 8 | u64::from(r.u8()?);
    }
    usize::try_from(value).map_err(|_| Short { needed: usize::MAX })
}

#[derive(Default)]
struct Conversation {
    keys: Option<[Keys; 2]>,
    handshake: tls::Handshake,
    flights: [Flight; 2],
    told: bool,
    /// The server asked for the same hello again, under a connection id of its own.
    retried: bool,
}

/// Octets of one side's handshake that came before their turn.
#[derive(Default)]
struct Flight {
    next: usize,
    early: Vec<(usize, Vec<u8>)>,
    octets: usize,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("quic", 0..bytes.len());
        let mut rest = bytes;
        for _ in 0..COALESCED_MAX {
            let Ok(packet) = Long::parse(rest, false) else { break };
            let whole = rest.get(..packet.end).unwrap_or_default();
            match packet.kind {
                Kind::Initial => self.initial(segment.from, &packet, whole, out),
                Kind::Negotiation => {
                    let op = Op::response(OperationClass::Session, 0, "version negotiation");
                    out.operation(op.done());
                }
                Kind::Retry => self.retried |= segment.from == Side::Server,
                Kind::Other => {}
            }
            rest = rest.get(packet.end..).unwrap_or_default();
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    fn initial(&mut self, side: Side, packet: &Long<'_>, bytes: &[u8], out: &mut Output) {
        if !self.told {
            self.told = true;
            let version = match packet.version {
                1 => "1".to_owned(),
                VERSION_2 => "2".to_owned(),
                0xff00_0000..=0xff00_00ff => format!("draft {}", packet.version & 0xff),
                other => format!("0x{other:08x}"),
            };
            out.identity(Subject::Sender, "QUIC Initial", [("quic_version", version)]);
        }
        let open = |keys: &[Keys; 2]| keys.get(side as usize)?.open(bytes, packet.number_at);
        let mut plain = self.keys.as_ref().and_then(open);
        if plain.is_none() && side == Side::Client {
            // The first packet of a connection, or the first after a Retry.
            for version in keys::readings(packet.version) {
                let fresh = keys::initial(version, packet.destination);
                plain = fresh.as_ref().and_then(open);
                if plain.is_none() {
                    continue;
                }
                self.keys = fresh;
                // RFC 9000, 17.2.5.2: after a Retry the same hello comes once more.
                if !std::mem::take(&mut self.retried) {
                    self.handshake = tls::Handshake::default();
                    self.flights = Default::default();
                }
                break;
            }
        }
        if let Some(plain) = plain {
            self.frames(side, &plain, out);
        }
    }

    /// RFC 9000, 19: only what stands in Initial packets.
    fn frames(&mut self, side: Side, plain: &[u8], out: &mut Output) {
        let mut r = Reader::new(plain);
        for _ in 0..FRAMES_MAX {
            let Ok(kind) = r.u8() else { return };
            let read = match kind {
                0 | 1 => Ok(()),
                2 | 3 => acknowledgement(&mut r, kind == 3),
                // Google's versions with TLS have 8, which may not stand in Initial packets else.
                6 | 8 => self.crypto(side, &mut r, out),
                _ => return,
            };
            if read.is_err() {
                return;
            }
        }
    }

    fn crypto(&mut self, side: Side, r: &mut Reader<'_>, out: &mut Output) -> Result<(), Short> {
        let offset = variable(r)?;
        let length = variable(r)?;
        let bytes = r.bytes(length)?;
        let Some(flight) = self.flights.get_mut(side as usize) else { return Ok(()) };
        flight.octets = flight.octets.saturating_add(length);
        if flight.octets > FLIGHT_OCTETS_MAX {
            out.limit("quic-flight-octets");
            return Ok(());
        }
        flight.early.push((offset, bytes.to_vec()));
        flight.early.sort_by_key(|(offset, _)| *offset);
        while let Some((offset, bytes)) = flight.early.first() {
            let Some(known) = flight.next.checked_sub(*offset) else { break };
            if let Some(fresh) = bytes.get(known..) {
                flight.next = flight.next.saturating_add(fresh.len());
                out.begin_protocol("tls");
                self.handshake.octets(side, fresh, out);
                out.begin_protocol("quic");
            }
            flight.early.remove(0);
        }
        Ok(())
    }
}

/// 19.3
fn acknowledgement(r: &mut Reader<'_>, counted: bool) -> Result<(), Short> {
    variable(r)?;
    variable(r)?;
    let ranges = variable(r)?;
    variable(r)?;
    for _ in 0..ranges.min(FRAMES_MAX) {
        variable(r)?;
        variable(r)?;
    }
    for _ in 0..if counted { 3 } else { 0 } {
        variable(r)?;
    }
    Ok(())
}
