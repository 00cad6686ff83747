//! What one thread runs: the shards that are its own.
//!
//! Conversations are divided into [`SHARDS`] parts by the addresses of their ends; a worker has
//! every n-th part. Not here: threads, files, interfaces. Invariant: what comes out, limits hit
//! included, does not depend on the number of workers; time arrives with the packets.

use crate::{
    event::{self, Stamped},
    limits::{Limits, SHARDS},
    shard::Shard,
    sharding::shard_of_frame,
    tally::{self, Counted},
    unnamed::Unnamed,
};
use model::{Health, MessageRow, Time};
use std::collections::BTreeMap;
use wire::LinkType;

/// A packet on its way into a worker.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub at: Time,
    /// From 1, over all workers.
    pub frame: u64,
    pub wire_len: u32,
    pub link: LinkType,
    pub data: &'a [u8],
}

/// What a worker does besides its duty.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// Count messages for `messages` of a capture report.
    pub tally: bool,
    /// Report process values.
    pub values: bool,
    /// Keep excerpts of messages as evidence.
    pub excerpts: bool,
    /// Keep the first octets of conversations that get no name.
    pub unnamed: bool,
    /// (this worker, number of workers); at most [`SHARDS`] workers have something to do.
    pub shard: (usize, usize),
    pub limits: Limits,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        WorkerSettings {
            tally: true,
            values: false,
            excerpts: true,
            unnamed: false,
            shard: (0, 1),
            limits: Limits::default(),
        }
    }
}

pub struct Worker {
    /// Shards `own`, `own + workers`, `own + 2 * workers` and so on.
    shards: Vec<Shard>,
    own: usize,
    workers: usize,
    events: Vec<Stamped>,
    /// Conversations that the report under way still has to tell of, those begun last first.
    due: Option<Vec<Due>>,
}

/// A conversation to be reported; in the order in which they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// Frame that began it.
    began: u64,
    shard: u32,
    at: u32,
}

/// Conversations begun in so many frames are told of at once by [`slices`].
const SLICE_FRAMES: u64 = 8_192;
/// Slices of that length, and as many for all frames before them.
const SLICES: u64 = 16;

/// Every so many frames of a capture those silent for [`SILENT_FRAMES`] are reported.
pub const SILENT_EVERY: u64 = 8_192;
/// A conversation that said nothing for so long has mostly said all.
const SILENT_FRAMES: u32 = 65_536;

/// Ends of slices of conversations that are reported one after another: each has those begun
/// before that frame and not in a slice before. A table holds the newest, so their slices are
/// short, and no more than a part of its conversations is told of at once. Where few packets came
/// since the frame `before` this, when all was reported, there are few to tell of.
pub fn slices(before: u64, frame: u64) -> impl Iterator<Item = u64> {
    let few = frame.saturating_sub(before) <= SLICE_FRAMES;
    let inner = slices_of_many(frame).take_while(move |_| !few);
    inner.chain([u64::MAX])
}

fn slices_of_many(frame: u64) -> impl Iterator<Item = u64> {
    let newest = frame.saturating_sub(SLICE_FRAMES * SLICES);
    let long = (1..=SLICES).map(move |part| newest / SLICES * part);
    let short = (0..SLICES).map(move |part| newest + part * SLICE_FRAMES);
    let mut before = 0;
    long.chain(short).filter(move |end| {
        let wanted = (before + 1..frame).contains(end);
        before = before.max(*end);
        wanted
    })
}

impl Worker {
    pub fn new(settings: WorkerSettings) -> Self {
        let (own, workers) = settings.shard;
        let workers = workers.max(1);
        let limits = settings.limits.share(SHARDS);
        let part = WorkerSettings { limits, ..settings };
        let shards = (own..SHARDS).step_by(workers).map(|_| Shard::new(part)).collect();
        Worker { shards, own, workers, events: Vec::new(), due: None }
    }

    /// Reads a packet if it belongs to this worker.
    pub fn push(&mut self, packet: &Packet<'_>) {
        let frame = wire::decode(packet.link, packet.data);
        let shard = shard_of_frame(&frame);
        if shard % self.workers == self.own
            && let Some(shard) = self.shards.get_mut(shard / self.workers)
        {
            shard.push(packet, &frame, &mut self.events);
        }
    }

    /// Reads a packet that [`crate::shard_of`] gave this shard, which must be the worker's.
    pub fn push_to(&mut self, shard: usize, packet: &Packet<'_>) {
        if let Some(shard) = self.shards.get_mut(shard / self.workers) {
            let frame = wire::decode(packet.link, packet.data);
            shard.push(packet, &frame, &mut self.events);
        }
    }

    /// Reports counters of conversations, stamped with `frame`: those of the next of [`slices`],
    /// and with the last also counters of senders. `after` each conversation may take what it said.
    /// Call with the same slices at the same packets for every worker, and with no packet between
    /// them.
    pub fn report(&mut self, frame: u64, slice: u64, mut after: impl FnMut(&mut Worker)) {
        let mut due = self.due.take().unwrap_or_else(|| self.all_due());
        while let Some(next) = due.pop_if(|due| due.began < slice) {
            self.report_one(next, frame);
            after(self);
        }
        if slice < u64::MAX {
            self.due = Some(due);
            return;
        }
        let mut sent = Vec::new();
        self.shards.iter_mut().for_each(|shard| shard.report_senders(frame, &mut sent));
        event::sort(&mut sent);
        self.events.append(&mut sent);
    }

    /// Reports counters of conversations that have said nothing for long, stamped with `frame`, so
    /// that not all of a capture is told at its end. Call as [`Self::report`].
    pub fn report_silent(&mut self, frame: u64, mut after: impl FnMut(&mut Worker)) {
        let mut due = Vec::new();
        for (shard, number) in self.shards.iter_mut().zip(0..) {
            let silent = shard.silent(frame, SILENT_FRAMES);
            due.extend(silent.map(|(began, at)| Due { began, shard: number, at }));
        }
        due.sort_unstable();
        for next in due {
            self.report_one(next, frame);
            after(self);
        }
    }

    fn report_one(&mut self, due: Due, frame: u64) {
        if let Some(shard) = self.shards.get_mut(due.shard as usize) {
            shard.report(due.at, frame, &mut self.events);
        }
    }

    fn all_due(&mut self) -> Vec<Due> {
        let of_shard = |(shard, number): (&mut Shard, u32)| {
            let due = move |(began, at)| Due { began, shard: number, at };
            shard.conversations().map(due).collect::<Vec<_>>()
        };
        let mut due: Vec<Due> = self.shards.iter_mut().zip(0..).flat_map(of_shard).collect();
        due.sort_unstable_by(|a, b| b.cmp(a));
        due
    }

    /// No more packets will come: gives up holes still waited for, and counts conversations whose
    /// protocol was never found.
    pub fn give_up(&mut self, frame: u64, at: Time) {
        let mut last = Vec::new();
        self.shards.iter_mut().for_each(|shard| shard.give_up_holes(frame, at, &mut last));
        event::sort(&mut last);
        self.events.append(&mut last);
    }

    /// Gives up holes and reports everything counted, all at once.
    pub fn finish(&mut self, frame: u64, at: Time) {
        self.give_up(frame, at);
        slices(0, frame).for_each(|slice| self.report(frame, slice, |_| ()));
    }

    /// Events since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Stamped> {
        std::mem::take(&mut self.events)
    }

    /// How many events there are since the last call.
    pub fn events_waiting(&self) -> usize {
        self.events.len()
    }

    /// As [`Self::take_events`], with room for those to come: what was in `events` is forgotten.
    pub fn swap_events(&mut self, events: &mut Vec<Stamped>) {
        events.clear();
        std::mem::swap(&mut self.events, events);
    }

    /// The counted messages; the worker counts none from here on.
    pub fn take_tally(&mut self) -> Messages {
        let counted = self.shards.iter_mut().map(Shard::take_tally);
        Messages(counted.filter(|counted| !counted.is_empty()).collect())
    }

    pub fn health(&self) -> Health {
        let mut health = Health::default();
        self.shards.iter().for_each(|shard| add_health(&mut health, shard.health()));
        health
    }

    /// Conversations that got no name, with what they said first; call at the end.
    pub fn take_unnamed(&mut self) -> Vec<Unnamed> {
        self.shards.iter_mut().flat_map(Shard::take_unnamed).collect()
    }
}

/// Adds what another worker could not do. Its time is the newest of both.
pub fn add_health(all: &mut Health, other: Health) {
    let join = |into: &mut BTreeMap<String, u64>, from: BTreeMap<String, u64>| {
        for (name, count) in from {
            *into.entry(name).or_default() += count;
        }
    };
    join(&mut all.unparsed, other.unparsed);
    join(&mut all.limits, other.limits);
    join(&mut all.unidentified, other.unidentified);
    all.segments_lost += other.segments_lost;
    all.bytes_lost += other.bytes_lost;
    all.at = all.at.max(other.at);
}

/// Counted messages of one or more workers.
#[derive(Default)]
pub struct Messages(Vec<Counted>);

impl Messages {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of other workers.
    pub fn append(&mut self, other: Messages) {
        self.0.extend(other.0);
    }

    /// Group -> rows, sorted.
    pub fn into_rows(self) -> BTreeMap<&'static str, Vec<MessageRow>> {
        tally::rows_of(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_rise_to_the_end_of_time_and_the_newest_are_short() {
        for frame in [0, 1, 5, 8_192, 8_193, 100_000, 131_073, 5_000_000, u64::MAX] {
            let ends: Vec<u64> = slices(0, frame).collect();
            assert_eq!(ends.last(), Some(&u64::MAX));
            assert!(ends.is_sorted_by(|a, b| a < b) && ends.len() <= 33, "{ends:?}");
            let recent = ends.iter().rev().skip(1).take(8).rev();
            let gaps = recent.clone().zip(recent.skip(1)).map(|(a, b)| b - a);
            assert!(frame < 131_072 || gaps.clone().all(|gap| gap == SLICE_FRAMES), "{ends:?}");
        }
        assert_eq!((slices(0, 1).count(), slices(999_000, 1_000_000).count()), (1, 1));
    }
}
