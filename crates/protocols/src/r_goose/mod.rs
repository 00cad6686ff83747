//! Routed GOOSE and sampled values (IEC 61850-90-5): the messages of a substation in datagrams.
//!
//! Not here: the messages themselves, see [`crate::goose`] and [`crate::sv`]; keys and their
//! distribution. Invariant: what is encrypted is told to be, and not read.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, goose,
    output::Op, sv,
};
use model::{OperationClass, Subject};
use wire::reader::{Reader, Short};

pub struct RoutedGoose;
pub static R_GOOSE: RoutedGoose = RoutedGoose;

/// Messages in one datagram at most.
const PAYLOADS_MAX: usize = 32;

static ABOUT: About = About {
    name: "r_goose",
    title: "Routed GOOSE and sampled values",
    specs: &["IEC TR 61850-90-5:2012, 8.2 and 9", "IEC 61850-8-1:2011+A1:2020, annex K"],
    carriers: &[Carrier::Udp],
    ports: &[102],
    groups: &[&goose::GOOSE_GROUP],
    depth: "session and security of each datagram; streams, states and values as of GOOSE and \
            sampled values",
};

impl Protocol for RoutedGoose {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match session(head) {
            Ok(session) if session.fits => Probe::MatchClient,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Publisher>::default()
    }
}

/// A datagram: connectionless transport, session, security, then messages.
struct Session<'a> {
    /// 0xa1 GOOSE, 0xa2 sampled values, 0xa0 tunnelled, 0xa3 management.
    kind: u8,
    number: u32,
    encrypted: bool,
    signed: bool,
    /// The lengths of the datagram agree with each other.
    fits: bool,
    payloads: &'a [u8],
}

fn session(bytes: &[u8]) -> Result<Session<'_>, Short> {
    const UNITDATA: [u8; 2] = [1, 0x40];
    const COMMON_HEADER: u8 = 0x80;
    const SIGNATURE: u8 = 0x85;
    let mut at = Reader::new(bytes);
    let transport: [u8; 2] = at.array()?;
    let (kind, header) = (at.u8()?, usize::from(at.u8()?));
    let (common, octets) = (at.u8()?, usize::from(at.u8()?));
    let fits = transport == UNITDATA
        && matches!(kind, 0xa0..=0xa3)
        && common == COMMON_HEADER
        && octets.checked_add(2) == Some(header);
    let (_length, number, version) = (at.be32()?, at.be32()?, at.be16()?);
    // Time of this key, and until the next.
    at.skip(6)?;
    // The first version names the algorithms; later ones leave that to the key, and give an
    // initialization vector where they encrypt.
    let encrypted = if version <= 1 {
        let (encryption, _signature) = (at.u8()?, at.u8()?);
        at.skip(4)?;
        encryption != 0
    } else {
        at.skip(4)?;
        let vector = at.u8()?;
        at.skip(usize::from(vector))?;
        vector > 0
    };
    let length = usize::try_from(at.be32()?).unwrap_or(usize::MAX);
    let rest = at.remaining();
    let payloads = at.bytes(length.saturating_sub(4).min(rest))?;
    let fits = fits && length <= rest.saturating_add(4);
    let signed = at.rest().contains(&SIGNATURE);
    Ok(Session { kind, number, encrypted, signed, fits, payloads })
}

#[derive(Default)]
struct Publisher {
    goose: goose::Publisher,
    values: sv::MergingUnit,
    security_told: bool,
    number: Option<u32>,
}

impl Dissector for Publisher {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        out.begin("r_goose", 0..bytes.len());
        let Ok(session) = session(bytes) else {
            if segment.missing == 0 {
                let says = "a routed message shorter than its session header";
                out.violation("r-goose-cut-short", says, "IEC TR 61850-90-5, 8.2");
            }
            return all;
        };
        self.security(&session, out);
        if self.number.replace(session.number) == Some(session.number) {
            let says = "a session number that was used just before, as a replay has it";
            out.violation("r-goose-number-repeated", says, "IEC TR 61850-90-5, 8.2.3");
        }
        if !session.encrypted {
            // What stands before the damage is read.
            let _short = self.payloads(&session, &segment, out);
        } else {
            let kind = u32::from(session.kind);
            out.operation(Op::notice(OperationClass::Report, kind, "encrypted message"));
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

impl Publisher {
    fn security(&mut self, session: &Session<'_>, out: &mut Output) {
        let how = match (session.encrypted, session.signed) {
            (true, _) => "encrypted",
            (false, true) => "signed",
            (false, false) => "none",
        };
        if !std::mem::replace(&mut self.security_told, true) {
            let says = ("r_goose_security", how);
            out.attribute(Subject::Sender, "R-GOOSE session", says, 85);
        }
    }

    /// Tag, simulation, APPID, length, message.
    fn payloads(
        &mut self,
        session: &Session<'_>,
        segment: &Segment<'_>,
        out: &mut Output,
    ) -> Result<(), Short> {
        const GOOSE: u8 = 0x81;
        const SAMPLED_VALUES: u8 = 0x82;
        let mut at = Reader::new(session.payloads);
        for _ in 0..PAYLOADS_MAX {
            let Ok(tag) = at.u8() else { return Ok(()) };
            let stream = (at.u8()? != 0, at.be16()?);
            let octets = usize::from(at.be16()?);
            let apdu = at.bytes(octets.min(at.remaining()))?;
            let stream = (stream.1, stream.0);
            match tag {
                GOOSE => self.goose.routed(stream, (apdu, segment), out),
                SAMPLED_VALUES => self.values.routed(stream, (apdu, segment), out),
                _ => {
                    let kind = u32::from(tag);
                    out.operation(Op::notice(OperationClass::Other, kind, "tunnelled message"));
                }
            }
        }
        out.limit("r-goose-payloads");
        Ok(())
    }
}
