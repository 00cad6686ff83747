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
    /// Number of the first packet.
    first: u64,
    packets: usize,
    octets: usize,
    /// For each shard its packets, in order.
    parts: [Vec<Slot>; SHARDS],
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

/// A packet that lies in a block of the round.
struct Slot {
    at: Time,
    wire_len: u32,
    start: u32,
    length: u32,
    /// Behind the round's first.
    frame: u16,
    block: u16,
    link: LinkType,
}

/// Packets in a round.
const ROUND_PACKETS: usize = 2_048;
/// Octets after which a round goes out before it has so many packets.
const ROUND_OCTETS: usize = 512 << 10;
/// Blocks after which it does: a slow pipe gives one for a few packets.
const ROUND_BLOCKS: usize = 8;

/// A block, and where in it a packet begins.
pub type Lies<'a> = (&'a Block, usize);

/// What came of a round.
#[derive(Default)]
pub(super) struct Done {
    /// For each shard that said something what its packets said.
    pub(super) events: Vec<Vec<Stamped>>,
    /// State of the workers after a report.
    pub(super) health: Vec<Health>,
}

impl Round {
    /// Takes a packet that lies in the block from `start` on.
    pub(super) fn take(&mut self, packet: &Packet<'_>, shard: usize, (block, start): Lies<'_>) {
        if !self.blocks.last().is_some_and(|last| Arc::ptr_eq(last, block)) {
            self.blocks.push(Arc::clone(block));
        }
        if self.packets == 0 {
            self.first = packet.frame;
        }
        let small = |number: usize| u32::try_from(number).expect("blocks are small");
        self.parts[shard].push(Slot {
            at: packet.at,
            wire_len: packet.wire_len,
            start: small(start),
            length: small(packet.data.len()),
            frame: u16::try_from(packet.frame - self.first).expect("a round is small"),
            block: u16::try_from(self.blocks.len() - 1).expect("a round is small"),
            link: packet.link,
        });
        self.packets += 1;
        self.octets += packet.data.len();
    }

    /// So much that others should have something to do.
    pub(super) fn is_full(&self) -> bool {
        self.packets >= ROUND_PACKETS
            || self.octets >= ROUND_OCTETS
            || self.blocks.len() >= ROUND_BLOCKS
    }

    /// Is there anything to do for the shard?
    pub(super) fn concerns(&self, shard: usize) -> bool {
        !self.parts[shard].is_empty() || self.then != Then::GoOn
    }

    /// Lets the worker of the shard read its packets; gives its state after a whole report.
    pub(super) fn read(&self, shard: usize, worker: &mut Worker) -> Option<Health> {
        for slot in &self.parts[shard] {
            let start = slot.start as usize;
            let block = self.blocks.get(usize::from(slot.block));
            let data = block.and_then(|block| block.get(start..start + slot.length as usize));
            let (at, wire_len, link) = (slot.at, slot.wire_len, slot.link);
            let (frame, data) = (self.first + u64::from(slot.frame), data.unwrap_or_default());
            worker.push_to(shard, &Packet { at, frame, wire_len, link, data });
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

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        (self.packets, self.octets) = (0, 0);
        self.parts.iter_mut().for_each(Vec::clear);
        self.then = Then::GoOn;
    }
}
