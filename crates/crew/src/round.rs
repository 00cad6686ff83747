//! A round: packets of all shards on their way out, and what came of them.
//!
//! Packets are not copied: the round holds the blocks they were read into. Invariant: a packet's
//! octets lie in a block of the round it belongs to.

use model::{Health, Time};
use sensor::{Packet, Stamped, Worker, limits::SHARDS};
use std::sync::Arc;
use wire::{LinkType, file::Block};

#[derive(Default)]
pub(super) struct Round {
    blocks: Vec<Block>,
    /// Link types of the packets.
    links: Vec<LinkType>,
    /// Number of the first packet; the others have those that follow.
    first: u64,
    octets: usize,
    /// Packets as they came, until the round is [sorted](Round::sort).
    filling: Filling,
    /// All of them shard by shard: another thread reads them, and what lies in a row is on its way
    /// to it before it asks.
    sorted: Vec<Slot>,
    parts: [Part; SHARDS],
    /// What to do after these packets.
    pub(super) then: Then,
}

/// Where the packets of a round are written down as they come. It goes from one round to the next,
/// and so stays near the one processor that uses it.
#[derive(Default)]
pub(super) struct Filling {
    /// In order, as many as there may be: lists of each shard's own would all grow to the longest
    /// there ever was.
    slots: Vec<Slot>,
    /// Of each packet.
    shards: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Then {
    #[default]
    GoOn,
    /// Nothing comes any more: the last frame and its time.
    GiveUp(u64, Time),
    /// Report a slice of the counters, stamped with this frame.
    Report(u64, u64),
    /// Report those of conversations that have been silent for long.
    ReportSilent(u64),
}

/// What a round has for a shard.
#[derive(Clone, Copy, Default)]
struct Part {
    packets: u16,
    /// Where its packets begin among the sorted.
    first: u16,
}

/// A packet that lies in a block of the round. Small: one thread writes it, another reads it.
#[derive(Clone, Copy, Default)]
struct Slot {
    at: Time,
    wire_len: u32,
    start: u32,
    length: u32,
    /// Place among all packets of the round.
    place: u16,
    block: u8,
    link: u8,
}

const _: () = assert!(size_of::<Slot>() == 24);

/// Packets in a round.
const ROUND_PACKETS: usize = 2_048;
/// Octets after which a round goes out before it has so many packets.
const ROUND_OCTETS: usize = 512 << 10;
/// Blocks after which it does: a slow pipe gives one for a few packets.
const ROUND_BLOCKS: usize = 8;
/// Link types after which it does.
const ROUND_LINKS: usize = 64;

/// Packets that are on their way to the thread that reads them while it reads those before.
const NEAR_PACKETS: usize = 8;
/// Octets of a packet that are brought near; of what follows the processor sees that it is read in
/// a row.
const NEAR_OCTETS: usize = 256;

/// Packets that take about as long as a slice of a report.
const REPORT_PACKETS: usize = 512;

/// A block, and where in it a packet begins.
pub type Lies<'a> = (&'a Block, usize);

/// What came of a round.
#[derive(Default)]
pub(super) struct Done {
    /// What the packets said: of each shard that said something one list or more, one after the
    /// other.
    pub(super) events: Vec<Vec<Stamped>>,
    /// How many lists each of the shards made.
    pub(super) of_each: Vec<usize>,
    /// The threads that made the lists.
    pub(super) makers: Vec<usize>,
    /// State of the workers after a report.
    pub(super) health: Vec<Health>,
}

impl Round {
    /// The same with memory to be filled.
    pub(super) fn over(self, filling: Filling) -> Round {
        Round { filling, ..self }
    }

    /// Does the packet have the number after the last, or the first of all?
    pub(super) fn goes_on(&self, packet: &Packet<'_>) -> bool {
        let taken = self.filling.slots.len();
        taken == 0 || packet.frame == self.first + taken as u64
    }

    /// Takes a packet that lies in the block from `start` on, and goes on where the last ended.
    pub(super) fn take(&mut self, packet: &Packet<'_>, shard: usize, (block, start): Lies<'_>) {
        if !self.blocks.last().is_some_and(|last| Arc::ptr_eq(last, block)) {
            self.blocks.push(Arc::clone(block));
        }
        let Filling { slots, shards } = &mut self.filling;
        if slots.is_empty() {
            self.first = packet.frame;
        }
        let link = self.links.iter().rposition(|known| *known == packet.link);
        let link = link.unwrap_or_else(|| {
            self.links.push(packet.link);
            self.links.len() - 1
        });
        let small = |number: usize| u32::try_from(number).expect("blocks are small");
        let few = |number: usize| u8::try_from(number).expect("a round is small");
        let place = u16::try_from(slots.len()).expect("a round is small");
        self.parts[shard].packets += 1;
        shards.push(few(shard));
        slots.push(Slot {
            at: packet.at,
            wire_len: packet.wire_len,
            start: small(start),
            length: small(packet.data.len()),
            place,
            block: few(self.blocks.len() - 1),
            link: few(link),
        });
        self.octets += packet.data.len();
    }

    /// So much that others should have something to do.
    pub(super) fn is_full(&self) -> bool {
        self.filling.slots.len() >= ROUND_PACKETS
            || self.octets >= ROUND_OCTETS
            || self.blocks.len() >= ROUND_BLOCKS
            || self.links.len() >= ROUND_LINKS
    }

    /// Puts the packets of each shard in a row. Called when there will be no more of them; gives
    /// the memory they were written down in, empty.
    pub(super) fn sort(&mut self) -> Filling {
        let mut next = 0;
        for part in &mut self.parts {
            part.first = next;
            next += part.packets;
        }
        let mut ends = self.parts.map(|part| usize::from(part.first));
        let mut filling = std::mem::take(&mut self.filling);
        let Filling { slots, shards } = &mut filling;
        if self.sorted.len() < slots.len() {
            self.sorted.resize(slots.len(), Slot::default());
        }
        for (slot, shard) in slots.drain(..).zip(shards.drain(..)) {
            let end = &mut ends[usize::from(shard)];
            self.sorted[*end] = slot;
            *end += 1;
        }
        filling
    }

    /// Is there anything to do for the shard?
    pub(super) fn concerns(&self, shard: usize) -> bool {
        self.parts[shard].packets > 0 || self.then != Then::GoOn
    }

    /// How much there is to do for the shard, in packets.
    pub(super) fn work_for(&self, shard: usize) -> usize {
        let report = if self.then == Then::GoOn { 0 } else { REPORT_PACKETS };
        usize::from(self.parts[shard].packets) + report
    }

    /// Lets the worker of the shard read its packets, and `after` each look at what it said; gives
    /// its state after a whole report.
    pub(super) fn read(
        &self,
        shard: usize,
        worker: &mut Worker,
        mut after: impl FnMut(&mut Worker),
    ) -> Option<Health> {
        let slots = self.slots_of(shard);
        slots.iter().take(NEAR_PACKETS).for_each(|slot| self.bring_near(slot));
        for (at, slot) in slots.iter().enumerate() {
            if let Some(soon) = slots.get(at + NEAR_PACKETS) {
                self.bring_near(soon);
            }
            worker.push_to(shard, &self.packet(slot));
            after(worker);
        }
        match self.then {
            Then::GoOn => None,
            Then::GiveUp(frame, at) => {
                worker.give_up(frame, at);
                None
            }
            Then::Report(frame, slice) => {
                worker.report(frame, slice, after);
                (slice == u64::MAX).then(|| worker.health())
            }
            Then::ReportSilent(frame) => {
                worker.report_silent(frame, after);
                None
            }
        }
    }

    /// The packets of the shard.
    fn slots_of(&self, shard: usize) -> &[Slot] {
        let Part { packets, first } = self.parts[shard];
        let first = usize::from(first);
        self.sorted.get(first..first + usize::from(packets)).unwrap_or_default()
    }

    /// Another thread's processor has the packet.
    #[inline]
    fn bring_near(&self, slot: &Slot) {
        let data = self.data(slot);
        capture::bring_near(data.get(..NEAR_OCTETS).unwrap_or(data));
    }

    #[inline]
    fn data(&self, slot: &Slot) -> &[u8] {
        let start = slot.start as usize;
        let block = self.blocks.get(usize::from(slot.block));
        block.and_then(|block| block.get(start..start + slot.length as usize)).unwrap_or_default()
    }

    #[inline]
    fn packet(&self, slot: &Slot) -> Packet<'_> {
        Packet {
            at: slot.at,
            frame: self.first + u64::from(slot.place),
            wire_len: slot.wire_len,
            // A round knows the link types of all its packets.
            link: self.links[usize::from(slot.link)],
            data: self.data(slot),
        }
    }

    /// Forgets everything a sorted round has, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.links.clear();
        self.octets = 0;
        self.parts = Default::default();
        self.then = Then::GoOn;
    }
}
