//! Sampled value messages (IEC 61850-9-2, annex A; 9-2LE guideline), read and written.
//!
//! Not here: what the samples mean. Invariant: an ASDU ends where its message ends.

use crate::ber::Ber;

/// APPID, length, two reserved fields.
pub const HEADER_OCTETS: usize = 8;
/// `[APPLICATION 0]`, constructed.
const SAV_PDU: u8 = 0x60;
const SEQUENCE_OF_ASDU: u8 = 0xa2;
const SIMULATED: u16 = 0x8000;
/// ASDUs of one message at most; a stream has 1 or 8.
const ASDUS_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub appid: u16,
    pub simulated: bool,
    /// The sequence of ASDUs.
    pub asdus: &'a [u8],
    /// How many the message says there are.
    pub count: u8,
    pub cut: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Asdu<'a> {
    pub id: &'a [u8],
    pub data_set: &'a [u8],
    /// `smpCnt`: starts at 0 with each second.
    pub counter: u16,
    pub revision: u32,
    /// `smpSynch`: 0 none, 1 local clock, 2 global clock, others the clock's number.
    pub synchronised: u8,
    /// `smpRate`, where it is sent.
    pub rate: Option<u16>,
    pub samples: &'a [u8],
    /// A field ends with the frame.
    pub cut: bool,
}

/// Reads a frame's payload behind the EtherType; `None` without a sampled value message in it.
pub fn parse(frame: &[u8]) -> Option<Frame<'_>> {
    let (&[a, b, _, _, e, f, _, _], body) = frame.split_first_chunk::<HEADER_OCTETS>()?;
    let (appid, flags) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([e, f]));
    // The message has a length of its own; some senders count the one before it wrong.
    parse_apdu(appid, flags & SIMULATED != 0, body)
}

/// A message without the header of a frame, as it is routed (IEC 61850-90-5).
pub fn parse_apdu(appid: u16, simulated: bool, body: &[u8]) -> Option<Frame<'_>> {
    let pdu = Ber::of_any_length(body).lenient().filter(|pdu| pdu.tag == SAV_PDU)?;
    let (mut asdus, mut count, mut cut) = (&[][..], 0, pdu.cut);
    let mut fields = Ber::of_any_length(pdu.contents);
    while let Some(field) = fields.lenient() {
        cut |= field.cut;
        match (field.tag, field.contents) {
            (0x80, [.., n]) => count = *n,
            (SEQUENCE_OF_ASDU, contents) => asdus = contents,
            _ => {}
        }
    }
    Some(Frame { appid, simulated, asdus, count, cut })
}

/// The ASDUs of a frame, until one has no name; the last may be cut short.
pub fn asdus<'a>(frame: &Frame<'a>) -> impl Iterator<Item = Asdu<'a>> + use<'a> {
    let mut rest = Ber::of_any_length(frame.asdus);
    (0..ASDUS_MAX).map_while(move |_| {
        let asdu = rest.lenient().filter(|asdu| asdu.tag == 0x30)?;
        Some(self::asdu(asdu.contents)).filter(|asdu| !asdu.cut || !asdu.id.is_empty())
    })
}

fn asdu(contents: &[u8]) -> Asdu<'_> {
    let mut asdu = Asdu::default();
    let mut fields = Ber::of_any_length(contents);
    while let Some(field) = fields.lenient() {
        asdu.cut |= field.cut;
        match (field.tag, field.contents) {
            (0x80, id) => asdu.id = id,
            (0x81, name) => asdu.data_set = name,
            (0x82, [a, b]) => asdu.counter = u16::from_be_bytes([*a, *b]),
            (0x83, [a, b, c, d]) => asdu.revision = u32::from_be_bytes([*a, *b, *c, *d]),
            (0x85, [synchronised]) => asdu.synchronised = *synchronised,
            (0x86, [a, b]) => asdu.rate = Some(u16::from_be_bytes([*a, *b])),
            (0x87, samples) => asdu.samples = samples,
            _ => {}
        }
    }
    asdu
}

/// The payload of a frame with these ASDUs.
pub fn emit(appid: u16, simulated: bool, asdus: &[Asdu<'_>]) -> Vec<u8> {
    fn element(tag: u8, contents: &[u8], to: &mut Vec<u8>) {
        let [high, low] = (contents.len() as u16).to_be_bytes();
        match contents.len() {
            0..=0x7f => to.extend([tag, low]),
            _ => to.extend([tag, 0x82, high, low]),
        }
        to.extend_from_slice(contents);
    }
    let mut sequence = Vec::new();
    for asdu in asdus {
        let mut fields = Vec::new();
        element(0x80, asdu.id, &mut fields);
        if !asdu.data_set.is_empty() {
            element(0x81, asdu.data_set, &mut fields);
        }
        element(0x82, &asdu.counter.to_be_bytes(), &mut fields);
        element(0x83, &asdu.revision.to_be_bytes(), &mut fields);
        element(0x85, &[asdu.synchronised], &mut fields);
        if let Some(rate) = asdu.rate {
            element(0x86, &rate.to_be_bytes(), &mut fields);
        }
        element(0x87, asdu.samples, &mut fields);
        element(0x30, &fields, &mut sequence);
    }
    let mut pdu = vec![0x80, 1, asdus.len() as u8];
    element(SEQUENCE_OF_ASDU, &sequence, &mut pdu);
    let mut body = Vec::new();
    element(SAV_PDU, &pdu, &mut body);
    let mut frame = appid.to_be_bytes().to_vec();
    frame.extend((body.len().saturating_add(HEADER_OCTETS) as u16).to_be_bytes());
    frame.extend((if simulated { SIMULATED } else { 0 }).to_be_bytes());
    frame.extend([0; 2]);
    frame.extend(body);
    frame
}

const LIGHT_EDITION_OCTETS: usize = 64;

/// The eight values of 9-2LE's data set: currents in mA, voltages in 10 mV, each with its
/// quality (IEC 61850-9-2LE, 8.2); `None` for any other size of data set.
pub fn light_edition(samples: &[u8]) -> Option<[(i32, u32); 8]> {
    if samples.len() != LIGHT_EDITION_OCTETS {
        return None;
    }
    let mut values = [(0, 0); 8];
    let (pairs, _) = samples.as_chunks::<8>();
    for (slot, &[a, b, c, d, e, f, g, h]) in values.iter_mut().zip(pairs) {
        *slot = (i32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    }
    Some(values)
}

/// What the qualities of 9-2LE's data set say together; 0 for any other size of data set.
pub fn light_edition_quality(samples: &[u8]) -> u32 {
    if samples.len() != LIGHT_EDITION_OCTETS {
        return 0;
    }
    let (pairs, _) = samples.as_chunks::<8>();
    // Octets stay in their order until all are together.
    let all = pairs.iter().fold(0, |all, pair| all | u64::from_ne_bytes(*pair));
    let [.., e, f, g, h] = all.to_ne_bytes();
    u32::from_be_bytes([e, f, g, h])
}

/// First values of a data set of values with eight octets of quality or time behind each, as
/// 9-2LE has them: up to eight magnitudes.
pub fn magnitudes(samples: &[u8]) -> impl Iterator<Item = u32> {
    let (chunks, _) = samples.as_chunks::<8>();
    let values = chunks.iter().take(8).map(|[a, b, c, d, ..]| [*a, *b, *c, *d]);
    values.map(|octets| i32::from_be_bytes(octets).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            appid: u16,
            simulated: bool,
            ids in prop::collection::vec("[A-Za-z0-9_]{1,34}", 1..8),
            (counter, revision, synchronised) in any::<(u16, u32, u8)>(),
            rate in prop::option::of(any::<u16>()),
            samples in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let written: Vec<Asdu<'_>> = ids.iter().map(|id| Asdu {
                id: id.as_bytes(),
                data_set: b"MU01/LLN0$PhsMeas1",
                counter,
                revision,
                synchronised,
                rate,
                samples: &samples,
                cut: false,
            }).collect();
            let bytes = emit(appid, simulated, &written);
            let frame = parse(&bytes).expect("own frame");
            prop_assert_eq!((frame.appid, frame.simulated, frame.cut), (appid, simulated, false));
            prop_assert_eq!(usize::from(frame.count), written.len());
            prop_assert_eq!(asdus(&frame).collect::<Vec<_>>(), written);
        }
    }

    #[test]
    fn qualities_of_the_light_edition_are_joined() {
        let mut samples = [0; 64];
        samples[..4].copy_from_slice(&[0xff; 4]);
        samples[7] = 1;
        samples[62] = 8;
        assert_eq!(light_edition_quality(&samples), 0x0801);
        let values = light_edition(&samples).expect("its size");
        assert_eq!(values.iter().fold(0, |all, (_, quality)| all | quality), 0x0801);
        assert_eq!(light_edition_quality(&samples[1..]), 0);
    }
}
