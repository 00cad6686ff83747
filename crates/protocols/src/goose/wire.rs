//! GOOSE messages (IEC 61850-8-1, annex A), read and written.
//!
//! Reading is lenient: what stands before the damage is kept. Invariant: no field reaches beyond
//! the frame.

use super::limits::DATA_OCTETS_MAX;
use crate::{
    ber::{Ber, Clipped, integer},
    mms::data,
    text::equal,
};

/// APPID, length, two reserved fields (IEC 61850-8-1, annex C.2).
pub const HEADER_OCTETS: usize = 8;
/// `[APPLICATION 1]`, constructed.
const GOOSE_PDU: u8 = 0x61;
/// Bit of the first reserved field: sent by a simulator (edition 2).
const SIMULATED: u16 = 0x8000;

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    pub appid: u16,
    /// The flag in the frame header or in the message (`test` of edition 1).
    pub simulated: bool,
    pub control_block: &'a [u8],
    /// How long the message is valid, in milliseconds.
    pub allowed_to_live: u64,
    pub data_set: &'a [u8],
    pub id: &'a [u8],
    /// Time of the last change, eight octets.
    pub time: &'a [u8],
    /// `stNum`: counts changes of the data.
    pub state: Option<u64>,
    /// `sqNum`: counts repetitions.
    pub sequence: Option<u64>,
    pub revision: u64,
    /// `ndsCom`: the publisher is not fully configured.
    pub needs_commissioning: bool,
    pub entries: u64,
    pub data: &'a [u8],
}

/// Why the rest of a frame cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// An element is longer than what holds it.
    CutShort,
    /// There is no GOOSE message in the frame.
    NotGoose,
    /// A field is missing that every message has.
    FieldMissing,
    /// The number of entries is not the number it says.
    EntriesWrong,
}

/// Reads a frame's payload behind the EtherType; the message is what could be read of it.
pub fn parse(frame: &[u8]) -> (Message<'_>, Option<Damage>) {
    parse_next(frame, &mut Counted::default())
}

/// As [`parse`], of a message after the one whose data were counted last.
pub(super) fn parse_next<'a>(
    frame: &'a [u8],
    counted: &mut Counted,
) -> (Message<'a>, Option<Damage>) {
    let mut message = Message::default();
    let Some((&[a, b, c, d, e, f, _, _], body)) = frame.split_first_chunk::<HEADER_OCTETS>() else {
        return (message, Some(Damage::CutShort));
    };
    message.appid = u16::from_be_bytes([a, b]);
    message.simulated = u16::from_be_bytes([e, f]) & SIMULATED != 0;
    // The message has a length of its own; some senders count the one before it wrong.
    let length = usize::from(u16::from_be_bytes([c, d])).saturating_sub(HEADER_OCTETS);
    let within = |bytes| Ber::of_any_length(bytes).lenient();
    let pdu = match within(body.get(..length).unwrap_or(body)) {
        Some(pdu) if !pdu.cut => Some(pdu),
        _ => within(body),
    };
    read(message, pdu, counted)
}

/// The data counted last: most messages say the same again, and comparing is faster.
#[derive(Debug, Default)]
pub(super) struct Counted {
    data: Vec<u8>,
    entries: u64,
}

impl Counted {
    fn entries(&mut self, data: &[u8]) -> u64 {
        if data.len() > DATA_OCTETS_MAX {
            return count(data);
        }
        if !equal(&self.data, data) {
            self.data.clear();
            self.data.extend_from_slice(data);
            self.entries = count(data);
        }
        self.entries
    }
}

fn count(data: &[u8]) -> u64 {
    let (mut entries, mut count) = (Ber::of_any_length(data), 0u64);
    while entries.lenient().is_some() {
        count = count.saturating_add(1);
    }
    count
}

/// A message without the header of a frame, as it is routed (IEC 61850-90-5).
pub fn parse_apdu(appid: u16, simulated: bool, apdu: &[u8]) -> (Message<'_>, Option<Damage>) {
    let message = Message { appid, simulated, ..Message::default() };
    read(message, Ber::of_any_length(apdu).lenient(), &mut Counted::default())
}

fn read<'a>(
    mut message: Message<'a>,
    pdu: Option<Clipped<'a>>,
    counted: &mut Counted,
) -> (Message<'a>, Option<Damage>) {
    let Some(pdu) = pdu else {
        return (message, Some(Damage::CutShort));
    };
    if pdu.tag != GOOSE_PDU {
        return (message, Some(Damage::NotGoose));
    }
    let mut damage = pdu.cut.then_some(Damage::CutShort);
    let mut fields = Ber::of_any_length(pdu.contents);
    while !fields.is_empty() {
        let Some(field) = fields.lenient() else {
            damage = Some(Damage::CutShort);
            break;
        };
        message.take(field.tag, field.contents);
        if field.cut {
            damage = Some(Damage::CutShort);
        }
    }
    if damage.is_none() {
        damage = message.incomplete(counted);
    }
    (message, damage)
}

impl<'a> Message<'a> {
    fn take(&mut self, tag: u8, contents: &'a [u8]) {
        let number = || data::unsigned(contents);
        let flag = contents.first().is_some_and(|b| *b != 0);
        match tag {
            0x80 => self.control_block = contents,
            0x81 => self.allowed_to_live = number().unwrap_or_default(),
            0x82 => self.data_set = contents,
            0x83 => self.id = contents,
            0x84 => self.time = contents,
            0x85 => self.state = number(),
            0x86 => self.sequence = number(),
            0x87 => self.simulated |= flag,
            0x88 => {
                let revision = integer(contents).ok().and_then(|n| u64::try_from(n).ok());
                self.revision = revision.unwrap_or_default();
            }
            0x89 => self.needs_commissioning = flag,
            0x8a => self.entries = number().unwrap_or_default(),
            0xab => self.data = contents,
            _ => {}
        }
    }

    fn incomplete(&self, counted: &mut Counted) -> Option<Damage> {
        if self.control_block.is_empty() || self.state.is_none() || self.sequence.is_none() {
            return Some(Damage::FieldMissing);
        }
        (counted.entries(self.data) != self.entries).then_some(Damage::EntriesWrong)
    }
}

/// The payload of a frame with this message.
pub fn emit(message: &Message<'_>) -> Vec<u8> {
    fn element(tag: u8, contents: &[u8], to: &mut Vec<u8>) {
        let [high, low] = (contents.len() as u16).to_be_bytes();
        match contents.len() {
            0..=0x7f => to.extend([tag, low]),
            _ => to.extend([tag, 0x82, high, low]),
        }
        to.extend_from_slice(contents);
    }
    // Nine octets: never negative, whatever the number.
    let number = |n: u64| [&[0u8][..], &n.to_be_bytes()].concat();
    let mut pdu = Vec::new();
    element(0x80, message.control_block, &mut pdu);
    element(0x81, &number(message.allowed_to_live), &mut pdu);
    element(0x82, message.data_set, &mut pdu);
    element(0x83, message.id, &mut pdu);
    element(0x84, message.time, &mut pdu);
    for (tag, value) in [(0x85, message.state), (0x86, message.sequence)] {
        if let Some(value) = value {
            element(tag, &number(value), &mut pdu);
        }
    }
    element(0x87, &[u8::from(message.simulated)], &mut pdu);
    element(0x88, &(message.revision as u32).to_be_bytes(), &mut pdu);
    element(0x89, &[u8::from(message.needs_commissioning)], &mut pdu);
    element(0x8a, &number(message.entries), &mut pdu);
    element(0xab, message.data, &mut pdu);
    let mut body = Vec::new();
    element(GOOSE_PDU, &pdu, &mut body);
    let mut frame = message.appid.to_be_bytes().to_vec();
    frame.extend((body.len().saturating_add(HEADER_OCTETS) as u16).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(body);
    frame
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
            (state, sequence) in any::<(u64, u64)>(),
            names in prop::collection::vec("[A-Za-z0-9_/$]{1,65}", 3),
            (revision, needs_commissioning) in (0u64..0x7fff_ffff, any::<bool>()),
            entries in prop::collection::vec(any::<bool>(), 0..60),
        ) {
            let data: Vec<u8> = entries.iter().flat_map(|b| [0x83, 1, u8::from(*b)]).collect();
            let message = Message {
                appid,
                simulated,
                control_block: names[0].as_bytes(),
                allowed_to_live: 2_000,
                data_set: names[1].as_bytes(),
                id: names[2].as_bytes(),
                time: &[1, 2, 3, 4, 5, 6, 7, 8],
                state: Some(state),
                sequence: Some(sequence),
                revision,
                needs_commissioning,
                entries: entries.len() as u64,
                data: &data,
            };
            let frame = emit(&message);
            prop_assert_eq!(parse(&frame), (message, None));
        }
    }

    #[test]
    fn what_was_counted_is_counted_again_when_it_changes() {
        let mut counted = Counted::default();
        for data in [&[0x83, 1, 0][..], &[0x83, 1, 0], &[0x83, 1, 0, 0x83, 1, 1], &[], &[0x83]] {
            assert_eq!(counted.entries(data), count(data), "{data:?}");
        }
        let long = [0x83, 1, 0].repeat(DATA_OCTETS_MAX);
        assert_eq!(counted.entries(&long), DATA_OCTETS_MAX as u64);
    }

    #[test]
    fn a_message_of_indefinite_length_says_the_same() {
        let data = [0x83, 1, 1, 0xa2, 3, 0x83, 1, 0];
        let message = Message {
            control_block: b"LD0/LLN0$GO$g",
            state: Some(7),
            sequence: Some(9),
            entries: 2,
            data: &data,
            ..Message::default()
        };
        let definite = emit(&message);
        let fields = &definite[HEADER_OCTETS + 2..definite.len() - data.len() - 2];
        let structure = [0xa2, 0x80, 0x83, 1, 0, 0, 0];
        let pdu = [fields, &[0xab, 0x80, 0x83, 1, 1], &structure, &[0; 4]].concat();
        let mut frame = [&definite[..HEADER_OCTETS], &[GOOSE_PDU, 0x80], &pdu].concat();
        frame[3] = frame.len() as u8;
        // Behind it the padding of a short frame.
        frame.extend([0; 6]);
        let (read, damage) = parse(&frame);
        let data = &[&[0x83, 1, 1][..], &structure].concat()[..];
        assert_eq!((read, damage), (Message { data, ..parse(&definite).0 }, None));
        let (read, damage) = parse(&frame[..frame.len() - 10]);
        assert_eq!((read.state, damage), (Some(7), Some(Damage::CutShort)));
    }

    #[test]
    fn what_stands_before_the_cut_is_kept() {
        let message = Message {
            control_block: b"LD0/LLN0$GO$g",
            state: Some(7),
            sequence: Some(9),
            entries: 1,
            data: &[0x83, 1, 1],
            ..Message::default()
        };
        let frame = emit(&message);
        let (read, damage) = parse(&frame[..frame.len() - 2]);
        assert_eq!((read.state, read.sequence), (Some(7), Some(9)));
        assert_eq!(damage, Some(Damage::CutShort));
    }
}
