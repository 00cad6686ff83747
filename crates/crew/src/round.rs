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
    /// All packets in order, as many as there may be: lists of each shard's own would all grow
    /// to the longest there ever was.
    slots: Vec<Slot>,
    parts: [Part; SHARDS],
    /// What to do after these packets.
    pub(super) then: Then,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Then {
    #[default]
    GoOn,
    /// Nothing comes any more: the last frame and its time.
    GiveUp(u64, Time),
    /// Report a slice of the counters, stamped with this frame.
    Report(u64, u64),
}

/// What a round has for a shard.
#[derive(Clone, Copy, Default)]
struct Part {
    packets: u16,
    /// Places of the first and the last.
    first: u16,
    last: u16,
}

/// A packet that lies in a block of the round. Small: one thread writes it, another reads it.
#[derive(Clone, Copy)]
struct Slot {
    at: Time,
    wire_len: u32,
    start: u32,
    length: u32,
    /// Place of the shard's next packet, its own if there is none.
    next: u16,
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
    /// The threads that made the lists.
    pub(super) makers: Vec<usize>,
    /// State of the workers after a report.
    pub(super) health: Vec<Health>,
}

impl Round {
    /// Does the packet have the number after the last, or the first of all?
    pub(super) fn goes_on(&self, packet: &Packet<'_>) -> bool {
        self.slots.is_empty() || packet.frame == self.first + self.slots.len() as u64
    }

    /// Takes a packet that lies in the block from `start` on, and goes on where the last ended.
    pub(super) fn take(&mut self, packet: &Packet<'_>, shard: usize, (block, start): Lies<'_>) {
        if !self.blocks.last().is_some_and(|last| Arc::ptr_eq(last, block)) {
            self.blocks.push(Arc::clone(block));
        }
        if self.slots.is_empty() {
            self.first = packet.frame;
        }
        let link = self.links.iter().rposition(|known| *known == packet.link);
        let link = link.unwrap_or_else(|| {
            self.links.push(packet.link);
            self.links.len() - 1
        });
        let small = |number: usize| u32::try_from(number).expect("blocks are small");
        let few = |number: usize| u8::try_from(number).expect("a round is small");
        let place = u16::try_from(self.slots.len()).expect("a round is small");
        let part = &mut self.parts[shard];
        if part.packets == 0 {
            part.first = place;
        } else {
            self.slots[usize::from(part.last)].next = place;
        }
        part.packets += 1;
        part.last = place;
        self.slots.push(Slot {
            at: packet.at,
            wire_len: packet.wire_len,
            start: small(start),
            length: small(packet.data.len()),
            next: place,
            block: few(self.blocks.len() - 1),
            link: few(link),
        });
        self.octets += packet.data.len();
    }

    /// So much that others should have something to do.
    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= ROUND_PACKETS
            || self.octets >= ROUND_OCTETS
            || self.blocks.len() >= ROUND_BLOCKS
            || self.links.len() >= ROUND_LINKS
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
        let part = self.parts[shard];
        let mut next = (part.packets > 0).then(|| self.packet(part.first)).flatten();
        while let Some((packet, after_it)) = next {
            // Another thread's processor has the next one: it is on its way while this is read.
            next = after_it.and_then(|place| self.packet(place));
            if let Some((Packet { data, .. }, _)) = &next {
                std::hint::black_box(data.get(12));
            }
            worker.push_to(shard, &packet);
            after(worker);
        }
        match self.then {
            Then::GoOn => None,
            Then::GiveUp(frame, at) => {
                worker.give_up(frame, at);
                None
            }
            Then::Report(frame, slice) => {
                worker.report(frame, slice);
                (slice == u64::MAX).then(|| worker.health())
            }
        }
    }

    /// A packet, and the place of the shard's next.
    #[inline]
    fn packet(&self, place: u16) -> Option<(Packet<'_>, Option<u16>)> {
        let slot = self.slots.get(usize::from(place))?;
        let start = slot.start as usize;
        let block = self.blocks.get(usize::from(slot.block));
        let data = block.and_then(|block| block.get(start..start + slot.length as usize));
        let packet = Packet {
            at: slot.at,
            frame: self.first + u64::from(place),
            wire_len: slot.wire_len,
            link: *self.links.get(usize::from(slot.link))?,
            data: data.unwrap_or_default(),
        };
        Some((packet, (slot.next != place).then_some(slot.next)))
    }

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.links.clear();
        self.octets = 0;
        self.slots.clear();
        self.parts = Default::default();
        self.then = Then::GoOn;
    }
}
