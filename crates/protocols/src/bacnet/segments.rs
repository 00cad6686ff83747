//! Messages too long for one PDU, put together from their segments (ASHRAE 135, 5.2 and 5.4).
//!
//! Not here: windows and their acknowledgements. Invariant: what is kept is bounded in messages
//! and octets, and a message of which a segment is missing is told with what came before it.

use super::{
    limits::{SEGMENTED_MESSAGES_MAX, SEGMENTED_OCTETS_MAX},
    wire::{Apdu, Kind},
};
use crate::{Output, Side};
use std::collections::VecDeque;

/// Who sends which message: side, invoke id, the device behind a router, kind of PDU.
pub(super) type Key = (Side, u8, (u16, u8), Kind);

#[derive(Default)]
pub(super) struct Segments {
    parts: VecDeque<Part>,
}

/// A message of which the beginning came.
pub(super) struct Part {
    key: Key,
    pub(super) choice: u8,
    last: u8,
    pub(super) octets: Vec<u8>,
}

/// What became of a segment.
pub(super) enum Added {
    /// More is to come, or it came before.
    Kept,
    /// With this one the message is whole.
    Whole(Part),
    /// One before it is missing: this is what there is.
    Broken(Part),
    /// Its beginning was not seen.
    Unknown,
}

impl Segments {
    pub(super) fn add(&mut self, key: Key, apdu: &Apdu<'_>, out: &mut Output) -> Added {
        let Some((number, more)) = apdu.segment else { return Added::Unknown };
        let at = self.parts.iter().position(|part| part.key == key);
        let Some(at) = at else {
            return match number {
                0 => self.begin(key, apdu, more, out),
                _ => Added::Unknown,
            };
        };
        let Some(part) = self.parts.get_mut(at) else { return Added::Unknown };
        // Numbers wrap; what lies behind within half of them came before.
        let ahead = number.wrapping_sub(part.last);
        if ahead == 0 || ahead > 0x80 {
            return Added::Kept;
        }
        let room = part.octets.len().saturating_add(apdu.body.len()) <= SEGMENTED_OCTETS_MAX;
        if ahead == 1 && room {
            part.last = number;
            part.octets.extend_from_slice(apdu.body);
            if more {
                return Added::Kept;
            }
        } else if !room {
            out.limit("bacnet-segmented-octets");
        }
        match (self.parts.remove(at), ahead == 1 && room) {
            (Some(part), true) => Added::Whole(part),
            (Some(part), false) => Added::Broken(part),
            (None, _) => Added::Unknown,
        }
    }

    fn begin(&mut self, key: Key, apdu: &Apdu<'_>, more: bool, out: &mut Output) -> Added {
        let part = Part { key, choice: apdu.choice, last: 0, octets: apdu.body.to_vec() };
        if !more {
            return Added::Whole(part);
        }
        let oldest = (self.parts.len() >= SEGMENTED_MESSAGES_MAX).then(|| self.parts.pop_front());
        self.parts.push_back(part);
        match oldest.flatten() {
            Some(oldest) => {
                out.limit("bacnet-segmented-messages");
                Added::Broken(oldest)
            }
            None => Added::Kept,
        }
    }

    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }
}

impl Part {
    /// The message as if it had come in one piece.
    pub(super) fn apdu(&self) -> Apdu<'_> {
        let (_, invoke, _, kind) = self.key;
        let body = &self.octets;
        Apdu { kind, invoke, choice: self.choice, segment: None, server: false, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(number: u8, more: bool, body: &[u8]) -> Apdu<'_> {
        let segment = Some((number, more));
        Apdu { kind: Kind::ComplexAck, invoke: 1, choice: 14, segment, server: false, body }
    }

    const KEY: Key = (Side::Server, 1, (0, 0), Kind::ComplexAck);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn segments_with_repetitions_are_the_message(
            body in prop::collection::vec(any::<u8>(), 2..4_000),
            size in 1usize..50,
            again in 0usize..20,
        ) {
            let (mut segments, mut out) = (Segments::default(), Output::default());
            let chunks: Vec<&[u8]> = body.chunks(size).collect();
            let mut whole = None;
            for (at, chunk) in chunks.iter().enumerate() {
                let more = at + 1 < chunks.len();
                let apdu = segment(at as u8, more, chunk);
                if let Added::Whole(part) = segments.add(KEY, &apdu, &mut out) {
                    whole = Some(part.octets);
                } else if at == again {
                    segments.add(KEY, &apdu, &mut out);
                }
            }
            prop_assert_eq!(whole, Some(body));
        }
    }

    #[test]
    fn a_missing_segment_ends_the_message_with_what_there_is() {
        let (mut segments, mut out) = (Segments::default(), Output::default());
        segments.add(KEY, &segment(0, true, b"ab"), &mut out);
        let Added::Broken(part) = segments.add(KEY, &segment(2, false, b"ef"), &mut out) else {
            panic!("it was not noticed");
        };
        assert_eq!(part.octets, b"ab");
    }

    #[test]
    fn messages_that_never_end_are_bounded() {
        let (mut segments, mut out) = (Segments::default(), Output::default());
        for invoke in 0..=SEGMENTED_MESSAGES_MAX as u8 {
            let key = (Side::Server, invoke, (0, 0), Kind::ComplexAck);
            segments.add(key, &segment(0, true, b"ab"), &mut out);
        }
        assert_eq!(out.limits, ["bacnet-segmented-messages"]);
        let long = vec![0; SEGMENTED_OCTETS_MAX];
        segments.clear();
        segments.add(KEY, &segment(0, true, &long), &mut out);
        assert!(matches!(segments.add(KEY, &segment(1, true, b"x"), &mut out), Added::Broken(_)));
    }
}
