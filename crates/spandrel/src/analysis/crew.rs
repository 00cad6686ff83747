//! Worker threads: packets go out in batches, events come back in the order of frames.
//!
//! Each thread runs its batches to completion; the thread that reads them out folds what comes
//! back. Not here: what packets mean. Invariant: events reach the fold in the order in which one
//! worker alone would have said them, and only so many batches are under way.

use anyhow::{Context as _, Result, bail};
use model::{Health, Time};
use sensor::{
    Packet, Stamped, Worker, WorkerSettings, add_health, limits::SHARDS, merge, shard_of,
};
use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};
use wire::LinkType;

/// Packets in a round of batches, one for each worker.
const ROUND_PACKETS: usize = 4_096;
/// Octets after which a round goes out before it has so many packets.
const ROUND_OCTETS: usize = 2 << 20;
/// Rounds under way at most.
const ROUNDS: usize = 6;

/// Packets of one worker, and what they said.
#[derive(Default)]
struct Batch {
    octets: Vec<u8>,
    packets: Vec<Slot>,
    events: Vec<Stamped>,
    /// What to do after these packets.
    then: Then,
    /// State after a tick or the end.
    health: Option<Health>,
}

#[derive(Clone, Copy, Default)]
enum Then {
    #[default]
    GoOn,
    /// Report counters, stamped with this frame.
    Tick(u64),
    /// Nothing comes any more: the last frame and its time.
    Finish(u64, Time),
}

/// A packet whose octets lie in the batch.
struct Slot {
    at: Time,
    frame: u64,
    wire_len: u32,
    link: LinkType,
    shard: u8,
    start: u32,
    length: u32,
}

struct Hand {
    send: SyncSender<Batch>,
    receive: Receiver<Batch>,
    thread: JoinHandle<Worker>,
    /// Being filled.
    batch: Batch,
    /// Come back and to be used again.
    spare: VecDeque<Batch>,
}

pub struct Crew {
    hands: Vec<Hand>,
    /// In the round being filled.
    packets: usize,
    octets: usize,
    under_way: usize,
}

impl Crew {
    /// Starts so many workers, at most one for each part of the work.
    pub fn start(workers: usize, settings: WorkerSettings) -> Result<Crew> {
        let workers = workers.clamp(1, SHARDS);
        let hands = (0..workers)
            .map(|own| Hand::start(WorkerSettings { shard: (own, workers), ..settings }))
            .collect::<Result<Vec<_>>>()?;
        Ok(Crew { hands, packets: 0, octets: 0, under_way: 0 })
    }

    /// Takes a packet; gives events that have come back to `fold`.
    pub fn push(&mut self, packet: &Packet<'_>, fold: &mut impl FnMut(Vec<Stamped>)) -> Result<()> {
        let shard = shard_of(packet.link, packet.data);
        let workers = self.hands.len();
        if let Some(hand) = self.hands.get_mut(shard % workers) {
            hand.batch.take(packet, shard);
        }
        self.packets += 1;
        self.octets += packet.data.len();
        if self.packets < ROUND_PACKETS && self.octets < ROUND_OCTETS {
            return Ok(());
        }
        self.send_round()?;
        if self.under_way >= ROUNDS {
            self.receive_round(fold)?;
        }
        Ok(())
    }

    /// Waits for all that is under way and gives the workers back.
    pub fn finish(
        mut self,
        frame: u64,
        at: Time,
        fold: &mut impl FnMut(Vec<Stamped>),
    ) -> Result<Vec<Worker>> {
        self.complete(Then::Finish(frame, at), fold)?;
        let mut workers = Vec::new();
        for hand in self.hands {
            drop(hand.send);
            workers.push(joined(hand.thread)?);
        }
        Ok(workers)
    }

    /// Waits for all that is under way, with counters stamped with `frame`; gives the state of
    /// all workers.
    pub fn tick(&mut self, frame: u64, fold: &mut impl FnMut(Vec<Stamped>)) -> Result<Health> {
        self.complete(Then::Tick(frame), fold)
    }

    fn complete(&mut self, then: Then, fold: &mut impl FnMut(Vec<Stamped>)) -> Result<Health> {
        self.hands.iter_mut().for_each(|hand| hand.batch.then = then);
        self.send_round()?;
        let mut health = Health::default();
        while self.under_way > 0 {
            self.receive_round(fold)?.into_iter().for_each(|part| add_health(&mut health, part));
        }
        Ok(health)
    }

    fn send_round(&mut self) -> Result<()> {
        (self.packets, self.octets) = (0, 0);
        for hand in &mut self.hands {
            let next = hand.spare.pop_front().unwrap_or_default();
            let batch = std::mem::replace(&mut hand.batch, next);
            if hand.send.send(batch).is_err() {
                bail!("a worker thread ended before its packets did");
            }
        }
        self.under_way += 1;
        Ok(())
    }

    /// The oldest round under way; gives what its workers say of their state.
    fn receive_round(&mut self, fold: &mut impl FnMut(Vec<Stamped>)) -> Result<Vec<Health>> {
        let (mut events, mut health) = (Vec::new(), Vec::new());
        for hand in &mut self.hands {
            let Ok(mut batch) = hand.receive.recv() else {
                bail!("a worker thread ended before its packets did");
            };
            events.push(std::mem::take(&mut batch.events));
            health.extend(batch.health.take());
            batch.then = Then::GoOn;
            batch.octets.clear();
            batch.packets.clear();
            hand.spare.push_back(batch);
        }
        self.under_way = self.under_way.saturating_sub(1);
        fold(merge(events));
        Ok(health)
    }
}

impl Batch {
    fn take(&mut self, packet: &Packet<'_>, shard: usize) {
        let start = u32::try_from(self.octets.len()).expect("a round is small");
        let length = u32::try_from(packet.data.len()).expect("a packet is small");
        self.octets.extend_from_slice(packet.data);
        self.packets.push(Slot {
            at: packet.at,
            frame: packet.frame,
            wire_len: packet.wire_len,
            link: packet.link,
            shard: u8::try_from(shard).expect("there are few shards"),
            start,
            length,
        });
    }
}

impl Hand {
    fn start(settings: WorkerSettings) -> Result<Hand> {
        let (send, jobs) = sync_channel::<Batch>(ROUNDS + 1);
        let (done, receive) = sync_channel(ROUNDS + 1);
        let thread = std::thread::Builder::new()
            .name(format!("worker {}", settings.shard.0))
            .spawn(move || work(settings, &jobs, &done))
            .context("cannot start a worker thread")?;
        Ok(Hand { send, receive, thread, batch: Batch::default(), spare: VecDeque::new() })
    }
}

fn work(settings: WorkerSettings, jobs: &Receiver<Batch>, done: &SyncSender<Batch>) -> Worker {
    let mut worker = Worker::new(settings);
    while let Ok(mut batch) = jobs.recv() {
        for slot in &batch.packets {
            let start = slot.start as usize;
            let data = batch.octets.get(start..start + slot.length as usize).unwrap_or_default();
            let (at, frame, wire_len, link) = (slot.at, slot.frame, slot.wire_len, slot.link);
            let packet = Packet { at, frame, wire_len, link, data };
            worker.push_to(usize::from(slot.shard), &packet);
        }
        match batch.then {
            Then::GoOn => {}
            Then::Tick(frame) => worker.tick(frame),
            Then::Finish(frame, at) => worker.finish(frame, at),
        }
        let whole = !matches!(batch.then, Then::GoOn);
        batch.health = whole.then(|| worker.health());
        batch.events = worker.take_events();
        if done.send(batch).is_err() {
            break;
        }
    }
    worker
}

fn joined(thread: JoinHandle<Worker>) -> Result<Worker> {
    // A panic of ours is a bug; it goes on in this thread with its own words.
    thread.join().or_else(|panic| std::panic::resume_unwind(panic))
}
