//! GOOSE: state changes of protection and switchgear, published on Ethernet and repeated.
//!
//! Not here: how it is routed over UDP, see [`crate::r_goose`]; GSE management beyond its name.
//! Invariant: a repetition that
//! says what is known allocates nothing; only what changed is observed.

mod limits;
mod stream;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::{Drawn, Figure},
};
use model::Scalar;
use stream::Streams;
use wire::{Damage, HEADER_OCTETS};

pub static GOOSE_GROUP: Group =
    Group { name: "goose", ends: Ends::MacPair, keys: &["appid", "gocbRef"] };

const FIGURES: &[Figure] = &[
    Figure { name: "st_min", number: 0, drawn: Drawn::Least },
    Figure { name: "st_max", number: 0, drawn: Drawn::Greatest },
    Figure { name: "st_distinct", number: 0, drawn: Drawn::Distinct },
    Figure { name: "st_changes", number: 0, drawn: Drawn::Changes },
    Figure { name: "sq_max", number: 1, drawn: Drawn::Greatest },
];

const ETHERTYPE: u16 = 0x88b8;

pub struct Goose;
pub static GOOSE: Goose = Goose;

static ABOUT: About = About {
    name: "goose",
    title: "IEC 61850 GOOSE",
    specs: &["IEC 61850-8-1:2011+A1:2020", "IEC 62351-6:2020"],
    carriers: &[Carrier::Ethertype(ETHERTYPE)],
    ports: &[],
    groups: &[&GOOSE_GROUP],
    depth: "streams with settings, state and sequence numbers, flags, data set values; jumps, \
            repeats, data changed without a new state",
};

impl Protocol for Goose {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match hint.carrier {
            Carrier::Ethertype(ETHERTYPE) if head.len() > HEADER_OCTETS => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Publisher>::default()
    }
}

/// One MAC address and the group it sends to.
#[derive(Default)]
pub(crate) struct Publisher {
    streams: Streams,
    counted: wire::Counted,
}

impl Dissector for Publisher {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("goose", 0..bytes.len());
        let read = wire::parse_next(bytes, &mut self.counted);
        self.see(read, (&segment, false), out);
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Publisher {
    /// A message as it is routed in datagrams: the rows of the group have no application id then.
    pub(crate) fn routed(
        &mut self,
        (appid, simulated): (u16, bool),
        (apdu, segment): (&[u8], &Segment<'_>),
        out: &mut Output,
    ) {
        self.see(wire::parse_apdu(appid, simulated, apdu), (segment, true), out);
    }

    fn see(
        &mut self,
        (message, damage): (wire::Message<'_>, Option<Damage>),
        (segment, routed): (&Segment<'_>, bool),
        out: &mut Output,
    ) {
        let Some(stream) = self.streams.of(&message, out) else {
            return report(damage, segment.missing, out);
        };
        if let (Some(state), Some(sequence)) = (message.state, message.sequence) {
            if !out.uncounted {
                let appid = match routed {
                    true => Scalar::Null,
                    false => Scalar::Number(u64::from(message.appid)),
                };
                let keys = [appid, Scalar::Shared(stream.control_block.clone())];
                out.count_with(&GOOSE_GROUP, keys, (FIGURES, [state, sequence]));
            }
            let whole = damage != Some(Damage::CutShort);
            stream.see(&message, (state, sequence), (segment.at, whole), out);
        }
        report(damage, segment.missing, out);
    }
}

fn report(damage: Option<Damage>, missing: usize, out: &mut Output) {
    let (rule, says) = match damage {
        None => return,
        Some(Damage::CutShort) if missing > 0 => return,
        Some(Damage::CutShort) => ("goose-cut-short", "an element is longer than the message"),
        Some(Damage::NotGoose) => ("goose-pdu-unknown", "no GOOSE message in the frame"),
        Some(Damage::FieldMissing) => {
            ("goose-field-missing", "no control block, state or sequence number")
        }
        Some(Damage::EntriesWrong) => {
            ("goose-entries-wrong", "not as many entries in the data as the message says")
        }
    };
    out.violation(rule, says, "IEC 61850-8-1, annex A");
}
