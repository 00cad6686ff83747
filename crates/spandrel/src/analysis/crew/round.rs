//! A round: packets of all shards on their way out, and what came of them.
//!
//! Invariant: a packet's octets lie in the round it belongs to.

use model::{Health, Time};
use sensor::{Packet, Stamped, Worker, limits::SHARDS};
use wire::LinkType;

#[derive(Default)]
pub(super) struct Round {
    octets: Vec<u8>,
    slots: Vec<Slot>,
    /// For each shard the places of its packets, in order.
    parts: [Vec<u16>; SHARDS],
    /// What to do after these packets.
    pub(super) then: Then,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Then {
    #[default]
    GoOn,
    /// Report counters, stamped with this frame.
    Tick(u64),
    /// Nothing comes any more: the last frame and its time.
    Finish(u64, Time),
}

/// A packet whose octets lie in the round.
struct Slot {
    at: Time,
    frame: u64,
    wire_len: u32,
    link: LinkType,
    start: u32,
    length: u32,
}

/// What came of a round.
#[derive(Default)]
pub(super) struct Done {
    /// For each shard that said something what its packets said.
    pub(super) events: Vec<Vec<Stamped>>,
    /// State of the workers after a tick or the end.
    pub(super) health: Vec<Health>,
}

impl Round {
    pub(super) fn take(&mut self, packet: &Packet<'_>, shard: usize) {
        let start = u32::try_from(self.octets.len()).expect("a round is small");
        let length = u32::try_from(packet.data.len()).expect("a packet is small");
        self.octets.extend_from_slice(packet.data);
        let place = u16::try_from(self.slots.len()).expect("a round is small");
        self.parts[shard].push(place);
        self.slots.push(Slot {
            at: packet.at,
            frame: packet.frame,
            wire_len: packet.wire_len,
            link: packet.link,
            start,
            length,
        });
    }

    pub(super) fn packets(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Is there anything to do for the shard?
    pub(super) fn concerns(&self, shard: usize) -> bool {
        !self.parts[shard].is_empty() || self.then != Then::GoOn
    }

    /// Lets the worker of the shard read its packets; gives its state where that is wanted.
    pub(super) fn read(&self, shard: usize, worker: &mut Worker) -> Option<Health> {
        for slot in self.parts[shard].iter().map(|place| &self.slots[usize::from(*place)]) {
            let start = slot.start as usize;
            let data = self.octets.get(start..start + slot.length as usize).unwrap_or_default();
            let (at, frame, wire_len, link) = (slot.at, slot.frame, slot.wire_len, slot.link);
            worker.push_to(shard, &Packet { at, frame, wire_len, link, data });
        }
        match self.then {
            Then::GoOn => return None,
            Then::Tick(frame) => worker.tick(frame),
            Then::Finish(frame, at) => worker.finish(frame, at),
        }
        Some(worker.health())
    }

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.slots.clear();
        self.parts.iter_mut().for_each(Vec::clear);
        self.then = Then::GoOn;
    }
}
