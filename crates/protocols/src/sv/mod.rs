//! Sampled values: currents and voltages of merging units, thousands of messages a second.
//!
//! Not here: waveforms. Invariant: a sample in its turn allocates nothing and leaves one
//! observation that is equal each time and is counted.

mod limits;
mod rhythm;
mod stream;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::{Drawn, Figure, Op},
};
use model::{OperationClass, Scalar};
use stream::Streams;
use wire::{HEADER_OCTETS, asdus};

pub static SV_GROUP: Group = Group { name: "sv", ends: Ends::MacPair, keys: &["appid", "svID"] };

const FIGURES: &[Figure] = &[Figure { name: "asdus", number: 0, drawn: Drawn::Sum }];

const ETHERTYPE: u16 = 0x88ba;

pub struct SampledValues;
pub static SV: SampledValues = SampledValues;

static ABOUT: About = About {
    name: "sv",
    title: "IEC 61850 sampled values",
    specs: &[
        "IEC 61850-9-2:2011+A1:2020",
        "UCA implementation guideline IEC 61850-9-2LE, R2-1",
        "IEC 61869-9:2016",
    ],
    carriers: &[Carrier::Ethertype(ETHERTYPE)],
    ports: &[],
    groups: &[&SV_GROUP],
    depth: "streams with revision, synchronisation, simulation; samples lost, repeated, going \
            back, late for good; quality; effective values of the 9-2LE data set",
};

impl Protocol for SampledValues {
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
        Box::<MergingUnit>::default()
    }
}

/// One MAC address and the group it sends to.
#[derive(Default)]
pub(crate) struct MergingUnit {
    streams: Streams,
    /// Damage was told: a merging unit that sends wrong does so thousands of times a second.
    damage_told: bool,
}

impl Dissector for MergingUnit {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("sv", 0..bytes.len());
        self.see(wire::parse(bytes), (&segment, true), out);
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl MergingUnit {
    /// A message as it is routed in datagrams; it is no row of the group, which goes by frames.
    pub(crate) fn routed(
        &mut self,
        (appid, simulated): (u16, bool),
        (apdu, segment): (&[u8], &Segment<'_>),
        out: &mut Output,
    ) {
        self.see(wire::parse_apdu(appid, simulated, apdu), (segment, false), out);
    }

    fn see(
        &mut self,
        frame: Option<wire::Frame<'_>>,
        (segment, counted): (&Segment<'_>, bool),
        out: &mut Output,
    ) {
        const SECTION: &str = "IEC 61850-9-2, annex A";
        let Some(frame) = frame else {
            if segment.missing == 0 {
                let says = "no sampled value message in the frame";
                out.violation("sv-pdu-unknown", says, SECTION);
            }
            return;
        };
        let op = Op::notice(OperationClass::Report, 0, "sampled values");
        let appid = u32::from(frame.appid);
        out.operation(op.range("sv", appid, 0, u32::from(frame.count)));
        let mut count = 0u8;
        for asdu in asdus(&frame) {
            count = count.saturating_add(1);
            let Some((stream, told)) = self.streams.of(frame.appid, asdu.id, out) else { continue };
            if counted && !out.uncounted {
                let name = match stream.name.is_empty() {
                    true => Scalar::Null,
                    false => Scalar::Shared(stream.name.clone()),
                };
                let keys = [Scalar::Number(u64::from(frame.appid)), name];
                out.count_with(&SV_GROUP, keys, (FIGURES, [1, 0]));
            }
            stream.see(&asdu, frame.simulated, (segment.at, told), out);
        }
        let damaged = (frame.cut || count != frame.count) && segment.missing == 0;
        if damaged && !std::mem::replace(&mut self.damage_told, true) {
            let says = "not as many sample blocks, or not as long, as the message says";
            out.violation("sv-asdus-wrong", says, SECTION);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    #[test]
    fn a_stream_without_a_name_is_counted_without_one() {
        let unit = wire::Asdu { counter: 1, samples: &[0; 8], ..wire::Asdu::default() };
        let named = wire::Asdu { id: b"MU01", ..unit };
        for (asdu, name) in [(unit, Scalar::Null), (named, Scalar::Shared("MU01".into()))] {
            let (bytes, mut out) = (wire::emit(0x4000, false, &[asdu]), Output::new(false));
            SV.open().feed(Segment::of(&bytes, Side::Client, ABOUT.carriers[0]), &mut out);
            let keys: Vec<_> = out.messages.iter().map(|message| message.keys[1].clone()).collect();
            assert_eq!(keys, [name]);
        }
    }
}
