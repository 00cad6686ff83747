//! A capture from its first packet to its last, or to its first damage.
//!
//! Not here: what is made of it. Invariant: what was read before the damage counts.

use crate::{Beside, CrewError, Hands, Outcome, SharedFold};
use model::Time;
use sensor::{Fold, Packet, SILENT_EVERY, WorkerSettings};
use std::io::Read;
use wire::file::{CaptureReader, RawPacket, ReadError};

/// Packets between two calls of `shown`.
const SHOWN_PACKETS: u64 = 4_096;

/// What a capture as a whole is.
#[derive(Default)]
pub struct Counts {
    pub packets: u64,
    /// On the wire.
    pub bytes: u64,
    pub first: Option<Time>,
    pub last: Option<Time>,
}

/// A capture that was read.
pub struct Reading {
    pub counts: Counts,
    pub outcome: Outcome,
    /// What held the packets, to be used again.
    pub memory: Vec<Vec<u8>>,
    /// What all of it was folded into.
    pub fold: Fold,
    /// Where it could not be read on.
    pub damage: Option<ReadError>,
}

/// Has so many threads read all packets, and folds what they said into the fold. Now and then
/// `shown` hears how many there were; `beside` may be done at the end.
pub fn read_capture(
    mut reader: CaptureReader<Box<dyn Read + '_>>,
    (threads, settings): (usize, WorkerSettings),
    fold: Fold,
    (shown, beside): (&mut dyn FnMut(u64), Beside<'_>),
) -> Result<Reading, CrewError> {
    let fold = SharedFold::new(fold);
    let mut hands = Hands::new(threads, settings, fold.clone());
    let mut counts = Counts::default();
    let damage = loop {
        match reader.next() {
            Ok(Some(raw)) => {
                let packet = counts.take(&raw);
                hands.push(&packet, (raw.block, raw.start))?;
                if counts.packets.is_multiple_of(SHOWN_PACKETS) {
                    shown(counts.packets);
                }
                if counts.packets.is_multiple_of(SILENT_EVERY) {
                    hands.report_silent(counts.packets)?;
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let outcome = hands.finish(counts.packets, counts.last.unwrap_or_default(), beside)?;
    // The hands are gone, and with them all who shared it.
    let fold = fold.into_inner().ok_or(CrewError::Ended)?;
    let memory = reader.into_memory();
    Ok(Reading { counts, outcome, memory, fold, damage })
}

impl Counts {
    fn take<'a>(&mut self, raw: &RawPacket<'a>) -> Packet<'a> {
        self.packets += 1;
        self.bytes += u64::from(raw.wire_len);
        let at = Time::from_nanos(raw.at_nanos);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        let (wire_len, link, data) = (raw.wire_len, raw.link, raw.data);
        Packet { at, frame: self.packets, wire_len, link, data }
    }
}
